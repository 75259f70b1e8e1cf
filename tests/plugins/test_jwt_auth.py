"""Tests of the policy jwt-auth."""

import json
from itertools import count

import pytest
from twisted.internet.defer import Deferred

from tests.bad_tokens import AUDIENCE, BAD, CURVE_KEY, ISSUER, KEY, NOW, OTHER_KEY, PUBLIC, good
from twgw import jwt
from twgw.faults import SettingsError
from twgw.memory_world import FakeHttp
from twgw.model import Api, Credential, Policy, Target, Upstream
from twgw.policy import HttpAnswer
from twgw.testing import MemoryGateway, exchange, gateway, run_policies, run_policy, use

JWKS = "http://issuer.test/jwks"
OTHER = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_url": JWKS, "types": ["at+jwt"]}
OWN = "https://gateway.test"
PEM = KEY._key.as_pem(private=False).decode()


class Ours:
    """This gateway as an issuer."""

    def __init__(self, *keys):
        self.name = OWN
        self.keys = keys


class Server:
    """An issuer's server; ``slow`` lets who asks wait until ``release``."""

    def __init__(self, *keys, slow=False):
        self.answer = HttpAnswer(200, {}, json.dumps(jwt.write_jwks(keys)).encode())
        self.asked = 0
        self.slow = slow
        self.waiting = []

    def publish(self, *keys):
        self.answer = HttpAnswer(200, {}, json.dumps(jwt.write_jwks(keys)).encode())

    def release(self):
        self.slow = False
        while self.waiting:
            self.waiting.pop().callback(None)

    async def request(self, method, url, **_more):
        self.asked += 1
        if self.slow:
            waiting = Deferred()
            self.waiting.append(waiting)
            await waiting
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def lent(*, http=None, **more):
    return gateway(http=http or {JWKS: HttpAnswer(200, {}, PUBLIC)}, **more)


def ask(token, lent_gateway=None, **issuer):
    return run_policy(
        "jwt-auth", exchange(headers=bearer(token)), gateway=lent_gateway or lent(), issuers=[{**OTHER, **issuer}]
    )


def ask_own(token, *, known=None, **settings):
    keys = {"canary-jti": known or Credential(kind="jti", id="t", application="shop", scopes=("read",))}
    return run_policy(
        "jwt-auth", exchange(headers=bearer(token)), gateway=lent(keys=keys, issuer=Ours(KEY)), **settings
    )


def own(**claims):
    return good(**{"iss": OWN, "aud": OWN, **claims})


def running(server, **issuer):
    """A gateway that asks a server for keys."""
    policy = Policy("jwt-auth", {"issuers": [{**OTHER, **issuer}]})
    upstream = Upstream((Target("http://upstream.test"),))
    return MemoryGateway(Api("pets", "1", "/", upstream=upstream, policies=(policy,)), http=server)


# --- another issuer's ---


def test_a_good_token_says_who_calls():
    """Its client is the application, its subject the credential's id, its claims are there for other policies."""
    result = ask(good())

    assert 200 == result.status
    found = result.exchange.credential
    assert ("jwt", "me", "shop", ("read", "write")) == (found.kind, found.id, found.application, found.scopes)
    assert NOW + 600 == found.expires_at
    assert "canary-jti" == result.exchange.attributes["jwt-auth"]["jti"]


@pytest.mark.parametrize("name", [name for name, (token, _) in BAD.items() if token == token.strip()])
def test_a_bad_token_is_refused(name):
    """401 invalid_token, with the reason; nothing is sent on, the connection stays."""
    token, why = BAD[name]
    result = ask(token)

    if result.status == 400:  # not even the form of RFC 6750
        assert 'error="invalid_request"' in result.headers.get("WWW-Authenticate")
    else:
        assert (401, 900901) == (result.status, result.json["code"])
        assert 'error="invalid_token"' in result.headers.get("WWW-Authenticate")
    assert result.forwarded is None
    assert not result.response.close
    assert "jwt-auth" == result.exchange.refused_by
    assert result.exchange.reason == result.json["detail"]
    if result.json["detail"] not in {"its issuer is not known here", "too long", "not a JWT"}:
        assert result.status == 400 or why in result.json["detail"]


