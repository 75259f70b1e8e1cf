"""Tests of twgw.keymanager.scopes."""

from twgw.keymanager.scopes import allowed, asked_by
from twgw.model import Api, Policy, Route


def uses(scopes, roles=(), **more):
    return Policy("scopes", {"scopes": scopes, **({"roles": roles} if roles else {})}, **more)


def api(*policies, routes=()):
    return Api("pets", "1", "/pets", policies=policies, routes=tuple(Route(f"/{n}", policies=(p,)) for n, p in routes))


def test_scopes_are_those_that_policies_ask_for():
    """On the API and on its routes; a use that is switched off asks for nothing."""
    found = asked_by(api(uses(["a"]), uses(["off"], enabled=False), Policy("cors"), routes=[("x", uses(["b", "c"]))]))

    assert {"a": (), "b": (), "c": ()} == found


def test_a_scope_of_some_roles_is_for_users_who_have_one():
    """A client for itself has none."""
    asked = asked_by(api(uses(["read"]), uses(["write"], ["editor", "chief"])))

    assert {"read"} == allowed([asked], ())
    assert {"read"} == allowed([asked], ("reader",))
    assert {"read", "write"} == allowed([asked], ("chief",))


def test_where_two_name_roles_both_must_be_content():
    """Within an API and between APIs."""
    one = asked_by(api(uses(["write"], ["editor"]), routes=[("x", uses(["write"], ["chief"]))]))
    other = asked_by(api(uses(["write"], ["auditor"])))

    assert set() == allowed([one], ("editor",))
    assert {"write"} == allowed([one], ("editor", "chief"))
    assert set() == allowed([one, other], ("editor", "chief"))
    assert {"write"} == allowed([one, other], ("editor", "chief", "auditor"))


def test_without_apis_there_are_no_scopes():
    """Nobody gets what nothing asks for."""
    assert set() == allowed([], ("admin",))
