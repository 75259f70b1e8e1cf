"""The Limiter of a node that counts together with others, on memcached: exact, and mostly without asking.

Made by ``tap.py`` where ``[memcached] servers`` are named, and lent to policies as ``gateway.limiter``.  Tokens are
reserved in blocks (``reservation.py``) and spent here.  Who finds none waits for one answer, together with all others
who want of the same counter; that a limit is used up is remembered until its window ends.

While a server does not answer, its counters are counted here alone, each within the share of one node.  What was let
pass before that moment is not known, so all counts as used up then; and clients are told (``fields.py``).
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from attrs import define, evolve, field

from twgw.gateway.running import Pause
from twgw.model import Algorithm, Charge, Limit
from twgw.policy.interfaces import Clock, Decision
from twgw.throttle.accounts import Account, account_for
from twgw.throttle.asking import LOST, NOTHING, POISONED, REFUSED, Asking
from twgw.throttle.bucket_account import BucketAccount
from twgw.throttle.fields import DEGRADED
from twgw.throttle.fixed_account import FixedAccount
from twgw.throttle.kept import LONG, Kept
from twgw.throttle.limiter import State, fresh
from twgw.throttle.others import Others
from twgw.throttle.reservation import NONCE, Command, Reply, name_of, place_of
from twgw.throttle.servers import CounterServer
from twgw.throttle.tables import Tables

NONCES = (1 << 64) // NONCE
PATIENCE = 1.0
"""Seconds after which a request is refused that waits for its turn."""
COME_BACK = 1.0
"""Seconds after which a charge is asked to come back that nobody can decide about now."""


def share_of(limit: Limit, nodes: int) -> Limit | None:
    """The part of a limit that each of the nodes may let pass by itself; None when that is nothing, or they are 0."""
    if nodes == 1:
        return limit
    if nodes < 1:
        return None
    if limit.algorithm is Algorithm.TOKEN_BUCKET:
        burst = (limit.burst or limit.amount) // nodes
        return evolve(limit, period=limit.period * nodes, burst=burst) if burst else None
    return evolve(limit, amount=limit.amount // nodes) if limit.amount >= nodes else None


@define(eq=False)
class Shared:
    """One counter of all nodes, as this one sees it."""

    limit: Limit
    account: Account
    server: CounterServer
    kept_until: float
    """Time until which it is not let go, as somebody may wait."""
    asking: bool = False
    waiting: list[Pause] = field(factory=list)
    need: int = 0
    """Cost of the first who waits."""
    wanted: int = 0
    """Cost of all who wait."""
    share: Limit | None = None
    alone: State | None = None
    """What is left of the share."""
    alone_since: float = 0.0
    """Beginning of the outage for which that was made, or when it became known how many share."""
    alone_label: float = -1.0
    """The fixed window in which something was let pass of it; it ends as it is, also when the server is back."""
    spent: int = 0
    """What was let pass of it, and the others do not know yet."""
    reported: int = 0
    """What of that was told them now."""

    def expires(self) -> float:
        """From this time on it equals a fresh one."""
        expires = max(self.account.expires(), self.kept_until)
        return expires if self.alone is None else max(expires, self.alone.expires())

    def is_alone(self) -> bool:
        """Whether the node has to decide by itself."""
        return self.server.down or self._goes_on()

    def owed(self, now: float) -> int:
        """What has to be counted belatedly."""
        if not self.spent or self.alone is None or self.share is None or self.account.__class__ is FixedAccount:
            return 0
        return min(self.spent, (self.share.burst or self.share.amount) - self.alone.remaining(now))

    def of_share(self, nodes: int, known_since: float) -> State | None:
        """The counter of the share; None when that is nothing.  ``nodes`` is how many share, known since a time."""
        since = max(self.server.down_since, known_since)
        if self.server.down and self.alone_since != since and not self._goes_on():
            self.alone_since = since
            self.share = share_of(self.limit, nodes)
            self.alone = None
            if self.share is not None:
                self.alone = fresh(self.share)
                self.alone.commit(since, self.share.burst or self.share.amount)
        return self.alone

    def _goes_on(self) -> bool:
        return self.account.__class__ is FixedAccount and self.alone_label == self.account.label


@define(eq=False)
class Part:
    """One charge that is being decided."""

    charge: Charge
    shared: Shared | None
    cost: int
    """Of this and of those before it on the same counter."""
    fits: bool | None
    alone: State | None = None
    degraded: bool = False
    late: bool = False
    """Whether it was not known in time."""


class SharedLimiter:
    """Counts on ``servers``.  At ``max_keys`` live counters it refuses what would need another one.

    ``others`` says how many count together, and how, ``random`` gives a number below another one.
    """

    def __init__(
        self, clock: Clock, servers: Sequence[CounterServer], others: Callable[[], Others],
        random: Callable[[int], int], namespace: str = "", max_keys: int = 1_000_000, kept: Kept | None = None,
    ) -> None:  # fmt: skip
        self._wall = clock.wall
        self._latest = 0.0
        self.servers = tuple(servers)
        self._names = [server.name for server in servers]
        self._ask_others = others
        self.others = others()
        self._shared_by = self.others.nodes if self.others.share else 0
        self._shared_since = 0.0
        """How many share a limit when they count alone; 0: not this one.  Since when."""
        self._nonce = random(NONCES - 1)
        """Of the last counter that we might have made: none is made twice with the same."""
        self._namespace = namespace
        self._kept = kept
        """Where it is kept what was counted of long windows, if anywhere."""
        self._counters: Tables[Shared] = Tables(max_keys)
        self._known = self._counters.known
        self.refused_full = 0
        """Charges refused because there was no room for their counter."""
        self.faults = {LOST: 0, POISONED: 0, REFUSED: 0}
        self.waited = 0
        """Requests that waited for an answer."""
        self.alone = 0
        """Charges decided without the others, as a server did not answer."""

    def __len__(self) -> int:
        """How many counters are kept."""
        return len(self._counters)

    def take_all(self, charges: Sequence[Charge]) -> list[Decision] | Awaitable[list[Decision]]:
        """Take every charge, or none of them when one does not fit; at once when the servers need not be asked.

        When one is refused, those that would have fitted, or might have, say so and are not taken.
        Raises ValueError for a negative cost.
        """
        now = self._now()
        if len(charges) == 1:
            charge = charges[0]
            known = self._known.get(id(charge.limit))
            if known is not None and charge.cost == 1:
                shared = known[1].counters.get(charge.key)
                if shared is not None and (account := shared.account).__class__ is FixedAccount:
                    period = account.period
                    label = now // period
                    if label > account.label:
                        account.begin(label)
                    tokens = account.tokens
                    if tokens > 0:
                        account.tokens = tokens = tokens - 1
                        return [Decision(charge, True, account.left + tokens, (account.label + 1) * period - now)]
                    if account.used_up:
                        wait = (account.label + 1) * period - now
                        return [Decision(charge, False, 0, wait, wait)]
            shared = self._unknown(charge, now)
            if shared is not None:
                self.waited += 1
                return self._wait_for(charge, shared, now)
        parts = self._peek(charges, now)
        if _open(parts):
            self.waited += 1
            return self._wait(charges, parts, now)
        return self._decide(parts, now)

    def _unknown(self, charge: Charge, now: float) -> Shared | None:
        """The counter of a charge about which its server has to be asked, and can be."""
        cost = charge.cost
        if cost < 0:
            return None
        shared = self._counters.find(charge.limit, charge.key) or self._fresh(charge, now)
        if shared is None or shared.account.peek(now, cost) is not None:
            return None
        self.heed()
        return None if shared.is_alone() else shared

    async def _wait_for(self, charge: Charge, shared: Shared, began: float) -> list[Decision]:
        """Ask once for one charge: mostly that is enough."""
        await self._ask(shared, charge.cost)
        account, now = shared.account, self._now()
        if account.peek(now, charge.cost):
            account.commit(charge.cost)
            return [Decision(charge, True, account.remaining(now), account.reset_after(now))]
        return await self._wait([charge], self._peek([charge], now), began)

    async def _wait(self, charges: Sequence[Charge], parts: list[Part], now: float) -> list[Decision]:
        """Ask until it is known."""
        until = now + PATIENCE
        while open_parts := _open(parts):
            if now > until:
                for part in open_parts:
                    part.fits, part.late = False, True
                break
            for pause in [self._ask(part.shared, part.cost) for part in open_parts if part.shared is not None]:
                await pause
            now = self._now()
            parts = self._peek(charges, now)
        return self._decide(parts, now)

    def _now(self) -> float:
        now = self._wall()
        if now < self._latest:
            return self._latest
        self._latest = now
        if now >= self._counters.next_due:
            self._counters.prune(now, 2)
        return now

    def _peek(self, charges: Sequence[Charge], now: float) -> list[Part]:
        if not self._counters.room(len(charges)):
            self._counters.prune(now, 64)
        parts: list[Part] = []
        pending: dict[int, int] = {}
        for charge in charges:
            if charge.cost < 0:
                raise ValueError(f"the cost of a charge must not be negative: {charge.cost}")
            shared = self._counters.find(charge.limit, charge.key) or self._fresh(charge, now)
            if shared is None:
                self.refused_full += 1
                parts.append(Part(charge, None, charge.cost, fits=False))
                continue
            cost = pending[id(shared)] = pending.get(id(shared), 0) + charge.cost
            account = shared.account
            if isinstance(account, BucketAccount) and shared.server.lost_at > account.lost_at:
                account.lose(shared.server.lost_at)
            fits = account.peek(now, cost)
            part = Part(charge, shared, cost, fits)
            if fits is None:
                self.heed()
            if fits is None and shared.is_alone():
                part.degraded = True
                part.alone = shared.of_share(self._shared_by, self._shared_since)
                part.fits = part.alone is not None and part.alone.peek(now, cost)
            parts.append(part)
        return parts

    def heed(self) -> None:
        """Act upon what is known of the others now: who counts on other servers is not counted with."""
        others = self._ask_others()
        if others is self.others or others == self.others:
            return
        shared_by = others.nodes if others.share else 0
        if shared_by != self._shared_by:
            self._shared_by, self._shared_since = shared_by, self._now()
        self.others = others
        for server in self.servers:
            server.bar(bool(others.apart))

    def _fresh(self, charge: Charge, now: float) -> Shared | None:
        """A counter that was not used for a while; None when there is no room."""
        if not self._counters.room(1):
            return None
        name = name_of(self._namespace, charge.limit, charge.key)
        account = account_for(charge.limit, name, self._kept if charge.limit.period > LONG else None)
        account.peek(now, 0)
        shared = Shared(charge.limit, account, self.servers[place_of(name, self._names)], now + 2 * PATIENCE)
        self._counters.keep(charge.limit, charge.key, shared)
        return shared

    def _decide(self, parts: list[Part], now: float) -> list[Decision]:
        if all(part.fits for part in parts):
            for part in parts:
                self._commit(part, now)
        return [self._decision(part, now) for part in parts]

    def _commit(self, part: Part, now: float) -> None:
        shared = part.shared
        if shared is None:
            return
        if part.alone is None:
            shared.account.commit(part.charge.cost)
        else:
            part.alone.commit(now, part.charge.cost)
            shared.spent += part.charge.cost
            if shared.account.__class__ is FixedAccount:
                shared.alone_label = shared.account.label

    def _decision(self, part: Part, now: float) -> Decision:
        charge, shared, fits = part.charge, part.shared, part.fits
        if shared is None:
            return Decision(charge, False, 0, COME_BACK, COME_BACK)
        account = shared.account
        if fits is None:  # another one is refused, or it took too long
            return Decision(charge, True, account.remaining(now), account.reset_after(now))
        if part.degraded:
            self.alone += 1
            return self._alone_decision(part, shared, now)
        wait = 0.0 if fits else COME_BACK if part.late else account.retry_after(now, part.cost)
        return Decision(charge, fits, account.remaining(now), account.reset_after(now), wait)

    def _alone_decision(self, part: Part, shared: Shared, now: float) -> Decision:
        told = evolve(part.charge, name=part.charge.name + DEGRADED, limit=shared.share or shared.limit)
        if part.alone is None:
            return Decision(told, False, 0, COME_BACK, COME_BACK)
        left, whole = part.alone.remaining(now), part.alone.reset_after(now)
        if part.fits:
            return Decision(told, True, left, whole)
        return Decision(told, False, left, whole, min(part.alone.retry_after(now, part.cost), COME_BACK))

    @property
    def lost_at(self) -> float:
        """When a server lost its data last, as far as is known; 0: never."""
        return max((server.lost_at for server in self.servers), default=0.0)

    def collect(self, now: float, share: float) -> None:
        """Accounts note what they hear of, when they do."""

    # --- asking ---

    def _ask(self, shared: Shared, cost: int) -> Pause:
        """Wait for the next answer about a counter, for which all wait together who want of it."""
        pause = Pause()
        shared.waiting.append(pause)
        shared.wanted += cost
        if not shared.asking:
            shared.asking, shared.need, shared.kept_until = True, cost, self._latest + 2 * PATIENCE
            shared.server.ask(partial(self._commands, shared), partial(self._answered, shared))
        return pause

    def _commands(self, shared: Shared, now: float) -> list[Command]:
        self._nonce = nonce = self._nonce % (NONCES - 1) + 1
        now = max(now, self._latest)
        owed = shared.owed(now) if shared.spent else 0
        about = Asking(now, shared.need, shared.wanted, self.others.nodes, nonce, shared.server.lost_at, owed)
        shared.reported = shared.spent
        return shared.account.ask(about)

    def _answered(self, shared: Shared, replies: Sequence[Reply]) -> None:
        heard = shared.account.answered(replies, shared.server.lost_at)
        if shared.reported and replies and None not in replies:
            shared.spent -= shared.reported
        if heard is not NOTHING:
            if heard.fault:
                self.faults[heard.fault] += 1
            if heard.tell:
                shared.server.ask(lambda _: heard.tell, lambda _: None)
        waiting, shared.waiting = shared.waiting, []
        shared.asking, shared.wanted = False, 0
        for pause in waiting:
            pause.wake()


def _open(parts: list[Part]) -> list[Part]:
    """Those that nobody can decide about without asking; none when it does not depend on them."""
    if any(part.fits is False for part in parts):
        return []
    return [part for part in parts if part.fits is None]
