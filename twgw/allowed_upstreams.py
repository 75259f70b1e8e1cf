"""Which addresses may be connected to: the setting ``allowed_upstreams``, against requests forged through the gateway.

Whoever publishes an API chooses what the gateway connects to: without a rule also the metadata service of a cloud, or
the gateway's own admin listener.  An address is judged twice: when an API is saved or deployed, by what stands in its
URL, and when a connection is made, by what the name meant then, so that a name cannot change its meaning in between.

Pure.  Asked by ``gateway/network.py`` and ``gateway/client.py`` for each connection, and by who takes an API in.
"""

import re
import socket
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from attrs import frozen

from twgw.faults import Fault, SettingsError
from twgw.model import Upstream

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NAT64, LOCAL_NAT64 = IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")
COMPATIBLE = IPv6Network("::/96")
LINK_LOCAL = tuple(map(ip_network, ("169.254.0.0/16", "fe80::/10")))
METADATA = tuple(
    map(
        ip_network,
        (
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # Azure
            "192.0.0.192",  # Oracle Cloud
            "fd00:ec2::254",  # Amazon
            "fd20:ce::254",  # Google Cloud
            "fd00:42::42",  # Scaleway
        ),
    )
)
"""Where clouds tell their machines secrets, beside 169.254.169.254, which is link-local."""
NOT_SERVERS = tuple(map(ip_network, ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")))
"""Nobody's address: this machine whatever it is called, groups, the reserved rest."""

_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}", re.IGNORECASE | re.ASCII)


def read_address(host: str) -> Address | None:
    """The address that a host is, in whatever form a resolver would take it; None for a name.

    >>> read_address("2852039166"), read_address("0xa9.0xfe.43518"), read_address("[fe80::1%eth0]")
    (IPv4Address('169.254.169.254'), IPv4Address('169.254.169.254'), IPv6Address('fe80::1'))
    """
    text = host.removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        return ip_address(text)
    except ValueError:
        pass
    if not _NUMERIC.fullmatch(text.removesuffix(".")):
        return None
    try:
        return IPv4Address(socket.inet_aton(text.removesuffix(".")))
    except OSError:
        return None


def meanings(address: Address) -> tuple[Address, ...]:
    """Where packets to an address may end: at the IPv4 address wrapped in it, or else at itself or what it may mean."""
    if not isinstance(address, IPv6Address):
        return (address,)
    number = int(address)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in NAT64 or (address in COMPATIBLE and number > 1):
        return (IPv4Address(number & 0xFFFFFFFF),)
    if address in LOCAL_NAT64:  # RFC 8215 leaves open how long the prefix is: RFC 6052 has four forms from /48 on
        ends = (
            (number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF,
            (number >> 64 & 0xFF) << 24 | number >> 32 & 0xFFFFFF,
            number >> 24 & 0xFFFFFFFF,
            number & 0xFFFFFFFF,
        )
        return (address, *map(IPv4Address, ends))
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo[::-1]
    if number >> 32 & 0xFCFFFFFF == 0x5EFE:  # ISATAP (RFC 5214)
        return (address, IPv4Address(number & 0xFFFFFFFF))
    return (address,)


@frozen
class AllowedUpstreams:
    """The rule of a node.

    ``networks`` are those that the operator allows; none of them means every address but link-local and metadata ones.
    ``own`` are the node's listeners: address (empty for all of the machine's) and port.
    """

    networks: tuple[Network, ...] = ()
    own: tuple[tuple[str, int], ...] = ()

    def refusal(self, address: Address, port: int, is_local: Callable[[str], bool] = lambda _address: False) -> str:
        """Why an address may not be connected to; empty when it may.  ``is_local``: whether it is this machine's."""
        means = meanings(address)
        if any(means[0] in network for network in NOT_SERVERS):
            return f"{means[0]} is not the address of a server"
        for each in means:
            if self._is_own(each, port, is_local):
                return f"{each} port {port} is a listener of this gateway"
            forbidden = next((network for network in (*LINK_LOCAL, *METADATA) if each in network), None)
            if forbidden is not None and not self._lists(each, within=forbidden):
                kind = "link-local" if forbidden in LINK_LOCAL else "where a cloud keeps its metadata"
                return f"{each} is {kind}; name it in [gateway] allowed_upstreams if it is meant"
        if self.networks and not any(each in network for each in {*means, address} for network in self.networks):
            return f"{means[0]} is outside of [gateway] allowed_upstreams"
        return ""

    def _lists(self, address: Address, within: Network) -> bool:
        """Whether the operator named an address: a network that is wider than what is forbidden does not."""
        return any(
            address in network and network.version == within.version and network.prefixlen >= within.prefixlen
            for network in self.networks
        )

    def _is_own(self, address: Address, port: int, is_local: Callable[[str], bool]) -> bool:
        for interface, own_port in self.own:
            if port == own_port:
                if interface and ip_address(interface) == address:
                    return True
                on_all = not interface or ip_address(interface).is_unspecified
                if on_all and (address.is_loopback or is_local(str(address))):
                    return True
        return False

    def check(self, upstream: Upstream) -> None:
        """Raises SettingsError, with paths below the upstream, for targets that may not be called."""
        if faults := list(self.faults(upstream)):
            raise SettingsError(faults)

    def faults(self, upstream: Upstream, resolve: Callable[[str], Iterable[str]] = lambda _name: ()) -> Iterator[Fault]:
        """What is wrong with the targets of an upstream, as they are written, and as ``resolve`` knows their names."""
        for place, target in enumerate(upstream.targets):
            parts = urlsplit(target.url)
            host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
            if not host:
                continue  # echo:, which is built in
            literal = read_address(host)
            for address in [literal] if literal else map(read_address, resolve(host)):
                if address is not None and (reason := self.refusal(address, port)):
                    shown = reason if literal or str(address) == host else f"{host} is {address}: {reason}"
                    yield Fault(f"targets[{place}].url", shown)
                    break


ANYWHERE = AllowedUpstreams()
"""The rule of a node that was told nothing."""
