"""``/healthz``, ``/readyz`` and ``/metrics`` over HTTP, for people, balancers and Prometheus.

Served by twisted.web on the admin listener (loopback by default) and on the status listener; made by ``tap.py``.
"""

import json
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from twgw.admin.status import Status


class _Text(Resource):
    """Answers GET and HEAD with what a function says."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, answer: Callable[[Request], tuple[int, str, bytes]]) -> None:
        super().__init__()
        self._answer = answer

    def render_GET(self, request: Request) -> bytes:  # noqa: N802 - Twisted's name
        """The answer, never from a cache."""
        status, kind, body = self._answer(request)
        request.setResponseCode(status)
        request.setHeader(b"Content-Type", kind.encode())
        request.setHeader(b"Cache-Control", b"no-store")
        return body


def root(status: Callable[[], Status], metrics: CollectorRegistry) -> Resource:
    """The three endpoints; others may be put beside them."""

    def healthz(_request: Request) -> tuple[int, str, bytes]:
        return 200, "text/plain; charset=utf-8", b"alive\n"

    def readyz(_request: Request) -> tuple[int, str, bytes]:
        now = status()
        return 200 if now.ready else 503, "application/json", json.dumps(now.document(), indent=2).encode() + b"\n"

    def exposition(request: Request) -> tuple[int, str, bytes]:
        encode, kind = choose_encoder(request.getHeader("accept") or "")
        return 200, kind, encode(metrics)

    found = Resource()
    answers: dict[bytes, Callable[[Request], tuple[int, str, bytes]]] = {
        b"healthz": healthz, b"readyz": readyz, b"metrics": exposition,
    }  # fmt: skip
    for name, answer in answers.items():
        found.putChild(name, _Text(answer))
    return found


def site(status: Callable[[], Status], metrics: CollectorRegistry) -> Site:
    """The three endpoints as one site."""
    made: Any = Site(root(status, metrics), timeout=30)
    made.displayTracebacks = False
    made.noisy = False
    made.log = lambda _request: None  # scrapes are no news
    return made  # type: ignore[no-any-return]
