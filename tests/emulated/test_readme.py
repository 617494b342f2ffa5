"""The documents are true: their commands run, their output is what is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.emulated.documents import ROOT, read, recipes


@pytest.mark.parametrize("name", ["README.md", "docs/local.md"])
def test_a_document_says_what_happens(tmp_path: Path, name: str) -> None:
    assert read(name, tmp_path)


PAGES = ["README.md", "CONTRIBUTING.md"]
PAGES += [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", PAGES)
def test_the_links_of_a_document_lead_somewhere(name: str) -> None:
    document = ROOT / name
    for link in re.findall(
        r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", document.read_text()
    ):
        assert not link or (document.parent / link).exists(), link


@pytest.mark.parametrize("target", ["help", "rollout", "test", "templates", "lint"])
def test_a_make_target_exists(target: str) -> None:
    list(recipes(target))
