"""The picture in README.md is what a rollout looks like today."""

from __future__ import annotations

from pathlib import Path

from tests.emulated.picture import (
    BUSY,
    COMMAND,
    PICTURE,
    drawn,
    record,
    timeless,
    words,
)


def test_the_picture_shows_what_a_rollout_shows(tmp_path: Path) -> None:
    recorded = drawn(record(tmp_path))

    assert timeless(PICTURE.read_text()) == timeless(recorded), "run `make picture`"


def test_the_picture_shows_a_plan_waves_and_a_stack_instance_in_progress() -> None:
    lines = words(PICTURE.read_text())

    assert {COMMAND, "wave 13"} <= {*lines}
    assert any("stack instances to create, " in line for line in lines)
    assert any(line.endswith("wave 7 of 13: network, audit") for line in lines)
    (network,) = [line for line in lines if line.startswith(BUSY)]
    assert "… running✓ done" in network


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    svg = PICTURE.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    svg = svg.replace("https://www.textualize.io", "")  # a comment

    assert "http" not in svg
    assert "<script" not in svg
