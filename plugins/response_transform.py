"""Change the status and the header fields of responses, the upstream's and the gateway's own.

    - name: response-transform
      settings: {remove_headers: [Server], set_headers: {X-Content-Type-Options: nosniff}, status: {"404": 410}}

In this order: remove, rename, replace (where it is there), set (there or not), add (where it is not there), append.
Fields that frame the message or belong to one connection are the gateway's own and are refused.
"""

from collections.abc import Mapping

from attrs import field, frozen

from twgw import hookimpl
from twgw.faults import Fault, SettingsError, below
from twgw.policy import Exchange, setting
from twgw.policy.edits import Edits, fields_of, names_of, renames_of
from twgw.policy.headers import ONE_HOP

WITHOUT_BODY = (204, 205, 304)
"""Statuses that say by themselves that no body follows: none becomes another, and no other becomes one of them."""


def is_reserved(name: str) -> bool:
    """Whether the gateway alone sets a response field."""
    lower = name.lower()
    return lower in ONE_HOP or lower in ("via", "ratelimit", "ratelimit-policy")


def _statuses(_instance: object, _attribute: object, value: Mapping[str, int]) -> None:
    faults = []
    for old, new in value.items():
        if not (old.isascii() and old.isdigit() and 200 <= int(old) <= 599):
            faults.append(Fault(below("", old), "must stand for a status from 200 to 599, in quotes"))
        elif not 200 <= new <= 599:
            faults.append(Fault(below("", old), "must be a status from 200 to 599"))
        elif int(old) in WITHOUT_BODY or new in WITHOUT_BODY:
            faults.append(Fault(below("", old), "204, 205 and 304 have no body, so none can become or replace another"))
    if faults:
        raise SettingsError(faults)


@frozen
class Settings:
    """What to change."""

    status: Mapping[str, int] = setting(
        'Statuses to send in place of others, such as "404": 410.', factory=dict, validator=_statuses
    )
    remove_headers: tuple[str, ...] = setting(
        "Header fields to take away.", default=(), validator=names_of(is_reserved)
    )
    rename_headers: Mapping[str, str] = setting(
        "Header fields to send under another name, which replaces what stood there.",
        factory=dict,
        validator=renames_of(is_reserved),
    )
    replace_headers: Mapping[str, str] = setting(
        "New values for header fields that are there.", factory=dict, validator=fields_of(is_reserved)
    )
    set_headers: Mapping[str, str] = setting(
        "Header fields that have this value, there before or not.", factory=dict, validator=fields_of(is_reserved)
    )
    add_headers: Mapping[str, str] = setting(
        "Header fields for responses that have none of that name.", factory=dict, validator=fields_of(is_reserved)
    )
    append_headers: Mapping[str, str] = setting(
        "Header fields to put beside those of the same name.", factory=dict, validator=fields_of(is_reserved)
    )
    header_edits: Edits = field(init=False, repr=False, eq=False)
    statuses: Mapping[int, int] = field(init=False, repr=False, eq=False)

    @header_edits.default
    def _header_edits(self) -> Edits:
        return Edits(
            self.remove_headers, self.rename_headers, self.replace_headers,
            self.set_headers, self.add_headers, self.append_headers,
        )  # fmt: skip

    @statuses.default
    def _numbers(self) -> Mapping[int, int]:
        return {int(old): new for old, new in self.status.items()}


@hookimpl
def twgw_respond(exchange: Exchange, settings: Settings) -> None:
    """Change the response."""
    response = exchange.response
    assert response is not None
    settings.header_edits.apply(response.headers)
    status = settings.statuses.get(response.status)
    if status is not None:
        response.status, response.reason = status, ""
