"""Tests of twgw.admin.records."""

from sqlalchemy import text

from tests.rest import NOW
from twgw import __version__


def test_every_write_is_in_the_audit(world):
    """The newest first, with what was there before and after."""
    world.post("/tiers", {"name": "Gold"})
    tag = world.ask("GET", "/tiers/Gold").headers["ETag"]
    world.ask("PUT", "/tiers/Gold", {"name": "Gold", "limits": [{"amount": 5}]}, status=200, If_Match=tag)
    world.post("/tiers", {"name": "a/b"}, status=422)
    second, first = world.get("/audit")["items"]

    assert ("root", "add_tier", "/admin/v1/tiers/Gold", NOW) == (
        first["actor"], first["action"], first["subject"], first["at"],
    )  # fmt: skip
    assert (None, {"name": "Gold"}) == (first["before"], first["after"]["tier"])
    assert {"name": "Gold"} == second["before"]["tier"]
    assert [{"amount": 5}] == second["after"]["tier"]["limits"]


def test_the_audit_is_read_by_page_and_by_who_and_what(world):
    """Backwards from the newest."""
    for name in ("a", "b", "c"):
        world.post("/tiers", {"name": name})
    first = world.get("/audit?limit=2")

    assert [3, 2] == [each["seq"] for each in first["items"]]
    assert [1] == [each["seq"] for each in world.get(f"/audit?cursor={first['next']}")["items"]]
    assert [2] == [each["seq"] for each in world.get("/audit?subject=/admin/v1/tiers/b")["items"]]
    assert [] == world.get("/audit?actor=ann")["items"]
    world.ask("GET", "/audit?cursor=YQ==", status=422)


def test_a_changed_entry_is_found(world):
    """And those that are missing."""
    for name in ("a", "b", "c"):
        world.post("/tiers", {"name": name})
    good = world.get("/audit/verification")
    assert (True, 3, "") == (good["good"], good["entries"], good["fault"])

    change = text("UPDATE audit SET actor = 'bob' WHERE seq = 2")
    world.database.call(lambda connection: connection.execute(change), write=True)
    bad = world.get("/audit/verification")
    assert (False, 1) == (bad["good"], bad["entries"])
    assert "entry 2" in bad["fault"]


def test_who_reads_the_audit(world):
    """Operators and admins."""
    world.user("olga", "operator")
    world.user("pat", "publisher", "creator", "subscriber")

    world.ask("GET", "/audit", who="olga", status=200)
    world.ask("GET", "/audit", who="pat", status=403)


def test_how_the_installation_is(world):
    """The log, and the node that answers."""
    world.post("/blocks", {"kind": "user", "value": "bob"})
    status = world.get("/status")

    assert (__version__, 1, "n1") == (status["version"], status["position"], status["node"]["node"])
