"""The policies of one API, compiled: pluggy decides the order once, a request meets only bound calls.

Called by ``gateway/deployment.py`` when an API is deployed.  A hook that pluggy does not know, an argument that the
hook does not have, or an order that it refuses fails the deployment, never a request.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from typing import Any

import attrs
import pluggy
from attrs import define, frozen

from twgw import hookimpl
from twgw.model import Charge, Credential
from twgw.policy import hookspecs
from twgw.policy.exchange import Answer, Exchange, Problem, Response
from twgw.policy.interfaces import Gateway
from twgw.policy.registry import Plugin

Phase = Callable[[Exchange], Any]
"""One phase of an API: takes the exchange and returns its answer, or a coroutine when one of its policies waits."""

DECIDING = ("twgw_receive", "twgw_authenticate", "twgw_authorize", "twgw_throttle")
"""The hooks that decide; a shadow policy's other hooks are not called, its log hook excepted."""


class PolicyFailed(Exception):
    """A policy raised, or returned what its hook may not return; the request is refused."""

    def __init__(self, policy: str, error: BaseException) -> None:
        super().__init__(f"policy {policy} failed: {type(error).__name__}: {error}")
        self.policy = policy


class ChainError(Exception):
    """A policy does not fit the hooks; said at deploy time."""


class Attachment:
    """One use of a policy.  Compared by identity, so one policy can stand twice in an API with different settings."""

    def __init__(self, plugin: Plugin, settings: object, *, shadow: bool = False) -> None:
        self.plugin = plugin
        self.settings = settings
        self.shadow = shadow
        for name in plugin.functions:  # as its own attributes: pluggy looks nowhere else
            setattr(self, name, getattr(plugin.module, name))

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.plugin.name


@frozen
class Link:
    """One function of one policy with settings and gateway bound."""

    policy: str
    call: Callable[[Exchange], Any]
    waits: bool
    """Whether ``call`` returns an awaitable."""


@frozen
class Chains:
    """The compiled phases of one route of one API; see ``policy/hookspecs.py`` for what each does."""

    receive: Phase | None
    authenticate: Phase | None
    authorize: Phase | None
    throttle: Phase | None
    transform: Phase | None
    forward: Phase
    respond: Phase | None
    log: tuple[Link, ...]
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


@define
class _UpstreamCall:
    """The core's own forward hook, in the chain like any policy's: a cache or a breaker stands around it."""

    call: Callable[[Exchange], Awaitable[Response]]

    @hookimpl(trylast=True)
    async def twgw_forward(self, exchange: Exchange) -> Response:
        """Send the request to the upstream."""
        return await self.call(exchange)


def compile_chains(
    attachments: Sequence[Attachment], gateway: Gateway, forward: Callable[[Exchange], Awaitable[Response]]
) -> Chains:
    """Compile the policies of one route, given in the order in which they run.

    Raises ChainError when a function is not a hook, wants an argument that its hook lacks, or may not be async.
    """
    manager = pluggy.PluginManager("twgw")
    manager.add_hookspecs(hookspecs)
    manager.register(_UpstreamCall(forward), "upstream")
    for number in range(len(attachments) - 1, -1, -1):  # pluggy calls what was registered last first
        attachment = attachments[number]
        try:
            manager.register(attachment, f"{number}:{attachment.name}")
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise ChainError(f"policy {attachment.name}: {error}".replace("\n", " ")) from error

    def links(hook: str) -> tuple[list[Link], list[Link]]:
        """Plain links and wrappers of a hook, in the order in which they are called."""
        plain: list[Link] = []
        wrappers: list[Link] = []
        for impl in reversed(getattr(manager.hook, hook).get_hookimpls()):
            if impl.hookwrapper:
                raise ChainError(f"policy {impl.plugin.name}: {hook}: use wrapper=True instead of hookwrapper=True")
            link = _bind(impl, hook, gateway)
            if link is not None:
                (wrappers if impl.wrapper else plain).append(link)
        return plain, wrappers

    acting = [a for a in attachments if not a.shadow]
    authenticating = [a for a in acting if "twgw_authenticate" in a.plugin.hooks]
    challenges = [getattr(a.settings, "challenge", "") for a in authenticating]
    log, log_wrappers = links("twgw_log")
    if log_wrappers:
        raise ChainError(f"policy {log_wrappers[0].policy}: twgw_log cannot be wrapped")
    return Chains(
        receive=_first(*links("twgw_receive")),
        authenticate=_first(*links("twgw_authenticate"), kinds=(Credential, Response, Problem)),
        authorize=_first(*links("twgw_authorize")),
        throttle=_charges(*links("twgw_throttle")),
        transform=_first(*links("twgw_transform")),
        forward=_first(*links("twgw_forward")) or forward,
        respond=_all(*links("twgw_respond")),
        log=tuple(log),
        request_body=any(getattr(a.settings, "request_body", False) for a in acting),
        protected=bool(authenticating),
        challenges=tuple(dict.fromkeys(challenge for challenge in challenges if challenge)),
        preflight=any(getattr(a.settings, "answers_preflight", False) for a in acting),
        secret_query=frozenset(name for a in attachments for name in getattr(a.settings, "secret_query", ())),
    )


