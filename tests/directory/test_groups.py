"""The groups of a user, in a directory of a few lines; tests/test_ldap.py asks a real one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.directory.groups import REMEMBERED, Entry, Failure, Found, Group, Remembered, granted, groups_of
from twgw.directory.settings import LdapStore
from twgw.settings import structure

ALICE = "uid=alice,ou=people,dc=x"


def store(**more):
    least = {"name": "corp", "servers": ["ldaps://a"], "user_base": "dc=x"}
    return structure(LdapStore, {**least, **more})


def group(name):
    return f"cn={name},ou=groups,dc=x"


class Held:
    """Groups by name with their members, found by members or by back links."""

    def __init__(self, groups):
        self.groups = groups
        self.asked = []

    def user(self):
        return Entry(ALICE, {"memberof": self._around(ALICE)})

    def _around(self, dn):
        return [group(name) for name, members in self.groups.items() if dn in members]

    def search(self, base, filter, attributes, *, most, page=0, only_base=False):
        self.asked.append(filter)
        if only_base:
            return Found([Entry(base, {"memberof": self._around(base)})])
        wanted = set(re.findall(r"\(member=([^()]*)\)", filter))
        found = [Entry(group(name), {"cn": [name]}) for name in self.groups if wanted & set(self.groups[name])]
        return Found(found[:most], more=len(found) > most)


def names(held, told=None, **more):
    tell = (lambda step, text: told.append((step, text))) if told is not None else lambda _step, _text: None
    return [each.name for each in groups_of(store(**more), held, held.user(), "alice", tell)]


@pytest.mark.parametrize("more", [{}, {"group_base": "ou=groups,dc=x"}])
def test_groups_in_groups_count(more):
    """Found by back links or by their members: the ways agree, and say what they found."""
    held = Held({"a": [ALICE], "b": [group("a")], "c": [group("b")], "other": ["uid=bob"]})
    told = []

    assert ["a", "b", "c"] == names(held, told, **more)
    assert [("groups", "a"), ("nested groups", "b, c")] == told
    assert ["a"] == names(held, nested="none", **more)


def test_circles_end():
    """Nobody is asked about twice."""
    held = Held({"a": [ALICE, group("c")], "b": [group("a"), group("b")], "c": [group("b")]})

    assert ["a", "b", "c"] == names(held)
    assert 3 == len(held.asked)


def test_too_deep_is_refused():
    """A group that was not looked at could stand on a list of those who may not."""
    held = Held({"l0": [ALICE], "l1": [group("l0")], "l2": [group("l1")]})

    assert ["l0", "l1", "l2"] == names(held, nested_depth=2)
    with pytest.raises(Failure, match="nested deeper than 1") as caught:
        names(held, nested_depth=1)
    assert "raise nested_depth" in caught.value.hint


@pytest.mark.parametrize("more", [{}, {"group_base": "ou=groups,dc=x"}])
def test_too_many_are_refused(more):
    """For the same reason."""
    held = Held({f"g{number}": [ALICE] for number in range(5)})

    assert 5 == len(names(held, max_groups=5, **more))
    with pytest.raises(Failure, match="more than 4"):
        names(held, max_groups=4, **more)


def test_active_directory_looks_through_groups_itself():
    """One search with its rule; memberUid has none."""
    held = Held({})
    names(held, nested="in-chain", group_base="ou=groups,dc=x", group_filter="(objectClass=group)",
          member_attributes=["member", "memberUid"])  # fmt: skip

    rule = "1.2.840.113556.1.4.1941"
    assert [f"(&(objectClass=group)(|(member:{rule}:={ALICE})(memberUid=alice)))"] == held.asked


def test_many_groups_are_asked_about_in_pieces():
    """A filter does not grow without a bound."""
    held = Held({f"g{number}": [ALICE] for number in range(45)})

    names(held, group_base="ou=groups,dc=x")

    assert [1, 20, 20, 5] == [asked.count("(member=") for asked in held.asked]


def test_nothing_of_a_name_becomes_a_filter():
    """Names of members are escaped."""
    held = Held({})
    odd = Entry("cn=a*(b),dc=x")
    groups_of(store(group_base="dc=x"), held, odd, "x)(y", lambda _step, _text: None)

    assert "(member=cn=a\\2a\\28b\\29,dc=x)" in held.asked[0]
    assert "(memberUid=x\\29\\28y)" in held.asked[0]


def test_grants_name_groups_by_name_or_dn():
    """In any case; a group that does not stand there gives nothing."""
    mine = (Group("Admins", "cn=Admins,ou=groups,dc=x"), Group("dev", "cn=dev,ou=groups,dc=x"))

    assert ("admin",) == granted(mine, {"admins": ("admin",), "ops": ("operator",)})
    assert ("admin", "creator") == granted(mine, {"CN=admins,OU=groups,DC=X": ("admin",), "Dev": ("creator", "admin")})
    assert () == granted(mine, {"cn=admins,dc=x": ("admin",), "adm": ("admin",), "*": ("admin",), "": ("admin",)})
    assert () == granted((), {"": ("admin",)})


@given(st.dictionaries(st.text(max_size=3), st.lists(st.sampled_from("abc"))), st.lists(st.text(max_size=3)))
def test_nothing_is_granted_that_is_not_listed(grants, names):
    """Whatever groups are called."""
    groups = tuple(Group(name, f"cn={number}") for number, name in enumerate(names))
    listed = {one for name in names for known in grants if known.casefold() == name.casefold() for one in grants[known]}

    assert set(granted(groups, grants)) <= listed


def test_groups_are_remembered_for_so_long():
    """From the moment at which they were asked for; never when that is switched off."""
    kept = Remembered(10)
    kept.put("cn=a", (Group("g", "cn=g"),), 100)

    assert (Group("g", "cn=g"),) == kept.get("cn=a", 109)
    assert kept.get("cn=a", 110) is None
    assert kept.get("cn=b", 100) is None
    off = Remembered(0)
    off.put("cn=a", (), 100)
    assert off.get("cn=a", 100) is None


def test_what_is_remembered_is_bounded():
    """The oldest goes first."""
    kept = Remembered(10)
    for number in range(REMEMBERED + 1):
        kept.put(f"cn={number}", (), 0)

    assert (None, ()) == (kept.get("cn=0", 1), kept.get("cn=1", 1))
