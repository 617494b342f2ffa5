"""What registry schemas say of properties, in CloudFormation's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tapgen.emulator.cloudformation.property_checks import UNKNOWN, known, problems
from tapgen.template import schemas

ROOT = Path(__file__).parents[3]


def of(kind: str, **properties: Any) -> list[tuple[str, str]]:
    schema = schemas.schema(kind)
    assert schema
    return list(problems(schema, properties))


def test_a_required_property_that_is_missing_is_named() -> None:
    # aws/aws-cdk-cli#1463
    found = of("AWS::IAM::Policy", Roles=["a"])

    assert ("Properties", "Required property [PolicyName] not found") in found
    assert ("Properties", "Required property [PolicyDocument] not found") in found


def test_a_value_outside_an_enum_is_named_with_its_place() -> None:
    cors = {"AllowMethods": ["GET", "OPTIONS"]}

    (found,) = of("AWS::Lambda::Url", AuthType="NONE", TargetFunctionArn="f", Cors=cors)

    where, what = found
    assert where == "Properties/Cors/AllowMethods/1"
    assert what.startswith("OPTIONS is not a valid enum value. Supported values: [GET,")


@pytest.mark.parametrize(
    ("properties", "where", "what"),
    [
        ({"BucketNam": "a"}, "Properties", "Unsupported property [BucketNam]"),
        (
            {"VersioningConfiguration": {"Status": "Enabled", "Mfa": "x"}},
            "Properties/VersioningConfiguration",
            "Unsupported property [Mfa]",
        ),
        (
            {"VersioningConfiguration": ["Enabled"]},
            "Properties/VersioningConfiguration",
            "Property [VersioningConfiguration] expected type: JSONObject, "
            "found: JSONArray",
        ),
        (
            {"BucketName": {"Name": "a"}},
            "Properties/BucketName",
            "Property [BucketName] expected type: String, found: JSONObject",
        ),
    ],
)
def test_what_a_schema_does_not_have_is_named(
    properties: Mapping[str, Any], where: str, what: str
) -> None:
    assert of("AWS::S3::Bucket", **properties) == [(where, what)]


def test_numbers_and_booleans_may_be_text_and_documents_too() -> None:
    assert of("AWS::SQS::Queue", DelaySeconds="5", FifoQueue="true") == []
    assert of("AWS::IAM::Role", AssumeRolePolicyDocument="{}") == []


def test_what_is_not_known_passes() -> None:
    value = {"Fn::GetAtt": ["Other", "Arn"]}

    assert known(value, bool, lambda v: v) is UNKNOWN
    assert of("AWS::S3::Bucket", BucketName=UNKNOWN) == []
    assert of("AWS::SQS::Queue", DelaySeconds="{{resolve:ssm:/delay}}") == []


def test_nothing_that_tapgen_ships_is_refused() -> None:
    """Every resource of every template, with references left open."""

    def refers(value: Any) -> bool:
        return any(mark in json.dumps(value) for mark in ('"Ref"', '"Fn::'))

    found = {}
    for path in sorted(ROOT.glob("templates_out/**/*.json")):
        body = json.loads(path.read_text())
        resources = body.get("Resources", {}) if isinstance(body, dict) else {}
        for name, resource in resources.items():
            schema = schemas.schema(str(resource.get("Type")))
            given = known(resource.get("Properties", {}), refers, lambda v: v)
            if schema and given is not UNKNOWN:
                wrong = list(problems(schema, given))
                found |= {f"{path.name} {name}": wrong} if wrong else {}

    assert found == {}
