"""``twgw ldap …``: what a user store says of somebody, step by step, and WSO2's stores as ours."""

import json
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import click
from attrs import define, field

from twgw.cli_config import config_option, configured, failure, nearby
from twgw.directory import wso2
from twgw.directory.groups import Failure
from twgw.directory.login import log_in
from twgw.directory.settings import LdapStore, ServerAddress
from twgw.directory.stores import responsible
from twgw.ldap import Servers
from twgw.newfile import create
from twgw.policy.interfaces import DirectoryUser, Refusal

FOUND, REFUSED, UNAVAILABLE = 0, 1, 3
TURNED_DOWN = "refused: "
"""How a step of a login begins to tell that a server did not take the user."""

CHECK_EXAMPLES = """\b
Examples:
  twgw ldap check alice --config etc/twgw.toml
  twgw ldap check 'CORP\\alice' --no-password      who is it, and in which groups?
  twgw ldap check alice --store corp --json <secret
"""
IMPORT_EXAMPLES = """\b
Examples:
  twgw ldap import user-mgt.xml                    see what it would be
  twgw ldap import user-mgt.xml --passwords etc >>etc/twgw.toml
"""


@click.group()
def ldap() -> None:
    """Look into LDAP user stores."""


@define
class Step:
    """One step, for people and for programs."""

    server: str
    step: str
    text: str
    ok: bool = True
    hint: str = ""


@define
class Report:
    """What one store said."""

    store: str
    name: str
    outcome: str = ""
    user: DirectoryUser | None = None
    steps: list[Step] = field(factory=list)


@ldap.command(epilog=CHECK_EXAMPLES)
@click.argument("user")
@click.option("--store", default="", metavar="NAME", help="Ask this store alone.")
@config_option
@click.option("--no-password", is_flag=True, help="Ask for no password: find the user and their groups.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.pass_context
def check(
    context: click.Context, user: str, store: str, file: Path | None, no_password: bool, as_json: bool
) -> None:
    """Log USER in as the gateway would, and explain each step, with what to change when one fails.

    The password is asked for, or read from standard input.  Nothing is written, in the directory or elsewhere.
    Status: 0 the user is good, 1 unknown or refused, 3 a store does not answer.
    """
    config = configured(file)
    try:
        asked = responsible(config.ldap, user, store)
    except LookupError as error:
        raise failure([str(error)]) from error
    if not asked:
        raise failure([f"no store is asked for {user}: all of them want a domain before or behind the name"])
    password = None if no_password else _password()
    reports = []
    for one, name in asked:
        if not as_json:
            click.echo(f"{one.name}: {name}")
        reports.append(_ask(one, name, password, quiet=as_json))
        if reports[-1].outcome not in {Refusal.UNKNOWN.value, Refusal.UNAVAILABLE.value}:
            break
    if as_json:
        document = [attrs.asdict(report) for report in reports]
        click.echo(json.dumps({"user": user, "outcome": _outcome(reports), "stores": document}, indent=2))
    statuses: dict[str, int] = {"found": FOUND, Refusal.UNAVAILABLE.value: UNAVAILABLE}
    context.exit(statuses.get(_outcome(reports), REFUSED))


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, default="", show_default=False))
    return sys.stdin.readline().rstrip("\r\n")


def _outcome(reports: list[Report]) -> str:
    """The answer of all stores together, as the gateway would have it."""
    outcomes = [report.outcome for report in reports]
    unavailable = Refusal.UNAVAILABLE.value
    return unavailable if outcomes[-1] == Refusal.UNKNOWN.value and unavailable in outcomes else outcomes[-1]


