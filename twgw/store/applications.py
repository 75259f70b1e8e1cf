"""Applications and what they are subscribed to, over REST.  Part of ``rest.py``."""

from urllib.parse import quote

from attrs import frozen
from sqlalchemy.engine import Connection

from twgw.faults import Fault, suggest
from twgw.model import Subscription, SubscriptionState, Tier
from twgw.registry import ApplicationEntry, Approval, SubscriptionEntry
from twgw.settings import fields, setting
from twgw.storage import applications as stored
from twgw.storage import subscriptions
from twgw.storage.apis import find_live, named_api, require_api
from twgw.storage.tiers import list_tiers
from twgw.store.catalog import Viewer, is_for, may_see
from twgw.store.subscriptions import ShownSubscription, change_tier, request, shown
from twgw.web.asking import after, limit_of
from twgw.web.names import name, optional_name, text
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid, not_found, refuse
from twgw.web.view import Answer, Call, Page, Views

views = Views("applications")
READ, WRITE = Permission.APPLICATION_READ, Permission.APPLICATION_WRITE
PAUSED = (SubscriptionState.PAUSED, SubscriptionState.PRODUCTION_PAUSED)


@frozen
class NewApplication:
    """An application to be made."""

    name: str = name("Its name, which never changes.")
    title: str = text("How it is shown to people.", 200)
    description: str = text("What it is for.", 10_000)
    tier: str | None = optional_name("The tier of all its calls together. Without it: none.")
    owner: str | None = optional_name("The user whose it is. Without it: whoever makes it.")
    subscribe: tuple[str, ...] = setting(
        "APIs to subscribe to at once, as name:version; a name alone is its default version.", default=()
    )


@frozen
class ShownApplication:
    """An application, as it stands in the registry."""

    name: str = setting("Its name.")
    title: str = setting("How it is shown to people.")
    description: str = setting("What it is for.")
    owner: str = setting("The user whose it is.")
    tier: str | None = setting("The tier of all its calls together.")
    state: Approval = setting("Whether it may be used.")
    created_at: float = setting("UNIX time.")
    updated_at: float = setting("UNIX time.")
    stamp: int = setting("Counts its changes.")


@frozen
class ApplicationSettings:
    """What may be changed of an application."""

    title: str = text("How it is shown to people.", 200)
    description: str = text("What it is for.", 10_000)
    owner: str = name("The user whose it is.")
    tier: str | None = optional_name("The tier of all its calls together. null: none.")
    state: Approval = setting("Whether it may be used.", default=Approval.ACTIVE)


@frozen
class NewSubscription:
    """A right to call an API, to be given."""

    api: str = setting("The API, as name:version; a name alone is its default version.")
    tier: str | None = optional_name("One of the tiers of the API. Without it: the only one that it has, or none.")


@frozen
class SubscriptionSettings:
    """What may be changed of a subscription."""

    tier: str | None = optional_name("One of the tiers of the API.")


def _shown(entry: ApplicationEntry) -> ShownApplication:
    return ShownApplication(**{field.name: getattr(entry, field.name) for field in fields(ShownApplication)})


@views.view("GET", "/applications", permission=READ, answers=ShownApplication, paged=True)
def list_applications(call: Call, connection: Connection) -> Page:
    """List applications, by name."""
    limit = limit_of(call.query)
    found = stored.list_applications(connection, after(call.query) or "", limit + 1, owner=call.owner)
    return Page([_shown(entry) for entry in found[:limit]], found[limit - 1].name if len(found) > limit else None)


@views.view("GET", "/applications/{application}", permission=READ, answers=ShownApplication)
def show_application(call: Call, connection: Connection, application: str) -> ShownApplication:
    """Show an application."""
    entry = stored.find_application(connection, application)
    if entry is None or call.owner not in (None, entry.owner):
        raise not_found(f"application {application}")
    return _shown(entry)


@views.view(
    "POST", "/applications", permission=WRITE, body=NewApplication, answers=ShownApplication, status=201
)
def add_application(call: Call, connection: Connection) -> Answer:
    """Make an application, and subscribe it if so asked."""
    wish: NewApplication = call.body
    if call.owner is not None and wish.owner not in (None, call.owner):
        raise invalid([Fault("owner", "must be left out: it is yours")])
    _check_tier(call, connection, wish.tier)
    entry = stored.create_application(
        connection, wish.name, owner=wish.owner or call.actor, title=wish.title, description=wish.description,
        tier=wish.tier, now=call.now,
    )  # fmt: skip
    for number, api in enumerate(wish.subscribe):
        _subscribe(call, connection, wish.name, entry.owner, NewSubscription(api=api), f"subscribe[{number}]")
    return Answer(_shown(entry), location=f"/applications/{quote(wish.name)}")


@views.view(
    "PATCH", "/applications/{application}", permission=WRITE, body=ApplicationSettings, answers=ShownApplication,
    current=show_application,
)  # fmt: skip
def change_application(call: Call, connection: Connection, application: str) -> Answer:
    """Change an application.  One that is not ACTIVE cannot call."""
    wish, before = call.body, call.before
    if call.owner is not None and (wish.owner, wish.state) != (before.owner, before.state):
        raise refuse(403, "Not permitted", "owner and state of an application are changed by an admin")
    if wish.tier != before.tier:
        _check_tier(call, connection, wish.tier)
    changes = {field.name: getattr(wish, field.name) for field in fields(ApplicationSettings)}
    position = stored.update_application(connection, application, changes, now=call.now, stamp=before.stamp)
    entry = stored.require_application(connection, application)
    return Answer(_shown(entry), position=position, unreached=202 if wish.state is Approval.ACTIVE else 503)


