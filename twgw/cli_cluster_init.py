"""``twgw cluster init``: make a cluster of a node, with the database and the memcached that all nodes will share.

What the commands of ``cli_cluster.py`` have in common stands here too: the files of a node, its configuration, tokens.
"""

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import click

from twgw.cli_config import config_option, configured, failure, nearby, opened
from twgw.cluster.settings import PORT
from twgw.config import Config, load
from twgw.faults import InvalidFileError
from twgw.newfile import create
from twgw.toml_edit import with_settings

SPOKEN = ("gateway", "keymanager")
"""Roles that count between nodes, and stand in certificates."""
LOCAL = ("localhost", "127.0.0.1", "::1")
NEW_FILE = "# Configuration of a twgw node: what is not here has its default (docs/reference.md).\n"

EXAMPLES = """\b
Examples:
  twgw cluster init -c etc/twgw.toml --db postgresql://twgw@db/twgw --db-password-file etc/db-password \\
      --memcached a:11211,b:11211
                                           two boxes and more, with every role on each
  twgw cluster init -c etc/twgw.toml       the database stays as it is; with SQLite, others are gateways only
"""


@click.command(epilog=EXAMPLES)
@config_option
@click.option("--db", "url", metavar="URL",
              help="The database of all nodes, such as postgresql://USER@HOST/NAME.  "
                   "What this node has in SQLite is moved there.")
