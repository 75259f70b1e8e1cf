"""``twgw api …``: enter APIs at a node, look at them, and move them on in their life."""

import re
from collections.abc import Iterable
from typing import Any

import click

from twgw.cli_node import Node, asks, confirm, yes_option
from twgw.cli_show import show_fields, show_json, show_list, when
from twgw.document import read_document
from twgw.faults import InvalidFileError

GUARDS = ("key-auth", "subscription", "rate-limit")
"""Who calls, may they, and how often: what stands before an API unless it is open."""
_VERSION = re.compile(r"v?[0-9]+(\.[0-9]+)*", re.ASCII)
_UNNAMED = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)

EXAMPLES = """\b
Examples:
  twgw api add /hello http://127.0.0.1:9000 --tier Bronze --publish
  twgw api list
  twgw api deprecate hello:1.0 --successor /hello/2.0
"""
ADD_EXAMPLES = """\b
Examples:
  twgw api add /hello http://127.0.0.1:9000 --publish            for subscribers with a key
  twgw api add /hello echo: --open --publish                     for everybody; the built-in upstream
  twgw api add /pets/2.0 https://a:8443/v2 https://b:8443/v2 --tier Gold --tier Bronze
  twgw api add /hello http://127.0.0.1:9000 --policy 'size-limit {amount: 1000000}'
"""


@click.group(epilog=EXAMPLES)
def api() -> None:
    """Enter APIs, publish them, and move them on in their life."""


@api.command(epilog=ADD_EXAMPLES)
@click.argument("path", metavar="PATH")
@click.argument("targets", metavar="URL...", nargs=-1, required=True)
@click.option("--name", default="", metavar="NAME", help="Its name.  [default: PATH without its version, / as -]")
@click.option("--version", default="", metavar="TEXT", help="Its version.  [default: the one in PATH, else 1.0]")
@click.option("--tier", "tiers", multiple=True, metavar="NAME", help="Tier that a subscription may have; repeatable.")
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Host name by which it is called; repeatable.")
@click.option("--open", "is_open", is_flag=True, help=f"Leave out the guards: {', '.join(GUARDS)}.")
@click.option(
    "--policy", "policies", multiple=True, metavar="TEXT",
    help="One more policy: NAME, or 'NAME {setting: value}'; repeatable.",
)  # fmt: skip
@click.option("--title", default="", metavar="TEXT", help="Name that people are shown.")
@click.option("--description", default="", metavar="TEXT", help="What it is for.")
@click.option("--publish", "publishes", is_flag=True, help="Serve it at once.")
@asks
def add(
    node: Node, as_json: bool, path: str, targets: tuple[str, ...], name: str, version: str, tiers: tuple[str, ...],
    hosts: tuple[str, ...], is_open: bool, policies: tuple[str, ...], title: str, description: str, publishes: bool,
) -> None:  # fmt: skip
    """Enter an API: calls below PATH go to the servers at URL, without PATH before them.

    Only who is subscribed and shows a key may call it, as often as its tier allows; --open leaves that out.
    """
    found = version or version_in(path)
    guards = [] if is_open else [{"name": each} for each in GUARDS]
    wish = {
        "name": name or name_of(path, found), "version": found, "base_path": path, "hosts": hosts, "tiers": tiers,
        "upstream": {"targets": [{"url": url} for url in targets]}, "title": title, "description": description,
        "policies": [*guards, *map(policy_of, policies)],
    }  # fmt: skip
    made = node.post("apis", body={"api": wish, "publish": publishes})
    if as_json:
        show_json(made)
        return
    callers = "everybody" if is_open else f"subscribers with a key{f', in {one_of(tiers)}' if tiers else ''}"
    click.echo(f"{made['id']} is {made['api']['state']} at {path}, for {callers}")
    if not publishes:
        click.echo(f"Nobody finds it yet.  Next: twgw api publish {made['id']}")
    elif is_open:
        click.echo(f"Try it: curl -i {node.gateway}{path}")
    else:
        click.echo(f"Next: twgw app create me --subscribe {shortest(made['id'])} --key")


