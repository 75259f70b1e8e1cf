"""Let only those applications call an API that subscribed to it.

A prototyped API needs no subscription (WSO2's lifecycle).  A subscription that is not accepted, or paused, is no right.
"""

from twgw import hookimpl
from twgw.gateway.problems import unauthorized
from twgw.policy import Exchange, Gateway, Problem, Subscription
from twgw.publisher.lifecycle import EFFECTS
from twgw.store.subscriptions import ACCEPTED, allows


@hookimpl
async def twgw_authorize(exchange: Exchange, gateway: Gateway) -> Problem | None:
    """Find the subscription, for the policies after this one too."""
    plan, credential = exchange.plan, exchange.credential
    if credential is not None and credential.application:
        found = gateway.subscriptions.find(credential.application, plan.api_id)
        if not (found is None or isinstance(found, Subscription)):
            found = await found
        if found is not None:
            if found.state is not ACCEPTED and not allows(found.state, credential.environment):
                return Problem(403, "Subscription inactive", f"it is {found.state.value}", code=900909)
            exchange.subscription = found
            return None
    if not EFFECTS[plan.api.state].needs_subscription:
        return None
    if credential is None:
        return unauthorized(plan.chains.challenges)
    return Problem(403, "Subscription required", "the application has not subscribed to this API", code=900908)
