"""Policies compiled to phases: order, waiting, wrappers, shadow, and what happens when one fails."""

import asyncio
import random
from types import SimpleNamespace

import pluggy
import pytest
from attrs import frozen

from twgw import hookimpl
from twgw.gateway.pipeline import handle
from twgw.memory_world import MemoryLog
from twgw.model import Charge, Credential, Limit
from twgw.policy import hookspecs
from twgw.policy.chain import Attachment, ChainError, Link, PolicyFailed, charges, compile_chains, first
from twgw.policy.exchange import Exchange, Problem, Request, Response
from twgw.policy.registry import Plugin


@frozen
class Settings:
    """What a made-up policy is told."""

    word: str = "x"


def attach(shadow=False, settings=None, name="p", **functions):
    """A use of a policy made of these functions."""
    module = SimpleNamespace(Settings=Settings, **functions)
    return Attachment(Plugin(name, module, "test"), settings or Settings(), shadow=shadow)


async def upstream(_exchange):
    return Response(200, body=b"upstream")


def compiled(*attachments, gateway="gateway"):
    return compile_chains(attachments, gateway, upstream)


def run(links, exchange=None, phase=first):
    """What the links of a phase answer."""
    return asyncio.run(phase(links)(exchange or Exchange(Request("GET", "/"))))


def handled(links, exchange):
    """What the pipeline makes of the links of a phase: the status of its response, and who is to blame."""
    end = Link("", lambda exchange, settings, gateway: Response(299))
    exchange.plan = SimpleNamespace(path=(*links, end), chains=SimpleNamespace(respond=()))
    handle(exchange, SimpleNamespace(log=MemoryLog()), [].append)
    return exchange.response.status


def test_an_api_without_policies_has_only_its_upstream():
    """Phases without policies do not exist; the last one is the call of the upstream itself."""
    chains = compiled()

    assert [()] * 6 == [
        chains.receive, chains.authenticate, chains.authorize, chains.throttle, chains.transform, chains.respond,
    ]  # fmt: skip
    assert b"upstream" == run(chains.forward).body
    assert not chains.protected


def test_a_row_of_policies_is_ordered_once():
    """Other settings, and other code under the same name, make a chain of their own."""
    seen = []

    def module(word):
        return SimpleNamespace(twgw_receive=hookimpl(lambda exchange, settings: seen.append((word, settings.word))))

    one, other = Plugin("p", module("one"), "test"), Plugin("p", module("other"), "test")

    for plugin, word in ((one, "a"), (one, "b"), (other, "c")):
        run(compiled(Attachment(plugin, Settings(word))).receive)

    assert [("one", "a"), ("one", "b"), ("other", "c")] == seen


@pytest.mark.parametrize("seed", range(60))
def test_the_order_is_that_of_pluggy(seed):
    """For any mixture of plain, tryfirst, trylast and wrapping policies the calls come as pluggy makes them."""
    chance = random.Random(seed)
    calls = []
    attachments = []
    for number in range(chance.randrange(1, 7)):
        kind = chance.choice(["plain", "first", "last", "wrapper", "raising", "answering"])

        def plain(exchange, n=number, kind=kind):
            calls.append(n)
            if kind == "raising":
                raise KeyError(n)
            return Response(200 + n) if kind == "answering" else None

        def wrapper(exchange, n=number):
            calls.append(("in", n))
            try:
                return (yield)
            finally:
                calls.append(("out", n))

        marks = {"first": {"tryfirst": True}, "last": {"trylast": True}, "wrapper": {"wrapper": True}}.get(kind, {})
        function = wrapper if kind == "wrapper" else plain
        attachments.append(attach(name=f"p{number}", twgw_receive=hookimpl(**marks)(function)))
    manager = pluggy.PluginManager("twgw")
    manager.add_hookspecs(hookspecs)
    for attachment in reversed(attachments):
        manager.register(attachment.plugin.module)
    exchange = Exchange(Request("GET", "/"))

    def outcome(call):
        calls.clear()
        try:
            answer = call()
        except PolicyFailed as error:
            answer = repr(error.__cause__)
        except KeyError as error:
            answer = repr(error)
        return [getattr(answer, "status", answer), list(calls)]

    expected = outcome(lambda: manager.hook.twgw_receive(exchange=exchange, settings=None, gateway=None))

    links = compiled(*attachments).receive
    assert expected == outcome(lambda: run(links, exchange))

    status, ran = outcome(lambda: handled(links, exchange))
    assert expected[1] == ran
    assert status == {type(None): 299, str: 500}.get(type(expected[0]), expected[0])


