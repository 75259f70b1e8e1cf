"""An API may choose to be served by a gateway that is cut off; the others are refused, as test_guard.py has it."""

from twgw.model import Isolated
from twgw.storage.credentials import revoke_credential
from twgw.storage.subscriptions import subscribe


def test_an_api_that_chose_so_is_served_stale(leased, registry):
    """From what is known, and no more; the answer, the log and a metric say so, and it ends with the isolation."""
    registry.api("news", when_isolated=Isolated.STALE)
    registry.write(subscribe, "shop", "news:1.0", tier="Gold")
    leased.gateway.follower.poll()
    ask = lambda path: leased.gateway.get(path, headers={"X-API-Key": "secret"})
    assert [200, 200] == [ask(path).status for path in ("/pets/7", "/news/1")]
    assert "proxy-status" not in ask("/news/1").headers
    leased.trusted = False
    answers = [ask(path) for path in ("/pets/7", "/news/1")]

    assert [503, 200] == [each.status for each in answers]
    assert 'twgw; details="stale: cut off from the cluster"' == answers[1].headers["Proxy-Status"]
    assert "proxy-status" not in answers[0].headers
    assert leased.gateway.exchanges[-1].attributes["stale"]
    (family,) = [each for each in leased.gateway.metrics.collect() if each.name == "twgw_stale_served"]
    assert [({"api": "news:1.0"}, 1)] == [(each.labels, each.value) for each in family.samples]

    leased.trusted = True
    assert "proxy-status" not in ask("/news/1").headers


def test_what_stays_refused_is_refused_stale_too(leased, registry):
    """A key that is not known, one that was revoked before, a limit that is used up."""
    registry.api("news", when_isolated=Isolated.STALE)
    registry.write(subscribe, "shop", "news:1.0", tier="Gold")
    registry.key("gone")
    leased.gateway.follower.reached(registry.write(revoke_credential, "api-key", "gone"))
    leased.trusted = False
    ask = lambda key: leased.gateway.get("/news/1", headers={"X-API-Key": key}).status

    assert [401, 401, 200] == [ask(key) for key in ("gone", "nobody", "secret")]
