"""The nouns of the registry: what a database knows of APIs, callers and trust beside what a state file says.

Frozen, as those of ``model.py``, with no SQL and no JSON.  ``storage/`` makes them from rows; views and commands
show them.  All times are UNIX seconds.  A *position* counts the records of the cluster log; ``stamp`` counts the
changes of one row, for ``If-Match``.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import evolve, field, frozen

from twgw.model import Api, Credential, Lifecycle, Policy, SubscriptionState, Tier


@frozen(order=True)
class Head:
    """How far the cluster log is.  A new ``epoch`` begins when a database lost what it had promised; it is further."""

    epoch: int
    pos: int


@frozen
class Record:
    """One entry of the cluster log: what is to be forgotten, or compiled anew, by its tag."""

    kind: str
    tag: str
    data: str = ""
    epoch: int = 0
    pos: int = 0
    at: float = 0


@frozen
class Served:
    """What gateways are to have in force; APIs and tiers by their names."""

    apis: Mapping[str, Api] = field(factory=dict)
    policies: tuple[Policy, ...] = ()
    tiers: Mapping[str, Tier] = field(factory=dict)
    blocks: "tuple[Block, ...]" = ()
    unread: Mapping[str, Lifecycle] = field(factory=dict)
    """The APIs where there are too many to tell, and their states: each is to be read by itself (``Reader.apis``)."""

    def over(self, before: "Served") -> "Served":
        """What is to be in force of it now: of an API that is to be read what was before, in its new state."""
        known = {name: before.apis[name] for name in self.unread if name in before.apis}
        return News(unread=self.unread).over(evolve(self, apis={**known, **self.apis}, unread={}))


@frozen
class News:
    """Records, and what became of that which they name; None where they name none of it."""

    records: tuple[Record, ...] = ()
    apis: Mapping[str, Api | None] = field(factory=dict)
    """None for one that clients are not to find any more."""
    policies: tuple[Policy, ...] | None = None
    tiers: Mapping[str, Tier] | None = None
    blocks: "tuple[Block, ...] | None" = None
    more: bool = False
    """Whether the log goes on behind them."""
    unread: Mapping[str, Lifecycle] = field(factory=dict)
    """APIs that are named, too, and their states: so many that each is to be read by itself (``Reader.apis``)."""

    @property
    def about_apis(self) -> bool:
        """Whether anything has to be compiled."""
        return bool(self.apis or self.unread) or self.policies is not None or self.tiers is not None

    def over(self, before: Served) -> Served:
        """What is to be in force after them; the same where nothing of it is named."""
        if not self.about_apis and self.blocks is None:
            return before
        apis = {name: api for name, api in {**before.apis, **self.apis}.items() if api is not None}
        states = {name: state for name, state in self.unread.items() if name in apis and apis[name].state is not state}
        return Served(
            {**apis, **{name: evolve(apis[name], state=state) for name, state in states.items()}},
            before.policies if self.policies is None else self.policies,
            before.tiers if self.tiers is None else self.tiers,
            before.blocks if self.blocks is None else self.blocks,
        )


class Approval(Enum):
    """Whether an application may be used."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    REJECTED = "REJECTED"
    PAUSED = "PAUSED"


@frozen
class ApiEntry:
    """An API as it stands in the registry.  ``api`` is its latest revision, in the state of the entry."""

    api: Api
    latest: int
    """Number of the newest revision."""
    live: int | None
    """Number of the revision that is served; None: none is."""
    default_version: bool
    owner: str
    deprecated_at: float | None
    sunset_at: float | None
    created_at: float
    updated_at: float
    stamp: int
    tag: str
    """Whose it is: the tag of a ``twgw config sync``, else empty."""

    @property
    def id(self) -> str:
        """``name:version``."""
        return self.api.id

    @property
    def state(self) -> Lifecycle:
        """Where it stands in its life."""
        return self.api.state


@frozen
class Revision:
    """One text of an API; it never changes."""

    api: Api
    number: int
    source: str | None
    """The document it was imported from, as it came."""
    note: str
    author: str
    at: float


@frozen
class StateChange:
    """One step in the life of an API."""

    api: str
    before: Lifecycle | None
    after: Lifecycle
    actor: str
    at: float


