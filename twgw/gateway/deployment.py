"""From the declared state to what serves requests: every API compiled to plans, all swapped as one.

Called by ``service.py`` at start and at each reload, by ``twgw validate`` and by ``twgw.testing``.
A state that does not compile raises ``SettingsError`` with the path of every fault; the old deployment keeps serving.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs
from attrs import define, frozen

from twgw.faults import Fault, SettingsError, below, suggest
from twgw.gateway import problems, stale
from twgw.gateway.http1 import RequestHead
from twgw.gateway.pipeline import path_of
from twgw.gateway.routing import Entry, Leaf, NotAllowed, Router
from twgw.model import Api, Environment, Isolated, Policy, Route, State, Unit, Upstream
from twgw.policy.chain import DECIDING, Attachment, ChainError, Chains, Link, Links, compile_chains
from twgw.policy.exchange import Exchange, Problem, Response
from twgw.policy.interfaces import Gateway
from twgw.policy.registry import Plugin
from twgw.publisher.lifecycle import EFFECTS, told_to_callers
from twgw.settings import structure

BANDWIDTH = Policy("bandwidth-limit")
"""What comes along with ``rate-limit`` where a tier has a limit in bytes."""

NO_API = Api(name="", version="", base_path="/")
Call = Callable[[Exchange], Awaitable[Response]]
MakeCall = Callable[[Upstream], Call]
"""What calls an upstream.  Raises SettingsError, with paths below the upstream, for one that cannot be called."""


@define(eq=False)
class Plan:
    """One route of one API, ready to serve."""

    api: Api
    api_id: str
    route: Route
    chains: Chains
    path: Links
    """What a request without a body meets, in order."""
    path_with_body: Links
    strip: bool


@frozen
class Compiled:
    """One API and what it was compiled from; kept over deployments that do not change it."""

    api: Api
    common: tuple[Policy, ...]
    plugins: tuple[Plugin | None, ...]
    plans: tuple[Plan, ...]
    servers: tuple[tuple[str, Upstream], ...]
    whole: bool = True
    """Whether it is served; else every call of it is refused, as it cannot be had."""

    def is_of(self, api: Api, common: Sequence[Policy], plugins: Sequence[Plugin | None]) -> bool:
        """Whether compiling it anew would make the same."""
        return self.whole and (self.api, self.common, self.plugins) == (api, common, plugins)


@define(eq=False)
class Deployment:
    """Everything that serves requests, as one.  ``position`` counts the deployments of this process."""

    position: int
    router: Router
    compiled: Mapping[str, Compiled]
    unrouted: Plan
    state: State
    servers: frozenset[tuple[str, Upstream]]
    """Every server that it calls: gathered before it is put in force, as there may be thousands."""
    nowhere: Callable[[], Problem] = problems.no_route
    """What is answered where no API is."""

    def find(self, exchange: Exchange, head: RequestHead) -> None:
        """Set plan, route, params and upstream_path of an exchange, or its problem and the plan for unrouted ones."""
        if head.fault is not None:
            exchange.problem = problems.of_bad_message(head.fault)
            self.refuse(exchange)
            return
        path = head.path
        found: Any = self.router.find(head.host, head.method, path)
        if found.__class__ is NotAllowed:
            found = self._preflighted(exchange, head) or found
        if found.__class__ is not Leaf:
            exchange.problem = self.nowhere()
            if isinstance(found, NotAllowed):
                exchange.problem = problems.wrong_method(found.allow)
            if head.underscores:
                exchange.problem = problems.underscore()
            elif head.encoded_slash:
                exchange.problem = problems.encoded_slash()
            self.refuse(exchange)
            return
        plan: Plan = found.payload
        if (head.underscores and not plan.api.underscores) or (head.encoded_slash and not plan.api.encoded_slashes):
            exchange.problem = problems.underscore() if head.underscores else problems.encoded_slash()
            self.refuse(exchange)
            return
        exchange.plan = plan
        exchange.route = plan.route
        if found.names:
            exchange.params = found.params(path)
        exchange.upstream_path = path[found.skip :] or "/" if plan.strip else path

    def _preflighted(self, exchange: Exchange, head: RequestHead) -> Leaf | None:
        """The route that a CORS preflight asks about, when one of its policies answers preflights."""
        headers = exchange.request.headers
        wanted = headers.get("access-control-request-method")
        if head.method != "OPTIONS" or not wanted or "origin" not in headers:
            return None
        found = self.router.find(head.host, wanted, head.path)
        return found if isinstance(found, Leaf) and found.payload.chains.preflight else None

    def refuse(self, exchange: Exchange) -> None:
        """Give an exchange whose problem is known the plan for requests without an API."""
        exchange.plan = self.unrouted


def _refuse(exchange: Exchange) -> Problem:
    """The end of the line for a request without an API."""
    problem = exchange.problem or problems.no_route()
    exchange.refused_by, exchange.reason = "gateway", problem.title
    return problem


def _unavailable(exchange: Exchange) -> Problem:
    exchange.refused_by, exchange.reason = "gateway", "this node cannot have the API in force"
    return problems.unavailable()


def _blocked(exchange: Exchange) -> Problem:
    exchange.refused_by, exchange.reason = "gateway", "the API is blocked"
    return problems.blocked()


async def _no_upstream(_exchange: Exchange) -> Response:
    raise problems.UpstreamFailed(503, "No upstream", "the API has no upstream, and no policy answered")


async def _no_sandbox(exchange: Exchange) -> Problem:
    exchange.refused_by, exchange.reason = "gateway", "a key of the sandbox, and the API has no sandbox"
    return Problem(403, "The API has no sandbox", code=900901)


def _by_environment(production: Call, sandbox: Any) -> Call:
    """Calls the servers that the caller's key is for."""

    def call(exchange: Exchange) -> Any:
        credential = exchange.credential
        if credential is not None and credential.environment is Environment.SANDBOX:
            return sandbox(exchange)
        return production(exchange)

    return call


