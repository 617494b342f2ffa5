"""Custom resources answer as they do on AWS, or fail with the reason at once."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tapgen.emulator.cloudformation.patches.custom_resources import _wrong
from tests.emulator.places import Place, of

_TRUST = {"Version": "2012-10-17", "Statement": []}

_MODULE = """
import cfnresponse
def handler(event, context):
    cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Word": "hello"}, "mine")
"""
_NODE_MODULE = """
const response = require("cfn-response");
exports.handler = (event, context) => {
  response.send(event, context, response.SUCCESS, { Word: "hello" }, "mine");
};
"""
_ANSWER = """
import json, urllib.request, urllib3
from http.client import HTTPSConnection
from urllib.parse import urlparse
def answer(event):
    keys = ("StackId", "RequestId", "LogicalResourceId")
    return json.dumps({"Status": "SUCCESS", "PhysicalResourceId": "mine",
                       "Data": {"Word": "hello"}, **{k: event[k] for k in keys}})
"""
_OF_A_TOPIC = """
import cfnresponse, json
def handler(event, context):
    asked = json.loads(event["Records"][0]["Sns"]["Message"])
    word = {"Word": asked["RequestType"] + " " + asked["ResourceProperties"]["For"]}
    cfnresponse.send(asked, context, cfnresponse.SUCCESS, word, "mine")
"""
_WITHOUT_PORT = _ANSWER + """
def handler(event, context):
    url = urlparse(event["ResponseURL"])
    connection = HTTPSConnection(url.hostname, timeout=60)
    connection.request("PUT", url.path + "?" + url.query, answer(event))
    connection.getresponse().read()
"""
_WITH_NETLOC = _ANSWER + """
def handler(event, context):
    url = urlparse(event["ResponseURL"])
    connection = HTTPSConnection(url.netloc, timeout=60)
    connection.request("PUT", url.path, answer(event))
    connection.getresponse().read()
"""
_OF_URLLIB3 = _ANSWER + """
def handler(event, context):
    url = event["ResponseURL"].replace("http://", "https://")
    urllib3.PoolManager().request("PUT", url, body=answer(event), timeout=60)
"""
_AT_THE_SECOND_ATTEMPT = _ANSWER + """
import boto3
def handler(event, context):
    ssm = boto3.client("ssm")
    try:
        ssm.get_parameter(Name="seen-" + event["RequestType"])
    except ssm.exceptions.ParameterNotFound:
        ssm.put_parameter(Name="seen-" + event["RequestType"], Value="1", Type="String")
        raise
    urllib.request.urlopen(urllib.request.Request(
        event["ResponseURL"], answer(event).encode(), method="PUT"))
"""


def _resources(code: str, runtime: str = "python3.12", **more: Any) -> dict[str, Any]:
    function = of(
        "Lambda::Function",
        Runtime=runtime,
        Handler="index.handler",
        Timeout=120,
        Role={"Fn::GetAtt": ["Role", "Arn"]},
        Code={"ZipFile": code},
    )
    custom = {
        "Type": "Custom::Mine",
        "Properties": {"ServiceToken": {"Fn::GetAtt": ["F", "Arn"]}, **more},
    }
    role = of("IAM::Role", AssumeRolePolicyDocument=_TRUST)
    return {"F": function, "Role": role, "R": custom}


@pytest.mark.parametrize(
    "code",
    [_MODULE, _WITHOUT_PORT, _WITH_NETLOC, _OF_URLLIB3, _AT_THE_SECOND_ATTEMPT],
    ids=["module", "without port", "netloc", "urllib3", "second attempt"],
)
def test_an_answer_arrives_however_it_is_sent(place: Place, code: str) -> None:
    word = {"Word": {"Value": {"Fn::GetAtt": ["R", "Word"]}}}

    outputs = place.create("custom", _resources(code), Outputs=word)

    assert outputs == {"Word": "hello"}
    assert place.ids("custom")["R"] == "mine"


@pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed")
def test_the_module_for_node_answers(place: Place) -> None:
    word = {"Word": {"Value": {"Fn::GetAtt": ["R", "Word"]}}}

    outputs = place.create(
        "custom", _resources(_NODE_MODULE, "nodejs20.x"), Outputs=word
    )

    assert outputs == {"Word": "hello"}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import not_there\ndef handler(e, c): pass\n", "No module named 'not_there'"),
        ("def handler(e, c):\n    raise KeyError('of mine')\n", "of mine"),
        ("def other(e, c): pass\n", "no attribute 'handler'"),
    ],
    ids=["import", "raise", "no handler"],
)
def test_a_function_that_fails_fails_its_resource_at_once(
    place: Place, code: str, error: str
) -> None:
    reason = place.failed("custom", _resources(code))

    assert "CloudFormation did not receive a response" in reason
    assert error in reason


def test_a_topic_is_asked(place: Place) -> None:
    resources = _resources(_OF_A_TOPIC, For="me")
    function = {"Fn::GetAtt": ["F", "Arn"]}
    subscribed = {"Protocol": "lambda", "Endpoint": function}
    resources["Topic"] = of("SNS::Topic", Subscription=[subscribed])
    resources["R"]["Properties"]["ServiceToken"] = {"Ref": "Topic"}
    word = {"Word": {"Value": {"Fn::GetAtt": ["R", "Word"]}}}

    assert place.create("custom", resources, Outputs=word) == {"Word": "Create me"}
    resources["R"]["Properties"]["For"] = "you"
    assert place.update("custom", resources, Outputs=word) == {"Word": "Update you"}
    place.delete("custom")


def test_a_function_that_never_answers_fails_after_its_service_timeout(
    place: Place,
) -> None:
    code = "def handler(event, context): return 'no answer'\n"

    reason = place.failed("custom", _resources(code, ServiceTimeout="1"))

    assert reason.startswith("CloudFormation did not receive a response from your")


def test_answers_that_aws_does_not_read() -> None:
    good = {"Status": "SUCCESS", "PhysicalResourceId": "x"}

    assert _wrong(good) == ""
    assert "too long" in _wrong({**good, "Data": {"a": "x" * 4096}})
    assert "PhysicalResourceId" in _wrong({"Status": "SUCCESS"})
    assert "status" in _wrong({"Status": "DONE"})
    assert "status" in _wrong(["SUCCESS"])
