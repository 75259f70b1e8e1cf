"""Leave out a server that cannot be reached, and keep retries from making a bad time worse.

Pure: the time comes from the caller, in monotonic seconds.  ``gateway/upstream.py`` has one Health for each address and
one RetryBudget for each upstream.
"""

LONGEST_PAUSE = 60.0


class Health:
    """Whether one server may be tried.

    When a connection to it fails it is left out for ``fail_timeout`` seconds, then one request may probe it; each
    probe that fails doubles the pause, up to a minute (or ``fail_timeout``, if that is longer).
    """

    __slots__ = ("_fail_timeout", "_pause", "_probing", "_until")

    def __init__(self, fail_timeout: float) -> None:
        self._fail_timeout = fail_timeout
        self._pause = 0.0
        """The length of the pause it is in or behind; 0 while it is well."""
        self._until = 0.0
        self._probing = False

    def usable(self, now: float) -> bool:
        """Whether a request may try it.  Asking changes nothing; say ``started`` when you do."""
        return not self._pause or now >= self._until

    def started(self, now: float) -> None:
        """A connection is being made.  After a pause that is the probe, and nobody else may try beside it.

        A probe that nobody reports on is given up after another pause.
        """
        if self._pause and now >= self._until:
            self._probing = True
            self._until = now + self._pause

    def failed(self, now: float) -> None:
        """A connection could not be made, or was lost before it was of use."""
        if not self._pause:
            self._pause = self._fail_timeout
        elif self._probing or now >= self._until:
            self._pause = min(self._pause * 2, max(LONGEST_PAUSE, self._fail_timeout))
        else:
            return  # one of many that began before the pause: no news
        self._probing = False
        self._until = now + self._pause

    def succeeded(self) -> None:
        """A connection was made: it is well again."""
        self._pause = 0.0
        self._probing = False


class RetryBudget:
    """How many requests may be sent again: ``ratio`` of all requests, and ``minimum`` at once after a quiet time.

    Tokens: ``minimum`` at the start and at most, each request adds ``ratio``, each retry takes one.  So of any
    n requests in a row no more than ``minimum + ratio * n`` are retried.
    """

    __slots__ = ("_full", "_share", "_tokens")

    ONE = 1_000_000
    """Tokens are counted in millionths: a sum of tenths is then a whole."""

    def __init__(self, ratio: float = 0.1, minimum: int = 10) -> None:
        self._share = round(ratio * self.ONE)
        self._full = minimum * self.ONE
        self._tokens = self._full

    def request(self) -> None:
        """A request is sent for the first time."""
        self._tokens = min(self._tokens + self._share, self._full)

    def retry(self) -> bool:
        """Whether a request may be sent again; if so, it is paid for."""
        if self._tokens < self.ONE:
            return False
        self._tokens -= self.ONE
        return True
