"""request-metrics: how many, how fast, how large, and what was refused."""

import pytest

from twgw.faults import SettingsError
from twgw.memory import UPSTREAM, MemoryGateway
from twgw.model import Api, Policy, State
from twgw.policy import Response
from twgw.testing import gateway, run_policy


def served(*policies):
    apis = (Api("pets", "1", "/pets", upstream=UPSTREAM, policies=policies),)
    return MemoryGateway(State(policies=(Policy("request-metrics"),), apis=apis), keys={"secret-key": "shop"})


def samples(gateway, name):
    """Label values and value of every sample of that name."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in gateway.metrics.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_requests_are_counted_by_api_and_status():
    """Those that belong to no API, too."""
    gateway = served()
    gateway.get("/pets/1")
    gateway.get("/pets/2")
    gateway.get("/nowhere")
    counted = samples(gateway, "twgw_requests_total")

    assert {("pets:1", "200"): 2.0, ("", "404"): 1.0} == counted


def test_refusals_are_counted_by_policy():
    """And what shadows would have refused, apart."""
    gateway = served(Policy("key-auth"), Policy("ip-restriction", {"deny": ["127.0.0.0/8"]}, shadow=True))
    gateway.get("/pets/1")
    gateway.get("/pets/1", headers={"X-API-Key": "secret-key"})

    assert {("pets:1", "authentication"): 1.0} == samples(gateway, "twgw_refusals_total")
    assert {("pets:1", "ip-restriction"): 2.0} == samples(gateway, "twgw_shadow_refusals_total")


def test_time_and_size():
    """Histograms of seconds, bytes in both directions."""
    gateway = served()
    gateway.post("/pets/1", b"12345")
    gateway.get("/nowhere")

    assert {("pets:1",): 1.0, ("",): 1.0} == samples(gateway, "twgw_request_seconds_count")
    assert {("pets:1",): 1.0} == samples(gateway, "twgw_upstream_seconds_count")
    assert {("pets:1",): 5.0} == samples(gateway, "twgw_request_body_bytes_total")
    assert 3.0 == samples(gateway, "twgw_response_body_bytes_total")["pets:1",]


def test_labels_are_bounded():
    """A client cannot make new series, whatever it asks for."""
    gateway = served()
    for number in range(50):
        gateway.get(f"/pets/{number}", headers={"Host": f"h{number}.test"})
        gateway.get(f"/nowhere/{number}")

    assert 2 == len(samples(gateway, "twgw_requests_total"))


def test_seconds_fall_into_their_buckets():
    """Half a second is counted at 0.5 and above, and in the sum."""
    lent = gateway()

    def slow(_request):
        lent.clock.advance(0.5)
        return Response()

    run_policy("request-metrics", gateway=lent, upstream=slow)
    (family,) = (family for family in lent.metrics.collect() if family.name == "twgw_request_seconds")
    found = {sample.labels.get("le", sample.name): sample.value for sample in family.samples}

    assert (0, 1, 1) == (found["0.25"], found["0.5"], found["+Inf"])
    assert 0.5 == found["twgw_request_seconds_sum"]


def test_what_was_counted_stays_after_a_reload():
    """A new deployment counts on."""
    gateway = served()
    gateway.get("/pets/1")
    gateway.deploy(State(policies=(Policy("request-metrics"),), apis=()))
    gateway.get("/pets/1")

    assert {("pets:1", "200"): 1.0, ("", "404"): 1.0} == samples(gateway, "twgw_requests_total")


def test_there_is_nothing_to_set():
    """A setting is an error, not ignored."""
    with pytest.raises(SettingsError):
        run_policy("request-metrics", buckets=[1])
