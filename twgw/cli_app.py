"""``twgw app …``: applications at a node, what they are subscribed to, and their first key."""

from typing import Any

import click

from twgw.cli_node import Node, Refused, asks, confirm, yes_option
from twgw.cli_show import show_fields, show_json, show_list, when
from twgw.registry import Approval

EXAMPLES = """\b
Examples:
  twgw app create me --subscribe hello --key     with a key, which is shown this once, and how to use it
  twgw app subscribe me pets:2.0 --tier Gold
  twgw app show me
"""
EDIT_EXAMPLES = """\b
Examples:
  twgw app edit me --owner ann             hers from now on
  twgw app edit me --tier Gold --title "The shop"
"""
STATES = click.Choice([state.value for state in Approval], case_sensitive=False)


@click.group(epilog=EXAMPLES)
def app() -> None:
    """Look after applications: whoever calls APIs."""


@app.command()
@click.argument("name")
@click.option(
    "--subscribe", "apis", multiple=True, metavar="API", help="API to subscribe to, or API=TIER; repeatable."
)
@click.option("--key", "wants_key", is_flag=True, help="Make a key, too.  It is shown this once.")
@click.option("--tier", metavar="NAME", help="Tier of all its calls together.")
@click.option("--owner", metavar="USER", help="Whose it is.  [default: yours]")
@click.option("--title", default="", metavar="TEXT", help="How it is shown to people.")
@click.option("--description", default="", metavar="TEXT", help="What it is for.")
@asks
def create(
    node: Node, as_json: bool, name: str, apis: tuple[str, ...], wants_key: bool, tier: str | None,
    owner: str | None, title: str, description: str,
) -> None:  # fmt: skip
    """Make the application NAME."""
    plain = [each for each in apis if "=" not in each]
    wish = {"name": name, "title": title, "description": description, "subscribe": plain}
    wish |= {field: value for field, value in (("tier", tier), ("owner", owner)) if value}
    made = node.post("applications", body=wish)
    for each in apis:
        if each not in plain:
            chosen, _, of = each.partition("=")
            node.post("applications", name, "subscriptions", body={"api": chosen, "tier": of})
    rights = list(node.items("applications", name, "subscriptions"))
    key = node.post("applications", name, "keys", body={}) if wants_key else None
    if as_json:
        show_json({"application": made, "subscriptions": rights, "key": key})
        return
    click.echo(f"{name} is there{_subscribed(rights)}")
    for each in rights:
        _tell_pending(each)
    if key is not None:
        tell_key(key["key"])
        tell_call(node, key["key"], [each["api"] for each in rights if each["state"] == "ACCEPTED"])
    elif not rights:
        click.echo(f"Next: twgw app subscribe {_quoted(name)} API, and {_way_in(name)}")
    else:
        click.echo(f"Next: {_way_in(name)}")


def _way_in(name: str) -> str:
    return f"twgw key new --application {_quoted(name)} (for OAuth2: twgw client add {_quoted(name)})"


def _subscribed(rights: list[Any]) -> str:
    named = [f"{each['api']} ({each['tier'] or 'no tier'})" for each in rights]
    return f", subscribed to {', '.join(named)}" if named else ""


def _tell_pending(right: Any) -> None:
    if right["state"] == "PENDING":
        click.echo(
            f"{right['api']}: a publisher has to accept it: "
            f"twgw app accept {_quoted(right['application'])} {right['api']}"
        )


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name


def tell_key(key: str) -> None:
    """A new key, which nothing shows again."""
    click.echo("The key, shown this once:\n")
    click.echo(f"  {key}\n")


def tell_call(node: Node, key: str, apis: list[str]) -> None:
    """How to call the first of some APIs with a key, while it is served."""
    for first in apis[:1]:
        try:
            found = node.get("catalog", first)
        except Refused:
            return
        host = f"-H 'Host: {found['hosts'][0].replace('*', 'www')}' " if found.get("hosts") else ""
        click.echo(f"Try it: curl -i {host}-H 'X-API-Key: {key}' {node.gateway}{found['base_path']}")


@app.command("list")
@asks
def list_(node: Node, as_json: bool) -> None:
    """List the applications, by name: all of them, or yours."""
    found = list(node.items("applications"))
    if as_json:
        show_json(found)
        return
    rows = [(each["name"], each["state"], each["owner"], each["tier"], each["title"]) for each in found]
    show_list(("application", "state", "owner", "tier", "title"), rows, "There are none.  Next: twgw app create NAME")


