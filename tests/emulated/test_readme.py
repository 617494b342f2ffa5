"""The documents are true: their commands run, their output is what is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.emulated.documents import ROOT, read, recipes

# The page of a bad night takes a minute and a half: test_payments_dr.py, in make soak.
HOW_TO = [
    p.relative_to(ROOT).as_posix()
    for p in sorted(ROOT.glob("docs/how-to/*.md"))
    if p.stem != "bad-night"
]
PAGES = [
    p.relative_to(ROOT)
    for p in sorted([*ROOT.glob("*.md"), *ROOT.rglob("docs/**/*.md")])
]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")
CODE = re.compile(r"^(`{3,}).*?^\1`*$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@pytest.mark.parametrize(
    "name", ["README.md", "docs/local.md", "docs/tutorial.md", *HOW_TO]
)
def test_a_document_says_what_happens(tmp_path: Path, name: str) -> None:
    assert "```sh" not in (ROOT / name).read_text() or read(name, tmp_path)


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 120


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = CODE.sub("", document.read_text())
    found: set[str] = set()
    for heading in HEADING.findall(text):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
        number = sum(
            a == slug or re.fullmatch(rf"{slug}-\d+", a) is not None for a in found
        )
        found.add(f"{slug}-{number}" if number else slug)
    return found


@pytest.mark.parametrize("name", PAGES, ids=str)
def test_the_links_of_a_document_lead_somewhere(name: Path) -> None:
    document = ROOT / name
    for link, anchor in LINK.findall(CODE.sub("", document.read_text())):
        page = document.parent / link if link else document
        assert page.exists(), f"{link} does not exist"
        if anchor and page.suffix == ".md":
            assert anchor in anchors(page), f"{link or name} has no heading #{anchor}"


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / link).resolve() for link, _ in LINK.findall(index.read_text())
    }
    pages = {p.resolve() for p in (ROOT / "docs").rglob("*.md")} - {index.resolve()}

    assert {p for p in pages if p.parent.name != "decisions"} - linked == set()


@pytest.mark.parametrize(
    "target", ["help", "rollout", "test", "templates", "lint", "picture"]
)
def test_a_make_target_exists(target: str) -> None:
    list(recipes(target))
