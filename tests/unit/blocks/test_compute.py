"""Functions from handlers, their versions and their alarms."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from troposphere import Ref, Template, encode_to_dict

from tapgen.blocks import compute


def function(t: Template, **more: Any) -> Any:
    given: dict[str, Any] = {
        "name": "sa-x-items",
        "handler": "items",
        "description": "Takes items",
        "role_arn": Ref("Role"),
        "key_arn": Ref("Key"),
        "retention_days": 30,
        "environment": {"TABLE_NAME": "t"},
        **more,
    }
    return compute.function(t, "Function", **given)


def built(**more: Any) -> dict[str, Any]:
    t = Template()
    function(t, **more)
    resources = t.to_dict()["Resources"]
    assert isinstance(resources, dict)
    return resources


def test_a_function_logs_json_to_an_encrypted_group_of_its_own() -> None:
    resources = built()
    logging = resources["Function"]["Properties"]["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    group = resources[logging["LogGroup"]["Ref"]]["Properties"]
    assert group["LogGroupName"] == "/aws/lambda/sa-x-items"
    assert (group["KmsKeyId"], group["RetentionInDays"]) == ({"Ref": "Key"}, 30)


def test_only_a_function_with_subnets_is_in_a_vpc() -> None:
    assert "VpcConfig" not in built()["Function"]["Properties"]
    inside = built(subnet_ids=Ref("Subnets"), security_group_ids=[Ref("Group")])
    assert inside["Function"]["Properties"]["VpcConfig"] == {
        "SubnetIds": {"Ref": "Subnets"},
        "SecurityGroupIds": [{"Ref": "Group"}],
    }


def test_the_memory_is_a_parameter_within_what_lambda_takes() -> None:
    t = Template()
    assert compute.memory(t).data == {"Ref": "MemorySize"}
    found = t.to_dict()["Parameters"]["MemorySize"]
    assert (found["MinValue"], found["MaxValue"]) == (128, 10240)


def test_the_source_is_embedded_as_it_is_tested() -> None:
    code = built()["Function"]["Properties"]["Code"]["ZipFile"]
    assert code == compute.source("items")
    assert "def handler(event" in code


def version(**more: Any) -> dict[str, Any]:
    t = Template()
    compute.release(t, function(t), **more)
    resources = t.to_dict()["Resources"]
    assert isinstance(resources, dict)
    return resources


def test_a_version_is_described_by_what_changes_the_function() -> None:
    plain = version()["FunctionVersion"]["Properties"]["Description"]
    assert plain.startswith("code ")
    described = version(settings=["MemorySize"])["FunctionVersion"]
    # Descriptions cannot change: another value is another version.
    assert described["Properties"]["Description"] == {
        "Fn::Sub": f"{plain}, MemorySize ${{MemorySize}}"
    }
    assert described["UpdateReplacePolicy"] == "Retain"
    assert described["DeletionPolicy"] == "Delete"  # with the function itself


def test_live_follows_the_newest_version_unless_a_stable_one_is_given() -> None:
    newest = {"Fn::GetAtt": ["FunctionVersion", "Version"]}
    resources = version()
    for alias, name in (("FunctionLive", "live"), ("FunctionCanary", "canary")):
        properties = resources[alias]["Properties"]
        assert (properties["Name"], properties["FunctionVersion"]) == (name, newest)
    resources = version(stable_version=Ref("Stable"), has_stable="HasStable")
    live = resources["FunctionLive"]["Properties"]["FunctionVersion"]
    assert live == {"Fn::If": ["HasStable", {"Ref": "Stable"}, newest]}


def test_a_slow_call_rings_before_it_times_out() -> None:
    t = Template()
    compute.alarms(
        t, function=function(t, timeout=30), alarm_name="x-%s", topic_arn="t"
    )
    alarms = {
        r["Properties"]["MetricName"]: r["Properties"]
        for r in t.to_dict()["Resources"].values()
        if r["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert set(alarms) == {"Errors", "Duration", "Throttles"}
    assert alarms["Duration"]["Threshold"] == 24_000
    assert alarms["Duration"]["ExtendedStatistic"] == "p99"


def test_logs_are_written_to_the_groups_of_these_functions_in_these_regions() -> None:
    statements = compute.write_logs(["sa-x-items"], ["us-east-1", "us-west-2"])
    for statement in map(encode_to_dict, statements):
        texts = [next(iter(r.values())) for r in statement["Resource"]]
        assert texts == [
            f"arn:${{AWS::Partition}}:logs:{region}:${{AWS::AccountId}}"
            ":log-group:/aws/lambda/sa-x-items:*"
            for region in ("us-east-1", "us-west-2")
        ]


def test_what_needs_all_resources_is_named_and_little() -> None:
    attach = compute.attach_to_vpc(["sa-x-items"], ["us-east-1", "us-west-2"])
    for statement in (compute.trace(), *attach):
        plain = encode_to_dict(statement)
        assert plain["Sid"] and plain["Resource"] == ["*"]
        assert all(a.startswith(("xray:Put", "ec2:")) for a in plain["Action"])
    manage, denied = map(encode_to_dict, attach)
    assert denied["Effect"] == "Deny" and denied["Action"] == manage["Action"]
    functions = denied["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]
    for region, function in zip(["us-east-1", "us-west-2"], functions, strict=True):
        assert f":lambda:{region}:" in function["Fn::Sub"]


@pytest.mark.parametrize("handler", ["items", "payments", "switchover", "writer"])
def test_the_source_of_a_handler_needs_nothing_of_tapgen(handler: str) -> None:
    text = compute.source(handler)
    assert "tapgen.handlers" not in text and text.count("from __future__") == 1
    sys.modules["index"] = module = ModuleType("index")
    try:
        exec(compile(text, "index.py", "exec"), module.__dict__)
    finally:
        del sys.modules["index"]
    assert callable(module.__dict__["handler"])
