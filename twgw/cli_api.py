"""``twgw api …``: look at the APIs of a node, and the other commands about them, put together.

They are entered by ``cli_api_add.py``, changed by ``cli_api_edit.py`` and moved on by ``cli_api_move.py``.
"""

import click

from twgw.cli_api_add import add, import_
from twgw.cli_api_edit import copy, edit, export, revisions, rollback
from twgw.cli_api_move import MOVES, default, deprecate, history, publish
from twgw.cli_node import Node, asks, confirm, yes_option
from twgw.cli_show import show_fields, show_json, show_list, when

EXAMPLES = """\b
Examples:
  twgw api add /hello http://127.0.0.1:9000 --tier Bronze --publish
  twgw api list
  twgw api deprecate hello:1.0 --successor /hello/2.0
"""


@click.group(epilog=EXAMPLES)
def api() -> None:
    """Enter APIs, publish them, and move them on in their life."""


@api.command("list")
@click.option("--name", metavar="NAME", help="Only the versions of this name.")
@click.option("--state", metavar="STATE", help="Only those in this state, as PUBLISHED.")
@asks
def list_(node: Node, as_json: bool, name: str | None, state: str | None) -> None:
    """List the APIs, by name and version."""
    found = list(node.items("apis", name=name, state=state and state.upper()))
    if as_json:
        show_json(found)
        return
    rows = [
        (each["id"], each["state"], each["base_path"], each["hosts"], each["tiers"], each["owner"]) for each in found
    ]
    show_list(("api", "state", "path", "hosts", "tiers", "owner"), rows, "There are no APIs.  Next: twgw api add")


@api.command()
@click.argument("api", metavar="API")
@asks
def show(node: Node, as_json: bool, api: str) -> None:
    """Show API, which is name:version, or a name alone for its default version."""
    found = node.get("apis", api)
    if as_json:
        show_json(found)
        return
    it = found["api"]
    upstream = it.get("upstream") or {"targets": []}
    show_fields(found["id"], (
        ("title", it.get("title")),
        ("description", it.get("description")),
        ("state", it["state"]),
        ("path", it["base_path"]),
        ("hosts", it.get("hosts")),
        ("upstream", [target["url"] for target in upstream["targets"]]),
        ("policies", [policy["name"] for policy in it.get("policies", ())]),
        ("tiers", it.get("tiers")),
        ("owner", found["owner"]),
        ("revision", f"{found['latest']}, {found['live'] or 'none'} is served"),
        ("deprecated", when(found["deprecated_at"])),
        ("ends", when(found["sunset_at"])),
        ("changed", when(found["updated_at"])),
    ))  # fmt: skip


@api.command()
@click.argument("api", metavar="API")
@asks
def subscribers(node: Node, as_json: bool, api: str) -> None:
    """List the applications that are subscribed to API, or wait for it."""
    found = list(node.items("apis", api, "subscriptions"))
    if as_json:
        show_json(found)
        return
    rows = [(each["application"], each["state"], each["tier"], when(each["created_at"])) for each in found]
    show_list(("application", "state", "tier", "since"), rows, f"Nobody is subscribed to {api}.")


@api.command()
@click.argument("api", metavar="API")
@click.argument("user")
@asks
def owner(node: Node, as_json: bool, api: str, user: str) -> None:
    """Give API to USER, who edits it from now on.  What is served stays as it is."""
    found = node.patch("apis", api, body={"owner": user})
    if as_json:
        show_json(found)
    else:
        click.echo(f"{found['id']} belongs to {found['owner']}")


@api.command()
@click.argument("api", metavar="API")
@yes_option
@asks
def delete(node: Node, as_json: bool, api: str, yes: bool) -> None:
    """Delete API with its revisions and its history.  It is refused while applications are subscribed to it."""
    found = node.get("apis", api)
    confirm(f"Delete {found['id']} for ever?", yes=yes)
    node.delete("apis", found["id"])
    if as_json:
        show_json({"deleted": found["id"]})
    else:
        click.echo(f"{found['id']} is deleted")


for _command in (
    add, import_, edit, copy, revisions, rollback, export, publish, deprecate, *MOVES, default, history,
):  # fmt: skip
    api.add_command(_command)
