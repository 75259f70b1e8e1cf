"""What may be connected to, on real sockets: the address is judged when a connection is made, whatever the name was."""

import json
import socket

from tests.wire.processes import api, free_port


def access_log(node):
    """The lines of the access log so far."""
    return [json.loads(line) for line in (node.folder / "data" / "access.log").read_text().splitlines()]


def by_name(port, name="pets"):
    """An API whose upstream is found by a name, so that nothing is known of its address before."""
    declared = api(port, name)
    declared["upstream"] = {"targets": [{"url": f"http://localhost:{port}"}]}
    return declared


def test_a_name_cannot_lead_outside_of_what_is_allowed(node, upstream):
    """502 for the client, the reason in the log, and not one connection at the address that the name means."""
    gateway = node(
        {"apis": [by_name(upstream.port)]}, gateway={"allowed_upstreams": ["10.0.0.0/8", "2001:db8::/32"]}
    )
    status, fields, body = gateway.get("/pets/")

    assert (502, "application/problem+json") == (status, fields["content-type"])
    assert b"allowed_upstreams" not in body  # the inside is not for clients
    assert 200 == gateway.ask("/readyz")[0]
    gateway.terminate()
    assert [] == upstream.received
    assert "is outside of [gateway] allowed_upstreams" in access_log(gateway)[0]["reason"]


def test_a_name_may_lead_where_it_is_allowed(node, upstream):
    """The same name, and a list with what it means."""
    gateway = node({"apis": [by_name(upstream.port)]}, gateway={"allowed_upstreams": ["127.0.0.0/8"]})

    assert (200, b"upstream") == gateway.get("/pets/")[::2]


def test_the_gateway_cannot_be_made_to_call_its_admin_listener(tmp_path, start, node):
    """Not by a name, and not by an address, for which it is not even deployed."""
    traffic, admin = free_port(), free_port()
    sections = {"admin": {"listen": f"tcp:{admin}:interface=127.0.0.1"}}
    gateway = node({"apis": [by_name(admin)]}, listen=[f"tcp:{traffic}:interface=127.0.0.1"], **sections)

    assert 502 == gateway.get("/pets/metrics", traffic)[0]
    gateway.write({"apis": [api(admin)]})
    line = gateway.process.wait_for("was not deployed") and gateway.process.wait_for("is a listener")
    assert "apis[0].upstream.targets[0].url" in line


def test_its_own_traffic_listener_is_found_on_every_address(node):
    """A listener on all addresses is also found at those that are not loopback ones."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:  # a machine without a network has but these
            address = "127.0.0.9"
    port = free_port()
    declared = api(port)
    declared["upstream"] = {"targets": [{"url": f"http://{address}:{port}"}]}
    gateway = node({"apis": [declared]}, listen=[f"tcp:{port}"])

    assert 502 == gateway.get("/pets/", port)[0]
    gateway.terminate()
    assert "is a listener of this gateway" in access_log(gateway)[0]["reason"]
