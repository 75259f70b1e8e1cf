"""Two ends of a connection between nodes in memory, with real TLS between them, and peers that misbehave."""

from types import SimpleNamespace

from attrs import define, field
from OpenSSL import SSL
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twgw.clock import ReactorClock
from twgw.cluster import authority
from twgw.cluster.authority import Identity
from twgw.cluster.factory import PeerFactory
from twgw.cluster.here import Here
from twgw.cluster.refusals import Refusals
from twgw.cluster.tls import Tls, TlsFactory
from twgw.memory_world import MemoryLog
from twgw.metrics import Registry

FULL = 64 * 1024
"""Bytes on the way, from which a sender is told to pause, as Twisted's sockets do."""
NOW = ReactorClock(None).wall()
"""OpenSSL judges certificates by the clock of the machine."""
AUTHORITY = authority.new_authority("c1", NOW)
OTHER_AUTHORITY = authority.new_authority("c1", NOW)


def certified(node, *roles, cluster="c1", signer=AUTHORITY):
    """Certificate and key of a node, in PEM."""
    key = authority.new_key()
    identity = Identity(cluster, node, frozenset(roles))
    return authority.issue(signer, authority.request(key, node), identity, NOW), key


def tls(node, *roles, **more):
    """TLS of a node of the cluster."""
    return Tls(AUTHORITY.certificate, *certified(node, *roles, **more))


@implementer(IOpenSSLClientConnectionCreator)
class Anonymous:
    """TLS of somebody without a certificate."""

    def clientConnectionForTLS(self, _protocol):
        return SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)


class Foreign(Anonymous):
    """TLS of somebody with a certificate that another authority of the same name signed."""

    def clientConnectionForTLS(self, _protocol):
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        certificate, key = certified("km1", "keymanager", signer=OTHER_AUTHORITY)
        context.use_certificate(authority.read(certificate))
        context.use_privatekey(authority.private(key))
        return SSL.Connection(context, None)


@define(eq=False)
class Node:
    """One node: its certificate, and what its connections share."""

    tls: object
    here: Here
    arrived: list = field(factory=list)
    left: list = field(factory=list)

    @classmethod
    def make(cls, clock, name, *roles, answers=None, **more):
        secured = tls(name, *roles)
        log, metrics = MemoryLog(), Registry()
        refusals = Refusals(metrics.counter("refused", "Refused.", ("reason",)), log, clock.seconds)
        answers = {} if answers is None else answers
        here = Here(secured.identity, f"boot-{name}", clock.seconds, log, refusals, answers, **more)
        node = cls(secured, here)
        here.arrived, here.left = node.arrived.append, node.left.append
        return node

    @property
    def refused(self):
        """How often it refused something, by reason."""
        return {labels[0]: count for labels, count in self.here.refusals.counter._values.items()}

    @property
    def lines(self):
        return [line for _, line in self.here.log.lines]


class Cable:
    """One end of a TCP connection in memory, which knows back-pressure."""

    def __init__(self, name):
        self.protocol = self.other = None
        self.name = name
        self.sent = bytearray()
        self.reading = True
        self.ended = None
        self.closing = False
        self._producer = None
        self._paused = False

    def write(self, data):
        if self.ended or self.closing:
            return
        self.sent += data
        if self._producer is not None and len(self.sent) > FULL and not self._paused:
            self._paused = True
            self._producer.pauseProducing()

    def writeSequence(self, pieces):
        self.write(b"".join(pieces))

    def taken(self):
        """Everything that was sent, as the other end reads it."""
        data, self.sent = bytes(self.sent), bytearray()
        if self._paused:
            self._paused = False
            self._producer.resumeProducing()
        return data

    def registerProducer(self, producer, streaming):
        self._producer = producer

    def unregisterProducer(self):
        self._producer, self._paused = None, False

    def pauseProducing(self):
        self.reading = False

    def resumeProducing(self):
        self.reading = True

    def loseConnection(self):
        self.closing = True

    def abortConnection(self):
        self.sent.clear()
        self.ended = self.ended or ConnectionAborted()

    def getPeer(self):
        return SimpleNamespace(host=self.name, port=1234)

    getHost = getPeer


class Wire:
    """A connection: ``server`` is the Peer that it was opened to, ``client`` the Peer, or other protocol, that did."""

    def __init__(self, clock, server, client, protocol=None, link="control"):
        self._clock = clock
        here = Cable("192.0.2.1"), Cable("192.0.2.2")
        self.ends = here
        here[0].other, here[1].other = here[1], here[0]
        factory = PeerFactory(client.here, link) if protocol is None else Factory.forProtocol(lambda: protocol)
        accepting = TlsFactory(server.tls, False, PeerFactory(server.here), clock=clock)
        opening = TlsFactory(client.tls, True, factory, clock=clock)
        for cable, made in zip(here, (accepting, opening), strict=True):
            cable.protocol = made.buildProtocol(cable.getPeer())
        self.open = here[0].protocol is not None
        if not self.open:
            return
        for cable in here:
            cable.protocol.makeConnection(cable)
        self.server, self.client = (cable.protocol.wrappedProtocol for cable in here)
        self.pump()

    def pump(self, rounds=10_000):
        """Let flow what flows."""
        for _ in range(rounds):
            self._clock.advance(0)
            moved = False
            for cable in self.ends:
                if cable.sent and cable.other.reading and cable.other.ended is None:
                    cable.other.protocol.dataReceived(cable.taken())
                    moved = True
            moved = self._end() or moved
            if not moved:
                return
        raise AssertionError("it does not come to rest")

    def _end(self):
        """Tell both ends about the end of a connection that one of them wanted."""
        for cable in self.ends:
            if cable.protocol is None or (cable.ended is None and not (cable.closing and not cable.sent)):
                continue
            aborted = cable.ended
            for end, reason in ((cable, aborted or ConnectionDone()), (cable.other, ConnectionDone())):
                protocol, end.protocol, end.ended = end.protocol, None, end.ended or reason
                if protocol is not None:
                    protocol.connectionLost(Failure(reason))
            return True
        return False

    @property
    def is_open(self):
        return all(end.protocol is not None for end in self.ends)


class Raw(Protocol):
    """A peer that sends the bytes it is told to, once TLS is there."""

    def __init__(self, *pieces):
        self.pieces = pieces
        self.received = b""
        self.over = None

    def connectionMade(self):
        for piece in self.pieces:
            self.transport.write(piece)

    def dataReceived(self, data):
        self.received += data

    def connectionLost(self, reason):
        self.over = reason.value


