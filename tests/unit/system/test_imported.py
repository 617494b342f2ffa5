"""Stacks that exist as a system: what belongs together, what is refused, and the files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen import blueprints, config
from tapgen.aws.existing import Existing, Wanted
from tapgen.config.stack_sets import MOST_PART, PART
from tapgen.model import Target
from tapgen.system import imported
from tests.make import EAST, WEST

NORTH = Target("222222222222", "us-east-1")
YAML = "Parameters: {Size: {Type: String}}\nResources: {T: {Type: AWS::SNS::Topic}}\n"
JSON = json.dumps(
    {
        "Parameters": {"Size": {"Type": "String"}},
        "Resources": {"T": {"Type": "AWS::SNS::Topic"}},
    }
)
OTHER = JSON.replace("SNS::Topic", "SQS::Queue")


def stack(name: str, target: Target = EAST, text: str = YAML, **more: Any) -> Existing:
    id = f"arn:aws:cloudformation:{target.region}:{target.account}:stack/{name}/1"
    values = more.pop("parameters", {"Size": "1"})
    status = more.pop("status", "CREATE_COMPLETE")
    return Existing(name, id, target, status, text, values, **more)


def test_what_has_the_same_template_belongs_together() -> None:
    parts = imported.parts(
        [
            stack("net-east"),
            stack("net-west", WEST, JSON, parameters={"Size": "2"}),
            stack("net-north", NORTH, JSON),
            stack("Other", text=OTHER),
        ]
    )

    first, second = parts
    assert (first.name, second.name) == ("net", "other")
    assert [*first.ids] == [EAST, WEST, NORTH]
    assert first.parameters == {"Size": "1"} and first.overrides == {
        WEST: {"Size": "2"}
    }
    assert (first.file, second.file) == ("net.yaml", "other.json")


def test_two_stacks_in_one_place_are_two_stack_sets() -> None:
    parts = imported.parts(
        [stack("a"), stack("b"), stack("a", WEST), stack("A-", NORTH, OTHER)]
    )

    assert [p.name for p in parts] == ["a", "b", "a-2"]
    assert [[*p.ids] for p in parts] == [[EAST, WEST], [EAST], [NORTH]]


@pytest.mark.parametrize(
    "one, words",
    [
        (stack("a", status="UPDATE_IN_PROGRESS"), "is UPDATE_IN_PROGRESS"),
        (stack("a", status="ROLLBACK_COMPLETE"), "is ROLLBACK_COMPLETE"),
        (stack("a", parent="arn:root"), "is nested in arn:root"),
        (
            stack("StackSet-net-0a1b2c3d-1111-2222-3333-444455556666"),
            "belongs to stack set net",
        ),
        (stack("taken"), "belongs to stack set mine"),
        (
            stack("a", text=YAML.replace("String}", "String, NoEcho: true}")),
            "NoEcho parameter Size",
        ),
        (stack("a", text="Transform: AWS::LanguageExtensions\n" + YAML), "a macro"),
        (stack("a", text="]"), "cannot be read"),
    ],
)
def test_what_aws_refuses_is_refused_before(one: Existing, words: str) -> None:
    owners = {stack("taken").id: "mine"}

    assert words in " ".join(imported.refusals(imported.parts([one]), owners))


def test_a_long_name_becomes_one_that_a_part_may_have() -> None:
    long = stack("prod-shop-network-vpc-and-subnets")
    for part in imported.parts([long, replace(long, template=OTHER)]):
        assert len(part.name) <= MOST_PART and PART.fullmatch(part.name)


def test_tags_that_the_next_update_takes_are_named() -> None:
    tagged = imported.parts([stack("net", tags={"CostCenter": "42"})])
    (line,) = imported.lost_tags(tagged)
    assert "CostCenter=42" in line
    assert not imported.lost_tags(imported.parts([stack("net")]))


def test_stacks_are_chosen_by_name_prefix_and_tags() -> None:
    tags = [{"Key": "Project", "Value": "shop"}]
    one = {"StackName": "shop-a", "StackId": "arn:x", "Tags": tags}

    assert Wanted(prefix="shop-").takes(one)
    assert Wanted(prefix="shop-", tags={"Project": "shop"}).takes(one)
    assert not Wanted(prefix="shop-", tags={"Project": "other"}).takes(one)
    assert not Wanted(prefix="other").takes(one)
    assert Wanted(names=("arn:x",), prefix="other").takes(one)
    assert not Wanted(names=("b",)).takes(one)


VALUES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20
).filter(lambda v: "{{" not in v)


@settings(max_examples=15)
@given(st.lists(VALUES, min_size=3, max_size=3))
def test_the_written_config_gives_each_stack_the_values_that_it_has(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    places = (EAST, WEST, NORTH)
    stacks = [
        stack("net", place, parameters={"Size": value})
        for place, value in zip(places, values, strict=True)
    ]
    folder = tmp_path_factory.mktemp("imported")
    parts = imported.parts(stacks)
    for path, text in imported.files("shop", "prod", EAST, parts, folder).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    system = build(folder / "shop.yaml")

    (s,) = system.stack_sets
    assert {t: s.values(t)["Size"] for t in s.targets} == {
        place: value for place, value in zip(places, values, strict=True)
    }
    assert s.imported == ("net",) and imported.changed(parts, system) == []
    assert system.admin == EAST


def build(path: Path) -> Any:
    found = blueprints.find("custom")
    assert found
    return found.build(config.load(path, blueprints.find, None, blueprints.names))
