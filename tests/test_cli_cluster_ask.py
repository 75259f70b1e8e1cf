"""Tests of twgw.cli_cluster_ask."""

import pytest

from twgw import cli_cluster_ask
from twgw.cluster.settings import Address


def test_a_command_waits_for_no_answer_for_ever(monkeypatch):
    """What goes wrong names who was asked."""
    import click
    from twisted.internet.task import Clock

    def reacting(main):
        clock = Clock()
        done = main(clock)
        clock.advance(cli_cluster_ask.WAIT)
        assert done.called
        raise SystemExit(0)

    monkeypatch.setattr("twisted.internet.task.react", reacting)

    async def never(_reactor):
        from twisted.internet.defer import Deferred

        return await Deferred()

    with pytest.raises(click.ClickException, match="km1:8091: no answer in 15 s"):
        cli_cluster_ask.answered(Address("km1"), never)
