"""The table of updates that AWS refuses: each entry by its own example."""

from __future__ import annotations

import pytest

from tapgen.knowledge.custom_names import NAMES
from tapgen.knowledge.refusals import REFUSALS, Refusal, Rule
from tapgen.template import refusals, replacements, schemas
from tests.unit.knowledge.paths import is_known

ENTRIES = [
    pytest.param(entry, id=f"{entry.type}-{entry.path or 'any'}-{entry.rule.name}")
    for entry in REFUSALS
]


def vpc_of(subnet: object, after: bool) -> str:
    """The example of subnet groups: the first two subnets are in one VPC."""
    return "vpc-1" if subnet in ("subnet-1", "subnet-2") else "vpc-2"


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_the_example_changes_is_refused(entry: Refusal) -> None:
    found = refusals.of(entry.type, entry.before, entry.after, "Thing", vpc_of=vpc_of)

    (own,) = [one for one in found if one.source == entry.source]
    assert own.words and "{" not in own.words
    assert own.advice == entry.advice


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_aws_takes_is_not_refused(entry: Refusal) -> None:
    for after in (entry.neutral, entry.before):
        assert not refusals.of(entry.type, entry.before, after, "Thing", vpc_of=vpc_of)


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_is_about_a_property_that_the_type_has(entry: Refusal) -> None:
    # A custom resource has properties of its own.
    given = {*entry.before, *entry.after, *entry.neutral} - {"Size"}
    named = (*given, *entry.held, *entry.then, *entry.same, entry.path)
    unknown = [path for path in named if path and not is_known(entry.type, path)]
    assert not unknown


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_is_not_one_that_the_schema_replaces(entry: Refusal) -> None:
    if not entry.although_replaced:
        assert entry.path not in schemas.create_only(entry.type)
        perhaps = schemas.conditional_create_only(entry.type)
        assert entry.path not in perhaps or replacements.never(entry.type, entry.path)


def test_there_are_many_entries_and_a_quarter_has_a_second_source() -> None:
    entries = (*REFUSALS, *NAMES.values())
    checked = [e for e in entries if e.checked and e.checked != e.source]

    assert len(REFUSALS) >= 60
    assert len(checked) * 4 >= len(entries)
    assert all(entry.source for entry in entries)
    assert {entry.rule for entry in REFUSALS} == {*Rule}


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_is_a_property_that_replaces(kind: str) -> None:
    assert NAMES[kind].property in schemas.create_only(kind)
