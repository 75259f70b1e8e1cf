"""What ``twgw doctor`` looks at beyond one node: certificates, memcached, and how the other nodes stand.

Nodes with the database renew a session in it each second, and say there of themselves what they are.  The moment at
which one changes is when it was said: so clocks of machines are compared without asking them.  Nothing is changed.
"""

import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import frozen

from twgw import __version__
from twgw.cli_config import nearby
from twgw.cli_finding import FAIL, OK, WARN, Finding, skewed
from twgw.cluster.settings import Address
from twgw.config import Config

RENEWED_WITHIN = 3.0
"""Seconds within which a node that lives has renewed its session, twice over."""
POLL = 0.05
"""Seconds between two looks at the sessions: how well clocks are compared."""
PATIENCE = 3.0
"""Seconds for another node to take a connection."""
DAY = 86400
LATE = 0.3
"""The share of its life that is left of a certificate which should have been renewed for some weeks."""
NEAR = 730
"""Days before the end of the authority at which it is time: new certificates last less and less."""


@frozen
class Other:
    """A node with the database, as its session says."""

    name: str
    about: Any
    gateways: Mapping[str, Any]
    """Processes that count limits with a lease of it, and where."""
    skew: float | None = None
    """Seconds by which its clock is ahead of ours; None: it did not renew its session while we looked."""
    address: str = ""
    """Where other nodes reach it, as it says; empty: nowhere."""


def certificate(config: Config, now: float) -> Iterator[Finding]:
    """By which other nodes know this one."""
    from twgw.cluster import authority
    from twgw.cluster.authority import CertificateError
    from twgw.cluster.tls import load

    where = config.cluster
    if where.listen is None and not where.keymanagers:
        return
    try:
        tls = load(*where.files)
    except CertificateError as error:
        yield Finding(FAIL, "cluster TLS", nearby(str(error)), "twgw cluster init, or on a further node: join")
        return
    begins, ends = tls.identity.lasts
    left, folder = (ends - now) / DAY, nearby(str(where.files[1].parent))
    who = f"{tls.identity.node} of {tls.identity.cluster}, {', '.join(sorted(tls.identity.roles))}"
    if left <= 0:
        join = f"take {folder} away and join anew: twgw cluster token on a key manager, twgw cluster join here"
        way = "start the node, which renews it" if where.listen else join
        yield Finding(FAIL, "cluster TLS", f"the certificate of {who} has ended", way)
    elif ends - now < LATE * (ends - begins):
        way = "a node that runs renews it by itself; its log says why it did not"
        yield Finding(WARN, "cluster TLS", f"the certificate of {who} ends in {left:.0f} days", way)
    else:
        yield Finding(OK, "cluster TLS", f"{who}: {left:.0f} days")
    yield from _authority((authority.ends_at(tls.ca) - now) / DAY)


def _authority(left: float) -> Iterator[Finding]:
    """By which the nodes know each other."""
    way = "make another one in time: docs/operating.md, Certificates of nodes"
    if left <= 0:
        yield Finding(FAIL, "authority", "the authority of the cluster has ended: no node speaks with another", way)
    elif left <= NEAR:
        yield Finding(WARN, "authority", f"the authority of the cluster ends in {left:.0f} days", way)


def key_managers(config: Config) -> Iterator[Finding]:
    """Whether a node without the database reaches those that have it."""
    for address in config.cluster.keymanagers:
        what = f"key manager {address}"
        try:
            _greet(config, address)
        except OSError as error:
            way = "is it up?  Look at [cluster] listen there, and at the firewall between the two"
            yield Finding(FAIL, what, error.strerror or str(error), way)
        else:
            yield Finding(OK, what, "answers")


def counters(config: Config, others: Sequence[Other]) -> Iterator[Finding]:
    """Whether each server of memcached answers, and is the same one for all nodes."""
    from twgw.memcached import see

    settings = config.memcached
    for address in settings.servers:
        what = f"memcached {address}"
        try:
            seen = see(address, 1.0, settings.namespace)
        except OSError as error:
            way = "start it, or correct [memcached] servers; limits are degraded to the share of one node until then"
            yield Finding(FAIL, what, str(error), way)
            continue
        if seen.evicts:
            way = "start it with: memcached -M -o no_slab_reassign (a pool of its own, apart from caches)"
            yield Finding(WARN, what, f"{seen.version} forgets counters when it is full", way)
        else:
            yield Finding(OK, what, f"{seen.version} answers, and keeps what it counts")
        for other in others:
            if other.name == config.node.name:
                continue
            yield from _same(what, seen.mark, other, other.about.counters.get(str(address)))
    yield from _alike(config, others)


def _same(what: str, mark: str, other: Other, theirs: str | None) -> Iterator[Finding]:
    """The same words may mean another machine elsewhere."""
    if theirs == "":
        way = f"look at the network between the two; once it is well, {other.name} says so within a minute"
        yield Finding(FAIL, what, f"does not answer {other.name}", way)
    elif theirs is not None and mark and theirs != mark:
        way = (
            "write an address that means the same machine on all nodes, not localhost; "
            f"where it was just started anew, {other.name} says so within a minute"
        )
        yield Finding(FAIL, what, f"is another server for {other.name}: they do not count together", way)
    elif theirs is not None and mark:
        yield Finding(OK, what, f"{other.name} sees the same counters")


