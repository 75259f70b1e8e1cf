"""Facts and the log: rule by rule, against a model that remembers everything, and with each rule taken away.

A test with an argument ``code`` states a rule; the last test runs them on code without it, and they must notice.
"""

from inspect import isfunction, signature
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twgw import cache

KEYS = st.integers(0, 4)
TAGS = st.sampled_from(["tok:0", "tok:1", "tok:2", "tok:3", "tok:4", "app:0", "app:1"])
MOST_TAGS = 3
MANY_STEPS = settings(max_examples=100, stateful_step_count=40, deadline=None, database=None)


def tags_of(key):
    """What a key depends on."""
    return (f"tok:{key}", f"app:{key % 2}")


# --- one rule after the other ------------------------------------------------------------------------


@pytest.fixture
def code():
    """The module, as it is."""
    return cache


def fact(code, position=0, tags=(), payload="it", *, epoch=1, expires=1e9):
    """Something that was read."""
    return code.Fact(position, epoch, expires, tags, payload)


def begun(code, position=0, **bounds):
    """A cache that knows nothing at a position of the first epoch."""
    made = code.Cache(**bounds)
    made.reset(1, position)
    return made


def test_what_was_read_before_the_beginning_is_judged_by_looking_back(code):
    """A fact holds that no record since names, before or after the beginning; older ones are not judged."""
    facts = begun(code, 10)
    old = {tag: fact(code, 7, (tag,)) for tag in ("a", "b", "c")}
    assert not any(map(facts.holds, old.values()))
    facts.apply(11, ("c",))
    facts.look_back([(8, "a"), (9, "x"), (10, "x")])

    assert {"a": False, "b": True, "c": False} == {tag: facts.holds(each) for tag, each in old.items()}
    assert not facts.holds(fact(code, 6, ("b",)))
    assert facts.holds(fact(code, 8, ("a",)))


def test_looking_back_heeds_what_names_everything(code):
    """Nothing from before it holds."""
    facts = begun(code, 10)
    facts.look_back([(8, "a"), (9, code.EVERYTHING), (10, "x")])

    assert [False, True] == [facts.holds(fact(code, position, ("b",))) for position in (8, 9)]


def test_looking_back_over_a_gap_does_nothing(code):
    """What is missing might name anything; so might what is not remembered any more."""
    for records in ([(8, "a"), (10, "x")], [(8, "a"), (9, "a")], [(9, "a"), (10, "a"), (11, "a")]):
        facts = begun(code, 10)
        facts.look_back(records)
        assert not facts.holds(fact(code, 7, ("b",)))
    facts = begun(code, 10, most_tags=1)
    for position in (11, 12):
        facts.apply(position, (f"t{position}",))
    facts.look_back([(8, "x"), (9, "x"), (10, "x")])
    assert 11 == facts.floor


def test_looking_back_is_bounded(code):
    """By as many tags as are remembered anyway."""
    facts = begun(code, 10, most_tags=2)
    facts.look_back([(8, "a"), (9, "b"), (10, "c")])
    assert 8 == facts.floor
    assert not facts.holds(fact(code, 7, ("a",)))


def test_a_fact_holds_until_a_record_names_one_of_its_tags(code):
    """Any of them; records that name others change nothing."""
    facts = begun(code)
    first, second = fact(code, 0, ("tok:1", "app:1")), fact(code, 0, ("tok:2", "app:1"))
    facts.apply(1, ("tok:3",))
    facts.apply(2, ("tok:1",))

    assert [False, True] == [facts.holds(first), facts.holds(second)]

    facts.apply(3, ("app:9", "app:1"))

    assert [False, False] == [facts.holds(first), facts.holds(second)]


def test_a_fact_that_was_read_at_a_record_knows_it(code):
    """Only later ones make it old; one that was read ahead of what is applied is as good."""
    facts = begun(code)
    facts.apply(1, ("tok:1",))
    facts.apply(2, ("tok:2",))

    assert [False, True, True] == [facts.holds(fact(code, position, ("tok:1",))) for position in (0, 1, 3)]


