"""Tests of twgw.keymanager.pages; what they refuse is in test_refusals.py."""

import re

from tests.keymanager.conftest import CALLBACK, ISSUER, LOGIN, Caller, Log, asked, fill, hidden_in, manager
from twgw.keymanager.pages import LASTS, origin
from twgw.policy.exchange import Problem
from twgw.storage import applications
from twgw.web.refusals import Refusal


def cookies(answer):
    return dict(value.split("=", 1) for value in answer.headers.getlist("Set-Cookie"))


def test_a_person_is_asked_who_they_are_first(km):
    """A form without JavaScript; who it is for is named."""
    page = km.get("/oauth2/authorize", LOGIN)

    assert 200 == page.status_code
    assert "<strong>shop</strong> wants to act for you" in page.text
    assert "<script" not in page.text
    assert {"request", "form"} == hidden_in(page.text).keys()


def test_then_what_they_allow(km):
    """Every scope, who they are, and where they will be sent."""
    page = km.log_in({**LOGIN, "scope": "read write"})

    for words in ("<code>read</code>", "<code>write</code>", "<strong>ann</strong>", f"<code>{CALLBACK}</code>"):
        assert words in page.text


def test_a_login_lasts(km, clock):
    """Within the hour nobody is asked again, by this browser; then they are."""
    km.log_in()
    assert "Allow" in km.get("/oauth2/authorize", LOGIN).text

    clock.now += LASTS
    assert "Password" in km.get("/oauth2/authorize", LOGIN).text


def test_who_is_logged_in_can_be_somebody_else(km):
    """The session ends, in the database too."""
    page = km.log_in()
    old = km.browser.get_cookie("__Host-twgw_session", domain="login.test").value

    moved = km.press(page, "/oauth2/authorize", answer="leave")

    assert "Password" in km.get(moved.headers["Location"]).text
    km.browser.set_cookie("__Host-twgw_session", old, domain="login.test", secure=True)
    assert "Password" in km.get("/oauth2/authorize", LOGIN).text


def test_a_wrong_password_is_answered_with_the_form(km):
    """Which does not say whether there is such a user."""
    answers = [km.log_in(name=name, password="x") for name in ("ann", "nobody")]

    assert [401, 401] == [answer.status_code for answer in answers]
    texts = [re.sub(r'value="[^"]*"', "", answer.text) for answer in answers]
    assert texts[0] == texts[1]
    assert "The name or the password is wrong." in texts[0]


def test_too_many_attempts_wait(km):
    """As the login of the control plane says."""

    def refuse(*_):
        raise Refusal(Problem(429, "Too many attempts", "wait before you try again", (("Retry-After", "7"),)))

    km.manager.login = refuse

    answer = km.log_in()

    assert (429, "7") == (answer.status_code, answer.headers["Retry-After"])


def test_cookies_are_for_this_host_over_tls(km):
    """__Host-, Secure, HttpOnly, SameSite (P1); a login makes a new session (P2)."""
    km.log_in()
    first = km.browser.get_cookie("__Host-twgw_session", domain="login.test")
    km.browser.delete_cookie("__Host-twgw_session", domain="login.test")
    page = km.get("/oauth2/authorize", LOGIN)
    moved = km.press(page, "/oauth2/login", username="ann", password="right")
    second = cookies(moved)["__Host-twgw_session"]

    assert second.endswith("; Secure; HttpOnly; Path=/; SameSite=Lax")
    assert first.value != second.partition(";")[0]


def test_on_a_loopback_address_cookies_need_no_tls(sqlite):
    """Without public_url, as on the machine of a developer."""
    fill(sqlite)
    km = Caller(manager(sqlite, issuer="http://127.0.0.1:8082"), Log())
    with km.app.test_client() as http:
        page = http.get("/oauth2/authorize", query_string=LOGIN, base_url="http://127.0.0.1:8082")

    assert {"twgw_form"} == cookies(page).keys()
    assert "Secure" not in cookies(page)["twgw_form"]


def test_pages_cannot_be_framed_nor_run_anything(km):
    """Their policies allow a style sheet, and the way back (P4)."""
    login, consent = km.get("/oauth2/authorize", LOGIN), km.log_in()

    for page in (login, consent):
        rules = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in rules
        assert "frame-ancestors 'none'" in rules
        assert ("no-store", "nosniff", "no-referrer") == tuple(
            page.headers[name] for name in ("Cache-Control", "X-Content-Type-Options", "Referrer-Policy")
        )
    assert login.headers["Content-Security-Policy"].endswith("form-action 'self'")
    assert consent.headers["Content-Security-Policy"].endswith("form-action 'self' https://app.test")
    assert "text/css; charset=utf-8" == km.get("/oauth2/style.css").content_type


def test_what_is_shown_is_encoded(km):
    """A name or a parameter is text and nothing else (P5)."""
    page = km.get("/oauth2/authorize", {**LOGIN, "state": '"><b>x</b>'})

    assert 200 == page.status_code
    assert "<b>" not in page.text
    assert '"><b>x</b>' == dict(__import__("urllib.parse").parse.parse_qsl(hidden_in(page.text)["request"]))["state"]


def test_a_browser_is_sent_back_by_get(km):
    """303, so that nothing is posted to the client (RFC 9700, 4.12); state and iss are as they must be."""
    location = km.code({**LOGIN, "state": "a b&c=d"})

    assert "a b&c=d" == asked(location)["state"]
    assert ISSUER == asked(location)["iss"]


def test_a_client_that_went_meanwhile_gets_nothing(km):
    """What is true when the button is pressed counts."""
    page = km.log_in()
    km.manager.store.call(applications.delete_application, "shop", now=km.manager.wall(), write=True)

    answer = km.press(page, "/oauth2/authorize", answer="allow")

    assert (400, None) == (answer.status_code, answer.headers.get("Location"))


def test_below_a_path_pages_find_each_other(sqlite):
    """A proxy may put the issuer below a path."""
    fill(sqlite)
    km = Caller(manager(sqlite, issuer="https://login.test/auth"), Log())

    page = km.get("/oauth2/authorize", LOGIN)

    assert 'action="/auth/oauth2/login"' in page.text
    assert 'href="/auth/oauth2/style.css"' in page.text


def test_origins():
    """As a Content-Security-Policy names them."""
    assert "https://app.test:8443" == origin("https://app.test:8443/cb?x=1")
    assert "com.example.app:" == origin("com.example.app:/cb")
