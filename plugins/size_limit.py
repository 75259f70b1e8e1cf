"""Limit the size of request bodies, to another amount than the gateway's own.

    - {name: size-limit, settings: {amount: 65536}}

A body that says its length is refused before a byte of it is read; one that does not is cut off at the limit.
Where several apply, the smallest counts.  In shadow only bodies that say their length are watched.
"""

from collections.abc import Generator
from math import inf
from typing import Any

from attrs import frozen, validators

from twgw import hookimpl
from twgw.policy import Exchange, Problem, setting


@frozen
class Settings:
    """How much is accepted."""

    amount: int = setting("Bytes of request body that are accepted; 0 for any number.", validator=validators.ge(0))


@hookimpl
def twgw_receive(exchange: Exchange, settings: Settings) -> Problem | None:
    """Refuse a body that is known to be too large."""
    body, amount = exchange.request.body, settings.amount
    if body is None or not amount or (body.received if body.length is None else body.length) <= amount:
        return None
    return Problem(413, "Request body too large", f"at most {amount} bytes are accepted", close=True)


@hookimpl(wrapper=True, specname="twgw_receive")
def set_limit(exchange: Exchange, settings: Settings) -> Generator[None, Any, Any]:
    """Have the body watched while it comes.  A wrapper, as those are not called in shadow."""
    smallest = min(exchange.attributes.get("size-limit", inf), settings.amount or inf)
    exchange.attributes["size-limit"] = smallest
    exchange.request.body_limit = 0 if smallest == inf else int(smallest)
    return (yield)
