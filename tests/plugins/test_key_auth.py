"""Tests of the policy key-auth."""

import pytest

from twgw.faults import SettingsError
from twgw.model import Api, Credential, Target, Upstream
from twgw.policy import Headers
from twgw.testing import exchange, gateway, run_policies, run_policy, use

KEY = "canary-5f2d"
OPEN = Api("test", "1", "/", upstream=Upstream((Target("http://upstream.test"),)), anonymous=True)


def ask(headers=(), path="/", **settings):
    return run_policy("key-auth", exchange(path=path, headers=headers), gateway=gateway(keys={KEY: "shop"}), **settings)


@pytest.mark.parametrize("name", ["X-API-Key", "x-api-key", "apikey", "ApiKey"])
def test_a_known_key_says_who_calls(name):
    """The key is found under both names, in any case."""
    result = ask({name: KEY})

    assert 200 == result.status
    assert "shop" == result.exchange.credential.application
    assert "shop" == result.forwarded.headers.get("X-Consumer-Username")


def test_without_a_key_the_client_is_told_what_to_bring():
    """401, with the challenge and WSO2's code for missing credentials."""
    result = ask()

    assert 401 == result.status
    assert 'Key realm="twgw"' == result.headers.get("WWW-Authenticate")
    assert 900902 == result.json["code"]
    assert result.forwarded is None


@pytest.mark.parametrize("key", ["unknown", KEY + "x", KEY.upper(), "x" * 10_000])
def test_an_unknown_key_is_refused(key):
    """401, with the challenge and WSO2's code for invalid ones."""
    result = ask({"X-API-Key": key}, realm="Shop")

    assert 401 == result.status
    assert 'Key realm="Shop"' == result.headers.get("WWW-Authenticate")
    assert 900901 == result.json["code"]
    assert "key-auth" == result.exchange.refused_by


def test_an_unknown_key_is_refused_where_anonymous_calls_are_not():
    """Who brings a key means it: a wrong one is refused even where none is needed."""
    lent = gateway(keys={KEY: "shop"})

    assert 200 == run_policy("key-auth", gateway=lent, api=OPEN).status
    assert 401 == run_policy("key-auth", exchange(headers={"apikey": "no"}), gateway=lent, api=OPEN).status


def test_a_very_long_key_is_not_looked_up():
    """What is longer than any key costs nothing more."""
    asked = []

    class Watching:
        def find(self, kind, secret):
            asked.append(len(secret))

    lent = gateway()
    object.__setattr__(lent, "credentials", Watching())
    run_policy("key-auth", exchange(headers={"apikey": "x" * 512}), gateway=lent)
    run_policy("key-auth", exchange(headers={"apikey": "x" * 513}), gateway=lent)

    assert [512] == asked


def test_the_lookup_may_take_its_time():
    """A directory elsewhere answers later; the request waits."""

    class Slow:
        async def find(self, kind, secret):
            await lent.clock.sleep(1)
            return Credential(id="late", application="shop") if secret == KEY else None

    lent = gateway()
    object.__setattr__(lent, "credentials", Slow())

    assert "late" == run_policy("key-auth", exchange(headers={"apikey": KEY}), gateway=lent).exchange.credential.id
    assert 401 == run_policy("key-auth", exchange(headers={"apikey": "no"}), gateway=lent).status


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ([("X-API-Key", KEY), ("X-API-Key", KEY)], "/"),
        ([("X-API-Key", KEY), ("x-api-key", "other")], "/"),
        ([("X-API-Key", ""), ("X-API-Key", KEY)], "/"),
        ([("X-API-Key", KEY), ("apikey", KEY)], "/"),
        ([("X-API-Key", KEY)], "/?key=" + KEY),
        ([], f"/?key={KEY}&key=other"),
    ],
)
def test_two_keys_are_one_too_many(headers, path):
    """400: whoever reads the other one would see somebody else (D7)."""
    assert 400 == ask(headers, path, query_names=["key"]).status


def test_other_fields_may_repeat():
    """Only the key has to stand alone."""
    assert 200 == ask([("Accept", "a"), ("Accept", "b"), ("X-API-Key", KEY)]).status


