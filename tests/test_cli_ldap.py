"""``twgw ldap …`` against a real slapd."""

import json
import stat
import tomllib

import pytest
from click.testing import CliRunner

from tests.directory.test_wso2 import PRIMARY
from tests.slapd import GROUPS, PEOPLE, READER, READER_PASSWORD
from twgw.cli import main


@pytest.fixture
def config(tmp_path, slapd):
    """A configuration with one store, and with more settings in it."""

    def write(text="", more="", **settings):
        (tmp_path / "secret").write_text(READER_PASSWORD)
        table = {
            "name": "corp", "servers": [slapd.secure], "ca_file": str(slapd.authority), "bind_dn": READER,
            "password_file": "secret", "user_base": PEOPLE, **settings,
        }  # fmt: skip
        lines = [f"{name} = {json.dumps(value)}" for name, value in table.items() if value is not None]
        path = tmp_path / "twgw.toml"
        path.write_text("\n".join([text, "[[ldap]]", *lines, more]))
        return str(path)

    return write


def run(*words, password="alice-pw\n"):
    return CliRunner().invoke(main, ["ldap", *words], input=password, catch_exceptions=False)


def test_each_step_is_explained(config):
    """From the name of the server to the roles; the password is asked for and not shown."""
    done = run("check", "alice", "--config", config(more="[ldap.roles]\nstaff = ['admin']", group_base=GROUPS))

    assert 0 == done.exit_code
    steps = ["resolve", "connect", "TLS", "service bind", "search", "entry", "user bind", "who am I", "groups",
             "nested groups", "roles", "consumer groups", "result"]  # fmt: skip
    found = [line[8:23].strip() for line in done.stdout.splitlines() if line.startswith("  ok")]
    assert steps == list(dict.fromkeys(found))
    for words in ("(uid=alice)", "TLSv1.3, verified", "engineering, staff", "admin", "alice (Alice Example"):
        assert words in done.stdout
    assert "alice-pw" not in done.output
    assert READER_PASSWORD not in done.output


def test_without_a_password_nobody_is_bound_as(config):
    """The user and their groups are found all the same."""
    done = run("check", "alice", "--no-password", "--config", config(), password="")

    assert 0 == done.exit_code
    assert "user bind" not in done.stdout
    assert "developers" in done.stdout


@pytest.mark.parametrize(
    ("user", "password", "words"),
    [
        ("alice", "wrong\n", "the password is wrong"),
        ("alice", "\n", "the password is not right"),
        ("nobody", "x\n", "correct user_filter or user_base"),
        ("*", "x\n", "correct user_filter or user_base"),
    ],
)
def test_a_refusal_is_status_one(config, user, password, words):
    """With what may be changed."""
    done = run("check", user, "--config", config(), password=password)

    assert 1 == done.exit_code
    assert words in done.stdout
    failed = [line.split()[1] for line in done.stdout.splitlines() if "FAIL" in line]
    assert (["user", "result"] if words == "the password is wrong" else ["result"]) == failed


@pytest.mark.parametrize(
    ("settings", "step", "hint"),
    [
        ({"servers": ["ldaps://127.0.0.1:1"]}, "connect", "is the server running"),
        ({"servers": ["ldaps://nowhere.invalid"]}, "resolve", "correct servers"),
        ({"ca_file": None}, "TLS", "set ca_file"),
        ({"ca_file": "none.pem"}, "TLS", "set ca_file"),
        ({"server_name": "elsewhere"}, "TLS", "set server_name"),
        ({"bind_dn": "cn=other,dc=example"}, "service bind", "correct bind_dn or password"),
        ({"user_base": "ou=x,dc=example"}, "search", "correct user_base"),
        ({"name_attribute": "employeeNumber"}, "entry", "set name_attribute"),
    ],
)
def test_a_store_that_cannot_say_is_status_three(config, settings, step, hint):
    """The step that failed is named, and what to change."""
    done = run("check", "alice", "--config", config(**settings))

    assert 3 == done.exit_code
    failed = [line for line in done.stdout.splitlines() if "FAIL" in line]
    assert failed[0][8:].startswith(step)
    assert hint in done.stdout


