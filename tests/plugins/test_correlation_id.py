"""Tests of the policy correlation-id."""

import re
import uuid
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.faults import SettingsError
from twgw.policy import Headers, Response
from twgw.testing import exchange, gateway, run_policies, run_policy, use
from twgw_plugins.correlation_id import Ids

PROXY = "10.0.0.1"
BROUGHT = "their-own_1.2"


def behind_a_proxy():
    return gateway(trusted_proxies=[ip_network("10.0.0.0/8")])


def test_every_request_gets_an_id():
    """The upstream and the client get the same new id, which the exchange bears."""
    result = run_policy("correlation-id")

    assert re.fullmatch(r"[A-Za-z0-9-]{26,36}", result.exchange.id)
    assert result.exchange.id == result.forwarded.headers.get("X-Request-Id")
    assert result.exchange.id == result.headers.get("X-Request-Id")


def test_the_name_of_the_field_is_a_setting():
    """The id stands where the operator wants it."""
    result = run_policy("correlation-id", header_name="X-Correlation-Id")

    assert result.exchange.id == result.forwarded.headers.get("x-correlation-id")
    assert result.exchange.id == result.headers.get("x-correlation-id")
    assert "x-request-id" not in result.headers


@pytest.mark.parametrize("name", ["Host", "Via", "X-Forwarded-For", "Content-Length", "Cookie", "a b", ""])
def test_fields_with_another_meaning_are_refused(name):
    """The id cannot be put where it would do harm."""
    with pytest.raises(SettingsError, match="header_name"):
        run_policy("correlation-id", header_name=name)


def test_a_trusted_proxy_may_bring_an_id():
    """What it brings is the id, for everybody."""
    request = exchange(headers={"X-Request-Id": BROUGHT}, client="192.0.2.1", peer=PROXY)

    result = run_policy("correlation-id", request, gateway=behind_a_proxy())

    assert BROUGHT == result.exchange.id
    assert BROUGHT == result.forwarded.headers.get("X-Request-Id")
    assert BROUGHT == result.headers.get("X-Request-Id")
    assert {} == result.exchange.attributes


@pytest.mark.parametrize(
    ("peer", "brought"),
    [
        ("192.0.2.1", BROUGHT),
        (PROXY, ""),
        (PROXY, "a" * 129),
        (PROXY, "a b"),
        (PROXY, "a\tb"),
        (PROXY, "\xe9"),
        (PROXY, "<script>"),
    ],
)
def test_what_may_not_be_believed_is_kept_apart(peer, brought):
    """Another client's value, and one of another form, is replaced everywhere and left in a note for the log."""
    request = exchange(headers={"X-Request-Id": brought}, peer=peer)

    result = run_policy("correlation-id", request, gateway=behind_a_proxy())

    assert brought != result.exchange.id
    assert [result.exchange.id] == result.forwarded.headers.get_all("X-Request-Id")
    assert brought == result.exchange.attributes["correlation-id"]


def test_two_ids_of_a_trusted_proxy_are_none():
    """When it is not clear which one is meant, a new one is made."""
    request = exchange(headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")], peer=PROXY)

    result = run_policy("correlation-id", request, gateway=behind_a_proxy())

    assert len(result.exchange.id) == 36
    assert [result.exchange.id] == result.forwarded.headers.get_all("X-Request-Id")


def test_refusals_carry_the_id():
    """A request that another policy refuses has its id, in the problem and in the field, wherever the policy stands."""
    result = run_policies([use("ip-restriction", deny=["0.0.0.0/0"]), use("correlation-id")])

    assert 403 == result.status
    assert result.exchange.id == result.headers.get("X-Request-Id")
    assert f"urn:request:{result.exchange.id}" == result.json["instance"]


def test_a_response_of_before_is_named_too():
    """Where receive hooks did not run, the response gets an id nevertheless."""
    run = exchange()
    result = run_policy("correlation-id", run)
    fresh = exchange()
    fresh.response = result.response
    fresh.plan = result.exchange.plan

    (link,) = fresh.plan.chains.respond
    link.call(fresh, link.settings, link.gateway)

    assert fresh.id
    assert [fresh.id] == fresh.response.headers.get_all("X-Request-Id")
    assert fresh.id != run.id


def test_two_uses_share_one_id():
    """A second use, with another field, tells the same id."""
    result = run_policies([use("correlation-id"), use("correlation-id", header_name="X-Trace")])

    assert result.headers.get("X-Request-Id") == result.headers.get("X-Trace") == result.exchange.id


def test_the_upstream_does_not_answer_in_our_name():
    """An id that the upstream sends is replaced by the one of the request."""
    result = run_policy("correlation-id", upstream=Response(200, Headers({"X-Request-Id": "theirs"})))

    assert [result.exchange.id] == result.headers.get_all("X-Request-Id")


@given(st.lists(st.floats(0, 4e9), min_size=2, max_size=50))
def test_ids_are_in_order_and_differ(walls):
    """Ids are UUIDs of version 7, in order of time even when the clock goes back, and never equal."""
    ids = Ids()

    made = [ids.make(wall) for wall in walls]

    assert len(made) == len(set(made))
    assert all(7 == uuid.UUID(one).version and uuid.RFC_4122 == uuid.UUID(one).variant for one in made)
    times = [one[:13] for one in made]
    assert sorted(times) == times


def test_two_gateways_make_different_ids():
    """Two that count alike at the same time differ in what they drew when they were deployed."""
    tails = {Ids().make(0)[-12:] for _ in range(50)}

    assert 50 == len(tails)


def test_the_time_can_be_read():
    """The first 48 bits are milliseconds since 1970."""
    made = Ids().make(1_800_000_000.123)

    assert 1_800_000_000_123 == uuid.UUID(made).int >> 80
