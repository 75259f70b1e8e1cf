"""Whose key it is, from the deployed state."""

from twgw.gateway.lookup import Lookup, Rights, facts_of
from twgw.memory_world import FakeClock
from twgw.model import Application, Credential, State, Subscription, Tier


def digest(key):
    return f"v1:{key[::-1]}"


def looked_up(*credentials):
    lookup = Lookup(FakeClock(), digest)
    lookup.replace(
        facts_of(
            State(
                tiers=(Tier("Gold"),),
                applications=(Application("shop", (Subscription("pets:1.0", "Gold"),), credentials),),
            ),
            digest,
        )
    )
    return lookup


def test_a_key_is_found_by_value_or_digest():
    """The same for both; the credential says whose it is and holds no key."""
    lookup = looked_up(Credential(value="plain-key"), Credential(digest=digest("other-key"), id="second"))
    plain, other = lookup.find("api-key", "plain-key"), lookup.find("api-key", "other-key")

    assert ("shop", "shop-1", None) == (plain.application, plain.id, plain.value)
    assert ("shop", "second") == (other.application, other.id)
    assert plain is lookup.find("api-key", "plain-key")


def test_unknown_keys_and_kinds_are_not_found():
    """Also not after a good one."""
    lookup = looked_up(Credential(value="plain-key"))
    lookup.find("api-key", "plain-key")

    assert [None, None] == [lookup.find("api-key", "plain-kez"), lookup.find("basic", "plain-key")]


def test_an_expired_key_is_not_found():
    """From the moment on, also when it was found before."""
    lookup = looked_up(Credential(value="plain-key", expires_at=0))
    lookup.facts = facts_of(
        State(
            applications=(Application("a", (), (Credential(value="plain-key", expires_at=lookup.clock.wall() + 5),)),)
        ),
        digest,
    )

    assert lookup.find("api-key", "plain-key")

    lookup.clock.advance(5)

    assert lookup.find("api-key", "plain-key") is None


def test_other_facts_are_in_force_at_once():
    """A key that is gone is not remembered."""
    lookup = looked_up(Credential(value="plain-key"))
    lookup.find("api-key", "plain-key")
    lookup.replace(facts_of(State(), digest))

    assert lookup.find("api-key", "plain-key") is None


def test_the_key_itself_is_not_kept():
    """Nothing that the lookup holds contains it."""
    lookup = looked_up(Credential(value="canary-key-1"))
    lookup.find("api-key", "canary-key-1")

    assert "canary-key-1" not in repr((lookup.facts, lookup._fast))


def test_subscriptions_and_tiers():
    """By application and API, by name."""
    rights = Rights(looked_up())

    assert ("Gold", None) == (rights.find("shop", "pets:1.0").tier, rights.find("shop", "other:1.0"))
    assert ("Gold", None) == (rights.tier("Gold").name, rights.tier("None"))


def test_a_name_with_a_password_is_found_by_the_name():
    """Not by what is stored of the password, which comes with it to be compared."""
    lookup = looked_up(Credential("basic", user="alice", digest="$argon2id$x"))

    assert "$argon2id$x" == lookup.find("basic", "alice").digest
    for kind, secret in (("basic", "$argon2id$x"), ("api-key", "alice"), ("basic", "")):
        assert lookup.find(kind, secret) is None
