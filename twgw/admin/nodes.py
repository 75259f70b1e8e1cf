"""The nodes over REST: how each stands, and to take one out of the cluster.  Part of ``rest.py``."""

import re

from attrs import frozen
from sqlalchemy.engine import Connection

from twgw.cluster.overview import Row
from twgw.cluster.settings import NAME
from twgw.settings import fields, setting
from twgw.storage import log
from twgw.storage import nodes as stored
from twgw.web.asking import after, limit_of
from twgw.web.permissions import Permission
from twgw.web.refusals import not_found, refuse
from twgw.web.view import Answer, Call, Page, Views

views = Views("nodes")


@frozen
class Nack:
    """What a node cannot have in force."""

    node: str = setting("Its name.")
    api: str = setting("The API; empty for the global policies.")
    reason: str = setting("Why not.")


@frozen
class ShownNode:
    """A node, and how it stands."""

    node: str = setting("Its name.")
    roles: tuple[str, ...] = setting("What it is.")
    position: int = setting("The position of the log up to which everything is in force there.")
    lag: int = setting("How much further the log is.")
    lease: str = setting("held or ended; empty where it carries no traffic, or needs no lease.")
    digest: str = setting("Over what it serves: the same on all nodes that serve the same. Empty on a node by itself.")
    drifted: bool = setting("Whether it serves something else than the database has.")
    counters: str = setting("How it counts limits: shared, or why not; empty: each process alone.")
    gateways: int = setting("Its processes that carry traffic.")
    refused: tuple[Nack, ...] = setting("What it cannot have in force, and why.")
    there: bool = setting("Whether it is there; else it is stopped, dead or cut off, and was not taken out.")
    removed: bool = setting("Whether it was taken out, and runs still: it serves nothing.")
    seen_at: float | None = setting("UNIX time at which one that is not was there last; null: not since we began.")


def _shown(row: Row) -> ShownNode:
    values = {field.name: getattr(row, field.name) for field in fields(ShownNode)}
    return ShownNode(**{**values, "refused": tuple(Nack(**nack) for nack in row.refused)})


@views.view("GET", "/nodes", permission=Permission.NODE_READ, answers=ShownNode, paged=True)
def list_nodes(call: Call, connection: Connection) -> Page:
    """List the nodes of the cluster and how each stands, by name."""
    start, limit = after(call.query) or "", limit_of(call.query)
    found = [row for row in call.lent.nodes(log.head(connection).pos) if row.node > start]
    last = found[limit - 1].node if len(found) > limit else None
    return Page([_shown(row) for row in found[:limit]], last)


@frozen
class Removal:
    """How a node is taken out."""

    force: bool = setting("Also one that is not known here, and the one that answers.", default=False)


def _current(call: Call, connection: Connection, node: str) -> ShownNode | None:
    """How a node stands that is to be taken out; None when it is not there now."""
    known = {row.node: row for row in call.lent.nodes(log.head(connection).pos)}
    parent, _, number = node.rpartition(".worker")
    if parent in known and number.isdecimal():
        raise refuse(422, "A worker", f"{node} is a process of {parent}: name that one")
    if node not in known and node not in (names := stored.list_nodes(connection)) and not call.query.force:
        raise not_found(f"node {node}; known are {', '.join(sorted(names | known.keys()))}")
    return _shown(known[node]) if node in known else None


@views.view("DELETE", "/nodes/{node}", permission=Permission.NODE_WRITE, query=Removal, current=_current)
def remove_node(call: Call, connection: Connection, node: str) -> Answer:
    """Take a node out of the cluster: its certificates are refused from now on.

    It comes back with another certificate alone, by a new join token.
    """
    if not re.fullmatch(NAME, node):
        raise not_found(f"node {node}")
    if node == call.lent.status().get("node") and not call.query.force:
        text = f"{node} is the node that answers: ask another one, so that it is seen that this one is out"
        raise refuse(409, "Its own node", text)
    return Answer(position=stored.remove_node(connection, node, now=call.now), unreached=503)
