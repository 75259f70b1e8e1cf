"""``twgw cluster …``: make a cluster, let nodes into it, see how they stand."""

import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from twgw.cli_config import config_option, configured, failure, nearby, opened
from twgw.cluster.settings import PORT, Address
from twgw.config import Config
from twgw.newfile import create
from twgw.toml_edit import with_settings

T = TypeVar("T")
WAIT = 15.0
"""Seconds for another node to answer."""
SPOKEN = ("gateway", "keymanager")
"""Roles that count between nodes, and stand in certificates."""

EXAMPLES = """\b
Examples:
  twgw cluster init -c etc/twgw.toml       on the node with the database; prints how others join
  twgw cluster join gateway1 --token twgwjoin_…
                                           on a further node
  twgw cluster status                      who is there, and how far
"""


@click.group(epilog=EXAMPLES)
def cluster() -> None:
    """Several nodes as one gateway."""


@cluster.command()
@config_option
def init(file: Path | None) -> None:
    """Make a cluster of this node's database, and this node a key manager of it.

    What signs certificates is kept in the database.  This node gets one, and listens for others from its next start.
    Running it again changes nothing and prints a new token.
    """
    from twgw.cluster import authority
    from twgw.cluster.authority import Identity
    from twgw.cluster.joining import ensure_authority
    from twgw.storage.upgrade import upgrade

    config = configured(file)
    if "keymanager" not in config.node.roles:
        raise failure(["[node] roles: a cluster is made on a node with the role keymanager"])  # fmt: skip
    now, where = _now(), config.cluster
    with opened(config) as database:
        upgrade(database)
        signer = database.call(ensure_authority, where.name, now=now, write=True)
        if not where.files[1].exists():
            key = authority.new_key()
            identity = Identity(where.name, config.node.name, frozenset(config.node.roles) & set(SPOKEN))
            made = authority.issue(signer, authority.request(key, config.node.name), identity, now)
            _keep(config, signer.certificate, made, key)
            click.echo(f"{config.node.name} is of the cluster {where.name}: {', '.join(sorted(identity.roles))}")
    if where.listen is None:
        _set(file, {"listen": f"tcp:{PORT}"})
        click.echo("It listens for other nodes from its next start.\n")
    _tell_token(config, ("gateway",))


@cluster.command()
@config_option
@click.option("--role", "roles", multiple=True, default=("gateway",), show_default=True, metavar="ROLE",
              help="What the new node may be; may stand several times.")  # fmt: skip
def token(file: Path | None, roles: tuple[str, ...]) -> None:
    """Print a token that lets one node join: once, and for 15 minutes."""
    _tell_token(configured(file), roles)


@cluster.command()
@config_option
@click.argument("address", metavar="HOST[:PORT]")
@click.option("--token", "text", metavar="TOKEN", envvar="TWGW_JOIN_TOKEN", prompt=True, hide_input=True,
              help="What twgw cluster init or token printed.  [else: TWGW_JOIN_TOKEN, or asked for]")  # fmt: skip
def join(file: Path | None, address: str, text: str) -> None:
    """Join the cluster of the node at HOST.

    The token proves both sides to each other.  The private key is made here and stays here.  A node whose configuration
    names a database becomes one more key manager; any other a gateway that asks the node at HOST.
    """
    from twgw.cluster import authority
    from twgw.cluster.joining import Joined, JoinError, JoinToken
    from twgw.cluster.joining import join as ask
    from twgw.cluster.links import connect
    from twgw.cluster.tls import Stranger

    config = configured(file)
    kept = tuple(role for role in config.node.roles if role != "keymanager" or config.database.url is not None)
    roles = [role for role in kept if role in SPOKEN]
    if not roles:
        raise failure([f"[node] roles: a node of a cluster is a {' or a '.join(SPOKEN)}"])
    for path in config.cluster.files[1:]:
        if path.exists():
            raise failure([f"{path}: is there already; to join anew, take {path.parent} away"])
    key = authority.new_key()
    try:
        known, where = JoinToken.from_text(text), Address.from_text(address)
    except (JoinError, ValueError) as error:
        raise failure([str(error)]) from error

    async def joined(reactor: Any) -> Joined:
        peer = await connect(reactor, where, Stranger(), _here(config, reactor), "join")
        return await ask(peer, known, key, config.node.name, roles, _now())

    found = _answered(where, joined)
    _keep(config, found.ca, found.certificate, key)
    settings: dict[str, str | list[str]] = {"name": found.identity.cluster}
    settings |= {"listen": f"tcp:{PORT}"} if "keymanager" in roles else {"keymanagers": [str(where)]}
    if kept != config.node.roles:
        _set(file, {"roles": list(kept)}, "node")
    _set(file, settings)
    click.echo(f"{config.node.name} joined the cluster {found.identity.cluster}: {', '.join(sorted(roles))}")
    click.echo("It takes part from its next start.")


