"""``twgw cluster …``: make a cluster, let nodes into it, see how they stand."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from twgw.cli_cluster_init import SPOKEN, begin_file, init, keep, now, put, tell_token
from twgw.cli_config import config_option, configured, failure
from twgw.cluster.settings import PORT, Address
from twgw.config import Config

T = TypeVar("T")
WAIT = 15.0
"""Seconds for another node to answer."""

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


cluster.add_command(init)


@cluster.command()
@config_option
@click.option("--role", "roles", multiple=True, default=("gateway",), show_default=True, metavar="ROLE",
              help="What the new node may be; may stand several times.")  # fmt: skip
def token(file: Path | None, roles: tuple[str, ...]) -> None:
    """Print a token that lets one node join: once, and for 15 minutes."""
    tell_token(configured(file), roles)


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

    begin_file(file)
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
        return await ask(peer, known, key, config.node.name, roles, now())

    found = _answered(where, joined)
    keep(config, found.ca, found.certificate, key)
    settings: dict[str, str | list[str]] = {"name": found.identity.cluster}
    settings |= {"listen": f"tcp:{PORT}"} if "keymanager" in roles else {"keymanagers": [str(where)]}
    if kept != config.node.roles:
        put(file, {"roles": list(kept)}, "node")
    put(file, settings)
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
