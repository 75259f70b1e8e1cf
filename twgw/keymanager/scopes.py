"""Which scopes there are, and who may be given them: what the policy ``scopes`` of served APIs asks for.  Pure.

A client gets a scope only of an API that its application is subscribed to; where a use of the policy names roles, only
for a user who has one of them.  Called by ``grants.py``.
"""

from collections.abc import Iterable, Iterator, Mapping

from twgw.model import Api, Policy

POLICY = "scopes"

Asked = Mapping[str, tuple[frozenset[str], ...]]
"""Scopes, each with the sets of roles that uses of it name; one of each set is needed."""


def asked_by(api: Api) -> Asked:
    """The scopes that an API asks for."""
    found: dict[str, tuple[frozenset[str], ...]] = {}
    for policy in _uses(api):
        roles = frozenset(policy.settings.get("roles", ()))
        for scope in policy.settings.get("scopes", ()):
            found[scope] = (*found.get(scope, ()), *([roles] if roles else []))
    return found


def _uses(api: Api) -> Iterator[Policy]:
    levels = [api.policies, *(route.policies for route in api.routes)]
    return (policy for level in levels for policy in level if policy.name == POLICY and policy.enabled)


def allowed(asked: Iterable[Asked], roles: Iterable[str]) -> frozenset[str]:
    """The scopes of some APIs that may be given to somebody with these roles."""
    had = set(roles)
    every = [(scope, needed) for one in asked for scope, needed in one.items()]
    kept = {scope for scope, needed in every if not all(had & each for each in needed)}
    return frozenset(scope for scope, _ in every if scope not in kept)
