"""Tests of twgw.cli_init."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from twgw import cli_init
from twgw.checking import check_files
from twgw.cli import main
from twgw.config import load
from twgw.credentials import digest, load_pepper, well_formed
from twgw.state import load_state

FILES = ["apis.yaml", "etc/twgw.toml", "plugins/hello.py", "tests/test_hello.py", "twgw-data/pepper"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def init(folder="shop"):
    """Run the command."""
    return CliRunner().invoke(main, ["init", folder])


def files(folder):
    """Every file below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def key_in(output):
    """The key that was shown."""
    return re.search(r"^  (tw_\w+)$", output, re.MULTILINE)[1]


def test_project_is_made():
    """A new folder has a configuration, a state, a policy, its test and the pepper."""
    done = init()

    assert 0 == done.exit_code, done.output
    assert FILES == files("shop")
    assert 0o700 == Path("shop/twgw-data").stat().st_mode & 0o777
    assert 0o600 == Path("shop/twgw-data/pepper").stat().st_mode & 0o777


def test_project_is_valid_from_anywhere(tmp_path, monkeypatch):
    """The files refer to each other, not to the place where the command was typed."""
    init()
    monkeypatch.chdir("/")

    config = load(tmp_path / "shop/etc/twgw.toml", {}, {})

    assert [] == check_files(config)
    assert tmp_path / "shop/apis.yaml" == config.state.file.resolve()
    assert tmp_path / "shop/twgw-data" == config.node.data_dir.resolve()
    assert [tmp_path / "shop/plugins"] == [path.resolve() for path in config.plugins.directories]


def test_key_is_shown_and_not_kept():
    """The key stands in the output and in the call to try; in the files stands its digest."""
    done = init()
    key = key_in(done.output)
    (credential,) = load_state(Path("shop/apis.yaml")).state.applications[0].credentials

    assert well_formed(key)
    assert digest(load_pepper(Path("shop/twgw-data/pepper")), key) == credential.digest
    assert f"curl -i -H 'X-API-Key: {key}' http://127.0.0.1:8080/pets/7" in done.output
    assert [] == [name for name in files("shop") if key in (Path("shop") / name).read_text()]


def test_what_to_do_next_is_said():
    """The commands that check and serve the project are there to be copied."""
    output = init("my shop").output

    assert "twgw validate 'my shop/etc/twgw.toml'" in output
    assert "twistd -n --pidfile= twgw --config 'my shop/etc/twgw.toml'" in output


@pytest.mark.parametrize("is_in_path", [True, False])
def test_what_to_do_next_can_be_typed_as_it_stands(monkeypatch, is_in_path):
    """Where the programs of this installation are not found by their names, they are named by their paths."""
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", str(programs) if is_in_path else "/nowhere")

    commands = [line[2:].split()[0] for line in init().output.splitlines() if " --config " in line or " -m " in line]

    assert [name if is_in_path else str(programs / name) for name in ("twistd", "python", "python")] == commands


def test_policy_of_the_project_passes_its_test():
    """The test that is written with the policy runs, and is about that policy."""
    init()

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "shop/tests"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize("name", ["apis.yaml", "etc/twgw.toml", "plugins/hello.py", "tests/test_hello.py"])
def test_nothing_is_written_over(name):
    """A file in the way is named, and then nothing is written at all."""
    path = Path("shop") / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")

    done = init()

    assert 1 == done.exit_code
    assert f"shop/{name} is there already" in done.output
    assert "mine" == path.read_text()
    assert [name] == files("shop")


def test_full_disk_leaves_nothing_half(monkeypatch):
    """When the last file cannot be written, the others are taken back."""
    real = cli_init.create

    def create(path, text, mode):
        if path.name == "test_hello.py":
            raise OSError(28, "No space left on device")
        real(path, text, mode)

    monkeypatch.setattr(cli_init, "create", create)

    done = init()

    assert 1 == done.exit_code
    assert "No space left on device" in done.output
    assert ["twgw-data/pepper"] == files("shop")


def test_here_is_a_place_too():
    """A project may be made in a folder that has other files."""
    Path("README").write_text("mine")

    assert 0 == init(".").exit_code
    assert ["README", *FILES] == files(".")


def test_configuration_is_the_default_one():
    """What is written is the commented default, with the project's own files set."""
    text = cli_init.configuration()

    assert ["data_dir", "file", "directories"] == re.findall(r"^(\w+) = ", text, re.MULTILINE)
    assert "#max_connections = " in text
