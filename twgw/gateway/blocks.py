"""Who and what is refused at once: addresses and APIs as soon as a request was received, callers once they are known.

Whatever the policies of an API say.  ``follower.py`` keeps the blocks in force, ``guard.py`` puts their checks
into the ways of requests, where there are none while nothing is blocked.  Pure: the time comes from a function.
"""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import inf

from attrs import define, field

from twgw.gateway import problems
from twgw.policy.exchange import Exchange, Problem
from twgw.registry import Block

Check = Callable[[Exchange], Problem | None]
Ends = dict[str, float]
"""What is blocked, and the UNIX time at which that ends."""

REMEMBERED = 8192
"""Addresses whose answer is kept."""


@define(eq=False)
class Blocks:
    """All blocks that are in force.  ``wall`` is UNIX time."""

    wall: Callable[[], float]
    apis: Ends = field(factory=dict)
    applications: Ends = field(factory=dict)
    users: Ends = field(factory=dict)
    networks: dict[tuple[int, int], dict[int, float]] = field(factory=dict)
    """For each version and length of prefix: the first address of each network, and when its block ends."""
    faults: list[str] = field(factory=list)
    """Blocks that say nothing, such as one of an address that is none."""
    _known: Ends = field(factory=dict, init=False)

    @classmethod
    def of(cls, blocks: Iterable[Block], wall: Callable[[], float]) -> "Blocks":
        """The blocks of the registry."""
        made = cls(wall)
        tables = {"api": made.apis, "application": made.applications, "user": made.users}
        for block in blocks:
            ends = inf if block.expires_at is None else block.expires_at
            if block.kind in tables:
                tables[block.kind][block.value] = ends
            elif (network := _network(block)) is not None:
                first = int(network.network_address)
                made.networks.setdefault((network.version, network.prefixlen), {})[first] = ends
            else:
                made.faults.append(f"{block.kind} {block.value} cannot be blocked: it is not known what that is")
        return made

    def __bool__(self) -> bool:
        """Whether anything is blocked."""
        return bool(self.apis or self.applications or self.users or self.networks)

    def at_the_door(self, api: str) -> Check | None:
        """What refuses calls of an API before it is asked who calls; None when nothing does."""
        ends = self.apis.get(api)
        if ends is None and not self.networks:
            return None

        def check(exchange: Exchange) -> Problem | None:
            now = self.wall()
            if ends is not None and now < ends:
                return _refuse(exchange, "the API")
            if self.networks and now < self._ends_of(exchange.request.client):
                return _refuse(exchange, "the address")
            return None

        return check

    def of_callers(self) -> Check | None:
        """What refuses callers once they are known; None when nobody is blocked."""
        if not self.applications and not self.users:
            return None

        def check(exchange: Exchange) -> Problem | None:
            credential = exchange.credential
            if credential is None:
                return None
            now = self.wall()
            if now < self.applications.get(credential.application, 0.0):
                return _refuse(exchange, "the application")
            if credential.user is not None and now < self.users.get(credential.user, 0.0):
                return _refuse(exchange, "the user")
            return None

        return check

    def _ends_of(self, client: str) -> float:
        """When the last block of an address ends; 0 when there is none."""
        ends = self._known.get(client)
        if ends is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            ends = self._known[client] = self._searched(client)
        return ends

    def _searched(self, client: str) -> float:
        address = _address(client)
        if address is None:
            return 0.0
        number, bits = int(address), address.max_prefixlen
        found = (
            firsts.get(number >> (bits - length) << (bits - length), 0.0)
            for (version, length), firsts in self.networks.items()
            if version == address.version
        )
        return max(found, default=0.0)


def _network(block: Block) -> IPv4Network | IPv6Network | None:
    if block.kind != "ip":
        return None
    try:
        network = ip_network(block.value, strict=False)
    except ValueError:
        return None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:
        return IPv4Network((int(mapped), network.prefixlen - 96))
    return network


def _address(client: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(client)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _refuse(exchange: Exchange, what: str) -> Problem:
    exchange.refused_by, exchange.reason = "block", f"{what} is blocked"
    return problems.refused_by_block()
