"""Tests of the policy size-limit."""

import types

import pytest

from twgw import hookimpl
from twgw.faults import SettingsError
from twgw.testing import exchange, run_policies, run_policy, use


def post(*pieces, length=True):
    return exchange("POST", body=b"".join(pieces) if length else list(pieces))


@pytest.mark.parametrize("length", [True, False])
def test_a_body_may_be_as_large_as_the_amount(length):
    """The amount itself is accepted, one byte more is not; with a length the body is never read."""
    accepted = run_policy("size-limit", post(b"12345", length=length), amount=5)
    refused = run_policy("size-limit", post(b"123456", length=length), amount=5)

    assert b"12345" == accepted.forwarded.content
    assert 413 == refused.status
    assert refused.forwarded is None
    assert refused.response.close
    assert "size-limit" == refused.exchange.refused_by
    assert (0 if length else 6) == refused.exchange.received


def test_requests_without_a_body_pass():
    """Nothing is never too large."""
    assert 200 == run_policy("size-limit", amount=1).status


def test_the_gateways_own_limit_is_replaced():
    """A larger amount, or 0 for any, is what counts for this API."""
    for amount in (100, 0):
        request = post(b"x" * 50)
        request.request.body_limit = 10
        assert 200 == run_policy("size-limit", request, amount=amount).status


@pytest.mark.parametrize("amounts", [(5, 0), (0, 5), (5, 9), (9, 5)])
@pytest.mark.parametrize("length", [True, False])
def test_of_several_the_smallest_counts(amounts, length):
    """Policies of several levels add up: no narrower level lets more pass."""
    uses = [use("size-limit", amount=amount) for amount in amounts]

    assert 200 == run_policies(uses, post(b"12345", length=length)).status
    assert 413 == run_policies(uses, post(b"123456", length=length)).status


def test_a_policy_that_wants_the_body_gets_no_more():
    """The limit holds for a body that is gathered, too."""
    greedy = types.ModuleType("greedy", "Wants the body.")
    greedy.Settings = type("Settings", (), {"request_body": True, "__attrs_attrs__": ()})
    greedy.twgw_transform = hookimpl(lambda exchange: None)

    result = run_policies([use("size-limit", amount=3), use(greedy)], post(b"12", b"34", length=False))

    assert 413 == result.status


def test_in_shadow_it_only_tells():
    """The limit stays as it was, whatever the length; a body that says its length is told of."""
    told = post(b"123456")
    told.request.body_limit = 6
    known = run_policy("size-limit", told, shadow=True, amount=5)
    unknown = run_policy("size-limit", post(b"123456", length=False), shadow=True, amount=5)

    assert (200, 200) == (known.status, unknown.status)
    assert 6 == told.request.body_limit
    assert (("size-limit", "at most 5 bytes are accepted"),) == known.exchange.shadowed


@pytest.mark.parametrize("settings", [{}, {"amount": -1}, {"amount": "1M"}, {"amount": True}])
def test_the_amount_is_a_number_of_bytes(settings):
    """It must be given, and is a whole number from 0 on."""
    with pytest.raises(SettingsError, match="amount"):
        run_policy("size-limit", **settings)
