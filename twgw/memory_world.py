"""What the data plane lends to policies, in memory: time that tests advance, keys, a log and files that are lists.

``memory.py`` gives them to the gateway it makes, ``testing.py`` to the policies it runs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twgw.gateway.problems import BodyTooLarge
from twgw.model import Credential, Subscription, Tier
from twgw.policy.interfaces import DirectoryUser, HttpAnswer, Refusal

T = TypeVar("T")
EPOCH: Final = 1_800_000_000.0
"""UNIX time when a MemoryGateway is made: the start of a minute."""


class MemoryClock:
    """The ``Clock`` of ``policy/interfaces.py`` on a Clock that tests advance."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.now = clock.seconds

    def wall(self) -> float:
        """Seconds since 1970, UTC."""
        return EPOCH + self._clock.seconds()

    async def sleep(self, seconds: float) -> None:
        """Wait for the test to advance the clock."""
        done: Deferred[None] = Deferred()
        self._clock.callLater(seconds, done.callback, None)
        await done


class MemoryLog:
    """The gateway's own log as a list of (level, line)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def info(self, text: str, **fields: Any) -> None:
        """Something worth knowing."""
        self.lines.append(("info", text.format(**fields)))

    def warn(self, text: str, **fields: Any) -> None:
        """Something to look at."""
        self.lines.append(("warn", text.format(**fields)))

    def error(self, text: str, **fields: Any) -> None:
        """Something broken."""
        self.lines.append(("error", text.format(**fields)))


@frozen
class MemoryLines:
    """The lines of one file."""

    kept: list[str]

    def write(self, line: str) -> None:
        """Append one line."""
        self.kept.append(line)


@define
class MemoryFiles:
    """The files that policies write, in memory, by path."""

    written: dict[str, list[str]] = field(factory=dict)

    def lines(self, path: str) -> MemoryLines:
        """The sink of a path."""
        return MemoryLines(self.written.setdefault(path, []))


class NoHttp:
    """In memory there is no other service to call."""

    async def request(self, method: str, url: str, **_more: Any) -> HttpAnswer:
        """Raises OSError; give MemoryGateway an ``http`` of your own for a policy that calls out."""
        raise OSError(f"{method} {url}: give MemoryGateway an http that answers")


class MemoryBody:
    """A request body that is all there."""

    def __init__(self, content: bytes | Sequence[bytes]) -> None:
        self._pieces = [content] if isinstance(content, bytes) else list(content)
        self.length = len(content) if isinstance(content, bytes) else None
        self.received = 0
        self.limit = 0

    async def read(self, limit: int) -> bytes:
        """The whole body.  Raises BodyTooLarge past the limit."""
        limits = [number for number in (limit, self.limit) if number]
        self.received = 0
        for piece in self._pieces:
            self.received += len(piece)
            if limits and self.received > min(limits):
                raise BodyTooLarge
        return b"".join(self._pieces)


class FakeClock(Clock):
    """Time that stands still until it is told to go on; a Twisted ``Clock`` that can be lent to policies.

    >>> clock = FakeClock()
    >>> clock.advance(60)
    >>> clock.now()
    60.0
    """

    def now(self) -> float:
        """Monotonic seconds; they begin with 0."""
        return self.seconds()

    def wall(self) -> float:
        """UNIX time; it begins with a whole minute."""
        return EPOCH + self.seconds()

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was advanced so far."""
        done: Deferred[None] = Deferred()
        self.callLater(seconds, done.callback, None)
        await done

    def wake_next(self) -> bool:
        """Let time pass until the next who waits for it has their turn; False when nobody does."""
        due = [call.getTime() for call in self.getDelayedCalls()]
        if due:
            self.advance(max(0.0, min(due) - self.seconds()))
        return bool(due)


@define(eq=False)
class MemoryCredentials:
    """Keys by their secret."""

    known: dict[tuple[str, str], Credential] = field(factory=dict)

    def find(self, kind: str, secret: str) -> Credential | None:
        """The credential of that kind with that secret."""
        return self.known.get((kind, secret))


@define(eq=False)
class MemoryDirectory:
    """Users by name, with their passwords and their groups; ``asked`` remembers the names.

    >>> directory = MemoryDirectory({"alice": "secret"}, groups={"alice": ["staff"]})
    """

    passwords: Mapping[str, str] = field(factory=dict)
    groups: Mapping[str, Sequence[str]] = field(factory=dict)
    """Names of groups by user; of the directory and of consumers alike."""
    available: bool = True
    stores: Sequence[str] = ("memory",)
    """Names of the stores that it is taken to have; the first has all users."""
    asked: list[str] = field(factory=list)

    async def authenticate(self, user: str, password: str, store: str = "") -> DirectoryUser | Refusal:
        """The user of that name and password."""
        found = await self.find(user, store)
        return Refusal.WRONG_PASSWORD if found and self.passwords[user] != password else found

    async def find(self, user: str, store: str = "") -> DirectoryUser | Refusal:
        """The user of that name.  Raises LookupError for a store that is not there."""
        if store and store not in self.stores:
            raise LookupError(f"there is no user store {store}")
        self.asked.append(user)
        if not self.available:
            return Refusal.UNAVAILABLE
        if user not in self.passwords or (store and store != self.stores[0]):
            return Refusal.UNKNOWN
        groups = tuple(self.groups.get(user, ()))
        return DirectoryUser(self.stores[0], user, f"uid={user}", groups, (), groups)


async def run_now(call: Callable[[], T], timeout: float, late: Callable[[], None] | None = None) -> T:  # noqa: ARG001
    """Make a call that blocks, here and now: tests have no threads."""
    return call()


@define(eq=False)
class MemorySubscriptions:
    """Subscriptions by application and API, tiers by name."""

    known: dict[tuple[str, str], Subscription] = field(factory=dict)
    tiers: dict[str, Tier] = field(factory=dict)

    def find(self, application: str, api: str) -> Subscription | None:
        """The subscription of an application to an API."""
        return self.known.get((application, api))

    def tier(self, name: str) -> Tier | None:
        """A tier by its name."""
        return self.tiers.get(name)


@frozen
class HttpCall:
    """A call that a policy made."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@define(eq=False)
class FakeHttp:
    """Answers calls from a table of URLs; an exception in it is raised.  ``calls`` remembers them."""

    answers: Mapping[str, HttpAnswer | OSError] = field(factory=dict)
    calls: list[HttpCall] = field(factory=list)

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None,
        timeout: float = 5.0, limit: int = 1 << 20,  # noqa: ARG002 - nobody waits here
    ) -> HttpAnswer:  # fmt: skip
        """The answer for a URL.  Raises LookupError for one that is not in the table."""
        self.calls.append(HttpCall(method, url, dict(headers or {}), body))
        if url not in self.answers:
            raise LookupError(f"the test has no answer for {method} {url}")
        answer = self.answers[url]
        if isinstance(answer, OSError):
            raise answer
        if len(answer.body) > limit:
            raise OSError(f"the answer is larger than {limit} bytes")
        return answer
