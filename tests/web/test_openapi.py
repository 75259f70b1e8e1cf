"""Tests of twgw.web.openapi."""

from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.web.nouns import Tier
from twgw.web.openapi import document
from twgw.web.permissions import Permission
from twgw.web.view import Views

views = Views("tiers", "/v1")


@views.view("GET", "/tiers", permission=Permission.TIER_READ, answers=Tier, paged=True)
def list_tiers(call, connection):
    """List tiers.

    By name.
    """


def show_tier(call, connection, tier):
    """Show a tier."""


@views.view(
    "PUT", "/tiers/{tier}", permission=Permission.TIER_WRITE, body=Tier, answers=Tier, current=show_tier,
    errors={409: "It is in use."},
)  # fmt: skip
def replace_tier(call, connection, tier):
    """Replace a tier."""


@views.view("POST", "/login", permission=Permission.ANYONE, status=201)
def login(call, connection):
    """Log in."""


def made():
    """The document of these views."""
    return document(views.views, "Test")


def test_the_document_is_valid():
    """By the schema of OpenAPI 3.1."""
    OpenAPIV31SpecValidator(made()).validate()


def test_every_view_is_in_it():
    """With its words, its permission and its name."""
    found = made()["paths"]

    assert {("/v1/tiers", "get"), ("/v1/tiers/{tier}", "put"), ("/v1/login", "post")} == {
        (path, method) for path, item in found.items() for method in item
    }
    listed = found["/v1/tiers"]["get"]
    assert ("list_tiers", "List tiers.", "By name.", "tier:read") == (
        listed["operationId"], listed["summary"], listed["description"], listed["x-permission"],
    )  # fmt: skip
    assert ["limit", "cursor"] == [each["name"] for each in listed["parameters"]]
    assert ["items", "next"] == listed["responses"]["200"]["content"]["application/json"]["schema"]["required"]


def test_a_replacement_shows_its_conditions():
    """If-Match is needed, and each refusal has its words."""
    put = made()["paths"]["/v1/tiers/{tier}"]["put"]

    assert {"tier": True, "If-Match": True, "Prefer": False} == {
        each["name"]: each["required"] for each in put["parameters"]
    }
    assert {"200", "202", "400", "401", "403", "404", "409", "412", "413", "415", "422", "428", "503"} == (
        put["responses"].keys()
    )
    assert "It is in use." == put["responses"]["409"]["description"]
    amount = put["requestBody"]["content"]["application/json"]["schema"]["properties"]["limits"]["items"]
    assert (0, 2**53 - 1) == (
        amount["properties"]["amount"]["exclusiveMinimum"], amount["properties"]["amount"]["maximum"],
    )  # fmt: skip


def test_an_answer_has_every_member():
    """Also those that are at their default; what is sent may leave them out."""
    put = made()["paths"]["/v1/tiers/{tier}"]["put"]

    assert ["name", "limits"] == put["responses"]["200"]["content"]["application/json"]["schema"]["required"]
    assert ["name"] == put["requestBody"]["content"]["application/json"]["schema"]["required"]


def test_what_anyone_may_call_needs_no_token():
    """And everything else does."""
    found = made()

    assert [{"token": []}] == found["security"]
    assert [] == found["paths"]["/v1/login"]["post"]["security"]
    assert "401" not in found["paths"]["/v1/login"]["post"]["responses"]
