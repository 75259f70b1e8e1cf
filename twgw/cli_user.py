"""``twgw user …``: who may use the admin API of a node, in which roles."""

from typing import Any

import click

from twgw.cli_login import ask_password
from twgw.cli_node import Node, asks, confirm, yes_option
from twgw.cli_show import show_fields, show_json, show_list, when
from twgw.web.permissions import Role

ROLES = click.Choice([role.value for role in Role])

EXAMPLES = """\b
Examples:
  twgw user add ann --role publisher       asks for her password
  twgw user roles ann publisher operator   these roles, and no others
  twgw user groups ann gold                what is for the consumer group gold is for ann
  twgw user disable ann                    at once, whatever she has open
"""


@click.group(epilog=EXAMPLES)
def user() -> None:
    """Look after the users of the admin API."""


@user.command()
@click.argument("name")
@click.option("--role", "roles", multiple=True, type=ROLES, help="What NAME may do; repeatable.")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Consumer group of NAME; repeatable.")
@click.option("--title", default="", metavar="TEXT", help="How NAME is shown to people.")
@click.option("--email", default="", metavar="TEXT", help="Where mail reaches NAME.")
@click.option("--no-password", is_flag=True, help="Nobody can log in under NAME until a password is set.")
@asks
def add(
    node: Node, as_json: bool, name: str, roles: tuple[str, ...], groups: tuple[str, ...], title: str, email: str,
    no_password: bool,
) -> None:  # fmt: skip
    """Make the user NAME.  The password is asked for, or read from standard input."""
    wish: dict[str, Any] = {"name": name, "title": title, "email": email, "roles": roles, "groups": groups}
    if not no_password:
        wish["password"] = ask_password(new=True)
    made = node.post("users", body=wish)
    if as_json:
        show_json(made)
    else:
        click.echo(f"{made['name']} is there: {', '.join(made['roles']) or 'no role'}")


@user.command("list")
@asks
def list_(node: Node, as_json: bool) -> None:
    """List the users, by name."""
    found = list(node.items("users"))
    if as_json:
        show_json(found)
        return
    rows = [
        (
            each["name"], each["roles"], each["groups"], "yes" if each["active"] else "disabled", each["store"],
            each["title"],
        )
        for each in found
    ]  # fmt: skip
    show_list(("user", "roles", "groups", "active", "password in", "title"), rows, "There are none.")


@user.command()
@click.argument("name")
@asks
def show(node: Node, as_json: bool, name: str) -> None:
    """Show the user NAME."""
    found = node.get("users", name)
    if as_json:
        show_json(found)
        return
    show_fields(found["name"], (
        ("title", found["title"]), ("email", found["email"]), ("roles", found["roles"] or "none"),
        ("groups", found["groups"] or "none"), ("active", found["active"]),
        ("password in", found["store"]), ("since", when(found["created_at"])),
        ("changed", when(found["updated_at"])),
    ))  # fmt: skip


@user.command()
@click.argument("name")
@click.argument("roles", metavar="ROLE...", nargs=-1, type=ROLES)
@click.option("--none", is_flag=True, help="No role at all.")
@asks
def roles(node: Node, as_json: bool, name: str, roles: tuple[str, ...], none: bool) -> None:
    """Give the user NAME these roles, and no others.  What is taken away is gone at once."""
    if none == bool(roles):
        raise click.UsageError(f"name the roles, or say --none; there are {', '.join(ROLES.choices)}")
    _change(node, as_json, name, {"roles": roles})


@user.command()
@click.argument("name")
@click.argument("groups", metavar="GROUP...", nargs=-1)
@click.option("--none", is_flag=True, help="No group at all.")
@asks
def groups(node: Node, as_json: bool, name: str, groups: tuple[str, ...], none: bool) -> None:
    """Put the user NAME into these consumer groups, and no others.

    APIs and tiers may be for some groups alone: visible_to of an API, groups of a tier.
    """
    if none == bool(groups):
        raise click.UsageError("name the groups, or say --none")
    _change(node, as_json, name, {"groups": groups})


@user.command()
@click.argument("name")
@asks
def disable(node: Node, as_json: bool, name: str) -> None:
    """Let the user NAME do nothing any more, from now on."""
    _change(node, as_json, name, {"active": False})


@user.command()
@click.argument("name")
@asks
def enable(node: Node, as_json: bool, name: str) -> None:
    """Let the user NAME in again."""
    _change(node, as_json, name, {"active": True})


def _change(node: Node, as_json: bool, name: str, wish: Any) -> None:
    found = node.patch("users", name, body=wish)
    if as_json:
        show_json(found)
    else:
        state = "" if found["active"] else " (disabled)"
        groups = f"; in {', '.join(found['groups'])}" if found["groups"] else ""
        click.echo(f"{found['name']}{state}: {', '.join(found['roles']) or 'no role'}{groups}")


@user.command()
@click.argument("name", required=False)
@asks
def password(node: Node, as_json: bool, name: str | None) -> None:
    """Give the user NAME, or yourself, another password.  Every login under the old one ends.

    The password is asked for, or read from standard input.
    """
    wish = {"password": ask_password(new=True)}
    if name is None:
        node.put("me", "password", body=wish)
    else:
        node.put("users", name, "password", body=wish)
    if as_json:
        show_json({"user": name, "password": "changed"})
    else:
        click.echo(f"The password of {name} is changed" if name else "Your password is changed; log in: twgw login")


@user.command("logout")
@click.argument("name")
@asks
def logout_(node: Node, as_json: bool, name: str) -> None:
    """End every login of the user NAME, and void every token and key that NAME was given."""
    node.delete("users", name, "sessions")
    if as_json:
        show_json({"user": name, "logins": "ended"})
    else:
        click.echo(f"Every login of {name} has ended")


@user.command()
@click.argument("name")
@yes_option
@asks
def delete(node: Node, as_json: bool, name: str, yes: bool) -> None:
    """Delete the user NAME with logins, tokens and keys.

    The last admin stays, and so does whoever owns an application or an API: give it to somebody else first
    (twgw app edit, twgw api owner), or shut NAME out at once with twgw user disable.
    """
    confirm(f"Delete the user {name}?", yes=yes)
    node.delete("users", name)
    if as_json:
        show_json({"deleted": name})
    else:
        click.echo(f"{name} is deleted")
