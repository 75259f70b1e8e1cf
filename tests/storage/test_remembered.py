"""What a process knows to stand in the log."""

from twgw.registry import Head
from twgw.storage import remembered as module
from twgw.storage.remembered import Remembered


def test_what_was_noted_is_looked_for_until_it_was_found():
    """Then the last of the log is enough: it stands there only where all before it does."""
    known = Remembered()
    known.note(Head(1, 3), 30.0)
    known.note(Head(1, 5), 50.0)
    assert (True, False, True) == tuple(known.is_new(Head(1, pos)) for pos in (3, 4, 5))

    known.found({Head(1, 3): 30.0, Head(1, 4): 40.0})
    assert known.times == {Head(1, 4): 40.0, Head(1, 5): 50.0}
    assert not known.is_new(Head(1, 3))

    known.found({Head(1, 4): 40.0, Head(1, 5): 50.0, Head(1, 6): 60.0})
    assert known.times == {Head(1, 6): 60.0}


def test_what_was_noted_while_it_was_looked_for_stays():
    """And when nothing was looked for, nothing was found."""
    known = Remembered()
    known.note(Head(1, 3), 30.0)
    known.found({Head(1, 2): None})
    known.found({})

    assert known.times == {Head(1, 2): None, Head(1, 3): 30.0}


def test_what_was_found_before_it_is_noted_is_not_new():
    """A look may see a record before the thread that appended it goes on."""
    known = Remembered()
    known.found({Head(1, 3): 30.0})
    known.note(Head(1, 3), 30.0)
    assert not known.is_new(Head(1, 3))

    known.note(Head(1, 3), 31.0)
    assert known.is_new(Head(1, 3))
    assert known.times == {Head(1, 3): 31.0}, "somebody looks whether that is what stands there"


def test_a_record_that_stands_where_one_was_lost_is_another():
    """It was not found."""
    known = Remembered()
    known.note(Head(1, 3), 30.0)
    known.found({Head(1, 3): 31.0})

    assert known.is_new(Head(1, 3))


def test_what_was_lost_with_an_epoch_is_not_looked_for_in_the_next():
    """Where a new one begins there is no record."""
    known = Remembered()
    known.note(Head(1, 3), 30.0)
    known.found({Head(2, 1000): None})

    assert known.times == {Head(2, 1000): None}


def test_of_many_the_oldest_are_not_looked_for(monkeypatch):
    """As where nobody ever looks: a node by itself, or a command."""
    monkeypatch.setattr(module, "MOST", 2)
    known = Remembered()
    for pos in range(4):
        known.note(Head(1, pos), 1.0)

    assert [Head(1, 2), Head(1, 3)] == list(known.times)
