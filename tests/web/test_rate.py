"""Tests of twgw.web.rate."""

import threading

from twgw.model import Limit
from twgw.web.rate import FAILURES, Rate

NOW = 1_800_000_000.0


def rate(by_client=1000, by_address=1000, **more):
    return Rate(Limit(by_client, 60), Limit(by_address, 60), **more)


def test_an_address_may_ask_so_often():
    """After that it is told when to come back."""
    asked = rate(by_address=3)

    assert [0, 0, 0] == [asked.wait(f"c{n}", "10.0.0.1", NOW) for n in range(3)]
    assert 60 == asked.wait("c", "10.0.0.1", NOW)
    assert 0 == asked.wait("c", "10.0.0.2", NOW)
    assert 0 == asked.wait("c", "10.0.0.1", NOW + 60)


def test_a_client_may_ask_so_often_from_wherever():
    """Requests count for it once it has shown who it is."""
    asked = rate(by_client=2)
    for number in range(2):
        assert 0 == asked.wait("c", f"10.0.0.{number}", NOW)
        asked.known("c", NOW)

    assert 60 == asked.wait("c", "10.0.0.9", NOW)
    assert 0 == asked.wait("other", "10.0.0.9", NOW)


def test_who_claims_to_be_a_client_does_not_shut_it_out():
    """Failures count for the address that they come from."""
    asked = rate(by_client=5)
    for _ in range(100):
        asked.wait("c", "10.6.6.6", NOW)
        asked.failed("c", "10.6.6.6", NOW)

    assert 0 < asked.wait("c", "10.6.6.6", NOW)
    assert 0 == asked.wait("c", "10.0.0.1", NOW)


def test_guessing_is_slow():
    """So many failures in any minute, however they are spread."""
    asked = rate()
    for number in range(FAILURES.amount):
        assert 0 == asked.wait("c", "10.0.0.1", NOW + number)
        asked.failed("c", "10.0.0.1", NOW + number)

    assert 0 < asked.wait("c", "10.0.0.1", NOW + 59) <= 1
    assert 0 == asked.wait("c", "10.0.0.1", NOW + 60)


def test_memory_is_bounded():
    """Counters that are used last are kept."""
    asked = rate(remembered=100)
    for number in range(1000):
        asked.wait(f"c{number}", f"10.0.{number // 256}.{number % 256}", NOW)

    assert 100 == len(asked)


def test_threads_count_together():
    """Not one request more than allowed, from many at once."""
    asked = rate(by_address=50)
    passed = []

    def ask():
        for _ in range(20):
            passed.append(asked.wait("c", "10.0.0.1", NOW) == 0)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 50 == sum(passed)
