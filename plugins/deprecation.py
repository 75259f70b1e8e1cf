"""Tell callers that what they call has an end: the fields Deprecation, Sunset and Link of a response.

    - {name: deprecation, settings: {since: 1767225600, sunset: 1782864000, successor: /pets/2.0}}

An API that is DEPRECATED brings this policy along, with what stands under its ``deprecation``; at a route it is for an
operation alone.  ``Deprecation`` is that of RFC 9745, ``Sunset`` that of RFC 8594, ``Link`` names the successor
(``successor-version``, RFC 5829) and the page (``deprecation``).  What the upstream says itself of these two is kept.
"""

import re
from email.utils import formatdate

from attrs import field, frozen, validators

from twgw import hookimpl
from twgw.faults import Fault, SettingsError
from twgw.policy import Exchange, setting

_REFERENCE = re.compile(r"(https?://[A-Za-z0-9.\[\]:-]+)?(/[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?", re.ASCII)
LATEST = 253_402_300_799
"""The last second that a date of HTTP can name: the end of the year 9999."""


@frozen
class Settings:
    """What callers are told.  Times are UNIX seconds."""

    since: float | None = setting(
        "Since when it is deprecated, or will be. Without it, no Deprecation field.",
        default=None,
        validator=validators.optional([validators.ge(0), validators.le(LATEST)]),
    )
    sunset: float | None = setting(
        "When it will stop to answer. Without it, no Sunset field.",
        default=None,
        validator=validators.optional([validators.ge(0), validators.le(LATEST)]),
    )
    successor: str = setting("Address, or path, of what takes its place.", default="")
    documentation: str = setting("Address, or path, of a page that says what to do.", default="")
    fields: tuple[tuple[str, str], ...] = field(init=False, repr=False, eq=False)
    link: str = field(init=False, repr=False, eq=False)

    @fields.default
    def _fields(self) -> tuple[tuple[str, str], ...]:
        since = [] if self.since is None else [("Deprecation", f"@{int(self.since)}")]
        return (*since, *([] if self.sunset is None else [("Sunset", formatdate(self.sunset, usegmt=True))]))

    @link.default
    def _link(self) -> str:
        relations = (("successor-version", self.successor), ("deprecation", self.documentation))
        return ", ".join(f'<{target}>; rel="{relation}"' for relation, target in relations if target)

    def __attrs_post_init__(self) -> None:
        faults = [
            Fault(name, "must be a path, or an address with http:// or https://")
            for name, text in (("successor", self.successor), ("documentation", self.documentation))
            if not _REFERENCE.fullmatch(text)
        ]
        if self.since is not None and self.sunset is not None and self.sunset < self.since:
            faults.append(Fault("sunset", "must not be before since (RFC 9745)"))
        if faults:
            raise SettingsError(faults)


@hookimpl
def twgw_respond(exchange: Exchange, settings: Settings) -> None:
    """Add the fields."""
    response = exchange.response
    assert response is not None
    headers = response.headers
    for name, value in settings.fields:
        if name not in headers:
            headers.add(name, value)
    if settings.link:
        headers.add("Link", settings.link)