def test_what_was_overtaken_by_a_record_is_not_kept(code):
    """A read under way when its tag is revoked lands in vain, and what is known of the key stays as it is."""
    facts = begun(code)
    slow = fact(code, 0, ("tok:1",))
    facts.apply(1, ("tok:1",))

    assert facts.keep("key", slow, 0.0) is False
    assert facts.find("key", 0.0) is None
    assert facts.keep("key", fact(code, 1, ("tok:1",), "new"), 0.0) is True
    assert "new" == facts.find("key", 0.0).payload


def test_records_follow_each_other_without_a_gap(code):
    """One that is missing, or comes twice, is an error; so no revocation is passed over."""
    facts = begun(code, 4)
    facts.apply(5, ())
    for wrong in (4, 5, 7):
        with pytest.raises(ValueError, match=f"record {wrong} does not follow 5"):
            facts.apply(wrong, ())
    facts.apply(6, ())

    assert 6 == facts.applied


def test_a_record_about_everything_makes_every_older_fact_old(code):
    """That is also how a record of an unknown kind is taken."""
    facts = begun(code)
    facts.apply(1, ("*",))

    assert [False, True] == [facts.holds(fact(code, position)) for position in (0, 1)]


def test_facts_of_another_epoch_or_from_before_the_beginning_do_not_hold(code):
    """Whatever their position is."""
    facts = begun(code)
    facts.reset(2, 5)

    assert [False, False, True] == [
        facts.holds(fact(code, 9)), facts.holds(fact(code, 4, epoch=2)), facts.holds(fact(code, 5, epoch=2)),
    ]  # fmt: skip


def test_a_new_beginning_knows_nothing(code):
    """Neither facts nor unknown keys; the room is free."""
    facts = begun(code)
    facts.keep("known", fact(code, 9), 0.0)
    facts.keep("unknown", fact(code, 9, payload=None), 0.0)
    facts.reset(1, 5)

    assert [0, None, None] == [len(facts), facts.find("known", 0.5), facts.find("unknown", 0.5)]


def test_tags_are_forgotten_and_older_facts_with_them(code):
    """Those whose latest record is the oldest; a fact that is used in time stays for ever."""
    facts = begun(code, most_tags=2)
    used, unused = fact(code, 0, ("tok:9",)), fact(code, 0, ("tok:8",))
    for position, tag in enumerate(["tok:1", "tok:2", "tok:1", "tok:3"], 1):
        facts.apply(position, (tag,))
        assert facts.holds(used)

    assert (2, 4) == (facts.floor, used.position)
    assert [False, False, False] == [
        facts.holds(unused), facts.holds(fact(code, 1)), facts.holds(fact(code, 2, ("tok:1",)))
    ]  # fmt: skip
    assert facts.holds(fact(code, 2, ("tok:4",)))

    facts.apply(5, ("*",))
    facts.apply(6, ("tok:1",))

    assert 5 == facts.floor


def test_what_holds_is_not_taken_to_hold_in_future(code):
    """A fact that was found to hold is old at the next record that names it."""
    facts = begun(code)
    facts.apply(1, ("tok:2",))
    kept = fact(code, 0, ("tok:1",))

    assert facts.holds(kept)

    facts.apply(2, ("tok:1",))

    assert not facts.holds(kept)


def test_a_fact_is_usable_until_it_expires(code):
    """To the moment, and not a moment when it does not hold."""
    facts = begun(code)
    kept = fact(code, expires=100.0)
    facts.keep("key", kept, 0.0)

    assert [True, False] == [facts.usable(kept, 99.9), facts.usable(kept, 100.0)]
    assert [kept, None] == [facts.find("key", 99.9), facts.find("key", 100.0)]

    facts.apply(1, ("*",))

    assert [False, None] == [facts.usable(kept, 99.9), facts.find("key", 99.9)]


def test_nothing_is_used_without_a_lease(code):
    """And everything again when it is back."""
    leases = [True, False, True]
    facts = begun(code, lease=lambda: leases[0])
    facts.keep("key", fact(code), 0.0)
    found = []
    while leases:
        found.append(facts.find("key", 0.0) is not None)
        leases.pop(0)

    assert [True, False, True] == found


