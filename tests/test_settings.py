"""Tests of twgw.settings."""

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from attrs import field, frozen, validators
from hypothesis import given
from hypothesis import strategies as st

from twgw.faults import Fault, SettingsError
from twgw.model import Lifecycle, Limit, Policy, State, positive
from twgw.settings import Network, setting, structure


def faults_of(cls: type, mapping: Any) -> list[str]:
    """What structure says is wrong, one text for each fault."""
    with pytest.raises(SettingsError) as caught:
        structure(cls, mapping)
    return [str(fault) for fault in caught.value.faults]


def ports(values: Sequence[int]) -> frozenset[int]:
    """A converter: what is written is a list, what comes of it is a set."""
    if 0 in values:
        raise ValueError("no port is 0")
    return frozenset(values)


def not_below_amount(instance: Any, _attribute: Any, value: int) -> None:
    """A validator that needs the whole instance."""
    if value < instance.amount:
        raise ValueError("'burst' must be >= amount")


@frozen
class Inner:
    """A class inside another."""

    name: str
    amount: int = field(default=1, validator=positive)


@frozen
class Everything:
    """One setting of each kind."""

    whole: int = setting("A whole number.", default=1, validator=positive)
    number: float = setting("A number.", default=1)
    text: str = setting("A text.", default="")
    flag: bool = setting("A flag.", default=False)
    state: Lifecycle = setting("An enum.", default=Lifecycle.CREATED)
    by: Literal["client", "application"] = setting("A choice.", default="client")
    maybe: int | None = setting("A number or nothing.", default=None)
    either: str | int = setting("A text or a number.", default="")
    texts: tuple[str, ...] = setting("Texts.", default=())
    unique: frozenset[int] = setting("A set.", default=frozenset())
    nets: tuple[Network, ...] = setting("Networks.", default=())
    ports: frozenset[int] = setting("Ports.", default=(), converter=ports)
    named: Mapping[str, int] = setting("By name.", factory=dict)
    inner: Inner | None = setting("A class.", default=None)
    inners: tuple[Inner, ...] = setting("Classes.", default=(), validator=validators.max_len(2))
    free: Any = setting("Anything.", default=None)
    start: int = setting("A name that is no Python name.", default=0, alias="from")
    token: str = setting("A secret.", default="", secret=True)


def test_fills_a_class():
    """What is written right arrives as the type that the class says."""
    found = structure(
        Everything,
        {
            "whole": 2,
            "number": 3,
            "text": "x",
            "flag": True,
            "state": "RETIRED",
            "by": "application",
            "maybe": 4,
            "either": 5,
            "texts": ["a", "b"],
            "unique": [1, 1],
            "nets": ["10.0.0.0/8", "::1"],
            "ports": [1, 2],
            "named": {"a": 1},
            "inner": {"name": "i"},
            "inners": [{"name": "i", "amount": 2}],
            "free": {"a": [1]},
            "from": 6,
        },
    )

    assert found == Everything(
        whole=2,
        number=3.0,
        text="x",
        flag=True,
        state=Lifecycle.RETIRED,
        by="application",
        maybe=4,
        either=5,
        texts=("a", "b"),
        unique=frozenset({1}),
        nets=(ip_network("10.0.0.0/8"), ip_network("::1/128")),
        ports=frozenset({1, 2}),
        named={"a": 1},
        inner=Inner("i"),
        inners=(Inner("i", 2),),
        free={"a": [1]},
        start=6,
    )


def test_defaults_stand_for_what_is_left_out():
    """An empty mapping gives every default."""
    assert Everything() == structure(Everything, {})


def test_a_mistyped_name_is_not_missing_as_well():
    """One slip is one fault; what was not meant by any unknown name is still missing."""
    assert ["nam: unknown; did you mean name?"] == faults_of(Inner, {"nam": "a"})
    assert ["name: missing", "x: unknown; known: amount, name"] == faults_of(Inner, {"x": "a"})


@pytest.mark.parametrize(("value", "kind"), [(1, "a whole number"), (1.0, "a number"), (True, "true")])
def test_what_is_text_only_in_quotes_is_said_so(value, kind):
    """As a version that reads like a number."""
    assert [f"name: must be text, not {kind}; put it in quotes"] == faults_of(Inner, {"name": value})


