"""Tests of twgw.web.application, asked by Flask's test client."""

import flask
import pytest

from tests.web.nouns import Tier
from twgw.web.application import Ground, UnguardedError, create, permits
from twgw.web.asking import after, limit_of
from twgw.web.permissions import Permission, Role
from twgw.web.refusals import refuse
from twgw.web.view import Answer, Caller, Page, Views

PEOPLE = {
    "Bearer root": Caller("root", frozenset({Role.ADMIN})),
    "Bearer sue": Caller("sue", frozenset({Role.SUBSCRIBER})),
}


class Away(Exception):
    """The database is not there."""


class Store:
    """A database in memory: a dict for a connection, put back when a transaction fails."""

    def __init__(self):
        self.tiers = {"Gold": Tier("Gold")}
        self.writes = []

    def call(self, function, *args, write=False):
        before = dict(self.tiers)
        self.writes.append(write)
        try:
            return function(self.tiers, *args)
        except Exception:
            self.tiers = before
            raise


class Book:
    """A ledger that keeps lines only."""

    def __init__(self):
        self.lines = []

    def audit(self, connection, *line):
        self.lines.append(line)

    def recall(self, connection, actor, key, now): ...

    def remember(self, connection, actor, key, kept, now): ...


class Log:
    """What was told."""

    def __init__(self):
        self.lines = []

    def error(self, text, **fields):
        self.lines.append(text.format(**fields))


views = Views("tiers", "/v1")


@views.view("GET", "/tiers", permission=Permission.TIER_READ, answers=Tier, paged=True)
def list_tiers(call, connection):
    """List tiers."""
    start, limit = after(call.query) or "", limit_of(call.query)
    names = sorted(name for name in connection if name > start)
    return Page([connection[name] for name in names[:limit]], names[limit - 1] if len(names) > limit else None)


@views.view("GET", "/tiers/{tier}", permission=Permission.TIER_READ, answers=Tier)
def show_tier(call, connection, tier):
    """Show a tier."""
    return connection[tier]


@views.view("POST", "/tiers", permission=Permission.TIER_WRITE, body=Tier, answers=Tier, status=201)
def add_tier(call, connection):
    """Add a tier."""
    connection[call.body.name] = call.body
    if call.body.name == "bad":
        raise refuse(409, "Not so")
    return Answer(call.body, location=f"/tiers/{call.body.name}", position=4, unreached=202)


@views.view("POST", "/slow", permission=Permission.SELF, answers=Tier, outside=True)
def slow(call, transact):
    """Work before the transaction."""
    name = call.actor
    return transact(lambda _, connection: Tier(name, limits=()) if connection else None)


@views.view("POST", "/fail", permission=Permission.ANYONE)
def fail(call, connection):
    """Fail."""
    raise Away("the database is away") if call.address == "127.0.0.1" else ZeroDivisionError("secret")


class World:
    """An application and what it stands on."""

    def __init__(self, **options):
        self.store, self.book, self.log = Store(), Book(), Log()

        def authenticate(request, now):
            return PEOPLE.get(request.headers.get("Authorization"))

        ground = Ground(self.store, self.book, authenticate, lambda: 5.0, self.log, {Away: 503})
        self.app = create(ground, [views], titles={"/v1": "Test"}, **options)
        self.client = self.app.test_client()

    def ask(self, method, path, who="root", **options):
        fields = {"Authorization": f"Bearer {who}"} | options.pop("headers", {})
        return self.client.open(path, method=method, headers=fields, **options)


@pytest.fixture
def world():
    """One for each test."""
    return World()


def test_a_view_answers_with_its_object(world):
    """As JSON with a tag; and from no cache."""
    answer = world.ask("GET", "/v1/tiers/Gold")

    assert (200, {"name": "Gold", "limits": []}) == (answer.status_code, answer.json)
    assert "no-store" == answer.headers["Cache-Control"]
    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    again = world.ask("GET", "/v1/tiers/Gold", headers={"If-None-Match": answer.headers["ETag"]})
    assert (304, b"") == (again.status_code, again.data)


def test_pages_follow_each_other(world):
    """Until there is no next."""
    world.store.tiers.update({name: Tier(name) for name in "abc"})
    names, query = [], "?limit=3"
    while True:
        page = world.ask("GET", "/v1/tiers" + query).json
        names += [each["name"] for each in page["items"]]
        if page["next"] is None:
            break
        query = f"?limit=3&cursor={page['next']}"

    assert sorted(world.store.tiers) == names


