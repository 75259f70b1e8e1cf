"""What the key manager refuses: RFC 9700 and the attacks behind it, each with the exact answer.

Every row says what is wrong.  Refusals of redirect URIs when they are registered are in ``test_client.py``, of forms in
``test_form.py``, of tokens at the data plane in ``test_jwt.py`` and ``plugins/test_jwt_auth.py``.
"""

import base64
from urllib.parse import urlencode

import pytest

from tests.keymanager.conftest import (
    CALLBACK,
    CHALLENGE,
    ISSUER,
    LOGIN,
    NOW,
    SECRET,
    VERIFIER,
    Caller,
    Log,
    asked,
    fill,
    hidden_in,
    manager,
)
from twgw.credentials import mint
from twgw.registry import User
from twgw.storage import log, users

FORM = "application/x-www-form-urlencoded"
CC = {"grant_type": "client_credentials"}


def without(mapping, *names):
    return {name: value for name, value in mapping.items() if name not in names}


def token(**how):
    """A request to the token endpoint."""
    form = how.pop("form", CC)
    return lambda km: km.post("/oauth2/token", form, **how)


def raw(text, **how):
    """One whose body is this text."""
    return lambda km: km.post("/oauth2/token", data=text, **how)


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text).decode()}


TOKEN = {
    # the request
    "GET": (lambda km: km.get("/oauth2/token", CC), 405, None),
    "no body": (raw(""), 400, "unsupported_grant_type"),
    "no grant_type": (raw("scope=read"), 400, "unsupported_grant_type"),
    "empty grant_type": (raw("grant_type="), 400, "unsupported_grant_type"),
    "grant that there is not": (token(form={"grant_type": "implicit"}), 400, "unsupported_grant_type"),
    "grant with quotes": (token(form={"grant_type": 'a"b'}), 400, "invalid_request"),
    "grant_type twice": (raw("grant_type=client_credentials&grant_type=client_credentials"), 400, "invalid_request"),
    "scope twice": (raw("grant_type=client_credentials&scope=read&scope=write"), 400, "invalid_request"),
    "unknown parameter twice": (raw("grant_type=client_credentials&x=1&x=2"), 400, "invalid_request"),
    "a thousand parameters": (raw("&".join(f"a{n}=1" for n in range(1000))), 400, "invalid_request"),
    "JSON": (raw('{"grant_type":"client_credentials"}', content_type="application/json"), 400, "invalid_request"),
    "no content type": (raw(urlencode(CC), content_type=""), 400, "invalid_request"),
    "multipart": (raw("x", content_type="multipart/form-data; boundary=x"), 400, "invalid_request"),
    "parameters in the query": (token(query_string="scope=read"), 400, "invalid_request"),
    "secret in the query": (
        token(client=None, query_string=f"client_id=batch&client_secret={SECRET}"), 400, "invalid_request",
    ),
    "NUL": (raw("grant_type=client_credentials&scope=a%00"), 400, "invalid_request"),
    "not UTF-8": (raw("grant_type=client_credentials&x=%ff"), 400, "invalid_request"),
    # the client
    "no client": (token(client=None), 401, "invalid_client"),
    "unknown client": (token(client="nobody"), 401, "invalid_client"),
    "wrong secret": (token(secret=SECRET + "x"), 401, "invalid_client"),
    "secret of another case": (token(secret=SECRET.upper()), 401, "invalid_client"),
    "empty secret": (token(secret=""), 401, "invalid_client"),
    "id alone for who has a secret": (token(client=None, form={**CC, "client_id": "batch"}), 401, "invalid_client"),
    "wrong secret in the form": (
        token(client=None, form={**CC, "client_id": "batch", "client_secret": "x"}), 401, "invalid_client",
    ),
    "public client with a secret": (token(client="phone", secret="x"), 401, "invalid_client"),
    "public client with an empty secret": (token(client="phone", secret=""), 401, "invalid_client"),
    "secret twice": (token(form={**CC, "client_secret": SECRET}), 400, "invalid_request"),
    "two clients": (token(form={**CC, "client_id": "web"}), 400, "invalid_request"),
    "two Authorization fields": (
        token(client=None, headers=[("Authorization", "Basic eDp5"), ("Authorization", "Basic eDp5")]),
        400, "invalid_request",
    ),
    "Bearer as client": (token(client=None, headers={"Authorization": "Bearer x"}), 400, "invalid_request"),
    "Basic that is no base64": (token(client=None, headers={"Authorization": "Basic ?"}), 400, "invalid_request"),
    "Basic that is no ASCII": (token(client=None, headers=basic(b"\xff:x")), 400, "invalid_request"),
    "client id that is a query": (token(client="' OR 1=1 --"), 401, "invalid_client"),
    "client id of a megabyte": (
        token(client=None, form={**CC, "client_id": "x" * 1_000_000, "client_secret": "x"}), 401, "invalid_client",
    ),
    "a digest as secret": (
        lambda km: km.post("/oauth2/token", CC, secret=km.manager.world.digest(SECRET)), 401, "invalid_client",
    ),
    # what it may
    "client_credentials of who may not": (token(client="web"), 400, "unauthorized_client"),
    "client_credentials of a public client": (
        token(client=None, form={**CC, "client_id": "phone"}), 401, "invalid_client",
    ),
    "scope that nobody asks for": (token(form={**CC, "scope": "unknown"}), 400, "invalid_scope"),
    "scope of an API without subscription": (
        lambda km: km.post("/oauth2/token", {**CC, "scope": "read"}, client="asker"), 400, "invalid_scope",
    ),
    "scope for a role": (token(form={**CC, "scope": "admin"}), 400, "invalid_scope"),
    "scope beyond the client's": (token(client="narrow", form={**CC, "scope": "write"}), 400, "invalid_scope"),
    "scope with quotes": (token(form={**CC, "scope": 'read"'}), 400, "invalid_request"),
    "password of who may not": (
        token(form={"grant_type": "password", "username": "joe", "password": "right"}), 400, "invalid_request",
    ),
    "wrong password": (
        token(client="old", form={"grant_type": "password", "username": "joe", "password": "x"}), 400, "invalid_grant",
    ),
    "unknown user": (
        token(client="old", form={"grant_type": "password", "username": "no", "password": "right"}),
        400, "invalid_grant",
    ),
    "no user": (token(client="old", form={"grant_type": "password", "password": "right"}), 400, "invalid_request"),
    "password without client": (
        token(client=None, form={"grant_type": "password", "username": "joe", "password": "right"}),
        401, "invalid_client",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOKEN)
def test_a_token_is_refused(km, name):
    """With the error of RFC 6749, 5.2, never kept by anybody, and nothing echoed."""
    ask, status, error = TOKEN[name]
    answer = ask(km)

    assert status == answer.status_code
    if error is not None:
        assert error == answer.json["error"]
        assert "no-store" == answer.headers["Cache-Control"]
        assert "application/json" == answer.content_type
    assert "access_token" not in answer.text
    assert (status == 401) == ("WWW-Authenticate" in answer.headers)
    assert "canary" not in answer.text
    assert [] == km.log.lines


REDEEM = {
    "no code": ({"code": None}, {}, 400, "invalid_request"),
    "unknown code": ({"code": mint("ac")}, {}, 400, "invalid_grant"),
    "code that is a query": ({"code": "' OR 1=1 --"}, {}, 400, "invalid_grant"),
    "another's code": ({}, {"client": "stranger"}, 400, "invalid_grant"),
    "code of another client of the application": ({}, {"client": "phone"}, 400, "invalid_grant"),
    "code without client": ({}, {"client": None}, 401, "invalid_client"),
    "code with a wrong secret": ({}, {"secret": "x"}, 401, "invalid_client"),
    "code of a client that may not": ({}, {"client": "batch"}, 400, "unauthorized_client"),
    "another redirect_uri": ({"redirect_uri": "https://app.test/other"}, {}, 400, "invalid_grant"),
    "redirect_uri with a slash more": ({"redirect_uri": CALLBACK + "/"}, {}, 400, "invalid_grant"),
    "no redirect_uri": ({"redirect_uri": None}, {}, 400, "invalid_grant"),
    "no verifier": ({"code_verifier": None}, {}, 400, "invalid_request"),
    "another verifier": ({"code_verifier": "w" * 43}, {}, 400, "invalid_grant"),
    "challenge as verifier": ({"code_verifier": CHALLENGE}, {}, 400, "invalid_grant"),
    "verifier that is too short": ({"code_verifier": "v" * 42}, {}, 400, "invalid_request"),
    "verifier that is too long": ({"code_verifier": "v" * 129}, {}, 400, "invalid_request"),
    "verifier with other characters": ({"code_verifier": VERIFIER[:-1] + "+"}, {}, 400, "invalid_request"),
    "verifier with a line feed": ({"code_verifier": VERIFIER + "\n"}, {}, 400, "invalid_request"),
}
"""What is wrong: fields of the form, who sends it, and the answer."""


@pytest.mark.parametrize("name", REDEEM)
def test_a_code_is_refused(km, name):
    """Whoever has a code has not yet what it was given for; and the answer gives nothing away."""
    form, who, status, error = REDEEM[name]
    location = km.code()

    answer = km.redeem(location, **{**who, **form})

    assert (status, error) == (answer.status_code, answer.json["error"])
    assert "access_token" not in answer.text
    assert asked(location)["code"] not in answer.text


def test_a_code_is_good_for_a_minute(km, clock):
    """And not a second longer."""
    location = km.code()
    clock.now += 59
    late = km.code()
    clock.now += 1

    assert (400, "invalid_grant") == (km.redeem(location).status_code, km.redeem(location).json["error"])
    assert 200 == km.redeem(late).status_code


def test_a_code_is_good_once(any_km):
    """A second use is refused, and takes all tokens of the first (RFC 9700, 4.2.4)."""
    location = any_km.code()
    first = any_km.redeem(location).json
    assert any_km.active(first["access_token"])

    second = any_km.redeem(location)

    assert (400, "invalid_grant") == (second.status_code, second.json["error"])
    assert f"{any_km.manager.store.call(log.head).pos};503;20" == second.headers["Twgw-Position"]
    assert not any_km.active(first["access_token"])
    refreshed = any_km.token("refresh_token", client="web", refresh_token=first["refresh_token"])
    assert (400, "invalid_grant") == (refreshed.status_code, refreshed.json["error"])


def test_another_client_uses_up_no_code(km):
    """Who has stolen a code, and is not its client, cannot take it away either."""
    location = km.code()

    assert "invalid_grant" == km.redeem(location, client="stranger").json["error"]
    assert 200 == km.redeem(location).status_code


def test_a_code_with_a_wrong_verifier_is_used_up(km):
    """Nobody may guess twice."""
    location = km.code()

    assert "invalid_grant" == km.redeem(location, code_verifier="w" * 43).json["error"]
    assert "invalid_grant" == km.redeem(location).json["error"]


REFRESH = {
    "no token": ({"refresh_token": None}, "web", 400, "invalid_request"),
    "unknown token": ({"refresh_token": mint("rt")}, "web", 400, "invalid_grant"),
    "token that is none": ({"refresh_token": "x"}, "web", 400, "invalid_grant"),
    "another's": ({}, "stranger", 400, "invalid_grant"),
    "without client": ({}, None, 401, "invalid_client"),
    "client that may not": ({}, "batch", 400, "unauthorized_client"),
    "more scopes than before": ({"scope": "read write"}, "web", 400, "invalid_scope"),
    "other scopes": ({"scope": "write"}, "web", 400, "invalid_scope"),
}


@pytest.mark.parametrize("name", REFRESH)
def test_a_refresh_is_refused(km, name):
    """And the refresh token is as good as before: its client may have made a mistake."""
    form, client, status, error = REFRESH[name]
    first = km.family()
    wish = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], **form}

    answer = km.post("/oauth2/token", {name: value for name, value in wish.items() if value}, client=client)

    assert (status, error) == (answer.status_code, answer.json["error"])
    assert first["refresh_token"] not in answer.text
    assert 200 == km.token("refresh_token", client="web", refresh_token=first["refresh_token"]).status_code


