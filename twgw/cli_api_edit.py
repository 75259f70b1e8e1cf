"""``twgw api edit``, ``copy``, ``revisions``, ``rollback``, ``export``: the text of an API.  Part of ``cli_api.py``."""

import sys
from pathlib import Path
from typing import Any, TextIO

import click

from twgw.cli_config import failure, nearby
from twgw.cli_node import ANYWHERE, Node, Refused, asks, forces
from twgw.cli_reached import show_reached, with_reached
from twgw.cli_show import show_json, show_list, when
from twgw.document import read_document, write_document
from twgw.faults import InvalidFileError, SettingsError
from twgw.model import Api
from twgw.schema import as_written
from twgw.settings import structure

ABOUT = """\
# {id}.  Save it and it is a new revision{served}; leave it as it is, or empty it, and nothing happens.
# Settings that are not here have their defaults (docs/reference.md).  The state is changed by twgw api publish, block …
"""
EDIT_EXAMPLES = """\b
Examples:
  twgw api edit hello                      in $EDITOR
  twgw api edit hello --publish <hello.yaml
  twgw api edit hello --file hello.yaml --note "another server"
"""


@click.command(epilog=EDIT_EXAMPLES)
@click.argument("api", metavar="API")
@click.option("--file", "-f", "source", type=click.File(encoding="utf-8"), help="The text, in place of an editor.")
@click.option("--note", default="", metavar="TEXT", help="What was changed, for people.")
@click.option("--publish", "publishes", is_flag=True, help="Serve it at once; else when API is published again.")
@asks
@forces
def edit(node: Node, as_json: bool, api: str, source: TextIO | None, note: str, publishes: bool) -> None:
    """Change API: a new revision, as YAML from your editor, from --file or from standard input.

    It is refused when somebody else has changed API meanwhile.
    """
    before, tag = node.read("apis", api)
    if source is None and not sys.stdin.isatty():
        source = sys.stdin
    if source is None:
        found = _by_hand(node, before, tag, note, publishes)
    else:
        try:
            text = source.read()
        except UnicodeDecodeError as error:
            raise failure([f"{source.name}: is not UTF-8 text"]) from error
        found = _saved(node, before["id"], _read(text, source.name), tag, note, publishes)
    if as_json:
        show_json(with_reached(found, node.reached))
        return
    served = found["live"] == found["latest"]
    way = "which is served" if served else f"not served yet: twgw api publish {found['id']}"
    click.echo(f"{found['id']} has revision {found['latest']}, {way}")
    show_reached(node.reached)


def _read(text: str, name: str) -> Any:
    try:
        return read_document(text, name)[0]
    except InvalidFileError as error:
        raise failure(error.lines) from error


def _saved(node: Node, id: str, api: Any, tag: str | None, note: str, publishes: bool) -> Any:
    return node.put("apis", id, body=api, match=tag, note=note, publish="true" if publishes else "")


def _by_hand(node: Node, before: Any, tag: str | None, note: str, publishes: bool) -> Any:
    """Ask for the text in an editor, again and again while it is refused and somebody wants to go on."""
    served = ", which is served at once" if publishes else ""
    text = first = ABOUT.format(id=before["id"], served=served) + write_document(_short(before["api"]))
    while True:
        wanted = click.edit(text, extension=".yaml")
        if wanted is None or wanted == first or not wanted.strip():
            raise failure(["nothing was changed"])
        try:
            return _saved(node, before["id"], _read(wanted, "your text"), tag, note, publishes)
        except click.ClickException as error:
            if isinstance(error, Refused) and error.status not in (400, 422):
                kept = _kept(before["id"], wanted)
                raise failure([error.message, f"What you wrote is in {nearby(str(kept))}"]) from error
            error.show()
            if not click.confirm("Edit it again?", default=True):
                kept = _kept(before["id"], wanted)
                raise failure([f"nothing was changed; what you wrote is in {nearby(str(kept))}"]) from error
            text = wanted


def _short(api: Any) -> Any:
    """An API without what has its default; whole where this version does not know all of it."""
    try:
        return as_written(structure(Api, api))
    except SettingsError:
        return api


def _kept(id: str, text: str) -> Path:
    path = Path(f"{id.replace(':', '-').replace('/', '-')}.rejected.yaml").absolute()
    path.write_text(text, "utf-8")
    return path


@click.command()
@click.argument("api", metavar="API")
@click.argument("version")
@click.option("--path", default="", metavar="PATH", help="Where it is found.  [default: as API, with the new version]")
@asks
def copy(node: Node, as_json: bool, api: str, version: str, path: str) -> None:
    """Make VERSION of API, as a copy of it.  It is CREATED."""
    made = node.post("apis", api, "copies", body={"version": version, "base_path": path})
    if as_json:
        show_json(made)
        return
    click.echo(f"{made['id']} is {made['api']['state']} at {made['api']['base_path']}")
    click.echo(f"Next: twgw api edit {made['id']}, and twgw api publish {made['id']}")


@click.command()
@click.argument("api", metavar="API")
@asks
def revisions(node: Node, as_json: bool, api: str) -> None:
    """List every text that API had, the newest first."""
    found = list(node.items("apis", api, "revisions"))
    if as_json:
        show_json(found)
        return
    live = node.get("apis", api)["live"]
    rows = [
        (
            each["number"], "served" if each["number"] == live else "", each["author"], when(each["at"]),
            each["note"] or ("imported" if each["imported"] else ""),
        )
        for each in found
    ]  # fmt: skip
    show_list(("revision", "", "by", "when", "note"), rows, "There are none.")


@click.command()
@click.argument("api", metavar="API")
@click.argument("revision", type=click.IntRange(1), metavar="REVISION")
@asks
@forces
def rollback(node: Node, as_json: bool, api: str, revision: int) -> None:
    """Go back to an older REVISION of API: it becomes the newest one, and is served at once where API is."""
    found = node.post("apis", api, "rollback", body={"revision": revision})
    if as_json:
        show_json(with_reached(found, node.reached))
    else:
        served = ", which is served" if found["live"] == found["latest"] else ""
        click.echo(f"{found['id']} is as it was in revision {revision}: revision {found['latest']}{served}")
        show_reached(node.reached)


@click.command()
@click.argument("api", metavar="API")
@click.option("--server", default="", metavar="URL", help="Address of the gateway for callers.  [default: that here]")
@asks
def export(node: Node, as_json: bool, api: str, server: str) -> None:
    """Print API as an OpenAPI document, whole: imported, it gives the same API again."""
    if not server and node.gateway == ANYWHERE:
        raise click.UsageError("say how callers name the gateway: --server https://api.example.com")
    found = node.get("apis", api, "openapi", server=server or node.gateway)
    if as_json:
        show_json(found)
    else:
        click.echo(found["text"])
