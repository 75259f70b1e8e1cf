"""Names as LDAP writes them: values in filters, distinguished names, logins with a domain.

Used by everything in this folder.  Texts of strangers reach a server only through ``filled``.
"""

import re
from collections.abc import Collection

Rdn = tuple[tuple[str, str], ...]
"""One step of a DN: attribute types in lower case, values as they are compared."""

_SPECIAL = re.compile(r"[\\*()\x00]|\A\s+|\s+\Z")
_PLACE = re.compile(r"\{(\w+)\}")
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*", re.ASCII)
_PAIR = re.compile(r"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)
_DOMAIN_FIRST = re.compile(r"([^\\/]+)[\\/](.+)", re.DOTALL)
_AVA_END = re.compile(r"(?:[^\\,;+]|\\.)*", re.DOTALL)


def escaped(value: str) -> str:
    """A value as it may stand in a filter, meaning itself and nothing else (RFC 4515, 3); ldap3 would lose blanks."""
    return _SPECIAL.sub(lambda found: "".join(f"\\{octet:02x}" for octet in found[0].encode()), value)


def filled(template: str, **values: str) -> str:
    """A filter with each ``{name}`` replaced by a value, which cannot become a part of the filter."""
    return _PLACE.sub(lambda found: escaped(values[found[1]]) if found[1] in values else found[0], template)


def any_of(attributes: Collection[str], values: Collection[str]) -> str:
    """The filter for one of some attributes having one of some values."""
    pairs = [f"({attribute}={escaped(value)})" for attribute in attributes for value in values]
    return pairs[0] if len(pairs) == 1 else f"(|{''.join(pairs)})"


def filter_problem(template: str, *places: str) -> str:
    """Why a text cannot be a filter with these places; empty when it can.  The server has the last word."""
    depth = 0
    for position, sign in enumerate(template):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth < 0 or (depth == 0 and position < len(template) - 1):
            return "must stand in one pair of brackets, as (uid={user})"
    if depth or not template.endswith(")"):
        return "must have as many closing brackets as opening ones"
    missing = [place for place in places if f"{{{place}}}" not in template]
    return f"must have {{{missing[0]}}} where the name stands" if missing else ""


def rdns(dn: str) -> tuple[Rdn, ...]:
    """The steps of a DN, the nearest first, in the form in which they are compared (RFC 4514).

    Case and blanks do not count, as for nearly every attribute that names anything.  Raises ValueError.
    """
    steps: list[Rdn] = []
    pairs: list[tuple[str, str]] = []
    position = 0
    while position <= len(dn) and dn:
        found = _AVA_END.match(dn, position)
        assert found is not None  # it matches no text, too
        kind, equals, value = found[0].partition("=")
        if not equals or not _TYPE.fullmatch(kind.strip()):
            raise ValueError("must be a DN, as uid=alice,ou=people,dc=example")
        pairs.append((kind.strip().lower(), _compared(value)))
        position = found.end() + 1
        sign = dn[found.end() : position]
        if sign == "\\":
            raise ValueError("must be a DN: it ends in a single \\")
        if sign != "+":
            steps.append(tuple(sorted(pairs)))
            pairs = []
    return tuple(steps)


def _compared(value: str) -> str:
    return " ".join(_unescaped(value).split()).casefold()


def _unescaped(value: str) -> str:
    """The value behind its escapes; pairs of hex digits are octets of UTF-8."""
    value = value.lstrip(" ")
    bare = value.rstrip(" ")
    if (len(bare) - len(bare.rstrip("\\"))) % 2:  # the blank behind it was written as a part of the value
        bare += " "
    octets = b"".join(
        bytes.fromhex(found[1]) if found[1] else (found[2] or found[0]).encode()
        for found in re.finditer(rf"{_PAIR.pattern}|[^\\]+", bare, re.DOTALL)
    )
    return octets.decode("utf-8", "replace")


def is_dn(text: str) -> bool:
    """Whether a text is a DN."""
    try:
        return bool(rdns(text))
    except ValueError:
        return False


def nearest(dn: str) -> str:
    """The value that names an entry among its neighbours: ``alice`` of ``uid=alice,ou=people,dc=example``."""
    found = _AVA_END.match(dn)
    assert found is not None
    return _unescaped(found[0].partition("=")[2])


def split_login(login: str, domains: Collection[str]) -> tuple[str, str]:
    r"""Domain and name in ``CORP\alice``, ``CORP/alice`` or ``alice@corp.example``, in any case.

    What stands where a domain may stand but is none of these is a part of the name, as in a mail address.
    """
    known = {domain.casefold(): domain for domain in domains}
    first = _DOMAIN_FIRST.fullmatch(login)
    if first and first[1].casefold() in known:
        return known[first[1].casefold()], first[2]
    name, _, last = login.rpartition("@")
    if name and last.casefold() in known:
        return known[last.casefold()], name
    return "", login
