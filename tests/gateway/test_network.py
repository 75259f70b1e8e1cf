"""How connections to upstreams are made; over real TLS in tests/wire/test_tls.py."""

import pytest
from OpenSSL import SSL
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from twgw.gateway.network import TcpNetwork, is_local
from twgw.model import UpstreamTls


class Protocol:
    """Hears how it went."""

    failed = None

    def connect_failed(self, problem):
        self.failed = problem


class Resolver:
    """Knows one name."""

    def resolveHostName(self, receiver, name):  # noqa: N802 - Twisted's name
        receiver.resolutionBegan(None)
        if name == "known.test":
            receiver.addressResolved(IPv4Address("TCP", "192.0.2.1", 0))
            receiver.addressResolved(IPv6Address("TCP", "2001:db8::1", 0))
        receiver.resolutionComplete()


def run(coroutine):
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    return end.value.value


def test_a_connection_is_made_with_the_protocol():
    """To that address, in that time."""
    reactor, protocol = MemoryReactorClock(), Protocol()
    TcpNetwork(reactor).connect("192.0.2.1", 81, protocol, None, 3)
    host, port, factory, timeout, _ = reactor.tcpClients[0]

    assert ("192.0.2.1", 81, 3, protocol) == (host, port, timeout, factory.buildProtocol(None))


def test_a_connection_that_fails_says_why():
    """In words."""
    reactor, protocol = MemoryReactorClock(), Protocol()
    TcpNetwork(reactor).connect("192.0.2.1", 81, protocol, None, 3)
    reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(Refused()))

    assert "refused" in protocol.failed.lower()


def test_a_name_has_all_its_addresses():
    """Of both families; one without any is an error."""
    reactor = MemoryReactorClock()
    reactor.nameResolver = Resolver()

    assert ["192.0.2.1", "2001:db8::1"] == run(TcpNetwork(reactor).resolve("known.test"))
    with pytest.raises(OSError, match="no address"):
        TcpNetwork(reactor).resolve("unknown.test").send(None)


def test_unusable_files_are_errors(tmp_path):
    """When the state is deployed, not when a request comes."""
    (tmp_path / "bad.pem").write_text("nonsense")
    for tls in (UpstreamTls(ca_file=str(tmp_path / "bad.pem")), UpstreamTls(ca_file=str(tmp_path / "missing"))):
        with pytest.raises((OSError, SSL.Error, ValueError)):
            TcpNetwork(MemoryReactorClock()).client_tls(tls, "a.test")


def test_what_is_not_allowed_is_not_connected_to():
    """The protocol hears why, as of any other failure; a good address is judged once."""
    reactor, refused, made = MemoryReactorClock(), Protocol(), Protocol()
    network = TcpNetwork(reactor)
    network.connect("169.254.169.254", 80, refused, None, 3)
    for _ in range(2):
        network.connect("192.0.2.1", 81, made, None, 3)

    assert refused.failed is None  # not before connect has returned
    reactor.advance(0)
    assert "169.254.169.254 is link-local" in refused.failed
    assert [("192.0.2.1", 81)] * 2 == [client[:2] for client in reactor.tcpClients]


def test_the_addresses_of_this_machine_are_known():
    """Without a packet; one of another machine is not this one's."""
    assert [True, True, False] == [is_local(address) for address in ("127.0.0.1", "::1", "192.0.2.1")]
