"""Whether a configuration, and the state that it names, would be taken: all of it, without serving anything.

Asked by ``twistd twgw --check`` and ``twgw validate``.  The same parts compile the state as in a gateway that starts;
only the world around them is missing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twgw.allowed_upstreams import ANYWHERE, AllowedUpstreams
from twgw.cluster import authority, tls
from twgw.cluster.commands import GATEWAY, KEY_MANAGER
from twgw.config import Config
from twgw.faults import Fault, InvalidFileError, SettingsError
from twgw.gateway import compiling, redeploy
from twgw.gateway.caller import Caller
from twgw.gateway.certificates import CertificateError, Certificates
from twgw.gateway.deadlines import Deadlines
from twgw.gateway.deployment import Call, MakeCall
from twgw.gateway.fleet import Fleet
from twgw.gateway.network import TcpNetwork
from twgw.gateway.running import run_detached
from twgw.ldap import Servers
from twgw.model import Isolated, Upstream
from twgw.policy.interfaces import Gateway
from twgw.policy.registry import Plugin, PluginConflict, find_plugins
from twgw.startup import open_database
from twgw.state import LoadedState, load_state
from twgw.storage.errors import Unavailable
from twgw.storage.served import read_all
from twgw.storage.upgrade import schema_status


class _Idle:
    """Stands for every part of the world: it may be asked for anything, and nothing happens."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_what: object, **_more: object) -> Any:
        return self


IDLE: Any = _Idle()


def check_files(config: Config) -> list[str]:
    """What is wrong with what a configuration names: a line for each fault, with its place."""
    faults = [*_certificates(config), *_authorities(config), *_cluster(config)]
    if config.node.data_dir.exists() and not config.node.data_dir.is_dir():
        faults.append(f"{config.node.data_dir}: is not a directory (see [node] data_dir)")
    try:
        plugins = find_plugins(config.plugins.directories)
    except PluginConflict as error:
        return [*faults, f"plugins: {error}"]
    if config.state.file is not None:
        return faults + check_state(config.state.file, plugins, config.allowed)
    if config.cluster.keymanagers:
        return faults  # the state is with others
    return faults + _database(config, plugins)


def check_state(path: Path, plugins: Mapping[str, Plugin], allowed: AllowedUpstreams = ANYWHERE) -> list[str]:
    """What is wrong with a state under these policies: a line for each fault, with its place."""
    try:
        return check_loaded(load_state(path), plugins, allowed)
    except InvalidFileError as error:
        return list(error.lines)


def check_loaded(loaded: LoadedState, plugins: Mapping[str, Plugin], allowed: AllowedUpstreams = ANYWHERE) -> list[str]:
    """The same, of a state that was read."""
    try:
        redeploy.compiled(loaded, plugins, _gateway(), _calls(allowed))
    except InvalidFileError as error:
        return list(error.lines)
    return []


def notes_on(loaded: LoadedState) -> Iterator[str]:
    """What is valid, and has a price that should be known: a line each, with its place."""
    for number, api in enumerate(loaded.state.apis):
        if api.when_isolated is Isolated.STALE:
            text = (
                "stale: on a node that is cut off from its cluster, whoever was revoked may go on calling this API; "
                "the promise of docs/cluster.md does not hold for it"
            )
            yield loaded.source.locate(Fault(f"apis[{number}].when_isolated", text))


def _database(config: Config, plugins: Mapping[str, Plugin]) -> list[str]:
    """What is wrong with what is live in a database; nothing where a first start has yet to make its tables."""
    file = config.database_place.file
    if file is not None and not file.exists():
        return []
    database = open_database(config)
    try:
        if not schema_status(database).is_current:
            return []
        _, served = database.call(read_all)
        ready = compiling.compiled(served, plugins, _gateway(), _calls(config.allowed), None)
    except Unavailable as error:
        return error.lines
    except SettingsError as error:
        return [f"{database.name}: {fault}" for fault in error.faults]
    finally:
        database.close()
    return [f"{database.name}: {text}" for texts in ready.faults.values() for text in texts]


def _gateway() -> Gateway:
    return Gateway(*[IDLE] * 10)


def _calls(allowed: AllowedUpstreams) -> MakeCall:
    """Calls of upstreams that are never made."""
    fleet = Fleet(TcpNetwork(IDLE), Deadlines(lambda: 0.0, IDLE), detach=run_detached)

    def make_call(upstream: Upstream) -> Call:
        allowed.check(upstream)
        return Caller(upstream, fleet).call

    return make_call


def _authorities(config: Config) -> Iterator[str]:
    """What is wrong with the authorities that the servers of user stores are verified by."""
    for i, store in enumerate(config.ldap):
        try:
            Servers(store, lambda: 0.0)
        except OSError as error:
            yield f"ldap[{i}].{error}"


def _cluster(config: Config) -> Iterator[str]:
    """What is wrong with the files by which other nodes know this one."""
    where = config.cluster
    if where.keymanagers or where.listen is not None:
        try:
            tls.load(*where.files).check(where.name, GATEWAY if where.keymanagers else KEY_MANAGER)
        except authority.CertificateError as error:
            yield f"{error} (see [cluster])"


def _certificates(config: Config) -> list[str]:
    """What is wrong with the certificates of the listeners."""
    faults = []
    for number, where in enumerate(config.gateway.listen):
        if where.kind == "ssl":
            try:
                Certificates(where, config.gateway.tls.minimum_version).load()
            except CertificateError as error:
                faults.append(f"{error} (see [gateway] listen[{number}])")
    return faults