def test_a_policy_gets_the_arguments_that_it_names():
    """In any order, with its own settings and the gateway."""
    seen = []
    one = attach(
        settings=Settings("one"),
        twgw_receive=hookimpl(lambda gateway, exchange, settings: seen.append((gateway, settings.word))),
    )
    two = attach(settings=Settings("two"), twgw_receive=hookimpl(lambda exchange, settings: seen.append(settings.word)))

    run(compiled(one, two, gateway="g").receive)

    assert [("g", "one"), "two"] == seen


def test_one_policy_may_stand_twice():
    """Two uses of the same policy keep their own settings."""
    seen = []
    module = SimpleNamespace(twgw_receive=hookimpl(lambda exchange, settings: seen.append(settings.word)))
    plugin = Plugin("p", module, "test")

    run(compiled(Attachment(plugin, Settings("a")), Attachment(plugin, Settings("b"))).receive)

    assert ["a", "b"] == seen


def test_an_async_policy_is_awaited_in_its_place():
    """What comes after a policy that waits comes after its answer."""
    seen = []

    @hookimpl
    async def twgw_receive(exchange):
        await asyncio.sleep(0)
        seen.append("waited")

    chains = compiled(
        attach(twgw_receive=twgw_receive),
        attach(name="q", twgw_receive=hookimpl(lambda exchange: seen.append("after"))),
    )

    run(chains.receive)

    assert ["waited", "after"] == seen


@pytest.mark.parametrize("wrong", [SimpleNamespace(), "text", True])
def test_an_answer_of_the_wrong_kind_fails(wrong):
    """A policy may return a Response or a Problem, nothing else."""
    with pytest.raises(PolicyFailed, match="policy p failed"):
        run(compiled(attach(twgw_receive=hookimpl(lambda exchange: wrong))).receive)


def test_a_failure_names_its_policy():
    """The policy that raised is known to whoever refuses the request."""
    with pytest.raises(PolicyFailed) as caught:
        run(compiled(attach(name="culprit", twgw_authorize=hookimpl(lambda exchange: 1 / 0))).authorize)

    assert "culprit" == caught.value.policy


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (hookimpl(lambda exchange, wish: None), "wish"),
        (hookimpl(hookwrapper=True)(lambda exchange: (yield)), "wrapper=True"),
    ],
)
def test_what_does_not_fit_is_refused_at_deploy_time(function, text):
    """An argument that the hook lacks, or a wrapper of the old kind."""
    with pytest.raises(ChainError, match=text):
        compiled(attach(twgw_receive=function))


def test_an_unknown_hook_is_refused_at_deploy_time():
    """A typing error in the name of a hook is no silent nothing."""
    with pytest.raises(ChainError, match="twgw_recieve"):
        compiled(attach(twgw_recieve=hookimpl(lambda exchange: None)))


def test_the_log_cannot_be_wrapped():
    """Log hooks are independent of each other."""

    @hookimpl(wrapper=True)
    def twgw_log(exchange):
        yield

    with pytest.raises(ChainError, match="twgw_log"):
        compiled(attach(twgw_log=twgw_log))


