"""User stores on a real slapd: encryption, failover, deadlines, groups, and names that attack."""

import socket
import threading
import time

import attrs
import ldap3
import pytest

from tests.slapd import (
    BASE,
    GROUPS,
    MANY,
    PEOPLE,
    READER,
    READER_PASSWORD,
    SIZE_LIMIT,
    Slapd,
    copied,
    dn,
    group_dn,
)
from tests.wire.processes import PATIENCE
from twgw.directory.groups import Failure
from twgw.directory.login import log_in, silent
from twgw.directory.settings import LdapStore
from twgw.directory.store import UserStore
from twgw.directory.stores import Stores
from twgw.ldap import Servers
from twgw.memory_world import MemoryLog
from twgw.metrics import Registry
from twgw.policy.interfaces import DirectoryUser, Refusal
from twgw.settings import structure


def settings(server, **more):
    """A store on a server, with LDAPS."""
    least = {
        "name": "corp", "servers": [server.secure], "ca_file": str(server.authority), "bind_dn": READER,
        "password": READER_PASSWORD, "user_base": PEOPLE, "nested": "none",
    }  # fmt: skip
    return structure(LdapStore, {**least, **more})


class World:
    """Time that is real or stands still, calls that run at once."""

    def __init__(self, now=time.monotonic):
        self.now = now
        self.log = MemoryLog()
        self.metrics = Registry()
        self.counter = self.metrics.counter("twgw_ldap_requests", "Asked.", ("store", "outcome"))

    async def run(self, call, timeout, late=None):
        return call()

    def store(self, store):
        return UserStore(store, Servers(store, self.now), self.now, self.run, self.log, self.counter)

    def outcomes(self):
        return {
            sample.labels["outcome"]: sample.value for family in self.metrics.collect() for sample in family.samples
            if sample.name == "twgw_ldap_requests_total"
        }  # fmt: skip


def done(coroutine):
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    return end.value.value


def ask(store, user="alice", password="alice-pw", told=None):
    """One login, on the first server, with each step told."""
    tell = (lambda step, text: told.append((step, text))) if told is not None else silent
    call = Servers(store, time.monotonic).call(store.servers[0], time.monotonic() + store.timeout, tell)
    return log_in(store, call.connect, user, password, now=time.monotonic, tell=tell)


def failure(store, **more):
    with pytest.raises(Failure) as caught:
        ask(store, **more)
    return caught.value


# --- who it is ---


def test_a_user_logs_in(slapd):
    """With the password, and with nothing else."""
    found = ask(settings(slapd))

    assert DirectoryUser("corp", "alice", dn("alice"), ("developers", "everybody", "Smith, Sons"),
                         mail="alice@example.org", display_name="Alice Example") == found  # fmt: skip
    for wrong in ("alice-pw ", "Alice-pw", "bob-pw", "x", "*"):
        assert Refusal.WRONG_PASSWORD is ask(settings(slapd), password=wrong)


def test_any_of_thousands_logs_in(slapd):
    """Each with their own password."""
    assert "u2999" == ask(settings(slapd), "u2999", "pw2999").name
    assert Refusal.WRONG_PASSWORD is ask(settings(slapd), "u2999", "pw2998")
    assert Refusal.UNKNOWN is ask(settings(slapd), "u3000", "pw3000")


def test_letters_beyond_ascii_are_letters(slapd):
    """In names and passwords."""
    assert "Äsop" == ask(settings(slapd), "äsop", "prôtégé").name
    assert Refusal.WRONG_PASSWORD is ask(settings(slapd), "äsop", "protege")


def test_a_password_reaches_the_server_as_it_was_typed(slapd):
    """SASLprep, as ldap3 does it, would leave nothing of a soft hyphen, and nothing is a bind as nobody."""
    assert Refusal.WRONG_PASSWORD is ask(settings(slapd), "soft", "\u00ad")


@pytest.mark.parametrize(
    "user",
    ["*", "alic*", "*)(uid=*", "alice)(|(uid=*", "alice)(objectClass=*", "\\61lice", "(uid=alice)", "alice,ou=x"],
)
def test_a_name_is_no_filter(slapd, user):
    """It finds the user of that name, whom nobody has."""
    assert Refusal.UNKNOWN is ask(settings(slapd), user)


