"""Asks a node over its admin REST, for the commands that need one that runs; says in words what it refuses.

Which node: ``--url``, else ``TWGW_URL``, else ``[admin] listen`` of the configuration.  As whom: ``TWGW_TOKEN``, else
the login that ``twgw login`` has kept for that node, else the secret of the first admin in the data directory, which
is for the configured node alone.  A token goes over TLS or stays on this machine, and follows no proxy and no redirect.
"""

import http.client
import json
import os
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click
from attrs import define, field, frozen

from twgw.cli_config import config_option, configured, failure, nearby
from twgw.cli_reached import REACHED, not_everywhere, reached_of
from twgw.cli_show import json_option
from twgw.config import Config
from twgw.demo import origin
from twgw.logins import LoginsError, find_login

PREFIX = "/admin/v1"
PATIENCE = 60
"""Seconds: a node holds an answer for ten, until what was changed is in force."""
SLOW = 3
"""Seconds after which it is said what is waited for."""
WAITING = "Waiting until every node has it, or what a silent one holds is good no longer ([cluster] session) ..."
SECRET = "admin.secret"
ANYWHERE = "http://GATEWAY"
"""Stands for the address of a gateway whose configuration is not here."""

url_option: Callable[[Any], Any] = click.option(
    "--url", envvar="TWGW_URL", metavar="URL",
    help="Admin address of the node.  [default: the variable TWGW_URL, else [admin] listen of the configuration]",
)  # fmt: skip


@frozen
class Proof:
    """What is shown to a node, and what to say when it is not taken."""

    token: str = field(default="", repr=False)
    source: str = "nobody is logged in"
    """Why it is not taken."""
    by: str = ""
    """Where it was found."""


