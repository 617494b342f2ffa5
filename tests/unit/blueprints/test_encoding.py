"""Templates are encoded once and quickly, and come out as Troposphere encodes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from awacs.aws import Allow, PolicyDocument, Principal, Statement
from awacs.sts import AssumeRole
from troposphere import (
    Equals,
    Export,
    If,
    Join,
    NoValue,
    Output,
    Parameter,
    Ref,
    Sub,
    Tags,
    Template,
    encode_to_dict,
    iam,
    s3,
)

from tapgen.blueprints import encoding
from tapgen.blueprints.encoding import recipe
from tapgen.cli import common
from tapgen.system import templates_out
from tapgen.template import evaluate

STACKSETS = Path(__file__).parents[3] / "stacksets"


class Loud(str):
    """Text of a class of its own."""


def every_kind() -> Template:
    """A template with every kind of value."""
    t = Template(Description="All", Metadata={"Deep": [{"Tuple": (1, 2.5, None)}]})
    t.set_version()
    t.set_transform("AWS::LanguageExtensions")
    t.add_parameter(Parameter("Size", Type="Number", Default=1))
    t.add_condition("Large", Equals(Ref("Size"), 2))
    t.add_mapping("Map", {"a": {"b": "c"}})
    t.add_rule("Rule", {"Assertions": [{"Assert": Equals("a", "a")}]})
    trust = Statement(
        Effect=Allow, Principal=Principal("AWS", Ref("Size")), Action=[AssumeRole]
    )
    role = iam.Role(
        "Role",
        AssumeRolePolicyDocument=PolicyDocument(Statement=[trust]),
        Tags=Tags(Name=Sub("${Size}"), Other=Join("", ["a", Ref("Size")])),
        DependsOn=["Bucket"],
    )
    t.add_resource(role)
    empty = s3.Bucket("Bucket", Condition="Large", DeletionPolicy="Retain")
    t.add_resource(empty)
    name = If("Large", Loud("large"), NoValue)
    t.add_resource(s3.Bucket("Named", BucketName=name))
    t.add_output(Output("Out", Value=Ref(empty), Export=Export("name")))
    return t


def shipped() -> Iterator[tuple[str, Any]]:
    for path in sorted(STACKSETS.glob("*.yaml")):
        for loaded in common.load_all(path):
            yield path.stem, loaded


def test_every_kind_of_value_is_encoded_as_troposphere_does() -> None:
    t = every_kind()
    found, wanted = encoding.data(t), t.to_dict()

    assert json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)
    assert list(found["Resources"]) == list(wanted["Resources"])
    assert encoding.plain(t.resources) == encode_to_dict(t.resources)


def test_what_troposphere_refuses_is_refused() -> None:
    t = Template()
    t.add_resource(iam.Role("Role"))
    with pytest.raises(ValueError) as wanted:
        t.to_dict()
    with pytest.raises(ValueError) as found:
        encoding.data(t)

    assert str(found.value) == str(wanted.value)


def test_shipped_templates_have_the_text_that_the_json_module_writes() -> None:
    for _, loaded in shipped():
        for stack_set in loaded.system.stack_sets:
            body = json.loads(stack_set.template)
            text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
            assert stack_set.template == text, stack_set.name
            # What was handed on, in the order of the text.
            assert repr(evaluate.parsed(stack_set.template)) == repr(body)


def test_environments_share_what_is_equal() -> None:
    texts: dict[tuple[str, str, str], set[int]] = {}
    for name, loaded in shipped():
        for s in loaded.system.stack_sets:
            texts.setdefault((name, s.part, s.template), set()).add(id(s.template))

    assert {len(found) for found in texts.values()} == {1}


def test_a_recipe_is_made_once_for_each_set_of_arguments() -> None:
    made = []

    def template(name: str) -> Template:
        made.append(name)
        t = Template(Description=name)
        t.add_resource(s3.Bucket("Bucket"))
        return t

    assert recipe(template, "a").text() is recipe(template, "a").text()
    assert json.loads(recipe(template, "b").text())["Description"] == "b"
    assert recipe(template, "a").data() == recipe(template, "a")().to_dict()
    assert made == ["a", "b"]


def test_numbers_that_orjson_does_not_write_are_written() -> None:
    body = {"Resources": {"A": {"Type": "T", "Properties": {"N": 2**70}}}}

    assert templates_out.render(body, ours=True) == templates_out.render(body)


def test_fractions_of_others_are_written_as_before() -> None:
    body = {"Resources": {"A": {"Type": "T", "Properties": {"N": [1e16, 1e-7, 0.5]}}}}
    assert "1e+16" in templates_out.render(body)
    assert "1e-07" in templates_out.render(body)
