"""``twgw …``: enter APIs and applications at a node; begin a project, check files, look after the database.

What serves traffic is ``twistd twgw``.  ``main`` is the console script.
Status: 0 done and valid, 1 invalid or failed, 2 used wrongly.
"""

from importlib import import_module

import click

from twgw import __version__

COMMANDS = {
    "api": "twgw.cli_api",
    "app": "twgw.cli_app",
    "audit": "twgw.cli_audit",
    "block": "twgw.cli_block",
    "client": "twgw.cli_client",
    "cluster": "twgw.cli_cluster",
    "completion": "twgw.cli_completion",
    "config": "twgw.cli_declared",
    "db": "twgw.cli_db",
    "doctor": "twgw.cli_doctor",
    "init": "twgw.cli_init",
    "key": "twgw.cli_key",
    "ldap": "twgw.cli_ldap",
    "login": "twgw.cli_login",
    "logout": "twgw.cli_login",
    "plugins": "twgw.cli_plugins",
    "revoke": "twgw.cli_revoke",
    "tier": "twgw.cli_tier",
    "token": "twgw.cli_token",
    "user": "twgw.cli_user",
    "validate": "twgw.cli_validate",
    "whoami": "twgw.cli_login",
}
"""The file in which each command is, under its own name."""

EXAMPLES = """\b
Examples, where a node runs (make run, or twistd twgw):
  twgw api add /hello http://127.0.0.1:9000 --tier Bronze --publish
  twgw app create me --subscribe hello --key
  twgw revoke 3kTq8ZpA                     a key, or its id; refused from then on
\b
Examples, for files:
  twgw init shop                           a project to begin with, in the folder shop
  twgw validate shop/etc/twgw.toml         is everything right?  If not: where, and what was meant
  twistd -n --pidfile= twgw --config shop/etc/twgw.toml
                                           serve it
  twgw plugins show rate-limit             what a policy can do, with an example
  twgw config sync shop/apis.yaml          put a state into the database of a node that has one
"""


class Commands(click.Group):
    """Loads the file of a command when that is called: each has libraries that the others do not want to wait for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all."""
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name."""
        if cmd_name in COMMANDS:
            found: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
            return found
        return super().get_command(ctx, cmd_name)


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Commands, context_settings=SETTINGS, epilog=EXAMPLES)
@click.version_option(__version__, prog_name="twgw", message="%(prog)s %(version)s")
def main() -> None:
    """twgw, an API gateway with policies in Python."""


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"twgw {__version__}")
