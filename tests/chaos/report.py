"""What a run of chaos comes to: what was broken, and the figures, as Markdown.  Pure."""

from collections import Counter
from math import ceil

from tests.chaos import history
from tests.chaos.world import LIMITS

CUT_OFF = "cut off from its cluster"
"""What a gateway without a lease says."""
SITUATIONS = {
    "healthy": lambda _fault: False,
    "a gateway without a database paused, killed or cut off":
        lambda fault: fault.target in {"g", "g-a", "g-b"},
    "a node with the database paused or killed":
        lambda fault: fault.kind in {"pause", "kill", "clock"} and fault.target in {"a", "b"},
    "a node cut off from the database": lambda fault: fault.target in {"a-database", "b-database"},
    "the database away": lambda fault: fault.target == "database" and fault.kind != "failover",
    "a standby took over the database": lambda fault: fault.kind == "failover",
    "memcached away, empty or old": lambda fault: "memcached" in fault.target,
}  # fmt: skip


def judged(load, healthy):
    """What was broken of each promise."""
    calls, changes = list(load.calls), list(load.changes)
    limited = {limit.api for limit in LIMITS}
    return {
        "stale accepts": history.stale_accepts(calls, changes),
        "old revisions": history.old_revisions(calls, changes),
        "over-admissions": [it for limit in LIMITS for it in history.over_admissions(calls, limit, load.wall)],
        "lost acknowledged writes": history.lost_writes(calls, changes, healthy),
        "refusals while all was well": history.false_refusals(calls, changes, healthy, limited),
    }


def of_leases(found):
    """Refusals while all was well that a lease is the reason of."""
    return [it for it in found["refusals while all was well"] if CUT_OFF in it]


def percentile(values, share):
    """The least of them than which so many are not more; None of none."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)] if values else None


def by_situation(changes, happened, lease, session, kind="revoke"):
    """How long changes took that were done, by the one thing that was wrong meanwhile; those with several are left.

    What a process held that was killed goes on for a session, what another one held for a lease.
    """
    took = {name: [] for name in SITUATIONS}
    lasting = [
        (began, ended + 1 + (session if fault.kind in {"kill", "clock"} else lease), fault)
        for began, ended, fault, _ in happened
    ]
    for each in changes:
        if each.kind != kind or not each.ok:
            continue
        meanwhile = [fault for began, ended, fault in lasting if began < each.ended and each.began < ended]
        for name, belongs in SITUATIONS.items():
            if (all(map(belongs, meanwhile)) and meanwhile) or (name == "healthy" and not meanwhile):
                took[name].append(each.ended - each.began)
    return took


def text(found, load, chaos, kept, errors, options, now, seconds):
    """The report."""
    counted = Counter(fault.kind for *_, fault, seen in chaos.happened if seen)
    unseen = sum(not seen for *_, seen in chaos.happened)
    changes = Counter((each.kind, each.ok) for each in load.changes)
    answers = Counter(each.status for each in load.calls)
    lines = [
        f"{now:%Y-%m-%d}, {options.database}, {options.network}, seed {options.seed}, {seconds / 60:.1f} minutes, "
        f"lease {options.lease:g} s, session {options.session:g} s.", "",
        "| | |", "|---|---|",
        f"| faults that had an effect | {sum(counted.values())}: "
        f"{', '.join(f'{count} × {kind}' for kind, count in counted.most_common())} |",
        f"| faults of which no effect was seen, not counted | {unseen} |",
        f"| requests | {len(load.calls)}: {', '.join(f'{n} × {s or chr(45)}' for s, n in answers.most_common())} |",
        f"| tokens issued, revoked, revocations that failed | {changes['issue', True]}, {changes['revoke', True]}, "
        f"{changes['revoke', False]} |",
        f"| publications, and those that failed | {changes['publish', True]}, {changes['publish', False]} |",
        f"| tokens that were never revoked, and were looked for in the end | {kept} |",
        f"| seconds in which all was well | {sum(end - begin for begin, end in chaos.healthy):.0f} |",
        *(f"| {name} | {len(wrong)} |" for name, wrong in found.items()),
        f"| of these because of a lease | {len(of_leases(found))} |",
        f"| errors in the logs | {len(errors)} |",
        "", "| what was wrong meanwhile | revocations | p50 | p99 | longest |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, took in by_situation(load.changes, chaos.happened, options.lease, options.session).items():
        if took:
            lines.append(
                f"| {name} | {len(took)} | {percentile(took, 0.5):.3f} s | {percentile(took, 0.99):.2f} s | "
                f"{max(took):.2f} s |"
            )
    for name, wrong in (*found.items(), ("error", errors), ("driver", load.broken)):
        lines += [f"{name}: {it}" for it in wrong[:8]]
    return "\n".join(lines)
