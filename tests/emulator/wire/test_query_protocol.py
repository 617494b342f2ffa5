"""Requests as they arrive: parsed by the service model, refused in AWS's form.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.emulator.conftest import PATIENCE, Aws, template

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Raw:
    """A client that sends any request unchecked."""

    aws: Aws

    @property
    def port(self) -> int:
        return int(self.aws.url.rpartition(":")[2])

    @property
    def authorization(self) -> str:
        scope = f"{self.aws.account}/20260101/us-east-1/cloudformation/aws4_request"
        return (
            f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"
        )

    def send(
        self, body: bytes | Mapping[str, str], content_type: str = FORM
    ) -> tuple[int, bytes]:
        data = body if isinstance(body, bytes) else urlencode(body).encode()
        headers = {"Authorization": self.authorization, "Content-Type": content_type}
        with closing(
            HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        ) as connection:
            connection.request("POST", "/", data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def refused(self, **fields: str) -> tuple[int, str, str]:
        """Status, code and message of the error that an action answers."""
        return error(*self.send({"Version": "2010-05-15", **fields}))


def error(status: int, body: bytes) -> tuple[int, str, str]:
    root = ElementTree.fromstring(body)
    code, message = root.findtext(".//{*}Code"), root.findtext(".//{*}Message")
    assert code and message and b"Traceback" not in body
    assert root.findtext(".//{*}Type") == ("Receiver" if status >= 500 else "Sender")
    return status, code, message


@pytest.fixture
def raw(aws: Aws) -> Raw:
    aws.cloudformation.create_stack_set(StackSetName="kept", TemplateBody=template())
    return Raw(aws)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"Action": "DescribeStackSet"},
            "1 validation error detected: Value null at 'stackSetName' failed to "
            "satisfy constraint: Member must not be null",
        ),
        (
            {"Action": "ListStackSets", "MaxResults": "0"},
            "1 validation error detected: Value '0' at 'maxResults' failed to satisfy "
            "constraint: Member must have value greater than or equal to 1",
        ),
        (
            {"Action": "ListStackSets", "MaxResults": "101", "Status": "NONE"},
            "2 validation errors detected: Value '101' at 'maxResults' failed to "
            "satisfy constraint: Member must have value less than or equal to 100; "
            "Value 'NONE' at 'status' failed to satisfy constraint: Member must "
            "satisfy enum value set: [ACTIVE, DELETED]",
        ),
        (
            {
                "Action": "CreateStackInstances",
                "StackSetName": "kept",
                "Accounts.member.1": "12",
                "Regions.member.1": "us-east-1",
            },
            "1 validation error detected: Value '12' at 'accounts.1.member' failed to "
            "satisfy constraint: Member must satisfy regular expression pattern: "
            "^[0-9]{12}$",
        ),
    ],
)
def test_what_breaks_the_service_model_is_refused_in_its_words(
    raw: Raw, fields: dict[str, str], problem: str
) -> None:
    """API reference, "Common Error Types": ValidationError."""
    assert raw.refused(**fields) == (400, "ValidationError", problem)


@pytest.mark.parametrize(
    "fields",
    [
        {"MaxResults": "many"},
        {"MaxResults": "9" * 40},
        {"MaxResults.member.1": "1"},
        {"Filters": "x"},
        {"Filters.member.x.Name": "DETAILED_STATUS"},
        {"Filters.member": "x"},
        {"Filters.member.1": "x", "Filters.member.1.Name": "NOPE"},
        {"NextToken": "-1"},
        {"NextToken": "1e3"},
        {"StackSetName.member.1": "kept"},
        {"StackInstanceRegion": "us east"},
    ],
)
def test_malformed_parameters_are_refused(raw: Raw, fields: dict[str, str]) -> None:
    """API reference, "Making Query Requests"."""
    request = {"Action": "ListStackInstances", "StackSetName": "kept", **fields}
    status, code, _ = raw.refused(**request)
    assert (status, code) == (400, "ValidationError")


def test_parameters_that_are_not_known_are_ignored_as_aws_does(raw: Raw) -> None:
    """API reference, "Making Query Requests"."""
    status, body = raw.send({"Action": "ListStackSets", "Unknown.x..y": "1"})
    assert status == 200 and b"kept" in body


def test_unknown_actions_are_refused(raw: Raw) -> None:
    """API reference, "Common Error Types": InvalidAction."""
    for action in ("MakeStackSetsFly", "", "StackSet"):
        status, code, _ = raw.refused(Action=action)
        assert (status, code) == (400, "InvalidAction")


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\x00", b"&&&=", b"Action", b"{}", b"%zz" * 1000]
)
def test_bodies_that_are_no_form_are_refused(raw: Raw, body: bytes) -> None:
    """API reference, "Common Error Types": MalformedQueryString."""
    status, _, _ = error(*raw.send(body))
    assert status == 400


def test_a_huge_body_is_refused(raw: Raw) -> None:
    """HTTP status 413."""
    body = b"Action=CreateStackSet&TemplateBody=" + b"x" * (17 * 1024 * 1024)
    status, code, _ = error(*raw.send(body))
    assert (status, code) == (413, "RequestEntityTooLarge")
    assert raw.aws.cloudformation.list_stack_sets()["Summaries"]


def test_text_that_xml_cannot_hold_is_answered_all_the_same(raw: Raw) -> None:
    """XML 1.0, "Characters"."""
    status, code, message = raw.refused(
        Action="DescribeStackSet", StackSetName="a\x00<&\x0b>b"
    )
    assert (status, code) == (404, "StackSetNotFoundException")
    assert "<&" in message


def test_a_template_comes_back_byte_for_byte(raw: Raw) -> None:
    """StackSet, TemplateBody."""
    body = "Resources:\r\n  T:\n    Type: AWS::SNS::Topic\n# <é ]]> & \t>\n"
    client = raw.aws.cloudformation
    client.create_stack_set(StackSetName="bytes", TemplateBody=body)
    found = client.describe_stack_set(StackSetName="bytes")["StackSet"]
    assert found["TemplateBody"] == body


def test_a_request_cut_half_way_changes_nothing(raw: Raw) -> None:
    """A request that is not complete is none."""
    request = urlencode(
        {
            "Action": "CreateStackSet",
            "StackSetName": "cut",
            "TemplateBody": template(),
        }
    ).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {raw.authorization}\r\n"
        f"Content-Type: {FORM}\r\nContent-Length: {len(request) + 10}\r\n\r\n"
    ).encode()
    for cut in (len(request), 5, 0):
        with socket.create_connection(("127.0.0.1", raw.port)) as connection:
            connection.sendall(head + request[:cut])
    found = raw.aws.cloudformation.list_stack_sets()["Summaries"]
    assert [s["StackSetName"] for s in found] == ["kept"]


def test_everything_else_passes_through_whole(aws: Aws) -> None:
    """S3: PutObject, GetObject."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=f"through-{aws.account}")
    body = bytes(range(256)) * 20_000
    s3.put_object(Bucket=f"through-{aws.account}", Key="a b/ü", Body=body)
    found = s3.get_object(Bucket=f"through-{aws.account}", Key="a b/ü")["Body"]
    assert found.read() == body
    assert aws.client("sts").get_caller_identity()["Account"] == aws.account
    stacks = aws.cloudformation
    stacks.create_stack(StackName="plain", TemplateBody=template())
    assert stacks.describe_stacks(StackName="plain")["Stacks"]