def test_the_wrong_password_first(config, tmp_path):
    """As at the first connection: the file is corrected, and all is well."""
    path = config()
    (tmp_path / "secret").write_text("typo")
    first = run("check", "alice", "--config", path)
    (tmp_path / "secret").write_text(READER_PASSWORD)

    assert 3 == first.exit_code
    assert "correct bind_dn or password" in first.stdout
    assert 0 == run("check", "alice", "--config", path).exit_code


def test_the_next_server_is_asked(config, slapd, tmp_path):
    """As the gateway does."""
    done = run("check", "alice", "--config", config(servers=["ldaps://127.0.0.1:1", slapd.secure]))

    assert 0 == done.exit_code
    assert "FAIL  connect" in done.stdout


def test_programs_read_json(config):
    """The same, with every step; no password."""
    done = run("check", "alice", "--json", "--config", config())
    found = json.loads(done.stdout)

    assert ("alice", "found") == (found["user"], found["outcome"])
    assert "developers" in found["stores"][0]["user"]["groups"]
    assert {"server", "step", "text", "ok", "hint"} == set(found["stores"][0]["steps"][0])
    assert "alice-pw" not in done.stdout
    refused = run("check", "alice", "--json", "--config", config(), password="x\n")
    assert (1, "wrong password") == (refused.exit_code, json.loads(refused.stdout)["outcome"])


def test_stores_are_asked_as_the_gateway_asks_them(config, slapd):
    """The first that knows the name decides; one may be named."""
    dead = "[[ldap]]\nname = 'dead'\nservers = ['ldaps://127.0.0.1:1']\nuser_base = 'dc=x'"
    path = config(text=dead)

    both = run("check", "alice", "--config", path)
    assert 0 == both.exit_code
    assert "dead: alice" in both.stdout
    assert 3 == run("check", "nobody", "--config", path).exit_code
    only = run("check", "alice", "--store", "corp", "--config", path)
    assert "dead" not in only.stdout
    wrong = run("check", "alice", "--store", "cropo", "--config", path)
    assert (1, True) == (wrong.exit_code, "did you mean corp?" in wrong.output)


def test_without_a_store_there_is_nothing_to_check(tmp_path):
    """Said with the way out."""
    path = tmp_path / "twgw.toml"
    path.write_text("")
    done = run("check", "alice", "--config", str(path))

    assert 1 == done.exit_code
    assert "write an [[ldap]] table" in done.output


def test_a_domain_that_all_stores_want(config):
    """A name without one is nobody's."""
    path = config(domains=["CORP"], domain_required=True)

    assert "all of them want a domain" in run("check", "alice", "--config", path).output
    assert 0 == run("check", "CORP\\alice", "--config", path).exit_code


def test_wso2s_stores_are_printed(tmp_path):
    """As tables; passwords go into files for their owner alone, and are written over by nobody."""
    source = tmp_path / "user-mgt.xml"
    source.write_text(PRIMARY)

    plain = run("import", str(source))
    assert 0 == plain.exit_code
    assert "wso2-1" == tomllib.loads(plain.stdout)["ldap"][0]["name"]
    assert "call with --passwords DIR" in plain.stdout

    done = run("import", str(source), "--passwords", str(tmp_path))
    written = tmp_path / "wso2-1.password"
    assert ("canary-3\n", 0o600) == (written.read_text(), stat.S_IMODE(written.stat().st_mode))
    assert "canary-3" not in plain.output + done.output
    again = run("import", str(source), "--passwords", str(tmp_path))
    assert 1 == again.exit_code
    assert "is there already" in again.output


@pytest.mark.parametrize("text", [None, "<a/>", "\udcff"])
def test_a_file_that_is_none_is_refused(tmp_path, text):
    """With what is wrong with it."""
    source = tmp_path / "user-mgt.xml"
    if text is not None:
        source.write_text(text, errors="surrogateescape")
    done = run("import", str(source))

    assert 1 == done.exit_code
    assert "user-mgt.xml" in done.output
