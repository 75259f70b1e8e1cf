"""Tests of twgw.cli_validate."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from twgw.cli import main

GOOD = """\
apis:
  - name: status
    version: "1.0"
    base_path: /status
    policies:
      - {name: mock-response, settings: {status: 200}}
"""
BAD = GOOD.replace("status: 200", "status: 99").replace("base_path", "base_pth").replace('    version: "1.0"\n', "")
FAULTS = [
    ("apis.yaml", 2, "apis[0].version: missing"),
    ("apis.yaml", 3, "apis[0].base_pth: unknown; did you mean base_path?"),
]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def validate(*words):
    """Run the command."""
    return CliRunner().invoke(main, ["validate", *words])


def test_good_state_is_valid():
    """A state without a fault ends with 0 and is called valid."""
    Path("apis.yaml").write_text(GOOD)

    done = validate("apis.yaml")

    assert (0, "apis.yaml: valid\n") == (done.exit_code, done.output)


@pytest.mark.parametrize("file", ["apis.yaml", "twgw.toml"])
def test_a_choice_with_a_price_is_noted(file):
    """It is valid; what it costs is said with its line, for a machine too."""
    Path("apis.yaml").write_text(GOOD + "    when_isolated: stale\n")
    Path("twgw.toml").write_text("[state]\nfile = 'apis.yaml'\n")
    done, told = validate(file), json.loads(validate(file, "--json").output)

    assert 0 == done.exit_code
    assert [f"{file}: valid", "note: apis.yaml:7: apis[0].when_isolated: stale: on a node that is cut off from its "
            "cluster, whoever was revoked may go on calling this API; the promise of docs/cluster.md does not hold for "
            "it"] == done.output.splitlines()  # fmt: skip
    assert (True, [], 7) == (told["valid"], told["faults"], told["notes"][0]["line"])


def test_every_fault_is_said_with_its_place():
    """Each fault has file, line and path, and what was meant; their number comes last."""
    Path("apis.yaml").write_text(BAD)

    done = validate("apis.yaml")

    assert 1 == done.exit_code
    assert [*(f"{file}:{line}: {text}" for file, line, text in FAULTS), "2 faults"] == done.output.splitlines()


def test_settings_of_policies_are_compiled():
    """What only the policy knows is found too, at its line."""
    Path("apis.yaml").write_text(GOOD.replace("status: 200", "status: 99"))

    done = validate("apis.yaml")

    assert [
        "apis.yaml:6: apis[0].policies[0].settings.status: must be a status from 200 to 599", "1 fault",
    ] == done.output.splitlines()


def test_configuration_is_validated_with_its_state():
    """A configuration brings its state and its policies along."""
    Path("etc").mkdir()
    Path("mine").mkdir()
    Path("etc/twgw.toml").write_text("[state]\nfile = '../apis.yaml'\n[plugins]\ndirectories = ['../mine']\n")
    Path("mine/greet.py").write_text('"""Greet."""\n')
    Path("apis.yaml").write_text(GOOD.replace("mock-response, settings: {status: 200}", "gret"))

    done = validate("etc/twgw.toml")

    assert 1 == done.exit_code
    assert "apis.yaml:6: apis[0].policies[0].name: no policy 'gret' is installed; did you mean greet?" in done.output


def test_bad_configuration_is_said():
    """A fault of the configuration itself is named by its section."""
    Path("twgw.toml").write_text("[gateway]\nmax_conections = 5\n")

    done = validate("twgw.toml")

    assert 1 == done.exit_code
    assert "twgw.toml: [gateway] max_conections: unknown; did you mean max_connections?" in done.output


def test_policies_beside_a_state_are_known():
    """A state alone is checked with the policies in plugins/ beside it, wherever the command is typed."""
    Path("shop/plugins").mkdir(parents=True)
    Path("shop/plugins/greet.py").write_text('"""Greet."""\n')
    Path("shop/apis.yaml").write_text(GOOD.replace("    policies:\n", "    policies:\n      - {name: greet}\n"))

    assert 0 == validate("shop/apis.yaml").exit_code


def test_several_files_are_counted_together():
    """One bad file among good ones makes the whole invalid; every file is looked at."""
    Path("good.yaml").write_text(GOOD)
    Path("apis.yaml").write_text(BAD)

    done = validate("apis.yaml", "good.yaml", "missing.yaml")

    assert 1 == done.exit_code
    assert "good.yaml: valid\n" in done.output
    assert "missing.yaml: cannot be read: No such file or directory\n3 faults\n" in done.output


def test_machines_get_a_document():
    """--json says the same as a document, with file, line and text apart."""
    Path("apis.yaml").write_text(BAD)

    done = validate("--json", "apis.yaml", "no.yaml")

    assert 1 == done.exit_code
    faults = [*FAULTS, ("no.yaml", None, "cannot be read: No such file or directory")]
    assert {
        "valid": False, "faults": [{"file": file, "line": line, "text": text} for file, line, text in faults],
        "notes": [],
    } == json.loads(done.output)
    Path("apis.yaml").write_text(GOOD)
    assert {"valid": True, "faults": [], "notes": []} == json.loads(validate("--json", "apis.yaml").output)


def test_policies_of_one_name_are_a_fault():
    """Two policies of one name are said here as they would be at the start."""
    Path("a/plugins").mkdir(parents=True)
    Path("plugins").mkdir()
    for folder in ("a/plugins", "plugins"):
        Path(folder, "same.py").write_text('"""Same."""\n')
    Path("a/apis.yaml").write_text(GOOD)

    done = validate("a/apis.yaml")

    assert 1 == done.exit_code
    assert "policy 'same' is there twice" in done.output


def test_other_files_are_wrong_use():
    """What is neither a configuration nor a state is not looked at."""
    Path("notes.txt").write_text("")

    done = validate("notes.txt")

    assert 2 == done.exit_code
    assert "notes.txt: give a configuration (.toml) or a state (.yaml)" in done.output
