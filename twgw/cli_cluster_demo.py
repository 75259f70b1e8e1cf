"""``twgw cluster demo``: the three promises of a cluster, shown on this machine in a minute."""

import http.client
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import click
from attrs import define, field

from twgw.cli_cluster_stage import LEASE, PATIENCE, SESSION, Box, Stage, StageError, call
from twgw.cli_config import failure

LIMIT, CALLS, CALLERS = 20, 60, 8
DAYS = (86400, 86401)
"""Seconds of the limit's window: one of them begins anew at another time than now."""

EXAMPLES = """\b
Examples:
  twgw cluster demo                        memcached has to be installed: apt-get install memcached
\b
Status: 0 when all promises held, 1 when one did not, or the demo could not begin.
"""


@click.command(epilog=EXAMPLES)
def demo() -> None:
    """Start two nodes, a memcached and a balancer here, and show what they promise together.

    It takes about a minute, uses ports that are free and a folder in /tmp, and leaves nothing behind.
    """
    try:
        click.echo("Two nodes, a memcached and a balancer are started; that takes some seconds.")
        with _until_told(), Stage() as stage:
            held = _show(stage)
    except StageError as error:
        raise failure([str(error)]) from error
    except KeyboardInterrupt:
        click.echo("\nEnded; everything that was started is gone.")
        raise SystemExit(130) from None
    raise SystemExit(0 if held else 1)


@contextmanager
def _until_told() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@define(eq=False)
class Show:
    """What is shown, and what came of it."""

    stage: Stage
    results: list[tuple[str, bool, str]] = field(factory=list)

    @property
    def boxes(self) -> tuple[Box, Box]:
        """The two nodes."""
        return self.stage.boxes[0], self.stage.boxes[1]

    def promise(self, what: str, held: bool, text: str) -> None:
        """Note whether a promise held."""
        self.results.append((what, held, text))
        click.echo(f"   {'held' if held else 'BROKEN'}: {text}\n")


def _show(stage: Stage) -> bool:
    show = Show(stage)
    a, b = show.boxes
    click.echo(f"Node a is at 127.0.0.1:{a.port}, node b at {b.port}, a balancer before them at {stage.balancer.port}.")
    click.echo(f"Both have every role, one database and one memcached.  Lease {LEASE:g} s, session {SESSION:g} s.\n")
    _publish(show)
    _limit(show)
    _revoke(show)
    _revoke_stopped(show)
    click.echo("Summary")
    for what, held, text in show.results:
        click.echo(f"   {'held  ' if held else 'BROKEN'}  {what}: {text}")
    return all(held for _, held, _ in show.results)


def _publish(show: Show) -> None:
    """An API that a says is published is served by b."""
    admin = show.stage.admin(show.boxes[0])
    click.echo("1  Publish once")
    before = [box.call("/news") for box in show.boxes]
    click.echo(f"   GET /news, before it is published: a says {before[0]}, b says {before[1]}")
    window = next(seconds for seconds in DAYS if seconds - time.time() % seconds > 120)  # noqa: TID251 - not to a clock
    admin.post("tiers", body={"name": "Twenty", "limits": [{"amount": LIMIT, "period": window}]})
    began = monotonic()
    for name, policies in (("news", ("key-auth", "subscription")), ("few", ("key-auth", "subscription", "rate-limit"))):
        api = {
            "name": name, "version": "1.0", "base_path": f"/{name}", "upstream": {"targets": [{"url": "echo:"}]},
            "policies": [{"name": each} for each in policies],
        }  # fmt: skip
        admin.post("apis", body={"api": api | ({"tiers": ["Twenty"]} if name == "few" else {}), "publish": True})
    took = monotonic() - began
    after = [box.call("/news") for box in show.boxes]
    click.echo(f"   published through a; GET /news without a key: a says {after[0]}, b says {after[1]}")
    held = before == [404, 404] and after == [401, 401]
    show.promise("Published once, live on both", held, f"two APIs, {took * 500:.0f} ms each")
    admin.post("applications", body={"name": "me", "subscribe": ["news", "few"]})


def _key(show: Show, box: Box) -> str:
    key: str = show.stage.admin(box).post("applications", "me", "keys", body={})["key"]
    return key