def _ask(store: LdapStore, name: str, password: str | None, *, quiet: bool) -> Report:
    """Ask one server after another, as the gateway does."""
    report = Report(store.name, name)

    def note(server: ServerAddress | str, step: str, text: str, *, ok: bool = True, hint: str = "") -> None:
        ok = ok and not text.startswith(TURNED_DOWN)
        report.steps.append(Step(str(server), step, text, ok, hint))
        if not quiet:
            click.echo(f"  {'ok  ' if ok else 'FAIL'}  {step:<15} {text}")
            if hint:
                click.echo(f"{'':23} → {hint}")

    answer: DirectoryUser | Refusal = Refusal.UNAVAILABLE
    try:
        servers = Servers(store, time.monotonic)
    except OSError as error:
        note("", "TLS", str(error), ok=False, hint="set ca_file to a PEM file of authorities")
        report.outcome = Refusal.UNAVAILABLE.value
        return report
    deadline = time.monotonic() + store.timeout
    for server in store.servers:
        call = servers.call(server, deadline, partial(note, server))
        try:
            answer = log_in(store, call.connect, name, password, now=time.monotonic, tell=call.tell)
        except Failure as trouble:
            note(server, trouble.step, trouble.text, ok=False, hint=trouble.hint)
            if not trouble.lost:
                break
        else:
            break
    if isinstance(answer, DirectoryUser):
        report.user, report.outcome = answer, "found"
    else:
        report.outcome = answer.value
    for step, text, ok, hint in _conclusion(store, answer):
        note("", step, text, ok=ok, hint=hint)
    return report


def _conclusion(store: LdapStore, answer: DirectoryUser | Refusal) -> Iterator[tuple[str, str, bool, str]]:
    """What it comes to: step, text, whether it is good, what may be changed."""
    if answer is Refusal.UNKNOWN:
        yield "result", "no such user, or more than one", False, (
            "correct user_filter or user_base, or let bind_dn read the entry; a name must find one entry"
        )
    elif answer is Refusal.WRONG_PASSWORD:
        yield "result", "the password is not right, or the account may not be used", False, "try another password"
    elif isinstance(answer, DirectoryUser):
        for step, granted, setting in (
            ("roles", answer.roles, "roles"), ("consumer groups", answer.consumer_groups, "consumer_groups"),
        ):  # fmt: skip
            hint = "" if granted or not getattr(store, setting) else f"none of the user's groups stands in {setting}"
            yield step, ", ".join(granted) or "none", True, hint
        yield "result", f"{answer.name} ({answer.display_name or 'no name'}, {answer.mail or 'no mail'})", True, ""
    else:
        yield "result", f"{store.name} does not answer; the gateway would say 503", False, ""


@ldap.command("import", epilog=IMPORT_EXAMPLES)
@click.argument("source", metavar="USER-MGT.XML", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--passwords", metavar="DIR", type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Write each ConnectionPassword into a file there, for its owner alone.",
)  # fmt: skip
def import_(source: Path, passwords: Path | None) -> None:
    """Print the user stores of WSO2's user-mgt.xml, or of the file of a secondary store, as [[ldap]] tables.

    What has no counterpart, and what is to be looked at, stands above each table.  No password is printed.
    """
    try:
        stores = wso2.read(source.read_text("utf-8"))
    except OSError as error:
        raise failure([f"{source}: cannot be read: {error.strerror}"]) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise failure([f"{source}: {error}"]) from error
    for store in stores:
        click.echo(wso2.as_toml(_with_password(store, passwords)))


def _with_password(store: wso2.Imported, directory: Path | None) -> Any:
    """The same, with its password in a file, or with a note that it is not there yet."""
    name = str(store.settings.get("password_file", ""))
    if not name:
        return store
    if directory is None or not store.password:
        note = f"write the password of {store.settings['bind_dn']} into the file {name}, or call with --passwords DIR"
        return attrs.evolve(store, notes=(*store.notes, note))
    path = directory / Path(name).name
    try:
        create(path, store.password + "\n")
    except FileExistsError as error:
        raise failure([f"{path} is there already; nothing was written over"]) from error
    except OSError as error:
        raise failure([f"{path}: {error.strerror}"]) from error
    return attrs.evolve(store, notes=(*store.notes, f"the password is in {nearby(str(path))}"))
