"""A frozen class of ours does what one of the standard library does."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen import frozen


def pair(**options: Any) -> tuple[Any, Any]:
    """The same class twice: ours, and the standard library's."""

    def made(dataclass: Any) -> Any:
        class Place:
            account: str
            region: str = "us-east-1"
            unit: str | None = dataclasses.field(default=None, compare=False)
            tags: list[str] = dataclasses.field(default_factory=list, repr=False)

            def __str__(self) -> str:
                return f"{self.account}/{self.region}"

        return dataclass(frozen=True, **options)(Place)

    return made(frozen.dataclass), made(dataclasses.dataclass)


VALUES = st.fixed_dictionaries(
    {"account": st.text(max_size=2)},
    optional={
        "region": st.text(max_size=2),
        "unit": st.none() | st.text(max_size=1),
        "tags": st.lists(st.text(max_size=1), max_size=2),
    },
)


@given(st.sampled_from([{}, {"order": True}, {"eq": False}]), VALUES, VALUES)
def test_it_is_a_dataclass(
    options: dict[str, bool], one: Mapping[str, Any], other: Mapping[str, Any]
) -> None:
    ours, theirs = pair(**options)
    for values in (one, other):
        assert repr(ours(**values)) == repr(theirs(**values))
        assert str(ours(**values)) == str(theirs(**values))
        assert dataclasses.asdict(ours(**values)) == dataclasses.asdict(
            theirs(**values)
        )
    a, b = ours(**one), ours(**other)
    x, y = theirs(**one), theirs(**other)
    assert (a == b) == (x == y)
    assert (a == ours(**one)) == (x == theirs(**one))
    assert a != x
    assert dataclasses.replace(a, region="r").region == "r"
    if "order" in options:
        assert (a < b, a <= b, a > b, a >= b) == (x < y, x <= y, x > y, x >= y)
    else:
        with pytest.raises(TypeError):
            a < b  # noqa: B015


@frozen.dataclass(frozen=True, kw_only=True)
class Named:
    """Some values."""

    name: str
    size: int = 0

    @property
    def both(self) -> str:
        return f"{self.name}{self.size}"


@frozen.dataclass(frozen=True)
class Sized:
    """Another class, with `__post_init__`."""

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(sorted(self.sizes)))


@frozen.dataclass(frozen=True)
class Unit(Sized):
    """A class below another one."""

    unit: str = "MiB"


def test_wrong_arguments_are_refused_from_the_first_call_on() -> None:
    ours, _ = pair()
    for _ in range(2):
        with pytest.raises(TypeError, match=r"Place.__init__\(\) missing 1 required"):
            ours()
    with pytest.raises(TypeError, match="takes 1 positional argument"):
        Named("x")  # type: ignore[misc]
    assert Named(name="x").both == "x0"


def test_nothing_can_be_changed() -> None:
    one = Named(name="x")
    with pytest.raises(dataclasses.FrozenInstanceError, match="'name'"):
        one.name = "y"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="'name'"):
        del one.name
    assert one == Named(name="x")


def test_equal_ones_are_one_key_and_lists_are_none() -> None:
    assert len({Named(name="x"), Named(name="x", size=0), Named(name="y")}) == 2
    ours, _ = pair()
    with pytest.raises(TypeError, match="unhashable"):
        hash(ours("1"))


def test_classes_inherit_match_and_travel() -> None:
    one = Unit((2, 1))
    assert (one.sizes, one.unit) == ((1, 2), "MiB")
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != Sized((1, 2))
    match one:
        case Unit(sizes, unit):
            assert (sizes, unit) == ((1, 2), "MiB")


def test_a_class_that_may_change_is_the_standard_librarys() -> None:
    @frozen.dataclass
    class Counter:
        count: int = 0

    counter = Counter()
    counter.count += 1
    assert counter == Counter(1)
