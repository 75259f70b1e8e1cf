"""``twgw api add`` and ``import``: enter APIs, by hand and from OpenAPI documents.  Part of ``cli_api.py``."""

import re
from collections.abc import Iterable
from typing import Any, TextIO

import click

from twgw.cli_node import Node, Refused, asks, forces
from twgw.cli_reached import show_reached, with_reached
from twgw.cli_show import show_json
from twgw.document import read_document
from twgw.faults import InvalidFileError

GUARDS = ("key-auth", "subscription", "rate-limit")
"""Who calls, may they, and how often: what stands before an API unless it is open."""
_VERSION = re.compile(r"v?[0-9]+(\.[0-9]+)*", re.ASCII)
_UNNAMED = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)

ADD_EXAMPLES = """\b
Examples:
  twgw api add /hello http://127.0.0.1:9000 --publish            for subscribers with a key
  twgw api add /hello echo: --open --publish                     for everybody; the built-in upstream
  twgw api add /pets/2.0 https://a:8443/v2 https://b:8443/v2 --tier Gold --tier Bronze
  twgw api add /hello http://127.0.0.1:9000 --policy 'size-limit {amount: 1000000}'
"""
IMPORT_EXAMPLES = """\b
Examples:
  twgw api import petstore.yaml            as the document says
  twgw api import petstore.yaml --path /pets --target http://127.0.0.1:9000 --policy key-auth
  curl -s https://x.example/openapi.json | twgw api import - --publish
"""


_ca_option = click.option(
    "--ca-file", "authority", default="", metavar="PATH",
    help="Certificates that https servers are verified with: a file on the node.  [default: those of its system]",
)  # fmt: skip


@click.command(epilog=ADD_EXAMPLES)
@click.argument("path", metavar="PATH")
@click.argument("targets", metavar="URL...", nargs=-1, required=True)
@click.option("--name", default="", metavar="NAME", help="Its name.  [default: PATH without its version, / as -]")
@click.option("--version", default="", metavar="TEXT", help="Its version.  [default: the one in PATH, else 1.0]")
@click.option("--tier", "tiers", multiple=True, metavar="NAME", help="Tier that a subscription may have; repeatable.")
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Host name by which it is called; repeatable.")
@_ca_option
@click.option("--open", "is_open", is_flag=True, help=f"Leave out the guards: {', '.join(GUARDS)}.")
@click.option(
    "--policy", "policies", multiple=True, metavar="TEXT",
    help="One more policy: NAME, or 'NAME {setting: value}'; repeatable.",
)  # fmt: skip
@click.option("--title", default="", metavar="TEXT", help="Name that people are shown.")
@click.option("--description", default="", metavar="TEXT", help="What it is for.")
@click.option("--publish", "publishes", is_flag=True, help="Serve it at once.")
@asks
@forces
def add(
    node: Node, as_json: bool, path: str, targets: tuple[str, ...], name: str, version: str, tiers: tuple[str, ...],
    hosts: tuple[str, ...], authority: str, is_open: bool, policies: tuple[str, ...], title: str, description: str,
    publishes: bool,
) -> None:  # fmt: skip
    """Enter an API: calls below PATH go to the servers at URL, without PATH before them.

    Only who is subscribed and shows a key may call it, as often as its tier allows; --open leaves that out.
    """
    found = version or version_in(path)
    guards = [] if is_open else [{"name": each} for each in GUARDS]
    wish = {
        "name": name or name_of(path, found), "version": found, "base_path": path, "hosts": hosts, "tiers": tiers,
        "upstream": upstream_of(targets, authority), "title": title, "description": description,
        "policies": [*guards, *map(policy_of, policies)],
    }  # fmt: skip
    made = node.post("apis", body={"api": wish, "publish": publishes})
    if as_json:
        show_json(with_reached(made, node.reached))
        return
    callers = "everybody" if is_open else f"subscribers with a key{f', in {one_of(tiers)}' if tiers else ''}"
    click.echo(f"{made['id']} is {made['api']['state']} at {path}, for {callers}")
    show_reached(node.reached)
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


def upstream_of(targets: Iterable[str], authority: str) -> dict[str, Any]:
    """The servers at some addresses; ``authority`` names a file that they are verified with."""
    found: dict[str, Any] = {"targets": [{"url": url} for url in targets]}
    return found | ({"tls": {"ca_file": authority}} if authority else {})


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


@click.command("import", epilog=IMPORT_EXAMPLES)
@click.argument("document", metavar="FILE", type=click.File(encoding="utf-8"))
@click.option("--name", default="", metavar="NAME", help="Its name.  [default: made of the title]")
@click.option("--version", default="", metavar="TEXT", help="Its version.  [default: that of the document]")
@click.option("--path", default="", metavar="PATH", help="Where it is found.  [default: /NAME/VERSION]")
@click.option(
    "--target", "targets", multiple=True, metavar="URL",
    help="Server behind it; repeatable.  [default: those of the document]",
)  # fmt: skip
@_ca_option
@click.option(
    "--policy", "policies", multiple=True, metavar="TEXT",
    help="NAME, or 'NAME {setting: value}'; repeatable.  [default: what its security asks for]",
)  # fmt: skip
@click.option("--publish", "publishes", is_flag=True, help="Serve it at once.")
@asks
@forces
def import_(
    node: Node, as_json: bool, document: TextIO, name: str, version: str, path: str, targets: tuple[str, ...],
    authority: str, policies: tuple[str, ...], publishes: bool,
) -> None:  # fmt: skip
    """Make an API of the OpenAPI document FILE (3.0, 3.1, or Swagger 2.0; - is standard input).

    Says what was understood in another way than it was written.
    """
    try:
        text = document.read()
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{document.name}: is not UTF-8 text", param_hint="FILE") from error
    wish: dict[str, Any] = {"text": text, "name": name, "version": version, "base_path": path}
    if targets:
        wish["upstream"] = upstream_of(targets, authority)
    elif authority:
        raise click.UsageError("--ca-file is for the servers that --target names")
    if policies:
        wish["policies"] = [policy_of(each) for each in policies]
    try:
        found = node.post("imports", body=wish)
    except Refused as error:
        place = f"{document.name}: "  # what the node was sent as text
        raise Refused(error.status, re.sub(r"^text: ", lambda _: place, error.message, flags=re.MULTILINE)) from error
    made = found["made"]
    if publishes:
        made = node.post("apis", made["id"], "moves", body={"move": "publish"})
    if as_json:
        show_json(with_reached({"made": made, "notes": found["notes"]}, node.reached))
        return
    for note in found["notes"]:
        click.echo(f"  {note}")
    it = made["api"]
    click.echo(f"{made['id']} is {it['state']} at {it['base_path']}, with {len(it['routes'])} routes")
    show_reached(node.reached)
    if not publishes:
        click.echo(f"Look at it: twgw api show {made['id']}.  Then: twgw api publish {made['id']}")
