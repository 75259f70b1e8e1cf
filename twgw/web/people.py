"""Who logs in with a name and a password: a user of the registry, or of a directory.

Called by ``login.py`` and by the key manager (its pages, the password grant), in threads; made by ``tap.py``, one for
all.  Somebody who is not there, a wrong password and an account that is switched off get the same answer after the same
time; failures count (``rate.py``).  Pure: the registry is two functions.
"""

import math
import threading
from collections.abc import Callable

import attrs
from attrs import define, field

from twgw.passwords import matches
from twgw.policy.exchange import Problem
from twgw.policy.interfaces import DirectoryUser
from twgw.policy.interfaces import Refusal as Refused
from twgw.registry import User
from twgw.web.rate import Rate
from twgw.web.refusals import Refusal

AT_ONCE = 2
"""Passwords that are compared at the same time: each takes 64 MiB."""
LONGEST_NAME = 100


@define(eq=False)
class People:
    """Tells who somebody is."""

    find: Callable[[str], User | None]
    """The user of the registry with this name."""
    enter: Callable[[User, float], User]
    """Enters a user at this time, unless one of that name is there; who is there then."""
    rate: Rate
    directory: Callable[[str, str], DirectoryUser | Refused] | None = None
    """Whom the user stores know by this name and password; None where there are none.  Blocks."""
    _turn: threading.Semaphore = field(factory=lambda: threading.Semaphore(AT_ONCE), init=False)

    def log_in(self, name: str, password: str, address: str, now: float) -> User | None:
        """The user, with the roles and groups of the moment; None when the name or the password is wrong.

        Raises a Refusal for too many attempts, and when nobody can say.
        """
        account = f"user {name.casefold()[:LONGEST_NAME]}"
        if wait := self.rate.wait(account, address, now):
            again = (("Retry-After", str(math.ceil(wait))),)
            raise Refusal(Problem(429, "Too many attempts", "wait before you try again", again))
        user = self.find(name) if 0 < len(name) <= LONGEST_NAME else None
        if (user is None and self.directory is not None) or (user is not None and user.store != "local"):
            found = self._elsewhere(name, password, user, now)
        else:
            found = user if self._is_right(user, password) else None
        if found is None:
            self.rate.failed(account, address, now)
        return found

    def _is_right(self, user: User | None, password: str) -> bool:
        stored = user.password_hash if user is not None and user.active else None
        with self._turn:
            return matches(stored or "", password)

    def _elsewhere(self, name: str, password: str, user: User | None, now: float) -> User | None:
        """A user of a directory, who is entered at the first login, so that what they hold can be revoked."""
        found = self.directory(name, password) if self.directory is not None else Refused.UNKNOWN
        if found is Refused.UNAVAILABLE:
            problem = Problem(503, "Nobody can log in", "a user store does not answer", (("Retry-After", "5"),))
            raise Refusal(problem)
        if not isinstance(found, DirectoryUser) or len(found.name) > LONGEST_NAME:
            return None
        kept: User = user if user is not None and user.name == found.name else self.enter(_wanted(found), now)
        if kept.store != found.store or not kept.active:
            return None  # a local user of that name is somebody else
        return attrs.evolve(
            kept, roles=tuple(dict.fromkeys((*kept.roles, *found.roles))),
            groups=tuple(dict.fromkeys((*kept.groups, *found.consumer_groups))),
        )  # fmt: skip


def _wanted(found: DirectoryUser) -> User:
    return User(found.name, found.display_name[:200], found.mail[:254], found.store)
