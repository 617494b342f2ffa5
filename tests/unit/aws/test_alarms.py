"""What `tapgen.aws.alarms` asks CloudWatch, and makes of the answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from tapgen.aws import alarms
from tapgen.aws.session import Aws
from tapgen.model import Target

HERE = Target("111111111111", "eu-west-1")
START = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
METHODS = {
    "describe_alarms": "DescribeAlarms",
    "describe_alarm_history": "DescribeAlarmHistory",
    "list_stack_resources": "ListStackResources",
}


def described(name: str, state: str = "OK") -> dict[str, Any]:
    return {"AlarmName": name, "StateValue": state, "StateUpdatedTimestamp": START}


def update(name: str, state: str, seconds: float) -> dict[str, Any]:
    return {
        "AlarmName": name,
        "Timestamp": START.replace(microsecond=0) + timedelta(seconds=seconds),
        "HistoryData": json.dumps({"newState": {"stateValue": state}}),
    }


class FakeClient:
    """CloudWatch and CloudFormation, with pages of answers."""

    meta = SimpleNamespace(
        region_name="us-east-1",
        service_model=SimpleNamespace(service_name="cloudwatch"),
        method_to_api_mapping=METHODS,
    )

    def __init__(self, **answers: list[dict[str, Any]]) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, method: str) -> Any:
        def call(**given: Any) -> Any:
            self.calls.append((method, given))
            return self.answers[method].pop(0)

        return call


def aws(client: FakeClient) -> Aws:
    return cast(Aws, SimpleNamespace(client=lambda *_: client))


def test_metric_and_composite_alarms_of_all_pages_are_read_by_name() -> None:
    client = FakeClient(
        describe_alarms=[
            {"MetricAlarms": [described("b")], "NextToken": "2"},
            {"CompositeAlarms": [described("a", "ALARM") | {"StateReason": "why"}]},
        ]
    )

    found = alarms.read(aws(client), HERE, ["b", "a", "b"])

    assert [(a.name, a.state, a.reason) for a in found] == [
        ("a", "ALARM", "why"),
        ("b", "OK", ""),
    ]
    assert client.calls[0][1] == {
        "AlarmNames": ["a", "b"],
        "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
    }
    assert client.calls[1][1]["NextToken"] == "2"


def test_no_names_are_no_call() -> None:
    """Without AlarmNames, DescribeAlarms returns the alarms of everybody."""
    client = FakeClient()

    assert alarms.read(aws(client), HERE, []) == []
    assert alarms.read(aws(client), HERE, [], START) == []
    assert client.calls == []


def test_a_call_names_at_most_100_alarms() -> None:
    client = FakeClient(describe_alarms=[{}, {}, {}])

    alarms.read(aws(client), HERE, map(str, range(201)))

    assert [len(given["AlarmNames"]) for _, given in client.calls] == [100, 100, 1]


def test_the_history_says_what_went_off_and_came_back() -> None:
    client = FakeClient(
        describe_alarms=[{"MetricAlarms": [described(n) for n in "abcd"]}],
        describe_alarm_history=[
            {
                "AlarmHistoryItems": [
                    update("a", "OK", 9),
                    update("a", "ALARM", 3),
                    update("b", "OK", 2),
                ],
                "NextToken": "2",
            },
            {
                "AlarmHistoryItems": [
                    update("a", "ALARM", 1),
                    update("c", "ALARM", -1),
                    update("d", "ALARM", 0),  # a service with whole seconds
                    {**update("b", "ALARM", 4), "HistoryData": "not JSON"},
                ]
            },
        ],
    )

    found = alarms.read(aws(client), HERE, "abcd", START)

    begin = START.replace(microsecond=0)
    assert {a.name: a.went_off for a in found} == {
        "a": begin + timedelta(seconds=3),
        "b": None,
        "c": None,
        "d": begin,
    }


def test_the_alarms_of_a_stack_are_its_resources() -> None:
    def resource(kind: str, name: str) -> dict[str, str]:
        return {
            "LogicalResourceId": f"L{name}",
            "ResourceType": f"AWS::CloudWatch::{kind}",
            "PhysicalResourceId": name,
            "ResourceStatus": "CREATE_COMPLETE",
        }

    client = FakeClient(
        list_stack_resources=[
            {
                "StackResourceSummaries": [
                    resource("Alarm", "one"),
                    resource("CompositeAlarm", "two"),
                    resource("Dashboard", "three"),
                    resource("Alarm", ""),  # not created yet
                ]
            }
        ]
    )

    assert alarms.of_stack(aws(client), HERE, "arn:it") == ("one", "two")
