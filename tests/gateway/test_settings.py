"""The [gateway] section."""

import os

import pytest

from twgw.config import load
from twgw.faults import SettingsError
from twgw.gateway.settings import Gateway
from twgw.settings import structure


def test_workers_are_a_number_or_one_for_each_core():
    """With one the process carries its traffic itself, and so does one that carries none."""
    usable = len(os.sched_getaffinity(0))
    found = {text: load(None, {}, {"gateway.workers": text}) for text in ("1", "3", "auto")}

    assert [1, 3, usable] == [found[text].gateway.workers for text in ("1", "3", "auto")]
    assert [0, 3, usable if usable > 1 else 0] == [found[text].workers for text in ("1", "3", "auto")]
    assert 0 == load(None, {}, {}).workers
    assert 0 == load(None, {}, {"gateway.workers": "3", "node.roles": "admin,keymanager"}).workers


@pytest.mark.parametrize(
    ("count", "said"), [(0, "from 1 to 256"), (257, "from 1 to 256"), ("all", "auto"), (1.5, "must be")]
)  # fmt: skip
def test_other_numbers_of_workers_are_refused(count, said):
    """With what there may be."""
    with pytest.raises(SettingsError, match=said):
        structure(Gateway, {"workers": count})
