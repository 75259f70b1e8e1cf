"""Whose key is this, and may its application call that API: from what is known of the registry, or by reading there.

Implements ``Credentials`` and ``Subscriptions`` of ``policy/interfaces.py`` where a database is the state, as
``lookup.py`` does where a file is.  What is known costs no query while ``cache.py`` says that it holds.  The rest
is read once, however many requests wait for it, several things in a transaction, off the reactor.  Made by ``tap.py``.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twgw.cache import Cache, Fact, Fill, Fills
from twgw.credentials import well_formed
from twgw.gateway.running import Pause
from twgw.model import Credential, Subscription, Tier
from twgw.policy.interfaces import Clock, Log, Metrics, Unanswered
from twgw.reader import Found, Key, Reader, Right
from twgw.storage.errors import Unavailable

TOGETHER = 64
"""Things that are read in one transaction."""
AT_ONCE = 2
"""Such transactions at the same time."""
PATIENCE = 3.0
"""Seconds after which a request waits no longer for the database."""


class Facts:
    """What is known, and reading what is not."""

    def __init__(
        self, cache: Cache, reader: Reader, clock: Clock, own_log: Log, metrics: Metrics, most_waiting: int = 10_000
    ) -> None:
        self.cache = cache
        self.outage = ""
        """Why nobody answers what is not known; empty while somebody does."""
        self._reader = reader
        self._wall = clock.wall
        self._now = clock.now
        self._log = own_log
        self._fills = Fills(most_waiting)
        self._under_way = 0
        reads = "Keys and subscriptions that were read from the registry, by what came of it."
        self._reads = metrics.counter("twgw_registry_reads", reads, ("result",))

    def __len__(self) -> int:
        """How many requests' keys and subscriptions are waited for."""
        return len(self._fills)

    async def get(self, wanted: Key | Right) -> Any:
        """What the registry says of something, None when there is no such thing.  Raises Unanswered."""
        if self.outage:
            raise Unanswered(self.outage)
        waiter = Pause()
        if not self._fills.join(wanted, waiter, self._now()):
            raise Unanswered("too many keys are being read from the registry")
        self._ask()
        return await waiter

    def _ask(self) -> None:
        while self._under_way < AT_ONCE and (fills := self._fills.ask(TOGETHER)):
            self._under_way += 1
            Deferred.fromCoroutine(self._fill(fills)).addErrback(self._broke)

    async def _fill(self, fills: list[Fill]) -> None:
        """Read some things, and tell those who wait for them."""
        asked = self._wall()
        found: list[Found] = []
        failed: Exception | None = None
        try:
            found = await self._reader.facts([fill.key for fill in fills], asked)
        except Unavailable as error:
            failed = Unanswered(str(error))
        except Exception as error:  # noqa: BLE001 - whoever waits has to be told
            self._log.error("keys could not be read: {error}", error=Failure().getTraceback())
            failed = error
        self._under_way -= 1
        if failed is not None:
            self._reads.add(("failed",), len(fills))
            for fill in fills:
                self._refuse(fill, failed)
        for fill, (fact, rights) in zip(fills, found, strict=failed is None):
            self._land(fill, fact, rights, asked)
        self._ask()

    def _land(self, fill: Fill, fact: Fact, rights: dict[Right, Fact], asked: float) -> None:
        name = fill.key.fact if isinstance(fill.key, Key) else fill.key
        if self.cache.keep(name, fact, asked):
            for right, its_fact in rights.items():
                self.cache.keep(right, its_fact, asked)
            self._reads.add(("unknown" if fact.payload is None else "known",))
            for waiter in self._fills.land(fill):
                waiter.wake(fact.payload)
        elif not self._fills.again(fill):
            self._reads.add(("overtaken",))
            self._refuse(fill, Unanswered("it changes faster than it can be read"))

    def _refuse(self, fill: Fill, error: Exception) -> None:
        for waiter in self._fills.land(fill):
            waiter.fail(error)

    def _broke(self, failure: Failure) -> None:
        self._log.error("a request failed when its key was read: {error}", error=failure.getTraceback())

    # --- when nobody answers ---------------------------------------------------------------------------------

    def look(self) -> None:
        """See whether somebody waits for too long; called every second."""
        since = self._fills.waited_since()
        if since is not None and self._now() - since > PATIENCE:
            self.lose(f"{self._reader.whom} has not answered for {PATIENCE:.0f} s")

    def lose(self, reason: str) -> None:
        """Nobody answers: what is known is served, and nobody waits for the rest."""
        if not self.outage:
            self._log.error("{reason}; what is known is served, the rest is refused with 503", reason=reason)
        self.outage = reason
        for waiter in self._fills.give_up():
            waiter.fail(Unanswered(reason))

    def regain(self) -> None:
        """Somebody answers."""
        if self.outage:
            self._log.info("{whom} answers again", whom=self._reader.whom)
        self.outage = ""


class Keys:
    """The ``Credentials`` of ``policy/interfaces.py``: API keys, tokens, and JWTs by the id in them (``jti``).

    Facts are found by a quick digest under a key of this process; a key itself is kept nowhere.
    """

    def __init__(self, facts: Facts, clock: Clock, digests: Callable[[str], tuple[str, ...]]) -> None:
        self._facts = facts
        self._find = facts.cache.find
        self._wall = clock.wall
        self._digests = digests
        self._quick = hashlib.blake2b(key=secrets.token_bytes(32), digest_size=16)

    def find(self, kind: str, secret: str) -> Credential | None | Awaitable[Credential | None]:
        """The credential with this secret; None when it is unknown, void or expired."""
        quick = self._quick.copy()
        quick.update(f"{kind}\0{secret}".encode())
        name = quick.digest()
        fact = self._find(name, self._wall())
        if fact is not None:
            return fact.payload  # type: ignore[no-any-return]
        if secret.startswith("tw_") and not well_formed(secret):
            return None  # nobody has to be asked
        return self._facts.get(Key(name, kind, self._digests(secret)))


class Rights:
    """The ``Subscriptions`` of ``policy/interfaces.py``."""

    def __init__(self, facts: Facts, clock: Clock) -> None:
        self._facts = facts
        self._find = facts.cache.find
        self._wall = clock.wall
        self.tiers: Mapping[str, Tier] = {}
        """Every tier; replaced by ``follower.py``."""

    def find(self, application: str, api: str) -> Subscription | None | Awaitable[Subscription | None]:
        """The subscription of an application to an API."""
        fact = self._find((application, api), self._wall())
        if fact is not None:
            return fact.payload  # type: ignore[no-any-return]
        return self._facts.get(Right(application, api))

    def tier(self, name: str) -> Tier | None:
        """A tier by its name.  Raises Unanswered for one that is not there: it was made and given a moment ago."""
        tier = self.tiers.get(name)
        if tier is None:
            raise Unanswered(f"the tier {name} is not in force here yet")
        return tier
