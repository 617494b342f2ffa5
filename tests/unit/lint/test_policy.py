"""The policy gate: rules of the user's own, on templates as each target gets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tapgen import lint
from tapgen.errors import ConfigError
from tapgen.lint import policy
from tapgen.model import Finding, Severity, Target
from tests import make
from tests.make import EAST, WEST

OPEN = {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
BLOCKED = dict.fromkeys(
    (
        *("BlockPublicAcls", "BlockPublicPolicy"),
        *("IgnorePublicAcls", "RestrictPublicBuckets"),
    ),
    True,
)
BUCKET = {"BucketEncryption": {}, "PublicAccessBlockConfiguration": BLOCKED}
DATABASE = {"StorageEncrypted": True, "PubliclyAccessible": False}

REGO = """\
package queues
import rego.v1
violation contains v if {
    some name, res in input.resources
    res.properties.QueueName == "jobs-us-west-2"
    v := make_diag("no-jobs", "WARN", name, "no jobs in the west")
}
"""
CEL = {
    "rule_id": "short-name",
    "severity": "INFO",
    "resource_type": "AWS::SQS::Queue",
    "expression": "size(properties.QueueName) > 3",
    "message": "{name} has a long name",
    "prop_path": "Properties.QueueName",
}
GUARD = "rule named { Resources.*.Properties.QueueName exists <<name it>> }\n"
QUEUES = {
    "Queue": {
        "Type": "AWS::SQS::Queue",
        "Properties": {"QueueName": {"Fn::Sub": "${Name}-${AWS::Region}"}},
    }
}


def found(given: str, resources: dict[str, Any], **more: Any) -> list[Finding]:
    more = {"tags": {"Project": "demo", "Environment": "test"}} | more
    text = json.dumps(
        {"Parameters": {"Name": {"Type": "String"}}, "Resources": resources}, indent=2
    )
    one = make.stack_set(text=text, **{"parameters": {"Name": "jobs"}} | more)
    return policy.check(policy.read(given), make.system(one), Path("out"))


@pytest.mark.parametrize(
    ("rule", "kind", "good", "bad"),
    [
        (
            "buckets_are_encrypted",
            "AWS::S3::Bucket",
            BUCKET,
            {"BucketEncryption": None},
        ),
        ("buckets_are_private", "AWS::S3::Bucket", BUCKET, {"BucketEncryption": {}}),
        (
            *("databases_are_encrypted", "AWS::RDS::DBInstance", DATABASE),
            {"StorageEncrypted": False},
        ),
        (
            *("databases_are_private", "AWS::RDS::DBInstance", DATABASE),
            {"PubliclyAccessible": True},
        ),
        (
            *("clusters_are_encrypted", "AWS::RDS::DBCluster"),
            *({"StorageEncrypted": True}, {}),
        ),
        ("disks_are_encrypted", "AWS::EC2::Volume", {"Encrypted": True}, {"Size": 1}),
        (
            *("only_web_ports_are_open", "AWS::EC2::SecurityGroup"),
            {"SecurityGroupIngress": [{**OPEN, "FromPort": 443}]},
            {"SecurityGroupIngress": [OPEN]},
        ),
    ],
)
def test_each_starter_rule_finds_what_is_bad_and_nothing_that_is_good(
    rule: str, kind: str, good: dict[str, Any], bad: dict[str, Any]
) -> None:
    def of(properties: dict[str, Any]) -> list[str]:
        given = {k: v for k, v in properties.items() if v is not None}
        return [
            f.rule
            for f in found("starter", {"R": {"Type": kind, "Properties": given}})
            if f.logical_id == "R" and f.severity is Severity.ERROR
        ]

    assert of(good) == []
    assert rule in of(bad)


def test_starter_rules_know_the_target_and_the_tags_of_the_stack_set() -> None:
    there = [EAST, Target(EAST.account, "ap-east-1")]

    (one,) = found("starter", {}, targets=there)
    assert one.rule == "regions_are_allowed" and f"(in {there[1]})" in one.message
    rules = {f.rule for f in found("starter", {}, tags={"Project": "demo"})}
    assert rules == {"stacks_are_tagged"}


def test_rules_of_every_language_see_the_values_of_each_target(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.rego").write_text(REGO)
    (tmp_path / "inner/b.json").write_text(json.dumps({"rules": [CEL]}))
    (tmp_path / "c.guard").write_text(GUARD)
    (tmp_path / "README.md").write_text("no rules")

    named = found(str(tmp_path), QUEUES, targets=(EAST, WEST))

    said = {f.rule: (f.severity, f.message, f.line, f.file) for f in named}
    file = "out/demo/data.json"
    assert said == {
        "no-jobs": (Severity.WARNING, f"no jobs in the west (in {WEST})", 8, file),
        "short-name": (Severity.INFORMATIONAL, "Queue has a long name", 11, file),
    }
    assert json.loads(lint.render(named, "sarif"))["runs"][0]["results"]
    assert "no-jobs" in lint.render(named, "junit")
    nameless = {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {}}}
    (tmp_path / "inner/b.json").unlink()
    assert [f.rule for f in found(str(tmp_path), nameless)] == ["named"]


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("", "", "has no rules"),
        ("notes.txt", "text", "has no rules"),
        ("a.json", '{"rules": []}', "no rule in them"),
        ("a.guard", "", "no rule in them"),
        ("a.guard", "rule x {\n Resources.* xists\n}", "a.guard: Failed to parse"),
        ("a.json", "{", "a.json: Failed to load"),
        ("a.rego", "package x\nviolation contains if {", "a.rego: "),
        ("a.rego", b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_policy_that_checks_nothing_is_an_error(
    tmp_path: Path, file: str, text: str | bytes, words: str
) -> None:
    if file:
        (tmp_path / file).write_bytes(text.encode() if isinstance(text, str) else text)

    with pytest.raises(ConfigError) as error:
        policy.read(str(tmp_path))
    assert words in str(error.value)
    with pytest.raises(ConfigError, match="no such folder"):
        policy.read(str(tmp_path / "none"))


def test_a_rule_that_fails_is_no_rule_that_passes(tmp_path: Path) -> None:
    broken = {**CEL, "expression": "properties.None.Nothing"}
    (tmp_path / "a.json").write_text(json.dumps({"rules": [broken]}))

    with pytest.raises(ConfigError, match="a rule fails"):
        found(str(tmp_path), QUEUES)
