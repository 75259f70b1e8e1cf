"""The path of an exchange on one page: every policy and the upstream have their turn here.

Pure.  ``edge.py`` calls ``handle`` when a head came and ``log`` when the last byte was sent.  The path of a route is
one line of links, made when it is deployed.  A link that has its answer returns it; one that has to wait returns what
is awaited.  The upstream is the last one and nearly always the only one that waits: for it alone no coroutine is made.
"""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Protocol

from twgw.gateway import problems
from twgw.gateway.problems import BodyLost, BodyTooLarge, UpstreamFailed
from twgw.gateway.running import Gone, Running, run_detached
from twgw.model import Charge, Credential
from twgw.policy.chain import Chains, Link, Links, PolicyFailed, charges_in, is_awaitable, note
from twgw.policy.exchange import Exchange, Problem, Response
from twgw.policy.interfaces import Decision, Gateway, Unanswered

Answered = Callable[[BaseException | None], None]
"""What is called once, when ``exchange.response`` is there; with an exception when it never will be."""


class Waiting(Protocol):
    """The call of an upstream under way."""

    def then(self, resume: Callable[[], None]) -> None:
        """Call this when it has ended, now if it has."""

    def result(self) -> Response:
        """What it ended with.  Raises UpstreamFailed, or what the client's body raised."""


def path_of(chains: Chains, gateway: Gateway, *, anonymous: bool, body: bool) -> Links:
    """The way of a request through one route, in order; links that would do nothing are left out at deploy time.

    ``body``: whether the request has one.
    """
    path = [*chains.receive]
    if body:
        path.append(Link("", _refuse_large_body))
    path += chains.authenticate[:1]
    path += map(_unless_known, chains.authenticate[1:])
    if chains.protected and not anonymous:
        path.append(Link("", _require_credential, chains.challenges))
    path += [*chains.authorize, *chains.throttle]
    if chains.throttle:
        path.append(Link("", _take_charges, None, gateway))
    if chains.request_body:
        path.append(Link("", _gather_body))
    return (*path, *chains.transform, *chains.forward)


def handle(exchange: Exchange, gateway: Gateway, answered: Answered) -> None:
    """Take one exchange from its first policy to its response.

    While it waits, ``exchange.waits_for`` can be cancelled; then nobody is called.
    """
    plan = exchange.plan
    path = iter(plan.path if exchange.request.body is None else plan.path_with_body)
    policy = ""
    answer: Any = None
    try:
        for link in path:
            policy, call, settings, lent, may = link
            answer = call(exchange, settings, lent)
            if answer is None:
                continue
            if answer.__class__ is not may:
                if may is not Charge or not _charged(exchange, link, answer):
                    break
            elif may is Credential:
                exchange.credential = answer
            else:
                exchange.charges += (answer,)
            answer = None
        if policy and not is_awaitable(answer):
            note(exchange, link, answer)
    except Exception as error:  # noqa: BLE001 - a policy that fails, fails closed
        answer = _problem_for(error, policy, exchange, gateway)
    if hasattr(answer, "then"):
        exchange.waits_for = answer
        answer.then(partial(_arrived, exchange, gateway, answered, answer))
    elif is_awaitable(answer):
        _run(_go_on(exchange, gateway, path, link, answer), exchange, answered)
    else:
        _respond(exchange, gateway, answered, _as_response(answer, exchange, gateway))


def _charged(exchange: Exchange, link: Link, answer: Any) -> bool:
    """Whether a throttle hook returned charges, which are taken later, together."""
    if isinstance(answer, Response | Problem) or is_awaitable(answer):
        return False
    exchange.charges += charges_in(link, answer)
    return True


