"""Each algorithm has its account."""

import pytest

from twgw.model import Algorithm, Limit
from twgw.throttle.accounts import account_for
from twgw.throttle.bucket_account import BucketAccount
from twgw.throttle.fixed_account import FixedAccount
from twgw.throttle.sliding_account import SlidingAccount


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        (Algorithm.FIXED_WINDOW, FixedAccount), (Algorithm.SLIDING_WINDOW, SlidingAccount),
        (Algorithm.TOKEN_BUCKET, BucketAccount),
    ],
)  # fmt: skip
def test_a_limit_has_the_account_of_its_algorithm(algorithm, kind):
    """And a fresh one has to ask."""
    account = account_for(Limit(5, 60, algorithm), "n")

    assert kind is type(account)
    assert account.peek(1.7e9, 1) is None
    assert account.peek(1.7e9, 6) is False
