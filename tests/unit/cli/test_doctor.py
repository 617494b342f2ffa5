"""What `tapgen doctor` says of quotas; the groups of `tapgen --help`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tapgen.cli import COMMANDS, GROUPS
from tapgen.cli.doctor import of_rooms


def room(fits: bool, used: int | None, adds: int) -> Any:
    """A quota, with room or without."""
    return SimpleNamespace(
        fits=fits, used=used, demand=SimpleNamespace(adds=adds), where="1/us-east-1"
    )


def test_a_quota_that_does_not_fit_fails_and_an_uncounted_one_is_unknown() -> None:
    rooms = [room(True, 3, 1), room(False, 9, 4), room(True, None, 1)]

    checks = of_rooms(rooms)

    assert [str(c.verdict) for c in checks] == ["fails", "unknown"]
    assert [str(c.verdict) for c in of_rooms(rooms[:1])] == ["ok"]
    assert [str(c.verdict) for c in of_rooms([room(True, None, 0)])] == ["ok"]


def test_each_command_is_in_one_group() -> None:
    listed = [name for names in GROUPS.values() for name in names.split()]

    assert sorted(listed) == sorted(COMMANDS)
