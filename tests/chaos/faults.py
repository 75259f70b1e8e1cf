"""Do what a schedule says to a cluster of processes, and see whether it had an effect: only then does it count."""

import random
import signal
import socket
import struct
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from tests.chaos.links import BACK, THERE
from tests.chaos.schedule import GATEWAYS, touched

FIRST = {"postgresql": struct.pack("!ii", 8, 80877103), "mariadb": b""}
"""What a client of a database says first: one of PostgreSQL asks for TLS, and a MariaDB speaks first itself."""
QUESTION = b"GET /revised HTTP/1.1\r\nHost: chaos\r\nConnection: close\r\n\r\n"
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
"""Another clock for one process (Debian's package faketime), where it is installed."""
CLOCKS = {"an hour ahead": "+3600", "an hour behind": "-3600", "half a percent too fast": "+0 x1.005"}
LONGEST_LOOK = 2.0


def ask(world, target):
    """A connection to a process on which a question was sent; raises OSError where nobody listens."""
    if target == "database":
        client = socket.socket(socket.AF_UNIX)
        where, text = world.database.socket, FIRST[world.database.scheme]
    else:
        client = socket.socket()
        port = world.memcached.port if target == "memcached" else world[target].node.port
        where, text = (world.network.host(target), port), b"mn\r\n" if target == "memcached" else QUESTION
    client.settimeout(LONGEST_LOOK)
    try:
        client.connect(where)
        client.sendall(text)
    except OSError:
        client.close()
        raise
    return client


def is_silent(world, target, seconds):
    """Whether it takes connections, and answers nothing for so long."""
    with ask(world, target) as client:
        client.settimeout(seconds)
        try:
            client.recv(1)
        except TimeoutError:
            return True
        return False


def is_gone(world, target):
    """Whether nobody listens."""
    try:
        ask(world, target).close()
    except OSError:
        return True
    return False


def answers(world, target):
    """Whether it does."""
    with suppress(OSError), ask(world, target) as client:
        return bool(client.recv(1))
    return False


def inflict(world, fault):
    """Do it, end it, and say whether it had an effect."""
    return _DOES[fault.kind](world, fault)


def _stops(world, target):
    """How it is made to stand still, and to go on."""
    if target == "database":
        return world.database.pause, world.database.resume
    if target == "memcached":
        return world.memcached.hang, world.memcached.wake
    return tuple(partial(world[target].process.signal, it) for it in (signal.SIGSTOP, signal.SIGCONT))


def _pause(world, fault):
    pause, go_on = _stops(world, fault.target)
    began = monotonic()
    pause()
    try:
        seen = is_silent(world, fault.target, min(0.8 * fault.seconds, LONGEST_LOOK))
        sleep(max(0.0, began + fault.seconds - monotonic()))
    finally:
        go_on()
    return seen


def _kill(world, fault):
    if fault.target == "database":
        world.database.kill()
        seen = is_gone(world, "database")
        sleep(random.Random(fault.seed).uniform(0, 5))
        world.database.start()
    elif fault.target == "memcached":
        world.memcached.stop()
        seen = is_gone(world, "memcached")
        sleep(random.Random(fault.seed).uniform(0, 3))
        world.memcached.start()
    else:
        member = world[fault.target]
        member.kill()
        seen = is_gone(world, fault.target)
        member.start()
    return seen and answers(world, fault.target)


def _failover(world, fault):
    """The primary dies, and its standby takes over, which has nobody beside it for a while."""
    follows = world.standby.do("SELECT pg_is_in_recovery()")
    world.database.kill()
    seen = follows and is_gone(world, "database")
    place = world.take_over()
    sleep(fault.seconds)
    seen = seen and answers(world, "database") and not world.database.do("SELECT pg_is_in_recovery()")
    world.follow(place)
    return seen


def _links(world, fault):
    return [world.network.links[name] for name in sorted(touched(fault))]


def _disturb(world, fault, what):
    links = _links(world, fault)
    before = {link.name: link.held for link in links}
    for link in links:
        what(link)
    sleep(fault.seconds)
    for link in links:
        link.heal()
    return all(link.held > before[link.name] for link in links)


def _cut(world, fault):
    return _disturb(world, fault, lambda link: link.cut())


def _cut_one_way(world, fault):
    way = random.Random(fault.seed).choice((THERE, BACK))
    return _disturb(world, fault, lambda link: link.cut(way))


def _delay(world, fault):
    seconds = random.Random(fault.seed).uniform(0.02, 0.5)
    return _disturb(world, fault, lambda link: link.delay(seconds))


def _loss(world, fault):
    return _disturb(world, fault, lambda link: link.lose())


def _flush(world, _fault):
    before = world.memcached.names()
    said = world.memcached.ask("flush_all\r\n")
    return said.startswith("OK") and any(_value(world.memcached, name) is None for name in before)


def _value(server, name):
    """What a counter is; None when it is not there."""
    lines = server.ask(f"mg {name} v\r\n").splitlines()
    return lines[1] if lines and lines[0].startswith("VA") else None


def _old_data(world, fault):
    """What was once so is so again: by a server that was started anew with an old dump, or by one that went on."""
    chance, server = random.Random(fault.seed), world.memcached
    dump = {name: value for name in server.names() if (value := _value(server, name)) is not None}
    sleep(chance.uniform(0.5, 3))
    if chance.random() < 0.5:
        server.stop()
        server.start()
    wrote = "".join(f"ms {name} {len(value)} T3600\r\n{value}\r\n" for name, value in dump.items())
    return server.ask(wrote).count("HD") == len(dump) > 0


def _clock(world, fault):
    """A node is started anew with another clock, and later with the right one."""
    if FAKETIME is None:
        return False
    name = random.Random(fault.seed).choice(sorted(CLOCKS))
    wall_only = {} if "x" in CLOCKS[name] else {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    member = world[fault.target]
    world.skewed.add(fault.target)
    member.kill()
    member.start({"LD_PRELOAD": str(FAKETIME), "FAKETIME": CLOCKS[name], **wall_only})
    maps = Path(f"/proc/{member.process.popen.pid}/maps").read_text()
    sleep(fault.seconds)
    seen = answers(world, fault.target)
    member.kill()
    member.start()
    world.skewed.discard(fault.target)
    return seen and "libfaketime" in maps


_DOES = {
    "pause": _pause, "kill": _kill, "cut": _cut, "cut one way": _cut_one_way, "delay": _delay, "loss": _loss,
    "failover": _failover, "flush": _flush, "old data": _old_data, "clock": _clock,
}  # fmt: skip


def resume(world):
    """Whatever is stopped goes on, so that it can be ended."""
    for name in GATEWAYS:
        with suppress(OSError, KeyError):
            world[name].process.signal(signal.SIGCONT)
