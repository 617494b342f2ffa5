"""The roles of systems whose names only their templates tell, and artifact buckets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tapgen import lint
from tapgen.accounts import roles as needed_roles
from tapgen.model import Artifact, PassedRole, StackSet
from tests import make
from tests.make import ACCOUNT, EAST, WEST

TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
}
CODE = Artifact("code", Path("code"), "artifacts/ab.zip", 1, "CodeBucket", "CodeKey")


def stack_set(name: Any = None, *, artifacts: bool = False) -> StackSet:
    named = {"RoleName": name} if name else {}
    resources = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": TRUST, **named},
        },
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "demo-b"}},
    }
    return make.stack_set(
        "app",
        text=json.dumps({"Resources": resources}),
        targets=(EAST, WEST),
        artifacts={"Code": CODE} if artifacts else {},
    )


def roles(s: StackSet) -> dict[str, Any]:
    generated: dict[str, Any] = json.loads(
        needed_roles.files(make.system(s), "")["bootstrap/demo.json"]
    )
    return generated


def statements(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in template["Resources"].values():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            yield from properties["PolicyDocument"]["Statement"]
        for policy in properties.get("Policies", ()):
            yield from policy["PolicyDocument"]["Statement"]


ARN = re.compile(r"arn:\$\{AWS::Partition\}:[^:]*:[^:]*:(\$\{AWS::AccountId\})?:")


def allowed(s: StackSet, action: str) -> dict[str, list[str]]:
    """Sid → resources, without what every ARN begins with, of statements with an action."""
    return {
        one["Sid"]: [
            ARN.sub("", r["Fn::Sub"]) if isinstance(r, dict) else r
            for r in one["Resource"]
        ]
        for one in statements(roles(s))
        if action in one["Action"]
    }


def test_the_execution_role_may_touch_what_the_templates_name() -> None:
    assert allowed(stack_set("demo-app"), "iam:CreateRole") == {
        "IamOfThisSystem": ["role/demo-app"]
    }
    assert allowed(stack_set("demo-app"), "iam:PassRole") == {
        "PassRolesOfThisSystem": ["role/demo-app"]
    }
    assert allowed(stack_set("demo-app"), "s3:CreateBucket") == {
        "S3OfThisSystem": ["demo-b"]
    }


GIVEN = (
    PassedRole("shared/worker", "lambda.amazonaws.com"),
    PassedRole("other", "lambda.amazonaws.com"),
    PassedRole("arn:aws:iam::111111111111:role/task", "ecs-tasks.amazonaws.com"),
)


def test_existing_roles_are_passed_where_the_file_names_them() -> None:
    plain = make.stack_set("app")
    whole = replace(make.system(plain), pass_roles=GIVEN)
    generated = json.loads(needed_roles.files(whole, "")["bootstrap/demo.json"])
    passing = [s for s in statements(generated) if "iam:PassRole" in s["Action"]]

    arn = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/"
    assert [(s["Resource"], s["Condition"]) for s in passing] == [
        (
            ["arn:aws:iam::111111111111:role/task"],
            {"StringEquals": {"iam:PassedToService": ["ecs-tasks.amazonaws.com"]}},
        ),
        (
            [{"Fn::Sub": f"{arn}other"}, {"Fn::Sub": f"{arn}shared/worker"}],
            {"StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com"]}},
        ),
    ]
    assert generated["Metadata"]["tapgen"]["pass_roles"][0] == {
        "role": "arn:aws:iam::111111111111:role/task",
        "to": "ecs-tasks.amazonaws.com",
    }
    assert not [s for s in statements(roles(plain)) if "iam:PassRole" in s["Action"]]


def test_resources_that_cloudformation_names_are_matched_by_stack_name() -> None:
    assert allowed(stack_set(), "iam:CreateRole") == {
        "IamOfThisSystem": ["role/StackSet-demo-test-app*"]
    }


def test_a_name_from_elsewhere_widens_the_statement_which_says_why() -> None:
    assert allowed(stack_set({"Fn::ImportValue": "x"}), "iam:CreateRole") == {
        "IamNamesUnknownInAdvance": ["role/*"]
    }


def test_the_roles_record_their_purpose_in_metadata() -> None:
    facts = roles(stack_set("demo-app"))["Metadata"]["tapgen"]

    assert facts["names"] == {"iam:role": ["demo-app"], "s3:bucket": ["demo-b"]}
    assert "artifacts" not in facts


def test_artifacts_are_put_by_the_operator_and_read_by_the_execution_role() -> None:
    objects = "tapgen-artifacts-${AWS::AccountId}-*/artifacts/*"
    with_code = stack_set("demo-app", artifacts=True)

    assert allowed(with_code, "s3:GetObjectVersion")["CodeOfThisSystem"] == [objects]
    assert allowed(with_code, "s3:PutObject")["Artifacts"] == [objects]
    assert "Artifacts" not in allowed(stack_set("demo-app"), "s3:PutObject")


def test_the_bucket_of_a_region_is_a_template_of_its_own() -> None:
    generated = needed_roles.files(make.system(stack_set(artifacts=True)), "")

    bucket = json.loads(generated["bootstrap/artifacts.json"])["Resources"][
        "ArtifactBucket"
    ]
    assert bucket["Properties"]["BucketName"] == {
        "Fn::Sub": "tapgen-artifacts-${AWS::AccountId}-${AWS::Region}"
    }
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    two = make.system(stack_set())
    one = replace(two, regions={"primary": "us-east-1", "us-west-2": "us-west-2"})
    assert "bootstrap/artifacts.json" in needed_roles.files(two, "")
    assert "bootstrap/artifacts.json" not in needed_roles.files(one, "")


def test_all_of_it_is_clean() -> None:
    generated = needed_roles.files(make.system(stack_set(artifacts=True)), "")
    given = {"AdministrationAccount": ACCOUNT, "EnvironmentSuffix": "test"}

    for path, text in generated.items():
        one = make.stack_set(
            text=text,
            parameters=given if path.endswith("demo.json") else {},
            capabilities=("CAPABILITY_NAMED_IAM",),
        )
        assert lint.check(make.system(one), Path("out")) == [], path
