"""Whether a configuration, and the state that it names, would be taken: all of it, without serving anything.

Asked by ``twistd twgw --check`` and ``twgw validate``.  The same parts compile the state as in a gateway that starts;
only the world around them is missing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twgw.allowed_upstreams import ANYWHERE, AllowedUpstreams
from twgw.config import Config
from twgw.faults import InvalidFileError
from twgw.gateway.certificates import CertificateError, Certificates
from twgw.gateway.deadlines import Deadlines
from twgw.gateway.deployment import Call
from twgw.gateway.fleet import Fleet
from twgw.gateway.network import TcpNetwork
from twgw.gateway.redeploy import compiled
from twgw.gateway.running import run_detached
from twgw.ldap import Servers
from twgw.model import Upstream
from twgw.policy.interfaces import Gateway
from twgw.policy.registry import Plugin, PluginConflict, find_plugins
from twgw.state import load_state


class _Idle:
    """Stands for every part of the world: it may be asked for anything, and nothing happens."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_what: object, **_more: object) -> Any:
        return self


IDLE: Any = _Idle()


def check_files(config: Config) -> list[str]:
    """What is wrong with the files that a configuration names: a line for each fault, with its place."""
    faults = [*_certificates(config), *_authorities(config)]
    is_first_start = config.state_file == config.node.data_dir / "apis.yaml" and not config.state_file.exists()
    try:
        plugins = find_plugins(config.plugins.directories)
    except PluginConflict as error:
        return [*faults, f"plugins: {error}"]
    return faults if is_first_start else faults + check_state(config.state_file, plugins, config.allowed)


def check_state(path: Path, plugins: Mapping[str, Plugin], allowed: AllowedUpstreams = ANYWHERE) -> list[str]:
    """What is wrong with a state under these policies: a line for each fault, with its place."""
    gateway = Gateway(*[IDLE] * 10)
    fleet = Fleet(TcpNetwork(IDLE), Deadlines(lambda: 0.0, IDLE), detach=run_detached)

    def make_call(upstream: Upstream) -> Call:
        allowed.check(upstream)
        return fleet.caller(upstream).call

    try:
        compiled(load_state(path), plugins, gateway, make_call)
    except InvalidFileError as error:
        return list(error.lines)
    return []


def _authorities(config: Config) -> Iterator[str]:
    """What is wrong with the authorities that the servers of user stores are verified by."""
    for i, store in enumerate(config.ldap):
        try:
            Servers(store, lambda: 0.0)
        except OSError as error:
            yield f"ldap[{i}].{error}"


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
