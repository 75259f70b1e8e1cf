"""Tests of twgw.testing: what a stranger who writes a policy relies on."""

import doctest
import types
from textwrap import dedent

import pytest
from twisted.internet.defer import Deferred

import twgw.memory_world
import twgw.testing
from twgw import hookimpl
from twgw.faults import SettingsError
from twgw.model import Api, Credential, Lifecycle, Limit, Subscription
from twgw.policy import HttpAnswer, Problem, Response
from twgw.policy.headers import Headers
from twgw.testing import FakeClock, FakeHttp, exchange, gateway, run_policies, run_policy, use


def policy(**functions):
    """A policy under development: a module with these hooks."""
    module = types.ModuleType("my_policy", "A policy of a test.")
    for name, function in functions.items():
        setattr(module, name, hookimpl(function) if name.startswith("twgw_") else function)
    return module


def test_the_examples_hold():
    """What the docstrings show is what happens."""
    found = [doctest.testmod(module) for module in (twgw.testing, twgw.memory_world)]

    assert all(one.attempted for one in found)
    assert [0, 0] == [one.failed for one in found]


def test_an_admitted_request_reaches_the_stub():
    """The result shows what the upstream would have got, and what the client got of it."""
    result = run_policy(
        policy(),
        exchange("POST", "/orders?x=1", {"X-Team": "a", "Connection": "close"}, client="192.0.2.7", body=b"{}"),
    )

    assert 200 == result.status
    assert b"ok" == result.body
    assert ("POST", "/orders", "x=1", b"{}") == (
        result.forwarded.method, result.forwarded.path, result.forwarded.query, result.forwarded.content,
    )  # fmt: skip
    assert "a" == result.forwarded.headers.get("x-team")
    assert "192.0.2.7" == result.forwarded.headers.get("x-forwarded-for")
    assert "connection" not in result.forwarded.headers
    assert 2 == result.exchange.received
    assert 2 == result.exchange.sent


def test_a_refused_request_reaches_nobody():
    """A refusal is a problem document, and nothing was forwarded."""
    result = run_policy(policy(twgw_receive=lambda exchange: Problem(418, "No coffee")))

    assert 418 == result.status
    assert "No coffee" == result.json["title"]
    assert result.forwarded is None
    assert "my-policy" == result.exchange.refused_by


def test_a_policy_that_raises_fails_closed_and_is_logged():
    """What raises refuses with 500, and operators can read why."""

    def broken(exchange):
        raise ZeroDivisionError("oh")

    result = run_policy(policy(twgw_authorize=broken))

    assert 500 == result.status
    assert [("error", "request refused: policy my-policy failed: ZeroDivisionError: oh")] == result.logged


def test_the_upstream_answers_as_told():
    """A response, or a function of what was forwarded, stands in for the upstream; each run gets a copy."""
    told = Response(404, Headers({"X-From": "upstream"}), b"none")

    def respond(exchange):
        exchange.response.headers.set("X-Seen", "yes")

    first = run_policy(policy(twgw_respond=respond), upstream=told)
    second = run_policy(policy(), upstream=lambda request: Response(200, body=request.path.encode()))

    assert (404, "upstream", "yes") == (first.status, first.headers.get("X-From"), first.headers.get("X-Seen"))
    assert "X-Seen" not in told.headers
    assert b"/" == second.body


def test_a_file_is_a_policy(tmp_path):
    """A policy under development is given by the path of its file."""
    file = tmp_path / "say_no.py"
    file.write_text(
        dedent('''
            """Say no."""
            from twgw import hookimpl
            from twgw.policy import Problem
            @hookimpl
            def twgw_receive():
                return Problem(403, "No")
        ''')
    )

    assert 403 == run_policy(file).status


def test_a_file_that_cannot_be_loaded_says_why(tmp_path):
    """A mistake in the file is an ImportError with the reason."""
    file = tmp_path / "broken.py"
    file.write_text("1 / 0")

    with pytest.raises(ImportError, match="ZeroDivisionError"):
        run_policy(file)


def test_wrong_settings_are_refused_as_at_a_deployment():
    """Settings are checked by the real thing, with the place of each fault."""
    with pytest.raises(SettingsError) as caught:
        run_policy("size-limit", amount=-1)

    assert ["apis[0].policies[0].settings.amount: must be >= 0"] == [str(fault) for fault in caught.value.faults]


def test_an_unknown_policy_is_named():
    """A policy that is not installed is refused, with what is near."""
    with pytest.raises(SettingsError, match="did you mean size-limit"):
        run_policy("size-limits")


def test_an_exchange_is_used_once():
    """What was left by one run would be read by the next."""
    request = exchange()
    run_policy(policy(), request)

    with pytest.raises(ValueError, match="make a new one"):
        run_policy(policy(), request)


def test_an_api_that_serves_nothing_is_refused():
    """A created API has no plan to run."""
    with pytest.raises(ValueError, match="CREATED"):
        run_policy(policy(), api=Api("x", "1", "/", state=Lifecycle.CREATED))


