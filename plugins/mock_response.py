"""Answer with a fixed response in place of the upstream, as for a prototype or a page of maintenance.

    - name: mock-response
      settings: {status: 503, headers: {Content-Type: text/plain, Retry-After: "3600"}, body: Back at noon.}

The policies before it (authentication, limits, transformations) have their say as with any upstream.
"""

from collections.abc import Mapping

from attrs import field, frozen

from twgw import hookimpl
from twgw.faults import Fault, SettingsError
from twgw.policy import Headers, Response, setting
from twgw.policy.edits import fields_of
from twgw.policy.headers import ONE_HOP


def _is_reserved(name: str) -> bool:
    return name.lower() in ONE_HOP


def _status(_instance: object, _attribute: object, value: int) -> None:
    if not 200 <= value <= 599:
        raise ValueError("must be a status from 200 to 599")


@frozen
class Settings:
    """What to answer."""

    status: int = setting("Status of the response.", default=200, validator=_status)
    headers: Mapping[str, str] = setting(
        "Header fields of the response.", factory=dict, validator=fields_of(_is_reserved)
    )
    body: str = setting("Body of the response, sent as UTF-8.", default="")
    content: bytes = field(init=False, repr=False, eq=False)

    @content.default
    def _content(self) -> bytes:
        return self.body.encode()

    def __attrs_post_init__(self) -> None:
        if self.body and self.status in (204, 205, 304):
            raise SettingsError([Fault("body", f"a response with status {self.status} has none")])


@hookimpl
def twgw_forward(settings: Settings) -> Response:
    """Answer."""
    return Response(settings.status, Headers(settings.headers), settings.content)
