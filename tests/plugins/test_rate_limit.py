"""Tests of the policy rate-limit."""

from ipaddress import ip_network

import attrs
import pytest

from twgw.faults import SettingsError
from twgw.memory import MemoryGateway
from twgw.model import Credential, Lifecycle, Limit, Policy, Route, Subscription, Tier
from twgw.testing import API, FakeClock, exchange, gateway, run_policies, run_policy, use

GOLD = {"Gold": [Limit(2)], "Free": [], "Burst": [Limit(2, 1), Limit(5, 3600)], "Unauthenticated": [Limit(1)]}
OTHER = attrs.evolve(API, name="other")


def statuses(lent, requests, api=API, **settings):
    return [run_policy("rate-limit", request, gateway=lent, api=api, **settings).status for request in requests]


def test_what_is_more_than_the_amount_is_refused():
    """The third of two in a minute gets 429, with all that a client needs to know; the next minute is a new one."""
    clock = FakeClock()
    lent = gateway(clock=clock)
    clock.advance(20)

    first, _, third = (run_policy("rate-limit", gateway=lent, amount=2) for _ in range(3))

    assert 200 == first.status
    assert '"default";q=2;w=60' == first.headers.get("RateLimit-Policy")
    assert '"default";r=1;t=40' == first.headers.get("RateLimit")
    assert 429 == third.status
    assert "40" == third.headers.get("Retry-After")
    assert ("rate-limit", "default: 2 used up") == (third.exchange.refused_by, third.exchange.reason)
    assert third.forwarded is None
    clock.advance(40)
    assert [200] == statuses(lent, [exchange()], amount=2)


def test_the_tier_of_the_subscription_says_how_much():
    """Without settings of its own the limits are those that the application subscribed in, shown by the tier's name."""
    lent = gateway(tiers=GOLD)

    results = [
        run_policy("rate-limit", exchange(credential="shop", subscription="Gold"), gateway=lent) for _ in range(3)
    ]

    assert [200, 200, 429] == [result.status for result in results]
    assert '"gold";q=2;w=60' == results[0].headers.get("RateLimit-Policy")
    assert ["gold"] == results[2].json["violated-policies"]


def test_several_limits_are_told_apart():
    """Each limit of a tier has its period in its name, and all of them hold."""
    lent = gateway(tiers=GOLD)
    request = lambda: exchange(credential="shop", subscription="Burst")

    result = run_policy("rate-limit", request(), gateway=lent)

    assert '"burst-1s";q=2;w=1, "burst-3600s";q=5;w=3600' == result.headers.get("RateLimit-Policy")
    assert [200, 429] == statuses(lent, [request(), request()])
    lent.clock.advance(1)
    assert [200, 200, 429] == statuses(lent, [request() for _ in range(3)])
    lent.clock.advance(1)
    assert [200, 429] == statuses(lent, [request() for _ in range(2)])


def test_all_levels_hold_together():
    """Subscription, application, API and route are charged as one: a refusal by one spends none of the others."""
    lent = gateway(tiers={"Gold": [Limit(9)], "Large": [Limit(3)], "Api": [Limit(4)], "Route": [Limit(2)]})
    api = attrs.evolve(API, tier="Api")
    routes = {"/small": (Route("/small", tier="Route"),), "/other": (Route("/other"),)}
    shop = Credential(id="k", application="shop", tier="Large")
    call = lambda path, credential=shop: run_policy(
        "rate-limit",
        exchange(path=path, credential=credential, subscription="Gold"),
        gateway=lent,
        api=attrs.evolve(api, routes=routes[path]),
    )
    first = call("/small")

    assert (
        '"resource-route";q=2;w=60, "application-large";q=3;w=60, "api-api";q=4;w=60, "gold";q=9;w=60'
        == first.headers.get("RateLimit-Policy")
    )
    assert [200, 429] == [call("/small").status, (refused := call("/small")).status]
    assert (900802, ["resource-route"]) == (refused.json["code"], refused.json["violated-policies"])
    assert [200, 429] == [call("/other").status, (refused := call("/other")).status]
    assert 900803 == refused.json["code"]
    other = Credential(id="k", application="other", tier="Large")
    assert [200, 429] == [call("/other", other).status, (refused := call("/other", other)).status]
    assert 900800 == refused.json["code"]


