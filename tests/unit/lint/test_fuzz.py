"""Whatever a template is: a finding, in bounded time, and never a traceback."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.config import ConfigMixIn
from cfnlint.rules import Rules
from cfnlint.runner import run_template_by_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapgen import lint, rules
from tapgen.lint import cfn_lint
from tapgen.model import Severity, StackSet, System, Target
from tapgen.rules.view import placed

FOLDER = Path("templates_out")
PLACES = (Target("self", "us-east-1"), Target("self", "eu-west-1"))

TYPES = st.sampled_from(sorted({t for r in rules.ALL for t in getattr(r, "types", ())}))
FUNCTIONS = st.sampled_from(
    "Ref Condition Fn::Sub Fn::If Fn::Join Fn::Select Fn::GetAtt Fn::GetAZs Fn::Nope "
    "Fn::FindInMap Fn::Split Fn::Cidr Fn::ImportValue Fn::Transform".split()
)
# Words that rules look for, so that they look further.
WORDS = st.sampled_from(
    "AWS::Region AWS::NoValue P C Home us-east-1 Enabled Status Rules Region Replicas "
    "BucketName RoleName Name Weight Type KmsKeyId StageName DeploymentId Metrics "
    "ReplicationConfiguration Destination Filter Priority TableName KeySchema "
    "HealthCheckConfig CanarySetting AlarmActions GlobalClusterIdentifier Environment "
    "arn:aws:kms:us-east-1:111122223333:key/mrk-1 ami-0abcdef1234567890 ${P}-${C} "
    "SourceDBInstanceIdentifier Policies Code Content AvailabilityZone".split()
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 400), WORDS, st.text(max_size=5)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(WORDS, inner, max_size=4),
        st.dictionaries(FUNCTIONS, inner, min_size=1, max_size=1),
    ),
    max_leaves=25,
)


def most(it: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What it should be, and now and then something else."""
    return st.one_of(it, it, it, it, VALUES)


RESOURCE = st.fixed_dictionaries(
    {"Type": most(TYPES), "Properties": most(st.dictionaries(WORDS, VALUES))},
    optional={"Condition": VALUES, "DependsOn": VALUES, "Metadata": VALUES},
)
TEMPLATE = most(
    st.fixed_dictionaries(
        {"Resources": most(st.dictionaries(WORDS, most(RESOURCE), max_size=4))},
        optional={
            "Parameters": most(st.dictionaries(WORDS, VALUES, max_size=3)),
            "Conditions": most(st.dictionaries(WORDS, VALUES, max_size=3)),
            "Mappings": VALUES,
            "Outputs": most(st.dictionaries(WORDS, VALUES, max_size=2)),
            "Metadata": VALUES,
            "Transform": VALUES,
        },
    )
)
ENTRY = most(
    st.fixed_dictionaries(
        {
            "targets": st.just(
                [{"account": t.account, "region": t.region} for t in PLACES]
            )
        },
        optional={"parameters": VALUES, "overrides": VALUES, "capabilities": VALUES},
    )
)
OURS = Rules.create_from_module("tapgen.rules")
slow = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
quick = settings(slow, max_examples=1000 if "TAPGEN_SOAK" in os.environ else 100)


def system(*texts: str) -> System:
    admin = Target("self", "us-east-1")
    sets = tuple(
        StackSet(f"x-{i}", f"p{i}", text, "every", PLACES)
        for i, text in enumerate(texts)
    )
    return System("x", "custom", "dev", {}, admin, sets)


@quick
@given(TEMPLATE, st.one_of(st.none(), ENTRY))
def test_no_rule_stumbles(template: Any, entry: Any) -> None:
    config = ConfigMixIn(regions=["us-east-1"], include_checks=["I"])
    if not isinstance(template, dict):
        return
    with placed([entry] if isinstance(entry, dict) else []):
        matches = []
        try:
            matches = list(run_template_by_data(template, config, OURS))
        except cfn_lint.MALFORMED:
            pass  # cfn-lint itself, where it reads what it checks
    for match in matches:
        assert match.rule.id != "E0002", match.message


@quick
@given(TEMPLATE, TEMPLATE)
def test_no_rule_about_systems_stumbles(first: Any, second: Any) -> None:
    rules.system(system(json.dumps(first), json.dumps(second)))


@slow
@given(TEMPLATE)
def test_whatever_it_is_findings_can_be_shown(template: Any) -> None:
    findings = lint.check(system(json.dumps(template)), FOLDER)
    for form in ("text", "json", "sarif", "junit", "github"):
        assert isinstance(lint.render(findings, form), str)


@slow
@given(st.text())
def test_whatever_text_it_is_there_is_an_error(text: str) -> None:
    findings = lint.check(system(text), FOLDER)
    assert any(f.severity is Severity.ERROR for f in findings)


def nested(depth: int, opening: str, closing: str) -> str:
    return opening * depth + '"x"' + closing * depth


def named(value: str) -> str:
    return (
        '{"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": '
        f'{{"DisplayName": {value}}}}}}}}}'
    )


@pytest.fixture
def plain_stack() -> Iterator[None]:
    """The recursion limit of a process of its own: hypothesis leaves a higher one."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize(
    "text",
    [
        named(nested(90, '{"Fn::Join": ["", [', "]]}")),
        named(nested(400, "[", "]")),
        named(nested(400, '{"Fn::If": ["C", 1, ', "]}")),
        named(nested(5_000, '{"a": ', "}")),
        named(nested(200_000, "[", "]")),
        '{"Resources": {"A": {"Type": "X"}, "A": {"Type": "Y"}}}',
        '{"Resources": {"A": {"Type": "AWS::SNS::Topic", "Type": "AWS::SQS::Queue"}}}',
        named('{"Fn::Nope": ["a"]}'),
        named(f'"{"x" * 1_100_000}"'),
        json.dumps(
            {"Resources": {f"T{n}": {"Type": "AWS::SNS::Topic"} for n in range(600)}}
        ),
    ],
    ids="joins lists ifs objects deepest twice types unknown megabyte many".split(),
)
def test_too_much_of_anything_is_an_error_in_time(text: str, plain_stack: None) -> None:
    started = time.process_time()
    findings = lint.check(system(text), FOLDER)

    assert any(f.severity is Severity.ERROR for f in findings)
    assert time.process_time() - started < 60
