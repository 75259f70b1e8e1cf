"""Every history of a log that is pruned while a gateway follows it: does it ever believe what a record has changed?

The gateway has the ``Cache`` of ``twgw/cache.py``, put together anew for each step and taken apart again; what it hears
of the log is ``read_news`` of ``twgw/storage/served.py`` on a database.  What they do not decide is chosen in every
possible way: what is changed, how much of the log is deleted, when the gateway asks and when it hears, also when the
log is gone by then and all is read anew, when a key is read and when that lands, and when a new epoch begins.
"""

from collections import OrderedDict
from typing import NamedTuple

from attrs import frozen
from sqlalchemy import create_engine, delete, update

from tests.model.walk import walk
from twgw.registry import Head
from twgw.storage.schema import cluster_head, cluster_log, metadata

TAGS = ("a", "b")
APART = 2
"""Positions between two epochs."""
ALL, NOTHING = "all", ()
CACHE = ("epoch", "applied", "begun", "floor")


@frozen
class World:
    """What is explored."""

    changes: int = 3
    epochs: int = 1
    """How many may begin."""
    readings: int = 2
    remembered: int = 1
    """Tags that the gateway remembers."""


class Change(NamedTuple):
    """Of something, at a position; or, with a new epoch, of everything."""

    head: Head
    tag: str
    value: int


class State(NamedTuple):
    """Of the whole."""

    head: Head
    kept: tuple[tuple[int, str], ...]
    """Records that are in the log."""
    changes: tuple[Change, ...]
    cache: tuple
    last: tuple = ()
    facts: tuple = ()
    """What the gateway knows."""
    heard: object = None
    """The answer that is under way to it: records, ``ALL`` when these are gone, or the head with which all was read."""
    reading: tuple | None = None
    """A fact that is under way to it."""
    left: tuple[int, int, int] = (0, 0, 0)
    """Changes, epochs and readings that may come."""


class Explorer:
    """Breadth first; ``code`` has the modules ``cache`` and ``served``."""

    def __init__(self, code, world=World()):
        self.code, self.world, self._news = code, world, {}
        self._engine = create_engine("sqlite://")
        with self._engine.begin() as connection:
            metadata.create_all(connection)
            connection.execute(cluster_head.insert().values(id=1, epoch=1, pos=0))
        first = tuple(Change(Head(1, 0), tag, 0) for tag in TAGS)
        left = (world.changes, world.epochs, world.readings)
        self.begin = State(Head(1, 0), NOTHING, first, (1, 0, 0, 0), left=left)

    def run(self, most=1_000_000):
        """How many states there are, and the shortest way to one in which what was changed is believed; or None."""
        return walk(self.begin, self.steps, self.is_wrong, most)

    def is_wrong(self, state):
        """Whether something is usable although the log is in force up to a later change of it."""
        cache = self.cache(state)
        applied = Head(cache.epoch, cache.applied)
        return any(
            change.tag == tag and change.value > fact.payload and change.head <= applied
            for tag, fact in list(cache._facts.items()) if cache.usable(fact, 0.0)
            for change in state.changes
        )  # fmt: skip

    # --- objects of a state ------------------------------------------------------------------------------------

    def cache(self, state):
        made = self.code.cache.Cache(most_tags=self.world.remembered)
        for name, value in zip(CACHE, state.cache, strict=True):
            setattr(made, name, value)
        made._last = OrderedDict(state.last)
        made._facts = OrderedDict((fact[0], self.fact(fact)) for fact in state.facts)
        return made

    def fact(self, values):
        tag, head, value = values
        return self.code.cache.Fact(head.pos, head.epoch, 1.0, (tag,), value)

    def after(self, state, cache, **changes):
        facts = tuple(
            (tag, Head(fact.epoch, fact.position), fact.payload) for tag, fact in cache._facts.items()
        )  # fmt: skip
        return state._replace(
            cache=tuple(getattr(cache, name) for name in CACHE), last=tuple(cache._last.items()), facts=facts, **changes
        )

    def news(self, state):
        """What a gateway hears that has the log in force so far: records, or ``ALL``."""
        since = Head(*state.cache[:2])
        key = (since, state.head, state.kept)
        if key not in self._news:
            with self._engine.begin() as connection:
                connection.execute(delete(cluster_log))
                connection.execute(update(cluster_head).values(epoch=state.head.epoch, pos=state.head.pos))
                for pos, tag in state.kept:
                    values = {"kind": "token", "tag": tag, "data": "", "epoch": state.head.epoch, "pos": pos, "at": 0.0}
                    connection.execute(cluster_log.insert().values(**values))
                news = self.code.served.read_news(connection, since)
            self._news[key] = ALL if news is None else tuple((each.pos, each.tag) for each in news.records)
        return self._news[key]

    # --- what may happen ---------------------------------------------------------------------------------------

    def steps(self, state):
        yield from self.of_the_database(state)
        yield from self.of_the_gateway(state)

    def of_the_database(self, state):
        changes, epochs, readings = state.left
        if changes:
            for tag in TAGS:
                head = Head(state.head.epoch, state.head.pos + 1)
                made = Change(head, tag, 1 + max(each.value for each in state.changes))
                yield f"{tag} is changed", state._replace(
                    head=head, kept=(*state.kept, (head.pos, tag)), changes=(*state.changes, made),
                    left=(changes - 1, epochs, readings),
                )  # fmt: skip
        for count in range(1, len(state.kept) + 1):
            yield f"{count} records are deleted", state._replace(kept=state.kept[count:])
        if epochs:
            head = Head(state.head.epoch + 1, state.head.pos + APART)
            value = 1 + max(each.value for each in state.changes)
            made = tuple(Change(head, tag, value) for tag in TAGS)
            for count in range(len(state.kept) + 1):
                yield f"a new epoch begins, {count} records are lost", state._replace(
                    head=head, kept=state.kept[: len(state.kept) - count], changes=(*state.changes, *made),
                    left=(changes, epochs - 1, readings),
                )  # fmt: skip

    def of_the_gateway(self, state):
        changes, epochs, readings = state.left
        if state.heard is None:
            if news := self.news(state):
                yield "asks for news", state._replace(heard=news)
        elif state.heard == ALL:
            yield "reads everything", state._replace(heard=state.head)
        else:
            cache = self.cache(state)
            if isinstance(state.heard, Head):
                cache.reset(state.heard.epoch, state.heard.pos)
            else:
                for pos, tag in state.heard:
                    cache.apply(pos, (tag,))
            yield "has that in force", self.after(state, cache, heard=None)
        if state.reading is not None:
            cache = self.cache(state)
            cache.keep(state.reading[0], self.fact(state.reading), 0.0)
            yield "is told of a key", self.after(state, cache, reading=None)
        elif readings:
            for tag in TAGS:
                value = max(each.value for each in state.changes if each.tag == tag)
                yield f"reads {tag}", state._replace(
                    reading=(tag, state.head, value), left=(changes, epochs, readings - 1)
                )  # fmt: skip
