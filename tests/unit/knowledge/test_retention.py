"""The tables of what AWS keeps, against the schemas of the types."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.knowledge.retention import DOCUMENTS, LIFECYCLES, RETENTIONS, SWITCHES
from tests.unit.knowledge.paths import is_known


@pytest.mark.parametrize(
    "one",
    [*RETENTIONS, *SWITCHES, *DOCUMENTS],
    ids=lambda one: f"{one.type} {one.path}",
)
def test_every_entry_has_a_source_and_names_a_property_of_its_type(one: Any) -> None:
    assert is_known(one.type, one.path)
    assert one.source
    for path in filter(None, (getattr(one, "only", ""), getattr(one, "unless", ""))):
        assert is_known(one.type, path)


def test_types_with_lifecycle_rules_have_them() -> None:
    for kind in LIFECYCLES:
        assert is_known(kind, "LifecycleConfiguration/Rules/*/ExpirationInDays")


def test_there_are_no_two_entries_for_a_property() -> None:
    places = [(one.type, one.path) for one in (*RETENTIONS, *SWITCHES, *DOCUMENTS)]
    assert len({*places}) == len(places)
