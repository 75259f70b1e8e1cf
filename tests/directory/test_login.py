"""The rules of a login, against a directory of a few lines; tests/test_ldap.py asks a real one."""

import pytest

from twgw.directory.groups import Entry, Failure, Found, Group, Remembered
from twgw.directory.login import LONGEST_NAME, LONGEST_PASSWORD, NOT_THIS_USER, log_in, unusable
from twgw.directory.settings import LdapStore
from twgw.policy.interfaces import DirectoryUser, Refusal
from twgw.settings import structure

DN = "uid=alice,dc=x"
ENTRY = Entry(DN, {"uid": ["alice"], "mail": ["a@x"], "cn": ["Alice"], "memberof": ["cn=ops,dc=x"]})


def store(**more):
    least = {"name": "corp", "servers": ["ldaps://a"], "user_base": "dc=x", "nested": "none"}
    reader = {"bind_dn": "cn=reader,dc=x", "password": "reading"} if more.get("bind_dn") is None else {}
    return structure(LdapStore, {**least, **reader, **more})


class Server:
    """Connections that note what was done on each."""

    def __init__(self, entries=(ENTRY,), code=0, who="dn:" + DN, reader=0, more=False):
        self.entries, self.code, self.who, self.reader, self.more = entries, code, who, reader, more
        self.connections = []

    def connect(self):
        self.connections.append(Opened(self))
        return self.connections[-1]


class Opened:
    def __init__(self, server):
        self.server = server
        self.binds = []
        self.searches = []
        self.closed = False

    def bind(self, dn, password):
        self.binds.append((dn, password))
        if dn == "cn=reader,dc=x":
            return self.server.reader, "said"
        return self.server.code, "said"

    def who_am_i(self):
        return self.server.who

    def search(self, base, filter, attributes, *, most, page=0, only_base=False):
        self.searches.append(filter)
        return Found(self.server.entries, self.server.more)

    def close(self):
        self.closed = True


def ask(server, user="alice", password="right", told=None, remembered=None, **more):
    tell = (lambda step, text: told.append((step, text))) if told is not None else lambda _step, _text: None
    return log_in(
        store(**more), server.connect, user, password, now=lambda: 0.0, remembered=remembered, tell=tell
    )


def test_a_user_is_found_and_proved():
    """The answer has what the directory says, and what the configuration makes of it."""
    found = ask(Server(), roles={"ops": ["operator"]}, consumer_groups={"cn=ops,dc=x": ["gold"]})

    assert DirectoryUser("corp", "alice", DN, ("ops",), ("operator",), ("gold",), "a@x", "Alice") == found


def test_the_own_bind_has_a_connection_of_its_own():
    """The account that searches is bound on one, the user on another, each once; both are closed."""
    server = Server()
    ask(server)

    first, second = server.connections
    assert [("cn=reader,dc=x", "reading")] == first.binds
    assert [(DN, "right")] == second.binds
    assert ["(&(objectClass=person)(uid=alice))"] == first.searches
    assert [] == second.searches
    assert first.closed
    assert second.closed


@pytest.mark.parametrize("code", sorted(NOT_THIS_USER))
def test_a_password_that_the_server_refuses_is_wrong(code):
    """Whatever of the account it dislikes; nothing is left open."""
    server = Server(code=code)

    assert Refusal.WRONG_PASSWORD is ask(server)
    assert all(connection.closed for connection in server.connections)


@pytest.mark.parametrize("code", [1, 2, 8, 11, 13, 51, 52, 80, 123])
def test_other_answers_to_a_bind_decide_nothing(code):
    """They are neither a good nor a wrong password."""
    with pytest.raises(Failure, match="user bind: not decided: said") as caught:
        ask(Server(code=code))

    assert (code in {51, 52}) == caught.value.lost


