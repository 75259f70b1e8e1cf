"""The test kit for policies: a request through the real pipeline, without a socket, a reactor or a wait.

    >>> result = run_policy("ip-restriction", exchange(client="10.0.0.9"), deny=["10.0.0.0/8"])
    >>> result.status, result.json["title"]
    (403, 'Address not allowed')

The policy is loaded, its settings are checked and its hooks compiled as in a deployment; the upstream is a stub, and so
is everything that ``gateway`` makes.  A policy under development is given as a module or as the path of its file.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
from attrs import define, frozen

from twgw.gateway import pipeline
from twgw.gateway.deployment import Plan, deploy
from twgw.gateway.forwarding import hop, upstream_request
from twgw.gateway.running import Gone
from twgw.memory import MemoryGateway
from twgw.memory_world import (
    FakeClock,
    FakeHttp,
    HttpCall,
    MemoryBody,
    MemoryCredentials,
    MemoryDirectory,
    MemoryFiles,
    MemoryLog,
    MemorySubscriptions,
    run_now,
)
from twgw.metrics import Registry
from twgw.model import Api, Credential, Limit, Policy, State, Subscription, Target, Tier, Upstream
from twgw.passwords import Passwords
from twgw.policy.exchange import Exchange, Request, Response
from twgw.policy.headers import Headers
from twgw.policy.interfaces import Directory, Gateway, Http, HttpAnswer, Issuer
from twgw.policy.registry import Plugin, find_plugins, load_file
from twgw.throttle.fields import lines as limit_lines
from twgw.throttle.local import LocalLimiter

API = Api("test", "1", "/", upstream=Upstream((Target("http://upstream.test"),)))
"""The API that a policy is attached to when none is given; its id is ``test:1``."""
MOST_WAITS = 1000
"""Waits of one request after which it is taken to wait for ever."""

__all__ = [
    "API", "FakeClock", "FakeHttp", "Forwarded", "HttpCall", "MemoryBody", "MemoryCredentials", "MemoryDirectory",
    "MemoryGateway", "MemorySubscriptions", "Result", "Use", "exchange", "gateway", "run_policies", "run_policy", "use",
]  # fmt: skip

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


# --- what a policy is given ---


def exchange(
    method: str = "GET",
    path: str = "/",
    headers: Fields = (),
    client: str = "127.0.0.1",
    body: bytes | Sequence[bytes] | None = None,
    *,
    credential: Credential | str | None = None,
    subscription: Subscription | str | None = None,
    params: Mapping[str, str] | None = None,
    host: str = "gateway.test",
    scheme: str = "http",
    peer: str = "",
) -> Exchange:
    """A request as it comes to the first policy.

    >>> exchange("POST", "/orders?limit=5", {"Accept": "text/html"}, body=b"{}").request.query
    'limit=5'

    Args:
        method: its method.
        path: the path, and behind ``?`` the query.
        headers: its header fields.
        client: address of the client.
        body: the body; a list of pieces stands for one that does not say how long it is.
        credential: who calls, as if a policy had found out; text stands for the name of an application.
        subscription: the right to call, as if a policy had found it; text stands for the name of a tier.
        params: the values of ``{name}`` in the route's path.
        host: the Host field.
        scheme: ``http`` or ``https``.
        peer: address at the other end of the connection, when that is not the client but a proxy.
    """
    where, _, query = path.partition("?")
    request = Request(method, where, Headers(headers))
    request.query, request.target, request.host, request.scheme = query, path, host, scheme
    request.client, request.peer = client, peer or client
    request.body = None if body is None else MemoryBody(body)
    made = Exchange(request)
    made.upstream_path, made.params = where, params or {}
    if isinstance(credential, str):
        credential = Credential(id=f"{credential}-1", application=credential)
    if isinstance(subscription, str):
        subscription = Subscription(API.id, subscription)
    made.credential, made.subscription = credential, subscription
    return made


def gateway(
    *,
    keys: Mapping[str, str | Credential] | None = None,
    subscriptions: Mapping[str, str | None | Subscription] | None = None,
    tiers: Mapping[str, Iterable[Limit]] | None = None,
    http: Http | Mapping[str, HttpAnswer | OSError] | None = None,
    directory: Directory | None = None,
    clock: FakeClock | None = None,
    trusted_proxies: Sequence[Any] = (),
    node: str = "test",
    issuer: Issuer | None = None,
) -> Gateway:
    """What a policy borrows, all of it in memory; limits and metrics are the real ones.

    Give the same one to several calls of ``run_policy`` when they should know of each other, as with limits:

    >>> lent = gateway(keys={"secret": "shop"})
    >>> run_policy("key-auth", exchange(headers={"X-API-Key": "secret"}), gateway=lent).exchange.credential.application
    'shop'

    Args:
        keys: API keys, each with the name of its application or a whole credential.
        subscriptions: names of applications, each with its tier (None for no tier) in the API that is tested.
        tiers: names of tiers, each with its limits.
        http: URLs with the answers that ``gateway.http`` gives.
        directory: who has a user name and a password, as ``MemoryDirectory``; nobody when there is none.
        clock: the time; it stands still unless you advance it.
        trusted_proxies: networks (of ``ipaddress``) whose peers are believed.
        node: the name of the node.
        issuer: the gateway as an issuer of tokens; there is none unless you give one.
    """
    credentials = MemoryCredentials()
    for number, (secret, owner) in enumerate((keys or {}).items(), 1):
        if isinstance(owner, str):
            owner = Credential(id=f"{owner}-{number}", application=owner)  # noqa: PLW2901 - what the name stood for
        credentials.known[owner.kind, secret] = owner
    rights = MemorySubscriptions(tiers={name: Tier(name, tuple(limits)) for name, limits in (tiers or {}).items()})
    for application, right in (subscriptions or {}).items():
        found = right if isinstance(right, Subscription) else Subscription(API.id, right)
        rights.known[application, found.api] = found
    clock = clock or FakeClock()
    caller = FakeHttp(http or {}) if http is None or isinstance(http, Mapping) else http
    return Gateway(
        clock, credentials, rights, LocalLimiter(clock), caller, Registry(), MemoryFiles(), MemoryLog(),
        directory or MemoryDirectory(), Passwords(clock, run_now), node, tuple(trusted_proxies), issuer,
    )  # fmt: skip


# --- what comes of it ---


@frozen
class Forwarded:
    """What would have gone to the upstream."""

    method: str
    path: str
    query: str
    headers: Headers
    content: bytes


@define(eq=False)
class Result:
    """What came of one request."""

    exchange: Exchange
    forwarded: Forwarded | None
    """What went to the upstream; None when a policy answered before."""
    logged: list[tuple[str, str]]
    """What was said to operators meanwhile: level and text."""
    lines: Mapping[str, list[str]]
    """The lines that were written to files meanwhile, by path."""

    @property
    def response(self) -> Response:
        """The response, as the policies left it."""
        assert self.exchange.response is not None
        return self.exchange.response

    @property
    def status(self) -> int:
        """Its status."""
        return self.response.status

    @property
    def headers(self) -> Headers:
        """Its header fields as the client gets them, with those of limits."""
        limits = [line.partition(": ") for line in limit_lines(self.exchange.decisions or []).splitlines()]
        return Headers([*self.response.headers.items(), *((name, value) for name, _, value in limits)])

    @property
    def body(self) -> bytes:
        """Its body."""
        body = self.response.body
        assert isinstance(body, bytes)
        return body

    @property
    def json(self) -> Any:
        """Its body as JSON; of a refusal the problem document."""
        return json.loads(self.body)


# --- how it comes about ---


@frozen
class Use:
    """One use of a policy."""

    policy: str | Path | ModuleType
    settings: Mapping[str, Any]
    shadow: bool = False


def use(policy: str | Path | ModuleType, /, *, shadow: bool = False, **settings: Any) -> Use:
    """One of several policies for ``run_policies``.

    Args:
        policy: the name of an installed policy, or a module, or the path of a file.
        shadow: whether it only watches.
        settings: as they would stand in the file of APIs.
    """
    return Use(policy, settings, shadow)


def run_policy(
    policy: str | Path | ModuleType,
    request: Exchange | None = None,
    /,
    *,
    gateway: Gateway | None = None,
    upstream: "Response | Callable[[Forwarded], Response] | None" = None,
    api: Api = API,
    shadow: bool = False,
    **settings: Any,
) -> Result:
    """Send one request through one policy.

    >>> run_policy("mock-response", status=204).status
    204

    Args:
        policy: the name of an installed policy, or a module, or the path of a file.
        request: made by ``exchange``; a plain GET when there is none.
        gateway: made by ``gateway``; a new one when there is none.
        upstream: what the upstream answers, or a function that does; 200 with the body ``ok`` when there is none.
        api: the API that the policy is attached to.
        shadow: whether the policy only watches.
        settings: as they would stand in the file of APIs.

    Raises SettingsError for settings that would be refused when the API is deployed.
    """
    return run_policies([use(policy, shadow=shadow, **settings)], request, gateway=gateway, upstream=upstream, api=api)


def run_policies(
    uses: Sequence[Use],
    request: Exchange | None = None,
    *,
    gateway: Gateway | None = None,
    upstream: "Response | Callable[[Forwarded], Response] | None" = None,
    api: Api = API,
) -> Result:
    """Send one request through several policies, in the order in which they are listed.

    >>> both = [use("correlation-id"), use("key-auth")]
    >>> run_policies(both).headers.get("WWW-Authenticate")
    'Key realm="twgw"'
    """
    lent = gateway or _new_gateway()
    run = request or exchange()
    if run.plan is not None:
        raise ValueError("this exchange was used already: make a new one for each run")
    sent: list[Forwarded] = []
    run.plan = _plan(uses, api, lent, _stub(upstream, lent, sent))
    run.route = run.route or run.plan.route
    run.started_at = lent.clock.now()
    said = lent.log.lines if isinstance(lent.log, MemoryLog) else []
    written = lent.files.written if isinstance(lent.files, MemoryFiles) else {}
    said_before, written_before = len(said), {path: len(lines) for path, lines in written.items()}
    _drive(run, lent)
    assert run.response is not None
    run.status = run.response.status
    run.sent = len(run.response.body) if isinstance(run.response.body, bytes) else 0
    run.received = run.request.body.received if run.request.body is not None else 0
    run.finished_at = lent.clock.now()
    pipeline.log(run, lent)
    _let_sleepers_wake(lent)
    lines = {path: lines[written_before.get(path, 0) :] for path, lines in written.items()}
    return Result(run, sent[0] if sent else None, said[said_before:], lines)


_new_gateway = gateway  # the argument of that name hides it


def _plan(
    uses: Sequence[Use], api: Api, lent: Gateway, call: Callable[[Exchange], Awaitable[Response]]
) -> Plan:
    """The first route of the API, compiled with the policies added to its own."""
    plugins = dict(_installed())
    policies = list(api.policies)
    for one in uses:
        plugin = _plugin(one.policy)
        if plugin is not None:
            plugins[plugin.name] = plugin
        policies.append(Policy(plugin.name if plugin else str(one.policy), one.settings, shadow=one.shadow))
    api = attrs.evolve(api, policies=tuple(policies), upstream=api.upstream or API.upstream)
    deployment = deploy(State(policies=(), apis=(api,)), plugins, lent, lambda _upstream: call)
    if api.id not in deployment.compiled:
        raise ValueError(f"an API in the state {api.state.value} serves no requests")
    return deployment.compiled[api.id].plans[0]


def _plugin(policy: str | Path | ModuleType) -> Plugin | None:
    """The plugin in a module or a file; None for the name of an installed one."""
    if isinstance(policy, Path):
        plugin = load_file(policy)
        if plugin.fault:
            raise ImportError(f"{policy}: {plugin.fault}")
        return plugin
    if isinstance(policy, ModuleType):
        name = policy.__name__.rpartition(".")[2].replace("_", "-")
        return Plugin(name, policy, getattr(policy, "__file__", None) or name)
    return None


@lru_cache(1)
def _installed() -> Mapping[str, Plugin]:
    return find_plugins()


def _stub(
    upstream: "Response | Callable[[Forwarded], Response] | None", lent: Gateway, sent: list[Forwarded]
) -> Callable[[Exchange], Awaitable[Response]]:
    """The call of an upstream that notes what it gets."""

    async def call(run: Exchange) -> Response:
        request = run.request
        content = request.content
        if content is None:
            content = b"" if request.body is None else await request.body.read(request.body_limit)
        run.came_by = hop(request.peer, request.scheme, lent.trusted_proxies)
        text = upstream_request(run, "upstream.test", "twgw")
        pairs = [line.partition(": ")[::2] for line in text.split("\r\n") if line]
        run.target, run.tries = "http://upstream.test", 1
        sent.append(Forwarded(request.method, run.upstream_path, request.query, Headers(pairs), content))
        if upstream is None:
            return Response(200, Headers([("Content-Type", "text/plain")]), b"ok")
        if isinstance(upstream, Response):
            return Response(upstream.status, Headers(upstream.headers.items()), upstream.body, upstream.reason)
        return upstream(sent[-1])

    return call


def _drive(run: Exchange, lent: Gateway) -> None:
    """Run to the response; who sleeps is woken without anybody waiting."""
    ended: list[BaseException | None] = []
    pipeline.handle(run, lent, ended.append)
    for _ in range(MOST_WAITS):
        if ended or not (isinstance(lent.clock, FakeClock) and lent.clock.wake_next()):
            break
    if not ended:
        if run.waits_for is not None:
            run.waits_for.cancel(Gone())
        raise AssertionError("the policy waits for something that never comes")
    if ended[0] is not None:
        raise ended[0]


def _let_sleepers_wake(lent: Gateway) -> None:
    """Let log hooks that wait come to their end."""
    for _ in range(MOST_WAITS):
        if not (isinstance(lent.clock, FakeClock) and lent.clock.wake_next()):
            break
