"""What a key manager tells comes to a gateway as it was, and nothing else is taken for it."""

import json
import zlib
from functools import partial
from math import inf

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from twgw.cache import Fact
from twgw.cluster import encoding
from twgw.cluster.encoding import Garbled
from twgw.memory_world import EPOCH
from twgw.model import (
    Api,
    Credential,
    Environment,
    Lifecycle,
    Limit,
    Policy,
    Route,
    Subscription,
    SubscriptionState,
    Target,
    Tier,
    Unit,
    Upstream,
)  # fmt: skip
from twgw.reader import AT_A_TIME, Key, Right, Secrets
from twgw.registry import Block, Head, News, Record, SecretKey, Served
from twgw.throttle.kept import Counted

API = Api(
    "pets", "1.0", "/pets", routes=(Route("/{id}", ("GET", "POST"), policies=(Policy("size-limit", {"bytes": 5}),)),),
    upstream=Upstream((Target("http://pets.test", weight=3), Target("http://other.test"))), hosts=("a.test",),
    state=Lifecycle.DEPRECATED, policies=(Policy("key-auth"), Policy("mock-response", {"status": 418, "x": [1.5]})),
    tiers=("Gold",), default_version=True,
)  # fmt: skip
TIER = Tier("Gold", (Limit(5, 60.0), Limit(1 << 30, 3600, unit=Unit.BYTES)), burst=Limit(2, 1.0))
BLOCK = Block("user", "ann", "why", "bob", EPOCH, EPOCH + 5)
SERVED = Served({API.id: API, "x:1": Api("x", "1", "/x")}, (Policy("access-log"),), {"Gold": TIER}, (BLOCK,))
HEAD = Head(3, 12345678901)
RECORDS = (Record("api", "api:pets:1.0", "", 3, 7, EPOCH), Record("token", "tok:a", "data", 3, 8, EPOCH + 1))


def test_everything_comes_as_it_was():
    """APIs with all that they have, policies, tiers and blocks."""
    assert (HEAD, SERVED) == encoding.read_everything(encoding.write_everything(HEAD, SERVED))
    assert (HEAD, Served()) == encoding.read_everything(encoding.write_everything(HEAD, Served()))


@pytest.mark.parametrize(
    "news",
    [
        None, News(), News(RECORDS), News(RECORDS, {"pets:1.0": API, "gone:1": None}, more=True),
        News(RECORDS, {}, (), {}, ()), News(RECORDS, {}, SERVED.policies, SERVED.tiers, SERVED.blocks),
        News(RECORDS, unread={"pets:1.0": Lifecycle.BLOCKED, "x:1": Lifecycle.PUBLISHED}),
    ],
)  # fmt: skip
def test_news_come_as_they_were(news):
    """What is empty is not what is not named."""
    assert news == encoding.read_news(encoding.write_news(news))


def test_only_so_many_apis_are_asked_for_at_once():
    """By their names, as they are."""
    names = [f"käfer:{number}" for number in range(AT_A_TIME)]
    assert names == encoding.read_names(encoding.write_names(names))
    with pytest.raises(Garbled):
        encoding.read_names(encoding.write_names([*names, "n:1"]))


CREDENTIAL = Credential(
    "token", "AbCd", "shop", None, "v1:" + "a" * 64, ("read",), Environment.SANDBOX, "Gold", "bob", "ann", ("g",), EPOCH
)
KEYS = [Key(b"k1", "api-key", ("v1:a", "v2:b")), Right("shop", "pets:1.0"), Key(b"k2", "token", ("v1:c",))]
FOUND = [
    (
        Fact(7, 3, EPOCH, ("tok:a", "app:shop"), CREDENTIAL),
        {
            Right("shop", "pets:1.0"): Fact(7, 3, inf, ("sub:x",), Subscription("pets:1.0", "Gold")),
            Right("shop", "b"): Fact(7, 3, inf, (), Subscription("b", None, SubscriptionState.PAUSED)),
        },
    ),
    (Fact(7, 3, inf, ("sub:x",), Subscription("pets:1.0", None)), {}),
    (Fact(7, 3, inf, (), None), {}),
]


def comparable(found):
    """Facts are compared by what is in them."""
    from attrs import asdict

    return [(asdict(fact), {right: asdict(one) for right, one in rights.items()}) for fact, rights in found]


def test_what_is_asked_for_comes_without_how_it_is_called():
    """The quick digest of a key stays in the gateway."""
    written = encoding.write_wanted(KEYS)

    assert [key._replace(fact=b"") if isinstance(key, Key) else key for key in KEYS] == encoding.read_wanted(written)
    assert b"k1" not in written


