"""Tests of twgw.storage.applications."""

import pytest

from tests.storage.conftest import NOW, a_credential
from twgw.registry import Approval
from twgw.storage import log
from twgw.storage.applications import (
    create_application,
    delete_application,
    find_application,
    list_applications,
    revoke_application,
    update_application,
)
from twgw.storage.credentials import find_by_digest
from twgw.storage.errors import Conflict, Missing


def test_an_application_is_kept_as_it_was_given(write, read):
    """Everything said of it is found again."""
    entry = write(
        create_application, "batch", owner="bob", title="Batch jobs", description="at night", tier="gold",
        state=Approval.PENDING, attributes={"team": "ä"}, tag="ci",
    )  # fmt: skip

    assert entry == read(find_application, "batch")
    assert ("batch", "Batch jobs", "at night", "bob", "gold") == (
        entry.name, entry.title, entry.description, entry.owner, entry.tier,
    )  # fmt: skip
    assert (Approval.PENDING, {"team": "ä"}, 0, "ci", 1) == (
        entry.state, entry.attributes, entry.revoked_before_pos, entry.tag, entry.stamp,
    )  # fmt: skip
    assert 0 == read(log.head).pos


def test_a_name_is_taken_once(write):
    """A second application of a name is refused in words."""
    write(create_application, "batch", owner="bob")

    with pytest.raises(Conflict, match="application batch exists already"):
        write(create_application, "batch", owner="ann")


def test_a_change_is_a_record(write, read):
    """Fields change by name; gateways learn of it."""
    write(create_application, "batch", owner="bob")

    changes = {"state": Approval.PAUSED, "attributes": {"a": 1}, "tier": None, "title": "Batch"}
    assert 1 == write(update_application, "batch", changes, stamp=1)

    entry = read(find_application, "batch")
    assert (Approval.PAUSED, {"a": 1}, None, "Batch", 2) == (
        entry.state, entry.attributes, entry.tier, entry.title, entry.stamp,
    )  # fmt: skip
    assert ["app:batch"] == [record.tag for record in read(log.since, 0)]
    with pytest.raises(Conflict, match="changed by somebody else"):
        write(update_application, "batch", {"title": ""}, stamp=1)


def test_all_that_an_application_holds_is_voided_at_once(filled, write, read):
    """One record voids what was issued before it; what is issued later is good."""
    from twgw.storage.credentials import add_credential

    pos = write(revoke_application, "batch")
    write(add_credential, a_credential(id="new", mark="b"))

    assert pos == read(find_application, "batch").revoked_before_pos == read(log.head).pos
    assert not read(find_by_digest, "api-key", f"v1:{'a' * 64}").valid
    assert read(find_by_digest, "api-key", f"v1:{'b' * 64}").valid


def test_an_application_goes_with_all_that_it_holds(filled, write, read):
    """Deleting it takes its keys and subscriptions, by one record."""
    before = read(log.head).pos
    assert before + 1 == write(delete_application, "batch")

    assert None is read(find_application, "batch")
    assert None is read(find_by_digest, "api-key", f"v1:{'a' * 64}").entry
    assert ["app:batch"] == [record.tag for record in read(log.since, before)]


@pytest.mark.parametrize("change", [revoke_application, delete_application])
def test_what_is_not_there_cannot_be_changed(write, read, change):
    """An unknown application is said to be missing, and nothing is noted."""
    with pytest.raises(Missing, match="there is no application batch"):
        write(change, "batch")

    assert 0 == read(log.head).pos


def test_applications_are_listed_in_pieces(write, read):
    """A list goes on after the last name of the piece before, and may be narrowed."""
    for name in ("b", "a", "c"):
        state = Approval.PENDING if name == "c" else Approval.ACTIVE
        write(create_application, name, owner="ann" if name != "b" else "bob", state=state)

    def names(*args, **kwargs):
        return [entry.name for entry in read(list_applications, *args, **kwargs)]

    assert ["a", "b"] == names("", 2)
    assert ["c"] == names("b", 2)
    assert ["a", "c"] == names(owner="ann")
    assert ["c"] == names(state=Approval.PENDING)
    assert [NOW] * 3 == [entry.created_at for entry in read(list_applications)]
