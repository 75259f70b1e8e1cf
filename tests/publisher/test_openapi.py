"""APIs of OpenAPI documents, and documents of APIs."""

import json
import re
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from twgw.memory import MemoryGateway
from twgw.model import Api, Lifecycle, Limit, Policy, Route, State, Target, Tier, Upstream
from twgw.publisher.openapi import EXTENSION, Wanted, api_of, document_of
from twgw.publisher.openapi_document import InvalidDocument, read_openapi
from twgw.state import check

EXAMPLE = Path(__file__).parents[2] / "etc" / "examples" / "weather.openapi.yaml"
WEATHER = read_openapi(EXAMPLE.read_text(), "weather.openapi.yaml")
OFF = tuple(Policy(name, enabled=False) for name in ("key-auth", "subscription", "rate-limit"))


def imported(*, wanted=None, version="3.0.3", **more):
    value = {"openapi": version, "info": {"title": "Pets", "version": "1.0"}, "paths": {}, **more}
    return api_of(read_openapi(json.dumps(value), "a.json"), wanted)


def operation(**more):
    return {"responses": {"200": {"description": "ok"}}, **more}


def secured(schemes, *required, **operations):
    return imported(
        components={"securitySchemes": schemes},
        security=[{name: [] for name in names.split()} for names in required],
        paths={"/a": {"get": operation(**operations)}},
    )


def test_a_real_api_becomes_routes_upstream_and_policies():
    """What can be said is taken over; what is understood in another way is noted."""
    found = api_of(WEATHER)
    api = found.api

    assert ("weather.gov-api", "1.11.0", "/weather.gov-api/1.11.0", Lifecycle.CREATED) == (
        api.name, api.version, api.base_path, api.state,
    )  # fmt: skip
    assert (("https://api.weather.gov",), ("https://sandbox.weather.test/api",)) == tuple(
        tuple(target.url for target in upstream.targets) for upstream in (api.upstream, api.sandbox)
    )
    assert ("Alerts", "Forecasts", "Stations") == api.tags
    assert Route("/gridpoints/{wfo}/{x_y}/forecast", ("GET",)) == api.routes[2]
    assert Route("/glossary", ("GET",), policies=OFF) == api.routes[-1]
    assert (Policy("key-auth", {"header_names": ["API-Key"]}), "subscription", "rate-limit") == (
        api.policies[0], *(policy.name for policy in api.policies[1:]),
    )  # fmt: skip
    assert (
        "the security scheme userAgent is not one that the gateway checks",
        "/gridpoints/{wfo}/{x},{y}/forecast: {x},{y} is carried as any one segment",
    ) == found.notes


def test_what_was_imported_is_served():
    """It deploys as it stands: guarded, with its open operation open."""
    api = evolve(api_of(WEATHER).api, state=Lifecycle.PUBLISHED)
    gateway = MemoryGateway(State((), apis=(api,)))
    base = api.base_path

    assert [] == list(check(State(apis=(api,))))
    assert [401, 200, 404, 405] == [
        gateway.request(method, base + path).status
        for method, path in (("GET", "/points/1,2"), ("GET", "/glossary"), ("GET", "/gone"), ("PUT", "/glossary"))
    ]


def test_who_imports_may_know_better():
    """Name, version, place, upstream and policies can be said in place of the document."""
    upstream = Upstream((Target("http://10.0.0.1"),))
    api = api_of(WEATHER, Wanted("w", "2", "/w", upstream, (Policy("cors"),))).api

    assert ("w:2", "/w", upstream, (Policy("cors"),)) == (api.id, api.base_path, api.upstream, api.policies)
    assert () == api.routes[-1].policies


@pytest.mark.parametrize(
    ("scheme", "policy"),
    [
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, Policy("key-auth", {"header_names": ["X-Key"]})),
        (
            {"type": "apiKey", "in": "query", "name": "key"},
            Policy("key-auth", {"header_names": [], "query_names": ["key"]}),
        ),
        ({"type": "http", "scheme": "Bearer"}, Policy("oauth2")),
        ({"type": "openIdConnect", "openIdConnectUrl": "https://a.test/x"}, Policy("oauth2")),
        ({"type": "apiKey", "in": "cookie", "name": "session"}, Policy("key-auth")),
        ({"type": "http", "scheme": "digest"}, Policy("key-auth")),
        ({"type": "apiKey", "in": "header", "name": "Authorization"}, Policy("key-auth")),
    ],
)
def test_security_becomes_policies(scheme, policy):
    """What the gateway can check; where it can check nothing of it, callers need a key: never nothing."""
    assert [policy, Policy("subscription"), Policy("rate-limit")] == list(secured({"s": scheme}, "s").api.policies)


