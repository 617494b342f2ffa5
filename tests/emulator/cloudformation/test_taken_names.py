"""A resource whose name another one has is not created, and what exists stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tapgen.emulator.server import lifecycle
from tests.emulator.places import Place, new_account, of, served

_ROLE = {
    "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
    "RoleName": "taken",
}
_MACHINE = {
    "StateMachineName": "taken",
    "RoleArn": "arn:aws:iam::111122223333:role/r",
    "DefinitionString": '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}',
}
_ALARM = {
    "AlarmName": "taken",
    "MetricName": "m",
    "Namespace": "n",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "Statistic": "Sum",
    "ComparisonOperator": "GreaterThanThreshold",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Server]:
    yield from served(tmp_path_factory.mktemp("names"))


@pytest.fixture
def place(server: lifecycle.Server) -> Place:
    return Place(server.url, new_account())


@pytest.mark.parametrize(
    "resource",
    [
        of("SQS::Queue", QueueName="taken"),
        of("SNS::Topic", TopicName="taken"),
        of("Logs::LogGroup", LogGroupName="taken"),
        of("Kinesis::Stream", Name="taken", ShardCount=1),
        of("ECR::Repository", RepositoryName="taken"),
        of("ECS::Cluster", ClusterName="taken"),
        of("Backup::BackupVault", BackupVaultName="taken"),
        of("SecretsManager::Secret", Name="taken"),
        of("SSM::Parameter", Name="taken", Type="String", Value="x"),
        of("StepFunctions::StateMachine", **_MACHINE),
        of("CloudWatch::Alarm", **_ALARM),
        of("Events::Rule", Name="taken", ScheduleExpression="rate(1 day)"),
        of("Scheduler::ScheduleGroup", Name="taken"),
        of("IAM::Role", **_ROLE),
        of("MSK::Configuration", Name="taken", ServerProperties="x"),
        of("GuardDuty::Detector", Enable=True),
    ],
    ids=lambda resource: str(resource["Type"]),
)
def test_a_second_stack_does_not_get_what_the_first_one_has(
    resource: dict[str, Any], place: Place
) -> None:
    place.create("first", {"R": resource})

    reason = place.failed("second", {"R": resource})

    assert f"Resource of type '{resource['Type']}' with identifier '" in reason
    assert "' already exists." in reason and "AlreadyExists" in reason
    assert place.stack("first")["StackStatus"] == "CREATE_COMPLETE"


def test_what_exists_survives_the_rollback_of_a_second_stack(place: Place) -> None:
    queue = of("SQS::Queue", QueueName="work")
    place.create("first", {"R": queue})
    url = place.ids("first")["R"]
    place.client("sqs").send_message(QueueUrl=url, MessageBody="kept")

    place.failed("second", {"R": queue, "Topic": of("SNS::Topic", TopicName="t")})
    place.delete("second")

    received = place.client("sqs").receive_message(QueueUrl=url)
    assert [m["Body"] for m in received["Messages"]] == ["kept"]


@pytest.mark.parametrize(
    ("service", "operation", "given", "resource"),
    [
        (
            *("sqs", "create_queue", {"QueueName": "by-hand"}),
            of("SQS::Queue", QueueName="by-hand"),
        ),
        (
            *("sns", "create_topic", {"Name": "by-hand"}),
            of("SNS::Topic", TopicName="by-hand"),
        ),
        (
            *("kinesis", "create_stream", {"StreamName": "by-hand", "ShardCount": 1}),
            of("Kinesis::Stream", Name="by-hand", ShardCount=1),
        ),
    ],
)
def test_what_was_made_by_hand_is_not_taken_over(
    service: str,
    operation: str,
    given: dict[str, Any],
    resource: dict[str, Any],
    place: Place,
) -> None:
    getattr(place.client(service), operation)(**given)

    assert "already exists" in place.failed("stack", {"R": resource})

    listed = {"sqs": "list_queues", "sns": "list_topics", "kinesis": "list_streams"}
    assert "by-hand" in str(getattr(place.client(service), listed[service])())


def test_a_name_is_free_in_another_region_and_once_its_stack_is_gone(
    place: Place,
) -> None:
    queue = {"R": of("SQS::Queue", QueueName="work")}
    place.create("first", queue)

    place.at("eu-west-1").create("elsewhere", queue)
    place.delete("first")
    place.create("again", queue)


def test_the_name_of_a_role_is_taken_in_every_region(place: Place) -> None:
    place.create("first", {"R": of("IAM::Role", **_ROLE)})

    reason = place.at("eu-west-1").failed("second", {"R": of("IAM::Role", **_ROLE)})

    assert "already exists" in reason


def test_a_resource_is_not_renamed_to_a_name_that_is_taken(place: Place) -> None:
    place.create("first", {"R": of("SQS::Queue", QueueName="a")})
    place.create("second", {"R": of("SQS::Queue", QueueName="b")})
    renamed = {"R": of("SQS::Queue", QueueName="a")}

    with pytest.raises(AssertionError, match="identifier .*'a.*' already exists"):
        place.update("second", renamed)

    assert place.ids("second")["R"].endswith("/b")
    assert place.ids("first")["R"].endswith("/a")


def test_settings_that_a_second_stack_overwrites_are_not_refused(place: Place) -> None:
    account = {"R": of("ApiGateway::Account")}
    place.create("first", account)

    place.create("second", account)
