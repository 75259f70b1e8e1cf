"""Tests of twgw.cli_key."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from twgw.cli import main
from twgw.cli_config import configured, node_pepper
from twgw.credentials import digest, load_pepper, well_formed
from twgw.passwords import matches
from twgw.state import load_state, parse_state


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def new(*words, **environment):
    """Run the command, where a file is the state."""
    return CliRunner().invoke(main, ["key", "new", *words], env={"TWGW_STATE_FILE": "apis.yaml", **environment})


def test_key_and_line_belong_together():
    """The key is shown once, and the line to paste has its digest under the pepper of the node."""
    done = new()
    (key,) = re.findall(r"tw_live_\w+", done.output)
    (line,) = re.findall(r"^  (- \{.*\})$", done.output, re.MULTILINE)

    assert 0 == done.exit_code
    assert well_formed(key)
    state = parse_state(f"applications:\n  - name: shop\n    credentials:\n      {line}\n", "apis.yaml").state
    assert digest(load_pepper(Path("twgw-data/pepper")), key) == state.applications[0].credentials[0].digest
    assert "with the pepper in twgw-data/pepper" in done.output


def test_where_a_database_is_the_state_the_pepper_is_in_it():
    """The line is for a file that is put into the database."""
    done = new(TWGW_STATE_FILE=None)
    (key,) = re.findall(r"tw_live_\w+", done.output)

    assert "under credentials of an application in the file for `twgw config sync`:" in done.output
    assert "with the pepper in the database" in done.output
    assert f'"{digest(node_pepper(configured(None)), key)}"' in done.output
    assert not Path("twgw-data/pepper").exists()


def test_node_has_one_pepper():
    """Two keys are different and made under the same pepper."""
    first, pepper = new(), Path("twgw-data/pepper").read_text()
    second = new()

    assert first.output != second.output
    assert pepper == Path("twgw-data/pepper").read_text()


def test_configuration_says_where_the_pepper_is():
    """With a configuration its data directory is used, and its state named."""
    Path("etc").mkdir()
    Path("etc/twgw.toml").write_text("[node]\ndata_dir = '../data'\n[state]\nfile = '../apis.yaml'\n")

    done = new("--config", "etc/twgw.toml", TWGW_STATE_FILE=None)

    assert 0 == done.exit_code
    assert "in apis.yaml:" in done.output
    assert "with the pepper in data/pepper" in done.output
    assert done.exit_code == new(TWGW_CONFIG="etc/twgw.toml", TWGW_STATE_FILE=None).exit_code
    assert not Path("twgw-data").exists()


def test_configured_pepper_is_used():
    """A pepper in the configuration is used and said to be there; no file is made."""
    done = new(TWGW_NODE_PEPPER=f"v1:{'ab' * 32}")

    assert "with the pepper in the configuration" in done.output
    assert not Path("twgw-data/pepper").exists()


def test_place_of_the_line_is_named():
    """With --application the place is that application's, which must be there."""
    Path("apis.yaml").write_text("applications:\n  - name: batch\n")

    assert "Put this line under credentials of batch in apis.yaml:" in new("--application", "batch").output
    refused = new("--application", "bach")
    assert 1 == refused.exit_code
    assert "there is no application bach; did you mean batch?" in refused.output
    assert "tw_live" not in refused.output


def test_application_needs_a_state():
    """Without a state that can be read there is no application, and no key is made; the way out is named."""
    done = new("--application", "batch")

    assert 1 == done.exit_code
    assert "apis.yaml: cannot be read" in done.output
    assert "tw_live" not in done.output


def test_environment_stands_in_the_key():
    """--env becomes part of the key; what would break its form is wrong use."""
    assert "  tw_test_" in new("--env", "test").output
    refused = new("--env", "No!")
    assert 2 == refused.exit_code
    assert "lower-case letters and digits" in refused.output


# --- at a node ---


@pytest.fixture
def me(desk):
    """An application that may call an API."""
    desk.done("api", "add", "/hello", "echo:", "--publish")
    desk.done("app", "create", "me", "--subscribe", "hello")
    return desk


def test_a_node_makes_the_key_of_an_application(me):
    """It is shown this once, with how to use it; nothing is written here."""
    said = me.done("key", "new", "--application", "me", "--title", "for the batch")
    (key,) = set(re.findall(r"tw_live_\w+", said))

    assert f"The key, shown this once:\n\n  {key}\n" in said
    assert f"curl -i -H 'X-API-Key: {key}' http://GATEWAY/hello" in said
    assert "for the batch" in me.done("key", "list", "me")
    assert not Path("twgw-data").exists()


