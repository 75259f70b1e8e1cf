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
        for one, name in self._responsible(user, store):
            found = await one.ask(name, password)
            if isinstance(found, DirectoryUser) or found is Refusal.WRONG_PASSWORD:
                return found
            if found is Refusal.UNAVAILABLE:
                answer = found
        return answer

    def _responsible(self, user: str, store: str) -> Iterable[tuple[Store, str]]:
        """The stores to ask, each with the name without the store's domain.  Raises LookupError."""
        if not self.stores:
            raise LookupError("no user store is configured; write an [[ldap]] table into the configuration")
        if store and store not in self.stores:
            raise LookupError(f"there is no user store {store}{suggest(store, self.stores)}")
        if store:
            only = self.stores[store]
            return [(only, split_login(user, only.settings.domains)[1])]
        named = [domain for each in self.stores.values() for domain in each.settings.domains]
        domain, name = split_login(user, named)
        if not domain:
            return [(each, user) for each in self.stores.values() if not each.settings.domain_required]
        return [(each, name) for each in self.stores.values() if has_domain(each.settings, domain)]


def has_domain(store: LdapStore, domain: str) -> bool:
    """Whether names with a domain are looked for in a store."""
    return domain.casefold() in map(str.casefold, store.domains)
