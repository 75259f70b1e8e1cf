"""The policies of one API, compiled: pluggy decides the order once, a request meets only bound calls.

Called by ``gateway/deployment.py`` when an API is deployed.  A hook that pluggy does not know, an argument that the
hook does not have, or an order that it refuses fails the deployment, never a request.
"""

import inspect
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from functools import lru_cache
from types import CoroutineType
from typing import Any, NamedTuple

import attrs
import pluggy
from attrs import define, field, frozen

from twgw import hookimpl
from twgw.model import Charge, Credential
from twgw.policy import hookspecs
from twgw.policy.exchange import Exchange, Problem, Response
from twgw.policy.interfaces import Gateway
from twgw.policy.registry import Plugin

Phase = Callable[[Exchange], Awaitable[Any]]
"""One phase within its wrappers."""

DECIDING = ("twgw_receive", "twgw_authenticate", "twgw_authorize", "twgw_throttle")
"""The hooks that decide; a shadow policy's other hooks are not called, its log hook excepted."""


ROWS = 1000
"""Rows of policies whose order is remembered."""


class PolicyFailed(Exception):
    """A policy raised, or returned what its hook may not return; the request is refused."""

    def __init__(self, policy: str, error: BaseException) -> None:
        super().__init__(f"policy {policy} failed: {type(error).__name__}: {error}")
        self.policy = policy


class ChainError(Exception):
    """A policy does not fit the hooks; said at deploy time."""


@define(eq=False)
class Attachment:
    """One use of a policy.  Compared by identity, so one policy can stand twice in an API with different settings."""

    plugin: Plugin
    settings: object
    shadow: bool = field(default=False, kw_only=True)

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.plugin.name


class Link(NamedTuple):
    """One function of one policy, as the pipeline calls it: ``call(exchange, settings, gateway)``."""

    policy: str
    """Who is to blame when it fails; empty for parts of the gateway."""
    call: Callable[[Exchange, Any, Any], Any]
    """Returns None, an answer, what ``may`` says, or what has to be awaited for one of these."""
    settings: Any = None
    gateway: Any = None
    may: type | None = None
    """What it may return beside an answer: a Credential, or Charges."""

    def __repr__(self) -> str:
        return f"Link({self.policy!r})"  # settings may hold secrets


Links = tuple[Link, ...]


@frozen
class Chains:
    """The compiled phases of one route of one API; see ``policy/hookspecs.py`` for what each does."""

    receive: Links
    authenticate: Links
    authorize: Links
    throttle: Links
    transform: Links
    forward: Links
    respond: Links
    log: Links
    request_body: bool
    """Whether a policy wants the whole request body."""
    protected: bool
    """Whether a policy authenticates."""
    challenges: tuple[str, ...]
    """Values for WWW-Authenticate, one for each scheme."""
    preflight: bool
    """Whether a policy answers CORS preflights (``answers_preflight = True`` in its Settings)."""
    secret_query: frozenset[str]
    """Query parameters that hold secrets (``secret_query`` of a policy's Settings); never to be written down."""


class _Place:
    """A policy in a row of them, as pluggy is shown it.  Compared by identity: one may stand there twice."""

    def __init__(self, plugin: Plugin, at: int) -> None:
        self.plugin = plugin
        self.at = at
        for name in plugin.functions:
            setattr(self, name, getattr(plugin.module, name))

    def __dir__(self) -> tuple[str, ...]:
        """Where pluggy looks for implementations: it takes long over each name."""
        return self.plugin.functions


class _Upstream:
    """The core's own forward hook, in the row like any policy's: a cache or a breaker stands around it."""

    def __dir__(self) -> tuple[str, ...]:
        return ("twgw_forward",)

    @hookimpl(trylast=True)
    def twgw_forward(self, exchange: Exchange) -> None:
        """Send the request to the upstream: what does is different for each route."""


@lru_cache(maxsize=ROWS)
def _ordered(plugins: tuple[Plugin, ...]) -> Mapping[str, tuple[pluggy.HookImpl, ...]]:
    """What implements each hook in a row of policies, in the order in which it is called.  Raises ChainError.

    Pluggy decides that, and takes milliseconds; the same row is found at many APIs, with other settings.
    """
    manager = pluggy.PluginManager("twgw")
    manager.add_hookspecs(hookspecs)
    manager.register(_Upstream(), "upstream")
    for at in range(len(plugins) - 1, -1, -1):  # pluggy calls what was registered last first
        name = plugins[at].name
        try:
            manager.register(_Place(plugins[at], at), f"{at}:{name}")
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise ChainError(f"policy {name}: {error}".replace("\n", " ")) from error
    return {hook: tuple(reversed(caller.get_hookimpls())) for hook, caller in vars(manager.hook).items()}


