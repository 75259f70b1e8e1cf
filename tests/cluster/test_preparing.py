"""What is served is changed once every node has tried it; what one of them cannot have changes nothing."""

from functools import partial

import pytest

from tests.rest import World, an_api
from twgw.cluster import preparing
from twgw.cluster.membership import Lost
from twgw.cluster.preparing import Preparing
from twgw.cluster.reports import Nack
from twgw.cluster.rollcall import Reached
from twgw.model import Lifecycle
from twgw.registry import Head
from twgw.storage import log
from twgw.storage.apis import find_live, save_revision
from twgw.storage.served import PREPARE, candidate_of
from twgw.web.application import create

LENIENT = {"Prefer": "handling=lenient"}


class Nodes:
    """The others: what they were asked to try, and what they say of it."""

    def __init__(self, world):
        self.world, self.asked, self.nacks = world, [], {}
        self.meanwhile = lambda: None

    def tried(self, position):
        """As each of them has read that far."""
        (record,) = [each for each in self.world.database.call(log.since, position - 1) if each.pos == position]
        self.asked.append(candidate_of(record))
        self.meanwhile()
        texts = {node: (Nack(api, position, text),) for node, (api, text) in self.nacks.items()}
        return Reached(position, 0.01, ("a", "b"), unprepared=texts)


@pytest.fixture
def nodes(sqlite):
    """Those of a cluster; the world is one of them."""
    world = World(sqlite)
    found = Nodes(world)
    prepare = Preparing(
        partial(sqlite.call, write=True), found.tried, lambda function, *args: function(*args), lambda: world.now
    )
    object.__setattr__(world.ground, "prepare", prepare)
    world.app = create(world.ground, preparing_views())
    world.client = world.app.test_client()
    return found


def preparing_views():
    """The views of the admin REST."""
    from twgw.admin.service import VIEWS

    return VIEWS


@pytest.fixture
def world(nodes):
    return nodes.world


def kinds(world):
    """What stands in the log."""
    return [each.kind for each in world.database.call(log.since, 0)]


def live(world, api="pets:1.0"):
    """What gateways are to have in force."""
    return world.database.call(find_live, api)


def test_a_publication_is_tried_before_it_is_made(nodes, world):
    """Every node is asked first, with exactly what it will serve; then it is in the log."""
    world.post("/apis", {"api": an_api(), "publish": True})

    assert [PREPARE, "api", "api"] == kinds(world)
    assert [{"pets:1.0": live(world)}] == [each.apis for each in nodes.asked]
    assert 1 == len(world.database.call(log.since, 1, 1))


def test_what_one_node_cannot_have_changes_nothing(nodes, world):
    """The answer names node and reason; no revision is there, nothing is in the audit but what was before."""
    world.post("/apis", {"api": an_api(), "publish": True})
    before, entries = live(world), world.get("/audit")["items"]
    nodes.nacks = {"b": ("pets:1.0", "pets:1.0: policies[0].name: no policy 'geo' is installed")}
    answer = world.ask("POST", "/apis/pets/rollback", {"revision": 1}, status=409)

    assert "Not on every node" == answer.json["title"]
    assert [{"node": "b", "api": "pets:1.0", "reason": "pets:1.0: policies[0].name: no policy 'geo' is installed"}] == (
        answer.json["nodes"]
    )
    assert "nothing was changed" in answer.json["detail"]
    assert (before, 1, entries) == (live(world), world.get("/apis/pets")["latest"], world.get("/audit")["items"])
    assert [PREPARE, "api", "api", PREPARE] == kinds(world)


def test_it_is_made_all_the_same_when_that_is_asked_for(nodes, world):
    """Then nobody is asked; which nodes cannot have it, the answer says once it is in force."""
    nodes.nacks = {"b": ("", "no")}
    world.post("/apis", {"api": an_api(), "publish": True}, **LENIENT)

    assert ["api", "api"] == kinds(world)
    assert [] == nodes.asked


