"""What is said after a rehearsal of what it did not show."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.cli.running import shapes, unenforced

REFUSED = [{"calls": 2}, {"calls": 1}]


@pytest.mark.parametrize(
    "status, words",
    [
        ({"permissions": "on", "refused_calls": REFUSED}, ""),
        ({"permissions": "off", "refused_calls": []}, "permissions were not checked"),
        ({"permissions": "warn", "refused_calls": REFUSED}, "refused 3 calls"),
        ({"permissions": "warn", "refused_calls": []}, ""),
        ({"stacks": 3}, "an older tapgen has started the embedded AWS"),
    ],
)
def test_a_rehearsal_says_what_it_did_not_show_of_permissions(
    status: dict[str, Any], words: str
) -> None:
    line = unenforced(status)

    assert words in line and bool(words) == bool(line)


def test_a_rehearsal_names_what_of_its_own_was_shape_only() -> None:
    listed = [
        {"stack": "StackSet-mine-files-0", "type": "AWS::FSx::FileSystem"},
        {"stack": "StackSet-mine-files-1", "type": "AWS::FSx::FileSystem"},
        {"stack": "StackSet-other-0", "type": "AWS::FSx::Volume"},
    ]

    line = shapes({"shape_only": listed}, {"mine-files", "mine-app"})

    assert "2 resources of AWS::FSx::FileSystem;" in line
    assert shapes({"shape_only": listed}, {"mine-app"}) == ""
