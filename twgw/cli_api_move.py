"""``twgw api publish``, ``deprecate`` and the other moves in the life of an API.  Part of ``cli_api.py``."""

from datetime import UTC, datetime
from typing import Any

import click

from twgw.cli_node import Node, asks, forces
from twgw.cli_reached import show_reached, with_reached
from twgw.cli_show import show_json, show_list, when


def _move(node: Node, as_json: bool, api: str, move: str, **more: Any) -> None:
    moved = node.post("apis", api, "moves", body={"move": move, **more})
    if as_json:
        show_json(with_reached(moved, node.reached))
    else:
        click.echo(f"{moved['id']} is {moved['api']['state']}")
        show_reached(node.reached)


@click.command()
@click.argument("api", metavar="API")
@click.option("--deprecate-old-versions", is_flag=True, help="Deprecate the older versions that are served.")
@click.option("--require-resubscription", is_flag=True, help="Do not take the subscribers of the version before along.")
@asks
@forces
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


@click.command()
@click.argument("api", metavar="API")
@click.option("--sunset", type=click.DateTime(), metavar="DATE", help="When it will stop to answer, in UTC.")
@click.option("--successor", default="", metavar="URL", help="Address, or path, of what takes its place.")
@click.option("--documentation", default="", metavar="URL", help="Address of a page that says what to do.")
@asks
def deprecate(node: Node, as_json: bool, api: str, sunset: datetime | None, successor: str, documentation: str) -> None:
    """Tell the callers of API that it will end.  It is served on; nobody new can subscribe."""
    told: dict[str, Any] = {"successor": successor, "documentation": documentation}
    if sunset is not None:
        told["sunset"] = _utc(sunset)
    _move(node, as_json, api, "deprecate", **told)


def _utc(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()


def _plain(move: str, text: str) -> click.Command:
    """The command of a move about which nothing more is to be said."""

    @asks
    @forces
    def moved(node: Node, as_json: bool, api: str) -> None:
        _move(node, as_json, api, move)

    return click.command(move, help=text)(click.argument("api", metavar="API")(moved))


MOVES = (
    _plain("prototype", "Serve API without subscriptions, for those who try it."),
    _plain("demote", "Take API back to CREATED: nobody finds it."),
    _plain("block", "Refuse every call of API with 503, until it is published again."),
    _plain("retire", "End the life of API, for ever.  It has to be DEPRECATED."),
)


@click.command()
@click.argument("api", metavar="API")
@asks
def history(node: Node, as_json: bool, api: str) -> None:
    """List the steps in the life of API, the oldest first."""
    found = list(node.items("apis", api, "history"))
    if as_json:
        show_json(found)
        return
    rows = [(each["after"], each["before"], each["actor"], when(each["at"])) for each in found]
    show_list(("became", "before", "by", "when"), rows, "Nothing has happened to it.")


@click.command()
@click.argument("api", metavar="API")
@asks
def default(node: Node, as_json: bool, api: str) -> None:
    """Make API the version of its name that is meant, and found, without a version."""
    found = node.post("apis", api, "default")
    if as_json:
        show_json(found)
    else:
        click.echo(f"{found['id']} is the default version of {found['api']['name']}")
