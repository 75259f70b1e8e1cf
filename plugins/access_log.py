"""Write one line of JSON for every request: what was asked, who asked, what became of it, and who refused it why.

    - name: access-log
      settings: {path: access.log, redact_query: [key, token, ticket], exclude: [referer]}

No header field but User-Agent and Referer (without its query, user and password) is written, no key, no body.  Values
of query parameters with telling names are left out, and so are those that another policy calls secret; of a request
that belongs to no API all values are.  Control characters are escaped, long values cut.

``time`` is the end of the request; ``bytes_in`` and ``bytes_out`` are those of the bodies; ``upstream_ms`` is the time
to the response head; ``status`` is 499 when the client left first.  Fields that say nothing are empty, and these are
there only when there is something to say: ``client_id`` (the id that a client brought, not ours), ``refused_by`` and
``reason``, ``shadowed``, ``stale`` (served while the gateway was cut off from its cluster).
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from json import dumps, loads
from json.encoder import encode_basestring_ascii as quoted
from urllib.parse import unquote_plus

from attrs import field, frozen

from twgw import hookimpl
from twgw.faults import Fault, SettingsError, below, suggest
from twgw.policy import Exchange, Gateway, setting
from twgw.policy.interfaces import LineSink

FIELDS = (
    "time", "node", "id", "client", "method", "host", "path", "query", "tls", "api", "route", "application",
    "credential", "status", "bytes_in", "bytes_out", "duration_ms", "upstream_ms", "target", "tries", "user_agent",
    "referer", "client_id", "refused_by", "reason", "shadowed", "stale",
)  # fmt: skip
REDACTED = "[redacted]"
again = lru_cache(4096)(quoted)
"""``quoted``, for texts that come again."""
_USER = re.compile(r"(?:\A|(?<=//))[^/]*@")
"""User and password before the host of a URL, which no client should send and some do."""
_EMPTY = '""'
TELLING = (
    "access_token", "api-key", "api_key", "apikey", "assertion", "auth", "authorization", "client_secret", "code",
    "jwt", "key", "passwd", "password", "refresh_token", "secret", "session", "sig", "signature", "token", "x-api-key",
)  # fmt: skip
LONGEST = 2048
"""Characters of a value that are written."""


def _fields(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    wrong = [(place, name) for place, name in enumerate(value) if name not in FIELDS]
    if faults := [Fault(below("", place), "no such field" + suggest(name, FIELDS)) for place, name in wrong]:
        raise SettingsError(faults)


class Times:
    """Writes times; those of one millisecond are the same text, and those of one second begin alike."""

    __slots__ = ("_millisecond", "_second", "_text", "_to_second")

    def __init__(self) -> None:
        self._millisecond = self._second = -1
        self._text = self._to_second = ""

    def timestamp(self, wall: float) -> str:
        """A UNIX time as RFC 3339 writes it, with milliseconds."""
        millisecond = int(wall * 1000)
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            second, rest = divmod(millisecond, 1000)
            if second != self._second:
                self._second = second
                self._to_second = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._text = f"{self._to_second}.{rest:03d}Z"
        return self._text


@frozen
class Settings:
    """Where the lines go, and what is left out."""

    path: str = setting("File, relative to the data directory; - for standard output.", default="access.log")
    redact_query: tuple[str, ...] = setting(
        "Query parameters whose values are left out; upper and lower case are the same.", default=TELLING
    )
    exclude: tuple[str, ...] = setting("Fields to leave out.", default=(), validator=_fields)
    secrets: frozenset[str] = field(init=False, repr=False, eq=False)
    times: Times = field(init=False, repr=False, eq=False, factory=Times)
    sinks: list[LineSink] = field(init=False, repr=False, eq=False, factory=list)

    @secrets.default
    def _secrets(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self.redact_query)


@hookimpl
def twgw_log(exchange: Exchange, settings: Settings, gateway: Gateway) -> None:
    """Write the line."""
    if not settings.sinks:
        settings.sinks.append(gateway.files.lines(settings.path))
    line = line_of(exchange, settings, gateway)
    settings.sinks[0].write(without(line, settings.exclude) if settings.exclude else line)


def line_of(exchange: Exchange, settings: Settings, gateway: Gateway) -> str:
    """All of it.  One expression, as each request pays for it."""
    request = exchange.request
    headers = request.headers
    route = exchange.route
    credential = exchange.credential
    referer = headers.get("referer")
    agent = headers.get("user-agent")
    query = request.query
    line = (
        f'{{"time":"{settings.times.timestamp(gateway.clock.wall())}","node":{again(gateway.node)},'
        f'"id":{quoted(exchange.id)},"client":{again(request.client)},"method":{again(request.method)},'
        f'"host":{again(request.host[:LONGEST])},"path":{quoted(request.path[:LONGEST])},'
        f'"query":{quoted(redacted(query, exchange, settings)) if query else _EMPTY},'
        f'"tls":{"true" if request.scheme == "https" else "false"},"api":{again(exchange.plan.api_id)},'
        f'"route":{_EMPTY if route is None else again(route.path)},'
        f'"application":{_EMPTY if credential is None else again(credential.application)},'
        f'"credential":{_EMPTY if credential is None else again(credential.id)},'
        f'"status":{exchange.status},"bytes_in":{exchange.received},"bytes_out":{exchange.sent},'
        f'"duration_ms":{(exchange.finished_at - exchange.started_at) * 1000:.3f},'
        f'"upstream_ms":{exchange.upstream_seconds * 1000:.3f},'
        f'"target":{again(exchange.target)},"tries":{exchange.tries},'
        f'"user_agent":{again(agent[:LONGEST]) if agent else _EMPTY},'
        f'"referer":{quoted(_USER.sub("", referer).partition("?")[0][:LONGEST]) if referer else _EMPTY}'
    )
    if exchange.refused_by or exchange.shadowed or exchange.attributes:
        line += _told(exchange)
    if "\x7f" in line:
        line = line.replace("\x7f", "\\u007f")  # JSON lets it stand, terminals do not
    return line + "}\n"


def _told(exchange: Exchange) -> str:
    """What most lines do not have."""
    text = ""
    brought = exchange.attributes.get("correlation-id")
    if brought:
        text += f',"client_id":{quoted(brought[:LONGEST])}'
    if exchange.refused_by:
        text += f',"refused_by":{quoted(exchange.refused_by)},"reason":{quoted(exchange.reason[:LONGEST])}'
    if exchange.attributes.get("stale"):
        text += ',"stale":true'
    if exchange.shadowed:
        shadowed = [{"policy": policy, "reason": reason[:LONGEST]} for policy, reason in exchange.shadowed]
        text += f',"shadowed":{dumps(shadowed, separators=(",", ":"))}'
    return text


def redacted(query: str, exchange: Exchange, settings: Settings) -> str:
    """A query that may be written down."""
    plan = exchange.plan
    secrets, named = settings.secrets, plan.chains.secret_query
    plain = plan.api_id and not named and "%" not in query and "+" not in query
    if plain and secrets.isdisjoint([part.partition("=")[0] for part in query.lower().split("&")]):
        return query[:LONGEST]  # nothing to decode, nothing to hide: nearly all of them
    pieces = []
    for part in query.split("&"):
        name, equals, _ = part.partition("=")
        known = unquote_plus(name)
        if equals and (not plan.api_id or known.lower() in secrets or known in named):
            part = f"{name}={REDACTED}"  # noqa: PLW2901 - the rest of it is not wanted
        pieces.append(part)
    return "&".join(pieces)[:LONGEST]


def without(line: str, names: tuple[str, ...]) -> str:
    """A line without some of its fields."""
    document = loads(line)
    for name in names:
        document.pop(name, None)
    return dumps(document, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n"
