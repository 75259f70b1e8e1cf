"""Every history of a small cluster whose database is brought back from a backup: what holds in the epoch that begins?

The same walk as in ``explorer.py``.  Before it the database loses a position, and any sessions; whoever knew of the
position begins a new epoch, by the transactions of ``twgw/storage/cluster.py`` on a database; then something is
revoked.  As much may have been appended again before anybody looks: whoever appended or read what is lost notices all
the same.  What was told before, leases of sessions that nobody sees any more, and rows that are as they were, go on.
"""

from itertools import product

from attrs import evolve
from sqlalchemy import create_engine, delete, select, update

from tests.model.explorer import Explorer, Manager, Row, forgotten, put
from twgw.registry import Head
from twgw.storage.remembered import Remembered
from twgw.storage.schema import cluster_head, cluster_log, km_session, metadata

LOST = 0
"""The place of the row that stands for all sessions that were lost."""
BACKUP, OLD, AGAIN, NEW, REVOKED = range(5)
"""How far the log was in the backup; what is lost; what was appended in its place; where the new epoch begins; and the
revocation in it."""
UNNOTICED = -1
"""The place of the log when somebody who remembers what is lost has looked, and goes on with the old epoch."""
WRITTEN = {OLD: 1.0, AGAIN: 2.0}
"""When the record was."""

TAKEN_EARLY = "the row of those that were lost is taken away at once"


class Storage:
    """What a transaction of a key manager makes of the database, by ``storage``: the module, or one without a rule."""

    def __init__(self, storage):
        self._storage = storage
        self._engine = create_engine("sqlite://")
        with self._engine.begin() as connection:
            metadata.create_all(connection)
            connection.execute(cluster_head.insert().values(id=1, epoch=1, pos=0))

    def register(self, head, known, written=None, remembers=False):
        """How far the log is then, with what sessions are done that came by it, and whether beats of others grew.

        ``written``: when the record after the backup was; ``remembers``: whether that is known which is lost.
        """
        remembered = Remembered()
        if remembers:
            remembered.note(Head(1, 1), WRITTEN[OLD])
        with self._engine.begin() as connection:
            connection.execute(delete(km_session))
            connection.execute(delete(cluster_log))
            connection.execute(update(cluster_head).values(epoch=head.epoch, pos=head.pos))
            if written is not None:
                row = {"epoch": 1, "pos": 1, "kind": "token", "tag": "", "data": "", "at": written}
                connection.execute(cluster_log.insert().values(**row))
            (other,) = self._storage.register(connection, "other", "node", Head(1, 0), {}, now=0.0).sessions
            sessions = self._storage.register(
                connection, "own", "node", known, {}, remembered=remembered, now=0.0
            ).sessions
            head = Head(*connection.execute(select(cluster_head.c.epoch, cluster_head.c.pos)).one())
        beats = {each.id: each.beats for each in sessions}
        lost = [each.done for each in sessions if each.id not in ("own", "other")]
        return head, lost, beats["other"] != other.beats


