"""``twgw init``: the files of a project that runs, to be changed into one's own."""

import re
import shlex
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from twgw.cli_config import failure
from twgw.config import render_default
from twgw.credentials import PepperError, digest, load_pepper, mint
from twgw.newfile import create

CONFIG, STATE, POLICY, TEST = "etc/twgw.toml", "apis.yaml", "plugins/hello.py", "tests/test_hello.py"
DATA = "twgw-data"
MADE = {
    CONFIG: "the configuration: every setting, at its default",
    STATE: "what is served: an API, its limits, an application",
    POLICY: "a policy of your own",
    TEST: "its test",
}
VALUES = {"data_dir": f'"../{DATA}"', "file": f'"../{STATE}"', "directories": '["../plugins"]'}
"""What the project sets in the configuration: its files stand beside etc/."""

EXAMPLES = """\b
Examples:
  twgw init shop                           makes shop/ and says what to do next
  twgw init .                              here; nothing that is there is changed
"""


@click.command(epilog=EXAMPLES)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def init(folder: Path) -> None:
    """Begin a project in DIR: a configuration, an API with a key, a policy of your own and its test.

    It runs as it stands.  A file that is there already is never written over: then nothing is written at all.
    """
    in_the_way = [name for name in MADE if (folder / name).exists() or (folder / name).is_symlink()]
    if in_the_way:
        raise failure([f"{folder / name} is there already" for name in in_the_way] + ["nothing was written"])
    key = mint()
    try:
        _write(folder, key)
    except (PepperError, OSError) as error:
        raise failure([f"nothing was written: {error}"]) from error
    _say_what_next(folder, key)


def _write(folder: Path, key: str) -> None:
    """Write every file, or none."""
    data = folder / DATA
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    texts = {
        STATE: Template(_template("apis.yaml")).substitute(digest=digest(load_pepper(data / "pepper"), key)),
        CONFIG: configuration(),
        POLICY: _template("hello.py.txt"),
        TEST: _template("test_hello.py.txt"),
    }
    written: list[Path] = []
    try:
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            create(path, text, 0o644)
            written.append(path)
    except OSError:
        for path in written:
            path.unlink()
        raise


def configuration() -> str:
    """The default configuration with the files of the project."""
    text = render_default()
    for name, value in VALUES.items():
        text, count = re.subn(rf"^#{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        assert count == 1, f"{name} is one setting"
    return text


def _template(name: str) -> str:
    return (files("twgw") / "templates" / name).read_text("utf-8")


def _say_what_next(folder: Path, key: str) -> None:
    config, tests = shlex.quote(str(folder / CONFIG)), shlex.quote(str(folder / "tests"))
    click.echo(f"Made in {folder}/:\n")
    for name, what in MADE.items():
        click.echo(f"  {name:<21} {what}")
    click.echo("\nThe key of the application my-app, shown this once:\n")
    click.echo(f"  {key}\n")
    click.echo("Next: check, serve, and call it from another terminal:\n")
    click.echo(f"  {_typed('twgw')} validate {config}")
    click.echo(f"  {_typed('twistd')} -n --pidfile= twgw --config {config}")
    click.echo(f"  curl -i -H 'X-API-Key: {key}' http://127.0.0.1:8080/pets/7\n")
    click.echo("The test of the policy needs pytest, of this environment:\n")
    click.echo(f"  {_typed('python')} -m pip install pytest")
    click.echo(f"  {_typed('python')} -m pytest {tests}")


def _typed(program: str) -> str:
    """A program of this installation, as it has to be typed: with its path, where the name alone is another's."""
    own = Path(sys.executable).with_name(program)
    found = shutil.which(program)
    return program if not own.exists() or (found and Path(found) == own) else shlex.quote(str(own))