def test_waiting_policies_need_no_waiting():
    """A policy that sleeps is woken at its time; the clock shows that it passed."""

    async def slow(exchange, gateway):
        await gateway.clock.sleep(5)

    async def slower(exchange, gateway):
        await gateway.clock.sleep(2)
        gateway.log.info("logged")

    lent = gateway()
    result = run_policy(policy(twgw_receive=slow, twgw_log=slower), gateway=lent)

    assert 200 == result.status
    assert 7 == lent.clock.now()
    assert [("info", "logged")] == result.logged


def test_a_policy_that_waits_for_nothing_is_found_out():
    """A wait that nobody ends is an error of the test, not a hang."""

    async def forever(exchange):
        await Deferred()

    with pytest.raises(AssertionError, match="never comes"):
        run_policy(policy(twgw_receive=forever))


def test_callers_can_be_given():
    """Credential and subscription may stand there already, by name or as a whole."""
    by_name = exchange(credential="shop", subscription="Gold")
    whole = exchange(credential=Credential(id="x", application="shop"), subscription=Subscription("a:1", None))

    assert ("shop", "shop-1", "Gold") == (
        by_name.credential.application, by_name.credential.id, by_name.subscription.tier,
    )  # fmt: skip
    assert ("x", None) == (whole.credential.id, whole.subscription.tier)


def test_a_gateway_is_filled_by_its_arguments():
    """Keys, subscriptions and tiers are found by the names they were given."""
    lent = gateway(
        keys={"k": "shop", "l": Credential(id="own", application="batch")},
        subscriptions={"shop": "Gold", "batch": Subscription("other:2", None)},
        tiers={"Gold": [Limit(20)]},
    )

    assert "shop" == lent.credentials.find("api-key", "k").application
    assert "own" == lent.credentials.find("api-key", "l").id
    assert lent.credentials.find("password", "k") is None
    assert "Gold" == lent.subscriptions.find("shop", "test:1").tier
    assert lent.subscriptions.find("batch", "other:2").tier is None
    assert lent.subscriptions.find("batch", "test:1") is None
    assert (Limit(20),) == lent.subscriptions.tier("Gold").limits


def test_http_answers_from_a_table():
    """Calls are answered, fail or are refused as the table says, and are remembered."""

    async def ask(exchange, gateway):
        answer = await gateway.http.request("GET", exchange.request.headers.get("x-ask"), headers={"A": "b"})
        return Problem(answer.status, "Told")

    http = FakeHttp({"http://a": HttpAnswer(403, {}, b""), "http://down": OSError("down")})
    ask_all = [
        run_policy(policy(twgw_authorize=ask), exchange(headers={"X-Ask": url}), gateway=gateway(http=http)).status
        for url in ("http://a", "http://down", "http://unknown")
    ]

    assert [403, 500, 500] == ask_all
    assert ["http://a", "http://down", "http://unknown"] == [call.url for call in http.calls]
    assert {"A": "b"} == http.calls[0].headers


def test_lines_and_counts_of_one_run():
    """Lines are those of this run; a gateway that is used again keeps the others."""

    def log(exchange, gateway):
        gateway.files.lines("a.log").write(exchange.request.path + "\n")
        gateway.metrics.counter("runs", "Runs.").add()

    lent = gateway()
    run_policy(policy(twgw_log=log), exchange(path="/1"), gateway=lent)
    result = run_policy(policy(twgw_log=log), exchange(path="/2"), gateway=lent)

    assert {"a.log": ["/2\n"]} == result.lines
    assert 2 == next(metric for metric in lent.metrics.collect() if metric.name == "runs").samples[0].value


def test_several_policies_run_in_order():
    """The first of two answers; with the first in shadow the second does."""
    no = policy(twgw_receive=lambda exchange: Problem(403, "First"))
    mine = types.ModuleType("other", "Another.")
    mine.twgw_receive = hookimpl(lambda exchange: Problem(429, "Second"))

    assert 403 == run_policies([use(no), use(mine)]).status
    watched = run_policies([use(no, shadow=True), use(mine)])
    assert 429 == watched.status
    assert (("my-policy", "First"),) == watched.exchange.shadowed


def test_bodies_without_a_length():
    """A list of pieces is a body that does not say how long it is; it is cut at the limit."""
    whole = run_policy(policy(), exchange("POST", body=[b"ab", b"cd"]))
    cut = run_policy("size-limit", exchange("POST", body=[b"ab", b"cd"]), amount=3)

    assert b"abcd" == whole.forwarded.content
    assert 413 == cut.status
    assert cut.forwarded is None


def test_limit_fields_are_part_of_the_headers():
    """What the gateway adds of limits is seen, as a client sees it."""
    result = run_policy("rate-limit", amount=5)

    assert '"default";r=4;t=60' == result.headers.get("RateLimit")


def test_the_clock_stands_still():
    """Time moves when it is told to; wall time begins with a whole minute."""
    clock = FakeClock()

    assert 0 == clock.wall() % 60
    clock.advance(1.5)
    assert 1.5 == clock.now()
    assert clock.wake_next() is False
