"""Drift of all that is deployed: known false positives apart, and what AWS did not say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tapgen.aws.change_sets import Change, Proposal
from tapgen.errors import AwsError, NotFound
from tapgen.knowledge.drift import FALSE_POSITIVES
from tapgen.model import InstanceStatus, ObservedInstance
from tapgen.operate import reverting
from tapgen.plan import drift
from tapgen.report import drifting
from tests.make import EAST, WEST

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DRIFTS = {
    "us-east-1": [
        {
            "LogicalResourceId": "Logs",
            "ResourceType": "AWS::Logs::LogGroup",
            "StackResourceDriftStatus": "MODIFIED",
            "PropertyDifferences": [
                {
                    "PropertyPath": "/RetentionInDays",
                    "ExpectedValue": "90",
                    "ActualValue": "7",
                    "DifferenceType": "NOT_EQUAL",
                },
                {
                    "PropertyPath": "/Tags/2",
                    "ExpectedValue": "null",
                    "ActualValue": '{"Key":"aws:x","Value":"y"}',
                    "DifferenceType": "ADD",
                },
            ],
        }
    ]
}


UNKNOWN = [
    {
        "LogicalResourceId": "Queue",
        "ResourceType": "AWS::SQS::Queue",
        "StackResourceDriftStatus": "UNKNOWN",
        "DriftStatusReason": "no access",
    }
]


class Client:
    """CloudFormation in a region that has drifts, or gives no answer."""

    def __init__(self, region: str) -> None:
        model = SimpleNamespace(service_name="cloudformation")
        self.meta = SimpleNamespace(
            service_model=model,
            method_to_api_mapping={"describe_stack_resource_drifts": ""},
            region_name=region,
        )

    def describe_stack_resource_drifts(self, StackName: str, **_: Any) -> Any:
        region = self.meta.region_name
        if "stack/b/" in StackName:
            return {"StackResourceDrifts": UNKNOWN}
        if region not in DRIFTS:
            raise AwsError("cloudformation", "AccessDenied", "no right to look")
        return {"StackResourceDrifts": DRIFTS[region]}


def instance(status: str, stack: str = "s") -> ObservedInstance:
    return ObservedInstance(
        InstanceStatus.CURRENT,
        None,
        stack_id=f"arn:aws:cloudformation:x:1:stack/{stack}/1",
        drift_status=status,
        drift_checked=NOW,
    )


class Sets:
    """Stack sets: one that drifted in two regions, two that were not checked."""

    aws = SimpleNamespace(client=lambda service, target: Client(target.region))

    def listed(self, name: str) -> Any:
        if name == "gone":
            raise NotFound("cloudformation", "StackSetNotFoundException", name)
        if name == "b":
            return {EAST: instance("UNKNOWN", "b"), WEST: instance("IN_SYNC")}
        if name == "c":
            return {EAST: replace(instance("IN_SYNC"), stack_id=None)}
        return {EAST: instance("DRIFTED"), WEST: instance("DRIFTED")}


def test_drift_false_positives_and_what_is_not_known_are_told_apart() -> None:
    sets: Any = Sets()

    parts = {"a": "data", "b": "logs", "c": "queues", "gone": "gone"}
    now: drift.Unchecked = {
        ("b", WEST): "in UPDATE_IN_PROGRESS",
        ("c", None): "stopped",
    }
    found = drift.survey(sets, parts, now)

    assert [d.difference and d.difference.path for d in found.drifted] == [
        "/RetentionInDays"
    ]
    assert [d.explained and d.explained.type for d in found.explained] == ["*"]
    assert [(part, t) for part, t, _ in found.unread] == [("data", WEST)]
    assert found.unchecked == (
        ("logs", EAST, "its drift status is UNKNOWN"),
        ("logs", WEST, "in UPDATE_IN_PROGRESS"),
        ("queues", EAST, "stopped"),
    ), "what an earlier detection has found is no answer"
    assert [name for name, *_ in found.unknown] == ["logs.Queue (AWS::SQS::Queue)"]
    assert found.instances == 5 and not found.clean
    text = drifting.text(found)
    assert "RetentionInDays is 7, the template has 90" in text
    assert "no right to look" in text and "not checked: logs; in UPDATE_IN_" in text
    assert "could not be checked: logs.Queue (AWS::SQS::Queue); no access" in text
    assert "2 of 5 instances checked, 2 instances drifted" in text
    data = drifting.data(found)
    assert data["unknown"][0]["reason"] == "no access"
    assert data["left_out"][0]["source"].startswith("https://")


def test_a_false_positive_hides_no_other_difference() -> None:
    for one in FALSE_POSITIVES:
        assert one.reason and one.source.startswith("https://")
        kind = one.kind or "NOT_EQUAL"
        assert one.explains(one.type, one.path, kind, one.value)
        assert not one.explains(one.type, f"{one.path}More", kind, one.value)
        other = "NOT_EQUAL" if one.kind else ""
        assert not one.kind or not one.explains(one.type, one.path, other, one.value)
        assert one.type == "*" or not one.explains("AWS::X::Y", one.path, kind, "")


@pytest.mark.parametrize(
    "action, replacement, words",
    [
        ("Modify", "False", ""),
        ("Add", "", ""),
        ("SyncWithActual", "", ""),
        ("Modify", "True", "would replace Db"),
        ("Modify", "Conditional", "may replace Db"),
        ("Remove", "", "would delete Db"),
    ],
)
def test_what_replaces_or_deletes_is_not_executed(
    action: str, replacement: str, words: str
) -> None:
    change = Change(action, "Db", "AWS::RDS::DBInstance", replacement)
    proposal = Proposal(EAST, "a", "arn:x/s/1", "arn:c/1", (change,))

    why = reverting.why_not(proposal)

    assert words in why and bool(words) == bool(why)