def test_a_key_is_made_as_it_is_wanted(me):
    """For the sandbox, for a time, for some scopes."""
    wish = ("--sandbox", "--expires-in", "1d", "--scope", "a", "--scope", "b")
    made = me.found("key", "new", "--application", "me", *wish)

    assert ("sandbox", ["a", "b"], me.world.now + 86400) == (made["environment"], made["scopes"], made["expires_at"])
    assert made["key"].startswith("tw_test_")


def test_an_application_that_is_not_there_gets_no_key(desk):
    """It is said."""
    assert "there is no application you" in desk.refused("key", "new", "--application", "you")


def test_options_of_one_way_are_refused_in_the_other(desk):
    """They would be lost without a word."""
    for words, text in (
        (["--title", "x"], "--title is for a key at a node: name its --application"),
        (["--expires-in", "1d"], "--expires-in is for a key at a node"), (["--scope", "x"], "--scope is"),
        (["--json"], "--json is for"), (["--application", "me", "--env", "live"], "--env is for a line"),
    ):  # fmt: skip
        done = desk.run("key", "new", *words)
        assert (2, True) == (done.exit_code, text in done.output), done.output


def test_a_key_is_shown_by_its_id(me):
    """Never itself."""
    made = me.found("key", "new", "--application", "me", "--expires-in", "1d", "--title", "T")
    said = me.done("key", "show", made["id"])

    for text in (made["id"], "me", "T", "2027-01-16 08:00:00 UTC", "never"):
        assert text in said
    assert made["id"] == me.found("key", "show", made["id"])["id"]
    assert made["key"] not in said
    assert "has no key" not in me.done("key", "list", "me")


def test_a_key_is_exchanged(me):
    """For a while both are good."""
    made = me.found("key", "new", "--application", "me")
    said = me.done("key", "rotate", made["id"], "--overlap", "12h")

    assert re.search(r"shown this once:\n\n  tw_live_", said)
    assert f"The key {made['id']} is good until 2027-01-15 20:00:00 UTC" in said
    assert 2 == len(me.found("key", "list", "me"))
    assert "key" in me.found("key", "rotate", made["id"])


def test_an_application_without_a_key_is_told_how_to_get_one(me):
    """The command is named."""
    assert "me has no key.  Next: twgw key new --application me" in me.done("key", "list", "me")


# --- passwords ---


def password(user, text):
    return CliRunner().invoke(main, ["key", "password", user], input=f"{text}\n{text}\n")


def test_a_password_becomes_a_line_of_the_state(tmp_path):
    """Which lets the user log in; the password is not in it, nor shown."""
    done = password("alice", "canary-password")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("  - ")]

    assert 0 == done.exit_code
    assert "canary-password" not in done.output
    state = tmp_path / "apis.yaml"
    state.write_text(f"apis: []\napplications:\n- name: shop\n  credentials:\n  {line}\n")
    (credential,) = load_state(state).state.applications[0].credentials
    assert ("basic", "alice", "alice") == (credential.kind, credential.user, credential.id)
    assert matches(credential.digest, "canary-password")


def test_a_short_password_is_refused():
    """It would be guessed."""
    done = password("alice", "short")

    assert 1 == done.exit_code
    assert "a password has 8 to 1024 characters" in done.output


def test_keys_of_another_gateway_become_digests():
    """What is printed is a state under the pepper of the node, in which the keys do not stand."""
    Path("keys.csv").write_text("shop,key-of-shop\nbatch,key-of-batch\nshop,second-key\n")
    done = CliRunner().invoke(main, ["key", "import", "keys.csv"])
    shop, batch = parse_state(done.output, "apis.yaml").state.applications
    pepper = node_pepper(configured(None))

    assert ("shop", "batch") == (shop.name, batch.name)
    assert [digest(pepper, "key-of-shop"), digest(pepper, "second-key")] == [it.digest for it in shop.credentials]
    assert "key-of" not in done.output


def test_a_key_that_cannot_be_taken_over_says_its_line():
    """And nothing is printed of the rest."""
    Path("keys.csv").write_text("shop,key-of-shop\nshop,no\n")
    done = CliRunner().invoke(main, ["key", "import", "keys.csv"])
    missing = CliRunner().invoke(main, ["key", "import", "missing.csv"])

    assert (1, 1) == (done.exit_code, missing.exit_code)
    assert "keys.csv:2: the key must be" in done.output
    assert "applications" not in done.output
    assert "missing.csv: cannot be read" in missing.output