def test_an_access_token_refreshes_nothing(km):
    """Each kind of token is for one thing."""
    first = km.family()

    assert "invalid_grant" == km.token("refresh_token", client="web", refresh_token=first["access_token"]).json["error"]
    assert "invalid_grant" == km.redeem(f"{CALLBACK}?code={first['refresh_token']}").json["error"]


def test_a_refresh_token_is_good_once(any_km):
    """A second use is refused, and ends the family: one of the two was stolen (RFC 9700, 4.14.2)."""
    first = any_km.family()
    second = any_km.token("refresh_token", client="web", refresh_token=first["refresh_token"]).json

    again = any_km.token("refresh_token", client="web", refresh_token=first["refresh_token"])

    assert (400, "invalid_grant") == (again.status_code, again.json["error"])
    assert f"{any_km.manager.store.call(log.head).pos};503;20" == again.headers["Twgw-Position"]
    for each in (first["access_token"], second["access_token"], second["refresh_token"]):
        assert not any_km.active(each)
    last = any_km.token("refresh_token", client="web", refresh_token=second["refresh_token"])
    assert (400, "invalid_grant") == (last.status_code, last.json["error"])


def test_a_refresh_token_expires(km, clock):
    """When it is not used for so long."""
    first = km.family()
    clock.now += 86400

    late = km.token("refresh_token", client="web", refresh_token=first["refresh_token"])
    assert (400, "invalid_grant") == (late.status_code, late.json["error"])


