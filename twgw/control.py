"""What the control listener answers: OAuth2, publisher and store, each where its role is on.  Made by ``tap.py``.

The views of the publisher and of the store are those that the admin REST has; here they stand below prefixes of their
own, for people who have no way to the admin listener.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from twgw.publisher.rest import ROLE as PUBLISHER
from twgw.store.rest import ROLE as STORE
from twgw.web import login
from twgw.web.application import Ground, create
from twgw.web.resource import Served
from twgw.web.settings import Control
from twgw.web.view import Views

INTERFACES = {
    "publisher": ("/publisher/v1", "twgw publisher", PUBLISHER),
    "store": ("/store/v1", "twgw store", STORE),
}
"""Of each role: the prefix, the title and the views."""
ROLES = frozenset({"keymanager", *INTERFACES})
"""Without one of these roles there is no control listener."""


def views_of(roles: Collection[str]) -> list[Views]:
    """The views of these roles, with a login for each."""
    return [
        each.at(prefix)
        for role, (prefix, _, views) in INTERFACES.items() if role in roles
        for each in (*views, login.views)
    ]  # fmt: skip


def served(
    reactor: Any,
    stands_on: Ground,
    reached: Callable[[int], Awaitable[object]],
    settings: Control,
    roles: Collection[str],
    blueprints: Iterable[Any] = (),
) -> Served:
    """The control listener's application; ``blueprints`` are those of the key manager."""
    titles = {prefix: title for role, (prefix, title, _) in INTERFACES.items() if role in roles}
    app = create(stands_on, views_of(roles), blueprints, titles=titles)
    return Served(reactor, app, reached, settings.public_url, settings.trusted_proxies)
