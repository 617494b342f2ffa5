"""Conditions decide as on AWS."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.emulator.cloudformation.template_checks import evaluated
from tests.emulator.cloudformation.patches.templates import EAST, TOPIC, WEST
from tests.emulator.places import Place, of

CONDITIONS: dict[str, Any] = {
    "Mappings": {"Roles": {EAST: {"Role": "primary"}, WEST: {"Role": "dr"}}},
    "Parameters": {
        "Suffix": {"Type": "String", "Default": "prod"},
        "Zones": {"Type": "CommaDelimitedList", "Default": "a,b"},
    },
    "Conditions": {
        "Region": {"Fn::Equals": [{"Ref": "AWS::Region"}, EAST]},
        "Account": {"Fn::Equals": [{"Fn::Sub": "${AWS::AccountId}"}, "1"]},
        "Partition": {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws"]},
        "Suffix": {"Fn::Equals": [{"Ref": "AWS::URLSuffix"}, "amazonaws.com"]},
        "Named": {"Fn::Equals": [{"Ref": "AWS::StackName"}, "conditions"]},
        "Joined": {
            "Fn::Equals": [
                {"Fn::Join": ["-", [{"Ref": "AWS::Region"}, {"Ref": "Suffix"}]]},
                f"{EAST}-prod",
            ]
        },
        "Subbed": {"Fn::Equals": [{"Fn::Sub": "${Suffix}/${AWS::Region}"}, "x"]},
        "Mapped": {
            "Fn::Equals": [
                {"Fn::FindInMap": ["Roles", {"Ref": "AWS::Region"}, "Role"]},
                "primary",
            ]
        },
        "Selected": {"Fn::Equals": [{"Fn::Select": ["1", {"Ref": "Zones"}]}, "b"]},
        "Split": {
            "Fn::Equals": [
                {"Fn::Select": [0, {"Fn::Split": ["-", {"Ref": "AWS::Region"}]}]},
                "us",
            ]
        },
        "Nested": {
            "Fn::And": [
                {"Condition": "Region"},
                {"Fn::Or": [{"Condition": "Account"}, {"Condition": "Mapped"}]},
                {"Fn::Not": [{"Condition": "Subbed"}]},
            ]
        },
        "Chosen": {"Fn::Equals": [{"Fn::If": ["Nested", "yes", "no"]}, "yes"]},
        "Truth": {"Fn::Equals": [True, "true"]},
    },
}
EVERYWHERE = {"Partition", "Suffix", "Named", "Selected", "Split", "Truth"}
HERE = {"Region", "Joined", "Mapped", "Nested", "Chosen"}


def shown() -> dict[str, Any]:
    """One output under each condition."""
    return {
        name: {"Value": "so", "Condition": name} for name in CONDITIONS["Conditions"]
    }


def test_conditions_hold_by_region_account_and_every_function(place: Place) -> None:
    sections = {**CONDITIONS, "Outputs": shown()}
    assert set(place.create("conditions", TOPIC, **sections)) == EVERYWHERE | HERE
    west = place.at(WEST)
    assert set(west.create("conditions", TOPIC, **sections)) == EVERYWHERE


def test_a_condition_decides_over_resources_properties_and_updates(
    place: Place,
) -> None:
    in_dr = {"Fn::Equals": [{"Fn::FindInMap": _role()}, "dr"]}
    sections = {"Mappings": CONDITIONS["Mappings"], "Conditions": {"Dr": in_dr}}
    chosen = {"Fn::If": ["Dr", "dr", {"Ref": "AWS::NoValue"}]}
    resources = {
        "R": of("SNS::Topic", DisplayName=chosen),
        "Only": {**of("SNS::Topic"), "Condition": "Dr"},
    }
    for where, expected in ((place, {"R"}), (place.at(WEST), {"R", "Only"})):
        where.create("by-region", resources, **sections)
        assert set(where.ids("by-region")) == expected
    # The condition turns in an update: the resource goes, or comes.
    sections["Conditions"] = {"Dr": {"Fn::Not": [in_dr]}}
    for where, expected in ((place, {"R", "Only"}), (place.at(WEST), {"R"})):
        where.update("by-region", resources, **sections)
        assert set(where.ids("by-region")) == expected


def _role() -> list[Any]:
    return ["Roles", {"Ref": "AWS::Region"}, "Role"]


def test_a_change_set_knows_conditions_on_the_region(place: Place) -> None:
    place.create("changing", TOPIC)
    resources = {
        **TOPIC,
        "New": {**of("SNS::Topic"), "Condition": "Here"},
        "Not": {**of("SNS::Topic"), "Condition": "There"},
    }
    here = {"Fn::Equals": [{"Ref": "AWS::Region"}, EAST]}
    sections = {"Here": here, "There": {"Fn::Not": [{"Condition": "Here"}]}}
    assert place.changes("changing", resources, Conditions=sections) == {"New": "Add"}
    cloudformation = place.cloudformation
    cloudformation.execute_change_set(StackName="changing", ChangeSetName="c")
    assert place.settled("changing")["StackStatus"] == "UPDATE_COMPLETE"
    assert set(place.ids("changing")) == {"R", "New"}


def test_a_change_set_says_what_replaces_our_kinds(place: Place) -> None:
    first = {"R": of("Config::ConfigRule", ConfigRuleName="a", Source={"Owner": "AWS"})}
    later = {"R": of("Config::ConfigRule", ConfigRuleName="b", Source={"Owner": "AWS"})}
    place.create("replacing", first)
    assert place.changes("replacing", later) == {"R": "True"}


def plain(value: Any, known: Any, mappings: Any) -> Any:
    """Resolves nothing."""
    return value


def test_conditions_in_a_circle_and_undefined_ones_are_errors() -> None:
    circle = {"A": {"Condition": "B"}, "B": {"Fn::Not": [{"Condition": "A"}]}}
    with pytest.raises(ValueError, match=r"between conditions: \[A, B\]"):
        evaluated({"Conditions": circle}, plain)
    with pytest.raises(ValueError, match="Unresolved condition dependency B"):
        evaluated({"Conditions": {"A": {"Condition": "B"}}}, plain)


@given(st.recursive(st.booleans(), lambda e: st.lists(e, min_size=1, max_size=3)))
def test_and_or_and_not_nest_to_any_depth(tree: Any) -> None:
    def expression(node: Any) -> Any:
        if isinstance(node, bool):
            return {"Fn::Equals": ["x", "x" if node else "y"]}
        return {"Fn::Not": [{"Fn::And": [{"Fn::Or": [*map(expression, node)]}]}]}

    def expected(node: Any) -> bool:
        return node if isinstance(node, bool) else not any(map(expected, node))

    found = evaluated({"Conditions": {"C": expression(tree)}}, plain)
    assert found == {"C": expected(tree)}
