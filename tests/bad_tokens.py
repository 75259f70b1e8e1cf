"""Tokens that nobody may take, each with what is wrong with it; for test_jwt.py and for the policies that take tokens.

A good one is ``good()``: of the issuer ISSUER, for the audience AUDIENCE, under KEY, at the time NOW.
"""

import base64
import hashlib
import hmac
import json

from joserfc import jws
from joserfc.jwk import OctKey

from twgw import jwt

NOW = 1_800_000_000
"""The time at which a FakeClock begins."""
ISSUER = "https://issuer.test"
AUDIENCE = "https://api.test"
KEY = jwt.generate("RS256")
OTHER_KEY = jwt.generate("RS256")
CURVE_KEY = jwt.generate("ES256")
PUBLIC = json.dumps(jwt.write_jwks([KEY, CURVE_KEY])).encode()
CLAIMS = {
    "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 600, "iat": NOW - 10, "sub": "me", "client_id": "shop",
    "jti": "canary-jti", "scope": "read write",
}  # fmt: skip
LATE = "it has expired"


def encoded(value):
    """A part of a token: of bytes, or of what becomes JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def good(key=KEY, typ="at+jwt", header=None, **claims):
    """A token under a key, with claims beside or in place of the usual ones; None takes one away."""
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.sign(merged, key, typ, header)


def forged(header, claims=None, signature=b"x" * 256):
    """A token of any parts, signed by nobody."""
    return f"{encoded(header)}.{encoded(CLAIMS if claims is None else claims)}.{encoded(signature)}"


def signed_raw(head, body, key=KEY):
    """A token of any bytes, signed rightly."""
    start = f"{encoded(head)}.{encoded(body)}"
    private = jwt.Key.from_text(key.to_text())._key
    return f"{start}.{encoded(jws.JWSRegistry.algorithms[key.algorithm].sign(start.encode(), private))}"


def by_public_key(name="HS256"):
    """An HMAC under the public key, for who mistakes one kind of key for the other."""
    head = encoded({"alg": name, "typ": "at+jwt", "kid": KEY.id})
    start = f"{head}.{encoded(CLAIMS)}"
    secret = json.dumps(KEY.public()).encode()
    return f"{start}.{encoded(hmac.new(secret, start.encode(), hashlib.sha256).digest())}"


def by_pem():
    """The same under the public key's PEM text, which is how it was first done."""
    start = f"{encoded({'alg': 'HS256', 'typ': 'at+jwt', 'kid': KEY.id})}.{encoded(CLAIMS)}"
    return f"{start}.{encoded(hmac.new(KEY._key.as_pem(), start.encode(), hashlib.sha256).digest())}"


def with_kid(kid):
    """Signed rightly, by a key that another name points to."""
    return good(header={"kid": kid})


def changed(part, old, new):
    """A good token whose header or claims were changed afterwards."""
    parts = good().split(".")
    text = base64.urlsafe_b64decode(parts[part] + "==")
    parts[part] = encoded(text.replace(old, new))
    return ".".join(parts)


HEAD = {"alg": "RS256", "typ": "at+jwt", "kid": KEY.id}
OCT = OctKey.import_key("s" * 32).as_dict()

