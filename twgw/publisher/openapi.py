"""From an OpenAPI document to an API, and back.

    paths and methods → routes          servers → upstream, the one called a sandbox → sandbox
    security → policies                 info → name, version, title, description;  tags → tags

What WSO2 API Manager writes into such documents is understood: ``x-wso2-basePath``, ``x-wso2-production-endpoints``,
``x-wso2-sandbox-endpoints``, ``x-throttling-tier``, ``x-auth-type: None``.  What cannot be said in a document stands in
it under ``x-twgw-api`` when we write one, so that reading it gives the same API again.
Pure.  Called by the publisher's endpoints, and by the command that imports a file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from attrs import evolve, frozen

from twgw.faults import SettingsError
from twgw.model import METHODS, Api, Lifecycle, Policy, Route, Target, Upstream
from twgw.publisher.openapi_document import Document, InvalidDocument, Steps
from twgw.schema import as_written
from twgw.settings import structure

EXTENSION = "x-twgw-api"
BY_SUBSCRIPTION = (Policy("subscription"), Policy("rate-limit"))
"""What follows knowing who calls, unless somebody says otherwise."""

_OURS = (EXTENSION, "x-wso2-basePath", "x-wso2-production-endpoints", "x-wso2-sandbox-endpoints")
"""What a caller is not told."""

_NO_KEYS = ("authorization", "cookie", "host", "user-agent")
"""Fields that documents call keys, and that hold none."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_PARAMETER = re.compile(r"\{([^{}/]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SANDBOX = re.compile(r"\bsandbox\b", re.IGNORECASE)


@frozen
class Imported:
    """An API that was read, in the state CREATED, and what a person should know of how it was understood."""

    api: Api
    notes: tuple[str, ...] = ()


@frozen
class Wanted:
    """What whoever imports says in place of the document; empty for what that says itself."""

    name: str = ""
    version: str = ""
    base_path: str = ""
    upstream: Upstream | None = None
    policies: tuple[Policy, ...] | None = None


def api_of(document: Document, wanted: Wanted | None = None) -> Imported:
    """The API that a document describes.  Raises InvalidDocument for what a gateway cannot serve."""
    wanted = wanted or Wanted()
    reading = _Reading(document)
    value = document.value
    api = reading.written_by_us(value[EXTENSION]) if EXTENSION in value else reading.api(wanted)
    chosen: dict[str, Any] = {"state": Lifecycle.CREATED}
    chosen |= {
        name: it for name in ("name", "version", "base_path", "upstream") if (it := getattr(wanted, name))
    }
    if wanted.policies is not None:
        chosen["policies"] = wanted.policies
    api = evolve(api, **chosen)
    if api.upstream is None and not any(policy.name == "mock-response" for policy in api.policies):
        reading.notes.append("no server with an absolute address: give the API an upstream before it is published")
    return Imported(api, tuple(reading.notes))


def name_of(title: str) -> str:
    """A title as the name of an API.

    >>> name_of("Swagger Petstore (OpenAPI 3.0)")
    'swagger-petstore-openapi-3.0'
    """
    return _NOT_IN_NAMES.sub("-", title.lower()).strip("-._")[:100] or "api"


class _Reading:
    """One document on its way to an API."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.notes: list[str] = []

    def written_by_us(self, written: Any) -> Api:
        try:
            return structure(Api, written)
        except SettingsError as error:
            faults = [self.document.fault((EXTENSION,), str(fault)) for fault in error.faults]
            raise InvalidDocument(faults) from error

    def api(self, wanted: Wanted) -> Api:
        value = self.document.value
        info = value["info"]
        name = wanted.name or name_of(str(info["title"]))
        version = wanted.version or _NOT_IN_NAMES.sub("-", str(info["version"])).strip("-._")[:100] or "1"
        upstream, sandbox = self._servers()
        policies, guards = self._security(wanted)
        return Api(
            name=name,
            version=version,
            base_path=wanted.base_path or _path(str(value.get("x-wso2-basePath") or f"/{name}/{version}")),
            state=Lifecycle.CREATED,
            upstream=upstream,
            sandbox=sandbox,
            routes=tuple(self._routes(guards)) or (Route(),),
            policies=policies,
            tier=_tier(value.get("x-throttling-tier")),
            title=str(info["title"])[:200],
            description=str(info.get("description") or ""),
            tags=tuple(dict.fromkeys(str(tag["name"]) for tag in value.get("tags", ()))),
        )

    # --- servers ---

    def _servers(self) -> tuple[Upstream | None, Upstream | None]:
        value = self.document.value
        production = _wso2(value.get("x-wso2-production-endpoints"))
        sandbox = _wso2(value.get("x-wso2-sandbox-endpoints"))
        found = [each for each in self._addresses(value) if each[0]]
        for url, is_sandbox in found:
            if is_sandbox and sandbox is None:
                sandbox = Upstream((Target(url),))
            elif not is_sandbox and production is None:
                production = Upstream((Target(url),))
            elif all(Target(url) not in known.targets for known in (production, sandbox) if known):
                self.notes.append(f"the server {url} is left out: an API has one upstream and one sandbox")
        return production, sandbox

    def _addresses(self, owner: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
        """Absolute addresses of servers, and whether each is called a sandbox."""
        if self.document.version == "2.0":
            if host := owner.get("host"):
                schemes = owner.get("schemes") or ["https"]
                scheme = "https" if "https" in schemes else "http"
                if scheme in schemes:
                    yield f"{scheme}://{host}{str(owner.get('basePath') or '').rstrip('/')}", False
            return
        for server in owner.get("servers", ()):
            variables = server.get("variables", {})
            url = str(server["url"]).rstrip("/")
            for name, variable in variables.items():
                url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
            if urlsplit(url).scheme in ("http", "https"):
                yield url, bool(_SANDBOX.search(f"{server.get('description', '')} {url}"))

    # --- security ---

    def _security(self, wanted: Wanted) -> tuple[tuple[Policy, ...], tuple[str, ...]]:
        """The policies of the API, and the names of those that an open operation switches off."""
        if wanted.policies is not None:
            return wanted.policies, ()
        value = self.document.value
        schemes = value.get("components", {}).get("securitySchemes", {})
        place: Steps = ("components", "securitySchemes")
        if self.document.version == "2.0":
            schemes, place = value.get("securityDefinitions", {}), ("securityDefinitions",)
        asked = {
            name
            for requirements in self._every_requirement()
            for requirement in requirements for name in requirement
        }
        policies = [
            policy
            for name, entry in schemes.items() if name in asked
            for policy in self._scheme(name, self.document.follow(entry, (*place, name))[0])
        ]
        if not asked and "security" in value:
            self.notes.append("the document asks for no security: everybody may call")
            return (), ()
        if not policies:
            self.notes.append("the document names no security that the gateway checks: callers need an API key")
            policies = [Policy("key-auth")]
        merged = tuple(_merged(policies))
        chosen = (*merged, *BY_SUBSCRIPTION)
        return chosen, tuple(policy.name for policy in chosen)

    def _every_requirement(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        yield self.document.value.get("security", ())
        for _, _, operation, _, _ in self.document.operations():
            yield operation.get("security", ())

    def _scheme(self, name: str, scheme: Mapping[str, Any]) -> Iterator[Policy]:
        kind, where = scheme.get("type"), scheme.get("in")
        if kind == "apiKey" and where == "header" and str(scheme["name"]).lower() not in _NO_KEYS:
            yield Policy("key-auth", {"header_names": [scheme["name"]]})
        elif kind == "apiKey" and where == "query":
            yield Policy("key-auth", {"header_names": [], "query_names": [scheme["name"]]})
        elif kind in ("oauth2", "openIdConnect") or (kind == "http" and scheme.get("scheme", "").lower() == "bearer"):
            yield Policy("oauth2")
        else:
            self.notes.append(f"the security scheme {name} is not one that the gateway checks")

    def _requirement(self, operation: Mapping[str, Any], steps: Steps) -> tuple[bool, tuple[str, ...]]:
        """Whether an operation is open, and the scopes that it asks for.  Raises InvalidDocument."""
        if str(operation.get("x-auth-type", "")).lower() == "none":
            return True, ()
        value = self.document.value
        requirements = operation.get("security", value.get("security"))
        if requirements is None:
            return False, ()
        if "security" in operation and (not requirements or {} in requirements):
            return True, ()
        if any(len(requirement) > 1 for requirement in requirements):
            place = (*steps, "security") if "security" in operation else ("security",)
            text = "asks for several schemes at once; the gateway takes any one of them: choose one"
            raise InvalidDocument([self.document.fault(place, text)])
        scopes = [tuple(map(str, each)) for requirement in requirements for each in requirement.values()]
        return False, scopes[0] if len(set(scopes)) == 1 else ()

    # --- routes ---

    def _routes(self, guards: Iterable[str]) -> Iterable[Route]:
        """One route for all operations of a path that are alike."""
        off = tuple(Policy(name, enabled=False) for name in guards)
        routes: dict[tuple[str, str], Route] = {}
        for path, method, operation, item, steps in self.document.operations():
            if method.upper() not in METHODS:
                self.notes.append(f"{method.upper()} {path} is left out: the gateway does not carry that method")
                continue
            is_open, scopes = self._requirement(operation, steps)
            policies = off if is_open else ((Policy("scopes", {"scopes": list(scopes)}),) if scopes else ())
            servers = [url for owner in (operation, item) for url, _ in self._own_addresses(owner)]
            upstream = Upstream((Target(servers[0]),)) if servers else None
            tier = _tier(operation.get("x-throttling-tier"))
            route = Route(self._path(path, steps), upstream=upstream, tier=tier, policies=policies)
            known = routes.setdefault((route.path, repr(route)), route)
            routes[route.path, repr(route)] = evolve(known, methods=(*known.methods, method.upper()))
        return routes.values()

    def _own_addresses(self, owner: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
        return self._addresses(owner) if self.document.version != "2.0" else iter(())

    def _path(self, path: str, steps: Steps) -> str:
        """A path as the router has it: a parameter is a whole segment, named by letters, digits and _."""
        if "?" in path or "#" in path:
            raise InvalidDocument([self.document.fault(steps[:-1], "must be a path, without ? and #")])
        segments = []
        for segment in path.split("/"):
            names = _PARAMETER.findall(segment)
            if not names or (segment == f"{{{names[0]}}}" and _NAME.fullmatch(names[0])):
                segments.append(segment)
                continue
            name = re.sub(r"[^A-Za-z0-9_]+", "_", segment).strip("_") or "value"
            segments.append(f"{{{name if _NAME.fullmatch(name) else '_' + name}}}")
            if segment != f"{{{names[0]}}}":
                self.notes.append(f"{path}: {segment} is carried as any one segment")
        return "/".join(segments)


def _merged(policies: Iterable[Policy]) -> Iterator[Policy]:
    """Each policy once; two uses of key-auth are one that takes the key of either."""
    names: dict[str, dict[str, list[str]]] = {}
    for policy in policies:
        settings = names.setdefault(policy.name, {})
        for key, value in policy.settings.items():
            settings.setdefault(key, []).extend(each for each in value if each not in settings.get(key, []))
    return (Policy(name, settings) for name, settings in names.items())


def _path(text: str) -> str:
    return text if text.startswith("/") else f"/{text}"


def _tier(value: Any) -> str | None:
    """WSO2's tier of an operation; Unlimited is none."""
    return value if isinstance(value, str) and value not in ("", "Unlimited") else None


def _wso2(endpoints: Any) -> Upstream | None:
    urls = endpoints.get("urls") if isinstance(endpoints, Mapping) else None
    found = [url.rstrip("/") for url in urls if isinstance(url, str)] if isinstance(urls, list) else []
    return Upstream(tuple(Target(url) for url in found)) if found else None


# --- back ---


def document_of(
    api: Api, server: str, source: Mapping[str, Any] | None = None, *, whole: bool = False
) -> dict[str, Any]:
    """An OpenAPI document of an API, as its callers are given it.

    ``whole`` is for who publishes it: all of the API, also what callers need not know, such as its upstream and the
    settings of its policies.

    Args:
        api: the API.
        server: where the gateway is found, ``https://api.example.com``.
        source: the document that it was imported from; what that says of operations and schemas is kept.
        whole: whether to put in what a document cannot say.
    """
    document = {name: each for name, each in (source or {"openapi": "3.0.3"}).items() if name not in _OURS}
    given = document.get("paths", {})
    document["info"] = {**document.get("info", {}), "title": api.title or api.name, "version": api.version}
    if api.description:
        document["info"]["description"] = api.description
    address = server.rstrip("/") + api.base_path.rstrip("/")
    if "swagger" in document:
        parts = urlsplit(address)
        document |= {"host": parts.netloc, "basePath": parts.path or "/", "schemes": [parts.scheme]}
    else:
        document["servers"] = [{"url": address}]
    document["paths"] = given or _paths(api)
    if api.tags and "tags" not in document:
        document["tags"] = [{"name": tag} for tag in api.tags]
    if whole:
        document[EXTENSION] = as_written(evolve(api, state=Lifecycle.CREATED))
    return document


def _paths(api: Api) -> dict[str, Any]:
    """The operations of an API of which nothing but its routes is known."""
    paths: dict[str, Any] = {}
    for route in api.routes:
        path = route.path[:-1] + "{rest}" if route.path.endswith("*") else route.path
        item = paths.setdefault(path, {})
        names = _PARAMETER.findall(path)
        for method in route.methods or ("GET", "PUT", "POST", "DELETE", "PATCH"):
            parameters = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ]
            if method.lower() in ("get", "put", "post", "delete", "options", "head", "patch"):
                item[method.lower()] = {
                    **({"parameters": parameters} if parameters else {}),
                    "responses": {"default": {"description": "What the upstream answers."}},
                }
    return paths
