"""What a command says of where its change is in force, as the node said it.  Used by ``cli_node.py`` and commands."""

import json
from collections.abc import Iterator
from typing import Any

import click

REACHED = "Twgw-Reached"
"""The field in which a node says it, as JSON."""


def reached_of(text: str | None) -> Any:
    """What a node said; None when it said nothing, or nothing that is understood."""
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def not_everywhere(reached: Any) -> Iterator[str]:
    """A change is kept, and not in force everywhere."""
    refused = reached.get("refused") if reached else None
    if not refused:
        yield "It is kept, but this node does not serve it yet; look again before you rely on it."
        return
    for each in refused:
        yield f"Not in force on {each['node']}: {each['reason']}"
    yield "What was in force there stays, or is refused with 503; mend it, and publish it again, or roll it back."


def show_reached(reached: Any) -> None:
    """Where a change is in force, and after how long."""
    if reached:
        click.echo(in_words(reached))


def in_words(reached: Any) -> str:
    """The same, as a line."""
    nodes, ended = reached.get("in_force"), reached.get("lease_ended")
    refusing = {each["node"] for each in reached.get("refused", ())}
    where = ", ".join(node for node in nodes if node not in refusing) or "no node"
    text = f"Position {reached['position']}: in force on {where} after {reached['milliseconds']:.0f} ms"
    return text + (f"; waited for the end of what {', '.join(ended)} held" if ended else "")


def with_reached(found: Any, reached: Any) -> Any:
    """What was found, for programs, with where it is in force."""
    return {**found, "cluster": reached} if reached and isinstance(found, dict) else found
