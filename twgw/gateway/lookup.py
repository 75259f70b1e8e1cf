"""Whose key is this, and may its application call that API: answered from the deployed state.

Implements ``Credentials`` and ``Subscriptions`` of ``policy/interfaces.py``.  ``service.py`` replaces its facts as one
when a state is deployed.  Keys are never kept in memory: a table is searched by a digest under a key of this process,
and filled by the slower digest that the state holds.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable

from attrs import define, evolve, field, frozen

from twgw.model import Application, Credential, State, Subscription, Tier
from twgw.policy.interfaces import Clock

REMEMBERED = 100_000
"""Keys known by their fast digest; past that the table begins anew."""

Digest = Callable[[str], str]
"""A secret to the form in which the state holds it."""


@frozen
class Facts:
    """What one state says about callers."""

    credentials: dict[tuple[str, str], Credential] = field(factory=dict)
    """Kind and digest to credential."""
    subscriptions: dict[tuple[str, str], Subscription] = field(factory=dict)
    tiers: dict[str, Tier] = field(factory=dict)


def facts_of(state: State, digest: Digest) -> Facts:
    """The facts of a declarative state."""
    facts = Facts(tiers={tier.name: tier for tier in state.tiers})
    for application in state.applications:
        for subscription in application.subscriptions:
            facts.subscriptions[application.name, subscription.api] = subscription
        for key, credential in _credentials(application, digest):
            facts.credentials[key] = credential
    return facts


def _credentials(application: Application, digest: Digest) -> Iterable[tuple[tuple[str, str], Credential]]:
    for number, credential in enumerate(application.credentials):
        kept = credential.digest or digest(credential.value or "")
        name = credential.id or f"{application.name}-{number + 1}"
        known = evolve(
            credential, id=name, application=application.name, tier=application.tier, value=None, digest=kept
        )
        # A password is not looked up by: that is for the name, and comparing it for who asked.
        found_by = digest(credential.user or "") if credential.kind == "basic" else kept
        yield (credential.kind, found_by), known


@define(eq=False)
class Lookup:
    """Finds credentials and subscriptions in the facts that are in force."""

    clock: Clock
    digest: Digest
    facts: Facts = field(factory=Facts)
    _fast: dict[bytes, Credential] = field(factory=dict, init=False)
    _fast_hash: "hashlib.blake2b" = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._fast_hash = hashlib.blake2b(key=secrets.token_bytes(32), digest_size=16)

    def replace(self, facts: Facts) -> None:
        """Put other facts in force, in one turn of the reactor."""
        self.facts = facts
        self._fast = {}

    def find(self, kind: str, secret: str) -> Credential | None:
        """The credential with this secret; None when it is unknown or has expired."""
        fast_hash = self._fast_hash.copy()
        fast_hash.update(f"{kind}\0{secret}".encode())
        fast = fast_hash.digest()
        credential = self._fast.get(fast)
        if credential is None:
            credential = self.facts.credentials.get((kind, self.digest(secret)))
            if credential is None:
                return None
            if len(self._fast) >= REMEMBERED:
                self._fast = {}
            self._fast[fast] = credential
        if credential.expires_at is not None and self.clock.wall() >= credential.expires_at:
            return None
        return credential


@define(eq=False)
class Rights:
    """Finds subscriptions and tiers in the facts of a Lookup."""

    lookup: Lookup

    def find(self, application: str, api: str) -> Subscription | None:
        """The subscription of an application to an API."""
        return self.lookup.facts.subscriptions.get((application, api))

    def tier(self, name: str) -> Tier | None:
        """A tier by its name."""
        return self.lookup.facts.tiers.get(name)
