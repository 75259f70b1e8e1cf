"""What a key manager answers, and what a gateway without a database reads of it: both ends, with a real database."""

import attrs
import pytest
from twisted.internet.defer import Deferred, execute, fail

from tests.cluster.test_protocol import outcome
from twgw.cluster import answers as module
from twgw.cluster import remote as asking
from twgw.cluster.answers import Answers
from twgw.cluster.commands import (
    PIECE,
    KeepCounted,
    Part,
    ReadAll,
    ReadApis,
    ReadCounted,
    ReadFacts,
    ReadKeys,
    ReadNews,
    Refused,
)  # fmt: skip
from twgw.cluster.encoding import write_news
from twgw.cluster.remote import Remote
from twgw.cluster.turns import MOST_RUNNING
from twgw.memory_world import EPOCH
from twgw.model import Api, Credential, Lifecycle, Target, Upstream
from twgw.reader import AT_A_TIME, Key, Right
from twgw.registry import Head, News
from twgw.storage.apis import create_api, publish
from twgw.storage.applications import create_application
from twgw.storage.credentials import add_credential
from twgw.storage.errors import Unavailable
from twgw.storage.keys import ensure_key
from twgw.storage.reader import DatabaseReader
from twgw.storage.served import read_all
from twgw.storage.subscriptions import subscribe
from twgw.throttle.kept import Counted

WANTED = [Key(b"mine", "api-key", ("v1:" + "a" * 64,)), Right("shop", "pets:1"), Key(b"x", "api-key", ("v1:bb",))]


@pytest.fixture
def write(sqlite):
    """Write to the database of the key manager."""
    return lambda function, *args, **more: sqlite.call(function, *args, write=True, now=EPOCH, **more)


@pytest.fixture
def local(sqlite, write):
    """How its own gateway reads it: an API, a key, secrets."""
    write(create_api, an_api("pets"), owner="ann", state=Lifecycle.PUBLISHED)
    write(publish, "pets:1", 1)
    write(create_application, "shop", owner="ann")
    write(subscribe, "shop", "pets:1")
    write(add_credential, Credential(id="k", application="shop", digest="v1:" + "a" * 64))
    write(ensure_key, "pepper", lambda: "v1:" + "70" * 32)
    return DatabaseReader(sqlite)


def an_api(name, **fields):
    return Api(name, "1", f"/{name}", upstream=Upstream((Target("http://pets.test"),)), **fields)


@pytest.fixture
def opened(sqlite, local, node, wire):
    """A gateway that is connected to it; what that asks for is read for it anew."""
    answers = Answers(DatabaseReader(sqlite), execute, lambda: EPOCH, "https://us.test").by_command()
    return wire(node("km1", "keymanager", answers=answers), node("gw1", "gateway"))


@pytest.fixture
def remote(opened):
    """How that reads."""
    return Remote("km1", lambda: [opened.client], lambda: "nobody is there", execute)


@pytest.fixture
def come(opened):
    """Wait for an answer."""

    def come(awaitable):
        asked = Deferred.fromCoroutine(awaitable)
        opened.pump()
        found = outcome(asked)
        if isinstance(found, Exception):
            raise found
        return found

    return come


def plain(found):
    return [(attrs.asdict(fact), {right: attrs.asdict(one) for right, one in rights.items()}) for fact, rights in found]


def test_a_gateway_reads_what_it_would_read_itself(local, remote, come):
    """Everything, news, facts, secrets."""
    head = outcome(local.everything())[0]
    facts = come(remote.facts(WANTED, EPOCH))

    assert outcome(local.everything()) == come(remote.everything()) == come(remote.everything(1))
    assert outcome(local.everything(0)) == come(remote.everything(0))
    assert ({}, {"pets:1"}) == ((names := come(remote.everything(0))[1]).apis, names.unread.keys())
    assert outcome(local.news(Head(head.epoch, 0))) == come(remote.news(Head(head.epoch, 0)))
    assert outcome(local.news(Head(head.epoch, 0), 0)) == come(remote.news(Head(head.epoch, 0), 0))
    assert None is come(remote.news(Head(head.epoch + 1, 0)))
    assert outcome(local.apis(["pets:1", "none:1"])) == come(remote.apis(["pets:1", "none:1"]))
    assert plain(outcome(local.facts(WANTED, EPOCH))) == plain(facts)
    assert ["shop", None] == [facts[0][0].payload.application, facts[2][0].payload]
    assert [head.pos] * 3 == [fact.position for fact, _ in facts]
    assert ("v1:" + "70" * 32, "https://us.test") == (
        (found := come(remote.secrets(EPOCH))).peppers[0].material, found.issuer,
    )  # fmt: skip


