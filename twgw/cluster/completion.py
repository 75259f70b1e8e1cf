"""Since when a position of the log is in force over the whole cluster: then a revocation may say that it is done.

Whoever waits looks at the sessions of the key managers in the database, after its own commit.  Each session says with
what it is done (``grants.py``).  One whose row has not changed for as long as a session lasts counts no longer: what
it granted has ended, and should it come back, its renewal reads how far the log is by then.
And even without the database: when that much time has passed since the commit, no lease is good that does not know.

Pure; ``membership.py`` asks.
"""

from collections.abc import Mapping

from attrs import evolve, field, frozen

from twgw.cluster.clocks import Clocks, Moment, Terms
from twgw.cluster.messages import RelayDone
from twgw.registry import Head
from twgw.throttle.others import CountsOn


@frozen
class Session:
    """A session of a key manager, as the database has it."""

    id: str
    node: str
    beats: int
    """Counts its renewals."""
    done: Head
    """What was in force wherever a lease of it was good, when it was renewed."""
    counting: Mapping[str, CountsOn] | None = field(default=None, hash=False)
    """The gateways that may hold a lease of it, and where each counts limits; None: it does not say."""
    report: str = ""
    """How its gateways stood then; see ``reports.py``."""
    address: str = ""
    """Where other key managers reach it; empty: nowhere."""


@frozen
class View:
    """The log and the sessions in one moment of the database."""

    head: Head
    sessions: tuple[Session, ...] = ()
    removed: Mapping[str, frozenset[str]] = field(factory=dict, hash=False)
    """Nodes that were taken out, as ``removals.py`` has them."""
    times: Mapping[Head, float | None] = field(factory=dict, eq=False)
    """When the last record was written, and those before it that were looked for."""


class Completion:
    """What one process knows of the sessions."""

    def __init__(self, clocks: Clocks, terms: Terms) -> None:
        self.view = View(Head(0, 0))
        """Of the last look."""
        self._clocks = clocks
        self._term = terms.wait(terms.session)
        self._since: dict[str, Moment] = {}
        """For each session a moment by which it had its beats."""
        self._told: dict[str, Head] = {}
        self._reports: dict[str, str] = {}

    def saw(self, view: View) -> None:
        """The database was looked at, in a transaction that has just returned."""
        now = Moment.now(self._clocks)
        before = {each.id: each.beats for each in self.view.sessions}
        since, told = self._since, self._told
        same = {each.id for each in view.sessions if before.get(each.id) == each.beats}
        self._since = {each.id: since[each.id] if each.id in same else now for each in view.sessions}
        self._told = {each.id: told[each.id] for each in view.sessions if each.id in told}
        self._reports = {name: self._reports[name] for name in self._told if name in self._reports}
        self.view = view

    def told(self, it: RelayDone) -> None:
        """A key manager says itself with what it is done, before that stands in the database."""
        if it.session in self._since and it.done >= self._told.get(it.session, it.done):
            self._told[it.session] = it.done
            self._reports[it.session] = it.report

    @property
    def silent(self) -> list[Session]:
        """Sessions that have ended without a word: their rows may go, if they have these beats still."""
        return [each for each in self.sessions if self.has_passed(self._since[each.id])]

    @property
    def sessions(self) -> list[Session]:
        """All of them, with what they said last."""
        return [self._last(each) for each in self.view.sessions]

    @property
    def there(self) -> list[Session]:
        """Those that are waited for."""
        return [each for each in self.sessions if not self.has_passed(self._since[each.id])]

    def _last(self, session: Session) -> Session:
        told = self._told.get(session.id, session.done)
        if told <= session.done:
            return session
        return evolve(session, done=told, report=self._reports.get(session.id) or session.report)

    @property
    def done(self) -> Head:
        """What is in force wherever any lease is good."""
        return min([self.view.head, *(each.done for each in self.there)])

    def has_passed(self, since: Moment) -> bool:
        """Whether every session has ended that was not renewed since a moment.

        What was committed before that moment is then in force wherever any lease is good.
        """
        return since.later(self._term).is_over(Moment.now(self._clocks))