def test_an_assumed_role_acts_in_its_own_account(aws: Aws) -> None:
    """STS: AssumeRole."""
    aws.cloudformation.create_stack_set(StackSetName="own", TemplateBody=template())
    aws.make_role(aws.account, "visitors", {"AWS": "*"})
    session = aws.client("sts", "222222222222").assume_role(
        RoleArn=f"arn:aws:iam::{aws.account}:role/visitors", RoleSessionName="visit"
    )["Credentials"]
    visitor: Any = boto3.client(
        "cloudformation",
        endpoint_url=aws.url,
        region_name="us-east-1",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    found = visitor.list_stack_sets()["Summaries"]
    assert [s["StackSetName"] for s in found] == ["own"]


def test_a_query_may_be_sent_by_get(raw: Raw) -> None:
    """API reference, "Making Query Requests": GET."""
    query = urlencode({"Action": "ListStackSets", "Version": "2010-05-15"})
    with closing(HTTPConnection("127.0.0.1", raw.port, timeout=PATIENCE)) as connection:
        headers = {"Authorization": raw.authorization}
        connection.request("GET", f"/?{query}", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200 and b"kept" in answer.read()


def test_a_signature_for_a_region_that_is_none_is_refused(aws: Aws) -> None:
    """SignatureDoesNotMatch: the credential's scope."""
    client = aws.client("cloudformation", region="us-nowhere-7")
    with pytest.raises(ClientError) as refusal:
        client.list_stack_sets()
    answer = refusal.value.response
    assert answer["Error"]["Code"] == "SignatureDoesNotMatch"
    assert answer["Error"]["Message"].endswith("scoped to a valid region.")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_control_routes_are_not_for_aws_clients(raw: Raw) -> None:
    """Not AWS: the control routes need the token."""
    with closing(HTTPConnection("127.0.0.1", raw.port, timeout=PATIENCE)) as connection:
        connection.request("POST", "/_tapgen/reset")
        answer = connection.getresponse()
        assert answer.status == 403
        assert "x-tapgen-token" in json.loads(answer.read())["error"]


PARTS = st.sampled_from(
    """Action StackSetName TemplateBody Parameters Accounts Regions RetainStacks member
    entry 1 2 0 -1 999999999999 DeploymentTargets OperationPreferences Tags NextToken
    MaxResults OrganizationalUnitIds AutoDeployment Enabled a.b""".split()
)
KEYS = st.lists(PARTS, min_size=1, max_size=5).map(".".join)
WORDS = st.one_of(st.sampled_from(["kept", "", "1", "true", "us-east-1"]), st.text())
ACTIONS = st.sampled_from(
    """CreateStackSet UpdateStackSet CreateStackInstances UpdateStackInstances
    DeleteStackInstances ListStackInstances ListStackSets ImportStacksToStackSet
    DetectStackSetDrift StopStackSetOperation""".split()
)


@settings(
    max_examples=1000 if "TAPGEN_SOAK" in os.environ else 60,
    suppress_health_check=list(HealthCheck),
)
@given(action=ACTIONS, fields=st.dictionaries(KEYS, WORDS, max_size=6))
def test_no_form_breaks_the_service(
    raw: Raw, action: str, fields: dict[str, str]
) -> None:
    """Query protocol: fields of any name, nested in any way, with any value."""
    form = {"Version": "2010-05-15", **fields, "Action": action}
    status, body = raw.send(urlencode(form, errors="surrogatepass").encode())
    assert status < 500 and b"Traceback" not in body, form
    assert raw.aws.cloudformation.describe_stack_set(StackSetName="kept")