def test_what_was_used_stays_used_after_a_restart(database):
    """A new process knows what the old one did: it stands in the database (CVE-2026-9802)."""
    fill(database)
    before = Caller(manager(database), Log())
    location = before.code()
    first = before.redeem(location).json
    second = before.token("refresh_token", client="web", refresh_token=first["refresh_token"]).json

    after = Caller(manager(database), Log())

    assert after.active(second["access_token"])
    again = after.token("refresh_token", client="web", refresh_token=first["refresh_token"])
    assert (400, "invalid_grant") == (again.status_code, again.json["error"])
    assert not after.active(second["access_token"])
    assert "invalid_grant" == after.redeem(location).json["error"]


def test_a_deleted_user_comes_back_without_what_was_theirs(km):
    """Neither codes nor tokens are good for a later user of the name (CVE-2024-8995)."""
    tokens, location = km.family(), km.code()
    store = km.manager.store
    store.call(users.delete_user, "ann", now=NOW, write=True)
    store.call(users.create_user, User("ann"), now=NOW, write=True)

    assert not km.active(tokens["access_token"])
    assert "invalid_grant" == km.redeem(location).json["error"]
    refreshed = km.token("refresh_token", client="web", refresh_token=tokens["refresh_token"])
    assert (400, "invalid_grant") == (refreshed.status_code, refreshed.json["error"])