def test_without_a_token_the_client_is_told_what_to_bring():
    """A challenge without an error (RFC 6750, 3)."""
    result = run_policy("jwt-auth", realm="Shop")

    assert (401, 900902) == (result.status, result.json["code"])
    assert 'Bearer realm="Shop"' == result.headers.get("WWW-Authenticate")


def test_an_unknown_issuer_is_refused_without_a_call():
    """A token cannot make us ask anybody."""
    http = FakeHttp()

    result = ask(good(iss="http://evil.test"), lent(http=http))

    assert (401, "its issuer is not known here") == (result.status, result.json["detail"])
    assert [] == http.calls


def test_each_issuer_has_its_own_keys():
    """A key of one issuer signs nothing for another."""
    other = {**OTHER, "issuer": "https://second.test", "jwks_url": "http://second.test/jwks"}
    second = HttpAnswer(200, {}, json.dumps(jwt.write_jwks([OTHER_KEY])).encode())
    answers = {JWKS: HttpAnswer(200, {}, PUBLIC), "http://second.test/jwks": second}

    def status(token):
        request = exchange(headers=bearer(token))
        return run_policy("jwt-auth", request, gateway=lent(http=answers), issuers=[OTHER, other]).status

    assert 200 == status(good())
    assert 200 == status(good(OTHER_KEY, iss="https://second.test"))
    assert 401 == status(good(OTHER_KEY))
    assert 401 == status(good(iss="https://second.test"))


@pytest.mark.parametrize(
    ("issuer", "claims", "application", "scopes"),
    [
        ({}, {"client_id": None, "azp": "portal"}, "portal", ("read", "write")),
        ({}, {"client_id": None}, "", ("read", "write")),
        ({"application": "fixed"}, {}, "fixed", ("read", "write")),
        ({"application_claims": ["sub"]}, {}, "me", ("read", "write")),
        ({}, {"scope": None, "scp": ["a", "b"]}, "shop", ("a", "b")),
        ({"scope_claims": ["roles"]}, {"roles": ["x"]}, "shop", ("x",)),
        ({}, {"scope": None}, "shop", ()),
        ({"audiences": []}, {"aud": None}, "shop", ("read", "write")),
        ({"types": [""]}, {}, None, None),
    ],
)
def test_what_the_claims_mean_can_be_said(issuer, claims, application, scopes):
    """Issuers differ in where they put application and scopes."""
    result = ask(good(**claims), **issuer)

    found = result.exchange.credential
    assert (application, scopes) == ((found.application, found.scopes) if found else (None, None))


@pytest.mark.parametrize("claims", [{"client_id": 7}, {"sub": 5}, {"sub": ["x"]}, {"client_id": ["shop"]}])
def test_names_are_text(claims):
    """What is no text names nobody."""
    result = ask(good(**claims))

    assert (401, "its names are not text") == (result.status, result.json["detail"])


def test_keys_may_be_handed_over():
    """PEM text or a shared secret in the settings, no call."""
    secret = "s" * 40
    local = {name: value for name, value in OTHER.items() if name != "jwks_url"}
    by_pem = {**local, "keys": [{"key": PEM, "id": KEY.id}]}
    by_secret = {**local, "keys": [{"key": secret, "algorithm": "HS256"}]}
    shared = good(jwt.from_secret(secret, "HS256"))

    for issuer, token, status in (
        (by_pem, good(), 200), (by_secret, shared, 200), (by_secret, good(), 401),
        (by_pem, shared, 401), ({**local, "keys": [{"key": secret, "algorithm": "HS256", "id": "1"}]}, shared, 401),
    ):  # fmt: skip
        http = FakeHttp()
        request = exchange(headers=bearer(token))
        assert status == run_policy("jwt-auth", request, gateway=lent(http=http), issuers=[issuer]).status
        assert [] == http.calls


# --- the keys of an issuer ---


def test_keys_are_fetched_once():
    """And used until they are old."""
    server = Server(KEY)
    known = running(server, refresh_seconds=60)

    assert [200] * 3 == [known.get("/", headers=bearer(good())).status for _ in range(3)]
    assert 1 == server.asked
    known.clock.advance(60)
    assert (200, 2) == (known.get("/", headers=bearer(good())).status, server.asked)


