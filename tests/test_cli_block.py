"""Tests of twgw.cli_block."""


def test_something_is_blocked_and_let_in_again(desk):
    """For ever or for a time."""
    said = desk.done("block", "add", "application", "my app", "--reason", "unpaid")
    assert "application my app is refused until it is removed\n" == said
    assert "until 2027-01-15 09:00:00 UTC" in desk.done("block", "add", "ip", "203.0.113.0/24", "--for", "1h")

    assert "unpaid" in desk.done("block", "list")
    assert ["application", "ip"] == [each["kind"] for each in desk.found("block", "list")]
    assert "application my app is let in again\n" == desk.done("block", "remove", "application", "my app")
    assert {"removed": "203.0.113.0/24", "kind": "ip"} == desk.found("block", "remove", "ip", "203.0.113.0/24")
    assert "Nothing is blocked." in desk.done("block", "list")


def test_what_cannot_be_blocked_is_said(desk):
    """An address that is none, a kind that is none, a block that is not there."""
    assert "value: must be an address or a network" in desk.refused("block", "add", "ip", "here")
    assert 2 == desk.run("block", "add", "planet", "mars").exit_code
    assert "there is no block of user ann" in desk.refused("block", "remove", "user", "ann")
    assert "me" == desk.found("block", "add", "application", "me")["value"]
