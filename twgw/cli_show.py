"""How commands show what they found: tables for people, JSON for programs.  Used by every ``cli`` file with a list."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""What would change the terminal; titles are what people have typed elsewhere."""

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")


def console() -> Console:
    """As wide as the terminal; for a file or another program as wide as the text is."""
    return Console() if sys.stdout.isatty() else Console(width=1000)


def table(*columns: str, header: bool = True) -> Table:
    """A table without lines; the first column is never broken."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="underline", show_header=header)
    for number, column in enumerate(columns):
        made.add_column(column, no_wrap=number == 0, overflow="fold")
    return made


def show_json(document: Any) -> None:
    """A document, for programs."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def show_list(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """A table with these rows, the first cell of each in bold; ``empty`` is said when there are none."""
    made = table(*columns)
    for first, *rest in rows:
        made.add_row(Text(in_words(first), "bold"), *(Text(in_words(each)) for each in rest))
    if made.row_count:
        console().print(made)
    else:
        click.echo(empty)


def show_fields(title: str, fields: Iterable[tuple[str, Any]]) -> None:
    """One thing: its name, and below it what is known of it; what is empty is left out."""
    made = table("", "", header=False)
    for name, value in fields:
        if value not in (None, "", [], ()):
            made.add_row(Text(name), Text(in_words(value)))
    console().print(Text(title, "bold"))
    console().print(made)


def in_words(value: Any) -> str:
    """A value as it stands in a cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(in_words, value))
    return "" if value is None else _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))


def when(moment: float | None) -> str:
    """A UNIX time in words, in UTC; nothing for none."""
    return "" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
