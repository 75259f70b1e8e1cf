"""access-log: one line of JSON for every request, with who refused it and why, and without secrets."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.faults import SettingsError
from twgw.memory import UPSTREAM, MemoryGateway
from twgw.model import Api, Policy, State
from twgw.policy import Response
from twgw.testing import FakeClock, exchange, gateway, run_policies, run_policy, use
from twgw_plugins.access_log import FIELDS

LOG = Policy("access-log")


def served(*policies, **more):
    apis = (Api("pets", "1", "/pets", upstream=UPSTREAM, policies=policies),)
    return MemoryGateway(State(policies=(Policy("correlation-id"), LOG), apis=apis), **more)


def lines(gateway):
    return [json.loads(line) for line in gateway.files.written["access.log"]]


def test_a_line_says_what_happened():
    """What was asked, by whom, what became of it."""
    gateway = served(Policy("key-auth"), keys={"secret-key": "shop"})
    gateway.post("/pets/7?a=1", b"body", headers={"X-API-Key": "secret-key", "User-Agent": "test/1"})
    (line,) = lines(gateway)

    expected = {
        "method": "POST", "path": "/pets/7", "query": "a=1", "status": 200, "api": "pets:1", "application": "shop",
        "bytes_in": 4, "client": "127.0.0.1", "host": "gateway.test", "user_agent": "test/1", "tries": 1,
        "node": "memory",
    }  # fmt: skip
    assert expected.items() <= line.items()
    assert line["id"]
    assert "refused_by" not in line


@pytest.mark.parametrize(
    ("send", "by", "status"),
    [
        (lambda gateway: gateway.get("/nowhere"), "gateway", 404),
        (lambda gateway: gateway.get("/pets/1"), "authentication", 401),
        (lambda gateway: gateway.get("/pets/1", headers={"X-API-Key": "wrong-key"}), "key-auth", 401),
        (lambda gateway: gateway.connect().send(b"nonsense\r\n\r\n"), "gateway", 400),
        (lambda gateway: gateway.get("/pets/../x"), "gateway", 400),
    ],
)
def test_every_refusal_names_who_and_why(send, by, status):
    """Also of what could not be understood."""
    gateway = served(Policy("key-auth"), keys={"secret-key": "shop"})
    send(gateway)
    (line,) = lines(gateway)

    assert (by, status) == (line["refused_by"], line["status"])
    assert line["reason"]


def test_secrets_are_never_written():
    """Neither of header fields, nor of the query, nor of what did not come through."""
    gateway = served(Policy("key-auth", {"query_names": ["k"]}), keys={"canary-1": "shop"})
    hidden = {"Authorization": "Bearer canary-3", "Cookie": "canary-4", "Referer": "https://x.test/a?key=canary-9"}
    gateway.get("/pets/1?k=canary-1&token=canary-2&a=1", headers=hidden)
    gateway.get("/pets/1?password=canary-5", headers={"X-API-Key": "canary-6"})
    gateway.get("/nowhere?x=canary-7")
    gateway.connect().send(b"GET /pets canary-8\r\n\r\n")

    assert 4 == len(gateway.files.written["access.log"])
    assert "canary" not in "".join(gateway.files.written["access.log"])
    assert "canary" not in str(gateway.log.lines)


@pytest.mark.parametrize(
    ("referer", "written"),
    [
        ("https://x.test/@me/a@b?key=canary", "https://x.test/@me/a@b"),
        ("https://canary:canary@x.test:8443/a", "https://x.test:8443/a"),
        ("https://canary:can?ary#@x@canary@x.test/a", "https://x.test/a"),
        ("canary:canary@x.test/a", "x.test/a"),
        ("//canary@x.test", "//x.test"),
    ],
)
def test_a_referer_is_written_without_its_secrets(referer, written):
    """Where the caller came from, not as whom and with what."""
    result = run_policy("access-log", exchange(headers={"Referer": referer}))

    assert written == json.loads(result.lines["access.log"][0])["referer"]


def test_a_line_is_one_line():
    """Whatever a client sends, no control character gets into the log."""
    gateway = served()
    gateway.get("/pets/%22%0d%0a{}", headers={"User-Agent": "refused"})
    gateway.get("/pets/%22%1b", headers={"User-Agent": 'a\t"b\\\x9b31m', "Referer": "\x85"})
    gateway.get("/pets/1", headers={"User-Agent": "x" * 5000})
    written = gateway.files.written["access.log"]

    assert all(line.endswith("\n") and line.count("\n") == 1 and line[:-1].isprintable() for line in written)
    assert max(map(len, written)) < 4000
    assert ["refused", 'a\t"b\\\x9b31m', "x" * 2048] == [line["user_agent"] for line in lines(gateway)]


def test_what_a_shadow_would_have_refused():
    """Stands in the line of the request that passed."""
    gateway = served(Policy("ip-restriction", {"deny": ["127.0.0.0/8"]}, shadow=True))

    assert 200 == gateway.get("/pets/1").status
    assert "ip-restriction" in json.dumps(lines(gateway)[0]["shadowed"])


def test_the_fields_are_always_the_same():
    """Every line has all fields in one order; what happens seldom stands at the end."""
    (line,) = run_policy("access-log").lines["access.log"]

    assert list(FIELDS[: FIELDS.index("client_id")]) == list(json.loads(line))


def test_times_are_exact():
    """The end of the request to the millisecond, in UTC, and how long it and its upstream took."""
    lent = gateway(clock=FakeClock())
    lent.clock.advance(59.0625)

    def slow(_request):
        lent.clock.advance(1.5)
        return Response()

    result = run_policy("access-log", gateway=lent, upstream=slow)
    line = json.loads(result.lines["access.log"][0])

    assert "2027-01-15T08:01:00.562Z" == line["time"]
    assert 1500.0 == line["duration_ms"]
    assert 0.0 == line["upstream_ms"]


def test_two_lines_of_one_second():
    """The second is written once and shared; the milliseconds are each line's own."""
    lent = gateway(clock=FakeClock())
    times = []
    for step in (0.25, 0.5, 0.5):
        lent.clock.advance(step)
        (line,) = run_policy("access-log", gateway=lent).lines["access.log"]
        times.append(json.loads(line)["time"][-7:])

    assert ["00.250Z", "00.750Z", "01.250Z"] == times


