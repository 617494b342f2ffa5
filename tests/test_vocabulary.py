"""One word for one thing: AWS's own in our enums, and none of the retired ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest
from botocore.loaders import Loader

from tapgen import model

SHAPES = Loader().load_service_model("cloudformation", "service-2")["shapes"]


@pytest.mark.parametrize(
    ("ours", "shape"),
    [
        (model.OperationStatus, "StackSetOperationStatus"),
        (model.ResultStatus, "StackSetOperationResultStatus"),
        (model.InstanceStatus, "StackInstanceStatus"),
        (model.InstanceDetailedStatus, "StackInstanceDetailedStatus"),
        (model.Action, "StackSetOperationAction"),
    ],
)
def test_enums_are_those_of_the_api(ours: type[StrEnum], shape: str) -> None:
    assert {member.value for member in ours} == set(SHAPES[shape]["enum"])


ROOT = Path(__file__).parents[1]
RETIRED = [
    tuple(line.split(" ", 1))
    for line in (ROOT / "tests" / "retired_words.txt").read_text().splitlines()
    if not line.startswith("#")
]
IDENTIFIERS = {word for kind, word in RETIRED if kind == "identifier"}
PHRASES = [word for kind, word in RETIRED if kind == "phrase"]
# What people read: no decision, which stays as it was written.
READ = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("docs/*/*.md"),
    *ROOT.glob("stacksets/*"),
    *ROOT.glob("templates_out/*/*"),
    *ROOT.glob("tapgen/**/*.py"),
    *(p for p in ROOT.glob("tapgen/data/**/*") if p.is_file()),
]


def parts(name: str) -> set[str]:
    """The words of a name in snake or camel case."""
    return {word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", name)}


def names(tree: ast.AST) -> Iterator[str]:
    """What a file defines under a retired word: its functions and classes by any part
    of their names, its parameters, variables and fields by the whole name."""
    for node in ast.walk(tree):
        whole: list[str] = []
        match node:
            case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                if parts(node.name) & IDENTIFIERS:
                    yield f"{node.lineno}: {node.name}"
            case ast.arg():
                whole = [node.arg]
            case ast.Name(ctx=ast.Store()):
                whole = [node.id]
            case ast.Attribute(ctx=ast.Store()):
                whole = [node.attr]
            case ast.alias(asname=str()):
                whole = [node.asname]
        for name in whole:
            if name.strip("_").lower() in IDENTIFIERS:
                yield f"{node.lineno}: {name}"  # type: ignore[attr-defined]


def test_no_name_in_the_code_is_a_retired_word() -> None:
    wrong = []
    for path in sorted((ROOT / "tapgen").rglob("*.py")):
        found = [path.stem] if parts(path.stem) & IDENTIFIERS else []
        if "handlers" not in path.parts:  # their bytes are deployed
            found += names(ast.parse(path.read_text()))
        wrong += [f"{path.relative_to(ROOT)}:{name}" for name in found]
    assert not wrong


def test_no_text_has_a_retired_phrase() -> None:
    wanted = [r"\s+".join(map(re.escape, phrase.split())) for phrase in PHRASES]
    retired = re.compile("|".join(wanted), re.I)
    found = [
        f"{path.relative_to(ROOT)}: {phrase}"
        for path in READ
        for phrase in retired.findall(path.read_text())
    ]
    assert not found


def test_the_check_finds_what_it_looks_for() -> None:
    tree = ast.parse(
        "def what_was_kept(told): made = 1; x._asked = 2\nclass Told: pass"
    )
    assert [found.split(": ")[1] for found in names(tree)] == [
        *("what_was_kept", "Told", "told", "made", "_asked")
    ]
