"""The admin REST of a node, put together, on the listener that also tells how the node is.  Made by ``tap.py``."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from twgw.admin import rest
from twgw.cluster.overview import Row
from twgw.credentials import Peppers
from twgw.faults import Fault, SettingsError
from twgw.gateway.deployment import MakeCall, deploy
from twgw.model import Api, Policy, State
from twgw.policy.interfaces import Gateway
from twgw.policy.registry import Plugin
from twgw.publisher.lifecycle import MoveForbidden, MoveRefused
from twgw.publisher.rest import ROLE as PUBLISHER
from twgw.publisher.versions import CopyRefused
from twgw.storage import ledger
from twgw.storage.errors import Conflict, Missing, Unavailable
from twgw.storage.live import LiveApis
from twgw.store.rest import ROLE as STORE
from twgw.store.subscriptions import SubscriptionForbidden, SubscriptionRefused
from twgw.web import login
from twgw.web.application import Ground, create
from twgw.web.lent import Lent
from twgw.web.people import People
from twgw.web.resource import Served

KNOWN = {
    Missing: 404, Conflict: 409, Unavailable: 503,
    MoveForbidden: 403, MoveRefused: 409, CopyRefused: 409,
    SubscriptionForbidden: 403, SubscriptionRefused: 409,
}  # fmt: skip
"""What storage and the pure parts of the roles raise, and the status of each."""
PREFIX = "/admin/v1"
KNOWN_RIGHT = 16
"""Changes that are remembered until they are in force."""
VIEWS = tuple(views.at(PREFIX) for views in (*PUBLISHER, *STORE, *rest.ROLE, login.views))
"""Everything that there is: the views of the publisher and of the store too."""

Check = Callable[[Sequence[Policy], Api | None], Sequence[Fault]]


class Log(Protocol):
    """The log of the node, for threads."""

    def warn(self, text: str, **fields: Any) -> None:
        """Something to look at."""

    def error(self, text: str, **fields: Any) -> None:
        """Something broken."""


def ground(
    store: Any,
    peppers: Peppers,
    people: People,
    log: Log,
    wall: Callable[[], float],
    *,
    check: Check,
    status: Callable[[], Mapping[str, object]],
    plugins: Callable[[], Mapping[str, Plugin]],
    nodes: Callable[[int], Sequence[Row]] = lambda _head: (),
    prepare: Callable[..., Any] | None = None,
) -> Ground:
    """What the views stand on.

    Args:
        store: the database.
        people: who logs in with a name and a password.
        check: what is wrong with an API below some global policies.
        status: what the node says of itself.
        plugins: the policies that are installed.
        nodes: how every node stands when the log is that far.
        prepare: has every node of the cluster try a change of what is served before it is made.
    """
    who = login.Login(store, peppers.digests, people)
    lent = Lent(
        peppers.digest, peppers.digests, check=check, live_apis=LiveApis().read, status=status, nodes=nodes,
        plugins=plugins, login=who, warn=log.warn,
    )  # fmt: skip
    return Ground(
        store, ledger, who.authenticate, wall, log, KNOWN, lent, prepare,
        seal=lambda fingerprint: peppers.digest(fingerprint).rpartition(":")[2],
    )  # fmt: skip


def served(reactor: Any, stands_on: Ground, reached: Callable[[int], Awaitable[object]]) -> Served:
    """The admin REST, to be put below ``/admin``; ``reached`` waits for a position of the log to be in force."""
    return Served(reactor, create(stands_on, VIEWS, titles={PREFIX: "twgw admin"}), reached)


def check_by(plugins: Callable[[], Mapping[str, Plugin]], gateway: Gateway, make_call: MakeCall) -> Check:
    """What says, by compiling it as the gateway does, what is wrong with an API; the paths are the API's own.

    A change is looked at when it is saved, when it is put in force, and once more when every node has tried it: what
    was found right is not compiled again.
    """
    right: deque[tuple[State, Mapping[str, Plugin]]] = deque(maxlen=KNOWN_RIGHT)

    def check(policies: Sequence[Policy], api: Api | None) -> Sequence[Fault]:
        asked = (State(policies=tuple(policies), apis=() if api is None else (api,)), plugins())
        if asked in tuple(right):
            return ()
        try:
            deploy(*asked, gateway, make_call)
        except SettingsError as error:
            return [Fault(fault.path.removeprefix("apis[0]").removeprefix("."), fault.text) for fault in error.faults]
        right.append(asked)
        return ()

    return check
