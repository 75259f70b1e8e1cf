"""The configuration of a node: the classes of ``etc/twgw.toml``, and how they are filled.

Order: default < file < environment (``TWGW_GATEWAY_MAX_CONNECTIONS``) < command line.  Called by ``tap.py`` and the
command line; every other part is given the section it needs.  ``render_default`` writes the commented file.
"""

import os
import re
import socket
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
from attrs import frozen, validators

from twgw.allowed_upstreams import AllowedUpstreams
from twgw.cluster.settings import ClusterSettings
from twgw.credentials import Pepper
from twgw.database_url import DatabaseUrl
from twgw.directory.settings import LdapStore, repeated
from twgw.environment import given, value_of
from twgw.faults import Fault, InvalidFileError, SettingsError
from twgw.gateway.settings import Gateway, GatewayTls
from twgw.keymanager.settings import KeyManagerSettings
from twgw.listen import Listen
from twgw.model import positive
from twgw.schema import commented_toml, leaves, lists, sections
from twgw.secret_files import put_secrets, table_of
from twgw.settings import fields, setting, structure, written_type
from twgw.throttle.settings import Memcached
from twgw.web.settings import Control

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)\Z")


@frozen
class Node:
    """This process and its place in a cluster."""

    name: str = setting(
        "Name of the node in logs and metrics. Empty: the host name.",
        default="",
        validator=validators.matches_re(r"[A-Za-z0-9._-]{0,100}"),
    )
    roles: tuple[Literal["gateway", "admin", "keymanager", "publisher", "store"], ...] = setting(
        "What this node does: gateway carries traffic, admin answers operators. Where a database is the state, "
        "keymanager gives tokens to applications, publisher and store are for those who publish APIs and use them.",
        default=("gateway", "admin", "keymanager", "publisher", "store"),
        validator=validators.min_len(1),
    )
    data_dir: Path = setting(
        "Directory of what the node writes. It is made at the first start, for its owner alone.",
        default=Path("./twgw-data"),
    )
    pepper: Pepper | None = setting(
        "Secret under which API keys are stored as digests: v1: and 64 hex digits. Nodes that share digests share it. "
        "Empty: the file pepper in data_dir, made at the first start.",
        default=None,
        secret=True,
    )


@frozen
class Admin:
    """The listener for operators: /healthz, /readyz, /metrics. Keep it away from clients."""

    listen: Listen | None = setting(
        "Where to listen: tcp:PORT, on 127.0.0.1 unless :interface=ADDRESS names another. Empty: nowhere.",
        default=Listen("tcp", 8081, "127.0.0.1"),
    )


@frozen
class Status:
    """A second listener with /healthz, /readyz and /metrics only, for balancers and scrapers."""

    listen: Listen | None = setting("Where to listen, as in [admin]. Empty: nowhere.", default=None)


@frozen
class StateFile:
    """A file with tiers, APIs and applications, in place of a database."""

    file: Path | None = setting("YAML file that is the state. Empty: the database is.", default=None)
    watch: bool = setting("Read the file again when it changes. SIGHUP always does.", default=True)


@frozen
class Database:
    """Where APIs, applications, keys and users are kept. Times in seconds."""

    url: DatabaseUrl | None = setting(
        "sqlite:///FILE, postgresql://USER@HOST/NAME, mariadb://USER@HOST/NAME or mysql://USER@HOST/NAME. "
        "Empty: SQLite, in twgw.db in data_dir.",
        default=None,
    )
    password: str = setting("Password of that user.", default="", secret=True)
    pool_size: int = setting(
        "Connections for reading, and as many for writing; SQLite writes with one.", default=4, validator=positive
    )
    connect_timeout: float = setting(
        "For one connection to be made, or to become free. PostgreSQL counts whole seconds, at least 2.",
        default=5,
        validator=positive,
    )
    statement_timeout: float = setting(
        "For one statement; with SQLite, for others to end their writing.", default=30, validator=positive
    )
    cached: int = setting(
        "Keys and subscriptions that are kept in memory, about 1 KiB each; those in use stay.",
        default=100000,
        validator=positive,
    )


@frozen
class Plugins:
    """Policies that are not installed as packages."""

    directories: tuple[Path, ...] = setting(
        "Directories of policies, one Python file each. They are code: whoever may write there runs the gateway.",
        default=(Path("plugins"),),
    )


@frozen
class Log:
    """The gateway's own log. The access log is a policy."""

    level: Literal["debug", "info", "warn", "error"] = setting(
        "The least important level that is logged.", default="info"
    )


