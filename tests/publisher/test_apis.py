"""Tests of twgw.publisher.apis."""

from tests.rest import NOW, an_api
from twgw.faults import Fault


def test_an_api_is_entered_and_published_at_once(world):
    """It has a revision that is served, a history, and a position to wait for."""
    made = world.ask("POST", "/apis", {"api": an_api(), "publish": True}, status=201)

    assert ("pets:1.0", "PUBLISHED", 1, 1, "root") == (
        made.json["id"], made.json["api"]["state"], made.json["live"], made.json["latest"], made.json["owner"],
    )  # fmt: skip
    assert "/admin/v1/apis/pets:1.0" == made.headers["Location"]
    assert "2;202;20" == made.headers["Twgw-Position"]
    assert made.json == world.get("/apis/pets:1.0")
    assert made.headers["ETag"] == world.ask("GET", "/apis/pets:1.0").headers["ETag"]


def test_without_publishing_nobody_finds_it(world):
    """It is CREATED, and there is nothing to wait for."""
    made = world.ask("POST", "/apis", {"api": an_api()}, status=201)

    assert ("CREATED", None) == (made.json["api"]["state"], made.json["live"])
    assert "Twgw-Position" not in made.headers


def test_apis_are_listed_by_page_and_by_state(world):
    """A hundred at most; by the name of an API, all of its versions."""
    for name in ("a", "b", "c"):
        world.post("/apis", {"api": an_api(name), "publish": name != "c"})
    first = world.get("/apis?limit=2")

    assert ["a:1.0", "b:1.0"] == [each["id"] for each in first["items"]]
    assert ["c:1.0"] == [each["id"] for each in world.get(f"/apis?limit=2&cursor={first['next']}")["items"]]
    assert ["c:1.0"] == [each["id"] for each in world.get("/apis?state=CREATED")["items"]]
    assert ["a:1.0"] == [each["id"] for each in world.get("/apis?name=a")["items"]]


def test_a_name_alone_is_the_only_version(world):
    """With several, one has to be the default."""
    world.post("/apis", {"api": an_api()})
    assert "pets:1.0" == world.get("/apis/pets")["id"]

    world.post("/apis", {"api": an_api(version="2.0", base_path="/pets/2.0")})
    world.ask("GET", "/apis/pets", status=404)


def test_every_fault_is_told_with_its_path(world):
    """As in the body that was sent; what only a compiler sees comes when the form is right."""
    bad = an_api(base_path="pets", tiers=["Gold"], state="BLOCKED")
    faults = world.post("/apis", {"api": bad}, status=422)["faults"]
    assert {"api.state", "api.base_path", "api.tiers[0]"} == {each["path"] for each in faults}

    world.faults = (Fault("policies[0].settings.amount", "missing"),)
    faults = world.post("/apis", {"api": an_api()}, status=422)["faults"]
    assert [{"path": "api.policies[0].settings.amount", "text": "missing"}] == faults
    assert [] == world.get("/apis")["items"]


def test_two_apis_cannot_be_found_at_one_place(world):
    """The second can be entered, and not published."""
    world.post("/apis", {"api": an_api("a", base_path="/x"), "publish": True})

    told = world.post("/apis", {"api": an_api("b", base_path="/x"), "publish": True}, status=409)
    assert "a:1.0 is served at /x on any host already" == told["detail"]
    world.post("/apis", {"api": an_api("b", base_path="/x", hosts=["b.example"]), "publish": True})
    world.post("/apis", {"api": an_api("c", base_path="/x")})


def test_an_api_with_subscribers_is_not_deleted(world):
    """They would lose it without a word."""
    world.post("/apis", {"api": an_api(), "publish": True})
    world.post("/applications", {"name": "me", "subscribe": ["pets:1.0"]})

    assert "retire it" in world.ask("DELETE", "/apis/pets:1.0", status=409).json["detail"]


def test_what_was_read_must_still_be_there(world):
    """A change with the tag of an older state is refused."""
    world.post("/apis", {"api": an_api()})
    tag = world.ask("GET", "/apis/pets:1.0").headers["ETag"]
    world.ask("POST", "/apis/pets:1.0/moves", {"move": "publish"}, status=200, If_Match=tag)

    world.ask("POST", "/apis/pets:1.0/moves", {"move": "block"}, status=412, If_Match=tag)
    world.ask("DELETE", "/apis/pets:1.0", status=412, If_Match=tag)


