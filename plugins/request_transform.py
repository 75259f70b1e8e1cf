"""Change the header fields, the query and the path that the upstream gets.

    - name: request-transform
      settings: {remove_headers: [Cookie], set_headers: {X-Team: orders}, add_query: {lang: en}, path: "/v2/{id}"}

In this order: remove, rename, replace (where it is there), set (there or not), add (where it is not there), append.
A client can send a field that you only ``add``: use ``set_headers`` for what the upstream is to trust.
Fields that frame the message, belong to one connection or tell who calls are the gateway's own and are refused.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_plus

from attrs import field, frozen

from twgw import hookimpl
from twgw.policy import Exchange, setting
from twgw.policy.edits import Edits, fields_of, names_of, renames_of
from twgw.policy.headers import is_reserved

_SEGMENT = re.compile(
    r"\{[A-Za-z_][A-Za-z0-9_]*\}|(?!\.{1,2}(?:;|$))(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%(?!2[EFef5]|5[Cc]|00)[0-9A-F]{2})+",
    re.ASCII,
)
"""A segment of a path template, without escapes that could be read as a dot, a slash, a backslash or an escape."""


def _path(_instance: object, _attribute: object, value: str | None) -> None:
    if value is None:
        return
    if not value.startswith("/"):
        raise ValueError("must start with '/'")
    for segment in value[1:].split("/"):
        if segment and not _SEGMENT.fullmatch(segment):
            raise ValueError(f"segment {segment!r} must be plain path text or a whole {{name}} of the route's path")


@frozen
class Settings:
    """What to change."""

    remove_headers: tuple[str, ...] = setting(
        "Header fields to take away.", default=(), validator=names_of(is_reserved)
    )
    rename_headers: Mapping[str, str] = setting(
        "Header fields to send under another name, which replaces what stood there.",
        factory=dict,
        validator=renames_of(is_reserved),
    )
    replace_headers: Mapping[str, str] = setting(
        "New values for header fields that the client sent.", factory=dict, validator=fields_of(is_reserved)
    )
    set_headers: Mapping[str, str] = setting(
        "Header fields that have this value whatever the client sent.", factory=dict, validator=fields_of(is_reserved)
    )
    add_headers: Mapping[str, str] = setting(
        "Header fields for requests that have none of that name.", factory=dict, validator=fields_of(is_reserved)
    )
    append_headers: Mapping[str, str] = setting(
        "Header fields to put beside those of the same name.", factory=dict, validator=fields_of(is_reserved)
    )
    remove_query: tuple[str, ...] = setting("Query parameters to take away.", default=())
    rename_query: Mapping[str, str] = setting(
        "Query parameters to send under another name, which replaces what stood there.", factory=dict
    )
    replace_query: Mapping[str, str] = setting("New values for query parameters that the client sent.", factory=dict)
    set_query: Mapping[str, str] = setting("Query parameters that have this value in any case.", factory=dict)
    add_query: Mapping[str, str] = setting("Query parameters for requests that have none of that name.", factory=dict)
    append_query: Mapping[str, str] = setting("Query parameters to put behind those of the same name.", factory=dict)
    path: str | None = setting(
        "The path for the upstream; a segment {name} stands for that parameter of the route's path.",
        default=None,
        validator=_path,
    )
    header_edits: Edits = field(init=False, repr=False, eq=False)
    changes_headers: bool = field(init=False, repr=False, eq=False)
    changes_query: bool = field(init=False, repr=False, eq=False)

    @header_edits.default
    def _header_edits(self) -> Edits:
        return Edits(
            self.remove_headers, self.rename_headers, self.replace_headers,
            self.set_headers, self.add_headers, self.append_headers,
        )  # fmt: skip

    @changes_headers.default
    def _changes_headers(self) -> bool:
        return self.header_edits != Edits()

    @changes_query.default
    def _changes_query(self) -> bool:
        changes = (self.rename_query, self.replace_query, self.set_query, self.add_query, self.append_query)
        return bool(self.remove_query) or any(changes)


@hookimpl
def twgw_transform(exchange: Exchange, settings: Settings) -> None:
    """Change what the upstream gets."""
    request = exchange.request
    if settings.changes_headers:
        settings.header_edits.apply(request.headers)
    if settings.changes_query:
        request.query = edited(request.query, settings)
    if settings.path is not None:
        exchange.upstream_path = filled(settings.path, exchange.params)


def edited(query: str, settings: Settings) -> str:
    """A query with the changes made; parameters that are not named stay as they came, byte for byte."""
    parts = [(unquote_plus(part.partition("=")[0]), part) for part in query.split("&") if part]
    removed = set(settings.remove_query)
    parts = [part for part in parts if part[0] not in removed]
    for old, new in settings.rename_query.items():
        if any(name == old for name, _ in parts):
            parts = [
                (new, _written(new) + text[len(text.partition("=")[0]) :]) if name == old else (name, text)
                for name, text in parts
                if name != new
            ]
    for name, value in settings.replace_query.items():
        if any(there == name for there, _ in parts):
            parts = _assigned(parts, name, value)
    for name, value in settings.set_query.items():
        parts = _assigned(parts, name, value)
    for name, value in settings.add_query.items():
        if all(there != name for there, _ in parts):
            parts.append((name, _pair(name, value)))
    parts += [(name, _pair(name, value)) for name, value in settings.append_query.items()]
    return "&".join([text for _, text in parts])


def _assigned(parts: list[tuple[str, str]], name: str, value: str) -> list[tuple[str, str]]:
    return [*(part for part in parts if part[0] != name), (name, _pair(name, value))]


def _pair(name: str, value: str) -> str:
    return f"{_written(name)}={_written(value)}"


def _written(text: str) -> str:
    return quote(text, safe="")


def filled(template: str, params: Mapping[str, str]) -> str:
    """A path template with the values of the route's parameters, which are canonical path text already.

    Raises LookupError for a parameter that the route does not have.
    """
    segments = []
    for segment in template.split("/"):
        if segment.startswith("{"):
            name = segment[1:-1]
            if name not in params:
                raise LookupError(f"the route's path has no {segment}")
            segments.append(params[name])
        else:
            segments.append(segment)
    return "/".join(segments)
