"""Tests of twgw.storage.served."""

import attrs
import pytest

from tests.storage.conftest import NOW, an_api
from twgw.model import Lifecycle, Limit, Policy, State, Tier
from twgw.registry import Block, News, Record
from twgw.storage import log, served
from twgw.storage.apis import create_api, publish, set_state
from twgw.storage.blocks import add_block
from twgw.storage.schema import cluster_head
from twgw.storage.served import PREPARE, candidate_of, prepare_record, read_all, read_candidate, read_news
from twgw.storage.settings import set_policies
from twgw.storage.tiers import create_tier, update_tier


@pytest.fixture
def begun(write, read):
    """A live API, a draft and a tier, and the position at which they are known."""
    write(create_tier, Tier("gold"))
    for name in ("pets", "toys"):
        write(create_api, an_api(name), owner="ann", state=Lifecycle.PUBLISHED)
    write(publish, "pets:1.0", 1)
    return read(log.head)


def test_everything_is_read_as_of_a_position(begun, read):
    """Live APIs, tiers, and the usual policies while nobody has set others."""
    head, everything = read(read_all)

    assert begun == head
    assert {"pets:1.0": an_api("pets")} == everything.apis
    assert (State().policies, {"gold": Tier("gold")}) == (everything.policies, everything.tiers)


def test_of_too_many_apis_their_states_alone_are_read(begun, write, read):
    """Each is what it was before, in its new state, or is not there yet; what is not named is gone."""
    write(publish, "toys:1.0", 1)
    head, whole = read(read_all)
    assert (head, whole) == read(read_all, 2)

    write(set_state, "pets:1.0", Lifecycle.BLOCKED, actor="ann")
    _, names = read(read_all, 1)
    assert ({}, whole.tiers) == (names.apis, names.tiers)
    assert {"pets:1.0": Lifecycle.BLOCKED, "toys:1.0": Lifecycle.PUBLISHED} == names.unread

    before = attrs.evolve(whole, apis={name: an_api(name) for name in ("pets:1.0", "gone:1.0")}, tiers={})
    blocked = attrs.evolve(an_api("pets:1.0"), state=Lifecycle.BLOCKED)
    assert attrs.evolve(whole, apis={"pets:1.0": blocked}) == names.over(before)
    assert whole == whole.over(before)


def test_news_say_what_became_of_what_is_named(begun, write, read):
    """However often it is; of nothing else."""
    write(publish, "toys:1.0", 1)
    write(set_state, "pets:1.0", Lifecycle.RETIRED, actor="ann")
    write(publish, "toys:1.0", 1)
    news = read(read_news, begun)

    assert ["api:toys:1.0", "api:pets:1.0", "api:toys:1.0"] == [record.tag for record in news.records]
    assert {"toys:1.0": an_api("toys"), "pets:1.0": None} == news.apis
    assert (None, None, False) == (news.policies, news.tiers, news.more)


def test_news_about_tiers_policies_and_blocks_have_all_of_them(begun, write, read):
    """They are few."""
    write(update_tier, Tier("gold", (Limit(7),)))
    write(set_policies, (Policy("cors"),))
    write(add_block, Block("user", "ann"))
    news = read(read_news, begun)

    assert ({"gold": Tier("gold", (Limit(7),))}, (Policy("cors"),), {}) == (news.tiers, news.policies, news.apis)
    assert [("user", "ann")] == [(block.kind, block.value) for block in news.blocks]


def test_without_news_there_is_nothing(begun, read):
    """Not even something to compile."""
    before = read(read_all)[1]

    assert News() == read(read_news, begun)
    assert before is News().over(before)


def test_news_over_what_was_served_are_what_is_served(begun, write, read):
    """The same as what a node reads that begins later."""
    before = read(read_all)[1]
    write(publish, "toys:1.0", 1)
    write(set_state, "pets:1.0", Lifecycle.RETIRED, actor="ann")
    write(update_tier, Tier("gold", (Limit(7),)))
    write(set_policies, (Policy("cors"),))
    write(add_block, Block("user", "ann"))

    assert read(read_all)[1] == read(read_news, begun).over(before)


def test_many_news_come_in_parts(begun, write, read, monkeypatch):
    """In order."""
    monkeypatch.setattr(served, "RECORDS", 2)
    write(lambda c, *, now: log.append(c, [Record("token", f"tok:{n}") for n in range(3)], now))
    first = read(read_news, begun)
    second = read(read_news, attrs.evolve(begun, pos=first.records[-1].pos))

    assert [(True, ["tok:0", "tok:1"]), (False, ["tok:2"])] == [
        (news.more, [record.tag for record in news.records]) for news in (first, second)
    ]


def test_of_many_apis_only_names_and_states_are_read(begun, write, read):
    """They are read by themselves then, but for one that is gone; whatever else is named is told all the same."""
    write(publish, "toys:1.0", 1)
    write(set_state, "pets:1.0", Lifecycle.RETIRED, actor="ann")
    write(set_state, "toys:1.0", Lifecycle.BLOCKED, actor="ann")
    write(update_tier, Tier("gold", (Limit(7),)))
    news = read(read_news, begun, 1)

    assert ({"pets:1.0": None}, {"toys:1.0": Lifecycle.BLOCKED}) == (news.apis, news.unread)
    assert (True, {"gold": Tier("gold", (Limit(7),))}) == (news.about_apis, news.tiers)
    assert attrs.evolve(read(read_news, begun, 2), apis={}) == attrs.evolve(news, apis={}, unread={})


@pytest.mark.parametrize("case", ["a later version", "a gap", "another epoch", "an earlier position"])
def test_what_cannot_be_followed_has_no_news(begun, write, read, case):
    """Then everything has to be read."""
    write(lambda c, *, now: log.append(c, [Record("weather" if case == "a later version" else "token", "x")] * 3, now))
    if case == "a gap":
        write(lambda c, *, now: log.prune(c, now + 1e6, rows=1))
    changes = {"another epoch": {"epoch": 9}, "an earlier position": {"pos": begun.pos - 1}}
    if case in changes:
        write(lambda c, *, now: c.execute(cluster_head.update().values(changes[case])))

    assert None is read(read_news, begun)


def test_a_candidate_is_what_a_transaction_would_make_of_it(begun, database, read):
    """Read inside of it, with all that it names; as a record it says the same, and undone it leaves nothing."""

    def wish(connection):
        publish(connection, "toys:1.0", 1, now=NOW + 1)
        position = set_state(connection, "pets:1.0", Lifecycle.RETIRED, actor="ann", now=NOW + 1)
        candidates.append(read_candidate(connection, position, NOW + 1))
        raise KeyError

    candidates = []
    with pytest.raises(KeyError):
        database.call(wish, write=True)

    assert [News(apis={"pets:1.0": None, "toys:1.0": an_api("toys")})] == candidates
    record = prepare_record(candidates[0])
    assert (PREPARE, candidates[0]) == (record.kind, candidate_of(record))
    assert (begun, News()) == (read(log.head), read(read_news, begun))


def test_what_a_transaction_does_not_name_is_no_candidate(begun, database):
    """Of revocations nothing is to be compiled."""
    position = database.call(log.append, [Record("token", "tok:1")], NOW + 1, write=True)

    assert not database.call(read_candidate, position, NOW + 1).about_apis


def test_news_of_what_is_to_be_prepared_name_nothing_else(begun, write, read):
    """What is in force stays; whoever follows finds what to try in the record."""
    record = prepare_record(News(apis={"toys:1.0": an_api("toys")}))
    write(log.append, [record])
    found = read(read_news, begun)

    assert (False, record.data) == (found.about_apis, found.records[0].data)
