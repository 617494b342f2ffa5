"""Operations: asynchronous, one at a time, tolerant to failures as specified.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackSetOperation.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackSetOperationPreferences.html
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import BROKEN_IN_EUROPE, HELD, Aws, template
from tests.emulator.stacksets.test_sets import refused

REGIONS = ["us-east-1", "eu-west-1", "ap-south-1"]


def make(aws: Aws, name: str, body: str = BROKEN_IN_EUROPE, **more: Any) -> None:
    aws.cloudformation.create_stack_set(
        StackSetName=name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"], **more
    )


def start(aws: Aws, name: str, **more: Any) -> str:
    request = {"Accounts": [aws.account], "Regions": REGIONS, **more}
    started = aws.cloudformation.create_stack_instances(StackSetName=name, **request)
    id_: str = started["OperationId"]
    return id_


def status(aws: Aws, name: str, id_: str) -> str:
    found = aws.cloudformation.describe_stack_set_operation(
        StackSetName=name, OperationId=id_
    )
    answer: str = found["StackSetOperation"]["Status"]
    return answer


def statuses(aws: Aws, name: str, id_: str) -> dict[str, str]:
    """Status of each region's result, for operations in one account."""
    found = aws.results(name, id_)
    return {region: result["Status"] for (_, region), result in found.items()}


def held(aws: Aws, name: str, region: str) -> None:
    """Let the HELD stack of an instance go on."""
    client = aws.client("cloudformation", region=region)
    while not client.describe_stacks()["Stacks"]:
        pass
    for stack in client.describe_stacks()["Stacks"]:
        aws.signal(aws.account, region, stack["StackName"])


def test_the_call_answers_before_the_work_is_done(aws: Aws) -> None:
    """CreateStackInstances: OperationId; StackSetOperation, Status RUNNING."""
    make(aws, "slow", HELD)
    id_ = start(aws, "slow", Regions=["us-east-1", "us-east-2"])
    assert status(aws, "slow", id_) == "RUNNING"
    held(aws, "slow", "us-east-1")
    assert aws.states("slow")[aws.account, "us-east-2"][0] == "OUTDATED"
    held(aws, "slow", "us-east-2")
    operation = aws.finished("slow", id_)
    assert operation["Status"] == "SUCCEEDED"
    assert operation["Action"] == "CREATE"
    assert operation["CreationTimestamp"] <= operation["EndTimestamp"]


def test_results_go_from_pending_over_running_to_succeeded(aws: Aws) -> None:
    """StackSetOperationResultSummary, Status."""
    make(aws, "steps", HELD)
    id_ = start(aws, "steps", Regions=["us-east-1", "us-east-2"])
    client = aws.client("cloudformation")
    while not client.describe_stacks()["Stacks"]:
        pass
    assert statuses(aws, "steps", id_) == {
        "us-east-1": "RUNNING",
        "us-east-2": "PENDING",
    }
    assert aws.states("steps") == {
        (aws.account, "us-east-1"): ("OUTDATED", "RUNNING"),
        (aws.account, "us-east-2"): ("OUTDATED", "PENDING"),
    }
    held(aws, "steps", "us-east-1")
    held(aws, "steps", "us-east-2")
    aws.finished("steps", id_)
    assert set(statuses(aws, "steps", id_).values()) == {"SUCCEEDED"}


def test_an_operation_keeps_its_id_and_preferences(aws: Aws) -> None:
    """StackSetOperation: OperationId, OperationPreferences."""
    make(aws, "ids", template())
    preferences = {
        "RegionConcurrencyType": "PARALLEL",
        "FailureTolerancePercentage": 10,
        "MaxConcurrentPercentage": 50,
        "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE",
    }
    id_ = start(aws, "ids", OperationId="my-op-1", OperationPreferences=preferences)
    assert id_ == "my-op-1"
    found = aws.finished("ids", id_)["OperationPreferences"]
    assert {k: v for k, v in found.items() if k != "RegionOrder"} == preferences