def test_any_of_several_schemes_is_taken():
    """Alternatives stand beside each other; all at once cannot be said and is refused."""
    schemes = {
        "a": {"type": "apiKey", "in": "header", "name": "A"}, "b": {"type": "apiKey", "in": "header", "name": "B"},
        "c": {"type": "http", "scheme": "bearer"}, "unused": {"type": "apiKey", "in": "header", "name": "C"},
    }  # fmt: skip

    assert [Policy("key-auth", {"header_names": ["A", "B"]}), Policy("oauth2")] == list(
        secured(schemes, "a", "b", "c").api.policies[:2]
    )
    with pytest.raises(InvalidDocument, match=r"a.json:1: /security: asks for several schemes at once"):
        secured(schemes, "a b")


def test_a_document_without_security_is_guarded_unless_it_says_open():
    """Silence is no permission; an empty list is."""
    assert "key-auth" == imported(paths={"/a": {"get": operation()}}).api.policies[0].name
    opened = imported(security=[], paths={"/a": {"get": operation()}})
    assert ((), ("the document asks for no security: everybody may call",)) == (opened.api.policies, opened.notes[:1])


def test_scopes_of_an_operation_are_asked_for():
    """By a policy of its route."""
    flow = {"tokenUrl": "https://a.test", "scopes": {"r": "x"}}
    schemes = {"o": {"type": "oauth2", "flows": {"clientCredentials": flow}}}
    api = secured(schemes, "o", security=[{"o": ["r"]}]).api

    assert (Policy("scopes", {"scopes": ["r"]}),) == api.routes[0].policies


def test_operations_that_are_alike_share_a_route():
    """Those of one path and the same policies; what the gateway does not carry is left out and noted."""
    found = imported(paths={"/a/{the-id}": {
        "parameters": [{"name": "the-id", "in": "path", "required": True, "schema": {}}],
        "get": operation(), "delete": operation(security=[]), "put": operation(), "trace": operation(),
        "servers": [{"url": "https://other.test/x/"}],
    }})  # fmt: skip
    other = Upstream((Target("https://other.test/x"),))

    assert (
        Route("/a/{the_id}", ("GET", "PUT"), upstream=other),
        Route("/a/{the_id}", ("DELETE",), upstream=other, policies=OFF),
    ) == found.api.routes
    assert "TRACE /a/{the-id} is left out: the gateway does not carry that method" in found.notes


def test_a_path_is_a_path():
    """One that holds a query could never match."""
    with pytest.raises(InvalidDocument, match="must be a path, without"):
        imported(paths={"/a?b=c": {"get": operation()}})


def test_swagger_is_read():
    """Host, base path and schemes are the upstream; definitions of security are policies."""
    text = json.dumps({
        "swagger": "2.0", "info": {"title": "Pets", "version": "1"}, "host": "pets.test", "basePath": "/v1",
        "schemes": ["http", "https"], "securityDefinitions": {"k": {"type": "apiKey", "in": "header", "name": "K"}},
        "security": [{"k": []}], "paths": {"/a": {"get": operation()}},
    })  # fmt: skip
    api = api_of(read_openapi(text, "a.json")).api

    assert ("https://pets.test/v1",) == tuple(target.url for target in api.upstream.targets)
    assert Policy("key-auth", {"header_names": ["K"]}) == api.policies[0]
    written = document_of(api, "https://gw.test", json.loads(text))
    assert ("gw.test", "/pets/1", ["https"]) == (written["host"], written["basePath"], written["schemes"])
    assert read_openapi(json.dumps(written), "b.json")


def test_what_wso2_writes_is_understood():
    """Context, endpoints of both kinds, tiers and open operations."""
    api = imported(**{
        "x-wso2-basePath": "/pets/1.0", "x-throttling-tier": "10KPerMin",
        "x-wso2-production-endpoints": {"urls": ["https://a.test/", "https://b.test"], "type": "load_balance"},
        "x-wso2-sandbox-endpoints": {"urls": ["https://c.test"]},
        "paths": {"/a": {"get": operation(**{"x-throttling-tier": "Unlimited", "x-auth-type": "None"}),
                         "put": operation(**{"x-throttling-tier": "Gold", "x-auth-type": "Application User"})}},
    }).api  # fmt: skip

    assert ("/pets/1.0", "10KPerMin") == (api.base_path, api.tier)
    assert (Target("https://a.test"), Target("https://b.test")) == api.upstream.targets
    assert (Target("https://c.test"),) == api.sandbox.targets
    assert [(None, OFF), ("Gold", ())] == [(route.tier, route.policies) for route in api.routes]


