"""WSO2's user stores as ours."""

import tomllib

import pytest

from twgw.directory.settings import LdapStore
from twgw.directory.wso2 import as_toml, read
from twgw.settings import structure

PRIMARY = """<?xml version="1.0"?>
<UserManager><Realm>
  <Configuration><AddAdmin>true</AddAdmin></Configuration>
  <UserStoreManager class="org.wso2.carbon.user.core.ldap.ReadOnlyLDAPUserStoreManager">
    <Property name="TenantManager">org.wso2.carbon.user.core.tenant.CommonHybridLDAPTenantManager</Property>
    <Property name="ConnectionURL">ldaps://a.example:10636 ldaps://b.example</Property>
    <Property name="ConnectionName">uid=admin,ou=system</Property>
    <Property name="ConnectionPassword">canary-3</Property>
    <Property name="UserSearchBase">ou=Users,dc=wso2,dc=org</Property>
    <Property name="UserNameListFilter">(objectClass=person)</Property>
    <Property name="UserNameAttribute">uid</Property>
    <Property name="UserNameSearchFilter">(&amp;(objectClass=person)(|(uid=?)(mail=?)))</Property>
    <Property name="ReadGroups">true</Property>
    <Property name="GroupSearchBase">ou=Groups,dc=wso2,dc=org</Property>
    <Property name="GroupNameAttribute">cn</Property>
    <Property name="GroupNameSearchFilter">(&amp;(objectClass=groupOfNames)(cn=?))</Property>
    <Property name="MembershipAttribute">member</Property>
    <Property name="BackLinksEnabled">false</Property>
    <Property name="MaxUserNameListLength">100</Property>
    <Property name="LDAPConnectionTimeout">1500</Property>
    <Property name="ConnectionRetryDelay">120000</Property>
  </UserStoreManager>
</Realm></UserManager>
"""
SECONDARY = """<UserStoreManager class="org.wso2.carbon.user.core.ldap.ActiveDirectoryUserStoreManager">
  <Property name="DomainName">CORP</Property>
  <Property name="ConnectionURL">ldap://ad.example</Property>
  <Property name="ConnectionName">cn=reader,dc=corp</Property>
  <Property name="ConnectionPassword">${secretAlias:x}</Property>
  <Property name="UserSearchBase">cn=Users,dc=corp</Property>
  <Property name="UserNameAttribute">sAMAccountName</Property>
  <Property name="UserNameSearchFilter">(sAMAccountName=?)</Property>
  <Property name="BackLinksEnabled">true</Property>
  <Property name="MemberOfAttribute">memberOf</Property>
  <Property name="Referral">follow</Property>
  <Property name="Mystery">1</Property>
</UserStoreManager>
"""


def taken(store):
    """The settings, as the configuration would take them with the password in its file."""
    (table,) = tomllib.loads(as_toml(store))["ldap"]
    if table.pop("password_file", None):
        table["password"] = "x"
    return structure(LdapStore, table)


def test_every_setting_has_its_place():
    """What is printed is a store that the configuration takes."""
    (store,) = read(PRIMARY)
    found = taken(store)

    assert ["ldaps://a.example:10636", "ldaps://b.example"] == [str(server) for server in found.servers]
    assert ("uid=admin,ou=system", "ou=Users,dc=wso2,dc=org") == (found.bind_dn, found.user_base)
    assert "(&(objectClass=person)(|(uid={user})(mail={user})))" == found.user_filter
    assert ("ou=Groups,dc=wso2,dc=org", "(&(objectClass=groupOfNames))") == (found.group_base, found.group_filter)
    assert (("member",), "none") == (found.member_attributes, found.nested)
    assert (1.5, 120) == (found.connect_timeout, found.breaker_seconds)
    assert not [note for note in store.notes if "not mapped" in note]


def test_a_password_is_not_printed():
    """It stands in a file, whose name is; the caller is given it to write it there."""
    (store,) = read(PRIMARY)

    assert "canary-3" == store.password
    assert "canary-3" not in as_toml(store)
    assert 'password_file = "wso2-1.password"' in as_toml(store)


def test_what_has_no_counterpart_is_said():
    """Referrals, a vault, a store without encryption, unknown properties."""
    (store,) = read(SECONDARY)
    notes = "\n".join(store.notes)

    for words in (
        "referrals are not followed", "secret vault", "without encryption", "not mapped: Mystery", "Active Directory",
        "BackLinksEnabled is true", "groups in groups do not count", "write [ldap.roles]",
    ):  # fmt: skip
        assert words in notes
    assert all(f"# {note}\n" in as_toml(store) for note in store.notes)


def test_a_domain_becomes_a_domain():
    """And the name of the store; its groups are those that users name."""
    found = taken(read(SECONDARY)[0])

    assert ("corp", ("CORP",)) == (found.name, found.domains)
    assert ("", "memberOf") == (found.group_base, found.member_of)


def test_groups_may_not_be_read():
    """Then nobody has roles, and that is said."""
    (store,) = read(PRIMARY.replace('"ReadGroups">true', '"ReadGroups">false'))

    assert ("", "") == (taken(store).member_of, taken(store).group_base)
    assert any("nobody has roles" in note for note in store.notes)


def test_what_would_be_refused_is_said():
    """With our name for it."""
    (store,) = read(PRIMARY.replace("ou=Users,dc=wso2,dc=org", "users").replace("1500", "soon"))

    assert "correct user_base: must be a DN, as ou=people,dc=example,dc=org" in store.notes
    assert "LDAPConnectionTimeout: is no number of milliseconds" in store.notes


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not XML"),
        ("<UserManager>", "not XML"),
        ("<UserManager/>", "has no UserStoreManager with a ConnectionURL"),
        ('<UserStoreManager><Property name="url">jdbc:h2</Property></UserStoreManager>', "has no UserStoreManager"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "has a DTD or entities"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "has a DTD or entities"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "has a DTD or entities"),
        ("<a>" * (1 << 19), "longer than"),
    ],
)
def test_other_files_are_refused(text, problem):
    """No entity is read, whatever it stands for."""
    with pytest.raises(ValueError, match=problem):
        read(text)