@frozen
class Config:
    """A whole configuration.  The paths in it are absolute once it is loaded."""

    node: Node = setting("This node.", factory=Node)
    gateway: Gateway = setting("Listeners for traffic.", factory=Gateway)
    admin: Admin = setting("Listener for operators.", factory=Admin)
    status: Status = setting("Listener for balancers.", factory=Status)
    control: Control = setting("Listener for applications and people.", factory=Control)
    keymanager: KeyManagerSettings = setting("Tokens.", factory=KeyManagerSettings)
    state: StateFile = setting("Declarative state.", factory=StateFile)
    database: Database = setting("Database.", factory=Database)
    cluster: ClusterSettings = setting("Other nodes.", factory=ClusterSettings)
    memcached: Memcached = setting("Shared limits.", factory=Memcached)
    plugins: Plugins = setting("Policies.", factory=Plugins)
    log: Log = setting("Log.", factory=Log)
    ldap: tuple[LdapStore, ...] = setting("User stores.", default=())

    @property
    def workers(self) -> int:
        """How many processes beside this one carry its traffic; 0 where it does so itself, or there is none."""
        count = self.gateway.workers
        return count if isinstance(count, int) and count > 1 and "gateway" in self.node.roles else 0

    @property
    def issuer(self) -> str:
        """Who the node is to those who read its tokens."""
        where = self.control.listen
        return self.control.public_url or (f"http://{where.host}:{where.port}" if where else self.node.name)

    @property
    def allowed(self) -> AllowedUpstreams:
        """What may be connected to: not what the node itself listens on."""
        found = [getattr(getattr(self, section.name), "listen", None) for section in attrs.fields(Config)]
        listeners = [where for each in found for where in (each if isinstance(each, tuple) else (each,))]
        own = tuple((where.interface, where.port) for where in listeners if where is not None and where.port)
        return AllowedUpstreams(self.gateway.allowed_upstreams, own)

    @property
    def database_place(self) -> DatabaseUrl:
        """Where the database is, also when none is named."""
        return self.database.url or DatabaseUrl("", self.node.data_dir / "twgw.db")

    @property
    def database_url(self) -> str:
        """The same as text."""
        return str(self.database_place)


def load(path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, str]) -> Config:
    """Read the configuration.  ``overrides`` are of the command line, by dotted name: ``{"gateway.listen": "tcp:80"}``.

    Texts of environment and command line are TOML values; the quotes of a text may be left out, and a list may be
    written with commas.  Relative paths are relative to the file, or to the working directory without one.
    Raises InvalidFileError with one line for everything that is wrong.
    """
    known = dict(leaves(Config))
    written = _read(path) if path else {}
    base = (path.parent if path else Path()).absolute()
    places: dict[str, str] = {}
    lines = []
    for name, text, place in given(known, environment, overrides):
        if name not in known:
            lines.append(f"{place}: {text}")
        elif (table := table_of(written, name)) is not None:
            places[name] = place
            key = name.rpartition(".")[2]
            if known[name].metadata["secret"]:
                table.pop(key.removesuffix("_file") if key.endswith("_file") else f"{key}_file", None)
            table[key] = value_of(text, written_type(known[name]))
    faults = put_secrets(written, Config, base)
    config = Config()
    try:
        config = _absolute(structure(Config, written), base)
    except SettingsError as error:
        faults += error.faults
    else:
        config = _settled(config, default_plugins="directories" not in written.get("plugins", {}))
        faults += _check(config)
    if lines or faults:
        raise InvalidFileError([*lines, *(_located(fault, path, places) for fault in faults)])
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8")
        return tomllib.loads(text)
    except OSError as error:
        raise InvalidFileError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidFileError([f"{path}:{number}: is not UTF-8 text"]) from error
    except ValueError as error:
        place = _TOML_PLACE.search(str(error))
        line = (place and place[1]) or len(text.splitlines()) or 1
        said = _TOML_PLACE.sub("", str(error)).replace("Invalid value", "Invalid value; a text stands in quotes")
        raise InvalidFileError([f"{path}:{line}: not TOML: {said}"]) from error


def _absolute(value: Any, base: Path) -> Any:
    """The same with every path made absolute."""
    if isinstance(value, Path):
        return _without_detours(base / value)
    if isinstance(value, tuple):
        return tuple(_absolute(each, base) for each in value)
    if attrs.has(type(value)):
        return attrs.evolve(value, **{it.name: _absolute(getattr(value, it.name), base) for it in fields(type(value))})
    return value


def _without_detours(path: Path) -> Path:
    """``/srv/apis.yaml`` for ``/srv/etc/../apis.yaml``, unless ``etc`` is a link and the two are not the same file."""
    short = Path(os.path.normpath(path))
    return short if short.resolve() == path.resolve() else path


