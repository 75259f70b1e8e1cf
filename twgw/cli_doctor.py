"""``twgw doctor``: whether a node is well, and its machine; each thing a line, with the way out of what is not.

It asks what a start would ask, without changing anything, and then the node itself.
"""

import http.client
import json
import os
import resource
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from attrs import asdict
from rich.text import Text

from twgw.cli_cluster_init import starting
from twgw.cli_config import config_option, left_out, nearby
from twgw.cli_doctor_cluster import certificate, counters, key_managers, nodes, watched
from twgw.cli_doctor_ports import ports
from twgw.cli_finding import FAIL, OK, WARN, Finding, skewed
from twgw.cli_show import console, json_option, show_json, table, when
from twgw.config import Config, load
from twgw.directory.groups import Failure
from twgw.faults import InvalidFileError

COLOURS = {OK: "green", WARN: "yellow", FAIL: "bold red"}
MIN_FREE, LITTLE_FREE = 100 << 20, 1 << 30
"""Octets of free space: below the first nothing can be written for long, below the second it is time to look."""
EPOCH = {
    "postgresql": "SELECT extract(epoch FROM now())",
    "mariadb": "SELECT unix_timestamp(now(6))",
    "mysql": "SELECT unix_timestamp(now(6))",
}
"""The clock of a database server, by the kind of server; SQLite has none of its own."""
SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")
"""There while systemd-timesyncd has the time from somebody; its folder, while that runs."""
ASIDE = 64
"""Files that a node has open beside its connections."""
PATIENCE = 5

EXAMPLES = """\b
Examples:
  twgw doctor --config etc/twgw.toml
  twgw doctor --json
\b
Status: 0 nothing failed, 1 something did, 2 used wrongly.
"""


@click.command(epilog=EXAMPLES)
@config_option
@json_option
def doctor(file: Path | None, as_json: bool) -> None:
    """Look a node over: its configuration, files, ports, database, user stores, clock, and the nodes beside it."""
    found = []
    for each in findings(file, time.time):  # noqa: TID251 - a command has no other clock
        found.append(each)
        if not as_json:
            _show(each)
    count = {state: sum(each.state == state for each in found) for state in COLOURS}
    if as_json:
        show_json({"findings": [asdict(each) for each in found], **count})
    else:
        click.echo(f"{count[FAIL]} failed, {count[WARN]} to look at, {count[OK]} well")
    raise SystemExit(1 if count[FAIL] else 0)


def _show(finding: Finding) -> None:
    line = table("", "", "", header=False)
    line.columns[0].min_width, line.columns[1].min_width = 4, 14
    line.add_row(Text(finding.state, COLOURS[finding.state]), Text(finding.what), Text(finding.text))
    if finding.hint:
        line.add_row("", "", Text(f"→ {finding.hint}"))
    console().print(line)


def findings(file: Path | None, wall: Callable[[], float]) -> Iterator[Finding]:
    """Everything that is looked at, in order: what the next one needs comes before it."""
    try:
        config = load(file, os.environ, {})
    except InvalidFileError as error:
        for line in error.lines:
            yield Finding(FAIL, "configuration", nearby(line), "correct it; every setting stands in docs/reference.md")
        return
    if way := left_out(file):
        yield Finding(WARN, "configuration", "the defaults, and the environment, beside a file", way)
    else:
        text = f"{nearby(str(file))} is valid" if file else "the defaults, and the environment"
        yield Finding(OK, "configuration", text)
    answer = _node(config)
    yield from _data_dir(config)
    yield from _files_open(config)
    database = [] if config.state.file is not None or config.cluster.keymanagers else list(_database(config, wall))
    if all(each.state != FAIL for each in database):
        yield from _state(config)  # else nobody knows it
    yield from database
    yield from stores(config)
    yield from certificate(config, wall())
    yield from key_managers(config)
    yield from _others(config, wall)
    yield from ports(config, runs=answer is not None)
    yield from clock(wall())
    yield from _answers(config, answer, file)


# --- the machine ---


