"""``twgw cluster remove NODE``: take a node out of the cluster."""

import click

from twgw.cli_config import failure
from twgw.cli_node import Node, Refused, asks, confirm, yes_option
from twgw.cli_reached import show_reached
from twgw.cli_show import show_json

EXAMPLES = """\b
Examples:
  twgw cluster remove gateway7             asks first; stop that node before
  twgw cluster remove gateway7 --yes --json
  twgw cluster token                       lets it join anew, stopped and with its twgw-data/cluster taken away
"""
SECRETS = "twgw db rotate pepper, twgw db rotate signing"


@click.command(epilog=EXAMPLES)
@click.argument("name", metavar="NODE")
@click.option("--force", is_flag=True, help="Also a NODE that nobody knows now, and the one that is asked.")
@yes_option
@asks
def remove(node: Node, as_json: bool, name: str, force: bool, yes: bool) -> None:
    """Take NODE out of the cluster: when the command returns, no node takes its certificate any more.

    Its connections are cut, and it gets no lease: it serves nothing.  It comes back by a new join token alone.  What it
    was told, its machine still has: docs/operating.md says what to change, with the password of the database first.
    """
    found = next((each for each in node.items("nodes") if each["node"] == name), None)
    confirm(f"Take {name} out of the cluster?", yes=yes)
    try:
        node.delete("nodes", name, force="true" if force else None)
    except Refused as error:
        way = ["With --force it is taken out all the same"] if error.status in (404, 409) and not force else []
        raise failure([error.message, *way]) from error
    if as_json:
        show_json({"removed": name, **({"cluster": node.reached} if node.reached else {})})
        return
    click.echo(f"{name} is out of the cluster: its certificates are refused from now on")
    show_reached(node.reached)
    if found is None or "keymanager" in found["roles"]:
        click.echo("It may have the password of the database: change that on the server and on every other node, then")
        click.echo(f"run: {SECRETS}")
    else:
        click.echo(f"It was told the pepper and the keys for signing; to have others: {SECRETS}")
    click.echo("If somebody else may have had it: docs/operating.md, Taking a node away")