def test_a_name_that_looks_like_a_filter_may_be_real(slapd):
    """A star is a letter of it."""
    assert "star*" == ask(settings(slapd), "star*", "star-pw").name


def test_two_entries_of_one_name_are_nobody(slapd):
    """Whichever password is right."""
    told = []

    assert Refusal.UNKNOWN is ask(settings(slapd, user_base=BASE), "twin", "twin1-pw", told)
    assert "more than one: cn=twin1,ou=twins,dc=example; cn=twin2" in dict(told)["entry"]


def test_an_entry_elsewhere_is_not_looked_for(slapd):
    """A reference to another server is found by the search, and not followed."""
    raw = ldap3.Connection(slapd.plain, READER, READER_PASSWORD, auto_bind=True, auto_referrals=False)
    raw.search(PEOPLE, "(uid=nobody)", attributes=["uid"])
    assert ["searchResRef"] == [each["type"] for each in raw.response]
    raw.unbind()

    assert Refusal.UNKNOWN is ask(settings(slapd), "nobody", "pw")


def test_a_user_whose_entry_may_not_be_read_logs_in(slapd):
    """Everything is read by the account that searches."""
    assert "blind" == ask(settings(slapd, group_base=GROUPS), "blind", "blind-pw").name


# --- groups ---


@pytest.mark.parametrize("more", [{}, {"group_base": GROUPS}])
def test_groups_in_groups(slapd, more):
    """By back links, or searched by their members; only a search finds those that name users, not entries."""
    found = ask(settings(slapd, nested="walk", **more))

    by_name = {"posix"} if more else set()
    assert {"developers", "engineering", "everybody", "staff", "Smith, Sons"} | by_name == set(found.groups)
    assert {"developers", "everybody", "Smith, Sons"} | by_name == set(ask(settings(slapd, **more)).groups)


@pytest.mark.parametrize("more", [{}, {"group_base": GROUPS}])
def test_a_circle_of_groups_ends(slapd, more):
    """Each of them once."""
    found = ask(settings(slapd, nested="walk", **more), "carol", "carol-pw")

    assert ("circle-a", "circle-b", "circle-c") == found.groups


def test_members_may_be_unique(slapd):
    """The attribute of a groupOfUniqueNames has another name."""
    assert {"developers", "unique"} == set(ask(settings(slapd, group_base=GROUPS), "bob", "bob-pw").groups)


@pytest.mark.parametrize("more", [{}, {"group_base": GROUPS}])
def test_groups_beyond_the_depth_refuse(slapd, more):
    """Fourteen levels are more than ten, and no more than fourteen."""
    assert "nested groups: nested deeper than 10" == str(
        failure(settings(slapd, nested="walk", **more), user="dave", password="dave-pw")
    )
    assert 14 == len(ask(settings(slapd, nested="walk", nested_depth=14, **more), "dave", "dave-pw").groups)


def test_more_groups_than_the_server_gives_at_once(slapd):
    """They come in pages."""
    assert MANY > SIZE_LIMIT
    assert MANY == len(ask(settings(slapd, group_base=GROUPS), "erin", "erin-pw").groups)
    assert "more than 600" in str(
        failure(settings(slapd, group_base=GROUPS, max_groups=600), user="erin", password="erin-pw")
    )


def test_an_account_that_is_given_too_little_is_told_so(slapd):
    """The server's limit is no short list of groups."""
    short = settings(slapd, group_base=GROUPS, bind_dn=dn("alice"), password="alice-pw")

    found = failure(short, user="erin", password="erin-pw")
    assert "sizeLimitExceeded" in found.text
    assert "let the server give" in found.hint


