"""Give every tenant one quota, which all of its applications share.

    - name: tenant-quota
      settings:
        default: {amount: 10000, period: 86400}
        tenants:
          acme: {amount: 500000, period: 86400}

The tenant is what stands before the first separator in the name of an application: ``acme.shop`` and ``acme.batch``
are both of acme.  It comes from the credential, never from a field that a client could choose.
"""

from collections.abc import Mapping

from attrs import frozen, validators

from twgw import hookimpl
from twgw.policy import Charge, Exchange, Limit, Problem, setting


@frozen
class Settings:
    """Who may call how often."""

    default: Limit = setting("Quota of a tenant that is not named below.", default=Limit(10000, period=86400))
    tenants: Mapping[str, Limit] = setting("Quotas of tenants, by name.", factory=dict)
    separator: str = setting(
        "What ends the tenant in the name of an application.", default=".", validator=validators.min_len(1)
    )


@hookimpl
def twgw_throttle(exchange: Exchange, settings: Settings) -> Charge | Problem:
    """Charge the tenant; refuse who belongs to none."""
    credential = exchange.credential
    if credential is None or not credential.application:
        return Problem(403, "Tenant unknown", detail="the quota is that of a tenant: call with a key")
    tenant = credential.application.partition(settings.separator)[0]
    return Charge(f"tenant-quota {tenant}", settings.tenants.get(tenant, settings.default), "tenant")
