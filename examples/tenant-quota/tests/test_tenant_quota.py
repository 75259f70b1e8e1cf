"""The quota of a tenant, tested with the public test kit alone."""

import pytest

from twgw.testing import MemoryGateway, exchange, gateway, run_policy

DAY = 86400


def call(lent, application, **settings):
    """The status of one call."""
    return run_policy("tenant-quota", exchange(credential=application), gateway=lent, **settings).status


def test_the_applications_of_a_tenant_share_its_quota():
    """What one spends is missing for the other, and another tenant does not feel it."""
    lent, settings = gateway(), {"default": {"amount": 2, "period": DAY}}

    statuses = [call(lent, name, **settings) for name in ("acme.shop", "acme.batch", "acme.shop", "globex.shop")]

    assert [200, 200, 429, 200] == statuses


def test_a_tenant_may_have_a_quota_of_its_own():
    """Its own counts in place of the default."""
    lent = gateway()
    settings = {"default": {"amount": 1, "period": DAY}, "tenants": {"acme": {"amount": 2, "period": DAY}}}

    assert [200, 200, 429] == [call(lent, "acme.shop", **settings) for _ in range(3)]
    assert [200, 429] == [call(lent, "globex.shop", **settings) for _ in range(2)]


def test_a_new_period_brings_a_new_quota():
    """A day later everything is there again."""
    lent, settings = gateway(), {"default": {"amount": 1, "period": DAY}}

    assert [200, 429] == [call(lent, "acme.shop", **settings) for _ in range(2)]

    lent.clock.advance(DAY)

    assert 200 == call(lent, "acme.shop", **settings)


def test_who_belongs_to_no_tenant_is_refused():
    """Without a credential there is nobody to charge."""
    assert 403 == run_policy("tenant-quota").status


def test_a_quota_of_nothing_is_refused_when_deployed():
    """The settings say what is wrong with them, and where."""
    with pytest.raises(Exception, match=r"tenants\.acme\.amount: must be > 0"):
        run_policy("tenant-quota", tenants={"acme": {"amount": 0}})


def test_a_whole_gateway_finds_it_by_its_entry_point():
    """Named in a file of APIs, behind a key, with the fields that tell a client what is left."""
    whole = MemoryGateway(
        """
        apis:
          - name: pets
            version: "1.0"
            base_path: /pets
            upstream: {targets: [{url: "http://pets.example"}]}
            policies:
              - {name: key-auth}
              - {name: tenant-quota, settings: {default: {amount: 1, period: 86400}}}
        """,
        keys={"one": "acme.shop", "two": "acme.batch"},
    )

    first = whole.get("/pets/7", headers={"X-API-Key": "one"})
    second = whole.get("/pets/7", headers={"X-API-Key": "two"})

    assert (200, 429) == (first.status, second.status)
    assert '"tenant";q=1;w=86400' == first.headers["RateLimit-Policy"]
