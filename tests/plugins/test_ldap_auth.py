"""Tests of the policy ldap-auth.  With a real slapd behind a real gateway in tests/wire/test_ldap_auth.py."""

import base64

import pytest

from plugins import ldap_auth
from twgw.faults import SettingsError
from twgw.model import Api, Target, Upstream
from twgw.testing import FakeClock, MemoryDirectory, exchange, gateway, run_policies, run_policy, use

OPEN = Api("test", "1", "/", upstream=Upstream((Target("http://upstream.test"),)), anonymous=True)


def people(**more):
    return MemoryDirectory({"alice": "canary-5", "bob": "bob-pw"}, groups={"alice": ["Staff", "gold"]}, **more)


def encoded(user, password, scheme="Basic"):
    return f"{scheme} " + base64.b64encode(f"{user}:{password}".encode()).decode()


def ask(user="alice", password="canary-5", directory=None, scheme="Basic", lent=None, **settings):
    lent = lent or gateway(directory=directory or people())
    return run_policy(
        "ldap-auth", exchange(headers={"Authorization": encoded(user, password, scheme)}), gateway=lent, **settings
    )


def test_a_user_of_the_directory_is_let_in():
    """The upstream is told who calls and in which groups, and does not see the password."""
    result = ask()

    assert 200 == result.status
    found = result.exchange.credential
    assert ("ldap", "memory/alice", "alice", ("Staff", "gold")) == (found.kind, found.id, found.user, found.groups)
    sent = result.forwarded.headers
    assert "alice" == sent.get("X-Consumer-Username")
    assert "memory/alice" == sent.get("X-Credential-Identifier")
    assert "alice" == sent.get("X-Authenticated-Userid")
    assert "Staff, gold" == sent.get("X-Consumer-Groups")
    assert "authorization" not in sent


def test_users_may_call_in_the_name_of_an_application():
    """Whose subscriptions and limits are then theirs."""
    lent = gateway(directory=people(), subscriptions={"staff": "gold"}, tiers={"gold": []})
    header = {"Authorization": encoded("alice", "canary-5")}
    uses = [use("ldap-auth", application="staff"), use("subscription")]

    result = run_policies(uses, exchange(headers=header), gateway=lent)

    assert 200 == result.status
    assert "staff" == result.forwarded.headers.get("X-Consumer-Username")
    assert "alice" == result.forwarded.headers.get("X-Authenticated-Userid")
    assert 403 == run_policies([use("ldap-auth"), use("subscription")], exchange(headers=header), gateway=lent).status


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("nobody", "canary-5"), ("", ""), ("alice", "")])
def test_others_are_refused_alike(user, password):
    """401 with the challenge; whether there is such a user, nobody is told."""
    result = ask(user, password, realm="Office")

    assert 401 == result.status
    assert 'Basic realm="Office", charset="UTF-8"' == result.headers.get("WWW-Authenticate")
    assert (900914, "Invalid credentials") == (result.json["code"], result.json["title"])
    assert result.forwarded is None


def test_without_a_password_the_client_is_told_what_to_bring():
    """401 with WSO2's code for that; nobody is asked."""
    directory = people()
    result = run_policy("ldap-auth", gateway=gateway(directory=directory))

    assert (401, 900913) == (result.status, result.json["code"])
    assert 'Basic realm="twgw", charset="UTF-8"' == result.headers.get("WWW-Authenticate")
    assert [] == directory.asked


@pytest.mark.parametrize("api", [OPEN, None])
def test_a_directory_that_does_not_answer_refuses(api):
    """503, with a time to try again: neither 401 nor a fallback to anything that the API lets in."""
    lent = gateway(directory=people(available=False))
    more = {"api": api} if api else {}
    result = run_policies(
        [use("ldap-auth"), use("key-auth")], exchange(headers={"Authorization": encoded("alice", "canary-5")}),
        gateway=lent, **more,
    )  # fmt: skip

    assert 503 == result.status
    assert result.headers.get("Retry-After")
    assert "ldap-auth" == result.exchange.refused_by
    assert "the user store does not answer" == result.exchange.reason


def test_a_store_that_is_not_configured_fails_closed():
    """500, and the log says which one."""
    result = ask(store="cropo")

    assert 500 == result.status
    assert any("cropo" in text for _level, text in result.logged)


def test_one_store_may_be_asked_alone():
    """By its name."""
    assert 200 == ask(store="memory").status
    assert 401 == ask(store="other", directory=people(stores=["memory", "other"])).status


