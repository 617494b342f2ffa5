"""Comparing templates."""

from __future__ import annotations

import json

from tapgen import diff
from tests import make


def test_added_removed_and_changed_resources_are_told_apart() -> None:
    old = make.template(
        resources={
            "Gone": {"Type": "AWS::SQS::Queue"},
            "Kept": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "a"}},
        }
    )
    new = make.template(
        resources={
            "Kept": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "b"}},
            "Made": {"Type": "AWS::SQS::Queue"},
        }
    )

    gone, kept, added = diff.resources(old, new)

    assert (gone.verb, gone.logical_id) == (diff.Verb.REMOVE, "Gone")
    assert (added.verb, added.logical_id) == (diff.Verb.ADD, "Made")
    assert kept.properties == (diff.Property(("Properties", "TopicName"), "a", "b"),)


def test_key_order_and_white_space_are_no_change() -> None:
    text = make.template(["A", "B"])
    other = json.dumps(json.loads(text), indent=3, sort_keys=True)

    assert diff.resources(text, other) == ()
    assert diff.same(text, other)


def test_an_item_of_a_list_is_found_by_its_place() -> None:
    def tagged(value: str) -> str:
        tags = {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": value}]}
        return make.template(
            resources={"T": {"Type": "AWS::SNS::Topic", "Properties": tags}}
        )

    (change,) = diff.resources(tagged("1"), tagged("2"))

    assert change.properties[0].path == ("Properties", "Tags", 1, "Value")


def test_text_that_is_no_template_has_no_resources() -> None:
    added = diff.resources("not json", make.template())

    assert [c.verb for c in added] == [diff.Verb.ADD]
    assert diff.resources("[]", "null") == ()
