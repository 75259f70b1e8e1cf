"""What an operator says of a user store."""

import pytest

from twgw.directory.settings import LdapStore, ServerAddress, attributes_of, repeated
from twgw.faults import SettingsError
from twgw.settings import structure

LEAST = {"name": "corp", "servers": ["ldaps://a.example"], "user_base": "ou=people,dc=example"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ldaps://a.example", ("ldaps", "a.example", 636)),
        ("ldap://a.example/", ("ldap", "a.example", 389)),
        ("ldaps://10.0.0.7:3269", ("ldaps", "10.0.0.7", 3269)),
        ("ldap://[::1]:99", ("ldap", "::1", 99)),
    ],
)
def test_servers_are_addresses(text, expected):
    """With the port of the scheme, and written back the shortest way."""
    found = ServerAddress.from_text(text)

    assert expected == (found.scheme, found.host, found.port)
    assert text.rstrip("/") == str(found)


@pytest.mark.parametrize(
    "text",
    ["a.example", "http://a", "ldap://", "ldap://a:0", "ldap://a:65536", "ldap://a/dc=x", "ldap://u@a", "ldapi://x",
     "ldap://a:٨", "ldap://a\n"],
)  # fmt: skip
def test_other_addresses_are_refused(text):
    """What has a path or a user, or is no LDAP, means something else."""
    with pytest.raises(ValueError, match="must be ldaps://HOST or ldap://HOST"):
        ServerAddress.from_text(text)


def test_the_defaults_are_safe():
    """Certificates are verified, StartTLS is used, and nobody is granted anything."""
    store = structure(LdapStore, LEAST)

    assert (True, True) == (store.verify, store.start_tls)
    assert ({}, {}, 0) == (store.roles, store.consumer_groups, store.group_cache_seconds)
    assert ("uid", "mail", "cn", "memberOf") == attributes_of(store)


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"bind_dn": "cn=reader,dc=example"}, 'password: missing: bind_dn has one; write password_file = "FILE"'),
        ({"password": "x"}, "bind_dn: missing: there is a password"),
        ({"bind_dn": "reader", "password": "x"}, "bind_dn: must be a DN, or with Active Directory reader@corp.example"),
        ({"user_base": ""}, "user_base: length must be >= 1"),
        ({"user_base": "people"}, "user_base: must be a DN"),
        ({"servers": []}, "servers: length must be >= 1"),
        ({"servers": ["a"]}, "servers[0]: must be ldaps://HOST or ldap://HOST"),
        ({"user_filter": "(uid=alice)"}, "user_filter: must have {user} where the name stands"),
        ({"group_filter": "(a"}, "group_filter: must have as many closing brackets"),
        ({"member_attributes": ["member", "a b"]}, "member_attributes[1]: must be the name of an attribute"),
        ({"name_attribute": "uid)("}, "name_attribute: must be the name of an attribute"),
        ({"nested": "in-chain"}, 'group_base: missing: nested = "in-chain" searches below it'),
        ({"roles": {"admins": ["root"]}}, "roles.admins[0]: must be one of admin, publisher"),
        ({"domain_required": True}, "domains: missing: domain_required wants one"),
        ({"domains": ["a\\b"]}, "domains[0]: must be a name without blanks, /, \\ and @"),
        ({"connect_timeout": 6}, "connect_timeout: must not be longer than timeout"),
        ({"verify": False, "ca_file": "a.pem"}, "verify: is false, so that ca_file and server_name mean nothing"),
        ({"name": "a b"}, "name: must match"),
        ({"group_cache_seconds": -1}, "group_cache_seconds: must be >= 0"),
    ],
)
def test_what_cannot_work_is_refused(more, fault):
    """With the setting and the way out."""
    with pytest.raises(SettingsError) as caught:
        structure(LdapStore, {**LEAST, **more})

    assert fault in str(caught.value)
    assert 1 == len(caught.value.faults)


def test_a_password_is_not_shown():
    """Not in what a store says of itself."""
    store = structure(LdapStore, {**LEAST, "bind_dn": "cn=a", "password": "canary-9"})

    assert "canary-9" not in repr(store)


def test_a_name_stands_once():
    """Policies call a store by it."""
    store = structure(LdapStore, LEAST)

    assert ["[1].name: store corp stands twice"] == [str(fault) for fault in repeated((store, store))]
    assert [] == repeated((store,))