def test_roles_and_consumer_groups_are_granted(slapd):
    """By group, by name or DN, also through others."""
    granting = settings(
        slapd, nested="walk", roles={"staff": ["publisher"], "admins": ["admin"]},
        consumer_groups={group_dn("developers"): ["gold"], "cn=developers,ou=elsewhere": ["platinum"]},
    )  # fmt: skip

    found = ask(granting)
    assert (("publisher",), ("gold",)) == (found.roles, found.consumer_groups)
    nobody = ask(granting, "u1", "pw1")
    assert ((), ()) == (nobody.roles, nobody.consumer_groups)


# --- encryption ---


def test_starttls_encrypts_before_anything_is_said(slapd):
    """On the port without TLS."""
    told = []
    assert ask(settings(slapd, servers=[slapd.plain]), told=told)

    assert {"TLSv1.3, verified"} == {text for step, text in told if step == "TLS"}


def test_without_starttls_only_where_it_is_switched_off(slapd):
    """And the steps say what that means."""
    told = []
    assert ask(settings(slapd, servers=[slapd.plain], start_tls=False), told=told)

    assert "none: the password can be read on the way" == dict(told)["TLS"]


@pytest.mark.parametrize("scheme", ["secure", "plain"])
def test_a_strange_authority_is_refused(slapd, scheme):
    """No byte of a password is sent, on either kind of port; the text says what to set."""
    strange = attrs.evolve(settings(slapd, servers=[getattr(slapd, scheme)]), ca_file=None)

    found = failure(strange)
    assert ("TLS", True) == (found.step, found.lost)
    assert "self-signed certificate in certificate chain" in found.text
    assert "set ca_file" in found.hint


@pytest.mark.parametrize("scheme", ["secure", "plain"])
def test_a_wrong_name_is_refused(slapd, scheme):
    """A certificate of somebody else, whoever signed it."""
    found = failure(settings(slapd, servers=[getattr(slapd, scheme)], server_name="elsewhere"))

    assert "not valid for 'elsewhere'" in found.text
    assert "set server_name" in found.hint
    assert ask(settings(slapd, servers=[getattr(slapd, scheme)], server_name="127.0.0.1"))


def test_verification_can_be_switched_off_and_is_said_to_be(slapd):
    """For a first try."""
    told = []
    assert ask(attrs.evolve(settings(slapd), ca_file=None, verify=False), told=told)

    assert "TLSv1.3, NOT verified" == dict(told)["TLS"]


def test_the_wrong_kind_of_port_is_told_apart(slapd):
    """LDAPS where there is none, StartTLS where TLS is spoken already."""
    found = failure(settings(slapd, servers=[f"ldaps://127.0.0.1:{slapd.port}"]))
    assert ("TLS", "does this port speak TLS?") == (found.step, found.hint[:25])
    found = failure(settings(slapd, servers=[f"ldap://127.0.0.1:{slapd.secure_port}"]))
    assert "no StartTLS" in found.text


def test_a_file_of_authorities_that_is_none_is_found_at_the_start(slapd, tmp_path):
    """Not at the first login."""
    (tmp_path / "empty.pem").write_text("")
    for file in ("empty.pem", "missing.pem"):
        with pytest.raises(OSError, match=r"No such file|NO_CERTIFICATE_OR_CRL_FOUND|PEM"):
            World().store(attrs.evolve(settings(slapd), ca_file=tmp_path / file))


# --- trouble of the store, which is nobody's wrong password ---


@pytest.mark.parametrize(
    ("more", "text", "hint"),
    [
        ({"password": "bad"}, "service bind: cn=reader,dc=example was refused", "correct bind_dn or password"),
        ({"bind_dn": "cn=nobody,dc=example"}, "was refused: invalidCredentials", "correct bind_dn or password"),
        ({"user_base": "ou=nowhere,dc=example"}, "noSuchObject", "correct user_base"),
        ({"user_base": "dc=other"}, "noSuchObject", "correct user_base"),
        ({"group_base": "ou=nowhere,dc=example"}, "noSuchObject", "correct user_base or group_base"),
        ({"servers": ["ldaps://nowhere.invalid"]}, "resolve: nowhere.invalid", "correct servers"),
        ({"servers": ["ldaps://127.0.0.1:1"]}, "Connection refused", "is the server running"),
        ({"name_attribute": "employeeNumber"}, "has no employeeNumber", "set name_attribute"),
    ],
)
def test_trouble_names_its_step_and_the_way_out(slapd, more, text, hint):
    """And no password."""
    found = failure(settings(slapd, **more))

    assert text in str(found)
    assert hint in found.hint
    assert "alice-pw" not in str(found)
    assert READER_PASSWORD not in str(found)