def test_the_tier_of_an_application_is_one_for_all_apis():
    """What it calls elsewhere counts, whatever use of the policy stands there."""
    lent = gateway(tiers={"Large": [Limit(2)]})
    shop = Credential(id="k", application="shop", tier="Large")
    ask = lambda api, **more: run_policy(
        "rate-limit", exchange(credential=shop, subscription=Subscription(api.id)), gateway=lent, api=api, **more
    )

    assert [200, 200, 429] == [ask(API).status, ask(OTHER, name="x").status, ask(API).status]


def test_bursts_have_codes_of_their_own():
    """The count may be far from used up when too many come at once."""
    tiers = {"Gold": Tier("Gold", (Limit(100),), Limit(1, 1)), "Large": Tier("Large", (Limit(100),), Limit(2, 1))}
    lent = gateway()
    lent.subscriptions.tiers.update(tiers)
    shop = Credential(id="k", application="shop", tier="Large")
    ask = lambda api: run_policy(
        "rate-limit", exchange(credential=shop, subscription=Subscription(api.id, "Gold")), gateway=lent, api=api
    )

    assert [200, 429] == [ask(API).status, (refused := ask(API)).status]
    assert (900807, ["gold-1s"]) == (refused.json["code"], refused.json["violated-policies"])
    assert [200, 429] == [ask(OTHER).status, (refused := ask(attrs.evolve(API, name="third"))).status]
    assert (900809, ["application-large-1s"]) == (refused.json["code"], refused.json["violated-policies"])


def test_the_hard_limit_is_for_all_callers():
    """What the upstream can bear: past it whoever comes gets 503, and comes again later."""
    lent = gateway(tiers=GOLD)
    api = attrs.evolve(API, hard_limit=Limit(1, 5))
    ask = lambda name: run_policy("rate-limit", exchange(credential=name, subscription="Free"), gateway=lent, api=api)

    assert [200, 503] == [ask("a").status, (refused := ask("b")).status]
    assert (900801, "5") == (refused.json["code"], refused.headers.get("Retry-After"))
    lent.clock.advance(5)
    assert 200 == ask("b").status


def test_bytes_are_not_for_this_policy():
    """A limit in bytes is refused here, with the name of who counts them."""
    with pytest.raises(SettingsError, match="must be requests; bandwidth-limit counts bytes"):
        run_policy("rate-limit", limits=[{"amount": 1, "unit": "bytes"}])


def test_an_unlimited_tier_charges_nothing():
    """A tier without limits, and a subscription without a tier, cost nothing and show nothing."""
    lent = gateway(tiers=GOLD)

    free = run_policy("rate-limit", exchange(credential="shop", subscription="Free"), gateway=lent)
    none = run_policy(
        "rate-limit", exchange(credential="shop", subscription=Subscription("test:1", None)), gateway=lent
    )

    assert (200, None) == (free.status, free.headers.get("RateLimit"))
    assert (200, None) == (none.status, none.headers.get("RateLimit"))
    assert 0 == len(lent.limiter)


def test_without_a_subscription_there_is_no_tier_to_go_by():
    """403, unless a tier for such callers is named; a prototype needs no subscription and has no limit then."""
    prototype = attrs.evolve(API, state=Lifecycle.PROTOTYPED)
    lent = gateway(tiers=GOLD)

    refused = run_policy("rate-limit", exchange(credential="shop"), gateway=lent)

    assert (403, 900908) == (refused.status, refused.json["code"])
    assert [200, 429] == statuses(lent, [exchange(), exchange()], default_tier="Unauthenticated")
    assert [200, 200, 200] == statuses(lent, [exchange() for _ in range(3)], prototype)
    assert [200, 429] == statuses(
        gateway(tiers=GOLD), [exchange(), exchange()], prototype, default_tier="Unauthenticated"
    )


