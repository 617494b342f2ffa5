"""The rules as people read them: docs/rules.md and `tapgen rules`."""

from __future__ import annotations

import json

import pytest

from tapgen import rules
from tapgen.cli import USAGE, main
from tapgen.rules import pages
from tests.rules.test_rules import ROOT


def test_the_page_of_the_rules_is_fresh() -> None:
    written = (ROOT / "docs" / "rules.md").read_text()

    assert written == pages.page(), "tapgen rules list --output markdown"


def test_the_page_has_every_rule_with_both_examples() -> None:
    page = pages.page()
    for rule in rules.ALL:
        section = page.split(f"\n### {rule.id}\n")[1].split("\n### ")[0]
        assert rule.source_url in section
        assert rule.good.splitlines()[-1][:100] in section, rule.id


def test_rules_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == len(rules.ALL)
    assert listed[0].startswith("E9500  names ")

    assert main(["rules", "list", "--output", "json"]) == 0
    by_id = {rule["id"]: rule for rule in json.loads(capsys.readouterr().out)}
    assert by_id["E9584"]["whole_system"] and not by_id["E9525"]["needs_targets"]

    assert main(["rules", "explain", "e9525"]) == 0
    explained = capsys.readouterr().out
    assert explained.startswith("E9525: A bucket is replicated without versioning\n")
    assert "Wrong:  # found at Resources/Bucket" in explained


def test_a_rule_that_is_none_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["rules", "explain", "E9252"]) == USAGE
    assert "did you mean 'E9" in capsys.readouterr().err
