"""Count requests, refusals, bytes and times for Prometheus, for each API.

``twgw_requests_total`` by API and status, ``twgw_request_seconds`` from the last byte of the head to the last byte of
the response, ``twgw_upstream_seconds`` to the upstream's response head, ``twgw_request_body_bytes_total`` and
``twgw_response_body_bytes_total``; ``twgw_refusals_total`` and ``twgw_shadow_refusals_total`` by API and policy.
Requests that belong to no API have an empty ``api``.
"""

from attrs import define, field, frozen

from twgw import hookimpl
from twgw.policy import Exchange, Gateway
from twgw.policy.interfaces import Counter, Histogram, Metrics

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds, in seconds, of the times that are counted together."""


@define(eq=False)
class Meters:
    """What is counted."""

    requests: Counter
    seconds: Histogram
    upstream: Histogram
    received: Counter
    sent: Counter
    refusals: Counter
    shadowed: Counter
    statuses: dict[tuple[str, int], tuple[str, str]] = field(factory=dict)
    """Labels by API and status: a status is turned into text once."""


def meters_of(metrics: Metrics) -> Meters:
    """Declare everything."""
    return Meters(
        metrics.counter("twgw_requests_total", "Requests answered.", ("api", "status")),
        metrics.histogram("twgw_request_seconds", "From the request's head to the response's end.", ("api",), BOUNDS),
        metrics.histogram("twgw_upstream_seconds", "Until the head of the upstream's response.", ("api",), BOUNDS),
        metrics.counter("twgw_request_body_bytes_total", "Bytes of request bodies.", ("api",)),
        metrics.counter("twgw_response_body_bytes_total", "Bytes of response bodies.", ("api",)),
        metrics.counter("twgw_refusals_total", "Requests that a policy, or the gateway, answered.", ("api", "policy")),
        metrics.counter("twgw_shadow_refusals_total", "What shadow policies would have refused.", ("api", "policy")),
    )


@frozen
class Settings:
    """It has no settings; what it counts with is kept here."""

    meters: list[Meters] = field(init=False, repr=False, eq=False, factory=list)


@hookimpl
def twgw_log(exchange: Exchange, settings: Settings, gateway: Gateway) -> None:
    """Count the request."""
    if not settings.meters:
        settings.meters.append(meters_of(gateway.metrics))
    meters = settings.meters[0]
    api_id = exchange.plan.api_id
    answer = (api_id, exchange.status)
    labels = meters.statuses.get(answer)
    if labels is None:
        labels = meters.statuses[answer] = (api_id, str(exchange.status))
    meters.requests.add(labels)
    api = (api_id,)
    meters.seconds.observe(api, exchange.finished_at - exchange.started_at)
    if exchange.tries:
        meters.upstream.observe(api, exchange.upstream_seconds)
    if exchange.received:
        meters.received.add(api, exchange.received)
    if exchange.sent:
        meters.sent.add(api, exchange.sent)
    if exchange.refused_by:
        meters.refusals.add((api_id, exchange.refused_by))
    for policy, _ in exchange.shadowed:
        meters.shadowed.add((api_id, policy))
