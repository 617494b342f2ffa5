"""Asking about a plan for real: boto3 and whole processes against the embedded AWS."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tapgen import plan
from tapgen.aws import change_sets
from tapgen.aws.change_sets import Question
from tapgen.cli.plan import save_plan
from tapgen.errors import AwsError
from tapgen.model import SELF, System, Target
from tapgen.plan import Plan, change_set_answers
from tests.emulated.conftest import Cloud
from tests.emulated.test_cli import MINIMAL, Shell
from tests.emulated.test_rollout import (
    EAST,
    SOURCE,
    WEST,
    by_region,
    parameter,
    part,
    system,
    template,
)

TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "TableName": {"Ref": "Text"},
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    },
}


def ask(
    cloud: Cloud, the_plan: Plan
) -> tuple[Plan, dict[change_set_answers.Key, change_set_answers.Answer]]:
    """What `tapgen plan --change-sets` does, as the operator role."""
    looking = replace(cloud.sets, aws=cloud.aws.assuming(the_plan.system.operator_role))
    questions, _ = change_set_answers.questions(the_plan)
    said = change_sets.preview_all(
        looking.aws,
        questions,
        lambda q: looking.template_parameter(q.template, q.target.account),
    )
    return change_set_answers.merge(the_plan, said)


def stacks(cloud: Cloud, wanted: System) -> dict[Target, dict[str, Any]]:
    """Every stack of a system as CloudFormation tells it."""
    looking = cloud.aws.assuming(wanted.operator_role)
    found = {}
    for observed in cloud.observe(wanted).values():
        for target, instance in observed.instances.items():
            client = looking.client("cloudformation", target)
            (stack,) = client.describe_stacks(StackName=instance.stack_id)["Stacks"]
            stack["left"] = client.list_change_sets(StackName=stack["StackName"])[
                "Summaries"
            ]
            found[target] = stack
    return found


def test_aws_agrees_and_every_stack_stays_exactly_as_it_was(cloud: Cloud) -> None:
    wanted = system(part("source", **by_region("east", "west")))
    cloud.rollout(wanted)
    before = stacks(cloud, wanted)
    more = template(
        {"Here": parameter("/demo/source"), "There": parameter("/demo/there")},
        Name={"Ref": "Here"},
    )
    the_plan = cloud.plan(system(part("source", more, **by_region("south", "west"))))

    now, answers = ask(cloud, the_plan)

    assert now == the_plan
    assert stacks(cloud, wanted) == before
    assert not [left for stack in before.values() for left in stack["left"]]
    seen = {}
    for (_, target), answer in answers.items():
        assert answer.change_set and not answer.differences
        seen[target.region] = {c.logical_id: c for c in answer.change_set.changes}
    assert seen["us-east-1"]["Here"].replacement == "False"
    value, *_ = seen["us-east-1"]["Here"].details
    assert (value.name, value.before, value.after) == ("Value", "east", "south")
    assert {r: set(c) for r, c in seen.items()} == {
        "us-east-1": {"Here", "There"},
        "us-west-2": {"There"},
    }


def test_awss_replacement_is_the_plans(cloud: Cloud) -> None:
    text = template({"Table": TABLE})
    cloud.rollout(system(part("data", text, (EAST,), Text="a")))
    the_plan = cloud.plan(system(part("data", text, (EAST,), Text="b")))

    now, answers = ask(cloud, the_plan)

    (answer,) = answers.values()
    assert answer.change_set and answer.change_set.changes[0].replacement == "True"
    assert not answer.differences
    assert plan.refusals(now) == plan.refusals(the_plan)


def test_change_sets_in_another_account_use_the_operator_role_also_for_a_large_template(
    cloud: Cloud,
) -> None:
    other = Target("9" + cloud.account[1:], "eu-west-1")
    here = Target(SELF, "us-east-1")
    small = part("source", targets=(here, other), Text="1")
    cloud.rollout(system(small))
    filler = {"Type": "String", "Default": "x" * 4000}
    body = json.loads(SOURCE)
    body["Parameters"] |= {f"Filler{n}": filler for n in range(15)}
    large = part("source", json.dumps(body), targets=(here, other), Text="2")
    assert len(large.template) > 51_200

    _, answers = ask(cloud, cloud.plan(system(large)))

    assert len(answers) == 2
    for answer in answers.values():
        assert answer.change_set, answer.why_not
        assert [c.logical_id for c in answer.change_set.changes] == ["Here"]
    assert not [s for s in stacks(cloud, system(large)).values() if s["left"]]


def test_a_hidden_value_stays_and_is_never_shown(cloud: Cloud) -> None:
    body = json.loads(SOURCE)
    secret = {"Type": "String", "NoEcho": True, "Default": "hunter2"}
    body["Parameters"]["Secret"] = secret
    body["Resources"]["Here"]["Properties"]["Value"] = {"Fn::Sub": "${Secret}-${Text}"}
    text = json.dumps(body)
    cloud.rollout(system(part("source", text, (EAST,), Text="a")))
    the_plan = cloud.plan(system(part("source", text, (EAST,), Text="b")))

    _, answers = ask(cloud, the_plan)

    (answer,) = answers.values()
    assert answer.change_set and answer.change_set.changes[0].logical_id == "Here"
    assert "hunter2" not in repr(answers)


def test_what_aws_refuses_to_look_at_is_said_in_its_words(cloud: Cloud) -> None:
    cloud.rollout(system(part("source", Text="a")))
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Statement": []}},
    }
    text = template({"Here": parameter("/demo/source"), "Role": role})
    wanted = system(part("source", text, (EAST, WEST), Text="a"))
    the_plan = cloud.plan(wanted)

    now, answers = ask(cloud, the_plan)

    assert now == the_plan
    (note,) = change_set_answers.notes(answers)
    assert note.kind == "unasked"
    assert "Requires capabilities : [CAPABILITY_IAM]" in note.text
    assert len(note.targets) == 2
    assert not [s for s in stacks(cloud, wanted).values() if s["left"]]


def test_what_a_killed_run_has_left_goes_with_the_next(cloud: Cloud) -> None:
    wanted = system(part("source", targets=(EAST,), Text="a"))
    cloud.rollout(wanted)
    the_plan = cloud.plan(system(part("source", targets=(EAST,), Text="b")))
    (question,) = change_set_answers.questions(the_plan)[0].values()
    client = cloud.client("cloudformation")
    for name in (question.name, "of-somebody-else"):
        client.create_change_set(
            StackName=question.stack,
            ChangeSetName=name,
            UsePreviousTemplate=True,
            Parameters=[{"ParameterKey": "Text", "ParameterValue": "c"}],
        )

    _, answers = ask(cloud, the_plan)

    (answer,) = answers.values()
    assert answer.change_set and answer.change_set.changes[0].details[0].after == "b"
    (left,) = client.list_change_sets(StackName=question.stack)["Summaries"]
    assert left["ChangeSetName"] == "of-somebody-else"


def test_a_deleted_stack_is_not_created_again(cloud: Cloud) -> None:
    gone = Question("tapgen-x", Target(cloud.account, "us-east-1"), "gone", SOURCE)

    with pytest.raises(AwsError, match="does not exist"):
        change_sets.preview(cloud.aws, gone, {"TemplateBody": SOURCE})

    assert cloud.client("cloudformation").list_stacks()["StackSummaries"] == []


# -- the command -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A system that is rolled out, with a setting changed since."""
    shell = Shell(tmp_path_factory.mktemp("asked"))
    shell.config(MINIMAL)
    shell.run("rollout", "--local", "--yes")
    shell.config(MINIMAL.replace("203.0.113.0/24", "203.0.113.128/25"))
    yield shell
    shell.run("local", "stop")


