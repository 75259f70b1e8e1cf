"""What the data plane lends to policies, in memory: time that tests advance, a log and files that are lists.

``memory.py`` gives them to the gateway it makes.
"""

from typing import Any, Final

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twgw.policy.interfaces import HttpAnswer

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