def test_operations_are_listed_newest_first(aws: Aws) -> None:
    """ListStackSetOperations: Summaries."""
    make(aws, "list", template())
    for number in range(3):
        id_ = start(aws, "list", OperationId=f"op-{number}", Regions=[REGIONS[number]])
        aws.finished("list", id_)
    pages = aws.cloudformation.get_paginator("list_stack_set_operations").paginate(
        StackSetName="list", PaginationConfig={"PageSize": 2}
    )
    ids = [o["OperationId"] for page in pages for o in page["Summaries"]]
    assert ids == ["op-2", "op-1", "op-0"]


def test_the_same_request_with_the_same_operation_id_runs_once(aws: Aws) -> None:
    """CreateStackInstances, OperationId: "functions as an idempotency token"."""
    make(aws, "once", HELD)
    request = {"OperationId": "the-op", "Regions": ["us-east-1"]}
    assert start(aws, "once", **request) == start(aws, "once", **request)
    held(aws, "once", "us-east-1")
    aws.finished("once", "the-op")
    assert start(aws, "once", **request) == "the-op"
    listed = aws.cloudformation.list_stack_set_operations(StackSetName="once")
    assert len(listed["Summaries"]) == 1


def test_an_operation_id_is_not_used_for_something_else(aws: Aws) -> None:
    """OperationIdAlreadyExistsException."""
    make(aws, "reuse", template())
    aws.finished("reuse", start(aws, "reuse", OperationId="a", Regions=["us-east-1"]))
    with refused("OperationIdAlreadyExistsException") as error:
        start(aws, "reuse", OperationId="a", Regions=["us-east-2"])
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_an_operation_id_from_before_another_operation_is_stale(aws: Aws) -> None:
    """StaleRequestException."""
    make(aws, "stale", template())
    for id_, region in (("a", "us-east-1"), ("b", "us-east-2")):
        aws.finished("stale", start(aws, "stale", OperationId=id_, Regions=[region]))
    with refused("StaleRequestException") as error:
        start(aws, "stale", OperationId="a", Regions=["us-east-1"])
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_one_operation_at_a_time(aws: Aws) -> None:
    """OperationInProgressException."""
    make(aws, "busy", HELD)
    id_ = start(aws, "busy", Regions=["us-east-1"])
    arn = aws.cloudformation.describe_stack_set(StackSetName="busy")["StackSet"]
    busy = f"Another Operation on StackSet {arn['StackSetARN']} is in progress"
    with refused("OperationInProgressException", busy) as error:
        start(aws, "busy", Regions=["us-east-2"])
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    with refused("OperationInProgressException"):
        aws.cloudformation.delete_stack_set(StackSetName="busy")
    held(aws, "busy", "us-east-1")
    aws.finished("busy", id_)


def test_an_operation_that_is_not_known_is_not_found(aws: Aws) -> None:
    """OperationNotFoundException."""
    make(aws, "known", template())
    for action in (
        "describe_stack_set_operation",
        "list_stack_set_operation_results",
        "stop_stack_set_operation",
    ):
        with refused("OperationNotFoundException"):
            getattr(aws.cloudformation, action)(StackSetName="known", OperationId="no")


def test_a_failure_stops_the_regions_that_follow(aws: Aws) -> None:
    """StackSetOperation, Status FAILED: the rest is CANCELLED."""
    make(aws, "order")
    order = {"RegionOrder": ["us-east-1", "eu-west-1", "ap-south-1"]}
    id_ = start(aws, "order", OperationPreferences=order)
    operation = aws.finished("order", id_)
    assert operation["Status"] == "FAILED"
    assert operation["StatusDetails"] == {"FailedStackInstancesCount": 1}
    assert statuses(aws, "order", id_) == {
        "us-east-1": "SUCCEEDED",
        "eu-west-1": "FAILED",
        "ap-south-1": "CANCELLED",
    }
    assert aws.states("order") == {
        (aws.account, "us-east-1"): ("CURRENT", "SUCCEEDED"),
        (aws.account, "eu-west-1"): ("OUTDATED", "FAILED"),
        (aws.account, "ap-south-1"): ("OUTDATED", "CANCELLED"),
    }
    cancelled = aws.results("order", id_)[aws.account, "ap-south-1"]
    assert "failure tolerance" in cancelled["StatusReason"]
    assert "StackId" not in aws.instances("order")[aws.account, "ap-south-1"]


