"""How a node comes into the cluster: a token of one use, a key that it makes itself, and a certificate in return.

The token holds a secret and the fingerprint of the cluster's authority.  So the new node knows whom it speaks to before
it shows the secret, and a key manager knows that somebody let it in.  What a token may do ends with its first use, or
after fifteen minutes.  Called by ``twgw cluster`` and, at a key manager, by ``protocol.py``.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Iterable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from twgw.cluster import authority
from twgw.cluster.authority import Authority, CertificateError, Identity
from twgw.cluster.commands import KEY_MANAGER, Away, Join, Refused
from twgw.cluster.protocol import Peer
from twgw.cluster.refusals import Refusals
from twgw.policy.interfaces import Log
from twgw.storage.database import Database
from twgw.storage.errors import Unavailable
from twgw.storage.joins import add_join, find_join, use_join
from twgw.storage.keys import ensure_key, keys_of
from twgw.storage.nodes import give_certificate

LASTS = 15 * 60
"""Seconds."""
SECRET_BYTES, FINGERPRINT_BYTES = 20, 32
PREFIX = "twgwjoin_"
MOST_ROLES = 10
_ROLE = re.compile(r"[a-z]{1,20}", re.ASCII)
AUTHORITY = "authority"
"""Kind of the secret key of the cluster that is its authority."""


class JoinError(Exception):
    """A node cannot join; the text says why."""


@frozen
class JoinToken:
    """What whoever runs the cluster carries to a new node."""

    secret: bytes = field(repr=False)
    fingerprint: bytes
    """SHA-256 of the certificate of the authority."""

    @property
    def text(self) -> str:
        """As it is typed."""
        return PREFIX + base64.urlsafe_b64encode(self.secret + self.fingerprint).decode().rstrip("=")

    @property
    def digest(self) -> str:
        """What is stored of it."""
        return digest_of(self.secret)

    @classmethod
    def from_text(cls, text: str) -> "JoinToken":
        """Read it, also where a mail or a terminal has broken it into lines.  Raises JoinError."""
        text = "".join(text.split())
        try:
            data = base64.b64decode(text.removeprefix(PREFIX) + "==", altchars=b"-_", validate=True)
        except ValueError:
            data = b""
        if not text.startswith(PREFIX) or len(data) != SECRET_BYTES + FINGERPRINT_BYTES:
            raise JoinError(f"no token of twgw cluster: it begins with {PREFIX} and is copied whole")
        return cls(data[:SECRET_BYTES], data[SECRET_BYTES:])


def digest_of(secret: bytes) -> str:
    """What is stored of the secret of a token; it has 160 random bits, so that nobody finds it by trying."""
    return hashlib.sha256(b"join:" + secret).hexdigest()


# --- at the cluster ---


def ensure_authority(connection: Any, cluster: str, *, now: float) -> Authority:
    """The authority of a cluster; made by whoever comes first, and kept in its database."""
    kept = ensure_key(connection, AUTHORITY, lambda: authority.new_authority(cluster, now).text, now=now)
    return Authority.from_text(kept[0].material)


def new_token(connection: Any, roles: Iterable[str], *, now: float) -> JoinToken:
    """A token for one node.  Raises JoinError where there is no authority yet."""
    kept = keys_of(connection, AUTHORITY, now=now)
    if not kept:
        raise JoinError("this database has no cluster yet; run: twgw cluster init")
    fingerprint = authority.fingerprint(Authority.from_text(kept[0].material).certificate)
    token = JoinToken(secrets.token_bytes(SECRET_BYTES), fingerprint)
    add_join(connection, token.digest, roles, seconds=LASTS, now=now)
    return token


def let_in(
    connection: Any, cluster: str, secret: bytes, request: str, node: str, roles: frozenset[str], now: float,
    *, most: bool = False, there: Collection[str] = (),
) -> tuple[str, frozenset[str]]:  # fmt: skip
    """The certificate of a node that shows a token, which is used up by that, and the roles in it.  Raises Refused.

    ``most``: as many of the roles as the token allows are enough.  ``there``: names of nodes that are.
    """
    if not 0 < len(roles) <= MOST_ROLES or not all(_ROLE.fullmatch(role) for role in roles):
        raise Refused("such roles are not known")
    allowed = find_join(connection, digest_of(secret), now=now)
    if allowed is None:
        raise Refused("the token is unknown, used, or older than 15 minutes; make one with: twgw cluster token")
    if most and roles & allowed:
        roles &= allowed
    if missing := roles - allowed:
        wanted = " ".join(f"--role {role}" for role in sorted(roles))
        raise Refused(f"the token is not for {', '.join(sorted(missing))}; make one with: twgw cluster token {wanted}")
    if node in there:
        raise Refused(f"a node called {node} is there; give this one another name ([node] name), or stop that one")
    kept = keys_of(connection, AUTHORITY, now=now)
    if not kept:
        raise Refused("this database has no cluster yet")
    try:
        made = authority.issue(Authority.from_text(kept[0].material), request, Identity(cluster, node, roles), now)
    except CertificateError as error:
        raise Refused(str(error)) from error
    if not use_join(connection, digest_of(secret), now=now):
        raise Refused("the token is used already")
    note(connection, made, now=now)
    return made, roles


def note(connection: Any, certificate: str, *, now: float) -> None:
    """Note a certificate that is given out, so that it is good though the node was once taken out."""
    who = authority.identity_of(authority.read(certificate))
    give_certificate(connection, who.serial, who.node, who.lasts[1], now=now)


@define(eq=False)
class Door:
    """Lets strangers in who have a token.

    ``wall`` is UNIX time, ``told`` gives the settings for roles, ``there`` the names of nodes that are there.
    """

    database: Database
    cluster: str
    wall: Callable[[], float]
    refusals: Refusals
    log: Log
    told: Callable[[frozenset[str]], str] = lambda _roles: ""
    there: Callable[[], Collection[str]] = tuple

    def answer(
        self, peer: Peer, secret: bytes, request: str, node: str, roles: list[str], most: bool | None = None
    ) -> "Deferred[dict[str, Any]]":
        """The answer to Join; one for each connection, whatever comes of it."""
        return Deferred.fromCoroutine(self._let_in(peer, secret, request, node, frozenset(roles), bool(most)))

    async def _let_in(
        self, peer: Peer, secret: bytes, request: str, node: str, roles: frozenset[str], most: bool
    ) -> dict[str, Any]:
        peer.answers += 1
        if peer.answers > 1:
            raise Refused("one attempt for each connection")
        try:
            made, given = await self.database.run(
                let_in, self.cluster, secret, request, node, roles, self.wall(), write=True, most=most,
                there=self.there(),
            )  # fmt: skip
        except Unavailable as error:
            raise Away("the database does not answer; try again") from error  # where it is, a stranger need not know
        except Refused as error:
            self.refusals.add("join", peer.name, f"it wants to join: {error}")
            raise
        self.log.info("{node} joined the cluster, as {roles}", node=node, roles=", ".join(sorted(given)))
        return {"certificate": made, "settings": self.told(given)}


# --- at the new node ---


@frozen
class Joined:
    """What a new node gets."""

    identity: Identity
    certificate: str
    ca: str
    settings: str = field(default="", repr=False)
    """What is to be the same everywhere; for ``handover.read``."""


async def join(
    peer: Peer, token: JoinToken, key: str, node: str, roles: Iterable[str], now: float, *, most: bool = False
) -> Joined:
    """Ask for a certificate, over a connection on which nothing was said yet.  ``most``: as ``let_in``.

    Raises JoinError, and what ``Peer.ask`` fails with.  The secret is shown to nobody but the cluster of the token.
    """
    chain = [each.to_cryptography() for each in peer.transport.getHandle().get_peer_cert_chain() or ()]
    try:
        who, ca = authority.proven(chain, token.fingerprint, now)
    except CertificateError as error:
        raise JoinError(f"whoever answers there {error}") from error
    if KEY_MANAGER not in who.roles:
        raise JoinError("whoever answers there is no key manager")
    request = authority.request(key, node)
    asked = {"secret": token.secret, "request": request, "node": node, "roles": sorted(roles), "most": most}
    answer = await peer.ask(Join, **asked)
    made = answer["certificate"]
    try:
        identity, _ = authority.proven([authority.read(made), authority.read(ca)], token.fingerprint, now)
        mine = authority.belongs(key, made)
    except CertificateError as error:
        raise JoinError(f"the certificate that came {error}") from error
    if not mine:
        raise JoinError("the certificate that came is for another key")
    return Joined(identity, made, ca, answer.get("settings") or "")
