"""The checker of histories: what is good passes it, and everything that it exists for does not."""

from math import inf

import pytest

from tests.chaos import history
from tests.chaos.history import Call, Change, Limit

REVOKED = Change("revoke", "k", 5.0, 6.0, ok=True)
ISSUED = Change("issue", "k", 0.0, 1.0, ok=True)
FIXED, SLIDING = Limit("l", "fixed", 2, 10.0), Limit("l", "sliding", 2, 10.0)
BUCKET = Limit("l", "bucket", amount=1, period=1.0, burst=2)


def call(sent, came=None, **more):
    return Call(sent, sent + 0.1 if came is None else came, "a", **{"api": "l", "status": 200, **more})


def test_what_is_served_before_a_revocation_returned_is_no_matter_when_it_came():
    """The request may have been there first."""
    calls = [call(5.9, 60.0, subject="k"), call(6.0, subject="k"), call(7.0, subject="k", status=401)]

    assert [] == history.stale_accepts(calls, [REVOKED])


@pytest.mark.parametrize(("changes", "wrong"), [
    ([REVOKED], 1),
    ([Change("revoke", "k", 0.0, 0.5, ok=False), REVOKED], 1),
    ([Change("revoke", "k", 0.0, 0.5, ok=False)], 0),
    ([Change("revoke", "other", 0.0, 0.5, ok=True)], 0),
    ([REVOKED, Change("revoke", "k", 6.0, 9.0, ok=True)], 1),
])  # fmt: skip
def test_what_is_served_after_its_revocation_returned_is_found(changes, wrong):
    """One that failed promised nothing; a second one does not excuse what the first promised."""
    assert wrong == len(history.stale_accepts([call(6.001, subject="k")], changes))


def test_a_revision_is_not_older_than_what_was_published():
    """A newer one may be there before its call returns, or although that failed."""
    changes = [Change("publish", "l", 0, 1, ok=True, number=1), Change("publish", "l", 2, 9, ok=True, number=2),
               Change("publish", "l", 10, 11, ok=False, number=3)]  # fmt: skip
    good = [call(0.5, number=0), call(5, number=1), call(5, number=2), call(10, number=2), call(12, number=3)]

    assert [] == history.old_revisions(good, changes)
    assert ["a answered with revision 1 of l after 2 was published"] == history.old_revisions(
        [*good, call(9.1, number=1), call(9.1, number=0, status=503)], changes
    )


def test_a_fixed_window_has_its_limit():
    """Who was under way when it began or ended may belong to another one."""
    good = [call(9.95), call(10.0), call(19.0), call(19.95), call(20.0)]

    assert [] == history.over_admissions(good, FIXED)
    assert ["l: 3 of 2 in the window 1"] == history.over_admissions([*good, call(15.0)], FIXED)
    assert ["l: 3 of 2 in the window 2"] == history.over_admissions([call(t) for t in (15.0, 16.0, 17.0)], FIXED, 5.0)
    assert [] == history.over_admissions([*good, call(15.0, status=429), call(15.0, api="m")], FIXED)


def test_what_was_decided_alone_has_the_limit_once_more():
    """Nodes that said so are held to it by themselves."""
    good = [call(11.0), call(12.0), call(11.0, alone=True), call(12.0, alone=True)]

    assert [] == history.over_admissions(good, FIXED)
    assert 1 == len(history.over_admissions([*good, call(13.0, alone=True)], FIXED))


def test_a_sliding_window_has_its_limit_wherever_it_lies():
    """A window that is fixed would not see it."""
    assert [] == history.over_admissions([call(8.0), call(9.0), call(17.95), call(19.1)], SLIDING)
    assert ["l: 3 of 2 from 8.000 to 17.950"] == history.over_admissions([call(8.0), call(9.0), call(17.85)], SLIDING)


def test_a_bucket_gives_what_it_holds_and_what_flows_in():
    """In any interval, however short."""
    assert [] == history.over_admissions([call(t) for t in (0.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0)], BUCKET)
    assert history.over_admissions([call(0.0)] * 4, BUCKET)
    assert history.over_admissions([call(0.5 * n) for n in range(20)], BUCKET)


def test_what_was_issued_is_known_while_all_is_well():
    """Or it was lost; before, after and between such times nothing is said."""
    gone = call(3.0, subject="k", status=401)

    assert 1 == len(history.lost_writes([gone], [ISSUED], [(2.0, 9.0)]))
    assert [] == history.lost_writes([gone], [ISSUED], [(0.0, 2.0), (4.0, 9.0)])
    assert [] == history.lost_writes([gone], [ISSUED, Change("revoke", "k", 2.9, 9.0, ok=False)], [(2.0, 9.0)])
    assert [] == history.lost_writes([gone], [Change("issue", "k", 0.0, 1.0, ok=False)], [(2.0, 9.0)])


@pytest.mark.parametrize("status", [401, 403, 503, 0])
def test_what_is_good_is_served_while_all_is_well(status):
    """Whatever else the answer is, and when there is none."""
    wrong = call(3.0, inf if not status else None, subject="k", status=status)

    assert 1 == len(history.false_refusals([wrong], [ISSUED], [(2.0, 9.0)]))
    assert [] == history.false_refusals([wrong], [ISSUED], [(4.0, 9.0)])
    assert [] == history.false_refusals([wrong], [], [(2.0, 9.0)])
    assert 1 == len(history.false_refusals([call(3.0, status=status)], [], [(2.0, 9.0)])), "it needs no key"


def test_a_limit_may_refuse_what_is_good():
    """Of its own API."""
    assert [] == history.false_refusals([call(3.0, status=429)], [], [(2.0, 9.0)], {"l"})
    assert 1 == len(history.false_refusals([call(3.0, status=429)], [], [(2.0, 9.0)], {"m"}))
