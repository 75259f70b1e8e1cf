"""One user store: one server after another, in threads, each in its time; left alone for a while when none answers.

Made by ``tap.py`` for each ``[[ldap]]`` table.  What is known of the servers is touched on the reactor's thread alone.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from attrs import define, field

from twgw.directory.availability import Availability
from twgw.directory.groups import Failure, Remembered
from twgw.directory.login import Session, log_in
from twgw.directory.settings import LdapStore, ServerAddress
from twgw.policy.interfaces import Counter, DirectoryUser, Log, Refusal, Run


class Call(Protocol):
    """What is asked of one server."""

    begun: bool
    """Whether the server was asked, or the call still waits for a thread."""

    def connect(self) -> Session:
        """A new connection.  Raises Failure."""

    def abort(self) -> None:
        """End every connection, from another thread."""


class Servers(Protocol):
    """Where the servers are; ldap.py has the real ones."""

    def call(self, server: ServerAddress, deadline: float) -> Call:
        """What will be asked of one of them, until then."""


@define(eq=False)
class UserStore:
    """One user store; ``Store`` of stores.py."""

    settings: LdapStore
    servers: Servers
    now: Callable[[], float]
    """Monotonic seconds."""
    run: Run
    log: Log
    outcomes: Counter
    """Counts answers, by store and outcome."""
    availability: Availability[ServerAddress] = field(init=False)
    _remembered: Remembered = field(init=False)
    _complaint: str = field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        store = self.settings
        self.availability = Availability(store.servers, store.breaker_failures, store.breaker_seconds)
        self._remembered = Remembered(store.group_cache_seconds)

    @property
    def available(self) -> bool:
        """Whether it is asked, and not left alone."""
        return self.availability.state(self.now()) != "open"

    async def ask(self, user: str, password: str | None) -> DirectoryUser | Refusal:
        """Find a user, and prove the password unless it is None."""
        answer = await self._answer(user, password) if self.availability.allows(self.now()) else None
        outcome = "left alone" if answer is None else "found" if isinstance(answer, DirectoryUser) else answer.value
        self.outcomes.add((self.settings.name, outcome))
        return Refusal.UNAVAILABLE if answer is None else answer

    async def _answer(self, user: str, password: str | None) -> DirectoryUser | Refusal:
        """Ask one server after another.  A failure that another server would repeat ends it."""
        now, store = self.now, self.settings
        deadline = now() + store.timeout
        trouble = ""
        for server in self.availability.order(now()):
            call = self.servers.call(server, deadline)
            asking = partial(log_in, store, call.connect, user, password, now=now, remembered=self._remembered)
            try:
                answer = await self.run(asking, max(0.0, deadline - now()), call.abort)
            except BlockingIOError:
                return self._complain("too many logins wait; raise threads or max_waiting")
            except TimeoutError:
                if not call.begun:
                    return self._complain("too many logins wait; raise threads or max_waiting")
                trouble = f"{server}: not done within {store.timeout:g} s"
                self.availability.server_failed(server, now())
                break
            except Failure as failure:
                trouble = f"{failure} ({failure.hint})"
                if not failure.lost:
                    break
                self.availability.server_failed(server, now())
            else:
                self.availability.server_worked(server)
                self.availability.worked()
                self._relax()
                return answer
        self.availability.failed(now())
        return self._complain(trouble)

    def _complain(self, trouble: str) -> Refusal:
        """Say what is wrong, once for as long as it is the same."""
        if trouble != self._complaint:
            self._complaint = trouble
            self.log.error("user store {store} is not available: {trouble}", store=self.settings.name, trouble=trouble)
        return Refusal.UNAVAILABLE

    def _relax(self) -> None:
        if self._complaint:
            self._complaint = ""
            self.log.info("user store {store} is available again", store=self.settings.name)