def test_the_same_key_is_answered_the_same(nodes, world):
    """Also when the first request was refused: nothing of it was kept."""
    nodes.nacks = {"b": ("", "no")}
    wish, key = {"api": an_api(), "publish": True}, {"Idempotency_Key": "one"}
    world.ask("POST", "/apis", wish, status=409, **key)
    nodes.nacks = {}
    world.post("/apis", wish, **key)
    world.now += 1
    again = world.ask("POST", "/apis", wish, status=201, **key)

    assert "true" == again.headers["Idempotency-Replayed"]
    assert [PREPARE, PREPARE, "api", "api"] == kinds(world)


@pytest.mark.parametrize(("path", "change"), [
    ("/tiers/Gold", {"name": "Gold", "limits": [{"amount": 2}]}),
    ("/policies", {"policies": [{"name": "correlation-id"}]}),
])  # fmt: skip
def test_whatever_gateways_have_to_compile_is_tried(nodes, world, path, change):
    """Tiers and global policies as well."""
    world.post("/tiers", {"name": "Gold", "limits": [{"amount": 1}]})
    nodes.asked.clear()
    world.ask("PUT", path, change, status=200, If_Match=world.ask("GET", path).headers["ETag"])

    assert 1 == len(nodes.asked)


def test_what_takes_trust_away_is_held_up_by_nobody(nodes, world):
    """A block, an API that is blocked, one that is deleted; and what gateways need not compile."""
    world.post("/apis", {"api": an_api(), "publish": True})
    nodes.asked.clear()
    nodes.nacks = {"b": ("", "no")}
    world.post("/applications", {"name": "me"})
    world.move("pets", "block")
    etag = world.ask("GET", "/apis/pets").headers["ETag"]
    world.ask("DELETE", "/apis/pets", status=204, If_Match=etag)

    assert [] == nodes.asked


def test_what_others_changed_meanwhile_is_tried_again(nodes, world):
    """Nobody gets something in force that was tried by nobody; one who is overtaken again and again is told."""
    world.post("/apis", {"api": an_api(), "publish": True})
    nodes.asked.clear()
    names = iter(range(100))

    def another():
        wanted = live(world)
        text = f"by another {next(names)}"
        changed = type(wanted)(**{**{f.name: getattr(wanted, f.name) for f in wanted.__attrs_attrs__}, "title": text})
        world.database.call(save_revision, changed, author="ann", now=world.now, write=True)

    nodes.meanwhile = lambda: another() if len(nodes.asked) == 1 else None
    world.move("pets", "publish")

    assert ["", "by another 0"] == [each.apis["pets:1.0"].title for each in nodes.asked]
    assert "by another 0" == live(world).title

    nodes.meanwhile = another
    nodes.asked.clear()
    another()
    assert "Changed meanwhile" == world.ask("POST", "/apis/pets/moves", {"move": "publish"}, status=409).json["title"]
    assert preparing.ATTEMPTS == len(nodes.asked)


def test_when_nobody_knows_nothing_is_done(nodes, world):
    """The database has lost what it had committed."""

    def lost():
        raise Lost("the database has lost what it had committed")

    nodes.meanwhile = lost
    answer = world.ask("POST", "/apis", {"api": an_api(), "publish": True}, status=503)

    assert ("5", None) == (answer.headers["Retry-After"], live(world))


def test_few_changes_hold_threads_at_a_time(nodes, world):
    """The others are for those who revoke: one more is told to come again."""
    statuses = []

    def another():
        number = len(nodes.asked)
        if number <= preparing.AT_ONCE:
            wish = {"api": an_api(f"api{number}"), "publish": True}
            statuses.append(world.ask("POST", "/apis", wish).status_code)

    nodes.meanwhile = another
    world.post("/apis", {"api": an_api(), "publish": True})

    assert [503, *[201] * (preparing.AT_ONCE - 1)] == statuses
    nodes.meanwhile = lambda: None
    assert 201 == world.ask("POST", "/apis", {"api": an_api("cats"), "publish": True}).status_code


def test_a_position_that_is_no_news_is_not_tried(nodes, world):
    """Somebody is told again what was done before."""
    assert Head(1, 0) == world.database.call(log.head)
    world.post("/apis", {"api": an_api()})
    assert Lifecycle.CREATED.value == world.get("/apis/pets")["api"]["state"]

    assert [] == nodes.asked