def deploy(
    state: State,
    plugins: Mapping[str, Plugin],
    gateway: Gateway,
    make_call: MakeCall,
    previous: Deployment | None = None,
    broken: Collection[str] = (),
    spare: Mapping[str, Compiled] | None = None,
    stays: Mapping[str, Compiled] | None = None,
) -> Deployment:
    """Compile a state; calls of ``broken`` APIs are refused.  Raises SettingsError with every fault and its path.

    What is the same in ``previous``, or in ``spare``, is not compiled again, nor what ``stays``, whatever it was of.
    """
    faults: list[Fault] = []
    counts_bytes = _counts_bytes(state)
    compiler = Compiler(plugins, gateway, make_call, faults, counts_bytes)
    common = compiler.attach(state.policies, "policies")
    compiled: dict[str, Compiled] = {}
    for number, api in enumerate(state.apis):
        if not EFFECTS[api.state].found:
            continue
        used = _plugins_of(api, state.policies, plugins, counts_bytes=counts_bytes)
        kept = (stays or {}).get(api.id) or _known(api, state.policies, used, previous, spare or {})
        if api.id in broken:
            plan = compiler.refusing(common, _unavailable, api, api.id)
            compiled[api.id] = Compiled(api, state.policies, used, (plan,) if plan else (), (), whole=False)
        elif kept is not None:
            compiled[api.id] = kept
        else:
            plans = compiler.whole(api, common, f"apis[{number}]")
            compiled[api.id] = Compiled(api, state.policies, used, plans, api.servers)
    unrouted = compiler.refusing(common, _refuse)
    if faults:
        raise SettingsError(dict.fromkeys(faults))  # what an API's routes share is found wrong by each of them
    assert unrouted is not None
    position = previous.position + 1 if previous is not None else 1
    servers = frozenset(key for one in compiled.values() for key in one.servers)
    return Deployment(position, _router(compiled, previous), compiled, unrouted, state, servers)


def unmade(
    state: State, plugins: Mapping[str, Plugin], previous: Deployment | None, spare: Mapping[str, Compiled]
) -> list[Api]:
    """What would have to be compiled."""
    counts_bytes = _counts_bytes(state)
    return [
        api for api in state.apis
        if EFFECTS[api.state].found and _known(
            api, state.policies, _plugins_of(api, state.policies, plugins, counts_bytes=counts_bytes), previous, spare
        ) is None
    ]  # fmt: skip


def _counts_bytes(state: State) -> bool:
    limits = [limit for tier in state.tiers for limit in (*tier.limits, tier.burst)]
    return any(limit is not None and limit.unit is Unit.BYTES for limit in limits)


def _known(
    api: Api, common: Sequence[Policy], used: Sequence[Plugin | None], previous: Deployment | None,
    spare: Mapping[str, Compiled],
) -> Compiled | None:  # fmt: skip
    """The same, as it was compiled before."""
    known = [source.get(api.id) for source in (previous.compiled if previous is not None else {}, spare)]
    return next((one for one in known if one is not None and one.is_of(api, common, used)), None)


def nothing(plugins: Mapping[str, Plugin], gateway: Gateway, make_call: MakeCall) -> Deployment:
    """What is in force before there is a state: every request is told to come again."""
    return attrs.evolve(deploy(State(), plugins, gateway, make_call), nowhere=problems.no_state)


def _plugins_of(
    api: Api, common: Sequence[Policy], plugins: Mapping[str, Plugin], *, counts_bytes: bool
) -> tuple[Plugin | None, ...]:
    """The policies that an API uses, as they are installed now: the code of one may have changed."""
    uses = (*common, *api.policies, *(policy for route in api.routes for policy in route.policies))
    implied = ["deprecation"] * any(told_to_callers(api)) + ["bandwidth-limit"] * counts_bytes
    return tuple(plugins.get(name) for name in (*implied, *(policy.name for policy in uses)))


