"""Who and what is blocked, by itself and on the way of a request."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.gateway.blocks import REMEMBERED, Blocks
from twgw.memory import MemoryGateway
from twgw.model import Credential, Policy
from twgw.registry import Block, User
from twgw.storage.blocks import add_block, remove_block
from twgw.storage.users import create_user
from twgw.testing import exchange

NETWORKS = st.one_of(
    st.ip_addresses(v=4).flatmap(lambda a: st.integers(0, 32).map(lambda n: f"{a}/{n}")),
    st.ip_addresses(v=6).flatmap(lambda a: st.integers(0, 128).map(lambda n: f"{a}/{n}")),
    st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32", "::/0", "0.0.0.0/0"]),
)
ADDRESSES = st.one_of(st.ip_addresses().map(str), st.sampled_from(["10.1.2.3", "10.9.9.9", "2001:db8::1"]))


def blocks(*pairs, now=0.0, **more):
    return Blocks.of([Block(kind, value, **more) for kind, value in pairs], lambda: now)


def refused(made, api="pets:1.0", **caller):
    """Why a call is refused; None when it is not."""
    call = exchange(**caller)
    for check in (made.at_the_door(api), made.of_callers()):
        if check is not None and (problem := check(call)) is not None:
            assert ("block", 403, 900805) == (call.refused_by, problem.status, problem.code)
            return call.reason
    return None


def test_what_is_blocked_is_refused_and_nothing_else():
    """By its kind and its name."""
    made = blocks(("api", "pets:1.0"), ("application", "shop"), ("user", "ann"), ("ip", "192.0.2.7"))
    ann = Credential(application="batch", user="ann")

    assert "the API is blocked" == refused(made)
    assert "the address is blocked" == refused(made, "cats:1.0", client="192.0.2.7")
    assert "the application is blocked" == refused(made, "cats:1.0", credential="shop")
    assert "the user is blocked" == refused(made, "cats:1.0", credential=ann)
    assert [None] * 4 == [
        refused(made, "cats:1.0"), refused(made, "cats:1.0", client="192.0.2.8"),
        refused(made, "cats:1.0", credential="ann"), refused(made, "cats:1.0", client="unix"),
    ]  # fmt: skip


def test_a_block_ends_when_its_time_is_over():
    """To the second; another of the same address may last."""
    pairs = [("api", "pets:1.0"), ("application", "shop"), ("user", "ann"), ("ip", "192.0.2.0/24")]
    caller = {"credential": Credential(application="shop", user="ann"), "client": "192.0.2.7"}

    assert refused(blocks(*pairs, expires_at=10.0, now=9.9), **caller)
    assert refused(blocks(*pairs, expires_at=10.0, now=10.0), **caller) is None

    both = [Block("ip", "192.0.2.0/24", expires_at=10.0), Block("ip", "192.0.2.7")]

    assert refused(Blocks.of(both, lambda: 99.0), client="192.0.2.7")
    assert refused(Blocks.of(both, lambda: 99.0), client="192.0.2.8") is None


def test_while_nothing_is_blocked_nothing_is_checked():
    """And only what may be blocked is."""
    none, caller, address = blocks(), blocks(("user", "ann")), blocks(("ip", "::1"))

    assert [False, None, None] == [bool(none), none.at_the_door("pets:1.0"), none.of_callers()]
    assert [True, None] == [bool(caller), caller.at_the_door("pets:1.0")]
    assert [True, None] == [bool(address), address.of_callers()]
    assert blocks(("api", "pets:1.0")).at_the_door("cats:1.0") is None


def plain(network):
    """A network, that of an IPv4 address as such in either form."""
    found = ip_network(network, strict=False)
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    return ip_network((int(mapped), found.prefixlen - 96)) if mapped and found.prefixlen >= 96 else found


@given(st.lists(NETWORKS, max_size=6), ADDRESSES)
def test_an_address_is_blocked_when_it_is_in_a_blocked_network(networks, client):
    """As a search of all networks says, the first time and the next."""
    made = blocks(*[("ip", network) for network in networks])
    address = ip_address(client)
    address = getattr(address, "ipv4_mapped", None) or address
    expected = any(address in plain(network) for network in networks)

    assert [expected] * 2 == [refused(made, client=client) is not None for _ in range(2)]


def test_an_ipv4_address_is_the_same_in_both_forms():
    """Written as IPv6, in the block or by the client."""
    assert refused(blocks(("ip", "192.0.2.0/24")), client="::ffff:192.0.2.7")
    assert refused(blocks(("ip", "::ffff:192.0.2.7")), client="192.0.2.7")
    assert refused(blocks(("ip", "::ffff:192.0.2.0/120")), client="192.0.2.7")


def test_not_every_address_is_remembered():
    """Whoever comes from very many takes no more memory."""
    made = blocks(("ip", "10.0.0.0/8"))
    for number in range(REMEMBERED + 10):
        refused(made, client=str(ip_address(number)))

    assert len(made._known) <= REMEMBERED


def test_what_cannot_be_blocked_is_a_fault():
    """It says so, and the others hold."""
    made = blocks(("ip", "nowhere"), ("weather", "rain"), ("user", "ann"))

    assert [
        "ip nowhere cannot be blocked: it is not known what that is",
        "weather rain cannot be blocked: it is not known what that is",
    ] == made.faults
    assert {"ann"} == set(made.users)


# --- on the way of a request ---


def blocked(registry, gateway, kind, value, **fields):
    position = registry.write(add_block, Block(kind, value, **fields))
    assert gateway.follower.reached(position).called


@pytest.mark.parametrize(
    ("kind", "value"), [("api", "pets:1.0"), ("application", "shop"), ("user", "ann"), ("ip", "127.0.0.0/8")]
)
def test_a_block_holds_from_when_its_position_is_reached_until_it_is_taken_away(registry, gateway, call, kind, value):
    """Without compiling anything; a known key does not help."""
    registry.write(create_user, User("ann"))
    registry.key("of-ann", user="ann")
    before = gateway.deployment
    assert 200 == call("of-ann")
    blocked(registry, gateway, kind, value)

    assert 403 == call("of-ann")
    assert "block" == gateway.exchanges[-1].refused_by
    assert before is gateway.deployment

    gateway.follower.reached(registry.write(remove_block, kind, value))

    assert 200 == call("of-ann")


def test_a_blocked_address_is_told_nothing_of_keys(registry, gateway, call):
    """Whether one is known does not show; nobody is looked for, and no body is read."""
    blocked(registry, gateway, "ip", "127.0.0.1")

    assert [403, 403, 403] == [call(), call("nobody"), gateway.get("/pets/1").status]
    assert 0 == len(gateway.facts.cache)


def test_a_blocked_caller_is_refused_before_a_subscription_is_looked_for(registry, gateway, call):
    """And spends no request of a limit."""
    registry.api("cats")
    gateway.follower.poll()
    blocked(registry, gateway, "application", "shop")

    assert 403 == call(path="/cats/1")
    assert b"900805" in gateway.get("/cats/1", headers={"X-API-Key": "secret"}).body
    assert {} == gateway.gateway.limiter._counters._tables


def test_blocks_hold_for_what_is_deployed_later_and_from_the_start(registry, gateway, call):
    """Also in a gateway that begins while they are there."""
    blocked(registry, gateway, "application", "shop")
    registry.api("cats")
    gateway.follower.poll()

    assert [403, 403] == [call(), call(path="/cats/1")]
    later = MemoryGateway(registry.database)
    assert 403 == later.get("/pets/1", headers={"X-API-Key": "secret"}).status


def test_an_open_api_knows_blocked_addresses_too(registry, gateway):
    """It need not authenticate anybody."""
    registry.write(add_block, Block("ip", "127.0.0.1"))
    registry.api("open", policies=(Policy("correlation-id"),))
    gateway.follower.poll()
    answer = gateway.get("/open/1")

    assert (403, 200) == (answer.status, gateway.get("/open/1", client="192.0.2.1").status)
    assert answer.headers["X-Request-Id"]


def test_a_block_that_says_nothing_is_told_once(registry, gateway):
    """In the log; it blocks nobody."""
    for _ in range(2):
        blocked(registry, gateway, "ip", "nowhere")

    assert 1 == sum("ip nowhere cannot be blocked" in line for _, line in gateway.log.lines)
