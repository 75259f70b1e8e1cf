"""``twgw …``: begin a project, check files, look at policies, make keys, fill the database and look after it.

What serves traffic is ``twistd twgw``.  ``main`` is the console script.
Status: 0 done and valid, 1 invalid or failed, 2 used wrongly.
"""

import click

from twgw import __version__
from twgw.cli_db import db
from twgw.cli_declared import config
from twgw.cli_init import init
from twgw.cli_key import key
from twgw.cli_ldap import ldap
from twgw.cli_plugins import plugins
from twgw.cli_validate import validate

EXAMPLES = """\b
Examples:
  twgw init shop                           a project to begin with, in the folder shop
  twgw validate shop/etc/twgw.toml         is everything right?  If not: where, and what was meant
  twistd -n --pidfile= twgw --config shop/etc/twgw.toml
                                           serve it
  twgw plugins show rate-limit             what a policy can do, with an example
  twgw config sync shop/apis.yaml          put a state into the database of a node that has one
  twgw key new --application batch         a key, and the line to put into apis.yaml
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EXAMPLES)
@click.version_option(__version__, prog_name="twgw", message="%(prog)s %(version)s")
def main() -> None:
    """twgw, an API gateway with policies in Python."""


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"twgw {__version__}")


for command in (init, validate, plugins, key, config, db, ldap):
    main.add_command(command)