def test_a_key_that_was_withdrawn_signs_nothing_more():
    """A token that was good under it is refused once the keys are fetched anew, although it was seen before."""
    server = Server(KEY, CURVE_KEY)
    known = running(server, refresh_seconds=60)
    token = good()
    assert 200 == known.get("/", headers=bearer(token)).status

    server.publish(CURVE_KEY)
    known.clock.advance(60)

    assert 401 == known.get("/", headers=bearer(token)).status


def test_a_new_key_is_fetched_when_a_token_names_it():
    """At once, but not more often than every ten seconds."""
    server = Server(KEY)
    known = running(server, refresh_seconds=300)
    assert 200 == known.get("/", headers=bearer(good())).status
    known.clock.advance(10)

    server.publish(KEY, OTHER_KEY)
    assert (200, 2) == (known.get("/", headers=bearer(good(OTHER_KEY))).status, server.asked)

    strange = [good(header={"kid": f"guess-{number}"}) for number in range(5)]
    assert [401] * 5 == [known.get("/", headers=bearer(token)).status for token in strange]
    assert 2 == server.asked
    known.clock.advance(10)
    assert [401] * 5 == [known.get("/", headers=bearer(token)).status for token in strange]
    assert 3 == server.asked


def test_a_bad_signature_fetches_nothing():
    """Only an unknown key does."""
    server = Server(KEY)
    known = running(server)
    known.get("/", headers=bearer(good()))
    known.clock.advance(60)

    assert 401 == known.get("/", headers=bearer(BAD["signature of zeros"][0])).status
    assert 1 == server.asked


def test_many_wait_for_one_call():
    """At the start every request needs the keys; they are asked for once."""
    server = Server(KEY, slow=True)
    known = running(server)
    clients = [known.begin("GET", "/", headers=bearer(good(jti=str(number)))) for number in range(5)]

    assert 1 == server.asked
    server.release()
    known.clock.advance(1)
    for client in clients:
        client.settle()

    assert [[200]] * 5 == [[answer.status for answer in client.answers()] for client in clients]
    assert 1 == server.asked


def test_old_keys_serve_while_one_fetches_new_ones():
    """Nobody waits but the one who asks."""
    server = Server(KEY)
    known = running(server, refresh_seconds=60)
    known.get("/", headers=bearer(good()))
    known.clock.advance(60)
    server.slow = True
    client = known.begin("GET", "/", headers=bearer(good()))

    assert [] == client.answers()
    assert [200, 200] == [known.get("/", headers=bearer(good(jti=str(number)))).status for number in range(2)]
    server.release()
    client.settle()
    assert [200] == [answer.status for answer in client.answers()]


def test_a_client_that_leaves_lets_another_fetch():
    """The call of one who left is not waited for."""
    server = Server(KEY, slow=True)
    known = running(server)
    known.begin("GET", "/", headers=bearer(good())).abort()
    known.clock.advance(2)
    server.slow = False

    assert 200 == known.get("/", headers=bearer(good())).status


@pytest.mark.parametrize(
    "answer",
    [
        OSError("refused"),
        HttpAnswer(500, {}, PUBLIC),
        HttpAnswer(302, {}, PUBLIC),
        HttpAnswer(200, {}, b""),
        HttpAnswer(200, {}, b'{"keys": 1}'),
        HttpAnswer(200, {}, b'{"keys": [' + b"[" * 50_000),
        HttpAnswer(200, {}, b" " * 300_000),
    ],
)
def test_without_keys_nobody_is_let_in(answer):
    """503, and the log says why."""
    result = ask(good(), lent(http={JWKS: answer}))

    assert 503 == result.status
    assert "the keys of its issuer cannot be fetched" == result.json["detail"]
    assert "1" == result.headers.get("Retry-After")
    assert [("warn", JWKS + ":")] == [(level, text.split(" ")[0]) for level, text in result.logged]


def test_without_keys_they_are_asked_for_once_a_second():
    """Nobody waits for a server that just failed."""
    server = Server(KEY)
    kept, server.answer = server.answer, OSError("refused")
    known = running(server)

    assert [503] * 5 == [known.get("/", headers=bearer(good())).status for _ in range(5)]
    assert 1 == server.asked
    server.answer = kept
    known.clock.advance(1)
    assert 200 == known.get("/", headers=bearer(good())).status