def test_a_wrapper_that_yields_twice_fails():
    """A wrapper yields once."""

    @hookimpl(wrapper=True)
    def twgw_receive(exchange):
        yield
        yield

    with pytest.raises(PolicyFailed, match="twice"):
        run(compiled(attach(twgw_receive=twgw_receive)).receive)


def test_a_wrapper_stands_around_the_upstream():
    """A cache or a breaker needs no special place."""
    seen = []

    @hookimpl(wrapper=True)
    def twgw_forward(exchange):
        response = yield
        seen.append(response.body)
        return response

    run(compiled(attach(twgw_forward=twgw_forward)).forward)

    assert [b"upstream"] == seen


# --- shadow ---


def test_a_shadowed_refusal_is_noted_and_lets_pass():
    """Decide, note, let pass."""
    exchange = Exchange(Request("GET", "/"))
    chains = compiled(attach(shadow=True, twgw_receive=hookimpl(lambda exchange: Problem(403, "No", "because"))))

    assert run(chains.receive, exchange) is None
    assert (("p", "because"),) == exchange.shadowed


def test_a_shadowed_failure_is_noted_and_lets_pass():
    """A policy that only watches cannot refuse, whatever it does."""
    exchange = Exchange(Request("GET", "/"))

    assert run(compiled(attach(shadow=True, twgw_receive=hookimpl(lambda exchange: 1 / 0))).receive, exchange) is None
    assert "ZeroDivisionError" in exchange.shadowed[0][1]


def test_a_shadowed_authentication_never_opens_a_protected_api():
    """Neither its yes nor its no counts, and the API stays protected by the others."""
    exchange = Exchange(Request("GET", "/"))
    shadowed = attach(shadow=True, twgw_authenticate=hookimpl(lambda exchange: Credential(application="a")))
    acting = attach(name="q", twgw_authenticate=hookimpl(lambda exchange: None))
    chains = compiled(shadowed, acting)

    assert run(chains.authenticate, exchange) is None
    assert exchange.credential is None
    assert chains.protected
    assert not compiled(shadowed).protected


def test_a_shadowed_limit_has_a_counter_of_its_own():
    """Its charges are marked, hidden and counted apart."""
    shadowed = attach(shadow=True, twgw_throttle=hookimpl(lambda exchange: Charge("k", Limit(1), "gold")))

    (charge,) = run(compiled(shadowed).throttle, phase=charges)

    assert ("shadow:k", "p", True) == (charge.key, charge.shadow, charge.hidden)


def test_what_decides_nothing_is_not_called_in_shadow():
    """A shadowed policy changes neither request nor response; its log hook is called."""
    seen = []
    chains = compiled(
        attach(
            shadow=True,
            twgw_receive=hookimpl(lambda exchange: None),
            twgw_transform=hookimpl(lambda exchange: seen.append("transform")),
            twgw_respond=hookimpl(lambda exchange: seen.append("respond")),
            twgw_log=hookimpl(lambda exchange: seen.append("log")),
        )
    )

    for link in chains.log:
        link.call(Exchange(Request("GET", "/")), link.settings, link.gateway)

    assert ((), (), ["log"]) == (chains.transform, chains.respond, seen)


# --- charges ---


def test_charges_of_all_policies_are_gathered():
    """One, several, none: in order."""
    one, two, three = (Charge(key, Limit(1)) for key in "abc")
    chains = compiled(
        attach(twgw_throttle=hookimpl(lambda exchange: one)),
        attach(name="q", twgw_throttle=hookimpl(lambda exchange: None)),
        attach(name="r", twgw_throttle=hookimpl(lambda exchange: (two, three))),
    )

    assert (one, two, three) == run(chains.throttle, phase=charges)


def test_what_is_no_charge_fails():
    """A list of something else is a fault of the policy."""
    with pytest.raises(PolicyFailed, match="among charges"):
        run(compiled(attach(twgw_throttle=hookimpl(lambda exchange: ["k"]))).throttle, phase=charges)
