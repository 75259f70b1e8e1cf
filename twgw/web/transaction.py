"""One write of the control plane is one transaction: its conditions, what it does, its audit and its memory.

``application.py`` hands every call of a view to ``perform``.  In the transaction of the write itself stand, too, what
was there before and after, under whose name, and the answer for whoever repeats the request with its Idempotency-Key:
none of these can be there without the others.  Pure but for the connection, which goes on to the functions given.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import evolve, field, frozen

from twgw.schema import as_written
from twgw.web.asking import check_match, cursor, merged, tag_of, text_of
from twgw.web.refusals import refuse
from twgw.web.view import Answer, Call, Page, View

AUDITED = "/admin/v1"
"""What the subject of every entry of the audit begins with: one thing has one name, whichever way it was reached."""


@frozen
class Conditions:
    """What the headers of a request make its answer depend on."""

    path: str
    if_match: str | None = None
    idempotency_key: str | None = None
    fingerprint: str = ""


@frozen
class Done:
    """An answer, ready to be sent or to be kept."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = field(factory=dict)
    position: int | None = None
    unreached: int = 202


@frozen
class Kept:
    """An answer that was given before, and to what."""

    fingerprint: str
    done: Done


class Ledger(Protocol):
    """What a transaction notes beside what it does; the functions are those of storage."""

    def audit(
        self, connection: Any, now: float, actor: str, action: str, subject: str, before: Any, after: Any
    ) -> None:
        """Append to the audit."""

    def recall(self, connection: Any, actor: str, key: str, now: float) -> Kept | None:
        """The answer that was given to this Idempotency-Key of somebody."""

    def remember(self, connection: Any, actor: str, key: str, kept: Kept, now: float) -> None:
        """Keep an answer for a day."""


def perform(
    view: View,
    call: Call,
    function: Callable[[Call, Any], Any],
    arguments: Mapping[str, str],
    conditions: Conditions,
    ledger: Ledger,
    connection: Any,
) -> Done:
    """Do what a call asks, in the transaction of this connection.  Raises a Refusal: then nothing of it is kept.

    Args:
        function: what the view does, given the call, which now knows what was there before, and the connection.
        arguments: the parameters of the path.
    """
    key = conditions.idempotency_key
    if key is not None and (kept := ledger.recall(connection, call.actor, key, call.now)):
        if kept.fingerprint != conditions.fingerprint:
            raise refuse(422, "Idempotency-Key used before", "this key belongs to another request; take a new one")
        return kept.done
    before = view.current(call, connection, **arguments) if view.current else None
    if before is not None:
        check_match(conditions.if_match, text_of(before), needed=view.method == "PUT")
    body = merged(view.body, before, call.body) if view.patches and view.body else call.body
    answer = function(evolve(call, body=body, before=before), connection)
    done = answered(view, answer)
    if view.writes:
        subject = AUDITED + done.headers.get("Location", conditions.path).removeprefix(view.prefix)
        after = _body(answer)
        ledger.audit(connection, call.now, call.actor, view.name, subject, _told(before), _told(after))
        if key is not None:
            kept = Kept(conditions.fingerprint, _without_secrets(done, after))
            ledger.remember(connection, call.actor, key, kept, call.now)
    return done


def _body(answer: Any) -> Any:
    return answer.body if isinstance(answer, Answer) else answer


def _told(value: Any) -> Any:
    """What the audit says of something."""
    return None if value is None else as_written(value, secrets=False)


def _without_secrets(done: Done, body: Any) -> Done:
    """The answer to a repeated request: what is shown once is not shown again, and is kept nowhere."""
    if body is None:
        return done
    headers = {**done.headers, "Idempotency-Replayed": "true"}
    text = text_of(as_written(body, whole=True, secrets=False))
    return Done(done.status, text, headers, done.position, done.unreached)


def answered(view: View, answer: Any) -> Done:
    """What a view returned, as it is sent."""
    told = answer if isinstance(answer, Answer) else Answer(answer)
    headers = dict(told.headers)
    if told.location:
        headers["Location"] = view.prefix + told.location
    if told.body is None:
        return Done(told.status or 204, "", headers, told.position, told.unreached)
    if isinstance(told.body, Page):
        text = text_of({"items": told.body.items, "next": cursor(told.body.last)})
    else:
        text = text_of(told.body)
        if view.method != "POST" or told.location:
            headers.setdefault("ETag", tag_of(text))
    return Done(told.status or view.status, text, headers, told.position, told.unreached)
