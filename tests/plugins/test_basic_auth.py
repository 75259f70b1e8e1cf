"""Tests of the policy basic-auth."""

import base64

import attrs
import pytest
from argon2 import PasswordHasher

from twgw.faults import SettingsError
from twgw.memory import MemoryGateway
from twgw.model import Credential
from twgw.testing import exchange, gateway, run_policies, run_policy, use

STORED = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("canary-5")
ALICE = Credential("basic", "alice", "shop", digest=STORED, user="alice", groups=("gold",))


def lent(**more):
    return gateway(keys={"alice": ALICE}, **more)


def ask(user="alice", password="canary-5", gateway=None, **settings):
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = exchange(headers={"Authorization": f"Basic {pair}"})
    return run_policy("basic-auth", request, gateway=gateway or lent(), **settings)


def test_a_right_password_says_who_calls():
    """And for which application; the upstream does not see the password."""
    result = ask()

    assert 200 == result.status
    sent = result.forwarded.headers
    assert ("shop", "alice", "alice", "gold") == tuple(
        sent.get(name)
        for name in ("X-Consumer-Username", "X-Credential-Identifier", "X-Authenticated-Userid", "X-Consumer-Groups")
    )
    assert "authorization" not in sent


@pytest.mark.parametrize(
    ("user", "password"),
    [("alice", "canary-6"), ("alice", ""), ("nobody", "canary-5"), ("", ""), ("Alice", "canary-5")],
)
def test_others_are_refused_alike(user, password):
    """401 with the challenge; whether there is such a user, nobody is told."""
    result = ask(user, password, realm="Shop")

    assert 401 == result.status
    assert 'Basic realm="Shop", charset="UTF-8"' == result.headers.get("WWW-Authenticate")
    assert (900914, "Invalid credentials") == (result.json["code"], result.json["title"])


def test_without_a_password_the_client_is_told_what_to_bring():
    """401 with WSO2's code for that."""
    result = run_policy("basic-auth", gateway=lent())

    assert (401, 900913) == (result.status, result.json["code"])


class Watching:
    """Comparisons that are noted."""

    def __init__(self, trouble=None):
        self.seen, self.trouble = [], trouble

    async def verify(self, stored, password, keep=0.0):
        self.seen.append((stored, keep))
        if self.trouble:
            raise self.trouble
        return stored == STORED and password == "canary-5"


def watched(passwords):
    return attrs.evolve(lent(), passwords=passwords)


def test_unknown_users_cost_the_same():
    """A comparison is made for them too, with nobody's password."""
    watching = Watching()
    ask(gateway=watched(watching), cache_seconds=7)
    ask("nobody", gateway=watched(watching), cache_seconds=7)

    assert [(STORED, 7), ("", 7)] == watching.seen


@pytest.mark.parametrize("trouble", [BlockingIOError(), TimeoutError()])
def test_too_many_at_once_are_told_to_come_again(trouble):
    """503: nobody knows whether the password is right."""
    result = ask(gateway=watched(Watching(trouble)))

    assert 503 == result.status
    assert "too many passwords wait" in result.exchange.reason


def test_a_name_is_not_the_key_of_another_kind():
    """An API key is no user name, and a user name no API key."""
    result = ask("key", "x", gateway=gateway(keys={"key": "shop"}))
    assert 401 == result.status
    header = {"X-API-Key": "alice"}
    assert 401 == run_policy("key-auth", exchange(headers=header), gateway=lent()).status


def test_the_password_is_told_to_nobody():
    """Neither logs nor answers hold it, nor what is stored of it."""
    for password in ("canary-5", "canary-6"):
        pair = base64.b64encode(f"alice:{password}".encode()).decode()
        uses = [use("correlation-id"), use("access-log"), use("basic-auth")]
        result = run_policies(uses, exchange(headers={"Authorization": f"Basic {pair}"}), gateway=lent())

        told = f"{result.lines}{result.logged}{result.headers.items()}{result.body}{result.exchange}"
        told += str(result.forwarded and result.forwarded.headers.items()) + repr(result.exchange.credential)
        assert password not in told
        assert pair not in told
        assert STORED not in told


def test_the_state_knows_users_by_name():
    """A credential of the kind basic is found by its user, under any pepper."""
    state = f"""
apis:
  - {{name: pets, version: "1", base_path: /pets, upstream: {{targets: [{{url: "http://a"}}]}},
     policies: [{{name: basic-auth}}, {{name: subscription}}]}}
applications:
  - name: shop
    subscriptions: [{{api: "pets:1"}}]
    credentials: [{{kind: basic, user: alice, digest: "{STORED}"}}]
"""
    running = MemoryGateway(state)

    def get(pair):
        return running.get("/pets", headers={"Authorization": "Basic " + base64.b64encode(pair).decode()}).status

    assert [200, 401, 401] == [get(b"alice:canary-5"), get(b"alice:x"), get(STORED.encode() + b":canary-5")]


@pytest.mark.parametrize("settings", [{"cache_seconds": 61}, {"cache_seconds": -1}, {"realm": "\n"}])
def test_settings_that_cannot_work_are_refused(settings):
    """Above all a memory that is longer than a minute."""
    with pytest.raises(SettingsError):
        ask(**settings)
