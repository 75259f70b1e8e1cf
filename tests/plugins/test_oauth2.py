"""Tests of the policy oauth2."""

import base64
import json
from urllib.parse import parse_qs

import pytest
from twisted.internet.defer import Deferred

from tests.bad_tokens import good
from twgw.faults import SettingsError
from twgw.memory_world import FakeHttp
from twgw.model import Api, Credential, Policy, Target, Upstream
from twgw.policy import HttpAnswer
from twgw.testing import MemoryGateway, exchange, gateway, run_policies, run_policy, use

URL = "http://login.test/introspect"
TOKEN = "canary-token-77"
OWNER = Credential(kind="token", id="t1", application="shop", scopes=("read",))
REMOTE = {"introspection_url": URL, "client_id": "tw gw", "client_secret": "canary-secret"}
ACTIVE = {"active": True, "client_id": "shop", "scope": "read write", "sub": "me"}
LOCAL = {TOKEN: OWNER}


def bearer(token=TOKEN):
    return {"Authorization": f"Bearer {token}"}


def said(status=200, **members):
    return HttpAnswer(status, {}, json.dumps(members).encode())


def ask_remote(answer, **settings):
    lent = gateway(http={URL: answer})
    return run_policy("oauth2", exchange(headers=bearer()), gateway=lent, **REMOTE, **settings)


class Server:
    """Another server that knows tokens; ``answer`` says what it answers, a list gathers those who have to wait."""

    def __init__(self, answer=None, *, slow=False):
        self.answer = answer or said(**ACTIVE)
        self.asked = 0
        self.waiting = []
        self.slow = slow

    async def request(self, method, url, **_more):
        self.asked += 1
        if self.slow:
            waiting = Deferred()
            self.waiting.append(waiting)
            await waiting
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


def remote(server, **settings):
    """A gateway that asks a server about tokens."""
    policy = Policy("oauth2", {**REMOTE, **settings})
    api = Api("pets", "1", "/", upstream=Upstream((Target("http://upstream.test"),)), policies=(policy,))
    return MemoryGateway(api, http=server)


# --- this gateway's own ---


def test_a_known_token_says_who_calls():
    """The lookup is that of tokens, not of keys."""
    result = run_policy("oauth2", exchange(headers=bearer()), gateway=gateway(keys=LOCAL))

    assert 200 == result.status
    assert OWNER == result.exchange.credential
    assert "shop" == result.forwarded.headers.get("X-Consumer-Username")


def test_a_key_is_no_token():
    """What was given for one purpose does not serve another."""
    assert 401 == run_policy("oauth2", exchange(headers=bearer()), gateway=gateway(keys={TOKEN: "shop"})).status


def test_without_a_token_the_client_is_told_what_to_bring():
    """A challenge without an error (RFC 6750, 3)."""
    result = run_policy("oauth2", realm="Shop")

    assert (401, 900902) == (result.status, result.json["code"])
    assert 'Bearer realm="Shop"' == result.headers.get("WWW-Authenticate")


@pytest.mark.parametrize("token", ["unknown", TOKEN + "x", TOKEN.upper(), good()])
def test_an_unknown_token_is_refused(token):
    """401 invalid_token with WSO2's code; also for a JWT, when no policy is there that reads it."""
    result = run_policy("oauth2", exchange(headers=bearer(token)), gateway=gateway(keys=LOCAL))

    assert (401, 900901) == (result.status, result.json["code"])
    said = 'Bearer realm="twgw", error="invalid_token", error_description="unknown, expired or revoked"'
    assert said == result.headers.get("WWW-Authenticate")
    assert "oauth2" == result.exchange.refused_by
    assert result.forwarded is None


def test_a_malformed_request_is_refused():
    """400, before anything is looked up."""
    lent = gateway(keys=LOCAL)

    assert 400 == run_policy("oauth2", exchange(headers={"Authorization": "Bearer"}), gateway=lent).status
    twice = [*bearer().items(), *bearer("x").items()]
    assert 400 == run_policy("oauth2", exchange(headers=twice), gateway=lent).status


def test_the_lookup_may_take_its_time():
    """A directory elsewhere answers later; the request waits."""

    class Slow:
        async def find(self, kind, secret):
            await lent.clock.sleep(1)
            return OWNER if (kind, secret) == ("token", TOKEN) else None

    lent = gateway()
    object.__setattr__(lent, "credentials", Slow())

    assert 200 == run_policy("oauth2", exchange(headers=bearer()), gateway=lent).status
    assert 401 == run_policy("oauth2", exchange(headers=bearer("other")), gateway=lent).status