def _bind(impl: pluggy.HookImpl, hook: str, gateway: Gateway) -> Link | None:
    plugin: Any = impl.plugin
    if isinstance(plugin, _UpstreamCall):
        return Link("", plugin.call, waits=True)
    function, name = impl.function, plugin.name
    waits = inspect.iscoroutinefunction(function)
    if inspect.isasyncgenfunction(function) or (impl.wrapper and waits):
        raise ChainError(f"policy {name}: {hook}: a wrapper is a plain generator function with one yield")
    values = {"settings": plugin.settings, "gateway": gateway}
    call = _bound(function, impl.argnames, values)
    if not plugin.shadow:
        return Link(name, call, waits)
    if hook == "twgw_log":
        return Link(name, call, waits)
    if hook not in DECIDING or impl.wrapper:
        return None
    return Link(name, _shadowed(name, hook, call, waits=waits), waits)


def _bound(function: Callable[..., Any], names: Sequence[str], values: dict[str, Any]) -> Callable[[Exchange], Any]:
    """Bind settings and gateway by position: a keyword costs twice as much at each call."""
    match tuple(names):
        case ("exchange",):
            return function
        case ("exchange", one):
            value = values[one]
            return lambda exchange: function(exchange, value)
        case ("exchange", one, two):
            first, second = values[one], values[two]
            return lambda exchange: function(exchange, first, second)
        case others:

            def call(exchange: Exchange) -> Any:
                return function(*[exchange if name == "exchange" else values[name] for name in others])

            return call


def _shadowed(policy: str, hook: str, call: Callable[[Exchange], Any], *, waits: bool) -> Callable[[Exchange], Any]:
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

    def plain(exchange: Exchange) -> Any:
        try:
            return watch(exchange, call(exchange))
        except Exception as error:  # noqa: BLE001 - a policy that only watches must not refuse
            return failed(exchange, error)

    async def waiting(exchange: Exchange) -> Any:
        try:
            return watch(exchange, await call(exchange))
        except Exception as error:  # noqa: BLE001 - as above
            return failed(exchange, error)

    return waiting if waits else plain


def _shadow_charge(policy: str, charge: Charge) -> Charge:
    return attrs.evolve(charge, key=f"shadow:{charge.key}", shadow=policy, hidden=True)


def _first(
    links: Sequence[Link], wrappers: Sequence[Link], kinds: tuple[type, ...] = (Response, Problem)
) -> Phase | None:
    """A phase whose first answer is used."""

    def checked(exchange: Exchange, policy: str, answer: Any) -> Any:
        if not isinstance(answer, kinds):
            raise PolicyFailed(policy, TypeError(f"returned {type(answer).__name__}"))
        _note(exchange, policy, answer)
        return answer

    def plain(exchange: Exchange) -> Any:
        for link in links:
            try:
                answer = link.call(exchange)
            except Exception as error:
                raise PolicyFailed(link.policy, error) from error
            if answer is not None:
                return checked(exchange, link.policy, answer)
        return None

    async def waiting(exchange: Exchange) -> Any:
        for link in links:
            try:
                answer = link.call(exchange)
                if link.waits:
                    answer = await answer
            except Exception as error:
                if not link.policy:
                    raise
                raise PolicyFailed(link.policy, error) from error
            if answer is not None:
                return checked(exchange, link.policy, answer)
        return None

    if len(links) == 1 and not links[0].policy and not wrappers:
        return links[0].call  # nothing but the call of the upstream
    return _phase(links, wrappers, plain, waiting)


