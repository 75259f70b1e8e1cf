"""The [gateway] section: the listeners that carry traffic, and what a client may do there.  Filled by ``config.py``."""

from pathlib import Path
from typing import Literal

from attrs import frozen, validators

from twgw.listen import Listen
from twgw.model import not_negative, positive
from twgw.settings import Network, setting

MOST_WORKERS = 256


def _workers(_instance: object, _attribute: object, count: int | str) -> None:
    if isinstance(count, int) and not 1 <= count <= MOST_WORKERS:
        raise ValueError(f"must be a number from 1 to {MOST_WORKERS}, or auto")


@frozen
class GatewayTls:
    """Certificate of the ssl: listeners that name none of their own."""

    certificate: Path | None = setting(
        "PEM file of the certificate, followed by those between it and the root.", default=None
    )
    key: Path | None = setting("PEM file of the private key. Empty: the certificate's file holds it.", default=None)
    minimum_version: Literal["1.2", "1.3"] = setting(
        "Lowest version of TLS that is spoken on any ssl: listener.", default="1.2"
    )


@frozen
class Gateway:
    """The listeners that carry traffic, and what a client may do there. Times in seconds, sizes in bytes."""

    listen: tuple[Listen, ...] = setting(
        "Where to listen: tcp:PORT or ssl:PORT, with :interface=ADDRESS when only one address is meant "
        "(an IPv6 address in brackets), ssl: also with :certKey=FILE:privateKey=FILE.",
        default=(Listen("tcp", 8080),),
    )
    workers: int | Literal["auto"] = setting(
        "Processes that carry traffic and share the listeners: a number, or auto for one on each core that may be "
        "used. From 2 on the process that is started looks after them, and counts their limits.",
        default=1,
        validator=_workers,
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "Networks of the proxies before this gateway. Only what they say of the client's address is believed.",
        default=(),
    )
    pseudonym: str = setting(
        "Name of the gateway in the Via header. A request that carries it already is refused as a loop.",
        default="twgw",
        validator=validators.matches_re(r"[A-Za-z0-9._-]{1,100}"),
    )
    max_connections: int = setting("Client connections held at the same time.", default=20000, validator=positive)
    max_head: int = setting("Size of a request head.", default=32768, validator=positive)
    max_line: int = setting("Size of one line of a head.", default=8192, validator=positive)
    max_fields: int = setting("Number of header fields in a head.", default=100, validator=positive)
    max_request_body: int = setting("Size of a request body. 0: no limit.", default=10485760, validator=not_negative)
    header_timeout: float = setting("From the first byte of a head to its last.", default=10, validator=positive)
    keepalive_timeout: float = setting(
        "How long a connection is kept that waits for its next request.", default=60, validator=positive
    )
    body_grace: float = setting(
        "How long a request body may take before body_min_rate counts.", default=10, validator=not_negative
    )
    body_min_rate: int = setting(
        "Bytes in a second that a client must send of a body, on average. 0: any.",
        default=1024,
        validator=not_negative,
    )
    send_timeout: float = setting("How long a client may take nothing of a response.", default=30, validator=positive)
    drain_timeout: float = setting(
        "How long exchanges may go on when the gateway is told to stop.", default=30, validator=not_negative
    )
    dns_ttl: float = setting(
        "How long the addresses of an upstream's name are used before they are asked for again.",
        default=30,
        validator=positive,
    )
    allowed_upstreams: tuple[Network, ...] = setting(
        "Networks that may be connected to for an API or a policy. Empty: all but link-local addresses, those where "
        "clouds keep metadata, and the node's own listeners. An address of these kinds has to be named by itself.",
        default=(),
    )
    tls: GatewayTls = setting("Certificate of ssl: listeners.", factory=GatewayTls)