def test_a_tier_that_is_gone_refuses():
    """What cannot be looked up fails closed, and the log says what is missing."""
    result = run_policy("rate-limit", exchange(subscription="Platinum"), gateway=gateway(tiers=GOLD))

    assert 500 == result.status
    assert "there is no tier Platinum" in result.logged[0][1]


def test_a_changed_tier_counts_anew():
    """A tier with other limits, after a reload, is taken as it is now."""
    lent = gateway(tiers=GOLD)
    request = lambda: exchange(credential="shop", subscription="Gold")
    assert [200, 200, 429] == statuses(lent, [request() for _ in range(3)])

    lent.subscriptions.tiers.update(gateway(tiers={"Gold": [Limit(3)]}).subscriptions.tiers)

    assert [200, 200, 200, 429] == statuses(lent, [request() for _ in range(4)])


@pytest.mark.parametrize(
    ("by", "first", "same", "other"),
    [
        ("application", {"credential": "shop"}, {"credential": "shop", "client": "9.9.9.9"}, {"credential": "batch"}),
        (
            "credential",
            {"credential": Credential(id="1", application="shop")},
            {"credential": Credential(id="1", application="shop")},
            {"credential": Credential(id="2", application="shop")},
        ),
        ("client", {"client": "192.0.2.1"}, {"client": "192.0.2.1", "credential": "shop"}, {"client": "192.0.2.2"}),
        ("client", {"client": "2001:db8::1"}, {"client": "2001:db8::ffff:1:2:3"}, {"client": "2001:db8:0:1::1"}),
        ("client", {"client": "::ffff:192.0.2.1"}, {"client": "192.0.2.1"}, {"client": "::ffff:192.0.2.2"}),
        ("application", {"client": "192.0.2.1"}, {"client": "192.0.2.1"}, {"client": "192.0.2.2"}),
        ("application", {"client": "192.0.2.1"}, {"client": "192.0.2.1"}, {"credential": "192.0.2.1"}),
        ("credential", {"client": "unknown"}, {"client": "unknown"}, {"client": "fe80::1%eth0"}),
    ],
)
def test_whose_requests_are_counted_together(by, first, same, other):
    """By application or credential, where there is one, else by client; an IPv6 client has all of its /64."""
    found = statuses(gateway(), [exchange(**given) for given in (first, same, other)], amount=1, by=by)

    assert [200, 429, 200] == found


def test_all_callers_of_an_api_together():
    """``by: api`` protects what is behind it, whoever calls."""
    lent = gateway()

    assert [200, 429] == statuses(lent, [exchange(client="1.1.1.1"), exchange(credential="shop")], amount=1, by="api")


def test_each_api_is_counted_apart():
    """Unless the scope is global, one API's requests do not use up another's."""
    lent = gateway()

    assert [200] == statuses(lent, [exchange()], amount=1)
    assert [200] == statuses(lent, [exchange()], OTHER, amount=1)
    assert [200] == statuses(lent, [exchange()], amount=1, scope="global")
    assert [429] == statuses(lent, [exchange()], OTHER, amount=1, scope="global")


@pytest.mark.parametrize("other", [{"amount": 3}, {"amount": 2, "name": "mine"}, {"amount": 2, "by": "client"}])
def test_two_uses_with_other_settings_count_apart(other):
    """Two limits on one request are both charged, each on its own counter."""
    lent = gateway()
    uses = [use("rate-limit", amount=2), use("rate-limit", **other)]

    results = [run_policies(uses, exchange(credential="shop"), gateway=lent) for _ in range(3)]

    assert [200, 200, 429] == [result.status for result in results]
    assert 2 == len(lent.limiter)


def test_a_refused_request_spends_nothing():
    """Limits are decided together: what one of them refuses costs the others nothing."""
    lent = gateway()
    uses = [use("rate-limit", amount=5, by="api"), use("rate-limit", amount=1, by="client")]

    for _ in range(4):
        run_policies(uses, gateway=lent)
    left = run_policies(uses, exchange(client="192.0.2.9"), gateway=lent)

    assert 200 == left.status
    assert ";r=3;" in left.headers.get("RateLimit")