def _phase(links: Sequence[Link], wrappers: Sequence[Link], plain: Phase, waiting: Phase) -> Phase | None:
    """The cheaper of two ways to run the links, within their wrappers; None when there is nothing to run."""
    if not links and not wrappers:
        return None
    run = waiting if any(link.waits for link in links) else plain
    for link in reversed(wrappers):  # the first of them is the outermost, as in pluggy
        run = _around(run, link)
    return run


def _note(exchange: Exchange, policy: str, answer: object) -> None:
    if isinstance(answer, Problem):
        exchange.refused_by = policy
        exchange.reason = answer.detail or answer.title
    elif policy and isinstance(answer, Response):
        exchange.refused_by = policy
        exchange.reason = "answered"


def _all(links: Sequence[Link], wrappers: Sequence[Link]) -> Phase | None:
    """A phase in which every policy has its turn."""

    def plain(exchange: Exchange) -> None:
        for link in links:
            try:
                link.call(exchange)
            except Exception as error:
                raise PolicyFailed(link.policy, error) from error

    async def waiting(exchange: Exchange) -> None:
        for link in links:
            try:
                result = link.call(exchange)
                if link.waits:
                    await result
            except Exception as error:
                raise PolicyFailed(link.policy, error) from error

    return _phase(links, wrappers, plain, waiting)


def _charges(links: Sequence[Link], wrappers: Sequence[Link]) -> Phase | None:
    """The phase that gathers charges: a list of them, an answer, or None when nothing is charged."""

    def gather(exchange: Exchange, policy: str, result: Any, charges: list[Charge]) -> Answer | None:
        if result.__class__ is Charge:
            charges.append(result)
        elif isinstance(result, Response | Problem):
            _note(exchange, policy, result)
            return result
        elif result is not None:
            charges.extend(_checked(result))
        return None

    def plain(exchange: Exchange) -> list[Charge] | Answer | None:
        charges: list[Charge] = []
        for link in links:
            try:
                answer = gather(exchange, link.policy, link.call(exchange), charges)
            except Exception as error:
                raise PolicyFailed(link.policy, error) from error
            if answer is not None:
                return answer
        return charges or None

    async def waiting(exchange: Exchange) -> list[Charge] | Answer | None:
        charges: list[Charge] = []
        for link in links:
            try:
                result = link.call(exchange)
                if link.waits:
                    result = await result
                answer = gather(exchange, link.policy, result, charges)
            except Exception as error:
                raise PolicyFailed(link.policy, error) from error
            if answer is not None:
                return answer
        return charges or None

    return _phase(links, wrappers, plain, waiting)


def _checked(charges: Iterable[Any]) -> list[Charge]:
    found = list(charges)
    for charge in found:
        if not isinstance(charge, Charge):
            raise TypeError(f"returned {type(charge).__name__} among charges")
    return found


def _around(inner: Phase, link: Link) -> Phase:
    async def run(exchange: Exchange) -> Any:
        wrapper: Generator[None, Any, Any] = link.call(exchange)
        try:
            next(wrapper)
        except StopIteration:
            raise PolicyFailed(link.policy, TypeError("the wrapper did not yield")) from None
        except Exception as error:
            raise PolicyFailed(link.policy, error) from error
        thrown: BaseException | None = None
        result = None
        try:
            result = inner(exchange)
            if isinstance(result, Coroutine):
                result = await result
        except BaseException as error:  # noqa: BLE001 - handed to the wrapper, as pluggy does
            thrown = error
        try:
            if thrown is None:
                wrapper.send(result)
            else:
                wrapper.throw(thrown)
        except StopIteration as end:
            return end.value
        except Exception as error:
            if error is thrown:
                raise
            raise PolicyFailed(link.policy, error) from error
        wrapper.close()
        raise PolicyFailed(link.policy, TypeError("the wrapper yielded twice"))

    return run
