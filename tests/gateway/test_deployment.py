"""From a declared state to plans: what is compiled, kept, refused, and found for a request."""

import gc
import json
import weakref

import pytest
from attrs import evolve, frozen

from twgw import hookimpl
from twgw.faults import SettingsError
from twgw.gateway.deployment import deploy
from twgw.memory import MemoryGateway
from twgw.model import (
    Api,
    Application,
    Credential,
    Deprecation,
    Environment,
    Lifecycle,
    Limit,
    Policy,
    Route,
    State,
    Target,
    Tier,
    Unit,
    Upstream,
)
from twgw.policy.registry import Plugin, find_plugins
from twgw.testing import gateway as lent

UPSTREAM = Upstream(targets=(Target("http://pets.test:80"),))


class Marks:
    """A policy that leaves its word on the response."""

    @frozen
    class Settings:
        """The word."""

        word: str = "x"

    @staticmethod
    @hookimpl
    def twgw_respond(exchange, settings):
        exchange.response.headers.add("X-Mark", settings.word)


def mark(word, **more):
    return Policy("marks", {"word": word}, **more)


def pets(**more):
    return Api(**{"name": "pets", "version": "1.0", "base_path": "/pets", "upstream": UPSTREAM, **more})


def deployed(*apis, policies=(), previous=None):
    plugins = {**find_plugins(), "marks": Plugin("marks", Marks, "test")}
    return deploy(
        State(policies=policies, apis=apis), plugins, lent(), lambda upstream: lambda exchange: None, previous
    )


def faults(*apis, **more):
    with pytest.raises(SettingsError) as caught:
        deployed(*apis, **more)
    return [str(fault) for fault in caught.value.faults]


def marks(answer):
    return answer.headers["x-mark"].split(", ") if "x-mark" in answer.headers else []


def test_levels_add_up():
    """Global policies come first, then the API's, then the route's; one policy may stand several times."""
    api = pets(policies=(mark("api"), mark("again")), routes=(Route("/*", policies=(mark("route"),)),))
    gateway = MemoryGateway(State(policies=(mark("global"),), apis=(api,)), plugins={"marks": Marks})

    assert ["global", "api", "again", "route"] == marks(gateway.get("/pets/1"))


@pytest.mark.parametrize(
    ("api", "expected"),
    [
        (pets(policies=(mark("a", enabled=False),)), []),
        (pets(policies=(mark("api"),), routes=(Route("/*", policies=(Policy("marks", enabled=False),)),)), []),
        (
            pets(
                policies=(mark("api"),), routes=(Route("/a"), Route("/*", policies=(Policy("marks", enabled=False),)))
            ),
            [],
        ),
    ],
)
def test_a_narrower_level_switches_a_policy_off(api, expected):
    """``enabled: false`` at an API or a route takes the wider uses of that name away."""
    gateway = MemoryGateway(State(policies=(mark("global"),), apis=(api,)), plugins={"marks": Marks})

    assert expected == marks(gateway.get("/pets/1"))


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("CREATED", 404),
        ("PROTOTYPED", 200),
        ("PUBLISHED", 200),
        ("BLOCKED", 503),
        ("DEPRECATED", 200),
        ("RETIRED", 404),
    ],
)
def test_the_state_of_an_api_decides_whether_it_serves(state, status):
    """Only some states carry traffic; a blocked API says so with WSO2's code."""
    answer = MemoryGateway(pets(state=Lifecycle[state])).get("/pets/1")

    assert status == answer.status
    if status == 503:
        assert 700700 == json.loads(answer.body)["code"]


def test_a_blocked_api_refuses_as_every_refusal_is_made():
    """Named, logged and readable for pages; nobody is asked who calls, and the upstream hears nothing."""
    cors = Policy("cors", {"allow_origins": ["https://app.example"]})
    api = pets(state=Lifecycle.BLOCKED, policies=(cors, Policy("key-auth")))
    gateway = MemoryGateway(State(policies=(Policy("correlation-id"),), apis=(api,)))
    page = {"Origin": "https://app.example"}

    answer = gateway.get("/pets/1", headers=page)

    assert (503, "https://app.example") == (answer.status, answer.headers["access-control-allow-origin"])
    assert f"urn:request:{answer.headers['x-request-id']}" == json.loads(answer.body)["instance"]
    assert 204 == gateway.request(
        "OPTIONS", "/pets/1", headers={**page, "Access-Control-Request-Method": "GET"}
    ).status
    assert ["gateway", "cors"] == [exchange.refused_by for exchange in gateway.exchanges]
    assert b"" == gateway.upstream_bytes


