"""What every template has around its resources."""

from __future__ import annotations

import pytest

from tapgen.blocks import frame


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
