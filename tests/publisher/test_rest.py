"""Tests of twgw.publisher.rest."""

from importlib import import_module
from pathlib import Path

from twgw.publisher import rest
from twgw.web.view import Views


def test_no_view_is_left_out():
    """Every module beside it that has views is named there."""
    modules = [import_module(f"twgw.publisher.{path.stem}") for path in Path(rest.__file__).parent.glob("[!_]*.py")]
    found = [module.views for module in modules if isinstance(getattr(module, "views", None), Views)]

    assert {views.name for views in found} == {views.name for views in rest.ROLE}
    assert len(found) == len(rest.ROLE)