async def _go_on(
    exchange: Exchange, gateway: Gateway, path: Iterator[Link], link: Link, waiting: Awaitable[Any]
) -> None:
    """The rest of the path, when a policy, a limiter or the body has to be waited for."""
    answer: Any = None
    try:
        answer = await waiting
        while True:
            may = link.may
            if answer is not None:
                if may is Credential and isinstance(answer, Credential):
                    exchange.credential = answer
                elif may is not Charge or not _charged(exchange, link, answer):
                    break
            following = next(path, None)
            if following is None:
                break
            link = following
            answer = link.call(exchange, link.settings, link.gateway)
            if is_awaitable(answer):
                answer = await answer
        if link.policy:
            note(exchange, link, answer)
    except Gone:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        answer = _problem_for(error, link.policy, exchange, gateway)
    exchange.response = _as_response(answer, exchange, gateway)
    await _responded(exchange, gateway, iter(exchange.plan.chains.respond), None)


def _arrived(exchange: Exchange, gateway: Gateway, answered: Answered, call: Waiting) -> None:
    """The upstream answered, or never will."""
    exchange.waits_for = None
    try:
        response = call.result()
    except Exception as error:  # noqa: BLE001 - as above
        response = _as_response(_problem_for(error, "", exchange, gateway), exchange, gateway)
    _respond(exchange, gateway, answered, response)


def _respond(exchange: Exchange, gateway: Gateway, answered: Answered, response: Response) -> None:
    """Let the policies see the response; then it can be sent."""
    exchange.response = response
    links = iter(exchange.plan.chains.respond)
    policy = ""
    try:
        for policy, call, settings, lent, _ in links:
            waiting = call(exchange, settings, lent)
            if waiting is not None and is_awaitable(waiting):
                _run(_responded(exchange, gateway, links, waiting, policy), exchange, answered)
                return
    except Exception as error:  # noqa: BLE001 - a response that a policy did not finish is not sent
        exchange.response = _as_response(_problem_for(error, policy, exchange, gateway), exchange, gateway)
    answered(None)


async def _responded(
    exchange: Exchange, gateway: Gateway, links: Iterator[Link], waiting: Awaitable[Any] | None, policy: str = ""
) -> None:
    """Let the rest of them see it, when one has to wait."""
    try:
        if waiting is not None:
            await waiting
        for link in links:
            policy = link.policy
            waiting = link.call(exchange, link.settings, link.gateway)
            if is_awaitable(waiting):
                await waiting
    except Gone:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        exchange.response = _as_response(_problem_for(error, policy, exchange, gateway), exchange, gateway)


def _run(work: Any, exchange: Exchange, answered: Answered) -> None:
    """Run what waits in the middle of the path."""

    def ended(error: BaseException | None) -> None:
        exchange.waits_for = None
        answered(error)

    exchange.waits_for = running = Running(work, ended)
    running.start()


def _unless_known(link: Link) -> Link:
    """A further authentication: it is not asked when one before it knew who calls."""
    call = link.call

    def unless_known(exchange: Exchange, settings: Any, gateway: Gateway) -> Any:
        return call(exchange, settings, gateway) if exchange.credential is None else None

    return link._replace(call=unless_known)


def _require_credential(exchange: Exchange, challenges: tuple[str, ...], _gateway: object) -> Problem | None:
    """Refuse who showed nothing that a policy knows."""
    if exchange.credential is not None:
        return None
    exchange.refused_by, exchange.reason = "authentication", "no credential that a policy knows"
    return problems.unauthorized(challenges)


def _take_charges(exchange: Exchange, _settings: object, gateway: Gateway) -> Any:
    """Take every charge of the request, or none; shadow charges after that, each for itself."""
    charges = exchange.charges
    if not charges:
        return None
    for charge in charges:
        if charge.shadow:
            return _take_later(exchange, gateway)
    decisions = gateway.limiter.take_all(charges)
    if decisions.__class__ is not list:
        return _decided_later(exchange, decisions)  # type: ignore[arg-type]
    return _decided(exchange, decisions)


def _decided(exchange: Exchange, decisions: list[Decision]) -> Problem | None:
    exchange.decisions = decisions
    for decision in decisions:
        if not decision.allowed:
            exchange.refused_by = "rate-limit"
            exchange.reason = f"{decision.charge.name}: {decision.charge.limit.amount} used up"
            return problems.exceeded(decisions)
    return None


