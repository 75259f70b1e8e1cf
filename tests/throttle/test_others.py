"""Who counts limits together, and where."""

import pytest

from twgw.throttle.others import CountsOn, Others, digest_of
from twgw.throttle.settings import Memcached, ServerAddress


def settings(*names, **more):
    return Memcached(servers=tuple(map(ServerAddress.from_text, names)), **more)


def test_the_order_of_servers_is_of_no_account():
    """Each counter is found at the same place."""
    assert digest_of(settings("a", "b:11212")) == digest_of(settings("b:11212", "a:11211", timeout=1, nodes=9))


@pytest.mark.parametrize("other", [settings("a"), settings("a", "b:1"), settings("a", "b:11212", namespace="x")])
def test_whatever_moves_a_counter_is_seen(other):
    """Another server, another port, another name for all counters."""
    assert digest_of(settings("a", "b:11212")) != digest_of(other)


def test_who_counts_in_itself_has_no_digest():
    """And by default nothing else is known of a process: it counts by itself, and may."""
    assert "" == digest_of(settings()) == CountsOn().servers
    assert Others(1, share=True, apart=()) == Others()
