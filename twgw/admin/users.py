"""Users of the control plane, their roles and passwords, over REST.  Part of ``rest.py``."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from attrs import frozen, validators
from sqlalchemy.engine import Connection

from twgw import passwords
from twgw.faults import Fault
from twgw.registry import User
from twgw.settings import fields, setting
from twgw.storage import users as stored
from twgw.storage.apis import list_apis
from twgw.storage.applications import list_applications
from twgw.storage.errors import Conflict
from twgw.web.asking import after, limit_of
from twgw.web.names import name, names, text
from twgw.web.permissions import Permission, Role
from twgw.web.refusals import invalid, not_found
from twgw.web.view import Answer, Call, Page, Views

views = Views("users")
READ, WRITE = Permission.USER_READ, Permission.USER_WRITE
SOME = 5
"""Things that a user owns, named when they are in the way."""
_password = validators.optional(validators.max_len(passwords.NEW[1]))
Transact = Callable[[Callable[[Call, Connection], Any]], Any]


@frozen
class NewUser:
    """A user to be made."""

    name: str = name("The name, which never changes.")
    title: str = text("How the user is shown to people.", 200)
    email: str = text("Where mail reaches the user.", 254)
    roles: tuple[Role, ...] = setting("What the user may do.", default=())
    groups: tuple[str, ...] = names("Consumer groups: APIs and tiers that are for these are for the user.")
    password: str | None = setting(
        "8 characters or more. Without it nobody can log in under the name here.", default=None, secret=True,
        validator=_password,
    )  # fmt: skip


@frozen
class UserSettings:
    """What may be changed of a user."""

    title: str = text("How the user is shown to people.", 200)
    email: str = text("Where mail reaches the user.", 254)
    roles: tuple[Role, ...] = setting("What the user may do.", default=())
    groups: tuple[str, ...] = names("Consumer groups: APIs and tiers that are for these are for the user.")
    active: bool = setting("Whether the user may do anything at all.", default=True)


@frozen
class NewPassword:
    """Another password."""

    password: str = setting("8 characters or more.", secret=True, validator=validators.max_len(passwords.NEW[1]))


@frozen
class ShownUser:
    """A user, as the registry knows it."""

    name: str = setting("The name.")
    title: str = setting("How the user is shown to people.")
    email: str = setting("Where mail reaches the user.")
    store: str = setting("Where the password is: local, or a user store.")
    roles: tuple[Role, ...] = setting("What the user may do.")
    groups: tuple[str, ...] = setting("Consumer groups that were given here; a user store may grant more.")
    active: bool = setting("Whether the user may do anything at all.")
    created_at: float = setting("UNIX time.")
    updated_at: float = setting("UNIX time.")
    stamp: int = setting("Counts its changes.")


def _shown(user: User) -> ShownUser:
    told = {field.name: getattr(user, field.name) for field in fields(ShownUser)}
    return ShownUser(**(told | {"roles": tuple(Role(role) for role in user.roles)}))


@views.view("GET", "/users", permission=READ, answers=ShownUser, paged=True)
def list_users(call: Call, connection: Connection) -> Page:
    """List users, by name."""
    limit = limit_of(call.query)
    found = stored.list_users(connection, after(call.query) or "", limit + 1)
    return Page([_shown(user) for user in found[:limit]], found[limit - 1].name if len(found) > limit else None)


@views.view("GET", "/users/{user}", permission=READ, answers=ShownUser)
def show_user(_call: Call, connection: Connection, user: str) -> ShownUser:
    """Show a user."""
    found = stored.find_user(connection, user)
    if found is None:
        raise not_found(f"user {user}")
    return _shown(found)


@views.view("POST", "/users", permission=WRITE, body=NewUser, answers=ShownUser, status=201, outside=True)
def add_user(call: Call, transact: Transact) -> Any:
    """Make a user."""
    wish: NewUser = call.body
    hashed = None if wish.password is None else _hashed(wish.password, wish.name)
    made = User(
        wish.name, wish.title, wish.email, roles=tuple(role.value for role in wish.roles), groups=wish.groups,
        password_hash=hashed,
    )  # fmt: skip

    def add(call: Call, connection: Connection) -> Answer:
        entry = stored.create_user(connection, made, now=call.now)
        return Answer(_shown(entry), location=f"/users/{quote(wish.name)}")

    return transact(add)


def _hashed(password: str, user: str) -> str:
    """The hash of a new password; refused when it is no good one."""
    if problem := passwords.fault_of(password, user):
        raise invalid([Fault("password", problem)])
    return passwords.hashed(password)


@views.view(
    "PATCH", "/users/{user}", permission=WRITE, body=UserSettings, answers=ShownUser, current=show_user
)
def change_user(call: Call, connection: Connection, user: str) -> Answer:
    """Change a user.  Roles and groups that are taken away, and a user that is no longer active, act at once."""
    wish, before = call.body, call.before
    loses = Role.ADMIN in before.roles and before.active and not (Role.ADMIN in wish.roles and wish.active)
    changes = {"title": wish.title, "email": wish.email, "active": wish.active}
    position = stored.update_user(
        connection, user, changes, roles=[role.value for role in wish.roles], groups=wish.groups, now=call.now,
        stamp=before.stamp,
    )  # fmt: skip
    if loses:
        _keep_an_admin(connection)
    return Answer(_shown(stored.require_user(connection, user)), position=position, unreached=503)


@views.view("PUT", "/users/{user}/password", permission=WRITE, body=NewPassword, outside=True)
def set_password(call: Call, transact: Transact, user: str) -> Any:
    """Give a user another password, and end every session under the old one."""
    return transact(_password_of(call.body.password, user))


@views.view("PUT", "/me/password", permission=Permission.SELF, body=NewPassword, outside=True)
def set_own_password(call: Call, transact: Transact) -> Any:
    """Give yourself another password.  Every session ends, this one too."""
    return transact(_password_of(call.body.password, call.actor))


def _password_of(password: str, user: str) -> Callable[[Call, Connection], Answer]:
    hashed = _hashed(password, user)

    def change(call: Call, connection: Connection) -> Answer:
        found = stored.require_user(connection, user)
        if found.store != "local":
            raise Conflict(f"the password of {user} is kept in {found.store}; change it there")
        return Answer(position=stored.set_password(connection, user, hashed, now=call.now), unreached=503)

    return change


@views.view("DELETE", "/users/{user}/sessions", permission=WRITE, current=show_user)
def end_sessions(call: Call, connection: Connection, user: str) -> Answer:
    """End every session of a user, and void every token and key that the user was given."""
    return Answer(position=stored.revoke_user(connection, user, now=call.now), unreached=503)


@views.view("DELETE", "/users/{user}", permission=WRITE, current=show_user)
def delete_user(call: Call, connection: Connection, user: str) -> Answer:
    """Delete a user with sessions, tokens and keys.  The last active admin stays, and whoever owns something."""
    _owns_nothing(connection, user)
    position = stored.delete_user(connection, user, now=call.now, stamp=call.before.stamp)
    if Role.ADMIN in call.before.roles:
        _keep_an_admin(connection)
    return Answer(position=position, unreached=503)


def _owns_nothing(connection: Connection, user: str) -> None:
    """Refuse what would leave applications or APIs to whoever gets the name later.  Raises Conflict."""
    owned = [f"the API {each.id}" for each in list_apis(connection, limit=SOME + 1, owner=user)]
    owned += [f"the application {each.name}" for each in list_applications(connection, limit=SOME + 1, owner=user)]
    if owned:
        what = ", ".join(owned[:SOME]) + (", …" if len(owned) > SOME else "")
        raise Conflict(f"{user} owns {what}; give them to somebody else first, or disable {user} instead")


def _keep_an_admin(connection: Connection) -> None:
    """Undo what would leave nobody who may do everything.  Raises Conflict."""
    if not stored.count_users(connection, role=Role.ADMIN.value):
        raise Conflict("nobody would be left with the role admin; give it to another user first")
