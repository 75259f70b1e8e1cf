"""cors: which pages of other origins may call."""

import pytest

from twgw.faults import SettingsError
from twgw.memory import MemoryGateway
from twgw.model import Api, Policy, Route
from twgw.policy import Headers, Response
from twgw.testing import exchange, run_policies, run_policy, use

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
    preflighted = run_policy("cors", preflight(origin), **APP)
    simple = run_policy("cors", exchange(headers={"Origin": origin}), **APP)

    assert (204 if allowed else 403) == preflighted.status
    assert 200 == simple.status
    assert (origin if allowed else None) == simple.headers.get("access-control-allow-origin")
    assert "origin" in simple.headers.get("vary", "").lower()


def test_a_preflight_is_answered_here():
    """With what may be done, before anybody asks for a credential; the upstream never sees it."""
    result = run_policy("cors", preflight(), allow_headers=["X-A", "X-B"], max_age=60, **APP)

    assert result.forwarded is None
    assert ("https://app.example", "X-A, X-B", "60") == tuple(
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
    theirs = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true"}
    gateway = MemoryGateway(
        Api("pets", "1", "/", policies=(Policy("cors", APP),)), upstream=lambda request: (200, theirs, b"")
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


def test_a_preflight_finds_the_route_it_asks_about():
    """It need not be listed among the methods; only a preflight that a policy answers is let through to it."""
    guarded = Api(
        "pets", "1", "/pets", routes=(Route(methods=("GET",)), Route("/x", ("POST",))), policies=(Policy("cors", APP),)
    )
    open_ = Api("open", "1", "/open", routes=(Route(methods=("GET",)),))
    gateway = MemoryGateway([guarded, open_])
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}

    def options(path, **headers):
        return gateway.request("OPTIONS", path, headers=headers).status

    assert 204 == options("/pets/7", **asked)
    assert 204 == options("/pets/x", **{**asked, "Access-Control-Request-Method": "POST"})
    assert 405 == options("/pets/7", **{**asked, "Access-Control-Request-Method": "DELETE"})
    assert 405 == options("/pets/7", Origin="https://app.example")
    assert 405 == options("/pets/7", **{"Access-Control-Request-Method": "GET"})
    assert 405 == options("/open/7", **asked)
    assert b"" == gateway.upstream_bytes


def test_options_that_are_no_preflight_go_their_way():
    """Without an origin or without the method it asks about, the upstream answers."""
    assert run_policy("cors", exchange("OPTIONS", headers={"Origin": "https://app.example"}), **APP).forwarded
    assert run_policy("cors", exchange("OPTIONS", headers={"Access-Control-Request-Method": "GET"}), **APP).forwarded


def test_a_preflight_may_be_kept_apart_by_caches():
    """Allowed or not, the answer depends on what was asked; private networks are not granted."""
    asked = {"Access-Control-Request-Private-Network": "true"}
    allowed = run_policy("cors", preflight(**asked), **APP)
    refused = run_policy("cors", preflight("https://evil.example"), **APP)

    for result in (allowed, refused):
        assert {"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"} == set(
            result.headers.get("Vary").split(", ")
        )
    assert "access-control-allow-private-network" not in allowed.headers
    assert "access-control-allow-origin" not in refused.headers
    assert "cors" == refused.exchange.refused_by


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({}, "Authorization, Content-Type, X-API-Key, apikey"),
        ({"allow_headers": ["X-A"]}, "X-A"),
        ({"allow_headers": ["*"]}, "*"),
        ({"allow_headers": []}, None),
    ],
)
def test_what_a_page_asks_to_send_is_never_repeated(settings, allowed):
    """What is named may be sent, by default what a call with a key needs; an empty list names nothing."""
    asked = preflight(**{"Access-Control-Request-Headers": "X-Evil"})

    assert allowed == run_policy("cors", asked, **settings, **APP).headers.get("Access-Control-Allow-Headers")


@pytest.mark.parametrize(
    ("upstream", "vary"),
    [([], ["Origin"]), ([("Vary", "Accept")], ["Accept", "Origin"]), ([("vary", "accept,ORIGIN")], ["accept,ORIGIN"]),
     ([("Vary", "*")], ["*"])],
)  # fmt: skip
def test_caches_are_told_once(upstream, vary):
    """``Vary: Origin`` stands beside what the upstream says, unless that says so already; also without an origin."""
    result = run_policy("cors", upstream=Response(200, Headers(upstream)), **APP)

    assert vary == result.headers.get_all("Vary")
    assert "access-control-allow-origin" not in result.headers


def test_a_star_is_the_same_for_everybody():
    """With all origins allowed the answer does not depend on who asks."""
    result = run_policy("cors", allow_origins=["*"], expose_headers=[])

    assert [("Access-Control-Allow-Origin", "*")] == result.headers.items()[-1:]
    assert "vary" not in result.headers


def test_what_a_page_may_read():
    """The gateway's own fields are exposed, or those that are named."""
    asked = {"Origin": "https://app.example"}

    usual = run_policy("cors", exchange(headers=asked), **APP)
    named = run_policy("cors", exchange(headers=asked), expose_headers=["X-A", "X-B"], **APP)

    assert "RateLimit" in usual.headers.get("Access-Control-Expose-Headers").split(", ")
    assert "X-A, X-B" == named.headers.get("Access-Control-Expose-Headers")


def test_a_later_use_has_the_last_word():
    """A narrower level's cors replaces the fields of a wider one."""
    uses = [use("cors", allow_origins=["*"]), use("cors", allow_credentials=True, **APP)]

    result = run_policies(uses, exchange(headers={"Origin": "https://app.example"}))

    assert ["https://app.example"] == result.headers.get_all("Access-Control-Allow-Origin")
    assert 1 == len(result.headers.get_all("Access-Control-Expose-Headers"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "allow_origins: missing"),
        ({"allow_origins": []}, "give at least one"),
        ({"allow_origins": ["null"]}, r"allow_origins\[0\]: must be \* or an origin"),
        ({"allow_origins": ["https://App.example"]}, "in lower case"),
        ({"allow_origins": ["https://app.example/"]}, "must be"),
        ({"allow_origins": ["app.example"]}, "must be"),
        ({"allow_origins": ["https://*"]}, "must be"),
        ({"allow_origins": ["https://a.*.example"]}, "must be"),
        ({"allow_methods": ["get"], **APP}, "allow_methods"),
        ({"allow_headers": ["X A"], **APP}, r"allow_headers\[0\]"),
        ({"expose_headers": ["a\r\nb"], **APP}, r"expose_headers\[0\]"),
        ({"expose_headers": ["*"], "allow_credentials": True, **APP}, r"expose_headers\[0\].*name them"),
        ({"max_age": -1, **APP}, "max_age: must be >= 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, said):
    """Anything that a browser would not take, or that would let too many in."""
    with pytest.raises(SettingsError, match=said):
        run_policy("cors", **settings)
