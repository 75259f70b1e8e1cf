"""A whole gateway in memory: no sockets, no threads, no waiting; for tests of APIs, of policies and of twgw itself.

Everything between the wires is the real thing: edge, pipeline, compiled deployment, upstream connections.  Only TCP
(``memory_network.py``) and time (one ``Clock``) are replaced, so every test runs the same way each time.
Offered to policy authors as ``twgw.testing.MemoryGateway``.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from functools import cache
from hashlib import sha256
from ipaddress import ip_address
from typing import Any, Final

import attrs
from attrs import define, field, frozen
from twisted.internet.defer import execute
from twisted.internet.task import Clock

from twgw.cache import Cache
from twgw.gateway import registry
from twgw.gateway.caller import Caller
from twgw.gateway.chunked import ChunkedReader
from twgw.gateway.deadlines import Deadlines
from twgw.gateway.deployment import Call, Deployment, deploy
from twgw.gateway.echo import URL as ECHO
from twgw.gateway.echo import echo
from twgw.gateway.edge import Edge, Front
from twgw.gateway.fleet import Fleet
from twgw.gateway.follower import Follower
from twgw.gateway.http1 import Limits, parse_response
from twgw.gateway.lookup import Lookup, Rights, facts_of
from twgw.gateway.running import run_detached
from twgw.memory_network import MemoryNetwork, Wire, join
from twgw.memory_world import MemoryClock, MemoryDirectory, MemoryFiles, MemoryLog, NoHttp, run_now
from twgw.metrics import Registry
from twgw.model import Api, Application, Credential, State, Subscription, Target, Upstream
from twgw.passwords import Passwords
from twgw.policy.chain import Link
from twgw.policy.exchange import Exchange
from twgw.policy.interfaces import Directory, Gateway
from twgw.policy.registry import Plugin, find_plugins
from twgw.state import parse_state
from twgw.storage.database import Database
from twgw.storage.reader import DatabaseReader
from twgw.throttle.local import LocalLimiter

UPSTREAM: Final = Upstream((Target("http://upstream.test"),))
_HEADS: Final = Limits(head=1 << 20, line=1 << 20, fields=1000)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+) *\r\n", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked *\r\n", re.IGNORECASE)


@frozen
class Answer:
    """What a client got.  ``headers`` finds names in any case; the values of a repeated field are joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    interim: tuple[int, ...] = ()
    """The 1xx answers that came before."""


@frozen
class UpstreamRequest:
    """What an upstream got.  ``headers`` as in an Answer; ``raw`` is every byte of it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes = field(repr=False)


class NoAnswerError(AssertionError):
    """No whole answer came, at the present time of the clock."""


UpstreamAnswer = tuple[int, Mapping[str, str], bytes]
"""Status, headers and body; ``Content-Length`` is added."""


@frozen
class RawUpstream:
    """An upstream of which every byte is scripted, faults included: ``script(wire)`` is called whenever bytes came."""

    script: Callable[[Wire], object] = lambda _wire: None


class _Fields(dict[str, str]):
    """Header fields under their names in lower case, found in any case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field."""
        return super().get(name.lower(), default)


def _fields(pairs: Iterable[tuple[str, str]]) -> _Fields:
    fields = _Fields()
    for name, value in pairs:
        fields[name.lower()] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def read_requests(data: bytes) -> tuple[list[UpstreamRequest], bytes]:
    """The whole requests in what an upstream received, and the bytes behind the last one."""
    requests = []
    while (end := data.find(b"\r\n\r\n") + 4) > 3:
        head = data[:end]
        body, rest = _body(head, data[end:])
        if body is None:
            break
        lines = head.decode("latin-1").split("\r\n")[:-2]
        method, target, _ = lines[0].split(" ")
        pairs = (line.split(": ", 1) for line in lines[1:])
        raw = data[: len(data) - len(rest)]
        requests.append(UpstreamRequest(method, target, _fields((name, value) for name, value in pairs), body, raw))
        data = rest
    return requests, data


def _body(head: bytes, data: bytes) -> tuple[bytes | None, bytes]:
    """The body behind a head, None while it is not whole, and what follows it."""
    if _CHUNKED.search(head):
        reader = ChunkedReader()
        pieces = reader.feed(data)
        return (b"".join(pieces), reader.rest) if reader.done else (None, data)
    found = _LENGTH.search(head)
    length = int(found[1]) if found else 0
    return (data[:length], data[length:]) if len(data) >= length else (None, data)


class Connection(Wire):
    """A client's connection, byte by byte."""

    def answers(self, *methods: str) -> list[Answer]:
        """The whole answers that came so far.  Name the methods that were sent when there is a HEAD among them."""
        answers: list[Answer] = []
        interim: tuple[int, ...] = ()
        data = self.received
        while (end := data.find(b"\r\n\r\n") + 4) > 3:
            to_head = methods[len(answers) : len(answers) + 1] == ("HEAD",)
            raw = data[:end]
            head = parse_response(raw, _HEADS, to_head=to_head)
            data = data[end:]
            if head.status < 200:
                interim += (head.status,)
                continue
            if head.length == -1:
                body, data = (data, b"") if self.ended else (None, data)
            elif head.length == 0:
                body = b""
            else:
                body, data = _body(raw, data)
            if body is None:
                break
            answers.append(Answer(head.status, _fields(head.headers.items()), body, interim))
            interim = ()
        return answers