def test_what_was_counted_is_kept_and_read(sqlite, remote, come):
    """By gateways as by key managers, and however much it is; the greatest is right."""
    values = [Counted(f"k{number:04}", number, EPOCH + 60) for number in range(1200)]
    come(remote.keep_counted("n1", values, EPOCH))
    come(remote.keep_counted("n1", [Counted("k0001", 0, EPOCH + 60)], EPOCH))

    assert sorted(values) == sorted(come(remote.counted("n1", EPOCH)))
    assert sorted(values) == sorted(DatabaseReader(sqlite).counted_at_start("n1", EPOCH))
    assert remote.counted_at_start("n1", EPOCH) is None


@pytest.mark.parametrize("values", [b"", b"{}", b"[1]", b'[["k", -1, 0]]', b'[["k", 1, "x"]]', b'[["k", 1, 1]]x'])
def test_what_makes_no_sense_is_not_kept(opened, sqlite, values):
    """It is refused, and nothing of it is written."""
    asked = opened.client.ask(KeepCounted, place="n1", values=values)
    opened.pump()

    assert isinstance(outcome(asked), Refused)
    assert [] == DatabaseReader(sqlite).counted_at_start("n1", 0.0)


def test_a_place_that_no_node_is_called_is_refused(opened):
    """A name of a node is not so long, and the database has no room for it."""
    asked = opened.client.ask(KeepCounted, place="n" * 101, values=b'[["k", 1, 1]]')
    opened.pump()

    assert isinstance(outcome(asked), Refused)


def test_it_cannot_be_asked_before_the_reactor_runs(remote):
    """A start goes on without it."""
    assert None is remote.at_start()
    assert ("km1", "the key manager") == (remote.name, remote.whom)


@pytest.fixture
def much(write, monkeypatch):
    """An answer of many pieces."""
    monkeypatch.setattr(module, "PIECE", 100)
    for number in range(50):
        write(create_api, an_api(f"a{number}", description=str(number) * 50), owner="ann", state=Lifecycle.PUBLISHED)
        write(publish, f"a{number}:1", 1)


def test_a_large_answer_comes_in_pieces(local, remote, come, much, opened):
    """And is forgotten with the last."""
    assert 51 == len(come(remote.everything())[1].apis)
    assert outcome(local.everything()) == come(remote.everything())
    assert {} == opened.server.large


def test_who_asks_for_everything_at_once_shares_one_read(sqlite, opened, monkeypatch):
    """However many do, and also when it fails; the next one reads anew."""
    reads, run = [], sqlite.run
    monkeypatch.setattr(sqlite, "run", lambda *args: reads.append(Deferred()) or reads[-1])
    asked = [opened.client.ask(ReadAll) for _ in range(MOST_RUNNING)]
    opened.pump()
    assert 1 == len(reads)
    reads[0].errback(Unavailable("away"))
    opened.pump()
    assert ["away"] * MOST_RUNNING == [str(outcome(each)) for each in asked]

    again = opened.client.ask(ReadAll)
    opened.pump()
    assert 2 == len(reads)
    monkeypatch.undo()
    run(read_all).chainDeferred(reads[1])
    opened.pump()
    assert outcome(again)["size"] > 0


def test_few_large_answers_are_kept_for_a_peer(opened, much):
    """Whoever asks again and reads none of them to the end takes no more room."""
    for _ in range(10):
        opened.client.ask(ReadAll)
    opened.pump()

    assert [9, 10] == list(opened.server.large)


@pytest.mark.parametrize(("answer", "offset"), [(7, 1), (1, 0), (1, -5), (1, 1 << 40)])
def test_a_piece_that_is_not_there_is_refused(opened, much, answer, offset):
    """Of an answer that was never given, or past its end."""
    opened.client.ask(ReadAll)
    asked = opened.client.ask(Part, answer=answer, offset=offset)
    opened.pump()

    assert "there is no such piece of an answer any more" == str(outcome(asked))


def test_a_question_that_makes_no_sense_is_refused(opened):
    """The connection goes on."""
    asked = opened.client.ask(ReadFacts, wanted=b"[1]")
    opened.pump()

    assert isinstance(outcome(asked), Refused)
    assert opened.is_open


def test_a_database_that_is_away_is_told(sqlite, remote, come, monkeypatch):
    """And whoever waits for it at the gateway gets 503, as at any node."""
    monkeypatch.setattr(sqlite, "run", lambda *_args: fail(Unavailable("the disk is full")))

    with pytest.raises(Unavailable, match="no key manager answers: km1: the disk is full"):
        come(remote.everything())


