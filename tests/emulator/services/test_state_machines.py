"""State machines, schedules and automations that call functions, in real processes."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tapgen.emulator.server import lifecycle
from tests.emulator.conftest import PATIENCE, Aws

SOURCE = """
import boto3
def handler(event, context):
    if event["do"] == "fail":
        raise ValueError("no luck")
    who = boto3.client("sts").get_caller_identity()["Arn"]
    queue = boto3.client("sqs")
    url = queue.get_queue_url(QueueName="seen")["QueueUrl"]
    queue.send_message(QueueUrl=url, MessageBody=f"{event['do']} {event.get('by', who)}")
    return {"seconds": 24 * 3600}
"""
DAY = 24 * 3600


@dataclass(frozen=True)
class Place:
    """An account with a function `f` and its role, which a state machine calls too."""

    aws: Aws
    folder: Any
    role: str

    @property
    def function(self) -> str:
        return f"arn:aws:lambda:us-east-1:{self.aws.account}:function:f"

    def machine(self, name: str, states: dict[str, Any]) -> str:
        arn = self.aws.client("stepfunctions").create_state_machine(
            name=name,
            definition=json.dumps({"StartAt": "Call", "States": states}),
            roleArn=self.role,
        )["stateMachineArn"]
        return str(arn)

    def call(self, do: str, tries: int, **more: Any) -> dict[str, Any]:
        retry = {"ErrorEquals": ["States.ALL"], "MaxAttempts": tries - 1}
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": self.function, "Payload": {"do": do}},
            "Retry": [retry],
            **(more or {"End": True}),
        }

    def ended(self, execution: str, by: float = DAY) -> dict[str, Any]:
        """Move the clock until an execution has ended, `by` these seconds again and again."""
        client = self.aws.client("stepfunctions")

        def status() -> Any:
            found = client.describe_execution(executionArn=execution)
            if found["status"] == "RUNNING" and by:
                lifecycle.move_clock(self.folder, by)
            return found["status"] != "RUNNING" and found

        found: dict[str, Any] = wait_for(status)
        return found

    def errors(self, execution: str) -> list[str]:
        client = self.aws.client("stepfunctions")
        events = client.get_execution_history(executionArn=execution)["events"]
        return [
            e["taskFailedEventDetails"]["error"]
            for e in events
            if e["type"] == "TaskFailed"
        ]

    def seen(self, number: int, by: float = 0) -> list[str]:
        """What has been put into the queue, as soon as it is so many; the clock is moved
        `by` these seconds each time."""
        client = self.aws.client("sqs")
        found: list[str] = []
        url = client.get_queue_url(QueueName="seen")["QueueUrl"]

        def enough() -> bool:
            if by:
                lifecycle.move_clock(self.folder, by)
            answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            found.extend(m["Body"] for m in answer.get("Messages", ()))
            return len(found) >= number

        wait_for(enough)
        return found


def wait_for(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 5 * PATIENCE
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.02)
    raise AssertionError("it did not happen")


@pytest.fixture
def there(aws: Aws, server: lifecycle.Server) -> Iterator[Place]:
    services = [f"{s}.amazonaws.com" for s in ("lambda", "states", "ssm")]
    aws.make_role(aws.account, "role", {"Service": services})
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", SOURCE)
    role = f"arn:aws:iam::{aws.account}:role/role"
    aws.client("sqs").create_queue(QueueName="seen")
    aws.client("lambda").create_function(
        FunctionName="f",
        Runtime="python3.13",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": code.getvalue()},
        Timeout=900,
    )
    lifecycle.move_clock(server.folder, 0)  # it stands still from here on
    yield Place(aws, server.folder, role)
    lifecycle.clear_faults(server.folder)
    lifecycle.release_clock(server.folder)


def test_a_call_is_hit_by_faults_and_tried_again_as_time_goes_by(there: Place) -> None:
    invoke = {"service": "lambda", "action": "Invoke", "account": there.aws.account}
    send = {"service": "sqs", "action": "SendMessage", "account": there.aws.account}
    timeout = "Task timed out after 900.00 seconds"
    for fault in (
        {"effect": "throttle", "match": invoke},
        {"effect": "cut", "when": "after", "match": invoke},
        {"effect": "kill", "match": {**send, "nth": 2}},
        {"effect": "kill", "when": "after", "match": {**send, "nth": 2}}
        | {"reason": timeout},
    ):
        lifecycle.add_faults(there.folder, fault)
    states = {
        "Call": there.call("x", 5, Next="Pause"),
        "Pause": {"Type": "Wait", "SecondsPath": "$.Payload.seconds", "End": True},
    }
    machine = there.machine("retries", states)
    client = there.aws.client("stepfunctions")
    given = {"stateMachineArn": machine, "name": "one", "input": '{"a": 1}'}

    execution = client.start_execution(**given)["executionArn"]
    assert client.start_execution(**given)["executionArn"] == execution

    assert there.ended(execution)["status"] == "SUCCEEDED"
    assert there.errors(execution) == [
        "Lambda.TooManyRequestsException",
        "Lambda.SdkClientException",
        "Runtime.ExitError",
        "Sandbox.Timedout",
    ]
    # Of four processes, one was killed before it had sent something.
    role = f"arn:aws:sts::{there.aws.account}:assumed-role/role/f"
    assert there.seen(3) == [f"x {role}"] * 3
    with pytest.raises(ClientError, match="already exists"):
        client.start_execution(**given)


def test_an_execution_that_waits_can_be_stopped(there: Place) -> None:
    wait = {"Type": "Wait", "Seconds": DAY, "End": True}
    client = there.aws.client("stepfunctions")
    machine = there.machine("waits", {"Call": wait})
    execution = client.start_execution(stateMachineArn=machine)["executionArn"]

    client.stop_execution(executionArn=execution, cause="taken over")

    assert there.ended(execution, by=0)["status"] == "ABORTED"
    listed = client.list_executions(stateMachineArn=machine, statusFilter="RUNNING")
    assert not listed["executions"]


def test_what_has_failed_sets_off_an_alarm(there: Place) -> None:
    machine = there.machine("fails", {"Call": there.call("fail", 1)})
    topic = there.aws.client("sns").create_topic(Name="alarms")["TopicArn"]
    queue = f"arn:aws:sqs:us-east-1:{there.aws.account}:seen"
    there.aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    there.aws.client("cloudwatch").put_metric_alarm(
        AlarmName="failed",
        Namespace="AWS/States",
        MetricName="ExecutionsFailed",
        Dimensions=[{"Name": "StateMachineArn", "Value": machine}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[topic],
    )
    client = there.aws.client("stepfunctions")
    execution = client.start_execution(stateMachineArn=machine)["executionArn"]

    assert there.ended(execution, by=0)["status"] == "FAILED"
    assert there.errors(execution) == ["Runtime.HandlerError"]
    (message,) = there.seen(1, by=1)
    assert json.loads(json.loads(message)["Message"])["NewStateValue"] == "ALARM"


def test_a_schedule_and_a_document_call_a_function(there: Place) -> None:
    events, ssm = there.aws.client("events"), there.aws.client("ssm")
    events.put_rule(Name="look", ScheduleExpression="rate(10 minutes)")
    target = {"Id": "f", "Arn": there.function, "Input": '{"do": "look"}'}
    events.put_targets(Rule="look", Targets=[target])
    steps = [
        {
            "name": "who",
            "action": "aws:executeAwsApi",
            "inputs": {
                "Service": "ssm",
                "Api": "GetAutomationExecution",
                "AutomationExecutionId": "{{ automation:EXECUTION_ID }}",
            },
            "outputs": [
                {
                    "Name": "Arn",
                    "Selector": "$.AutomationExecution.ExecutedBy",
                    "Type": "String",
                }
            ],
        },
        {
            "name": "call",
            "action": "aws:invokeLambdaFunction",
            "inputs": {
                "FunctionName": "f",
                "InputPayload": {"do": "{{ What }}", "by": "{{ who.Arn }}"},
            },
        },
    ]
    content = {
        "schemaVersion": "0.3",
        "assumeRole": there.role,
        "parameters": {"What": {"type": "String", "allowedPattern": "[a-z]+"}},
        "mainSteps": steps,
        "outputs": ["call.Payload"],
    }
    ssm.create_document(
        Name="approve", DocumentType="Automation", Content=json.dumps(content)
    )

    lifecycle.move_clock(there.folder, 600)
    (looked,) = there.seen(1)
    assert looked.startswith("look arn:aws:sts:")
    with pytest.raises(ClientError, match="What has an invalid value"):
        start(ssm, "approve", "NO")
    (approved,) = (start(ssm, "approve", "approve"),)
    assert approved["AutomationExecutionStatus"] == "Success", approved
    assert approved["Outputs"]["call.Payload"] == [f'{{"seconds": {DAY}}}']
    assert there.seen(1) == [f"approve arn:aws:iam::{there.aws.account}:user/local"]


def start(ssm: Any, name: str, what: str) -> dict[str, Any]:
    id_ = ssm.start_automation_execution(
        DocumentName=name, Parameters={"What": [what]}
    )["AutomationExecutionId"]

    def ended() -> Any:
        found = ssm.get_automation_execution(AutomationExecutionId=id_)
        found = found["AutomationExecution"]
        return found["AutomationExecutionStatus"] != "InProgress" and found

    answer: dict[str, Any] = wait_for(ended)
    return answer
