"""One question about one user to one server, a step after another: find exactly one entry, prove the password, groups.

The rules of a safe login are on this page.  ``ldap.py`` calls it in a thread for the gateway, ``cli_ldap.py`` for a
person who wants to see each step.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from twgw.directory.groups import Entry, Failure, Found, Group, Remembered, Tell, granted, groups_of
from twgw.directory.names import filled, rdns
from twgw.directory.settings import LdapStore, attributes_of
from twgw.policy.interfaces import DirectoryUser, Refusal

LONGEST_NAME = 256
LONGEST_PASSWORD = 1024
"""Characters; what is longer is refused without asking anybody."""

SUCCESS = 0
NOT_THIS_USER = {
    19: "an account policy forbids it",
    32: "the entry is gone",
    48: "the entry has no password of this kind",
    49: "the password is wrong",
    50: "the entry may not be used to log in",
    53: "the server is unwilling: the account may be locked, or its password expired",
}
"""Results of a bind that are about the user (RFC 4511, appendix A); all others are about the server."""


class Session(Protocol):
    """A connection to one server, encrypted as the store says, bound as nobody."""

    def bind(self, dn: str, password: str) -> tuple[int, str]:
        """Bind, once.  Result code and what the server says of it.  Raises Failure when there is no answer."""

    def who_am_i(self) -> str | None:
        """As whom the server takes us (RFC 4532); None where it does not say.  Raises Failure."""

    def search(
        self, base: str, filter: str, attributes: Sequence[str], *, most: int, page: int = 0, only_base: bool = False
    ) -> Found:
        """As ``Searching`` of groups.py."""

    def close(self) -> None:
        """End it.  Raises nothing."""


def unusable(user: str, password: str | None) -> Refusal | None:
    """What is refused without asking anybody.

    An empty password would be a bind as nobody, which servers answer with success (RFC 4513, 5.1.2).
    """
    if not user.strip() or len(user) > LONGEST_NAME or not user.isprintable():
        return Refusal.UNKNOWN
    if password is None:
        return None
    if not password.strip() or "\0" in password or len(password) > LONGEST_PASSWORD:
        return Refusal.WRONG_PASSWORD
    return None


def silent(_step: str, _text: str) -> None:
    """Nobody listens."""


def log_in(
    store: LdapStore,
    connect: Callable[[], Session],
    user: str,
    password: str | None,
    *,
    now: Callable[[], float],
    remembered: Remembered | None = None,
    tell: Tell = silent,
) -> DirectoryUser | Refusal:
    """Find a user, and prove the password unless it is None.  Raises Failure when the server cannot say.

    The user's own bind has a connection of its own: one that was bound before may stay bound as somebody else.
    """
    refusal = unusable(user, password)
    if refusal is not None:
        return refusal
    service = connect()
    try:
        _bind_service(store, service, tell)
        entry = _one_entry(store, service, user, tell)
        if entry is None:
            return Refusal.UNKNOWN
        name = _name_of(store, entry, user)
        if password is not None and not _proved(connect(), entry.dn, password, tell):
            return Refusal.WRONG_PASSWORD
        asked_at = now()
        groups = remembered.get(entry.dn, asked_at) if remembered else None
        if groups is None:
            groups = groups_of(store, service, entry, name, tell)
            if remembered:
                remembered.put(entry.dn, groups, asked_at)
        return _as_user(store, entry, name, groups)
    finally:
        service.close()


def _bind_service(store: LdapStore, session: Session, tell: Tell) -> None:
    """Become the account that searches."""
    if not store.bind_dn:
        tell("service bind", "none: searching as nobody, as bind_dn is empty")
        return
    code, says = session.bind(store.bind_dn, store.password)
    if code != SUCCESS:
        hint = "correct bind_dn or password" if code in NOT_THIS_USER else "see what the server says"
        if code in {8, 13}:
            hint = "the server wants encryption: use ldaps://, or ldap:// with start_tls = true"
        raise Failure("service bind", f"{store.bind_dn} was refused: {says}", hint, lost=code in {51, 52})
    tell("service bind", f"as {store.bind_dn}")


def _one_entry(store: LdapStore, session: Session, user: str, tell: Tell) -> Entry | None:
    """The one entry of a user.  None for no entry, and for two: nobody can say which of them it is."""
    looked_for = filled(store.user_filter, user=user)
    tell("search", f"{looked_for} below {store.user_base}")
    found = session.search(store.user_base, looked_for, attributes_of(store), most=2)
    if len(found.entries) == 1 and not found.more:
        entry = found.entries[0]
        tell("entry", entry.dn)
        return entry
    listed = "; ".join(entry.dn for entry in found.entries)
    tell("entry", f"more than one: {listed}" if found.entries else "none")
    return None


def _name_of(store: LdapStore, entry: Entry, user: str) -> str:
    """The user's name as the directory writes it."""
    names = entry.all(store.name_attribute)
    if not names:
        hint = "set name_attribute to one that users have, and that bind_dn may read"
        raise Failure("entry", f"{entry.dn} has no {store.name_attribute}", hint)
    return next((name for name in names if name.casefold() == user.casefold()), names[0])


def _proved(session: Session, dn: str, password: str, tell: Tell) -> bool:
    """Whether this is the password of that entry."""
    try:
        code, says = session.bind(dn, password)
        if code in NOT_THIS_USER:
            tell("user bind", f"refused: {NOT_THIS_USER[code]} ({says})")
            return False
        if code != SUCCESS:
            raise Failure("user bind", f"not decided: {says}", "see what the server says", lost=code in {51, 52})
        tell("user bind", f"as {dn}")
        who = session.who_am_i()
        if who is None:
            tell("who am I", "the server does not say")
        elif not _is_whom(who, dn):
            tell("who am I", f"refused: the server took it for a bind as {who or 'nobody'}")
            return False
        else:
            tell("who am I", who)
        return True
    finally:
        session.close()


def _is_whom(who: str, dn: str) -> bool:
    """Whether an authorization identity (RFC 4513, 5.2.1.8) is that of an entry; of another form, that of anybody."""
    if not who.lower().startswith("dn:"):
        return bool(who.partition(":")[2])
    try:
        return rdns(who[3:]) == rdns(dn) != ()
    except ValueError:
        return False


def _as_user(store: LdapStore, entry: Entry, name: str, groups: tuple[Group, ...]) -> DirectoryUser:
    return DirectoryUser(
        store=store.name,
        name=name,
        dn=entry.dn,
        groups=tuple(dict.fromkeys(group.name for group in groups)),
        roles=granted(groups, {group: [role.value for role in roles] for group, roles in store.roles.items()}),
        consumer_groups=granted(groups, store.consumer_groups),
        mail=entry.first(store.mail_attribute),
        display_name=entry.first(store.display_attribute),
    )