BAD = {
    # no signature
    "alg none": (forged({**HEAD, "alg": "none"}, signature=b"x"), "no key of this kid"),
    "alg none, nothing signed": (forged({**HEAD, "alg": "none"}, signature=b""), "not a JWT"),
    "alg None": (forged({**HEAD, "alg": "None"}), "no key of this kid"),
    "alg nOnE": (forged({**HEAD, "alg": "nOnE"}), "no key of this kid"),
    "no alg": (forged({"typ": "at+jwt", "kid": KEY.id}), "no key of this kid"),
    "alg is a list": (forged({**HEAD, "alg": ["RS256"]}), "no key of this kid"),
    "alg is null": (forged({**HEAD, "alg": None}), "no key of this kid"),
    "signature cut off": (good().rpartition(".")[0] + ".", "not a JWT"),
    "signature of another": (good().rpartition(".")[0] + "." + good(jti="2").rpartition(".")[2], "signature is wrong"),
    "signature of zeros": (forged(HEAD, signature=b"\0" * 256), "signature is wrong"),
    "signature of one byte": (forged(HEAD, signature=b"x"), "signature is wrong"),
    "curve signature of zeros": (
        forged({"alg": "ES256", "typ": "at+jwt", "kid": CURVE_KEY.id}, signature=b"\0" * 64), "signature is wrong",
    ),
    "curve signature of nothing": (
        forged({"alg": "ES256", "typ": "at+jwt", "kid": CURVE_KEY.id}, signature=b"x"), "signature is wrong",
    ),
    # another algorithm than the key's
    "HMAC under the public key": (by_public_key(), "no key of this kid"),
    "HMAC under its PEM text": (by_pem(), "no key of this kid"),
    "HMAC named RS256": (by_public_key("RS256"), "signature is wrong"),
    "RS512 for an RS256 key": (forged({**HEAD, "alg": "RS512"}), "no key of this kid"),
    "PS256 for an RS256 key": (forged({**HEAD, "alg": "PS256"}), "no key of this kid"),
    "ES256 for an RS256 key": (forged({**HEAD, "alg": "ES256"}), "no key of this kid"),
    "alg of another letter case": (forged({**HEAD, "alg": "rs256"}), "no key of this kid"),
    # another key
    "key that nobody knows": (good(OTHER_KEY), "no key of this kid"),
    "key that nobody knows, under a known kid": (good(OTHER_KEY, header={"kid": KEY.id}), "signature is wrong"),
    "kid is a path": (with_kid("../../../../dev/null"), "no key of this kid"),
    "kid is a query": (with_kid("x' UNION SELECT 'secret' --"), "no key of this kid"),
    "kid is a URL": (with_kid("https://evil.test/jwks"), "no key of this kid"),
    "kid is a command": (with_kid("|id"), "no key of this kid"),
    "kid has a NUL": (with_kid(KEY.id + "\0"), "its header is not a JSON object"),
    "kid is a number": (with_kid(0), "no key of this kid"),
    "kid is a list": (with_kid([KEY.id]), "no key of this kid"),
    "kid is empty": (with_kid(""), "no key of this kid"),
    "kid of another key": (with_kid(CURVE_KEY.id), "no key of this kid"),
    # keys and rules in the token
    "jwk in the header": (good(OTHER_KEY, header={"jwk": OTHER_KEY.public()}), "its header has jwk"),
    "jwk beside a good signature": (good(header={"jwk": KEY.public()}), "its header has jwk"),
    "shared secret as jwk": (forged({**HEAD, "alg": "HS256", "jwk": OCT}), "its header has jwk"),
    "jku in the header": (good(header={"jku": "https://evil.test/jwks"}), "its header has jku"),
    "x5u in the header": (good(header={"x5u": "https://evil.test/cert"}), "its header has x5u"),
    "x5c in the header": (good(header={"x5c": ["MII"]}), "its header has x5c"),
    "crit of an unknown name": (good(header={"crit": ["exp"]}), "its header has crit"),
    "crit that is empty": (good(header={"crit": []}), "its header has crit"),
    "crit of b64": (good(header={"crit": ["b64"], "b64": False}), "its header has crit"),
    "b64 false": (good(header={"b64": False}), "its header has b64"),
    "b64 true": (good(header={"b64": True}), "its header has b64"),
    "zip in the header": (good(header={"zip": "DEF"}), "its header has zip"),
    "enc in the header": (good(header={"enc": "A128GCM"}), "its header has enc"),
    # for something else
    "typ of an ID token": (good(typ="JWT"), "its typ"),
    "typ of a logout token": (good(typ="logout+jwt"), "its typ"),
    "typ is missing": (signed_raw({"alg": "RS256", "kid": KEY.id}, CLAIMS), "its typ"),
    "typ is a number": (good(typ=1), "its typ"),
    "another issuer": (good(iss="https://evil.test"), "its issuer is another"),
    "issuer with a slash more": (good(iss=ISSUER + "/"), "its issuer is another"),
    "no issuer": (good(iss=None), "its issuer is another"),
    "issuer is a list": (good(iss=[ISSUER]), "its issuer is another"),
    "another audience": (good(aud="https://other.test"), "another audience"),
    "other audiences": (good(aud=["https://other.test", AUDIENCE + "/"]), "another audience"),
    "no audience": (good(aud=None), "another audience"),
    "audience is a number": (good(aud=7), "another audience"),
    "audience within text": (good(aud=f"{AUDIENCE}, https://other.test"), "another audience"),
    "audience is a mapping": (good(aud={AUDIENCE: True}), "another audience"),
    # at another time
    "expired": (good(exp=NOW - 3600), LATE),
    "expired as long ago as is forgiven": (good(exp=NOW - 60), LATE),
    "no exp": (good(exp=None), "its exp is not a time"),
    "exp is text": (good(exp=str(NOW + 600)), "its exp is not a time"),
    "exp is true": (good(exp=True), "its exp is not a time"),
    "exp is in milliseconds": (good(exp=(NOW + 600) * 1000), "its exp is not a time"),
    "exp is infinite": (
        signed_raw(HEAD, json.dumps(CLAIMS).replace(str(NOW + 600), "1e999").encode()), "not a JSON object",
    ),
    "exp is Infinity": (signed_raw(HEAD, json.dumps({**CLAIMS, "exp": float("inf")}).encode()), "not a JSON object"),
    "exp is NaN": (signed_raw(HEAD, json.dumps({**CLAIMS, "exp": float("nan")}).encode()), "not a JSON object"),
    "exp is a list": (good(exp=[NOW + 600]), "its exp is not a time"),
    "not valid yet": (good(nbf=NOW + 61), "not valid yet"),
    "nbf is text": (good(nbf="0"), "its nbf is not a time"),
    "issued in the future": (good(iat=NOW + 61), "issued in the future"),
    "iat is text": (good(iat="x"), "its iat is not a time"),
    # no token
    "changed claims": (changed(1, b"shop", b"evil"), "signature is wrong"),
    "changed header": (changed(0, b'"at+jwt"', b'"at+jwt","x":1'), "signature is wrong"),
    "four parts": (good() + ".x", "not a JWT"),
    "five parts, as of an encrypted one": ("ey.x.x.x.x", "not a JWT"),
    "two parts": (good().rpartition(".")[0], "not a JWT"),
    "empty parts": ("ey..", "not a JWT"),
    "JSON form": (json.dumps({"payload": "x", "signatures": []}), "not a JWT"),
    "padding": (good() + "==", "not a JWT"),
    "a blank": (good() + " ", "not a JWT"),
    "a line feed": (good() + "\n", "not a JWT"),
    "other letters": (good()[:-4] + "éééé", "not a JWT"),
    "base64 of another alphabet": (good().replace(".", "+.", 1), "not a JWT"),
    "last character says more than its bits": (good()[:-1] + chr(ord(good()[-1]) + 1), "not base64url"),
    "header is no JSON": (signed_raw(b"ey", CLAIMS), "its header is not a JSON object"),
    "header is a list": (signed_raw([HEAD], CLAIMS), "its header is not a JSON object"),
    "header names alg twice": (
        signed_raw(b'{"alg":"none","alg":"RS256","kid":"%s"}' % KEY.id.encode(), CLAIMS), "header is not a JSON object",
    ),
    "header is not UTF-8": (signed_raw(b'{"alg":"RS256","x":"\xff"}', CLAIMS), "its header is not a JSON object"),
    "claims are a list": (signed_raw(HEAD, [CLAIMS]), "its claims are not a JSON object"),
    "claims are no JSON": (signed_raw(HEAD, b"iss=me"), "its claims are not a JSON object"),
    "claims name aud twice": (
        signed_raw(HEAD, json.dumps(CLAIMS).replace("{", '{"aud":"https://other.test",', 1).encode()),
        "its claims are not a JSON object",
    ),
    "claims nested for ever": (signed_raw(HEAD, b'{"a":' + b"[" * 5000), "its claims are not a JSON object"),
    "a number of 5000 digits": (signed_raw(HEAD, b'{"exp":' + b"9" * 5000 + b"}"), "claims are not a JSON object"),
    "one character too long": ("ey." + "x" * (jwt.LONGEST_TOKEN - 6) + ".xxx", "longer than 8192"),
    "a megabyte": (good() + "x" * 1_000_000, "longer than 8192"),
}  # fmt: skip
"""What is wrong: the token, and a part of why it is refused."""