def test_an_empty_key_is_none():
    """A field without a value is no credential."""
    result = ask({"X-API-Key": ""})

    assert (401, 900902) == (result.status, result.json["code"])


def test_the_query_is_not_read_unless_it_is_switched_on():
    """Keys in addresses end up in logs, so nobody has to take them."""
    assert 401 == ask(path="/?apikey=" + KEY).status
    assert 200 == ask(path="/?apikey=" + KEY, query_names=["apikey"]).status
    assert 200 == ask(path="/?a=1&api%6bey=canary%2D5f2d", query_names=["apikey"]).status


def test_the_upstream_does_not_see_the_key():
    """Header field and query parameter are taken away, nothing else is."""
    in_header = ask({"X-API-Key": KEY, "X-Other": "1"}, "/?a=1")
    in_query = ask((), f"/?a=1&k%65y={KEY}&b=%20&c", query_names=["key"])

    assert "x-api-key" not in in_header.forwarded.headers
    assert ("1", "a=1") == (in_header.forwarded.headers.get("X-Other"), in_header.forwarded.query)
    assert "a=1&b=%20&c" == in_query.forwarded.query


def test_the_key_is_left_when_that_is_wanted():
    """An upstream that checks the key itself gets it."""
    result = ask({"X-API-Key": KEY}, "/?key=", hide_credentials=False, query_names=["other"])

    assert KEY == result.forwarded.headers.get("X-API-Key")


def test_a_key_for_the_upstream_survives():
    """The client's key is hidden first, so that a transformation may send the upstream's own."""
    uses = [use("request-transform", set_headers={"X-API-Key": "ours"}), use("key-auth")]

    result = run_policies(uses, exchange(headers={"apikey": KEY}), gateway=gateway(keys={KEY: "shop"}))

    assert ["ours"] == result.forwarded.headers.get_all("X-API-Key")
    assert "apikey" not in result.forwarded.headers


def test_in_shadow_nothing_changes():
    """It opens nothing and hides nothing, but tells what it would have done."""
    request = exchange(headers={"X-API-Key": "unknown"})

    result = run_policy("key-auth", request, api=OPEN, shadow=True)

    assert 200 == result.status
    assert "unknown" == result.forwarded.headers.get("X-API-Key")
    assert (("key-auth", "Invalid credentials"),) == result.exchange.shadowed
    assert result.exchange.credential is None


def test_a_shadowed_key_does_not_open_a_protected_api():
    """Where nothing else authenticates, shadow alone is refused when the API is deployed."""
    with pytest.raises(SettingsError, match="only authentication is in shadow"):
        run_policy("key-auth", shadow=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"header_names": []},
        {"header_names": ["Host"]},
        {"header_names": ["a b"]},
        {"realm": 'a"b'},
        {"realm": "a\r\nX-Evil: 1"},
        {"realm": "\\"},
    ],
)
def test_settings_that_cannot_work_are_refused(settings):
    """No place for a key, or a realm that would break out of its quotes."""
    with pytest.raises(SettingsError):
        run_policy("key-auth", **settings)


def test_the_query_alone_will_do():
    """Without header names the key is read from the query only."""
    assert 200 == ask(path="/?k=" + KEY, header_names=[], query_names=["k"]).status
    assert 401 == ask({"apikey": KEY}, header_names=[], query_names=["k"]).status


def test_the_key_is_told_to_nobody():
    """Neither logs nor responses nor what is forwarded hold the key, known or not."""
    for key in (KEY, "canary-unknown"):
        uses = [use("correlation-id"), use("access-log"), use("key-auth", query_names=["ticket"])]
        for request in (exchange(headers={"X-API-Key": key}), exchange(path=f"/?ticket={key}&x=1")):
            result = run_policies(uses, request, gateway=gateway(keys={KEY: "shop"}))
            told = [result.lines, result.logged, result.headers.items(), result.body, result.exchange]
            if result.forwarded is not None:
                told += [result.forwarded.headers.items(), result.forwarded.query]

            assert key not in "".join(map(str, told))
            assert "x=1" in result.lines["access.log"][0] or not request.request.query


def test_headers_in_a_representation_show_no_values():
    """A key does not leak through the text of an error."""
    assert KEY not in repr(Headers({"X-API-Key": KEY}))
