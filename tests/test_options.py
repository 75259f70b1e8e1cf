"""The command line of ``twistd twgw``.  As real processes in tests/wire/test_gateway.py."""

import pytest
from twisted.python import usage

from twgw.options import Options


def options(*words):
    made = Options()
    made.parseOptions(words)
    return made


def test_a_configuration_is_named_on_the_command_line_or_by_a_variable(tmp_path, monkeypatch):
    """The command line wins."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(f"[node]\nname = '{name}'\n")
    monkeypatch.setenv("TWGW_CONFIG", str(tmp_path / "a.toml"))

    assert "a" == options().loaded.node.name
    assert "b" == options("--config", str(tmp_path / "b.toml")).loaded.node.name


def test_settings_of_the_command_line_win(tmp_path, monkeypatch, capsys):
    """Over file and environment; a mistyped one ends the start."""
    (tmp_path / "a.toml").write_text("[node]\nname = 'a'\n[gateway]\nlisten = ['tcp:1']\n")
    monkeypatch.setenv("TWGW_NODE_NAME", "b")
    words = ("--config", str(tmp_path / "a.toml"), "--set", "node.name=c", "-s", "gateway.listen=tcp:2,tcp:3")

    config = options(*words).loaded

    assert ("c", [2, 3]) == (config.node.name, [each.port for each in config.gateway.listen])
    with pytest.raises(SystemExit):
        options("--set", "node.nam=c")
    assert "command line: node.nam: unknown; did you mean node.name?" in capsys.readouterr().err
    with pytest.raises(usage.UsageError, match=r"write SECTION\.SETTING=VALUE"):
        options("--set", "node.name")


def test_what_is_wrong_ends_the_start(tmp_path, capsys):
    """A line for each fault, and status 1."""
    (tmp_path / "a.toml").write_text("[node]\nnam = 'a'\n")
    with pytest.raises(SystemExit) as end:
        options("--config", str(tmp_path / "a.toml"))

    assert 1 == end.value.code
    assert "did you mean name?" in capsys.readouterr().err


def test_check_says_whether_all_is_well(tmp_path, capsys):
    """And starts nothing."""
    (tmp_path / "a.toml").write_text("[state]\nfile = 'apis.yaml'\n")
    state = tmp_path / "apis.yaml"
    for text, code in (("apis: []\n", 0), ("apis: 1\n", 1)):
        state.write_text(text)
        with pytest.raises(SystemExit) as end:
            options("--config", str(tmp_path / "a.toml"), "--check")
        assert code == end.value.code
    told = capsys.readouterr()
    assert "valid" in told.out
    assert "apis.yaml:1" in told.err
    assert not (tmp_path / "twgw-data").exists()