def compile_chains(
    attachments: Sequence[Attachment], gateway: Gateway, forward: Callable[[Exchange], Awaitable[Response]]
) -> Chains:
    """Compile the policies of one route, given in the order in which they run.

    Raises ChainError when a function is not a hook, wants an argument that its hook lacks, or may not be async.
    """
    ordered = _ordered(tuple(attachment.plugin for attachment in attachments))

    def links(hook: str, phase: Callable[[Links], Phase] = first, may: type | None = None) -> Links:
        """The links of a hook, in the order in which they are called; those within wrappers are one."""
        plain: list[Link] = []
        wrappers: list[Link] = []
        for impl in ordered[hook]:
            place: Any = impl.plugin
            if isinstance(place, _Upstream):
                plain.append(Link("", lambda exchange, _settings, _gateway: forward(exchange)))
                continue
            link = _bind(impl, attachments[place.at], hook, gateway, may)
            if link is not None:
                (wrappers if impl.wrapper else plain).append(link)
        if not wrappers:
            return tuple(plain)
        if hook == "twgw_log":
            raise ChainError(f"policy {wrappers[0].policy}: twgw_log cannot be wrapped")
        run = phase(tuple(plain))
        for wrapper in reversed(wrappers):  # the first of them is the outermost, as in pluggy
            run = _around(run, wrapper)
        return (Link("", lambda exchange, _settings, _gateway: run(exchange), may=may),)

    acting = [a for a in attachments if not a.shadow]
    authenticating = [a for a in acting if "twgw_authenticate" in a.plugin.hooks]
    challenges = [getattr(a.settings, "challenge", "") for a in authenticating]
    return Chains(
        receive=links("twgw_receive"),
        authenticate=links("twgw_authenticate", may=Credential),
        authorize=links("twgw_authorize"),
        throttle=links("twgw_throttle", charges, Charge),
        transform=links("twgw_transform"),
        forward=links("twgw_forward"),
        respond=links("twgw_respond", everybody),
        log=links("twgw_log"),
        request_body=any(getattr(a.settings, "request_body", False) for a in acting),
        protected=bool(authenticating),
        challenges=tuple(dict.fromkeys(challenge for challenge in challenges if challenge)),
        preflight=any(getattr(a.settings, "answers_preflight", False) for a in acting),
        secret_query=frozenset(name for a in attachments for name in getattr(a.settings, "secret_query", ())),
    )


def _bind(
    impl: pluggy.HookImpl, attachment: Attachment, hook: str, gateway: Gateway, may: type | None
) -> Link | None:
    function, name = impl.function, attachment.name
    if impl.hookwrapper:
        raise ChainError(f"policy {name}: {hook}: use wrapper=True instead of hookwrapper=True")
    if inspect.isasyncgenfunction(function) or (impl.wrapper and inspect.iscoroutinefunction(function)):
        raise ChainError(f"policy {name}: {hook}: a wrapper is a plain generator function with one yield")
    function = _with_all(function, impl.argnames)
    if attachment.shadow and hook != "twgw_log":
        if hook not in DECIDING or impl.wrapper:
            return None
        function = _shadowed(name, hook, function)
    return Link(name, function, attachment.settings, gateway, may)


def _with_all(function: Callable[..., Any], names: Sequence[str]) -> Callable[[Exchange, Any, Any], Any]:
    """A function that takes every argument of an exchange's hook, by position: keywords cost twice as much."""
    match tuple(names):
        case ("exchange", "settings", "gateway"):
            return function
        case ("exchange", "settings"):
            return lambda exchange, settings, _gateway: function(exchange, settings)
        case ("exchange",):
            return lambda exchange, _settings, _gateway: function(exchange)
        case others:

            def call(exchange: Exchange, settings: Any, gateway: Gateway) -> Any:
                values = {"exchange": exchange, "settings": settings, "gateway": gateway}
                return function(*[values[name] for name in others])

            return call


def _shadowed(
    policy: str, hook: str, call: Callable[[Exchange, Any, Any], Any]
) -> Callable[[Exchange, Any, Any], Any]:
    """A deciding call that only watches: its refusal is noted, its charges are taken from counters of their own."""

    def watch(exchange: Exchange, answer: Any) -> Any:
        if isinstance(answer, Problem):
            exchange.shadowed += ((policy, answer.detail or answer.title),)
        elif isinstance(answer, Charge):
            return _shadow_charge(policy, answer)
        elif answer is None:
            if hook == "twgw_authenticate" and exchange.credential is None:
                exchange.shadowed += ((policy, "no credential of its kind"),)
        elif not isinstance(answer, Response | Credential):
            return [_shadow_charge(policy, charge) for charge in answer]
        return None

    def failed(exchange: Exchange, error: Exception) -> None:
        exchange.shadowed += ((policy, f"failed: {type(error).__name__}: {error}"),)

    def watched(exchange: Exchange, settings: Any, gateway: Gateway) -> Any:
        try:
            answer = call(exchange, settings, gateway)
            return waited(exchange, answer) if is_awaitable(answer) else watch(exchange, answer)
        except Exception as error:  # noqa: BLE001 - a policy that only watches must not refuse
            return failed(exchange, error)

    async def waited(exchange: Exchange, answer: Awaitable[Any]) -> Any:
        try:
            return watch(exchange, await answer)
        except Exception as error:  # noqa: BLE001 - as above
            return failed(exchange, error)

    return watched


