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

    async def never(_reactor, _where):
        from twisted.internet.defer import Deferred

        return await Deferred()

    with pytest.raises(click.ClickException, match="km1:8091: no answer in 15 s"):
        cli_cluster_ask.answered([Address("km1")], never)


def test_the_next_is_asked_when_one_does_not_answer(monkeypatch, capsys):
    """And that is said, as it took its time; when nobody does, all of them are named with their reasons."""
    import click
    from twisted.internet.task import Clock

    from twgw.cluster.commands import Lost

    monkeypatch.setattr("twisted.internet.task.react", lambda main: main(Clock()))
    places = [Address("km1"), Address("km2")]

    async def second(_reactor, where):
        if where.host == "km1":
            raise Lost("refused")
        return "hello"

    async def nobody(_reactor, where):
        raise Lost(f"{where.host} is off")

    assert (places[1], "hello") == cli_cluster_ask.answered(places, second)
    assert "km1:8091: refused; asking the next\n" == capsys.readouterr().err
    with pytest.raises(click.ClickException, match=r"km1:8091: km1 is off\nkm2:8091: km2 is off\nIs that the host"):
        cli_cluster_ask.answered(places, nobody)


def test_whoever_refuses_was_met(monkeypatch):
    """Nobody is told to look at ports then."""
    import click
    from twisted.internet.task import Clock

    from twgw.cluster.commands import Refused

    monkeypatch.setattr("twisted.internet.task.react", lambda main: main(Clock()))

    async def refuses(_reactor, _where):
        raise Refused("no")

    with pytest.raises(click.ClickException, match=r"^km1:8091: no$"):
        cli_cluster_ask.answered([Address("km1")], refuses)
