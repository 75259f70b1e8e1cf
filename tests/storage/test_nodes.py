"""Tests of twgw.storage.nodes."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select

from tests.storage.conftest import NOW
from twgw.registry import Record
from twgw.storage import log
from twgw.storage.nodes import (
    KEPT,
    count_given,
    find_removed,
    give_certificate,
    hold,
    list_nodes,
    list_removed,
    remove_node,
)
from twgw.storage.schema import node_certificate


def test_a_certificate_that_is_given_is_noted(write, read):
    """Nobody is told: it was good before."""
    write(give_certificate, "a1", "gw1", NOW + 100)

    assert {"gw1"} == read(list_nodes)
    assert (1, 0) == (read(count_given, "gw1", NOW - 1), read(count_given, "gw1", NOW))
    assert ({}, 0) == (read(list_removed), read(log.head).pos)


def test_a_node_that_is_taken_out_has_no_certificate(write, read):
    """Of whatever it had; all that follow the log are told to look."""
    write(give_certificate, "a1", "gw1", NOW + 100)
    write(give_certificate, "a2", "gw2", NOW + 100)
    position = write(remove_node, "gw1")

    assert {"gw1": frozenset()} == read(list_removed)
    assert (True, False) == (read(find_removed, "gw1"), read(find_removed, "gw2"))
    assert {"gw2"} == read(list_nodes)
    (record,) = read(log.since, 0)
    assert (Record("key", "node:gw1").tag, "key", position) == (record.tag, record.kind, record.pos)


def test_what_it_is_given_later_is_good(write, read):
    """Of which all are told; until it is taken out again."""
    write(remove_node, "gw1")
    write(give_certificate, "b2", "gw1", NOW + 100)
    assert ({"gw1": frozenset({"b2"})}, 2) == (read(list_removed), read(log.head).pos)

    write(remove_node, "gw1")
    assert {"gw1": frozenset()} == read(list_removed)


def test_certificates_that_have_ended_go(database, write, read):
    """A day later, as clocks differ."""

    def serials():
        return read(lambda it: set(it.execute(select(node_certificate.c.serial)).scalars()))

    write(give_certificate, "a1", "gw1", NOW + 1)
    database.call(give_certificate, "b1", "gw2", NOW * 2, now=NOW + 1 + KEPT, write=True)
    assert {"a1", "b1"} == serials()
    database.call(give_certificate, "b2", "gw2", NOW * 2, now=NOW + 2 + KEPT, write=True)
    assert {"b1", "b2"} == serials()


def test_who_gives_a_certificate_holds_up_who_takes_the_node_out(database, read):
    """So that none is given unseen: it is among those that end, or whoever gives it sees that the node is out."""

    def renewed(number):
        def give(connection):
            hold(connection)
            if not find_removed(connection, "gw1"):
                give_certificate(connection, f"a{number}", "gw1", NOW + 100, now=NOW)

        if number == 7:
            database.call(remove_node, "gw1", now=NOW, write=True)
        else:
            database.call(give, write=True)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(renewed, range(16)))

    assert {"gw1": frozenset()} == read(list_removed)
