"""Tests of twgw.cli_declared."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from twgw.cli import main

SHOP = """\
tiers:
  - {name: Gold, limits: [{amount: 100, period: 60}]}
apis:
  - name: pets
    version: "1"
    base_path: /pets
    upstream: {targets: [{url: "http://pets.test"}]}
    policies: [{name: key-auth}]
applications:
  - name: me
    subscriptions: [{api: "pets:1", tier: Gold}]
    credentials: [{id: k1, value: secret-key}]
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("apis.yaml").write_text(SHOP)


def config(*words):
    """Run a command; its status and the lines that it said."""
    done = CliRunner().invoke(main, ["config", *words])
    return done.exit_code, done.output.splitlines()


def test_a_state_goes_in_once():
    """What differs is told and done; the second time nothing differs."""
    status, lines = config("sync", "apis.yaml")

    assert 0 == status
    assert ["+ tier Gold", "+ api pets:1", "+ application me", "+ subscription me to pets:1", "+ credential k1"] == [
        line for line in lines if line.startswith("+")
    ]
    assert "5 added" in lines
    assert (0, ["No difference."]) == config("sync", "apis.yaml")


def test_what_comes_out_goes_in_again():
    """A dump is a state that differs in nothing, holds no key, and is valid."""
    config("sync", "apis.yaml")
    assert (0, ["out.yaml: written"]) == config("dump", "--output", "out.yaml")

    assert "secret-key" not in Path("out.yaml").read_text()
    assert (0, ["out.yaml: valid"]) == config("validate", "out.yaml")
    assert (0, ["No difference."]) == config("diff", "out.yaml", "--non-zero-exit-code")
    assert Path("out.yaml").read_text().splitlines() == config("dump")[1]


def test_a_difference_is_told_with_its_places():
    """And in the status, when that is asked for."""
    config("sync", "apis.yaml")
    Path("apis.yaml").write_text(SHOP.replace("amount: 100", "amount: 5"))

    expected = ["~ tier Gold", "    limits[0].amount: 100 -> 5", "1 changed", "Nothing was changed."]
    assert (0, expected) == config("diff", "apis.yaml")
    assert (2, expected) == config("diff", "apis.yaml", "--non-zero-exit-code")
    assert (0, expected) == config("sync", "apis.yaml", "--dry-run")
    assert (2, expected) == config("diff", "apis.yaml", "--non-zero-exit-code")


def test_a_machine_reads_a_document():
    """Its position keeps a sync from undoing what others did since somebody looked."""
    document = json.loads("\n".join(config("diff", "apis.yaml", "--json")[1]))

    assert [("added", "tier", "Gold", [])] == [tuple(each.values()) for each in document["differences"][:1]]
    assert (document["done"], 5) == (False, len(document["differences"]))
    position = str(document["position"])
    assert 0 == config("sync", "apis.yaml", "--if-position", position)[0]
    Path("apis.yaml").write_text(SHOP.replace("amount: 100", "amount: 5"))
    status, lines = config("sync", "apis.yaml", "--if-position", position)
    assert (1, True) == (status, "look at the difference again" in lines[0])


def test_a_tag_owns_what_it_made():
    """What belongs to nobody else is removed with it, and nothing of others."""
    config("sync", "apis.yaml", "--tag", "shop")
    Path("other.yaml").write_text("tiers:\n  - {name: Other}\n")
    assert ["+ tier Other", "1 added"] == config("sync", "other.yaml", "--tag", "other")[1][:2]
    Path("other.yaml").write_text("tiers: []\n")

    assert ["- tier Other", "1 removed"] == config("sync", "other.yaml", "--tag", "other")[1][:2]
    assert (0, ["No difference."]) == config("diff", "apis.yaml", "--tag", "shop")


@pytest.mark.parametrize("command", ["sync", "diff", "validate"])
def test_a_bad_file_changes_nothing(command):
    """Its faults are told with their places, before the database is asked."""
    Path("apis.yaml").write_text(SHOP.replace("key-auth", "key-aut").replace("amount", "amonut"))
    status, lines = config(command, "apis.yaml")

    assert 1 == status
    assert "Error: apis.yaml:2: tiers[0].limits[0].amonut: unknown; did you mean amount?" in lines[0]
    assert not Path("twgw-data/twgw.db").exists()


def test_a_node_without_a_database_says_so():
    """Its file is the state."""
    Path("twgw.toml").write_text('[state]\nfile = "apis.yaml"\n')
    status, lines = config("dump", "--config", "twgw.toml")

    assert (1, True) == (status, "it has no database" in lines[0])