@click.option("--db-password-file", "password", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Where the password of that user stands, for the user of the node to read.")  # fmt: skip
@click.option("--memcached", "servers", metavar="HOST:PORT,…",
              help="Where all nodes count limits; each of them names the same.")  # fmt: skip
@click.option("--advertise", metavar="HOST[:PORT]", help="By what other nodes reach this one.  [default: its name]")
def init(file: Path | None, url: str | None, password: Path | None, servers: str | None, advertise: str | None) -> None:
    """Make a cluster of this node's database, and this node a key manager of it.

    What signs certificates is kept in the database.  This node gets one, and listens for others from its next start.
    Running it again changes nothing and prints a new token.
    """
    begin_file(file)
    before = configured(file)
    given = {"database.url": url, "memcached.servers": servers, "cluster.advertise": advertise}
    given["database.password_file"] = str(password.absolute()) if password is not None else None
    wanted = {name: text for name, text in given.items() if text}
    config = _with(file, wanted)
    if "keymanager" not in config.node.roles:
        raise failure(["[node] roles: a cluster is made on a node with the role keymanager"])
    if url and config.database_url != before.database_url:
        _take_database(before, config)
    _write(file, wanted)
    _say_local(config)
    certify(config)
    if config.cluster.listen is None:
        put(file, {"listen": f"tcp:{config.cluster.advertise.port if config.cluster.advertise else PORT}"})
        click.echo("It listens for other nodes from its next start.\n")
    tell_token(config, roles_to_give(config))


def _with(file: Path | None, wanted: Mapping[str, str]) -> Config:
    """The configuration that the node is to have.  Ends the command with every fault in it."""
    try:
        return load(file, os.environ, wanted)
    except InvalidFileError as error:
        raise failure(error.lines) from error


def _take_database(before: Config, after: Config) -> None:
    """Move what the node has in SQLite, where it has something; else the database is taken as it is."""
    from twgw.storage.moving import in_use, move, set_aside

    file = before.database_place.file
    if file is None:
        text = f"the database of this node is {before.database_url}; to take another, change [database] url by hand"
        raise failure([text])
    if after.database_place.file is not None:
        raise failure(["--db: nodes share a PostgreSQL, MariaDB or MySQL; SQLite is for one"])
    if not file.exists():
        return
    if in_use(file):
        raise failure([f"{file}: a node has it open: stop that first, and start it after this"])
    with opened(before) as source, opened(after) as target:
        done = move(source, target)
    aside = set_aside(file)
    total, tables = sum(done.rows.values()), sum(map(bool, done.rows.values()))
    what = "were there already" if done.again else "were moved and compared"
    click.echo(f"{total} rows of {tables} tables {what}: from {nearby(str(file))} to {after.database_url}")
    click.echo(f"The audit is whole: {done.entries} entries.  The file is {nearby(str(aside))} now, for you to keep.")


def _say_local(config: Config) -> None:
    """A name that means another machine wherever it is used is a trap: the other node would ask itself."""
    hosts = {config.database_url: urlsplit(config.database_url).hostname}
    hosts |= {str(each): each.host for each in config.memcached.servers}
    for place, host in hosts.items():
        if host in LOCAL:
            click.echo(f"Note: {place} is this machine; nodes on others need a name by which they reach it.", err=True)


def certify(config: Config) -> None:
    """The authority, in the database, and a certificate of it for this node."""
    from twgw.cluster import authority
    from twgw.cluster.authority import Identity
    from twgw.cluster.joining import ensure_authority
    from twgw.storage.upgrade import upgrade

    where = config.cluster
    with opened(config) as database:
        upgrade(database)
        signer = database.call(ensure_authority, where.name, now=now(), write=True)
    if where.files[1].exists():
        return
    key = authority.new_key()
    identity = Identity(where.name, config.node.name, frozenset(config.node.roles) & set(SPOKEN))
    made = authority.issue(signer, authority.request(key, config.node.name), identity, now())
    keep(config, signer.certificate, made, key)
    click.echo(f"{config.node.name} is of the cluster {where.name}: {', '.join(sorted(identity.roles))}")


def _write(file: Path | None, wanted: Mapping[str, str]) -> None:
    """Put what was named on the command line into the configuration."""
    for name, text in wanted.items():
        section, _, key = name.partition(".")
        value: str | list[str] = [each.strip() for each in text.split(",")] if key == "servers" else text
        put(file, {key: value}, section)


def now() -> float:
    """UNIX time."""
    return time.time()  # noqa: TID251 - a command has no other clock


def begin_file(file: Path | None) -> None:
    """A configuration that is not there yet begins empty."""
    if file is None or file.exists():
        return
    try:
        create(file, NEW_FILE, 0o644)
    except OSError as error:
        raise failure([f"{error.filename}: {error.strerror}"]) from error


def keep(config: Config, ca: str, certificate: str, key: str) -> None:
    """Write the files of a node; those that are there already are not written over."""
    files = config.cluster.files
    try:
        config.node.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, text in zip(reversed(files), (key, certificate, ca), strict=True):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path != files[0] or not path.exists():
                create(path, text)
    except OSError as error:
        raise failure([f"{error.filename}: {error.strerror}"]) from error


def put(file: Path | None, values: Mapping[str, str | float | list[str]], section: str = "cluster") -> None:
    """Put settings into the configuration, or say which they are when it cannot be changed."""
    wanted = [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    if file is None:
        click.echo("Put this into the configuration of the node:\n\n  " + "\n  ".join(wanted) + "\n")
        return
    try:
        made = with_settings(file.read_text("utf-8"), section, values)
        draft = file.with_name(f".{file.name}.new")
        draft.write_text(made, "utf-8")
        draft.chmod(file.stat().st_mode & 0o777)
        os.replace(draft, file)  # noqa: PTH105 - as it is called everywhere
    except (OSError, ValueError) as error:
        click.echo(f"{nearby(str(file))}: {error}; put this there:\n\n  " + "\n  ".join(wanted) + "\n")
    else:
        click.echo(f"Written to {nearby(str(file))}: {', '.join(wanted[1:])} in {wanted[0]}")


def roles_to_give(config: Config) -> tuple[str, ...]:
    """What a new node may be: everything where it can use the database, else a gateway that asks this one."""
    return SPOKEN if config.database_place.file is None else SPOKEN[:1]


def tell_token(config: Config, roles: Iterable[str]) -> None:
    """Print a new token, and how it is used."""
    from twgw.cluster.joining import JoinError, new_token

    with opened(config) as database:
        try:
            made = database.call(new_token, roles, now=now(), write=True)
        except JoinError as error:
            raise failure([str(error)]) from error
    where = config.cluster.address(config.node.name)
    click.echo(f"On a new node, once, within 15 minutes ({', '.join(roles)}):\n")
    click.echo(f"  twgw cluster join {where} --token {made.text}\n")
    click.echo("The token is a secret until then.  Another one: twgw cluster token")
