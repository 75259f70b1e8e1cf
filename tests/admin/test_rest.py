"""Tests of twgw.admin.rest: who may do what, for every view that there is."""

import re

import pytest

from twgw.admin.rest import ROLE
from twgw.web.permissions import Permission, Role, reach

VIEWS = [view for views in ROLE for view in views.views]


def path_of(view):
    """A path of the view, of things that are not there."""
    return re.sub(r"\{[^}]*\}", "none", view.path).removeprefix("/admin/v1")


def named(view):
    return f"{view.method} {view.path}"


@pytest.fixture(scope="module")
def everybody(world_of_a_module):
    """A world with one user of each role."""
    for role in Role:
        world_of_a_module.user(f"the {role.value}", role.value)
    world_of_a_module.user("nobody")
    return world_of_a_module


@pytest.mark.parametrize("view", VIEWS, ids=named)
def test_each_role_may_what_the_table_says(everybody, view):
    """Whoever may not is refused before anything is read; whoever may gets another answer than that."""
    for role in Role:
        answer = everybody.ask(view.method, path_of(view), who=f"the {role.value}")
        may = reach([role], view.permission) is not None
        words = answer.json["detail"] if answer.status_code == 403 else ""
        assert may != (f"needs the permission {view.permission.value}" in words), (role, answer.text)


@pytest.mark.parametrize("view", VIEWS, ids=named)
def test_nobody_may_anything(everybody, view):
    """Without a login, with one that is none, and with one that has no role."""
    method, path = view.method, path_of(view)

    assert 401 == everybody.ask(method, path, who=None).status_code
    assert 401 == everybody.ask(method, path, who=None, Authorization="Bearer tw_login_x").status_code
    if view.permission is not Permission.SELF:
        assert 403 == everybody.ask(method, path, who="nobody").status_code


def test_views_have_paths_and_names_of_their_own():
    """No two answer to one request, and none is called as another."""
    assert len(VIEWS) == len({(view.method, view.path) for view in VIEWS}) == len({view.name for view in VIEWS})
