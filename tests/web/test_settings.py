"""Tests of twgw.web.settings."""

import pytest

from twgw.faults import SettingsError
from twgw.listen import Listen
from twgw.settings import structure
from twgw.web.settings import Control


def test_it_listens_for_this_machine_alone():
    """Until somebody says more."""
    assert Listen("tcp", 8082, "127.0.0.1") == structure(Control, {}).listen


@pytest.mark.parametrize(
    "url", ["https://login.example.com", "https://a.test:8443/auth/v1", "http://127.0.0.1:8082", ""]
)
def test_a_public_url_is_what_clients_call(url):
    """With a path where a proxy has one."""
    assert url == structure(Control, {"public_url": url}).public_url


@pytest.mark.parametrize(
    "url", ["login.example.com", "https://a.test/", "https://a.test?x", "https://u@a.test", "ftp://a.test", "https://"]
)
def test_what_is_no_such_url_is_refused(url):
    """It is compared letter for letter by others: no slash at its end."""
    with pytest.raises(SettingsError):
        structure(Control, {"public_url": url})