def test_known_keys_serve_for_a_while_when_fetching_fails():
    """And no longer than stale_seconds: a key may have been withdrawn meanwhile."""
    server = Server(KEY)
    known = running(server, refresh_seconds=60, stale_seconds=120)
    token = good(exp=NOW + 9999)
    known.get("/", headers=bearer(token))
    server.answer = OSError("refused")

    known.clock.advance(119)
    assert 200 == known.get("/", headers=bearer(token)).status
    known.clock.advance(1)
    assert 503 == known.get("/", headers=bearer(token)).status


def test_a_token_that_was_seen_expires_too():
    """What is remembered of it is good no longer than itself."""
    server = Server(KEY)
    known = running(server)
    token = good(exp=NOW + 30)
    assert 200 == known.get("/", headers=bearer(token)).status

    known.clock.advance(89)
    assert 200 == known.get("/", headers=bearer(token)).status
    known.clock.advance(1)
    assert 401 == known.get("/", headers=bearer(token)).status


def test_what_is_remembered_is_bounded():
    """The table begins anew when it is full; it holds digests, no tokens."""
    from twgw_plugins import jwt_auth

    settings = jwt_auth.Settings(issuers=(), own=True)
    numbers = count()
    settings.verified.update({str(next(numbers)).encode(): None for _ in range(jwt_auth.REMEMBERED)})
    keys = {"canary-jti": Credential(kind="jti", application="shop")}
    run = jwt_auth.twgw_authenticate(exchange(headers=bearer(own())), settings, lent(keys=keys, issuer=Ours(KEY)))
    with pytest.raises(StopIteration):
        run.send(None)

    assert 1 == len(settings.verified)
    assert own()[:20] not in str(settings.verified.keys())


# --- this gateway's own ---


def test_an_own_token_is_looked_up_by_its_id():
    """The credential is the one that was found, whatever the token says besides."""
    result = ask_own(own(scope="admin", client_id="evil"))

    assert 200 == result.status
    assert ("shop", ("read",)) == (result.exchange.credential.application, result.exchange.credential.scopes)


def test_an_own_token_that_was_revoked_is_refused():
    """Its signature is good, and it is not known any more."""
    result = ask_own(own(jti="revoked"))

    assert (401, "unknown, expired or revoked") == (result.status, result.json["detail"])


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (own(aud="https://other.test"), "it is for another audience"),
        (good(iss=OWN, aud=OWN, typ="JWT"), "its typ is not one of those expected"),
        (own(jti=None), "it has no jti"),
        (own(jti=7), "it has no jti"),
        (own(exp=NOW - 60), "it has expired"),
        (good(OTHER_KEY, iss=OWN, aud=OWN), "no key of this kid and algorithm"),
    ],
)
def test_a_bad_token_of_ours_is_refused(token, why):
    """An assertion for an upstream, signed by the same key, is no access token."""
    assert (401, why) == (ask_own(token).status, ask_own(token).json["detail"])


def test_a_token_id_is_no_token():
    """What stands in a token does not open anything by itself."""
    assert 401 == ask_own("canary-jti").status


def test_own_tokens_can_be_switched_off():
    """Then only others are taken; and where none are issued none are taken."""
    assert 401 == ask_own(own(), own=False, issuers=[OTHER]).status
    assert 401 == run_policy("jwt-auth", exchange(headers=bearer(own())), gateway=lent()).status


def test_the_lookup_of_an_own_token_may_take_its_time():
    """A directory elsewhere answers later; each request asks it."""
    asked = []

    class Slow:
        async def find(self, kind, secret):
            asked.append((kind, secret))
            await known.gateway.clock.sleep(0)
            return Credential(kind="jti", application="shop")

    policy = Policy("jwt-auth", {})
    upstream = Upstream((Target("http://upstream.test"),))
    known = MemoryGateway(Api("pets", "1", "/", upstream=upstream, policies=(policy,)))
    object.__setattr__(known.gateway, "credentials", Slow())
    object.__setattr__(known.gateway, "issuer", Ours(KEY))
    for _ in range(2):
        client = known.begin("GET", "/", headers=bearer(own()))
        known.clock.advance(0)
        client.settle()
        assert [200] == [answer.status for answer in client.answers()]

    assert [("jti", "canary-jti")] * 2 == asked


