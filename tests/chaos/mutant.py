"""A node without one of its rules: ``mutant.py NAME`` and the arguments of twistd.

Only tests start it; there is no switch in the product.  Chaos has to find each of them, or it would see nothing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from twisted.scripts.twistd import run

from twgw.cluster.lease import Lease
from twgw.cluster.membership import Membership
from twgw.throttle.local import LocalLimiter
from twgw.throttle.shared import SharedLimiter


def _trust():
    """A gateway trusts what it knows, whether it has a lease or not."""
    Lease.valid = lambda _self: True


def _promise():
    """Whoever revokes waits for nobody."""
    Membership._is_done = lambda *_: True


def _count_alone():
    """Each node lets pass the whole limit."""
    begin = SharedLimiter.__init__

    def begin_alone(self, clock, *more, **named):
        begin(self, clock, *more, **named)
        self.take_all = LocalLimiter(clock).take_all

    SharedLimiter.__init__ = begin_alone


MUTANTS = {"no lease": _trust, "no wait": _promise, "counts alone": _count_alone}


if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)]()
    run()
