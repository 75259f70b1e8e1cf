"""The path of an exchange on one page: every policy and the upstream have their turn here.

Pure: what has to wait is awaited through the plan's chains.  ``edge.py`` runs ``handle`` when a head came and
``log`` when the last byte was sent.
"""

from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any

from twgw.gateway import problems
from twgw.gateway.problems import BodyLost, BodyTooLarge, UpstreamFailed
from twgw.gateway.running import Gone, run_detached
from twgw.model import Credential
from twgw.policy.chain import Chains, PolicyFailed
from twgw.policy.exchange import Answer, Exchange, Problem, Response
from twgw.policy.interfaces import Decision, Gateway, Unanswered

Step = Callable[[Exchange], Any]
"""One step of the path: returns an answer, None to go on, or a coroutine that will."""


def path_of(chains: Chains, gateway: Gateway, *, anonymous: bool) -> tuple[Step, ...]:
    """The way of a request through one route, in order; steps that would do nothing are left out at deploy time."""
    steps = (
        chains.receive,
        _refuse_large_body,
        _authentication(chains, anonymous=anonymous),
        chains.authorize,
        _throttling(chains, gateway),
        _gather_body if chains.request_body else None,
        chains.transform,
        chains.forward,
    )
    return tuple(step for step in steps if step is not None)


async def handle(exchange: Exchange, gateway: Gateway) -> None:
    """Take one exchange from its first policy to its response.  Raises only Gone, when the client left."""
    plan = exchange.plan
    try:
        answer = None
        for step in plan.path:
            answer = step(exchange)
            if answer.__class__ is CoroutineType:
                answer = await answer
            if answer is not None:
                break
        exchange.response = answer if answer.__class__ is Response else _as_response(answer, exchange)
    except Gone:
        raise
    except Exception as error:  # noqa: BLE001 - a policy that fails, fails closed
        exchange.response = _as_response(_problem_for(error, exchange, gateway), exchange)
    respond = plan.chains.respond
    if respond is None:
        return
    try:
        result = respond(exchange)
        if result is not None:
            await result
    except Gone:
        raise
    except Exception as error:  # noqa: BLE001 - as above: a response that a policy did not finish is not sent
        exchange.response = _as_response(_problem_for(error, exchange, gateway), exchange)


def _authentication(chains: Chains, *, anonymous: bool) -> Step | None:
    """Remember who calls, or say why nobody does."""
    authenticate = chains.authenticate
    if authenticate is None:
        return None
    required = chains.protected and not anonymous

    def settle(exchange: Exchange, found: Any) -> Answer | None:
        if found.__class__ is Credential:
            exchange.credential = found
            return None
        if found is None and required:
            exchange.refused_by, exchange.reason = "authentication", "no credential that a policy knows"
            return problems.unauthorized(chains.challenges)
        answer: Answer | None = found
        return answer

    async def settle_later(exchange: Exchange, finding: Any) -> Answer | None:
        return settle(exchange, await finding)

    def step(exchange: Exchange) -> Any:
        found = authenticate(exchange)
        return (settle_later if found.__class__ is CoroutineType else settle)(exchange, found)

    return step


def _throttling(chains: Chains, gateway: Gateway) -> Step | None:
    """Take every charge of the request, or none; shadow charges after that, each for itself."""
    throttle = chains.throttle
    if throttle is None:
        return None
    take_all = gateway.limiter.take_all

    def settle(exchange: Exchange, decisions: list[Decision]) -> Problem | None:
        exchange.decisions = decisions
        for decision in decisions:
            if not decision.allowed:
                exchange.refused_by = "rate-limit"
                exchange.reason = f"{decision.charge.name}: {decision.charge.limit.amount} used up"
                return problems.exceeded(decisions)
        return None

    async def settle_later(exchange: Exchange, charges: Any) -> Answer | None:
        """The same when a policy or the limiter has to wait, or a policy only watches."""
        if charges.__class__ is CoroutineType:
            charges = await charges
        if charges.__class__ is not list:
            answer: Answer | None = charges
            return answer
        counted = [charge for charge in charges if not charge.shadow]
        refusal = settle(exchange, await _now(take_all(counted))) if counted else None
        if refusal is None:
            for charge in charges:
                if charge.shadow and not (await _now(take_all([charge])))[0].allowed:
                    exchange.shadowed += ((charge.shadow, f"{charge.name}: {charge.limit.amount} used up"),)
        return refusal

    def step(exchange: Exchange) -> Any:
        charges = throttle(exchange)
        if charges.__class__ is not list:
            return settle_later(exchange, charges) if charges.__class__ is CoroutineType else charges
        for charge in charges:
            if charge.shadow:
                return settle_later(exchange, charges)
        decisions = take_all(charges)
        if not isinstance(decisions, list):
            return _settle_decided(exchange, decisions, settle)
        return settle(exchange, decisions)

    return step


async def _settle_decided(
    exchange: Exchange, deciding: Awaitable[list[Decision]], settle: Callable[[Exchange, list[Decision]], Any]
) -> Problem | None:
    refusal: Problem | None = settle(exchange, await deciding)
    return refusal


async def _now(decisions: list[Decision] | Awaitable[list[Decision]]) -> list[Decision]:
    return decisions if isinstance(decisions, list) else await decisions


def _refuse_large_body(exchange: Exchange) -> Problem | None:
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


async def _gather_body(exchange: Exchange) -> None:
    """Wait for the whole body, for a policy that wants to see it."""
    request = exchange.request
    request.content = b"" if request.body is None else await request.body.read(request.body_limit)


def _as_response(answer: object, exchange: Exchange) -> Response:
    if answer.__class__ is Response:
        return answer
    if isinstance(answer, Problem):
        return problems.respond_with(answer, exchange)
    raise TypeError(f"no answer, but {type(answer).__name__}")


def _problem_for(error: Exception, exchange: Exchange, gateway: Gateway) -> Problem:
    """What the client hears of an exception, and the log of its reason."""
    if isinstance(error, PolicyFailed) and isinstance(error.__cause__, Unanswered):
        exchange.refused_by, exchange.reason = error.policy, str(error.__cause__)
        return problems.unanswered()
    match error:
        case UpstreamFailed():
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
            exchange.refused_by = error.policy if isinstance(error, PolicyFailed) else "gateway"
            exchange.reason = str(error)
            gateway.log.error("request refused: {reason}", reason=exchange.reason, error=error, id=exchange.id)
            return problems.failed()


def log(exchange: Exchange, gateway: Gateway) -> None:
    """Let every log policy write; what fails is logged and harms nobody."""
    for link in exchange.plan.chains.log:
        try:
            result = link.call(exchange)
            if link.waits:
                run_detached(result, _complain(link.policy, gateway))
        except Exception as error:  # noqa: BLE001 - only logging may fail open
            _complain(link.policy, gateway)(error)


def _complain(policy: str, gateway: Gateway) -> Callable[[BaseException], None]:
    def complain(error: BaseException) -> None:
        gateway.log.error("policy {policy} could not log: {error}", policy=policy, error=error)

    return complain
