"""Several user stores as one: which of them is asked for a name, and whose answer counts.

Implements ``Directory`` of ``policy/interfaces.py``.  Made by ``tap.py``.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from attrs import define

from twgw.directory.login import unusable
from twgw.directory.names import split_login
from twgw.directory.settings import LdapStore
from twgw.faults import suggest
from twgw.policy.interfaces import DirectoryUser, Refusal


class Store(Protocol):
    """One user store."""

    settings: LdapStore

    async def ask(self, user: str, password: str | None) -> DirectoryUser | Refusal:
        """Find a user, and prove the password unless it is None."""


@define(eq=False)
class Stores:
    """All stores, by name, in the order in which they are asked.

    The first that knows a name decides, also that a password is wrong.  One that is not available is passed over; when
    no other knows the name, nobody can say whose it is, and the answer is that the directory is not available.
    """

    stores: Mapping[str, Store]

    async def authenticate(self, user: str, password: str, store: str = "") -> DirectoryUser | Refusal:
        """Who logs in with this name and password.  ``store`` names the only one that is asked."""
        return await self._ask(user, password, store)

    async def find(self, user: str, store: str = "") -> DirectoryUser | Refusal:
        """A user without a password: their groups and roles."""
        return await self._ask(user, None, store)

    async def _ask(self, user: str, password: str | None, store: str) -> DirectoryUser | Refusal:
        refusal = unusable(user, password)
        if refusal is not None:
            return refusal
        answer = Refusal.UNKNOWN
        settings = [each.settings for each in self.stores.values()]
        for one, name in responsible(settings, user, store):
            found = await self.stores[one.name].ask(name, password)
            if isinstance(found, DirectoryUser) or found is Refusal.WRONG_PASSWORD:
                return found
            if found is Refusal.UNAVAILABLE:
                answer = found
        return answer


def responsible(stores: Iterable[LdapStore], user: str, store: str = "") -> list[tuple[LdapStore, str]]:
    """The stores that are asked for a name, in their order, each with what is left of it without its domain.

    Raises LookupError when the one that is named is not there, or none is.
    """
    known = {each.name: each for each in stores}
    if not known:
        raise LookupError("no user store is configured; write an [[ldap]] table into the configuration")
    if store and store not in known:
        raise LookupError(f"there is no user store {store}{suggest(store, known)}")
    if store:
        return [(known[store], split_login(user, known[store].domains)[1])]
    domain, name = split_login(user, [domain for each in known.values() for domain in each.domains])
    if not domain:
        return [(each, user) for each in known.values() if not each.domain_required]
    return [(each, name) for each in known.values() if domain.casefold() in map(str.casefold, each.domains)]
