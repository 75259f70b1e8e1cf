"""Several stores as one."""

import pytest
from attrs import define, field

from twgw.directory.settings import LdapStore
from twgw.directory.stores import Stores
from twgw.policy.interfaces import DirectoryUser, Refusal
from twgw.settings import structure


@define
class Told:
    """A store that answers what it is told, and notes who was asked for."""

    settings: LdapStore
    users: dict
    asked: list = field(factory=list)

    async def ask(self, user, password):
        self.asked.append(user)
        known = self.users.get(user, Refusal.UNKNOWN)
        if isinstance(known, Refusal):
            return known
        good = DirectoryUser(self.settings.name, user, f"uid={user}")
        return good if password in (known, None) else Refusal.WRONG_PASSWORD


class Dead(dict):
    """A store that answers nothing."""

    def get(self, _name, _default):
        return Refusal.UNAVAILABLE


def store(name, users, **more):
    least = {"name": name, "servers": ["ldaps://a"], "user_base": "dc=x"}
    return Told(structure(LdapStore, {**least, **more}), users)


def stores(*several):
    return Stores({each.settings.name: each for each in several})


def done(coroutine):
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    return end.value.value


def log_in(several, user, password="pw", store=""):
    found = done(several.authenticate(user, password, store))
    return f"{found.name} of {found.store}" if found else found


def test_stores_are_asked_in_their_order():
    """The first that knows a name decides, also that a password is wrong."""
    one, two = store("one", {"a": "pw"}), store("two", {"a": "other", "b": "pw"})
    both = stores(one, two)

    assert "a of one" == log_in(both, "a")
    assert "b of two" == log_in(both, "b")
    assert Refusal.WRONG_PASSWORD is log_in(both, "a", "other")
    assert Refusal.UNKNOWN is log_in(both, "c")
    assert ["b", "c"] == two.asked


def test_a_dead_store_does_not_sink_the_others():
    """Whoever is in another one logs in; of others nobody can say whether they are in the dead one."""
    both = stores(store("dead", Dead()), store("two", {"a": "pw"}))

    assert "a of two" == log_in(both, "a")
    assert Refusal.WRONG_PASSWORD is log_in(both, "a", "bad")
    assert Refusal.UNAVAILABLE is log_in(both, "b")
    assert Refusal.UNAVAILABLE is log_in(stores(store("one", {}), store("dead", Dead())), "b")


def test_a_store_may_be_named():
    """Then no other one is asked."""
    both = stores(store("one", {"a": "pw"}), store("two", {"a": "pw"}))

    assert "a of two" == log_in(both, "a", store="two")
    assert Refusal.UNAVAILABLE is log_in(stores(store("dead", Dead()), store("two", {"a": "pw"})), "a", store="dead")


def test_a_store_that_is_not_there_is_a_mistake():
    """Of who configured it, and no wrong password of anybody."""
    with pytest.raises(LookupError, match="there is no user store tow; did you mean two"):
        log_in(stores(store("two", {})), "a", store="tow")
    with pytest.raises(LookupError, match=r"no user store is configured; write an \[\[ldap\]\] table"):
        log_in(stores(), "a")


def test_a_domain_chooses_the_store():
    """Before the name or behind it; the store gets the name without it."""
    both = stores(store("one", {"a": "pw"}), store("two", {"a": "pw"}, domains=["CORP", "corp.example"]))

    assert "a of one" == log_in(both, "a")
    for login in ("CORP\\a", "corp/a", "a@corp.example"):
        assert "a of two" == log_in(both, login)
    assert Refusal.UNKNOWN is log_in(both, "OTHER\\a")
    assert "a of two" == log_in(both, "CORP\\a", store="two")


def test_a_store_may_want_its_domain():
    """Then nobody in it is taken for somebody of the same name in another one, whichever is down."""
    one = store("one", Dead(), domains=["one"], domain_required=True)
    two = store("two", {"a": "pw"}, domains=["two"], domain_required=True)
    both = stores(one, two)

    assert Refusal.UNKNOWN is log_in(both, "a")
    assert "a of two" == log_in(both, "two\\a")
    assert Refusal.UNAVAILABLE is log_in(both, "one\\a")
    assert ["a"] == two.asked


def test_a_name_in_a_named_store_needs_no_domain():
    """It says already which one is meant."""
    two = store("two", {"a": "pw"}, domains=["two"], domain_required=True)

    assert "a of two" == log_in(stores(two), "a", store="two")


@pytest.mark.parametrize(
    ("user", "password", "refusal"),
    [("", "pw", Refusal.UNKNOWN), (" ", "pw", Refusal.UNKNOWN), ("a", "", Refusal.WRONG_PASSWORD),
     ("a", " ", Refusal.WRONG_PASSWORD), ("a\0", "pw", Refusal.UNKNOWN), ("a", "\0", Refusal.WRONG_PASSWORD)],
)  # fmt: skip
def test_what_is_no_name_or_password_is_not_asked_for(user, password, refusal):
    """No store hears of it."""
    one = store("one", {"a": "pw"})

    assert refusal is log_in(stores(one), user, password)
    assert [] == one.asked


def test_a_user_may_be_found_without_a_password():
    """For their groups."""
    assert "a" == done(stores(store("one", {"a": "pw"})).find("a")).name
    assert Refusal.UNKNOWN is done(stores(store("one", {})).find("a"))


def test_a_refusal_is_false():
    """So that nobody takes one for a user."""
    assert [False] * 3 == [bool(refusal) for refusal in Refusal]
