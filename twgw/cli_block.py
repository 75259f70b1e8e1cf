"""``twgw block …``: refuse a user, an application, an address or an API at once, and let them in again."""

from typing import Any

import click

from twgw.cli_duration import DURATION
from twgw.cli_node import Node, asks
from twgw.cli_show import show_json, show_list, when

KINDS = click.Choice(["user", "application", "ip", "api"])

EXAMPLES = """\b
Examples:
  twgw block add application me --reason "unpaid"
  twgw block add ip 203.0.113.0/24 --for 1h
  twgw block remove application me
"""


@click.group(epilog=EXAMPLES)
def block() -> None:
    """Refuse users, applications, addresses or APIs at once."""


@block.command()
@click.argument("kind", type=KINDS)
@click.argument("value")
@click.option("--reason", default="", metavar="TEXT", help="Why, for people.")
@click.option("--for", "lasts", type=DURATION, metavar="TIME", help="How long, as 1h.  [default: until it is removed]")
@asks
def add(node: Node, as_json: bool, kind: str, value: str, reason: str, lasts: float | None) -> None:
    """Refuse every call of a KIND with the name VALUE (of an ip: an address or a network), from now on."""
    wish: dict[str, Any] = {"kind": kind, "value": value, "reason": reason, "expires_in": lasts}
    found = node.post("blocks", body=wish)
    if as_json:
        show_json(found)
    else:
        ends = f"until {when(found['expires_at'])}" if found["expires_at"] else "until it is removed"
        click.echo(f"{kind} {found['value']} is refused {ends}")


@block.command("list")
@asks
def list_(node: Node, as_json: bool) -> None:
    """List what is blocked."""
    found = list(node.items("blocks"))
    if as_json:
        show_json(found)
        return
    rows = [
        (each["value"], each["kind"], each["reason"], each["actor"], when(each["at"]), when(each["expires_at"]))
        for each in found
    ]  # fmt: skip
    show_list(("blocked", "kind", "reason", "by", "since", "until"), rows, "Nothing is blocked.")


@block.command()
@click.argument("kind", type=KINDS)
@click.argument("value")
@asks
def remove(node: Node, as_json: bool, kind: str, value: str) -> None:
    """Let a KIND with the name VALUE in again."""
    node.delete("blocks", kind, value=value)
    if as_json:
        show_json({"removed": value, "kind": kind})
    else:
        click.echo(f"{kind} {value} is let in again")
