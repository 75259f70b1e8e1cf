"""Our own HTTP calls, lent to policies as ``gateway.http``: the one file that imports treq.

Redirects are not followed, answers are bounded, a deadline holds for the whole call, and only what is allowed for
upstreams is connected to.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import treq
from attrs import frozen
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from twgw.allowed_upstreams import ANYWHERE, AllowedUpstreams, read_address
from twgw.gateway.network import TcpNetwork, is_local
from twgw.policy.interfaces import HttpAnswer

CONNECT_TIMEOUT = 5.0


@implementer(IStreamClientEndpoint)
@frozen
class CheckedEndpoint:
    """Connects to one of the addresses that a name has, if that one is allowed."""

    reactor: Any
    allowed: AllowedUpstreams
    host: str
    port: int

    def connect(self, factory: Any) -> Deferred[Any]:
        """Connect.  Fails with an OSError for what is not allowed."""
        return Deferred.fromCoroutine(self._connect(factory))

    async def _connect(self, factory: Any) -> Any:
        literal = read_address(self.host)
        names = [str(literal)] if literal else await TcpNetwork(self.reactor).resolve(self.host)
        why: Exception = OSError(f"{self.host} has no address")
        for address in map(ip_address, names):
            if refusal := self.allowed.refusal(address, self.port, is_local):
                why = OSError(refusal)
                continue
            endpoint = TCP6ClientEndpoint if address.version == 6 else TCP4ClientEndpoint
            try:
                return await endpoint(self.reactor, str(address), self.port, CONNECT_TIMEOUT).connect(factory)
            except ConnectError as error:
                why = error
        raise why


@implementer(IAgentEndpointFactory)
@frozen
class CheckedEndpoints:
    """Makes the endpoints of the Agent below."""

    reactor: Any
    allowed: AllowedUpstreams

    def endpointForURI(self, uri: URI) -> Any:  # noqa: N802 - Twisted's name
        """How to connect for a URL: with TLS that is verified for https."""
        host = uri.host.decode("ascii")
        endpoint = CheckedEndpoint(self.reactor, self.allowed, host, uri.port)
        if uri.scheme != b"https":
            return endpoint
        return wrapClientTLS(optionsForClientTLS(host.removeprefix("[").removesuffix("]")), endpoint)


class HttpClient:
    """Calls other services over pooled connections."""

    def __init__(self, reactor: Any, allowed: AllowedUpstreams = ANYWHERE) -> None:
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor)
        agent = Agent.usingEndpointFactory(reactor, CheckedEndpoints(reactor, allowed), self._pool)
        self._client = HTTPClient(agent)

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None,
        timeout: float = 5.0, limit: int = 1 << 20,
    ) -> HttpAnswer:  # fmt: skip
        """Call a URL.  Raises OSError when no whole answer of ``limit`` bytes at most came in ``timeout`` seconds."""
        call = Deferred.fromCoroutine(self._call(method, url, dict((headers or {}).items()), body, limit))
        late = f"no answer within {timeout:g} s"
        call.addTimeout(timeout, self._reactor, lambda _result, _seconds: Failure(OSError(late)))
        try:
            return await call
        except OSError:
            raise
        except Exception as error:  # whatever Twisted says of it, to who called it is an OSError
            raise OSError(f"{type(error).__name__}: {error}") from error

    async def _call(self, method: str, url: str, headers: Any, body: bytes | None, limit: int) -> HttpAnswer:
        response = await self._client.request(method, url, headers=headers, data=body, allow_redirects=False)
        pieces: list[bytes] = []
        size = 0

        def gather(piece: bytes) -> None:
            nonlocal size
            size += len(piece)
            if size > limit:
                raise OSError(f"the answer is larger than {limit} bytes")
            pieces.append(piece)

        await treq.collect(response, gather)
        fields = {
            name.decode("latin-1").lower(): ", ".join(value.decode("latin-1") for value in values)
            for name, values in response.headers.getAllRawHeaders()
        }
        return HttpAnswer(response.code, fields, b"".join(pieces))

    def close(self) -> Any:
        """End idle connections; a Deferred."""
        return self._pool.closeCachedConnections()
