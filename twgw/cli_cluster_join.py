"""``twgw cluster join``: a node comes into the cluster, and is told what has to be the same on all of them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from twgw.cli_cluster_ask import answered, here
from twgw.cli_cluster_init import (
    SPOKEN,
    advertised,
    begin_file,
    is_of_a_network,
    keep,
    now,
    put,
    starting,
)
from twgw.cli_config import config_option, configured, failure, nearby
from twgw.cluster.settings import PORT, Address
from twgw.config import Config
from twgw.newfile import create

PASSWORD = "database-password"
"""The file with the password of the database; apart from the certificates, which may be taken away."""

EXAMPLES = """\b
Examples:
  twgw cluster join gateway1 --token twgwjoin_…
  twgw cluster join gateway1 -c etc/twgw.toml
                                           asks for the token
  TWGW_JOIN_TOKEN=twgwjoin_… twgw cluster join 10.0.0.11:8091 -c etc/twgw.toml --advertise 10.0.0.12
"""


@click.command(epilog=EXAMPLES)
@config_option
@click.argument("address", metavar="HOST[:PORT]")
@click.option("--token", "text", metavar="TOKEN", envvar="TWGW_JOIN_TOKEN", prompt="Token", hide_input=True,
              help="What twgw cluster init or token printed.  [else: TWGW_JOIN_TOKEN, or asked for]")
@click.option("--advertise", metavar="HOST[:PORT]",
              help="By what other nodes reach this one.  [default: the address by which it reaches HOST]")
def join(file: Path | None, address: str, text: str, advertise: str | None) -> None:  # fmt: skip
    """Join the cluster of the node at HOST.

    The token proves both sides to each other.  The private key is made here and stays here.  Where the token allows it,
    and the cluster has a database for several nodes, this one uses it and is a node like the first, with every role
    that [node] roles names; else it is a gateway that asks the node at HOST.  What it is told is written into its
    configuration; without one it is twgw.toml in this folder, which is made.
    """
    from twgw.cluster import authority
    from twgw.cluster.joining import Joined, JoinError, JoinToken
    from twgw.cluster.joining import join as ask
    from twgw.cluster.links import connect
    from twgw.cluster.tls import Stranger

    file = begin_file(file)
    config = configured(file)
    roles: list[str] = [role for role in config.node.roles if role in SPOKEN]
    _check(config, roles)
    key = authority.new_key()
    try:
        known = JoinToken.from_text(text)
    except JoinError as error:
        raise failure([str(error)]) from error
    where = _address("HOST", address)
    named = {"advertise": str(_address("--advertise", advertise))} if advertise else {}

    seen: list[str] = []

    async def joined(reactor: Any, where: Address) -> Joined:
        peer = await connect(reactor, where, Stranger(), here(config, reactor), "join")
        seen.append(str(peer.transport.getHost().host))
        most = config.database.url is None
        return await ask(peer, known, key, config.node.name, roles, now(), most=most)

    _, found = answered([where], joined)
    keep(config, found.ca, found.certificate, key)
    if not named and not config.cluster.says_where and seen and is_of_a_network(seen[0]):
        named = advertised(config, seen[0])
    _settle(file, config, where, found, named)
    _say_left(config)
    click.echo(f"{config.node.name} joined the cluster {found.identity.cluster}: {_words(found.identity.roles)}")
    click.echo(f"\nIt takes part from its next start:\n\n  {starting(file)}\n")
    click.echo(f"Then: twgw doctor --config {nearby(str(file))}")
    if "keymanager" in found.identity.roles:
        click.echo("Commands here need a login: twgw login NAME, of a user with a password (twgw user add, on another")
        click.echo("node), or TWGW_TOKEN with what is in the admin.secret of the first node.")


def _address(what: str, text: str) -> Address:
    """Where somebody is reached, as it was typed."""
    try:
        return Address.from_text(text)
    except ValueError as error:
        raise failure([f"{what}: {error}"]) from error


def _check(config: Config, roles: list[str]) -> None:
    """What would be in the way afterwards is said before the token is used up."""
    if not roles:
        raise failure([f"[node] roles: a node of a cluster is a {' or a '.join(SPOKEN)}"])
    if config.state.file is not None:
        raise failure([f"{config.state.file} is the state of this node ([state] file); in a cluster a database is"])
    for path in config.cluster.files[1:]:
        if path.exists():
            way = f"to join anew, take {nearby(str(path.parent))} away"
            raise failure([f"{path}: is there already, so this node has joined a cluster; {way}"])


def _say_left(config: Config) -> None:
    """What a node had while it was one by itself does not come along."""
    file = config.database_place.file
    if config.database.url is None and file is not None and file.exists():
        click.echo(f"Note: what this node had by itself stays in {nearby(str(file))}, and is served no more.", err=True)


def _settle(file: Path, config: Config, where: Address, found: Any, named: Mapping[str, str]) -> None:
    """Write what the node is from now on, and what it was told."""
    from twgw.cluster.handover import read

    try:
        told = read(found.settings)
    except ValueError as error:
        raise failure([f"{where}: what it told of its settings {error}; this node has its certificate"]) from error
    mine = {"name": found.identity.cluster, **told.pop("cluster", {})}
    database = told.pop("database", {})
    if "keymanager" in found.identity.roles and (database or config.database.url):
        if config.database.url is None:
            put(file, _with_password_file(config, database), "database")
        mine |= named
        port = Address.from_text(named["advertise"]).port if named else PORT
        put(file, {**mine, "listen": f"tcp:{port}"} if config.cluster.listen is None else mine)
    else:
        kept: list[str] = [role for role in config.node.roles if role != "keymanager"]
        if kept != list(config.node.roles):
            put(file, {"roles": kept}, "node")
        others = [each for each in mine.pop("keymanagers", ()) if each != str(where)]
        put(file, {**mine, "keymanagers": [str(where), *others]})
    for section, values in told.items():
        if getattr(config, section) == getattr(Config(), section):  # what stands here already counts
            put(file, values, section)


def _with_password_file(config: Config, database: Mapping[str, Any]) -> dict[str, Any]:
    """Where the database is; its password is put into a file of its own."""
    values = dict(database)
    password = values.pop("password", "")
    if password:
        path = config.node.data_dir / PASSWORD
        try:
            path.unlink(missing_ok=True)
            create(path, f"{password}\n")
        except OSError as error:
            raise failure([f"{error.filename}: {error.strerror}"]) from error
        values["password_file"] = str(path)
    return values


def _words(roles: Iterable[str]) -> str:
    return ", ".join(sorted(roles))
