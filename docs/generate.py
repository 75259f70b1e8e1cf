"""Write docs/reference.md from the code; ``--check`` says whether it is what the code says.

Raises on anything that is not documented, so that the reference cannot have holes.  Run by ``make test`` and by hand.
"""

import argparse
import ast
import difflib
import inspect
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import attrs
import click
from prometheus_client import CollectorRegistry
from twisted.internet.task import Clock

from twgw.admin.endpoints import site
from twgw.admin.status import Status
from twgw.cli import main as command_line
from twgw.cluster import authority
from twgw.cluster.authority import Identity
from twgw.config import Config, load
from twgw.memory import MemoryGateway
from twgw.model import Api, State, Target, Upstream
from twgw.policy import hookspecs
from twgw.policy.manual import PHASES, example_faults, manual
from twgw.policy.registry import find_plugins
from twgw.schema import SettingRow, describe, lists, sections
from twgw.settings import fields, written_type
from twgw.tap import Node

ROOT = Path(__file__).parent.parent
PAGE = Path(__file__).with_name("reference.md")
HOOK_PARTS = ("When:", "Return:", "Several policies:", "Since:")
REFUSALS = ("Problem", "BadMessage", "UpstreamFailed", "BodyLost")
"""What a client is refused with: made by calls of these, with a status, a title and perhaps a code."""
UNSENT = 499
"""The status of a client that left; it is only logged."""

ENDPOINTS = {
    "healthz": "200 as long as the process lives",
    "readyz": "200 when traffic may come, else 503; JSON with `reasons`, and `warnings` such as a bad state file",
    "metrics": "for Prometheus, in the text or OpenMetrics form that it asks for",
}


class UndocumentedError(Exception):
    """Something in the code has no words; the page cannot be written."""


def cell(text: object) -> str:
    """Text that may stand in a table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def code(text: object) -> str:
    """Text in a table as it is typed; nothing for no text."""
    return f"`{cell(text)}`" if text else ""


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table."""
    heads = list(heads)
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def settings(rows: list[SettingRow], where: str) -> Iterator[str]:
    """Settings as a table."""
    for row in rows:
        if not row.meaning:
            raise UndocumentedError(f"{where}: {row.name} has no meaning")
    if not rows:
        yield "No settings."
    else:
        yield from table(
            ("setting", "type", "default", "meaning"),
            ((code(row.name), cell(row.type), "*required*" if row.required else code(row.default), cell(row.meaning))
             for row in rows),
        )  # fmt: skip


def own(cls: type) -> list[SettingRow]:
    """The settings of a class, without those of classes inside it."""
    return [row for row in describe(cls) if "." not in row.name]


# --- the parts of the page ---


def policies() -> Iterator[str]:
    """Every bundled policy."""
    for plugin in find_plugins().values():
        if not plugin.origin.startswith("twgw "):
            continue
        if faults := [plugin.fault] if plugin.fault else example_faults(plugin):
            raise UndocumentedError(f"{plugin.name}: " + "\n".join(faults))
        told = manual(plugin)
        yield f"### {plugin.name}\n"
        yield told.text
        yield f"\nPhases: {', '.join(told.phases)}.\n"
        yield f"```yaml\n{told.example}\n```\n"
        yield from settings(told.settings, plugin.name)
        yield ""


def hooks(specifications: Any = hookspecs, names: Iterable[str] = PHASES) -> Iterator[str]:
    """Every hook: its arguments, and its docstring with the four parts as a list."""
    for name in names:
        function = getattr(specifications, name)
        text = inspect.getdoc(function) or ""
        if missing := [part for part in HOOK_PARTS if f"\n{part} " not in text]:
            raise UndocumentedError(f"{name}: its docstring lacks {' '.join(missing)}")
        yield f"### {name}\n"
        yield f"Arguments: {', '.join(f'`{argument}`' for argument in inspect.signature(function).parameters)}.\n"
        listed = False
        for line in text.splitlines():
            part = next((part for part in HOOK_PARTS if line.startswith(part)), None)
            listed = listed or part is not None
            yield f"- **{part}**{line.removeprefix(part)}" if part else "  " * listed + line
        yield ""