def test_without_a_connection_nobody_answers():
    """Why, the connections know."""
    remote = Remote("km1", list, lambda: "km1:8091: Connection refused", execute)

    error = outcome(Deferred.fromCoroutine(remote.secrets(EPOCH)))
    assert "no key manager answers: km1:8091: Connection refused" == str(error)


def test_the_next_is_asked_when_one_fails(clock, local, node, wire, opened, come):
    """Or ends the connection in the middle."""
    broken = wire(node("km0", "keymanager", answers={ReadKeys: lambda peer: 1 / 0}), node("gw1", "gateway"))
    remote = Remote("km", lambda: [broken.client, opened.client], str, execute)
    asked = Deferred.fromCoroutine(remote.secrets(EPOCH))
    broken.pump()
    opened.pump()

    assert "https://us.test" == outcome(asked).issuer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"answer": 1, "size": 3, "piece": b"xyz"}, "the key manager does not speak JSON"),
        ({"answer": 1, "size": 1 << 40, "piece": b"x"}, "its answer has 1099511627776 bytes"),
        ({"answer": 1, "size": 9, "piece": b"x"}, "its answer ends too early"),
    ],
)
def test_an_answer_that_makes_no_sense_is_no_answer(node, wire, answer, said):
    """Nothing of it is believed."""
    answers = {ReadKeys: lambda peer: answer, Part: lambda peer, **_part: {"piece": b""}}
    opened = wire(node("km0", "keymanager", answers=answers), node("gw1", "gateway"))
    remote = Remote("km", lambda: [opened.client], str, execute)
    asked = Deferred.fromCoroutine(remote.secrets(EPOCH))
    opened.pump()

    assert said in str(outcome(asked))


def test_a_key_manager_that_tells_of_other_apis_than_those_that_were_asked_for_tells_nothing(node, wire):
    """One that is left out would be waited for without an end."""
    data = write_news(News(apis={"toys:1": None}))
    answers = {ReadApis: lambda peer, wanted: {"answer": 1, "size": len(data), "piece": data}}
    opened = wire(node("km0", "keymanager", answers=answers), node("gw1", "gateway"))
    asked = Deferred.fromCoroutine(Remote("km", lambda: [opened.client], str, execute).apis(["pets:1"]))
    opened.pump()

    assert "the key manager answers something else" == str(outcome(asked))


def test_names_that_do_not_fit_into_a_box_are_asked_for_one_after_the_other(remote, come):
    """As those of people who write with other letters."""
    names = [f"{'𒀀' * 95}{number:05}:1" for number in range(AT_A_TIME)]
    assert dict.fromkeys(names) == come(remote.apis(names))


def test_an_earlier_key_manager_does_not_know_how_to_tell_of_some_apis(node, wire, local, opened, come):
    """The next one is asked."""
    earlier = wire(node("km0", "keymanager"), node("gw1", "gateway"))
    remote = Remote("km", lambda: [earlier.client, opened.client], str, execute)
    asked = Deferred.fromCoroutine(remote.apis(["pets:1"]))
    earlier.pump()
    opened.pump()

    assert ["pets:1"] == list(outcome(asked))


def test_a_piece_is_what_the_protocol_says():
    """Both ends mean the same."""
    assert PIECE == module.PIECE
    assert asking.LARGEST > PIECE


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (ReadNews, {"epoch": 1, "position": 1 << 63}), (ReadNews, {"epoch": -1, "position": 0}),
        (ReadNews, {"epoch": 10**4000, "position": 0}), (ReadCounted, {"place": "a\0"}),
        (ReadCounted, {"place": "a" * 101}), (ReadFacts, {"wanted": b'[["key", "api-key", ["\\u0000"]]]'}),
        (ReadFacts, {"wanted": b'[["right", "\\ud800", "pets:1"]]'}), (ReadApis, {"wanted": b'["a\\u0000"]'}),
        (ReadApis, {"wanted": b"[1]"}), (ReadApis, {"wanted": b'{"a": 1}'}),
        (KeepCounted, {"place": "a", "values": b'[["\\u0000", 1, 2e9]]'}),
        (KeepCounted, {"place": "a", "values": b'[["k", true, 2e9]]'}),
        (KeepCounted, {"place": "a", "values": b'[["k", 1, NaN]]'}),
    ],
)  # fmt: skip
def test_what_no_database_takes_is_refused(opened, command, arguments):
    """It is no fault of ours, and does not stand in the log as one."""
    asked = opened.client.ask(command, **arguments)
    opened.pump()

    assert isinstance(outcome(asked), Refused)
    assert not [line for line in opened.server._here.log.lines if "Traceback" in str(line)]
