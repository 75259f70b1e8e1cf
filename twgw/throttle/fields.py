"""Tell a client about its limits: ``RateLimit-Policy``, ``RateLimit`` and ``Retry-After``.

The form is that of draft-ietf-httpapi-ratelimit-headers (from -08 on), in structured fields (RFC 9651).
Pure.  Called by the pipeline for each response that was charged.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import ceil

from twgw.model import Algorithm, Charge, Unit
from twgw.policy.interfaces import Decision

DEGRADED = " (degraded)"
"""Ends the name of a charge that a node decided alone, as the others could not be asked."""
LARGEST = 999_999_999_999_999
"""The largest integer that a structured field can carry (RFC 9651, 3.3.1)."""


def quoted(text: str) -> str:
    r"""A structured-field string (RFC 9651, 3.3.3); what it cannot carry becomes ``?``.

    >>> print(quoted('a "b"'))
    "a \"b\""
    """
    plain = "".join([character if " " <= character <= "~" else "?" for character in text])
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


@lru_cache(maxsize=4096)
def _constant(name: str, amount: int, period: float, of_bytes: bool) -> tuple[str, str]:
    """The member of ``RateLimit-Policy``, and the beginning of the one of ``RateLimit``."""
    label = quoted(name.removesuffix(DEGRADED))
    counted = ';qu="content-bytes"' if of_bytes else ""
    degraded = ";degraded" if name.endswith(DEGRADED) else ""
    policy = f"{label};q={min(amount, LARGEST)}{counted};w={min(max(ceil(period), 1), LARGEST)}{degraded}"
    return policy, f"{label};r="


def _constants(charge: Charge) -> tuple[str, str]:
    limit = charge.limit
    of_bytes = limit.unit is Unit.BYTES
    if limit.burst is not None and limit.algorithm is Algorithm.TOKEN_BUCKET:
        # The bucket, and how long it takes to fill: what is left of it is never more than ``q``.
        return _constant(charge.name, limit.burst, limit.burst * limit.period / limit.amount, of_bytes)
    return _constant(charge.name, limit.amount, limit.period, of_bytes)


def policy_item(charge: Charge) -> str:
    """The member of ``RateLimit-Policy`` for a charge: its name, ``q`` units in ``w`` seconds (rounded up)."""
    return _constants(charge)[0]


def _items(decision: Decision) -> tuple[str, str]:
    policy, state = _constants(decision.charge)
    left = decision.remaining
    # A refused client wants to know when it may come back, so ``t`` is not later than ``Retry-After`` then.
    seconds = decision.reset_after if decision.allowed else decision.retry_after
    return policy, f"{state}{min(LARGEST, left)};t={ceil(seconds)}"


def _nearness(decision: Decision) -> tuple[bool, int, float]:
    return decision.allowed, decision.remaining, -decision.reset_after


def lines(decisions: Sequence[Decision]) -> str:
    """The fields for a response, each ended by CRLF, nearest to empty first; none when every charge is hidden."""
    if len(decisions) == 1:
        (decision,) = decisions
        if decision.charge.hidden:
            return ""
        policies, states = _items(decision)
    else:
        shown = sorted([decision for decision in decisions if not decision.charge.hidden], key=_nearness)
        if not shown:
            return ""
        policies, states = map(", ".join, zip(*map(_items, shown), strict=True))
    return f"RateLimit-Policy: {policies}\r\nRateLimit: {states}\r\n"


def retry_after(decisions: Iterable[Decision]) -> int:
    """Whole seconds after which all refused charges could succeed, hidden ones too; at least 1."""
    return max([1, *(ceil(decision.retry_after) for decision in decisions if not decision.allowed)])