def test_a_creator_enters_and_does_not_publish(world):
    """What is theirs is theirs alone: nobody else's version, nobody else's text."""
    world.user("carl", "creator")
    world.user("cora", "creator")
    world.post("/publisher/v1/apis", {"api": an_api()}, who="carl")
    refused = world.post("/publisher/v1/apis", {"api": an_api("x"), "publish": True}, who="carl", status=403)

    assert "publish needs one of the roles admin, publisher" in refused["detail"]
    world.ask("GET", "/apis/x:1.0", status=404)
    second = {"api": an_api(version="2.0", base_path="/pets/2.0")}
    assert "the APIs of carl" in world.post("/apis", second, who="cora", status=403)["detail"]
    tag = world.ask("GET", "/publisher/v1/apis/pets:1.0", who="cora").headers["ETag"]
    world.ask("PUT", "/publisher/v1/apis/pets:1.0", an_api(title="Mine"), who="cora", If_Match=tag, status=403)
    world.ask("PUT", "/publisher/v1/apis/pets:1.0", an_api(title="Mine"), who="carl", If_Match=tag, status=200)
    (fault,) = world.post("/apis", {"api": an_api("y"), "owner": "cora"}, who="carl", status=422)["faults"]
    assert "owner" == fault["path"]
    assert ["pets:1.0"] == [each["id"] for each in world.get("/apis", who="cora")["items"]]


def test_an_api_is_given_to_another_user(world):
    """By a publisher; it is theirs to edit then, and not any more of who had it.  What is served stays."""
    for name, role in (("carl", "creator"), ("cora", "creator"), ("pat", "publisher")):
        world.user(name, role)
    world.post("/apis", {"api": an_api()}, who="carl")
    world.move("pets", "publish")
    world.ask("PATCH", "/apis/pets", {"owner": "carl"}, who="carl", status=403)
    position = world.get("/apis/pets")["stamp"]

    given = world.ask("PATCH", "/apis/pets", {"owner": "cora"}, who="pat", status=200)

    assert ("cora", 1, position + 1) == (given.json["owner"], given.json["live"], given.json["stamp"])
    assert "Twgw-Position" not in given.headers
    tag = given.headers["ETag"]
    world.ask("PUT", "/apis/pets", an_api(title="His"), who="carl", If_Match=tag, status=403)
    world.ask("PUT", "/apis/pets", an_api(title="Hers"), who="cora", If_Match=tag, status=200)
    world.ask("PATCH", "/apis/pets", {"owner": "carl"}, If_Match=tag, status=412)
    assert "owner" == world.ask("PATCH", "/apis/pets", {"owner": ""}, status=422).json["faults"][0]["path"]
    world.ask("PATCH", "/apis/none", {"owner": "carl"}, status=404)


def test_a_location_is_where_the_caller_is(world):
    """The same view below another prefix; the audit has one name for it."""
    made = world.ask("POST", "/publisher/v1/apis", {"api": an_api()}, status=201)

    assert "/publisher/v1/apis/pets:1.0" == made.headers["Location"]
    assert ["/admin/v1/apis/pets:1.0"] == [each["subject"] for each in world.get("/audit")["items"]]


def test_an_upstream_that_may_not_be_called_is_refused(world):
    """When it is saved already."""
    metadata = an_api(upstream={"targets": [{"url": "http://169.254.169.254"}]})

    assert "link-local" in world.post("/apis", {"api": metadata}, status=422)["detail"]


def edited(world, wanted, query="", status=200, **options):
    """An API after a replacement of what is there."""
    tag = world.ask("GET", "/apis/pets:1.0").headers["ETag"]
    return world.ask("PUT", f"/apis/pets:1.0{query}", wanted, If_Match=tag, status=status, **options)


def test_an_edit_is_a_revision_and_serves_nothing_new_before_it_is_put_in_force(world):
    """Callers get the live revision until then."""
    world.post("/apis", {"api": an_api(title="Old"), "publish": True})
    world.ask("PUT", "/apis/pets:1.0", an_api(title="New"), status=428)
    saved = edited(world, an_api(title="New"))

    assert (2, 1, "New") == (saved.json["latest"], saved.json["live"], saved.json["api"]["title"])
    assert "Twgw-Position" not in saved.headers
    assert 2 == world.move("pets:1.0", "publish")["live"]


