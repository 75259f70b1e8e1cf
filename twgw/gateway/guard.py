"""What every request meets before anything else: may this gateway trust what it knows, and is the caller blocked?

Put into the ways of a deployment by ``follower.py``; where there is nothing to meet, they are as they were compiled.
"""

from collections.abc import Callable, Mapping

import attrs

from twgw.gateway import problems
from twgw.gateway.blocks import Blocks, Check
from twgw.gateway.deployment import Compiled
from twgw.gateway.pipeline import path_of
from twgw.gateway.stale import serve, served_stale
from twgw.model import Isolated
from twgw.policy.chain import Link, Links
from twgw.policy.exchange import Exchange, Problem
from twgw.policy.interfaces import Gateway


def guard(
    compiled: Mapping[str, Compiled], gateway: Gateway, blocks: Blocks, trusted: Callable[[], bool] | None = None
) -> None:
    """Let every request meet what is blocked: addresses and APIs before callers are looked for, callers right after.

    To be called for all that is new as long as there are blocks, for everything when these are others, and once when
    the last one is gone.  In a cluster for all that is new: first of all, in the turn in which its way is chosen, a
    request meets ``trusted``, which says whether what is in force here is so everywhere.  All that it meets later is at
    least as new.  An API that chose so is served all the same: that is counted, and the answer says so.
    """
    of_callers = blocks.of_callers()
    refuses: Links = ()
    serves: Links = ()
    if trusted is not None:
        refuses, serves = (Link("", _isolated, trusted),), (Link("", serve, trusted, served_stale(gateway)),)
    for each in compiled.values():
        leased = serves if each.api.when_isolated is Isolated.STALE else refuses
        at_the_door = blocks.at_the_door(each.api.id)
        for plan in each.plans:
            chains = attrs.evolve(
                plan.chains,
                receive=(*leased, *plan.chains.receive),
                authenticate=_after(at_the_door, plan.chains.authenticate),
                authorize=_after(of_callers, plan.chains.authorize),
            )
            anonymous = plan.api.anonymous
            plan.path = path_of(chains, gateway, anonymous=anonymous, body=False)
            plan.path_with_body = path_of(chains, gateway, anonymous=anonymous, body=True)


def _isolated(exchange: Exchange, trusted: Callable[[], bool], _gateway: object) -> Problem | None:
    if trusted():
        return None
    exchange.refused_by, exchange.reason = "lease", "the gateway is cut off from its cluster"
    return problems.isolated()


def _after(check: Check | None, links: Links) -> Links:
    """The links of a phase behind a check, where there is one."""
    return links if check is None else (Link("", lambda exchange, _settings, _gateway: check(exchange)), *links)