@pytest.mark.parametrize(
    ("who", "good"),
    [
        ("dn:" + DN, True),
        ("dn:UID=Alice, DC=X", True),
        (None, True),
        ("u:CORP\\alice", True),
        ("", False),
        ("dn:", False),
        ("u:", False),
        ("dn:uid=bob,dc=x", False),
        ("dn:cn=reader,dc=x", False),
    ],
)
def test_the_server_has_to_mean_the_same_user(who, good):
    """A bind as nobody, or as somebody else, proves nothing."""
    assert good == isinstance(ask(Server(who=who)), DirectoryUser)


@pytest.mark.parametrize("user", ["", " ", "\t", "a\0", "a\nb", "\u202e", "a" * (LONGEST_NAME + 1)])
def test_a_name_that_is_none_is_not_asked_for(user):
    """No connection is made."""
    server = Server()

    assert Refusal.UNKNOWN is ask(server, user=user)
    assert [] == server.connections


@pytest.mark.parametrize("password", ["", " ", "\n", "\0", "a\0b", "a" * (LONGEST_PASSWORD + 1)])
def test_a_password_that_is_none_is_not_tried(password):
    """An empty one would be taken for a bind as nobody, with success."""
    server = Server()

    assert Refusal.WRONG_PASSWORD is ask(server, password=password)
    assert [] == server.connections
    assert unusable("alice", None) is None


@pytest.mark.parametrize("server", [Server(()), Server((ENTRY, ENTRY)), Server((ENTRY,), more=True)])
def test_exactly_one_entry_is_a_user(server):
    """None is nobody, and of two nobody knows which; neither is bound as."""
    assert Refusal.UNKNOWN is ask(server)
    assert 1 == len(server.connections)
    assert server.connections[0].closed


def test_a_name_that_is_a_filter_is_escaped():
    """Only the text itself is looked for."""
    server = Server(())
    ask(server, user="*)(uid=*")

    assert ["(&(objectClass=person)(uid=\\2a\\29\\28uid=\\2a))"] == server.connections[0].searches


def test_the_account_that_searches_has_to_be_let_in():
    """Its wrong password is trouble of the store, never of the user."""
    with pytest.raises(Failure, match="service bind: cn=reader,dc=x was refused: said") as caught:
        ask(Server(reader=49))
    assert "correct bind_dn or password" == caught.value.hint
    with pytest.raises(Failure) as caught:
        ask(Server(reader=13))
    assert "wants encryption" in caught.value.hint


def test_without_an_account_nobody_searches():
    """No bind at all comes before the search."""
    server = Server()
    quiet = lambda _step, _text: None
    anonymous = store(bind_dn="")
    log_in(anonymous, server.connect, "alice", "right", now=lambda: 0.0, tell=quiet)

    assert [] == server.connections[0].binds


def test_without_a_password_nothing_is_proved():
    """A user is found all the same, for their groups."""
    server = Server()

    assert ("ops",) == ask(server, password=None).groups
    assert 1 == len(server.connections)


def test_the_name_is_as_the_directory_writes_it():
    """However it was typed; of several the one that was typed."""
    entry = Entry(DN, {"uid": ["a.smith", "Alice"]})

    assert "Alice" == ask(Server((entry,)), user="aLICE").name
    assert "a.smith" == ask(Server((entry,)), user="other").name
    with pytest.raises(Failure, match="has no uid"):
        ask(Server((Entry(DN),)))


def test_groups_may_be_remembered_and_passwords_are_not():
    """Each login binds anew, also where groups are known."""
    kept = Remembered(60)
    assert ("ops",) == ask(Server(), remembered=kept).groups
    kept.put(DN, (Group("old", "cn=old"),), 0)

    assert ("old",) == ask(Server(), remembered=kept).groups
    assert Refusal.WRONG_PASSWORD is ask(Server(code=49), remembered=kept)


def test_each_step_is_told():
    """In order, without a password."""
    told = []
    ask(Server(), told=told)

    assert ["service bind", "search", "entry", "user bind", "who am I", "groups"] == [step for step, _ in told]
    assert "right" not in str(told)
    assert "reading" not in str(told)
