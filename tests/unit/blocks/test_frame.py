"""What every template has around its resources."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tapgen.blocks import frame, names
from tapgen.config.shape import Suffix


@pytest.mark.parametrize(
    ("role", "parameters"),
    [
        ("primary", ["EnvironmentSuffix", "PrimaryRegion", "DrRegion"]),
        ("dr", ["EnvironmentSuffix", "PrimaryRegion", "DrRegion"]),
        ("global", ["EnvironmentSuffix", "PrimaryRegion", "DrRegion"]),
        (
            "every",
            ["EnvironmentSuffix", "PrimaryRegion", "DrRegion", "RegionRole"],
        ),
    ],
)
def test_a_template_knows_where_it_runs(role: str, parameters: list[str]) -> None:
    body = frame.start("A thing", role=role).to_dict()
    assert list(body["Parameters"]) == parameters
    assert body["AWSTemplateFormatVersion"] == "2010-09-09"
    asserted = [a for r in body["Rules"].values() for a in r["Assertions"]]
    assert all(a["AssertDescription"] for a in asserted)


def test_a_rule_for_every_region_holds_for_its_role_only() -> None:
    rules = frame.start("A thing", role="every").to_dict()["Rules"]
    condition = rules["RunsInDrRegion"]["RuleCondition"]
    assert condition == {"Fn::Equals": [{"Ref": "RegionRole"}, "dr"]}


def test_a_system_names_its_own_region_roles() -> None:
    roles = ("source", "target")
    body = frame.start("A thing", role="global", roles=roles).to_dict()
    assert set(body["Parameters"]) >= {"SourceRegion", "TargetRegion"}
    assert set(body["Rules"]) == {"RegionsDiffer", "RunsInSourceRegion"}
    body = frame.start("A thing", role="every", roles=roles).to_dict()
    assert body["Parameters"]["RegionRole"]["AllowedValues"] == ["source", "target"]
    assert set(body["Rules"]) >= {"RunsInSourceRegion", "RunsInTargetRegion"}


def test_groups_come_in_one_order_whatever_was_added_first() -> None:
    t = frame.start("A thing", role="dr")
    frame.parameter(t, "SomeSetting", description="A setting.")
    frame.parameter(t, "FromThere", description="A wire.", group=frame.WIRING)
    interface = t.to_dict()["Metadata"]["AWS::CloudFormation::Interface"]
    labels = [g["Label"]["default"] for g in interface["ParameterGroups"]]
    assert labels == [frame.PLACE, frame.WIRING, frame.SETTINGS]
    assert interface["ParameterLabels"]["SomeSetting"] == {"default": "Some setting"}


def test_a_flag_is_a_condition() -> None:
    t = frame.start("A thing", role="dr")
    frame.flag(t, "Fast", description="Whether.", condition="IsFast")
    body = t.to_dict()
    assert body["Parameters"]["Fast"]["AllowedValues"] == ["true", "false"]
    assert body["Conditions"]["IsFast"] == {"Fn::Equals": [{"Ref": "Fast"}, "true"]}


def test_what_another_part_gives_has_the_form_of_what_it_is() -> None:
    t = frame.start("A thing", role="dr")
    frame.role_arn(t, "SomeRoleArn", "A role.")
    frame.other_key(t, "OtherKeyArn", "A key.")
    frame.primary_key(t, "PrimaryKeyArn")
    frame.log_bucket(t)
    body = t.to_dict()
    key = "arn:aws:kms:eu-west-1:111122223333:key/"
    for name, good, bad in (
        ("SomeRoleArn", "arn:aws:iam::111122223333:role/x", "x"),
        ("OtherKeyArn", f"{key}12ab", key.replace("key/", "alias/x")),
        ("PrimaryKeyArn", f"{key}mrk-12ab", f"{key}12ab"),
        ("LogBucketName", "logs-111122223333", "Logs"),
    ):
        parameter = body["Parameters"][name]
        assert re.search(parameter["AllowedPattern"], good), name
        assert not re.search(parameter["AllowedPattern"], bad), name
        assert parameter["ConstraintDescription"].startswith("the "), name
    groups = body["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    (wired,) = (g for g in groups if g["Label"]["default"] == frame.WIRING)
    assert len(wired["Parameters"]) == 4


def test_outputs_are_described_and_never_exported() -> None:
    t = frame.start("A thing", role="dr")
    frame.outputs(t, ("One", "1", "The one"), ("Two", "2", "The two"), condition="Is")
    assert t.to_dict()["Outputs"] == {
        "One": {"Condition": "Is", "Description": "The one", "Value": "1"},
        "Two": {"Condition": "Is", "Description": "The two", "Value": "2"},
    }


def test_deletion_is_refused_by_the_service_that_holds_the_data() -> None:
    t = frame.start("A thing", role="dr")
    frame.deletion_protection(t, "the table", service="DynamoDB")
    found = t.to_dict()["Parameters"]["DeletionProtection"]
    assert found["Description"] == "Whether DynamoDB refuses to delete the table."
    assert found["AllowedValues"] == ["true", "false"]


SUFFIX: TypeAdapter[str] = TypeAdapter(Suffix)


@given(st.text("az09-A_", max_size=14))
@example("prod")
@example("prod-eu")
@example("1prod")
def test_templates_take_the_suffixes_that_configs_take(suffix: str) -> None:
    parameter = frame.start("A thing", role="dr").to_dict()["Parameters"][names.SUFFIX]
    taken = re.fullmatch(parameter["AllowedPattern"], suffix) is not None
    try:
        SUFFIX.validate_python(suffix)
    except ValidationError:
        accepted = False
    else:
        accepted = True
    assert accepted == (taken and len(suffix) <= parameter["MaxLength"])


def test_the_primary_region_is_a_condition_and_keys_and_topics_are_parameters() -> None:
    t = frame.start("A thing", role="every")
    frame.is_primary(t)
    frame.key_arn(t)
    frame.alert_topic(t)
    body = t.to_dict()
    assert body["Conditions"][frame.IS_PRIMARY] == {
        "Fn::Equals": [{"Ref": "RegionRole"}, "primary"]
    }
    key = body["Parameters"]["KmsKeyArn"]["AllowedPattern"]
    assert not re.search(key, "arn:aws:kms:eu-west-1:111122223333:alias/x")
    topic = body["Parameters"]["AlertTopicArn"]["AllowedPattern"]
    assert re.search(topic, "arn:aws:sns:eu-west-1:111122223333:x-alerts")
    assert frame.region_parameter("dr") == "DrRegion"
