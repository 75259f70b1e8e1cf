"""Tests of twgw.storage.blocks."""

import attrs
import pytest

from tests.storage.conftest import NOW
from twgw.registry import Block
from twgw.storage import log
from twgw.storage.blocks import add_block, find_block, list_blocks, prune_blocks, remove_block
from twgw.storage.errors import Missing

EVE = Block("user", "eve", "spam", "ann", NOW)


def test_a_block_is_kept_and_a_record(write, read):
    """Blocking the same again replaces the reason."""
    assert 1 == write(add_block, EVE)
    assert 2 == write(add_block, attrs.evolve(EVE, reason="more spam"))

    assert attrs.evolve(EVE, reason="more spam") == read(find_block, "user", "eve")
    assert ["block", "block"] == [record.tag for record in read(log.since, 0)]


def test_a_block_ends(write, read, database):
    """By its time, or by somebody; what has ended is swept."""
    write(add_block, EVE)
    write(add_block, Block("ip", "192.0.2.1", expires_at=NOW + 5))

    def values(now):
        return [block.value for block in read(list_blocks, now=now)]

    assert ["192.0.2.1", "eve"] == values(NOW)
    assert ["eve"] == values(NOW + 5)
    assert 3 == write(remove_block, "user", "eve")
    assert [] == values(NOW + 5)
    assert 1 == database.call(prune_blocks, NOW + 5, write=True)
    assert None is read(find_block, "ip", "192.0.2.1")


def test_who_is_not_blocked_cannot_be_let_in(write, read):
    """An unknown block is missing, and nothing is noted."""
    with pytest.raises(Missing, match="there is no block of user eve"):
        write(remove_block, "user", "eve")

    assert 0 == read(log.head).pos
