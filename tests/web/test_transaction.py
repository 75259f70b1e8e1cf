"""Tests of twgw.web.transaction."""

import json

import pytest
from attrs import frozen

from tests.web.nouns import Tier
from twgw.settings import setting
from twgw.web.asking import tag_of, text_of
from twgw.web.permissions import Permission, Reach, Role
from twgw.web.refusals import Refusal
from twgw.web.transaction import Conditions, perform
from twgw.web.view import Answer, Call, Caller, Page, Views

ANN = Call(Caller("ann", frozenset({Role.ADMIN})), Reach.ALL, now=7.0)


@frozen
class Shown:
    """A key, shown once."""

    id: str = setting("Its id.")
    key: str = setting("The key.", secret=True)


class Book:
    """A ledger in memory."""

    def __init__(self):
        self.lines, self.kept = [], {}

    def audit(self, connection, now, actor, action, subject, before, after):
        self.lines.append((connection, now, actor, action, subject, before, after))

    def recall(self, connection, actor, key, now):
        return self.kept.get((actor, key))

    def remember(self, connection, actor, key, kept, now):
        self.kept[actor, key] = kept


def view(method, function, **options):
    """A declared view."""
    function.__doc__ = "A view."
    views = Views("t", "/store/v1")
    views.view(method, "/tiers/{tier}", permission=Permission.SELF, **options)(function)
    return views.views[0]


def done(made, book, conditions=None):
    """What comes of a call of it."""

    def function(call, connection):
        return made.function(call, connection, tier="Gold")

    conditions = conditions or Conditions("/store/v1/tiers/Gold")
    return perform(made, ANN, function, {"tier": "Gold"}, conditions, book, "connection")


def test_a_read_is_not_audited():
    """It changes nothing; what it shows has a tag."""
    book = Book()
    answer = done(view("GET", lambda call, connection, tier: Tier(tier), answers=Tier), book)

    assert (200, {"name": "Gold", "limits": []}) == (answer.status, json.loads(answer.text))
    assert tag_of(answer.text) == answer.headers["ETag"]
    assert [] == book.lines


def test_a_page_says_where_the_next_begins():
    """With a cursor; at the end with none."""
    made = view("GET", lambda call, connection, tier: Page([Tier("a")], None), answers=Tier, paged=True)

    assert {"items": [{"name": "a", "limits": []}], "next": None} == json.loads(done(made, Book()).text)


def test_a_write_is_audited_with_what_was_there_and_what_is():
    """In the same transaction, under the name of the caller; of a thing by its path in the admin REST."""
    book = Book()
    made = view(
        "PATCH", lambda call, connection, tier: Answer(Tier("new"), position=9, unreached=503),
        current=lambda call, connection, tier: Tier("old"),
    )  # fmt: skip
    answer = done(made, book)

    (line,) = book.lines
    assert ("connection", 7.0, "ann", "<lambda>", "/admin/v1/tiers/Gold", {"name": "old"}, {"name": "new"}) == line
    assert (200, 9, 503) == (answer.status, answer.position, answer.unreached)


def test_nothing_to_say_is_204():
    """As for a deletion."""
    book = Book()
    answer = done(view("DELETE", lambda call, connection, tier: None), book)

    assert (204, "") == (answer.status, answer.text)
    assert (None, None) == book.lines[0][-2:]


def test_a_replacement_says_what_it_replaces():
    """Else two people would take each other's changes away: 428 without If-Match, 412 with another's tag."""
    made = view("PUT", lambda call, connection, tier: Tier("new"), current=lambda call, connection, tier: Tier("old"))
    statuses = []
    for said in (None, '"x"'):
        with pytest.raises(Refusal) as caught:
            done(made, Book(), Conditions("/", said))
        statuses.append(caught.value.problem.status)

    assert [428, 412] == statuses
    assert 200 == done(made, Book(), Conditions("/", tag_of(text_of(Tier("old"))))).status


def test_a_repeated_request_is_done_once():
    """Whoever repeats it gets the first answer, but not what is shown once: that is kept nowhere."""
    book, calls = Book(), []

    def show():
        calls.append(1)
        return Shown(id=f"id{len(calls)}", key="s3cret")

    made = view("POST", lambda call, connection, tier: Answer(show()), answers=Shown, status=201)
    asked = Conditions("/tiers", idempotency_key="k", fingerprint="f")
    first, second = done(made, book, asked), done(made, book, asked)

    assert (1, 1) == (len(calls), len(book.lines))
    assert {"id": "id1", "key": "s3cret"} == json.loads(first.text)
    assert (201, {"id": "id1"}) == (second.status, json.loads(second.text))
    assert "true" == second.headers["Idempotency-Replayed"]
    assert "s3cret" not in repr([book.lines, book.kept])


def test_a_key_belongs_to_one_request():
    """Another request with it is refused, and does nothing."""
    book = Book()
    made = view("POST", lambda call, connection, tier: None)
    done(made, book, Conditions("/a", idempotency_key="k", fingerprint="f"))

    with pytest.raises(Refusal, match="used before"):
        done(made, book, Conditions("/a", idempotency_key="k", fingerprint="g"))
    assert 1 == len(book.lines)


def test_what_was_made_is_the_subject():
    """Of a new thing the audit says where it is."""
    book = Book()
    done(view("POST", lambda call, connection, tier: Answer(Tier("a"), location="/tiers/a"), status=201), book)

    assert "/admin/v1/tiers/a" == book.lines[0][4]
