"""How a role declares what it answers: views, with the permission, the classes and the words of each.  Pure.

    views = Views("tiers")

    @views.view("GET", "/tiers/{tier}", permission=Permission.TIER_READ, answers=Tier)
    def show_tier(call: Call, connection: Connection, tier: str) -> Tier:
        '''Show a tier.'''

``views.at("/admin/v1")`` are the same below a prefix; they may stand below several.
``application.py`` serves them, ``openapi.py`` shows them.  A view is given the call and a connection in a transaction
of its own, and returns an object of the class that it names, a Page of them, an Answer around one, or None (204).
A view that is slow before it needs the database, as one that hashes a password, says ``outside=True``: in place of the
connection it is given ``transact``, which runs a function of call and connection as that transaction, and it returns
what that returns.  Views run in threads and never wait for the cluster.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from twgw.settings import setting
from twgw.web.permissions import Permission, Reach, Role

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PARAMETER = re.compile(r"\{([a-z_]+)\}")
NAME = re.compile(r"[A-Za-z0-9._:@#-]([A-Za-z0-9._:@# -]{0,253}[A-Za-z0-9._:@#-])?", re.ASCII)
"""What may stand for a parameter of a path; anything else is not there."""
MOST = 100
"""How many entries a page has at most."""


@frozen
class Caller:
    """Who calls.  ``via`` says with what, and may be logged: the id of a token, or a word."""

    name: str
    roles: frozenset[Role]
    groups: frozenset[str] = frozenset()
    """Consumer groups: what a store shows to some and not to others goes by them."""
    via: str = ""
    session: str = field(default="", repr=False)
    """The digest of the login that was shown."""


@frozen
class Call:
    """One call of a view."""

    caller: Caller | None
    reach: Reach
    body: Any = None
    """What was sent, as an object of the view's class."""
    query: Any = None
    now: float = 0.0
    """UNIX seconds."""
    address: str = ""
    """Of the client, after trusted proxies."""
    before: Any = None
    """What ``current`` of the view has found; ``before.stamp`` makes sure that nobody changes it in between."""
    lent: Any = None
    """What the control plane lends to its views: a ``Lent`` of ``lent.py``."""

    @property
    def actor(self) -> str:
        """The name of the caller; empty when nobody is logged in."""
        return self.caller.name if self.caller else ""

    @property
    def roles(self) -> frozenset[str]:
        """The roles of the caller, as words."""
        return frozenset(role.value for role in self.caller.roles) if self.caller else frozenset()

    @property
    def groups(self) -> frozenset[str]:
        """The consumer groups of the caller."""
        return self.caller.groups if self.caller else frozenset()

    @property
    def owner(self) -> str | None:
        """Whose things may be touched: None for anybody's.  Put it into the query itself."""
        return self.actor if self.reach is Reach.OWN else None


@frozen
class Answer:
    """What a view returns when there is more to say than a body.

    ``position`` is that of the log record which the call has written: the response is held until the gateway has
    applied it.  When that takes too long the answer is ``unreached``: 202, or 503 where trust is taken away.
    """

    body: Any = None
    status: int | None = None
    location: str = ""
    """Where it is, below the prefix of the view."""
    position: int | None = None
    unreached: int = 202
    headers: Sequence[tuple[str, str]] = ()


@frozen
class Page:
    """Some entries of a list, and where the next page begins: the key of the last entry, None at the end."""

    items: Sequence[Any]
    last: str | None = None


@frozen
class Paging:
    """The query of a list."""

    limit: int = setting("How many entries at most, 1 to 100.", default=MOST)
    cursor: str = setting("Where to go on: next of the page before. Empty: from the beginning.", default="")


@frozen
class View:
    """One view, as it was declared."""

    name: str
    method: str
    path: str
    permission: Permission
    function: Callable[..., Any]
    body: type | None = None
    query: type | None = None
    answers: type | None = None
    status: int = 200
    paged: bool = False
    current: Callable[..., Any] | None = None
    """Of a view that changes something: what is there before, for If-Match and the audit; it raises when nothing is."""
    outside: bool = False
    errors: Mapping[int, str] = field(factory=dict)
    tag: str = ""
    prefix: str = ""
    """What its path begins with: that of the interface in which it stands."""

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method in UNSAFE

    @property
    def repeatable(self) -> bool:
        """Whether it takes an Idempotency-Key: those of somebody are kept apart from those of others."""
        return self.method == "POST" and self.permission is not Permission.ANYONE

    @property
    def patches(self) -> bool:
        """Whether its body is a merge patch of what is there (RFC 7396), and not the whole."""
        return self.method == "PATCH"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (self.function.__doc__ or "").strip().partition("\n")[0].strip()

    @property
    def text(self) -> str:
        """The rest of its docstring."""
        rest = (self.function.__doc__ or "").strip().partition("\n")[2]
        return "\n".join(line.strip() for line in rest.strip().splitlines())


class Views:
    """The views of one subject, below one prefix."""

    def __init__(self, name: str, prefix: str = "") -> None:
        self.name = name
        self.prefix = prefix
        self.views: list[View] = []

    def at(self, prefix: str) -> "Views":
        """The same views below a prefix."""
        made = Views(self.name, prefix)
        made.views = [
            evolve(view, prefix=prefix, path=prefix + view.path.removeprefix(view.prefix)) for view in self.views
        ]
        return made

    def view(
        self, method: str, path: str, *, permission: Permission, **options: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare a view: the fields of View, besides those that the function says itself."""

        def declare(function: Callable[..., Any]) -> Callable[..., Any]:
            options.setdefault("tag", self.name)
            made = View(
                function.__name__, method, self.prefix + path, permission, function, prefix=self.prefix, **options
            )
            if not made.summary:
                raise TypeError(f"the view {made.name} has no docstring")
            if made.paged and made.query is None:
                made = evolve(made, query=Paging)
            self.views.append(made)
            return function

        return declare
