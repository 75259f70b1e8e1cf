"""Applications and what they are subscribed to, over REST.  Part of ``rest.py``."""

from urllib.parse import quote

from attrs import frozen
from sqlalchemy.engine import Connection

from twgw.admin.apis import named_api
from twgw.faults import Fault, suggest
from twgw.model import Subscription, SubscriptionState
from twgw.registry import ApplicationEntry, Approval, SubscriptionEntry
from twgw.settings import fields, setting
from twgw.storage import applications as stored
from twgw.storage import subscriptions
from twgw.storage.apis import require_api
from twgw.storage.tiers import list_tiers
from twgw.store.catalog import Viewer
from twgw.store.subscriptions import SubscriptionForbidden, SubscriptionRefused, change_tier, moved, request
from twgw.web.asking import after, limit_of
from twgw.web.names import name, optional_name, text
from twgw.web.permissions import Permission
from twgw.web.refusals import Refusal, invalid, not_found, not_permitted, refuse
from twgw.web.view import Answer, Call, Page, Views

views = Views("applications", "/admin/v1")
READ, WRITE, APPROVE = Permission.APPLICATION_READ, Permission.APPLICATION_WRITE, Permission.SUBSCRIPTION_APPROVE


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


@frozen
class MovedSubscription:
    """A move in the life of a subscription."""

    move: str = setting("accept, reject, pause, pause-production, resume or close.")


@frozen
class ShownSubscription:
    """A subscription, as it stands in the registry."""

    application: str = setting("Who may call.")
    api: str = setting("The API, as name:version.")
    tier: str | None = setting("In which tier.")
    state: SubscriptionState = setting("Whether it is a right to call: ACCEPTED is, PRODUCTION_PAUSED in the sandbox.")
    created_at: float = setting("UNIX time.")
    updated_at: float = setting("UNIX time.")
    stamp: int = setting("Counts its changes.")


def _shown(entry: ApplicationEntry) -> ShownApplication:
    return ShownApplication(**{field.name: getattr(entry, field.name) for field in fields(ShownApplication)})


def _subscription(entry: SubscriptionEntry) -> ShownSubscription:
    return ShownSubscription(**{field.name: getattr(entry, field.name) for field in fields(ShownSubscription)})


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
    _check_tier(connection, wish.tier)
    entry = stored.create_application(
        connection, wish.name, owner=wish.owner or call.actor, title=wish.title, description=wish.description,
        tier=wish.tier, now=call.now,
    )  # fmt: skip
    for number, api in enumerate(wish.subscribe):
        _subscribe(call, connection, wish.name, entry.owner, NewSubscription(api=api), f"subscribe[{number}]")
    return Answer(_shown(entry), location=f"/admin/v1/applications/{quote(wish.name)}")


@views.view(
    "PATCH", "/applications/{application}", permission=WRITE, body=ApplicationSettings, answers=ShownApplication,
    current=show_application,
)  # fmt: skip
def change_application(call: Call, connection: Connection, application: str) -> Answer:
    """Change an application.  One that is not ACTIVE cannot call."""
    wish, before = call.body, call.before
    if call.owner is not None and (wish.owner, wish.state) != (before.owner, before.state):
        raise not_permitted(APPROVE.value)
    _check_tier(connection, wish.tier)
    changes = {field.name: getattr(wish, field.name) for field in fields(ApplicationSettings)}
    position = stored.update_application(connection, application, changes, now=call.now, stamp=before.stamp)
    entry = stored.require_application(connection, application)
    return Answer(_shown(entry), position=position, unreached=202 if wish.state is Approval.ACTIVE else 503)


def _check_tier(connection: Connection, tier: str | None) -> None:
    names = [entry.tier.name for entry in list_tiers(connection)]
    if tier is not None and tier not in names:
        raise invalid([Fault("tier", f"unknown tier {tier}{suggest(tier, names)}")])


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
    return Page([_subscription(entry) for entry in found[:limit]], last)


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
    return _subscription(found)


@views.view("GET", "/apis/{api}/subscriptions", permission=APPROVE, answers=ShownSubscription, paged=True)
def list_subscribers(call: Call, connection: Connection, api: str) -> Page:
    """List who is subscribed to an API, or waits for it, by application."""
    entry, limit = named_api(connection, api), limit_of(call.query)
    if entry is None:
        raise not_found(f"API {api}")
    found = subscriptions.subscribers_of(connection, entry.id, after(call.query) or "", limit + 1)
    last = found[limit - 1].application if len(found) > limit else None
    return Page([_subscription(each) for each in found[:limit]], last)


