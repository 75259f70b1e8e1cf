"""The groups of a user, those that are in other groups too, and what is granted to them.

Called by ``login.py`` with a connection that is bound as the account that searches.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Protocol

from attrs import define, field, frozen

from twgw.directory.names import any_of, is_dn, nearest, rdns
from twgw.directory.settings import LdapStore

IN_CHAIN = "1.2.840.113556.1.4.1941"
"""Active Directory's rule that looks through groups in groups."""
REMEMBERED = 10_000
"""Users whose groups are remembered at most, in one store."""
AT_ONCE = 20
"""Groups that one filter asks about."""


class Failure(Exception):
    """A question that was not answered: which step, why, and what to change.

    ``lost`` says that the server itself did not do its part, so that another one may.
    """

    def __init__(self, step: str, text: str, hint: str = "", *, lost: bool = False) -> None:
        super().__init__(f"{step}: {text}")
        self.step = step
        self.text = text
        self.hint = hint
        self.lost = lost


@frozen
class Entry:
    """One entry that a search found; attributes under their names in lower case."""

    dn: str
    attributes: Mapping[str, Sequence[str]] = field(factory=dict)

    def all(self, name: str) -> Sequence[str]:
        """The values of an attribute."""
        return self.attributes.get(name.lower(), ())

    def first(self, name: str) -> str:
        """Its first value; empty when there is none."""
        return next(iter(self.all(name)), "")


@frozen
class Found:
    """What a search found.  ``more`` says that there is more of it than was asked for, or than the server gives."""

    entries: Sequence[Entry]
    more: bool = False


class Searching(Protocol):
    """A connection that can search."""

    def search(
        self, base: str, filter: str, attributes: Sequence[str], *, most: int, page: int = 0, only_base: bool = False
    ) -> Found:
        """Entries below a base, or that one alone.  A base that is not there holds none.  Raises Failure."""


@frozen
class Group:
    """A group, by its name and its DN."""

    name: str
    dn: str


Tell = Callable[[str, str], None]
"""Hears of each step: its name and what came of it."""


def groups_of(store: LdapStore, session: Searching, user: Entry, name: str, tell: Tell) -> tuple[Group, ...]:
    """Every group of a user, sorted by name.  Raises Failure, also when there are more than the store allows."""
    asking = _Asking(store, session)
    found = asking.direct(user, name)
    tell("groups", _listed(found.values()))
    if store.nested == "walk":
        direct = len(found)
        asking.walk(found)
        if len(found) > direct:
            tell("nested groups", _listed(list(found.values())[direct:]))
    return tuple(sorted(found.values(), key=lambda group: (group.name.casefold(), group.dn)))


def _listed(groups: Collection[Group]) -> str:
    names = sorted(group.name for group in groups)
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more if names else "none"


def _too_many(store: LdapStore) -> Failure:
    return Failure("groups", f"more than {store.max_groups}", "raise max_groups, or narrow group_filter or group_base")


Groups = dict[object, Group]
"""Groups by their DN as it is compared, in the order in which they were found."""


@frozen
class _Asking:
    store: LdapStore
    session: Searching

    def direct(self, user: Entry, name: str) -> Groups:
        """The groups that name the user where they are searched, else those that the user names."""
        found: Groups = {}
        self._add(found, self._searched([user.dn], name) if self.store.group_base else self._named_by(user))
        return found

    def walk(self, found: Groups) -> None:
        """Add the groups that hold groups, as far as there are any: none is asked about twice, so circles end."""
        edge = list(found.values())
        for _ in range(self.store.nested_depth + 1):
            if not edge:
                return
            before = len(found)
            for start in range(0, len(edge), AT_ONCE):
                some = [group.dn for group in edge[start : start + AT_ONCE]]
                self._add(found, self._searched(some, "") if self.store.group_base else self._named_by_groups(some))
            edge = list(found.values())[before:]
        if edge:
            depth = self.store.nested_depth
            raise Failure("nested groups", f"nested deeper than {depth}", "raise nested_depth, or make fewer levels")

    def _add(self, found: Groups, groups: Iterable[Group]) -> None:
        for group in groups:
            found.setdefault(_key(group.dn), group)
            if len(found) > self.store.max_groups:
                raise _too_many(self.store)

    def _named_by(self, entry: Entry) -> Iterator[Group]:
        if self.store.member_of:
            for dn in entry.all(self.store.member_of):
                if is_dn(dn):
                    yield Group(nearest(dn), dn)

    def _named_by_groups(self, dns: Iterable[str]) -> Iterator[Group]:
        for dn in dns if self.store.member_of else ():
            found = self.session.search(dn, "(objectClass=*)", [self.store.member_of], most=1, only_base=True)
            for entry in found.entries:
                yield from self._named_by(entry)

    def _searched(self, dns: Sequence[str], name: str) -> Iterator[Group]:
        """The groups that have one of these members; ``name`` is that of the user, for groups that hold names."""
        store = self.store
        by_name = [attribute for attribute in store.member_attributes if attribute.lower() == "memberuid"]
        by_dn = [attribute for attribute in store.member_attributes if attribute not in by_name]
        if store.nested == "in-chain":
            by_dn = [f"{attribute}:{IN_CHAIN}:" for attribute in by_dn]
        parts = [any_of(by_dn, dns)] if by_dn else []
        if name and by_name:
            parts.append(any_of(by_name, [name]))
        if not parts:
            return
        members = parts[0] if len(parts) == 1 else f"(|{''.join(parts)})"
        found = self.session.search(
            store.group_base, f"(&{store.group_filter}{members})", [store.group_name_attribute],
            most=store.max_groups + 1, page=store.page_size,
        )  # fmt: skip
        if found.more:
            raise _too_many(store)
        for entry in found.entries:
            yield Group(entry.first(store.group_name_attribute) or nearest(entry.dn), entry.dn)


def _key(dn: str) -> object:
    try:
        return rdns(dn)
    except ValueError:
        return dn


def granted(groups: Iterable[Group], grants: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What these groups are granted, each once, sorted; ``grants`` names groups by name, in any case, or by DN."""
    known = {_key(name) if is_dn(name) else name.casefold(): given for name, given in grants.items()}
    names = {name for group in groups for name in (_key(group.dn), group.name.casefold())}
    return tuple(sorted({given for name in names for given in known.get(name, ())}))


@define(eq=False)
class Remembered:
    """The groups of users, each for so many seconds.  Asked from several threads."""

    seconds: float
    _known: dict[str, tuple[float, tuple[Group, ...]]] = field(factory=dict, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    def get(self, dn: str, now: float) -> tuple[Group, ...] | None:
        """The groups of a user, None when they have to be asked for."""
        with self._lock:
            until, groups = self._known.get(dn, (now, ()))
            return groups if now < until else None

    def put(self, dn: str, groups: tuple[Group, ...], asked_at: float) -> None:
        """Keep what was asked for at that time."""
        if not self.seconds:
            return
        with self._lock:
            self._known.pop(dn, None)
            while len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[dn] = (asked_at + self.seconds, groups)