def test_a_key_is_unknown_for_a_second_at_most(code):
    """From the moment before it was asked for; then it may have been issued."""
    facts = begun(code)
    facts.keep("key", fact(code, payload=None), 10.0)
    facts.keep("short", fact(code, payload=None, expires=10.5), 10.0)

    assert [False, True] == [facts.find("key", now) is None for now in (10.9, 11.0)]
    assert [False, True] == [facts.find("short", now) is None for now in (10.4, 10.5)]


def test_what_is_gone_is_unknown_and_what_came_is_known(code):
    """The latest answer counts; that a key was unknown is not remembered beside what it is."""
    facts = begun(code, most_facts=1)
    facts.keep("key", fact(code, tags=("tok:1",)), 0.0)
    facts.apply(1, ("tok:1",))
    facts.keep("key", fact(code, 1, payload=None), 0.0)

    assert facts.find("key", 0.5).payload is None

    facts.keep("key", fact(code, 1), 0.0)
    facts.keep("other", fact(code, 1), 0.0)  # takes its place

    assert facts.find("key", 0.5) is None


def test_facts_in_use_stay_and_the_rest_makes_room(code):
    """However many others come by once."""
    facts = begun(code, most_facts=10)
    for key in (*range(10), *range(1000, 2000)):
        for hot in (3, 7):
            assert key < 10 or facts.find(hot, 0.0)
        facts.keep(key, fact(code), 0.0)
        assert len(facts) <= 10
    left = [key for key in (*range(10), *range(1000, 2000)) if facts.find(key, 0.0)]

    assert 10 == len(left)
    assert [3, 7] == left[:2]


def test_a_fact_that_is_no_longer_used_goes(code):
    """Its time in use counts once."""
    facts = begun(code, most_facts=3)
    for key in "abc":
        facts.keep(key, fact(code), 0.0)
    facts.find("a", 0.0)
    for key in range(6):
        facts.keep(key, fact(code), 0.0)

    assert facts.find("a", 0.0) is None


def test_one_goes_even_when_all_are_in_use(code):
    """After a few looks, so that no request waits while all are passed over."""
    facts = begun(code, most_facts=100)
    for key in range(200):
        facts.keep(key, fact(code), 0.0)
        facts.find(key, 0.0)
        assert min(key + 1, 100) == len(facts)


def test_a_fact_that_is_read_anew_takes_no_place(code):
    """It stands where it stood."""
    facts = begun(code, most_facts=2)
    for key in "abbb":
        facts.keep(key, fact(code), 0.0)

    assert facts.find("a", 0.0)


def test_unknown_keys_have_room_of_their_own(code):
    """The oldest goes first, and no fact goes for them."""
    facts = begun(code, most_facts=2, most_unknown=3)
    facts.keep("known", fact(code), 0.0)
    for key in (1, 2, 3, 1, 4, 5):
        facts.keep(key, fact(code, payload=None), 0.0)

    assert [True, False, False, True, True] == [facts.find(key, 0.5) is not None for key in (1, 2, 3, 4, 5)]
    assert facts.find("known", 0.5)


def keys(fills):
    """What is asked for."""
    return [fill.key for fill in fills]


def test_a_key_is_asked_for_once_however_many_wait(code):
    """All of them are told together, those who came after it was asked for too; then it may be asked for anew."""
    fills = code.Fills()
    for waiter in ("first", "second"):
        assert fills.join("key", waiter, 0.0)
    (fill,) = fills.ask(64)

    assert fills.join("key", "third", 0.0)
    assert [] == fills.ask(64)
    assert ["first", "second", "third"] == fills.land(fill)
    assert 0 == len(fills)
    assert fills.join("key", "fourth", 0.0)
    assert ["key"] == keys(fills.ask(64))