def test_a_document_without_an_address_waits_for_an_upstream():
    """A relative server says nothing of where the API is."""
    found = imported(servers=[{"url": "/v1"}])

    assert None is found.api.upstream
    assert found.notes[-1].startswith("no server with an absolute address")


def test_callers_are_told_nothing_of_the_inside():
    """Their document has the gateway's address, and what the original says of operations; not upstream and policies."""
    api = api_of(WEATHER).api
    told = document_of(api, "https://gw.test", WEATHER.value)

    assert [{"url": "https://gw.test/weather.gov-api/1.11.0"}] == told["servers"]
    assert WEATHER.value["paths"] == told["paths"]
    assert "api.weather.gov" not in json.dumps(told)
    assert EXTENSION not in told
    assert read_openapi(json.dumps(told), "told.json")


def test_an_exported_api_is_read_back():
    """With all that a document cannot say; a broken extension is a fault with its path."""
    api = api_of(WEATHER).api
    written = document_of(api, "https://gw.test", WEATHER.value, whole=True)

    assert api == api_of(read_openapi(json.dumps(written), "b.json")).api
    written[EXTENSION]["routs"] = []
    with pytest.raises(InvalidDocument, match="routs: unknown; did you mean routes"):
        api_of(read_openapi(json.dumps(written), "b.json"))


_NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
_SEGMENTS = st.lists(_NAMES | _NAMES.map("{{{}}}".format), max_size=3, unique=True)
_PATHS = st.builds(
    lambda segments, end: "".join(f"/{each}" for each in segments) + end or "/",
    _SEGMENTS,
    st.sampled_from(["", "/", "/*"]),
)
_METHODS = st.lists(st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH"]), min_size=1, unique=True).map(tuple)
_UPSTREAMS = _NAMES.map(lambda name: Upstream((Target(f"https://{name}.test/x"),)))
_ROUTES = st.builds(Route, _PATHS, _METHODS, upstream=st.none() | _UPSTREAMS, tier=st.none() | st.just("Gold"))
_APIS = st.builds(
    Api, _NAMES, st.sampled_from(["1", "1.0"]), _NAMES.map("/{}".format), state=st.just(Lifecycle.CREATED),
    title=st.text(max_size=5), description=st.text(max_size=5), upstream=_UPSTREAMS, sandbox=st.none() | _UPSTREAMS,
    routes=st.lists(_ROUTES, min_size=1, max_size=3, unique_by=lambda route: route.path).map(tuple),
    policies=st.sampled_from([(), (Policy("key-auth"), Policy("rate-limit", {"amount": 1}, shadow=True))]),
    hard_limit=st.none() | st.just(Limit(5)), tags=st.lists(_NAMES, unique=True, max_size=2).map(tuple),
)  # fmt: skip


@given(_APIS)
def test_every_api_can_be_written_and_read_again(api):
    """A document that is whole gives back the same API."""
    written = json.dumps(document_of(api, "https://gw.test", whole=True))

    assert api == api_of(read_openapi(written, "a.json")).api


@given(_APIS)
def test_a_document_alone_keeps_what_callers_see(api):
    """Without what only we understand: the same paths, methods, title and tags.

    To a document the rest of a path is a parameter as any other, so two routes may look alike in it.
    """
    alike = [
        (re.sub(r"\{[^}]*\}|\*", "{}", route.path), method) for route in api.routes for method in route.methods
    ]
    assume(len(set(alike)) == len(alike))
    told = read_openapi(json.dumps(document_of(api, "https://gw.test")), "a.json")
    back = api_of(told, Wanted(api.name, api.version, api.base_path, api.upstream)).api
    carried = lambda it: {
        (route.path.replace("*", "{rest}"), method) for route in it.routes for method in route.methods
    }

    assert carried(api) == carried(back)
    assert (api.title or api.name, api.tags, api.description) == (back.title, back.tags, back.description)
    assert [] == [str(fault) for fault in check(State(tiers=(Tier("Gold"),), apis=(back,)))]