def test_a_flow_that_was_taken_from_a_client_is_over(km):
    """A code from before does not help (CVE-2026-7571)."""
    from twgw.storage import clients

    location = km.code()
    settings = {"grants": ["client_credentials"], "redirect_uris": [CALLBACK]}
    km.manager.store.call(clients.update_client, "web", settings=settings, now=NOW, write=True)

    assert "unauthorized_client" == km.redeem(location).json["error"]


# --- the page where a person is asked ---

PAGE = {
    "nothing": {},
    "no client": without(LOGIN, "client_id"),
    "unknown client": {**LOGIN, "client_id": "nobody"},
    "client id that is a query": {**LOGIN, "client_id": "' OR 1=1 --"},
    "no redirect_uri where there are two": without(LOGIN, "redirect_uri"),
    "redirect_uri of another": {**LOGIN, "redirect_uri": "https://evil.test/cb"},
    "redirect_uri with a slash more": {**LOGIN, "redirect_uri": CALLBACK + "/"},
    "redirect_uri with a query more": {**LOGIN, "redirect_uri": CALLBACK + "?x=1"},
    "redirect_uri with a fragment": {**LOGIN, "redirect_uri": CALLBACK + "#x"},
    "redirect_uri in capitals": {**LOGIN, "redirect_uri": CALLBACK.upper()},
    "redirect_uri with a port": {**LOGIN, "redirect_uri": "https://app.test:443/cb"},
    "redirect_uri with a user": {**LOGIN, "redirect_uri": "https://app.test@evil.test/cb"},
    "redirect_uri below": {**LOGIN, "redirect_uri": CALLBACK + "/../evil"},
    "redirect_uri that goes on": {**LOGIN, "redirect_uri": "https://app.test.evil.test/cb"},
    "redirect_uri with another scheme": {**LOGIN, "redirect_uri": "http://app.test/cb"},
    "redirect_uri that is a script": {**LOGIN, "redirect_uri": "javascript:alert(1)"},
    "redirect_uri that is a path": {**LOGIN, "redirect_uri": "/cb"},
    "redirect_uri with quotes": {**LOGIN, "redirect_uri": CALLBACK + '"><script>'},
    "redirect_uri with a line feed": {**LOGIN, "redirect_uri": CALLBACK + "\r\nX: 1"},
    "loopback of another name": {**LOGIN, "client_id": "phone", "redirect_uri": "http://localhost:1234/cb"},
    "loopback with another path": {**LOGIN, "client_id": "phone", "redirect_uri": "http://127.0.0.1:1234/other"},
    "unregistered, and another fault": {**LOGIN, "redirect_uri": "https://evil.test/", "response_type": "x"},
    "unregistered, and no challenge": without({**LOGIN, "redirect_uri": "https://evil.test/"}, "code_challenge"),
    "unregistered, and a bad scope": {**LOGIN, "redirect_uri": "https://evil.test/", "scope": "unknown"},
    "redirect_uri twice": urlencode(LOGIN) + "&redirect_uri=https%3A%2F%2Fevil.test%2F",
    "client_id twice": urlencode(LOGIN) + "&client_id=web",
    "state twice": urlencode(LOGIN) + "&state=2",
    "scope twice": urlencode(LOGIN) + "&scope=read",
    "response_type twice": urlencode(LOGIN) + "&response_type=code",
    "code_challenge twice": urlencode(LOGIN) + "&code_challenge=" + CHALLENGE,
    "unknown parameter twice": urlencode(LOGIN) + "&x=1&x=2",
    "state with a line feed": {**LOGIN, "state": "a\r\nX: 1"},
    "challenge that is none": {**LOGIN, "code_challenge": "short"},
    "response_type with quotes": {**LOGIN, "response_type": 'x"'},
}


