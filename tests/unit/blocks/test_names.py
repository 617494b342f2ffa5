"""One naming function, and the check that its names fit."""

from __future__ import annotations

import pytest
from troposphere import Ref, Sub

from tapgen.blocks import names


def test_a_name_has_code_suffix_thing_and_role() -> None:
    assert names.name("sn", "data", "dr") == "sn-${EnvironmentSuffix}-data-dr"
    assert names.name("sn", "config") == "sn-${EnvironmentSuffix}-config"


def test_a_name_that_all_accounts_share_ends_in_the_account() -> None:
    name = names.name("sn", "data", names.THIS_ROLE, unique=True)
    assert name == "sn-${EnvironmentSuffix}-data-${RegionRole}-${AWS::AccountId}"


def test_an_arn_names_no_partition_of_its_own() -> None:
    assert names.arn("logs", "log-group:x") == (
        "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:x"
    )
    assert names.bucket_arn("b") == "arn:${AWS::Partition}:s3:::b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${AWS::Region}", Ref("AWS::Region").to_dict()),
        ("a-${Suffix}", Sub("a-${Suffix}").to_dict()),
        ("${A}${B}", Sub("${A}${B}").to_dict()),
    ],
)
def test_text_becomes_the_plainest_template_value(text: str, expected: object) -> None:
    value = names.sub(text)
    assert (value if isinstance(value, str) else value.to_dict()) == expected


def template(resource_type: str, **properties: object) -> dict[str, object]:
    return {"Resources": {"Thing": {"Type": resource_type, "Properties": properties}}}


@pytest.mark.parametrize(
    "value",
    [
        "x" * 65,
        {"Ref": "EnvironmentSuffix"},
        {"Fn::Sub": "sn-${EnvironmentSuffix}-role"},
        {"Fn::Sub": ["sn-${EnvironmentSuffix}-role", {}]},
        {"Fn::If": ["Some", "short", {"Fn::Sub": "${EnvironmentSuffix}"}]},
    ],
)
def test_a_name_that_is_too_long_is_reported_with_its_resource(value: object) -> None:
    found = names.too_long(
        template("AWS::IAM::Role", RoleName=value), {"EnvironmentSuffix": "s" * 65}
    )
    assert len(found) == 1
    assert found[0].startswith("Thing: RoleName ")
    assert "AWS::IAM::Role allows 64" in found[0]


def test_names_that_fit_are_fine() -> None:
    fits = template("AWS::IAM::Role", RoleName={"Fn::Sub": "${EnvironmentSuffix}"})
    assert names.too_long(fits, {"EnvironmentSuffix": "s" * 64}) == []
    other = template("AWS::SQS::Queue", RoleName="x" * 300)
    assert names.too_long(other, {}) == []