def looks(shell: Shell) -> list[partial[list[Mapping[str, Any]]]]:
    """For each stack, a quick look at its change sets."""
    found = []
    for region in ("us-east-1", "us-west-2"):
        client = shell.client("cloudformation", region)
        for stack in client.list_stacks()["StackSummaries"]:
            found.append(partial(_change_sets, client, stack["StackName"]))
    return found


def _change_sets(client: Any, stack: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = client.list_change_sets(StackName=stack)[
        "Summaries"
    ]
    return found


def left(shell: Shell) -> list[Mapping[str, Any]]:
    return [change_set for look in looks(shell) for change_set in look()]


def test_the_plan_says_what_aws_says(shell: Shell) -> None:
    shown = shell.run("plan", "--local", "--change-sets", "--timings", expect=2)
    comment = shell.run(
        "plan", "--local", "--change-sets", "--output", "markdown", expect=2
    )
    note = shell.run("plan", "--local", "--change-sets", "--output", "json", expect=2)

    assert "AWS change sets" in shown.stdout
    assert "AWS reports the same changes" in shown.stdout
    assert "creating change sets for" in shown.stderr
    assert "**AWS change sets (" in comment.stdout
    answers = json.loads(note.stdout)["change_sets"]
    assert {a["asked"] for a in answers} == {True}
    assert [a["differences"] for a in answers] == [[]] * len(answers)
    assert left(shell) == []


def test_a_plan_saved_with_change_sets_is_obeyed_without(shell: Shell) -> None:
    shell.run("plan", "--local", "--change-sets", "--out", "a.json", expect=2)
    shell.run("plan", "--local", "--out", "b.json", expect=2)

    same = [(shell.folder / name).read_text() for name in ("a.json", "b.json")]

    assert same[0] == same[1]


def test_ctrl_c_during_change_sets_leaves_none_behind(shell: Shell) -> None:
    slow = ("--action", "DescribeChangeSet", "--seconds", "3600")
    shell.run("local", "fault", "add", "delay", *slow)
    stacks = looks(shell)
    process = shell.start("plan", "--local", "--change-sets")
    assert process.stderr
    for line in process.stderr:
        if "creating change sets for" in line:
            break
    while not any(look() for look in stacks):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    shell.run("local", "fault", "clear")  # what is delayed goes on
    out, err = process.communicate(timeout=600)

    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    assert left(shell) == []


def test_a_plan_that_only_aws_refuses_is_not_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.unit.plan.test_change_set_answers import RATED, merged, modify, place

    with_change_sets, _ = merged(RATED, modify("True", place("Always")))
    path = tmp_path / "plan.json"

    save_plan(path, RATED, with_change_sets, ())
    assert not path.exists()
    assert "not saved" in capsys.readouterr().err

    save_plan(path, RATED, with_change_sets, ("data.Table",))
    assert path.exists()