@pytest.mark.parametrize("name", PAGE)
@pytest.mark.parametrize("logged_in", [False, True])
def test_nobody_is_sent_to_a_place_that_is_not_registered(km, name, logged_in):
    """A page with 400, no Location, nothing of the request in it (RFC 9700, 4.1, 4.11; CVE-2026-41479)."""
    if logged_in:
        km.log_in()

    answer = km.get("/oauth2/authorize", PAGE[name])

    assert 400 == answer.status_code
    assert "Location" not in answer.headers
    assert "This link does not work" in answer.text
    assert "evil" not in answer.text
    assert "<script" not in answer.text
    assert [] == km.log.lines


BACK = {
    "no response_type": (without(LOGIN, "response_type"), "unsupported_response_type"),
    "implicit": ({**LOGIN, "response_type": "token"}, "unsupported_response_type"),
    "hybrid": ({**LOGIN, "response_type": "code token"}, "unsupported_response_type"),
    "no challenge": (without(LOGIN, "code_challenge", "code_challenge_method"), "invalid_request"),
    "challenge without method, which would be plain": (without(LOGIN, "code_challenge_method"), "invalid_request"),
    "plain challenge": ({**LOGIN, "code_challenge_method": "plain"}, "invalid_request"),
    "method of another case": ({**LOGIN, "code_challenge_method": "s256"}, "invalid_request"),
    "method without challenge": (without(LOGIN, "code_challenge"), "invalid_request"),
    "no challenge of a public client": (
        without({**LOGIN, "client_id": "phone", "redirect_uri": "http://127.0.0.1/cb"}, "code_challenge"),
        "invalid_request",
    ),
}


@pytest.mark.parametrize("name", BACK)
def test_a_client_learns_what_is_wrong_with_its_request(km, name):
    """At the place that it registered, with its state and our name (RFC 6749, 4.1.2.1; RFC 9207)."""
    query, error = BACK[name]

    answer = km.get("/oauth2/authorize", query)

    assert 303 == answer.status_code
    place, _, _ = answer.headers["Location"].partition("?")
    assert query["redirect_uri"] == place
    said = asked(answer.headers["Location"])
    assert (error, "s-1", ISSUER) == (said["error"], said["state"], said["iss"])
    assert "code" not in said


def test_scopes_that_nobody_may_have_are_said_after_the_login(km):
    """Nobody without a login learns which scopes there are."""
    page = km.log_in({**LOGIN, "scope": "unknown"})

    assert 303 == page.status_code
    assert "invalid_scope" == asked(page.headers["Location"])["error"]


def test_a_client_that_may_not_log_people_in(km):
    """It has no place to send anybody to."""
    answer = km.get("/oauth2/authorize", {**LOGIN, "client_id": "batch"})

    assert (400, None) == (answer.status_code, answer.headers.get("Location"))


def test_who_denies_gives_nothing(km):
    """access_denied, and no code."""
    said = asked(km.code(answer="deny"))

    assert ("access_denied", "s-1", ISSUER) == (said["error"], said["state"], said["iss"])
    assert "code" not in said


@pytest.mark.parametrize("answer", ["", "yes", "ALLOW"])
def test_what_is_no_yes_is_a_no(km, answer):
    """Only the button that says so allows."""
    assert "access_denied" == asked(km.code(answer=answer))["error"]


