"""Tests of twgw.web.view."""

import pytest

from twgw.web.permissions import Permission, Reach, Role
from twgw.web.view import NAME, Call, Caller, Paging, Views


def test_a_view_is_what_its_function_says():
    """Name and words come from the function, parameters from the path."""
    views = Views("admin", "/admin/v1")

    @views.view("PUT", "/apis/{api}/docs/{doc}", permission=Permission.API_WRITE)
    def write_document(call, connection, api, doc):
        """Write a document.

        It replaces
        the one before.
        """

    (view,) = views.views
    assert ("write_document", "/admin/v1/apis/{api}/docs/{doc}", ("api", "doc")) == (
        view.name, view.path, view.parameters,
    )  # fmt: skip
    assert ("Write a document.", "It replaces\nthe one before.") == (view.summary, view.text)
    assert ("admin", True) == (view.tag, view.writes)
    assert view.function is write_document


def test_views_stand_below_several_prefixes():
    """The same functions, each with a path and a prefix of its own."""
    views = Views("apis")

    @views.view("GET", "/apis", permission=Permission.SELF)
    def list_apis(call, connection):
        """List."""

    (one,), (other,) = views.at("/admin/v1").views, views.at("/store/v1").at("/publisher/v1").views
    assert ("/admin/v1/apis", "/publisher/v1/apis") == (one.path, other.path)
    assert ("/admin/v1", "apis", list_apis) == (one.prefix, one.tag, other.function)
    assert ["/apis"] == [view.path for view in views.views]


def test_a_view_without_words_is_refused():
    """The OpenAPI document would have a hole."""

    def silent(call, connection): ...

    with pytest.raises(TypeError, match="the view silent has no docstring"):
        Views("admin", "").view("GET", "/", permission=Permission.SELF)(silent)


def test_a_list_has_pages():
    """Its query is that of a page, unless it names its own."""
    views = Views("admin", "")

    @views.view("GET", "/", permission=Permission.SELF, paged=True)
    def list_things(call, connection):
        """List."""

    assert Paging is views.views[0].query
    assert not views.views[0].writes


def test_whose_things_may_be_touched():
    """Those of the caller, where the permission reaches no further."""
    caller = Caller("ann", frozenset({Role.CREATOR}))

    assert ("ann", None) == (Call(caller, Reach.OWN).owner, Call(caller, Reach.ALL).owner)
    assert ("", frozenset()) == (Call(None, Reach.ALL).actor, Call(None, Reach.ALL).roles)
    assert {"creator"} == Call(caller, Reach.OWN).roles


@pytest.mark.parametrize(("text", "taken"), [
    ("hello:1.0", True), ("my app", True), ("a@b.example", True), ("x", True), ("app#1", True),
    ("", False), (" a", False), ("a ", False), ("a\0b", False), ("é", False), ("a/b", False), ("a" * 256, False),
])  # fmt: skip
def test_names_in_paths(text, taken):
    """What is no name of ours is not looked for."""
    assert taken == bool(NAME.fullmatch(text))
