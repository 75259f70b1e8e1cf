"""``twgw key …``: API keys for applications."""

import json
from pathlib import Path

import click

from twgw.cli_config import config_option, configured, failure, nearby, node_pepper, pepper_file
from twgw.config import Config
from twgw.credentials import digest, digest_of_hash, mint
from twgw.faults import InvalidFileError, suggest
from twgw.key_import import FORMATS, Form, read_keys
from twgw.passwords import LONGEST, hashed
from twgw.state import load_state

NEW_EXAMPLES = """\b
Examples:
  twgw key new                                      under the pepper in ./twgw-data
  twgw key new --config etc/twgw.toml               under the pepper of that node
  twgw key new -c etc/twgw.toml --application batch
"""
IMPORT_EXAMPLES = """\b
Examples:
  twgw key import keys.csv >>apis.yaml
  twgw key import --format kong kong.yaml
  twgw key import -c etc/twgw.toml --format sha256 hashes.csv
"""
PASSWORD_EXAMPLES = """\b
Examples:
  twgw key password alice
"""
SHORTEST_PASSWORD = 8


@click.group()
def key() -> None:
    """Make API keys, and what is stored of passwords."""


@key.command(epilog=NEW_EXAMPLES)
@config_option
@click.option("--application", metavar="NAME", help="Say where in the state the line belongs: under this application.")
@click.option("--env", "environment", default="live", show_default=True, metavar="WORD", help="Stands in the key.")
def new(file: Path | None, application: str | None, environment: str) -> None:
    """Print a new API key, once, and the line that makes it known to the gateway.

    The line holds a digest, not the key: HMAC-SHA-256 under the pepper of the node, which stands in its database, or
    where a file is its state, in its data directory.  It goes under credentials of an application in that file, or in
    one for `twgw config sync`.
    """
    config = configured(file)
    try:
        secret = mint(environment)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--env") from error
    place = f"credentials of {application}" if application else "credentials of an application"
    state = config.state.file
    if application and state:
        _find(application, state)
    pepper = node_pepper(config)
    click.echo("The key, shown this once:\n")
    click.echo(f"  {secret}\n")
    where = nearby(str(state)) if state else "the file for `twgw config sync`"
    click.echo(f"Put this line under {place} in {where}:\n")
    click.echo(f'  - {{kind: api-key, digest: "{digest(pepper, secret)}"}}\n')
    click.echo(f"The digest is made with the pepper in {_home(config)}: it is good for nodes that have the same one.")


def _home(config: Config) -> str:
    """Where the pepper stands."""
    if config.state.file is None:
        return "the database"
    return "the configuration" if config.node.pepper else nearby(str(pepper_file(config)))


@key.command("import", epilog=IMPORT_EXAMPLES)
@config_option
@click.argument("keys", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), default="list", show_default=True, help="What FILE is.")
def import_(file: Path | None, keys: Path, form: Form) -> None:
    r"""Print what makes the keys of another gateway known to this one: applications with digests, for apis.yaml.

    \b
    list    lines of APPLICATION,KEY
    sha256  lines of APPLICATION,HASH: the SHA-256 of each key in hex, or as WSO2 stores it
    kong    a declarative file of Kong (decK): the keyauth_credentials of its consumers

    Their holders go on with the keys that they have.  The keys themselves are written nowhere.
    """
    config = configured(file)
    try:
        found = read_keys(keys.read_bytes().decode("utf-8"), str(keys), form)
    except OSError as error:
        raise failure([f"{keys}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise failure([f"{keys}: is not UTF-8 text (byte {error.start})"]) from error
    except InvalidFileError as error:
        raise failure(error.lines) from error
    pepper = node_pepper(config)
    applications: dict[str, list[dict[str, str]]] = {}
    for each in found:
        line = {"kind": "api-key", "digest": digest_of_hash(pepper, each.sha256)}
        applications.setdefault(each.application, []).append(line)
    click.echo("applications:")
    for name, lines in applications.items():
        click.echo(f"  - name: {json.dumps(name)}\n    credentials:")
        for line in lines:
            click.echo(f"      - {json.dumps(line)}")


@key.command(epilog=PASSWORD_EXAMPLES)
@click.argument("user")
def password(user: str) -> None:
    """Ask for a password, and print the line that lets USER log in where the policy basic-auth stands.

    It goes under credentials of an application in apis.yaml.  What it holds is made by argon2id; the password is not
    in it, and nothing else is written.
    """
    secret = click.prompt("Password", hide_input=True, confirmation_prompt="Again")
    if len(secret) < SHORTEST_PASSWORD or len(secret) > LONGEST:
        raise failure([f"a password has {SHORTEST_PASSWORD} to {LONGEST} characters"])
    line = {"kind": "basic", "user": user, "digest": hashed(secret)}
    click.echo("Put this line under credentials of an application:\n")
    click.echo(f"  - {json.dumps(line)}")


def _find(application: str, path: Path) -> None:
    """Make sure that a key is not made for a name that was mistyped."""
    try:
        names = [one.name for one in load_state(path).state.applications]
    except InvalidFileError as error:
        raise failure(error.lines) from error
    if application not in names:
        raise failure([f"{path}: there is no application {application}{suggest(application, names)}"])
