"""APIs that come later: so many have changed, or are read anew, that no lease would last until all are compiled.

Made by ``follower.py``, which reaches positions meanwhile, and puts these APIs in force, all together, once ``due``.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from attrs import define, field

from twgw.gateway.compiling import Made
from twgw.gateway.deployment import Compiled
from twgw.model import Api
from twgw.reader import AT_A_TIME
from twgw.registry import News, Served


@define(eq=False)
class Postponed:
    """What of the registry is still to come.  What it reads, and gives, is replaced as a whole: threads look at it.

    Args:
        read: APIs by their names; None for one that goes.
        missing: which APIs of a state would have to be compiled.
        compile: some APIs of a state, and what is wrong with those that cannot be compiled.
    """

    read: Callable[[Sequence[str]], Awaitable[Mapping[str, Api | None]]]
    missing: Callable[[Served], Awaitable[list[Api]]]
    compile: Callable[[Served, Sequence[Api]], Awaitable[Made]]
    names: frozenset[str] = frozenset()
    """All of them."""
    early: Mapping[str, Compiled] = field(factory=dict)
    """What is compiled of them."""
    due: bool = False
    """Whether they can be put in force."""
    _unread: frozenset[str] = field(default=frozenset(), init=False)
    """Those that are to be read."""
    _asked: set[str] = field(factory=set, init=False)
    """Those that are being read, and of which no news came meanwhile."""
    _fresh: Mapping[str, Api | None] = field(factory=dict, init=False)
    """Those that were read; None for one that goes."""
    _wrong: dict[str, tuple[Api, tuple[str, ...]]] = field(factory=dict, init=False)
    """Those that cannot be compiled, as everything else is now."""

    def heard(self, news: News) -> None:
        """Some are to be read now, and what was read before of those that are named is old."""
        named = news.apis.keys() | news.unread.keys()
        self._unread = (self._unread | news.unread.keys()) - news.apis.keys()
        self._fresh = {name: api for name, api in self._fresh.items() if name not in named}
        self._asked -= named
        if news.policies is not None or news.tiers is not None:
            self._wrong = {}

    def begin(self, unread: Iterable[str] = ()) -> None:
        """Everything was read anew, but these."""
        self.names, self._unread, self._asked = frozenset(), frozenset(unread), set()
        self._fresh, self._wrong = {}, {}

    def of(self, served: Served) -> frozenset[str]:
        """Which of them are in a state, or are to come to it."""
        return self._unread | self._fresh.keys() | (self.names & served.apis.keys())

    def whole(self, served: Served) -> Served:
        """A state, with what was read meanwhile."""
        return News(apis=self._fresh).over(served)

    def come(self, served: Served) -> Served:
        """The same, and then they are here: all that were due."""
        whole = self.whole(served)
        self.due, self.names, self._fresh = False, frozenset(), {}
        return whole

    def stay(self, names: frozenset[str]) -> None:
        """These are left, or come to be."""
        self.names = names
        if not names:
            self.early, self._wrong = {}, {}

    def is_wrong(self, api: Api) -> bool:
        """Whether it was tried before, and is wrong."""
        return self._wrong.get(api.id, (None,))[0] == api

    def wrong(self, served: Served) -> Mapping[str, tuple[str, ...]]:
        """What was found wrong with APIs of a state, where it is known."""
        found = self._wrong.copy()  # more may be found meanwhile
        return {name: texts for name, (api, texts) in found.items() if texts and served.apis.get(name) == api}

    async def make(self, served: Callable[[], Served]) -> None:
        """Read and compile them, some at a time, until the rest can be put in force with all of it.

        ``served`` gives the state at a moment, without them.  Raises Unavailable, and Unable; to be called again then.
        """
        while self._unread:
            self._asked = set(sorted(self._unread)[:AT_A_TIME])
            found = await self.read(sorted(self._asked))
            self._fresh = {**self._fresh, **{name: found[name] for name in self._asked}}
            self._unread -= self._asked  # a thread that looks meanwhile finds each in one of them
        while len(missing := await self.missing(self.whole(served()))) > AT_A_TIME:
            rest = missing[:-AT_A_TIME]
            while rest:
                some, rest = rest[:AT_A_TIME], rest[AT_A_TIME:]
                wrong = self._wrong  # another, once what they are compiled with is another
                made, texts = await self.compile(self.whole(served()), some)
                self.early = {**self.early, **made}
                wrong.update((api.id, (api, texts[api.id])) for api in some if api.id in texts)
        self.due = not self._unread