async def _decided_later(exchange: Exchange, deciding: Awaitable[list[Decision]]) -> Problem | None:
    return _decided(exchange, await deciding)


async def _take_later(exchange: Exchange, gateway: Gateway) -> Problem | None:
    """The same when some of the charges only watch."""
    take_all = gateway.limiter.take_all
    counted = [charge for charge in exchange.charges if not charge.shadow]
    refusal = _decided(exchange, await _now(take_all(counted))) if counted else None
    if refusal is None:
        for charge in exchange.charges:
            if charge.shadow and not (await _now(take_all([charge])))[0].allowed:
                exchange.shadowed += ((charge.shadow, f"{charge.name}: {charge.limit.amount} used up"),)
    return refusal


async def _now(decisions: list[Decision] | Awaitable[list[Decision]]) -> list[Decision]:
    return decisions if isinstance(decisions, list) else await decisions


def _refuse_large_body(exchange: Exchange, _settings: object, _gateway: object) -> Problem | None:
    """Refuse before anybody reads a byte of a body that says it is too large; watch one that does not say."""
    body, limit = exchange.request.body, exchange.request.body_limit
    if body is None or not limit:
        return None
    body.limit = limit
    size = body.received if body.length is None else body.length
    if size <= limit:
        return None
    exchange.refused_by, exchange.reason = "size-limit", f"body of {size} bytes, {limit} allowed"
    return problems.too_large()


async def _gather_body(exchange: Exchange, _settings: object, _gateway: object) -> None:
    """Wait for the whole body, for a policy that wants to see it."""
    request = exchange.request
    request.content = b"" if request.body is None else await request.body.read(request.body_limit)


def _as_response(answer: object, exchange: Exchange, gateway: Gateway) -> Response:
    if isinstance(answer, Response):
        return answer
    if isinstance(answer, Problem):
        return problems.respond_with(answer, exchange)
    error = TypeError(f"no answer, but {type(answer).__name__}")
    return problems.respond_with(_problem_for(error, "", exchange, gateway), exchange)


def _problem_for(error: Exception, policy: str, exchange: Exchange, gateway: Gateway) -> Problem:
    """What the client hears of an exception, and the log of its reason.  ``policy`` raised it, if it is named."""
    if policy and not isinstance(error, PolicyFailed):
        cause, error = error, PolicyFailed(policy, error)
        error.__cause__ = cause
    if isinstance(error, PolicyFailed) and isinstance(error.__cause__, Unanswered):
        exchange.refused_by, exchange.reason = error.policy, str(error.__cause__)
        return problems.unanswered()
    match error:
        case UpstreamFailed():
            error.__traceback__ = None  # it leads to whoever told of the error, and still holds it
            exchange.refused_by, exchange.reason = "upstream", error.detail
            return problems.of_upstream(error)
        case BodyTooLarge():
            exchange.refused_by, exchange.reason = "size-limit", "body larger than allowed"
            return problems.too_large()
        case BodyLost():
            error.__traceback__ = None  # the body keeps the error: together they would wait for the garbage collector
            exchange.refused_by, exchange.reason = "client", error.title
            return Problem(error.status, error.title, close=True)
        case _:
            exchange.refused_by = error.policy if isinstance(error, PolicyFailed) and error.policy else "gateway"
            exchange.reason = str(error)
            gateway.log.error("request refused: {reason}", reason=exchange.reason, error=error, id=exchange.id)
            return problems.failed()


def log(exchange: Exchange, gateway: Gateway) -> None:
    """Let every log policy write; what fails is logged and harms nobody."""
    for policy, call, settings, lent, _ in exchange.plan.chains.log:
        try:
            result = call(exchange, settings, lent)
            if result is not None and is_awaitable(result):
                run_detached(result, _complain(policy, gateway))
        except Exception as error:  # noqa: BLE001 - only logging may fail open
            _complain(policy, gateway)(error)


def _complain(policy: str, gateway: Gateway) -> Callable[[BaseException], None]:
    def complain(error: BaseException) -> None:
        gateway.log.error("policy {policy} could not log: {error}", policy=policy, error=error)

    return complain
