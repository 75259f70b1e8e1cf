"""Tests of twgw.store.clients."""

import pytest

from tests.rest import NOW
from twgw.memory import digest
from twgw.storage.audit import list_audit
from twgw.storage.clients import find_client

WEB = {"grants": ["authorization_code", "refresh_token"], "redirect_uris": ["https://shop.example/back"]}


@pytest.fixture
def shop(world):
    """Two applications and their owners."""
    for name in ("sue", "bob"):
        world.user(name, "subscriber")
        world.post("/store/v1/applications", {"name": f"{name}s"}, who=name)
    return world


def made(shop, body=None, who="sue", **options):
    return shop.post("/store/v1/applications/sues/clients", body or {}, who=who, **options)


def test_a_client_is_made_and_its_secret_is_shown_once(shop):
    """In the answer that makes it, and nowhere else."""
    one = made(shop, {"settings": WEB, "environment": "sandbox"})
    kept = shop.database.call(find_client, one["id"])

    assert ("sues", "sandbox", WEB["redirect_uris"]) == (
        one["application"], one["environment"], one["settings"]["redirect_uris"],
    )  # fmt: skip
    assert digest(one["secret"]) == kept.digest
    assert ("sues", "sandbox", WEB, NOW) == (kept.application, kept.environment, kept.settings, kept.created_at)
    told = [shop.ask("GET", "/applications/sues/clients").text, repr(shop.database.call(list_audit))]
    assert [] == [text for text in told if one["secret"] in text or kept.digest in text]
    shown = shop.get(f"/clients/{one['id']}")
    assert ("secret" in shown, shown["revoked"]) == (False, False)


def test_a_public_client_has_no_secret(shop):
    """It keeps none."""
    one = made(shop, {"settings": WEB | {"public": True}})

    assert one["secret"] is None
    assert "" == shop.database.call(find_client, one["id"]).digest
    assert "no secret" in shop.post(f"/clients/{one['id']}/secret", status=409)["detail"]


@pytest.mark.parametrize(("settings", "path"), [
    ({"grants": ["authorization_code"]}, "settings.redirect_uris"),
    ({"grants": ["implicit"]}, "settings.grants[0]"),
    (WEB | {"redirect_uris": ["http://shop.example"]}, "settings.redirect_uris[0]"),
    ({"scopes": ["a b"]}, "settings.scopes"), ({"public": True}, "settings.grants"), ({"x": 1}, "settings.x"),
])  # fmt: skip
def test_what_a_client_may_not_be_is_refused(shop, settings, path):
    """With the place."""
    assert path == made(shop, {"settings": settings}, status=422)["faults"][0]["path"]


def test_a_client_is_changed_by_what_is_named(shop):
    """The rest stays; whether it is public never changes."""
    one = made(shop, {"settings": WEB})
    changed = shop.ask("PATCH", f"/clients/{one['id']}", {"settings": {"scopes": ["read"]}}, who="sue", status=200)

    assert (["read"], WEB["grants"]) == (changed.json["settings"]["scopes"], changed.json["settings"]["grants"])
    assert "1;202;20" == changed.headers["Twgw-Position"]
    told = shop.ask("PATCH", f"/clients/{one['id']}", {"settings": {"public": True}}, who="sue", status=422)
    assert "settings.public" == told.json["faults"][0]["path"]


def test_a_secret_is_replaced(shop):
    """The old one is void when the call returns."""
    one = made(shop)
    answer = shop.ask("POST", f"/store/v1/clients/{one['id']}/secret", who="sue", status=201)

    assert one["secret"] != answer.json["secret"]
    assert digest(answer.json["secret"]) == shop.database.call(find_client, one["id"]).digest
    assert "1;503;20" == answer.headers["Twgw-Position"]


def test_a_client_is_taken_back_for_ever(shop):
    """It stays in the list; nothing is done with it any more."""
    one, other = made(shop), made(shop)
    gone = shop.ask("DELETE", f"/store/v1/clients/{one['id']}", who="sue", status=204)

    assert "1;503;20" == gone.headers["Twgw-Position"]
    assert {one["id"]: True, other["id"]: False} == {
        each["id"]: each["revoked"] for each in shop.get("/applications/sues/clients")["items"]
    }
    assert "make another" in shop.post(f"/clients/{one['id']}/secret", status=409)["detail"]
    shop.ask("PATCH", f"/clients/{one['id']}", {"settings": {"scopes": []}}, status=409)
    page = shop.get("/applications/sues/clients?limit=1")
    assert 1 == len(shop.get(f"/applications/sues/clients?limit=1&cursor={page['next']}")["items"])


def test_nobody_touches_the_clients_of_others(shop):
    """They are not there."""
    one = made(shop)

    for method, path, body in (
        ("GET", f"/clients/{one['id']}", None), ("DELETE", f"/clients/{one['id']}", None),
        ("PATCH", f"/clients/{one['id']}", {}), ("POST", f"/clients/{one['id']}/secret", None),
        ("GET", "/applications/sues/clients", None), ("POST", "/applications/sues/clients", {}),
        ("GET", "/clients/none", None),
    ):  # fmt: skip
        shop.ask(method, path, body, who="bob", status=404)


def test_what_an_admin_gives_is_not_taken_by_a_subscriber(shop):
    """How long tokens last, and asking about those of others; once given, it stays through other changes."""
    for wish in ({"introspect": True}, {"access_seconds": 9e6}, {"refresh_seconds": 9e6}):
        assert "given by an admin" in made(shop, {"settings": wish}, status=403)["detail"]
    one = made(shop, {"settings": {"introspect": True}}, who="root")

    kept = shop.ask("PATCH", f"/clients/{one['id']}", {"settings": {"scopes": ["x"]}}, who="sue", status=200)
    assert kept.json["settings"]["introspect"]
    shop.ask("PATCH", f"/clients/{one['id']}", {"settings": {"introspect": None}}, who="sue", status=403)
