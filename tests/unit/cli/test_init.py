"""What `tapgen init` writes is what the project itself ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapgen import blueprints

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", blueprints.NAMES)
def test_the_starter_is_the_shipped_file(name: str) -> None:
    starter = (ROOT / "tapgen" / "data" / f"{name}.yaml").read_text()

    assert starter == (ROOT / "stacksets" / f"{name}.yaml").read_text()


def test_the_schema_beside_the_shipped_files_is_fresh() -> None:
    from tapgen.cli.schema import schema_text

    shipped = (ROOT / "stacksets" / "tapgen.schema.json").read_text()

    assert shipped == schema_text(), "run make templates"