def test_an_edit_is_put_in_force_at_once(world):
    """By who may publish; one that nobody finds is published for it."""
    world.user("carl", "creator")
    world.post("/apis", {"api": an_api()}, who="carl")
    edited(world, an_api(title="Mine"), "?publish=true", who="carl", status=403)
    assert 1 == world.get("/apis/pets:1.0")["latest"]
    first = edited(world, an_api(title="One"), "?publish=true").json
    second = edited(world, an_api(title="Two"), "?publish=true&note=again")

    assert ("PUBLISHED", 2, 2) == (first["api"]["state"], first["latest"], first["live"])
    assert ("PUBLISHED", 3, 3) == (second.json["api"]["state"], second.json["latest"], second.json["live"])
    assert "202" == second.headers["Twgw-Position"].split(";")[1]
    assert "again" == world.get("/apis/pets:1.0/revisions")["items"][0]["note"]
    edited(world, an_api(title="Three"), "?publish=true", who="carl", status=403)


def test_what_is_shown_can_be_sent_back(world):
    """State, default version and deprecation stay as they are, whatever is sent; another state is refused."""
    path = "/pets/1.0"
    world.post("/apis", {"api": an_api(base_path=path, default_version=True), "publish": True})
    world.move("pets:1.0", "deprecate", sunset=NOW + 60, successor="/pets/2.0")
    before = world.get("/apis/pets:1.0")["api"]
    after = edited(world, {**before, "title": "New"}).json["api"]

    assert {**before, "title": "New"} == after
    assert ("DEPRECATED", "/pets/2.0") == (after["state"], after["deprecation"]["successor"])
    assert after["default_version"]
    assert "moves" in edited(world, {**before, "state": "BLOCKED"}, status=422).json["detail"]
    assert before | {"title": "Plain"} == edited(world, an_api(base_path=path, title="Plain")).json["api"]
    assert "copy it" in edited(world, an_api(version="2.0"), status=422).json["detail"]


def test_a_copy_is_a_new_version(world):
    """Published, it takes the subscribers of the one before along, and can deprecate it."""
    world.post("/apis", {"api": an_api(base_path="/pets/1.0"), "publish": True})
    world.post("/applications", {"name": "me", "subscribe": ["pets"]})
    made = world.post("/apis/pets:1.0/copies", {"version": "2.0"})
    world.move("pets:2.0", "publish", deprecate_old_versions=True)

    assert ("pets:2.0", "/pets/2.0", "CREATED") == (made["id"], made["api"]["base_path"], made["api"]["state"])
    old = world.get("/apis/pets:1.0")["api"]
    assert ("DEPRECATED", "/pets/2.0") == (old["state"], old["deprecation"]["successor"])
    found = world.get("/applications/me/subscriptions")["items"]
    assert ["pets:1.0", "pets:2.0"] == [each["api"] for each in found]
    assert "this version already" in world.post("/apis/pets:1.0/copies", {"version": "1.0"}, status=409)["detail"]


def test_one_version_is_the_default(world):
    """It is found without its version, in place of the one that was; one that is not served cannot be it."""
    for version, host in (("1.0", "old.test"), ("2.0", "new.test")):
        upstream = {"targets": [{"url": f"http://{host}"}]}
        world.post("/apis", {"api": an_api(version=version, base_path=f"/pets/{version}", upstream=upstream)})
    assert "publish it" in world.post("/apis/pets:1.0/default", status=409)["detail"]
    gateway = world.gateway()

    def answers_at(path):
        gateway.follower.poll()
        return gateway.get(path).status

    for version, host in (("1.0", "old.test"), ("2.0", "new.test")):
        world.move(f"pets:{version}", "publish")
        world.post(f"/apis/pets:{version}/default", status=200)
        assert 200 == answers_at("/pets/7")
        assert host == gateway.upstream_requests[-1].headers["host"]
    assert [False, True] == [each["default_version"] for each in world.get("/apis")["items"]]
    assert "pets:2.0" == world.get("/apis/pets")["id"]


def test_a_default_version_is_one_that_is_served(world):
    """It is entered as that, in place of another, by who publishes it."""
    wish = {"api": an_api(version="2.0", base_path="/pets/2.0", default_version=True)}
    assert "api.default_version" == world.post("/apis", wish, status=422)["faults"][0]["path"]
    world.post("/apis", {"api": an_api(base_path="/pets/1.0", default_version=True), "publish": True})
    world.post("/apis", wish | {"publish": True})

    assert [False, True] == [each["default_version"] for each in world.get("/apis")["items"]]