def test_searching_as_nobody_is_up_to_the_server(slapd):
    """This one shows nothing to nobody, and the text says what to set."""
    found = failure(attrs.evolve(settings(slapd), bind_dn="", password=""))

    assert "set bind_dn and password" in found.hint


def test_trouble_makes_a_store_unavailable(slapd):
    """It is logged once, counted each time, and after three the store is left alone."""
    world = World()
    store = world.store(settings(slapd, password="bad"))

    assert [Refusal.UNAVAILABLE] * 5 == [done(store.ask("alice", "alice-pw")) for _ in range(5)]
    assert {"unavailable": 3, "left alone": 2} == world.outcomes()
    assert 1 == len(world.log.lines)
    assert "user store corp is not available: service bind: cn=reader" in world.log.lines[0][1]
    assert "bad" not in world.log.lines[0][1]


def test_answers_are_counted(slapd):
    """By what they were."""
    world = World()
    store = world.store(settings(slapd))
    for password in ("alice-pw", "x"):
        done(store.ask("alice", password))
    done(store.ask("nobody", "x"))

    assert {"found": 1, "wrong password": 1, "unknown": 1} == world.outcomes()


@pytest.fixture
def mortal(slapd, tmp_path):
    """A server with the same entries, for one test to end."""
    server = copied(slapd, tmp_path).start()
    yield server
    server.stop()


def test_a_killed_server_is_passed_over_and_comes_back(slapd, mortal):
    """The next one answers; the first is asked again when its rest is over."""
    times = [0.0]
    world = World(lambda: times[0])
    store = world.store(settings(slapd, servers=[mortal.secure, slapd.secure], breaker_seconds=30))
    mortal.stop()
    for _ in range(5):
        assert done(store.ask("alice", "alice-pw"))
    assert {"found": 5} == world.outcomes()
    assert slapd.secure == str(store.availability.order(0)[0])

    mortal.start()
    times[0] = 31
    assert mortal.secure == str(store.availability.order(31)[0])
    assert done(store.ask("alice", "alice-pw"))
    assert [] == world.log.lines


def test_a_dead_store_beside_a_good_one(slapd, mortal):
    """Its users are unavailable, those of the other one log in; when it is back, so are they."""
    times = [0.0]
    world = World(lambda: times[0])
    dead = world.store(settings(mortal, name="dead", user_base=f"ou=twins,{BASE}", user_filter="(cn={user})",
                                name_attribute="cn"))  # fmt: skip
    both = Stores({"dead": dead, "corp": world.store(settings(slapd))})
    assert done(both.authenticate("twin1", "twin1-pw"))
    mortal.stop()

    for _ in range(5):
        assert done(both.authenticate("alice", "alice-pw"))
        assert Refusal.WRONG_PASSWORD is done(both.authenticate("alice", "x"))
        assert Refusal.UNAVAILABLE is done(both.authenticate("twin1", "twin1-pw"))
    assert "open" == dead.availability.state(0)

    mortal.start()
    times[0] = 31
    assert done(both.authenticate("twin1", "twin1-pw"))
    assert ("info", "user store dead is available again") == world.log.lines[-1]


@pytest.mark.parametrize("scheme", ["secure", "plain"])
def test_a_hanging_server_is_given_up_in_time(slapd, mortal, scheme):
    """It takes connections and answers nothing; the next one is asked."""
    hanging = getattr(mortal, scheme)
    short = settings(slapd, servers=[hanging, slapd.secure], connect_timeout=1, timeout=30)
    mortal.hang()

    found = failure(short)
    assert found.lost
    assert "no answer in time" in found.text
    world = World()
    assert done(world.store(short).ask("alice", "alice-pw"))
    alone = world.store(settings(slapd, servers=[hanging], connect_timeout=0.2, timeout=1))
    assert Refusal.UNAVAILABLE is done(alone.ask("alice", "alice-pw"))