@cluster.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def status(file: Path | None, as_json: bool) -> None:
    """Say which nodes are connected to the key manager that answers, and how far each follows its log."""
    from twgw.cluster.authority import CertificateError
    from twgw.cluster.commands import Status
    from twgw.cluster.links import connect
    from twgw.cluster.remote import whole
    from twgw.cluster.tls import load

    config = configured(file)
    where = next(iter(config.cluster.keymanagers), None)
    if where is None and config.cluster.listen is not None:
        where = Address(config.cluster.listen.interface or "127.0.0.1", config.cluster.listen.port)
    if where is None:
        raise failure(["this node is of no cluster; run: twgw cluster init, or twgw cluster join"])
    try:
        tls = load(*config.cluster.files)
    except CertificateError as error:
        raise failure([str(error)]) from error

    async def asked(reactor: Any) -> bytes:
        here = _here(config, reactor, tls.identity)
        return await whole(await connect(reactor, where, tls, here, "bulk"), Status)

    found = json.loads(_answered(where, asked))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"Cluster {found['cluster']}, as {where} says:\n")
    for each in found["nodes"]:
        lag = "up to date" if not each["lag"] else f"{each['lag']} behind"
        click.echo(f"  {each['node']:<20} {', '.join(each['roles']):<30} position {each['position']}, {lag}")


def _now() -> float:
    return time.time()  # noqa: TID251 - a command has no other clock


def _here(config: Config, reactor: Any, identity: Any = None) -> Any:
    from twgw.clock import ReactorClock
    from twgw.cluster.authority import Identity
    from twgw.cluster.here import Here
    from twgw.metrics import Registry

    mine = identity or Identity(config.cluster.name, config.node.name)
    return Here.of(mine, ReactorClock(reactor), _Silent(), Registry(), {})


class _Silent:
    """The log of a command: what goes wrong, it says itself."""

    def info(self, text: str, **fields: Any) -> None:
        """Nothing."""

    warn = error = info


def _answered(where: Address, ask: Callable[[Any], Awaitable[T]]) -> T:
    """What comes of asking another node.  What goes wrong ends the command."""
    from twisted.internet.defer import Deferred
    from twisted.internet.defer import TimeoutError as Late
    from twisted.internet.task import react

    from twgw.cluster.commands import Away, Broken, Lost, Refused
    from twgw.cluster.joining import JoinError

    found: list[T] = []
    why: list[str] = []

    async def asked(reactor: Any) -> None:
        try:
            found.append(await Deferred.fromCoroutine(ask(reactor)).addTimeout(WAIT, reactor))  # type: ignore[arg-type]
        except Late:
            why.append(f"no answer in {WAIT:.0f} s")
        except (Away, Broken, JoinError, Lost, Refused) as error:
            why.append(str(error))

    with suppress(SystemExit):
        react(lambda reactor: Deferred.fromCoroutine(asked(reactor)))
    if why or not found:
        raise failure([f"{where}: {why[0] if why else 'failed'}"])
    return found[0]


def _keep(config: Config, ca: str, certificate: str, key: str) -> None:
    """Write the files of a node; those that are there already are not written over."""
    files = config.cluster.files
    try:
        for path, text in zip(reversed(files), (key, certificate, ca), strict=True):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path != files[0] or not path.exists():
                create(path, text)
    except OSError as error:
        raise failure([f"{error.filename}: {error.strerror}"]) from error


def _set(file: Path | None, values: dict[str, str | list[str]], section: str = "cluster") -> None:
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


def _tell_token(config: Config, roles: Iterable[str]) -> None:
    """Print a new token, and how it is used."""
    from twgw.cluster.joining import JoinError, new_token

    with opened(config) as database:
        try:
            made = database.call(new_token, roles, now=_now(), write=True)
        except JoinError as error:
            raise failure([str(error)]) from error
    where = config.cluster.advertise or Address(config.node.name)
    click.echo(f"On a new node, once, within 15 minutes ({', '.join(roles)}):\n")
    click.echo(f"  twgw cluster join {where} --token {made.text}\n")
    click.echo("The token is a secret until then.  Another one: twgw cluster token")
