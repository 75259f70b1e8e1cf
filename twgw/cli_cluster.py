"""``twgw cluster …``: make a cluster, let nodes into it, see how they stand."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from twgw.cli_cluster_ask import answered, here
from twgw.cli_cluster_demo import demo
from twgw.cli_cluster_init import SPOKEN, init, roles_to_give, tell_token
from twgw.cli_cluster_join import join
from twgw.cli_cluster_remove import remove
from twgw.cli_config import config_option, configured, failure, left_out
from twgw.cli_show import in_words, show_list, when
from twgw.cluster.settings import Address

EXAMPLES = """\b
Examples:
  twgw cluster init --db postgresql://twgw@db/shop --db-password-file db-password --memcached a:11211,b:11211
                                           on the first node; prints how others join
  twgw cluster join gateway1 --token twgwjoin_…
                                           on a further node
  twgw cluster status                      who is there, and how far
  twgw cluster remove gateway7             take a node out: its certificate is refused from then on
"""


@click.group(epilog=EXAMPLES)
def cluster() -> None:
    """Several nodes as one gateway."""


cluster.add_command(demo)
cluster.add_command(init)
cluster.add_command(join)
cluster.add_command(remove)


TOKENS = """\b
Examples:
  twgw cluster token -c etc/twgw.toml      on a node that has the database
  twgw cluster token --role gateway        for a node that is to do without it, and asks this one
"""


@cluster.command(epilog=TOKENS)
@config_option
@click.option("--role", "roles", multiple=True, type=click.Choice(SPOKEN),
              help="What the new node may be; may stand several times.  [default: what twgw cluster init allows]")
def token(file: Path | None, roles: tuple[str, ...]) -> None:  # fmt: skip
    """Print a token that lets one node join: once, and for 15 minutes."""
    config = configured(file)
    if config.cluster.listen is None and (way := left_out(file)):
        raise failure([f"this node is of no cluster; {way}"])
    tell_token(config, roles or roles_to_give(config))


STATUS = """\b
Examples:
  twgw cluster status -c etc/twgw.toml
  twgw cluster status --json | jq '.nodes[] | select(.lease == "ended") | .node'
"""


@cluster.command(epilog=STATUS)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def status(file: Path | None, as_json: bool) -> None:
    """Say how every node stands: its roles, how far it follows the log, what it serves, its lease, how it counts."""
    from twgw.cluster.authority import CertificateError
    from twgw.cluster.commands import Status
    from twgw.cluster.links import connect
    from twgw.cluster.remote import whole
    from twgw.cluster.tls import load

    config = configured(file)
    places = list(config.cluster.keymanagers)
    if not places and config.cluster.listen is not None:
        places = [Address(config.cluster.listen.interface or "127.0.0.1", config.cluster.listen.port)]
    if not places:
        way = left_out(file) or "run: twgw cluster init, or twgw cluster join"
        raise failure([f"this node is of no cluster; {way}"])
    try:
        tls = load(*config.cluster.files)
    except CertificateError as error:
        raise failure([str(error)]) from error

    async def asked(reactor: Any, where: Address) -> bytes:
        mine = here(config, reactor, tls.identity)
        return await whole(await connect(reactor, where, tls, mine, "bulk"), Status)

    where, answer = answered(places, asked)
    found = json.loads(answer)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(in_words(f"Cluster {found['cluster']}, as {where} says:\n"))
    if why := found.get("cut_off"):
        click.echo(in_words(f"It is cut off from the others: {why}."))
        click.echo("Whether they are there is not known; what they said before is below.\n")
    columns = ("node", "roles", "position", "serves", "lease", "limits")
    show_list(columns, map(_row, found["nodes"]), "No node is there.")
    for line in (line for each in found["nodes"] for line in _alarms(each)):
        click.echo(in_words(line))


def _row(each: dict[str, Any]) -> tuple[Any, ...]:
    """A node, as it stands in the table."""
    if _is_missing(each) or _is_removed(each):
        return each["node"], each["roles"], "not there" if _is_missing(each) else "taken out", "", "", ""
    lag = f"{each['position']}, {each['lag']} behind" if each["lag"] else f"{each['position']}, up to date"
    node = f"{each['node']} ({each['gateways']} processes)" if each["gateways"] > 1 else each["node"]
    counted = each["counters"] if each["counters"] in ("", "shared") else "degraded"
    return node, each["roles"], lag, each["digest"], each["lease"], counted or "own"


def _is_missing(each: dict[str, Any]) -> bool:
    """Whether a node is not there; one of an earlier version says nothing of that."""
    return not each.get("there", True)


def _is_removed(each: dict[str, Any]) -> bool:
    """Whether a node that runs was taken out."""
    return bool(each.get("removed"))


def _alarms(each: dict[str, Any]) -> Iterator[str]:
    """What is to be looked at."""
    if _is_missing(each):
        since = f" since {when(each['seen_at'])}" if each["seen_at"] is not None else ""
        yield f"{each['node']} is not there{since}: start it, or take it out by twgw cluster remove {each['node']}"
        return
    if _is_removed(each):
        yield f"{each['node']} was taken out and runs still, serving nothing: stop it, then let it join anew or be"
        return
    if each["lease"] == "ended":
        yield f"{each['node']} has no lease: it answers nothing until it has one again"
        if each.get("rejoined"):
            yield f"{each['node']} joined anew after it was taken out: start it anew if it was not started since"
    if each["drifted"]:
        yield f"{each['node']} serves something else than the database has: it reads everything anew"
    if each["counters"] not in ("", "shared"):
        yield f"{each['node']} counts limits apart: {each['counters']}"
    for reason, apis in Counter(nack["reason"] for nack in each["refused"]).items():
        many = f"at least {apis} APIs: " if apis > 1 else ""  # a gateway does not name all
        yield f"{each['node']} does not have in force: {many}{reason}"
