"""What ``/metrics`` shows of a node beside what policies count: read at each scrape.  Called by ``tap.py``."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from twgw.admin.status import Status
from twgw.directory.store import UserStore
from twgw.files import LineFiles
from twgw.gateway.deployment import Deployment
from twgw.gateway.service import GatewayService
from twgw.metrics import LEAST, MOST, OWN, SINCE, Registry
from twgw.throttle.local import LocalLimiter
from twgw.throttle.shared import SharedLimiter


def refused(deployment: Deployment | None) -> list[str]:
    """The APIs whose calls are all answered with 503, as they cannot be had here."""
    return [name for name, each in deployment.compiled.items() if not each.whole] if deployment is not None else []


def collected(
    metrics: Registry,
    status: Callable[[], Status],
    *,
    traffic: GatewayService,
    limiter: LocalLimiter | SharedLimiter,
    files: LineFiles,
    user_stores: Mapping[str, UserStore],
) -> CollectorRegistry:
    """What a scrape reads."""
    gauge = metrics.gauge
    gauge("twgw_client_connections", "Client connections that are open.", (), lambda: len(traffic.edges))
    gauge("twgw_refused_connections", "Client connections refused since the start: too many were open.", (),
          lambda: traffic.refused_connections, SINCE)  # fmt: skip
    gauge("twgw_upstream_connections", "Connections to upstreams that are open.", ("target",),
          lambda: {(each.place.url,): len(each.connections) for each in traffic.fleet.servers})  # fmt: skip
    gauge("twgw_limit_counters", "Counters of limits in memory.", (), lambda: len(limiter))
    gauge("twgw_limit_counters_refused", "Charges refused since the start: too many counters.", (),
          lambda: limiter.refused_full, SINCE)  # fmt: skip
    gauge("twgw_log_lines_dropped", "Lines that a file did not take since the start.", ("path",),
          files.dropped, SINCE)  # fmt: skip
    gauge("twgw_state_position", "Position of the state in force.", (), lambda: status().position, LEAST)
    gauge("twgw_state_faulty", "1 while the state file is not valid and an older state serves.", (),
          lambda: bool(traffic.source.fault), MOST)  # fmt: skip
    gauge("twgw_apis_refused", "APIs that cannot be had on this node: their calls are answered with 503.", (),
          lambda: len(refused(traffic.source.deployment)), MOST)  # fmt: skip
    gauge("twgw_certificate_expires_at", "UNIX time at which the certificate of a listener ends.", ("listener",),
          lambda: {(f"ssl:{each.where.port}",): each.expires_at for each in traffic.certificates}, LEAST)  # fmt: skip
    gauge("twgw_certificate_faulty", "Listeners whose certificate could not be read again: an older one serves.",
          (), lambda: sum(bool(each.fault) for each in traffic.certificates), MOST)  # fmt: skip
    gauge("twgw_ldap_available", "0 while a user store is left alone, as it did not answer.", ("store",),
          lambda: {(name,): store.available for name, store in user_stores.items()}, LEAST)  # fmt: skip
    gauge("twgw_ready", "1 while the node is ready.", (), lambda: status().ready, OWN)
    registry = CollectorRegistry()
    registry.register(metrics)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry
