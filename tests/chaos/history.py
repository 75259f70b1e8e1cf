"""Judge what clients of a cluster saw, by what it promises.  Knows nothing of twgw, and reads no clock.

A history is what one driver wrote down by one monotonic clock: calls, and changes, each with when it was begun and when
its answer came.  What happened to a request in between is not known, so something is held against the cluster only when
no order of events could excuse it.
"""

from collections import defaultdict
from math import floor, inf

from attrs import frozen

SLACK = 0.1
"""Seconds by which a token of a bucket may be spent late (docs/limits.md: a tenth of a second)."""


@frozen
class Call:
    """A request for an API.  ``came`` is infinite and ``status`` 0 when no answer came."""

    sent: float
    came: float
    node: str
    api: str
    subject: str = ""
    """The key or token that it carried."""
    status: int = 0
    number: int = 0
    """Of the revision that answered."""
    alone: bool = False
    """Whether the node said that it decided alone how much is let pass."""
    why: str = ""
    """What a refusal says."""


@frozen
class Change:
    """A call of the control plane.  ``ok``: whether it said that it was done."""

    kind: str
    """``issue``, ``revoke`` or ``publish``."""
    subject: str
    began: float
    ended: float
    ok: bool
    number: int = 0
    node: str = ""


@frozen
class Limit:
    """How much is let pass of an API by all nodes together."""

    api: str
    kind: str
    """``fixed``, ``sliding`` or ``bucket``."""
    amount: int
    period: float
    burst: int = 0


def stale_accepts(calls, changes):
    """Calls that were served although they were sent after the revocation of what they carried had returned."""
    since = first_success(changes, "revoke")
    return [
        f"{each.node} served {each.subject} {each.sent - since[each.subject]:.3f} s after its revocation had returned"
        for each in calls if each.status == 200 and each.sent > since.get(each.subject, inf)
    ]  # fmt: skip


def old_revisions(calls, changes):
    """Calls that an older revision answered than one whose publication had returned when they were sent."""
    wrong = []
    for api in {each.subject for each in changes if each.kind == "publish"}:
        mine = [each for each in changes if each.subject == api]
        published = sorted((each.ended, each.number) for each in mine if done(each, "publish"))
        asked = sorted((each for each in calls if each.api == api and each.status == 200), key=lambda it: it.sent)
        newest, at = 0, 0
        for each in asked:
            while at < len(published) and published[at][0] < each.sent:
                newest = max(newest, published[at][1])
                at += 1
            if each.number < newest:
                wrong.append(f"{each.node} answered with revision {each.number} of {api} after {newest} was published")
    return wrong


def over_admissions(calls, limit, wall=0.0):
    """Times in which more was let pass than the limit.  ``wall``: what the time of day was when the clock was 0.

    What nodes counted together is held against the limit, and what they decided alone, and said so, is as well: while
    some reach a server of counters and others do not, the sum of both may exceed it (docs/limits.md).
    """
    passed = [each for each in calls if each.api == limit.api and each.status == 200]
    judge = {"fixed": _fixed, "sliding": _sliding, "bucket": _bucket}[limit.kind]
    return [
        text
        for alone in (False, True)
        for text in judge([each for each in passed if each.alone is alone], limit, wall)
    ]


def _fixed(passed, limit, wall):
    """A window has a number, and at most so much is let pass under it."""
    counts = defaultdict(int)
    for each in passed:
        window = floor((each.sent + wall) / limit.period)
        if window == floor((each.came + wall) / limit.period):
            counts[window] += 1
    return [
        f"{limit.api}: {count} of {limit.amount} in the window {window}"
        for window, count in sorted(counts.items()) if count > limit.amount
    ]  # fmt: skip


def _sliding(passed, limit, _wall):
    """In no interval of the length of the period."""
    return [
        f"{limit.api}: {count} of {limit.amount} from {start:.3f} to {end:.3f}"
        for start, end, count in _intervals(passed, limit.period) if count > limit.amount
    ]  # fmt: skip


def _bucket(passed, limit, _wall):
    """In no interval more than the bucket and what flows in meanwhile."""
    rate, wrong = limit.amount / limit.period, []
    for start, end, count in _intervals(passed, 10 * limit.period):
        most = limit.burst + rate * (end - start + SLACK) + 1
        if count > most:
            wrong.append(f"{limit.api}: {count} of {most:.1f} from {start:.3f} to {end:.3f}")
    return wrong


def _intervals(passed, longest):
    """Each interval from where some call was sent to where some answer came: how many lie in it for certain."""
    by_sent = sorted(passed, key=lambda it: it.sent)
    for first, begin in enumerate(by_sent):
        inside = []
        for each in by_sent[first:]:
            if each.sent > begin.sent + longest:
                break
            if each.came <= begin.sent + longest:
                inside.append(each.came)
        for count, end in enumerate(sorted(inside), 1):
            yield begin.sent, end, count


def lost_writes(calls, changes, healthy):
    """What was issued, not revoked since, and is not known while all is well."""
    issued, revoked = first_success(changes, "issue"), first_try(changes, "revoke")
    return sorted({
        f"{each.subject} was issued, and {each.node} answers {each.status}"
        for each in calls
        if each.status == 401 and issued.get(each.subject, inf) < each.sent
        and each.came < revoked.get(each.subject, inf) and is_within(each, healthy)
    })  # fmt: skip


def false_refusals(calls, changes, healthy, limited=()):
    """Calls with what is good that were not served while all was well; a limit may refuse those of its API."""
    issued, revoked = first_success(changes, "issue"), first_try(changes, "revoke")
    return [
        f"{each.node} answered {each.status or 'nothing'} to {each.subject or each.api}: {each.why}"
        for each in calls
        if each.status != 200 and not (each.status == 429 and each.api in limited) and is_within(each, healthy)
        and (not each.subject or (
            issued.get(each.subject, inf) < each.sent and _end(each) < revoked.get(each.subject, inf)
        ))
    ]  # fmt: skip


def is_within(call, times):
    """Whether a call lies within one of some times; one that was never answered does when it was sent then."""
    return any(begin <= call.sent and _end(call) <= end for begin, end in times)


def _end(call):
    return call.came if call.came < inf else call.sent


def done(change, kind):
    """Whether it is of a kind, and said that it was done."""
    return change.ok and change.kind == kind


def first_success(changes, kind):
    """When the first change of a kind returned that was done, by subject."""
    found = {}
    for each in changes:
        if done(each, kind):
            found[each.subject] = min(each.ended, found.get(each.subject, inf))
    return found


def first_try(changes, kind):
    """When the first change of a kind was begun, done or not, by subject."""
    found = {}
    for each in changes:
        if each.kind == kind:
            found[each.subject] = min(each.began, found.get(each.subject, inf))
    return found
