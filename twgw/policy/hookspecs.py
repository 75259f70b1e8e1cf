"""The hooks of twgw.  A policy is a module with functions marked ``@twgw.hookimpl``.

Each function names only the arguments it wants, of ``exchange``, ``settings`` and ``gateway``.
A hook of an exchange may be ``async def``; one that need not wait is a plain ``def`` and costs less.  One that waits
now and then is a plain ``def`` that returns its answer, or what is awaited for it.
``Answer`` is a ``Response`` or a ``Problem``; ``None`` always means "not mine, go on".
What raises fails closed: the request is refused with 500 (the log hook excepted).
Read by ``policy/chain.py``, which compiles the policies of an API with them, and by ``docs/generate.py``.
"""

from collections.abc import Iterable
from typing import Any

import pluggy

from twgw.model import Charge, Credential
from twgw.policy.exchange import Answer, Exchange
from twgw.policy.interfaces import Gateway

hookspec = pluggy.HookspecMarker("twgw")


@hookspec(firstresult=True)
def twgw_receive(exchange: Exchange, settings: Any, gateway: Gateway) -> Answer | None:
    """
    Look at a request before anybody knows who calls.

    When: the head is parsed and the route is found; nothing of the body was read.
    Return: None to go on, a Problem to refuse, a Response to answer at once.
    Several policies: the first answer is used, the others are not asked.
    Since: 0.1.
    """


@hookspec(firstresult=True)
def twgw_authenticate(exchange: Exchange, settings: Any, gateway: Gateway) -> Credential | Answer | None:
    """
    Say who calls.

    When: after every receive hook let the request pass.
    Return: a Credential when yours is there and good, a Problem when it is there and bad, None when it is not there.
    Several policies: any of them; the first that recognizes its kind of credential answers.
    When none does, the request is refused with 401 and the challenges of all (the attribute ``challenge`` of a
    policy's Settings), unless the API says ``anonymous: true``.
    Since: 0.1.
    """


@hookspec(firstresult=True)
def twgw_authorize(exchange: Exchange, settings: Any, gateway: Gateway) -> Answer | None:
    """
    Say whether the caller may do this.

    When: ``exchange.credential`` is known (or None on an API without authentication).
    Return: None to let pass, a Problem to refuse.
    Several policies: all must let pass; the first refusal is used.
    Since: 0.1.
    """


@hookspec
def twgw_throttle(
    exchange: Exchange, settings: Any, gateway: Gateway
) -> Charge | Iterable[Charge] | Answer | None:
    """
    Say what this request is charged against.

    When: the caller is known and authorized; nothing is changed yet.
    Return: a Charge or several, None for nothing, a Problem to refuse at once.
    Several policies: all charges of a request are decided together; a refused request spends none of them.
    Since: 0.1.
    """


@hookspec(firstresult=True)
def twgw_transform(exchange: Exchange, settings: Any, gateway: Gateway) -> Answer | None:
    """
    Change what goes to the upstream: ``headers``, ``query``, ``content`` of the request, ``exchange.upstream_path``.

    When: the request is admitted.  With ``request_body = True`` in the Settings class the whole body is in
    ``exchange.request.content``.
    Return: None to go on, a Problem to refuse, a Response to answer at once.
    Several policies: in the order in which they are listed; the first answer is used.
    Since: 0.1.
    """


@hookspec(firstresult=True)
def twgw_forward(exchange: Exchange, settings: Any, gateway: Gateway) -> Answer | None:
    """
    Answer in place of the upstream, or stand around the call of it (``wrapper=True``).

    When: the request is ready to be sent.
    Return: a Response to answer, None to leave it to the next; the last one is the call of the upstream.
    Several policies: the first answer is used.
    Since: 0.1.
    """


@hookspec
def twgw_respond(exchange: Exchange, settings: Any, gateway: Gateway) -> None:
    """
    Change ``exchange.response`` before its head is sent: status and headers, or another Response altogether.

    When: there is a response, whoever made it; also for refusals.
    Return: nothing.
    Several policies: all of them, in the order in which they are listed.
    Since: 0.1.
    """


@hookspec
def twgw_log(exchange: Exchange, settings: Any, gateway: Gateway) -> None:
    """
    Write down what happened.

    When: the last byte was sent, or the client left (``exchange.status`` is then 499).
    Return: nothing; what raises is logged and harms nobody.
    Several policies: all of them.
    Since: 0.1.
    """
