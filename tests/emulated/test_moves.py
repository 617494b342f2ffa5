"""Moves and half rollouts for real: what each target ever ran, and what is left of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tapgen import plan
from tapgen.model import SELF, Action, Output, StackSet, Target
from tapgen.plan import allowances
from tapgen.rollout import Fate
from tests.emulated.conftest import Cloud
from tests.emulated.test_rollout import EAST, WEST, history, parameter, part, system

NORTH = Target(SELF, "ca-central-1")
QUEUE = {
    "Type": "AWS::SQS::Queue",
    "DeletionPolicy": "Retain",
    "Properties": {"QueueName": {"Ref": "Text"}},
}


def template(**more: Any) -> str:
    body = {
        "Parameters": {
            "Text": {"Type": "String", "Default": "none"},
            "Size": {"Type": "String", "Default": "1"},
        },
        "Resources": {"Queue": QUEUE, "Here": parameter("/demo/here")},
        "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Queue", "QueueName"]}}},
    }
    return json.dumps(body | more)


def queues(cloud: Cloud, region: str) -> set[str]:
    found = cloud.client("sqs", region).list_queues().get("QueueUrls", [])
    return {url.rsplit("/", 1)[1] for url in found}


def changed(cloud: Cloud, region: str) -> list[str]:
    """The stack events of updates in a region."""
    client = cloud.client("cloudformation", region)
    stacks = client.list_stacks()["StackSummaries"]
    return [
        event["ResourceStatus"]
        for stack in stacks
        if "demo-test-orders" in stack["StackName"]
        for event in client.describe_stack_events(StackName=stack["StackId"])[
            "StackEvents"
        ]
        if event["ResourceStatus"].startswith("UPDATE")
    ]


def orders(target: Target, name: str, text: str = "", **more: Any) -> StackSet:
    values = {k: v for k, v in more.items() if k != "tags"}
    found = part("orders", text or template(), (target,), Text=name, **values)
    return replace(found, tags=more.get("tags", {}))


def test_a_move_with_new_values_leaves_the_old_target_as_it_is(cloud: Cloud) -> None:
    assert cloud.rollout(system(orders(EAST, "east", Size="7"))).green
    after = system(orders(WEST, "west"))

    assert cloud.rollout(after).green

    assert changed(cloud, "us-east-1") == []
    assert queues(cloud, "us-east-1") == {"east"}
    assert queues(cloud, "us-west-2") == {"west"}
    assert history(cloud, "/demo/here", "us-west-2") == ["west"]
    assert not cloud.plan(after)
    (found,) = cloud.observe(after).values()
    assert found.parameters == {"Text": "west", "Size": "1"}
    # What was an override does not hide the next value.
    assert cloud.rollout(system(orders(WEST, "farther"))).green
    assert history(cloud, "/demo/here", "us-west-2") == ["west", "farther"]


def test_a_move_with_another_template_deletes_the_old_target_first(
    cloud: Cloud,
) -> None:
    assert cloud.rollout(system(orders(EAST, "east"))).green
    more = {"Queue": QUEUE, "Here": parameter("/demo/there")}
    after = system(orders(WEST, "west", template(Resources=more)))
    cloud.bootstrap(after)

    the_plan = cloud.plan(after)
    assert [s.action for s in the_plan.steps] == [Action.DELETE, Action.CREATE]
    assert cloud.run(the_plan).green

    assert changed(cloud, "us-east-1") == []
    assert queues(cloud, "us-east-1") == {"east"}
    assert history(cloud, "/demo/there", "us-west-2") == ["west"]
    assert not cloud.plan(after)


def test_a_move_that_fails_leaves_the_old_target_as_it_is(cloud: Cloud) -> None:
    assert cloud.rollout(system(orders(EAST, "east"))).green
    taken = cloud.client("ssm", "us-west-2")
    taken.put_parameter(Name="/demo/here", Value="mine", Type="String")
    after = system(orders(WEST, "west"))
    cloud.bootstrap(after)

    ended = cloud.run(cloud.plan(after))

    assert not ended.green
    assert changed(cloud, "us-east-1") == []
    assert queues(cloud, "us-east-1") == {"east"}
    assert {(i.target.region, i.fate) for i in ended.instances} == {
        ("us-east-1", Fate.RESTORED),
        ("us-west-2", Fate.NEW),
    }
    assert ended.restored == ()
    # Mended, the next rollout goes on, and the old target still sees nothing of it.
    taken.delete_parameter(Name="/demo/here")
    the_plan = cloud.plan(after)
    assert [s.action for s in the_plan.steps] == [Action.UPDATE, Action.DELETE]
    new = the_plan.steps[0]
    assert [the_plan.is_new(new, t) for t in new.targets] == [True]
    assert cloud.run(the_plan).green
    assert changed(cloud, "us-east-1") == []
    assert queues(cloud, "us-east-1") == {"east"}
    assert not cloud.plan(after)


def test_what_a_move_left_unsettled_reaches_no_later_target(cloud: Cloud) -> None:
    assert cloud.rollout(system(orders(EAST, "east", Size="7"))).green
    west = system(orders(WEST, "west"))
    cloud.bootstrap(west)
    the_plan = cloud.plan(west)
    # Stopped after the new target was made: the stack set still says 7.
    start = len(cloud.events)

    def created() -> bool:
        return any(event.kind == "done" for event in cloud.events[start:])

    stopped = cloud.run(the_plan, stopping=created)
    assert stopped.interrupted
    both = system(replace(orders(WEST, "west"), targets=(WEST, NORTH)))

    assert cloud.rollout(both, supersede=stopped.run).green

    (found,) = cloud.observe(both).values()
    assert {found.values(t)["Size"] for t in found.instances} == {"1"}
    client = cloud.client("cloudformation", NORTH.region)
    (target,) = [t for t in found.instances if t.region == NORTH.region]
    stack = found.instances[target].stack_id
    events = client.describe_stack_events(StackName=stack)["StackEvents"]
    assert not any(e["ResourceStatus"].startswith("UPDATE") for e in events)


def test_tags_follow_a_move_without_an_update_of_the_old_target(cloud: Cloud) -> None:
    assert cloud.rollout(system(orders(EAST, "east"))).green
    after = system(orders(WEST, "west", tags={"Team": "shop"}))

    assert cloud.rollout(after).green

    assert changed(cloud, "us-east-1") == []
    assert not cloud.plan(after)


def test_half_a_rollout_hides_no_replacement(cloud: Cloud) -> None:
    both = part("orders", template(), (EAST, WEST), Text="old")
    assert cloud.rollout(system(both, on_failure="stop")).green
    other = {**QUEUE, "Properties": {"QueueName": "new"}}
    resources = {"Queue": other, "Here": parameter("/demo/here")}
    text = template(Resources=resources)
    mine = cloud.client("sqs").create_queue(QueueName="new")["QueueUrl"]
    wanted = system(replace(both, template=text), on_failure="stop")
    allowed, _ = allowances.exact(cloud.plan(wanted), ["Queue"])
    assert allowed == ("orders.Queue",)
    blocker = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "Not Valid"}}
    blocked = {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}
    broken = template(
        Conditions={"East": blocked},
        Resources={**resources, "Bad": {**blocker, "Condition": "East"}},
    )
    half = system(replace(both, template=broken), on_failure="stop")
    cloud.bootstrap(half)

    ended = cloud.run(cloud.plan(half))

    assert mine and not ended.green
    assert queues(cloud, "us-west-2") == {"new"}
    assert "old" in queues(cloud, "us-east-1")
    again = cloud.plan(half)
    (step,) = again.steps
    assert {t.region for t in step.targets} == {"us-east-1"}
    changes = {c.logical_id: c for c in step.changes[step.targets[0]]}
    assert changes["Queue"].verdict == "replaces"
    (refused,) = plan.refusals(again)
    assert "us-east-1" in refused and "--allow-replacement orders.Queue" in refused


def test_a_stack_that_somebody_updated_is_seen_by_reading_it(cloud: Cloud) -> None:
    from tapgen.system import ownership

    wanted = system(orders(EAST, "east"))
    assert cloud.rollout(wanted).green
    client = cloud.client("cloudformation")
    (stack,) = [
        s["StackName"]
        for s in client.list_stacks(StackStatusFilter=["CREATE_COMPLETE"])[
            "StackSummaries"
        ]
        if "demo-test-orders" in s["StackName"]
    ]
    client.update_stack(
        StackName=stack,
        TemplateBody=template(),
        Parameters=[{"ParameterKey": "Text", "ParameterValue": "by-hand"}],
    )
    client.get_waiter("stack_update_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1}
    )
    resolved = wanted.resolve(cloud.account)
    for read_stacks in (False, True):  # few stacks are read anyway
        found = ownership.observe(resolved, cloud.sets, read_stacks=read_stacks)
        the_plan = plan.make(resolved, found)
        (step,) = the_plan.steps
        assert step.reasons == ("parameter Text differs",)

    assert "--allow-replacement orders.Queue" in plan.refusals(the_plan)[0]
    assert cloud.run(the_plan).green
    assert history(cloud, "/demo/here", "us-east-1") == ["east", "by-hand", "east"]


def test_what_was_deleted_is_not_called_restored(cloud: Cloud) -> None:
    name = f"demo-files-{cloud.account}"
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}
    east = {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}
    files = template(
        Conditions={"East": east},
        Resources={
            "Here": parameter("/demo/files"),
            "Files": {**bucket, "Condition": "East"},
        },
        Outputs={"Name": {"Value": {"Ref": "Here"}}},
    )
    one = part("files", files)
    two = part("worker", template(Outputs={}), Text=Output("files", "Name"))
    assert cloud.rollout(system(one, two)).green
    cloud.client("s3").put_object(Bucket=name, Key="a", Body=b"x")
    less = [replace(s, targets=(WEST,)) for s in (one, two)]

    ended = cloud.run(cloud.plan(system(*less)))

    assert not ended.green
    found = {(i.stack_set, i.target.region): i.fate for i in ended.instances}
    assert found["demo-test-worker", "us-east-1"] is Fate.REMOVED
    assert found["demo-test-worker", "us-west-2"] is Fate.RESTORED
    assert "demo-test-worker" in ended.left
    assert "demo-test-worker" not in ended.restored