def test_keys_are_asked_for_in_order_so_many_at_once(code):
    """Those that waited longest first, and before them what has to be asked for again."""
    fills = code.Fills()
    for key in "abcd":
        fills.join(key, key, 0.0)
    asked = fills.ask(3)

    assert ["a", "b", "c"] == keys(asked)
    assert fills.again(asked[1])
    assert [["b"], ["d"], []] == [keys(fills.ask(1)) for _ in range(3)]


def test_waits_are_bounded(code):
    """Too many keys are refused; who waits for one of them already may always be joined."""
    fills = code.Fills(most=2)

    assert [True, True, False, True] == [fills.join(key, "who", 0.0) for key in "abca"]
    assert 2 == len(fills)


def test_a_key_that_keeps_changing_is_given_up(code):
    """After three tries; the next who asks has three of their own."""
    fills = code.Fills()
    for _ in range(2):
        fills.join("key", "who", 0.0)
        again = []
        for _ in range(3):
            (fill,) = fills.ask(64)
            again.append(fills.again(fill))
        assert [True, True, False] == again
        assert ["who"] == fills.land(fill)


def test_all_waits_can_be_given_up(code):
    """What was asked for then comes too late: it tells nobody, and disturbs nobody who asked for the same since."""
    fills = code.Fills()
    for key in "ab":
        fills.join(key, f"waits for {key}", 0.0)
    (late,) = fills.ask(1)

    assert ["waits for a", "waits for b"] == fills.give_up()
    assert [] == fills.ask(64)
    assert fills.join("a", "came later", 0.0)
    assert [False, []] == [fills.again(late), fills.land(late)]
    assert (["a"], 1) == (keys(fills.ask(64)), len(fills))


def test_it_is_known_how_long_somebody_waits(code):
    """Since the longest wait began."""
    fills = code.Fills()
    assert fills.waited_since() is None
    for now, key in enumerate("aba"):
        fills.join(key, "who", float(now))
    (first,) = fills.ask(1)
    assert 0.0 == fills.waited_since()
    fills.land(first)

    assert 1.0 == fills.waited_since()


# --- all of them together ----------------------------------------------------------------------------