def test_collects_every_fault_with_its_path():
    """One error names all that is wrong, each with its place."""
    assert [
        "whole: must be > 0",
        "number: must be a number, not text",
        "flag: must be true or false, not text",
        "state: must be one of CREATED, PROTOTYPED, PUBLISHED, BLOCKED, DEPRECATED, RETIRED; did you mean PUBLISHED?",
        "by: must be one of client, application",
        "texts: must be a list, not text",
        "unique[1]: must be a whole number, not text",
        "nets[0]: has bits set outside of its mask; did you mean 10.0.0.0/8?",
        "nets[1]: must be a network such as 10.0.0.0/8 or 2001:db8::/32",
        "nets[2]: must be a network, not a whole number",
        'named["a b"]: must be a whole number, not text',
        "inner.amount: must be > 0",
        "inner.nam: unknown; did you mean name?",
        "inners[1]: must be a mapping, not a list",
    ] == faults_of(
        Everything,
        {
            "whole": 0,
            "number": "5",
            "flag": "no",
            "state": "published",
            "by": True,
            "texts": "ab",
            "unique": [1, "2"],
            "nets": ["10.0.0.1/8", "x", 1],
            "named": {"a b": "x"},
            "inner": {"nam": "x", "amount": 0},
            "inners": [{"name": "i"}, []],
        },
    )


def test_unknown_settings_are_refused():
    """An unknown name is refused, with the nearest known one or all of them."""
    assert ["amunt: unknown; did you mean amount?"] == faults_of(Inner, {"name": "x", "amunt": 1})
    assert ["zzz: unknown; known: amount, name"] == faults_of(Inner, {"name": "x", "zzz": 1})
    assert ['["7"]: unknown; known: amount, name'] == faults_of(Inner, {"name": "x", 7: 1})


def test_whole_must_be_a_mapping():
    """A class is written as a mapping."""
    assert ["must be a mapping, not a list"] == faults_of(Inner, [])
    assert ["must be a mapping, not empty"] == faults_of(Inner, None)


def test_keys_are_text():
    """The keys of a free mapping are text."""
    assert ["named: keys must be text, not a whole number"] == faults_of(Everything, {"named": {1: 1}})


def test_value_is_never_shown():
    """What was written is not repeated: it may be a secret in the wrong place."""
    assert ["whole: must be a whole number, not text"] == faults_of(Everything, {"whole": "hunter2"})


def test_secret_is_not_in_the_repr():
    """A secret does not reach a log by its class."""
    assert "hunter2" not in repr(Everything(token="hunter2"))


def test_union_says_the_most_precise_fault():
    """Where one member takes the type, its own complaint is shown; where none does, all are named."""
    assert ["maybe: must be a whole number or nothing, not text"] == faults_of(
        attrs.make_class("A", {"maybe": field(type=int | None)}), {"maybe": "x"}
    )
    both = attrs.make_class("B", {"at": field(type=str | Inner)})
    assert ["at.name: missing"] == faults_of(both, {"at": {}})
    assert ["at: must be text or a mapping, not true"] == faults_of(both, {"at": True})


def test_converter_decides_what_is_written():
    """A converter's argument says the type in the file, and its complaint is shown."""
    assert ["ports: must be a list, not a whole number"] == faults_of(Everything, {"ports": 1})
    assert ["ports[0]: must be a whole number, not text"] == faults_of(Everything, {"ports": ["1"]})
    assert ["ports: no port is 0"] == faults_of(Everything, {"ports": [0]})


def test_converter_and_type_faults_come_together():
    """A validator's fault is not hidden by another field of the wrong type."""
    assert ["amount: must be > 0", "period: must be a number, not text"] == faults_of(
        Limit, {"amount": 0, "period": "x"}
    )


@frozen
class Paired:
    """Two fields that must fit together."""

    amount: int = setting("Amount.", default=5)
    burst: int = setting("Burst.", default=9, validator=not_below_amount)


def test_validator_may_look_at_the_whole():
    """A validator that compares two fields is asked once the instance is made."""
    assert Paired(amount=2, burst=3) == structure(Paired, {"amount": 2, "burst": 3})
    assert ["must be >= amount"] == faults_of(Paired, {"burst": 3})


@frozen
class Chosen:
    """A class that finds several faults of its own."""

    names: tuple[str, ...] = setting("Names.", default=())

    def __attrs_post_init__(self) -> None:
        if faults := [Fault(f"names[{i}]", "empty") for i, name in enumerate(self.names) if not name]:
            raise SettingsError(faults)


def test_class_may_find_faults_of_its_own():
    """Faults that a class raises stand below the place of the class."""
    outer = attrs.make_class("Outer", {"chosen": field(type=Chosen)})

    assert ["chosen.names[0]: empty", "chosen.names[2]: empty"] == faults_of(
        outer, {"chosen": {"names": ["", "x", ""]}}
    )


@pytest.mark.parametrize(
    ("validator", "written", "text"),
    [
        (validators.gt(0), 0, "must be > 0"),
        (validators.ge(1), 0, "must be >= 1"),
        (validators.lt(1), 1, "must be < 1"),
        (validators.le(1), 2, "must be <= 1"),
        (validators.in_([1, 2]), 3, "must be one of 1, 2"),
    ],
)
def test_attrs_validators_speak_plainly(validator, written, text):
    """The texts of attrs are shown without the name and the value around them."""
    cls = attrs.make_class("A", {"a": field(type=int, validator=validator)})

    assert [f"a: {text}"] == faults_of(cls, {"a": written})