def _alike(config: Config, others: Sequence[Other]) -> Iterator[Finding]:
    """Whether all processes that count name the same servers."""
    from twgw.throttle.others import digest_of

    mine = digest_of(config.memcached)
    counting = {each.node: each.servers for other in others for each in other.gateways.values()}
    counting.pop(config.node.name, None)
    apart = sorted(node for node, servers in counting.items() if servers != mine)
    if apart:
        ours = ", ".join(map(str, config.memcached.servers)) or "none"
        way = f"write the same [memcached] servers and namespace on all nodes (here: {ours})"
        yield Finding(FAIL, "limits", f"{', '.join(apart)}: other servers of memcached are named there", way)
    elif counting:
        text = "count together" if mine else "count each for itself: no memcached is named"
        state = OK if mine else WARN
        way = "" if mine else "name the same memcached on all: [memcached] servers"
        yield Finding(state, "limits", f"{', '.join(sorted({config.node.name, *counting}))} {text}", way)


def nodes(config: Config, others: Sequence[Other], members: Iterable[str] = ()) -> Iterator[Finding]:
    """Each node with the database: does it live, with which version, and does its clock agree with ours?

    ``members``: all nodes that should be there.
    """
    living = Counter(other.name for other in others if other.skew is not None)
    for name in sorted(name for name, count in living.items() if count > 1):
        way = "give each its own [node] name, and a certificate of its own: twgw cluster join"
        yield Finding(FAIL, f"node {name}", f"{living[name]} nodes have this name", way)
    for other in others:
        if other.name == config.node.name:
            continue
        what = f"node {other.name}"
        if other.skew is None:
            way = f"is it stopped, or cut off from the database?  It goes by itself after {config.cluster.session:g} s"
            yield Finding(WARN, what, f"has not renewed its session for {RENEWED_WITHIN:g} s", way)
        elif not other.about.version:
            yield Finding(WARN, what, "is of a version that does not say", f"upgrade it to {__version__}")
        elif other.about.version != __version__:
            way = "upgrade one node after the other; versions may differ only while you do"
            yield Finding(WARN, what, f"is of version {other.about.version}, this is {__version__}", way)
        else:
            yield Finding(OK, what, f"lives, version {__version__}")
        if other.skew is not None and other.about.at:
            then = f", then start {other.name} anew: a node reads the clock when it begins"
            yield skewed(f"clock of {other.name}", other.skew, then)
        if other.skew is not None and other.address:
            yield from _reached(config, what, other.address)
    there = {config.node.name, *(other.name for other in others)}
    there |= {each.node for other in others for each in other.gateways.values()}
    for name in sorted(set(members) - there):
        yield Finding(WARN, f"node {name}", "is not there", f"start it, or take it out: twgw cluster remove {name}")


def _reached(config: Config, what: str, where: str) -> Iterator[Finding]:
    """Whether a node that lives answers where it says that others reach it."""
    try:
        _greet(config, Address.from_text(where))
    except (OSError, ValueError) as error:
        text = f"is not reached at {where}: {getattr(error, 'strerror', '') or error}"
        way = "set [cluster] advertise there to what others reach it by, and look at the firewall between the two"
        yield Finding(WARN, what, text, way)


def _greet(config: Config, address: Address) -> None:
    """Come and go as a node does: whoever comes without TLS is refused, and counted as such.  Raises OSError."""
    with socket.create_connection((address.host, address.port), PATIENCE) as plain:
        if (context := _context(config)) is not None:
            with context.wrap_socket(plain) as met, suppress(OSError):
                met.unwrap()


def _context(config: Config) -> ssl.SSLContext | None:
    """TLS with the certificate of this node; None where it cannot be used, which is said elsewhere."""
    ca, certificate, key = config.cluster.files
    try:
        context = ssl.create_default_context(cafile=str(ca))
        context.check_hostname = False  # a node is known by its authority
        try:
            context.load_cert_chain(certificate, key)
        except ssl.SSLError:
            context.load_cert_chain(certificate)  # it was renewed: both stand there
    except OSError:
        return None
    return context


def watched(
    database: Any, wall: Callable[[], float], now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,  # noqa: TID251 - a command has no other clock
) -> list[Other]:
    """The nodes with the database, once each of them has renewed its session, or had time to.  Raises Unavailable."""
    from twgw.cluster.reports import read
    from twgw.storage.cluster import list_sessions

    first = {each.id: each.beats for each in database.call(list_sessions)}
    end = now() + RENEWED_WITHIN
    skews: dict[str, float] = {}
    while True:
        found = {each.id: each for each in database.call(list_sessions)}
        for session in found.values():
            if session.id not in skews and session.beats != first.setdefault(session.id, session.beats):
                skews[session.id] = read(session.report).about.at - wall()
        if found.keys() <= skews.keys() or now() > end:
            break
        pause(POLL)
    return [
        Other(each.node, read(each.report).about, each.counting or {}, skews.get(each.id), each.address)
        for each in sorted(found.values(), key=lambda each: (each.node, each.id))
    ]
