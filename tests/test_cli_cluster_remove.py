"""Tests of twgw.cli_cluster_remove; tests/wire/test_cluster.py takes a real node out."""

from twgw.storage.nodes import list_removed


def removed(desk):
    return desk.world.database.call(list_removed).keys()


def test_a_gateway_is_taken_out(desk):
    """What it was told it may have still: the command says what to change."""
    said = desk.done("cluster", "remove", "gw2", "--yes")

    assert said.startswith("gw2 is out of the cluster: its certificates are refused from now on\n")
    assert "It was told the pepper and the keys for signing; to have others: twgw db rotate pepper, twgw db" in said
    assert {"gw2"} == removed(desk)
    assert {"removed": "gw2"} == desk.found("cluster", "remove", "gw2", "--yes")


def test_a_node_with_the_database_knew_more(desk):
    """And so may one that nobody sees now; which is meant only with --force."""
    refused = desk.refused("cluster", "remove", "n1", "--yes")
    assert "n1 is the node that answers: ask another one" in refused
    assert "With --force it is taken out all the same" in refused
    assert "there is no node n7; known are gw2, n1" in desk.refused("cluster", "remove", "n7", "--yes")
    assert set() == removed(desk)

    for name in ("n1", "n7"):
        said = desk.done("cluster", "remove", name, "--force", "--yes")
        assert "It may have the password of the database: change that on the server and on every other node" in said
    assert {"n1", "n7"} == removed(desk)


def test_a_name_that_no_node_has_is_refused(desk):
    """Also with --force, which is not named as a way out then."""
    assert "With --force" not in desk.refused("cluster", "remove", "g@w", "--force", "--yes")