def _settled(config: Config, *, default_plugins: bool) -> Config:
    """What follows from the rest: the host's name, certificates, addresses, plugins only where they are."""
    directories = config.plugins.directories
    if default_plugins:
        directories = tuple(directory for directory in directories if directory.is_dir())
    gateway = config.gateway
    return attrs.evolve(
        config,
        node=attrs.evolve(config.node, name=config.node.name or socket.gethostname()),
        gateway=attrs.evolve(
            gateway,
            listen=tuple(_with_certificate(each, gateway.tls) for each in gateway.listen),
            workers=len(os.sched_getaffinity(0)) if gateway.workers == "auto" else gateway.workers,
        ),
        admin=Admin(listen=_private(config.admin.listen)),
        status=Status(listen=_private(config.status.listen)),
        control=attrs.evolve(config.control, listen=_private(config.control.listen)),
        cluster=config.cluster.settled(config.node.data_dir),
        plugins=Plugins(directories=directories),
    )


def _with_certificate(listen: Listen, tls: GatewayTls) -> Listen:
    """A listener with its certificate, or else that of its section; a key that is not named is in the same file."""
    if listen.kind != "ssl":
        return listen
    certificate, key = (listen.certificate, listen.key) if listen.certificate else (tls.certificate, tls.key)
    return attrs.evolve(listen, certificate=certificate, key=key or certificate)


def _private(listen: Listen | None) -> Listen | None:
    return attrs.evolve(listen, interface=listen.interface or "127.0.0.1") if listen else None


def _check(config: Config) -> Iterator[Fault]:
    """What is wrong between the parts."""
    listeners = [(f"gateway.listen[{i}]", each) for i, each in enumerate(config.gateway.listen)]
    for path, listen in listeners:
        if listen.kind == "ssl" and not listen.certificate:
            yield Fault(path, "needs :certKey=FILE, or [gateway.tls] certificate")
    for section in ("admin", "status", "control"):
        path, private = f"{section}.listen", getattr(config, section).listen
        if private:
            listeners.append((path, private))
            if private.kind == "ssl":
                yield Fault(path, "must be tcp:PORT; for TLS put a proxy before it")
    cluster = config.cluster
    listeners += [("cluster.listen", cluster.listen)] if cluster.listen else []
    yield from cluster.faults(config.node.roles, file=bool(config.state.file), database=bool(config.database.url))
    for i, (path, listen) in enumerate(listeners):
        for other, earlier in listeners[:i]:
            if listen.port and listen.port == earlier.port and _overlap(listen.interface, earlier.interface):
                yield Fault(path, f"listens where {other} does")
    if config.state.file and config.database.url:
        yield Fault("state.file", "stands beside [database] url; take it away and run: twgw config sync FILE")
    if config.gateway.tls.key and not config.gateway.tls.certificate:
        yield Fault("gateway.tls.key", "needs a certificate")
    if "gateway" in config.node.roles and not config.gateway.listen:
        yield Fault("gateway.listen", "is empty; name a listener, or leave gateway out of roles")
    yield from (fault.under("ldap") for fault in repeated(config.ldap))
    for i, directory in enumerate(config.plugins.directories):
        if not directory.is_dir():
            yield Fault(f"plugins.directories[{i}]", f"no such directory: {directory}")


def _overlap(one: str, other: str) -> bool:
    return one == other or "" in (one, other)


def _located(fault: Fault, file: Path | None, places: Mapping[str, str]) -> str:
    """A fault with its place: the variable, the command line, or the file and its section."""
    for name, place in places.items():
        if fault.path == name or fault.path.startswith((f"{name}.", f"{name}[")):
            return f"{place}{fault.path[len(name) :]}: {fault.text}"
    for section, _ in reversed(list(sections(Config))):
        if fault.path.startswith(f"{section}."):
            return f"{file or 'defaults'}: [{section}] {fault.path[len(section) + 1 :]}: {fault.text}"
    for section, _ in lists(Config):
        if fault.path == section and "not a mapping" in fault.text:
            return f"{file or 'defaults'}: [{section}]: write [[{section}]]: there may be several"
        if fault.path.startswith(f"{section}["):
            return f"{file or 'defaults'}: {fault}"
    return f"{file or 'defaults'}: [{fault.path}]: {fault.text}"


def render_default() -> str:
    """The text of ``etc/twgw.toml``: every setting with its meaning, commented out at its default."""
    return commented_toml(
        Config,
        "Configuration of a twgw node. Every setting is shown at its default; take the # away to change one. "
        "Paths are relative to this file. The environment overrides it (TWGW_GATEWAY_MAX_CONNECTIONS=100), and the "
        "command line overrides both.",
    )