@frozen
class TierEntry:
    """A tier as it stands in the registry."""

    tier: Tier
    created_at: float
    updated_at: float
    stamp: int
    tag: str


@frozen
class ApplicationEntry:
    """An application as it stands in the registry."""

    name: str
    title: str
    description: str
    owner: str
    tier: str | None
    state: Approval
    attributes: Mapping[str, Any]
    """What its owner, or a part of the key manager, notes about it."""
    revoked_before_pos: int
    """What was issued at an earlier position is void."""
    created_at: float
    updated_at: float
    stamp: int
    tag: str


@frozen
class SubscriptionEntry:
    """A subscription as it stands in the registry."""

    application: str
    api: str
    tier: str | None
    state: SubscriptionState
    created_at: float
    updated_at: float
    stamp: int


@frozen
class CredentialEntry:
    """A credential as it stands in the registry.  The key itself is not there."""

    credential: Credential
    title: str
    user: str | None
    issued_pos: int
    revoked_pos: int | None
    created_at: float
    last_used_at: float | None
    found_by: str = field(default="", repr=False)
    """The digest that it is looked up by: of the key, or of the name that stands before a password."""


@frozen
class Known:
    """What one look at the database says of a credential or token, as of ``head``.

    ``entry`` is None when nobody knows it.  ``valid`` has everything in it but the expiry, which is for the caller's
    clock: not revoked by itself, with its application or its user, and both of these may be used.
    """

    head: Head
    entry: "CredentialEntry | Token | None"
    valid: bool = False


@frozen
class Token:
    """A token that the key manager issued, by its digest.  ``kind``: access, jti, refresh or code."""

    kind: str
    digest: str = field(repr=False)
    application: str
    expires_at: float
    client: str = ""
    user: str | None = None
    scopes: tuple[str, ...] = ()
    family: str = ""
    """What is revoked together when one of it is used twice."""
    environment: str = ""
    issued_at: float = 0
    issued_pos: int = 0
    used_at: float | None = None
    revoked_pos: int | None = None
    data: Mapping[str, Any] = field(factory=dict)


@frozen
class Redeemed:
    """What became of a code or refresh token that somebody showed.

    ``fresh``: this use was the first and only good one.  Otherwise nothing may be issued for it; when it had been used
    before, all of its family is revoked, which was done at the position ``ended``.
    """

    token: Token | None
    fresh: bool
    ended: int | None = None


@frozen
class Client:
    """How an application is known to the OAuth2 endpoints, once for each environment."""

    id: str
    application: str
    environment: str
    digest: str = field(repr=False)
    """Of its secret; empty for a public client."""
    settings: Mapping[str, Any] = field(factory=dict)
    issued_pos: int = 0
    revoked_pos: int | None = None
    created_at: float = 0
    stamp: int = 1


@frozen
class User:
    """Whoever uses the control plane, or calls with a name.  ``store`` is ``local`` or that of an LDAP server."""

    name: str
    title: str = ""
    email: str = ""
    store: str = "local"
    roles: tuple[str, ...] = ()
    password_hash: str | None = field(default=None, repr=False)
    active: bool = True
    revoked_before_pos: int = 0
    created_at: float = 0
    updated_at: float = 0
    stamp: int = 1
    groups: tuple[str, ...] = ()
    """Consumer groups, by which APIs and tiers are for some and not for others."""


@frozen
class Session:
    """A login to the control plane, by the digest of its secret."""

    digest: str = field(repr=False)
    user: str
    created_at: float
    seen_at: float
    expires_at: float
    data: Mapping[str, Any] = field(factory=dict)


@frozen
class Block:
    """Somebody or something that is refused at once.  ``kind``: user, application, ip or api."""

    kind: str
    value: str
    reason: str = ""
    actor: str = ""
    at: float = 0
    expires_at: float | None = None


@frozen
class AuditEntry:
    """Who changed what.  ``hash`` covers the entry and the hash before it."""

    seq: int
    at: float
    actor: str
    action: str
    subject: str
    before: Any
    after: Any
    hash: str


@frozen
class SecretKey:
    """A secret of the cluster.  ``kind``: pepper, signing, mac or session."""

    kind: str
    version: int
    material: str = field(repr=False)
    created_at: float
    retire_at: float | None
