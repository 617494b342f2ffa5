"""The patches of cfn-lint change how long it takes, and nothing that it finds."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import cfnlint.data.schemas.extensions

from tapgen.lint import patches

ROOT = Path(__file__).parents[3]
ODD: tuple[Any, ...] = (
    *("x", "", 1, True, None, -5, 99999, "*", [], {}, ["x"], {"Ref": "Nope"}),
    *({"Fn::Sub": "${Nope}"}, {"Fn::GetAtt": ["A", "B"]}, {"Ref": "AWS::Region"}),
    *({"Fn::If": ["Nope", 1, 2]}, {"Ref": "AWS::NoValue"}, "{{resolve:ssm:x}}"),
)
# What conditions in cfn-lint's schemas ask for is found by name.
SCHEMAS = Path(cfnlint.data.schemas.extensions.__path__[0])
# The largest templates take longest, and have no other kinds of resources.
LARGEST = 25_000
CHANGED = int(os.environ.get("TAPGEN_SOAK", 16))
RUN = """\
import json, sys
from tapgen.lint import cfn_lint, patches
from tapgen.lint.jobs import Job
patches.VERSION = sys.argv[1]
rules = cfn_lint.rules()
from cfnlint.context.context import Path
from cfnlint.rules import Rules
changed = Path.evolve, Rules.run, type(rules["E1101"]).cfnLint
print([each.__module__ for each in changed].count("tapgen.lint.patches"))
for text in json.load(sys.stdin):
    found = cfn_lint.run(Job(text, ("us-east-1", "eu-south-2"), ""))
    print([(f.rule, f.message, f.path, f.line, f.column) for f in found])
"""


def asked() -> dict[str, list[Any]]:
    """Property -> the values that conditions of cfn-lint's schemas ask for."""
    found: dict[str, list[Any]] = {}

    def look(node: Any) -> None:
        if isinstance(node, dict) and isinstance(node.get("if"), dict):
            for name, wanted in node["if"].get("properties", {}).items():
                if isinstance(wanted, dict):
                    values = wanted.get("enum", [wanted.get("const", "x")])
                    found.setdefault(name, []).extend(values)
        if isinstance(node, dict | list):
            for inner in node.values() if isinstance(node, dict) else node:
                look(inner)

    for file in sorted(SCHEMAS.rglob("*.json")):
        look(json.loads(file.read_text()))
    return found


def answered(value: Any, wanted: dict[str, list[Any]], chance: random.Random) -> Any:
    """The value with others that conditions ask for, here and there."""
    if isinstance(value, list):
        return [answered(item, wanted, chance) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        k: (
            chance.choice(wanted[k])
            if k in wanted and chance.random() < 0.2
            else answered(v, wanted, chance)
        )
        for k, v in value.items()
    }


def mutated(value: Any, chance: random.Random) -> Any:
    """The value with another one somewhere in it."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.12:
        return chance.choice(ODD)
    if isinstance(value, list):
        at = chance.randrange(len(value))
        return [*value[:at], mutated(value[at], chance), *value[at + 1 :]]
    key = chance.choice([*value])
    what = chance.random()
    if what < 0.05:
        return {k: v for k, v in value.items() if k != key}
    if what < 0.1:
        return value | {"Unknown": 1}
    return value | {key: mutated(value[key], chance)}


def templates() -> list[str]:
    """Shipped templates with one to four random changes each."""
    chance = random.Random(14)
    files = sorted((ROOT / "templates_out").glob("*/*.json"))
    small = [
        json.loads(file.read_text())
        for file in files
        if "manifest" not in file.name and file.stat().st_size < LARGEST
    ]
    found, wanted = [], asked()
    for _ in range(CHANGED):
        body = answered(chance.choice(small), wanted, chance)
        for _ in range(chance.choice([1, 1, 2, 4])):
            resources = mutated(body["Resources"], chance)
            if isinstance(resources, dict):
                body = body | {"Resources": resources}
        found.append(json.dumps(body, indent=1))
    return found


def findings(version: str, texts: list[str]) -> tuple[int, list[str]]:
    """How many functions are patched, with the patches for a version, and the findings in
    each template."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, version],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    patched, *lines = done.stdout.splitlines()
    return int(patched), lines


def test_findings_are_the_same_with_and_without_the_patches_for_one_version() -> None:
    texts = templates()
    patched, with_patches = findings(patches.VERSION, texts)
    unpatched, without = findings("1.59.0", texts)

    assert (patched, unpatched) == (3, 0)
    assert with_patches == without
    assert (
        len(without) == len(texts)
        and sum(line != "[]" for line in without) > len(texts) / 2
    )


def test_another_version_runs_unpatched_and_says_so() -> None:
    assert patches.note(patches.VERSION) is None
    assert "1.59.0 runs without" in str(patches.note("1.59.0"))


def test_the_installed_version_is_the_one_that_they_are_for() -> None:
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    assert f"cfn-lint=={patches.VERSION}" in pinned
    assert patches.note() is None
