"""API keys of applications, over REST: made and shown once, exchanged, taken back.  Part of ``rest.py``."""

from urllib.parse import quote

from attrs import evolve, frozen, validators
from sqlalchemy.engine import Connection

from twgw.credentials import is_digest, key_id, mint
from twgw.faults import Fault
from twgw.model import Credential, Environment
from twgw.registry import CredentialEntry
from twgw.settings import fields, setting
from twgw.storage import credentials as stored
from twgw.storage.applications import find_application
from twgw.storage.log import head
from twgw.store.applications import show_application
from twgw.web.asking import after, limit_of
from twgw.web.names import text
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid, not_found, refuse
from twgw.web.view import Answer, Call, Page, Views

views = Views("keys")
READ, WRITE = Permission.APPLICATION_READ, Permission.APPLICATION_WRITE
KIND = "api-key"
LEAST = 16
"""Characters of a key that was made elsewhere."""
ENVIRONMENTS = {Environment.PRODUCTION: "live", Environment.SANDBOX: "test"}
"""What stands in a key for each environment."""


@frozen
class NewKey:
    """A key to be made, or one that was made elsewhere and is to be known from now on."""

    title: str = text("What it is for, for people.", 200)
    environment: Environment = setting("Which servers of an API it is for.", default=Environment.PRODUCTION)
    scopes: tuple[str, ...] = setting(
        "What its holder may do, for policies that ask.", default=(),
        validator=validators.deep_iterable(validators.matches_re(r"[!#-\[\]-~]{1,100}")),
    )  # fmt: skip
    expires_in: float | None = setting(
        "Seconds after which it ends. Without it: never.", default=None,
        validator=validators.optional(validators.gt(0)),
    )  # fmt: skip
    value: str | None = setting(
        "A key that exists already, to be taken over; it is stored as its digest.", default=None, secret=True,
        validator=validators.optional(validators.matches_re(r"[!-~]{8,512}")),
    )  # fmt: skip
    digest: str | None = setting(
        "The digest of a key under the pepper of this installation, as twgw key new prints it.", default=None,
        validator=validators.optional(validators.max_len(80)),
    )  # fmt: skip


@frozen
class Exchange:
    """How a key is exchanged for a new one."""

    overlap: float = setting(
        "Seconds for which the old one is still good, at most 30 days.", default=86400,
        validator=validators.and_(validators.ge(0), validators.le(30 * 86400)),
    )  # fmt: skip


@frozen
class Revoked:
    """A key to be taken back."""

    key: str = setting("The key itself, or its id.", secret=True, validator=validators.matches_re(r"[ -~]{1,512}"))


@frozen
class ShownKey:
    """A key, as it stands in the registry: never itself, but in the answer that makes it."""

    id: str = setting("Its id, by which logs call it.")
    application: str = setting("Whose it is.")
    title: str = setting("What it is for.")
    environment: Environment = setting("Which servers of an API it is for.")
    scopes: tuple[str, ...] = setting("What its holder may do.")
    expires_at: float | None = setting("UNIX time at which it ends.")
    revoked: bool = setting("Whether it was taken back.")
    created_at: float = setting("UNIX time.")
    last_used_at: float | None = setting("UNIX time, to some minutes; null: never.")


@frozen
class MadeKey:
    """A key, this once with itself."""

    id: str = setting("Its id, by which logs call it.")
    application: str = setting("Whose it is.")
    title: str = setting("What it is for.")
    environment: Environment = setting("Which servers of an API it is for.")
    scopes: tuple[str, ...] = setting("What its holder may do.")
    expires_at: float | None = setting("UNIX time at which it ends.")
    created_at: float = setting("UNIX time.")
    key: str | None = setting(
        "The key. It is stored nowhere; null where it was made elsewhere.", default=None, secret=True
    )


def _shown(entry: CredentialEntry) -> ShownKey:
    one = entry.credential
    return ShownKey(
        id=one.id, application=one.application, title=entry.title, environment=one.environment, scopes=one.scopes,
        expires_at=one.expires_at, revoked=entry.revoked_pos is not None, created_at=entry.created_at,
        last_used_at=entry.last_used_at,
    )  # fmt: skip


def _made(entry: CredentialEntry, key: str | None) -> Answer:
    shown = _shown(entry)
    told = {field.name: getattr(shown, field.name) for field in fields(MadeKey) if field.name != "key"}
    return Answer(MadeKey(**told, key=key), location=f"/keys/{quote(shown.id)}")


@views.view("GET", "/applications/{application}/keys", permission=READ, answers=ShownKey, paged=True)
def list_keys(call: Call, connection: Connection, application: str) -> Page:
    """List the keys of an application, by id, also those that were taken back."""
    show_application(call, connection, application)
    limit = limit_of(call.query)
    found = stored.credentials_of(connection, application, after(call.query) or "", limit + 1)
    shown = [_shown(entry) for entry in found[:limit]]
    return Page(shown, shown[-1].id if len(found) > limit else None)