@views.view(
    "POST", "/applications/{application}/subscriptions", permission=WRITE, body=NewSubscription,
    answers=ShownSubscription, status=201,
)  # fmt: skip
def add_subscription(call: Call, connection: Connection, application: str) -> Answer:
    """Subscribe an application to an API, in one of its tiers.

    Where the tier wants an approval it is PENDING until a publisher accepts it.
    """
    owner = show_application(call, connection, application).owner
    entry = _subscribe(call, connection, application, owner, call.body)
    return Answer(
        _subscription(entry), location=f"/admin/v1/applications/{quote(application)}/subscriptions/{entry.api}"
    )


def _viewer(call: Call) -> Viewer:
    assert call.caller is not None  # no permission here is for anyone
    return Viewer(call.actor, frozenset(role.value for role in call.caller.roles))


def _refused(error: SubscriptionRefused) -> Refusal:
    forbidden = isinstance(error, SubscriptionForbidden)
    return refuse(403 if forbidden else 409, "Not permitted" if forbidden else "Not possible", str(error))


def _subscribe(
    call: Call, connection: Connection, application: str, owner: str, wish: NewSubscription, path: str = "api"
) -> SubscriptionEntry:
    entry = named_api(connection, wish.api)
    if entry is None:
        raise invalid([Fault(path, f"there is no API {wish.api}, or it has several versions: say name:version")])
    api = entry.api
    tier = api.tiers[0] if wish.tier is None and len(api.tiers) == 1 else wish.tier
    before = subscriptions.find_subscription(connection, application, api.id)
    existing = Subscription(before.api, before.tier, before.state) if before else None
    tiers = {each.tier.name: each.tier for each in list_tiers(connection)}
    try:
        wanted = request(api, tier, viewer=_viewer(call), owner=owner, tiers=tiers, existing=existing)
    except SubscriptionRefused as error:
        raise _refused(error) from error
    if before is None:
        return subscriptions.subscribe(
            connection, application, api.id, tier=tier, state=wanted.state, now=call.now
        )
    subscriptions.set_subscription(
        connection, application, api.id, tier=tier, state=wanted.state, now=call.now, stamp=before.stamp
    )
    again = subscriptions.find_subscription(connection, application, api.id)
    assert again is not None  # it was changed in this transaction
    return again


@views.view(
    "PATCH", "/applications/{application}/subscriptions/{api}", permission=WRITE, body=SubscriptionSettings,
    answers=ShownSubscription, current=show_subscription,
)  # fmt: skip
def change_subscription(call: Call, connection: Connection, application: str, api: str) -> Answer:
    """Change the tier of a subscription."""
    before, tiers = call.before, {each.tier.name: each.tier for each in list_tiers(connection)}
    owner = show_application(call, connection, application).owner
    try:
        wanted = change_tier(
            Subscription(before.api, before.tier, before.state), call.body.tier,
            api=require_api(connection, before.api).api, viewer=_viewer(call), owner=owner, tiers=tiers,
        )  # fmt: skip
    except SubscriptionRefused as error:
        raise _refused(error) from error
    return _set(call, connection, application, wanted)


@views.view(
    "POST", "/applications/{application}/subscriptions/{api}/moves", permission=APPROVE, body=MovedSubscription,
    answers=ShownSubscription, current=show_subscription,
)  # fmt: skip
def move_subscription(call: Call, connection: Connection, application: str, api: str) -> Answer:
    """Accept a subscription, reject it, pause, resume or close it."""
    before = call.before
    owner = show_application(call, connection, application).owner
    try:
        wanted = moved(
            Subscription(before.api, before.tier, before.state), call.body.move, viewer=_viewer(call), owner=owner
        )
    except SubscriptionRefused as error:
        raise _refused(error) from error
    return _set(call, connection, application, wanted)


def _set(call: Call, connection: Connection, application: str, wanted: Subscription) -> Answer:
    position = subscriptions.set_subscription(
        connection, application, wanted.api, tier=wanted.tier, state=wanted.state, now=call.now,
        stamp=call.before.stamp,
    )  # fmt: skip
    shown = show_subscription(call, connection, application, wanted.api)
    return Answer(shown, position=position, unreached=202 if wanted.state is SubscriptionState.ACCEPTED else 503)


@views.view(
    "DELETE", "/applications/{application}/subscriptions/{api}", permission=WRITE, current=show_subscription
)
def delete_subscription(call: Call, connection: Connection, application: str, api: str) -> Answer:
    """Take the right of an application to an API away."""
    before = call.before
    position = subscriptions.unsubscribe(connection, application, before.api, now=call.now, stamp=before.stamp)
    return Answer(position=position, unreached=503)
