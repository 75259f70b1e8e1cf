"""Whose counter a request is counted in."""

import pytest

from twgw.model import Credential
from twgw.testing import exchange
from twgw.throttle.callers import counted_as, network_of

SHOP = Credential(id="k1", application="shop")


@pytest.mark.parametrize(
    ("credential", "by", "expected"),
    [
        (SHOP, "application", "application shop"),
        (SHOP, "credential", "credential shop k1"),
        (SHOP, "client", "client 192.0.2.1"),
        (SHOP, "api", "all"),
        (None, "application", "client 192.0.2.1"),
        (None, "credential", "client 192.0.2.1"),
        (Credential(id="k1"), "application", "client 192.0.2.1"),
        (Credential(application="shop"), "credential", "client 192.0.2.1"),
    ],
)
def test_who_cannot_be_told_is_known_by_address(credential, by, expected):
    """The kinds begin differently, so that an application cannot have the counter of an address."""
    assert expected == counted_as(exchange(client="192.0.2.1", credential=credential), by)


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_an_ipv6_network_is_one_client(client, network):
    """Whoever has one address of a /64 has them all; a mapped IPv4 address is that address."""
    assert network == network_of(client)
