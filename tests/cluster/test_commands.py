"""Every command says who may send it and how it is refused, and fits into a box."""

import inspect

import pytest
from twisted.protocols.amp import Command

from twgw.cluster import commands
from twgw.cluster.protocol import LONGEST_VALUE, MOST_KEYS

COMMANDS = [
    each
    for each in vars(commands).values()
    if inspect.isclass(each) and issubclass(each, Command) and each is not Command
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_who_may_send_it_and_what_may_come_of_it(command):
    """A peer understands every error, and a certificate decides."""
    assert command.senders <= {commands.GATEWAY, commands.KEY_MANAGER, commands.STRANGER}
    assert command.senders
    assert commands.ERRORS == command.errors
    assert len(command.arguments) + len(command.response) < MOST_KEYS
    assert command.__doc__


def test_what_takes_authority_along_is_sent_by_key_managers_alone():
    """A gateway asks; nothing that it sends changes what others serve."""
    assert {commands.KEY_MANAGER} == commands.Advanced.senders
    assert {commands.GATEWAY} == commands.ReadKeys.senders == commands.ReadAll.senders
    assert [commands.Join] == [command for command in COMMANDS if commands.STRANGER in command.senders]


def test_a_piece_fits_into_a_box():
    """With room for the rest of it."""
    assert commands.PIECE < LONGEST_VALUE - 1000