@pytest.mark.parametrize(
    ("validator", "written", "text"),
    [
        (validators.min_len(1), "", "length must be >= 1"),
        (validators.max_len(1), "ab", "length must be <= 1"),
        (validators.matches_re("[a-z]+"), "A", "must match [a-z]+"),
    ],
)
def test_attrs_validators_of_text_speak_plainly(validator, written, text):
    """The same for those of text."""
    cls = attrs.make_class("A", {"a": field(type=str, validator=validator)})

    assert [f"a: {text}"] == faults_of(cls, {"a": written})


def test_other_exceptions_become_faults():
    """A converter or class that breaks is a fault with the name of the exception, not a traceback."""

    @frozen
    class Broken:
        """Breaks when it is made."""

        a: int = setting("A.", default=1)

        def __attrs_post_init__(self) -> None:
            raise RuntimeError("broken")

    assert ["RuntimeError: broken"] == faults_of(Broken, {})


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 10**400])
def test_numbers_are_finite(number):
    """Infinity and what is no number are refused, so that a comparison means something."""
    assert ["number: must be a finite number"] == faults_of(Everything, {"number": number})


KINDS: dict[str, tuple[type, ...]] = {
    "whole": (int,),
    "number": (int, float),
    "text": (str,),
    "flag": (bool,),
    "state": (),
    "by": (),
    "either": (str, int),
    "texts": (list,),
    "unique": (list,),
    "nets": (list,),
    "ports": (list,),
    "named": (dict,),
    "inner": (dict, type(None)),
    "inners": (list,),
}
values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(), st.integers(), max_size=2)
)


@given(st.sampled_from(sorted(KINDS)), values)
def test_nothing_is_coerced(name, value):
    """For every kind of setting, a value of another type is refused, at the place of the setting."""
    if type(value) in KINDS[name] or value in ("client", "application", *Lifecycle.__members__):
        return
    with pytest.raises(SettingsError) as caught:
        structure(Everything, {name: value})

    assert [name] == [fault.path for fault in caught.value.faults]


@given(st.integers(0, 4), st.integers(0, 4), values.filter(lambda value: type(value) not in (int, dict, list)))
def test_paths_are_exact(api, policy, value):
    """However deep a fault is, its path leads to it."""

    @frozen
    class Deep:
        """Lists within mappings within lists."""

        all: tuple[Mapping[str, tuple[int, ...]], ...]

    written = [{"a": [0] * 5, "b": [0] * 5} for _ in range(5)]
    written[api]["b"][policy] = value

    with pytest.raises(SettingsError) as caught:
        structure(Deep, {"all": written})
    assert [f"all[{api}].b[{policy}]"] == [fault.path for fault in caught.value.faults]


@frozen
class Point:
    """A class that is written as text."""

    x: int
    y: int

    @classmethod
    def from_text(cls, text: str) -> "Point":
        """Read ``x,y``."""
        x, _, y = text.partition(",")
        if not y:
            raise ValueError("must be x,y")
        return cls(int(x), int(y))


@frozen
class Texts:
    """Settings that are written as text."""

    file: Path = setting("A file.", default=Path("a"))
    point: Point = setting("A point.", default=Point(0, 0))
    nothing: Point | None = setting("A point, or none.", default=Point(0, 0))
    points: tuple[Point, ...] = setting("Points.", default=())


def test_types_may_be_written_as_text():
    """A path, and a class with from_text, are read from text; empty text is nothing where that is allowed."""
    assert Texts(file=Path("b"), point=Point(1, 2), nothing=None, points=(Point(3, 4),)) == structure(
        Texts, {"file": "b", "point": "1,2", "nothing": "", "points": ["3,4"]}
    )
    assert [
        "file: must be a path, not a whole number",
        "point: must be x,y",
        "nothing: must be x,y",
        "points[1]: must be text, not a mapping",
    ] == faults_of(Texts, {"file": 5, "point": "1", "nothing": "1", "points": ["1,2", {"x": 1, "y": 2}]})
    assert [
        "file: must be the name of a file or directory",
        "point: must be x,y",
    ] == faults_of(Texts, {"file": "", "point": ""})


def test_policy_settings_stay_as_written():
    """The settings of a policy are left to the policy."""
    state = structure(State, {"policies": [{"name": "x", "settings": {"a": [1, {"b": None}]}}]})

    assert (Policy("x", {"a": [1, {"b": None}]}),) == state.policies


def test_enum_of_numbers_is_as_strict():
    """True is not 1, also among choices."""

    class Level(Enum):
        """An enum of numbers."""

        ONE = 1

    cls = attrs.make_class("A", {"level": field(type=Level)})

    assert Level.ONE == structure(cls, {"level": 1}).level
    assert ["level: must be one of 1"] == faults_of(cls, {"level": True})
