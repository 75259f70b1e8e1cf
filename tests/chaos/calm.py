"""What a cluster costs when nothing goes wrong: idle, and while tokens are revoked and an API is published.

``python tests/chaos/calm.py --minutes 30``.  Prints CPU time and bytes of each node, latencies of calls and changes,
and refusals, of which there must be none: the status says so.  With ``--share`` h2load calls every node meanwhile, so
often that this is that part of what all of them can do.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, sleep

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.chaos.load import Load  # noqa: E402 - the checkout is known only now
from tests.chaos.report import judged, of_leases, percentile  # noqa: E402
from tests.chaos.world import NODES, World  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def cpu(member):
    """Seconds of CPU time so far."""
    fields = Path(f"/proc/{member.process.popen.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def costs(world, seconds):
    """Percent of a core, and bytes a second on the links of each node, over some seconds."""
    links = world.network.links
    before = {name: (cpu(world[name]), monotonic()) for name in NODES}
    moved = {name: link.bytes for name, link in links.items()}
    sleep(seconds)
    for name in NODES:
        used, since = before[name]
        passed = monotonic() - since
        share = 100 * (cpu(world[name]) - used) / passed
        bits = ", ".join(
            f"{it} {(link.bytes - moved[it]) / passed:.0f} B/s" for it, link in links.items() if it.startswith(name)
        )
        print(f"  {name}: {share:.1f} % of a core; {bits}", flush=True)


def measured(world, seconds, healthy, **more):
    """Load it, and say what came of it."""
    load = Load(world, "calm", **more).start()
    sleep(2)
    began = monotonic()
    costs(world, seconds)
    healthy.append((began, monotonic()))
    load.stop()
    calls = [each for each in load.calls if each.status and began < each.sent]
    took = [each.came - each.sent for each in calls]
    print(f"  {len(took) / seconds:.0f} requests/s; p50 {1000 * percentile(took, 0.5):.1f} ms, "
          f"p99 {1000 * percentile(took, 0.99):.1f} ms")  # fmt: skip
    for kind in ("revoke", "publish"):
        spent = [each.ended - each.began for each in load.changes if each.kind == kind and each.ok]
        if spent:
            print(f"  {kind}: {len(spent)}, p50 {percentile(spent, 0.5):.3f} s, p99 {percentile(spent, 0.99):.3f} s")
    return load


class Callers:
    """One h2load for each node, with a token that stays good."""

    CONNECTIONS = 4

    def __init__(self, world, token):
        self._urls = [f"http://{world[name].node.host}:{world[name].node.port}/pets" for name in NODES]
        self._field = f"Authorization: Bearer {token}"
        self._running = []

    def start(self, seconds, *rate):
        """Call for some seconds, as fast as answers come, or so often a second at each node."""
        command = ["h2load", "--h1", "-t1", "-m1", f"-c{self.CONNECTIONS}", f"-D{seconds:.0f}", "-H", self._field]
        command += [f"--rps={each / self.CONNECTIONS}" for each in rate]
        self._running = [subprocess.Popen([*command, url], stdout=subprocess.PIPE, text=True) for url in self._urls]
        return self

    def end(self):
        """How many calls were answered by 2xx, and how many were not."""
        good = bad = 0
        for each in self._running:
            text, _ = each.communicate()
            good += int(re.search(r"status codes: (\d+) 2xx", text)[1])
            bad += sum(int(re.search(rf"(\d+) {it}", text)[1]) for it in ("3xx", "4xx", "5xx", "errored", "timeout"))
        return good, bad


def loaded(world, share, seconds):
    """Find out what the nodes can do, and begin to ask for a part of that."""
    callers = Callers(world, Load(world, "token")._issue(NODES[0]))
    callers.start(5).end()
    most = callers.start(10).end()[0] / 10
    print(f"{most:.0f} requests/s are all that the nodes can do; {share * most:.0f} of them from now on", flush=True)
    return callers.start(seconds, share * most / len(NODES))


def main():
    """Start, measure, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="of load with changes (default: %(default)s)")
    parser.add_argument("--quiet", type=float, default=60, help="seconds idle, and with few changes")
    parser.add_argument("--pace", type=float, default=0.02, help="seconds between two calls of a client")
    parser.add_argument("--share", type=float, default=0, help="of what the nodes can do, by h2load (such as 0.6)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="twgw-calm-") as folder:
        world, found = World(folder), {}
        try:
            world.start()
            sleep(5)
            print("idle", flush=True)
            costs(world, options.quiet)
            print("under load, with one client that revokes", flush=True)
            measured(world, options.quiet, [], pace=options.pace, revokers=1, publishes=False)
            print("under load, with eight of them, and one that publishes", flush=True)
            healthy, seconds = [], 60 * options.minutes
            callers = loaded(world, options.share, seconds) if options.share else None
            load = measured(world, seconds, healthy, pace=options.pace, revokers=8)
            found = judged(load, healthy)
            if callers:
                good, bad = callers.end()
                print(f"h2load: {good} answered by 2xx, {bad} not")
                found["of h2load"] = ["not answered by 2xx"] * bad
            print({name: len(wrong) for name, wrong in found.items()}, "because of a lease:", len(of_leases(found)))
        finally:
            world.end()
    sys.exit(1 if any(found.values()) else 0)


if __name__ == "__main__":
    main()
