"""The tables of guards, against the schemas of the types."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.knowledge.guards import GUARDS, LISTINGS, SETTINGS, WIDE
from tapgen.template import schemas
from tests.unit.knowledge.paths import is_known


@pytest.mark.parametrize("one", [*SETTINGS, *LISTINGS], ids=lambda one: one.path)
def test_every_entry_names_a_property_of_its_types(one: Any) -> None:
    for kind in one.types:
        assert is_known(kind, one.path), kind


def test_guards_are_types_that_exist() -> None:
    known = frozenset().union(*map(schemas.types, ("us-east-1", "eu-west-1")))
    assert set(GUARDS) <= known
    assert WIDE <= set(GUARDS)
