"""Tests of twgw.storage.rows."""

import pytest

from twgw.model import Limit, Tier
from twgw.storage.errors import Conflict, Missing
from twgw.storage.rows import change, from_text, mapping, require, to_text, words
from twgw.storage.schema import setting


def put(connection, now):
    connection.execute(setting.insert().values(name="a", document="{}", updated_at=now, stamp=4))


def test_a_noun_is_the_same_after_it_was_text():
    """Text leaves out what is at its default, and keeps letters as they are."""
    tier = Tier("größe", (Limit(5), Limit(3, period=1.5)))

    assert '{"name":"größe","limits":[{"amount":5},{"amount":3,"period":1.5}]}' == to_text(tier)
    assert tier == from_text(Tier, to_text(tier))
    assert {"a": [1]} == mapping(to_text({"a": [1]}))


def test_scopes_are_words():
    """A column holds them with blanks between; none is an empty text."""
    assert ("read", "write") == words("read write")
    assert () == words("")


def test_a_change_is_counted(write, read):
    """The stamp grows by one, whether or not it was asked for."""
    write(put)

    for stamp in (None, 5):
        write(lambda connection, now, seen=stamp: change(
            connection, setting, {"name": "a"}, {"document": "[]"}, what="it", stamp=seen
        ))  # fmt: skip

    row = read(require, setting, {"name": "a"}, "it")
    assert (6, "[]") == (row.stamp, row.document)


def test_what_is_gone_is_not_what_was_changed(write):
    """A row that is not there and a row that somebody changed are told apart."""
    write(put)

    def changing(name):
        return lambda connection, now: change(connection, setting, {"name": name}, {}, what=f"row {name}", stamp=1)

    with pytest.raises(Missing, match="there is no row b"):
        write(changing("b"))
    with pytest.raises(Conflict, match="row a was changed by somebody else: it is at 4, not 1"):
        write(changing("a"))
