"""What a command that only shows help may cost: no heavy import."""

from __future__ import annotations

import pytest

from benchmarks.run import HEAVY, imported


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    assert imported(arguments) == set()


def test_the_check_sees_an_import_where_there_is_one() -> None:
    assert {"troposphere", "pydantic"} <= imported(["schema"]) <= set(HEAVY)