def _router(compiled: Mapping[str, Compiled], previous: Deployment | None) -> Router:
    """Replace what changed in the last router when that is little; else build one."""
    before = previous.compiled if previous is not None else {}
    changed = [name for name, one in compiled.items() if before.get(name) is not one]
    changed += [name for name in before if name not in compiled]
    if previous is None or len(changed) > len(compiled) // 4 + 1:
        return Router.build({name: _entries(one) for name, one in compiled.items()})
    router = previous.router
    for name in changed:
        router = router.replace(name, _entries(compiled[name]) if name in compiled else ())
    return router


def _entries(compiled: Compiled) -> list[Entry]:
    api = compiled.api
    bases = [api.base_path, api.unversioned_path] if api.default_version and api.unversioned_path else [api.base_path]
    return [
        Entry(api.hosts, base, plan.route.path, plan.route.methods, plan) for base in bases for plan in compiled.plans
    ]


@define(eq=False)
class Compiler:
    """Compiles APIs against the installed policies, gathering faults."""

    plugins: Mapping[str, Plugin]
    gateway: Gateway
    make_call: MakeCall
    faults: list[Fault]
    counts_bytes: bool = False
    """Whether a tier has a limit in bytes."""

    def attach(self, policies: Sequence[Policy], path: str) -> list[tuple[Policy, Attachment | None]]:
        """The policies of one level with their settings; None for one that is switched off or faulty."""
        return [(policy, self._attachment(policy, below(path, number))) for number, policy in enumerate(policies)]

    def _attachment(self, policy: Policy, path: str, settings_path: str = "") -> Attachment | None:
        plugin = self.plugins.get(policy.name)
        if plugin is None:
            text = f"no policy {policy.name!r} is installed{suggest(policy.name, self.plugins)}"
            self.faults.append(Fault(below(path, "name"), text))
            return None
        if plugin.fault:
            text = f"policy {policy.name!r} of {plugin.origin} cannot be loaded: {plugin.fault}"
            self.faults.append(Fault(below(path, "name"), text))
            return None
        try:
            settings: object = structure(plugin.settings, policy.settings)
        except SettingsError as error:
            self.faults += [fault.under(settings_path or below(path, "settings")) for fault in error.faults]
            return None
        if policy.shadow and not any(hook in DECIDING for hook in plugin.hooks):
            text = f"{policy.name} decides nothing, so there is nothing to see; take shadow away, or say enabled: false"
            self.faults.append(Fault(below(path, "shadow"), text))
            return None
        return Attachment(plugin, settings, shadow=policy.shadow) if policy.enabled else None

    def _implied(self, api: Api, path: str) -> list[tuple[Policy, Attachment | None]]:
        """The policies that follow from what is declared: a level of their own, which an API may switch off."""
        level = [(BANDWIDTH, self._attachment(BANDWIDTH, path))] if self.counts_bytes else []
        if told := dict(told_to_callers(api)):
            policy = Policy("deprecation", told)
            level.append((policy, self._attachment(policy, path, below(path, "deprecation"))))
        return level

    def compile(
        self, api: Api, common: Sequence[tuple[Policy, Attachment | None]], path: str
    ) -> tuple[Plan, ...]:
        """The plans of one API, one for each route."""
        implied, own = self._implied(api, path), self.attach(api.policies, below(path, "policies"))
        plans = []
        shared: tuple[Upstream | None, Chains] | None = None
        for number, route in enumerate(api.routes):
            where = below(below(path, "routes"), number)
            upstream = route.upstream or api.upstream
            if not (route.policies or route.tier) and shared is not None and shared[0] == upstream:
                chains: Chains | None = shared[1]
            else:
                levels = [common, implied, own, self.attach(route.policies, below(where, "policies"))]
                if any(policy.enabled and attachment is None for level in levels for policy, attachment in level):
                    continue  # said already; what follows from it would only confuse
                attachments = list(_in_force(levels))
                if not any(getattr(attachment.settings, "by_tiers", False) for attachment in attachments):
                    attachments = [each for each in attachments if (BANDWIDTH, each) not in implied]
                    self._refuse_uncounted(api, route, path, where)
                place = below(where if route.upstream else path, "upstream")
                chains = self._chains(api, upstream, attachments, path, place)
                if chains is not None and not route.policies:
                    shared = (upstream, chains)
            if chains is not None:
                strip = api.strip_base_path if route.strip_base_path is None else route.strip_base_path
                plans.append(self._plan(api, api.id, route, chains, anonymous=api.anonymous, strip=strip))
        return tuple(plans)

    def whole(
        self, api: Api, common: Sequence[tuple[Policy, Attachment | None]], path: str
    ) -> tuple[Plan, ...]:
        """The same, where what the code of a policy raises is a fault like any other: it must not touch other APIs."""
        try:
            return self.compile(api, common, path)
        except Exception as error:  # noqa: BLE001 - as said
            self.faults.append(Fault(path, f"cannot be compiled: {type(error).__name__}: {error}"))
            return ()

    def _refuse_uncounted(self, api: Api, route: Route, path: str, where: str) -> None:
        """A limit that nothing counts would be none."""
        limits = ((api.tier, below(path, "tier")), (api.hard_limit, below(path, "hard_limit")))
        for limit, place in (*limits, (route.tier, below(where, "tier"))):
            if limit is not None:
                text = "is counted by nothing; attach the policy rate-limit, without amount and limits"
                self.faults.append(Fault(place, text))

    def _call(
        self, api: Api, upstream: Upstream | None, attachments: Sequence[Attachment], path: str, place: str
    ) -> Call | None:
        """What calls the servers of one route; None for some that cannot be called."""
        faults = len(self.faults)
        calls: list[Any] = []
        for servers, where, otherwise in (
            (upstream, place, _no_upstream),
            (api.sandbox, below(path, "sandbox"), _no_sandbox),
        ):
            try:
                calls.append(otherwise if servers is None else self.make_call(servers))
            except SettingsError as error:
                self.faults += [fault.under(where) for fault in error.faults]
        if len(self.faults) > faults:
            return None
        asks = any("twgw_authenticate" in attachment.plugin.hooks for attachment in attachments)
        return _by_environment(*calls) if asks else calls[0]

    def _chains(
        self, api: Api, upstream: Upstream | None, attachments: list[Attachment], path: str, place: str
    ) -> Chains | None:
        """The chains of one route.  ``path`` is the API's, ``place`` that of the upstream."""
        call = self._call(api, upstream, attachments, path, place)
        if call is None:
            return None
        try:
            chains = compile_chains(attachments, self.gateway, call)
        except ChainError as error:
            self.faults.append(Fault(below(path, "policies"), str(error)))
            return None
        hooks = {hook for attachment in attachments for hook in attachment.plugin.hooks}
        if upstream is None and "twgw_forward" not in hooks:
            text = "missing, and no policy answers in its place (mock-response does)"
            self.faults.append(Fault(place, text))
        if not (chains.protected or api.anonymous) and any(
            attachment.shadow and "twgw_authenticate" in attachment.plugin.hooks for attachment in attachments
        ):
            text = (
                "its only authentication is in shadow, which would leave it open; "
                "say anonymous: true if that is meant, or attach another"
            )
            self.faults.append(Fault(below(path, "policies"), text))
        if api.when_isolated is Isolated.STALE:
            chains = attrs.evolve(chains, respond=(*chains.respond, Link("", stale.say)))
        return _ending(chains, _blocked) if EFFECTS[api.state].refused else chains

    def refusing(
        self, common: Sequence[tuple[Policy, Attachment | None]], refuse: Callable[[Exchange], Problem],
        api: Api = NO_API, api_id: str = "",
    ) -> Plan | None:  # fmt: skip
        """What serves requests that are refused: the global policies, without those that know a caller."""
        try:
            chains = compile_chains(list(_in_force([common])), self.gateway, _no_upstream)
        except ChainError as error:
            self.faults.append(Fault("policies", str(error)))
            return None
        return self._plan(api, api_id, Route(), _ending(chains, refuse), anonymous=True, strip=False)

    def _plan(self, api: Api, api_id: str, route: Route, chains: Chains, *, anonymous: bool, strip: bool) -> Plan:
        bare, full = (path_of(chains, self.gateway, anonymous=anonymous, body=body) for body in (False, True))
        return Plan(api, api_id, route, chains, bare, full, strip)


def _ending(chains: Chains, refuse: Callable[[Exchange], Problem]) -> Chains:
    """Chains that refuse every request as soon as it was received, named and seen by those who need no caller."""
    return attrs.evolve(
        chains, authenticate=(), authorize=(), throttle=(), transform=(), request_body=False, protected=False,
        forward=(Link("", lambda exchange, _settings, _gateway: refuse(exchange)),),
    )  # fmt: skip


def _in_force(levels: Sequence[Sequence[tuple[Policy, Attachment | None]]]) -> Iterator[Attachment]:
    """Global policies, then the API's, then the route's, without those that a narrower level switches off by name."""
    for number, level in enumerate(levels):
        off = {policy.name for narrower in levels[number + 1 :] for policy, _ in narrower if not policy.enabled}
        for policy, attachment in level:
            if attachment is not None and policy.name not in off:
                yield attachment
