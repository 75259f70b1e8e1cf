"""The objects of one request."""

from twgw.policy.exchange import Exchange, Problem, Request, Response


def test_every_exchange_has_its_own_notes():
    """Defaults on the class are never shared by being changed."""
    one, other = Exchange(Request("GET", "/")), Exchange(Request("GET", "/"))
    one.attributes["p"] = 1
    one.shadowed += (("p", "why"),)
    one.request.headers.set("A", "1")

    assert ({}, (), None) == (other.attributes, other.shadowed, other.request.headers.get("A"))


def test_nothing_secret_is_shown():
    """A representation names the request, not its fields."""
    request = Request("GET", "/a")
    request.headers.set("X-API-Key", "secret")

    assert "Exchange(Request('GET', '/a'), id='')" == repr(Exchange(request))
    assert "secret" not in repr(request.headers)


def test_answers_have_defaults():
    """A Response is 200 without a body; a Problem keeps the connection."""
    assert (200, b"", False) == (Response().status, Response().body, Response().close)
    assert not Problem(403, "No").close
