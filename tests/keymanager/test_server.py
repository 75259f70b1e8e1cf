"""Tests of twgw.keymanager.server: who a client is, what it gets, and when that ends."""

import logging

import pytest
from attrs import evolve
from sqlalchemy import text

from tests.keymanager.conftest import NOW, SIGNING
from twgw import jwt
from twgw.keymanager.jwks import ring_of
from twgw.registry import Approval, Block, SecretKey
from twgw.storage import applications, blocks, clients, subscriptions, users


def test_no_log_holds_a_token(km, caplog):
    """Whatever level is asked for: Authlib would write them at DEBUG."""
    with caplog.at_level(logging.DEBUG):
        tokens = [km.token().json["access_token"], *km.family().values()]

    assert [] == [token for token in tokens if len(str(token)) > 20 and str(token) in caplog.text]


@pytest.mark.parametrize(
    ("client", "asked_for", "given"),
    [
        ("batch", "read write", "read write"),
        ("batch", "read admin unknown", "read"),
        ("batch", None, ""),
        ("narrow", None, "read"),
        ("narrow", "read write", "read"),
    ],
)
def test_scopes_are_those_of_the_apis_that_are_subscribed_to(km, client, asked_for, given):
    """And of the client; one that is for some roles is for no client by itself."""
    form = {"scope": asked_for} if asked_for else {}

    assert given == km.token(client=client, **form).json["scope"]


def test_a_scope_goes_with_the_subscription(km):
    """Without it there is nothing to ask for."""
    km.manager.store.call(subscriptions.unsubscribe, "shop", "pets:1", now=NOW, write=True)

    assert "invalid_scope" == km.token(scope="read").json["error"]


def test_a_token_ends_with_whose_it_is(km):
    """Revoking or deleting a user, a client or an application ends its tokens, codes included (O12)."""
    store = km.manager.store

    def ends(change, *args, **more):
        tokens, location = km.family(), km.code()
        assert km.active(tokens["access_token"])
        store.call(change, *args, now=NOW, write=True, **more)
        assert not km.active(tokens["access_token"])
        assert not km.active(tokens["refresh_token"])
        assert 200 != km.redeem(location).status_code
        assert 200 != km.token("refresh_token", client="web", refresh_token=tokens["refresh_token"]).status_code

    ends(users.revoke_user, "ann")
    km.browser = km.app.test_client()
    ends(applications.revoke_application, "shop")
    ends(users.update_user, "ann", {"active": False})
    store.call(users.update_user, "ann", {"active": True}, now=NOW, write=True)
    ends(applications.update_application, "shop", {"state": Approval.PENDING})
    store.call(applications.update_application, "shop", {"state": Approval.ACTIVE}, now=NOW, write=True)
    ends(blocks.add_block, Block("user", "ann"))
    store.call(blocks.remove_block, "user", "ann", now=NOW, write=True)
    ends(clients.revoke_client, "web")


def test_a_blocked_application_gets_no_token(km):
    """Until the block ends."""
    store = km.manager.store
    store.call(blocks.add_block, Block("application", "shop", expires_at=NOW + 10), now=NOW, write=True)

    assert (401, "invalid_client") == (km.token().status_code, km.token().json["error"])
    km.manager.wall.now += 10
    assert 200 == km.token().status_code


def test_a_key_that_is_rotated_refuses_nobody(km):
    """Tokens of the old key stay good, new ones are signed by the new one once everybody knows it."""
    new = SecretKey("signing", 2, jwt.generate("ES256").to_text(), NOW, None)
    rows = [SIGNING]
    km.manager.world = evolve(km.manager.world, ring=lambda: ring_of(rows, km.manager.wall()))
    old = km.token(client="jwt").json["access_token"]
    rows = [new, evolve(SIGNING, retire_at=NOW + 9999)]
    meanwhile = km.token(client="jwt").json["access_token"]
    km.manager.wall.now += 601
    later = km.token(client="jwt").json["access_token"]

    issued = (old, meanwhile, later)
    ids = [jwt.ijson.read(jwt.urlsafe_b64decode(each.split(".")[0].encode()))["kid"] for each in issued]
    assert ids[0] == ids[1] != ids[2]
    assert [True] * 3 == [km.active(each) for each in issued]


def test_what_a_client_may_do_may_be_unknown(km):
    """Settings that a later version wrote: nobody can say, so nobody may."""
    km.manager.store.call(
        lambda connection: connection.execute(text("UPDATE client SET settings = '{\"later\": 1}' WHERE id = 'batch'")),
        write=True,
    )

    assert (401, "invalid_client") == (km.token().status_code, km.token().json["error"])
