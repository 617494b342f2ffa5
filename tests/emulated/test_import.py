"""Stacks that exist become a system: the command from end to end, on what stands in for
AWS behind AWS_ENDPOINT_URL, without --local."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tapgen.aws.stacksets import MAX_BODY
from tapgen.model import Target
from tests.emulated.conftest import Cloud
from tests.emulated.test_cli import Shell

QUEUE = """\
Parameters:
  Seconds: {Type: Number, Default: 600}
  "null": {Type: String, Default: a}
  Image: {Type: AWS::SSM::Parameter::Value<String>, Default: /image}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {MessageRetentionPeriod: !Ref Seconds}
    Metadata: {Version: 1.10}
Outputs:
  Url: {Value: !Ref Queue, Export: {Name: queue}}
"""
LARGE = json.dumps(
    {
        "Metadata": {str(n): "x" * 1000 for n in range(60)},
        "Resources": {
            "Use": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {
                    "Type": "String",
                    "Value": {"Fn::ImportValue": "queue"},
                },
            }
        },
    }
)
LET_GO = "StackSet-topics-0a1b2c3d-1111-2222-3333-444455556666"
TOPIC = "Resources: {T: {Type: AWS::SNS::Topic}}\n"


def test_stacks_of_two_accounts_become_a_system_that_changes_nothing(
    cloud: Cloud, tmp_path: Path
) -> None:
    other = f"9{cloud.account[1:]}"
    here = Target(cloud.account, "us-east-1")
    waits = [
        *(queue(cloud, Target(cloud.account, r)) for r in ("us-east-1", "eu-west-1")),
        queue(cloud, Target(cloud.account, "ap-south-1"), Seconds="900"),
        queue(cloud, Target(other, "us-east-1")),
        stack(cloud, here, LET_GO, TOPIC),
    ]
    for wait in waits:
        wait()
    stack(cloud, here, "a-use", LARGE)()
    run = partial(
        Shell(tmp_path).run,
        AWS_ENDPOINT_URL=cloud.url,
        AWS_ACCESS_KEY_ID=cloud.account,
        AWS_SECRET_ACCESS_KEY="x",
    )
    places = [f"--in-region={r}" for r in ("us-east-1", "eu-west-1", "ap-south-1")]
    places += [f"--in-account={a}" for a in (cloud.account, other)]
    role = ["--assume-role", reader(cloud, other)]
    given = ["--prefix=jobs", *places, places[0], *role]
    of_jobs = ["jobs", "--stack=a-use", f"--stack={LET_GO}", *given, "--yes"]

    unpinned = run("import", *of_jobs, expect=64)
    assert f"give --account {cloud.account}" in unpinned.stderr
    assert not [*tmp_path.iterdir()]
    pinned = ["--account", cloud.account]
    first = run("import", *of_jobs, *pinned, expect=1)
    assert "run: tapgen bootstrap jobs" in first.stderr
    run("bootstrap", "jobs", "--yes", *pinned, *role)
    early = run("plan", "jobs", expect=1)  # a rollout is not what is wanted next
    assert "would be created a second time beside it; import it" in early.stderr
    done = run("import", *of_jobs, *pinned, "--output", "json")

    assert "the plan is empty" in done.stderr
    shown = json.loads(done.stdout)
    assert {p["part"]: len(p["stacks"]) for p in shown["stack_sets"]} == {
        "a-use": 1,
        "jobs": 4,
        "topics": 1,
    }
    # The stack set has the values of most of its stacks, not those of the first one.
    client = cloud.client("cloudformation")
    found = client.describe_stack_set(StackSetName="jobs-prod-jobs")["StackSet"]
    values = {p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]}
    assert found["TemplateBody"] == QUEUE  # to the letter: AWS compares the two
    assert values == {"Seconds": "600", "null": "a", "Image": "/image"}
    assert "depends_on: [jobs]" in (tmp_path / "stacksets" / "jobs.yaml").read_text()
    # Their stack set is that of another region than the one that would administer them.
    refused = run("import", "late", *given[:1], *places[1:2], "--dry-run", expect=1)
    assert f"belongs to stack set jobs-prod-jobs in {here} already" in refused.stdout


def queue(cloud: Cloud, place: Target, **values: str) -> Callable[[], None]:
    ssm = cloud.aws.client("ssm", place)
    ssm.put_parameter(Name="/image", Type="String", Value="ami-1")
    return stack(cloud, place, "jobs", QUEUE, **values)


def stack(
    cloud: Cloud, place: Target, name: str, body: str, **values: str
) -> Callable[[], None]:
    """Begin to create a stack; return what waits for it."""
    client = cloud.aws.client("cloudformation", place)
    given: dict[str, Any] = {"TemplateBody": body}
    if len(body) > MAX_BODY:
        s3, bucket = cloud.aws.client("s3", place), f"templates-{cloud.account}"
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="large.json", Body=body.encode())
        url = f"https://{bucket}.s3.{place.region}.amazonaws.com/large.json"
        given = {"TemplateURL": url}
    parameters = [{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()]
    client.create_stack(StackName=name, Parameters=parameters, **given)
    waiter = client.get_waiter("stack_create_complete")
    seconds = {"Delay": 1, "MaxAttempts": 300}
    return partial(waiter.wait, StackName=name, WaiterConfig=seconds)


def reader(cloud: Cloud, account: str) -> str:
    """A role of another account that this one may assume."""
    iam = cloud.aws.client("iam", Target(account, "us-east-1"))
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{cloud.account}:root"},
    }
    iam.create_role(
        RoleName="Admin", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )
    policy = "arn:aws:iam::aws:policy/AdministratorAccess"
    iam.attach_role_policy(RoleName="Admin", PolicyArn=policy)
    return "Admin"