class World(RuleBasedStateMachine):
    """A database with a log, a process that follows it and reads from it, and a model of what that may believe."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.trusted = True
        self.cache = cache.Cache(most_tags=MOST_TAGS, lease=lambda: self.trusted)
        self.cache.reset(1, 0)
        self.epoch = 1
        self.log = []  # the tags of every record of this epoch, from position 1
        self.rows = dict.fromkeys(range(5))
        self.values = count(1)
        self.history = []  # (epoch, position, time, key, value) of all that ever stood there
        for key in self.rows:
            self._note(key)
        self.reading = []  # [key, epoch, position, asked, what was found: unread at first]
        self.kept = {}  # key: [epoch, certified position, expires, value]
        self.applied = self.reset_at = 0

    # --- the database ---

    def _note(self, key):
        self.history.append((self.epoch, len(self.log), self.now, key, self.rows[key]))

    def _write(self, tags, key_changes, value):
        self.log.append(tags)
        for key in self.rows:
            if key_changes(key):
                self.rows[key] = value
            self._note(key)  # also what did not change is true at the new position

    @rule(tag=TAGS, gone=st.booleans())
    def change(self, tag, gone):
        """Change all that depends on a tag."""
        self._write((tag,), lambda key: tag in tags_of(key), None if gone else next(self.values))

    @rule(first=TAGS, second=TAGS)
    def change_two(self, first, second):
        """Change two things in one record."""
        changed = {first, second}
        self._write((first, second), lambda key: changed & set(tags_of(key)), next(self.values))

    @rule()
    def change_everything(self):
        """Write a record that only says that nothing is as it was."""
        self._write(("*",), lambda _key: True, next(self.values))

    @rule(key=KEYS)
    def issue(self, key):
        """Make something that was not there, without a record."""
        if self.rows[key] is None:
            self.rows[key] = next(self.values)
            self._note(key)

    @rule(lost=st.integers(0, 2))
    def fail_over(self, lost):
        """Go on with another database, in which the last records are missing."""
        self.epoch += 1
        self.log = [*self.log[: len(self.log) - lost]]
        for key in self.rows:
            self.rows[key] = next(self.values)
            self._note(key)
        self.cache.reset(self.epoch, len(self.log))
        self.applied = self.reset_at = len(self.log)

    # --- the process ---

    @precondition(lambda self: self.applied < len(self.log))
    @rule()
    def apply(self):
        """Apply the next record."""
        self.applied += 1
        self.cache.apply(self.applied, self.log[self.applied - 1])

    @rule(missing=st.integers(-1, 2).filter(bool))
    def apply_out_of_order(self, missing):
        """A record that is not the next one is refused."""
        with pytest.raises(ValueError, match="does not follow"):
            self.cache.apply(self.applied + 1 + missing, ("tok:0",))

    @rule()
    def begin_anew(self):
        """Forget everything, as if records were missing."""
        self.cache.reset(self.epoch, len(self.log))
        self.applied = self.reset_at = len(self.log)

    @rule(key=KEYS)
    def begin_reading(self, key):
        """Read the position first."""
        self.reading.append([key, self.epoch, len(self.log), self.now, ...])

    @precondition(lambda self: any(each[4] is ... for each in self.reading))
    @rule(data=st.data())
    def read(self, data):
        """Then the row, whatever happened between."""
        reading = data.draw(st.sampled_from([each for each in self.reading if each[4] is ...]))
        if reading[1] == self.epoch:
            reading[4] = self.rows[reading[0]]
        else:
            self.reading.remove(reading)  # the connection broke

    @precondition(lambda self: any(each[4] is not ... for each in self.reading))
    @rule(data=st.data(), life=st.sampled_from([0.5, 3.0, 1e9]))
    def land(self, data, life):
        """What was read comes in, at any time."""
        reading = data.draw(st.sampled_from([each for each in self.reading if each[4] is not ...]))
        self.reading.remove(reading)
        key, epoch, position, asked, value = reading
        fact = cache.Fact(position, epoch, asked + life, tags_of(key), value)
        holds = self.cache.keep(key, fact, asked)

        assert self._model_holds(epoch, position, key) == holds
        if holds:
            expires = min(asked + life, asked + 1.0) if value is None else asked + life
            self.kept[key] = [epoch, max(position, self.applied), expires, value]

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 10.0]))
    def wait(self, seconds):
        """Time goes by."""
        self.now += seconds
        for key in self.rows:
            self._note(key)

    @rule()
    def turn_trust(self):
        """The lease ends, or comes back."""
        self.trusted = not self.trusted

    @rule(key=KEYS)
    def find(self, key):
        """What is found is true, and what could be found is."""
        found = self.cache.find(key, self.now)
        kept = self.kept.get(key)
        expected = kept is not None and self.now < kept[2] and self._model_holds(kept[0], kept[1], key)

        assert expected == (found is not None)
        if found is not None:
            kept[1] = max(kept[1], self.applied)
            assert kept[3] == found.payload
            assert self._is_true(key, found.payload)
            assert self.cache.usable(found, self.now)

    # --- the model ---

    def _model_holds(self, epoch, position, key):
        """Whether nothing that was applied since then concerns the key, and nothing is forgotten that might."""
        later = self.log[position : self.applied]
        return (
            self.trusted
            and epoch == self.epoch
            and position >= self._floor()
            and not any(tag in tags_of(key) for tags in later for tag in tags)
        )

    def _floor(self):
        """The position before which something may be forgotten."""
        latest = {}
        floor = self.reset_at
        for position in range(self.reset_at + 1, self.applied + 1):
            for number, tag in enumerate(self.log[position - 1]):
                latest[tag] = (position, number)
                if tag == "*":
                    floor = position
            forgotten = sorted(latest.values(), reverse=True)[MOST_TAGS:]
            floor = max([floor, *(place[0] for place in forgotten)])
        return floor

    def _is_true(self, key, value):
        """Whether the database says that at a position not before the applied one; 'unknown' may be a second old."""
        said = [each for each in self.history if each[3] == key and each[4] == value and each[0] == self.epoch]
        return any(
            position >= self.applied and (value is not None or time >= self.now - 1.0)
            for _, position, time, _, _ in said
        )

    @invariant()
    def knows_where_it_is(self):
        """The position applied, and the one below which it trusts nothing."""
        assert self.applied == self.cache.applied
        assert self._floor() == self.cache.floor


class Waiting(RuleBasedStateMachine):
    """Keys that are waited for, against lists that are searched."""

    def __init__(self):
        super().__init__()
        self.fills = cache.Fills(most=3)
        self.waiting = []  # (key, waiter) in order
        self.due = []
        self.asked = []  # (fill, whether it was given up)
        self.numbers = count()

    @rule(key=KEYS)
    def join(self, key):
        """Somebody waits, unless too many keys are waited for."""
        number = next(self.numbers)
        known = {each for each, _ in self.waiting}
        room = key in known or len(known) < 3

        assert room == self.fills.join(key, number, number)
        if room:
            if key not in known:
                self.due.append(key)
            self.waiting.append((key, number))

    @rule(at_most=st.integers(1, 3))
    def ask(self, at_most):
        """The keys of those who waited longest are asked for, each once."""
        fills = self.fills.ask(at_most)

        assert self.due[:at_most] == keys(fills)
        del self.due[:at_most]
        assert not {fill.key for fill in fills} & {fill.key for fill, late in self.asked if not late}
        self.asked += [(fill, False) for fill in fills]

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), holds=st.booleans())
    def answer(self, data, holds):
        """An answer that holds ends the wait of all; another one is asked for again, three times in all."""
        fill, late = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        if not holds:
            again = self.fills.again(fill)
            assert again == (fill.tries < 3 and not late)
            if again:
                self.due.insert(0, fill.key)
                return
        told = [] if late else [number for key, number in self.waiting if key == fill.key]

        assert told == self.fills.land(fill)
        self.waiting = [each for each in self.waiting if each[1] not in told]

    @rule()
    def give_up(self):
        """Nobody waits any more."""
        assert sorted(number for _, number in self.waiting) == sorted(self.fills.give_up())
        self.waiting, self.due = [], []
        self.asked = [(fill, True) for fill, _ in self.asked]

    @invariant()
    def count_is_right(self):
        """It says how many keys are waited for, and since when."""
        assert len({key for key, _ in self.waiting}) == len(self.fills)
        assert min((number for _, number in self.waiting), default=None) == self.fills.waited_since()


TestWorld = World.TestCase
TestWorld.settings = MANY_STEPS
TestWaiting = Waiting.TestCase
TestWaiting.settings = MANY_STEPS


# --- each rule is needed -----------------------------------------------------------------------------

MUTANTS = {
    "a record that names the fact": ("if last.get(tag, 0) > position:", "if False:"),
    "only records after the fact": ("last.get(tag, 0) > position", "last.get(tag, 0) >= position"),
    "every tag of the fact": ("for tag in fact.tags:", "for tag in fact.tags[:1]:"),
    "nothing below the floor": ("or position < self.floor:", "or False:"),
    "facts at the floor": ("position < self.floor", "position <= self.floor"),
    "nothing of another epoch": ("fact.epoch != self.epoch or", ""),
    "nothing expired": ("if now < fact.expires and self.holds(fact):", "if self.holds(fact):"),
    "nothing expired, asked for itself": ("return now < fact.expires and", "return"),
    "no longer than the second": ("now < fact.expires", "now <= fact.expires"),
    "nothing without a lease": ("if self._lease is not None and not self._lease():", "if False:"),
    "what holds holds on": ("fact.position = applied ", "pass "),
    "but not beyond what was applied": ("fact.position = applied ", "fact.position = applied + 1 "),
    "what is forgotten moves the floor": ("self.floor = max(self.floor, last.popitem(last=False)[1])",
                                          "last.popitem(last=False)"),
    "the floor never falls": ("max(self.floor, last.popitem(last=False)[1])", "last.popitem(last=False)[1]"),
    "the oldest tags are forgotten": ("last.move_to_end(tag)", "pass"),
    "tags are forgotten": ("while len(last) > self._most_tags:", "while False:"),
    "a record about everything": ("if tag == EVERYTHING:", "if False:"),
    "no gap": ("if position != self.applied + 1:", "if position <= self.applied:"),
    "no record twice": ("if position != self.applied + 1:", "if position > self.applied + 1:"),
    "records are counted": ("self.applied = position\n\n", "pass\n\n"),
    "a new beginning": ("self.applied = self.floor = position", "self.applied = position"),
    "a new epoch": ("self.epoch = epoch", "pass"),
    "records before the beginning are heeded": ("in (*records, *(", "in (*(), *("),
    "those after it, too": ("for tag, position in later.items()", "for tag, position in ()"),
    "no farther back than is known": ("self.floor -= len(records)", "self.floor = 0"),
    "looking back, everything is everything": ("self.floor = max(self.floor, position)", "pass"),
    "looking back is bounded": ("self.floor = max(self.floor, self._last", "max(self.floor, self._last"),
    "no gap when looking back": ("or [pos for pos, _ in records] !=", "or [] !="),
    "what was forgotten stays so": ("if self.floor != self.begun or", "if"),
    "what was overtaken is not kept": ("if not self.holds(fact):", "if False:"),
    "unknown for a second": ("fact.expires = min(fact.expires, asked + UNKNOWN_FOR)", "pass"),
    "unknown no longer than told": ("min(fact.expires, asked + UNKNOWN_FOR)", "asked + UNKNOWN_FOR"),
    "what is gone hides nothing": ("self._facts.pop(key, None)", "pass"),
    "what is known is not unknown": ("self._unknown.pop(key, None)", "pass"),
    "facts are bounded": ("len(self._facts) >= self._most_facts", "False"),
    "a fact that is read anew needs no room": ("if key not in self._facts and", "if"),
    "unknown keys are bounded": ("if len(self._unknown) > self._most_unknown:", "if False:"),
    "the oldest unknown key goes": ("self._unknown.popitem(last=False)", "self._unknown.popitem()"),
    "what is used is noted": ("fact.used = True", "pass"),
    "what is used stays": ("if not fact.used:", "if True:"),
    "use is forgotten": ("fact.used = False", "pass"),
    "one goes in the end": ("        facts.popitem(last=False)\n\n", "\n"),
    "waits are bounded": ("if len(self._fills) >= self._most:", "if False:"),
    "one more may always join": ("fill.waiters.append(waiter)\n            return True", "pass"),
    "a key is asked for": ("self._due.append(fill)", "pass"),
    "not more at once": ("range(min(at_most, len(self._due)))", "range(len(self._due))"),
    "the longest wait first": ("self._due.popleft()", "self._due.pop()"),
    "what was asked before comes first": ("self._due.appendleft(fill)", "self._due.append(fill)"),
    "not for ever": ("if fill.tries >= TRIES or", "if"),
    "not for nobody": (" or self._fills.get(fill.key) is not fill:", ":"),
    "what was given up tells nobody": ("if self._fills.get(fill.key) is not fill:\n            return []",
                                       "if False:\n            return []"),
    "the wait ends": ("del self._fills[fill.key]", "pass"),
    "every wait is given up": ("self._fills.clear()", "pass"),
    "what was given up is not asked for": ("self._due.clear()", "pass"),
}  # fmt: skip
"""Rules, each with its text in the code and what would stand there without it."""


SOURCE = Path(cache.__file__).read_text()
RULES = [test for test in list(globals().values()) if isfunction(test) and "code" in signature(test).parameters
         and test.__name__.startswith("test_")]  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_without_a_rule_a_test_fails(name):
    """No rule could be left out unnoticed."""
    before, after = MUTANTS[name]
    assert before in SOURCE
    mutant = ModuleType("mutant")
    exec(SOURCE.replace(before, after), mutant.__dict__)  # noqa: S102 - it is our own text

    assert any(_fails(test, mutant) for test in RULES)


def _fails(test, mutant):
    try:
        test(mutant)
    except (AssertionError, AttributeError, LookupError, ValueError, pytest.fail.Exception):
        return True
    return False