def _shadow_charge(policy: str, charge: Charge) -> Charge:
    return attrs.evolve(charge, key=f"shadow:{charge.key}", shadow=policy, hidden=True)


def is_awaitable(answer: object) -> bool:
    """Whether a call has to wait for its answer: a coroutine, a Deferred, the call of an upstream."""
    return answer.__class__ is CoroutineType or hasattr(answer, "__await__")


async def _answer_of(link: Link, exchange: Exchange) -> Any:
    """What a link answers in the end.  Raises PolicyFailed."""
    try:
        answer = link.call(exchange, link.settings, link.gateway)
        return await answer if is_awaitable(answer) else answer
    except Exception as error:
        if not link.policy:
            raise  # not a policy's
        raise PolicyFailed(link.policy, error) from error


def note(exchange: Exchange, link: Link, answer: object) -> None:
    """Remember who answered and why.  Raises PolicyFailed for what is no answer."""
    policy = link.policy
    if isinstance(answer, Problem):
        if policy:
            exchange.refused_by, exchange.reason = policy, answer.detail or answer.title
    elif not isinstance(answer, Response):
        raise PolicyFailed(policy, TypeError(f"returned {type(answer).__name__}"))
    elif policy:
        exchange.refused_by, exchange.reason = policy, "answered"


def charges_in(link: Link, answer: Any) -> tuple[Charge, ...]:
    """The charges in what a throttle hook returned.  Raises PolicyFailed for anything else."""
    if isinstance(answer, Charge):
        return (answer,)
    try:
        found = tuple(answer)
    except TypeError as error:
        raise PolicyFailed(link.policy, TypeError(f"returned {type(answer).__name__}")) from error
    for charge in found:
        if not isinstance(charge, Charge):
            raise PolicyFailed(link.policy, TypeError(f"returned {type(charge).__name__} among charges"))
    return found


# What is within wrappers is run as a whole; the pipeline itself runs links one by one.


def first(links: Links) -> Phase:
    """A phase whose first answer is used."""

    async def phase(exchange: Exchange) -> Any:
        for link in links:
            answer = await _answer_of(link, exchange)
            if answer is not None:
                if link.may is None or not isinstance(answer, link.may):
                    note(exchange, link, answer)
                return answer
        return None

    return phase


def everybody(links: Links) -> Phase:
    """A phase in which every policy has its turn."""

    async def phase(exchange: Exchange) -> None:
        for link in links:
            await _answer_of(link, exchange)

    return phase


def charges(links: Links) -> Phase:
    """The phase that gathers charges: a tuple of them, or the first answer."""

    async def phase(exchange: Exchange) -> Any:
        gathered: tuple[Charge, ...] = ()
        for link in links:
            answer = await _answer_of(link, exchange)
            if isinstance(answer, Response | Problem):
                note(exchange, link, answer)
                return answer
            if answer is not None:
                gathered += charges_in(link, answer)
        return gathered or None

    return phase


def _around(inner: Phase, link: Link) -> Phase:
    async def run(exchange: Exchange) -> Any:
        wrapper: Generator[None, Any, Any] = link.call(exchange, link.settings, link.gateway)
        try:
            next(wrapper)
        except StopIteration:
            raise PolicyFailed(link.policy, TypeError("the wrapper did not yield")) from None
        except Exception as error:
            raise PolicyFailed(link.policy, error) from error
        thrown: BaseException | None = None
        result = None
        try:
            result = await inner(exchange)
        except BaseException as error:  # noqa: BLE001 - handed to the wrapper, as pluggy does
            thrown = error
        try:
            if thrown is None:
                wrapper.send(result)
            else:
                wrapper.throw(thrown)
        except StopIteration as end:
            if end.value is not result and isinstance(end.value, Problem | Response):
                note(exchange, link, end.value)
            return end.value
        except Exception as error:
            if error is thrown:
                raise
            raise PolicyFailed(link.policy, error) from error
        wrapper.close()
        raise PolicyFailed(link.policy, TypeError("the wrapper yielded twice"))

    return run
