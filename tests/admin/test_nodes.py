"""Tests of twgw.admin.nodes."""

from tests.rest import NOW
from twgw.storage.nodes import give_certificate, list_removed


def test_every_node_is_listed_and_how_it_stands(world):
    """As twgw cluster status shows it, by name and by page."""
    world.post("/blocks", {"kind": "user", "value": "bob"})
    first, second = world.get("/nodes")["items"]

    assert ("gw2", ["gateway"], 0, 1, "held", 1) == tuple(
        first[name] for name in ("node", "roles", "position", "lag", "lease", "gateways")
    )
    assert ("n1", 1, 0, "", []) == tuple(second[name] for name in ("node", "position", "lag", "lease", "refused"))
    page = world.get("/nodes?limit=1")
    assert [first] == page["items"]
    assert [second] == world.get(f"/nodes?cursor={page['next']}")["items"]


def test_a_node_is_taken_out(world):
    """It takes trust away, so the answer is held until it is in force; the audit says who did it, and how it stood."""
    answer = world.ask("DELETE", "/nodes/gw2", status=204)

    assert {"gw2": frozenset()} == world.database.call(list_removed)
    assert "1;503;" in answer.headers["Twgw-Position"]
    entry = world.get("/audit")["items"][0]
    assert ("root", "remove_node", "/admin/v1/nodes/gw2", NOW) == tuple(
        entry[name] for name in ("actor", "action", "subject", "at")
    )
    assert ["gateway"] == entry["before"]["roles"]


def test_a_node_that_nobody_knows_is_not(world):
    """Those that are known are named: also one that is switched off, and has a certificate."""
    world.database.call(give_certificate, "a1", "gw3", NOW * 2, now=NOW, write=True)
    refused = world.ask("DELETE", "/nodes/gw7", status=404).json
    assert "there is no node gw7; known are gw2, gw3, n1" == refused["detail"]
    assert {} == world.database.call(list_removed)

    world.ask("DELETE", "/nodes/gw3", status=204)
    world.ask("DELETE", "/nodes/gw7?force=true", status=204)
    world.ask("DELETE", "/nodes/g@w?force=true", status=404)
    assert {"gw3", "gw7"} == world.database.call(list_removed).keys()


def test_the_node_that_answers_takes_itself_out_only_when_it_is_meant(world):
    """Nobody would see then that it is out."""
    assert "ask another one" in world.ask("DELETE", "/nodes/n1", status=409).json["detail"]
    assert {} == world.database.call(list_removed)
    world.ask("DELETE", "/nodes/n1?force=true", status=204)


def test_a_worker_is_no_node(world):
    """It goes with its parent."""
    refused = world.ask("DELETE", "/nodes/gw2.worker1?force=true", status=422).json

    assert "gw2.worker1 is a process of gw2: name that one" == refused["detail"]
    assert {} == world.database.call(list_removed)


def test_who_may(world):
    """Operators look, admins take out."""
    world.user("olga", "operator")
    world.user("pat", "publisher", "creator", "subscriber")

    assert 200 == world.ask("GET", "/nodes", who="olga").status_code
    for who in ("olga", "pat"):
        world.ask("DELETE", "/nodes/gw2", who=who, status=403)
    world.ask("GET", "/nodes", who="pat", status=403)
