"""The servers behind an API: resolved, connected, remembered."""


from twgw.memory import MemoryGateway, RawUpstream
from twgw.model import Api, Target, Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def served(*urls, upstream=None, **more):
    targets = tuple(
        Target(url, weight) for url, weight in (each if isinstance(each, tuple) else (each, 1) for each in urls)
    )
    api = Api("pets", "1", "/", upstream=Upstream(targets=targets or (Target("http://pets.test"),), **more))
    return MemoryGateway(api, upstream=upstream or (lambda request: (200, {"Connection": "close"}, b"")))


def later(gateway, seconds):
    for _ in range(int(seconds * 4)):
        gateway.clock.advance(0.25)


def addresses(gateway):
    return [address for address, _ in gateway.network.attempts]


def test_all_addresses_of_a_name_are_used():
    """And the name is asked again after dns_ttl."""
    gateway = served()
    gateway.network.names["pets.test"] = ["192.0.2.1", "192.0.2.2"]
    for _ in range(4):
        gateway.get("/")
    assert {"192.0.2.1", "192.0.2.2"} == set(addresses(gateway))

    gateway.network.names["pets.test"] = ["192.0.2.3"]
    later(gateway, 31)
    gateway.get("/")
    gateway.network.attempts.clear()
    gateway.get("/")

    assert ["192.0.2.3"] == addresses(gateway)


def test_an_address_that_refuses_is_left_out_for_some_seconds():
    """The request goes to the next one at once; after the pause it is tried again."""
    gateway = served(fail_timeout=5, retries=0)
    gateway.network.names["pets.test"] = ["192.0.2.1", "192.0.2.2"]
    gateway.network.refusing.add("192.0.2.1")

    assert [200] * 6 == [gateway.get("/").status for _ in range(6)]
    assert 1 == addresses(gateway).count("192.0.2.1")

    gateway.network.refusing.clear()
    later(gateway, 6)
    for _ in range(4):
        gateway.get("/")

    assert 2 < addresses(gateway).count("192.0.2.1")


def test_the_only_target_is_tried_whatever_happened():
    """There is nothing to lose: the first request after it came back is served."""
    gateway = served("http://192.0.2.1", retries=0)
    gateway.network.refusing.add("192.0.2.1")
    assert 502 == gateway.get("/").status
    gateway.network.refusing.clear()

    assert 200 == gateway.get("/").status


def test_a_silent_address_costs_connect_timeout():
    """Then it is a 502."""
    gateway = served("http://192.0.2.1", connect_timeout=3, retries=0)
    gateway.network.silent.add("192.0.2.1")
    client = gateway.begin("GET", "/")
    later(gateway, 2.5)
    assert [] == client.answers("GET")
    later(gateway, 1.5)

    assert [502] == [answer.status for answer in client.answers("GET")]


def test_a_name_without_an_address_is_a_502():
    """The log says which."""
    gateway = served(retries=0)
    gateway.network.names["pets.test"] = []

    assert 502 == gateway.get("/").status
    assert "pets.test" in gateway.exchanges[0].reason


def test_idle_connections_end():
    """After keepalive_timeout, and above max_idle_connections at once."""
    gateway = served(upstream=RawUpstream(lambda wire: wire.transport.write(OK)), keepalive_timeout=9)
    gateway.get("/")
    later(gateway, 8)
    assert not gateway.upstream_wires[0].closed
    later(gateway, 3)
    assert gateway.upstream_wires[0].closed

    unpooled = served(upstream=RawUpstream(lambda wire: wire.transport.write(OK)), max_idle_connections=0)
    unpooled.get("/")
    later(unpooled, 1)
    assert unpooled.upstream_wires[0].closed


def test_connections_to_what_is_no_longer_named_end():
    """With the deployment that takes it away; those that stay are kept warm."""
    gateway = served("http://192.0.2.1", upstream=RawUpstream(lambda wire: wire.transport.write(OK)))
    gateway.get("/")
    gateway.deploy(Api("pets", "1", "/", upstream=Upstream((Target("http://192.0.2.2"),))))
    gateway.fleet.retain({("http://192.0.2.2", Upstream((Target("http://192.0.2.2"),)))})
    later(gateway, 1)

    assert gateway.upstream_wires[0].closed
    assert 200 == gateway.get("/").status
