"""``twgw tier …``: how much a subscription, an application or an API allows, at a node."""

import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import click

from twgw.cli_duration import DURATION
from twgw.cli_node import Node, asks, confirm, yes_option
from twgw.cli_show import show_fields, show_json, show_list, when
from twgw.model import Algorithm

_LIMIT = re.compile(r"([0-9]{1,15})(B|kB|MB|GB|TB)?/(.+)", re.ASCII)
_BYTES = {"B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4}

EXAMPLES = """\b
Examples:
  twgw tier add Silver --limit 100/1m --limit 10000/1d --burst 20/1s
  twgw tier add Heavy --limit 5GB/1d       bytes of bodies in place of requests
  twgw tier set Silver --limit 200/1m      in place of all its limits; for all subscribers at once
"""


class _Limit(click.ParamType[dict[str, Any]]):
    name = "limit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """A limit as the admin API takes it."""
        found = _LIMIT.fullmatch(value)
        if not found:
            self.fail(f"{value}: write 100/1m, 10000/1d or 5GB/1d", param, ctx)
        amount, unit, period = found.groups()
        limit: dict[str, Any] = {"amount": int(amount), "period": DURATION.convert(period, param, ctx)}
        return limit | {"amount": int(amount) * _BYTES[unit], "unit": "bytes"} if unit else limit


LIMIT = _Limit()


def limit_in_words(limit: Any) -> str:
    """A limit as people read it, and as the option takes it: ``100/1m``."""
    amount, unit = limit["amount"], ""
    if limit["unit"] == "bytes":
        unit, factor = next(each for each in reversed(_BYTES.items()) if amount % each[1] == 0)
        amount //= factor
    for letter, seconds in (("d", 86400), ("h", 3600), ("m", 60)):
        if limit["period"] % seconds == 0:
            return f"{amount}{unit}/{int(limit['period'] // seconds)}{letter}"
    return f"{amount}{unit}/{limit['period']:g}s"


@click.group(epilog=EXAMPLES)
def tier() -> None:
    """Look after tiers: how much a subscription, an application or an API allows."""


def _settings(command: Callable[..., None]) -> Any:
    """The options that say what a tier is; the command is given it as ``wish``."""

    @click.option(
        "--limit", "limits", multiple=True, type=LIMIT, metavar="AMOUNT/TIME",
        help="Requests, or bytes, in a time; repeatable: all of them hold.  [default: unlimited]",
    )  # fmt: skip
    @click.option("--burst", type=LIMIT, metavar="AMOUNT/TIME", help="One more limit, against many requests at once.")
    @click.option(
        "--algorithm", type=click.Choice([each.value for each in Algorithm]), default=Algorithm.FIXED_WINDOW.value,
        help="How requests are counted.  [default: fixed-window]",
    )  # fmt: skip
    @click.option("--approval", is_flag=True, help="A publisher has to accept each subscription.")
    @click.option("--group", "groups", multiple=True, metavar="NAME", help="Group that may have it; repeatable.")
    @wraps(command)
    def settled(
        node: Node, as_json: bool, limits: Sequence[dict[str, Any]], burst: dict[str, Any] | None, algorithm: str,
        approval: bool, groups: Sequence[str], **more: Any,
    ) -> None:  # fmt: skip
        counted = [{"algorithm": algorithm, **limit} for limit in limits]
        wish = {"limits": counted, "approval": approval, "groups": groups} | ({"burst": burst} if burst else {})
        command(node, as_json, wish=wish, **more)

    return settled


@tier.command()
@click.argument("name")
@asks
@_settings
def add(node: Node, as_json: bool, name: str, wish: dict[str, Any]) -> None:
    """Make the tier NAME."""
    _tell(node.post("tiers", body={"name": name, **wish}), as_json)


@tier.command("set")
@click.argument("name")
@asks
@_settings
def set_(node: Node, as_json: bool, name: str, wish: dict[str, Any]) -> None:
    """Give the tier NAME these limits in place of all that it has.  They hold for all its subscribers at once."""
    _, tag = node.read("tiers", name)
    _tell(node.put("tiers", name, body={"name": name, **wish}, match=tag), as_json)


def _tell(found: Any, as_json: bool) -> None:
    if as_json:
        show_json(found)
    else:
        click.echo(f"{found['tier']['name']}: {_limits(found['tier'])}")


def _limits(it: Any) -> str:
    burst = [f"burst {limit_in_words(it['burst'])}"] if it.get("burst") else []
    return ", ".join([*map(limit_in_words, it["limits"]), *burst]) or "unlimited"


@tier.command("list")
@asks
def list_(node: Node, as_json: bool) -> None:
    """List the tiers, by name."""
    found = list(node.items("tiers"))
    if as_json:
        show_json(found)
        return
    rows = [
        (it["name"], _limits(it), "by a publisher" if it["approval"] else "", it["groups"])
        for it in (each["tier"] for each in found)
    ]  # fmt: skip
    show_list(("tier", "limits", "approval", "groups"), rows, "There are none.  Next: twgw tier add")


@tier.command()
@click.argument("name")
@asks
def show(node: Node, as_json: bool, name: str) -> None:
    """Show the tier NAME."""
    found = node.get("tiers", name)
    if as_json:
        show_json(found)
        return
    it = found["tier"]
    show_fields(it["name"], (
        ("limits", _limits(it)), ("counted by", sorted({limit["algorithm"] for limit in it["limits"]})),
        ("approval", it["approval"]), ("groups", it["groups"]), ("changed", when(found["updated_at"])),
    ))  # fmt: skip


@tier.command()
@click.argument("name")
@yes_option
@asks
def delete(node: Node, as_json: bool, name: str, yes: bool) -> None:
    """Delete the tier NAME.  It is refused while a subscription or an application has it."""
    confirm(f"Delete the tier {name}?", yes=yes)
    node.delete("tiers", name)
    if as_json:
        show_json({"deleted": name})
    else:
        click.echo(f"{name} is deleted")
