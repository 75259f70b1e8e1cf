"""Refusals as problem+json."""

import json

from twgw.gateway import problems
from twgw.gateway.http1 import BadMessage
from twgw.gateway.problems import UpstreamFailed
from twgw.model import Charge, Limit, Unit
from twgw.policy.exchange import Exchange, Problem, Request
from twgw.policy.interfaces import Decision


def document(problem, exchange=None):
    response = problems.respond_with(problem, exchange or Exchange(Request("GET", "/")))
    return response, json.loads(response.body)


def test_a_problem_is_a_document():
    """RFC 9457: type, title, status; detail, code and members when there are some; never from a cache."""
    exchange = Exchange(Request("GET", "/"))
    exchange.id = "abc"
    problem = Problem(403, "No", "because", (("X-A", "1"),), code=7, members={"more": [1]}, close=True)
    response, found = document(problem, exchange)

    expected = {"type": "about:blank", "title": "No", "status": 403, "detail": "because", "code": 7, "more": [1]}
    assert {**expected, "instance": "urn:request:abc"} == found
    assert ("application/problem+json", "no-store", "1", True) == (
        response.headers.get("content-type"), response.headers.get("cache-control"), response.headers.get("x-a"),
        response.close,
    )  # fmt: skip


def test_a_used_up_limit_says_which_and_until_when():
    """429 with Retry-After, WSO2's code and the names of what was violated; a hidden one is not named."""
    gold = Decision(Charge("k", Limit(5, 60), "gold"), allowed=False, remaining=0, reset_after=9, retry_after=8.2)
    hidden = Decision(
        Charge("h", Limit(1, 60), "x", hidden=True), allowed=False, remaining=0, reset_after=9, retry_after=1
    )
    response, found = document(problems.exceeded([gold, hidden]))

    assert (429, "9", 900804, ["gold"]) == (
        response.status, response.headers.get("retry-after"), found["code"], found["violated-policies"],
    )  # fmt: skip
    assert "#quota-exceeded" in found["type"]


def test_each_level_has_its_code():
    """The first that refuses names it; the hard limit of an API is a lack of capacity, not a quota: 503."""
    calls, data = Limit(5, 60), Limit(7, 60, unit=Unit.BYTES)
    no = lambda code, limit=calls: Decision(Charge("k", limit, "x", code=code), False, 0, 9, 8.2)
    busy, found = document(problems.exceeded([no(900801), no(900803)]))

    assert 900803 == document(problems.exceeded([no(900803), no(900804)]))[1]["code"]
    assert "7 bytes per 60 s are used up" == document(problems.exceeded([no(900804, data)]))[1]["detail"]
    assert (503, "9", 900801) == (busy.status, busy.headers.get("retry-after"), found["code"])
    assert "#temporary-reduced-capacity" in found["type"]


def test_challenges():
    """One WWW-Authenticate for each scheme."""
    response, _ = document(problems.unauthorized(("Key", "Bearer")))

    assert ["Key", "Bearer"] == response.headers.get_all("www-authenticate")


def test_missing_credentials_have_wso2s_codes():
    """Another one where a name and a password are all that would do."""
    codes = [document(problems.unauthorized(each))[1]["code"] for each in ((), ("Basic x",), ("Basic x", "Bearer"))]

    assert [900902, 900913, 900902] == codes


def test_a_method_that_is_not_allowed():
    """405 says what is."""
    assert "GET, PUT" == document(problems.wrong_method(("GET", "PUT")))[0].headers.get("allow")
    assert document(problems.of_bad_message(BadMessage(405, "No")))[0].headers.get("allow")


def test_upstream_failures_tell_clients_nothing_of_the_inside():
    """The detail is for the log; 503 says when to come again."""
    response, found = document(problems.of_upstream(UpstreamFailed(503, "No upstream", "10.0.0.1 refused")))

    assert "5" == response.headers.get("retry-after")
    assert "10.0.0.1" not in json.dumps(found)
