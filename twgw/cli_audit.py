"""``twgw audit …``: who changed what at a node, and whether that record is as it was written."""

from itertools import islice

import click

from twgw.cli_node import Node, asks
from twgw.cli_show import show_json, show_list, when

EXAMPLES = """\b
Examples:
  twgw audit list --actor ann
  twgw audit list --json --limit 1000      with what was there before and after
  twgw audit verify
"""


@click.group(epilog=EXAMPLES)
def audit() -> None:
    """See who changed what, and that nobody has changed the record."""


@audit.command("list")
@click.option("--actor", metavar="USER", help="Only what this user did.")
@click.option("--subject", metavar="PATH", help="Only what was done to this, as the list says it.")
@click.option("--limit", type=click.IntRange(1), default=50, metavar="N", help="How many at most.  [default: 50]")
@asks
def list_(node: Node, as_json: bool, actor: str | None, subject: str | None, limit: int) -> None:
    """List what was changed, the newest first."""
    found = list(islice(node.items("audit", actor=actor, subject=subject, limit=min(limit, 100)), limit))
    if as_json:
        show_json(found)
        return
    rows = [
        (each["seq"], when(each["at"]), each["actor"], each["action"].replace("_", " "), each["subject"])
        for each in found
    ]  # fmt: skip
    show_list(("no.", "when", "who", "did", "to"), rows, "Nothing was changed.")


@audit.command()
@asks
def verify(node: Node, as_json: bool) -> None:
    """Follow the chain of the audit from its beginning.  The status is 1 when it is broken.

    Keep the hash elsewhere: with it is seen, later, whether all of the record was written anew.
    """
    found = node.get("audit", "verification")
    if as_json:
        show_json(found)
    elif found["good"]:
        click.echo(f"{found['entries']} entries, each follows from the one before")
        click.echo(f"Hash of the last: {found['hash']}")
    else:
        click.echo(f"The audit is broken after entry {found['entries']}: {found['fault']}")
        click.echo("Somebody changed the database by hand, or a backup was restored in part: compare it with a backup")
    raise SystemExit(0 if found["good"] else 1)
