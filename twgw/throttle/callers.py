"""Whose counter a request is counted in.  Pure.  Called by the policies that limit."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Literal

from twgw.policy.exchange import Exchange

By = Literal["application", "credential", "client", "api"]
"""Whose requests are counted together."""


def counted_as(exchange: Exchange, by: By) -> str:
    """Whose counter it is; the kinds begin differently, so that none can be taken for another."""
    credential = exchange.credential
    if by == "application" and credential is not None and credential.application:
        return f"application {credential.application}"
    if by == "credential" and credential is not None and credential.id:
        return f"credential {credential.application} {credential.id}"
    if by == "api":
        return "all"
    return f"client {network_of(exchange.request.client)}"


@lru_cache(8192)
def network_of(client: str) -> str:
    """The address by which a client is counted: whoever has an IPv6 address has the 2^64 of its network."""
    if ":" not in client:
        return client
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if not isinstance(address, IPv6Address):
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
