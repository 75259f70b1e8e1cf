"""What a user installs and types: the wheel outside the checkout, and the Makefile.

The environment of these tests lends its libraries, so that nothing is fetched.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("twgw", "plugins", "twisted", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
PLAIN = {
    name: value for name, value in os.environ.items()
    if not name.startswith(("PYTHON", "MAKE", "MFLAGS", "COVERAGE", "TWGW_"))
}


def run(*words, cwd, env=PLAIN):
    """Run a program to its end; standard output and error come as one text."""
    words = [str(word) for word in words]
    return subprocess.run(
        words, cwd=cwd, env=env, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The Python of an environment with the wheel of this checkout; its own folder is empty of sources."""
    place = tmp_path_factory.mktemp("install")
    (place / "sources").mkdir()
    for name in SOURCES:
        source, copy = ROOT / name, place / "sources" / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
        else:
            shutil.copy(source, copy)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    built = run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", place / "dist", place / "sources", cwd=place)
    assert 0 == built.returncode, built.stdout
    shutil.rmtree(place / "sources")

    venv.create(place / "venv", with_pip=False, symlinks=True)
    python = place / "venv/bin/python"
    (wheel,) = (place / "dist").glob("*.whl")
    done = run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=place)
    assert 0 == done.returncode, done.stdout
    asked = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place)
    (Path(asked.stdout.strip()) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_stands_alone(installed, tmp_path):
    """What is imported after an installation is the installed code, not the checkout."""
    program = "import twgw, twgw_plugins; print(twgw.__file__); print(twgw_plugins.__file__)"

    done = run(installed, "-c", program, cwd=tmp_path)

    places = [Path(line) for line in done.stdout.splitlines()]
    assert 2 == len(places), done.stdout
    assert all(path.is_relative_to(installed.parents[1]) for path in places), done.stdout


def test_the_wheel_holds_every_file_of_the_package(installed):
    """Whatever stands in twgw/ and plugins/ is installed: modules, templates and the mark that there are types."""
    (package,) = installed.parents[1].glob("lib/python*/site-packages/twgw")
    folders = {ROOT / "twgw": package, ROOT / "plugins": package.with_name("twgw_plugins")}

    assert [] == [
        path
        for source, copy in folders.items()
        for path in source.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not (copy / path.relative_to(source)).exists()
    ]


def test_twistd_knows_twgw(installed, tmp_path):
    """Outside the checkout `twistd twgw --help` explains the options."""
    done = run(installed, "-c", "from twisted.scripts.twistd import run; run()", "twgw", "--help", cwd=tmp_path)

    assert 0 == done.returncode, done.stdout
    assert "--config" in done.stdout
    assert "--check" in done.stdout


def test_the_command_line_works(installed, tmp_path):
    """Outside the checkout `twgw --help` lists its commands."""
    done = run(installed.with_name("twgw"), "--help", cwd=tmp_path)

    assert 0 == done.returncode, done.stdout
    assert [] == [command for command in ("init", "validate", "plugins", "key") if command not in done.stdout]


def test_every_bundled_policy_is_found(installed, tmp_path):
    """Each policy in plugins/ is loaded through its entry point."""
    program = "import importlib.metadata as m\nfor e in m.entry_points(group='twgw'): print(e.name, e.load())"

    done = run(installed, "-c", program, cwd=tmp_path)

    assert 0 == done.returncode, done.stdout
    names = sorted(path.stem.replace("_", "-") for path in (ROOT / "plugins").glob("[a-z]*.py"))
    assert names == sorted(line.split()[0] for line in done.stdout.splitlines())


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose tools only say that they were called, at a path with a blank in it."""
    place = tmp_path / "my checkout"
    programs = place / ".venv/bin"
    programs.mkdir(parents=True)
    for name in ("Makefile", "setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, place)
    for name in ("python", "ruff", "mypy", "towncrier", "twistd"):
        (programs / name).write_text(f'#!/bin/sh\necho "called {name} $*"\n')
        (programs / name).chmod(0o755)
    (place / "examples/policy").mkdir(parents=True)
    (place / "examples/policy/setup.cfg").touch()
    (place / ".venv/checkout").write_text(f"{place.resolve()}\n")
    for stamp in ("made", "installed", "system", "developed"):
        (place / ".venv" / stamp).touch()
    return place


def test_make_alone_lists_what_can_be_made(checkout):
    """`make` without a target explains the targets and does nothing."""
    done = run("make", cwd=checkout)

    assert 0 == done.returncode
    for name in ("run", "test", "bench", "fuzz", "soak", "clean"):
        assert f"\n  make {name} " in done.stdout


def test_make_run_starts_the_gateway(checkout):
    """`make run` becomes twistd in the foreground, with the arguments given."""
    done = run("make", "run", "ARGS=--config my.toml", cwd=checkout)

    assert (0, "called twistd -n --pidfile= twgw --config my.toml\n") == (done.returncode, done.stdout)


def test_make_test_runs_everything(checkout):
    """`make test` calls every check and says that all passed."""
    done = run("make", "test", cwd=checkout)

    assert 0 == done.returncode, done.stdout
    for call in ("python -m pytest", "ruff check .", "mypy", "python docs/generate.py --check"):
        assert f"called {call}" in done.stdout
    assert ["tests", "lint", "types", "docs", "changelog", "examples"] == summary(done.stdout, "passed")


@pytest.mark.parametrize(("tool", "steps"), [("ruff", ["lint"]), ("python", ["tests", "docs", "examples"])])
def test_make_test_goes_on_after_a_failure(checkout, tool, steps):
    """A check that fails stops no other; the summary names it and the status says so."""
    (checkout / ".venv/bin" / tool).write_text("#!/bin/sh\nexit 1\n")

    done = run("make", "test", cwd=checkout)

    assert 0 != done.returncode
    assert steps == summary(done.stdout, "FAILED")
    assert "types" in summary(done.stdout, "passed")


def summary(text, word):
    """The steps of which the summary says this."""
    lines = text.partition("== summary\n")[2].splitlines()
    return [line.split()[1] for line in lines if line.startswith(word)]


def test_ci_runs_make_test(checkout):
    """What CI calls ends as `make test` does."""
    shutil.copytree(ROOT / ".ci", checkout / ".ci")
    assert 0 == run(checkout / ".ci/run", cwd="/").returncode

    (checkout / ".venv/bin/mypy").write_text("#!/bin/sh\nexit 1\n")
    assert 0 != run(checkout / ".ci/run", cwd="/").returncode


@pytest.mark.parametrize("python", ["no-such-python", "false"])
def test_make_run_says_which_python_it_needs(checkout, python):
    """Without a Python of 3.11 or newer the message says so, and how to name another."""
    shutil.rmtree(checkout / ".venv")

    done = run("make", "run", f"PYTHON={python}", cwd=checkout)

    assert 0 != done.returncode
    assert "twgw needs Python 3.11 or newer" in done.stdout
    assert "make run PYTHON=" in done.stdout
    assert not (checkout / ".venv").exists()


def test_a_moved_checkout_makes_a_new_environment(checkout):
    """The environment of a checkout that was moved is not used: its scripts name the old place."""
    moved = checkout.rename(checkout.with_name("moved"))

    done = run("make", "run", "PYTHON=false", cwd=moved)

    assert "called twistd" not in done.stdout
    assert not (moved / ".venv").exists()


@pytest.mark.parametrize("full", [False, True])
def test_the_bench_candidate_is_a_good_configuration(tmp_path, full):
    """What `bench/serve` writes for a comparison is accepted by the gateway."""
    (tmp_path / "keys.txt").write_text("first-key\nsecond-key\n")
    words = (ROOT / "bench/serve", 18402, tmp_path / "keys.txt", 18400, tmp_path, "--check")

    done = run(sys.executable, *words, *(["--full"] if full else []), cwd=tmp_path)

    assert 0 == done.returncode, done.stdout


@pytest.mark.parametrize("script", ["bench/compare", "bench/run", "bench/serve"])
def test_the_bench_explains_itself(tmp_path, script):
    """Each script of the comparison has its help."""
    done = run(sys.executable, ROOT / script, "--help", cwd=tmp_path)

    assert 0 == done.returncode
    assert done.stdout.startswith(f"usage: {Path(script).name}")
