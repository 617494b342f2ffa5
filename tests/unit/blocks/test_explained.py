"""What scanners are told about resources."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tapgen.blocks import explained

TEMPLATES = Path(__file__).parents[3] / "templates_out"


@pytest.mark.parametrize("kind", explained.EXPLAINED)
def test_each_rule_is_explained_in_the_form_that_scanners_read(kind: str) -> None:
    found = explained.metadata(kind)
    skipped = {
        one["id"]: one["comment"] for one in found.get("checkov", {}).get("skip", ())
    }
    guard = found.get("guard", {"SuppressedRules": [], "reasons": {}})

    assert guard["SuppressedRules"] == list(guard["reasons"])
    assert skipped or guard["SuppressedRules"]
    for rule, why in [*skipped.items(), *guard["reasons"].items()]:
        assert re.fullmatch(r"CKV_AWS_\d+|[A-Z][A-Z0-9_]+", rule)
        assert why.endswith(".") and len(why.split()) > 5, why


def test_each_explanation_is_about_a_resource_of_a_shipped_system() -> None:
    written = "".join(path.read_text() for path in TEMPLATES.glob("*/*.json"))

    for kind, explanations in explained.EXPLAINED.items():
        for each in explanations:
            assert json.dumps(each.why) in written, kind
