"""access-log: one line of JSON for every request, with who refused it and why, and without secrets."""

import json

import pytest

from twgw.memory import UPSTREAM, MemoryGateway
from twgw.model import Api, Policy, State

LOG = Policy("access-log")


def served(*policies, **more):
    apis = (Api("pets", "1", "/pets", upstream=UPSTREAM, policies=policies),)
    return MemoryGateway(State(policies=(Policy("correlation-id"), LOG), apis=apis), **more)


def lines(gateway):
    return [json.loads(line) for line in gateway.files.written["access.log"]]


def test_a_line_says_what_happened():
    """What was asked, by whom, what became of it."""
    gateway = served(Policy("key-auth"), keys={"secret-key": "shop"})
    gateway.post("/pets/7?a=1", b"body", headers={"X-API-Key": "secret-key", "User-Agent": "test/1"})
    (line,) = lines(gateway)

    expected = {
        "method": "POST", "path": "/pets/7", "query": "a=1", "status": 200, "api": "pets:1", "application": "shop",
        "bytes_in": 4, "client": "127.0.0.1", "host": "gateway.test", "user_agent": "test/1", "tries": 1, "node": "memory",
    }  # fmt: skip
    assert expected.items() <= line.items()
    assert line["id"]
    assert "refused_by" not in line


@pytest.mark.parametrize(
    ("send", "by", "status"),
    [
        (lambda gateway: gateway.get("/nowhere"), "gateway", 404),
        (lambda gateway: gateway.get("/pets/1"), "authentication", 401),
        (lambda gateway: gateway.get("/pets/1", headers={"X-API-Key": "wrong-key"}), "key-auth", 401),
        (lambda gateway: gateway.connect().send(b"nonsense\r\n\r\n"), "gateway", 400),
        (lambda gateway: gateway.get("/pets/../x"), "gateway", 400),
    ],
)
def test_every_refusal_names_who_and_why(send, by, status):
    """Also of what could not be understood."""
    gateway = served(Policy("key-auth"), keys={"secret-key": "shop"})
    send(gateway)
    (line,) = lines(gateway)

    assert (by, status) == (line["refused_by"], line["status"])
    assert line["reason"]


def test_secrets_are_never_written():
    """Neither of header fields, nor of the query, nor of what did not come through."""
    gateway = served(Policy("key-auth", {"query_names": ["k"]}), keys={"canary-1": "shop"})
    gateway.get("/pets/1?k=canary-1&token=canary-2&a=1", headers={"Authorization": "Bearer canary-3", "Cookie": "canary-4"})
    gateway.get("/pets/1?password=canary-5", headers={"X-API-Key": "canary-6"})
    gateway.get("/nowhere?x=canary-7")
    gateway.connect().send(b"GET /pets canary-8\r\n\r\n")

    assert 4 == len(gateway.files.written["access.log"])
    assert "canary" not in "".join(gateway.files.written["access.log"])
    assert "canary" not in str(gateway.log.lines)


def test_a_line_is_one_line():
    """Whatever a client sends, no control character gets into the log."""
    gateway = served()
    gateway.get('/pets/"%0d%0a{}'.replace('"', "%22"), headers={"User-Agent": 'a\t"b\\\x9b31m'})
    gateway.get("/pets/1", headers={"User-Agent": "x" * 5000})
    written = gateway.files.written["access.log"]

    assert all(line.endswith("\n") and line.count("\n") == 1 and line[:-1].isprintable() for line in written)
    assert max(map(len, written)) < 4000
    assert 'a\t"b\\\x9b31m' in [line["user_agent"] for line in lines(gateway)] or 400 == lines(gateway)[0]["status"]


def test_what_a_shadow_would_have_refused():
    """Stands in the line of the request that passed."""
    gateway = served(Policy("ip-restriction", {"deny": ["127.0.0.0/8"]}, shadow=True))

    assert 200 == gateway.get("/pets/1").status
    assert "ip-restriction" in json.dumps(lines(gateway)[0]["shadowed"])
