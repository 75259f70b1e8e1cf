"""Tests of twgw.cli_config."""

import shutil
from pathlib import Path

import click
import pytest

from twgw.cli_config import configured, left_out, nearby, node_pepper, opened, pepper_file
from twgw.config import load
from twgw.credentials import Pepper
from twgw.storage import log


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_fault_ends_a_command(tmp_path):
    """A bad configuration is said fault by fault."""
    (tmp_path / "twgw.toml").write_text("[node]\nnam = 'a'\n[log]\nlevel = 'loud'\n")

    with pytest.raises(click.ClickException) as caught:
        configured(tmp_path / "twgw.toml")

    first, second = caught.value.message.splitlines()
    assert first.startswith("twgw.toml: [node] nam: unknown; did you mean name?")
    assert second.startswith("twgw.toml: [log] level: must be one of")
    assert 1 == caught.value.exit_code


def test_environment_counts(monkeypatch):
    """The environment overrides the defaults, as in a gateway."""
    monkeypatch.setenv("TWGW_NODE_NAME", "gw-7")

    assert "gw-7" == configured(None).node.name


def in_file(**environment):
    """The configuration of a node whose state is a file."""
    return load(None, {"TWGW_STATE_FILE": "apis.yaml", **environment}, {})


def test_pepper_is_made_when_missing(tmp_path):
    """The first use makes directory and pepper for their owner alone; the second finds them."""
    config = in_file()
    made = node_pepper(config)

    assert tmp_path / "twgw-data" / "pepper" == pepper_file(config)
    assert 0o700 == (tmp_path / "twgw-data").stat().st_mode & 0o777
    assert made == node_pepper(config)


def test_pepper_of_the_configuration_comes_first():
    """A pepper that is configured is used, and no file is made."""
    text = f"v1:{'ab' * 32}"
    config = in_file(TWGW_NODE_PEPPER=text)

    assert Pepper.from_text(text) == node_pepper(config)
    assert not pepper_file(config).exists()


def test_pepper_of_a_database_is_in_it(tmp_path):
    """The first use makes the tables and the pepper; the second finds them, and no file is made."""
    config = configured(None)
    made = node_pepper(config)

    assert made == node_pepper(config)
    assert 0o700 == (tmp_path / "twgw-data").stat().st_mode & 0o777
    assert not pepper_file(config).exists()
    with pytest.raises(click.ClickException, match="the database has another one, which counts"):
        node_pepper(load(None, {"TWGW_NODE_PEPPER": f"v1:{'ab' * 32}"}, {}))


def test_unusable_pepper_ends_a_command(tmp_path):
    """A pepper that others may read, or a directory that is none, is told and not worked around."""
    config = in_file()
    node_pepper(config)
    pepper_file(config).chmod(0o644)
    for other in (config, configured(None)):
        with pytest.raises(click.ClickException, match="twgw-data/pepper: other users may read it; run: chmod 600"):
            node_pepper(other)

    pepper_file(config).unlink()
    shutil.rmtree(tmp_path / "twgw-data")
    (tmp_path / "twgw-data").write_text("")
    for other in (config, configured(None)):
        with pytest.raises(click.ClickException, match=r"^twgw-data: File exists"):
            node_pepper(other)


def test_a_database_is_open_as_long_as_it_is_used():
    """What is wrong with it ends the command; where a file is the state there is none."""
    with opened(configured(None)) as database:
        assert 1 == database.call(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())
    with (
        pytest.raises(click.ClickException, match=r"has not this version.s tables .* run: twgw db upgrade"),
        opened(configured(None)) as database,
    ):
        database.call(log.head)
    with (
        pytest.raises(click.ClickException, match=r"^apis\.yaml is the state of this node \(\[state\] file\)"),
        opened(in_file()),
    ):
        pass


def test_files_are_named_as_from_here(tmp_path):
    """A path below the working directory is shown without it, and without detours."""
    assert "apis.yaml:3: apis[0]: a/../b" == nearby(f"{tmp_path}/etc/../apis.yaml:3: apis[0]: a/../b")
    assert "/etc/twgw.toml: no" == nearby("/etc/twgw.toml: no")
    assert "environment: TWGW_X: unknown" == nearby("environment: TWGW_X: unknown")
    assert "" == nearby("")


def test_a_configuration_that_was_not_named_is(tmp_path, monkeypatch):
    """Where one stands in this folder."""
    monkeypatch.chdir(tmp_path)
    assert "" == left_out(None)
    Path("twgw.toml").touch()
    assert "--config twgw.toml, or TWGW_CONFIG" in left_out(None)
    assert "" == left_out(Path("other.toml"))


def test_a_node_that_asks_others_has_no_database():
    """Nothing is made there; it is said where the command belongs."""
    config = load(None, {"TWGW_NODE_ROLES": "gateway", "TWGW_CLUSTER_KEYMANAGERS": "km1,km2:9000"}, {})

    with pytest.raises(click.ClickException, match="it asks km1:8091, km2:9000"), opened(config):
        pass
    assert not config.node.data_dir.exists()
