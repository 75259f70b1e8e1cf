"""Tests of twgw.policy.manual."""

from types import ModuleType

import pytest
from attrs import frozen

from twgw import hookimpl
from twgw.policy import setting
from twgw.policy.manual import PHASES, example_faults, manual, phases
from twgw.policy.registry import Plugin, find_plugins

DOCSTRING = """Do something.

More about it.

    - name: mine
      settings: {amount: 3}

    - {name: key-auth}

The end.
"""


@frozen
class Needy:
    """Settings without which the policy does nothing."""

    amount: int = setting("How much.")


def plugin(docstring, settings=None, *hooks):
    """A policy of that text."""
    module = ModuleType("mine", docstring)
    if settings:
        module.Settings = settings
    for hook in hooks:
        setattr(module, hook, hookimpl(lambda exchange: None))
        getattr(module, hook).__name__ = hook
    return Plugin("mine", module, "here")


def test_phases_are_in_the_order_of_a_request():
    """The phases of a policy are named in the order in which a request meets them."""
    expected = "receive authenticate authorize throttle transform forward respond log".split()

    assert [f"twgw_{phase}" for phase in expected] == list(PHASES)
    assert ("receive", "respond", "log") == phases(plugin("", None, "twgw_log", "twgw_respond", "twgw_receive"))


def test_example_is_taken_out_of_the_text():
    """The indented block is the example; what stands around it is the text."""
    told = manual(plugin(DOCSTRING, Needy))

    assert "Do something.\n\nMore about it.\n\nThe end." == told.text
    assert "- name: mine\n  settings: {amount: 3}\n\n- {name: key-auth}" == told.example
    assert [("amount", True)] == [(row.name, row.required) for row in told.settings]
    assert [] == example_faults(plugin(DOCSTRING, Needy))


def test_policy_that_needs_nothing_is_its_own_example():
    """Without an example the shortest use is shown, when that is a valid one."""
    assert "- {name: mine}" == manual(plugin("Text.")).example
    assert [] == example_faults(plugin("Text."))
    assert "" == manual(plugin("Text.", Needy)).example
    assert ["mine: has no example, and needs settings"] == example_faults(plugin("Text.", Needy))


def test_other_blocks_are_text():
    """An indented block that is no use of a policy stays in the text."""
    told = manual(plugin("Text.\n\n    code()\n\nEnd."))

    assert "Text.\n\n    code()\n\nEnd." == told.text


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        ("- {name: mine, settings: {amuont: 3}}", ["mine:1: [0].settings.amuont: unknown; did you mean amount?"]),
        ("- {name: mine, setings: {amount: 3}}", ["mine:1: [0].setings: unknown; did you mean settings?",
                                                 "mine:1: the example does not use the policy"]),
        ("- {name: other}", ["mine:1: the example does not use the policy"]),
        ("- {name: mine", ["mine:2: not YAML: did not find expected ',' or '}'"]),
    ],
)  # fmt: skip
def test_bad_example_is_found(example, expected):
    """An example that would be refused in a file is not shown to anybody unnoticed."""
    assert expected == sorted(example_faults(plugin(f"Text.\n\n    {example}\n", Needy)))


@pytest.mark.parametrize("name", find_plugins())
def test_bundled_policy_has_a_manual(name):
    """Every bundled policy can be loaded, says what it does and what each setting means, and has a valid example."""
    told = manual(find_plugins()[name])

    assert [] == example_faults(find_plugins()[name])
    assert len(told.text.split()) > 5
    assert told.phases
    assert [] == [row.name for row in told.settings if not row.meaning]