def test_a_write_is_one_transaction(world):
    """What is refused leaves nothing; what is done is audited, and says what to wait for."""
    done = world.ask("POST", "/v1/tiers", json={"name": "Silver"}, headers={"Prefer": "wait=3"})
    refused = world.ask("POST", "/v1/tiers", json={"name": "bad"})

    assert (201, "/v1/tiers/Silver", "4;202;3") == (
        done.status_code, done.headers["Location"], done.headers["Twgw-Position"],
    )  # fmt: skip
    assert (409, "Not so") == (refused.status_code, refused.json["title"])
    assert ["Gold", "Silver"] == sorted(world.store.tiers)
    assert [(5.0, "root", "add_tier", "/admin/v1/tiers/Silver", None, {"name": "Silver"})] == world.book.lines
    assert [True, True] == world.store.writes


def test_a_revocation_that_need_not_be_waited_for_is_202(world):
    """Who prefers respond-async is not answered 503."""
    done = world.ask("POST", "/v1/tiers", json={"name": "Silver"}, headers={"Prefer": "respond-async"})

    assert "4;202;0" == done.headers["Twgw-Position"]


def test_a_slow_view_chooses_when_its_transaction_begins(world):
    """It is audited all the same."""
    assert {"name": "sue", "limits": []} == world.ask("POST", "/v1/slow", "sue").json
    assert "slow" == world.book.lines[0][2]


@pytest.mark.parametrize(("method", "path", "who", "status"), [
    ("GET", "/v1/tiers", "nobody", 401), ("POST", "/v1/tiers", "nobody", 401), ("POST", "/v1/tiers", "sue", 403),
    ("GET", "/v1/tiers", "sue", 200), ("GET", "/v1/openapi.json", "nobody", 200), ("GET", "/v1/none", "nobody", 404),
    ("DELETE", "/v1/tiers", "root", 405), ("OPTIONS", "/v1/tiers", "root", 405), ("GET", "//v1/tiers", "root", 404),
    ("GET", "/v1/tiers/%00", "root", 404), ("GET", "/v1/tiers/Gold?x=1", "root", 400),
    ("HEAD", "/v1/tiers/Gold", "root", 200),
])  # fmt: skip
def test_who_may_do_what(world, method, path, who, status):
    """Asked before anything of a request is read; every error is a problem document."""
    answer = world.ask(method, path, who)

    assert status == answer.status_code
    if status >= 400:
        assert "application/problem+json" == answer.content_type
        assert status == answer.json["status"]


def test_a_method_that_is_not_there_names_those_that_are(world):
    """As RFC 9110, 15.5.6 asks."""
    assert {"GET", "HEAD", "POST"} == set(world.ask("DELETE", "/v1/tiers").headers["Allow"].split(", "))


def test_a_body_where_none_is_taken_is_refused(world):
    """It would be ignored otherwise, and somebody would wonder."""
    assert 400 == world.ask("GET", "/v1/tiers/Gold", data=b"{}").status_code


def test_a_store_that_is_away_is_503(world):
    """With its words, and when to try again."""
    answer = world.ask("POST", "/v1/fail")

    assert (503, "the database is away", "5") == (
        answer.status_code, answer.json["detail"], answer.headers["Retry-After"],
    )  # fmt: skip


def test_an_error_of_ours_says_nothing_to_the_caller(world):
    """Only the log has it."""
    answer = world.ask("POST", "/v1/fail", environ_base={"REMOTE_ADDR": "10.0.0.1"})

    assert 500 == answer.status_code
    assert b"secret" not in answer.data
    assert ["/v1/fail failed: ZeroDivisionError('secret')"] == world.log.lines


def test_a_route_without_a_permission_stops_the_start():
    """Also one of a blueprint."""
    pages = flask.Blueprint("pages", "pages")
    pages.add_url_rule("/open", "open", lambda: "open")

    with pytest.raises(UnguardedError, match="/open: no permission"):
        World(blueprints=[pages])


def test_a_blueprint_stands_behind_the_same_gate():
    """Its functions see who calls."""
    pages = flask.Blueprint("pages", "pages")
    pages.add_url_rule("/me", "me", permits(Permission.SELF)(lambda: flask.g.caller.name))
    world = World(blueprints=[pages])

    assert b"sue" == world.ask("GET", "/me", "sue").data
    assert 401 == world.ask("GET", "/me", "nobody").status_code


def test_the_document_names_every_route(world):
    """Nothing is served that is not described, but the document itself."""
    described = {
        (method.upper(), path)
        for path, item in world.ask("GET", "/v1/openapi.json").json["paths"].items()
        for method in item
    }
    served = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in world.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD"}
    }

    assert served - {("GET", "/v1/openapi.json")} == described
