"""``/healthz``, ``/readyz`` and ``/metrics`` over HTTP, for people, balancers and Prometheus.

Served by twisted.web on the admin listener (loopback by default) and on the status listener; made by ``tap.py``.
"""

import json
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from twgw.admin.status import Status
from twgw.listen import Listen
from twgw.web import channel


def at_once() -> "Deferred[None]":
    """Nothing has to be asked for."""
    return succeed(None)


class _Text(Resource):
    """Answers GET and HEAD with what a function says, once what it needs is there."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(
        self, answer: Callable[[Request], tuple[int, str, bytes]], prepare: Callable[[], "Deferred[Any]"] = at_once
    ) -> None:
        super().__init__()
        self._answer = answer
        self._prepare = prepare

    def render_GET(self, request: Request) -> bytes | int:  # noqa: N802 - Twisted's name
        """The answer, never from a cache."""
        prepared = self._prepare()
        if prepared.called:
            return self._rendered(request)
        gone: Any = request.notifyFinish()
        gone.addErrback(lambda _: prepared.cancel())
        prepared.addBoth(lambda _: self._finish(request))
        return NOT_DONE_YET

    def _finish(self, request: Request) -> None:
        if not request._disconnected:  # noqa: SLF001 - it has no other name
            body = self._rendered(request)
            request.setHeader(b"Content-Length", b"%d" % len(body))
            request.write(body)
            request.finish()

    def _rendered(self, request: Request) -> bytes:
        status, kind, body = self._answer(request)
        request.setResponseCode(status)
        request.setHeader(b"Content-Type", kind.encode())
        request.setHeader(b"Cache-Control", b"no-store")
        return body


def root(
    status: Callable[[], Status], metrics: CollectorRegistry, measure: Callable[[], "Deferred[Any]"] = at_once
) -> Resource:
    """The three endpoints; others may be put beside them.  ``measure`` fires when there is something to scrape."""

    def healthz(_request: Request) -> tuple[int, str, bytes]:
        return 200, "text/plain; charset=utf-8", b"alive\n"

    def readyz(_request: Request) -> tuple[int, str, bytes]:
        now = status()
        return 200 if now.ready else 503, "application/json", json.dumps(now.document(), indent=2).encode() + b"\n"

    def exposition(request: Request) -> tuple[int, str, bytes]:
        encode, kind = choose_encoder(request.getHeader("accept") or "")
        return 200, kind, encode(metrics)

    found = Resource()
    answers: dict[bytes, Callable[[Request], tuple[int, str, bytes]]] = {b"healthz": healthz, b"readyz": readyz}
    for name, answer in answers.items():
        found.putChild(name, _Text(answer))
    found.putChild(b"metrics", _Text(exposition, measure))
    return found


def site(
    status: Callable[[], Status], metrics: CollectorRegistry, measure: Callable[[], "Deferred[Any]"] = at_once
) -> Site:
    """The three endpoints as one site."""
    return channel.site(root(status, metrics, measure), timeout=30)


class Listener(Service):
    """One stock TCP listener."""

    def __init__(self, reactor: Any, where: Listen, factory: Any) -> None:
        self._reactor = reactor
        self._where = where
        self._factory = factory
        self._port: Any = None

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Bind."""
        self._port = self._reactor.listenTCP(
            self._where.port, self._factory, interface=self._where.interface or "127.0.0.1"
        )

    def stopService(self) -> Any:  # noqa: N802 - Twisted's name
        """Unbind."""
        super().stopService()
        return self._port.stopListening() if self._port is not None else None