# --- who presses the buttons ---


def press(km, page, path, headers=None, cookies=True, **fields):
    browser = km.browser if cookies else km.app.test_client()
    data = {**hidden_in(page.text), **fields}
    return browser.post(path, data=data, base_url=ISSUER, headers=headers or {})


PRESSED = {
    "from another site": {"headers": {"Origin": "https://evil.test"}},
    "from nowhere, as a sandboxed frame": {"headers": {"Origin": "null"}},
    "from another port": {"headers": {"Origin": ISSUER + ":8443"}},
    "from the same site, another host": {"headers": {"Sec-Fetch-Site": "same-site"}},
    "across sites": {"headers": {"Sec-Fetch-Site": "cross-site"}},
    "with another's mark": {"form": "0" * 64},
    "without a mark": {"form": ""},
    "for another request": {"request": urlencode({**LOGIN, "scope": "write"})},
    "for a request to another": {"request": urlencode({**LOGIN, "redirect_uri": "https://evil.test/"})},
}


@pytest.mark.parametrize("name", PRESSED)
@pytest.mark.parametrize("path", ["/oauth2/login", "/oauth2/authorize"])
def test_nobody_presses_the_buttons_from_elsewhere(km, path, name):
    """What is posted is bound to the session and to the request that was shown (O15, P3)."""
    page = km.get("/oauth2/authorize", LOGIN) if path == "/oauth2/login" else km.log_in()

    answer = press(km, page, path, username="ann", password="right", answer="allow", **PRESSED[name])

    assert (400, None) == (answer.status_code, answer.headers.get("Location"))
    assert not any("twgw_session" in value for value in answer.headers.getlist("Set-Cookie"))


def test_a_page_belongs_to_one_browser(km):
    """Its mark is worth nothing without its cookies."""
    page = km.get("/oauth2/authorize", LOGIN)
    login = press(km, page, "/oauth2/login", cookies=False, username="ann", password="right")
    consent = press(km, km.log_in(), "/oauth2/authorize", cookies=False, answer="allow")

    assert 400 == login.status_code
    assert consent.headers["Location"].startswith("/oauth2/authorize?")  # it has to log in first


def test_a_mark_of_one_session_is_worth_nothing_in_another(km):
    """Not even for the same person and request."""
    page = km.log_in()
    old = hidden_in(page.text)
    km.browser = km.app.test_client()
    km.log_in()

    answer = km.browser.post("/oauth2/authorize", data={**old, "answer": "allow"}, base_url=ISSUER)

    assert (400, None) == (answer.status_code, answer.headers.get("Location"))


# --- revocation and introspection ---

OTHER = {
    "no token": ({}, "web", 400, "invalid_request"),
    "token twice": ("token=a&token=b", "web", 400, "invalid_request"),
    "no client": ({"token": "x"}, None, 401, "invalid_client"),
    "unknown client": ({"token": "x"}, "nobody", 401, "invalid_client"),
}


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("path", ["/oauth2/revoke", "/oauth2/introspect"])
def test_a_question_about_a_token_is_refused(km, path, name):
    """Clients show who they are there too (O13)."""
    form, client, status, error = OTHER[name]
    how = {"data": form} if isinstance(form, str) else {"form": form}

    answer = km.post(path, client=client, **how)

    assert (status, error) == (answer.status_code, answer.json["error"])


# --- how often ---


def test_guessing_a_secret_is_slow(km):
    """After twenty failures in a minute an address gets no more answers for that client, right or wrong."""
    answers = [km.post("/oauth2/token", CC, secret=f"x{number}") for number in range(20)]
    assert [401] * 20 == [answer.status_code for answer in answers]

    late = km.token()

    assert (429, "temporarily_unavailable") == (late.status_code, late.json["error"])
    assert 0 < int(late.headers["Retry-After"]) <= 60
    assert 200 == km.token(client="jwt").status_code
    km.manager.wall.now += 60
    assert 200 == km.token().status_code


def test_an_address_and_a_client_have_their_share(sqlite):
    """Each so many requests in a minute."""
    fill(sqlite)
    few = Caller(manager(sqlite, by_address=3), Log())
    one = Caller(manager(sqlite, by_client=2), Log())

    assert [200, 200, 200, 429] == [few.token(client=name).status_code for name in ("batch", "jwt", "batch", "jwt")]
    assert [200, 200, 429] == [one.token().status_code for _ in range(3)]
    assert 200 == one.token(client="jwt").status_code