class Epochs(Explorer):
    """From the old epoch on.  Before the managers of the world stands the row of those that were lost."""

    first = 1

    def __init__(self, code, world):
        self.storage, self.outcomes = Storage(code.cluster), {}
        old = Head(1, 1)
        began, _, self.jumps = self.storage.register(Head(1, 0), old)
        self.heads = (Head(1, 0), old, old, began, Head(began.epoch, began.pos + 1))
        super().__init__(code, evolve(world, managers=1 + world.managers, predecessors=1 + world.predecessors))
        nobody = Manager(holds=(None,) * world.gateways)
        managers = tuple(each._replace(known=OLD) if each.row else each for each in self.begin.managers)
        self.begin = self.begin._replace(head=OLD, managers=put(managers, LOST, nobody))

    def number(self, head):
        """Which record stands at a position, its number does not say."""
        return max((number for number, each in enumerate(self.heads) if each <= head and number != AGAIN), default=0)

    def is_wrong(self, state):
        """As ever; and when a loss is not noticed."""
        return state.head == UNNOTICED or super().is_wrong(state)

    def outcome(self, head, known, *, remembers):
        """Of a transaction of somebody who knew so much, and remembers what was lost or does not."""
        key = head, known, remembers
        if key not in self.outcomes:
            after, lost, beaten = self.storage.register(
                self.heads[head], self.heads[known], WRITTEN.get(head), remembers
            )
            number = head if head == AGAIN and after == self.heads[head] else self.number(after)
            self.outcomes[key] = number, [self.number(each) for each in lost], beaten
        return self.outcomes[key]

    def renewals(self, manager, head):
        """Another one may have lost its row; and what a renewal reads is in the epoch that it begins."""
        return super().renewals(manager, self.number(self.heads[self.seen(head, manager)[0]]))

    def seen(self, head, manager):
        """What comes of a look of a key manager."""
        return self.outcome(head, manager.known, remembers=manager.remembers)

    def advance(self, gateway, head):
        """What was appended again is taken for what was lost, as its position is the same."""
        return super().advance(gateway, OLD if head == AGAIN else head)

    def manager_steps(self, state, number, manager):
        over = is_over(manager, self.world.session) or (number == LOST and self.world.broken == TAKEN_EARLY)
        if manager.row is not None and over:
            gone = manager._replace(row=None)
            yield (
                "has its row taken away by others",
                state._replace(managers=put(state.managers, number, gone), waiter=forgotten(state.waiter, number)),
            )
        if number == LOST:
            return
        for name, after in super().manager_steps(state, number, manager):
            was, now = manager.row, after.managers[number].row
            if now is None or now is was or not now.renewed or state.head == REVOKED:
                yield name, after
                continue
            committed = self.noticed(after, manager.known, remembers=manager.remembers)
            if manager.remembers and committed.head == AGAIN:
                committed = committed._replace(head=UNNOTICED)
            yield name, committed
            unseen = state.waiter.view[0] < NEW and not self.jumps
            if was is not None and (committed.head in (BACKUP, AGAIN) or unseen):
                again = after.managers[number]._replace(row=now._replace(renewed=was.renewed, again=was.again))
                yield f"{name} as often as before", committed._replace(managers=put(committed.managers, number, again))

    def noticed(self, state, known, *, remembers=True):
        """After a transaction of somebody who knew so much.  In a new epoch nobody looks for records of an old one."""
        head, lost, beaten = self.outcome(state.head, known, remembers=remembers)
        managers = state.managers
        if head >= NEW:
            managers = tuple(each._replace(remembers=False) for each in managers)
        if beaten:
            managers = tuple(each._replace(row=each.row and Row(each.row.done, True, True)) for each in managers)
        for done in lost:
            managers = put(managers, LOST, managers[LOST]._replace(row=Row(done), ends=self.world.session))
        return state._replace(head=head, managers=managers)

    def steps(self, state):
        yield from super().steps(state)
        if state.head == OLD:
            for kept in product((False, True), repeat=len(state.managers)):
                if all(each.row is not None for each, keep in zip(state.managers, kept, strict=True) if keep):
                    yield f"a backup is brought back with {kept}", self.brought_back(state, kept)
        elif state.head in (BACKUP, AGAIN):
            yield "somebody begins a new epoch", self.noticed(state, OLD)
        if state.head == BACKUP:
            yield "as much is appended again", state._replace(head=AGAIN)

    def brought_back(self, state, kept):
        """Some rows are as they were, others are lost."""
        waiter, managers = state.waiter, []
        for number, (manager, keep) in enumerate(zip(state.managers, kept, strict=True)):
            row = Row(BACKUP) if keep else None
            managers.append(manager._replace(row=row, remembers=manager.known == OLD))
            if not keep:
                waiter = forgotten(waiter, number)
        return state._replace(head=BACKUP, managers=tuple(managers), waiter=waiter)


def is_over(manager, session):
    """Whether a session has ended for all who saw its last renewal."""
    renewal = manager.renewal
    return not manager.ends and (renewal is None or renewal[2] is None or renewal[0] >= session)
