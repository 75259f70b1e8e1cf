"""Tests of twgw.cli_audit."""

from sqlalchemy import update

from twgw.storage.schema import audit


def test_what_was_changed_is_listed(desk):
    """The newest first, by whom, to what."""
    desk.done("app", "create", "me")
    newest = desk.done("audit", "list").splitlines()[1]

    for text in ("root", "add application", "/admin/v1/applications/me", "2027-01-15 08:00:00 UTC"):
        assert text in newest
    assert ["add_application", "add_tier"] == [each["action"] for each in desk.found("audit", "list", "--limit", "2")]
    assert [] == desk.found("audit", "list", "--actor", "nobody")
    assert 1 == len(desk.found("audit", "list", "--subject", "/admin/v1/applications/me"))
    assert "Nothing was changed." in desk.done("audit", "list", "--actor", "nobody")


def test_more_than_a_page_is_listed_when_it_is_wanted(desk):
    """And no more than was asked for."""
    for number in range(105):
        desk.world.post("/applications", {"name": f"app-{number}"})

    assert 103 == len(desk.found("audit", "list", "--limit", "103"))


def test_the_chain_of_the_audit_is_followed(desk):
    """Its last hash is for keeping elsewhere."""
    said = desk.done("audit", "verify")

    assert "2 entries, each follows from the one before\nHash of the last: " in said
    assert desk.found("audit", "verify")["hash"] in said


def test_a_record_that_somebody_changed_is_said(desk):
    """With a status of its own, also to programs."""
    desk.world.database.call(lambda it: it.execute(update(audit).where(audit.c.seq == 2).values(actor="x")), write=True)

    assert "The audit is broken after entry 1: " in desk.refused("audit", "verify")
    assert 1 == desk.run("audit", "verify", "--json").exit_code
