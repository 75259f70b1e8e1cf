"""What an operator says of a user store: one ``[[ldap]]`` table of ``twgw.toml``.

Filled by ``config.py``; every other file in this folder, and ``ldap.py``, is given it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import frozen, validators

from twgw.directory.names import filter_problem, is_dn
from twgw.faults import Fault, SettingsError
from twgw.model import not_negative, positive
from twgw.settings import setting
from twgw.web.permissions import Role

_URL = re.compile(r"(ldaps?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?/?", re.ASCII)
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+", re.ASCII)
_DOMAIN = re.compile(r"[^\s/\\@]+")
_LOGIN = re.compile(r"[^\s\\@]+@[^\s\\@]+|[^\s\\@]+\\[^\s\\@]+")
_PORTS = {"ldap": 389, "ldaps": 636}


@frozen
class ServerAddress:
    """Where one server listens."""

    scheme: Literal["ldap", "ldaps"]
    host: str
    port: int

    @classmethod
    def from_text(cls, text: str) -> "ServerAddress":
        """Read ``ldaps://HOST[:PORT]`` or ``ldap://HOST[:PORT]``.  Raises ValueError."""
        found = _URL.fullmatch(text)
        if not found or (found[3] and not 0 < int(found[3]) < 65536):
            raise ValueError("must be ldaps://HOST or ldap://HOST, with :PORT where that is not 636 or 389")
        scheme: Literal["ldap", "ldaps"] = "ldaps" if found[1] == "ldaps" else "ldap"
        return cls(scheme, found[2].strip("[]"), int(found[3] or _PORTS[scheme]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


def _a_dn(_instance: object, _attribute: object, value: str) -> None:
    if value and not is_dn(value):
        raise ValueError("must be a DN, as ou=people,dc=example,dc=org")


def _an_account(_instance: object, _attribute: object, value: str) -> None:
    if value and not is_dn(value) and not _LOGIN.fullmatch(value):
        raise ValueError(r"must be a DN, or with Active Directory reader@corp.example or CORP\reader")


def _an_attribute(_instance: object, _attribute: object, value: str) -> None:
    if value and not _ATTRIBUTE.fullmatch(value):
        raise ValueError("must be the name of an attribute")


def _attributes(_instance: object, _attribute: object, values: tuple[str, ...]) -> None:
    wrong = [place for place, value in enumerate(values) if not _ATTRIBUTE.fullmatch(value)]
    if wrong:
        raise SettingsError([Fault(f"[{place}]", "must be the name of an attribute") for place in wrong])


def _a_filter(*places: str) -> Any:
    def validate(_instance: object, _attribute: object, value: str) -> None:
        if problem := filter_problem(value, *places):
            raise ValueError(problem)

    return validate


@frozen
class LdapStore:
    """A user store that is an LDAP directory. There may be several: each has a table that begins with [[ldap]].

    They are asked in the order in which they stand here. Times in seconds.
    """

    name: str = setting(
        "Name of the store, by which policies, logs and metrics call it.",
        validator=validators.matches_re(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"),
    )
    servers: tuple[ServerAddress, ...] = setting(
        "Its servers: ldaps://HOST[:PORT], or ldap://HOST[:PORT]. The first one that answers is used.",
        validator=validators.min_len(1),
    )
    start_tls: bool = setting("Whether ldap:// servers are spoken to only after StartTLS.", default=True)
    verify: bool = setting(
        "Whether a server's certificate must be good. Without that, anybody may play the server.", default=True
    )
    ca_file: Path | None = setting(
        "PEM file of the authorities that are trusted. Empty: those of the system.", default=None
    )
    server_name: str = setting(
        "Name that the certificates must have. Empty: the host of the server.",
        default="",
        validator=validators.matches_re(r"[A-Za-z0-9._:-]*"),
    )
    bind_dn: str = setting(
        "DN of the account that searches; all that it needs is to read users and groups. Empty: nobody, where servers "
        "allow that.",
        default="",
        validator=_an_account,
    )
    password: str = setting("Password of bind_dn.", default="", secret=True)
    user_base: str = setting("DN below which users are.", validator=[validators.min_len(1), _a_dn])
    user_filter: str = setting(
        "Filter that finds the one user; {user} stands for the name that was given. For Active Directory: "
        "(&(objectCategory=person)(sAMAccountName={user})).",
        default="(&(objectClass=person)(uid={user}))",
        validator=_a_filter("user"),
    )
    name_attribute: str = setting(
        "Attribute of a user that holds their name, as it is passed on.",
        default="uid",
        validator=[validators.min_len(1), _an_attribute],
    )
    mail_attribute: str = setting("Attribute of their mail address.", default="mail", validator=_an_attribute)
    display_attribute: str = setting("Attribute of their name for people.", default="cn", validator=_an_attribute)
    member_of: str = setting(
        "Attribute of users and groups that names the groups they are in. It is read where group_base is empty.",
        default="memberOf",
        validator=_an_attribute,
    )
    group_base: str = setting(
        "DN below which groups are searched by their members; no others count then. Empty: member_of is read instead, "
        "which saves a search.",
        default="",
        validator=_a_dn,
    )
    group_filter: str = setting(
        "Filter that all groups pass.",
        default="(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=group))",
        validator=_a_filter(),
    )
    member_attributes: tuple[str, ...] = setting(
        "Attributes of a group that name its members: by their DN, memberUid by their name.",
        default=("member", "uniqueMember", "memberUid"),
        validator=[validators.min_len(1), _attributes],
    )
    group_name_attribute: str = setting(
        "Attribute of a group that holds its name.",
        default="cn",
        validator=[validators.min_len(1), _an_attribute],
    )
    nested: Literal["none", "walk", "in-chain"] = setting(
        "Groups in groups. none: they do not count. walk: asked for, step by step. in-chain: Active Directory finds "
        "them itself (rule 1.2.840.113556.1.4.1941), below group_base.",
        default="walk",
    )
    nested_depth: int = setting(
        "How many groups may stand between a user and an outermost one. More refuse the user: what was not looked at "
        "may be on a list of those who may not.",
        default=10,
        validator=[positive, validators.le(100)],
    )
    max_groups: int = setting(
        "How many groups a user may be in. More refuse the user, as above.", default=1000, validator=positive
    )
    page_size: int = setting(
        "Groups asked for at once; not more than the server gives at once.", default=200, validator=positive
    )
    roles: Mapping[str, tuple[Role, ...]] = setting(
        "What members of a group may do in the control plane: group to roles. A group is named by its name or its DN. "
        "Groups that do not stand here give none.",
        factory=dict,
    )
    consumer_groups: Mapping[str, tuple[str, ...]] = setting(
        "The same for consumer groups, by which APIs and tiers are for some users of the store, and which policies "
        "such as acl ask for.",
        factory=dict,
    )
    domains: tuple[str, ...] = setting(
        r"Domains of this store. Who gives one, as CORP\alice or alice@corp.example, is looked for in stores that have "
        "it, without it; who gives none, in all of them.",
        default=(),
    )
    domain_required: bool = setting(
        "Whether only names with a domain are looked for here. For stores that may have the same name for two people.",
        default=False,
    )
    connect_timeout: float = setting(
        "Until a server has answered to the first thing that it was asked, TLS included. Then the next one is tried.",
        default=2,
        validator=positive,
    )
    timeout: float = setting("For all that is asked about one user, of all servers.", default=5, validator=positive)
    threads: int = setting("Users that are asked about at the same time.", default=8, validator=positive)
    max_waiting: int = setting(
        "Users that may wait for their turn. More are told at once that the store is not available.",
        default=64,
        validator=not_negative,
    )
    breaker_failures: int = setting(
        "After so many failures in a row the store is left alone; who asks is told so at once.",
        default=3,
        validator=positive,
    )
    breaker_seconds: float = setting(
        "For how long. Then one user is tried. A server that failed comes last for as long.",
        default=30,
        validator=positive,
    )
    group_cache_seconds: float = setting(
        "How long the groups of a user are remembered. Passwords are asked for each time.",
        default=0,
        validator=[not_negative, validators.le(3600)],
    )

    def __attrs_post_init__(self) -> None:
        faults = []
        if self.bind_dn and not self.password:
            faults.append(Fault("password", 'missing: bind_dn has one; write password_file = "FILE"'))
        if self.password and not self.bind_dn:
            faults.append(Fault("bind_dn", "missing: there is a password"))
        if self.nested == "in-chain" and not self.group_base:
            faults.append(Fault("group_base", 'missing: nested = "in-chain" searches below it'))
        if self.domain_required and not self.domains:
            faults.append(Fault("domains", "missing: domain_required wants one"))
        if self.connect_timeout > self.timeout:
            faults.append(Fault("connect_timeout", "must not be longer than timeout"))
        if not self.verify and (self.ca_file or self.server_name):
            faults.append(Fault("verify", "is false, so that ca_file and server_name mean nothing; leave it out"))
        faults += [
            Fault(f"domains[{place}]", "must be a name without blanks, /, \\ and @")
            for place, domain in enumerate(self.domains) if not _DOMAIN.fullmatch(domain)
        ]
        if faults:
            raise SettingsError(faults)


def repeated(stores: tuple[LdapStore, ...]) -> list[Fault]:
    """What is wrong between stores: a name that stands twice."""
    names = [store.name for store in stores]
    return [Fault(f"[{i}].name", f"store {name} stands twice") for i, name in enumerate(names) if name in names[:i]]


def attributes_of(store: LdapStore) -> tuple[str, ...]:
    """The attributes of a user that are asked for."""
    named = (store.name_attribute, store.mail_attribute, store.display_attribute, store.member_of)
    return tuple(dict.fromkeys(name for name in named if name))


