"""One thing that ``twgw doctor`` looked at.  Used by ``cli_doctor.py`` and ``cli_doctor_cluster.py``."""

from attrs import frozen

OK, WARN, FAIL = "ok", "warn", "fail"
SKEW, GREAT_SKEW = 1.0, 5.0
"""Seconds by which clocks may differ; tokens are refused when it is much more."""


@frozen
class Finding:
    """One thing that was looked at.  ``hint`` is the way out where it is not well."""

    state: str
    what: str
    text: str
    hint: str = ""


def skewed(what: str, skew: float, then: str = "") -> Finding:
    """A finding about a clock that differs from ours by so many seconds.  ``then``: what else is the way out."""
    state = FAIL if abs(skew) > GREAT_SKEW else WARN if abs(skew) > SKEW else OK
    hint = "" if state == OK else f"run an NTP client on both machines{then}"
    return Finding(state, what, f"{abs(skew):.1f} s apart", hint)
