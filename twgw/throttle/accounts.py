"""What a node may still let pass of one limit that all nodes count together: one class for each algorithm.

An account holds tokens that were reserved before and spends them without asking.  ``peek`` says True or False when it
knows, and None when the servers have to be asked; then ``ask`` makes the commands and ``answered`` takes the replies.
All that was counted before ``lost_at`` counts as used up.  Pure; called by ``shared.py``.
"""

from twgw.model import Algorithm, Limit
from twgw.throttle.bucket_account import BucketAccount
from twgw.throttle.fixed_account import FixedAccount
from twgw.throttle.kept import Kept
from twgw.throttle.sliding_account import SlidingAccount

Account = FixedAccount | SlidingAccount | BucketAccount
_ACCOUNTS: dict[Algorithm, type[Account]] = {
    Algorithm.FIXED_WINDOW: FixedAccount,
    Algorithm.SLIDING_WINDOW: SlidingAccount,
    Algorithm.TOKEN_BUCKET: BucketAccount,
}


def account_for(limit: Limit, name: str, kept: Kept | None = None) -> Account:
    """The account of a limit of which nothing is known; ``kept``: where it is kept what was counted, if it is."""
    return _ACCOUNTS[limit.algorithm](limit, name, kept)
