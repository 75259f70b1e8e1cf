"""The declarative state: one YAML file of tiers, APIs and applications, read, checked and located.

``load_state`` is called by the service at start and at every reload, and by ``twgw validate``.  It checks all that can
be known without the installed policies: forms, names that refer to each other, and names that must be unique.
The settings of a policy stay as written; who compiles them asks ``Source.locate`` for the line of what is wrong.
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import AddressValueError, IPv6Address
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from twgw.credentials import is_digest, key_id
from twgw.document import Source, read_document
from twgw.faults import Fault, InvalidFileError, SettingsError, suggest
from twgw.model import (
    METHODS,
    Algorithm,
    Api,
    Application,
    Credential,
    Limit,
    Route,
    State,
    Tier,
    Unit,
    Upstream,
    UpstreamTls,
)
from twgw.passwords import is_hashed
from twgw.settings import structure
from twgw.throttle.presets import PRESETS

CREDENTIAL_KINDS = ("api-key", "basic")
MIN_KEY = 8

_SEGMENT = re.compile(r"[A-Za-z0-9._~!$&'()+,;=:@-]+", re.ASCII)
_PARAMETER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}", re.ASCII)
_DOTS = re.compile(r"\.\.?(;.*)?", re.DOTALL)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_URL = re.compile(r"https?://(?P<host>\[[^\]]*\]|[^:/?#@\[\]]+)(:(?P<port>[0-9]{1,5}))?(?P<path>/.*)?", re.ASCII)
_UPSTREAM_PATH = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*", re.ASCII)


@frozen
class LoadedState:
    """A state that is valid in itself, and where everything in it stands."""

    state: State
    source: Source


def load_state(path: Path) -> LoadedState:
    """Read a file.  Raises InvalidFileError with one line for everything that is wrong."""
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InvalidFileError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidFileError([f"{path}:{line}: is not UTF-8 text"]) from error
    return parse_state(text, str(path), path.parent)


def parse_state(text: str, name: str, directory: Path = Path()) -> LoadedState:
    """Read a text.  ``name`` is shown in errors; files that it names are relative to ``directory``."""
    value, source = read_document(text, name)
    try:
        state = structure(State, value)
    except SettingsError as error:
        raise _invalid(error.faults, source) from error
    state = _completed(state, directory)
    if faults := list(check(state)):
        raise _invalid(faults, source)
    return LoadedState(state, source)


def _invalid(faults: Iterable[Fault], source: Source) -> InvalidFileError:
    return InvalidFileError(map(source.locate, sorted(faults, key=lambda fault: source.line(fault.path))))


def _completed(state: State, directory: Path) -> State:
    """What follows from what is written: a route for all, whose credential it is, where a file is."""
    own = {tier.name for tier in state.tiers}
    presets = {tier.name: tier for preset in state.tier_presets for tier in PRESETS[preset] if tier.name not in own}
    return attrs.evolve(
        state,
        tier_presets=(),
        tiers=(*presets.values(), *state.tiers),
        apis=tuple(
            attrs.evolve(
                api,
                upstream=_with_files(api.upstream, directory),
                sandbox=_with_files(api.sandbox, directory),
                routes=tuple(
                    attrs.evolve(route, upstream=_with_files(route.upstream, directory)) if route.upstream else route
                    for route in api.routes
                )
                or (Route(),),
            )
            for api in state.apis
        ),
        applications=tuple(
            attrs.evolve(
                application,
                credentials=tuple(
                    attrs.evolve(
                        credential,
                        application=credential.application or application.name,
                        id=credential.id
                        or (credential.kind == "basic" and credential.user)
                        or key_id(credential.value or "")
                        or f"{application.name}#{index + 1}",
                    )
                    for index, credential in enumerate(application.credentials)
                ),
            )
            for application in state.applications
        ),
    )


def _with_files(upstream: Upstream | None, directory: Path) -> Upstream | None:
    if upstream is None or upstream.tls == UpstreamTls():
        return upstream
    names = ("ca_file", "certificate_file", "key_file")
    given = {name: getattr(upstream.tls, name) for name in names}
    found: dict[str, Any] = {name: str(directory / file) for name, file in given.items() if file}
    return attrs.evolve(upstream, tls=attrs.evolve(upstream.tls, **found))


# --- what must be true between the parts ---


def check(state: State) -> Iterator[Fault]:
    """Everything that is wrong with a state as a whole."""
    tiers = [tier.name for tier in state.tiers]
    yield from _repeated((tier.name, f"tiers[{i}].name", f"tier {tier.name}") for i, tier in enumerate(state.tiers))
    for i, tier in enumerate(state.tiers):
        yield from _tier(tier, f"tiers[{i}]")

    yield from _repeated((api.id, f"apis[{i}]", f"{api.id}") for i, api in enumerate(state.apis))
    yield from _repeated(
        ((host, api.base_path.rstrip("/")), f"apis[{i}].base_path", f"{api.base_path} on {host or 'any host'}")
        for i, api in enumerate(state.apis)
        for host in sorted(set(api.hosts)) or [""]
    )
    yield from _default_versions(state.apis)
    for i, api in enumerate(state.apis):
        yield from _api(api, tiers, f"apis[{i}]")

    yield from _repeated(
        (application.name, f"applications[{i}].name", f"application {application.name}")
        for i, application in enumerate(state.applications)
    )
    yield from _credentials(state.applications)
    apis = {api.id: api for api in state.apis}
    for i, application in enumerate(state.applications):
        yield from _application(application, apis, tiers, f"applications[{i}]")


def _repeated(entries: Iterable[tuple[object, str, str]]) -> Iterator[Fault]:
    """A fault for each entry (what must be unique, path, its name) whose like came before."""
    first: dict[object, str] = {}
    for unique, path, name in entries:
        if unique in first:
            yield Fault(path, f"{name} stands twice; first at {first[unique]}")
        first.setdefault(unique, path)


def _tier(tier: Tier, path: str) -> Iterator[Fault]:
    yield from _readable(tier.name, f"{path}.name")
    for i, limit in enumerate(tier.limits):
        yield from _limit(limit, f"{path}.limits[{i}]")
    if tier.burst is not None:
        yield from _limit(tier.burst, f"{path}.burst")


def _limit(limit: Limit, path: str) -> Iterator[Fault]:
    if limit.burst is not None and limit.algorithm is not Algorithm.TOKEN_BUCKET:
        yield Fault(f"{path}.burst", "is only for algorithm: token-bucket")


def _tier_name(name: str | None, tiers: list[str], path: str) -> Iterator[Fault]:
    if name is not None and name not in tiers:
        yield Fault(path, f"unknown tier {name}{suggest(name, tiers)}")


def _readable(name: str, path: str) -> Iterator[Fault]:
    if not name.isprintable() or not name.strip() or name != name.strip() or len(name) > 100:
        yield Fault(path, "must be 1 to 100 printable characters, without blanks around them")


def _api(api: Api, tiers: list[str], path: str) -> Iterator[Fault]:
    for field, value in (("name", api.name), ("version", api.version)):
        if not _ID.fullmatch(value):
            yield Fault(f"{path}.{field}", "must be letters, digits, '.', '_' and '-', at most 100, no sign first")
    if problem := _path_problem(api.base_path):
        yield Fault(f"{path}.base_path", problem)
    for i, host in enumerate(api.hosts):
        if not _is_host(host.removeprefix("*.")):
            yield Fault(f"{path}.hosts[{i}]", "must be a host name in lower case, or *. and one, without a port")
    for i, tier in enumerate(api.tiers):
        yield from _tier_name(tier, tiers, f"{path}.tiers[{i}]")
    yield from _tier_name(api.tier, tiers, f"{path}.tier")
    if api.hard_limit is not None:
        yield from _limit(api.hard_limit, f"{path}.hard_limit")
        if api.hard_limit.unit is not Unit.REQUESTS:
            yield Fault(f"{path}.hard_limit.unit", "must be requests")
    told = api.deprecation
    if told is not None and told.sunset is not None and told.since is not None and told.sunset < told.since:
        yield Fault(f"{path}.deprecation.sunset", "must not be before since (RFC 9745)")
    yield from _upstream(api.upstream, f"{path}.upstream")
    yield from _upstream(api.sandbox, f"{path}.sandbox")
    for i, route in enumerate(api.routes):
        yield from _route(route, f"{path}.routes[{i}]")
        yield from _tier_name(route.tier, tiers, f"{path}.routes[{i}].tier")
    yield from _repeated(
        ((_PARAMETER.sub("{}", route.path), method), f"{path}.routes[{i}]", f"{method or 'every method'} {route.path}")
        for i, route in enumerate(api.routes)
        for method in sorted(set(route.methods)) or [""]
    )


def _default_versions(apis: tuple[Api, ...]) -> Iterator[Fault]:
    """One version of an API may be found without its version, and where it then is there may be no other."""
    default = [(api, f"apis[{i}].default_version") for i, api in enumerate(apis) if api.default_version]
    yield from _repeated((api.name, path, f"a default version of {api.name}") for api, path in default)
    taken = {(host, api.base_path.rstrip("/")): api.id for api in apis for host in api.hosts or ("",)}
    for api, path in default:
        if not api.unversioned_path:
            yield Fault(path, f"needs a base_path of which one segment is {api.version}")
            continue
        for host in api.hosts or ("",):
            other = taken.setdefault((host, api.unversioned_path.rstrip("/")), api.id)
            if other != api.id:
                yield Fault(path, f"would be found at {api.unversioned_path}, where {other} is")


def _route(route: Route, path: str) -> Iterator[Fault]:
    if problem := _path_problem(route.path, route=True):
        yield Fault(f"{path}.path", problem)
    for i, method in enumerate(route.methods):
        if method not in METHODS:
            yield Fault(f"{path}.methods[{i}]", f"unknown method {method}{suggest(method.upper(), METHODS)}")
    yield from _upstream(route.upstream, f"{path}.upstream")


def _path_problem(path: str, *, route: bool = False) -> str:
    """Why a path is not in the one form that requests are brought to; empty when it is."""
    if not path.startswith("/"):
        return "must start with /"
    segments = path[1:].split("/")
    if "" in segments[:-1]:
        return "must not contain //"
    parameters = [segment for segment in segments if route and _PARAMETER.fullmatch(segment)]
    if len(set(parameters)) != len(parameters):
        return "names a parameter twice"
    for position, segment in enumerate(segments):
        if segment in parameters or not segment:
            continue
        if route and segment == "*":
            if position != len(segments) - 1:
                return "may have * only as its last segment"
        elif _DOTS.fullmatch(segment):
            return f"must not contain the segment {segment}"
        elif route and ("{" in segment or "}" in segment):
            return "must have a {name} as a whole segment, of letters, digits and _"
        elif route and "*" in segment:
            return "must have * as a whole segment, the last one"
        elif not _SEGMENT.fullmatch(segment):
            strange = next(character for character in segment if not _SEGMENT.fullmatch(character))
            return f"must not contain {strange!r}"
    return ""


def _upstream(upstream: Upstream | None, path: str) -> Iterator[Fault]:
    if upstream is None:
        return
    for i, target in enumerate(upstream.targets):
        if problem := _url_problem(target.url):
            yield Fault(f"{path}.targets[{i}].url", problem)
    tls = upstream.tls
    if tls != UpstreamTls() and not any(target.url.startswith("https:") for target in upstream.targets):
        yield Fault(f"{path}.tls", "is only for https:// targets, and there is none")
    if tls.key_file and not tls.certificate_file:
        yield Fault(f"{path}.tls.key_file", "needs certificate_file")
    if tls.server_name is not None and not _is_host(tls.server_name.lower()):
        yield Fault(f"{path}.tls.server_name", "must be a host name")


def _url_problem(url: str) -> str:
    if url == "echo:":
        return ""
    for sign, what in (("?", "a query"), ("#", "a fragment"), ("@", "a user")):
        if sign in url:
            return f"must not have {what} ({sign})"
    found = _URL.fullmatch(url)
    if not found or not _is_host(found["host"].lower()):
        return "must be http://host:port/path, https://host:port/path or echo:"
    if found["port"] and not 0 < int(found["port"]) < 65536:
        return "must have a port from 1 to 65535"
    if not _UPSTREAM_PATH.fullmatch(found["path"] or ""):
        return "must have a path of plain characters, others written as %XX"
    segments = (found["path"] or "").split("/")
    if "" in segments[1:-1] or any(_DOTS.fullmatch(segment) for segment in segments):
        return "must not have //, . or .. in its path"
    return ""


def _is_host(host: str) -> bool:
    if host.startswith("[") and host.endswith("]"):
        try:
            return IPv6Address(host[1:-1]).scope_id is None
        except AddressValueError:
            return False
    return len(host) <= 253 and _HOST.fullmatch(host) is not None


def _credentials(applications: Iterable[Application]) -> Iterator[Fault]:
    """A key belongs to one application; an id names one credential."""
    every = [
        (credential, f"applications[{i}].credentials[{j}]")
        for i, application in enumerate(applications)
        for j, credential in enumerate(application.credentials)
    ]
    for field in ("id", "value", "digest"):
        yield from _repeated(
            ((one.kind, getattr(one, field)), f"{path}.{field}", "the same credential" if field != "id" else one.id)
            for one, path in every
            if getattr(one, field)
        )
    yield from _repeated(
        (one.user, f"{path}.user", f"user {one.user}") for one, path in every if one.kind == "basic" and one.user
    )


def _application(application: Application, apis: dict[str, Api], tiers: list[str], path: str) -> Iterator[Fault]:
    yield from _readable(application.name, f"{path}.name")
    yield from _tier_name(application.tier, tiers, f"{path}.tier")
    subscriptions = application.subscriptions
    yield from _repeated(
        (one.api, f"{path}.subscriptions[{i}].api", f"a subscription to {one.api}")
        for i, one in enumerate(subscriptions)
    )
    for i, one in enumerate(subscriptions):
        if one.api not in apis:
            yield Fault(f"{path}.subscriptions[{i}].api", f"unknown API {one.api}{suggest(one.api, apis)}")
            continue
        allowed = apis[one.api].tiers
        if one.tier is None:
            if allowed:
                yield Fault(f"{path}.subscriptions[{i}].tier", f"missing; {one.api} has {', '.join(allowed)}")
        elif one.tier not in tiers:
            yield from _tier_name(one.tier, tiers, f"{path}.subscriptions[{i}].tier")
        elif allowed and one.tier not in allowed:
            yield Fault(f"{path}.subscriptions[{i}].tier", f"{one.api} has no tier {one.tier}{suggest('', allowed)}")
    for i, credential in enumerate(application.credentials):
        yield from _credential(credential, application.name, f"{path}.credentials[{i}]")


def _credential(credential: Credential, application: str, path: str) -> Iterator[Fault]:
    value, digest = credential.value, credential.digest
    if credential.kind not in CREDENTIAL_KINDS:
        yield Fault(f"{path}.kind", f"unknown kind {credential.kind}{suggest(credential.kind, CREDENTIAL_KINDS)}")
    if credential.application != application:
        yield Fault(f"{path}.application", "must be left out: it is the application around it")
    if credential.tier is not None:
        yield Fault(f"{path}.tier", "must be left out: it is that of the application around it")
    for i, group in enumerate(credential.groups):
        yield from _readable(group, f"{path}.groups[{i}]")
    if credential.kind == "basic":
        yield from _basic(credential, path)
        return
    if (value is None) == (digest is None):
        yield Fault(path, "must have either a value or a digest")
    if value is not None:
        if len(value) < MIN_KEY or not (value.isascii() and value.isprintable()) or value != value.strip():
            yield Fault(f"{path}.value", f"must be {MIN_KEY} or more printable ASCII characters, no blanks around")
        elif value.startswith("tw_") and key_id(value) is None:
            yield Fault(f"{path}.value", "starts like a key of twgw but was not copied whole")
    if digest is not None and not is_digest(digest):
        yield Fault(f"{path}.digest", "must be v1: and 64 hex digits, as `twgw key new` prints it")


def _basic(credential: Credential, path: str) -> Iterator[Fault]:
    """A name and what is stored of a password; the password itself stands in no file."""
    user = credential.user or ""
    if not user.strip() or not user.isprintable() or ":" in user or len(user) > 100:
        yield Fault(f"{path}.user", "must be a name of 1 to 100 printable characters without a colon")
    if credential.value is not None:
        yield Fault(f"{path}.value", "must be left out: write a digest, as `twgw key password` prints it")
    elif not is_hashed(credential.digest or ""):
        yield Fault(f"{path}.digest", "must be $argon2id$…, as `twgw key password` prints it")
