"""When overrides that were read before count, and when they are read again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tapgen.aws.remembered import LAG, Memory, Newest
from tapgen.model import InstanceDetailedStatus, InstanceStatus, ObservedInstance
from tests import make

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
JUST_NOW = NOW - timedelta(seconds=LAG / 2)
FIRST = Newest("one", False, LONG_AGO)
INSTANCE = ObservedInstance(
    InstanceStatus.CURRENT,
    InstanceDetailedStatus.SUCCEEDED,
    stack_id="arn:stack",
    overrides={"Name": "a"},
    last_operation="one",
)


class Kept(dict[str, bytes]):
    def read(self, name: str) -> bytes | None:
        return self.get(name)

    def write(self, name: str, body: bytes) -> None:
        self[name] = body


def kept(instance: ObservedInstance = INSTANCE, newest: Newest = FIRST) -> Kept:
    """What a command leaves that has read one instance."""
    store = Kept()
    Memory(store, lambda: NOW).keep("set", "id", newest, {make.EAST: instance})
    return store


def known(
    store: Kept, newest: Newest, instance: ObservedInstance, id: str = "id"
) -> object:
    """What the next command knows of an instance that is listed so."""
    listed = replace(instance, overrides={})
    return Memory(store, lambda: NOW).of("set", id, newest)(listed)


def test_the_next_command_knows_what_no_operation_has_touched() -> None:
    assert known(kept(), FIRST, INSTANCE) == {"Name": "a"}
    assert known(kept(), Newest("two", False, LONG_AGO), INSTANCE) == {"Name": "a"}


@pytest.mark.parametrize(
    ("newest", "changes", "id"),
    [
        (FIRST, {"last_operation": "two"}, "id"),
        (FIRST, {"stack_id": "arn:another"}, "id"),
        (FIRST, {"stack_id": None}, "id"),
        (FIRST, {}, "another stack set of this name"),
        (Newest("two", True), {}, "id"),
        (Newest("one", True), {}, "id"),
        # Lists may not show yet what it has changed.
        (Newest("two", False, JUST_NOW), {}, "id"),
        (Newest("two", False, NOW + timedelta(seconds=LAG / 2)), {}, "id"),
        (Newest("two", False, None), {}, "id"),
    ],
)
def test_what_may_have_changed_is_read_again(
    newest: Newest, changes: dict[str, str | None], id: str
) -> None:
    assert known(kept(), newest, replace(INSTANCE, **changes), id) is None  # type: ignore


@pytest.mark.parametrize(
    ("changes", "newest"),
    [
        ({"status": InstanceStatus.OUTDATED}, FIRST),
        ({"detailed_status": InstanceDetailedStatus.RUNNING}, FIRST),
        ({"last_operation": None}, FIRST),
        ({}, Newest("one", True)),
    ],
)
def test_what_was_under_way_is_not_remembered(
    changes: dict[str, object], newest: Newest
) -> None:
    instance = replace(INSTANCE, **changes)  # type: ignore[arg-type]

    assert known(kept(instance, newest), FIRST, instance) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"format": 0}', b"\xff"])
def test_a_damaged_file_is_as_none(body: bytes) -> None:
    assert known(Kept(set=body), FIRST, INSTANCE) is None
