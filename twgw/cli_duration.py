"""How long, as options of commands take it: ``90s``, ``15m``, ``12h``, ``30d``, or seconds."""

import re
from typing import Any

import click

_FORM = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhdw]?)", re.ASCII)
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds of a text."""
        if isinstance(value, int | float):
            return float(value)
        found = _FORM.fullmatch(value)
        if not found:
            self.fail(f"{value}: write 90s, 15m, 12h or 30d", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


DURATION = _Duration()
"""The type of such an option; its value is seconds."""
