"""Our own HTTP calls, lent to policies as ``gateway.http``: the one file that imports treq.

Redirects are not followed, answers are bounded, and a deadline holds for the whole call.
"""

from collections.abc import Mapping
from typing import Any

import treq
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool

from twgw.policy.interfaces import HttpAnswer


class HttpClient:
    """Calls other services over pooled connections."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor)
        self._client = HTTPClient(Agent(reactor, connectTimeout=5, pool=self._pool))

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
