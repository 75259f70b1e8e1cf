"""twgw, an API gateway cluster on Twisted.

A policy imports ``hookimpl`` from here and everything else from ``twgw.policy``.
"""

import pluggy

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("twgw")
"""Marks a function of a policy as the implementation of the hook of that name."""

__all__ = ["__version__", "hookimpl"]