@pytest.mark.parametrize("order", [("oauth2", "key-auth"), ("key-auth", "oauth2")])
def test_another_way_to_authenticate_will_do_too(order):
    """A key opens the API as well as a token, whichever policy stands first."""
    lent = gateway(keys={**LOCAL, "key-1": "shop"})
    uses = [use(name) for name in order]

    for headers, status in ((bearer(), 200), ({"apikey": "key-1"}, 200), (bearer("no"), 401), ({"apikey": "no"}, 401)):
        assert status == run_policies(uses, exchange(headers=headers), gateway=lent).status
    assert 2 == len(run_policies(uses, gateway=lent).headers.get_all("WWW-Authenticate"))


def test_the_upstream_does_not_see_the_token():
    """Unless it wants to."""
    lent = gateway(keys=LOCAL)
    hidden = run_policy("oauth2", exchange(headers=bearer()), gateway=lent)
    shown = run_policy("oauth2", exchange(headers=bearer()), gateway=lent, hide_credentials=False)

    assert hidden.forwarded.headers.get("Authorization") is None
    assert f"Bearer {TOKEN}" == shown.forwarded.headers.get("Authorization")


# --- another server's ---


def test_the_other_server_is_asked_as_the_rfc_says():
    """POST, a form, and our credentials encoded as RFC 6749, 2.3.1 wants them."""
    http = FakeHttp({URL: said(**ACTIVE)})

    result = run_policy("oauth2", exchange(headers=bearer()), gateway=gateway(http=http), **REMOTE)

    assert 200 == result.status
    (call,) = http.calls
    assert ("POST", URL) == (call.method, call.url)
    assert {"token": [TOKEN], "token_type_hint": ["access_token"]} == parse_qs(call.body.decode())
    assert "Basic " + base64.b64encode(b"tw+gw:canary-secret").decode() == call.headers["Authorization"]
    assert "application/x-www-form-urlencoded" == call.headers["Content-Type"]


def test_the_answer_says_who_calls():
    """Its client is the application, its subject the credential's id."""
    found = ask_remote(said(**ACTIVE, exp=1_900_000_000)).exchange.credential

    assert ("shop", "me", ("read", "write"), 1_900_000_000) == (
        found.application, found.id, found.scopes, found.expires_at,
    )  # fmt: skip
    assert "fixed" == ask_remote(said(**ACTIVE), application="fixed").exchange.credential.application
    named = ask_remote(said(**ACTIVE, tenant="t"), application_claim="tenant")
    assert "t" == named.exchange.credential.application


BAD_ANSWERS = [
    {"active": False},
    {"active": False, "client_id": "shop"},
    {**ACTIVE, "exp": 1_799_999_999},
    {**ACTIVE, "exp": "1900000000"},
    {**ACTIVE, "exp": True},
    {**ACTIVE, "nbf": 1_800_000_100},
    {**ACTIVE, "nbf": "x"},
    {**ACTIVE, "scope": ["read"]},
    {**ACTIVE, "token_type": "refresh_token"},
    {**ACTIVE, "client_id": 7},
    {**ACTIVE, "iss": "https://other.test"},
    {name: value for name, value in ACTIVE.items() if name != "aud"} | {"aud": "other"},
    {**ACTIVE, "aud": [{}]},
]


@pytest.mark.parametrize("members", BAD_ANSWERS)
def test_a_token_that_is_not_good_here_is_refused(members):
    """Inactive, expired, of another issuer or for another audience."""
    settings = {"issuer": "https://login.test", "audiences": ["https://api.test"]}
    fine = {"iss": "https://login.test", "aud": ["x", "https://api.test"]}

    assert 200 == ask_remote(said(**ACTIVE, **fine), **settings).status
    result = ask_remote(said(**{**fine, **members}), **settings)
    assert (401, "invalid_token") == (result.status, result.headers.get("WWW-Authenticate").split('"')[3])


@pytest.mark.parametrize(
    "answer",
    [
        OSError("refused"),
        said(500),
        said(401, **ACTIVE),
        said(302, **ACTIVE),
        said(),
        said(active="true"),
        said(active=1),
        HttpAnswer(200, {}, b"active"),
        HttpAnswer(200, {}, b"[" * 60_000),
        HttpAnswer(200, {}, b"[true]"),
        HttpAnswer(200, {}, json.dumps({**ACTIVE, "x": "x" * 70_000}).encode()),
    ],
)
def test_no_answer_lets_nobody_in(answer):
    """503, and the log says what happened, without the token and our secret."""
    result = ask_remote(answer)

    assert 503 == result.status
    assert "1" == result.headers.get("Retry-After")
    assert result.forwarded is None
    assert [("warn", URL)] == [(level, text.split(" ")[0]) for level, text in result.logged]
    assert "canary" not in str(result.logged)


def test_a_server_that_is_down_is_left_in_peace():
    """For a second nobody is asked, and nobody waits."""
    server = Server(OSError("refused"))
    known = remote(server)

    assert [503] * 5 == [known.get("/", headers=bearer()).status for _ in range(5)]
    assert 1 == server.asked
    server.answer = said(**ACTIVE)
    known.clock.advance(1)
    assert 200 == known.get("/", headers=bearer()).status


