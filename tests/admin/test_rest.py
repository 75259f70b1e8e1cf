"""Tests of twgw.admin.rest: who may do what, for every view that there is, below every prefix."""

import re
from collections import Counter

import pytest

from tests.databases import sqlite_copy
from tests.rest import PREFIXES, World
from twgw import control
from twgw.admin.rest import ROLE
from twgw.admin.service import VIEWS as OF_ADMINS
from twgw.web.permissions import Permission, Role, reach

VIEWS = [view for views in (*OF_ADMINS, *control.views_of(control.ROLES)) for view in views.views]
GUARDED = [view for view in VIEWS if view.permission is not Permission.ANYONE]


def path_of(view):
    """A path of the view, of things that are not there."""
    return re.sub(r"\{[^}]*\}", "none", view.path)


def named(view):
    return f"{view.method} {view.path}"


@pytest.fixture(scope="module")
def everybody(template, memory):
    """A world with one user of each role."""
    with sqlite_copy(template, memory) as database:
        world = World(database)
        for role in Role:
            world.user(f"the {role.value}", role.value)
        world.user("nobody")
        yield world


@pytest.mark.parametrize("view", [view for view in GUARDED if view.name != "log_out"], ids=named)
def test_each_role_may_what_the_table_says(everybody, view):
    """Whoever may not is refused before anything is read; whoever may gets another answer than that."""
    for role in Role:
        answer = everybody.ask(view.method, path_of(view), who=f"the {role.value}")
        may = reach([role], view.permission) is not None
        words = answer.json["detail"] if answer.status_code == 403 else ""
        assert may != (f"needs the permission {view.permission.value}" in words), (role, answer.text)


@pytest.mark.parametrize("view", GUARDED, ids=named)
def test_nobody_may_anything(everybody, view):
    """Without a login, with one that is none, and with one that has no role."""
    method, path = view.method, path_of(view)

    assert 401 == everybody.ask(method, path, who=None).status_code
    assert 401 == everybody.ask(method, path, who=None, Authorization="Bearer tw_login_x").status_code
    if view.permission is not Permission.SELF:
        assert 403 == everybody.ask(method, path, who="nobody").status_code


def test_only_a_login_is_for_anyone():
    """And there is one below each prefix."""
    assert [f"POST {prefix}login" for prefix in PREFIXES] == [
        named(view) for view in VIEWS if view.permission is Permission.ANYONE
    ]


def test_views_have_paths_and_names_of_their_own():
    """No two below one prefix answer to one request, and none is called as another."""
    assert len(VIEWS) == len({(view.method, view.path) for view in VIEWS})
    assert {1} == set(Counter((view.prefix, view.name) for view in VIEWS).values())


def test_the_admin_reaches_what_every_role_has():
    """By the same functions."""
    admins = {view.function for view in VIEWS if view.prefix == "/admin/v1"}

    assert {view.function for view in VIEWS} == admins
    assert {view.function for views in ROLE for view in views.views} < admins