def test_keys_of_ours_that_changed_are_seen():
    """A token that was good under a key that is gone is refused."""
    policy = Policy("jwt-auth", {})
    upstream = Upstream((Target("http://upstream.test"),))
    known = MemoryGateway(Api("pets", "1", "/", upstream=upstream, policies=(policy,)))
    ours = Ours(KEY)
    object.__setattr__(known.gateway, "issuer", ours)
    object.__setattr__(known.gateway, "credentials", gateway(keys={
        "canary-jti": Credential(kind="jti", application="shop")}).credentials)  # fmt: skip
    assert 200 == known.get("/", headers=bearer(own())).status

    ours.keys = (OTHER_KEY,)

    assert 401 == known.get("/", headers=bearer(own())).status


# --- beside others ---


@pytest.mark.parametrize("order", [("oauth2", "jwt-auth"), ("jwt-auth", "oauth2")])
def test_opaque_tokens_and_jwts_live_side_by_side(order):
    """Whichever policy stands first, each takes its own kind, and what neither knows is refused."""
    keys = {"opaque": Credential(kind="token", application="shop")}
    uses = [use(name, **({"issuers": [OTHER]} if name == "jwt-auth" else {})) for name in order]

    for token, status in (("opaque", 200), (good(), 200), ("unknown", 401), (good(OTHER_KEY), 401), ("a.b.c", 401)):
        result = run_policies(uses, exchange(headers=bearer(token)), gateway=lent(keys=keys))
        assert (token, status) == (token, result.status)
        assert status == 200 or 'error="invalid_token"' in result.headers.get("WWW-Authenticate")
    assert ['Bearer realm="twgw"'] == run_policies(uses, gateway=lent()).headers.get_all("WWW-Authenticate")


def test_the_upstream_does_not_see_the_token():
    """Unless it wants to."""
    assert ask(good()).forwarded.headers.get("Authorization") is None
    shown = run_policy(
        "jwt-auth", exchange(headers=bearer(good())), gateway=lent(), issuers=[OTHER], hide_credentials=False
    )
    assert bearer(good())["Authorization"] == shown.forwarded.headers.get("Authorization")


def test_the_token_is_told_to_nobody():
    """Neither logs, nor responses, nor what is forwarded hold it, good or bad."""
    for token in (good(), good(OTHER_KEY), good(aud="x"), "canary.x.y"):
        uses = [use("access-log"), use("jwt-auth", issuers=[OTHER])]
        result = run_policies(uses, exchange(headers=bearer(token)), gateway=lent())
        told = "".join(map(str, [result.lines, result.logged, result.headers.items(), result.body, result.exchange]))

        assert token not in told
        assert "canary" not in told
        if result.forwarded is not None:
            assert token not in str(result.forwarded.headers.items())


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"own": False}, "issuers"),
        ({"issuers": [OTHER, OTHER]}, "issuers[1].issuer"),
        ({"issuers": [{**OTHER, "jwks_url": "file:///etc/keys"}]}, "issuers[0].jwks_url"),
        ({"issuers": [{**OTHER, "jwks_url": ""}]}, "issuers[0].jwks_url"),
        ({"issuers": [{**OTHER, "keys": [{"key": PEM}]}]}, "issuers[0].jwks_url"),
        ({"issuers": [{**OTHER, "keys": [{"key": "no PEM"}]}]}, "issuers[0].keys[0].key"),
        ({"issuers": [{**OTHER, "keys": [{"key": "short", "algorithm": "HS256"}]}]}, "issuers[0].keys[0].key"),
        ({"issuers": [{**OTHER, "keys": [{"key": PEM, "algorithm": "HS256"}]}]}, "issuers[0].keys[0].key"),
        ({"issuers": [{**OTHER, "keys": [{"key": PEM, "algorithm": "none"}]}]}, "issuers[0].keys[0].algorithm"),
        ({"issuers": [{**OTHER, "issuer": ""}]}, "issuers[0].issuer"),
        ({"issuers": [{"issuer": ISSUER, "jwks_url": JWKS}]}, "issuers[0].audiences"),
        ({"realm": 'a"b'}, "realm"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, path):
    """With the place of what is wrong, and without the key."""
    with pytest.raises(SettingsError) as refusal:
        run_policy("jwt-auth", **settings)

    assert f"apis[0].policies[0].settings.{path}" in [fault.path for fault in refusal.value.faults]
    assert "no PEM" not in str(refusal.value).replace("not the PEM", "")
