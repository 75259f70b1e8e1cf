"""Before a change of what is served is made, every gateway of the cluster tries whether it could have it in force.

A write is done once, and undone: what it would make of the APIs goes into the log, as a record that asks gateways to
compile it.  When every gateway that holds a lease has read that far, those that cannot have said so: then nothing is
changed, and the answer names them.  Else the write is done for good, if nobody has changed meanwhile what it makes.
A gateway that says nothing for as long as a lease lasts is not waited for any longer: it has none then, and whether it
has the change in force is told by the answer to the write.

Made by ``startup_cluster.py``; ``web/application.py`` calls it in place of the store, in a thread.
"""

from collections.abc import Callable
from functools import partial
from threading import BoundedSemaphore
from typing import Any

from attrs import evolve

from twgw.cluster.membership import Lost
from twgw.cluster.rollcall import MOST_TOLD, Reached, shown
from twgw.registry import Record
from twgw.storage import log
from twgw.storage.served import prepare_record, read_candidate
from twgw.web.refusals import Refusal, refuse

ATTEMPTS = 3
"""How often a change is prepared anew that others have got between."""
AT_ONCE = 8
"""Changes that are being prepared: each holds a thread, and the other threads are for those who revoke."""

Run = Callable[[Any], Any]
"""What a write does with a connection; returns something with ``position`` and ``unreached``."""


class Unprepared(Exception):
    """A write would change what is served, and nobody has tried it: its transaction is undone."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.kind)
        self.record = record


class Preparing:
    """Tries changes before they are made.

    Args:
        transact: runs a function of a connection as one writing transaction.
        tried: of a position, waits until every gateway has read it; called in the reactor's thread by ``in_reactor``.
    """

    def __init__(
        self,
        transact: Callable[[Run], Any],
        tried: Callable[[int], Any],
        in_reactor: Callable[..., Any],
        wall: Callable[[], float],
    ) -> None:
        self._transact = transact
        self._tried = tried
        self._in_reactor = in_reactor
        self._wall = wall
        self._free = BoundedSemaphore(AT_ONCE)

    def __call__(self, run: Run, now: float) -> Any:
        """What ``run`` returns, which writes at ``now``, once its transaction is committed.  Raises Refusal."""
        agreed: Record | None = None
        for _ in range(ATTEMPTS):
            try:
                return self._transact(partial(_checked, run, now, agreed))
            except Unprepared as error:
                self._prepare(error.record)
                agreed = error.record
        raise refuse(409, "Changed meanwhile", "others change the same; nothing was done, try again")

    def _prepare(self, record: Record) -> None:
        """Ask every gateway.  Raises a Refusal that names those that cannot."""
        if not self._free.acquire(blocking=False):
            raise _later(f"{AT_ONCE} changes are being prepared; nothing was done", 1)
        try:
            position = self._transact(lambda connection: log.append(connection, [record], self._wall()))
            found: Reached = self._in_reactor(self._tried, position)
        except Lost as error:
            raise _later(f"{error}; nothing was done", 5) from error
        finally:
            self._free.release()
        nodes = [shown(node, nack) for node, nacks in found.unprepared.items() for nack in nacks][:MOST_TOLD]
        if nodes:
            words = "; ".join(f"{each['node']}: {each['reason']}" for each in nodes)
            raise refuse(409, "Not on every node", f"{words}; nothing was changed", nodes=nodes)


def _later(why: str, seconds: int) -> Refusal:
    problem = refuse(503, "Not prepared", why).problem
    return Refusal(evolve(problem, headers=(("Retry-After", str(seconds)),)))


def _checked(run: Run, now: float, agreed: Record | None, connection: Any) -> Any:
    """Do it; raises Unprepared when it changes what is served to what nobody has agreed to.

    An API that is taken away (``unreached`` is 503) is not held up by anybody.
    """
    done = run(connection)
    if done.position is None:
        return done
    candidate = read_candidate(connection, done.position, now)
    if done.unreached == 503 and candidate.policies is None:
        return done
    if candidate.policies is None and candidate.tiers is None and not any(candidate.apis.values()):
        return done  # there is nothing to compile
    record = prepare_record(candidate)
    if agreed is None or agreed.data != record.data:
        raise Unprepared(record)
    return done
