"""All that a gateway reads of the database of its node."""

import pytest

from tests.storage.conftest import NOW
from twgw.reader import Key, Right
from twgw.registry import Head, News
from twgw.storage import log
from twgw.storage.facts import read_facts
from twgw.storage.keys import ensure_key, rotate_key
from twgw.storage.reader import DatabaseReader
from twgw.storage.remembered import Remembered
from twgw.storage.served import read_all


@pytest.fixture
def reader(database, filled):
    """Of a database with an API and a key."""
    return DatabaseReader(database)


def value(deferred):
    """What it fired with."""
    seen = []
    deferred.addCallback(seen.append)
    return seen[0]


def test_it_reads_what_the_queries_say(reader, read):
    """Before the reactor runs, and in threads of the database after."""
    wanted = [Key(b"k", "api-key", ("v1:" + "a" * 64,)), Right("batch", "pets:1.0")]
    head = read(log.head)

    assert read(read_all) == reader.at_start() == value(reader.everything())
    assert News() == value(reader.news(head))
    reader._database.remembered = Remembered()
    assert 1 == len(value(reader.news(Head(head.epoch, head.pos - 1))).records)
    assert reader._database.remembered.is_new(head), "what was read is known to stand in the log"
    (fact, rights), (right, _) = value(reader.facts(wanted, NOW))
    assert ("batch", head.pos) == (fact.payload.application, fact.position)
    assert right.payload == rights[Right("batch", "pets:1.0")].payload == read(read_facts, wanted, NOW)[1][0].payload
    assert ("the database", reader.name) == (reader.whom, str(reader.name))


def test_it_reads_the_secrets_that_are_not_retired(reader, write):
    """The newest first, and shows none."""
    write(ensure_key, "pepper", lambda: "the pepper")
    write(ensure_key, "signing", lambda: "old")
    write(rotate_key, "signing", lambda _: "new", overlap=60)
    found = value(reader.secrets(NOW))

    assert ["the pepper"] == [key.material for key in found.peppers]
    assert ["new", "old"] == [key.material for key in found.signing]
    assert ["new"] == [key.material for key in value(reader.secrets(NOW + 61)).signing]
    assert "pepper" not in repr(found)
