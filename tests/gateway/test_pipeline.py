"""The path of an exchange: the order of its steps, and what happens when one fails."""

from types import SimpleNamespace

import pytest
from attrs import frozen

from twgw import hookimpl
from twgw.memory import MemoryGateway
from twgw.model import Api, Charge, Credential, Limit, Policy, Target, Upstream
from twgw.policy.exchange import Problem, Response
from twgw.policy.interfaces import Unanswered

UPSTREAM = Upstream(targets=(Target("http://pets.test"),))


def served(*modules, shadow=(), **more):
    """A gateway whose API has these policies, named p0, p1, …"""
    plugins = {f"p{number}": module for number, module in enumerate(modules)}
    policies = tuple(Policy(name, shadow=name in shadow) for name in plugins)
    return MemoryGateway(Api("pets", "1", "/", upstream=UPSTREAM, policies=policies, **more), plugins=plugins)


def policy(**functions):
    return SimpleNamespace(**{name: hookimpl(function) for name, function in functions.items()})


def test_the_phases_come_in_their_order():
    """Whatever the order in which a policy defines them."""
    seen = []

    def note(name, answer=None):
        def function(exchange):
            seen.append(name)
            return answer

        return function

    names = ["log", "respond", "forward", "transform", "throttle", "authorize", "authenticate", "receive"]
    served(policy(**{f"twgw_{name}": note(name) for name in names}), anonymous=True).get("/")

    assert names[::-1] == seen


@pytest.mark.parametrize("phase", ["authenticate", "authorize"])
def test_what_cannot_be_known_now_is_refused_for_now(phase):
    """With 503 and a time to try again; the reason is for the log alone, and it is no fault of the policy."""

    def ask(exchange):
        raise Unanswered("the database is away")

    gateway = served(policy(**{f"twgw_{phase}": ask}))
    answer = gateway.get("/")

    assert (503, "2") == (answer.status, answer.headers["Retry-After"])
    assert b"database" not in answer.body
    assert [("p0", "the database is away")] == [(each.refused_by, each.reason) for each in gateway.exchanges]
    assert [] == gateway.log.lines


@pytest.mark.parametrize("phase", ["receive", "authenticate", "authorize", "throttle", "transform", "forward"])
def test_a_refusal_ends_the_path(phase):
    """Nothing behind it is asked, the upstream least of all; responses and log have their turn."""
    seen = []
    gateway = served(
        policy(**{f"twgw_{phase}": lambda exchange: Problem(418, "No", "because")}),
        policy(
            twgw_respond=lambda exchange: seen.append(exchange.response.status),
            twgw_log=lambda exchange: seen.append("log"),
        ),
    )

    assert 418 == gateway.get("/").status
    assert [418, "log"] == seen
    assert [] == gateway.upstream_requests
    assert [("p0", "because")] == [(exchange.refused_by, exchange.reason) for exchange in gateway.exchanges]


@pytest.mark.parametrize(
    "phase", ["receive", "authenticate", "authorize", "throttle", "transform", "forward", "respond"]
)
@pytest.mark.parametrize("waits", [False, True])
def test_what_raises_fails_closed(phase, waits):
    """The client hears 500 and nothing of the inside; the log hears which policy and why."""

    def plain(exchange):
        raise ValueError("inside-detail")

    async def waiting(exchange, gateway):
        await gateway.clock.sleep(0)
        raise ValueError("inside-detail")

    gateway = served(policy(**{f"twgw_{phase}": waiting if waits else plain}))
    connection = gateway.begin("GET", "/")
    gateway.clock.advance(1)
    (answer,) = connection.answers()

    assert 500 == answer.status
    assert b"inside-detail" not in answer.body
    assert [] == [each for each in gateway.upstream_requests if phase != "respond"]
    assert "p0" == gateway.exchanges[0].refused_by
    assert any("inside-detail" in line for line in map(str, gateway.log.lines))


def test_a_log_that_raises_harms_nobody():
    """The answer was sent; the next request is served."""
    gateway = served(policy(twgw_log=lambda exchange: 1 / 0))

    assert [200, 200] == [gateway.get("/").status, gateway.get("/").status]
    assert any("could not log" in line for line in map(str, gateway.log.lines))