def version_in(path: str) -> str:
    """The version that stands in a path as a segment of its own, as 2.0 in ``/pets/2.0``; else 1.0."""
    return next((part for part in reversed(path.split("/")) if _VERSION.fullmatch(part)), "1.0")


def name_of(path: str, version: str) -> str:
    """The name of an API that is found at a path: ``shop-pets`` for ``/shop/pets/2.0``."""
    parts = [_UNNAMED.sub("-", part) for part in path.split("/") if part and part != version]
    return "-".join(parts) or "root"


def policy_of(text: str) -> dict[str, Any]:
    """A policy as it is written behind --policy."""
    name, _, settings = text.strip().partition(" ")
    if not settings.strip():
        return {"name": name}
    try:
        value, _ = read_document(settings, "--policy")
    except InvalidFileError as error:
        raise click.UsageError(f"--policy {text}: {error.lines[0].partition(': ')[2]}") from error
    return {"name": name, "settings": value}


def one_of(words: Iterable[str]) -> str:
    """Words as a choice."""
    *before, last = words
    return f"{', '.join(before)} or {last}" if before else last


def shortest(id: str) -> str:
    """The name by which an API is called in commands; that of its first version needs no version."""
    return id.removesuffix(":1.0")


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


# --- moves ---


def _move(node: Node, as_json: bool, api: str, move: str, **more: Any) -> None:
    moved = node.post("apis", api, "moves", body={"move": move, **more})
    if as_json:
        show_json(moved)
    else:
        click.echo(f"{moved['id']} is {moved['api']['state']}")


@api.command()
@click.argument("api", metavar="API")
@click.option("--deprecate-old-versions", is_flag=True, help="Deprecate the older versions that are served.")
@click.option("--require-resubscription", is_flag=True, help="Do not take the subscribers of the version before along.")
@asks
def publish(
    node: Node, as_json: bool, api: str, deprecate_old_versions: bool, require_resubscription: bool
) -> None:
    """Serve the newest revision of API.  One that is blocked is let in again."""
    state = node.get("apis", api)["api"]["state"]
    if state == "BLOCKED":
        _move(node, as_json, api, "republish")
    else:
        _move(
            node, as_json, api, "publish", deprecate_old_versions=deprecate_old_versions,
            require_resubscription=require_resubscription,
        )  # fmt: skip


@api.command()
@click.argument("api", metavar="API")
@click.option("--sunset", type=click.DateTime(), metavar="DATE", help="When it will stop to answer, in UTC.")
@click.option("--successor", default="", metavar="URL", help="Address, or path, of what takes its place.")
@click.option("--documentation", default="", metavar="URL", help="Address of a page that says what to do.")
@asks
def deprecate(node: Node, as_json: bool, api: str, sunset: Any, successor: str, documentation: str) -> None:
    """Tell the callers of API that it will end.  It is served on; nobody new can subscribe."""
    told: dict[str, Any] = {"successor": successor, "documentation": documentation}
    if sunset is not None:
        told["sunset"] = _utc(sunset)
    _move(node, as_json, api, "deprecate", **told)


def _utc(moment: Any) -> float:
    from datetime import UTC

    return float(moment.replace(tzinfo=UTC).timestamp())


def _plain_move(move: str, text: str) -> None:
    @asks
    def moved(node: Node, as_json: bool, api: str) -> None:
        _move(node, as_json, api, move)

    moved.__doc__ = text
    api.command(move)(click.argument("api", metavar="API")(moved))


for _name, _text in (
    ("prototype", "Serve API without subscriptions, for those who try it."),
    ("demote", "Take API back to CREATED: nobody finds it."),
    ("block", "Refuse every call of API with 503, until it is published again."),
    ("retire", "End the life of API, for ever.  It has to be DEPRECATED."),
):
    _plain_move(_name, _text)


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
