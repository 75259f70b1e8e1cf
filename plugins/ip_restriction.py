"""Allow or refuse clients by network address.

    - {name: ip-restriction, settings: {allow: [10.0.0.0/8, "2001:db8::/32"], deny: [10.9.0.0/16]}}

The address is that of the client behind trusted proxies; what anybody else writes into ``X-Forwarded-For`` is not read.
What ``deny`` names is refused, even when ``allow`` names it too.
"""

from ipaddress import ip_address

from attrs import field, frozen

from twgw import hookimpl
from twgw.faults import Fault, SettingsError
from twgw.policy import Exchange, Problem, setting
from twgw.settings import Network

REMEMBERED = 4096
"""Addresses whose answer is kept."""


@frozen
class Settings:
    """Which networks may call."""

    allow: tuple[Network, ...] = setting("Networks that may call, and no others; empty for all.", default=())
    deny: tuple[Network, ...] = setting("Networks that may not call.", default=())
    answers: dict[str, bool] = field(init=False, repr=False, eq=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        if not (self.allow or self.deny):
            raise SettingsError([Fault("", "give networks in allow or in deny")])


@hookimpl
def twgw_receive(exchange: Exchange, settings: Settings) -> Problem | None:
    """Refuse who may not call."""
    client = exchange.request.client
    allowed = settings.answers.get(client)
    if allowed is None:
        if len(settings.answers) >= REMEMBERED:
            settings.answers.clear()
        allowed = settings.answers[client] = admits(settings, client)
    return None if allowed else Problem(403, "Address not allowed", code=900805)


def admits(settings: Settings, client: str) -> bool:
    """Whether an address may call; what is no address may not."""
    try:
        address = ip_address(client)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    if any(address in network for network in settings.deny):
        return False
    return not settings.allow or any(address in network for network in settings.allow)
