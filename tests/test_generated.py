"""Modules that are generated from others are what they would be now."""

from __future__ import annotations

from pathlib import Path

from tools import generate


def test_no_generated_module_is_stale() -> None:
    assert [*generate.stale()] == []


def test_a_module_that_was_edited_is_stale(tmp_path: Path) -> None:
    for path in generate.MODULES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((generate.ROOT / path).read_text() + "# edited\n")

    assert {path for path, _ in generate.stale(tmp_path)} == {
        tmp_path / p for p in generate.MODULES
    }
