"""What a worker logs, as lines on its way to its parent, which puts them into the log of the node.

Pure.  ``worker.py`` writes them, ``children.py`` reads them.  What else comes that way, such as the last words of an
interpreter, is a line of its own, and worth a look.
"""

import json

LEVELS = ("debug", "info", "warn", "error", "critical")
LONGEST = 65536
"""Characters of a line."""


def written(level: str, text: str) -> str:
    """One event."""
    return json.dumps([level, text[:LONGEST]]) + "\n"


def read(line: str) -> tuple[str, str]:
    """Its level and text."""
    try:
        level, text = json.loads(line)
    except (TypeError, ValueError, RecursionError):
        return "warn", line
    return (level, text) if level in LEVELS and isinstance(text, str) else ("warn", line)