@app.command()
@click.argument("name")
@asks
def show(node: Node, as_json: bool, name: str) -> None:
    """Show the application NAME, with its subscriptions and keys."""
    found = node.get("applications", name)
    rights = list(node.items("applications", name, "subscriptions"))
    keys = list(node.items("applications", name, "keys"))
    if as_json:
        show_json({"application": found, "subscriptions": rights, "keys": keys})
        return
    show_fields(found["name"], (
        ("title", found["title"]), ("description", found["description"]), ("owner", found["owner"]),
        ("state", found["state"]), ("tier", found["tier"]), ("since", when(found["created_at"])),
    ))  # fmt: skip
    click.echo()
    rows = [(each["api"], each["state"], each["tier"], when(each["created_at"])) for each in rights]
    show_list(("subscribed to", "state", "tier", "since"), rows, "It is subscribed to nothing.")
    click.echo()
    show_keys(keys, "It has no key.")


def show_keys(keys: list[Any], empty: str) -> None:
    """Keys by their ids."""
    rows = [
        (
            each["id"], "revoked" if each["revoked"] else when(each["expires_at"]) or "for ever",
            each["environment"], each["title"], each["scopes"], when(each["last_used_at"]) or "never",
        )
        for each in keys
    ]  # fmt: skip
    show_list(("key", "good until", "for", "title", "scopes", "last used"), rows, empty)


@app.command()
@click.argument("name")
@click.argument("api")
@click.option("--tier", metavar="NAME", help="One of the tiers of the API.  [default: the only one it has]")
@asks
def subscribe(node: Node, as_json: bool, name: str, api: str, tier: str | None) -> None:
    """Let the application NAME call API, in one of its tiers; of one that is subscribed, change the tier."""
    rights = {each["api"]: each["state"] for each in node.items("applications", name, "subscriptions")}
    standing = [state for each, state in rights.items() if api in (each, each.partition(":")[0])]
    if tier and standing == ["ACCEPTED"]:
        made = node.patch("applications", name, "subscriptions", api, body={"tier": tier})
    else:
        wish = {"api": api} | ({"tier": tier} if tier else {})
        made = node.post("applications", name, "subscriptions", body=wish)
    if as_json:
        show_json(made)
        return
    click.echo(f"{name}: {made['api']} in {made['tier'] or 'no tier'}, {made['state']}")
    _tell_pending(made)


@app.command()
@click.argument("name")
@click.argument("api")
@asks
def unsubscribe(node: Node, as_json: bool, name: str, api: str) -> None:
    """Take the right of the application NAME to call API away."""
    node.delete("applications", name, "subscriptions", api)
    if as_json:
        show_json({"application": name, "unsubscribed": api})
    else:
        click.echo(f"{name} may not call {api} any more")


def _move(move: str, text: str) -> None:
    """Make a command of a move in the life of a subscription."""

    @asks
    def moved(node: Node, as_json: bool, name: str, api: str) -> None:
        found = node.post("applications", name, "subscriptions", api, "moves", body={"move": move})
        if as_json:
            show_json(found)
        else:
            click.echo(f"{name}: {found['api']} in {found['tier'] or 'no tier'}, {found['state']}")

    app.command(move, help=text)(click.argument("name")(click.argument("api")(moved)))


_move("accept", "Accept the subscription of the application NAME to API, which waits for it.")
_move("reject", "Reject the subscription of the application NAME to API, which waits for it.")
_move("pause", "Refuse the calls of the application NAME to API until they are resumed.")
_move("resume", "Let the application NAME call API again.")


@app.command(epilog=EDIT_EXAMPLES)
@click.argument("name")
@click.option("--owner", metavar="USER", help="Whose it is.  For admins.")
@click.option("--tier", metavar="NAME", help="Tier of all its calls together; '' for none.")
@click.option("--title", metavar="TEXT", help="How it is shown to people.")
@click.option("--description", metavar="TEXT", help="What it is for.")
@click.option("--state", type=STATES, help="Only an ACTIVE one may call.  For admins.")
@asks
def edit(node: Node, as_json: bool, name: str, **wishes: str | None) -> None:
    """Change the application NAME: what is named, and nothing else."""
    wish = {field: value for field, value in wishes.items() if value is not None}
    if not wish:
        raise click.UsageError("say what is to be changed: --owner, --tier, --title, --description or --state")
    found = node.patch("applications", name, body=wish | ({"tier": None} if wish.get("tier") == "" else {}))
    if as_json:
        show_json(found)
    else:
        click.echo(f"{name} is {found['state']}, belongs to {found['owner']}, has {found['tier'] or 'no tier'}")


@app.command()
@click.argument("name")
@yes_option
@asks
def delete(node: Node, as_json: bool, name: str, yes: bool) -> None:
    """Delete the application NAME with its keys, tokens and subscriptions; none of them is good from then on."""
    confirm(f"Delete {name}, with every key and token that it has?", yes=yes)
    node.delete("applications", name)
    if as_json:
        show_json({"deleted": name})
    else:
        click.echo(f"{name} is deleted; its keys and tokens are refused")
