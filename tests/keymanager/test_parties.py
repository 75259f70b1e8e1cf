"""Tests of twgw.keymanager.parties."""

from tests.keymanager.conftest import NOW
from twgw.keymanager.client import ClientSettings
from twgw.keymanager.parties import Kept, Party
from twgw.registry import Client, Token


def party(granted=lambda *_: ("read",), **settings):
    return Party(Client("web", "shop", "production", ""), ClientSettings(**settings), granted)


def test_a_client_is_sent_back_where_it_registered():
    """Without being told where, only when there is one place."""
    one, two = ({"redirect_uris": tuple(f"https://app.test/{n}" for n in range(many))} for many in (1, 2))

    assert "https://app.test/0" == party(**one).get_default_redirect_uri()
    assert party(**two).get_default_redirect_uri() is None
    assert party(**two).check_redirect_uri("https://app.test/1")
    assert not party(**two).check_redirect_uri("https://app.test/2")


def test_a_client_may_what_its_settings_say():
    """A login only with the grant for it."""
    web = party(grants=("authorization_code",), redirect_uris=("https://app.test/",))

    assert (True, False) == (web.check_response_type("code"), web.check_response_type("token"))
    assert not party().check_response_type("code")
    assert (True, False) == (web.check_grant_type("authorization_code"), web.check_grant_type("password"))
    assert ("web", "web") == (web.client_id, web.get_client_id())


def test_scopes_are_words_to_authlib():
    """None where nothing of what was asked for may be given."""
    assert "read" == party().get_allowed_scope("read write")
    assert party(granted=lambda *_: None).get_allowed_scope("x") is None


def test_a_token_says_whose_it_is_and_for_what():
    """It was found good: it is neither expired nor revoked."""
    data = {"redirect_uri": None, "challenge": "c"}
    kept = Kept(Token("code", "v1:x", "shop", NOW, client="web", scopes=("a", "b"), data=data))

    assert (None, "a b", "c", "S256") == (
        kept.get_redirect_uri(), kept.get_scope(), kept.code_challenge, kept.code_challenge_method,
    )  # fmt: skip
    assert kept.check_client(party())
    assert (False, False) == (kept.is_expired(), kept.is_revoked())