def _data_dir(config: Config) -> Iterator[Finding]:
    path = config.node.data_dir
    shown = nearby(str(path))
    if not path.exists():
        yield Finding(WARN, "data directory", f"{shown} is not there yet", "the first start makes it")
        return
    if not path.is_dir():
        yield Finding(FAIL, "data directory", f"{shown} is not a directory", "correct [node] data_dir")
        return
    free = shutil.disk_usage(path).free
    state = FAIL if free < MIN_FREE else WARN if free < LITTLE_FREE else OK
    hint = "make room: without it nothing can be written, and no key be revoked" if state != OK else ""
    yield Finding(state, "disk", f"{free / (1 << 30):.1f} GiB are free in {shown}", hint)
    if not os.access(path, os.W_OK | os.X_OK):
        yield Finding(FAIL, "data directory", f"{shown} cannot be written to", "run as the user of the node")
    elif path.stat().st_mode & 0o077:
        yield Finding(WARN, "data directory", f"{shown} is open to others", f"run: chmod 700 {shown}")
    else:
        yield Finding(OK, "data directory", f"{shown} is for its owner alone")
    for name in ("admin.secret", "pepper", "signing.pem", "twgw.db", "demo.key", "database-password"):
        yield from _secret(path / name)


def _secret(path: Path) -> Iterator[Finding]:
    """A file that nobody else may read."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return
    shown = nearby(str(path))
    if mode & 0o077:
        way = "delete it, and make new ones" if path.name == "admin.secret" else "who read it has what is in it"
        yield Finding(FAIL, path.name, f"others may read {shown} ({mode:04o})", f"run: chmod 600 {shown}; {way}")
    else:
        yield Finding(OK, path.name, f"{shown} is for its owner alone")


def _files_open(config: Config) -> Iterator[Finding]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.gateway.max_connections + ASIDE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        hint = "LimitNOFILE=65536 in the unit (ulimit -n in a shell), or a lower max_connections"
        yield Finding(
            WARN, "open files", f"{soft} here, and [gateway] max_connections is {config.gateway.max_connections}", hint
        )
    else:
        yield Finding(OK, "open files", f"{'any number' if soft == resource.RLIM_INFINITY else soft}")


# --- what a start reads ---


def _state(config: Config) -> Iterator[Finding]:
    from twgw.checking import check_files
    from twgw.policy.registry import PluginConflict, find_plugins

    try:
        for plugin in find_plugins(config.plugins.directories).values():
            if plugin.fault:
                hint = "correct it, or take it away; APIs that use it cannot be served"
                yield Finding(WARN, "policy", f"{plugin.name} cannot be loaded: {plugin.fault}", hint)
    except PluginConflict:
        pass  # said below
    faults = check_files(config)
    for line in faults:
        yield Finding(FAIL, "state", nearby(line), "correct it: the node does not take it over, or not all of it")
    if not faults:
        where = f"{nearby(str(config.state.file))} is valid" if config.state.file else "what is served can be served"
        yield Finding(OK, "state", where)


def _database(config: Config, wall: Callable[[], float]) -> Iterator[Finding]:
    from twgw.startup import open_database
    from twgw.storage.errors import Unavailable
    from twgw.storage.moving import look_aside
    from twgw.storage.upgrade import schema_status

    shown = nearby(config.database_url)
    file = config.database_place.file
    try:
        look_aside(file)
    except Unavailable as error:
        yield Finding(FAIL, "database", nearby(str(error)), error.way)
        return
    if file is not None and not file.exists():
        yield Finding(WARN, "database", f"{shown} is not there yet", "the first start makes it")
        return
    database = open_database(config)
    try:
        found = schema_status(database)
        asked = EPOCH.get(config.database_url.partition(":")[0])
        before = wall()
        there = float(database.call(lambda it: it.exec_driver_sql(asked).scalar_one())) if asked else before
        after = wall()
    except Unavailable as error:
        way = error.way or "start it, or correct [database] url, password and network"
        yield Finding(FAIL, "database", nearby(str(error)), way)
        return
    finally:
        database.close()
    if found.is_current:
        yield Finding(OK, "database", f"{shown} has the tables of this version: {found.current}")
    else:
        text = f"{shown} has {found.current or 'no tables'}, and this version needs {found.wanted}"
        yield Finding(WARN, "database", text, "run: twgw db upgrade; starting a node does that, too")
    if asked:
        yield skewed("database clock", there - min(max(there, before), after))  # 0 within the time that asking took


def _others(config: Config, wall: Callable[[], float]) -> Iterator[Finding]:
    """How the other nodes stand, and what all of them count on."""
    from twgw.startup import open_database
    from twgw.storage.errors import Unavailable
    from twgw.storage.nodes import list_nodes
    from twgw.storage.upgrade import schema_status

    sessions, members = [], set()
    if config.cluster.listen is not None:
        database = open_database(config)
        try:
            if schema_status(database).is_current:
                sessions, members = watched(database, wall), database.call(list_nodes)
        except Unavailable:
            pass  # said already
        finally:
            database.close()
    yield from nodes(config, sessions, members)
    yield from counters(config, sessions)


def stores(config: Config) -> Iterator[Finding]:
    """Each server of each user store: does it take the service bind?"""
    from twgw.ldap import Servers

    for store in config.ldap:
        try:
            servers = Servers(store, time.monotonic)
        except OSError as error:
            yield Finding(FAIL, f"ldap {store.name}", str(error), "set ca_file to a PEM file of authorities")
            continue
        well, ill = [], []
        for server in store.servers:
            try:
                _bound(servers.call(server, time.monotonic() + store.timeout).connect(), store)
            except Failure as trouble:
                ill.append((str(server), trouble))
            else:
                well.append(str(server))
        for where, failed in ill:
            text = f"{where}: {failed.step}: {failed.text}"
            yield Finding(WARN if well else FAIL, f"ldap {store.name}", text, failed.hint)
        if well:
            yield Finding(OK, f"ldap {store.name}", f"{', '.join(well)}; more: twgw ldap check USER")


def _bound(connection: Any, store: Any) -> None:
    try:
        if store.bind_dn:
            code, says = connection.bind(store.bind_dn, store.password)
            if code:
                raise Failure("service bind", f"{store.bind_dn} was refused: {says}", "correct bind_dn or password")
    finally:
        connection.close()


# --- clock, the node itself ---


def _node(config: Config) -> dict[str, Any] | None:
    """What the node says of itself; None when nobody answers, or something else does."""
    listen = config.admin.listen if "admin" in config.node.roles else config.status.listen
    if listen is None:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.interface, listen.interface)
    connection = http.client.HTTPConnection(host, listen.port, timeout=PATIENCE)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        document = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if not isinstance(document, dict) or "ready" not in document:
        return None
    return document


def clock(now: float) -> Iterator[Finding]:
    """Whether the time can be right."""
    made = Path(__file__).stat().st_mtime
    if now < made:
        yield Finding(FAIL, "clock", f"it is {when(now)} here, and this version was installed later", "set the clock")
    elif SYNCHRONIZED.parent.is_dir() and not SYNCHRONIZED.exists():
        yield Finding(WARN, "clock", f"{when(now)}, not synchronized", "is an NTP server within reach? timedatectl")
    else:
        yield Finding(OK, "clock", when(now))


def _answers(config: Config, said: dict[str, Any] | None, file: Path | None) -> Iterator[Finding]:
    listen = config.admin.listen if "admin" in config.node.roles else config.status.listen
    if listen is None:
        yield Finding(WARN, "node", "it cannot be asked: it has no admin and no status listener", "set [status] listen")
    elif said is None:
        way = starting(file) if file else "twistd -n --pidfile= twgw --config FILE (in a checkout: make run)"
        hint = f"start it: {way}; else its log says why"
        yield Finding(FAIL, "node", f"no node answers at {listen.host}:{listen.port}", hint)
    else:
        for reason in said["reasons"]:
            yield Finding(FAIL, "node", f"{said['node']} is not ready: {reason}", "the log of the node says more")
        for warning in said["warnings"]:
            yield Finding(WARN, "node", warning, "the log of the node says more")
        if said["ready"]:
            yield Finding(OK, "node", f"{said['node']} is ready: {said['apis']} APIs, position {said['position']}")
