"""What is deployed keeps in step with the file; a bad file changes nothing."""

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from twgw.faults import InvalidFileError
from twgw.gateway.redeploy import Redeployer
from twgw.policy.registry import find_plugins
from twgw.testing import gateway as lent

GOOD = "apis: [{{name: {0}, version: '1', base_path: /{0}, policies: [{{name: mock-response}}]}}]\n"


class InlinePool:
    """Runs work at once, where a real pool takes a thread."""

    def callInThreadWithCallback(self, done, work, *arguments, **named):  # noqa: N802 - Twisted's name
        try:
            result = work(*arguments, **named)
        except Exception:  # noqa: BLE001 - handed on, as a pool does
            done(False, Failure())
        else:
            done(True, result)


class Reactor(MemoryReactorClock):
    """A reactor whose threads are none."""

    def getThreadPool(self):  # noqa: N802 - Twisted's name
        return InlinePool()

    def callFromThread(self, call, *arguments, **named):  # noqa: N802 - Twisted's name
        call(*arguments, **named)


@pytest.fixture
def deployed(tmp_path):
    """A redeployer of a file, and what it swapped in."""
    path = tmp_path / "apis.yaml"
    path.write_text(GOOD.format("pets"))
    swapped = []
    made = Redeployer(
        path, lambda: dict(find_plugins()), lent(), lambda upstream: lambda exchange: None, lambda key: f"v1:{key}",
        lambda deployment, facts: swapped.append(sorted(deployment.compiled)),
    )  # fmt: skip
    made.load()
    return made, path, swapped, Reactor()


def test_a_file_is_in_force_once_it_is_loaded(deployed):
    """With the first position."""
    made, _, swapped, _ = deployed

    assert ([["pets:1"]], 1, "") == (swapped, made.deployment.position, made.fault)


def test_a_change_is_seen(deployed):
    """By looking at the file; without a change nothing is done."""
    made, path, swapped, reactor = deployed
    made.look(reactor)
    assert 1 == len(swapped)
    path.write_text(GOOD.format("cats-and-dogs"))
    made.look(reactor)

    assert (["cats-and-dogs:1"], 2) == (swapped[-1], made.deployment.position)


def test_a_bad_file_changes_nothing(deployed):
    """It is told line by line, until a good one comes."""
    made, path, swapped, reactor = deployed
    path.write_text("apis: [{name: a}]\n")
    made.reload(reactor)

    assert 1 == len(swapped)
    assert "apis.yaml:1" in made.fault
    path.write_text(GOOD.format("pets"))
    made.reload(reactor)
    assert (2, "") == (len(swapped), made.fault)


def test_what_does_not_compile_is_told_with_its_place(deployed):
    """Faults in settings of policies have lines like any other."""
    made, path, _, reactor = deployed
    path.write_text("policies:\n  - name: access-log\n    settings: {pth: x}\n")
    made.reload(reactor)

    assert "apis.yaml:3: policies[0].settings.pth: unknown; did you mean path?" in made.fault


def test_a_file_that_is_gone_changes_nothing(deployed):
    """And a start without one fails."""
    made, path, swapped, reactor = deployed
    path.unlink()
    made.look(reactor)

    assert 1 == len(swapped)
    assert made.fault
    with pytest.raises(InvalidFileError):
        made.load()
