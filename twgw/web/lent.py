"""What the control plane lends to its views beside the database: the world, as functions.  Made by ``tap.py``; pure.

A view gets it as ``call.lent``.  The functions are called in threads, and wait for nothing but other threads.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from twgw.cluster.overview import Row
from twgw.faults import Fault
from twgw.model import Api, Policy
from twgw.policy.registry import Plugin


def _nothing(*_: Any, **__: Any) -> Any:
    return ()


@frozen
class Lent:
    """The world of the views."""

    digest: Callable[[str], str]
    """What is stored of a new key or token: its digest under the newest pepper."""
    digests: Callable[[str], Sequence[str]]
    """What may be stored of a key or token that is shown: its digests under every pepper that is still good."""
    check: Callable[[Sequence[Policy], Api | None], Sequence[Fault]] = _nothing
    """What is wrong with an API below some global policies, as the gateway compiles it; their paths are its own."""
    live_apis: Callable[[Any], Sequence[Api]] = _nothing
    """The APIs that clients are to find, as a store shows them, seen by a connection that only reads."""
    status: Callable[[], Mapping[str, object]] = dict
    """What ``/readyz`` says of this node."""
    nodes: Callable[[int], Sequence[Row]] = _nothing
    """How every node stands when the log is that far."""
    plugins: Callable[[], Mapping[str, Plugin]] = dict
    """The policies that are installed."""
    login: Any = None
    """Who calls: a ``Login`` of ``login.py``."""
    warn: Callable[..., None] = _nothing
    """Notes in the log of the node what somebody should look at."""