@pytest.mark.parametrize(
    ("query", "written"),
    [
        ("a=1&b", "a=1&b"),
        ("token=x&a=1&TOKEN=y", "token=[redacted]&a=1&TOKEN=[redacted]"),
        ("api%5Fkey=x", "api%5Fkey=[redacted]"),
        ("token", "token"),
        ("tokens=x", "tokens=x"),
        ("secret=a=b", "secret=[redacted]"),
    ],
)
def test_telling_names_are_redacted(query, written):
    """Names match decoded and in any case; what stands beside them stays as it came."""
    (line,) = run_policy("access-log", exchange(path="/?" + query)).lines["access.log"]

    assert written == json.loads(line)["query"]


def test_names_can_be_chosen():
    """A list of one's own replaces the usual one; what another policy calls secret is left out all the same."""
    uses = [use("access-log", redact_query=["Ticket"]), use("key-auth", query_names=["k"], hide_credentials=False)]
    lent = gateway(keys={"canary": "shop"})

    (line,) = run_policies(uses, exchange(path="/?ticket=1&token=2&k=canary"), gateway=lent).lines["access.log"]

    assert "ticket=[redacted]&token=2&k=[redacted]" == json.loads(line)["query"]


def test_fields_can_be_left_out():
    """What nobody wants to keep is not written, and nothing else changes."""
    request = lambda: exchange(headers={"Referer": "https://a.test/", "User-Agent": "a\x9b"})
    whole = json.loads(run_policy("access-log", request()).lines["access.log"][0])
    (line,) = run_policy("access-log", request(), exclude=["client", "referer", "reason"]).lines["access.log"]

    assert line.endswith("}\n")
    assert line.isascii()
    assert whole.items() - json.loads(line).items() == {("client", "127.0.0.1"), ("referer", "https://a.test/")}


def test_the_file_is_a_setting():
    """Also standard output."""
    assert ["-"] == list(run_policy("access-log", path="-").lines)


def test_an_id_that_a_client_brought_is_written_apart():
    """It can be looked for, but is not taken for ours."""
    uses = [use("correlation-id"), use("access-log")]

    result = run_policies(uses, exchange(headers={"X-Request-Id": "theirs"}))
    line = json.loads(result.lines["access.log"][0])

    assert (result.exchange.id, "theirs") == (line["id"], line["client_id"])


@given(st.text(min_size=1), st.text(min_size=1))
def test_reasons_of_any_text_stay_one_line(reason, policy):
    """Whatever a policy says, the line is JSON in visible ASCII, and says it up to its length."""
    request = exchange()
    request.shadowed = ((policy, reason),)
    request.attributes["stale"] = True
    request.refused_by, request.reason = policy, reason

    (line,) = run_policy("access-log", request).lines["access.log"]

    assert re.fullmatch(r"[ -~]+\n", line)
    document = json.loads(line)
    assert (policy, reason[:2048]) == (document["refused_by"], document["reason"])
    assert [{"policy": policy, "reason": reason[:2048]}] == document["shadowed"]
    assert document["stale"] is True


def test_hosts_and_scopes_cannot_break_out():
    """Text that comes from outside is quoted, an address with a zone too."""
    request = exchange(host='a".test', client='fe80::1%"}')

    document = json.loads(run_policy("access-log", request, exclude=["time"]).lines["access.log"][0])

    assert ('a".test', 'fe80::1%"}') == (document["host"], document["client"])


@pytest.mark.parametrize("settings", [{"exclude": ["clients"]}, {"file": "x"}, {"redact_query": "token"}])
def test_settings_that_cannot_work_are_refused(settings):
    """Unknown fields and settings, with what is near."""
    with pytest.raises(SettingsError):
        run_policy("access-log", **settings)