def _limit(show: Show) -> None:
    """Of many at once, through both, as many pass as the limit says."""
    balancer, key = show.stage.balancer, _key(show, show.boxes[0])
    click.echo(f"2  A limit is a limit: {LIMIT} calls; {CALLS} come at once, through the balancer")
    balancer.given.clear()
    with ThreadPoolExecutor(CALLERS) as threads:
        found = list(threads.map(lambda _: call(balancer.port, "/few", key), range(CALLS)))
    passed, refused = found.count(200), found.count(429)
    click.echo(f"   a was given {balancer.given['a']}, b {balancer.given['b']}: {passed} passed, {refused} got 429")
    held = (passed, refused) == (LIMIT, CALLS - LIMIT) and min(balancer.given[box.name] for box in show.boxes) > 0
    show.promise(f"A limit of {LIMIT} lets {LIMIT} pass", held, f"{passed} of {CALLS}, through both together")


def _revoke(show: Show) -> None:
    """Nobody is served with a key from when its revocation has returned."""
    a, b = show.boxes
    key = _key(show, a)
    click.echo("3  Revoked is revoked, under load")
    with _callers(show.stage.balancer.port, key) as seen:
        show.stage.wait(lambda: len(seen) > 20, "calls are answered", PATIENCE)
        began = monotonic()
        show.stage.admin(a).post("revocations", body={"key": key})
        returned = monotonic()
        both = [a.call("/news", key), b.call("/news", key)]
        show.stage.wait(lambda: sum(sent > returned for sent, _ in list(seen)) > 50, "calls are answered", PATIENCE)
    later = [status for sent, status in seen if sent > returned]
    good, bad = sum(status == 200 for sent, status in seen if sent < began), later.count(200)
    click.echo(f"   {good} calls were served; revoked through a: it took {(returned - began) * 1000:.0f} ms")
    click.echo(f"   then a says {both[0]}, b says {both[1]}; of {len(later)} later calls {bad} were served")
    held = good > 0 and both == [401, 401] and set(later) == {401}
    show.promise("Revoked on one, refused by both", held, f"{bad} of {len(later)} later calls served")


def _revoke_stopped(show: Show) -> None:
    """Nor by a node that was stopped meanwhile, and knows nothing of it."""
    a, b = show.boxes
    balancer, key = show.stage.balancer, _key(show, b)
    click.echo("4  … also by a node that is stopped (SIGSTOP) while the key is revoked")
    before = [b.call("/news", key), b.call("/news", key)]
    click.echo(f"   b knows the key, and says {before[1]}; now it is stopped")
    b.stop()
    began = monotonic()
    show.stage.admin(a).post("revocations", body={"key": key})
    took = monotonic() - began
    click.echo(f"   revoked through a: it took {took:.1f} s, until all that b had been promised has ended")
    show.stage.wait(lambda: balancer.sees(a), "the balancer leaves b out", PATIENCE)
    other = call(balancer.port, "/news", _key(show, a))
    click.echo(f"   meanwhile another key, through the balancer: {other}")
    first = _waiting(b, "/news", key)
    show.stage.wait(lambda: b.is_ready(1), "b is ready again", PATIENCE)
    last = b.call("/news", key)
    click.echo(f"   b goes on: {first} to a call that was sent while it was stopped, and {last} when it is ready")
    held = before == [200, 200] and other == 200 and first in (401, 503) and last == 401
    show.promise("Nor by a node that was stopped", held, f"the call waited {took:.1f} s for that")


def _waiting(box: Box, path: str, key: str) -> int:
    """The status of a call that is sent to a stopped node, which then goes on."""
    connection = http.client.HTTPConnection("127.0.0.1", box.port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"X-API-Key": key})
        box.go_on()
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        box.go_on()
        connection.close()


@contextmanager
def _callers(port: int, key: str) -> Iterator[list[tuple[float, int]]]:
    """Callers that call all the time; what they saw: when each call was sent, and its status."""
    seen: list[tuple[float, int]] = []
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            sent = monotonic()
            seen.append((sent, call(port, "/news", key)))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join(PATIENCE)
