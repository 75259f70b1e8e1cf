"""Tests of the policy bandwidth-limit."""

import pytest
from attrs import evolve

from twgw.memory import MemoryGateway
from twgw.model import Api, Application, Credential, Limit, Policy, Route, State, Subscription, Tier, Unit
from twgw.testing import API, FakeClock, exchange, gateway, run_policies, use

KEY = {"X-API-Key": "key-of-shop"}
KEYS = Policy("key-auth")


def bytes_in(amount, period=60.0):
    return Limit(amount, period, unit=Unit.BYTES)


def serving(*policies, tiers=(), body=b"x" * 40, application_tier=None, subscription_tier=None, **api):
    """A gateway with one application and one API, of which every response has 40 bytes."""
    pets = Api(**{"name": "pets", "version": "1", "base_path": "/pets", "policies": (KEYS, *policies), **api})
    shop = Application(
        "shop", (Subscription("pets:1", subscription_tier),), (Credential(value="key-of-shop"),), application_tier
    )
    made = MemoryGateway(pets, upstream=lambda _request: (200, {}, body))
    made.deploy(State((), tiers=tiers, apis=(evolve(pets, upstream=API.upstream),), applications=(shop,)))
    return made


def statuses(made, *bodies):
    return [made.post("/pets/", body, headers=KEY).status for body in bodies]


def test_bytes_in_both_directions_are_paid_at_the_end():
    """A request is let in as long as a byte is left; the answer says what is left before it was paid."""
    made = serving(Policy("bandwidth-limit", {"amount": 100}))
    first = made.post("/pets/", b"y" * 10, headers=KEY)
    second = made.post("/pets/", b"y" * 10, headers=KEY)

    assert '"bandwidth";q=100;qu="content-bytes";w=86400' == first.headers["ratelimit-policy"]
    assert [f'"bandwidth";r={left};t=' for left in (99, 49)] == [
        answer.headers["ratelimit"].rpartition("t=")[0] + "t=" for answer in (first, second)
    ]
    third = made.post("/pets/", b"", headers=KEY)
    assert (429, b"100 bytes per 86400 s are used up" in third.body) == (third.status, True)


def test_who_goes_past_the_limit_waits_for_the_next_period():
    """What is past it is not carried over: the next period is a whole one."""
    made = serving(Policy("bandwidth-limit", {"amount": 30, "period": 60}))

    assert [200, 429, 429] == statuses(made, b"", b"", b"")
    made.clock.advance(60)
    assert [200, 429] == statuses(made, b"", b"")


def test_a_refused_request_pays_nothing():
    """Not by this limit, and not when another one refuses it."""
    made = serving(Policy("rate-limit", {"amount": 1}), Policy("bandwidth-limit", {"amount": 1000}))
    statuses(made, b"", b"", b"")
    answer = made.post("/pets/", b"", headers=KEY)

    assert 429 == answer.status
    assert '"bandwidth";r=960' in answer.headers["ratelimit"]


def test_limits_of_tiers_come_along_with_rate_limit():
    """Those in bytes of the subscription, the application, the API and the route, without a word in the API."""
    tiers, route = (Tier("Data", (bytes_in(50),)),), Route(tier="Data")
    levels = ({"subscription_tier": "Data"}, {"application_tier": "Data"}, {"tier": "Data"}, {"routes": (route,)})
    for level in levels:
        made = serving(Policy("subscription"), Policy("rate-limit"), tiers=tiers, **level)

        assert [200, 200, 429] == statuses(made, b"", b"", b""), level


def test_requests_and_bytes_of_one_tier_hold_together():
    """Whichever is used up first refuses."""
    tier = Tier("Both", (Limit(3), bytes_in(1000)))
    policies = (Policy("subscription"), Policy("rate-limit"))
    made = serving(*policies, tiers=(tier,), subscription_tier="Both")
    answer = made.post("/pets/", b"", headers=KEY)

    assert '"both";q=3;w=60' in answer.headers["ratelimit-policy"]
    assert 'qu="content-bytes"' in answer.headers["ratelimit-policy"]
    assert [200, 200, 429] == statuses(made, b"", b"", b"")
    made = serving(*policies, tiers=(tier,), subscription_tier="Both", body=b"x" * 2000)
    assert [200, 429] == statuses(made, b"", b"")


def test_it_stays_away_where_nothing_asks_for_it():
    """Without a limit in bytes, where rate-limit has an amount of its own, and where an API switches it off."""
    tiers, limited = (Tier("Data", (bytes_in(50),)),), {"tiers": (Tier("T", (Limit(9),)),), "subscription_tier": "T"}
    data = {"tiers": tiers, "subscription_tier": "Data"}
    asking = (Policy("subscription"), Policy("rate-limit"))
    own = (Policy("subscription"), Policy("rate-limit", {"amount": 9}))
    off = (*asking, Policy("bandwidth-limit", enabled=False))

    assert [200] * 4 == statuses(serving(*asking, **limited), *[b""] * 4)
    assert [200] * 4 == statuses(serving(*own, **data), *[b""] * 4)
    assert [200] * 4 == statuses(serving(*off, **data), *[b""] * 4)


def test_an_exhausted_client_does_not_stop_another():
    """Whose bytes are counted together is said by ``by``, as with rate-limit."""
    lent = gateway(clock=FakeClock())
    ask = lambda client, **more: run_policies(
        [use("bandwidth-limit", amount=5, by="client", **more)], exchange("POST", client=client), gateway=lent
    )
    for _ in range(6):
        ask("192.0.2.1")

    assert [429, 200] == [ask(client).status for client in ("192.0.2.1", "192.0.2.2")]
    assert 200 == ask("192.0.2.1", scope="global").status


def test_it_may_be_hidden():
    """Clients then read nothing of it but the refusal."""
    lent = gateway()
    answers = [
        run_policies([use("bandwidth-limit", amount=1, hide_client_headers=True)], gateway=lent) for _ in range(2)
    ]

    assert [(200, None), (429, None)] == [(answer.status, answer.headers.get("RateLimit")) for answer in answers]


@pytest.mark.parametrize("algorithm", ["fixed-window", "sliding-window"])
def test_both_windows_count_bytes(algorithm):
    """A token bucket would have to borrow; the windows need not."""
    made = serving(Policy("bandwidth-limit", {"amount": 50, "period": 60, "algorithm": algorithm}))

    assert [200, 200, 429] == statuses(made, b"", b"", b"")
    made.clock.advance(121)
    assert [200] == statuses(made, b"")
