"""WSO2's ``user-mgt.xml``, and the files of its secondary user stores, as ``[[ldap]]`` tables.

Pure.  Called by ``twgw ldap import``.  What has no counterpart is said, so that nobody takes it for done.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import ParseError

from attrs import frozen
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from twgw.directory.settings import LdapStore
from twgw.faults import SettingsError
from twgw.settings import structure

LARGEST = 1 << 20
"""Characters of a file."""

NOT_NEEDED = frozenset(
    """TenantManager ReadOnly Disabled IsEmailUserName EmptyRolesAllowed UserNameListFilter GroupNameListFilter
    WriteGroups UserRolesCacheEnabled UserDNPattern PasswordHashMethod ConnectionPoolingEnabled kdcEnabled
    defaultRealmName UsernameJavaRegEx UsernameJavaScriptRegEx UsernameJavaRegExViolationErrorMsg PasswordJavaRegEx
    PasswordJavaScriptRegEx PasswordJavaRegExViolationErrorMsg RolenameJavaRegEx RolenameJavaScriptRegEx
    SCIMEnabled BulkImportSupported UserEntryObjectClass GroupEntryObjectClass SharedGroupEnabled
    MaxUserNameListLength MaxRoleNameListLength LDAPInitialContextFactory java.naming.ldap.attributes.binary
    RetryAttempts CountRetrieverClass MembershipAttributeRange LeadingOrTrailingSpaceAllowedInUserName
    ClaimOperationsSupported StoreSaltedPassword UserCacheExpiryMilliseconds UserDNCacheEnabled
    CaseInsensitiveUsername UniqueID GroupIDEnabled UserIDEnabled""".split()
)
"""Properties that mean nothing here: twgw writes no users, lists none, and searches each one."""


@frozen
class Imported:
    """One user store.  ``settings`` are as they would be written, without the password."""

    settings: Mapping[str, Any]
    password: str
    notes: tuple[str, ...]


def read(text: str) -> list[Imported]:
    """The user stores in a file.  Raises ValueError for one that has none, or that is no plain XML."""
    if len(text) > LARGEST:
        raise ValueError(f"longer than {LARGEST} characters")
    try:
        root = fromstring(text.encode(), forbid_dtd=True)
    except DefusedXmlException as error:
        raise ValueError("has a DTD or entities, which are not read") from error
    except ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    found = [_store(element, number) for number, element in enumerate(root.iter("UserStoreManager"), 1)]
    stores = [store for store in found if store is not None]
    if not stores:
        raise ValueError("has no UserStoreManager with a ConnectionURL")
    return stores


def _store(element: Any, number: int) -> Imported | None:
    properties = {
        str(each.get("name")): (each.text or "").strip() for each in element.iter("Property") if each.get("name")
    }
    if not properties.get("ConnectionURL", "").startswith("ldap"):
        return None
    notes = list(_notes(properties, str(element.get("class") or "")))
    settings: dict[str, Any] = {"name": properties.get("DomainName", "").lower() or f"wso2-{number}"}
    for name, (ours, convert) in _MAPPED.items():
        if properties.get(name):
            try:
                settings[ours] = convert(properties[name])
            except ValueError as error:
                notes.append(f"{name}: {error}")
    _settle_groups(settings, properties, notes)
    if properties.get("DomainName"):
        settings["domains"] = [properties["DomainName"]]
    password = properties.get("ConnectionPassword", "")
    if settings.get("bind_dn"):
        settings["password_file"] = f"{settings['name']}.password"
    notes += _faults(settings)
    return Imported(settings, password, tuple(notes))


def _settle_groups(settings: dict[str, Any], properties: Mapping[str, str], notes: list[str]) -> None:
    """By back links where WSO2 used them, else by a search; WSO2 looks into no groups of groups."""
    settings["nested"] = "none"
    if properties.get("ReadGroups", "true").lower() == "false":
        settings["member_of"] = ""
        for name in ("group_base", "group_filter", "member_attributes", "group_name_attribute"):
            settings.pop(name, None)
        notes.append("ReadGroups is false: no groups are read, so that nobody has roles")
        return
    if properties.get("BackLinksEnabled", "false").lower() == "true":
        settings.pop("group_base", None)
        notes.append("BackLinksEnabled is true: groups outside GroupSearchBase count; name them in roles by their DN")
    notes.append('groups in groups do not count, as with WSO2; set nested = "walk" if they shall')
    notes.append("roles of WSO2 are not in this file: write [ldap.roles], group to roles")


def _seconds(text: str) -> float:
    if not text.isascii() or not text.isdigit():
        raise ValueError("is no number of milliseconds")
    return max(1, int(text)) / 1000


def _servers(text: str) -> list[str]:
    return text.split()


def _user_filter(text: str) -> str:
    if "?" not in text:
        raise ValueError("has no ? for the name")
    return text.replace("?", "{user}")


def _group_filter(text: str) -> str:
    """Without the part that asks for a name: ``(&(objectClass=group)(cn=?))`` as ``(&(objectClass=group))``."""
    return re.sub(r"\([^()]*=\?\)", "", text)


def _same(text: str) -> str:
    return text


def _only(text: str) -> list[str]:
    return [text]


def _truth(text: str) -> bool:
    return text.lower() == "true"


_MAPPED: dict[str, tuple[str, Callable[[str], Any]]] = {
    "ConnectionURL": ("servers", _servers),
    "StartTLSEnabled": ("start_tls", _truth),
    "ConnectionName": ("bind_dn", _same),
    "UserSearchBase": ("user_base", _same),
    "UserNameSearchFilter": ("user_filter", _user_filter),
    "UserNameAttribute": ("name_attribute", _same),
    "DisplayNameAttribute": ("display_attribute", _same),
    "GroupSearchBase": ("group_base", _same),
    "GroupNameSearchFilter": ("group_filter", _group_filter),
    "GroupNameAttribute": ("group_name_attribute", _same),
    "MembershipAttribute": ("member_attributes", _only),
    "MemberOfAttribute": ("member_of", _same),
    "LDAPConnectionTimeout": ("connect_timeout", _seconds),
    "ReadTimeout": ("timeout", _seconds),
    "ConnectionRetryDelay": ("breaker_seconds", _seconds),
}
_ELSEWHERE = {"ConnectionPassword", "DomainName", "ReadGroups", "BackLinksEnabled", "Referral"}


def _notes(properties: Mapping[str, str], kind: str) -> Iterator[str]:
    """What is to be looked at."""
    urls = properties["ConnectionURL"].split()
    if any(url.startswith("ldap:") for url in urls) and properties.get("StartTLSEnabled", "").lower() != "true":
        yield "WSO2 spoke to ldap:// without encryption; here StartTLS is tried, better: ldaps://, with ca_file"
    if properties.get("Referral", "").lower() == "follow":
        yield "Referral is follow: referrals are not followed here, they would be given the password"
    if "ActiveDirectory" in kind:
        yield 'this is Active Directory: nested = "in-chain" finds groups in groups'
    if "ReadWrite" in kind:
        yield "WSO2 wrote to this store; here it is only read"
    if any("${" in value for value in properties.values()):
        yield "some values are ${…} of another file of WSO2: write what they stand for"
    if "secretAlias" in properties.get("ConnectionPassword", ""):
        yield "ConnectionPassword is in WSO2's secret vault: write it into the password file yourself"
    unknown = sorted(properties.keys() - _MAPPED.keys() - _ELSEWHERE - NOT_NEEDED)
    if unknown:
        yield f"not mapped: {', '.join(unknown)}"


def _faults(settings: Mapping[str, Any]) -> list[str]:
    """What the settings would be refused for."""
    plain = {name: value for name, value in settings.items() if name != "password_file"}
    try:
        structure(LdapStore, {**plain, **({"password": "x"} if "bind_dn" in plain else {})})
    except SettingsError as error:
        return [f"correct {fault}" for fault in error.faults]
    return []


def as_toml(store: Imported) -> str:
    """The table, with the notes above it."""
    lines = [*(f"# {' '.join(note.split())}" for note in store.notes), "[[ldap]]"]
    return "\n".join([*lines, *(f"{name} = {json.dumps(value)}" for name, value in store.settings.items())]) + "\n"
