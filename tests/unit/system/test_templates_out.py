"""From a system to files, and onto the disk."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from troposphere import Equals, Parameter, Ref, Sub, Tags, Template, cloudwatch, s3

from tapgen.errors import TemplateError
from tapgen.model import Output, Override, StackSet, System, Target, digest
from tapgen.system import templates_out

EAST, WEST = Target("self", "us-east-1"), Target("self", "us-west-2")


def template(*names: str) -> str:
    t = Template("A description")
    for name in names:
        t.add_resource(s3.Bucket(name, DeletionPolicy="Retain", BucketName=Ref("Name")))
    return templates_out.render(t)


def stack_set(part: str, text: str, **more: object) -> StackSet:
    first = StackSet(
        name=f"demo-prod-{part}",
        part=part,
        template=text,
        role="every",
        targets=(EAST,),
    )
    return replace(first, **more)  # type: ignore[arg-type]


def system(*stack_sets: StackSet, environment: str | None = None) -> System:
    return System(
        name="demo",
        blueprint="demo",
        suffix="prod",
        regions={"primary": "us-east-1", "dr": "us-west-2"},
        admin=EAST,
        stack_sets=stack_sets,
        environment=environment,
    )


def test_a_template_reads_from_top_to_bottom() -> None:
    t = Template("A description")
    t.set_version()
    t.add_resource(
        s3.Bucket("B", BucketName="bucket", DependsOn="A", DeletionPolicy="Retain")
    )
    t.add_resource(s3.Bucket("A"))
    text = templates_out.render(t)
    assert text.endswith("}\n")
    body = json.loads(text)
    assert list(body) == ["AWSTemplateFormatVersion", "Description", "Resources"]
    assert list(body["Resources"]) == ["B", "A"]
    assert list(body["Resources"]["B"]) == [
        *("Type", "DependsOn", "DeletionPolicy", "Properties")
    ]


DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner)
    | st.lists(inner).map(tuple)
    | st.dictionaries(st.text() | st.integers() | st.booleans() | st.none(), inner),
    max_leaves=15,
)


@settings(max_examples=1000 if "TAPGEN_SOAK" in os.environ else 30)
@given(st.dictionaries(st.text(), DATA))
def test_a_template_is_indented_as_json_does_it(properties: dict[str, Any]) -> None:
    body = {"Resources": {"R": {"Type": "T", "Properties": properties}}}

    expected = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    assert templates_out.written(body) == expected


def test_a_template_larger_than_cloudformation_takes_is_refused() -> None:
    t = Template("Too much")
    for number in range(400):
        t.add_resource(s3.Bucket(f"B{number}", Tags=Tags(Long="x" * 3000)))
    with pytest.raises(TemplateError, match="Too much: .* allows 1000000; split"):
        templates_out.render(t)


def test_the_files_are_templates_and_a_manifest() -> None:
    found = templates_out.files(system(stack_set("net", template("A"))))
    assert sorted(found) == ["demo/manifest.json", "demo/net.json"]
    assert found["demo/net.json"] == template("A")


def test_an_environment_has_only_the_templates_that_differ() -> None:
    default = system(stack_set("net", template("A")), stack_set("app", template("B")))
    other = system(
        stack_set("net", template("A")),
        stack_set("app", template("C")),
        stack_set("new", template("D")),
        environment="test",
    )
    found = templates_out.files(other, default)
    assert sorted(found) == [
        *("demo/app.test.json", "demo/manifest.test.json", "demo/new.test.json")
    ]
    manifest = json.loads(found["demo/manifest.test.json"])
    named = {s["part"]: s["template"] for s in manifest["stack_sets"]}
    assert named == {
        "net": "net.json",
        "app": "app.test.json",
        "new": "new.test.json",
    }


def test_the_manifest_says_what_is_where_and_in_which_order() -> None:
    text = template("A", "B")
    first = stack_set("net", text, targets=(EAST, WEST))
    second = stack_set(
        "app",
        text,
        parameters={"Name": Output("net", "VpcId"), "Size": "2"},
        overrides=(Override({"Size": "1"}, region="us-west-2"),),
        depends_on=("net",),
        capabilities=("CAPABILITY_NAMED_IAM",),
    )
    manifest = templates_out.manifest(system(second, first))
    app, net = manifest["stack_sets"]
    assert (net["wave"], app["wave"]) == (1, 2)
    assert net["targets"] == [
        {"account": "self", "region": "us-east-1"},
        {"account": "self", "region": "us-west-2"},
    ]
    assert app["depends_on"] == ["demo-prod-net"]
    assert app["parameters"] == {
        "Name": {"output": "net.VpcId", "region": "same", "account": "same"},
        "Size": "2",
    }
    assert app["overrides"] == [{"region": "us-west-2", "parameters": {"Size": "1"}}]
    assert app["digest"] == digest(text)
    assert app["bytes"] == len(text.encode())
    assert (app["resources"], app["stateful"]) == (2, ["A", "B"])
    assert manifest["execution_role"] == "tapgen-demo-prod-execution"


def test_parameters_come_with_type_and_secrecy() -> None:
    body = json.dumps(
        {
            "Parameters": {"Secret": {"Type": "String", "NoEcho": True}},
            "Resources": {},
        }
    )
    manifest = templates_out.manifest(system(stack_set("net", body)))
    assert manifest["stack_sets"][0]["parameter_types"] == {
        "Secret": {"type": "String", "no_echo": True}
    }


def test_alarms_are_named_where_they_are_created() -> None:
    t = Template()
    t.add_parameter(Parameter("RegionRole", Type="String"))
    t.add_condition("IsPrimary", Equals(Ref("RegionRole"), "primary"))
    for title, condition in (("Here", "IsPrimary"), ("Everywhere", None)):
        alarm = cloudwatch.Alarm(
            title,
            AlarmName=Sub(f"{title}-${{RegionRole}}"),
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            MetricName="M",
            Namespace="N",
            Period=60,
            Statistic="Sum",
            Threshold=1,
        )
        if condition:
            alarm.Condition = condition
        t.add_resource(alarm)
    every = stack_set(
        "net",
        templates_out.render(t),
        targets=(EAST, WEST),
        parameters={"RegionRole": "primary"},
        overrides=(Override({"RegionRole": "dr"}, region="us-west-2"),),
    )
    (found,) = templates_out.manifest(system(every))["stack_sets"]
    assert found["alarms"] == {
        "us-east-1": ["Here-primary", "Everywhere-primary"],
        "us-west-2": ["Everywhere-dr"],
    }


def test_a_manifest_says_where_the_runs_are(tmp_path: Path) -> None:
    whole = replace(
        system(stack_set("net", template("A")), environment="two"), delegated=True
    )
    templates_out.write(tmp_path, templates_out.files(whole))

    found = templates_out.placed(tmp_path, "demo", "two")
    assert found == replace(whole, stack_sets=())
    assert templates_out.placed(tmp_path, "demo", None) is None


def test_writing_changes_only_what_differs(tmp_path: Path) -> None:
    files = {"demo/manifest.json": "{}\n", "demo/net.json": "a"}
    assert templates_out.write(tmp_path, files) == sorted(files)
    assert templates_out.write(tmp_path, files) == []
    (tmp_path / "demo/net.json").write_text("edited")
    assert templates_out.stale(tmp_path, files) == ["demo/net.json"]
    assert templates_out.write(tmp_path, files) == ["demo/net.json"]
    assert (tmp_path / "demo/net.json").read_text() == "a"
    assert stat.S_IMODE((tmp_path / "demo/net.json").stat().st_mode) == 0o644
    assert sorted(p.name for p in (tmp_path / "demo").iterdir()) == [
        *("manifest.json", "net.json")
    ]


def test_templates_of_parts_that_are_gone_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    for name in ("gone.json", "gone.test.json", "manifest.test.json", "notes.txt"):
        (folder / name).write_text("x")
    files = {"demo/manifest.json": "{}\n"}
    assert templates_out.stale(tmp_path, files) == [
        "demo/gone.json",
        "demo/manifest.json",
    ]
    templates_out.write(tmp_path, files)
    # Another environment's files, and whatever is no template, are left alone.
    assert sorted(p.name for p in folder.iterdir()) == [
        *("gone.test.json", "manifest.json", "manifest.test.json", "notes.txt")
    ]


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(TemplateError, match="cannot be written: .*another folder"):
        templates_out.write(tmp_path / "out", {"demo/net.json": "a"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(TemplateError, match="cannot be written"):
        templates_out.write(tmp_path, {"demo/net.json": "a"})
    tmp_path.chmod(0o700)
