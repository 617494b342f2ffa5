"""Faults as SDKs meet them: real boto3, with its retries off and on."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from tapgen.emulator.faults.model import FaultError
from tapgen.emulator.faults.parsing import parse_all
from tapgen.emulator.server import lifecycle
from tests.emulator.conftest import Aws, forked_serve, template, topic
from tests.ports import free_port

Cut = (ConnectionClosedError, HTTPClientError)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Server]:
    """A server of this module: faults must not reach other tests."""
    folder = tmp_path_factory.mktemp("faults")
    yield lifecycle.start(folder, forked_serve(), port=free_port())
    lifecycle.stop(folder)


@pytest.fixture
def faulty(own: lifecycle.Server) -> Iterator[Faulty]:
    lifecycle.reset(own.folder)
    yield Faulty(own)
    lifecycle.clear_faults(own.folder)


class Faulty:
    """A server whose calls go wrong."""

    def __init__(self, server: lifecycle.Server) -> None:
        self.server = server
        self.aws = Aws(server.url, "111111111111")

    def add(self, effect: str, match: Any = None, **options: Any) -> None:
        fault = {"effect": effect, "match": match or {}, **options}
        lifecycle.add_faults(self.server.folder, fault)

    def client(
        self,
        service: str,
        attempts: int = 1,
        mode: str = "standard",
        account: str = "111111111111",
        region: str = "us-east-1",
    ) -> Any:
        retries: Any = {"total_max_attempts": attempts, "mode": mode}
        return boto3.client(
            service,
            endpoint_url=self.server.url,
            aws_access_key_id=account,
            aws_secret_access_key="any",
            region_name=region,
            config=Config(retries=retries),
        )

    def counts(self) -> list[tuple[int, int]]:
        found = lifecycle.faults(self.server.folder)
        return [(f["matched"], f["fired"]) for f in found]


# (service, action, method, arguments, codes of: throttle, error 500, error 503, denied)
CALLS: list[tuple[str, str, str, dict[str, Any], tuple[str, str, str, str]]] = [
    (  # query
        "cloudformation",
        "ListStackSets",
        "list_stack_sets",
        {},
        ("Throttling", "InternalFailure", "ServiceUnavailable", "AccessDenied"),
    ),
    (
        "iam",
        "ListRoles",
        "list_roles",
        {},
        ("Throttling", "InternalFailure", "ServiceUnavailable", "AccessDenied"),
    ),
    (  # EC2's own query
        "ec2",
        "DescribeVpcs",
        "describe_vpcs",
        {},
        (
            "RequestLimitExceeded",
            "InternalError",
            "Unavailable",
            "UnauthorizedOperation",
        ),
    ),
    (  # JSON 1.0
        "dynamodb",
        "ListTables",
        "list_tables",
        {},
        (
            "ThrottlingException",
            "InternalServerError",
            "ServiceUnavailable",
            "AccessDeniedException",
        ),
    ),
    (  # JSON 1.1
        "ssm",
        "DescribeParameters",
        "describe_parameters",
        {},
        (
            "ThrottlingException",
            "InternalFailure",
            "ServiceUnavailable",
            "AccessDeniedException",
        ),
    ),
    (  # JSON with the names of an earlier query protocol
        "sqs",
        "ListQueues",
        "list_queues",
        {},
        (
            "ThrottlingException",
            "InternalFailure",
            "ServiceUnavailable",
            "AccessDeniedException",
        ),
    ),
    (  # REST and XML
        "s3",
        "ListBuckets",
        "list_buckets",
        {},
        ("SlowDown", "InternalError", "ServiceUnavailable", "AccessDeniedException"),
    ),
    (
        "route53",
        "ListHostedZones",
        "list_hosted_zones",
        {},
        ("Throttling", "InternalFailure", "ServiceUnavailable", "AccessDenied"),
    ),
    (  # REST and JSON
        "lambda",
        "ListFunctions",
        "list_functions",
        {},
        (
            "TooManyRequestsException",
            "ServiceException",
            "ServiceUnavailable",
            "AccessDeniedException",
        ),
    ),
    (
        "apigateway",
        "GetRestApis",
        "get_rest_apis",
        {},
        (
            "TooManyRequestsException",
            "InternalFailure",
            "ServiceUnavailable",
            "AccessDeniedException",
        ),
    ),
    (  # CBOR
        "cloudwatch",
        "DescribeAlarms",
        "describe_alarms",
        {},
        (
            "ThrottlingException",
            "InternalFailure",
            "ServiceUnavailable",
            "AccessDeniedException",
        ),
    ),
]
CALLS = [
    (s, a, m, k, (*c[:3], "AccessDenied")) if s == "s3" else (s, a, m, k, c)
    for s, a, m, k, c in CALLS
]
SERVICES = [call[0] for call in CALLS]


def refused(call: Any, **arguments: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value


def code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


@pytest.mark.parametrize("call", CALLS, ids=SERVICES)
def test_errors_have_the_code_and_form_of_the_service(
    faulty: Faulty, call: Any
) -> None:
    service, action, method, arguments, codes = call
    ask = getattr(faulty.client(service), method)
    match = {"service": service, "action": action}
    faulty.add("throttle", match)
    faulty.add("error", match)
    faulty.add("error", match, status=503)
    faulty.add("denied", match)
    found = [refused(ask, **arguments) for _ in range(4)]
    assert tuple(map(code, found)) == codes
    assert [status(e) for e in found[1:3]] == [500, 503]
    assert all(e.response["Error"]["Message"] for e in found)
    ask(**arguments)  # each fault fired once


def test_botos_retries_overcome_what_passes(faulty: Faulty) -> None:
    clients = [faulty.client(call[0], attempts=4) for call in CALLS]
    for _, action, _, _, _ in CALLS:
        faulty.add("throttle", {"action": action})
        faulty.add("error", {"action": action}, status=503)
        faulty.add("cut", {"action": action})

    def retries(client: Any, call: Any) -> int:
        metadata = getattr(client, call[2])(**call[3])["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == 200
        return int(metadata["RetryAttempts"])

    # Side by side: most of the time is botocore's backing off.
    with ThreadPoolExecutor(len(CALLS)) as threads:
        assert set(threads.map(retries, clients, CALLS)) == {3}
    assert {fired for _, fired in faulty.counts()} == {1}


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_every_mode_of_retries_knows_a_throttle(faulty: Faulty, mode: str) -> None:
    faulty.add("throttle", {"action": "ListStackSets"})
    answer = faulty.client("cloudformation", 2, mode).list_stack_sets()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


def test_what_does_not_pass_uses_up_the_retries(faulty: Faulty) -> None:
    faulty.add("throttle", {"action": "ListTables", "times": "always"})
    error = refused(faulty.client("dynamodb", attempts=3).list_tables)
    assert error.response["ResponseMetadata"]["RetryAttempts"] == 2
    assert faulty.counts() == [(3, 3)]


def test_expired_credentials_are_reported_in_each_protocol(faulty: Faulty) -> None:
    faulty.add("expired", {"times": "always"})
    expected = {
        "sts": "ExpiredToken",
        "s3": "ExpiredToken",
        "ec2": "RequestExpired",
        "dynamodb": "ExpiredTokenException",
        "lambda": "ExpiredTokenException",
    }
    found = {
        "sts": refused(faulty.client("sts", 3).get_caller_identity),
        "s3": refused(faulty.client("s3", 3).list_buckets),
        "ec2": refused(faulty.client("ec2", 3).describe_vpcs),
        "dynamodb": refused(faulty.client("dynamodb", 3).list_tables),
        "lambda": refused(faulty.client("lambda", 3).list_functions),
    }
    assert {k: code(e) for k, e in found.items()} == expected
    for error in found.values():  # to try again makes no sense
        assert error.response["ResponseMetadata"]["RetryAttempts"] == 0
    message = found["sts"].response["Error"]["Message"]
    assert message == "The security token included in the request is expired"


def test_a_denial_names_caller_action_and_resource_as_iam_does(
    faulty: Faulty,
) -> None:
    faulty.add("denied", {"action": "*StackInstances", "stack_set": "net"})
    client = faulty.client("cloudformation")
    client.create_stack_set(StackSetName="net", TemplateBody=template())
    error = refused(client.list_stack_instances, StackSetName="net")
    assert error.response["Error"]["Message"] == (
        "User: arn:aws:iam::111111111111:user/local is not authorized to perform: "
        "cloudformation:ListStackInstances on resource: "
        "arn:aws:cloudformation:us-east-1:111111111111:stackset/net:* because no "
        "identity-based policy allows the cloudformation:ListStackInstances action"
    )


def test_a_denial_names_the_session_of_an_assumed_role(faulty: Faulty) -> None:
    faulty.aws.make_role("111111111111", "worker", {"AWS": "*"})
    role = "arn:aws:iam::111111111111:role/worker"
    created = faulty.client("sts").assume_role(RoleArn=role, RoleSessionName="night")
    keys = created["Credentials"]
    client = boto3.client(
        "dynamodb",
        endpoint_url=faulty.server.url,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    faulty.add("denied", {"account": "111111111111"})
    message = refused(client.list_tables).response["Error"]["Message"]
    assert message.startswith(
        "User: arn:aws:sts::111111111111:assumed-role/worker/night is not authorized"
    )


def test_an_error_of_ones_own(faulty: Faulty) -> None:
    own = {"code": "LimitExceededException", "status": 400, "reason": "too many keys"}
    faulty.add("error", {"service": "kms"}, **own)
    error = refused(faulty.client("kms").list_keys)
    assert (code(error), status(error)) == ("LimitExceededException", 400)
    assert error.response["Error"]["Message"] == "too many keys"


def test_a_connection_cut_before_the_work_leaves_nothing_done(faulty: Faulty) -> None:
    faulty.add("cut", {"action": "CreateTopic", "times": 1})
    client = faulty.client("sns")
    with pytest.raises(Cut):
        client.create_topic(Name="lost")
    assert client.list_topics()["Topics"] == []


def test_a_lost_answer_leaves_the_work_done(faulty: Faulty) -> None:
    faulty.add("cut", {"action": "PutObject"}, when="after")
    client = faulty.client("s3")
    client.create_bucket(Bucket="lost-answer")
    with pytest.raises(Cut):
        client.put_object(Bucket="lost-answer", Key="k", Body=b"x" * 200_000)
    with closing(client.get_object(Bucket="lost-answer", Key="k")["Body"]) as body:
        assert len(body.read()) == 200_000


def test_a_lost_answer_is_met_by_the_retry_with_the_same_operation_id(
    faulty: Faulty,
) -> None:
    aws = faulty.aws
    aws.make_roles(aws.account)
    client = faulty.client("cloudformation", attempts=3)
    client.create_stack_set(StackSetName="once", TemplateBody=template())
    faulty.add("cut", {"action": "CreateStackInstances"}, when="after")
    answer = client.create_stack_instances(
        StackSetName="once",
        Accounts=[aws.account],
        Regions=["us-east-1"],
        OperationId="just-once",
    )
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    aws.finished("once", answer)
    operations = client.list_stack_set_operations(StackSetName="once")["Summaries"]
    assert [o["OperationId"] for o in operations] == ["just-once"]


def test_a_delay_holds_one_call_and_nobody_else(faulty: Faulty) -> None:
    sqs, dynamodb = faulty.client("sqs"), faulty.client("dynamodb")
    faulty.add("delay", {"action": "ListTables"}, seconds=3600)
    held = threading.Thread(target=dynamodb.list_tables)
    held.start()
    while faulty.counts() == [(0, 0)]:
        pass
    sqs.list_queues()
    assert held.is_alive()
    lifecycle.clear_faults(faulty.server.folder)  # and it goes on
    held.join()


def test_a_delay_goes_with_another_effect(faulty: Faulty) -> None:
    faulty.add("delay", {"service": "sqs"}, seconds=0.3)
    faulty.add("throttle", {"service": "sqs"})
    begun = time.monotonic()
    refused(faulty.client("sqs").list_queues)
    assert time.monotonic() - begun > 0.3


def test_a_service_can_be_away_in_one_region(faulty: Faulty) -> None:
    faulty.add("unavailable", {"service": "dynamodb", "region": "eu-west-1"})
    for _ in range(3):  # until it is cleared
        away = faulty.client("dynamodb", region="eu-west-1")
        assert code(refused(away.list_tables)) == "ServiceUnavailable"
    faulty.client("dynamodb").list_tables()
    faulty.client("sqs", region="eu-west-1").list_queues()
    lifecycle.clear_faults(faulty.server.folder)
    faulty.client("dynamodb", region="eu-west-1").list_tables()


def test_stacks_fail_where_the_service_of_a_resource_is_away(faulty: Faulty) -> None:
    aws = faulty.aws
    aws.make_roles(aws.account)
    client = faulty.client("cloudformation")
    client.create_stack_set(StackSetName="away", TemplateBody=template())
    faulty.add("unavailable", {"service": "sns", "region": "eu-west-1"})
    regions = ["us-east-1", "eu-west-1"]
    started = client.create_stack_instances(
        StackSetName="away", Accounts=[aws.account], Regions=regions
    )
    assert aws.finished("away", started)["Status"] == "FAILED"
    results = aws.results("away", started)
    assert results[aws.account, "us-east-1"]["Status"] == "SUCCEEDED"
    reason = results[aws.account, "eu-west-1"]["StatusReason"]
    assert "AWS::SNS::Topic" in reason and "unavailable in eu-west-1" in reason


def test_stack_instances_fail_where_a_whole_region_is_away(faulty: Faulty) -> None:
    aws = faulty.aws
    aws.make_roles(aws.account)
    client = faulty.client("cloudformation")
    client.create_stack_set(StackSetName="gone", TemplateBody=template())
    faulty.add("unavailable", {"region": "eu-west-1"})
    started = client.create_stack_instances(
        StackSetName="gone", Accounts=[aws.account], Regions=["eu-west-1"]
    )
    assert aws.finished("gone", started)["Status"] == "FAILED"
    reason = aws.results("gone", started)[aws.account, "eu-west-1"]["StatusReason"]
    assert "unavailable in eu-west-1" in reason
    lifecycle.clear_faults(faulty.server.folder)
    repaired = client.update_stack_instances(
        StackSetName="gone", Accounts=[aws.account], Regions=["eu-west-1"]
    )
    assert aws.finished("gone", repaired)["Status"] == "SUCCEEDED"


# Resources

TWO = template({"First": topic(), "Second": {**topic(), "DependsOn": "First"}})


def test_a_resource_that_fails_rolls_its_stack_back(faulty: Faulty) -> None:
    faulty.add("fail", {"logical_id": "Second"}, reason="no luck today")
    client = faulty.client("cloudformation")
    client.create_stack(StackName="one", TemplateBody=TWO)
    stack = settled(client, "one")
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = client.describe_stack_events(StackName="one")["StackEvents"]
    failed = [e for e in events if e["ResourceStatus"] == "CREATE_FAILED"]
    assert [(e["LogicalResourceId"], e["ResourceStatusReason"]) for e in failed][
        -1
    ] == ("Second", "no luck today")
    assert faulty.client("sns").list_topics()["Topics"] == []


def test_a_resource_fails_in_one_region_of_one_stack_set(faulty: Faulty) -> None:
    aws = faulty.aws
    aws.make_roles(aws.account)
    client = faulty.client("cloudformation")
    match = {"type": "AWS::SNS::Topic", "stack_set": "bad", "region": "us-west-*"}
    faulty.add("fail", match, reason="no luck")
    for name, expected in (("good", "SUCCEEDED"), ("bad", "FAILED")):
        client.create_stack_set(StackSetName=name, TemplateBody=template())
        started = client.create_stack_instances(
            StackSetName=name,
            Accounts=[aws.account],
            Regions=["us-east-1", "us-west-2"],
        )
        assert aws.finished(name, started)["Status"] == expected
    result = aws.results("bad", started)[aws.account, "us-west-2"]
    assert result["StatusReason"] == (
        "ResourceLogicalId:Topic, ResourceType:AWS::SNS::Topic, "
        "ResourceStatusReason:no luck."
    )


def test_an_update_that_fails_brings_back_what_was(faulty: Faulty) -> None:
    client = faulty.client("cloudformation")
    named = {"T": topic(TopicName="kept", DisplayName="before")}
    client.create_stack(StackName="one", TemplateBody=template(named))
    settled(client, "one")
    faulty.add("fail", {"logical_id": "Second"})
    named["T"]["Properties"]["DisplayName"] = "after"
    named["Second"] = {**topic(), "DependsOn": "T"}
    client.update_stack(StackName="one", TemplateBody=template(named))
    assert settled(client, "one")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    arn = "arn:aws:sns:us-east-1:111111111111:kept"
    found = faulty.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    assert found["DisplayName"] == "before"


@pytest.mark.parametrize(
    "skipped", [{}, {"ResourcesToSkip": ["First"]}], ids=["mended", "skipped"]
)
def test_a_rollback_that_fails_hangs_until_it_goes_on(
    faulty: Faulty, skipped: dict[str, Any]
) -> None:
    client = faulty.client("cloudformation")

    def text(name: str) -> str:
        first, second = topic(DisplayName=name), topic(DisplayName=name)
        return template({"First": first, "Second": {**second, "DependsOn": "First"}})

    def statuses() -> list[str]:
        found = client.list_stack_resources(StackName="one")["StackResourceSummaries"]
        return [f"{r['LogicalResourceId']} {r['ResourceStatus']}" for r in found]

    client.create_stack(StackName="one", TemplateBody=text("old"))
    settled(client, "one")
    faulty.add("fail", {"logical_id": "First", "nth": 2}, reason="it is locked")
    faulty.add("fail", {"logical_id": "Second"})
    client.update_stack(StackName="one", TemplateBody=text("new"))
    assert settled(client, "one")["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    assert statuses() == ["First UPDATE_FAILED", "Second UPDATE_COMPLETE"]
    first = client.describe_stack_resource(StackName="one", LogicalResourceId="First")[
        "StackResourceDetail"
    ]
    assert first["ResourceStatusReason"] == "it is locked"
    with pytest.raises(ClientError, match="state and can not be updated."):
        client.update_stack(StackName="one", TemplateBody=text("newer"))

    client.continue_update_rollback(StackName="one", **skipped)

    assert settled(client, "one")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert statuses() == ["First UPDATE_COMPLETE", "Second UPDATE_COMPLETE"]


def test_deletion_fails_only_when_the_fault_names_it(faulty: Faulty) -> None:
    client = faulty.client("cloudformation")
    client.create_stack(StackName="one", TemplateBody=template())
    stack = settled(client, "one")["StackId"]
    faulty.add("fail", {"logical_id": "Topic", "action": "delete"}, reason="stuck")
    client.delete_stack(StackName="one")
    assert settled(client, stack)["StackStatus"] == "DELETE_FAILED"
    client.delete_stack(StackName="one")
    assert settled(client, stack)["StackStatus"] == "DELETE_COMPLETE"


class Nested:
    """A stack with one inside it, of two topics one after the other."""

    def __init__(self, faulty: Faulty) -> None:
        self.client = faulty.client("cloudformation")
        self.s3 = faulty.client("s3")
        self.sns = faulty.client("sns")
        self.s3.create_bucket(Bucket="nested")

    def body(self, name: str, **more: Any) -> str:
        """The outer template; the inner one has topics with a display name."""
        inner = {
            "First": topic(DisplayName=name),
            "Second": {**topic(DisplayName=name), "DependsOn": "First"},
        }
        self.s3.put_object(Bucket="nested", Key=name, Body=template(inner).encode())
        url = f"https://s3.amazonaws.com/nested/{name}"
        child = {"Type": "AWS::CloudFormation::Stack", "Properties": {}}
        child["Properties"] = {"TemplateURL": url, **more}
        return template({"Inner": child, "Beside": topic(DisplayName="z")})

    def create(self, **more: Any) -> dict[str, Any]:
        self.client.create_stack(StackName="outer", TemplateBody=self.body("a"), **more)
        return settled(self.client, "outer")

    def topics(self) -> list[str]:
        found = self.sns.list_topics()["Topics"]
        shown = [self.sns.get_topic_attributes(TopicArn=t["TopicArn"]) for t in found]
        return sorted(s["Attributes"]["DisplayName"] for s in shown)

    def reason(self, status: str) -> str:
        events = self.client.describe_stack_events(StackName="outer")["StackEvents"]
        reasons = [
            e["ResourceStatusReason"]
            for e in events
            if e["LogicalResourceId"] == "Inner" and e["ResourceStatus"] == status
        ]
        return str(reasons[0])


def test_a_resource_of_a_nested_stack_fails_and_nothing_of_it_stays(
    faulty: Faulty,
) -> None:
    faulty.add("fail", {"logical_id": "Second"}, reason="no luck today")
    nested = Nested(faulty)
    assert nested.create()["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = nested.reason("CREATE_FAILED")
    assert reason.startswith("Embedded stack arn:aws:cloudformation:us-east-1:")
    assert "not successfully created: The following resource(s) failed" in reason
    assert "[Second]" in reason
    assert nested.topics() == []


def test_a_nested_stack_changes_and_falls_back_as_a_whole(faulty: Faulty) -> None:
    nested = Nested(faulty)
    assert nested.create()["StackStatus"] == "CREATE_COMPLETE"
    assert nested.topics() == ["a", "a", "z"]
    faulty.add("fail", {"logical_id": "Second", "action": "update"}, reason="no luck")
    nested.client.update_stack(StackName="outer", TemplateBody=nested.body("b"))
    ended = settled(nested.client, "outer")
    assert ended["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert nested.topics() == ["a", "a", "z"]
    nested.client.update_stack(StackName="outer", TemplateBody=nested.body("c"))
    assert settled(nested.client, "outer")["StackStatus"] == "UPDATE_COMPLETE"
    assert nested.topics() == ["c", "c", "z"]


def test_a_nested_stack_that_is_not_deleted_says_so(faulty: Faulty) -> None:
    nested = Nested(faulty)
    stack = nested.create()["StackId"]
    faulty.add("fail", {"logical_id": "First", "action": "delete"}, reason="stuck")
    nested.client.delete_stack(StackName="outer")
    assert settled(nested.client, stack)["StackStatus"] == "DELETE_FAILED"
    assert "failed to delete: [First]" in nested.reason("DELETE_FAILED")
    assert nested.topics() == ["a"]
    nested.client.delete_stack(StackName="outer")
    assert settled(nested.client, stack)["StackStatus"] == "DELETE_COMPLETE"
    assert nested.topics() == []


def test_a_fault_of_a_stack_set_reaches_what_is_nested_in_its_stacks(
    faulty: Faulty,
) -> None:
    aws = faulty.aws
    aws.make_roles(aws.account)
    body = Nested(faulty).body("a")
    faulty.add("fail", {"logical_id": "Second", "stack_set": "bad"})
    for name, expected in (("good", "SUCCEEDED"), ("bad", "FAILED")):
        aws.cloudformation.create_stack_set(StackSetName=name, TemplateBody=body)
        started = aws.cloudformation.create_stack_instances(
            StackSetName=name, Accounts=[aws.account], Regions=["us-east-1"]
        )
        assert aws.finished(name, started)["Status"] == expected


def test_a_replacement_is_one_time_for_a_fault(faulty: Faulty) -> None:
    client = faulty.client("cloudformation")
    named = {"T": topic(TopicName="one")}
    client.create_stack(StackName="one", TemplateBody=template(named))
    settled(client, "one")
    faulty.add("fail", {"logical_id": "T", "nth": 2})
    client.update_stack(
        StackName="one", TemplateBody=template({"T": topic(TopicName="two")})
    )
    assert settled(client, "one")["StackStatus"] == "UPDATE_COMPLETE"


def test_a_resource_that_takes_long_holds_up_nothing_else(faulty: Faulty) -> None:
    faulty.add("delay", {"logical_id": "Topic", "region": "eu-west-1"}, seconds=3600)
    slow = faulty.client("cloudformation", region="eu-west-1")
    slow.create_stack(StackName="slow", TemplateBody=template())
    quick = faulty.client("cloudformation")
    quick.create_stack(StackName="quick", TemplateBody=template())
    assert settled(quick, "quick")["StackStatus"] == "CREATE_COMPLETE"
    status = slow.describe_stacks(StackName="slow")["Stacks"][0]["StackStatus"]
    assert status == "CREATE_IN_PROGRESS"
    lifecycle.clear_faults(faulty.server.folder)
    assert settled(slow, "slow")["StackStatus"] == "CREATE_COMPLETE"


def test_a_resource_that_took_long_is_complete_in_the_end(faulty: Faulty) -> None:
    faulty.add("delay", {"logical_id": "Topic"}, seconds=0.3)
    client = faulty.client("cloudformation")
    begun = time.monotonic()
    client.create_stack(StackName="slow", TemplateBody=template())
    assert settled(client, "slow")["StackStatus"] == "CREATE_COMPLETE"
    assert time.monotonic() - begun > 0.3


def settled(client: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        stack: dict[str, Any] = client.describe_stacks(StackName=name)["Stacks"][0]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        time.sleep(0.02)
    raise AssertionError(f"{name} does not settle")


def test_calls_that_lambda_code_makes_go_wrong_too(faulty: Faulty) -> None:
    source = (
        "import boto3\n"
        "from botocore.config import Config\n"
        "once = Config(retries={'total_max_attempts': 1})\n"
        "def handler(event, context):\n"
        "    try:\n"
        "        return boto3.client('sqs', config=once).list_queues()['x']\n"
        "    except Exception as error:\n"
        "        return type(error).__name__ + str(error)\n"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", source)
    client = faulty.client("lambda", account="000000000000")
    client.create_function(
        FunctionName="caller",
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="index.handler",
        Timeout=30,
        Code={"ZipFile": packed.getvalue()},
    )
    faulty.add("throttle", {"action": "ListQueues"})
    with closing(client.invoke(FunctionName="caller")["Payload"]) as payload:
        assert "Rate exceeded" in json.loads(payload.read())


def test_of_several_faults_the_wrong_one_is_named(faulty: Faulty) -> None:
    given = [{"effect": "cut"}, {"effect": "cutt"}]
    with pytest.raises(FaultError, match="^fault 2: effect 'cutt'"):
        parse_all(given)
    with pytest.raises(lifecycle.EmulatorError, match="^fault 2: effect 'cutt'"):
        lifecycle.add_faults(faulty.server.folder, given)
    assert faulty.counts() == []


# The route


def test_the_route_sets_lists_and_removes(faulty: Faulty) -> None:
    folder = faulty.server.folder
    given = [{"effect": "cut"}, {"effect": "denied", "match": {"region": "eu-west-1"}}]
    added = lifecycle.add_faults(folder, given)
    assert [f["effect"] for f in added] == ["cut", "denied"]
    assert lifecycle.status(folder)["faults"] == 2
    assert lifecycle.clear_faults(folder, added[0]["id"]) == 1
    assert [f["id"] for f in lifecycle.faults(folder)] == [added[1]["id"]]
    with pytest.raises(lifecycle.EmulatorError, match="there is no fault 0; there are"):
        lifecycle.clear_faults(folder, "0")
    assert lifecycle.clear_faults(folder) == 1
    assert lifecycle.faults(folder) == []


def test_the_route_needs_the_token_and_json(faulty: Faulty) -> None:
    server = faulty.server
    for method, token, body, expected in (
        ("POST", "guess", b"{}", 403),
        ("GET", "", None, 403),
        ("POST", server.token, b"{", 400),
        ("PATCH", server.token, b"{}", 405),
    ):
        request = Request(f"{server.url}/_tapgen/faults", body, method=method)
        request.add_header("X-Tapgen-Token", token)
        with pytest.raises(HTTPError) as caught:
            urlopen(request)
        with closing(caught.value) as error:
            assert error.code == expected
            assert json.loads(error.read())["error"]


def test_a_reset_clears_the_faults(faulty: Faulty) -> None:
    faulty.add("unavailable")
    lifecycle.reset(faulty.server.folder)
    assert lifecycle.faults(faulty.server.folder) == []
    faulty.client("sqs").list_queues()
