"""Changes that reach nobody, as a snapshot of the resource stays the same."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.knowledge.snapshots import SNAPSHOTS, Snapshot
from tapgen.template import diff, risk
from tapgen.template.risk import Kind
from tests import make
from tests.unit.knowledge.paths import is_known


def named(old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    """Logical id → words, of what is not published."""
    changes = diff.templates(make.template(resources=old), make.template(resources=new))
    found = [one for change in changes for one in risk.of(change)]
    return {o.logical_id: o.detail for o in found if o.kind is Kind.UNPUBLISHED}


def function(version: str = "One", key: str = "a.zip", **more: Any) -> dict[str, Any]:
    properties = {"Code": {"S3Bucket": "b", "S3Key": key}, "Role": "r", **more}
    return {
        "Handler": {"Type": "AWS::Lambda::Function", "Properties": properties},
        version: {
            "Type": "AWS::Lambda::Version",
            "Properties": {"FunctionName": {"Ref": "Handler"}},
        },
    }


def test_new_code_without_a_new_version_is_named() -> None:
    assert named(function(), function(key="b.zip")) == {
        "Handler": "One stays as it was, and what points at it does not get this change; "
        "give One another logical id to publish it"
    }
    assert list(named(function(), function(MemorySize=512))) == ["Handler"]


def test_a_new_version_publishes_it() -> None:
    assert named(function(), function("Two", "b.zip")) == {}
    both = function("Two", "b.zip") | {"One": function()["One"]}
    assert named(function(), both) == {}


def test_what_reaches_users_without_a_version_is_not_named() -> None:
    assert named(function(), function(ReservedConcurrentExecutions=5)) == {}
    noted = function()
    noted["Handler"]["Metadata"] = {"Why": "for scanners"}
    assert named(function(), noted) == {}
    alone = {"Handler": function()["Handler"]}, {
        "Handler": function(key="b")["Handler"]
    }
    assert named(*alone) == {}


def machine(definition: str, **more: Any) -> dict[str, Any]:
    arn = {"Fn::GetAtt": ["Machine", "Arn"]}
    return {
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {"DefinitionString": definition, "RoleArn": "r"},
        },
        "Published": {
            "Type": "AWS::StepFunctions::StateMachineVersion",
            "Properties": {"StateMachineArn": arn, **more},
        },
    }


def test_versions_that_follow_their_source_are_new_ones() -> None:
    revision = {"Fn::GetAtt": ["Machine", "StateMachineRevisionId"]}

    assert list(named(machine("a"), machine("b"))) == ["Machine"]
    follows = [machine(d, StateMachineRevisionId=revision) for d in "ab"]
    assert named(*follows) == {}


def api(deployment: str, *methods: str) -> dict[str, Any]:
    of = {"RestApiId": {"Ref": "Api"}}
    return {
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "a"}},
        deployment: {"Type": "AWS::ApiGateway::Deployment", "Properties": of},
        **{
            m: {
                "Type": "AWS::ApiGateway::Method",
                "Properties": {**of, "HttpMethod": m},
            }
            for m in methods
        },
    }


def test_methods_need_a_new_deployment() -> None:
    assert list(named(api("D1", "GET"), api("D1", "GET", "POST"))) == ["POST"]
    assert list(named(api("D1", "GET", "POST"), api("D1", "GET"))) == ["POST"]
    assert named(api("D1", "GET"), api("D2", "GET", "POST")) == {}


@pytest.mark.parametrize("one", SNAPSHOTS, ids=lambda one: one.type)
def test_every_entry_names_properties_of_its_types(one: Snapshot) -> None:
    assert is_known(one.type, one.source)
    for path in one.live:
        assert is_known(one.of, path), path
    for kind in one.parts:
        assert is_known(kind, one.source), kind
