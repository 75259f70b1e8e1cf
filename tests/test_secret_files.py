"""Secrets in files of their own.  What a whole configuration makes of them is in tests/test_config.py."""

from attrs import frozen

from twgw.secret_files import put_secrets, table_of
from twgw.settings import setting


@frozen
class Section:
    """A section with a secret."""

    token: str = setting("A secret.", default="", secret=True)
    plain: str = setting("No secret.", default="")


@frozen
class Whole:
    """A file with one section, and with a list of them."""

    one: Section = setting("One.", factory=Section)
    many: tuple[Section, ...] = setting("Many.", default=())


def test_the_text_of_a_file_takes_its_place(tmp_path):
    """In a section, and in each of a list; without the blanks around it."""
    (tmp_path / "a").write_text("first\n")
    (tmp_path / "b").write_text("second")
    written = {"one": {"token_file": "a"}, "many": [{"token_file": "b"}, {"token": "third"}]}

    assert [] == put_secrets(written, Whole, tmp_path)
    assert {"one": {"token": "first"}, "many": [{"token": "second"}, {"token": "third"}]} == written


def test_what_cannot_be_read_is_named(tmp_path):
    """With its place, and without what it was to hold."""
    written = {"one": {"token_file": 5}, "many": [{"token_file": "none"}, {"token_file": "x", "token": "canary"}]}

    assert [
        "one.token_file: must be the name of a file",
        "many[0].token_file: cannot be read: No such file or directory",
        "many[1].token_file: stands beside token; leave one of them out",
    ] == [str(fault) for fault in put_secrets(written, Whole, tmp_path)]


def test_only_secrets_have_files(tmp_path):
    """Another setting is left to be found unknown, and what is no table is left alone."""
    written = {"one": {"plain_file": "a"}, "many": [5]}

    assert [] == put_secrets(written, Whole, tmp_path)
    assert {"one": {"plain_file": "a"}, "many": [5]} == written


def test_a_table_is_found_or_made():
    """Unless something else stands there."""
    written = {"a": {}, "b": 5}

    assert table_of(written, "a.b.c") is written["a"]["b"]
    assert table_of(written, "b.c") is None
