"""Let pages of other origins call an API from a browser (CORS, https://fetch.spec.whatwg.org/).

    - name: cors
      settings: {allow_origins: ["https://app.example"], allow_credentials: true, max_age: 3600}

Preflights are answered here, before anybody asks for a credential; the upstream never sees one.
A page may send the fields of ``allow_headers``, beside those that every page may send: what it asks for is never just
repeated (as Kong does where no list is given).  An empty list allows no others, as in Envoy.
Whatever the upstream says about CORS itself is replaced.  Access to private networks is not granted.
"""

import re

from attrs import field, frozen, validators

from twgw import hookimpl
from twgw.faults import Fault, SettingsError, below
from twgw.model import METHODS
from twgw.policy import Exchange, Headers, Problem, Response, setting
from twgw.policy.edits import names_of

_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://(\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:[0-9]{1,5})?", re.ASCII
)
_OURS = (
    "access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers",
    "access-control-allow-methods", "access-control-allow-headers", "access-control-max-age",
    "access-control-allow-private-network",
)  # fmt: skip


def _origins(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    faults = [
        Fault(below("", place), "must be * or an origin in lower case, such as https://app.example")
        for place, origin in enumerate(value)
        if origin != "*" and not _ORIGIN.fullmatch(origin)
    ]
    if not value:
        faults.append(Fault("", "give at least one origin"))
    if faults:
        raise SettingsError(faults)


@frozen
class Settings:
    """Which pages may call, and what they may send and see."""

    allow_origins: tuple[str, ...] = setting(
        "Origins whose pages may call, such as https://app.example or https://*.app.example; * for all.",
        validator=_origins,
    )
    allow_methods: tuple[str, ...] = setting(
        "Methods that they may use.",
        default=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        validator=validators.deep_iterable(validators.in_(sorted(METHODS))),
    )
    allow_headers: tuple[str, ...] = setting(
        "Header fields that they may send, beside those that are always allowed (Accept and its like); "
        "* for all but Authorization.",
        default=("Authorization", "Content-Type", "X-API-Key", "apikey"),
        validator=names_of(lambda _: False),
    )
    expose_headers: tuple[str, ...] = setting(
        "Response fields that they may read.",
        default=("X-Request-Id", "RateLimit", "RateLimit-Policy", "Retry-After"),
        validator=names_of(lambda _: False),
    )
    allow_credentials: bool = setting("Whether they may send cookies; only for named origins.", default=False)
    max_age: int = setting(
        "Seconds for which a browser remembers the answer to a preflight.", default=600, validator=validators.ge(0)
    )
    answers_preflight: bool = field(init=False, default=True, repr=False, eq=False)
    exact: frozenset[str] = field(init=False, repr=False, eq=False)
    subdomains: tuple[tuple[str, str], ...] = field(init=False, repr=False, eq=False)
    """Scheme and end of the origins that begin with ``*.``"""
    everybody: bool = field(init=False, repr=False, eq=False)

    @exact.default
    def _exact(self) -> frozenset[str]:
        return frozenset(origin for origin in self.allow_origins if "*" not in origin)

    @subdomains.default
    def _subdomains(self) -> tuple[tuple[str, str], ...]:
        pieces = [origin.partition("*") for origin in self.allow_origins if "*." in origin]
        return tuple((scheme, rest) for scheme, _, rest in pieces)

    @everybody.default
    def _everybody(self) -> bool:
        return "*" in self.allow_origins

    def __attrs_post_init__(self) -> None:
        if self.allow_credentials:
            lists = {name: getattr(self, name) for name in ("allow_origins", "allow_headers", "expose_headers")}
            faults = [
                Fault(below(name, names.index("*")), "* does not go with allow_credentials: name them")
                for name, names in lists.items()
                if "*" in names
            ]
            if faults:
                raise SettingsError(faults)


@hookimpl
def twgw_receive(exchange: Exchange, settings: Settings) -> Response | Problem | None:
    """Answer a preflight."""
    request = exchange.request
    if request.method != "OPTIONS":
        return None
    origin, method = request.headers.get("origin"), request.headers.get("access-control-request-method")
    if origin is None or not method:
        return None
    vary = ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
    if not allows(settings, origin):
        return Problem(403, "Origin not allowed", headers=(vary,))
    if method not in settings.allow_methods:
        return Problem(403, "Method not allowed for other origins", headers=(vary,))
    headers = Headers([vary])
    _allow(headers, origin, settings)
    headers.set("Access-Control-Allow-Methods", ", ".join(settings.allow_methods))
    if settings.allow_headers:
        headers.set("Access-Control-Allow-Headers", ", ".join(settings.allow_headers))
    headers.set("Access-Control-Max-Age", str(settings.max_age))
    return Response(204, headers)


@hookimpl
def twgw_respond(exchange: Exchange, settings: Settings) -> None:
    """Say which pages may read the response, also where it is a refusal."""
    response = exchange.response
    if response is None or exchange.refused_by == "cors":
        return  # that was a preflight
    headers = response.headers
    for name in _OURS:
        headers.remove(name)
    origin = exchange.request.headers.get("origin")
    if not settings.everybody:
        varies = ",".join(headers.get_all("vary")).lower().replace(" ", "").split(",")
        if "origin" not in varies and "*" not in varies:
            headers.add("Vary", "Origin")
        if origin is None or not allows(settings, origin):
            return
    _allow(headers, origin or "*", settings)
    if settings.expose_headers:
        headers.set("Access-Control-Expose-Headers", ", ".join(settings.expose_headers))


def allows(settings: Settings, origin: str) -> bool:
    """Whether pages of an origin may call."""
    if settings.everybody or origin in settings.exact:
        return True
    return any(
        origin.startswith(scheme) and origin.endswith(rest) and _ORIGIN.fullmatch(origin) and "*" not in origin
        for scheme, rest in settings.subdomains
    )


def _allow(headers: Headers, origin: str, settings: Settings) -> None:
    headers.set("Access-Control-Allow-Origin", "*" if settings.everybody else origin)
    if settings.allow_credentials:
        headers.set("Access-Control-Allow-Credentials", "true")
