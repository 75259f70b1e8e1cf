"""``twgw token …``: what an OAuth2 client asks of the key manager, for people: get a token, ask about it, take it back.

Asks ``[control] listen`` of a node, or the issuer that is named, as any client does (RFC 6749, 7662, 7009).
"""

import http.client
import json
import os
import sys
from base64 import b64encode
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import click

from twgw.cli_config import config_option, configured, failure
from twgw.cli_node import checked_url, connection_to
from twgw.cli_show import json_option, show_fields, show_json, when
from twgw.demo import origin

EXAMPLES = """\b
Examples:
  TOKEN=$(twgw token new CLIENT_ID)        asks for the client_secret; TWGW_CLIENT_SECRET has it for programs
  echo $TOKEN | twgw token show CLIENT_ID
  echo $TOKEN | twgw token revoke CLIENT_ID
"""


@click.group(epilog=EXAMPLES)
def token() -> None:
    """Get OAuth2 tokens, ask about them, take them back."""


def _asks(command: Callable[..., None]) -> Any:
    """The argument and the options of each command; it is given a function that asks."""

    @click.argument("client", metavar="CLIENT_ID")
    @config_option
    @click.option(
        "--issuer", envvar="TWGW_ISSUER", metavar="URL",
        help="Address of the key manager.  [default: the variable TWGW_ISSUER, else [control] of the configuration]",
    )  # fmt: skip
    @json_option
    @wraps(command)
    def asking(client: str, file: Path | None, issuer: str | None, as_json: bool, **more: Any) -> None:
        url = checked_url(issuer, "--issuer") if issuer else _issuer(file)
        command(lambda path, **fields: _ask(url, path, client, fields), as_json, **more)

    return asking


def _issuer(file: Path | None) -> str:
    config = configured(file)
    listen = config.control.listen
    if listen is None or config.state.file is not None or "keymanager" not in config.node.roles:
        raise failure([
            "this node has no key manager: that needs its role, [control] listen and a database",
            "For another one: --issuer or TWGW_ISSUER",
        ])  # fmt: skip
    return origin(listen.interface, listen.port)


def _secret() -> str:
    if secret := os.environ.get("TWGW_CLIENT_SECRET"):
        return secret
    if sys.stdin.isatty():
        return str(click.prompt("client_secret", hide_input=True, err=True))
    raise failure(["set TWGW_CLIENT_SECRET, or call it at a terminal"])


def _ask(url: str, path: str, client: str, fields: dict[str, str]) -> Any:
    """What the key manager answers to a client (HTTP Basic, RFC 6749, 2.3.1)."""
    known = b64encode(f"{quote_plus(client)}:{quote_plus(_secret())}".encode()).decode()
    headers = {"Authorization": f"Basic {known}", "Content-Type": "application/x-www-form-urlencoded"}
    connection = connection_to(url)
    try:
        connection.request("POST", urlsplit(url).path + path, urlencode(fields), headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        way = "Start a node with the role keymanager, or name another: --issuer or TWGW_ISSUER"
        raise failure([f"no key manager answers at {url}: {error}", way]) from error
    finally:
        connection.close()
    try:
        found = json.loads(text) if text.strip() else None
    except ValueError as error:
        raise failure([f"{url} is no key manager: HTTP {answer.status}"]) from error
    if answer.status >= 300:
        said = found if isinstance(found, dict) else {}
        words = said.get("error_description") or said.get("detail") or said.get("title") or ""
        raise failure([": ".join(filter(None, (said.get("error") or f"HTTP {answer.status}", words)))])
    return found


def _shown_token() -> str:
    """The token on standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Token", hide_input=True, err=True))
    if found := sys.stdin.readline().strip():
        return found
    raise failure(["no token was given: write it into standard input"])


@token.command()
@_asks
@click.option("--scope", "scopes", multiple=True, metavar="TEXT", help="What it is to be for; repeatable.")
def new(ask: Callable[..., Any], as_json: bool, scopes: tuple[str, ...]) -> None:
    """Print an access token of CLIENT_ID for itself (client_credentials)."""
    fields = {"grant_type": "client_credentials"} | ({"scope": " ".join(scopes)} if scopes else {})
    found = ask("/oauth2/token", **fields)
    if as_json:
        show_json(found)
    else:
        click.echo(found["access_token"])


@token.command()
@_asks
def show(ask: Callable[..., Any], as_json: bool) -> None:
    """Say what is known of the token on standard input, to CLIENT_ID, which has to be allowed to ask."""
    found = ask("/oauth2/introspect", token=_shown_token())
    if as_json:
        show_json(found)
    elif not found["active"]:
        click.echo("It is not good, or not any more")
    else:
        rest = {name: value for name, value in found.items() if name not in ("active", "exp", "iat", "nbf")}
        times = (("issued", when(found.get("iat"))), ("good until", when(found.get("exp"))))
        show_fields("It is good", (*rest.items(), *times))


@token.command()
@_asks
def revoke(ask: Callable[..., Any], as_json: bool) -> None:
    """Take the token on standard input back, which CLIENT_ID has got.  It is refused as soon as the command returns."""
    ask("/oauth2/revoke", token=_shown_token())
    if as_json:
        show_json({"revoked": True})
    else:
        click.echo("It is refused from now on, if it was one of this client")