def test_a_deprecated_api_brings_its_policy_along():
    """Faults in what it tells are those of its deprecation; it may be switched off, and a kept API keeps it."""
    api = pets(state=Lifecycle.DEPRECATED, deprecation=Deprecation(1.0, successor="/pets/2.0"))
    off = evolve(api, policies=(Policy("deprecation", enabled=False),))
    first = deployed(api)

    assert "</pets/2.0>" in MemoryGateway(api).get("/pets/1").headers["link"]
    assert "link" not in MemoryGateway(off).get("/pets/1").headers
    assert ["apis[0].deprecation.successor: must be a path, or an address with http:// or https://"] == faults(
        evolve(api, deprecation=Deprecation(successor="<x>"))
    )
    assert first.compiled["pets:1.0"] is deployed(api, previous=first).compiled["pets:1.0"]


@pytest.mark.parametrize(
    ("sandbox", "environment", "status", "upstream"),
    [
        (True, "production", 200, "pets.test:80"),
        (True, "sandbox", 200, "box.test"),
        (False, "production", 200, "pets.test:80"),
        (False, "sandbox", 403, None),
    ],
)
def test_a_key_of_the_sandbox_never_reaches_production(sandbox, environment, status, upstream):
    """Its calls go to the sandbox of the API, or nowhere; also on a route with servers of its own."""
    box = Upstream((Target("http://box.test"),)) if sandbox else None
    routes = (Route("/own", upstream=UPSTREAM), Route("/*"))
    api = pets(policies=(Policy("key-auth"),), sandbox=box, routes=routes)
    shop = Application("shop", credentials=(Credential(value="a-key-of-shop", environment=Environment(environment)),))
    gateway = MemoryGateway(State((), apis=(api,), applications=(shop,)))
    answers = [gateway.get(path, headers={"X-API-Key": "a-key-of-shop"}) for path in ("/pets/1", "/pets/own")]

    assert [status] * 2 == [answer.status for answer in answers]
    assert {upstream} - {None} == {request.headers["host"] for request in gateway.upstream_requests}
    if status == 403:
        assert 900901 == json.loads(answers[0].body)["code"]
        assert {"gateway"} == {exchange.refused_by for exchange in gateway.exchanges}


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"tier": "Gold"}, "tier"),
        ({"hard_limit": Limit(1)}, "hard_limit"),
        ({"routes": (Route("/a"), Route("/b", tier="Gold"))}, "routes[1].tier"),
        ({"tier": "Gold", "policies": (Policy("rate-limit", {"amount": 1}),)}, "tier"),
    ],
)
def test_a_limit_that_nothing_counts_is_a_fault(more, place):
    """It would look like one and be none."""
    text = "is counted by nothing; attach the policy rate-limit, without amount and limits"

    assert [f"apis[0].{place}: {text}"] == faults(pets(**more))
    assert deployed(pets(**{**more, "policies": (Policy("rate-limit"),)})).compiled


def test_an_api_is_compiled_anew_when_a_tier_begins_to_count_bytes():
    """bandwidth-limit comes along then; an edit of another tier changes nothing."""
    api = pets(policies=(Policy("rate-limit"),))
    tiers = lambda *limits: tuple(Tier(f"T{number}", (limit,)) for number, limit in enumerate(limits))
    state = lambda *limits: State((), tiers=tiers(*limits), apis=(api,))
    deploy_ = lambda state, previous=None: deploy(
        state, find_plugins(), lent(), lambda upstream: lambda exchange: None, previous
    )
    first = deploy_(state(Limit(1)))
    second = deploy_(state(Limit(2)), first)
    third = deploy_(state(Limit(2), Limit(3, unit=Unit.BYTES)), second)

    assert first.compiled["pets:1.0"] is second.compiled["pets:1.0"] is not third.compiled["pets:1.0"]
    assert [0, 1] == [len(each.compiled["pets:1.0"].plans[0].chains.log) for each in (second, third)]


def test_every_fault_is_named_with_its_path():
    """All of them at once, with the nearest known name."""
    api = pets(policies=(Policy("rate-limt"), Policy("rate-limit", {"amount": 0}), Policy("access-log", shadow=True)))
    found = faults(api)

    assert "apis[0].policies[0].name: no policy 'rate-limt' is installed; did you mean rate-limit?" in found
    assert "apis[0].policies[1].settings.amount: must be > 0" in found
    assert any(fault.startswith("apis[0].policies[2].shadow: access-log decides nothing") for fault in found)


