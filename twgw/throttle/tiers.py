"""What a request is charged against by tiers, at every level, and by the hard limit of its API.

    hard limit of the API → tier of the API → tier of the route → subscription → tier of the application

All of it is one list of charges, taken together or not at all.  WSO2's code of a refusal tells the levels apart.
Pure.  Called by the policies ``rate-limit``, which counts requests, and ``bandwidth-limit``, which counts bytes.
"""

from collections.abc import Callable, Iterator

from attrs import define, field, frozen

from twgw.model import Api, Charge, Credential, Limit, Route, Tier, Unit

API, HARD, RESOURCE, APPLICATION, SUBSCRIPTION = 900800, 900801, 900802, 900803, 900804
SUBSCRIPTION_BURST, APPLICATION_BURST = 900807, 900809
BURSTS = {SUBSCRIPTION: SUBSCRIPTION_BURST, APPLICATION: APPLICATION_BURST}
"""WSO2's codes of a refusal by the burst limit of a level; the other levels have none of their own."""

FindTier = Callable[[str], Tier | None]


@frozen
class Part:
    """One limit of one level: what is the same in all its charges.  ``prefix`` begins the keys of its counters."""

    limit: Limit
    name: str
    prefix: str
    code: int

    def charge(self, who: str, *, hidden: bool = False, cost: int = 1) -> Charge:
        """The charge of one request."""
        return Charge(self.prefix + who, self.limit, self.name, cost, hidden, "", self.code)


def parts_of(tier: Tier, unit: Unit, code: int, name: str, identity: str) -> tuple[Part, ...]:
    """The limits of a tier that count in a unit, its burst last; equal ones count once."""
    limits = [(limit, code) for limit in dict.fromkeys(tier.limits)]
    if tier.burst is not None:
        limits.append((tier.burst, BURSTS.get(code, code)))
    counted = [(place, limit, code) for place, (limit, code) in enumerate(limits) if limit.unit is unit]
    return tuple(
        Part(limit, f"{name}-{limit.period:g}s" if len(counted) > 1 else name, f"{identity}|{place}|", code)
        for place, limit, code in counted
    )


@define(eq=False)
class Levels:
    """The charges of every level but the subscription's; remembers the parts of a tier as long as that is the same."""

    unit: Unit
    known: dict[tuple[str, int], tuple[Tier, tuple[Part, ...]]] = field(factory=dict)
    hard: dict[str, tuple[Limit, Part]] = field(factory=dict)

    def before(self, api: Api, api_id: str, route: Route | None, find: FindTier) -> Iterator[Charge]:
        """The charges of the API and the route, whoever calls.  Raises LookupError for a tier that is not there."""
        hard = api.hard_limit
        if hard is not None and hard.unit is self.unit:
            known = self.hard.get(api_id)
            if known is None or known[0] is not hard:
                known = self.hard[api_id] = hard, Part(hard, "backend", "hard|", HARD)
            yield known[1].charge(api_id)
        if api.tier:
            yield from self._charges(api.tier, API, "api", api_id, find)
        if route is not None and route.tier:
            who = f"{api_id}|{','.join(route.methods)} {route.path}"
            yield from self._charges(route.tier, RESOURCE, "resource", who, find)

    def after(self, credential: Credential | None, find: FindTier) -> Iterator[Charge]:
        """The charges of the application.  Raises LookupError for a tier that is not there."""
        if credential is not None and credential.tier and credential.application:
            yield from self._charges(credential.tier, APPLICATION, "application", credential.application, find)

    def of_subscription(self, tier: str, who: str, find: FindTier) -> Iterator[Charge]:
        """The charges of a subscription in a tier.  Raises LookupError for one that is not there."""
        yield from self._charges(tier, SUBSCRIPTION, "subscription", who, find)

    def _charges(self, name: str, code: int, level: str, who: str, find: FindTier) -> Iterator[Charge]:
        tier = find(name)
        if tier is None:
            raise LookupError(f"there is no tier {name}")
        known = self.known.get((name, code))
        if known is None or known[0] is not tier:
            label = name.lower() if code == SUBSCRIPTION else f"{level}-{name.lower()}"
            parts = parts_of(tier, self.unit, code, label, f"{level}|{name}")
            known = self.known[name, code] = tier, parts
        for part in known[1]:
            yield part.charge(who)