def test_a_protected_api_refuses_who_shows_nothing():
    """401 with the challenge of every policy that authenticates."""

    @frozen
    class Settings:
        """A scheme."""

        challenge = 'Key realm="x"'

    module = SimpleNamespace(twgw_authenticate=hookimpl(lambda exchange: None), Settings=Settings)
    answer = served(module).get("/")

    assert (401, 'Key realm="x"') == (answer.status, answer.headers["www-authenticate"])


def test_any_of_several_authentications_is_enough():
    """The first that knows its kind of credential answers."""
    nobody = policy(twgw_authenticate=lambda exchange: None)
    somebody = policy(twgw_authenticate=lambda exchange: Credential(application="a"))
    gateway = served(nobody, somebody)

    assert 200 == gateway.get("/").status
    assert "a" == gateway.upstream_requests[0].headers["x-consumer-username"]


def test_anonymous_apis_let_in_who_shows_nothing_but_not_who_shows_wrong():
    """The difference between no credential and a bad one."""

    def look(exchange):
        return Problem(401, "Bad") if "x-key" in exchange.request.headers else None

    gateway = served(policy(twgw_authenticate=look), anonymous=True)

    assert [200, 401] == [gateway.get("/").status, gateway.get("/", headers={"X-Key": "?"}).status]


def test_limits_are_decided_together():
    """A refused request spends none of them."""
    wide = policy(twgw_throttle=lambda exchange: Charge("wide", Limit(3, 60), "wide"))
    narrow = policy(twgw_throttle=lambda exchange: Charge(f"narrow {exchange.request.path}", Limit(1, 60), "narrow"))
    gateway = served(wide, narrow)

    assert [200, 429, 429, 200, 200, 429] == [gateway.get(path).status for path in ["/a", "/a", "/a", "/b", "/c", "/d"]]


def test_a_shadowed_limit_never_refuses_and_spends_its_own():
    """It is noted what it would have done; the acting limit counts as if it were not there."""
    limited = policy(twgw_throttle=lambda exchange: Charge("k", Limit(1, 60), "one"))
    gateway = served(limited, policy(twgw_throttle=lambda exchange: Charge("k", Limit(1, 60), "one")), shadow=("p0",))

    assert [200, 429] == [gateway.get("/").status, gateway.get("/").status]
    gateway = served(limited, shadow=("p0",))
    answers = [gateway.get("/") for _ in range(3)]
    assert [200] * 3 == [answer.status for answer in answers]
    assert "ratelimit" not in answers[0].headers
    assert [(), (("p0", "one: 1 used up"),), (("p0", "one: 1 used up"),)] == [
        each.shadowed for each in gateway.exchanges
    ]


def test_a_policy_may_see_and_change_the_body():
    """It says so in its settings; what it leaves there is what is sent."""

    @frozen
    class Settings:
        """Wants bodies."""

        request_body = True

    def upper(exchange):
        exchange.request.content = exchange.request.content.upper()

    gateway = served(SimpleNamespace(twgw_transform=hookimpl(upper), Settings=Settings))
    gateway.post("/", b"abc")
    gateway.request("POST", "/", headers={"Transfer-Encoding": "chunked"}, body=b"2\r\nxy\r\n0\r\n\r\n")

    assert [b"ABC", b"XY"] == [request.body for request in gateway.upstream_requests]


def test_a_body_that_is_too_large_is_refused_before_it_is_read():
    """By what it says, or as soon as it is."""
    gateway = MemoryGateway(Api("pets", "1", "/", upstream=UPSTREAM), max_request_body=10)
    chunked = {"Transfer-Encoding": "chunked"}

    assert 413 == gateway.post("/", b"x" * 11).status
    assert 413 == gateway.request("POST", "/", headers=chunked, body=b"b\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n").status
    assert 200 == gateway.post("/", b"x" * 10).status


def test_a_policy_may_answer_in_place_of_the_upstream():
    """With a response of its own."""
    answer = served(policy(twgw_forward=lambda exchange: Response(203, body=b"mine"))).get("/")

    assert (203, b"mine") == (answer.status, answer.body)
