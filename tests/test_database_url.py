"""Tests of twgw.database_url."""

from pathlib import Path

import pytest

from twgw.database_url import DatabaseUrl


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:///twgw.db",
        "sqlite:////var/lib/twgw/twgw.db",
        "postgresql://gw@db.example:5433/twgw?sslmode=verify-full",
        "postgresql:///twgw?host=/run/postgresql",
        "mariadb://gw@[2001:db8::1]/twgw",
        "mysql://gw@db/twgw",
    ],
)
def test_a_url_reads_as_it_was_written(text):
    """What is understood is shown as it came."""
    assert text == str(DatabaseUrl.from_text(text))


def test_the_file_of_sqlite_is_a_path():
    """It can be made absolute, as every path of a configuration is."""
    assert Path("data/twgw.db") == DatabaseUrl.from_text("sqlite:///data/twgw.db").file
    assert Path("/data/twgw.db") == DatabaseUrl.from_text("sqlite:////data/twgw.db").file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("twgw.db", "must begin with sqlite:///, postgresql://, mariadb:// or mysql://"),
        ("oracle://db/twgw", "must begin with"),
        ("postgresql:twgw", "must begin with"),
        ("sqlite://", "must name a file"),
        ("sqlite:///", "must name a file"),
        ("sqlite://twgw.db", "must name a file"),
        ("sqlite:///twgw.db?mode=ro", "must name a file"),
        ("postgresql://gw:secret@db/twgw", "must not have a password, as it is shown; put that into a file"),
        ("postgresql://gw@db/twgw?sslmode=require&password=secret", "must not have a password"),
        ("mariadb://gw@db/twgw?passwd=secret", "must not have a password"),
        ("mariadb://gw@db", "must name a database: mariadb://user@host/name"),
        ("mysql://gw@db/", "must name a database"),
    ],
)
def test_a_url_that_cannot_be_is_refused(text, said):
    """A wrong URL is found before anything is connected, and says no secret."""
    with pytest.raises(ValueError, match=said) as caught:
        DatabaseUrl.from_text(text)

    assert "secret" not in str(caught.value)
