"""Tests of twgw.policy.registry."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from twgw.policy import registry
from twgw.policy.registry import PluginConflict, find_plugins, load_file

POLICY = '''"""Does this.

More of it.
"""

from attrs import frozen

from twgw import hookimpl


@frozen
class Settings:
    """What."""


@hookimpl
def twgw_receive(exchange):
    """Go on."""


@hookimpl(specname="twgw_respond")
def another(exchange):
    """Go on."""
'''


def test_file_is_a_policy(tmp_path):
    """A file in a folder is a policy, named as the file with dashes; what it is is read from it."""
    (tmp_path / "my_policy.py").write_text(POLICY)

    plugin = find_plugins([tmp_path])["my-policy"]

    assert str(tmp_path / "my_policy.py") == plugin.origin
    assert "Does this." == plugin.summary
    assert ("another", "twgw_receive") == plugin.functions
    assert ("twgw_receive", "twgw_respond") == plugin.hooks
    assert "Settings" == plugin.settings.__name__


@pytest.mark.parametrize("name", ["_private.py", "test_it.py", "conftest.py", "notes.txt"])
def test_other_files_are_no_policies(tmp_path, name):
    """Tests, private modules and what is not Python may stand beside policies."""
    (tmp_path / name).write_text("raise SystemExit\n")

    assert find_plugins() == find_plugins([tmp_path])


def test_broken_file_is_listed_with_its_fault(tmp_path):
    """A file that cannot be loaded harms no other; it says why."""
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    (tmp_path / "good.py").write_text(POLICY)

    found = find_plugins([tmp_path])

    assert "ModuleNotFoundError: No module named 'no_such_module' (broken.py, line 1)" == found["broken"].fault
    assert not found["good"].fault


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("@frozen", ""), "Settings is not a class of attrs: write @frozen above it (from attrs import frozen)"),
        (("twgw_receive", "twgw_recieve"), "there is no hook twgw_recieve; did you mean twgw_receive?"),
        (('"twgw_respond"', '"respond"'), "there is no hook respond; did you mean twgw_respond?"),
        (("another(ex", "another(wish, ex"), "another wants wish; what it may name is exchange, settings, gateway"),
        (("@hookimpl\n", ""), "twgw_receive is not marked: write @hookimpl above it (from twgw import hookimpl)"),
        (('"""What."""', "1 / 0"), "ZeroDivisionError: division by zero (mine.py, line 13)"),
        (('"""What."""', "x = ("), "SyntaxError: '(' was never closed (mine.py, line 13)"),
    ],
)
def test_what_is_no_policy_says_what_to_do(tmp_path, change, fault):
    """Found when it is loaded, in words for who wrote it, and not when it is first used."""
    (tmp_path / "mine.py").write_text(POLICY.replace(*change))

    assert fault == load_file(tmp_path / "mine.py").fault


def test_code_that_says_hook_in_another_sense_is_a_policy(tmp_path):
    """Wrappers, async functions, and what was only imported are no faults."""
    (tmp_path / "mine.py").write_text(
        POLICY + "from twgw.policy.hookspecs import twgw_log\n\n\n"
        "@hookimpl(wrapper=True)\ndef twgw_forward():\n    return (yield)\n\n\n"
        "@hookimpl\nasync def twgw_authorize(gateway, settings):\n    return None\n"
    )

    plugin = load_file(tmp_path / "mine.py")

    assert ("", 4) == (plugin.fault, len(plugin.hooks))


def test_file_that_did_not_change_is_loaded_once(tmp_path):
    """The same file is the same module, so that APIs which use it are kept; a changed one is another."""
    file = tmp_path / "my_policy.py"
    file.write_text(POLICY)
    first, again = load_file(file), load_file(file)
    file.write_text(POLICY.replace("Does this.", "Does that now."))
    changed = load_file(file)

    assert first == again
    assert first != changed
    assert "Does that now." == changed.summary


def test_file_that_was_broken_is_tried_again(tmp_path):
    """The reason of a fault may lie outside the file, as with a package that was not installed yet."""
    (tmp_path / "needy.py").write_text("import sys\n\nsys.path_of_my_test\n")
    fault = load_file(tmp_path / "needy.py").fault
    sys.path_of_my_test = "there"
    try:
        assert "AttributeError" in fault
        assert "" == load_file(tmp_path / "needy.py").fault
    finally:
        del sys.path_of_my_test


def test_policy_without_settings_has_none(tmp_path):
    """A policy need not have settings, nor a docstring."""
    (tmp_path / "bare.py").write_text("x = 1\n")

    plugin = load_file(tmp_path / "bare.py")

    assert (registry.NoSettings, "", ()) == (plugin.settings, "", plugin.hooks)


def test_name_taken_twice_is_refused(tmp_path):
    """Two policies of one name stop the start: which of them is meant would be a guess."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text(POLICY)

    with pytest.raises(PluginConflict, match=r"policy 'same' is there twice, from .*/a/same.py and from .*/b/same.py"):
        find_plugins([tmp_path / "a", tmp_path / "b"])


def test_checkout_has_its_policies_once():
    """In a checkout the bundled policies are installed from plugins/, which is also the folder that is looked into."""
    assert find_plugins() == find_plugins([Path(__file__).parents[2] / "plugins"])


def test_folder_that_everybody_may_write_is_not_run(tmp_path):
    """Policies are code: in a folder that is open to all they are listed, with the way out, and never loaded."""
    (tmp_path / "good.py").write_text("raise SystemExit\n")
    tmp_path.chmod(0o777)

    assert "chmod o-w" in find_plugins([tmp_path])["good"].fault


def test_file_that_everybody_may_write_is_not_run(tmp_path):
    """The same for a single file in a folder that is safe."""
    (tmp_path / "good.py").write_text("raise SystemExit\n")
    (tmp_path / "good.py").chmod(0o666)

    fault = find_plugins([tmp_path])["good"].fault

    assert fault.endswith(f"(chmod o-w {tmp_path / 'good.py'})")


def test_folder_that_is_not_there_is_empty(tmp_path):
    """The default folder need not exist."""
    assert find_plugins() == find_plugins([tmp_path / "plugins"])


@pytest.mark.parametrize("value", ["no_such_package.policy", "twgw.no_such_policy"])
def test_broken_entry_point_is_listed_with_its_fault(monkeypatch, value):
    """A package whose policy cannot be imported harms no other."""
    point = EntryPoint("lost", value, "twgw")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])

    (plugin,) = find_plugins([]).values()

    assert plugin.fault.startswith("ModuleNotFoundError: No module named")
