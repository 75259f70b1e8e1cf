"""Blocks over REST: users, applications, addresses and APIs that are refused at once.  Part of ``rest.py``."""

from ipaddress import ip_network
from typing import Literal
from urllib.parse import quote

from attrs import frozen, validators
from sqlalchemy.engine import Connection

from twgw.faults import Fault
from twgw.registry import Block
from twgw.settings import fields, setting
from twgw.storage import blocks as stored
from twgw.web.asking import after, limit_of
from twgw.web.names import text
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid, not_found
from twgw.web.view import Answer, Call, Page, Views

views = Views("blocks")


@frozen
class NewBlock:
    """A block to be set."""

    kind: Literal["user", "application", "ip", "api"] = setting("What is blocked.")
    value: str = setting(
        "Its name; of an API name:version, of an ip an address or a network.",
        validator=validators.matches_re(r"[A-Za-z0-9._:@/-]([A-Za-z0-9._:@/ -]{0,199}[A-Za-z0-9._:@/-])?"),
    )
    reason: str = text("Why, for people.", 500)
    expires_in: float | None = setting(
        "Seconds after which it ends. Without it: never.", default=None,
        validator=validators.optional(validators.gt(0)),
    )  # fmt: skip


@frozen
class ShownBlock:
    """A block."""

    kind: str = setting("What is blocked: user, application, ip or api.")
    value: str = setting("Its name.")
    reason: str = setting("Why, for people.")
    actor: str = setting("Who set it.")
    at: float = setting("UNIX time at which it was set.")
    expires_at: float | None = setting("UNIX time at which it ends.")


def _shown(block: Block) -> ShownBlock:
    return ShownBlock(**{field.name: getattr(block, field.name) for field in fields(ShownBlock)})


@views.view("GET", "/blocks", permission=Permission.BLOCK_READ, answers=ShownBlock, paged=True)
def list_blocks(call: Call, connection: Connection) -> Page:
    """List the blocks that have not ended, by kind and value."""
    start, limit = after(call.query) or "", limit_of(call.query)
    found = [each for each in stored.list_blocks(connection, now=call.now) if _key(each) > start]
    last = _key(found[limit - 1]) if len(found) > limit else None
    return Page([_shown(block) for block in found[:limit]], last)


def _key(block: Block) -> str:
    return f"{block.kind} {block.value}"


@views.view("POST", "/blocks", permission=Permission.BLOCK_WRITE, body=NewBlock, answers=ShownBlock, status=201)
def add_block(call: Call, connection: Connection) -> Answer:
    """Block somebody or something, in place of an earlier block of the same."""
    wish: NewBlock = call.body
    value = wish.value
    if wish.kind == "ip":
        try:
            network = ip_network(value)
        except ValueError as error:
            raise invalid([Fault("value", "must be an address or a network, as 192.0.2.0/24")]) from error
        value = str(network.network_address if network.num_addresses == 1 else network)
    ends = None if wish.expires_in is None else call.now + wish.expires_in
    block = Block(wish.kind, value, wish.reason, call.actor, call.now, ends)
    position = stored.add_block(connection, block, now=call.now)
    return Answer(
        _shown(block), location=f"/blocks/{wish.kind}?value={quote(value, safe='')}", position=position,
        unreached=503,
    )  # fmt: skip


@frozen
class Which:
    """The block that is meant."""

    value: str = setting("The name, address or network that is blocked.")


def _current(call: Call, connection: Connection, kind: str) -> ShownBlock:
    block = stored.find_block(connection, kind, call.query.value)
    if block is None:
        raise not_found(f"block of {kind} {call.query.value}")
    return _shown(block)


@views.view(
    "GET", "/blocks/{kind}", permission=Permission.BLOCK_READ, query=Which, answers=ShownBlock
)
def show_block(call: Call, connection: Connection, kind: str) -> ShownBlock:
    """Show a block."""
    return _current(call, connection, kind)


@views.view("DELETE", "/blocks/{kind}", permission=Permission.BLOCK_WRITE, query=Which, current=_current)
def delete_block(call: Call, connection: Connection, kind: str) -> Answer:
    """Let somebody or something in again."""
    return Answer(position=stored.remove_block(connection, kind, call.query.value, now=call.now))