def test_a_failure_within_the_tolerance_does_not_stop_anything(aws: Aws) -> None:
    """StackSetOperationPreferences, FailureToleranceCount."""
    make(aws, "tolerant")
    preferences = {
        "RegionOrder": ["eu-west-1", "us-east-1", "ap-south-1"],
        "FailureToleranceCount": 1,
    }
    id_ = start(aws, "tolerant", OperationPreferences=preferences)
    operation = aws.finished("tolerant", id_)
    assert operation["Status"] == "SUCCEEDED"
    assert operation["StatusDetails"] == {"FailedStackInstancesCount": 1}
    assert statuses(aws, "tolerant", id_) == {
        "us-east-1": "SUCCEEDED",
        "eu-west-1": "FAILED",
        "ap-south-1": "SUCCEEDED",
    }


def test_parallel_regions_do_not_stop_each_other(aws: Aws) -> None:
    """StackSetOperationPreferences, RegionConcurrencyType PARALLEL."""
    make(aws, "parallel")
    preferences = {"RegionConcurrencyType": "PARALLEL"}
    id_ = start(aws, "parallel", OperationPreferences=preferences)
    assert aws.finished("parallel", id_)["Status"] == "FAILED"
    assert statuses(aws, "parallel", id_) == {
        "us-east-1": "SUCCEEDED",
        "eu-west-1": "FAILED",
        "ap-south-1": "SUCCEEDED",
    }


@pytest.mark.parametrize(
    ("preferences", "failed"),
    [
        # Strict: at most tolerance + 1 fail, however many may run at once.
        ({"FailureToleranceCount": 0, "MaxConcurrentCount": 4}, 1),
        ({"FailureToleranceCount": 1, "MaxConcurrentCount": 4}, 2),
        ({"FailureTolerancePercentage": 50, "MaxConcurrentPercentage": 100}, 3),
        # Percentages are rounded down: 24 % of four accounts is none.
        ({"FailureTolerancePercentage": 24, "MaxConcurrentCount": 4}, 1),
        # Soft: all that run at once may fail.
        (
            {
                "FailureToleranceCount": 0,
                "MaxConcurrentCount": 3,
                "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE",
            },
            3,
        ),
        # One at a time by default.
        ({"ConcurrencyMode": "SOFT_FAILURE_TOLERANCE"}, 1),
        ({"FailureToleranceCount": 4}, 4),
    ],
)
def test_tolerance_and_concurrency_are_counted_in_accounts_per_region(
    aws: Aws, preferences: dict[str, Any], failed: int
) -> None:
    """StackSetOperationPreferences: FailureTolerance, MaxConcurrent,
    ConcurrencyMode."""
    make(aws, "count")
    accounts = [aws.account, *(aws.other_account() for _ in range(3))]
    id_ = start(
        aws,
        "count",
        Accounts=accounts,
        Regions=["eu-west-1"],
        OperationPreferences=preferences,
    )
    operation = aws.finished("count", id_)
    found = [r["Status"] for r in aws.results("count", id_).values()]
    assert found.count("FAILED") == failed
    assert found.count("CANCELLED") == 4 - failed
    assert operation["StatusDetails"]["FailedStackInstancesCount"] == failed


@pytest.mark.parametrize(
    "preferences",
    [
        {"FailureToleranceCount": 0, "FailureTolerancePercentage": 0},
        {"MaxConcurrentCount": 1, "MaxConcurrentPercentage": 1},
    ],
)
def test_count_and_percentage_exclude_each_other(
    aws: Aws, preferences: dict[str, Any]
) -> None:
    """StackSetOperationPreferences: "you must specify either"."""
    make(aws, "both", template())
    with refused("ValidationError", "not both"):
        start(aws, "both", OperationPreferences=preferences)


