"""Secrets of a configuration that stand in files of their own: ``password_file`` in place of ``password``.

Called by ``config.py`` with what was read from the file, before it is checked.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twgw.faults import Fault
from twgw.schema import leaves, lists
from twgw.settings import fields, written_name


def table_of(written: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The table in which a setting stands, made when it is not there; None where something else stands."""
    table: Any = written
    for section in name.split(".")[:-1]:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            return None
    return table  # type: ignore[no-any-return]


def put_secrets(written: dict[str, Any], cls: type, base: Path) -> list[Fault]:
    """Put the text of a file in place of each ``<name>_file`` of a secret in the sections of ``cls``."""
    faults = []
    for name, table in _places(written, cls):
        key = name.rpartition(".")[2]
        plain = key.removesuffix("_file")
        if not table or key not in table:
            continue
        file = table.pop(key)
        if not isinstance(file, str):
            faults.append(Fault(name, "must be the name of a file"))
        elif plain in table:
            faults.append(Fault(name, f"stands beside {plain}; leave one of them out"))
        else:
            try:
                table[plain] = (base / file).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                faults.append(Fault(name, f"cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"))
    return faults


def _places(written: dict[str, Any], cls: type) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Each place for the name of a file that holds a secret, with the table in which it may stand."""
    for name, attribute in leaves(cls):
        if attribute.metadata["secret"] and name.endswith("_file"):
            yield name, table_of(written, name)
    for section, inner in lists(cls):
        tables = written.get(section)
        for i, table in enumerate(tables if isinstance(tables, list) else []):
            for attribute in fields(inner):
                if attribute.metadata["secret"] and isinstance(table, dict):
                    yield f"{section}[{i}].{written_name(attribute)}_file", table
