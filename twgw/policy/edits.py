"""Changes to header fields that a person writes down as settings.

The policies request-transform and response-transform are made of it.  Everything is checked when they are deployed:
a name or value that may not stand in a head, and a field that is not theirs to change, never reach a request.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import field, frozen

from twgw.faults import Fault, SettingsError, below
from twgw.policy.headers import Headers, check_field

IsReserved = Callable[[str], bool]
"""Whether a field is set by the gateway alone."""
Validator = Callable[[Any, Any, Any], None]


def names_of(is_reserved: IsReserved) -> Validator:
    """Validates a list of header names."""

    def check(_instance: object, _attribute: object, value: Iterable[str]) -> None:
        wrong = [(place, _wrong(name, "", is_reserved)) for place, name in enumerate(value)]
        _raise(Fault(below("", place), text) for place, text in wrong if text)

    return check


def fields_of(is_reserved: IsReserved) -> Validator:
    """Validates a mapping of header names to values."""

    def check(_instance: object, _attribute: object, value: Mapping[str, str]) -> None:
        _raise(Fault(below("", name), text) for name, one in value.items() if (text := _wrong(name, one, is_reserved)))

    return check


def renames_of(is_reserved: IsReserved) -> Validator:
    """Validates a mapping of header names to other header names."""

    def check(_instance: object, _attribute: object, value: Mapping[str, str]) -> None:
        _raise(
            Fault(below("", old), text)
            for old, new in value.items()
            if (text := _wrong(old, "", is_reserved) or _wrong(new, "", is_reserved))
        )

    return check


def _wrong(name: str, value: str, is_reserved: IsReserved) -> str:
    if is_reserved(name):
        return f"{name} is set by the gateway alone"
    try:
        check_field(name, value)
    except ValueError as error:
        return str(error)
    return ""


def _raise(faults: Iterable[Fault]) -> None:
    if found := list(faults):
        raise SettingsError(found)


def _prepared(fields: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    return tuple((name.lower(), name, value) for name, value in fields.items())


@frozen
class Edits:
    """What to change in the fields of a message, done in the order of the arguments.

    Args:
        remove: taken away.
        rename: old name to new; what stood under the new name gives way.
        replace: new value for fields that are there.
        assign: the one value from now on, there or not.
        add: given to a message that has none of that name.
        append: put beside those of the same name.
    """

    remove: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(factory=dict)
    replace: tuple[tuple[str, str, str], ...] = field(factory=dict, converter=_prepared)
    assign: tuple[tuple[str, str, str], ...] = field(factory=dict, converter=_prepared)
    add: tuple[tuple[str, str, str], ...] = field(factory=dict, converter=_prepared)
    append: Mapping[str, str] = field(factory=dict)

    def apply(self, headers: Headers) -> None:
        """Change the fields."""
        for name in self.remove:
            headers.remove(name)
        for old, new in self.rename.items():
            values = headers.get_all(old)
            if values:
                headers.remove(old)
                headers.remove(new)
                for value in values:
                    headers.add(new, value)
        for lower, name, value in self.replace:
            if lower in headers:
                headers.put(lower, name, value)
        for lower, name, value in self.assign:
            headers.put(lower, name, value)
        for lower, name, value in self.add:
            if lower not in headers:
                headers.put(lower, name, value)
        for name, value in self.append.items():
            headers.add(name, value)
