"""Pages name modules, folders and definitions that exist."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tapgen"
ROW = re.compile(r"^\| [^|]+ \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
NAMES = sorted(
    {
        name
        for column in ROW.findall((ROOT / "docs" / "vocabulary.md").read_text())
        for name in re.findall(r"`([\w./]+)`", column)
    }
)


def defined() -> Iterator[str]:
    """Everything that modules and classes define, and what modules are called."""
    for path in PACKAGE.rglob("*.py"):
        yield path.parent.name if path.stem == "__init__" else path.stem
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                yield node.name
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                targets = (
                    [node.target] if isinstance(node, ast.AnnAssign) else node.targets
                )
                yield from (t.id for t in targets if isinstance(t, ast.Name))


FIELDS_OF_A_FILE = {"rollout.order"}


def test_the_code_has_what_the_vocabulary_names() -> None:
    known = frozenset(defined())
    assert len(NAMES) > 50
    for name in NAMES:
        if "/" in name:
            assert (PACKAGE / name.removeprefix("tapgen/")).exists(), name
        elif name not in FIELDS_OF_A_FILE:
            assert set(name.split(".")) <= known, name


SYSTEMS = {
    "SN": "secure_network",
    "SA": "serverless_api",
    "RM": "region_migration",
    "PD": "payments_dr",
}
# What the page of security names, after the systems that it is about.
NAMED = re.compile(r"\b(SN|SA|RM|PD)\b|`([a-z-]+)\.([A-Z]\w+)`")


def test_the_resources_of_the_page_of_security_exist() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    seen = 0
    for cell in re.split(r"[|;\n]", page):
        about: list[str] = []
        before = ""
        for system, part, resource in NAMED.findall(cell):
            if system:
                about = [*(about if not before else ()), SYSTEMS[system]]
            before = resource
            if system:
                continue
            seen += 1
            for each in about or SYSTEMS.values():
                path = ROOT / "templates_out" / each / f"{part}.json"
                if about or path.exists():
                    body = json.loads(path.read_text())
                    assert resource in body["Resources"], (each, part, resource)
    assert seen > 25


PATH = re.compile(r"`((?:tapgen|tests)/[\w./-]+)`")


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.md", "docs/architecture.md", "docs/secure_network.md"]
)
def test_the_paths_of_a_page_exist(page: str) -> None:
    for path in PATH.findall((ROOT / page).read_text()):
        assert (ROOT / path).exists(), path
