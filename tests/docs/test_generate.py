"""Tests of docs/generate.py: the reference has no holes, and what is stale is found."""

import ast
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from attrs import field, frozen

from twgw.policy.registry import find_plugins
from twgw.schema import SettingRow

PATH = Path(__file__).parents[2] / "docs" / "generate.py"
SPEC = importlib.util.spec_from_file_location("generate", PATH)
generate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate)

WHOLE = """Say who calls.

When: early.
Return: None to go on,
    a Problem to refuse.
Several policies: all of them.
Since: 0.1.
"""


@pytest.fixture(scope="module")
def page():
    """The page as the code has it."""
    return generate.page()


def parts(page, title):
    """The headings under a title."""
    section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [line.removeprefix("### ") for line in section.splitlines() if line.startswith("### ")]


def test_page_has_everything(page):
    """Every policy, hook, part of the state, section of the configuration and command has its place."""
    bundled = [name for name, plugin in find_plugins().items() if plugin.origin.startswith("twgw ")]
    assert bundled == parts(page, "Policies")
    assert ["twgw_receive", "twgw_authenticate"] == parts(page, "Hooks")[:2]
    assert {"Api", "Route", "Upstream", "Policy", "Tier", "Application"} < set(
        parts(page, "The declarative state: apis.yaml")
    )
    assert {"[node]", "[gateway]", "[gateway.tls]", "[state]"} < set(parts(page, "The configuration: twgw.toml"))
    assert {"twgw init", "twgw key new", "twgw plugins show", "twgw validate"} < set(parts(page, "Command line"))


@pytest.mark.parametrize(
    "line",
    [
        "| `base_path` | text | *required* | The path below which it is found. |",
        "At `apis[].upstream.targets[]`, `apis[].sandbox.targets[]`, `apis[].routes[].upstream.targets[]`.",
        "| `/readyz` | 200 when traffic may come, else 503;",
        "| `twgw_requests_total` | counter | `api`, `status` | Requests answered. |",
        "| `twgw_state_reloads_total` | counter | `result` |",
        "| 429 | Quota exceeded | 900804 | gateway |",
        "| 403 | Subscription required | 900908 | rate-limit, subscription |",
        "  -h, --help",
    ],
)
def test_page_says_what_the_code_says(page, line):
    """Tables are filled from the code, wherever it has the words."""
    assert line in page


def test_stale_page_is_found(tmp_path, capsys, monkeypatch, page):
    """--check passes on what was just written, and shows the difference to anything else."""
    monkeypatch.setattr(generate, "page", lambda: page)
    written = tmp_path / "reference.md"

    generate.main([], written)
    generate.main(["--check"], written)
    assert "" == capsys.readouterr().out

    written.write_text(written.read_text().replace("# Reference", "# Referenz"))
    with pytest.raises(SystemExit, match=r"docs/reference\.md is not what the code says"):
        generate.main(["--check"], written)
    assert "-# Referenz\n+# Reference\n" in capsys.readouterr().out
    assert written.read_text().startswith("# Referenz")


def test_missing_page_is_stale(tmp_path, monkeypatch):
    """A page that was never written fails the check, and is not written by it."""
    monkeypatch.setattr(generate, "page", lambda: "# Reference\n")

    with pytest.raises(SystemExit, match=r"python docs/generate\.py"):
        generate.main(["--check"], tmp_path / "reference.md")
    assert [] == list(tmp_path.iterdir())


def hook(docstring):
    """Specifications of one hook with that docstring."""

    def twgw_mine(exchange):
        """Replaced."""

    twgw_mine.__doc__ = docstring
    return SimpleNamespace(twgw_mine=twgw_mine)


def test_hook_is_a_list_of_its_parts():
    """The four parts of a hook become a list, with their further lines inside."""
    text = "\n".join(generate.hooks(hook(WHOLE), ["twgw_mine"]))

    assert "Arguments: `exchange`." in text
    assert "- **When:** early.\n- **Return:** None to go on,\n      a Problem to refuse.\n- **Several" in text


@pytest.mark.parametrize("part", ["When:", "Return:", "Several policies:", "Since:"])
def test_hook_that_lacks_a_part_is_refused(part):
    """A hook whose docstring does not say one of the four things has no place in the page."""
    with pytest.raises(generate.UndocumentedError, match=f"twgw_mine: its docstring lacks {part}"):
        list(generate.hooks(hook(WHOLE.replace(part, "Else:")), ["twgw_mine"]))


def test_setting_without_meaning_is_refused():
    """A setting that does not say what it means is a hole."""
    row = SettingRow("amount", "whole number", "1", "", required=False)

    with pytest.raises(generate.UndocumentedError, match="mine: amount has no meaning"):
        list(generate.settings([row], "mine"))
    assert ["No settings."] == list(generate.settings([], "mine"))


@frozen
class Inner:
    """Something inside."""

    amount: int = field(default=1, metadata={"help": "How much."})


@frozen
class Outer:
    """A file."""

    one: Inner | None = field(default=None, metadata={"help": "One."})
    many: tuple[Inner, ...] = field(default=(), metadata={"help": "Many."})


def test_every_class_of_a_file_is_described_once():
    """A class has one table, wherever in the file it stands."""
    assert {Outer: [], Inner: ["one", "many[]"]} == generate.nouns(Outer)
    text = "\n".join(generate.state(Outer))
    assert 1 == text.count("| `amount` | whole number | `1` | How much. |")
    assert "Something inside.\n\nAt `one`, `many[]`." in text


def test_class_without_docstring_is_refused():
    """A part of the file that nobody explains is a hole."""
    nameless = type("Nameless", (), {"__annotations__": {"one": Inner}})

    with pytest.raises(generate.UndocumentedError, match="Nameless has no docstring"):
        list(generate.state(frozen(nameless)))


def test_command_without_help_is_refused():
    """A command has to say what it does."""
    with pytest.raises(generate.UndocumentedError, match="twgw mine has no help"):
        list(generate.commands(click.Command("mine"), "twgw mine"))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("Problem(403, 'No', code=900900)", [(403, "No", 900900)]),
        ("BadMessage(501 if known else 400, 'No')", [(501, "No", None), (400, "No", None)]),
        ("BadMessage(400, 'A' if b else 'B')", [(400, "A", None), (400, "B", None)]),
        ("Problem(error.status, error.title)", []),
        ("Problem(403)", []),
    ],
)
def test_refusals_are_read_from_the_code(call, expected):
    """Status, title and code of a refusal are found where they are written down."""
    assert expected == list(generate.refused_with(ast.parse(call, mode="eval").body))


def test_table_survives_its_content():
    """What would divide a cell does not."""
    assert "`a\\|b c`" == generate.code("a|b\nc")
