"""Whether a node is ready, and why not."""

from twgw.admin.status import Status, assess, together


def test_a_node_is_ready_when_a_state_is_in_force():
    """No reasons, no warnings."""
    status = assess("a", position=3, apis=2, draining=False, fault="")

    assert {"ready": True, "node": "a", "position": 3, "apis": 2, "reasons": [], "warnings": []} == status.document()


def test_a_node_that_has_nothing_or_stops_is_not_ready():
    """Each reason by its name."""
    status = assess("a", position=0, apis=None, draining=True, fault="")

    assert (False, ["config", "draining"]) == (status.ready, [reason.partition(":")[0] for reason in status.reasons])


def test_a_bad_file_is_a_warning():
    """The last good state serves; every line of what is wrong is there."""
    status = assess("a", position=1, apis=1, draining=False, fault="apis.yaml:3: x\napis.yaml:4: y")

    assert status.ready
    assert 2 == len(status.warnings)
    assert "apis.yaml:3: x" in status.warnings[0]


def test_an_api_that_could_never_be_had_is_a_warning_of_its_own():
    """No good state of it serves; the others are as they were."""
    fault = "pets:1.0: no policy 'geo'\npets:1.0.1: no policy 'x'\na: pets:1.0: y"
    status = assess("a", position=1, apis=3, draining=False, fault=fault, refused=["pets:1.0"])

    assert status.ready
    assert (
        "state: pets:1.0: no policy 'geo'; its calls are answered with 503",
        "state: pets:1.0.1: no policy 'x'; the last good state serves",
        "state: a: pets:1.0: y; the last good state serves",
    ) == status.warnings


def test_a_certificate_that_could_not_be_read_again_is_a_warning():
    """The last good one serves."""
    status = assess("a", position=1, apis=1, draining=False, fault="", certificates=["key.pem: x"])

    assert (True, ("certificate: key.pem: x; the last good one serves",)) == (status.ready, status.warnings)


def test_a_database_that_is_away_is_a_warning():
    """What is known is served; an empty one is no reason not to be ready."""
    status = assess("a", position=0, apis=0, draining=False, fault="", outage="no route to host")

    assert status.ready
    assert ("database: no route to host; what is known is served, the rest is refused",) == status.warnings


def test_a_node_that_is_cut_off_from_its_cluster_is_not_ready():
    """It refuses every request."""
    status = assess("a", position=0, apis=1, draining=False, fault="", isolated="why", outage="away")

    assert not status.ready
    assert status.reasons[0].startswith("cluster: why; requests are refused meanwhile")
    assert ("database: away",) == status.warnings, "what is known is not served then"


def test_a_node_with_workers_is_ready_while_one_of_them_is():
    """And says how many, and why the others are not."""
    own, ready = Status("a", 3, 2, warnings=("x",)), Status("a", 3, 2, warnings=("x", "y"))
    ill = Status("a", 3, 0, reasons=("config: none",))

    assert together(own, [ready, ready], 2) == Status("a", 3, 2, (), ("x", "y"), (2, 2))
    assert together(own, [ready, ill], 2) == Status(
        "a", 3, 2, (), ("x", "y", "workers: 1 of 2 are ready; config: none"), (1, 2)
    )
    assert together(own, [ready], 2).ready
    assert together(own, [ill, ill], 2) == Status(
        "a", 3, 2, ("workers: none of 2 is ready; config: none",), ("x",), (0, 2)
    )
    assert not together(own, [], 2).ready
    assert {"ready": 1, "of": 2} == together(own, [ready], 2).document()["workers"]


def test_what_is_wrong_with_the_parent_is_wrong_with_the_node():
    """Whatever workers say."""
    own, ready = Status("a", 3, 2, reasons=("draining: x",)), Status("a", 3, 2)

    assert ("draining: x",) == together(own, [ready, ready], 2).reasons