def test_an_answer_is_used_for_a_while():
    """And no longer: a token that was revoked there is refused after cache_seconds."""
    server = Server()
    known = remote(server, cache_seconds=10)

    assert [200] * 3 == [known.get("/", headers=bearer()).status for _ in range(3)]
    assert 1 == server.asked
    server.answer = said(active=False)
    known.clock.advance(7.9)
    assert (200, 1) == (known.get("/", headers=bearer()).status, server.asked)
    known.clock.advance(2.1)
    assert (401, 2) == (known.get("/", headers=bearer()).status, server.asked)


def test_nothing_is_kept_where_that_is_wanted():
    """With 0 every request asks."""
    server = Server()
    known = remote(server, cache_seconds=0)

    assert [200] * 3 == [known.get("/", headers=bearer()).status for _ in range(3)]
    assert 3 == server.asked


def test_an_answer_is_not_used_past_the_end_of_the_token():
    """A token that expires before cache_seconds are over is asked for again then."""
    server = Server(said(**ACTIVE, exp=1_800_000_003))
    known = remote(server, cache_seconds=10)
    known.get("/", headers=bearer())
    known.clock.advance(3)

    assert 401 == known.get("/", headers=bearer()).status
    assert 2 == server.asked


def test_a_refusal_is_kept_for_a_second_at_most():
    """A token that was just issued there is soon let in."""
    server = Server(said(active=False))
    known = remote(server, cache_seconds=60)

    assert [401, 401] == [known.get("/", headers=bearer()).status for _ in range(2)]
    assert 1 == server.asked
    server.answer = said(**ACTIVE)
    known.clock.advance(1)
    assert 200 == known.get("/", headers=bearer()).status


def test_who_guesses_does_not_drive_out_what_is_in_use():
    """Unknown tokens have a table of their own, and both are bounded."""
    from twgw_plugins import oauth2

    memory = oauth2.Memory()
    kept = oauth2.Remembered(OWNER, 1, 1)
    memory.note(b"good", kept)
    for number in range(2 * oauth2.REMEMBERED + 5):
        memory.note(str(number).encode(), oauth2.Remembered(None, 1, 1))

    assert {b"good": kept} == memory.good
    assert 0 < len(memory.bad) <= oauth2.REMEMBERED
    memory.note(b"good", oauth2.Remembered(None, 1, 1))
    assert {} == memory.good


def test_a_token_in_use_is_asked_for_by_one_while_the_others_go_on():
    """Nobody waits at the end of cache_seconds but the one who asks."""
    server = Server()
    known = remote(server, cache_seconds=10)
    known.get("/", headers=bearer())
    known.clock.advance(9)
    server.slow = True
    client = known.begin("GET", "/", headers=bearer())

    assert [] == client.answers()
    assert [200, 200] == [known.get("/", headers=bearer()).status for _ in range(2)]
    assert 2 == server.asked
    server.waiting.pop().callback(None)
    client.settle()
    assert [200] == [answer.status for answer in client.answers()]


def test_a_failure_takes_nothing_from_a_token_in_use():
    """What is known is good to its end."""
    server = Server()
    known = remote(server, cache_seconds=10)
    known.get("/", headers=bearer())
    known.clock.advance(9)
    server.answer = OSError("refused")

    assert [200, 200] == [known.get("/", headers=bearer()).status for _ in range(2)]
    known.clock.advance(1)
    assert 503 == known.get("/", headers=bearer()).status


def test_the_token_and_the_secret_are_told_to_nobody():
    """Neither logs, nor responses, nor representations hold them."""
    for answer in (said(**ACTIVE), said(active=False), OSError("refused")):
        lent = gateway(http={URL: answer})
        uses = [use("access-log"), use("oauth2", **REMOTE)]
        result = run_policies(uses, exchange(headers=bearer()), gateway=lent)
        settings = result.exchange.plan.chains

        told = [result.lines, result.logged, result.headers.items(), result.body, result.exchange, settings]
        assert "canary" not in "".join(map(str, told))


@pytest.mark.parametrize(
    "settings",
    [
        {"client_id": "x"},
        {"audiences": ["x"]},
        {"application": "x"},
        {"issuer": "x"},
        {"introspection_url": URL},
        {"introspection_url": "ftp://login.test/", "client_id": "x"},
        {**REMOTE, "cache_seconds": 301},
        {**REMOTE, "cache_seconds": -1},
        {"realm": 'a"b'},
    ],
)
def test_settings_that_cannot_work_are_refused(settings):
    """What needs another server without one, or a server that cannot be asked."""
    with pytest.raises(SettingsError):
        run_policy("oauth2", **settings)