def test_a_forged_forwarded_for_buys_nothing():
    """A client that names another address in each request is counted as one (security row 26)."""
    lent = gateway(trusted_proxies=[ip_network("10.0.0.0/8")])
    forged = [f"192.0.2.{number}" for number in range(3)]
    requests = [
        exchange(headers={"X-Forwarded-For": one, "Forwarded": f"for={one}", "X-Real-IP": one}) for one in forged
    ]

    assert [200, 429, 429] == statuses(lent, requests, amount=1, by="client")


def test_clients_need_not_know():
    """Hidden limits are kept, but not told; ``Retry-After`` is."""
    lent = gateway()
    first, second = (run_policy("rate-limit", gateway=lent, amount=1, hide_client_headers=True) for _ in range(2))

    assert (200, None) == (first.status, first.headers.get("RateLimit"))
    assert (429, None) == (second.status, second.headers.get("RateLimit"))
    assert second.headers.get("Retry-After")
    assert [] == second.json["violated-policies"]


def test_a_bucket_lets_a_burst_pass():
    """The token bucket admits its burst at once, then the steady rate."""
    lent = gateway()
    settings = {"amount": 60, "period": 60, "algorithm": "token-bucket", "burst": 2}

    assert [200, 200, 429] == statuses(lent, [exchange() for _ in range(3)], **settings)
    lent.clock.advance(1)
    assert [200, 429] == statuses(lent, [exchange() for _ in range(2)], **settings)


def test_in_shadow_only_its_own_counter_is_spent():
    """A limit on trial refuses nobody and touches no other counter."""
    lent = gateway()

    watched = [run_policy("rate-limit", gateway=lent, shadow=True, amount=1) for _ in range(2)]

    assert [200, 200] == [result.status for result in watched]
    assert (("rate-limit", "default: 1 used up"),) == watched[1].exchange.shadowed
    assert watched[1].headers.get("RateLimit") is None
    assert [200, 429] == statuses(lent, [exchange(), exchange()], amount=1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"amount": 0}, "amount: must be > 0"),
        ({"amount": 1, "period": 0}, "period: must be > 0"),
        ({"amount": 1, "limits": [{"amount": 2}]}, "limits: give these or amount, not both"),
        ({"amount": 1, "burst": 2}, "burst: is for the algorithm token-bucket"),
        ({"burst": 2}, "burst: needs amount"),
        ({"limits": [{"amount": 1, "burst": 2}]}, "limits[0].burst: is for the algorithm token-bucket"),
        ({"amount": 1, "default_tier": "Free"}, "default_tier: is for limits of tiers"),
        ({"amount": 1, "by": "user"}, "by: must be one of application, credential, client, api"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, said):
    """What contradicts itself is said when the API is deployed."""
    with pytest.raises(SettingsError) as caught:
        run_policy("rate-limit", **settings)

    assert str(caught.value.faults[0]).startswith(f"apis[0].policies[0].settings.{said}")


def test_an_equal_limit_is_written_once():
    """Two equal limits in a list are one."""
    lent = gateway()

    assert [200, 200, 429] == statuses(lent, [exchange() for _ in range(3)], limits=[{"amount": 2}, {"amount": 2}])


def test_rotating_addresses_buys_nothing_on_the_wire():
    """Only a trusted proxy's word counts, and of that the nearest address that is not a proxy (security row 26)."""
    limited = attrs.evolve(API, policies=(Policy("rate-limit", {"amount": 1, "by": "client"}),))

    def ask(from_, forwarded):
        return served.get("/", client=from_, headers={"X-Forwarded-For": forwarded}).status

    served = MemoryGateway(limited, trusted_proxies=(ip_network("10.0.0.0/8"),))

    assert [200, 429, 429] == [ask("192.0.2.1", f"198.51.100.{number}") for number in range(3)]
    assert [200, 429, 429] == [ask("10.0.0.1", f"198.51.100.{number}, 203.0.113.5") for number in range(3)]
    assert 200 == ask("10.0.0.1", "198.51.100.0, 203.0.113.6")
