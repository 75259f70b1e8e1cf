"""``twgw revoke KEY``: take a key back, for whoever has found one where it does not belong."""

import sys

import click

from twgw.cli_config import failure
from twgw.cli_node import Node, asks
from twgw.cli_reached import show_reached, with_reached
from twgw.cli_show import show_json

EXAMPLES = """\b
Examples:
  twgw revoke 3kTq8ZpA                     by the id that stands in logs, or between the _ of the key
  twgw revoke                              asks for the key; or reads it: twgw revoke - <found.txt
"""


@click.command(epilog=EXAMPLES)
@click.argument("key", required=False)
@asks
def revoke(node: Node, as_json: bool, key: str | None) -> None:
    """Take KEY back for ever: the key itself, or its id.  It is refused as soon as the command returns.

    Others on this machine may see a command line while it runs: with -, the key is read from standard input.
    """
    if key is None and sys.stdin.isatty():
        key = click.prompt("Key, or its id", hide_input=True)
    elif key in (None, "-"):
        key = sys.stdin.readline()
    if not (key := "".join((key or "").split())):  # a mail or a terminal may have broken it into lines
        raise failure(["no key was given"])
    found = node.post("revocations", body={"key": key})
    if as_json:
        show_json(with_reached(found, node.reached))
    else:
        click.echo(f"Revoked: the key {found['id']} of {found['application']} is refused from now on")
        show_reached(node.reached)