def nouns(cls: type) -> dict[type, list[str]]:
    """The classes of a file, and the places in it where each of them stands."""
    found: dict[type, list[str]] = {cls: []}

    def visit(kind: Any, place: str) -> None:
        if attrs.has(kind):
            found.setdefault(kind, []).append(place)
            for attribute in fields(kind):
                visit(written_type(attribute), f"{place}.{attribute.name}".lstrip("."))
        for inner in get_args(kind):
            visit(inner, f"{place}[]" if attrs.has(inner) and type(None) not in get_args(kind) else place)

    for attribute in fields(cls):
        visit(written_type(attribute), attribute.name)
    return found


def state(cls: type = State) -> Iterator[str]:
    """Every key of apis.yaml, a table for each class of the model."""
    for noun, places in nouns(cls).items():
        text = inspect.getdoc(noun)
        if not text or text.startswith("Method generated by attrs"):
            raise UndocumentedError(f"{noun.__name__} has no docstring")
        if places:
            yield f"### {noun.__name__}\n"
            yield f"{text}\n\nAt {', '.join(f'`{place}`' for place in places)}.\n"
        else:
            yield "### The file\n"
            yield f"{text}\n"
        yield from settings(own(noun), noun.__name__)
        yield ""


def configuration() -> Iterator[str]:
    """Every setting of twgw.toml."""
    yield "Each can also be given as a variable of the environment: `TWGW_GATEWAY_MAX_CONNECTIONS=100`.\n"
    for name, cls in sections(Config):
        yield f"### [{name}]\n"
        yield f"{(inspect.getdoc(cls) or '').partition(chr(10))[0]}\n"
        yield from settings([row for row in own(cls) if f"{name}.{row.name}" not in dict(sections(Config))], name)
        yield ""
    for name, cls in lists(Config):
        yield f"### [[{name}]]\n"
        yield f"{' '.join((inspect.getdoc(cls) or '').split())}\n"
        yield from settings(own(cls), name)
        yield ""


def endpoints() -> Iterator[str]:
    """What operators ask."""
    root: Any = site(lambda: Status("", position=0, apis=0), CollectorRegistry()).resource
    there = [name.decode() for name in root.listNames()]
    if sorted(there) != sorted(ENDPOINTS):
        raise UndocumentedError(f"the admin listener has {sorted(there)}, ENDPOINTS of {__file__} {sorted(ENDPOINTS)}")
    yield "On the admin listener, and on the status listener where there is one:\n"
    yield from table(("path", "answer"), ((f"`/{name}`", text) for name, text in ENDPOINTS.items()))


