"""Names as LDAP writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.operation.search import parse_filter
from ldap3.protocol.convert import prepare_filter_for_sending
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

from twgw.directory.names import any_of, escaped, filled, filter_problem, is_dn, nearest, rdns, split_login

TEXT = st.text(st.characters(codec="utf-8"))
NO_BLANKS = TEXT.filter(lambda text: text == " ".join(text.split()) != "")


@given(TEXT)
def test_a_value_means_itself(value):
    """What comes out of a filter is the text that was put in, with ldap3 as the judge; its own escape agrees."""
    template = "(&(objectClass=person)(uid={user}))"
    found = parse_filter(filled(template, user=value), None, False, True, None, False)
    rules = [element.assertion for element in found.elements[0].elements]

    if value:
        assert 2 == len(rules)
        assert ("uid", value.encode()) == (rules[1]["attr"], prepare_filter_for_sending(rules[1]["value"]))
    assert value.strip() != value or escape_filter_chars(value) == escaped(value)


@pytest.mark.parametrize("name", ["*", "*)(uid=*", "a)(|(uid=*", "\\2a", "\0", "{user}"])
def test_a_name_cannot_become_a_part_of_the_filter(name):
    """Brackets, stars, backslashes and NUL are written as octets."""
    text = filled("(uid={user})", user=name)

    assert "(" not in text[1:]
    assert ")" not in text[:-1]
    assert "*" not in text


def test_places_that_have_no_value_stay():
    """Only what is given is filled in."""
    assert "(a=1)(b={other})" == filled("(a={user})(b={other})", user="1")


def test_several_values_make_one_filter():
    """Each attribute with each value, escaped."""
    assert "(member=a\\2ab)" == any_of(["member"], ["a*b"])
    assert "(|(a=1)(a=2)(b=1)(b=2))" == any_of(["a", "b"], ["1", "2"])


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("(uid={user})", ""),
        ("(&(a=b)(|(c={user})(d={user})))", ""),
        ("(uid=alice)", "must have {user} where the name stands"),
        ("uid={user}", "must stand in one pair of brackets, as (uid={user})"),
        ("(a=b)(uid={user})", "must stand in one pair of brackets, as (uid={user})"),
        ("(a={user}))(", "must stand in one pair of brackets, as (uid={user})"),
        ("(&(a={user})", "must have as many closing brackets as opening ones"),
        ("", "must have as many closing brackets as opening ones"),
    ],
)
def test_what_cannot_be_a_filter_is_refused(template, problem):
    """With a word on what is wrong."""
    assert problem == filter_problem(template, "user")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("uid=alice,ou=People,dc=example", "UID=Alice, OU=people , DC=EXAMPLE"),
        ("cn=Smith\\, Alice,dc=example", "cn=Smith\\2c Alice;dc=example"),
        ("cn=a+uid=b,dc=example", "uid=b+cn=a,dc=example"),
        ("cn=a  b,dc=example", "cn= a b ,dc=example"),
        ("cn=Äsop,dc=example", "cn=\\c3\\84sop,dc=example"),
        ("2.5.4.3=a", "2.5.4.3=A"),
    ],
)
def test_names_of_one_entry_are_equal(one, other):
    """However they are written (RFC 4514)."""
    assert rdns(one) == rdns(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=a,b=c", "cn=a\\,b=c"),
        ("cn=a\\,b,dc=x", "cn=a,cn=b,dc=x"),
        ("cn=a,dc=x", "uid=a,dc=x"),
        ("cn=a,dc=x", "cn=a"),
        ("cn=a+cn=b", "cn=a,cn=b"),
    ],
)
def test_names_of_two_entries_differ(one, other):
    """An escaped comma divides nothing."""
    assert rdns(one) != rdns(other)


@given(st.lists(NO_BLANKS, min_size=1, max_size=4))
def test_every_value_survives_in_a_dn(values):
    """What ldap3 escapes is read back, as far as it is compared."""
    dn = ",".join(f"cn={escape_rdn(value)}" for value in values)

    assert tuple((("cn", value.casefold()),) for value in values) == rdns(dn)
    assert values[0] == nearest(dn)


@pytest.mark.parametrize("text", ["alice", "cn=a,", "cn=a,b", ",", "=a", "cn=a\\", "a b=c", "cn", "cn=a,,dc=b"])
def test_what_is_no_dn_is_refused(text):
    """Rather than compared by guess."""
    assert not is_dn(text)
    with pytest.raises(ValueError, match="must be a DN"):
        rdns(text)


def test_the_root_has_no_steps():
    """It is the DN of nobody."""
    assert () == rdns("")
    assert not is_dn("")


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ("alice", ("", "alice")),
        ("CORP\\alice", ("corp", "alice")),
        ("corp/alice", ("corp", "alice")),
        ("alice@Corp.Example", ("corp.example", "alice")),
        ("alice@other.example", ("", "alice@other.example")),
        ("a@b@corp.example", ("corp.example", "a@b")),
        ("other\\alice", ("", "other\\alice")),
        ("corp\\", ("", "corp\\")),
        ("@corp.example", ("", "@corp.example")),
        ("corp\\alice@corp.example", ("corp", "alice@corp.example")),
    ],
)
def test_a_domain_is_one_that_is_known(login, expected):
    """Before or behind the name; anything else there is a part of the name."""
    assert expected == split_login(login, ["corp", "corp.example"])
