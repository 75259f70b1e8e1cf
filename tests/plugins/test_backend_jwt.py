"""Tests of the policy backend-jwt."""

import base64
import json
import subprocess

import pytest

from twgw import jwt
from twgw.faults import SettingsError
from twgw.issuer import Issuer
from twgw.model import Api, Credential, Environment, Policy, Target, Upstream
from twgw.policy.chain import PolicyFailed
from twgw.registry import SecretKey
from twgw.testing import API, FakeClock, MemoryGateway, exchange, gateway, run_policies, run_policy, use

KEY = jwt.generate("RS256")
NOW = 1_800_000_000
CALLER = Credential(id="k1", application="shop", owner="bob", tier="Large")
DIALECT = "http://wso2.org/claims/"
PUBLIC = [jwt.Key.from_text(KEY.to_text())]


def issuer(key=KEY, wall=lambda: NOW):
    made = Issuer("https://gateway.test", wall)
    made.use([SecretKey("signing", 1, key.to_text(), 0, None)])
    return made


def lent(**more):
    return gateway(issuer=issuer(), clock=FakeClock(), **more)


def told(result, header="X-JWT-Assertion"):
    """The claims that the upstream reads, by who signed them."""
    token = result.forwarded.headers.get(header)
    return jwt.verify(token, PUBLIC, jwt.Expected("wso2.org/products/am", (), ("jwt",)), NOW)


def run(credential=CALLER, headers=(), subscription="Gold", **settings):
    request = exchange(headers=headers, credential=credential, subscription=subscription)
    return run_policy("backend-jwt", request, gateway=lent(), **settings)


def test_the_upstream_learns_who_calls():
    """In the field and by the claims of WSO2."""
    assert {
        "iss": "wso2.org/products/am", "iat": NOW, "exp": NOW + 900,
        DIALECT + "subscriber": "bob", DIALECT + "applicationid": "shop", DIALECT + "applicationname": "shop",
        DIALECT + "applicationtier": "Large", DIALECT + "apicontext": "/", DIALECT + "version": "1",
        DIALECT + "tier": "Gold", DIALECT + "keytype": "PRODUCTION", DIALECT + "usertype": "APPLICATION",
        DIALECT + "enduser": "bob", DIALECT + "enduserTenantId": "-1234",
    } == told(run())  # fmt: skip


def test_the_header_is_that_of_an_rsa_signature():
    """SHA256withRSA, which the RFC calls RS256; the key can be found by its kid."""
    token = run().forwarded.headers.get("X-JWT-Assertion")

    head = json.loads(jwt.urlsafe_b64decode(token.split(".")[0].encode()))
    assert {"alg": "RS256", "typ": "JWT", "kid": KEY.id} == head


def test_a_user_is_told_apart_from_an_application():
    """A token of a login has a user; sandbox and tiers are told as WSO2 does."""
    credential = Credential(application="shop", user="ann", environment=Environment.SANDBOX)
    claims = told(run(credential, subscription=None))

    assert ("ann", "APPLICATION_USER", "SANDBOX", "Unlimited", "Unlimited", None) == tuple(
        claims.get(DIALECT + name)
        for name in ("enduser", "usertype", "keytype", "tier", "applicationtier", "subscriber")
    )


def test_nobody_speaks_in_our_name():
    """What a client sends in the field is taken away, also where nobody is known."""
    forged = [("X-JWT-Assertion", "forged"), ("x-jwt-assertion", "forged too")]

    assert 1 == len(run(headers=forged).forwarded.headers.get_all("X-JWT-Assertion"))
    assert "forged" not in run(headers=forged).forwarded.headers.get("X-JWT-Assertion")
    assert run(None, forged).forwarded.headers.get("X-JWT-Assertion") is None


def test_field_claims_and_life_can_be_said():
    """As in WSO2's configuration."""
    result = run(header="X-Caller", dialect="urn:claims", issuer="wso2.org/products/am", seconds=60)

    claims = told(result, "X-Caller")
    assert ("shop", NOW + 60) == (claims["urn:claims/applicationname"], claims["exp"])
    assert result.forwarded.headers.get("X-JWT-Assertion") is None


def test_upstreams_of_that_time_are_understood():
    """The form of WSO2 1.x: base64 with padding, milliseconds, no kid."""
    head, body, signature = run(form="wso2-1.x").forwarded.headers.get("X-JWT-Assertion").split(".")

    claims = json.loads(base64.b64decode(body, validate=True))
    assert ((NOW + 900) * 1000, None) == (claims["exp"], claims.get("iat"))
    assert {"alg": "RS256", "typ": "JWT"} == json.loads(base64.b64decode(head, validate=True))
    model = jwt.jws.JWSRegistry.algorithms["RS256"]
    assert model.verify(f"{head}.{body}".encode(), base64.b64decode(signature, validate=True), PUBLIC[0]._key)


