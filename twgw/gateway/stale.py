"""APIs with ``when_isolated: stale``: served by a gateway that is cut off from its cluster, and what is said of that.

Pure.  ``guard.py`` lets their requests meet ``serve`` where those of others are refused, ``deployment.py`` their
answers ``say``; APIs that did not choose so have neither.
"""

from collections.abc import Callable

from twgw.policy.exchange import Exchange
from twgw.policy.interfaces import Counter, Gateway

NOTE = "stale"
"""Of an exchange that is served so; the access log has it."""
FIELD = ("Proxy-Status", 'twgw; details="stale: cut off from the cluster"')
"""What the client reads (RFC 9209)."""


def served_stale(gateway: Gateway) -> Counter:
    """Counts what is served so."""
    meaning = "Requests that were served while the gateway was cut off from its cluster, as their API chose it, by API."
    return gateway.metrics.counter("twgw_stale_served", meaning, ("api",))


def serve(exchange: Exchange, trusted: Callable[[], bool], served: Counter) -> None:
    """Note whether it is so now; the request goes on in any case."""
    if not trusted():
        exchange.attributes[NOTE] = True
        served.add((exchange.plan.api_id,))


def say(exchange: Exchange, _settings: object, _gateway: object) -> None:
    """Tell the client."""
    if NOTE in exchange.attributes and exchange.response is not None:
        exchange.response.headers.add(*FIELD)
