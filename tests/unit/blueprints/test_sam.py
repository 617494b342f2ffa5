"""Templates of the Serverless Application Model are expanded while they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tapgen.blueprints import sam
from tapgen.errors import TemplateError
from tapgen.model import Target
from tests.unit.blueprints.test_custom import CONFIG, Project, project

__all__ = ["project"]

FUNCTION: dict[str, Any] = {
    "Type": "AWS::Serverless::Function",
    "Properties": {
        "CodeUri": "src",
        "Handler": "index.handler",
        "Runtime": "python3.13",
        "FunctionName": {"Fn::Sub": "f-${Stage}-${AWS::Region}"},
        "Policies": ["AWSLambdaBasicExecutionRole"],
        "Events": {
            "Get": {"Type": "Api", "Properties": {"Path": "/x", "Method": "get"}}
        },
    },
}


def body(**more: Any) -> dict[str, Any]:
    return {
        "Transform": sam.TRANSFORM,
        "Parameters": {"Stage": {"Type": "String", "Default": "dev"}},
        "Resources": {"F": FUNCTION},
        **more,
    }


def with_properties(**more: Any) -> dict[str, Any]:
    properties = {**FUNCTION["Properties"], **more}
    return {"Resources": {"F": {**FUNCTION, "Properties": properties}}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.py").write_text("def handler(e, c): pass\n")
    return tmp_path / "app.yaml"


def expanded(file: Path, **more: Any) -> dict[str, Any]:
    return sam.expanded(body(**more), file, {}, "eu-west-1")[0]


def wrong(file: Path, **more: Any) -> str:
    with pytest.raises(TemplateError) as error:
        expanded(file, **more)
    return str(error.value).replace(f"{file.parent}/", "")


def test_a_stack_set_has_the_resources_and_the_code_of_its_functions(
    project: Project,
) -> None:
    project.write("shop.yaml", CONFIG.format(template="app/app.json"))
    project.write("app/app.json", json.dumps(body()))
    project.write("app/src/index.py", "def handler(e, c): pass\n")

    (s,) = project.build().stack_sets
    template = json.loads(s.template)
    (artifact,) = s.artifacts.values()

    assert "Transform" not in template and s.capabilities == ("CAPABILITY_IAM",)
    types = {r["Type"] for r in template["Resources"].values()}
    assert {
        "AWS::Lambda::Function",
        "AWS::IAM::Role",
        "AWS::Lambda::Permission",
    } < types
    assert not any(t.startswith("AWS::Serverless") for t in types)
    code = template["Resources"]["F"]["Properties"]["Code"]
    assert code["S3Key"] == artifact.key
    assert code["S3Bucket"] == {
        "Fn::Sub": "tapgen-artifacts-${AWS::AccountId}-${AWS::Region}"
    }
    assert artifact.values(Target("1" * 12, "us-east-1")) == {}
    assert template["Parameters"] == body()["Parameters"]


def test_a_common_value_is_given_to_the_translator(file: Path) -> None:
    more = with_properties(AutoPublishAlias={"Ref": "Stage"})
    found, _ = sam.expanded(body(**more), file, {"Stage": "live"}, "eu-west-1")

    assert found["Resources"]["FAliaslive"]["Properties"]["Name"] == "live"


def test_what_differs_between_targets_stays_a_reference(file: Path) -> None:
    more = with_properties(
        Tags={"Region": {"Ref": "AWS::Region"}, "Stage": {"Ref": "Stage"}},
        Policies=[{"SQSPollerPolicy": {"QueueName": {"Fn::Sub": "q-${AWS::Region}"}}}],
    )
    found = expanded(file, **more)

    assert "any-region" not in json.dumps(found)
    assert found == sam.expanded(body(**more), file, {}, "us-east-1")[0]
    assert "dev" not in json.dumps(found["Resources"])
    name = found["Resources"]["F"]["Properties"]["FunctionName"]
    assert name == {"Fn::Sub": "f-${Stage}-${AWS::Region}"}
    assert {"Ref": "AWS::Region"} in [
        tag["Value"] for tag in found["Resources"]["F"]["Properties"]["Tags"]
    ]


def test_definitions_in_files_become_part_of_the_template(file: Path) -> None:
    (file.parent / "flow.yaml").write_text("StartAt: A\nStates: {A: {Type: Pass}}\n")
    machine = {
        "Type": "AWS::Serverless::StateMachine",
        "Properties": {"DefinitionUri": "flow.yaml"},
    }

    found = expanded(file, Resources={"M": machine})

    assert "StartAt" in json.dumps(found["Resources"]["M"])


@pytest.mark.parametrize("name", ["requirements.txt", "package.json"])
def test_code_that_was_not_built_is_refused(file: Path, name: str) -> None:
    (file.parent / "src" / name).write_text("boto3\n")

    assert wrong(file) == (
        f"app.yaml: Resources.F: src has a {name}, and no build output; run sam build, "
        "and point to the folder in .aws-sam/build"
    )
    built = file.parent / ".aws-sam" / "build" / "F"
    built.mkdir(parents=True)
    (built / name).write_text("boto3\n")
    assert expanded(file, **with_properties(CodeUri=".aws-sam/build/F"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            with_properties(CodeUri="nowhere"),
            "app.yaml: Resources.F: nowhere: cannot be",
        ),
        (
            with_properties(CodeUri="src/index.py"),
            "src/index.py is not a zip file; give",
        ),
        (with_properties(Handlr="x"), "app.yaml: Resource with id [F] is invalid."),
        (
            {"Resources": {"F": {**FUNCTION, "Metadata": {"BuildMethod": "makefile"}}}},
            "BuildMethod makefile: only sam build runs it; run sam build",
        ),
        (
            {
                "Resources": {
                    "A": {
                        "Type": "AWS::Serverless::Application",
                        "Properties": {"Location": "other.yaml"},
                    }
                }
            },
            "app.yaml: Resources.A: a nested application; make it a stack set",
        ),
        (
            {"Globals": {"Function": {"CodeUri": "no"}}},
            "app.yaml: Globals.Function: no:",
        ),
        ({"Globals": {"Function": ["x"]}}, "app.yaml: "),
    ],
)
def test_what_cannot_be_expanded_is_reported(
    file: Path, more: dict[str, Any], said: str
) -> None:
    assert said in wrong(file, **more)


def test_other_transforms_beside_it_are_left_to_be_refused() -> None:
    assert sam.uses(body()) and sam.uses({"Transform": [sam.TRANSFORM]})
    assert not sam.uses({"Transform": ["AWS::LanguageExtensions", sam.TRANSFORM]})
    assert not sam.uses({})