@pytest.mark.parametrize(
    ("user", "groups", "status"),
    [("alice", ["staff"], 200), ("alice", ["none", "STAFF"], 200), ("alice", ["none"], 403), ("bob", ["staff"], 403)],
)
def test_a_group_may_be_required(user, groups, status):
    """Any of those that are listed, in any case."""
    result = ask(user, {"alice": "canary-5", "bob": "bob-pw"}[user], required_groups=groups)

    assert status == result.status
    if status == 403:
        assert (900908, "Group required") == (result.json["code"], result.json["title"])


def test_each_call_asks_the_directory():
    """Unless it is told not to."""
    directory = people()
    lent = gateway(directory=directory)
    for _ in range(2):
        run_policy(ldap_auth, request(), gateway=lent)

    assert ["alice", "alice"] == directory.asked


def request(user="alice", password="canary-5"):
    return exchange(headers={"Authorization": encoded(user, password)})


class Deployed:
    """One use of the policy, with settings that stay."""

    def __init__(self, **settings):
        self.clock = FakeClock()
        self.directory = people()
        self.lent = gateway(directory=self.directory, clock=self.clock)
        self.settings = ldap_auth.Settings(**settings)

    def ask(self, user="alice", password="canary-5"):
        found = ldap_auth.twgw_authenticate(request(user, password), self.settings, self.lent)
        with pytest.raises(StopIteration) as end:
            found.send(None)
        return getattr(end.value.value, "user", None)


def test_a_good_password_is_known_again_for_so_long():
    """Not longer, also when it is used all the time; a wrong one never is."""
    deployed = Deployed(cache_seconds=30)
    assert "alice" == deployed.ask()
    deployed.directory.passwords["alice"] = "changed"
    deployed.clock.advance(29)
    assert "alice" == deployed.ask()
    assert deployed.ask(password="changed-not") is None
    assert ["alice", "alice"] == deployed.directory.asked
    deployed.clock.advance(1)

    assert deployed.ask() is None
    assert "alice" == deployed.ask(password="changed")


def test_a_known_password_is_good_for_its_user_alone():
    """Not for another one, and not for a piece of the pair elsewhere."""
    deployed = Deployed(cache_seconds=30)
    deployed.ask()

    assert deployed.ask("bob", "canary-5") is None
    assert deployed.ask("alice:canary-5", "") is None
    assert deployed.ask("alice", "") is None


def test_known_again_also_while_the_directory_is_away():
    """That is what it is for, too; others are refused."""
    deployed = Deployed(cache_seconds=30)
    deployed.ask()
    deployed.directory.available = False

    assert "alice" == deployed.ask()
    with pytest.raises(Exception, match="does not answer"):
        deployed.ask("bob", "bob-pw")


def test_what_is_known_is_bounded_and_holds_no_password(monkeypatch):
    """Hashes under a key of the process; the oldest goes first."""
    monkeypatch.setattr(ldap_auth, "REMEMBERED", 3)
    deployed = Deployed(cache_seconds=30)
    for number in range(5):
        deployed.directory.passwords[f"u{number}"] = f"canary-{number}"
        deployed.ask(f"u{number}", f"canary-{number}")

    memory = deployed.settings.memory
    assert 3 == len(memory.known)
    assert "canary" not in repr(deployed.settings) + repr(memory)
    assert memory.key.hex() not in repr(memory)


def test_kongs_scheme_is_read_where_it_is_wanted():
    """And hidden; then Basic is not ours."""
    result = ask(scheme="ldap", header_type="ldap")

    assert 200 == result.status
    assert "authorization" not in result.forwarded.headers
    refused = ask(header_type="ldap")
    assert (401, 'LDAP realm="twgw", charset="UTF-8"') == (refused.status, refused.headers.get("WWW-Authenticate"))


def test_the_password_is_left_when_that_is_wanted():
    """An upstream that checks it itself gets it."""
    assert encoded("alice", "canary-5") == ask(hide_credentials=False).forwarded.headers.get("Authorization")


def test_the_password_is_told_to_nobody():
    """Neither logs nor answers hold it, good or wrong."""
    for password in ("canary-5", "canary-6"):
        uses = [use("correlation-id"), use("access-log"), use("ldap-auth", cache_seconds=10)]
        result = run_policies(uses, request(password=password), gateway=gateway(directory=people()))

        told = f"{result.lines}{result.logged}{result.headers.items()}{result.body}{result.exchange}"
        assert password not in told
        assert base64.b64encode(f"alice:{password}".encode()).decode() not in told
        if result.forwarded:
            assert password not in str(result.forwarded.headers.items())


@pytest.mark.parametrize(
    "settings", [{"cache_seconds": 61}, {"cache_seconds": -1}, {"realm": 'a"'}, {"header_type": "x"}]
)
def test_settings_that_cannot_work_are_refused(settings):
    """Above all a memory that is longer than a minute."""
    with pytest.raises(SettingsError):
        ask(**settings)