def test_results_are_filtered(aws: Aws) -> None:
    """ListStackSetOperationResults, Filters: OPERATION_RESULT_STATUS."""
    make(aws, "filter")
    preferences = {"RegionConcurrencyType": "PARALLEL"}
    id_ = start(aws, "filter", OperationPreferences=preferences)
    aws.finished("filter", id_)
    found = aws.cloudformation.list_stack_set_operation_results(
        StackSetName="filter",
        OperationId=id_,
        Filters=[{"Name": "OPERATION_RESULT_STATUS", "Values": "FAILED"}],
    )["Summaries"]
    assert [r["Region"] for r in found] == ["eu-west-1"]
    assert found[0]["AccountGateResult"]["Status"] == "SKIPPED"


def test_stopping_lets_what_runs_end_and_cancels_the_rest(aws: Aws) -> None:
    """StopStackSetOperation: STOPPING, then STOPPED."""
    make(aws, "stop", HELD)
    id_ = start(aws, "stop", Regions=["us-east-1", "us-east-2"])
    client = aws.cloudformation
    while not client.describe_stacks()["Stacks"]:
        pass
    client.stop_stack_set_operation(StackSetName="stop", OperationId=id_)
    assert status(aws, "stop", id_) == "STOPPING"
    held(aws, "stop", "us-east-1")
    assert aws.finished("stop", id_)["Status"] == "STOPPED"
    assert statuses(aws, "stop", id_) == {
        "us-east-1": "SUCCEEDED",
        "us-east-2": "CANCELLED",
    }
    assert aws.states("stop") == {
        (aws.account, "us-east-1"): ("CURRENT", "SUCCEEDED"),
        (aws.account, "us-east-2"): ("OUTDATED", "CANCELLED"),
    }
    with refused("InvalidOperationException"):
        client.stop_stack_set_operation(StackSetName="stop", OperationId=id_)


def test_managed_execution_queues_what_conflicts(aws: Aws) -> None:
    """ManagedExecution, Active: "queues conflicting operations"."""
    make(aws, "queue", HELD, ManagedExecution={"Active": True})
    first = start(aws, "queue", Regions=["us-east-1"])
    second = start(aws, "queue", Regions=["us-east-1"])
    third = start(aws, "queue", Regions=["us-east-2"])
    assert status(aws, "queue", first) == "RUNNING"
    assert status(aws, "queue", second) == "QUEUED"
    # "If there are already running or queued operations, StackSets queues all
    # incoming operations even if they are non-conflicting."
    assert status(aws, "queue", third) == "QUEUED"
    with refused("InvalidOperationException"):
        aws.cloudformation.update_stack_set(
            StackSetName="queue",
            UsePreviousTemplate=True,
            ManagedExecution={"Active": False},
        )
    held(aws, "queue", "us-east-1")
    assert aws.finished("queue", first)["Status"] == "SUCCEEDED"
    held(aws, "queue", "us-east-2")
    for id_ in (second, third):
        assert aws.finished("queue", id_)["Status"] == "SUCCEEDED"
    assert set(aws.states("queue").values()) == {("CURRENT", "SUCCEEDED")}


def test_a_queued_operation_can_be_stopped(aws: Aws) -> None:
    """StopStackSetOperation; StackSetOperation, Status QUEUED."""
    make(aws, "unqueue", HELD, ManagedExecution={"Active": True})
    first = start(aws, "unqueue", Regions=["us-east-1"])
    second = start(aws, "unqueue", Regions=["us-east-2"])
    aws.cloudformation.stop_stack_set_operation(
        StackSetName="unqueue", OperationId=second
    )
    assert status(aws, "unqueue", second) == "STOPPED"
    held(aws, "unqueue", "us-east-1")
    aws.finished("unqueue", first)
    assert set(aws.instances("unqueue")) == {(aws.account, "us-east-1")}
