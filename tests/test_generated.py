"""Modules that are generated from others, and pictures, are what they would be now."""

from __future__ import annotations

from pathlib import Path

from tools import generate


def test_a_file_that_was_edited_is_stale_and_none_is(tmp_path: Path) -> None:
    committed = {
        path: (generate.ROOT / path).read_text()
        for path in (generate.MODULES | generate.PICTURES)
    }
    for path, text in committed.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + "# edited\n")

    found = dict(generate.stale(tmp_path))

    assert found == {tmp_path / path: text for path, text in committed.items()}
