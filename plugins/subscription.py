"""Let only those applications call an API that subscribed to it.

A prototyped API needs no subscription (WSO2's lifecycle).  A subscription that is not accepted, or paused, is no right.
"""

from collections.abc import Awaitable

from twgw import hookimpl
from twgw.gateway.problems import unauthorized
from twgw.policy import Credential, Exchange, Gateway, Problem, Subscription
from twgw.publisher.lifecycle import EFFECTS
from twgw.store.subscriptions import ACCEPTED, allows


@hookimpl
def twgw_authorize(
    exchange: Exchange, settings: object, gateway: Gateway  # noqa: ARG001 - as it stands it is called without a detour
) -> Problem | None | Awaitable[Problem | None]:
    """Find the subscription, for the policies after this one too."""
    credential = exchange.credential
    if credential is not None and credential.application:
        found = gateway.subscriptions.find(credential.application, exchange.plan.api_id)
        if isinstance(found, Subscription):
            return _judged(exchange, credential, found)
        if found is not None:
            return _found_later(exchange, credential, found)
    return _without(exchange)


async def _found_later(
    exchange: Exchange, credential: Credential, finding: Awaitable[Subscription | None]
) -> Problem | None:
    """The same when somebody else has to be asked."""
    found = await finding
    return _without(exchange) if found is None else _judged(exchange, credential, found)


def _judged(exchange: Exchange, credential: Credential, found: Subscription) -> Problem | None:
    """What becomes of a caller with a subscription."""
    if found.state is not ACCEPTED and not allows(found.state, credential.environment):
        return Problem(403, "Subscription inactive", f"it is {found.state.value}", code=900909)
    exchange.subscription = found
    return None


def _without(exchange: Exchange) -> Problem | None:
    """What becomes of a caller without one."""
    plan = exchange.plan
    if not EFFECTS[plan.api.state].needs_subscription:
        return None
    if exchange.credential is None:
        return unauthorized(plan.chains.challenges)
    return Problem(403, "Subscription required", "the application has not subscribed to this API", code=900908)
