"""``twgw key …``: API keys of applications, at a node or, where a file is the state, as the line that stands in it.

What is stored of a password, too, and of the keys of other gateways.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from twgw.cli_app import show_keys, tell_call, tell_key
from twgw.cli_config import config_option, configured, failure, nearby, node_pepper, pepper_file
from twgw.cli_duration import DURATION
from twgw.cli_node import Node, asks, node_of, url_option
from twgw.cli_show import json_option, show_fields, show_json, when
from twgw.config import Config
from twgw.credentials import digest, digest_of_hash, mint
from twgw.faults import InvalidFileError, suggest
from twgw.key_import import FORMATS, Form, read_keys
from twgw.passwords import LONGEST, hashed
from twgw.state import load_state

EXAMPLES = """\b
Examples:
  twgw key new --application batch                  a key for batch, and how to use it
  twgw key list batch
  twgw key rotate 3kTq8ZpA --overlap 7d             a new key in its place; for a week both are good
"""
NEW_EXAMPLES = """\b
Examples:
  twgw key new --application batch                  at the node, good from now on
  twgw key new --application batch --sandbox --expires-in 30d
  twgw key new -c etc/twgw.toml --application batch
                                                    where [state] file is the state: the line for it
  twgw key new                                      the line for a file of twgw config sync
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


@click.group(epilog=EXAMPLES)
def key() -> None:
    """Make API keys, exchange them and take them back; make what is stored of passwords."""


@key.command(epilog=NEW_EXAMPLES)
@config_option
@url_option
@click.option("--application", metavar="NAME", help="Whose key it is.")
@click.option("--title", default="", metavar="TEXT", help="At a node: what it is for.")
@click.option("--sandbox", is_flag=True, help="At a node: for the sandbox of APIs.")
@click.option("--scope", "scopes", multiple=True, metavar="TEXT", help="At a node: what its holder may do; repeatable.")
@click.option("--expires-in", type=DURATION, metavar="TIME", help="At a node: how long it is good, as 30d.")
@click.option("--env", "environment", metavar="WORD", help="In a line: stands in the key.  [default: live]")
@json_option
def new(
    file: Path | None, url: str | None, application: str | None, environment: str | None, as_json: bool, **more: Any
) -> None:
    """Make an API key and show it, this once.

    Where a database is the state, the node is asked, and a key for --application is good as soon as it is shown.
    Where [state] file names a file, or no application is named, the line is printed that makes the key known.  It
    holds a digest, not the key: HMAC-SHA-256 under the pepper of the node.  It goes under credentials of an
    application in that file, or in one for `twgw config sync`.
    """
    if application is not None and (url or configured(file).state.file is None):
        if environment:
            raise click.UsageError("--env is for a line; at a node say --sandbox, or nothing")
        _at_node(node_of(file, url), application, as_json, **more)
        return
    given = [f"--{name.replace('_', '-').replace('scopes', 'scope')}" for name, value in more.items() if value]
    if given or as_json or url:
        wrong = [*given, *["--json"] * as_json, *["--url"] * bool(url)][0]
        raise click.UsageError(f"{wrong} is for a key at a node: name its --application")
    _line(configured(file), application, environment or "live")


def _at_node(
    node: Node, application: str, as_json: bool, *, title: str, sandbox: bool, scopes: Sequence[str],
    expires_in: float | None,
) -> None:  # fmt: skip
    """Have a node make a key."""
    wish = {
        "title": title, "environment": "sandbox" if sandbox else "production", "scopes": scopes,
        "expires_in": expires_in,
    }  # fmt: skip
    made = node.post("applications", application, "keys", body=wish)
    if as_json:
        show_json(made)
        return
    tell_key(made["key"])
    rights = node.items("applications", application, "subscriptions")
    tell_call(node, made["key"], [each["api"] for each in rights if each["state"] == "ACCEPTED"])


@key.command("list")
@click.argument("application")
@asks
def list_(node: Node, as_json: bool, application: str) -> None:
    """List the keys of APPLICATION by their ids, also those that were taken back."""
    found = list(node.items("applications", application, "keys"))
    if as_json:
        show_json(found)
    else:
        show_keys(found, f"{application} has no key.  Next: twgw key new --application {application}")


@key.command()
@click.argument("id")
@asks
def show(node: Node, as_json: bool, id: str) -> None:
    """Show what is known of the key with this ID, which stands in logs; never the key itself."""
    found = node.get("keys", id)
    if as_json:
        show_json(found)
        return
    show_fields(found["id"], (
        ("application", found["application"]), ("title", found["title"]), ("for", found["environment"]),
        ("scopes", found["scopes"]), ("revoked", found["revoked"]), ("good until", when(found["expires_at"])),
        ("made", when(found["created_at"])), ("last used", when(found["last_used_at"]) or "never"),
    ))  # fmt: skip


@key.command()
@click.argument("id")
@click.option("--overlap", type=DURATION, default="1d", metavar="TIME", help="How long both are good.  [default: 1d]")
@asks
def rotate(node: Node, as_json: bool, id: str, overlap: float) -> None:
    """Exchange the key with this ID for a new one, which is shown this once.  For a while both are good."""
    made = node.post("keys", id, "rotation", body={"overlap": overlap})
    if as_json:
        show_json(made)
        return
    tell_key(made["key"])
    before = node.get("keys", id)
    click.echo(f"The key {id} is good until {when(before['expires_at'])}")


def _line(config: Config, application: str | None, environment: str) -> None:
    """Print a key, and the line that makes it known."""
    try:
        secret = mint(environment)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--env") from error
    place = f"credentials of {application}" if application else "credentials of an application"
    state = config.state.file
    if application and state:
        _find(application, state)
    pepper = node_pepper(config)
    tell_key(secret)
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
