"""What a view raises to say no: one exception with a Problem (RFC 9457), and the refusals that views share.  Pure."""

from collections.abc import Iterable
from typing import Any

from twgw.faults import Fault
from twgw.policy.exchange import Problem


class Refusal(Exception):
    """The end of a view: the answer is this problem, and nothing that was begun is kept."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.title)
        self.problem = problem


def refuse(status: int, title: str, detail: str = "", **members: Any) -> Refusal:
    """A refusal with this text, to be raised; ``members`` become members of the document."""
    return Refusal(Problem(status, title, detail, members=members))


def invalid(faults: Iterable[Fault]) -> Refusal:
    """What was sent is understood and wrong: each fault with its path (422)."""
    found = [{"path": fault.path, "text": fault.text} for fault in faults]
    words = "; ".join(f"{each['path']}: {each['text']}" if each["path"] else each["text"] for each in found)
    return refuse(422, "Not valid", words, faults=found)


def not_found(what: str) -> Refusal:
    """There is no such thing, or it is not for this caller: nobody learns which (404)."""
    return refuse(404, "Not found", f"there is no {what}")


def not_known() -> Refusal:
    """Nobody is logged in (401)."""
    challenge = (("WWW-Authenticate", 'Bearer realm="twgw"'),)
    return Refusal(Problem(401, "Login needed", "send Authorization: Bearer and a token of twgw login", challenge))


def not_permitted(permission: str) -> Refusal:
    """The caller is known and may not (403)."""
    return refuse(403, "Not permitted", f"it needs the permission {permission}")


def changed_meanwhile() -> Refusal:
    """What If-Match names is not what is there (412)."""
    return refuse(412, "Changed meanwhile", "somebody else has changed it; read it again, then send its new ETag")


def unconditional() -> Refusal:
    """A replacement has to say what it replaces (428, RFC 6585)."""
    return refuse(428, "If-Match needed", "read it first, and send the ETag of that answer in If-Match")
