"""Let everything go wrong in a cluster of real processes, and judge what its clients saw: ``make chaos``.

Faults are drawn from a seed, which is printed; two things go wrong at a time.  Now and then everything is healed, so
that it is seen to be well again.  Prints a report as Markdown; the status says whether every promise was kept.
"""

import argparse
import signal
import sys
import tempfile
import threading
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import monotonic, sleep, time_ns

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.chaos.faults import inflict, resume  # noqa: E402 - the checkout is known only now
from tests.chaos.load import Load  # noqa: E402
from tests.chaos.namespaces import missing  # noqa: E402
from tests.chaos.report import judged, text  # noqa: E402
from tests.chaos.rolling import Balancer, Callers, roll  # noqa: E402
from tests.chaos.schedule import KINDS, QUIET_AFTER, draw, touched  # noqa: E402
from tests.chaos.world import KEY_MANAGERS, NETWORKS, World  # noqa: E402
from tests.databases import SERVERS  # noqa: E402

QUIET = 18.0
"""Seconds for which all is left alone after it was healed."""


class Chaos:
    """A run: a world, its load, and what went wrong when."""

    def __init__(self, world, load, faults, lanes=2, say=lambda _text: None, quiet=QUIET):
        self.happened = []
        """When each fault began and ended, the fault, and whether it had an effect."""
        self.healthy = []
        """Times in which all was well."""
        self.load = load
        self._world, self._faults, self._lanes, self._say, self._quiet = world, faults, lanes, say, quiet
        self._touched, self._news = set(), threading.Condition()

    def run(self, end=None):
        """All faults, or until a time; once more, where they are listed."""
        self._rest(2.0)
        done, faults = False, iter(self._faults)
        while not done:
            batch = list(islice(faults, QUIET_AFTER))
            done = len(batch) < QUIET_AFTER
            waiting = iter(batch)
            lanes = [threading.Thread(target=self._lane, args=(waiting, end)) for _ in range(self._lanes)]
            for lane in lanes:
                lane.start()
            for lane in lanes:
                lane.join()
            self._rest(self._quiet)
            done = done or (end is not None and monotonic() > end)
        return self

    def end(self):
        """Everything goes on, the load stops, and what was issued is looked for; how much that is."""
        self._world.heal()
        self._world.until_well()
        self.load.stop()
        self._world.until_well()
        began = monotonic()
        kept = self.load.verify()
        self.healthy.append((began, monotonic()))
        return kept

    def _rest(self, seconds):
        """All is well, and left alone."""
        self._world.heal()
        self._world.until_well()
        began = monotonic()
        sleep(seconds)
        if all(member.well for member in self._world.members.values()):
            self.healthy.append((began, monotonic()))

    def _lane(self, waiting, end):
        while end is None or monotonic() < end:
            with self._news:
                fault = next(waiting, None)
                if fault is None:
                    return
                self._news.wait_for(lambda it=fault: not touched(it) & self._touched)
                self._touched |= touched(fault)
            began, seen = monotonic(), False
            try:
                seen = inflict(self._world, fault)
            except Exception as error:  # noqa: BLE001 - it is judged in the end, and other lanes go on
                self.load.broken.append(f"{fault}: {error!r}")
                self._say(f"broken {fault}: {error!r}")
            self.happened.append((began, monotonic(), fault, seen))
            self._say(f"{'done  ' if seen else 'unseen'} {fault}")
            with self._news:
                self._touched -= touched(fault)
                self._news.notify_all()


def main():
    """Start, let go wrong, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="of faults (default: %(default)s)")
    parser.add_argument("--seed", default=str(time_ns() % 10**9), help="of all that is chosen (default: another one)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="of faults, with commas (default: %(default)s)")
    parser.add_argument("--targets", default="", help="to which alone something is done, with commas (default: all)")
    parser.add_argument("--longest", type=float, default=30, help="seconds of a fault (default: %(default)s)")
    parser.add_argument("--database", choices=sorted(SERVERS), default="postgresql", help="(default: %(default)s)")
    parser.add_argument("--standby", action="store_true", help="a PostgreSQL that takes over, too (in namespaces)")
    parser.add_argument("--network", choices=sorted(NETWORKS), help="(default: namespaces where root may make them)")
    parser.add_argument("--lanes", type=int, default=2, help="faults at a time (default: %(default)s)")
    parser.add_argument("--rolls", type=int, default=20, help="rolling restarts after it (default: %(default)s)")
    parser.add_argument("--lease", type=float, default=4, help="seconds (default: %(default)s)")
    parser.add_argument("--session", type=float, default=15, help="seconds (default: %(default)s)")
    parser.add_argument("--mutant", help="take a rule out: no lease, no wait, counts alone")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    why = missing() if options.network is None else "as was asked for"
    options.network = options.network or ("links" if why else "namespaces")
    if options.standby and (options.database, options.network) != ("postgresql", "namespaces"):
        parser.error("a standby is for PostgreSQL in namespaces")
    lacks = NETWORKS[options.network].lacks | (set() if options.standby else {"failover"})
    kinds = tuple(kind for kind in options.kinds.split(",") if kind not in lacks)
    known = {target for kind in kinds for target in KINDS[kind][1]}
    only = set(options.targets.split(",")) if options.targets else known
    if not only <= known:
        parser.error(f"targets are {', '.join(sorted(known))}")
    print(f"seed {options.seed}, {options.database}, {options.network}{why and f' ({why})'}", flush=True)
    with tempfile.TemporaryDirectory(prefix="twgw-chaos-") as folder:
        world = World(
            folder, options.lease, options.session, options.mutant,
            database=options.database, network=options.network, standby=options.standby,
        )  # fmt: skip
        try:
            world.start()
            began = monotonic()
            load = Load(world, options.seed).start()
            faults = (it for it in draw(options.seed, kinds, options.longest) if it.target in only)
            say = lambda it: print(f"{monotonic() - began:7.1f} s  {it}", flush=True)
            chaos = Chaos(world, load, faults, options.lanes, say).run(began + 60 * options.minutes)
            kept = chaos.end()
            rolled = rolling(world, options.rolls, next(iter(load.kept())))
            errors = world.errors()
        finally:
            resume(world)
            world.end()
    found = judged(load, chaos.healthy)
    print(text(found, load, chaos, kept, errors, options, datetime.now(UTC), monotonic() - began))
    failed = rolled.failed
    print(f"\n{options.rolls} rolling restarts: {rolled.answered} requests, {len(failed)} failed {failed[:5]}")
    broken = any(found.values()) or load.broken or errors or rolled.failed
    sys.exit(1 if broken or not any(seen for *_, seen in chaos.happened) else 0)


def rolling(world, times, token):
    """Rolling restarts, after all that went wrong; the clients that asked meanwhile."""
    balancer = Balancer(world, KEY_MANAGERS)
    callers = Callers(balancer.port, token)
    roll(world, times)
    callers.stop()
    balancer.end()
    return callers


if __name__ == "__main__":
    main()
