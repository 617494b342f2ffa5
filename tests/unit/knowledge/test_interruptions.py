"""The table of interruptions, against the schemas of the types."""

from __future__ import annotations

import pytest

from tapgen.knowledge.interruptions import (
    FIRST,
    INTERRUPTIONS,
    REPLACED,
    Interruption,
)
from tapgen.template import schemas
from tests.unit.knowledge.paths import is_known


@pytest.mark.parametrize(
    "one", INTERRUPTIONS, ids=lambda one: f"{one.type} {one.paths[0]} {one.effect.name}"
)
def test_every_entry_has_a_source_and_names_properties_of_its_type(
    one: Interruption,
) -> None:
    assert one.source and one.words
    for path in (*one.paths, *(path for path, _ in one.given)):
        assert is_known(one.type, path), path


def test_there_are_entries_for_many_types() -> None:
    assert len({(one.type, path) for one in INTERRUPTIONS for path in one.paths}) >= 100
    assert len({one.type for one in INTERRUPTIONS}) >= 40


def test_types_exist() -> None:
    known = schemas.types("us-east-1")
    assert set(REPLACED) <= known
    assert all(any(kind.startswith(prefix) for kind in known) for prefix in FIRST)
