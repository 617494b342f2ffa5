"""What the shipped templates say about themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cfnlint

from tapgen.blocks import context
from tapgen.model import CONTEXT, ChangeSafety
from tapgen.template import schemas

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "tapgen/data/metadata_context.json"
MOST_BYTES = 800  # of the context of one resource


def shipped() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in (ROOT / "templates_out").glob("*/*.json"):
        template = json.loads(path.read_text())
        for resource in template.get("Resources", {}).values():
            if CONTEXT in resource.get("Metadata", {}):
                found.append((resource["Type"], resource["Metadata"][CONTEXT]))
    return found


def test_each_context_is_short_and_about_a_resource_of_a_shipped_system() -> None:
    contexts = shipped()

    assert {given["why"] for _, given in contexts} == {
        one.why for one in context.CONTEXTS.values()
    }
    for kind, given in contexts:
        assert len(json.dumps(given)) <= MOST_BYTES
        assert set(given["mutability"]) <= schemas.properties(kind)


def test_the_schema_is_the_one_that_cfn_lint_has() -> None:
    theirs = Path(cfnlint.__file__).parent / "data/schemas/other/metadata/context.json"
    copied = json.loads(SCHEMA.read_text())["$defs"]

    text = json.dumps(copied, ensure_ascii=False).replace(" — ", " - ")
    ours = json.loads(text.replace("#/$defs/", "#/definitions/"))
    assert ours == json.loads(theirs.read_text())["definitions"]
    assert copied["MutabilityLevel"]["enum"] == [*ChangeSafety]
