"""What was read from the database, and whether it still holds.

Every write that takes trust away, or changes what is served, is a record of the cluster log and names tags.  A fact
names the tags of everything that it depends on, and may be used while no record that was applied after it was read
names one of them.  Nothing is trusted because it is young, and nothing waits here.

Pure: ``gateway/registry.py`` asks it for each request, ``gateway/follower.py`` tells it each record.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from attrs import define

EVERYTHING = "*"
"""The tag of a record after which no older fact holds."""
UNKNOWN_FOR = 1.0
"""Seconds for which it is remembered that there is no such thing: to issue one appends no record."""
CHANCES = 16
"""Facts in use that a new one may pass over before it takes the place of one."""
TRIES = 3
"""How often a key is asked for on behalf of one who waits, when records keep coming between."""


@define(eq=False)
class Fact:
    """Something that was read from the database."""

    position: int
    """Of the log, read before the rows; moved on when the fact is found to hold still."""
    epoch: int
    """Of the log; positions of two epochs do not compare."""
    expires: float
    """UNIX time from which it must not be used."""
    tags: tuple[str, ...]
    """Everything whose change may change it."""
    payload: Any
    """What was found; None when there is no such thing."""
    used: bool = False
    """Whether it was found since it was last passed over."""


class Cache:
    """Facts by key, and the part of the log that says which of them hold.

    Args:
        most_facts: how many facts are kept; those in use stay.
        most_unknown: how many keys are remembered as unknown, apart from the facts, so that they push none out.
        most_tags: how many tags are remembered with their latest record; older facts are then read anew.
        lease: whether this process may trust what it has applied, asked at each use; None: always.
    """

    def __init__(
        self,
        most_facts: int = 100_000,
        most_unknown: int = 10_000,
        most_tags: int = 100_000,
        lease: Callable[[], bool] | None = None,
    ) -> None:
        self.epoch = 0
        self.applied = 0
        """Every record up to this position has been applied."""
        self.begun = 0
        """Where it began."""
        self.floor = 0
        """What was read before this position may be changed by a record that is no longer remembered."""
        self._last: OrderedDict[str, int] = OrderedDict()
        """The latest record of each tag, in the order of positions."""
        self._facts: OrderedDict[Hashable, Fact] = OrderedDict()
        self._unknown: OrderedDict[Hashable, Fact] = OrderedDict()
        self._most_facts = most_facts
        self._most_unknown = most_unknown
        self._most_tags = most_tags
        self._lease = lease

    def __len__(self) -> int:
        """How many facts are kept, without the unknown keys."""
        return len(self._facts)

    # --- the log -----------------------------------------------------------------------------------------

    def apply(self, position: int, tags: Iterable[str]) -> None:
        """Apply one record.  Raises ValueError unless it is the next one: positions have no gaps."""
        if position != self.applied + 1:
            raise ValueError(f"record {position} does not follow {self.applied}")
        last = self._last
        for tag in tags:
            if tag == EVERYTHING:
                self.floor = position
            last[tag] = position
            last.move_to_end(tag)
        while len(last) > self._most_tags:
            self.floor = max(self.floor, last.popitem(last=False)[1])
        self.applied = position

    def reset(self, epoch: int, position: int) -> None:
        """Begin at a position of the log, knowing nothing: at the start, and where records are missing."""
        self.epoch = epoch
        self.applied = self.floor = position
        self.begun = position
        for table in (self._last, self._facts, self._unknown):
            table.clear()

    def look_back(self, records: Sequence[tuple[int, str]]) -> None:
        """Take in records before the beginning, the oldest first and without a gap.

        Then facts that were read after the first of them can be judged.  Without effect where later records are not
        remembered any more.
        """
        if self.floor != self.begun or [pos for pos, _ in records] != list(
            range(self.begun - len(records) + 1, self.begun + 1)
        ):
            return
        later, self._last = self._last, OrderedDict()
        self.floor -= len(records)
        for position, tag in (*records, *((position, tag) for tag, position in later.items())):
            if tag == EVERYTHING:
                self.floor = max(self.floor, position)
            self._last[tag] = position
            self._last.move_to_end(tag)
        while len(self._last) > self._most_tags:
            self.floor = max(self.floor, self._last.popitem(last=False)[1])

    # --- facts -------------------------------------------------------------------------------------------

    def holds(self, fact: Fact) -> bool:
        """Whether a fact is still what the database says, as far as the log has been applied."""
        if self._lease is not None and not self._lease():
            return False
        position, applied = fact.position, self.applied
        if fact.epoch != self.epoch or position < self.floor:
            return False
        if position < applied:
            last = self._last
            for tag in fact.tags:
                if last.get(tag, 0) > position:
                    return False
            fact.position = applied  # so that what is in use never falls below the floor
        return True

    def usable(self, fact: Fact, now: float) -> bool:
        """Whether a request that came may be decided by a fact at this UNIX time; to be asked for each request."""
        return now < fact.expires and self.holds(fact)

    def find(self, key: Hashable, now: float) -> Fact | None:
        """The usable fact of a key.  None: nobody knows, so it has to be read."""
        fact = self._facts.get(key)
        if fact is None:
            fact = self._unknown.get(key)
            if fact is None:
                return None
        if now < fact.expires and self.holds(fact):
            fact.used = True
            return fact
        return None

    def keep(self, key: Hashable, fact: Fact, asked: float) -> bool:
        """Take in what was read for a key, ``asked`` being the UNIX time before that; whether it holds.

        It does not when a record was applied meanwhile: then it is not kept, and nobody may be told.
        """
        if not self.holds(fact):
            return False
        if fact.payload is None:
            self._facts.pop(key, None)
            self._keep_unknown(key, fact, asked)
        else:
            self._unknown.pop(key, None)
            if key not in self._facts and len(self._facts) >= self._most_facts:
                self._make_room()
            self._facts[key] = fact
        return True

    def _keep_unknown(self, key: Hashable, fact: Fact, asked: float) -> None:
        fact.expires = min(fact.expires, asked + UNKNOWN_FOR)
        self._unknown[key] = fact
        self._unknown.move_to_end(key)
        if len(self._unknown) > self._most_unknown:
            self._unknown.popitem(last=False)

    def _make_room(self) -> None:
        """Let the oldest fact go that nobody used since it was last passed over."""
        facts = self._facts
        for _ in range(CHANCES):
            key, fact = facts.popitem(last=False)
            if not fact.used:
                return
            fact.used = False
            facts[key] = fact
        facts.popitem(last=False)


@define(eq=False)
class Fill:
    """A key that is waited for."""

    key: Any
    since: float
    """When the first came who waits."""
    waiters: list[Any]
    tries: int = 0


class Fills:
    """Who waits for which key: each is asked for once at a time, several together, and not more than ``most``."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._fills: dict[Hashable, Fill] = {}
        self._due: deque[Fill] = deque()

    def __len__(self) -> int:
        """How many keys are waited for."""
        return len(self._fills)

    def join(self, key: Hashable, waiter: Any, now: float) -> bool:
        """Wait for a key; False when so many are waited for that nobody else may."""
        fill = self._fills.get(key)
        if fill is not None:
            fill.waiters.append(waiter)
            return True
        if len(self._fills) >= self._most:
            return False
        fill = self._fills[key] = Fill(key, now, [waiter])
        self._due.append(fill)
        return True

    def ask(self, at_most: int) -> list[Fill]:
        """What is to be asked for now, that which was waited for longest first."""
        fills = [self._due.popleft() for _ in range(min(at_most, len(self._due)))]
        for fill in fills:
            fill.tries += 1
        return fills

    def again(self, fill: Fill) -> bool:
        """Ask anew, as what was read did not hold; False when nobody waits any more, or it was tried too often."""
        if fill.tries >= TRIES or self._fills.get(fill.key) is not fill:
            return False
        self._due.appendleft(fill)
        return True

    def land(self, fill: Fill) -> list[Any]:
        """The end of the wait: everybody who waited."""
        if self._fills.get(fill.key) is not fill:
            return []  # given up before
        del self._fills[fill.key]
        return fill.waiters

    def waited_since(self) -> float | None:
        """When the longest wait began; None when nobody waits."""
        return next((fill.since for fill in self._fills.values()), None)

    def give_up(self) -> list[Any]:
        """The end of every wait: everybody who waited.  What is under way lands for nobody."""
        waiters = [waiter for fill in self._fills.values() for waiter in fill.waiters]
        self._fills.clear()
        self._due.clear()
        return waiters
