"""The path of an exchange on one page: every policy and the upstream have their turn here.

Pure: what has to wait is awaited through the plan's chains.  ``edge.py`` runs ``handle`` when a head came and
``log`` when the last byte was sent.
"""

from collections.abc import Awaitable, Callable

from twgw.gateway import problems
from twgw.gateway.problems import BodyLost, BodyTooLarge, UpstreamFailed
from twgw.gateway.running import Gone, run_detached
from twgw.model import Charge, Credential
from twgw.policy.chain import Chains, PolicyFailed
from twgw.policy.exchange import Answer, Exchange, Problem, Response
from twgw.policy.interfaces import Decision, Gateway


async def handle(exchange: Exchange, gateway: Gateway) -> None:
    """Take one exchange from its first policy to its response.  Raises only Gone, when the client left."""
    chains: Chains = exchange.plan.chains
    try:
        answer = (
            await chains.receive(exchange)
            or _body_too_large(exchange)
            or await _authenticate(exchange, chains)
            or await chains.authorize(exchange)
            or await _throttle(exchange, chains, gateway)
            or await _gather_body(exchange, chains)
            or await chains.transform(exchange)
            or await chains.forward(exchange)
        )
        exchange.response = _as_response(answer, exchange)
    except Gone:
        raise
    except Exception as error:  # noqa: BLE001 - a policy that fails, fails closed
        exchange.response = _as_response(_problem_for(error, exchange, gateway), exchange)
    try:
        await chains.respond(exchange)
    except Gone:
        raise
    except Exception as error:  # noqa: BLE001 - as above: a response that a policy did not finish is not sent
        exchange.response = _as_response(_problem_for(error, exchange, gateway), exchange)


async def _authenticate(exchange: Exchange, chains: Chains) -> Answer | None:
    """Remember who calls, or say why nobody does."""
    found = await chains.authenticate(exchange)
    if found.__class__ is Credential:
        exchange.credential = found
        return None
    if found is None and chains.protected and not exchange.plan.anonymous:
        exchange.refused_by, exchange.reason = "authentication", "no credential that a policy knows"
        return problems.unauthorized(chains.challenges)
    answer: Answer | None = found
    return answer


async def _throttle(exchange: Exchange, chains: Chains, gateway: Gateway) -> Answer | None:
    """Take every charge of the request, or none; shadow charges after that, each for itself."""
    charges = await chains.throttle(exchange)
    if charges is None or charges.__class__ is not list:
        answer: Answer | None = charges
        return answer
    watched = [charge for charge in charges if charge.shadow]
    if watched:
        charges = [charge for charge in charges if not charge.shadow]
    if charges:
        decisions = exchange.decisions = await _decide(charges, gateway)
        for decision in decisions:
            if not decision.allowed:
                exchange.refused_by = "rate-limit"
                exchange.reason = f"{decision.charge.name}: {decision.charge.limit.amount} used up"
                return problems.exceeded(decisions)
    for charge in watched:
        for decision in await _decide([charge], gateway):
            if not decision.allowed:
                exchange.shadowed += ((charge.shadow, f"{charge.name}: {charge.limit.amount} used up"),)
    return None


async def _decide(charges: list[Charge], gateway: Gateway) -> list[Decision]:
    decisions = gateway.limiter.take_all(charges)
    return decisions if isinstance(decisions, list) else await decisions


def _body_too_large(exchange: Exchange) -> Problem | None:
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


async def _gather_body(exchange: Exchange, chains: Chains) -> None:
    """Wait for the whole body when a policy wants to see it."""
    request = exchange.request
    if chains.request_body:
        request.content = b"" if request.body is None else await request.body.read(request.body_limit)


def _as_response(answer: object, exchange: Exchange) -> Response:
    if answer.__class__ is Response:
        return answer  # type: ignore[return-value]
    if isinstance(answer, Problem):
        return problems.respond_with(answer, exchange)
    raise TypeError(f"no answer, but {type(answer).__name__}")


def _problem_for(error: Exception, exchange: Exchange, gateway: Gateway) -> Problem:
    """What the client hears of an exception, and the log of its reason."""
    match error:
        case UpstreamFailed():
            exchange.refused_by, exchange.reason = "upstream", error.detail
            return problems.of_upstream(error)
        case BodyTooLarge():
            exchange.refused_by, exchange.reason = "size-limit", "body larger than allowed"
            return problems.too_large()
        case BodyLost():
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


Handle = Callable[[Exchange, Gateway], Awaitable[None]]