class Speaking:
    """A server that sends what it is told, a piece at a time, to whoever connects."""

    def __init__(self, pieces):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self.socket.getsockname()[1]}"
        self.open = []
        self._pieces = pieces
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            while True:
                peer = self.socket.accept()[0]
                self.open.append(peer)
                for piece in self._pieces:
                    peer.sendall(piece)
                    threading.Event().wait(0.02)
        except OSError:
            pass

    def close(self):
        for each in (self.socket, *self.open):
            each.close()


@pytest.mark.parametrize(
    "pieces",
    [[b"HTTP/1.1 400 Bad Request\r\n\r\n"], [b"0\x84\xff\xff\xff\xff" + b"x" * 100], [b"\x30\x00"], [b"\0" * 50]],
)
def test_a_server_that_speaks_something_else_is_trouble(slapd, pieces):
    """Whatever that breaks in the reading of it."""
    server = Speaking(pieces)
    try:
        found = failure(settings(slapd, servers=[server.url], start_tls=False, connect_timeout=0.3, timeout=1))
    finally:
        server.close()

    assert found.lost
    assert found.step == "answer"


def test_a_server_that_drips_is_cut_off(slapd):
    """Each byte comes in time and the answer never does: who waits ends it from outside, and the thread is free."""
    server = Speaking(dripping(b"\x30\x84\x00\xff\xff\xff"))
    store = settings(slapd, servers=[server.url], start_tls=False)
    call = Servers(store, lambda: 0.0).call(store.servers[0], 1.0)
    outcome = []

    def log_in_slowly():
        try:
            log_in(store, call.connect, "alice", "alice-pw", now=lambda: 0.0)
        except Failure as error:
            outcome.append(error)

    thread = threading.Thread(target=log_in_slowly)
    thread.start()
    while not server.open:
        threading.Event().wait(0.01)
    threading.Event().wait(0.1)
    assert thread.is_alive()
    call.abort()
    thread.join(PATIENCE)
    server.close()

    assert not thread.is_alive()
    assert outcome[0].lost


def dripping(start):
    """A beginning, and then bytes for ever."""
    yield start
    while True:
        yield b"x"


def test_nothing_is_begun_after_the_deadline(slapd):
    """A call that waited too long for its thread asks nobody."""
    store = settings(slapd)
    call = Servers(store, lambda: 10.0).call(store.servers[0], 9.0)

    with pytest.raises(Failure, match="time: not done in time"):
        call.connect()


def test_a_change_of_password_acts_at_once(mortal):
    """No login is remembered; groups are, for as long as it is set."""
    world = World()
    store = world.store(settings(mortal, group_cache_seconds=60))
    assert ("level00",) == done(store.ask("dave", "dave-pw")).groups
    root = ldap3.Connection(mortal.plain, "cn=root,dc=example", "root", auto_bind=True)
    root.modify(dn("dave"), {"userPassword": [(ldap3.MODIFY_REPLACE, ["new"])]})
    root.modify(group_dn("unique"), {"uniqueMember": [(ldap3.MODIFY_ADD, [dn("dave")])]})
    root.modify(group_dn("developers"), {"member": [(ldap3.MODIFY_ADD, [dn("dave")])]})
    root.unbind()

    assert Refusal.WRONG_PASSWORD is done(store.ask("dave", "dave-pw"))
    assert ("level00",) == done(store.ask("dave", "new")).groups
    fresh = world.store(settings(mortal))
    assert ("developers", "level00") == done(fresh.ask("dave", "new")).groups


def test_a_missing_slapd_is_said(tmp_path, monkeypatch):
    """The tests need it, and do without it for nobody."""
    monkeypatch.setattr("tests.slapd.SLAPD", str(tmp_path / "slapd"))
    with pytest.raises(FileNotFoundError, match="apt-get install slapd"):
        Slapd(tmp_path, None, None)