def metrics() -> Iterator[str]:
    """Every metric that a node has, once a request was served by the default policies."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"TWGW_NODE_DATA_DIR": folder}
        file = {"TWGW_STATE_FILE": "a", "TWGW_MEMCACHED_SERVERS": "localhost"}
        certify(Path(folder) / "cluster")
        cluster = {"TWGW_CLUSTER_LISTEN": "tcp:0", "TWGW_GATEWAY_WORKERS": "2", "TWGW_MEMCACHED_KEYS": "localhost"}
        kinds = (file, cluster)
        nodes = [Node(Clock(), load(None, {**places, **more}, {})) for more in kinds]
        served = MemoryGateway(State(apis=(Api("demo", "1", "/", upstream=Upstream((Target("echo:"),))),)))
        served.get("/")
        registries = [*(node.metrics for node in nodes), served.metrics]
        families = {each.name: each for registry in registries for each in registry.collect()}
    rows = []
    for name, family in sorted(families.items()):
        if not family.documentation:
            raise UndocumentedError(f"metric {name} has no help")
        labels = ", ".join(f"`{label}`" for label in getattr(family, "_labelnames", ()))
        total = "_total" if family.type == "counter" else ""
        rows.append((f"`{name}{total}`", family.type, labels, cell(family.documentation)))
    yield from table(("metric", "kind", "labels", "meaning"), rows)
    yield "\nBeside them those of the process and of Python: `process_…` and `python_…`."


def certify(folder: Path) -> None:
    """Make what a node in a cluster begins with."""
    folder.mkdir()
    signer, key, now = authority.new_authority("twgw", time.time()), authority.new_key(), time.time()
    made = authority.issue(signer, authority.request(key, "n"), Identity("twgw", "n", frozenset({"keymanager"})), now)
    for name, text in {"ca.pem": signer.certificate, "node.pem": made, "node-key.pem": key}.items():
        (folder / name).touch(0o600)
        (folder / name).write_text(text)


def refusals() -> Iterator[str]:
    """Every status and title that the gateway and its policies refuse with, as the code has them."""
    found: dict[tuple[int, str, int | None], set[str]] = {}
    for path in sorted([*(ROOT / "twgw").rglob("*.py"), *(ROOT / "plugins").glob("*.py")]):
        if path.name == "upstream.py":
            continue  # what it finds is about an upstream; fleet.py says to clients what they may know
        author = path.stem.replace("_", "-") if path.parent.name == "plugins" else "gateway"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in REFUSALS:
                for refusal in refused_with(node):
                    found.setdefault(refusal, set()).add(author)
    yield "Sent as `application/problem+json` (RFC 9457); `code` is a member of the document, as in WSO2.\n"
    yield from table(
        ("status", "title", "code", "by"),
        ((str(status), cell(title), str(number or ""), ", ".join(sorted(authors)))
         for (status, title, number), authors in sorted(found.items(), key=lambda item: (item[0][:2], item[0][2] or 0))
         if status != UNSENT),
    )  # fmt: skip


def refused_with(call: ast.Call) -> Iterator[tuple[int, str, int | None]]:
    """Status, title and code of a call, each as often as it is written down; nothing for what is handed on."""
    if len(call.args) < 2:
        return
    codes = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    number = next((value.value for value in codes if isinstance(value, ast.Constant)), None)
    for status in constants(call.args[0], int):
        for title in constants(call.args[1], str):
            yield status, title, number if isinstance(number, int) else None


def constants(node: ast.expr, kind: type) -> list[Any]:
    """The values that an expression may have, when they stand in it."""
    if isinstance(node, ast.IfExp):
        return constants(node.body, kind) + constants(node.orelse, kind)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, kind) else []


def commands(one: click.Command = command_line, name: str = "twgw") -> Iterator[str]:
    """The command line, as ``--help`` says it."""
    context = one.context_class(one, info_name=name, terminal_width=100, **one.context_settings)
    if not one.help:
        raise UndocumentedError(f"{name} has no help")
    yield f"### {name}\n"
    yield f"```text\n{one.get_help(context)}\n```\n"
    if isinstance(one, click.Group):
        for each in one.list_commands(context):
            found = one.get_command(context, each)
            assert found is not None  # it was listed
            yield from commands(found, f"{name} {each}")


def page() -> str:
    """The whole page."""
    parts = {
        "Policies": policies(),
        "Hooks": hooks(),
        "The declarative state: apis.yaml": state(),
        "The configuration: twgw.toml": configuration(),
        "Endpoints": endpoints(),
        "Metrics": metrics(),
        "Refusals": refusals(),
        "Command line": commands(),
    }
    lines = ["# Reference", "", "Generated by `docs/generate.py` from the code: do not edit."]
    for title, part in parts.items():
        lines += ["", f"## {title}", "", *"\n".join(part).strip("\n").splitlines()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def difference(there: str, written: str) -> list[str]:
    """The first lines in which the page differs from the code."""
    lines = difflib.unified_diff(there.splitlines(), written.splitlines(), "docs/reference.md", "the code", lineterm="")
    return list(lines)[:40]


def main(words: list[str] | None = None, path: Path = PAGE) -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the page is stale")
    options = parser.parse_args(words)
    written = page()
    if not options.check:
        path.write_text(written)
    elif different := difference(path.read_text() if path.exists() else "", written):
        print("\n".join(different))
        sys.exit("docs/reference.md is not what the code says; run: python docs/generate.py")


if __name__ == "__main__":
    main()
