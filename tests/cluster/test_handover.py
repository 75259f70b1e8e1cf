"""Tests of twgw.cluster.handover."""

import json

import pytest

from twgw.cluster.handover import SHARED, read, told
from twgw.config import Config, load

SET = {
    "database.url": "postgresql://gw@db/twgw", "memcached.servers": "a,b:1",
    "memcached.keys": "c",
    "memcached.namespace": "shop", "cluster.lease": "6", "cluster.session": "20", "control.public_url": "https://l.test",
}  # fmt: skip
SECRET = {"TWGW_DATABASE_PASSWORD": "s3cret"}
BOTH = frozenset({"gateway", "keymanager"})


def test_a_key_manager_is_told_everything():
    """What differs from the default, and all that can."""
    found = json.loads(told(load(None, SECRET, SET), {"km2:8091"}, BOTH))

    assert {
        "database": {"url": "postgresql://gw@db/twgw", "password": "s3cret"},
        "memcached": {"servers": ["a:11211", "b:1"], "namespace": "shop", "keys": ["c:11211"]},
        "cluster": {"lease": 6.0, "session": 20.0},
        "control": {"public_url": "https://l.test"},
    } == found
    assert {f"{section}.{name}" for section, names in SHARED.items() for name in names} == {*SET, "database.password"}
    assert found == read(json.dumps(found))


def test_a_gateway_is_not_told_where_the_database_is():
    """It needs no access, so it gets no password."""
    found = told(load(None, SECRET, SET), {"km3:8091", "km2:8091"}, frozenset({"gateway"}))

    assert "database" not in json.loads(found)
    assert "s3cret" not in found
    assert ["km2:8091", "km3:8091"] == read(found)["cluster"]["keymanagers"]


def test_a_file_is_of_one_node_alone():
    """Nobody else has it."""
    assert "{}" == told(load(None, {}, {"database.url": "sqlite:////srv/twgw.db"}), (), BOTH)
    assert "{}" == told(Config(), (), BOTH)


def test_what_is_not_known_here_is_left_out():
    """A later version may tell more, and may not set everything."""
    later = {"node": {"data_dir": "/"}, "plugins": {"directories": ["/tmp"]}, "cluster": {"lease": 5, "new": 1}}

    assert {"cluster": {"lease": 5}} == read(json.dumps(later))
    assert {} == read("")


@pytest.mark.parametrize(
    "text", ["x", "[]", '{"database": 1}', '{"database": {"url": {}}}', '{"memcached": {"servers": [1]}}',
             '{"cluster": {"lease": true}}', '{"cluster": {"lease": null}}'],
)  # fmt: skip
def test_what_is_no_setting_is_refused(text):
    """As a whole."""
    with pytest.raises(ValueError, match=r"Expecting|is no object|has no settings"):
        read(text)
