"""One connection between two nodes: AMP over TLS, where everything that a peer can make grow has a bound.

Twisted's AMP parses boxes and matches answers.  Here is what it leaves out: who may ask what (by the certificate), an
end to boxes, to questions at a time and to answers that nobody takes, an end to silence, and that no error of an answer
ends the connection.  A peer that oversteps is cut off, counted and logged; when it comes again, it begins anew.
Made by ``factory.py``; ``here.py`` calls ``look`` every second, as nothing here has a timer.
"""

from contextlib import suppress
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener
from twisted.protocols import amp
from twisted.protocols.amp import AmpBox, Command
from twisted.python.failure import Failure
from zope.interface import implementer

from twgw.cluster.authority import CertificateError, Identity
from twgw.cluster.commands import ERRORS, KEY_MANAGER, STRANGER, Broken, Hello, Lost, Ping, Refused, Removed
from twgw.cluster.here import Answer, Here
from twgw.cluster.outcomes import told, understood, words
from twgw.cluster.outlet import Outlet
from twgw.cluster.tls import JOIN, peer_of
from twgw.cluster.turns import MOST_CONNECTIONS, Who

MOST_KEYS, LARGEST_BOX = 32, 256 * 1024
"""Of one box."""
STRANGER_BOX = 4 * 1024
"""Of the first box, when nobody has said hello."""
MOST_UNSENT = 1 << 20
"""Bytes that a peer does not take."""
STALLED, SILENT, HELLO_WITHIN, PATIENCE, ALIVE = 2.0, 30.0, 10.0, 10.0, 3.0
"""Seconds for which a peer may take nothing, say nothing, leave out its hello, owe an answer, and that to a ping."""
LONGEST_VALUE = 0xFFFF
LINKS = ("control", "bulk", "relay")
"""What a connection is for: leases, what is large, what key managers tell each other."""
_OF_ERRORS = {amp.ERROR_CODE, amp.ERROR_DESCRIPTION}