def test_a_certificate_is_named_as_wso2_names_it(tmp_path):
    """x5t is the encoded hexadecimal text of the thumbprint."""
    (tmp_path / "key.pem").write_text(KEY.to_pem())
    made = subprocess.run(
        ["openssl", "req", "-x509", "-key", tmp_path / "key.pem", "-subj", "/CN=x", "-days", "1"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    key = jwt.from_pem(KEY.to_pem() + made, "RS256")
    result = run_policy("backend-jwt", exchange(credential=CALLER), gateway=gateway(issuer=issuer(key)))

    token = result.forwarded.headers.get("X-JWT-Assertion")
    named = json.loads(jwt.urlsafe_b64decode(token.split(".")[0].encode()))["x5t"]
    assert jwt.urlsafe_b64decode(key.x5t.encode()).hex() == base64.urlsafe_b64decode(named).decode()


class Counting:
    """An issuer that counts."""

    def __init__(self, gateway):
        self.inner = issuer(wall=gateway.clock.wall)
        self.name, self.keys, self.x5t, self.signed = "me", (), "", 0

    def sign(self, claims, **more):
        self.signed += 1
        return self.inner.sign(claims, **more)


def running(**settings):
    """A gateway whose signatures are counted."""
    policies = (Policy("key-auth"), Policy("backend-jwt", settings))
    upstream = Upstream((Target("http://upstream.test"),))
    apis = [Api(name, "1", f"/{name}", upstream=upstream, policies=policies) for name in ("a", "b")]
    known = MemoryGateway(apis, keys={"key-1": "shop", "key-2": "other"})
    object.__setattr__(known.gateway, "issuer", Counting(known.gateway))
    return known, known.gateway.issuer


def test_a_token_is_signed_once_for_many_requests():
    """Another for another caller, and for another API."""
    known, counting = running()

    def ask(path="/a", key="key-1"):
        known.get(path, headers={"apikey": key})
        return known.upstream_requests[-1].headers["X-JWT-Assertion"]

    assert 1 == len({ask() for _ in range(5)})
    assert 1 == counting.signed
    assert 3 == len({ask(), ask(key="key-2"), ask("/b")})
    assert 3 == counting.signed


def test_a_token_is_renewed_before_it_is_over():
    """An upstream never gets one that ends while it looks."""
    known, counting = running(seconds=100)
    known.get("/a", headers={"apikey": "key-1"})
    known.clock.advance(79)
    known.get("/a", headers={"apikey": "key-1"})
    assert 1 == counting.signed

    known.clock.advance(1)
    known.get("/a", headers={"apikey": "key-1"})
    assert 2 == counting.signed


def test_what_is_remembered_is_bounded():
    """The table begins anew when it is full."""
    from twgw_plugins import backend_jwt

    settings = backend_jwt.Settings()
    settings.made.update({(number,): None for number in range(backend_jwt.REMEMBERED)})
    request = exchange(credential=CALLER)
    run_policy("mock-response", request, status=204)
    backend_jwt.twgw_transform(request, settings, lent())

    assert 1 == len(settings.made)


def test_without_a_key_nothing_is_sent():
    """The request fails closed: an upstream may take a call without a token for a trusted one."""
    result = run_policy("backend-jwt", exchange(credential=CALLER), gateway=gateway())

    assert 500 == result.status
    assert result.forwarded is None
    assert "no key to sign with" in str(result.logged)
    assert issubclass(PolicyFailed, Exception)


def test_an_assertion_opens_no_api():
    """It is signed by the key that signs access tokens, and is none."""
    token = run().forwarded.headers.get("X-JWT-Assertion")
    keys = {"x": Credential(kind="jti", application="shop")}
    request = exchange(headers={"Authorization": f"Bearer {token}"})

    assert 401 == run_policy("jwt-auth", request, gateway=lent(keys=keys)).status


def test_the_token_of_the_client_is_not_what_is_sent():
    """It was for the gateway; the upstream gets ours."""
    uses = [use("oauth2"), use("backend-jwt")]
    keys = {"canary": Credential(kind="token", application="shop", user="ann")}
    result = run_policies(uses, exchange(headers={"Authorization": "Bearer canary"}), gateway=lent(keys=keys), api=API)

    assert "ann" == told(result)[DIALECT + "enduser"]
    assert "canary" not in str(result.forwarded.headers.items())


@pytest.mark.parametrize(
    "settings", [{"header": "Host"}, {"header": "a b"}, {"header": "X-Forwarded-For"}, {"seconds": 1}, {"form": "xml"}]
)
def test_settings_that_cannot_work_are_refused(settings):
    """A field that is not ours to set, or a life that is none."""
    with pytest.raises(SettingsError):
        run_policy("backend-jwt", **settings)
