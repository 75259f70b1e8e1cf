"""``twgw client …``: OAuth2 clients of applications, by which these get tokens."""

from typing import Any, get_args

import click

from twgw.cli_duration import DURATION
from twgw.cli_node import Node, asks, confirm, yes_option
from twgw.cli_show import show_fields, show_json, show_list, when
from twgw.keymanager.client import GrantType

GRANTS = click.Choice(get_args(GrantType))

EXAMPLES = """\b
Examples:
  twgw client add me                       its client_id and, this once, its client_secret
  twgw client add web --grant authorization_code --grant refresh_token --public \\
                      --redirect-uri https://app.example.com/back
  twgw token new CLIENT_ID                 a token for it
"""


@click.group(epilog=EXAMPLES)
def client() -> None:
    """Look after OAuth2 clients: how applications get tokens."""


@client.command()
@click.argument("application")
@click.option("--grant", "grants", multiple=True, type=GRANTS, help="How it may get tokens; repeatable.")
@click.option("--redirect-uri", "uris", multiple=True, metavar="URI", help="Where its users may be sent; repeatable.")
@click.option("--scope", "scopes", multiple=True, metavar="TEXT", help="What it may ask for; repeatable.")
@click.option("--default-scope", "given", multiple=True, metavar="TEXT", help="What it gets unasked; repeatable.")
@click.option("--public", is_flag=True, help="It runs where no secret can be kept, and has none.")
@click.option("--jwt", is_flag=True, help="Its access tokens are JWTs (RFC 9068).")
@click.option("--sandbox", is_flag=True, help="Its tokens are for the sandbox of APIs.")
@click.option("--introspect", is_flag=True, help="It may ask about tokens of others.")
@click.option("--access-time", "access", type=DURATION, metavar="TIME", help="How long its access tokens last, as 15m.")
@asks
def add(
    node: Node, as_json: bool, application: str, grants: tuple[str, ...], uris: tuple[str, ...],
    scopes: tuple[str, ...], given: tuple[str, ...], public: bool, jwt: bool, sandbox: bool, introspect: bool,
    access: float | None,
) -> None:  # fmt: skip
    """Make an OAuth2 client of APPLICATION.  Without --grant it gets tokens for itself (client_credentials)."""
    settings: dict[str, Any] = {
        "redirect_uris": uris, "default_scopes": given, "public": public, "introspect": introspect,
        "token_format": "jwt" if jwt else "opaque", "access_seconds": access,
    }  # fmt: skip
    settings |= {"grants": grants} if grants else {}
    settings |= {"scopes": scopes} if scopes else {}
    wish = {"environment": "sandbox" if sandbox else "production", "settings": settings}
    made = node.post("applications", application, "clients", body=wish)
    if as_json:
        show_json(made)
        return
    _tell(made)
    if "client_credentials" in made["settings"]["grants"]:
        click.echo(f"Next: twgw token new {made['id']}")


def _tell(made: Any) -> None:
    click.echo(f"client_id: {made['id']}")
    if made["secret"] is not None:
        click.echo("The client_secret, shown this once:\n")
        click.echo(f"  {made['secret']}\n")


@client.command("list")
@click.argument("application")
@asks
def list_(node: Node, as_json: bool, application: str) -> None:
    """List the OAuth2 clients of APPLICATION, also those that were taken back."""
    found = list(node.items("applications", application, "clients"))
    if as_json:
        show_json(found)
        return
    rows = [
        (
            each["id"], "taken back" if each["revoked"] else "good", each["environment"], each["settings"]["grants"],
            when(each["created_at"]),
        )
        for each in found
    ]  # fmt: skip
    show_list(("client_id", "is", "for", "grants", "since"), rows, f"{application} has none.")


@client.command()
@click.argument("id", metavar="CLIENT_ID")
@asks
def show(node: Node, as_json: bool, id: str) -> None:
    """Show an OAuth2 client; never its secret."""
    found = node.get("clients", id)
    if as_json:
        show_json(found)
        return
    it = found["settings"]
    show_fields(found["id"], (
        ("application", found["application"]), ("for", found["environment"]), ("taken back", found["revoked"]),
        ("grants", it["grants"]), ("redirect URIs", it["redirect_uris"]), ("public", it["public"]),
        ("scopes", "all" if it["scopes"] is None else it["scopes"]), ("unasked", it["default_scopes"]),
        ("tokens", it["token_format"]), ("introspects", it["introspect"]), ("since", when(found["created_at"])),
    ))  # fmt: skip


@client.command()
@click.argument("id", metavar="CLIENT_ID")
@yes_option
@asks
def secret(node: Node, as_json: bool, id: str, yes: bool) -> None:
    """Give an OAuth2 client another secret, shown this once.  The old one is void at once; its tokens stay good."""
    confirm(f"Make the secret of {id} void?", yes=yes)
    made = node.post("clients", id, "secret")
    if as_json:
        show_json(made)
    else:
        _tell(made)


@client.command()
@click.argument("id", metavar="CLIENT_ID")
@yes_option
@asks
def delete(node: Node, as_json: bool, id: str, yes: bool) -> None:
    """Take an OAuth2 client back for ever, with every token that it got."""
    confirm(f"Take {id} back, with every token that it got?", yes=yes)
    node.delete("clients", id)
    if as_json:
        show_json({"deleted": id})
    else:
        click.echo(f"{id} is taken back; its tokens are refused")
