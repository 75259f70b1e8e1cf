"""Who calls the control plane: logins by name and password, the tokens that come of them, the first admin.

``admin/service.py`` hands ``Login.authenticate`` to the application, ``startup.py`` makes the first admin.  A token is
minted as keys are, and stored as its digest; a request shows it as a bearer token (RFC 6750), never as a cookie.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from attrs import define, frozen
from flask import Request
from sqlalchemy.engine import Connection

from twgw.credentials import key_id, mint
from twgw.newfile import create
from twgw.policy.exchange import Problem
from twgw.policy.interfaces import DirectoryUser
from twgw.policy.interfaces import Refusal as Refused
from twgw.registry import Session, User
from twgw.settings import setting
from twgw.storage import sessions
from twgw.storage.users import count_users, create_user, find_user
from twgw.web.people import People
from twgw.web.permissions import Permission, Role
from twgw.web.rate import Rate
from twgw.web.refusals import Refusal, refuse
from twgw.web.view import Answer, Call, Caller, Views

ADMIN = "admin"
"""The user that the first start makes; it has no password, only the secret in ``SECRET``."""
SECRET = "admin.secret"
"""The file in the data directory with the token of the first admin."""
LASTS = 12 * 3600.0
"""Seconds after which a login ends."""
IDLE = 3600.0
"""Seconds after which a login ends that is not used."""
FOR_EVER = 10 * 365 * 86400.0
SEEN_EVERY = 60.0
"""Seconds between two notes that a login is used."""

views = Views("login")


Directory = Callable[[str, str], DirectoryUser | Refused]
"""Whom user stores elsewhere know by a name and a password; it blocks."""


class Store(Protocol):
    """The database, from a thread."""

    def call(self, function: Callable[..., Any], *args: Any, write: bool = False, **kwargs: Any) -> Any:
        """Run a function of a connection in one transaction."""


@frozen
class Password:
    """A name and a password."""

    name: str = setting("The name of a user.")
    password: str = setting("The password.", secret=True)


@frozen
class LoggedIn:
    """A login."""

    name: str = setting("The name of the user, as it stands in the registry.")
    roles: tuple[Role, ...] = setting("What the user may do.")
    expires_at: float = setting("UNIX time at which the login ends.")
    token: str = setting("Send it as Authorization: Bearer. It is stored nowhere.", secret=True)


@frozen
class Me:
    """Who is logged in."""

    name: str = setting("The name of the user.")
    roles: tuple[Role, ...] = setting("What the user may do.")
    groups: tuple[str, ...] = setting("Consumer groups: APIs and tiers that are for these are for the user.")
    via: str = setting("The id of the token that was shown.")


@define(eq=False)
class Login:
    """Tells who calls."""

    store: Store
    digests: Callable[[str], Sequence[str]]
    """What may be stored of a token, under every pepper that is good."""
    people: People

    def authenticate(self, request: Request, now: float) -> Caller | None:
        """Who shows this token; None where none is shown.  Raises a Refusal for one that is not good."""
        said = request.headers.get("Authorization")
        if said is None:
            return None
        scheme, _, token = said.partition(" ")
        via = key_id(token.strip())
        if scheme.lower() != "bearer" or via is None:
            raise _not_good()
        for digest in self.digests(token.strip()):
            found = self.store.call(sessions.find_session, digest, idle=FOR_EVER, now=now)
            if found is not None:
                session, user = found
                return self._caller(session, user, via, now)
        raise _not_good()

    def _caller(self, session: Session, user: User, via: str, now: float) -> Caller:
        if now >= session.seen_at + session.data.get("idle", IDLE):
            raise _not_good()
        if now >= session.seen_at + SEEN_EVERY:
            self.store.call(sessions.see_session, session.digest, now=now, write=True)
        # by the groups of a directory, at the login
        granted, groups = (session.data.get(each, ()) for each in ("granted", "groups"))
        return Caller(
            user.name, roles_of((*user.roles, *granted)), frozenset((*user.groups, *groups)), via, session.digest
        )


def people_of(store: Store, rate: Rate, directory: Directory | None = None) -> People:
    """The people of a database and of the user stores beside it."""

    def enter(user: User, now: float) -> User:
        def entered(connection: Connection) -> User:
            return find_user(connection, user.name) or create_user(connection, user, now=now)

        made: User = store.call(entered, write=True)
        return made

    return People(lambda name: store.call(find_user, name), enter, rate, directory)


def roles_of(words: Sequence[str]) -> frozenset[Role]:
    """The roles of their names; names that are no role say nothing."""
    return frozenset(role for role in Role if role.value in words)


def _not_good() -> Refusal:
    challenge = (("WWW-Authenticate", 'Bearer realm="twgw", error="invalid_token"'),)
    return Refusal(Problem(401, "Login needed", "the token is not good, or not any more: log in again", challenge))


def _wrong() -> Refusal:
    return refuse(401, "Not logged in", "the name or the password is wrong")


@views.view(
    "POST", "/login", permission=Permission.ANYONE, body=Password, answers=LoggedIn, status=201, outside=True,
    errors={401: "The name or the password is wrong.", 429: "Too many attempts; Retry-After says when to try again."},
)  # fmt: skip
def log_in(call: Call, transact: Callable[..., Any]) -> Any:
    """Log in with a name and a password."""
    login, wish = call.lent.login, call.body
    found = login.people.log_in(wish.name, wish.password, call.address, call.now)
    if found is None:
        call.lent.warn("login of {name!r} from {address} failed", name=wish.name[:100], address=call.address)
        raise _wrong()
    token = mint("login")

    def begin(call: Call, connection: Connection) -> Answer:
        user = find_user(connection, found.name)
        if user is None or not user.active or user.password_hash != found.password_hash:
            raise _wrong()  # it changed while we looked at the password
        ends = call.now + LASTS
        digest = call.lent.digest(token)
        data = {} if user.store == "local" else {
            "granted": [each for each in found.roles if each not in user.roles],
            "groups": [each for each in found.groups if each not in user.groups],
        }  # fmt: skip
        sessions.add_session(connection, Session(digest, user.name, call.now, call.now, ends, data))
        sessions.prune_sessions(connection, call.now)
        return Answer(LoggedIn(name=user.name, roles=_sorted(found.roles), expires_at=ends, token=token))

    return transact(begin)


def _sorted(words: Sequence[str]) -> tuple[Role, ...]:
    return tuple(sorted(roles_of(words), key=lambda role: role.value))


@views.view("GET", "/me", permission=Permission.SELF, answers=Me)
def show_me(call: Call, _connection: Connection) -> Me:
    """Show who is logged in, and what they may do."""
    assert call.caller is not None  # the permission is not for anyone
    return Me(
        name=call.caller.name, roles=_sorted([role.value for role in call.caller.roles]),
        groups=tuple(sorted(call.caller.groups)), via=call.caller.via,
    )  # fmt: skip


@views.view("POST", "/logout", permission=Permission.SELF)
def log_out(call: Call, connection: Connection) -> None:
    """End the login whose token is shown."""
    assert call.caller is not None  # the permission is not for anyone
    sessions.end_session(connection, call.caller.session)


def first_admin(store: Store, directory: Path, digest: Callable[[str], str], now: float) -> Path | None:
    """Make the first admin where nobody is yet; the file with the secret, None where there was somebody.

    The file is written before the database knows of it: killed in between, the next start takes the same one.
    Of two nodes that start at once one makes the user, and only that one keeps its file.  Raises OSError.
    """
    if store.call(count_users):
        return None
    path = directory / SECRET
    try:
        token = path.read_text("ascii").strip()
    except FileNotFoundError:
        token = mint("admin")
        create(path, token + "\n")
    if store.call(_enter, digest(token), now, write=True):
        return path
    path.unlink()
    return None


def _enter(connection: Connection, digest: str, now: float) -> bool:
    """Make the first admin; whether that is the one with this secret."""
    if count_users(connection):
        return sessions.find_session(connection, digest, idle=FOR_EVER, now=now) is not None
    create_user(connection, User(ADMIN, "The first admin", roles=(Role.ADMIN.value,)), now=now)
    data = {"idle": FOR_EVER}
    sessions.add_session(connection, Session(digest, ADMIN, now, now, now + FOR_EVER, data))
    return True
