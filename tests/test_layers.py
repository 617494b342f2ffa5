"""The import rules of docs/architecture.md, checked on the source itself."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tapgen"

# Lowest first: a part imports only from the layers above its own in this list, never
# from its own layer or below. A part is a module or a package directly in tapgen/.
LAYERS = [
    {"errors", "model", "loops"},
    {"schemas", "intrinsics", "grants", "decode", "kept", "aws"},
    {
        "config",
        "templates",
        "artifacts",
        "checks",
        "rules",
        "blocks",
        "inputs",
        "verdicts",
        "durations",
        "units",
        "openings",
    },
    {
        "blueprints",
        "owned",
        "lint",
        "diff",
        "risk",
        "gates",
        "explain",
        "journal",
        "snapshot",
        "uploads",
    },
    {
        "plan",
        "rollout",
        "asked",
        "forecast",
        "limits",
        "drift",
        "bootstrap",
        "doctor",
        "pipeline",
    },
    {"operate", "report"},
    {"cli"},
    {"__init__", "__main__"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
# Pairs within a layer, one way: `plan` makes what `rollout` obeys and what `asked`,
# `forecast`, `limits` and `drift` look at, `asked` asks about what `rollout` would send,
# `risk` judges what `diff` finds, `rules` show what `checks` finds, and what a stack
# leaves behind is told by its template as evaluated.
ALLOWED_WITHIN = {
    ("rollout", "plan"),
    ("asked", "plan"),
    ("asked", "rollout"),
    ("forecast", "plan"),
    ("limits", "plan"),
    ("limits", "forecast"),
    ("drift", "plan"),
    ("risk", "diff"),
    ("rules", "checks"),
    ("aws", "intrinsics"),
}
# Lambda sources: they run in AWS and belong to no layer.
HANDLERS = "handlers"

# Third-party package -> the only parts that may import it.
OWNERS = {
    "boto3": {"aws", "emulator"},
    "botocore": {"aws", "emulator"},
    "ministack": {"emulator"},
    "hypercorn": {"emulator"},
    "troposphere": {"blocks", "blueprints", "templates"},
    "awacs": {"blocks", "blueprints"},
    "cfnlint": {"lint", "rules", "schemas"},
    "ruamel": {"config"},
    "yaml": {"decode", "emulator"},
    "click": {"cli"},
    "rich": {"cli", "report"},
}


def module(path: Path) -> str:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Dotted names of everything a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import absolutely"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


IMPORTS = {module(path): imports(path) for path in sorted(PACKAGE.rglob("*.py"))}


def part_of(name: str) -> str:
    return ([*name.split("."), "__init__"])[1]


@pytest.mark.parametrize("name", IMPORTS)
def test_imports_point_one_way(name: str) -> None:
    here = part_of(name)
    if here == HANDLERS:
        assert not [i for i in IMPORTS[name] if i.startswith("tapgen")]
        return
    assert here == "emulator" or here in LEVEL, f"{here} is in no layer"
    for imported in IMPORTS[name]:
        root, *rest = imported.split(".")
        assert here in OWNERS.get(root, {here}), f"{here} must not import {root}"
        if root != "tapgen" or not rest or rest[0] in (here, "__version__"):
            continue
        assert here != "emulator", "the emulator stands alone"
        if rest[0] == "emulator":
            assert here == "cli", f"{here} must not know the emulator"
            continue
        if (here, rest[0]) in ALLOWED_WITHIN:
            continue
        assert LEVEL[rest[0]] < LEVEL[here], f"{here} must not import {rest[0]}"


def test_no_import_cycles_inside_a_part() -> None:
    graph = {
        name: {
            m
            for m in IMPORTS
            for i in found
            if m != name and (i == m or i.startswith(f"{m}."))
        }
        for name, found in IMPORTS.items()
    }
    packages = {name.rpartition(".")[0] for name in graph}
    leaves = {n: d - packages for n, d in graph.items() if n not in packages}
    TopologicalSorter(leaves).prepare()


def test_no_test_patches_what_it_tests() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        banned = ("unittest." + "mock", "mock." + "patch", "monkeypatch." + "setattr")
        assert not [w for w in banned if w in path.read_text()], path
