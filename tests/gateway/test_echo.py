"""The built-in upstream."""

import json

from twgw.gateway.echo import echo
from twgw.memory_world import MemoryBody
from twgw.policy.exchange import Exchange, Request
from twgw.policy.headers import Headers


def test_it_answers_what_it_was_sent():
    """Method, path, query, fields and body as JSON."""
    request = Request("POST", "/x", Headers({"X-A": "1"}))
    request.query, request.body = "q=1", MemoryBody(b"hi")
    exchange = Exchange(request)
    exchange.upstream_path = "/y"
    coroutine = echo(exchange)
    try:
        coroutine.send(None)
    except StopIteration as end:
        response = end.value

    assert {"method": "POST", "path": "/y", "query": "q=1", "headers": {"X-A": "1"}, "body": "hi"} == json.loads(
        response.body
    )
    assert ("echo:", 1) == (exchange.target, exchange.tries)
