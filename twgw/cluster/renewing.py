"""Certificates of nodes renew by themselves: when less than a third of one is left, the node gets another.

It makes a new key, which stays where it is, and asks for the name and the roles that it has.  A node with the database
signs itself, with the authority's key that is kept there; another asks a key manager, which sees by the connection who
it is.  What is shown on connections from then on is the new one; those that are there go on.

Made by ``startup_cluster.py``; ``protocol.py`` calls ``Renewals.answer``.
"""

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twgw.cluster import authority
from twgw.cluster.authority import Authority, CertificateError, Identity
from twgw.cluster.commands import Away, Refused, Removed
from twgw.cluster.joining import AUTHORITY, note
from twgw.cluster.protocol import Peer
from twgw.cluster.removals import REPLACED, TAKEN_OUT
from twgw.cluster.tls import Tls, load
from twgw.newfile import replace
from twgw.policy.interfaces import Log
from twgw.storage.database import Database
from twgw.storage.errors import Unavailable
from twgw.storage.keys import keys_of
from twgw.storage.nodes import count_given, hold, list_removed

APART = 3600.0
"""Seconds between two certificates of a node: so few of them are ever given out."""
LONGEST_REQUEST = 4096
"""Characters: one on P-256 has some 400."""
SOON, MINUTE, DAY = 10.0, 60.0, 86_400.0
"""Seconds within which it is looked first, after which it is tried again, and between two looks."""


def renew(connection: Any, identity: Identity, request: str, now: float) -> str:
    """Another certificate for whoever has one, by the authority in the database.  Raises Refused."""
    hold(connection)  # from here on nobody takes the node out
    good = list_removed(connection).get(identity.node)
    if good is not None and identity.serial not in good:
        raise Removed(REPLACED if good else TAKEN_OUT)
    if len(request) > LONGEST_REQUEST:
        raise Refused("such a request is not understood here")
    if count_given(connection, identity.node, now - APART):
        raise Refused("it was given a certificate less than an hour ago")
    kept = keys_of(connection, AUTHORITY, now=now)
    if not kept:
        raise Refused("the authority of the cluster is not in this database; run: twgw cluster init")
    signer = Authority.from_text(kept[0].material)
    try:
        if not authority.is_due(identity.lasts, signer.certificate, now):
            raise Refused("its certificate is good for long still")
        made = authority.issue(signer, request, identity, now)
    except CertificateError as error:
        raise Refused(str(error)) from error
    note(connection, made, now=now)
    return made


@define(eq=False)
class Renewals:
    """Gives certificates, from the database of a key manager.  ``wall`` is UNIX time."""

    database: Database
    wall: Callable[[], float]
    log: Log

    def answer(self, peer: Peer, request: str) -> "Deferred[dict[str, Any]]":
        """The answer to Renew: for whom, the certificate says that was shown."""
        return Deferred.fromCoroutine(self._answer(peer, request))

    async def _answer(self, peer: Peer, request: str) -> dict[str, Any]:
        assert peer.identity is not None  # or the command would not be allowed
        return {"certificate": await self.give(peer.identity, request)}

    async def give(self, identity: Identity, request: str) -> str:
        """A certificate.  Raises Refused and Away."""
        try:
            made: str = await self.database.run(renew, identity, request, self.wall(), write=True)
        except Unavailable as error:
            raise Away(str(error)) from error
        self.log.info("{node} has another certificate", node=identity.node)
        return made


@define(eq=False)
class Renewal:
    """Keeps the certificate of this node good.

    Args:
        files: of the authority, the certificate and the key.
        ask: gives the certificate for a request; None for a worker, whose parent asks.
        in_thread: runs a function off the reactor.
    """

    tls: Tls
    files: tuple[Path, Path, Path]
    ask: Callable[[str], Awaitable[str]] | None
    in_thread: Callable[..., "Deferred[Any]"]
    wall: Callable[[], float]
    log: Log
    failures: int = field(default=0, init=False)
    """Since the last look that ended well."""

    async def look(self) -> None:
        """See whether it is time, and renew it then."""
        try:
            await self._take_file()
            if self.ask is not None and authority.is_due(self.tls.identity.lasts, self.tls.ca, self.wall()):
                await self._renew(self.ask)
        except (Away, CertificateError, OSError, Refused, Unavailable) as error:
            self.failures += 1
            days = (self.tls.ends_at - self.wall()) / DAY
            self.log.warn(  # noqa: G010 - not logging's
                "the certificate for other nodes, which ends in {days:.0f} days, was not renewed: {error}; it is tried "
                "again", days=days, error=error,
            )  # fmt: skip
        else:
            self.failures = 0

    async def _take_file(self) -> None:
        """Another process, or a person, may have put a later one there."""
        found: Tls = await self.in_thread(load, *self.files)
        if found.ca == self.tls.ca and found.identity == self.tls.identity and found.ends_at > self.tls.ends_at:
            self.tls.take(found)
            self._say()

    async def _renew(self, ask: Callable[[str], Awaitable[str]]) -> None:
        before, key = self.tls.identity, authority.new_key()
        made = await ask(authority.request(key, before.node))
        authority.renewed(made, before, key, self.tls.ca)
        await self.in_thread(keep, self.files, made, key)
        self.tls.use(made, key)
        self._say()

    def _say(self) -> None:
        days = (self.tls.ends_at - self.wall()) / DAY
        self.log.info("the certificate for other nodes was renewed: {days:.0f} days", days=days)

    @property
    def pause(self) -> float:
        """Seconds until the next look, about: a day, and less while it cannot be had, or another process renews it."""
        if self.failures:
            return min(APART, MINUTE * 2.0 ** min(self.failures - 1, 10))
        return APART if self.ask is None else DAY


def keep(files: tuple[Path, Path, Path], certificate: str, key: str) -> None:
    """Write both, so that a kill at any moment leaves a pair that fits.  Raises OSError.

    The file of the certificate has the key, too, and ``tls.load`` takes that one; that of the key follows, for whoever
    reads it by itself, as earlier versions do.
    """
    replace(files[1], certificate + key)
    replace(files[2], key)


class Rounds(Service):
    """Looks soon after the start, then each day; not all nodes at once."""

    def __init__(self, renewal: Renewal, reactor: Any, chance: Callable[[], float] = random.random) -> None:
        self._renewal = renewal
        self._reactor = reactor
        self._chance = chance
        self._next: Any = None

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Begin."""
        super().startService()
        self._next = self._reactor.callLater(SOON * self._chance(), self._look)

    def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Look no more."""
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _look(self) -> None:
        Deferred.fromCoroutine(self._renewal.look()).addErrback(self._broke).addBoth(self._looked)

    def _looked(self, _result: object) -> None:
        if self.running:
            seconds = self._renewal.pause * (1 + self._chance() / 10)
            self._next = self._reactor.callLater(seconds, self._look)

    def _broke(self, failure: Failure) -> None:
        self._renewal.log.error("the certificate could not be looked at: {error}", error=failure.getTraceback())
