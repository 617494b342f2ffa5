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
from tapgen.config import canonical
from tapgen.config.stack_sets import MOST_PART, PART, RESERVED
from tapgen.model import Target
from tapgen.system import importable, imported
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


def test_every_name_becomes_one_that_a_part_may_have() -> None:
    long = stack("prod-shop-network-vpc-and-subnets")
    parts = imported.parts(
        [long, replace(long, template=OTHER), stack("manifest", text=OTHER + " ")]
    )
    for part in parts:
        assert len(part.name) <= MOST_PART and PART.fullmatch(part.name)
        assert part.name not in RESERVED


def test_what_a_stack_set_has_let_go_has_the_name_of_that() -> None:
    made = "StackSet-shop-prod-net-{}-1111-2222-3333-444455556666"
    places = {"0a1b2c3d": EAST, "1a1b2c3d": WEST}
    left = [stack(made.format(id), place) for id, place in places.items()]

    alone = imported.parts(left)
    beside = imported.parts([*left, stack("a"), stack("a", WEST)])

    assert [p.name for p in alone] == ["shop-prod-net"]
    assert [p.name for p in beside] == ["shop-prod-net", "a"]


def test_stacks_are_chosen_by_name_prefix_and_tags() -> None:
    tags = [{"Key": "Project", "Value": "shop"}]
    one = {"StackName": "shop-a", "StackId": "arn:x", "Tags": tags}

    assert Wanted(prefix="shop-").takes(one)
    assert Wanted(prefix="shop-", tags={"Project": "shop"}).takes(one)
    assert not Wanted(prefix="shop-", tags={"Project": "other"}).takes(one)
    assert not Wanted(prefix="other").takes(one)
    assert Wanted(names=("arn:x",), prefix="other").takes(one)
    assert not Wanted(names=("b",)).takes(one)


EXPORTS = """
Resources: {T: {Type: AWS::SNS::Topic}}
Outputs: {A: {Value: a, Export: {Name: !Sub "${AWS::StackName}-a"}}}
"""
IMPORTS = """
Parameters: {From: {Type: String}}
Resources:
  T: {Type: AWS::SNS::Topic, Properties: {TopicName: !ImportValue {Ref: From}}}
"""


def test_who_imports_an_export_waits_for_who_exports_it() -> None:
    user = stack("user", text=IMPORTS, parameters={"From": "base-a"})
    base = stack("base", text=EXPORTS, parameters={}, exports=["base-a"])
    far = replace(base, target=WEST)
    circle = replace(base, exports=["base-a", "user-a"], template=IMPORTS)
    circle = replace(circle, parameters={"From": "user-b"})

    assert imported.needs(imported.parts([user, base])) == {"user": ["base"]}
    assert imported.needs(imported.parts([user, far])) == {}
    mutual = replace(user, exports=["user-b"], template=IMPORTS + " ")
    assert imported.needs(imported.parts([mutual, circle])) == {}


KEYS = st.sampled_from(["Size", "null", "true", "On", "N", "1e3", "0x1", "010"])
VALUES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20
).filter(lambda v: "{{" not in v)


@settings(max_examples=15)
@given(st.lists(VALUES, min_size=3, max_size=3), KEYS)
def test_the_written_config_gives_each_stack_the_values_that_it_has(
    tmp_path_factory: pytest.TempPathFactory, values: list[str], key: str
) -> None:
    places = (EAST, WEST, NORTH)
    name = key if key[0].isalpha() else "net"
    stacks = [
        stack(name, place, JSON.replace("Size", key), parameters={key: value})
        for place, value in zip(places, values, strict=True)
    ]
    folder = tmp_path_factory.mktemp("imported")
    parts = imported.parts(stacks)
    for path, text in imported.files("shop", "null", EAST, parts, folder).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    config_file = folder / "shop.yaml"
    assert (
        canonical.system(config_file.read_text(), config_file)
        == config_file.read_text()
    )
    system = build(folder / "shop.yaml")

    (s,) = system.stack_sets
    assert {t: s.values(t)[key] for t in s.targets} == {
        place: value for place, value in zip(places, values, strict=True)
    }
    assert s.imported == (name,) and importable.changed(parts, system) == []
    assert system.admin == EAST


def build(path: Path) -> Any:
    found = blueprints.find("custom")
    assert found
    return found.build(config.load(path, blueprints.find, None, blueprints.names))
