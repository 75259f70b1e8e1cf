"""What the registry may answer instead of what it was asked for.  Raised by the query functions and ``database.py``."""


class Unavailable(Exception):
    """The database did not do it.  The text says what happened.

    ``unknown``: it may have done it all the same; whoever is told so must look before trying again.
    ``way``: what to do, where it will go on like that; empty where it is not known.
    """

    def __init__(self, text: str, *, unknown: bool = False, way: str = "") -> None:
        self.unknown = unknown
        self.way = way
        super().__init__(text)

    @property
    def lines(self) -> list[str]:
        """For whoever can do something about it: a command, a start."""
        return [str(self), *([self.way] if self.way else [])]


class Unable(Unavailable):
    """Who is there is of an earlier version, and does not know how."""


class Conflict(Exception):
    """What is there already is in the way: the same name, another's change, or somebody who still needs it.

    ``changed``: it is no longer as the caller believed (HTTP 412); else HTTP 409.
    """

    def __init__(self, text: str, *, changed: bool = False) -> None:
        self.changed = changed
        super().__init__(text)


class Missing(Exception):
    """There is nothing of that name (HTTP 404)."""