class Refused(click.ClickException):
    """A node said no: the end of the command, unless that takes it for an answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@define(eq=False)
class Node:
    """A node that is asked.  Whatever goes wrong ends the command with status 1."""

    url: str
    proof: Proof
    gateway: str = ANYWHERE
    """How its traffic is called."""
    lenient: bool = False
    """Whether a change is to be made though some nodes cannot have it in force."""
    reached: Any = None
    """What was said of the last change: where it is in force, and after how long."""

    def get(self, *path: str, **query: Any) -> Any:
        """What is there."""
        return self._ask("GET", _path(path, query))[0]

    def post(self, *path: str, body: Any = None) -> Any:
        """What was made or done."""
        return self._ask("POST", _path(path, {}), body)[0]

    def delete(self, *path: str, **query: Any) -> None:
        """Take something away."""
        self._ask("DELETE", _path(path, query))

    def patch(self, *path: str, body: Any) -> Any:
        """Change what ``body`` names."""
        return self._ask("PATCH", _path(path, {}), body)[0]

    def read(self, *path: str) -> tuple[Any, str | None]:
        """What is there, to be changed, and its ETag for ``put``."""
        return self._ask("GET", _path(path, {}))

    def put(self, *path: str, body: Any, match: str | None = None, **query: Any) -> Any:
        """Set something in place of what is there; with ``match``, unless somebody else was quicker."""
        return self._ask("PUT", _path(path, query), body, match)[0]

    def items(self, *path: str, **query: Any) -> Iterator[Any]:
        """Every entry of a list, page by page."""
        cursor = ""
        while cursor is not None:
            page = self.get(*path, **query, cursor=cursor)
            yield from page["items"]
            cursor = page["next"]

    def _ask(self, method: str, path: str, body: Any = None, match: str | None = None) -> tuple[Any, str | None]:
        headers = {"Authorization": f"Bearer {self.proof.token}"} if self.proof.token else {}
        headers |= {"If-Match": match} if match else {}
        headers |= {"Prefer": "handling=lenient"} if self.lenient else {}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        place = urlsplit(self.url)
        connection = connection_to(self.url)
        try:
            with nullcontext() if method == "GET" else _patient():
                connection.request(method, place.path + path, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                text = answer.read()
        except OSError as error:
            raise failure([self._not_there(error)]) from error
        except http.client.HTTPException as error:
            raise failure([self._not_a_node(f"it does not speak HTTP ({type(error).__name__})")]) from error
        finally:
            connection.close()
        try:
            found = json.loads(text) if text else None
        except ValueError as error:
            raise failure([self._not_a_node(f"HTTP {answer.status}")]) from error
        if answer.status >= 300:
            raise Refused(answer.status, failure(self._refused(answer, found, path)).message)
        self.reached = reached_of(answer.getheader(REACHED))
        if answer.status == 202:
            for line in not_everywhere(self.reached):
                click.echo(line, err=True)
        return found, answer.getheader("ETag")

    def _not_there(self, error: OSError) -> str:
        if isinstance(error, ssl.SSLError):
            reason = error.reason or error
            return f"{self.url}: no TLS connection ({reason}); a certificate of your own: SSL_CERT_FILE=ca.pem"
        return (
            f"no node answers at {self.url}: {error.strerror or error}\n"
            "Start one: twistd -n --pidfile= twgw --config FILE (in a checkout: make run); or name it: --url, TWGW_URL"
        )

    def _not_a_node(self, what: str) -> str:
        return (
            f"{self.url} has no admin API of twgw: {what}\n"
            "Name a node with the role admin whose state is in a database: --url, TWGW_URL or [admin] listen"
        )

    def _refused(self, answer: http.client.HTTPResponse, found: Any, path: str) -> Iterator[str]:
        """A problem document (RFC 9457) in words, and the way out."""
        if not isinstance(found, dict) or "title" not in found:
            yield self._not_a_node(f"HTTP {answer.status}")
            return
        detail = found.get("detail", "")
        if faults := found.get("faults"):
            yield from (f"{each['path']}: {each['text']}" if each["path"] else each["text"] for each in faults)
        elif answer.status == 401 and path != f"{PREFIX}/login":
            yield f"{self.url}: {self.proof.source}"
            yield "Log in: twgw login (or set TWGW_TOKEN)"
        else:
            yield f"{found['title']}: {detail}" if detail else found["title"]
        if found.get("nodes"):
            yield "With --force it is put in force where it can be"
        if answer.status == 403:
            yield "Who you are there, and in which roles: twgw whoami"
        if answer.status in (429, 503) and (seconds := answer.getheader("Retry-After")):
            yield f"Try again in {seconds} s"


@contextmanager
def _patient() -> Iterator[None]:
    """Say what is waited for where the answer to a change takes its time."""
    timer = threading.Timer(SLOW, _say_waiting)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _say_waiting() -> None:
    click.echo(WAITING, err=True)


def _path(parts: tuple[str, ...], query: dict[str, Any]) -> str:
    asked = urlencode({name: value for name, value in query.items() if value not in (None, "")})
    return PREFIX + "".join(f"/{quote(part, safe=':')}" for part in parts) + (f"?{asked}" if asked else "")


def connection_to(url: str) -> http.client.HTTPConnection:
    """A connection to an address, still to be made: no proxy, and a certificate is verified."""
    place = urlsplit(url)
    host, port = place.hostname or "", place.port
    if place.scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=PATIENCE)


# --- which node, and as whom ---


def node_of(file: Path | None, url: str | None, proof: Proof | None = None) -> Node:
    """The node that is meant, and what is shown to it: ``proof``, or what is found.  What is wrong ends the command."""
    if url:
        url = checked_url(url)
        return Node(url, proof or proof_for(url, None))
    config = configured(file)
    if config.state.file is not None:
        raise failure([
            f"{config.state.file} is the state of this node ([state] file): change that file",
            "For another node, whose state is in a database: --url or TWGW_URL",
        ])  # fmt: skip
    listen = config.admin.listen
    if listen is None:
        raise failure(["[admin] listen is empty: this node has no admin API; name another with --url or TWGW_URL"])
    url = origin(listen.interface, listen.port)
    first = next(iter(config.gateway.listen), None)
    gateway = origin(first.interface, first.port) if first else ANYWHERE
    if first and first.kind == "ssl":
        gateway = gateway.replace("http:", "https:", 1)
    return Node(url, proof or proof_for(url, config), gateway)


def checked_url(url: str, option: str = "--url") -> str:
    """An address without the slash at its end.  Raises UsageError for what is none, and for one that is not safe."""
    try:
        place = urlsplit(url)
        port = place.port
    except ValueError as error:
        raise click.UsageError(f"{option} {url}: {error}") from error
    if place.scheme not in ("http", "https") or not place.hostname or place.query or place.fragment or place.username:
        raise click.UsageError(f"{option} {url}: write http://HOST:PORT or https://HOST:PORT")
    if place.scheme == "http" and not _is_here(place.hostname):
        raise click.UsageError(
            f"{option} {url}: a token would go over the network as plain text; use https://, or a tunnel:\n"
            f"ssh -L 8081:127.0.0.1:{port or 80} {place.hostname}, and {option} http://127.0.0.1:8081"
        )
    return url.rstrip("/")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def logins_directory() -> Path:
    """Where logins are kept."""
    return Path(click.get_app_dir("twgw"))


def proof_for(url: str, config: Config | None) -> Proof:
    """What is shown to a node; ``config`` when it is the one of this configuration."""
    if token := os.environ.get("TWGW_TOKEN", "").strip():
        if not (token.isascii() and token.isprintable()):
            raise failure(["TWGW_TOKEN is no token: it has characters that no token has"])
        return Proof(token, "the token in TWGW_TOKEN is not good there, or not any more", "TWGW_TOKEN")
    try:
        login = find_login(logins_directory(), url)
    except LoginsError as error:
        raise failure([str(error)]) from error
    if login is not None:
        good = login.expires_at > time.time()  # noqa: TID251 - a command has no other clock
        return Proof(login.token if good else "", f"the login of {login.name} has ended", "twgw login")
    if config is None:
        return Proof()
    path = config.node.data_dir / SECRET
    try:
        secret, place = path.read_text("ascii").strip(), nearby(str(path))
        return Proof(secret, f"the secret in {place} is not good there", place)
    except FileNotFoundError:
        return Proof()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no secret"
        return Proof(source=f"nobody is logged in, and {nearby(str(path))} cannot be used: {reason}")


def asks(command: Callable[..., None]) -> Any:
    """Make a command of a function that asks a node: it is given the Node, whether JSON is wanted, and its options."""

    @config_option
    @url_option
    @json_option
    @wraps(command)
    def asking(file: Path | None, url: str | None, as_json: bool, **given: Any) -> None:
        command(node_of(file, url), as_json, **given)

    return asking


def forces(command: Callable[..., None]) -> Any:
    """Give a command that changes what is served the option --force; stands below ``asks``."""

    @click.option("--force", is_flag=True, help="Put it in force where it can be, though some nodes cannot have it.")
    @wraps(command)
    def forcing(node: Node, as_json: bool, force: bool, **given: Any) -> None:
        node.lenient = force
        command(node, as_json, **given)

    return forcing


yes_option: Callable[[Any], Any] = click.option("--yes", "-y", is_flag=True, help="Do not ask whether it is meant.")


def confirm(what: str, *, yes: bool) -> None:
    """Ask whoever sits at a terminal whether it is meant; no ends the command."""
    if not yes and sys.stdin.isatty():
        click.confirm(what, abort=True)