@views.view("GET", "/keys/{key}", permission=READ, answers=ShownKey)
def show_key(call: Call, connection: Connection, key: str) -> ShownKey:
    """Show what is known of a key, by its id."""
    return _shown(_entry(call, connection, key))


def _entry(call: Call, connection: Connection, id: str) -> CredentialEntry:
    """The key of an id, if the caller may see it."""
    entry = stored.find_credential(connection, KIND, id) or stored.find_credential(connection, stored.PASSWORD, id)
    owner = find_application(connection, entry.credential.application) if entry else None
    if entry is None or owner is None or call.owner not in (None, owner.owner):
        raise not_found(f"key {id}")
    return entry


@views.view(
    "POST", "/applications/{application}/keys", permission=WRITE, body=NewKey, answers=MadeKey, status=201
)
def add_key(call: Call, connection: Connection, application: str) -> Answer:
    """Make a key.  The answer has it, this once.

    With value or digest, a key that was made elsewhere becomes known instead.
    """
    show_application(call, connection, application)
    wish: NewKey = call.body
    key = None if wish.value or wish.digest else mint(ENVIRONMENTS[wish.environment])
    credential = _credential(call, application, key, wish)
    entry = stored.add_credential(connection, credential, now=call.now, title=wish.title)
    return _made(entry, key)


def _credential(call: Call, application: str, key: str | None, wish: NewKey) -> Credential:
    if wish.value and wish.digest:
        raise invalid([Fault("digest", "stands beside value; leave one of them out")])
    if wish.digest and not is_digest(wish.digest):
        raise invalid([Fault("digest", "must be v1: and 64 hex digits, as `twgw key new` prints it")])
    if wish.value and wish.value.startswith("tw_") and key_id(wish.value) is None:
        raise invalid([Fault("value", "starts like a key of twgw but was not copied whole")])
    if wish.value and len(wish.value) < LEAST:
        raise invalid([Fault("value", f"must have {LEAST} characters or more: it could be guessed")])
    secret = key or wish.value
    digest = wish.digest or call.lent.digest(secret)
    return Credential(
        kind=KIND, id=(key_id(secret) if secret else None) or f"x{digest.rpartition(':')[2][:12]}",
        application=application, digest=digest, scopes=wish.scopes, environment=wish.environment,
        expires_at=None if wish.expires_in is None else call.now + wish.expires_in,
    )  # fmt: skip


@views.view(
    "POST", "/keys/{key}/rotation", permission=WRITE, body=Exchange, answers=MadeKey, status=201, current=show_key
)
def rotate_key(call: Call, connection: Connection, key: str) -> Answer:
    """Exchange a key for a new one.  For a while both are good."""
    entry = _entry(call, connection, key)
    old = entry.credential
    if old.kind != KIND:
        raise refuse(409, "Not possible", f"{key} is a password, not a key: change it in the state that it came with")
    if entry.revoked_pos is not None or (old.expires_at is not None and old.expires_at <= call.now):
        raise refuse(409, "Not possible", f"the key {key} is not good any more; make a new one")
    new = mint(ENVIRONMENTS[old.environment])
    successor = evolve(
        old, id=key_id(new) or "", digest=call.lent.digest(new), value=None, expires_at=None
    )
    made = stored.rotate(connection, KIND, key, successor, overlap=call.body.overlap, now=call.now)
    return evolve(_made(made, new), position=head(connection).pos)


@views.view("DELETE", "/keys/{key}", permission=WRITE, current=show_key)
def delete_key(call: Call, connection: Connection, key: str) -> Answer:
    """Take a key back for ever.  It stays in the list, so that nobody enters it again."""
    one = _entry(call, connection, key).credential
    return Answer(position=stored.revoke_credential(connection, one.kind, one.id, now=call.now), unreached=503)


@views.view(
    "POST", "/revocations", permission=WRITE, body=Revoked, answers=ShownKey, errors={404: "There is no such key."}
)
def revoke(call: Call, connection: Connection) -> Answer:
    """Take a key back for ever, by itself or by its id: for whoever has found one where it does not belong."""
    said = call.body.key.strip()
    entry = None
    for digest in call.lent.digests(said):
        entry = entry or stored.find_by_digest(connection, KIND, digest).entry
    one = _entry(call, connection, entry.credential.id if isinstance(entry, CredentialEntry) else said).credential
    position = stored.revoke_credential(connection, one.kind, one.id, now=call.now)
    return Answer(_shown(_entry(call, connection, one.id)), position=position, unreached=503)
