"""The global policies, and the policies that are installed, over REST.  Part of ``rest.py``."""

from attrs import frozen
from sqlalchemy.engine import Connection

from twgw.model import Policy
from twgw.policy.manual import phases
from twgw.policy.registry import Plugin
from twgw.schema import schema
from twgw.settings import setting
from twgw.storage.settings import find_policies, set_policies
from twgw.web.asking import after, limit_of
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid, not_found
from twgw.web.view import Answer, Call, Page, Views

views = Views("policies")


@frozen
class Policies:
    """The policies of every API, before its own, and of requests that belong to none."""

    policies: tuple[Policy, ...] = setting("In order.")


@frozen
class ShownPolicies:
    """The global policies, as they stand in the registry."""

    policies: tuple[Policy, ...] = setting("In order.")
    stamp: int = setting("Counts their changes; 0 while nobody has set any.")


@frozen
class ListedPlugin:
    """An installed policy, in a list."""

    name: str = setting("Its name.")
    phases: tuple[str, ...] = setting("What it takes part in.")
    origin: str = setting("Where it came from.")
    summary: str = setting("What it does.")
    fault: str = setting("Why it cannot be loaded; empty when it can.")


@frozen
class ShownPlugin:
    """An installed policy, with its settings."""

    name: str = setting("Its name.")
    phases: tuple[str, ...] = setting("What it takes part in.")
    origin: str = setting("Where it came from.")
    summary: str = setting("What it does.")
    fault: str = setting("Why it cannot be loaded; empty when it can.")
    settings: dict[str, object] = setting("JSON Schema of its settings.")


@views.view("GET", "/policies", permission=Permission.POLICY_READ, answers=ShownPolicies)
def show_policies(_call: Call, connection: Connection) -> ShownPolicies:
    """Show the global policies."""
    policies, stamp = find_policies(connection)
    return ShownPolicies(policies=policies, stamp=stamp)


@views.view(
    "PUT", "/policies", permission=Permission.POLICY_WRITE, body=Policies, answers=ShownPolicies,
    current=show_policies,
)  # fmt: skip
def replace_policies(call: Call, connection: Connection) -> Answer:
    """Put other global policies in force, for all APIs at once."""
    if faults := call.lent.check(call.body.policies, None):
        raise invalid(faults)
    position = set_policies(connection, call.body.policies, now=call.now, stamp=call.before.stamp)
    return Answer(show_policies(call, connection), position=position, unreached=503)


def _listed(plugin: Plugin) -> ListedPlugin:
    return ListedPlugin(
        name=plugin.name, phases=() if plugin.fault else phases(plugin), origin=plugin.origin.partition(" (")[0],
        summary=plugin.summary, fault=plugin.fault,
    )  # fmt: skip


@views.view("GET", "/plugins", permission=Permission.PLUGIN_READ, answers=ListedPlugin, paged=True)
def list_plugins(call: Call, _connection: Connection) -> Page:
    """List the policies that are installed, also those that cannot be loaded."""
    start, limit = after(call.query) or "", limit_of(call.query)
    found = [plugin for name, plugin in sorted(call.lent.plugins().items()) if name > start]
    return Page([_listed(each) for each in found[:limit]], found[limit - 1].name if len(found) > limit else None)


@views.view("GET", "/plugins/{plugin}", permission=Permission.PLUGIN_READ, answers=ShownPlugin)
def show_plugin(call: Call, _connection: Connection, plugin: str) -> ShownPlugin:
    """Show a policy that is installed, with the schema of its settings."""
    found = call.lent.plugins().get(plugin)
    if found is None:
        raise not_found(f"policy {plugin}")
    listed = _listed(found)
    return ShownPlugin(
        name=listed.name, phases=listed.phases, origin=listed.origin, summary=listed.summary, fault=listed.fault,
        settings={} if found.fault else schema(found.settings),
    )  # fmt: skip