def test_facts_come_as_they_were():
    """With what they depend on, until when they hold, and rights that came along."""
    assert comparable(FOUND) == comparable(encoding.read_facts(encoding.write_facts(FOUND), KEYS))


def test_secrets_come_as_they_were():
    """And in whose name tokens are signed."""
    found = Secrets((SecretKey("pepper", 2, "p", EPOCH, None),), (SecretKey("signing", 1, "{}", EPOCH, EPOCH),), "us")

    assert found == encoding.read_secrets(encoding.write_secrets(found))
    more = evolve(found, head=Head(1, 7), removed={"gw1": frozenset({"a1"}), "gw2": frozenset()})
    assert more == encoding.read_secrets(encoding.write_secrets(more))


def packed(value):
    return zlib.compress(json.dumps(value).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"", b"x", packed([]), packed({}), packed({"head": {}, "served": {}}), zlib.compress(b"x"),
        packed({"head": {"epoch": 1, "pos": 2}, "served": {"later": 1}}), encoding.write_everything(HEAD, SERVED)[:-9],
    ],
)  # fmt: skip
def test_a_state_that_is_not_whole_is_not_taken(data):
    """Nothing of it is."""
    with pytest.raises(Garbled):
        encoding.read_everything(data)


def test_a_state_has_an_end(monkeypatch):
    """However small it was made."""
    monkeypatch.setattr(encoding, "LARGEST", 1000)

    with pytest.raises(Garbled, match="more than 1000 bytes"):
        encoding.read_everything(packed("x" * 2000))


@pytest.mark.parametrize(
    "value",
    [
        {}, [1], [["key", "api-key"]], [["key", 1, []]], [["key", "api-key", [1]]], [["right", "a"]], [["x", "a", "b"]],
        [["key", "api-key", ["d"] * 9]], [["right", "a", "b"]] * 65,
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused(value):
    """And one that asks for too much."""
    with pytest.raises(Garbled):
        encoding.read_wanted(json.dumps(value).encode())


@pytest.mark.parametrize(
    "value",
    [
        {}, [], [1], [{}], [{"position": 1}], [{**encoding._fact(FOUND[0][0]), "rights": [["a"]]}],
        [{**encoding._fact(FOUND[0][0]), "rights": [], "payload": {"x": 1}}],
        [{**encoding._fact(FOUND[0][0]), "rights": [], "position": "x"}],
    ],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_none(value):
    """Nobody is let in by it."""
    with pytest.raises(Garbled):
        encoding.read_facts(json.dumps(value).encode(), KEYS[:1])
    with pytest.raises(Garbled):
        encoding.read_secrets(json.dumps(value).encode())


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_garbled(data):
    """They raise nothing else."""
    small = partial(encoding.read_counted, small=True)
    readers = (encoding.read_everything, encoding.read_news, encoding.read_wanted, encoding.read_secrets)
    for read in (*readers, encoding.read_names, encoding.read_counted, small):
        try:
            read(data)
        except Garbled:
            continue


@given(st.lists(st.tuples(st.text("kt:.0af", max_size=48), st.integers(0, (1 << 63) - 1), st.floats(0, 1e12))))
def test_what_was_counted_is_told_exactly(values):
    """In pieces of a box, and all at once."""
    wanted = [Counted(*each) for each in values]
    assert wanted == encoding.read_counted(encoding.write_counted(wanted))
    assert wanted == encoding.read_counted(encoding.write_counted(wanted, small=True), small=True)


def test_no_more_is_told_at_once_than_fits_into_a_box():
    """Of values as long as they may be."""
    most = [Counted("k" * encoding.LONGEST_KEY, (1 << 63) - 1, 1_700_000_000.123456)] * encoding.MOST_COUNTED
    assert len(encoding.write_counted(most, small=True)) < 0xFFFF
    with pytest.raises(Garbled):
        encoding.read_counted(encoding.write_counted([*most, most[0]], small=True), small=True)


@pytest.mark.parametrize("ends", ["NaN", "Infinity", "-1", "1e300", "1" + "0" * 400])
def test_nothing_counted_lasts_for_ever(ends):
    """Such a value would never be let go."""
    with pytest.raises(Garbled):
        encoding.read_counted(b'[["k", 1, %s]]' % ends.encode(), small=True)


def test_something_that_a_later_version_knows_is_named():
    """So that one sees what to upgrade."""
    with pytest.raises(Garbled, match=r"tells what is not known here: apis\.x.*later"):
        encoding.read_news(packed({"apis": {"x": {"name": "x", "version": "1", "base_path": "/", "later": True}}}))