def _check_tier(call: Call, connection: Connection, tier: str | None) -> None:
    """The tier of an application is one that there is and, for its owner, one that is given without asking."""
    tiers = _tiers(connection)
    if tier is not None and tier not in tiers:
        raise invalid([Fault("tier", f"unknown tier {tier}{suggest(tier, tiers)}")])
    if call.owner is None or tier is None:
        return
    if tiers[tier].approval or not is_for(_viewer(call).groups, tiers[tier].groups):
        raise refuse(403, "Not permitted", f"tier {tier} is given by an admin: ask for it, and leave it out until then")


@views.view("DELETE", "/applications/{application}", permission=WRITE, current=show_application)
def delete_application(call: Call, connection: Connection, application: str) -> Answer:
    """Delete an application with its keys, tokens and subscriptions; none of them is good from then on."""
    position = stored.delete_application(connection, application, now=call.now, stamp=call.before.stamp)
    return Answer(position=position, unreached=503)


@views.view(
    "GET", "/applications/{application}/subscriptions", permission=READ, answers=ShownSubscription, paged=True
)
def list_subscriptions(call: Call, connection: Connection, application: str) -> Page:
    """List what an application is subscribed to, by API."""
    show_application(call, connection, application)
    start, limit = after(call.query) or "", limit_of(call.query)
    found = [each for each in subscriptions.subscriptions_of(connection, application) if each.api > start]
    last = found[limit - 1].api if len(found) > limit else None
    return Page([shown(entry) for entry in found[:limit]], last)


@views.view(
    "GET", "/applications/{application}/subscriptions/{api}", permission=READ, answers=ShownSubscription
)
def show_subscription(call: Call, connection: Connection, application: str, api: str) -> ShownSubscription:
    """Show a subscription."""
    show_application(call, connection, application)
    entry = named_api(connection, api)
    found = subscriptions.find_subscription(connection, application, entry.id if entry else api)
    if found is None:
        raise not_found(f"subscription of {application} to {api}")
    return shown(found)


@views.view(
    "POST", "/applications/{application}/subscriptions", permission=WRITE, body=NewSubscription,
    answers=ShownSubscription, status=201,
)  # fmt: skip
def add_subscription(call: Call, connection: Connection, application: str) -> Answer:
    """Subscribe an application to an API, in one of its tiers.

    Where the tier wants an approval it is PENDING until a publisher accepts it.
    """
    owner = show_application(call, connection, application).owner
    entry, position = _subscribe(call, connection, application, owner, call.body)
    place = f"/applications/{quote(application)}/subscriptions/{entry.api}"
    return Answer(shown(entry), location=place, position=position)


def _viewer(call: Call) -> Viewer:
    return Viewer(call.actor, call.roles, call.groups)


def _tiers(connection: Connection) -> dict[str, Tier]:
    return {entry.tier.name: entry.tier for entry in list_tiers(connection)}


def _subscribe(
    call: Call, connection: Connection, application: str, owner: str, wish: NewSubscription, path: str = "api"
) -> tuple[SubscriptionEntry, int | None]:
    """The subscription, and the position where one that was there has changed."""
    entry = named_api(connection, wish.api)
    api = None if entry is None else find_live(connection, entry.id) or entry.api
    if api is None or not may_see(_viewer(call), api):
        raise invalid([Fault(path, f"there is no API {wish.api}, or it has several versions: say name:version")])
    tier = api.tiers[0] if wish.tier is None and len(api.tiers) == 1 else wish.tier
    before = subscriptions.find_subscription(connection, application, api.id)
    existing = Subscription(before.api, before.tier, before.state) if before else None
    wanted = request(
        api, tier, viewer=_viewer(call), owner=owner, tiers=_tiers(connection), existing=existing
    )
    if before is None:
        made = subscriptions.subscribe(
            connection, application, api.id, tier=tier, state=wanted.state, now=call.now
        )
        return made, None
    position = subscriptions.set_subscription(
        connection, application, api.id, tier=tier, state=wanted.state, now=call.now, stamp=before.stamp
    )
    return subscriptions.require_subscription(connection, application, api.id), position


@views.view(
    "PATCH", "/applications/{application}/subscriptions/{api}", permission=WRITE, body=SubscriptionSettings,
    answers=ShownSubscription, current=show_subscription,
)  # fmt: skip
def change_subscription(call: Call, connection: Connection, application: str, api: str) -> Answer:
    """Change the tier of a subscription."""
    before: ShownSubscription = call.before
    owner = show_application(call, connection, application).owner
    served = find_live(connection, before.api) or require_api(connection, before.api).api
    wanted = change_tier(
        Subscription(before.api, before.tier, before.state), call.body.tier, api=served, viewer=_viewer(call),
        owner=owner, tiers=_tiers(connection),
    )  # fmt: skip
    position = subscriptions.set_subscription(
        connection, application, wanted.api, tier=wanted.tier, state=wanted.state, now=call.now, stamp=before.stamp
    )
    return Answer(show_subscription(call, connection, application, api), position=position)


@views.view(
    "DELETE", "/applications/{application}/subscriptions/{api}", permission=WRITE, current=show_subscription
)
def delete_subscription(call: Call, connection: Connection, application: str, api: str) -> Answer:
    """Take the right of an application to an API away.

    One that a publisher has paused is not got rid of by its owner, nor had anew by asking again.
    """
    before: ShownSubscription = call.before
    if before.state in PAUSED and call.owner is not None:
        raise refuse(409, "Not possible", f"it is {before.state.value}; ask a publisher")
    position = subscriptions.unsubscribe(connection, application, before.api, now=call.now, stamp=before.stamp)
    return Answer(position=position, unreached=503)
