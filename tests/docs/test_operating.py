"""docs/operating.md says what the code does: its files are valid, its figures and words are those of the code."""

import re
import tomllib
from pathlib import Path

import attrs
import pytest
import yaml

from tests.wire.test_tls import certificate
from twgw.checking import check_state
from twgw.config import Config, Gateway, load
from twgw.keymanager.settings import KeyManagerSettings
from twgw.model import Lifecycle, Target, Upstream
from twgw.policy.registry import find_plugins
from twgw.publisher.lifecycle import move_named
from twgw.settings import structure
from twgw.store.subscriptions import FROM_WSO2
from twgw.throttle.presets import PRESETS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text()


def blocks(language):
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def source():
    """All code of the gateway, as one text."""
    return "\n".join(path.read_text() for folder in ("twgw", "plugins") for path in (ROOT / folder).rglob("*.py"))


def test_its_configuration_is_taken():
    """Known settings with valid values, of a server and of its parts."""
    server, *parts = [block for block in blocks("toml") if "[[ldap]]" not in block]

    assert "/var/lib/twgw" == str(structure(Config, tomllib.loads(server)).node.data_dir)
    for text in parts:
        assert Config() != structure(Config, tomllib.loads(text))


def test_its_user_store_is_taken(tmp_path):
    """And the policies that are shown with it can be deployed."""
    (text,) = [block for block in blocks("toml") if "[[ldap]]" in block]
    (tmp_path / "corp.password").write_text("x")
    path = tmp_path / "twgw.toml"
    path.write_text(text)
    (store,) = load(path, {}, {}).ldap
    assert ("corp", tmp_path / "corp-ca.pem") == (store.name, store.ca_file)

    (policies,) = [block for block in blocks("yaml") if block.startswith("policies:")]
    state = tmp_path / "apis.yaml"
    state.write_text(policies + "apis: [{name: a, version: '1', base_path: /a, upstream: {targets: [{url: 'echo:'}]}}]")
    assert [] == check_state(state, find_plugins())


def test_what_came_from_wso2_is_taken(tmp_path):
    """The file that is shown can be deployed; the names of WSO2 that the page maps are known to the code."""
    (text,) = [block for block in blocks("yaml") if block.startswith("tier_presets:")]
    state = tmp_path / "apis.yaml"
    state.write_text(text)
    section = PAGE.partition("## Moving from WSO2 API Manager\n")[2].partition("\n## ")[0]

    assert [] == check_state(state, find_plugins())
    assert [] == [each.value for each in Lifecycle if each.value not in section]
    assert [] == [name for name in PRESETS if name not in section]
    for theirs, ours in FROM_WSO2.items():
        assert theirs in section or ours.value in section
    assert {"publish", "demote"} == {move_named(name).name for name in ("Publish", "Demote to Created")}
    assert "password_grant" in {field.name for field in attrs.fields(KeyManagerSettings)}


def test_its_upstream_is_taken(tmp_path):
    """The API that is shown can be deployed."""
    (text,) = [block for block in blocks("yaml") if block.startswith("apis:")]
    certificate(tmp_path, "authority")
    state = tmp_path / "apis.yaml"
    state.write_text(text.replace("/etc/ssl/certs/ca-certificates.crt", "authority.pem"))

    assert [] == check_state(state, find_plugins())


def test_every_metric_that_is_named_is_counted():
    """Tables and alerts name metrics of the reference."""
    reference = (ROOT / "docs" / "reference.md").read_text()
    named = set(re.findall(r"\btwgw_[a-z_]+\b", PAGE))
    (alerts,) = [yaml.safe_load(block) for block in blocks("yaml") if block.startswith("groups:")]

    assert 9 == len(alerts["groups"][0]["rules"])
    assert len(named) >= 10
    assert [] == sorted(name for name in named if name not in reference)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("head, line, fields", ["32 KiB", "8 KiB", "100"]),
        ("request body", ["10 MiB"]),
        ("head within", ["10 s"]),
        ("body at least", ["1 KiB/s after 10 s"]),
        ("client takes nothing of a response for", ["30 s"]),
        ("idle connection", ["60 s"]),
        ("upstream: connect, response, between pieces of a body", ["3 s", "30 s", "60 s"]),
    ],
)
def test_its_table_of_defaults_is_the_code(row, expected):
    """The figures of the page are the defaults."""
    node, upstream = Gateway(), Upstream((Target("http://a"),))
    said = {
        "head, line, fields": [f"{node.max_head >> 10} KiB", f"{node.max_line >> 10} KiB", f"{node.max_fields}"],
        "request body": [f"{node.max_request_body >> 20} MiB"],
        "head within": [f"{node.header_timeout} s"],
        "body at least": [f"{node.body_min_rate >> 10} KiB/s after {node.body_grace} s"],
        "client takes nothing of a response for": [f"{node.send_timeout} s"],
        "idle connection": [f"{node.keepalive_timeout} s"],
        "upstream: connect, response, between pieces of a body": [
            f"{upstream.connect_timeout} s", f"{upstream.response_timeout} s", f"{upstream.idle_timeout} s",
        ],
    }  # fmt: skip
    (line,) = re.findall(rf"^\| {re.escape(row)} \|.*$", PAGE, re.MULTILINE)

    assert expected == said[row]
    assert [] == [figure for figure in expected if figure not in line]


def test_what_the_gateway_is_said_to_say_is_in_the_code():
    """Words that a refusal is quoted with are words of the gateway, so that who searches for one finds the page."""
    (table,) = re.findall(r"## When something is wrong\n\n(.*?)\n\n", PAGE, re.DOTALL)
    words = [words for words in re.findall(r"`([A-Z][a-z]+[^`]*?)(?: …)?`", table) if words.count(" ")]
    code = source()

    assert {"Credentials required", "Invalid credentials", "Dot segment in the path"} <= set(words)
    foreign = {"Unknown command: twgw", "Another twistd server is running"}
    assert [] == sorted(word for word in set(words) - foreign if word not in code)
