"""Tests of twgw.web.lent."""

from twgw.web.lent import Lent


def test_a_world_that_knows_nothing_forbids_nothing():
    """Views of a role that needs no more are lent the least."""
    lent = Lent(str.upper, lambda secret: (secret.upper(),))

    assert ("KEY", ("KEY",)) == (lent.digest("key"), lent.digests("key"))
    assert ((), {}, {}) == (lent.check((), None), lent.status(), lent.plugins())
    lent.warn("{what}", what="x")