@implementer(IHandshakeListener)
class Peer(amp.BinaryBoxProtocol, amp.BoxDispatcher):
    """One end of a connection.  ``link`` is what the side that opens it wants it for; None on the other side."""

    transport: Any

    def __init__(self, here: Here, link: str | None = None) -> None:
        amp.BinaryBoxProtocol.__init__(self, self)
        amp.BoxDispatcher.__init__(self, self)
        self._here = here
        self.opened = link is not None
        self.link = link or ""
        self.identity: Identity | None = None
        """Who is at the other end, by the certificate."""
        self.boot = ""
        """Which start of it."""
        self.version = 0
        self.abilities: frozenset[str] = frozenset()
        self.greeted = self.joins = False
        """Whether hello was said; whether it is somebody without a certificate of the cluster, who wants one."""
        self.ready: Deferred[Peer] = Deferred()
        """On the side that opens: fires when the other end has answered hello, or fails."""
        self.large: dict[int, bytes] = {}
        """Large answers of which the peer may read further parts, by number; see ``answers.py``."""
        self.position = 0
        """How far it has the log in force, as it said itself."""
        self.answers = 0
        """Answers of that kind so far."""
        self._outlet = Outlet(here.now)
        self._since = self._heard = here.now()
        self._keys = self._size = 0
        self._owed: list[tuple[float, Deferred[Any]]] = []
        self._secure = False
        self._gone = False

    def __repr__(self) -> str:
        return f"<Peer {self.name}>"

    @property
    def name(self) -> str:
        """Who it is, for the log."""
        if self.identity is not None:
            return self.identity.node
        address: Any = self.transport.getPeer() if self.transport is not None else None
        return f"{address.host}:{address.port}" if hasattr(address, "port") else "a peer"

    @property
    def who(self) -> Who:
        """Whose turn it takes."""
        return self.name, self.link

    @property
    def host(self) -> str:
        """Where it is."""
        return str(getattr(self.transport.getPeer() if self.transport is not None else None, "host", ""))

    # --- the connection --------------------------------------------------------------------------------------

    def makeConnection(self, transport: Any) -> None:  # noqa: N802 - Twisted's name
        """TCP is there, TLS begins."""
        self._here.peers.add(self)
        super().makeConnection(transport)

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """TLS is there, and the peer's certificate is of our cluster's authority; who is it?"""
        self._secure = True
        self.joins = self.transport.negotiatedProtocol == JOIN
        if self.joins:
            self.transport.registerProducer(self._outlet, True)
            if self.opened:
                self.ready.callback(self)
            return
        mine = self._here.identity
        try:
            identity = peer_of(self.transport)
        except CertificateError as error:
            self.drop("certificate", f"its certificate: {error}")
            return
        if identity.cluster != mine.cluster:
            self.drop("certificate", f"it is of the cluster {identity.cluster}, this is {mine.cluster}")
            return
        self.identity = identity
        self.transport.registerProducer(self._outlet, True)
        if not self.opened:
            return
        if why := self._here.removals.why(identity):
            self.drop("removed", why)
            return
        if KEY_MANAGER not in identity.roles:
            self.drop("role", "it listens as a key manager, and its certificate does not say that it is one")
            return
        oldest, newest = self._here.versions
        asked = self.ask(
            Hello, cluster=mine.cluster, node=mine.node, boot=self._here.boot, link=self.link, oldest=oldest,
            newest=newest, abilities=list(self._here.abilities),
        )  # fmt: skip
        asked.addCallbacks(self._welcomed, self._turned_away)

    def _welcomed(self, answer: dict[str, Any]) -> None:
        oldest, newest = self._here.versions
        if not oldest <= answer["version"] <= newest:
            self.drop("version", f"it answers in version {answer['version']}")
            return
        self._know(answer["version"], answer["boot"], answer.get("abilities"))
        self.ready.callback(self)

    def _turned_away(self, failure: Failure) -> None:
        if not self.ready.called:
            self.ready.errback(failure)
        self.close()

    def _know(self, version: int, boot: str, abilities: list[str] | None) -> None:
        self.version, self.boot, self.abilities = version, boot, frozenset(abilities or ())
        self.greeted = True
        self._here.arrived(self)

    def _hello(
        self, cluster: str, node: str, boot: str, link: str, oldest: int, newest: int,
        abilities: list[str] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        here, identity = self._here, self.identity
        if identity is None or (cluster, node) != (identity.cluster, identity.node):
            raise Refused("the certificate names another node")
        if why := here.removals.why(identity):
            raise Removed(why)
        if self.greeted or link not in LINKS or not 0 < len(boot) <= 64:
            raise Refused("such a hello is not understood here")
        if sum(peer.greeted and peer.name == node for peer in here.peers) >= MOST_CONNECTIONS:
            raise Refused(f"{MOST_CONNECTIONS} connections of this node are open")
        version = min(newest, here.versions[1])
        if version < max(oldest, here.versions[0]):
            spoken = "{} to {}".format(*here.versions)
            raise Refused(f"this node speaks version {spoken} of the protocol, and that one {oldest} to {newest}")
        self.link = link
        self._know(version, boot, abilities)
        return {"version": version, "boot": here.boot, "abilities": list(here.abilities)}

    def drop(self, reason: str, text: str) -> None:
        """Cut it off at once, count and say it."""
        if not self._gone:
            self._here.refusals.add(reason, self.name, text)
            self.abort(Lost(text))

    def abort(self, error: Exception) -> None:
        """Cut it off at once."""
        if self._gone:
            return
        self._gone = True
        self.paused = True  # what was received already is not read
        self._unprocessed = b""
        self._currentBox = None
        if not self.ready.called and self.opened:
            self.ready.errback(error)
        self.transport.abortConnection()

    def close(self) -> None:
        """Send what was written, and end it."""
        if not self._gone and self.transport is not None:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: N802, B008 - Twisted's
        """The end: nobody is left waiting."""
        here = self._here
        if not self._gone and not self._secure and not self.opened and not reason.check(ConnectionDone):
            here.refusals.add("tls", self.name, f"no TLS between them: {words(reason)}")
        self._gone = True
        here.peers.discard(self)
        super().connectionLost(Failure(Lost(words(reason))))
        self.transport = None
        if not self.ready.called and self.opened:
            self.ready.errback(Lost(f"no TLS between them: {words(reason)}"))
        self.large.clear()
        if self.greeted:
            here.left(self)

    def look(self) -> None:
        """See whether it is too slow or silent."""
        now = self._here.now()
        self._owed = [(due, answer) for due, answer in self._owed if not answer.called]
        if self.greeted and self._here.removals.refuses(self.identity):
            self.drop("removed", self._here.removals.why(self.identity))
        elif not self.greeted and now - self._since > HELLO_WITHIN:
            self.drop("hello", f"it did not say hello in {HELLO_WITHIN:.0f} s")
        elif self._outlet.blocked_since is not None and now - self._outlet.blocked_since > STALLED:
            self.drop("slow", f"it took nothing for {STALLED:.0f} s")
        elif any(due < now for due, _ in self._owed):
            self.drop("unanswered", "it owes an answer for too long")
        elif now - self._heard > SILENT:
            self.drop("silent", f"it said nothing for {SILENT:.0f} s")

    # --- what comes ------------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Read boxes."""
        if not self._gone:
            super().dataReceived(data)

    def lengthLimitExceeded(self, length: int) -> None:  # noqa: N802 - Twisted's name
        """What AMP writes as zero is not: no box has a key of this length."""
        self.drop("garbage", f"it does not speak AMP: a key of {length} bytes")

    def proto_key(self, string: bytes) -> Any:
        """A key, or the end of a box."""
        self._keys += bool(string)
        return super().proto_key(string) if self._fits(string) else "key"

    def proto_value(self, string: bytes) -> Any:
        """A value."""
        return super().proto_value(string) if self._fits(string) else "key"

    def _fits(self, string: bytes) -> bool:
        """Whether the box is still of a size that somebody needs."""
        if self._gone:
            return False
        self._size += len(string)
        if self._keys > MOST_KEYS or self._size > (LARGEST_BOX if self.greeted else STRANGER_BOX):
            self.drop("box", f"its box grows past {self._keys - 1} keys or {self._size} bytes")
            return False
        return True

    def ampBoxReceived(self, box: AmpBox) -> None:  # noqa: N802 - Twisted's name
        """A whole box."""
        here, name = self._here, self.name
        self._keys = self._size = 0
        self._heard = here.now()
        self._take(box)
        here.turns.used(name, here.now() - self._heard)
        here.turns.heed(self)

    def go_on(self) -> None:
        """It is its turn again: read."""
        if not self._gone:
            self.resumeProducing()

    def _take(self, box: AmpBox) -> None:
        """A question, or the answer to one of ours."""
        answered = box.get(amp.ANSWER, box.get(amp.ERROR))
        if self.greeted and self._here.removals.refuses(self.identity):
            self.drop("removed", self._here.removals.why(self.identity))
        elif answered is not None and answered not in self._outstandingRequests:
            self.drop("garbage", "it answers what nobody asked")
        elif (answered is None and amp.COMMAND not in box) or (amp.ERROR in box and not box.keys() >= _OF_ERRORS):
            self.drop("garbage", "its box is no question and no answer")
        else:
            super().ampBoxReceived(box)

    def locateResponder(self, name: bytes) -> Any:  # noqa: N802 - Twisted's name
        """What answers a command, or refuses those that are unknown.  AMP's own (StartTLS and others) are."""
        if name == Hello.commandName:
            return partial(self._respond, Hello, lambda _peer, **arguments: self._hello(**arguments))
        if name == Ping.commandName:
            return partial(self._respond, Ping, lambda _peer: {})
        for command, answer in self._here.answers.items():
            if command.commandName == name:
                return partial(self._respond, command, answer)
        self._here.refusals.add("command", self.name, f"unknown command {name[:40]!r}")
        return self._unknown

    def _unknown(self, box: AmpBox) -> Deferred[AmpBox]:
        """AMP itself would repeat the name, however long, and log what nobody waits for."""
        unhandled = amp.RemoteAmpError(amp.UNHANDLED_ERROR_CODE, "unknown command", False)
        return fail(unhandled) if amp.ASK in box else succeed(AmpBox())

    def _respond(self, command: type[Command], answer: Answer, box: AmpBox) -> Deferred[AmpBox]:
        """Answer, and let nothing out but what every peer understands."""
        done = self._response(command, answer, box)
        if amp.ASK not in box:
            done.addErrback(lambda _failure: AmpBox())  # it is counted and said, and nobody waits for it
        return done

    def _response(self, command: type[Command], answer: Answer, box: AmpBox) -> Deferred[AmpBox]:
        try:
            self._check(command)
            arguments = _arguments(command, box, self)
        except Refused as error:
            self._here.refusals.add("command", self.name, f"{command.__name__}: {error}")
            return fail(told(error))
        who = self.who
        self._here.turns.begin(who)
        done = maybeDeferred(answer, self, **arguments)
        done.addCallback(partial(self._boxed, command))
        return done.addErrback(partial(self._failed, command)).addBoth(self._done, who)

    def _check(self, command: type[Any]) -> None:
        """Raises Refused unless the certificate of the peer allows a command."""
        if not self.greeted and not self.joins and command is not Hello:
            raise Refused("say hello first")
        roles = self.identity.roles if self.identity is not None else frozenset({STRANGER} if self.joins else ())
        if not roles & command.senders:
            raise Refused(f"only a node with the role {' or '.join(sorted(command.senders))} may send it")

    def _boxed(self, command: type[Command], result: Any) -> AmpBox:
        box: AmpBox = command.makeResponse(result or {}, self)
        longest = max(map(len, box.values()), default=0)
        if longest > LONGEST_VALUE:
            raise Broken(f"the answer has {longest} bytes, more than a box takes")
        return box

    def _failed(self, command: type[Command], failure: Failure) -> Failure:
        error = failure.value
        if not isinstance(error, tuple(ERRORS)):
            text = f"{command.__name__} could not be answered: {failure.getTraceback()}"
            self._here.refusals.add("fault", self.name, text, ours=True)
            error = Broken(f"{command.__name__} failed here; the log of the node says why")
        if isinstance(error, Refused):
            self._here.refusals.add(error.reason, self.name, f"{command.__name__}: {error}")
        return Failure(told(error))

    def _done(self, result: Any, who: Who) -> Any:
        self._here.turns.end(who)
        return result

    # --- what goes -------------------------------------------------------------------------------------------

    def ask(self, command: type[Command], **arguments: Any) -> Deferred[dict[str, Any]]:
        """Ask a peer; fires with its answer.  Fails with Refused, Broken, Away or Lost."""
        try:
            asked: Deferred[dict[str, Any]] = self.callRemote(command, **arguments)
        except amp.TooLong as error:
            return fail(Refused(f"{command.__name__} has a value of {len(error.value)} bytes, more than a box takes"))
        except ConnectionLost as error:
            return fail(Lost(str(error)))
        done: Deferred[dict[str, Any]] = Deferred()
        asked.addErrback(understood).addCallbacks(done.callback, done.errback)  # what AMP adds to it hears of nothing
        self._owed.append((self._here.now() + (ALIVE if command is Ping else PATIENCE), done))
        return done

    def tell(self, command: type[Command], **arguments: Any) -> None:
        """Send a command that has no answer; a connection that is gone takes nothing."""
        with suppress(ConnectionLost):
            self.callRemote(command, **arguments)

    def sendBox(self, box: AmpBox) -> None:  # noqa: N802 - Twisted's name
        """Send, unless the peer takes too little."""
        if self._gone or self.transport is None:
            raise ConnectionLost
        data = box.serialize()
        if self._outlet.blocked_since is not None:
            self._outlet.unsent += len(data)
            if self._outlet.unsent > MOST_UNSENT:
                self.drop("slow", f"it leaves more than {MOST_UNSENT} bytes untaken")
                raise ConnectionLost
        self.transport.write(data)

    def unhandledError(self, failure: Failure) -> None:  # noqa: N802 - Twisted's name
        """What nobody took care of is a fault of ours, and no reason to end the connection."""
        text = f"an answer of it was not used: {failure.getTraceback()}"
        self._here.refusals.add("fault", self.name, text, ours=True)


def _arguments(command: type[Command], box: AmpBox, peer: Peer) -> dict[str, Any]:
    try:
        arguments: dict[str, Any] = command.parseArguments(box, peer)
    except Exception as error:
        raise Refused("its arguments are not understood here") from error
    return arguments
