"""The built-in ``echo:`` upstream: answers what it was sent, so that a gateway can be tried with nothing behind it.

Used by ``service.py`` for targets whose URL is ``echo:``; the demo API stands on it.
"""

import json
from typing import Final

from twgw.policy.exchange import Exchange, Response
from twgw.policy.headers import Headers

LIMIT: Final = 64 * 1024
URL: Final = "echo:"


async def echo(exchange: Exchange) -> Response:
    """The request as a JSON document, as an upstream would have seen it; bodies up to 64 KiB."""
    request = exchange.request
    exchange.target = URL
    exchange.tries += 1
    content = request.content
    if content is None and request.body is not None:
        content = await request.body.read(LIMIT)
    document = {
        "method": request.method,
        "path": exchange.upstream_path,
        "query": request.query,
        "headers": dict(request.headers.items()),
        "body": (content or b"").decode("utf-8", "replace"),
    }
    body = json.dumps(document, indent=2).encode() + b"\n"
    return Response(200, Headers([("Content-Type", "application/json")]), body)
