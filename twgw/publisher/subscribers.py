"""Subscribers over REST, as a publisher sees them: those who wait, and those to be paused.  Part of ``rest.py``."""

from attrs import frozen
from sqlalchemy.engine import Connection

from twgw.model import Subscription, SubscriptionState
from twgw.publisher.serving import the_api
from twgw.settings import setting
from twgw.storage import subscriptions
from twgw.storage.apis import named_api
from twgw.store.catalog import Viewer
from twgw.store.subscriptions import ShownSubscription, moved, shown
from twgw.web.asking import after, limit_of
from twgw.web.permissions import Permission
from twgw.web.refusals import not_found
from twgw.web.view import Answer, Call, Page, Views

views = Views("subscribers of APIs")
APPROVE = Permission.SUBSCRIPTION_APPROVE


@frozen
class MovedSubscription:
    """A move in the life of a subscription."""

    move: str = setting("accept, reject, pause, pause-production, resume or close.")


@views.view("GET", "/apis/{api}/subscriptions", permission=APPROVE, answers=ShownSubscription, paged=True)
def list_subscribers(call: Call, connection: Connection, api: str) -> Page:
    """List who is subscribed to an API, or waits for it, by application."""
    entry, limit = the_api(connection, api), limit_of(call.query)
    found = subscriptions.subscribers_of(connection, entry.id, after(call.query) or "", limit + 1)
    last = found[limit - 1].application if len(found) > limit else None
    return Page([shown(each) for each in found[:limit]], last)


def _current(_call: Call, connection: Connection, application: str, api: str) -> ShownSubscription:
    entry = named_api(connection, api)
    found = subscriptions.find_subscription(connection, application, entry.id if entry else api)
    if found is None:
        raise not_found(f"subscription of {application} to {api}")
    return shown(found)


@views.view(
    "POST", "/applications/{application}/subscriptions/{api}/moves", permission=APPROVE, body=MovedSubscription,
    answers=ShownSubscription, current=_current,
)  # fmt: skip
def move_subscription(call: Call, connection: Connection, application: str, api: str) -> Answer:
    """Accept a subscription, reject it, pause, resume or close it."""
    before: ShownSubscription = call.before
    viewer = Viewer(call.actor, call.roles, call.groups)
    wanted = moved(Subscription(before.api, before.tier, before.state), call.body.move, viewer=viewer, owner="")
    position = subscriptions.set_subscription(
        connection, application, wanted.api, tier=wanted.tier, state=wanted.state, now=call.now, stamp=before.stamp
    )
    unreached = 202 if wanted.state is SubscriptionState.ACCEPTED else 503
    return Answer(_current(call, connection, application, api), position=position, unreached=unreached)
