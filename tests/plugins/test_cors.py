"""cors: which pages of other origins may call."""

import pytest

from twgw.faults import SettingsError
from twgw.memory import MemoryGateway
from twgw.model import Api, Policy
from twgw.testing import exchange, run_policy

APP = {"allow_origins": ["https://app.example", "https://*.shop.example"]}


def preflight(origin="https://app.example", method="PUT", **headers):
    fields = {"Origin": origin, "Access-Control-Request-Method": method, **headers}
    return exchange("OPTIONS", "/", headers=fields)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("https://app.example", True), ("https://a.shop.example", True), ("https://shop.example", False),
     ("http://app.example", False), ("https://app.example.evil", False), ("https://evilapp.example", False),
     ("https://a.shop.example.evil", False), ("null", False)],
)  # fmt: skip
def test_an_origin_is_compared_exactly(origin, allowed):
    """Scheme, host and port; a star stands for subdomains only."""
    preflighted, simple = run_policy("cors", preflight(origin), **APP), run_policy("cors", exchange(headers={"Origin": origin}), **APP)

    assert (204 if allowed else 403) == preflighted.status
    assert 200 == simple.status
    assert (origin if allowed else None) == simple.headers.get("access-control-allow-origin")
    assert "origin" in simple.headers.get("vary", "").lower()


def test_a_preflight_is_answered_here():
    """With what may be done, before anybody asks for a credential; the upstream never sees it."""
    result = run_policy("cors", preflight(**{"Access-Control-Request-Headers": "X-A"}), max_age=60, **APP)

    assert [] == result.forwarded if isinstance(result.forwarded, list) else result.forwarded is None
    assert ("https://app.example", "X-A", "60") == tuple(
        result.headers.get(f"access-control-{name}") for name in ("allow-origin", "allow-headers", "max-age")
    )
    assert "PUT" in result.headers.get("access-control-allow-methods")
    assert 403 == run_policy("cors", preflight(), allow_methods=["GET"], **APP).status


def test_a_star_never_goes_with_credentials():
    """Refused when it is deployed; named origins may have them."""
    with pytest.raises(SettingsError, match="allow_credentials"):
        run_policy("cors", exchange(), allow_origins=["*"], allow_credentials=True)
    named = run_policy("cors", exchange(headers={"Origin": "https://app.example"}), allow_credentials=True, **APP)

    assert "true" == named.headers.get("access-control-allow-credentials")
    assert "*" == run_policy("cors", exchange(headers={"Origin": "https://x.test"}), allow_origins=["*"]).headers.get(
        "access-control-allow-origin"
    )


def test_what_the_upstream_says_of_it_is_replaced():
    """One voice: the gateway's."""
    gateway = MemoryGateway(
        Api("pets", "1", "/", policies=(Policy("cors", APP),)),
        upstream=lambda request: (200, {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true"}, b""),
    )
    answer = gateway.get("/", headers={"Origin": "https://app.example"})

    assert "https://app.example" == answer.headers["access-control-allow-origin"]
    assert "access-control-allow-credentials" not in answer.headers


def test_refusals_can_be_read_by_the_page():
    """A 401 has the fields, too, and a preflight passes although it has no key."""
    gateway = MemoryGateway(Api("pets", "1", "/", policies=(Policy("cors", APP), Policy("key-auth"))))
    origin = {"Origin": "https://app.example"}

    refused = gateway.get("/", headers=origin)
    assert (401, "https://app.example") == (refused.status, refused.headers["access-control-allow-origin"])
    asked = gateway.request("OPTIONS", "/", headers={**origin, "Access-Control-Request-Method": "GET"})
    assert 204 == asked.status
