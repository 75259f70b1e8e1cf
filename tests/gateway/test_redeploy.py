"""What is deployed keeps in step with the file; a bad file changes nothing."""

import pytest
from twisted.internet.defer import execute

from twgw.faults import InvalidFileError
from twgw.gateway.lookup import Lookup
from twgw.gateway.redeploy import Redeployer
from twgw.memory_world import FakeClock
from twgw.policy.registry import find_plugins
from twgw.testing import gateway as lent

GOOD = "apis: [{{name: {0}, version: '1', base_path: /{0}, policies: [{{name: mock-response}}]}}]\n"


@pytest.fixture
def deployed(tmp_path):
    """A redeployer of a file, and what it swapped in."""
    path = tmp_path / "apis.yaml"
    path.write_text(GOOD.format("pets"))
    swapped = []
    made = Redeployer(
        path, lambda: dict(find_plugins()), lent(), lambda upstream: lambda exchange: None,
        lambda deployment: swapped.append(sorted(deployment.compiled)),
        Lookup(FakeClock(), lambda key: f"v1:{key}"), execute,
    )  # fmt: skip
    made.load()
    return made, path, swapped


def test_a_file_is_in_force_once_it_is_loaded(deployed):
    """With the first position."""
    made, _, swapped = deployed

    assert ([["pets:1"]], 1, "") == (swapped, made.deployment.position, made.fault)


def test_a_change_is_seen(deployed):
    """By looking at the file; without a change nothing is done."""
    made, path, swapped = deployed
    made.look()
    assert 1 == len(swapped)
    path.write_text(GOOD.format("cats-and-dogs"))
    made.look()

    assert (["cats-and-dogs:1"], 2) == (swapped[-1], made.deployment.position)


def test_a_bad_file_changes_nothing(deployed):
    """It is told line by line, until a good one comes."""
    made, path, swapped = deployed
    path.write_text("apis: [{name: a}]\n")
    made.reload()

    assert 1 == len(swapped)
    assert "apis.yaml:1" in made.fault
    path.write_text(GOOD.format("pets"))
    made.reload()
    assert (2, "") == (len(swapped), made.fault)


def test_what_does_not_compile_is_told_with_its_place(deployed):
    """Faults in settings of policies have lines like any other."""
    made, path, _ = deployed
    path.write_text("policies:\n  - name: access-log\n    settings: {pth: x}\n")
    made.reload()

    assert "apis.yaml:3: policies[0].settings.pth: unknown; did you mean path?" in made.fault


def test_a_file_that_is_gone_changes_nothing(deployed):
    """And a start without one fails."""
    made, path, swapped = deployed
    path.unlink()
    made.look()

    assert 1 == len(swapped)
    assert made.fault
    with pytest.raises(InvalidFileError):
        made.load()
