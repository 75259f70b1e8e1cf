"""Give every request an id, for the upstream, the client and the log.

    - {name: correlation-id, settings: {header_name: X-Request-Id}}

The id is a UUID of version 7 (RFC 9562, 5.7): milliseconds, a count, and 48 random bits that every use of the policy
draws when it is deployed.  So ids are in order of time, no two of one gateway are equal, and two gateways would have to
draw the same bits and count alike in the same millisecond.  An id names a request and opens nothing: it is no secret.

A proxy that is trusted may bring an id of its own, which is kept; anybody else's is logged apart and replaced.
"""

import os
import re
from itertools import count

from attrs import field, frozen

from twgw import hookimpl
from twgw.faults import Fault, SettingsError
from twgw.gateway.forwarding import hop
from twgw.policy import Exchange, Gateway, setting
from twgw.policy.edits import names_of
from twgw.policy.headers import is_reserved

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")
_NEVER = frozenset({"authorization", "cookie", "date", "content-type"})


def _header(_instance: object, _attribute: object, value: str) -> None:
    try:
        names_of(lambda name: is_reserved(name) or name.lower() in _NEVER)(None, None, [value])
    except SettingsError as error:
        raise SettingsError([Fault("", error.faults[0].text)]) from error


class Ids:
    """Makes ids.  One for each use of the policy, so that nothing is shared."""

    __slots__ = ("_count", "_millisecond", "_tail", "_time")

    def __init__(self) -> None:
        self._count = count(int.from_bytes(os.urandom(3), "big"))
        self._tail = os.urandom(6).hex()
        self._millisecond = -1
        self._time = ""

    def make(self, wall: float) -> str:
        """The id of a request that came at this UNIX time."""
        millisecond = int(wall * 1000)
        if millisecond > self._millisecond:  # a clock that went back stands still, so that ids stay in order
            self._millisecond = millisecond
            digits = f"{millisecond:012x}"
            self._time = f"{digits[:8]}-{digits[8:]}-7"
        number = f"{next(self._count) & 0xFFFFFF:06x}"
        return f"{self._time}{number[:3]}-8{number[3:]}-{self._tail}"


@frozen
class Settings:
    """Where the id stands."""

    header_name: str = setting(
        "Header field that carries the id, to the upstream and to the client.",
        default="X-Request-Id",
        validator=_header,
    )
    lower: str = field(init=False, repr=False, eq=False)
    ids: Ids = field(init=False, repr=False, eq=False, factory=Ids)

    @lower.default
    def _lower(self) -> str:
        return self.header_name.lower()


@hookimpl(tryfirst=True)
def twgw_receive(exchange: Exchange, settings: Settings, gateway: Gateway) -> None:
    """Name the request."""
    headers, lower = exchange.request.headers, settings.lower
    if not exchange.id:
        brought = headers.get(lower)
        if brought is not None:
            if _is_accepted(exchange, brought, settings, gateway):
                exchange.id = brought
                return
            exchange.attributes["correlation-id"] = brought
        exchange.id = settings.ids.make(gateway.clock.wall())
    headers.put(lower, settings.header_name, exchange.id)


def _is_accepted(exchange: Exchange, brought: str, settings: Settings, gateway: Gateway) -> bool:
    request, trusted_proxies = exchange.request, gateway.trusted_proxies
    if not trusted_proxies or not _ACCEPTED.fullmatch(brought) or len(request.headers.get_all(settings.lower)) > 1:
        return False
    return hop(request.peer, request.scheme, trusted_proxies).trusted


@hookimpl
def twgw_respond(exchange: Exchange, settings: Settings, gateway: Gateway) -> None:
    """Tell the client; also where a request was refused before anybody named it."""
    if not exchange.id:
        exchange.id = settings.ids.make(gateway.clock.wall())
    response = exchange.response
    assert response is not None
    response.headers.put(settings.lower, settings.header_name, exchange.id)
