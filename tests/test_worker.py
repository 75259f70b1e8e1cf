"""The program of a worker.  As a real process in tests/wire/test_workers.py."""

import io
import os
import signal
import subprocess
import sys

import pytest
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from twgw import worker
from twgw.worker import Orders
from twgw.workers import lines


class Reactor:
    """Notes that it was stopped."""

    running, stopped = True, 0

    def stop(self):
        self.stopped += 1


class Node:
    """Counts how often it read its state again."""

    reloads = 0

    def reload(self):
        self.reloads += 1


def test_a_worker_does_what_its_parent_says():
    """It reads its state again; at the end of what there is to say, it stops, once."""
    reactor, node = Reactor(), Node()
    orders = Orders(reactor, node)
    orders.makeConnection(StringTransport())
    orders.dataReceived(b"relo")
    orders.dataReceived(b"ad\nreload\nunknown\n")
    assert (2, 0) == (node.reloads, reactor.stopped)
    orders.connectionLost()
    reactor.running = False
    orders.connectionLost()

    assert 1 == reactor.stopped


def test_what_it_is_handed_is_one_line():
    """What follows is for later; without one, there is nothing to do."""
    reading, writing = os.pipe()
    os.write(writing, b"handed\nreload\n")
    assert b"handed\n" == worker._first_line(reading)
    assert b"reload\n" == os.read(reading, 100)
    os.write(writing, b"half")
    os.close(writing)

    with pytest.raises(SystemExit):
        worker._first_line(reading)
    os.close(reading)


def test_what_it_logs_goes_to_its_parent(monkeypatch):
    """Of Twisted only what is worth a look; a failure with where it was."""
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    failed = {"log_failure": Failure(ValueError("oh"))}
    events = [(LogLevel.info, "twgw", {}), (LogLevel.info, "twisted", {}), (LogLevel.critical, "twisted", failed)]
    for level, namespace, more in events:
        worker._log({"log_level": level, "log_namespace": namespace, "log_format": "{x} is so", "x": 3, **more})
    found = [lines.read(line) for line in told.getvalue().splitlines()]

    assert [("info", "3 is so"), "critical"] == [found[0], found[1][0]]
    assert "ValueError: oh" in found[1][1]
    assert 2 == len(found)


def test_it_dies_with_its_parent():
    """By the kernel, so that nothing that it does keeps it from that."""
    program = (
        "import ctypes; from twgw import worker; worker._die_with_the_parent(); found = ctypes.c_int();"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(found)); print(found.value)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)

    assert signal.SIGKILL == int(told.stdout)
