"""Tests of twgw.keymanager.settings."""

import pytest

from twgw.faults import SettingsError
from twgw.keymanager.settings import KeyManagerSettings
from twgw.settings import structure


def test_nothing_has_to_be_said():
    """An hour, a day, no passwords; a new key each quarter."""
    said = structure(KeyManagerSettings, {})

    assert (3600, 86400) == (said.access_seconds, said.refresh_seconds)
    assert (False, 90) == (said.password_grant, said.rotate_days)


@pytest.mark.parametrize(
    "settings", [{"access_seconds": 0}, {"refresh_seconds": 1e9}, {"rotate_days": -1}, {"client_rate": 0}]
)
def test_what_cannot_work_is_refused(settings):
    """No life, one beyond a year, or no requests."""
    with pytest.raises(SettingsError):
        structure(KeyManagerSettings, settings)
