"""``twgw cluster init``: make a cluster of a node, with the database and the memcached that all nodes will share.

What the commands of ``cli_cluster.py`` have in common stands here too: the files of a node, its configuration, tokens.
"""

import ipaddress
import json
import os
import re
import shlex
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click

from twgw.cli_config import config_option, configured, failure, nearby, opened
from twgw.cluster.settings import PORT, Address
from twgw.config import Config, load
from twgw.faults import InvalidFileError
from twgw.newfile import create
from twgw.toml_edit import with_settings

SPOKEN = ("gateway", "keymanager")
"""Roles that count between nodes, and stand in certificates."""
LOCAL = ("localhost", "127.0.0.1", "::1")
HERE = Path("twgw.toml")
"""The configuration that is made where none is named; with it the data directory is where it is without."""
NEW_FILE = "# Configuration of a twgw node: what is not here has its default (docs/reference.md).\n"

OPTIONS = {
    "database.url": "--db",
    "database.password_file": "--db-password-file",
    "memcached.servers": "--memcached",
    "cluster.advertise": "--advertise",
}
"""Settings, by the options that give them."""

EXAMPLES = """\b
Examples:
  twgw cluster init --db postgresql://twgw@db/shop --db-password-file db-password --memcached a:11211,b:11211
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
@click.option("--advertise", metavar="HOST[:PORT]",
              help="By what other nodes reach this one.  [default: the address by which it reaches others]")
def init(file: Path | None, url: str | None, password: Path | None, servers: str | None, advertise: str | None) -> None:
    """Make a cluster of this node's database, and this node a key manager of it.

    What signs certificates is kept in the database.  This node gets one, and listens for others from its next start.
    What is decided is written into the configuration; without one it is twgw.toml in this folder, which is made.
    Running it again changes nothing and prints a new token.
    """
    file = begin_file(file)
    before = configured(file)
    given = {"database.url": url, "memcached.servers": servers, "cluster.advertise": advertise}
    given["database.password_file"] = str(password.absolute()) if password is not None else None
    wanted = {name: text for name, text in given.items() if text}
    config = _with(file, wanted)
    _say_open(password)
    if "keymanager" not in config.node.roles:
        raise failure(["[node] roles: a cluster is made on a node with the role keymanager"])
    if url and config.database_url != before.database_url:
        _take_database(file, before, config)
    _write(file, wanted)
    _say_local(config)
    certify(config)
    if config.cluster.listen is None:
        put(file, {"listen": f"tcp:{config.cluster.advertise.port if config.cluster.advertise else PORT}"})
    if not config.cluster.says_where:
        put(file, advertised(config, own_address(_others(config))))
    config = configured(file)
    click.echo(f"\nIt listens for other nodes from its next start:\n\n  {starting(file)}\n")
    tell_token(config, roles_to_give(config))


def _with(file: Path, wanted: Mapping[str, str]) -> Config:
    """The configuration that the node is to have.  Ends the command with every fault in it."""
    try:
        return load(file, os.environ, wanted)
    except InvalidFileError as error:
        raise failure(map(_as_option, error.lines)) from error


def _as_option(line: str) -> str:
    """What is wrong with an option, by its name, and not by that of the setting which it gives."""
    for name, option in OPTIONS.items():
        if found := re.fullmatch(rf"command line: {re.escape(name)}(?:\[\d+\])?(:.*)", line):
            return option + found[1].replace("a file for password_file", "a file, and name that: --db-password-file")
    return line


def _say_open(password: Path | None) -> None:
    """A file of a password that others may read is one that they know."""
    if password is not None and (mode := password.stat().st_mode) & 0o077:
        click.echo(f"Note: others may read {password} ({mode & 0o777:04o}); run: chmod 600 {password}", err=True)


def _take_database(path: Path, before: Config, after: Config) -> None:
    """Move what the node has in SQLite, where it has something; else the database is taken as it is."""
    from twgw.storage.moving import in_use, move, set_aside
    from twgw.storage.upgrade import upgrade

    file = before.database_place.file
    if file is None:
        text = f"the database of this node is {before.database_url}; to take another, change [database] url by hand"
        raise failure([text])
    if after.database_place.file is not None:
        raise failure(["--db: nodes share a PostgreSQL, MariaDB or MySQL; SQLite is for one"])
    if not file.exists():
        left = configured(None).database_place.file
        if left is not None and left.exists():
            raise failure([
                f"{left}: a node has written here that was started without {path}, where {nearby(str(file))} is meant; "
                "to take along what it has, leave --config out, or move its folder there"
            ])  # fmt: skip
        with opened(after) as target:
            upgrade(target)  # before it is written down: one that cannot be had would stand there
        click.echo(f"Nothing is moved: there is no {nearby(str(file))}.")
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
    from twgw.cluster.joining import ensure_authority, note
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
    with opened(config) as database:
        database.call(note, made, now=now(), write=True)
    keep(config, signer.certificate, made, key)
    click.echo(f"{config.node.name} is of the cluster {where.name}: {', '.join(sorted(identity.roles))}")


def _write(file: Path, wanted: Mapping[str, str]) -> None:
    """Put what was named on the command line into the configuration."""
    for name, text in wanted.items():
        section, _, key = name.partition(".")
        value: str | list[str] = [each.strip() for each in text.split(",")] if key == "servers" else text
        put(file, {key: value}, section)


def now() -> float:
    """UNIX time."""
    return time.time()  # noqa: TID251 - a command has no other clock


def begin_file(file: Path | None) -> Path:
    """The configuration, one in this folder where none is named; one that is not there yet begins empty."""
    file = file or HERE
    try:
        if not file.exists():
            create(file, NEW_FILE, 0o644)
    except OSError as error:
        raise failure([f"{error.filename}: {error.strerror}"]) from error
    return file


def starting(file: Path) -> str:
    """The command that starts a node."""
    return f"twistd -n --pidfile= twgw --config {shlex.quote(nearby(str(file)))}"


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


def put(file: Path, values: Mapping[str, str | float | list[str]], section: str = "cluster") -> None:
    """Put settings into the configuration, or say which they are when it cannot be changed."""
    if not values:
        return
    wanted = [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    try:
        made = with_settings(file.read_text("utf-8"), section, values)
        draft = file.with_name(f".{file.name}.new")
        draft.unlink(missing_ok=True)
        create(draft, made)
        draft.chmod(file.stat().st_mode & 0o777)
        os.replace(draft, file)  # noqa: PTH105 - as it is called everywhere
    except (OSError, ValueError) as error:
        click.echo(f"{nearby(str(file))}: {error}; put this there:\n\n  " + "\n  ".join(wanted) + "\n")
    else:
        click.echo(f"Written to {nearby(str(file))}: {', '.join(wanted[1:])} in {wanted[0]}")


def advertised(config: Config, host: str) -> dict[str, str]:
    """By what other nodes reach this one, as a setting; none where it is not known."""
    port = config.cluster.listen.port if config.cluster.listen else PORT
    return {"advertise": str(Address(host, port))} if host else {}


def own_address(hosts: Iterable[str]) -> str:
    """By which address this machine speaks to others: to the first of them that is not itself; else empty."""
    for host in hosts:
        with suppress(OSError, UnicodeError):  # the latter of what can be no name of a host
            for family, kind, number, _, where in socket.getaddrinfo(host, PORT, type=socket.SOCK_DGRAM):
                with socket.socket(family, kind, number) as probe:
                    probe.connect(where)  # which sends nothing
                    if is_of_a_network(found := probe.getsockname()[0]):
                        return str(found)
    return ""


def is_of_a_network(host: str) -> bool:
    """Whether an address means this machine to another one as well."""
    address = ipaddress.ip_address(host)
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)


def _others(config: Config) -> list[str]:
    """Machines that this node speaks to."""
    url = urlsplit(config.database_url)
    return [each for each in (url.hostname, *parse_qs(url.query).get("host", []), *_counting(config)) if each]


def _counting(config: Config) -> Iterable[str]:
    return (each.host for each in config.memcached.servers)


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
