"""What an upstream is told about the client, and by whom."""

from ipaddress import ip_network

import pytest

from twgw.gateway.forwarding import client_address, hop, loops, status_line, upstream_request
from twgw.model import Credential
from twgw.policy.exchange import Exchange, Hop, Request
from twgw.policy.headers import Headers

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def sent(pairs=(), *, came_by=None, credential=None, host="shop.test", authority="up.test", nominated=frozenset()):
    """The fields that an upstream gets, as a list."""
    exchange = Exchange(Request("GET", "/", Headers(pairs)))
    exchange.request.host, exchange.credential, exchange.nominated = host, credential, nominated
    exchange.came_by = came_by or Hop("192.0.2.7")
    return [tuple(line.split(": ", 1)) for line in upstream_request(exchange, authority, "gw").splitlines()]


def test_what_we_vouch_for():
    """Host, Via, X-Forwarded-* and Forwarded, all made by the gateway."""
    assert [
        ("Host", "up.test"), ("Via", "1.1 gw"), ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "shop.test"), ("Forwarded", "for=192.0.2.7;proto=http;host=shop.test"),
    ] == sent()  # fmt: skip


def test_no_client_speaks_in_our_name():
    """Whatever it sends of these fields is replaced."""
    forged = [("X-Forwarded-For", "1.1.1.1"), ("Forwarded", "for=1.1.1.1"), ("X-Consumer-Username", "root"),
              ("x-credential-identifier", "x"), ("X-Real-IP", "1.1.1.1"), ("X-Twgw-Anything", "1")]  # fmt: skip
    fields = dict(sent(forged))

    assert "192.0.2.7" == fields["X-Forwarded-For"]
    assert not {"X-Consumer-Username", "x-credential-identifier", "X-Real-IP", "X-Twgw-Anything"} & fields.keys()


def test_a_trusted_proxy_is_believed():
    """Its list goes on, with the proxy at the end."""
    pairs = [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-Proto", "https"), ("Forwarded", "for=1.1.1.1")]
    fields = dict(sent(pairs, came_by=Hop("10.0.0.1", trusted=True)))

    assert ("1.1.1.1, 10.0.0.1", "https") == (fields["X-Forwarded-For"], fields["X-Forwarded-Proto"])
    assert "for=1.1.1.1, for=10.0.0.1;proto=http;host=shop.test" == fields["Forwarded"]


def test_ipv6_and_ports_are_quoted():
    """RFC 7239, 6."""
    fields = dict(sent(came_by=Hop("2001:db8::1", "https"), host="shop.test:8443"))

    assert 'for="[2001:db8::1]";proto=https;host="shop.test:8443"' == fields["Forwarded"]


def test_the_caller_is_named():
    """By names that cannot break a field."""
    fields = dict(sent(credential=Credential(application="caf\xe9 \r\nX: y", id="k#1")))

    assert ("caf%C3%A9 %0D%0AX: y", "k#1") == (fields["X-Consumer-Username"], fields["X-Credential-Identifier"])
    assert not {"X-Authenticated-Userid", "X-Consumer-Groups"} & fields.keys()


def test_a_user_and_their_groups_are_named():
    """The user in place of an application where there is none; a comma in a group divides nothing."""
    fields = dict(sent(credential=Credential(id="corp/alice", user="alice", groups=("gold", "a,b\n"))))
    assert ("alice", "alice") == (fields["X-Consumer-Username"], fields["X-Authenticated-Userid"])
    assert "gold, a%2Cb%0A" == fields["X-Consumer-Groups"]

    fields = dict(sent(credential=Credential(application="shop", user="alice")))
    assert ("shop", "alice") == (fields["X-Consumer-Username"], fields["X-Authenticated-Userid"])


def test_fields_for_one_hop_stay_behind():
    """Those that always are, and those that the client says are."""
    pairs = [("Connection", "X-Hop"), ("X-Hop", "1"), ("TE", "trailers"), ("Keep-Alive", "x"), ("X-Stays", "1")]

    names = [name for name, _ in sent(pairs, nominated=frozenset({"x-hop"}))]

    assert "X-Stays" in names
    assert not {"Connection", "X-Hop", "TE", "Keep-Alive"} & set(names)


def test_what_is_remembered_depends_on_all_that_it_was_made_from():
    """The same names with other values, edits, callers and hosts are written anew."""

    def text(value="1", edit=None, credential=None, authority="up.test", host="shop.test"):
        exchange = Exchange(Request("GET", "/", Headers([("A", value)])))
        exchange.request.host, exchange.credential = host, credential
        if edit:
            exchange.request.headers.set("A", edit)
        return upstream_request(exchange, authority, "gw")

    first = text()

    assert first == text()
    assert "A: 3\r\n" in text("3")
    assert "A: 2\r\n" in text(edit="2")
    assert "X-Consumer-Username: b" in text(credential=Credential(application="b"))
    assert "Host: other\r\n" in text(authority="other")
    assert "X-Forwarded-Host: b.test\r\n" in text(host="b.test")
    assert first == text()


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", ["1.1.1.1"], "192.0.2.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1, 10.9.9.9"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6", "2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["6.6.6.6, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("fd00::1", ["[2001:db8::2]"], "2001:db8::2"),
    ],
)
def test_the_client_is_the_last_hop_that_is_not_trusted(peer, forwarded, client):
    """Only a trusted peer's word counts, read from the right."""
    headers = Headers([("X-Forwarded-For", value) for value in forwarded])

    assert client == client_address(hop(peer, "http", PROXIES), headers, PROXIES)


@pytest.mark.parametrize(
    ("via", "seen"),
    [([], False), (["1.1 other"], False), (["1.1 gw"], True), (["1.0 x, 1.1 gw (twgw)"], True), (["1.1 gw2"], False)],
)
def test_loops_are_seen_by_via(via, seen):
    """RFC 9110, 7.6.3."""
    assert seen == loops(Headers([("Via", value) for value in via]), "gw")


def test_status_lines():
    """The upstream's reason, else the usual one."""
    assert ["HTTP/1.1 200 Fine\r\n", "HTTP/1.1 404 Not Found\r\n", "HTTP/1.1 299 \r\n"] == [
        status_line(200, "Fine"), status_line(404, ""), status_line(299, ""),
    ]  # fmt: skip
