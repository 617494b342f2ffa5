"""What templates say about changes of their resources."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tapgen.model import CONTEXT, ChangeSafety
from tapgen.template import context

ORDER = list(ChangeSafety)
NAMES = ("Name", "Size", "Tags")
LEVELS = st.sampled_from(ChangeSafety)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "why": st.just("because"),
        "mutable": LEVELS,
        "mutability": st.dictionaries(st.sampled_from(NAMES), LEVELS),
    },
)


def resource(given: Any) -> dict[str, Any]:
    return {"Type": "A::B::C", "Metadata": {CONTEXT: given}}


def level(given: dict[str, Any], name: str) -> ChangeSafety:
    return given.get("mutability", {}).get(name, given.get("mutable", "free-to-tune"))


def strictest(levels: Any) -> ChangeSafety:
    return ORDER[min(ORDER.index(one) for one in levels)]


@given(CONTEXTS, CONTEXTS, st.lists(st.sampled_from(NAMES), unique=True))
def test_each_change_has_the_strictest_level_that_either_template_gives_it(
    old: dict[str, Any], new: dict[str, Any], changed: list[str]
) -> None:
    found = context.marks(resource(old), resource(new), changed)

    said = {name: mark.level for mark in found for name in mark.properties}
    for name in changed:
        wanted = strictest((level(old, name), level(new, name)))
        assert said.get(name, ChangeSafety.FREE) is wanted
    assert set(said) <= set(changed)
    assert [m.level for m in found] == sorted((m.level for m in found), key=ORDER.index)


@given(CONTEXTS)
def test_a_removal_changes_everything_that_is_marked(given: dict[str, Any]) -> None:
    found = context.marks(resource(given), None, ())

    named = [*given.get("mutability", {}), "anything else"]
    wanted = {level(given, name) for name in named} - {ChangeSafety.FREE}
    assert {mark.level for mark in found} == wanted


@given(CONTEXTS, CONTEXTS)
def test_what_becomes_milder_is_named(old: dict[str, Any], new: dict[str, Any]) -> None:
    found = context.loosened(resource(old), resource(new))

    for name in NAMES:
        milder = ORDER.index(level(new, name)) > ORDER.index(level(old, name))
        marked = any(name in one.get("mutability", {}) for one in (old, new))
        assert any(w.startswith(f"{name} ") for w in found) == (milder and marked)


def test_a_level_that_cannot_be_read_counts_as_one_to_review() -> None:
    for wrong in ({"mutable": "never"}, "text", {"mutability": {"Name": ["x"]}}):
        (mark,) = context.marks(resource(wrong), resource({}), ["Name"])

        assert mark.level is ChangeSafety.REVIEW
        assert "cannot be read" in mark.why
    assert context.marks({"Type": "A::B::C"}, {"Type": "A::B::C"}, ["Name"]) == ()
