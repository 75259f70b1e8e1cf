"""Keep what is deployed and what is known in step with the registry: its log, applied in order.

Made by ``startup.py`` where a database is the state, of this node or of a key manager that it asks, as ``redeploy.py``
is where a file is.  Each record first makes old
what it names; then the APIs that changed are compiled off the reactor and put in force in one turn; only then its
position is reached, and whoever waits for that is told.

An API that does not compile holds nothing up: what was in force of it stays, in its new state, and ``fault`` says why.
When nothing was, its calls get 503.  What is to be prepared is compiled, and not put in force.  In a cluster a report
of both goes with every position that is reached.  There a lease lasts for seconds, and is good only with all of the log
in force: so of many APIs that change at once it is reported that they come later, as if they could not be had; they are
read and compiled while the log is followed on, and put in force together.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.python.failure import Failure

from twgw.cluster.digests import Prints, digest, settings_prints
from twgw.cluster.reports import MOST_NACKS, Nack, Report
from twgw.faults import InvalidFileError, SettingsError
from twgw.gateway.blocks import Blocks
from twgw.gateway.compiling import LATER, Made, Ready, compiled, gone, let_go, made, nacks, state_of, they_stay
from twgw.gateway.deployment import Compiled, Deployment, MakeCall, nothing, unmade
from twgw.gateway.guard import guard
from twgw.gateway.postponed import Postponed
from twgw.gateway.registry import Facts, Rights
from twgw.gateway.stale import served_stale
from twgw.gateway.streams import Connection, Streams
from twgw.model import Api
from twgw.policy.interfaces import Gateway
from twgw.policy.registry import Plugin, PluginConflict
from twgw.reader import AT_A_TIME, Reader
from twgw.registry import Block, Head, News, Record, Served
from twgw.storage.errors import Unable, Unavailable
from twgw.storage.served import PREPARE, candidate_of

MANY = 100
"""APIs that change at once from which on the collector of garbage is told that they stay."""

SOON = 1000
"""APIs that are compiled before a position is reached, while a lease waits for that: a second or two.  When they are
more, they come later, and ``AT_A_TIME`` are compiled while others wait who have something to compile."""

MOST_SAID = 100
"""APIs that are wrong, and are named in the log at once: to write thousands of lines stops traffic for a second."""

MOST_SPARE = 100
"""APIs that were prepared and are kept; one whose change is given up stays until others take its place."""


class Follower:
    """Applies the log of the registry.

    ``in_thread(function, *args)`` runs a function off the reactor, ``keys_changed`` reads the cluster's keys anew.
    In a cluster ``trusted`` is asked for each request, and ``advanced`` is told of each position that is in force, with
    a report of what could not be had.
    """

    def __init__(
        self,
        reader: Reader,
        facts: Facts,
        rights: Rights,
        in_thread: Callable[..., "Deferred[Any]"],
        find_plugins: Callable[[], dict[str, Plugin]],
        gateway: Gateway,
        make_call: MakeCall,
        swap: Callable[[Deployment], None],
        keys_changed: Callable[[], Awaitable[None]] | None = None,
        trusted: Callable[[], bool] | None = None,
        advanced: Callable[[Head, Report], object] = lambda _head, _report: None,
    ) -> None:
        self.deployment: Deployment | None = None
        self.applied = 0
        """The position that is in force."""
        self._reader = reader
        self._facts = facts
        self._rights = rights
        self._in_thread = in_thread
        self._find_plugins = find_plugins
        self._gateway = gateway
        self._make_call = make_call
        self._swap = swap
        self._keys_changed = keys_changed
        self._trusted = trusted
        self._advanced = advanced
        self._plugins: Mapping[str, Plugin] = {}
        self._served = Served()
        """What is to be in force, whether it could be had or not."""
        self._blocks = Blocks(gateway.clock.wall)
        self._blocked: Sequence[Block] = ()
        """What they were made of."""
        self._guarded: Mapping[str, Compiled] = {}
        """What meets them."""
        self._finished: dict[str, Compiled] = {}
        """What will, of that which comes later."""
        self._spare: dict[str, Compiled] = {}
        """What was prepared, by API."""
        self._postponed = Postponed(reader.apis, self._missing_of, self._make_some)
        self._making = False
        """Whether what is postponed is being read and compiled."""
        self._compiler = DeferredLock()
        """Nothing is compiled twice at a time."""
        self._faults: Mapping[str, tuple[str, ...]] = {}
        self._judged: Served | None = None
        """In what they were found; None when what is installed may be another since."""
        self._refused: Mapping[str, Nack] = {}
        self._unprepared: tuple[Nack, ...] = ()
        self._prints = Prints()
        self._digest = ""
        self._said: tuple[int, int, int] | None = None
        """Epoch, position and number of what the log of the node says is in force."""
        self._waiting: list[tuple[int, Deferred[None]]] = []
        self._busy = False
        self._again = False
        self._anew = False
        self._streams: Streams | None = None
        if trusted is not None:
            served_stale(gateway)  # at 0 from the start, for whoever watches

    def watch(self, connections: Collection[Connection]) -> None:
        """Told of the connections of clients: what is under way there may have to end."""
        self._streams = Streams(connections, self._facts, self._gateway)

    @property
    def position(self) -> int:
        """How far the log is in force."""
        return self.applied

    @property
    def outage(self) -> str:
        """Why nobody answers what is not known; empty while somebody does."""
        return self._facts.outage

    @property
    def fault(self) -> str:
        """What is wrong with what should be in force, a line for each fault; empty when it is."""
        return "\n".join(text for texts in self._faults.values() for text in texts)

    def load(self) -> None:
        """Deploy everything now; until it can be had, refuse every request.

        Raises Unavailable, and InvalidFileError for wrong global policies.
        """
        self._plugins = self._find_plugins()
        found = self._reader.at_start()
        if found is None:
            self._anew = True
            self._swap(nothing(self._plugins, self._gateway, self._make_call))
            return
        head, served = found
        try:
            ready = self._compiled(served, len(served.apis))
        except SettingsError as error:
            name = self._reader.name
            raise InvalidFileError(f"{name}: {fault.path}: {fault.text}" for fault in error.faults) from error
        self._facts.cache.reset(head.epoch, head.pos)
        self._install(served, ready, head.pos)
        self._reach(head.pos)

    def reload(self) -> None:
        """Read and compile everything anew, as the code of a policy may have changed."""
        self._anew, self._said = True, None
        self.poll()

    def look(self) -> None:
        """See what is new, and whether somebody waits for too long; called every second."""
        self._facts.look()
        self.poll()
        if self._streams is not None:
            self._streams.look(trusted=self._trusted is None or self._trusted())

    def poll(self) -> "Deferred[None]":
        """Apply what is new; fires when that is done, at once when it is being done already."""
        if self._busy:
            self._again = True
            return succeed(None)
        self._busy = True
        return Deferred.fromCoroutine(self._catch_up()).addErrback(self._broke).addBoth(self._done)

    def reached(self, position: int) -> "Deferred[None]":
        """Fires when a position is in force."""
        if position <= self.applied:
            return succeed(None)
        done: Deferred[None] = Deferred(lambda cancelled: self._waiting.remove((position, cancelled)))
        self._waiting.append((position, done))
        self.poll()
        return done

    async def _catch_up(self) -> None:
        anew, self._anew = self._anew, False
        try:
            since = Head(self._facts.cache.epoch, self.applied)
            news = None if anew else await self._reader.news(since, self._only(AT_A_TIME))
            everything = await self._reader.everything(self._only(SOON)) if news is None else None
        except Unavailable as error:
            self._anew = self._anew or anew
            self._facts.lose(str(error))
            return
        self._facts.regain()
        if everything is not None:
            await self._begin_anew(*everything)
        elif news is not None and news.records:
            await self._go_on(news)
        elif self._postponed.due:
            await self._deploy(self._served, len(self._postponed.names), self.applied)
            self._reach(self.applied)
        self._make()

    def _only(self, most: int) -> int | None:
        """Of more APIs than that names and states alone are read, by whoever serves meanwhile.

        Whoever publishes waits for those that have a lease, and hears what comes later there.  Who has none may have
        missed what was published, of which nobody would hear that it is not in force: so all is read before.
        """
        return most if self._is_leased() and self.deployment is not None else None

    def _is_leased(self) -> bool:
        return self._trusted is not None and self._trusted()

    async def _begin_anew(self, head: Head, served: Served) -> None:
        """Know nothing but what was just read."""
        self._refused = {}
        if not served.unread:  # else what is guarded stays, and no lease waits until it is once more
            self._guarded, self._finished = {}, {}
        self._facts.cache.reset(head.epoch, head.pos)
        await self._read_keys()
        try:
            self._plugins = await self._in_thread(self._find_plugins)
        except PluginConflict as error:
            self._gateway.log.error("{error}; the policies found before stay", error=error)  # noqa: TRY400 - not logging's
        self._judged = None
        self._postponed.begin(served.unread)  # what was found wrong is so no more, with other policies
        await self._deploy(served.over(self._served), len(served.apis), head.pos)
        if self._streams is not None:
            self._streams.judge_all(self._blocks)
        if served.unread and not self._is_leased():  # it ended meanwhile
            self._anew = self._again = True
            return
        self._reach(head.pos)

    async def _go_on(self, news: News) -> None:
        """Apply records; what is known first, so that who is revoked does not wait for APIs to be compiled."""
        for record in news.records:
            self._facts.cache.apply(record.pos, (record.tag,))
        if any(record.kind == "key" for record in news.records):
            await self._read_keys()
        served = news.over(self._served)
        self._postponed.heard(news)
        if news.about_apis or self._postponed.due:
            await self._deploy(served, len(news.apis), news.records[-1].pos, news.records)
            late = self._postponed.names if news.policies is not None else self._postponed.names & news.apis.keys()
            if (late or news.unread) and not self._is_leased():  # as in ``_only``
                if news.unread or self._have_others(self._served):
                    self._anew = self._again = True
                    return
                self._postponed.names -= news.apis.keys()
                await self._deploy(self._served, len(news.apis), news.records[-1].pos, news.records)
        elif news.blocks is not None:
            self._served = served
            self._block()
        if self._streams is not None:
            self._streams.judge(news.records, self._blocks)
        for record in news.records:
            if record.kind == PREPARE:
                await self._prepare(served, record)
        self._again = self._again or news.more
        self._reach(news.records[-1].pos)

    async def _read_keys(self) -> None:
        if self._keys_changed is not None:
            await self._keys_changed()

    async def _deploy(self, served: Served, changed: int, position: int, records: Sequence[Record] = ()) -> None:
        """Compile and put in force; when that takes long, what is compiled already, and the rest later."""
        if self._postponed.due:
            served = self._postponed.come(served)
        ready = await self._compiler.run(self._in_thread, self._compiled, served, changed)
        old = gone(self.deployment, ready.deployment)
        self._install(served, ready, position, records)
        if len(old) >= MANY:
            self._in_thread(let_go, old)
        self._postponed.stay(ready.later)
        if not ready.later:
            self._finished = {}

    def _make(self) -> None:
        """See that what is postponed is read and compiled; after a failure that is begun again."""
        if self._postponed.names and not (self._making or self._postponed.due or self._anew):
            self._making = True
            count = len(self._postponed.names)
            self._gateway.log.info("{count} APIs are being compiled; what was in force of them stays", count=count)
            Deferred.fromCoroutine(self._make_all()).addErrback(self._broke)

    async def _make_all(self) -> None:
        try:
            await self._postponed.make(lambda: self._served)
        except Unable:
            self._anew = True  # it tells APIs by their names to nobody, and everything to everybody
        except Unavailable as error:
            self._facts.lose(str(error))
            return
        finally:
            self._making = False
        self.poll()

    @property
    def _known(self) -> Mapping[str, Compiled]:
        """What is compiled, and not in force."""
        return {**self._spare, **self._postponed.early}

    def _missing_of(self, served: Served) -> "Deferred[list[Api]]":
        return self._in_thread(self._missing, served)

    def _make_some(self, served: Served, apis: Sequence[Api]) -> "Deferred[Made]":
        state = state_of(self._possible(served))
        work = (made, state, apis, self._plugins, self._gateway, self._make_call, self._finish)
        return self._compiler.run(self._in_thread, *work)

    def _finish(self, found: Mapping[str, Compiled]) -> None:
        """Do with some that come later, one after the other, what would take long for all of them together."""
        finished = self._finished  # before the blocks that it is for: whoever changes these begins another
        self._prints.add({name: one.api for name, one in found.items()})
        guard(found, self._gateway, self._blocks, self._trusted)
        finished.update(found)

    def _missing(self, served: Served) -> list[Api]:
        """What would have to be compiled, as far as it can be."""
        found = unmade(state_of(self._possible(served)), self._plugins, self.deployment, self._known)
        return [api for api in found if not (self._postponed.is_wrong(api) or self._is_wrong(api, served))]

    def _is_wrong(self, api: Api, served: Served) -> bool:
        """Whether it was found wrong in the same state, as nothing of that has changed."""
        judged = self._judged
        return (
            judged is not None and api.id in self._faults and judged.apis.get(api.id) == api
            and (judged.policies, judged.tiers) == (served.policies, served.tiers)
        )  # fmt: skip

    def _possible(self, served: Served) -> Served:
        """A state, with the global policies that are in force while those that are to be were found wrong."""
        if self.deployment is None or self._judged is None or "" not in self._faults:
            return served
        same = served.policies == self._judged.policies
        return attrs.evolve(served, policies=self.deployment.state.policies) if same else served

    def _to_come(self, served: Served) -> frozenset[str]:
        """Which APIs of it are to come later."""
        if self._trusted is None or self.deployment is None:
            return frozenset()
        later = self._postponed.of(served)
        if later >= served.apis.keys():
            return later
        missing = {api.id for api in self._missing(served)} - later if self.deployment.compiled else set()
        if not later and (len(missing) <= SOON or not self._is_leased()):
            return later  # without a lease no others either, as in ``_only``
        if self._have_others(served):  # global policies, which all have until then
            return later | served.apis.keys()
        return later | missing if len(missing) > SOON else later

    def _have_others(self, served: Served) -> bool:
        """Whether what is in force has other global policies than a state."""
        return self.deployment is not None and self._possible(served).policies != self.deployment.state.policies

    def _compiled(self, served: Served, changed: int) -> Ready:
        """Everything that takes time; touches nothing that is in force.  ``changed``: how many APIs, at the most."""
        possible = self._possible(served)
        ready = compiled(
            possible, self._plugins, self._gateway, self._make_call, self.deployment, self._known,
            self._to_come(served), self._postponed.wrong(served),
        )  # fmt: skip
        if possible is not served:
            ready = attrs.evolve(ready, faults={**ready.faults, "": self._faults[""]})
        if self._trusted is not None:
            ready = attrs.evolve(ready, digest=self._digest_of(ready))
        if served.blocks == self._blocked:
            self._guard(ready.deployment)
        if changed >= MANY:
            they_stay()
        return ready

    def _digest_of(self, ready: Ready) -> str:
        """Of what is served, without what could not be had."""
        without = {*ready.faults, *ready.later}
        apis = {name: one.api for name, one in ready.deployment.compiled.items() if name not in without}
        prints = self._prints.of(apis, also=without)
        state = ready.deployment.state
        prints.update(settings_prints(state.policies, {tier.name: tier for tier in state.tiers}))
        return digest(prints, without)

    async def _prepare(self, served: Served, record: Record) -> None:
        """See whether something could be put in force; nothing is changed by it."""
        try:
            candidate = candidate_of(record)
            wanted = self._tried(candidate, served)
            ready = await self._compiler.run(
                self._in_thread, compiled, wanted, self._plugins, self._gateway, self._make_call, self.deployment,
                self._spare,
            )  # fmt: skip
            self._keep(ready.deployment.compiled, candidate.apis)
            found = {
                name: texts for name, texts in ready.faults.items()
                if name in candidate.apis or texts != self._faults.get(name)
            }  # fmt: skip
        except SettingsError as error:
            found = {"": tuple(f"{fault.path}: {fault.text}" for fault in error.faults)}
        except Exception as error:  # noqa: BLE001 - whatever it is, it must hold nothing up: it is only tried
            found = {"": (f"cannot be tried: {type(error).__name__}: {error}",)}
        nacks = [Nack.of(name, record.pos, texts) for name, texts in found.items()]
        for nack in nacks:
            self._gateway.log.warn("cannot be prepared: {fault}", fault=nack.text)  # noqa: G010 - not logging's
        self._unprepared = (*self._unprepared, *nacks)[-MOST_NACKS:]

    def _tried(self, candidate: News, served: Served) -> Served:
        """As much of what is to be as changes, and can be compiled while a lease waits for it."""
        wanted = candidate.over(served)
        touched: list[str] = []
        if candidate.policies is not None or candidate.tiers is not None:  # which are part of every API
            touched = [name for name in wanted.apis if name not in self._postponed.names][:SOON]
        names = (*touched, *candidate.apis)
        return attrs.evolve(wanted, apis={name: wanted.apis[name] for name in names if name in wanted.apis})

    def _keep(self, prepared: Mapping[str, Compiled], names: Iterable[str]) -> None:
        """What was prepared is not compiled again when it comes to be in force."""
        for name in names:
            self._spare.pop(name, None)
            if name in prepared:
                self._spare[name] = prepared[name]
        while len(self._spare) > MOST_SPARE:
            del self._spare[next(iter(self._spare))]

    def _install(self, served: Served, ready: Ready, position: int, records: Iterable[Record] = ()) -> None:
        """Put it in force, in this turn of the reactor.  ``records`` led to it, up to a position."""
        later = dict.fromkeys(sorted(ready.later - ready.faults.keys()), (LATER,))
        self._refused = nacks({**ready.faults, **later}, self._refused, position, list(records))
        self._digest = ready.digest
        self._served = served
        self._rights.tiers = served.tiers
        self.deployment = ready.deployment
        if served.blocks == self._blocked:
            self._guarded = ready.deployment.compiled
        self._block()
        self._swap(ready.deployment)
        self._spare = {name: one for name, one in self._spare.items() if ready.deployment.compiled.get(name) is not one}
        self._say_faults(ready)
        self._faults, self._judged = ready.faults, served
        count = len(ready.deployment.compiled)
        said, self._said = self._said, (self._facts.cache.epoch, position, count)
        if said != self._said:
            self._gateway.log.info(
                "{name}: {count} {noun} in force", name=self._reader.name, count=count,
                noun="API" if count == 1 else "APIs",
            )  # fmt: skip

    def _say_faults(self, ready: Ready) -> None:
        """What is wrong that was not before; of very many, how many more."""
        new = [(name, texts) for name, texts in ready.faults.items() if texts != self._faults.get(name)]
        for name, texts in new[:MOST_SAID]:
            one = ready.deployment.compiled.get(name)
            now = "what was in force of it stays" if one is None or one.whole else "its calls are answered with 503"
            for text in texts:
                self._gateway.log.error("{fault}; {now}", fault=text, now=now)
        if len(new) > MOST_SAID:
            self._gateway.log.error("{count} more cannot be had; /readyz says why", count=len(new) - MOST_SAID)

    def _block(self) -> None:
        """Put the blocks in force; while they are the same, before what is new."""
        before = self._blocks
        if self._served.blocks != self._blocked:
            self._blocks = Blocks.of(self._served.blocks, self._gateway.clock.wall)
            self._blocked, self._guarded, self._finished = self._served.blocks, {}, {}
        if self.deployment is not None:
            self._guard(self.deployment, before)
            self._guarded = self.deployment.compiled
        for fault in self._blocks.faults:
            if fault not in before.faults:
                self._gateway.log.error("{fault}", fault=fault)

    def _guard(self, deployment: Deployment, before: Blocks | None = None) -> None:
        """Have all that is new meet the blocks: of thousands, off the reactor."""
        if before or self._blocks or self._trusted is not None:
            known = (self._guarded, self._finished)
            new = {
                name: one for name, one in deployment.compiled.items() if not any(it.get(name) is one for it in known)
            }
            guard(new, self._gateway, self._blocks, self._trusted)

    def _reach(self, position: int) -> None:
        self.applied = position
        refused = tuple(sorted(self._refused.values(), key=lambda nack: -nack.position)[:MOST_NACKS])
        self._advanced(Head(self._facts.cache.epoch, position), Report(self._digest, refused, self._unprepared))
        waiting, self._waiting = self._waiting, []
        for wanted, done in waiting:
            if wanted <= position:
                done.callback(None)
            else:
                self._waiting.append((wanted, done))

    def _broke(self, failure: Failure) -> None:
        self._anew = True  # what was done of it is not known
        error = failure.value
        if isinstance(error, Unavailable):  # in the middle of it
            self._facts.lose(str(error))
            return
        if not isinstance(error, SettingsError):
            self._gateway.log.error("the log could not be applied: {error}", error=failure.getTraceback())
            return
        texts = tuple(f"{fault.path}: {fault.text}" for fault in error.faults)
        if texts != self._faults.get(""):
            for text in texts:
                self._gateway.log.error("{fault}; nothing can be served", fault=text)
        self._faults = {"": texts}

    def _done(self, _result: object) -> None:
        self._busy = False
        if self._again:
            self._again = False
            self.poll()
