"""``twgw login``, ``logout`` and ``whoami``: as whom the other commands ask a node."""

import sys
from pathlib import Path
from typing import Any

import click

from twgw.cli_config import config_option, failure
from twgw.cli_node import Node, Proof, Refused, asks, logins_directory, node_of, url_option
from twgw.cli_show import json_option, show_json, when
from twgw.logins import Login, LoginsError, find_login, forget_login, keep_login

EXAMPLES = """\b
Examples:
  twgw login ann                           at the node of the configuration
  twgw login --url https://admin.example.com
  twgw login ann <password.txt
"""


@click.command(epilog=EXAMPLES)
@click.argument("name", required=False)
@config_option
@url_option
@json_option
def login(name: str | None, file: Path | None, url: str | None, as_json: bool) -> None:
    """Log in at a node as NAME, so that the other commands ask it in that name.

    The password is asked for, or read from standard input.  The login is kept in ~/.config/twgw, for you alone, and
    ends by itself after some hours, or by `twgw logout`.
    """
    node = node_of(file, url, Proof())
    if name is None:
        name = click.prompt("Name")
    wish = {"name": name, "password": ask_password()}
    found = node.post("login", body=wish)
    path = _kept(keep_login, node, Login(found["name"], found["token"], found["expires_at"]))
    if as_json:
        show_json({"url": node.url, **{part: found[part] for part in ("name", "roles", "expires_at")}})
        return
    click.echo(f"Logged in at {node.url} as {found['name']}: {', '.join(found['roles']) or 'no role'}")
    click.echo(f"It is kept in {path}, and ends on {when(found['expires_at'])}")


def ask_password(*, new: bool = False) -> str:
    """A password, from who sits at a terminal (twice for a ``new`` one) or from standard input."""
    if sys.stdin.isatty():
        again = "Again" if new else False
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=again))
    found = sys.stdin.readline().rstrip("\r\n")
    if not found:
        raise failure(["no password was given: type it, or write it into standard input"])
    return found


def _kept(function: Any, node: Node, *more: Any) -> Any:
    try:
        return function(logins_directory(), node.url, *more)
    except LoginsError as error:
        raise failure([str(error)]) from error
    except OSError as error:
        raise failure([f"{error.filename or logins_directory()}: {error.strerror}"]) from error


@click.command()
@config_option
@url_option
@json_option
def logout(file: Path | None, url: str | None, as_json: bool) -> None:
    """End the login at a node, there and here."""
    node = node_of(file, url, Proof())
    found = _kept(find_login, node)
    said = f"Nobody was logged in at {node.url}"
    if found is not None:
        _kept(forget_login, node)
        said = f"{found.name} is logged out at {node.url}"
        try:
            Node(node.url, Proof(found.token)).post("logout")
        except Refused as error:
            if error.status != 401:  # it had ended there
                raise
    if as_json:
        show_json({"url": node.url, "name": found.name if found else None})
    else:
        click.echo(said)


@click.command()
@asks
def whoami(node: Node, as_json: bool) -> None:
    """Say as whom the commands ask a node, and what that user may do."""
    found = node.get("me")
    if as_json:
        show_json({"url": node.url, **found, "by": node.proof.by})
        return
    groups = f"; in {', '.join(found['groups'])}" if found["groups"] else ""
    click.echo(f"{found['name']} at {node.url}: {', '.join(found['roles']) or 'no role'}{groups}")
    click.echo(f"By {node.proof.by}")
