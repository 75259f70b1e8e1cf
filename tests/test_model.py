"""The nouns of the configuration."""

import pytest

from twgw.model import Api, Lifecycle, Limit, State, Target, Upstream


@pytest.mark.parametrize(
    "make",
    [
        lambda: Limit(0), lambda: Limit(1, 0), lambda: Limit(1, 1, burst=0), lambda: Target("http://a", weight=0),
        lambda: Upstream(()), lambda: Upstream((Target("http://a"),), retries=-1),
    ],
)  # fmt: skip
def test_what_exists_is_valid(make):
    """Nothing can be made that no deployment could use."""
    with pytest.raises(ValueError, match=r"must be|Length of"):
        make()


def test_an_api_is_known_by_name_and_version():
    """And is published unless it says otherwise."""
    api = Api("pets", "1.0", "/pets")

    assert ("pets:1.0", Lifecycle.PUBLISHED) == (api.id, api.state)


def test_every_request_is_named_counted_and_logged_by_default():
    """Unless a state says which global policies it wants."""
    assert ["correlation-id", "request-metrics", "access-log"] == [policy.name for policy in State().policies]
