"""A server that keeps counters, as one node sees it: does it answer, and has it kept its data?

What is asked for in one turn of the reactor is sent in one batch, and what is asked for while that is under way in the
next.  Each batch ends by looking at two values of the server itself.  One of them, the mark, is made once and says
since when the server has its data; the other one grows with each look.  When either is not what it was, data were lost
or old ones came back.  Who sees that writes a mark with the time: all that was counted before counts as used up, for
every node, also for one that comes later.  A server that nobody has known before is marked with 0: nothing was lost.

A mark from the future was written by a node whose clock is ahead of ours, or by nobody.  It is replaced once.  When
another one stands there then, somebody lives who means it, and cannot believe ours either: it is left, and all counts
as used up up to now for as long as it is from the future, here and only here.  Later it is tried again.

Pure.  Made by ``tap.py``, asked by ``shared.py``; ``tick`` is called a few times a second.
"""

from collections.abc import Callable, Sequence
from math import ceil

from twgw.throttle.reservation import Add, Answer, Command, Put, Reply

AT_ONCE = 500
"""Requests for numbers in one batch."""
IDLE = 1.0
"""Seconds after which a server is looked at that nobody asks for anything."""
PATIENCE = 0.5
"""Seconds after which a batch is given up of which nothing was heard, however that came."""
MARGIN = 0.25
"""Seconds that a mark is ahead of its time, for clocks that differ."""
FARTHEST = 60.0
"""Seconds that a mark may be ahead of our clock; one that is farther is from the future."""
OBJECT = 600.0
"""Seconds within which only one mark from the future is replaced."""
EIGHTHS = 8
"""A mark has its time in eighths of a second, and 28 random bits below it."""
RANDOM = 1 << 28

Sent = Callable[[list[Reply] | None], None]
Send = Callable[[Sequence[Command], Sent], None]
Make = Callable[[float], Sequence[Command]]
Told = Callable[[Sequence[Reply]], None]
Request = tuple[Make, Told]
"""What makes commands when they are sent, at a UNIX time, and what is told what became of them."""


