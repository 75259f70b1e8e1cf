"""request-metrics: how many, how fast, how large, and what was refused."""

from twgw.memory import UPSTREAM, MemoryGateway
from twgw.model import Api, Policy, State


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

    assert [1.0, 2.0] == sorted(counted.values())
    assert {"pets:1"} <= {label for labels in counted for label in labels}


def test_refusals_are_counted_by_policy():
    """And what shadows would have refused, apart."""
    gateway = served(Policy("key-auth"), Policy("ip-restriction", {"deny": ["127.0.0.0/8"]}, shadow=True))
    gateway.get("/pets/1")
    gateway.get("/pets/1", headers={"X-API-Key": "secret-key"})

    assert {("pets:1", "authentication"): 1.0} == samples(gateway, "twgw_refusals_total")
    shadows = {name: samples(gateway, name) for name in ("twgw_shadow_refusals_total",)}
    assert {("pets:1", "ip-restriction"): 2.0} == shadows["twgw_shadow_refusals_total"]


def test_time_and_size():
    """Histograms of seconds, bytes in both directions."""
    gateway = served()
    gateway.post("/pets/1", b"12345")
    count = samples(gateway, "twgw_request_seconds_count")

    assert [1.0] == list(count.values())
    assert [5.0] == list(samples(gateway, "twgw_request_body_bytes_total").values())


def test_labels_are_bounded():
    """A client cannot make new series, whatever it asks for."""
    gateway = served()
    for number in range(50):
        gateway.get(f"/pets/{number}", headers={"Host": f"h{number}.test"})
        gateway.get(f"/nowhere/{number}")

    assert 2 == len(samples(gateway, "twgw_requests_total"))
