"""Passwords of people: stored by argon2id, compared in threads, and known again for a while.

Keys have a digest that costs nothing (``credentials.py``); a password is guessed unless each guess is dear: comparing
one takes tens of milliseconds and megabytes, on purpose.  ``Passwords`` is made by ``tap.py`` and lent to policies;
``hashed`` is called by whoever stores a password.  The only file that imports argon2.
"""

import hashlib
import secrets
from collections.abc import Callable

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from attrs import define, field

from twgw.policy.interfaces import Clock, Run

LONGEST = 1024
"""Characters of a password; longer ones are wrong without being compared."""
NEW = (8, 256)
"""Characters of a new password."""
REMEMBERED = 10_000
"""Comparisons that are remembered at most."""
PATIENCE = 10
"""Seconds that a comparison may take, its turn included."""
SHORTEST = 16
"""Octets of the hash in a stored password."""
MOST_MEMORY, MOST_PASSES = 1 << 20, 20
"""KiB and passes of a stored password; one that costs more would hold a thread for too long."""

_hasher = PasswordHasher()  # argon2id, 64 MiB, 3 passes: RFC 9106, 4, the second choice


def hashed(password: str) -> str:
    """What is stored of a password, ``$argon2id$…``.  Blocks for some tens of milliseconds."""
    return _hasher.hash(password)


def fault_of(password: str, name: str) -> str:
    """Why this is no good new password for somebody; empty when it is one."""
    least, most = NEW
    if not least <= len(password) <= most:
        return f"must be {least} to {most} characters"
    if password.lower() == name.lower() or len(set(password)) < 3:
        return "must be harder to guess"
    return ""


def is_hashed(text: str) -> bool:
    """Whether a text is what is stored of a password, and may be compared in reasonable time."""
    try:
        found = extract_parameters(text)
    except (InvalidHashError, ValueError):
        return False
    cheap_enough = found.memory_cost <= MOST_MEMORY and found.time_cost <= MOST_PASSES
    return found.type is Type.ID and cheap_enough and found.hash_len >= SHORTEST


def matches(stored: str, password: str) -> bool:
    """Whether this is the password.  Without a stored one it takes as long, and is not.  Blocks as ``hashed``."""
    try:
        return _hasher.verify(stored or _nobody(), password) and bool(stored)
    except (VerificationError, InvalidHashError):
        return False


_NOBODY: list[str] = []


def _nobody() -> str:
    """The stored password of nobody."""
    if not _NOBODY:
        _NOBODY.append(hashed(secrets.token_hex(16)))
    return _NOBODY[0]


@define(eq=False)
class Passwords:
    """Compares passwords; ``Passwords`` of ``policy/interfaces.py``.

    A right one may be known again without the work: what is kept is a hash of it under a key of this process.
    """

    clock: Clock
    run: Run
    compare: Callable[[str, str], bool] = matches
    _known: dict[bytes, float] = field(factory=dict, init=False)
    _key: bytes = field(factory=lambda: secrets.token_bytes(32), init=False, repr=False)

    async def verify(self, stored: str, password: str, keep: float = 0) -> bool:
        """Whether this is the password that was stored so; empty for that of nobody.

        ``keep`` is for how many seconds a right one is known again.  Raises BlockingIOError or TimeoutError when there
        is no time to compare it.
        """
        if len(password) > LONGEST:
            return False
        now = self.clock.now()
        name = hashlib.blake2b(f"{stored}\0{password}".encode("utf-8", "surrogatepass"), key=self._key).digest()
        if keep and self._known.get(name, now) > now:
            return True
        right = await self.run(lambda: self.compare(stored, password), PATIENCE)
        if right and keep:
            self._remember(name, now + keep)
        return right

    def _remember(self, name: bytes, until: float) -> None:
        self._known.pop(name, None)
        while len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[name] = until
