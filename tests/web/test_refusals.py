"""Tests of twgw.web.refusals."""

from twgw.faults import Fault
from twgw.web.refusals import invalid, not_found, not_known, not_permitted, refuse, unconditional


def test_faults_are_told_each_with_its_path():
    """For a person in one line, for a program as a list."""
    problem = invalid([Fault("limits[0].amount", "must be > 0"), Fault("", "is empty")]).problem

    assert (422, "limits[0].amount: must be > 0; is empty") == (problem.status, problem.detail)
    assert [{"path": "limits[0].amount", "text": "must be > 0"}, {"path": "", "text": "is empty"}] == problem.members[
        "faults"
    ]


def test_each_refusal_has_its_status():
    """A login that is missing names the scheme (RFC 9110, 11.6.1)."""
    assert [401, 403, 404, 428] == [
        each.problem.status
        for each in (not_known(), not_permitted("api:read"), not_found("tier Gold"), unconditional())
    ]
    assert ("WWW-Authenticate", 'Bearer realm="twgw"') in not_known().problem.headers
    assert "there is no tier Gold" == not_found("tier Gold").problem.detail


def test_members_go_into_the_document():
    """As RFC 9457 allows."""
    assert {"a": 1} == refuse(400, "Title", a=1).problem.members