def test_an_api_needs_something_that_answers():
    """An upstream, or a policy in its place."""
    assert ["apis[0].upstream: missing"] == [fault[:25] for fault in faults(pets(upstream=None))]
    assert deployed(pets(upstream=None, policies=(Policy("mock-response"),))).compiled


def test_a_shadowed_authentication_alone_is_refused():
    """It would leave the API open; who means that says so."""
    shadowed = pets(policies=(Policy("key-auth", shadow=True),))

    assert ["apis[0].policies: its only authentication is in shadow"] == [each[:54] for each in faults(shadowed)]
    assert deployed(evolve(shadowed, anonymous=True)).compiled


def test_an_api_that_did_not_change_is_kept():
    """Only what changed is compiled anew; the positions count."""
    one, other = pets(), pets(name="cats", base_path="/cats")
    first = deployed(one, other)
    second = deployed(one, evolve(other, strip_base_path=False), previous=first)

    assert (1, 2) == (first.position, second.position)
    assert first.compiled["pets:1.0"] is second.compiled["pets:1.0"]
    assert first.compiled["cats:1.0"] is not second.compiled["cats:1.0"]
    assert first.compiled["pets:1.0"] is not deployed(one, policies=(mark("g"),), previous=first).compiled["pets:1.0"]


def test_an_api_whose_policy_changed_is_compiled_anew():
    """Changed code of a policy is taken over at the next deployment, by the APIs that use it and by no others."""
    apis = pets(policies=(mark("api"),)), pets(name="cats", base_path="/cats")
    plugins = {**find_plugins(), "marks": Plugin("marks", Marks, "test")}
    changed = {**plugins, "marks": Plugin("marks", type("Marks", (), dict(vars(Marks))), "test")}

    def deploy_with(plugins, previous=None):
        state = State(policies=(), apis=apis)
        return deploy(state, plugins, lent(), lambda upstream: lambda exchange: None, previous)

    first = deploy_with(plugins)
    second = deploy_with(changed, first)

    assert first.compiled["pets:1.0"] is not second.compiled["pets:1.0"]
    assert first.compiled["cats:1.0"] is second.compiled["cats:1.0"]


def test_a_new_deployment_is_in_force_at_once():
    """An API that is gone is 404, one that moved is at its new address."""
    gateway = MemoryGateway([pets(), pets(name="cats", base_path="/cats")])

    assert [200, 200] == [gateway.get(path).status for path in ("/pets", "/cats")]

    gateway.deploy([pets(base_path="/animals")])

    assert [404, 404, 200] == [gateway.get(path).status for path in ("/pets", "/cats", "/animals")]


def test_what_is_in_force_no_longer_goes_by_itself():
    """It stands in no circle: the collector need not look for it."""
    policies = tuple(Policy(name) for name in ("correlation-id", "key-auth", "subscription"))
    before = deployed(pets(name="dogs", base_path="/dogs", policies=policies), pets())
    gone = weakref.ref(before.compiled["dogs:1.0"].plans[0])

    gc.disable()
    try:
        deployed(pets(), previous=before)
        del before
        assert gone() is None
    finally:
        gc.enable()


def test_requests_without_an_api_meet_the_global_policies():
    """So that they are named, answered in the same form and logged."""
    gateway = MemoryGateway(
        State(policies=(mark("global"), Policy("key-auth")), apis=(pets(),)), plugins={"marks": Marks}
    )
    answer = gateway.get("/nowhere")

    assert (404, ["global"]) == (answer.status, marks(answer))
    assert ["gateway"] == [exchange.refused_by for exchange in gateway.exchanges]


def test_a_wrong_method_says_which_are_right():
    """405 with Allow."""
    answer = MemoryGateway(pets(routes=(Route("/*", methods=("GET", "PUT")),))).post("/pets/1")

    assert (405, "GET, HEAD, PUT") == (answer.status, answer.headers["allow"])


def test_underscores_and_encoded_slashes_need_leave():
    """Both are refused unless the API says otherwise."""
    strict, lenient = MemoryGateway(pets()), MemoryGateway(pets(underscores=True, encoded_slashes=True))

    assert [400, 400] == [strict.get("/pets/1", headers={"X_A": "1"}).status, strict.get("/pets/a%2Fb").status]
    assert [200, 200] == [lenient.get("/pets/1", headers={"X_A": "1"}).status, lenient.get("/pets/a%2Fb").status]
    assert "/a%2Fb" == lenient.upstream_requests[-1].target
