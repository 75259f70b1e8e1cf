"""Refusals as problem+json documents (RFC 9457), and the problems that the gateway itself has.

Pure.  ``pipeline.py`` turns every Problem into a Response here; texts are fixed and echo nothing of the request.
The member ``code`` is WSO2's error code, so that its clients find what they look for.
"""

import json
from collections.abc import Sequence

from twgw.gateway.http1 import BadMessage
from twgw.policy.exchange import Exchange, Problem, Response
from twgw.policy.headers import Headers
from twgw.policy.interfaces import Decision
from twgw.throttle.fields import retry_after
from twgw.throttle.tiers import HARD

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
REDUCED_CAPACITY = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"


class UpstreamFailed(Exception):
    """No answer of the upstream can be given; ``status`` is 502, 503 or 504."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


class BodyTooLarge(Exception):
    """The request body is larger than allowed."""


class BodyLost(Exception):
    """The client stopped sending its body; ``status`` says how."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title


def respond_with(problem: Problem, exchange: Exchange) -> Response:
    """The response that says so."""
    document: dict[str, object] = {"type": problem.type, "title": problem.title, "status": problem.status}
    if problem.detail:
        document["detail"] = problem.detail
    if exchange.id:
        document["instance"] = f"urn:request:{exchange.id}"
    if problem.code is not None:
        document["code"] = problem.code
    document.update(problem.members)
    body = json.dumps(document).encode() + b"\n"
    fields = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"), *problem.headers]
    return Response(problem.status, Headers(fields), body, close=problem.close)


def no_route() -> Problem:
    """No API has this host and path."""
    return Problem(404, "No API at this address", code=900906)


def no_state() -> Problem:
    """The gateway does not know its APIs yet: it has begun, and nobody answered so far who knows them."""
    return Problem(503, "The gateway is not ready", "try again in a few seconds", headers=(("Retry-After", "2"),))


def wrong_method(allow: Sequence[str]) -> Problem:
    """The path is known, the method is not."""
    return Problem(405, "Method not allowed", headers=(("Allow", ", ".join(allow)),), code=900906)


def underscore() -> Problem:
    """A header name with an underscore: many servers take it for the one with a dash."""
    return Problem(400, "Underscore in a header name", close=True)


def encoded_slash() -> Problem:
    """``%2F`` in the path: servers differ in whether it divides segments."""
    return Problem(400, "Encoded slash in the path")


def misdirected() -> Problem:
    """Over TLS to one name, with another in Host: a server may only answer for what it was asked to be."""
    return Problem(421, "Host is not the name that TLS was opened to", close=True)


def blocked() -> Problem:
    """The API is switched off by its publisher."""
    return Problem(503, "API blocked", headers=(("Retry-After", "60"),), code=700700)


def unavailable() -> Problem:
    """The API is published, and this node cannot have it in force; its log says why."""
    return Problem(503, "API not available on this node", headers=(("Retry-After", "5"),))


def refused_by_block() -> Problem:
    """The address, the API or the caller is blocked by an operator."""
    return Problem(403, "Blocked", code=900805)


def unanswered() -> Problem:
    """Who calls, or whether they may, cannot be found out at the moment."""
    return Problem(503, "Caller cannot be checked", "try again in a few seconds", headers=(("Retry-After", "2"),))


def isolated() -> Problem:
    """The gateway cannot know what was revoked: it is cut off from the cluster, or comes from a long pause."""
    return Problem(503, "The gateway is cut off from its cluster", headers=(("Retry-After", "2"),))


def unauthorized(challenges: Sequence[str]) -> Problem:
    """Nobody recognized a credential."""
    fields = tuple(("WWW-Authenticate", challenge) for challenge in challenges)
    only_basic = all(challenge.startswith("Basic ") for challenge in challenges)
    return Problem(401, "Credentials required", headers=fields, code=900913 if only_basic and fields else 900902)


def too_large() -> Problem:
    """The request body is larger than allowed; the connection cannot go on."""
    return Problem(413, "Request body too large", close=True)


def exceeded(decisions: Sequence[Decision]) -> Problem:
    """A limit is used up."""
    violated = [decision.charge for decision in decisions if not decision.allowed]
    headers = (("Retry-After", str(retry_after(decisions))),)
    members = {"violated-policies": [charge.name for charge in violated if not charge.hidden]}
    first = violated[0]
    limit = first.limit
    if first.code == HARD:
        return Problem(
            503, "The API is at its limit", headers=headers, type=REDUCED_CAPACITY, code=900801, members=members
        )
    problem = Problem(
        429,
        "Quota exceeded",
        f"{limit.amount} {limit.unit.value} per {limit.period:g} s are used up",
        headers=headers,
        type=QUOTA_EXCEEDED,
        code=900804,
        members=members,
    )
    problem.code = first.code
    return problem


def failed() -> Problem:
    """Something of ours broke; what, is in the log."""
    return Problem(500, "The gateway could not handle the request", code=900900)


def of_upstream(error: UpstreamFailed) -> Problem:
    """The upstream could not be asked, or did not answer rightly."""
    fields = (("Retry-After", "5"),) if error.status == 503 else ()
    return Problem(error.status, error.title, headers=fields)


def of_bad_message(error: BadMessage) -> Problem:
    """The client sent what cannot be understood, or what has more than one meaning."""
    fields = (("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),) if error.status == 405 else ()
    return Problem(error.status, error.title, headers=fields, close=error.close)