class CounterServer:
    """One server.  ``send`` sends a batch and tells what became of it; ``later`` calls something in the next turn."""

    def __init__(
        self, name: str, send: Send, later: Callable[[Callable[[], None]], object], wall: Callable[[], float],
        random: Callable[[int], int], namespace: str = "",
    ) -> None:  # fmt: skip
        self.name = name
        self._send = send
        self._later = later
        self._wall = wall
        self._random = random
        self._mark_key, self._looks_key = f"{namespace}:mark", f"{namespace}:looks"
        self._waiting: list[Request] = []
        self._under_way: list[Request] | None = None
        self._planned = False
        self._busy = False
        self._sent_at = 0.0
        self._mark = self._looks = 0
        self._looked_at = self._lost_last = 0.0
        """When the data were last known to be there, and when not."""
        self._objected_at = 0.0
        """When a mark from the future was last replaced."""
        self._repairs: list[Command] = []
        self.silent = False
        """Whether it did not answer when it was last asked."""
        self.down = False
        """Whether that is so, or nothing was heard of it since it was barred."""
        self.down_since = 0.0
        self.barred = False
        """Whether nothing may be counted here, as others count elsewhere."""
        self.lost_at = 0.0
        """What was counted before this time, in UNIX time, counts as used up: that of the mark, when it is believed."""
        self.ahead = 0.0
        """Seconds by which the clock of whoever wrote the mark is ahead of ours, which is left; 0: it is believed."""
        self.batches = 0
        self.failures = 0
        self.losses = 0
        """Losses that happened while this node knew the server."""

    @property
    def is_known(self) -> bool:
        """Whether it has ever answered."""
        return self._mark != 0

    def ask(self, make: Make, answered: Told) -> None:
        """Send what ``make`` makes when its turn comes; ``answered`` is told once, with None for what nobody knows."""
        self._waiting.append((make, answered))
        if not self._busy and not self._planned:
            self._planned = True
            self._later(self._flush)

    def bar(self, barred: bool) -> None:
        """Count nothing here, as if it did not answer; or again, when it does."""
        self.barred = barred
        if barred and not self.down:
            self.down, self.down_since = True, self._wall()

    def tick(self) -> None:
        """Give up what takes too long; look at a server that is down, or that nobody asked for a while."""
        now = self._wall()
        if self._busy:
            if now - self._sent_at > PATIENCE:
                self._give_up(now)
        elif not self._planned and (self.down or now - self._sent_at >= IDLE):
            self._flush()

    def _flush(self) -> None:
        self._planned = False
        if self._busy:
            return
        now = self._wall()
        batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
        commands: list[Command] = []
        parts: list[tuple[int, Told]] = []
        for make, answered in batch:
            made = make(now)
            parts.append((len(made), answered))
            commands += made
        commands += self._look(now)
        self._busy, self._under_way, self._sent_at = True, batch, now
        self.batches += 1

        def told(replies: list[Reply] | None) -> None:
            self._busy = False
            if self._under_way is batch:
                self._under_way = None
                self._told(now, parts, replies, len(commands))
            if self._waiting and not self._planned:
                self._flush()

        self._send(commands, told)

    def _told(self, asked_at: float, parts: list[tuple[int, Told]], replies: list[Reply] | None, expected: int) -> None:
        if replies is None or len(replies) != expected or not self._looked(asked_at, *replies[-2:]):
            replies = [None] * expected
            self._failed()
        else:
            self.silent, self.down = False, self.barred
        place = 0
        for size, answered in parts:
            answered(replies[place : place + size])
            place += size

    def _give_up(self, now: float) -> None:
        """Nobody waits for the batch any more; its end, if it comes, only says that the next one may be sent."""
        batch, self._under_way = self._under_way, None
        waiting, self._waiting = self._waiting, []
        self._sent_at = now
        if batch is not None:
            self._failed()
        for _, answered in [*(batch or ()), *waiting]:
            answered([])

    def _failed(self) -> None:
        self.failures += 1
        self.silent = True
        if not self.down:
            self.down = True
            self.down_since = self._wall()

    # --- has it kept its data? ---

    def _look(self, now: float) -> list[Command]:
        mark = self._new_mark(now) if self._mark else self._random(RANDOM - 1) + 1
        repairs, self._repairs = self._repairs, []
        return [*repairs, Add(self._mark_key, mark, 0, 0), Add(self._looks_key, 1, 1, 0)]

    def _new_mark(self, now: float) -> int:
        return ceil(max(now + MARGIN, self.lost_at) * EIGHTHS) * RANDOM + self._random(RANDOM)

    def _looked(self, asked_at: float, mark: Reply, looks: Reply) -> bool:
        """Whether the server can be used."""
        if any(reply is None or (isinstance(reply, str) and "SERVER" in reply) for reply in (mark, looks)):
            return False  # it has no room even for these
        now = self._wall()
        count = looks.value if isinstance(looks, Answer) else 0
        if isinstance(mark, Answer) and mark.value > 0 and count > 0:
            since = mark.value // RANDOM / EIGHTHS
            kept = mark.value % RANDOM == self._mark % RANDOM and count > self._looks
            if since > now + FARTHEST:
                if not self._objects(now):
                    self._leave(now, mark.value, count)
                    return True
            elif kept or not self._mark or since >= max(self._looked_at, self.lost_at):
                if since > self.lost_at:
                    self.losses += bool(self._mark)
                    self.lost_at = since
                self._mark, self._looks, self._looked_at, self.ahead = mark.value, count, asked_at, 0.0
                return True
        self._lost(now, count)
        return True

    def _objects(self, now: float) -> bool:
        """Whether a mark from the future is replaced now."""
        if 0 <= now - self._objected_at < OBJECT:
            return False
        self._objected_at = now
        return True

    def _leave(self, now: float, mark: int, count: int) -> None:
        """Whoever wrote the mark has a clock that is ahead of ours.  No mark is believed later that is before this."""
        self.ahead = max(self.ahead, mark // RANDOM / EIGHTHS - now)  # it was more when that was new
        self.lost_at = max(self.lost_at, now + 1 / EIGHTHS)
        self._mark, self._looks, self._looked_at = mark, count, now + 1 / EIGHTHS

    def _lost(self, now: float, count: int) -> None:
        """Tell every node.  What a look found that is no number is made one."""
        self.losses += 1
        again = now - self._lost_last < IDLE  # whoever spoils the mark again and again does not keep us busy with it
        self._lost_last = now
        mark = self._new_mark(now)
        self.lost_at = max(self.lost_at, mark // RANDOM / EIGHTHS)
        self._mark, self._looks, self._looked_at = mark, count, now
        self._repairs = [Put(self._mark_key, mark)]
        if not count:
            self._repairs.append(Put(self._looks_key, 1))
        if not again:
            self.ask(lambda _: (), lambda _: None)