def digest(key: str) -> str:
    """What stands for a key in memory: under no pepper."""
    return "v1:" + sha256(key.encode("latin-1")).hexdigest()


def say_ok(_request: UpstreamRequest) -> UpstreamAnswer:
    """The upstream of a gateway that was given none."""
    return 200, {"Content-Type": "text/plain"}, b"ok\n"


class MemoryGateway:
    """A gateway without sockets.

    Args:
        configured: one Api or several (those without an upstream are given one), a State, the text of an apis.yaml, or
            a Database, whose log is then followed each time that ``follower.poll()`` is called.
        upstream: answers for every server: a function from UpstreamRequest to (status, headers, body), or RawUpstream.
        plugins: policies by name, as modules or objects with hooks, beside the installed ones.
        keys: API key to the name of its application, which is subscribed to every API in that one's first tier.
        directory: who has a user name and a password, as for ldap-auth; nobody when there is none.
        http: what policies call other services with, see ``policy/interfaces.py``.
        options: settings of a listener by name, such as ``header_timeout=3``; see ``edge.Front``.

    Raises InvalidFileError and SettingsError for what cannot be deployed, and what the upstream function raises.

    >>> from twgw.model import Api
    >>> gateway = MemoryGateway(Api("pets", "1.0", "/pets"), upstream=lambda request: (200, {}, b"Rex"))
    >>> answer = gateway.get("/pets/7?color=brown")
    >>> answer.status, answer.body
    (200, b'Rex')
    >>> gateway.upstream_requests[0].target
    '/7?color=brown'
    """

    def __init__(
        self,
        configured: Api | Iterable[Api] | State | str | Database,
        *,
        upstream: Callable[[UpstreamRequest], UpstreamAnswer] | RawUpstream = say_ok,
        plugins: Mapping[str, Any] | None = None,
        keys: Mapping[str, str] | None = None,
        http: Any = None,
        directory: Directory | None = None,
        **options: Any,
    ) -> None:
        self.clock = Clock()
        """Time, all of it: ``gateway.clock.advance(60)``."""
        self.exchanges: list[Exchange] = []
        """Every exchange that ended, as the log policies saw it."""
        self.edges: set[Edge] = set()
        self.upstream_wires: list[Wire] = []
        """The upstream's end of every connection that was made to it."""
        self.log = MemoryLog()
        self.files = MemoryFiles()
        self.metrics = Registry()
        self.network = MemoryNetwork(self.clock, self._accept)
        self._upstream = upstream
        self._keys = keys or {}
        given = {name: Plugin(name, module, "given to MemoryGateway") for name, module in (plugins or {}).items()}
        self._plugins = {**_installed(), **given}
        clock = MemoryClock(self.clock)
        self._lookup = Lookup(clock, digest)
        self.gateway = Gateway(
            clock=clock, credentials=self._lookup, subscriptions=Rights(self._lookup), limiter=LocalLimiter(clock),
            http=http or NoHttp(), metrics=self.metrics, files=self.files, log=self.log,
            directory=directory or MemoryDirectory(), passwords=Passwords(clock, run_now),
            node="memory", trusted_proxies=options.get("trusted_proxies", ()),
        )  # fmt: skip
        if isinstance(configured, Database):
            reader = DatabaseReader(configured)
            self.facts = registry.Facts(Cache(), reader, clock, self.log, self.metrics)
            rights = registry.Rights(self.facts, clock)
            known = registry.Keys(self.facts, clock, lambda key: (digest(key),))
            self.gateway = attrs.evolve(self.gateway, credentials=known, subscriptions=rights)
        self.deadlines = Deadlines(clock.now, self.clock.callLater)
        self.fleet = Fleet(self.network, self.deadlines, detach=run_detached)
        self.front = Front(
            gateway=self.gateway,
            deadlines=self.deadlines,
            deployment=None,  # type: ignore[arg-type]  # set by deploy
            date=lambda: formatdate(clock.wall(), usegmt=True),
            **options,
        )
        self.deployment: Deployment | None = None
        if isinstance(configured, Database):
            self.follower = Follower(
                reader, self.facts, rights, execute, lambda: self._plugins, self.gateway, self._make_call, self._put
            )
            self.follower.watch(self.edges)
            self.follower.load()
        else:
            self.deploy(configured)
        self.deadlines.start()

    def deploy(self, configured: Api | Iterable[Api] | State | str) -> None:
        """Put another state in force, as a reload does.  Raises as the constructor; then nothing has changed."""
        state = self._with_keys(_state(configured))
        self._put(deploy(state, self._plugins, self.gateway, self._make_call, self.deployment))
        self._lookup.replace(facts_of(state, self._lookup.digest))

    def _put(self, deployment: Deployment) -> None:
        """Put a deployment in force; its log policies are followed by one that keeps every exchange."""
        for plan in (deployment.unrouted, *(plan for each in deployment.compiled.values() for plan in each.plans)):
            if not plan.chains.log or plan.chains.log[-1].policy != "memory":
                link = Link("memory", lambda exchange, _settings, _gateway: self.exchanges.append(exchange))
                plan.chains = attrs.evolve(plan.chains, log=(*plan.chains.log, link))
        self.deployment = self.front.deployment = deployment

    def _with_keys(self, state: State) -> State:
        everything = tuple(Subscription(api.id, api.tiers[0] if api.tiers else None) for api in state.apis)
        applications = tuple(
            Application(name, everything, tuple(Credential(value=key) for key in self._keys if self._keys[key] == name))
            for name in dict.fromkeys(self._keys.values())
        )
        return attrs.evolve(state, applications=state.applications + applications)

    def _make_call(self, upstream: Upstream) -> Call:
        return echo if upstream.targets[0].url == ECHO else Caller(upstream, self.fleet).call

    # --- the upstream ------------------------------------------------------------------------------------

    def _accept(self, _address: str, _port: int) -> Wire:
        upstream = self._upstream
        wire = Wire(self.clock, upstream.script if isinstance(upstream, RawUpstream) else _Serving(upstream).serve)
        self.upstream_wires.append(wire)
        return wire

    @property
    def upstream_requests(self) -> list[UpstreamRequest]:
        """Every whole request that reached the upstream, by connection."""
        return [request for wire in self.upstream_wires for request in read_requests(wire.received)[0]]

    @property
    def upstream_bytes(self) -> bytes:
        """Every byte that reached the upstream, by connection."""
        return b"".join(wire.received for wire in self.upstream_wires)

    # --- the client ----------------------------------------------------------------------------------------

    def connect(self, client: str = "127.0.0.1", *, stays: bool = False) -> Connection:
        """A client's connection.  One that ``stays`` keeps its half open when the gateway closes."""
        connection = Connection(self.clock, stays=stays)
        join(self.clock, connection, Edge(self.front, self.edges), from_=(client, 50000), to=("192.0.2.1", 8080))
        connection.settle()
        return connection

    def begin(
        self, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None,
        client: str = "127.0.0.1",
    ) -> Connection:  # fmt: skip
        """Send a request on a new connection and return that, answered or not."""
        fields = {"Host": "gateway.test", **(headers or {})}
        if body is not None and not any(name.lower() == "transfer-encoding" for name in fields):
            fields.setdefault("Content-Length", str(len(body)))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        connection = self.connect(client)
        connection.send(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + (body or b""))
        return connection

    def request(
        self, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None,
        client: str = "127.0.0.1",
    ) -> Answer:  # fmt: skip
        """Send a request on a new connection and return its answer.  Raises NoAnswerError when there is none yet."""
        connection = self.begin(method, target, headers=headers, body=body, client=str(ip_address(client)))
        answers = connection.answers(method)
        if not answers:
            end = "cut the connection" if connection.reset else "closed" if connection.closed else "waits; see begin()"
            raise NoAnswerError(f"{method} {target}: no whole answer, the gateway {end}: {connection.received[:200]!r}")
        connection.lose()
        return answers[0]

    def get(self, target: str, **more: Any) -> Answer:
        """``request("GET", …)``."""
        return self.request("GET", target, **more)

    def post(self, target: str, body: bytes = b"", **more: Any) -> Answer:
        """``request("POST", …)``."""
        return self.request("POST", target, body=body, **more)


@cache
def _installed() -> Mapping[str, Plugin]:
    """The installed policies; looking for them takes longer than most tests."""
    return find_plugins()


@define(eq=False)
class _Serving:
    """One upstream connection served by a function."""

    answer: Callable[[UpstreamRequest], UpstreamAnswer]
    served: int = 0

    def serve(self, wire: Wire) -> None:
        """Answer the whole requests that came."""
        for request in read_requests(wire.received)[0][self.served :]:
            self.served += 1
            status, headers, body = self.answer(request)
            bodiless = status in (204, 304)
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            if not bodiless and not any(name.lower() == "content-length" for name in headers):
                lines += f"Content-Length: {len(body)}\r\n"
            head = f"HTTP/1.1 {status} \r\n{lines}\r\n".encode("latin-1")
            wire.transport.write(head if bodiless or request.method == "HEAD" else head + body)


def _state(configured: Api | Iterable[Api] | State | str) -> State:
    if isinstance(configured, State):
        return configured
    if isinstance(configured, str):
        return parse_state(configured, "apis.yaml").state
    apis = [configured] if isinstance(configured, Api) else configured
    return State(policies=(), apis=tuple(api if api.upstream else attrs.evolve(api, upstream=UPSTREAM) for api in apis))
