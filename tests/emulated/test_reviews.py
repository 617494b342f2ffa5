"""Asking AWS about stacks that do not exist yet, for real."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tapgen import plan
from tapgen.aws import reviews as in_review
from tapgen.model import SELF, Output, Target
from tapgen.plan import change_set_answers, reviews
from tests.emulated.conftest import Cloud
from tests.emulated.test_change_sets import ask
from tests.emulated.test_cli import MINIMAL, Shell
from tests.emulated.test_rollout import (
    EAST,
    SOURCE,
    WEST,
    parameter,
    part,
    system,
    template,
)

REVIEW = "REVIEW_IN_PROGRESS"
NAMED = {
    "Type": "AWS::SNS::Topic",
    "Properties": {"TopicName": {"Fn::Sub": "t-${AWS::StackName}"}},
}


def in_regions(cloud: Cloud) -> list[str]:
    """The names of all stacks that are not deleted."""
    found = []
    for region in ("us-east-1", "us-west-2"):
        pages = cloud.client("cloudformation", region).get_paginator("list_stacks")
        found += [
            s["StackName"]
            for page in pages.paginate()
            for s in page["StackSummaries"]
            if s["StackStatus"] != "DELETE_COMPLETE"
        ]
    return found


def test_a_new_stack_is_reviewed_and_nothing_is_left(cloud: Cloud) -> None:
    other = Target("9" + cloud.account[1:], "eu-west-1")
    here = Target(SELF, "us-east-1")
    named = template({"Here": parameter("/demo/named"), "Topic": NAMED})
    consumer = template({"There": parameter("/demo/consumer")})
    wanted = system(
        part("source", targets=(here, other), Text="1"),
        part("named", named, (EAST,)),
        part("consumer", consumer, (EAST,), Text=Output("source", "Name")),
    )
    the_plan = cloud.plan(wanted)

    now, answers = ask(cloud, the_plan)

    assert now == the_plan
    assert len(answers) == 4
    for (name, _), answer in answers.items():
        assert answer.review and answer.change_set, answer.why_not
        assert {c.action for c in answer.change_set.changes} == {"Add"}
        placeholders = {"Text": "source.Name"} if name.endswith("consumer") else {}
        assert answer.placeholders == placeholders
    texts = [note.text for note in change_set_answers.notes(answers)]
    assert (
        "demo-test-named: not asked: whether names that contain AWS::StackName are "
        "taken: Topic" in texts
    )
    assert in_regions(cloud) == []
    cloud.rollout(wanted)
    assert not cloud.plan(wanted)


def taken(cloud: Cloud) -> str:
    """A template with a bucket that is there already."""
    name = f"taken-{cloud.account}"
    cloud.client("s3").create_bucket(Bucket=name)
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}
    return template({"Here": parameter("/demo/source"), "Taken": bucket})


def test_a_name_that_is_taken_refuses_the_plan_before_anything_changes(
    cloud: Cloud,
) -> None:
    the_plan = cloud.plan(system(part("source", taken(cloud), (EAST,), Text="1")))
    assert plan.refusals(the_plan) == []

    now, _ = ask(cloud, the_plan)

    (line,) = plan.refusals(now)
    assert "AWS would stop at Taken (AWS::S3::Bucket)" in line
    assert f"'taken-{cloud.account}' already exists" in line
    assert f"in {cloud.account}/us-east-1: " in line
    assert in_regions(cloud) == []


def test_a_new_resource_of_an_update_is_validated_too(cloud: Cloud) -> None:
    cloud.rollout(system(part("source", targets=(WEST,), Text="a")))
    the_plan = cloud.plan(system(part("source", taken(cloud), (WEST,), Text="a")))

    now, answers = ask(cloud, the_plan)

    assert "AWS would stop at Taken" in plan.refusals(now)[0]
    (answer,) = answers.values()
    assert not answer.review and answer.findings[0].finding.mode == "FAIL"


def test_a_bucket_that_is_not_empty_is_a_warning_before_its_deletion(
    cloud: Cloud,
) -> None:
    bucket = {
        "Type": "AWS::S3::Bucket",
        "Properties": {"BucketName": f"full-{cloud.account}"},
    }
    both = template({"Here": parameter("/demo/source"), "Full": bucket})
    cloud.rollout(system(part("source", both, (EAST,))))
    cloud.client("s3").put_object(Bucket=f"full-{cloud.account}", Key="a", Body=b"1")
    the_plan = cloud.plan(system(part("source", SOURCE, (EAST,))))

    now, answers = ask(cloud, the_plan)

    assert now.blocked == ()
    (warning,) = [n for n in change_set_answers.notes(answers) if n.kind == "warned"]
    assert "AWS warns about Full (AWS::S3::Bucket): The bucket" in warning.text


def test_a_placeholder_of_a_looked_up_type_is_not_looked_up(cloud: Cloud) -> None:
    vpc = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}
    makes = template(
        {"Here": parameter("/demo/source"), "Vpc": vpc},
        Name={"Ref": "Here"},
        Vpc={"Ref": "Vpc"},
    )
    body = json.loads(SOURCE)
    body["Parameters"] |= {
        "Vpc": {"Type": "AWS::EC2::VPC::Id"},
        "Name": {"Type": "AWS::SSM::Parameter::Value<String>"},
    }
    body["Resources"]["Here"]["Properties"]["Name"] = "/demo/user"
    values = {"Vpc": Output("source", "Vpc"), "Name": Output("source", "Name")}
    user = part("user", json.dumps(body), (EAST,), **values)

    _, answers = ask(cloud, cloud.plan(system(part("source", makes, (EAST,)), user)))

    assert len(answers) == 2
    for answer in answers.values():
        assert answer.change_set and not answer.change_set.failed, answer


def leave_one(client: Any, name: str) -> None:
    client.create_change_set(
        StackName=name,
        ChangeSetName="left",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}),
    )


def test_what_a_killed_plan_left_is_deleted_and_stacks_of_others_stay(
    cloud: Cloud,
) -> None:
    wanted = system(part("source"))
    start = reviews.own(wanted)
    mine, others = f"{start}source-123", "tapgen-review-other-test-source-1"
    for region in ("us-east-1", "us-west-2"):
        client = cloud.client("cloudformation", region)
        for name in (mine, others, "of-somebody-else"):
            leave_one(client, name)
    places = [Target(cloud.account, r) for r in ("us-east-1", "us-west-2")]

    assert in_review.sweep(cloud.aws, start, places) == []

    assert sorted(in_regions(cloud)) == ["of-somebody-else"] * 2 + [others] * 2


# -- the command -------------------------------------------------------------------------


def in_shell(shell: Shell) -> list[str]:
    found = []
    for region in ("us-east-1", "us-west-2"):
        client = shell.client("cloudformation", region)
        found += [
            s["StackName"]
            for s in client.list_stacks(StackStatusFilter=[REVIEW])["StackSummaries"]
        ]
    return found


def test_ctrl_c_leaves_no_stack_and_what_a_kill_leaves_goes_with_the_next_plan(
    tmp_path: Path,
) -> None:
    shell = Shell(tmp_path)
    shell.config(MINIMAL)
    shell.run("local", "start")

    def interrupted(by: signal.Signals) -> int:
        slow = ("--action", "DescribeChangeSet", "--seconds", "3600")
        shell.run("local", "fault", "add", "delay", *slow)
        process = shell.start("plan", "--local", "--change-sets")
        while not in_shell(shell):
            assert process.poll() is None
        process.send_signal(by)
        shell.run("local", "fault", "clear")  # what is delayed goes on
        process.communicate(timeout=600)
        return process.returncode

    try:
        assert interrupted(signal.SIGINT) == 130
        assert in_shell(shell) == []
        assert interrupted(signal.SIGKILL) == -signal.SIGKILL
        assert in_shell(shell)

        shown = shell.run("plan", "--local", "--change-sets", expect=2)

        assert "AWS reports nothing that stops the new stack" in shown.stdout
        assert in_shell(shell) == []
    finally:
        shell.run("local", "stop")
