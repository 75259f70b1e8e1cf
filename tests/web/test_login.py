"""Tests of twgw.web.login, over the admin REST; its passwords are those of test_people.py."""

import stat

import pytest

from tests.rest import World
from twgw.memory import digest
from twgw.newfile import create
from twgw.registry import User
from twgw.storage.sessions import end_sessions_of
from twgw.storage.users import create_user, find_user
from twgw.web.login import IDLE, LASTS, SECRET, first_admin

PASSWORD = "correct horse"


@pytest.fixture
def world(sqlite):
    """An admin REST with ann, a publisher."""
    made = World(sqlite)
    made.post("/users", {"name": "ann", "roles": ["publisher"], "password": PASSWORD})
    return made


def log_in(world, name="ann", password=PASSWORD, **options):
    answer = world.ask("POST", "/login", {"name": name, "password": password}, who=None, **options)
    if answer.status_code == 201:
        world.tokens[name] = answer.json["token"]
    return answer


def test_a_login_says_who_and_what_they_may(world):
    """And how long it lasts."""
    told = log_in(world, status=201).json

    assert ("ann", ["publisher"], world.now + LASTS) == (told["name"], told["roles"], told["expires_at"])
    me = world.get("/me", who="ann")
    assert ("ann", ["publisher"]) == (me["name"], me["roles"])
    assert f"_{me['via']}_" in told["token"]


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("x" * 500, "x"), ("root", "")])
def test_what_is_wrong_is_not_told(world, name, password):
    """The same answer for every reason; the log names who was tried, and never a password."""
    answer = log_in(world, name, password, status=401)

    assert "the name or the password is wrong" == answer.json["detail"]
    assert [f"login of {name[:100]!r} from 127.0.0.1 failed"] == world.log.lines


def test_a_user_of_a_directory_has_the_roles_of_their_groups(world):
    """Those of the login, and the consumer groups, beside those that they were given here, which act at once."""
    assert ["operator"] == log_in(world, "Zoe", "right", status=201).json["roles"]
    assert ("corp", ()) == (world.database.call(find_user, "zoe").store, world.database.call(find_user, "zoe").roles)
    world.get("/audit", who="Zoe")

    assert ["gold"] == world.get("/me", who="Zoe")["groups"]

    world.ask("PATCH", "/users/zoe", {"roles": ["creator"], "groups": ["club"]}, status=200)

    me = world.get("/me", who="Zoe")
    assert (["creator", "operator"], ["club", "gold"]) == (me["roles"], me["groups"])
    world.ask("PATCH", "/users/zoe", {"active": False}, status=200)
    world.ask("GET", "/me", who="Zoe", status=401)


def test_a_login_ends(world):
    """By its owner, when it is not used, at its end, and with those of the user."""
    log_in(world)
    world.ask("POST", "/logout", who="ann", status=204)
    world.ask("GET", "/me", who="ann", status=401)

    log_in(world)
    world.now += IDLE - 1
    world.get("/me", who="ann")
    world.now += IDLE - 1
    world.get("/me", who="ann")
    world.now += IDLE
    world.ask("GET", "/me", who="ann", status=401)

    log_in(world)
    for _ in range(int(LASTS // 3000)):
        world.now += 3000
        last = world.ask("GET", "/me", who="ann").status_code
    world.now += 3000
    assert (200, 401) == (last, world.ask("GET", "/me", who="ann").status_code)

    log_in(world)
    world.database.call(end_sessions_of, "ann", write=True)
    world.ask("GET", "/me", who="ann", status=401)


@pytest.mark.parametrize("shown", ["Basic YTpi", "Bearer", "Bearer x", "Bearer tw_login_0000", "bearer " + "é" * 9])
def test_a_token_that_is_none_is_told(world, shown):
    """401 with the challenge of RFC 6750; whoever may be anyone is served."""
    answer = world.ask("GET", "/me", who=None, Authorization=shown, status=401)

    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert 201 == world.ask(
        "POST", "/login", {"name": "ann", "password": PASSWORD}, who=None, Authorization=shown
    ).status_code  # fmt: skip


def test_a_password_that_changes_meanwhile_is_not_good(world, monkeypatch):
    """Neither is an account that is switched off between the look at the password and the login."""
    people = world.ground.lent.login.people
    right = people.find

    def changed(name):
        found = right(name)
        world.ask("PUT", "/users/ann/password", {"password": "another horse"}, status=204)
        return found

    monkeypatch.setattr(people, "find", changed)
    log_in(world, status=401)


def begin(database, folder):
    return first_admin(database, folder, digest, 1_800_000_000.0)


def test_the_first_admin_has_a_secret_and_no_password(sqlite, tmp_path):
    """In a file that only its owner reads; a second start makes none."""
    path = begin(sqlite, tmp_path)
    world = World.__new__(World)

    assert tmp_path / SECRET == path
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert (None, ("admin",)) == (sqlite.call(find_user, "admin").password_hash, sqlite.call(find_user, "admin").roles)
    assert begin(sqlite, tmp_path) is None

    world.__init__(sqlite)
    world.tokens["admin"] = path.read_text().strip()
    world.now += 365 * 86400
    assert ["admin"] == world.get("/me", who="admin")["roles"]


def test_a_start_that_was_killed_takes_the_secret_that_is_there(sqlite, tmp_path):
    """Written, but the database did not know of it yet."""
    with pytest.raises(RuntimeError):
        first_admin(sqlite, tmp_path, lambda token: (_ for _ in ()).throw(RuntimeError), 0.0)
    before = (tmp_path / SECRET).read_text()

    assert before == begin(sqlite, tmp_path).read_text()


def test_of_two_nodes_one_makes_the_admin(sqlite, tmp_path):
    """The other keeps no secret that opens nothing."""
    create(tmp_path / SECRET, "tw_admin_of_the_other\n")
    counted = iter([0])

    class Slow:
        """A store that another node wrote to after it was asked."""

        def call(self, function, *args, **options):
            if (first := next(counted, None)) is not None:
                sqlite.call(create_user, User("admin", roles=("admin",)), now=0.0, write=True)
                return first
            return sqlite.call(function, *args, **options)

    assert begin(Slow(), tmp_path) is None
    assert not (tmp_path / SECRET).exists()
