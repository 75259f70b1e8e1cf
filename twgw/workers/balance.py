"""How many connections each worker of a node holds, where all of them see it: whoever holds the fewest takes the next.

One number for each worker, in memory that they share; each writes its own.  A number that is a little old does no harm:
it is only about who goes first (``gateway/transport.py``).
"""

import mmap
import os
from collections.abc import Callable, MutableSequence
from typing import Any

from attrs import define

SIZE = 8
"""Bytes of a number."""
GONE = 1 << 62
"""The number of a worker that takes none: none has more."""


def shared_memory(count: int) -> int:
    """A descriptor of memory for so many numbers, to be handed on."""
    descriptor = os.memfd_create("twgw-workers", os.MFD_CLOEXEC)
    os.truncate(descriptor, count * SIZE)
    return descriptor


def numbers_in(descriptor: int, count: int) -> MutableSequence[int]:
    """The numbers."""
    view: Any = memoryview(mmap.mmap(descriptor, count * SIZE)).cast("q")
    return view  # type: ignore[no-any-return]


@define(eq=False)
class Balance:
    """One worker among the others.  ``held`` says how many connections it has."""

    numbers: MutableSequence[int]
    place: int
    held: Callable[[], int]

    def mine(self) -> bool:
        """Whether a connection is ours to take: nobody holds fewer."""
        held = self.numbers[self.place] = self.held()
        return held <= min(self.numbers)

    def tell(self) -> None:
        """Say how many it has now; called every second."""
        self.numbers[self.place] = self.held()
