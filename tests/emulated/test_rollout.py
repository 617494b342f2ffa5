"""Rolling out for real: boto3 against the embedded AWS."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.aws import stacks
from tapgen.emulator.server import lifecycle
from tapgen.errors import RolloutError
from tapgen.model import (
    SELF,
    Action,
    Output,
    Override,
    RolloutSettings,
    StackSet,
    System,
    Target,
    Value,
)
from tapgen.rollout import history as journals
from tapgen.rollout import snapshot
from tapgen.rollout.explain import Explanation, explain
from tests.emulated import forks
from tests.emulated.conftest import Cloud
from tests.ports import free_port

EAST, WEST = Target(SELF, "us-east-1"), Target(SELF, "us-west-2")
ORDER = ("us-west-2", "us-east-1")


def template(resources: Mapping[str, Any], **outputs: Any) -> str:
    body = {
        "Parameters": {"Text": {"Type": "String", "Default": "none"}},
        "Resources": dict(resources),
        "Outputs": {k: {"Value": v} for k, v in outputs.items()},
    }
    return json.dumps(body)


def parameter(name: str) -> dict[str, Any]:
    """A resource whose history shows every value it ever had."""
    return {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Name": name, "Type": "String", "Value": {"Ref": "Text"}},
    }


SOURCE = template({"Here": parameter("/demo/source")}, Name={"Ref": "Here"})
BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "demo-test-taken"}}
BROKEN = template({"Here": parameter("/demo/source"), "Taken": BUCKET})


def part(
    name: str,
    text: str = SOURCE,
    targets: tuple[Target, ...] = (EAST, WEST),
    overrides: tuple[Override, ...] = (),
    **values: Value,
) -> StackSet:
    return StackSet(
        name=f"demo-test-{name}",
        part=name,
        template=text,
        role="every",
        targets=targets,
        parameters=values,
        overrides=overrides,
    )


def system(*parts: StackSet, on_failure: str = "rollback") -> System:
    return System(
        name="demo",
        blueprint="demo",
        suffix="test",
        regions={"primary": "us-east-1", "dr": "us-west-2"},
        admin=EAST,
        stack_sets=parts,
        rollout=RolloutSettings(order=ORDER, on_failure=on_failure),
    )


def history(cloud: Cloud, name: str, region: str) -> list[str]:
    found = cloud.client("ssm", region).get_parameter_history(Name=name)
    return [p["Value"] for p in found["Parameters"]]


def by_region(east: str, west: str) -> dict[str, Any]:
    override = Override({"Text": west}, region="us-west-2")
    return {"Text": east, "overrides": (override,)}


def take_the_bucket_name(cloud: Cloud) -> None:
    """Let the broken template fail in us-west-2, as a name that is taken does."""
    place = {"LocationConstraint": "us-west-2"}
    client = cloud.client("s3", "us-west-2")
    client.create_bucket(Bucket="demo-test-taken", CreateBucketConfiguration=place)


def explanation(cloud: Cloud, system: System) -> Explanation:
    """What `tapgen explain` says of the newest run."""
    bucket = cloud.sets.bucket
    name = journals.newest(bucket, system.prefix)
    assert name
    return explain(journals.find(bucket, system.prefix, name), cloud.sets)


def test_outputs_of_finished_instances_feed_later_parameters(cloud: Cloud) -> None:
    consumer = template({"There": parameter("/demo/consumer")})
    wanted = system(
        part("source", **by_region("east", "west")),
        part("consumer", consumer, Text=Output("source", "Name")),
        part("single", SOURCE.replace("/source", "/single"), (EAST,), Text="x"),
    )

    ended = cloud.rollout(wanted)

    assert ended.green, ended
    assert cloud.statuses(wanted) == {"CURRENT"}
    for region, value in (("us-east-1", "east"), ("us-west-2", "west")):
        assert history(cloud, "/demo/source", region) == [value]
        assert history(cloud, "/demo/consumer", region) == ["/demo/source"]


def test_a_second_rollout_plans_nothing(cloud: Cloud) -> None:
    wanted = system(part("source", **by_region("east", "west")))
    assert cloud.rollout(wanted).green

    assert not cloud.plan(wanted)
    assert cloud.bootstrap(wanted) == []


def test_the_canary_region_goes_first(cloud: Cloud) -> None:
    wanted = system(part("source", Text="same"))

    cloud.rollout(wanted)

    done = [
        e.target.region
        for e in cloud.events
        if e.kind == "target" and e.target and e.status == "SUCCEEDED"
    ]
    assert done == list(ORDER)


def test_no_target_ever_runs_the_value_of_another(cloud: Cloud) -> None:
    assert cloud.rollout(system(part("source", **by_region("e1", "w1")))).green
    described = parameter("/demo/source")
    described["Properties"]["Description"] = "new"
    changed = template({"Here": described}, Name={"Ref": "Here"})

    ended = cloud.rollout(system(part("source", changed, **by_region("e2", "w2"))))

    assert ended.green, ended
    assert set(history(cloud, "/demo/source", "us-east-1")) == {"e1", "e2"}
    assert set(history(cloud, "/demo/source", "us-west-2")) == {"w1", "w2"}
    assert history(cloud, "/demo/source", "us-west-2")[-1] == "w2"


def test_one_regions_setting_changes_only_that_region(cloud: Cloud) -> None:
    assert cloud.rollout(system(part("source", **by_region("e1", "w1")))).green
    wanted = system(part("source", **by_region("e1", "w2")))
    before = cloud.sets.listed("demo-test-source")

    the_plan = cloud.plan(wanted)
    ended = cloud.run(the_plan)

    assert [[t.region for t in s.targets] for s in the_plan.steps] == [["us-west-2"]]
    assert ended.green, ended
    assert history(cloud, "/demo/source", "us-west-2") == ["w1", "w2"]
    east = next(t for t in before if t.region == "us-east-1")
    stack = before[east].stack_id
    events = cloud.client("cloudformation").describe_stack_events(StackName=stack)
    statuses = {e["ResourceStatus"] for e in events["StackEvents"]}
    assert "UPDATE_IN_PROGRESS" not in statuses
    assert cloud.statuses(wanted) == {"CURRENT"}
    assert not cloud.plan(wanted)


def test_a_value_that_becomes_different_between_regions(cloud: Cloud) -> None:
    assert cloud.rollout(system(part("source", Text="same"))).green
    wanted = system(part("source", **by_region("same", "other")))

    assert cloud.rollout(wanted).green

    assert history(cloud, "/demo/source", "us-east-1") == ["same"]
    assert history(cloud, "/demo/source", "us-west-2") == ["same", "other"]
    assert not cloud.plan(wanted)


def test_a_value_that_becomes_the_same_everywhere(cloud: Cloud) -> None:
    assert cloud.rollout(system(part("source", **by_region("e", "w")))).green
    wanted = system(part("source", Text="both"))

    assert cloud.rollout(wanted).green

    assert history(cloud, "/demo/source", "us-east-1")[-1] == "both"
    assert history(cloud, "/demo/source", "us-west-2")[-1] == "both"
    assert not cloud.plan(wanted)


def test_a_consumer_is_left_alone_when_its_value_stays(cloud: Cloud) -> None:
    consumer = template({"There": parameter("/demo/consumer")})
    app = part("consumer", consumer, Text=Output("source", "Version"))
    launch = {
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {
            "LaunchTemplateData": {"InstanceType": "t3.micro"},
            "VersionDescription": {"Ref": "Text"},
        },
    }
    version = {"Fn::GetAtt": ["Here", "DefaultVersionNumber"]}
    source = template({"Here": launch}, Version=version)
    assert cloud.rollout(system(part("source", source, Text="1"), app)).green
    wanted = system(part("source", source, Text="2"), app)

    the_plan = cloud.plan(wanted)
    ended = cloud.run(the_plan)

    assert any(s.conditional for s in the_plan.steps)
    assert ended.green
    assert ended.done == ("demo-test-source",)
    assert [e.stack_set for e in cloud.events if e.kind == "skipped"]


def test_a_broken_template_leaves_the_system_as_it_was_and_says_why(
    cloud: Cloud,
) -> None:
    good = system(part("source", **by_region("e1", "w1")))
    assert cloud.rollout(good).green
    before = cloud.observe(good)
    take_the_bucket_name(cloud)
    bad = system(part("source", BROKEN, **by_region("e2", "w2")))

    ended = cloud.rollout(bad)

    assert not ended.green
    assert not ended.partial
    assert ended.restored == ("demo-test-source",)
    failure = ended.failures[0]
    assert (failure.logical_id, failure.type) == ("Taken", "AWS::S3::Bucket")
    assert failure.target == Target(cloud.account, "us-west-2")
    assert "already" in failure.reason
    after = cloud.observe(good)
    for name, found in before.items():
        assert json.loads(after[name].template) == json.loads(found.template)
    assert cloud.statuses(good) == {"CURRENT"}
    assert history(cloud, "/demo/source", "us-east-1") == ["e1"]
    assert history(cloud, "/demo/source", "us-west-2")[-1] == "w1"
    assert not cloud.plan(good)
    cloud.client("s3", "us-west-2").delete_bucket(Bucket="demo-test-taken")


def test_the_last_good_version_is_stored_once_it_is_good(cloud: Cloud) -> None:
    good = system(part("source", Text="1"))
    assert cloud.rollout(good).green

    assert cloud.rollout(system(part("source", Text="2"))).green

    resolved = good.resolve(cloud.account)
    body = cloud.sets.bucket.get(snapshot.key(resolved.prefix, "demo-test-source"))
    assert body
    assert snapshot.load(body).parameters["Text"] == "2"


def test_what_is_restored_is_the_last_good_version_not_an_older_one(
    cloud: Cloud,
) -> None:
    assert cloud.rollout(system(part("source", Text="1"))).green
    assert cloud.rollout(system(part("source", Text="2"))).green
    take_the_bucket_name(cloud)
    bad = system(part("source", BROKEN, Text="3"), on_failure="stop")
    first = cloud.rollout(bad)  # leaves an instance OUTDATED
    assert not first.green

    ended = cloud.rollout(system(part("source", BROKEN, Text="4")), supersede=first.run)

    assert ended.restored == ("demo-test-source",)
    assert history(cloud, "/demo/source", "us-east-1")[-1] == "2"
    assert cloud.sets.observe(["demo-test-source"])["demo-test-source"].parameters == {
        "Text": "2"
    }
    cloud.client("s3", "us-west-2").delete_bucket(Bucket="demo-test-taken")


def test_a_stack_set_that_was_to_lose_a_target_is_restored_too(cloud: Cloud) -> None:
    good = system(part("source", Text="1"))
    assert cloud.rollout(good).green
    take_the_bucket_name(cloud)
    smaller = system(part("source", BROKEN, (WEST,), Text="2"))

    ended = cloud.rollout(smaller)

    assert ended.restored == ("demo-test-source",)
    assert not ended.partial
    assert cloud.statuses(good) == {"CURRENT"}
    assert not cloud.plan(good)
    cloud.client("s3", "us-west-2").delete_bucket(Bucket="demo-test-taken")


def test_a_target_that_goes_is_not_updated_first(cloud: Cloud) -> None:
    assert cloud.rollout(system(part("source", Text="1"))).green
    instances = cloud.sets.listed("demo-test-source")
    east = next(i for t, i in instances.items() if t.region == "us-east-1")
    smaller = system(part("source", targets=(WEST,), Text="2"))

    assert cloud.rollout(smaller).green

    client = cloud.client("cloudformation")
    events = client.describe_stack_events(StackName=east.stack_id)["StackEvents"]
    assert "UPDATE_IN_PROGRESS" not in {e["ResourceStatus"] for e in events}
    assert cloud.statuses(smaller) == {"CURRENT"}


def test_a_new_target_that_fails_leaves_the_others_as_they_were(cloud: Cloud) -> None:
    assert cloud.rollout(system(part("source", targets=(EAST,), Text="1"))).green
    take_the_bucket_name(cloud)
    body = json.loads(BROKEN)
    body["Conditions"] = {"West": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-west-2"]}}
    body["Resources"]["Taken"]["Condition"] = "West"
    wider = system(part("source", json.dumps(body), (EAST, WEST), Text="1"))

    ended = cloud.rollout(wider)

    assert not ended.green
    assert ended.partial, "the new target is not as it was: it was not there"
    east = cloud.sets.listed("demo-test-source")[Target(cloud.account, "us-east-1")]
    assert str(east.status) == "CURRENT"
    assert history(cloud, "/demo/source", "us-east-1") == ["1"]
    cloud.client("s3", "us-west-2").delete_bucket(Bucket="demo-test-taken")


def test_a_skipped_step_does_not_leave_its_targets_outdated(cloud: Cloud) -> None:
    """One region's shared value changes for certain; the other's hangs on an output
    that turns out the same."""
    kind = {"Fn::GetAtt": ["Here", "Type"]}
    source = template({"Here": parameter("/demo/source")}, Type=kind)
    body = json.loads(template({"There": parameter("/demo/app")}))
    body["Parameters"]["Extra"] = {"Type": "String", "Default": "x"}
    app = replace(
        part("app", json.dumps(body), Text="b"),
        parameters={"Text": Output("source", "Type"), "Extra": "1"},
    )
    first = system(part("source", source, **by_region("e", "w")), app)
    assert cloud.rollout(first).green
    both = (
        Override({"Text": Output("source", "Type"), "Extra": "2"}, region="us-west-2"),
    )
    second = system(
        part("source", source, **by_region("e2", "w2")), replace(app, overrides=both)
    )

    assert cloud.rollout(second).green

    assert cloud.statuses(second) == {"CURRENT"}
    assert not cloud.plan(second)


def test_on_failure_stop_leaves_the_failed_version_for_a_look(cloud: Cloud) -> None:
    assert cloud.rollout(system(part("source", Text="1"))).green
    take_the_bucket_name(cloud)
    bad = system(part("source", BROKEN, Text="2"), on_failure="stop")

    ended = cloud.rollout(bad)

    assert ended.partial
    assert ended.left == ("demo-test-source",)
    explained = explanation(cloud, bad)
    assert [c.failure.logical_id for c in explained.causes] == ["Taken"]
    cancelled = [(c.kind, c.targets) for c in explained.consequences]
    assert cancelled == [("cancelled", (Target(cloud.account, "us-east-1"),))]
    assert explained.unread == ()
    (name,) = cloud.observe(bad)
    found = cloud.observe(bad)[name]
    assert json.loads(found.template) == json.loads(BROKEN)
    cloud.client("s3", "us-west-2").delete_bucket(Bucket="demo-test-taken")


def test_a_failed_first_rollout_goes_on_once_the_cause_is_gone(cloud: Cloud) -> None:
    take_the_bucket_name(cloud)
    only_west = part("source", BROKEN, (WEST,), Text="1")
    wanted = system(only_west)

    ended = cloud.rollout(wanted)

    assert ended.partial
    assert ended.failures[0].logical_id == "Taken"
    (cause,) = explanation(cloud, wanted).causes
    stack = stacks.described(
        cloud.aws, only_west.targets[0].resolve(cloud.account), cause.failure.stack_id
    )
    assert stack is None, "StackSets deletes a stack that was never created"
    assert (cause.kind, cause.failure.type) == ("resource", "AWS::S3::Bucket")
    cloud.client("s3", "us-west-2").delete_bucket(Bucket="demo-test-taken")
    assert cloud.rollout(wanted).green
    assert cloud.statuses(wanted) == {"CURRENT"}
    cloud.client("s3", "us-west-2").delete_bucket(Bucket="demo-test-taken")


def test_parts_and_targets_that_are_gone_are_deleted(cloud: Cloud) -> None:
    other = part("other", SOURCE.replace("/source", "/other"), Text="1")
    assert cloud.rollout(system(part("source", Text="1"), other)).green

    smaller = system(part("source", targets=(EAST,), Text="1"))
    ended = cloud.rollout(smaller)

    assert ended.green, ended
    assert cloud.sets.names("demo-test-") == ["demo-test-source"]
    instances = cloud.sets.listed("demo-test-source")
    assert [t.region for t in instances] == ["us-east-1"]
    assert not cloud.plan(smaller)


def test_destroying_removes_everything_backwards(cloud: Cloud) -> None:
    app = part(
        "app",
        template({"There": parameter("/demo/app")}),
        Text=Output("source", "Name"),
    )
    wanted = system(part("source", Text="1"), app)
    assert cloud.rollout(wanted).green
    resolved = wanted.resolve(cloud.account)

    the_plan = plan.destroy(resolved, cloud.observe(wanted))
    ended = cloud.run(the_plan)

    assert ended.green, ended
    assert [s.part for s in the_plan.steps] == ["app", "source"]
    assert cloud.sets.names("demo-test-") == []
    found = cloud.client("ssm").describe_parameters()["Parameters"]
    assert found == []


def test_somebody_elses_stack_set_is_refused(cloud: Cloud) -> None:
    wanted = system(part("source", Text="1"))
    cloud.client("cloudformation").create_stack_set(
        StackSetName="demo-test-source", TemplateBody=SOURCE
    )

    (refused,) = plan.refusals(cloud.plan(wanted))

    assert "was not created by tapgen" in refused


def test_a_plan_is_refused_when_aws_has_changed(cloud: Cloud) -> None:
    assert cloud.rollout(system(part("source", Text="1"))).green
    the_plan = cloud.plan(system(part("source", Text="2")))
    assert cloud.rollout(system(part("source", Text="3"))).green

    with pytest.raises(RolloutError, match="changed since the plan was made"):
        cloud.run(the_plan)

    assert history(cloud, "/demo/source", "us-east-1") == ["1", "3"]


def test_an_interrupted_rollout_is_finished_by_a_resume(cloud: Cloud) -> None:
    wanted = system(
        part("source", Text="1"),
        part("app", SOURCE.replace("/source", "/app"), Text=Output("source", "Name")),
    )
    cloud.bootstrap(wanted)
    the_plan = cloud.plan(wanted)

    def stopping() -> bool:
        return any(e.kind == "target" for e in cloud.events)

    ended = cloud.run(the_plan, stopping=stopping)

    assert ended.interrupted
    assert ended.partial
    assert cloud.sets.names("demo-test-") == ["demo-test-source"]
    with pytest.raises(RolloutError, match="is open since"):
        cloud.rollout(wanted)
    resumed = cloud.resume(wanted)
    assert resumed and resumed.green
    assert cloud.statuses(wanted) == {"CURRENT"}
    assert not cloud.plan(wanted)


def test_one_account_administers_systems_from_two_regions(cloud: Cloud) -> None:
    here = system(part("source", targets=(EAST,), Text="1"))
    assert cloud.rollout(here).green
    europe = replace(
        here,
        suffix="eu",
        admin=Target(SELF, "eu-west-1"),
        stack_sets=(replace(here.stack_sets[0], name="demo-eu-source"),),
    )

    changed = cloud.bootstrap(europe)

    assert changed == ["tapgen-administration", "tapgen-demo-eu-roles"]
    roles = cloud.client("iam").list_roles()["Roles"]
    names = {r["RoleName"] for r in roles}
    assert {f"tapgen-administration-{r}" for r in ("us-east-1", "eu-west-1")} <= names


def test_a_role_that_lets_nobody_in_is_named_whatever_failed_before(
    cloud: Cloud,
) -> None:
    """Its stack has events of an earlier failure: they explain nothing."""
    there = (EAST,)
    assert cloud.rollout(system(part("source", targets=there, Text="1"))).green
    place = {"Bucket": "demo-test-taken"}
    cloud.client("s3").create_bucket(**place)
    broken = system(part("source", BROKEN, targets=there, Text="1"))
    assert "Taken" in str(cloud.run(cloud.plan(broken)).failures)
    wanted = system(part("source", targets=there, Text="2"))
    nobody = {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}
    role = wanted.resolve(cloud.account).execution_role
    cloud.client("iam").update_assume_role_policy(
        RoleName=role, PolicyDocument=json.dumps({"Statement": [nobody]})
    )

    ended = cloud.run(cloud.plan(wanted))

    (failure,) = ended.failures
    assert f"should have '{role}' role with trust relationship" in failure.reason
    assert not failure.logical_id
    assert ended.restored == ("demo-test-source",) and not ended.open


def test_other_accounts_are_reached_through_the_operator_role(
    cloud: Cloud, server: lifecycle.Server
) -> None:
    other = "9" + cloud.account[1:]
    here, there = Target(SELF, "us-east-1"), Target(other, "eu-west-1")
    source = part("source", targets=(here, there), Text="1")
    wanted = system(source)
    cloud.bootstrap(wanted)
    resolved = wanted.resolve(cloud.account)
    looking = cloud.aws.assuming(resolved.operator_role)

    ended = cloud.run(cloud.plan(wanted))

    assert ended.green, ended
    instance = cloud.sets.listed("demo-test-source")[there]
    assert instance.stack_id
    assert stacks.outputs(looking, there, instance.stack_id) == {"Name": "/demo/source"}
    # The hop that is refused is named, and the run waits until it is allowed again.
    told = template({"Here": parameter("/demo/source")}, Told={"Ref": "Text"})
    text = template({"There": parameter("/demo/reader")})
    reader = part("reader", text, targets=(here, there), Text=Output("source", "Told"))
    bigger = replace(wanted, stack_sets=(replace(source, template=told), reader))
    cloud.bootstrap(bigger)
    fault = refuse_assume_role(server, cloud.account)
    sets = replace(cloud.sets, aws=cloud.aws.assuming(resolved.operator_role))
    hop = (
        f"{cloud.account}, to assume arn:aws:iam::{other}:role/{resolved.operator_role}"
    )
    try:
        with pytest.raises(rollout.Lost, match=f"sts:AssumeRole: refused for.*{hop}"):
            rollout.run(
                plan.make(bigger.resolve(cloud.account), cloud.observe(wanted)),
                sets,
                cloud.events.append,
                poll_seconds=(0.02, 0.1),
            )
    finally:
        lifecycle.clear_faults(server.folder, fault)
    resumed = cloud.resume(bigger)
    assert resumed and resumed.green


def refuse_assume_role(server: lifecycle.Server, account: str) -> str:
    """Let no policy allow an account to assume a role; return the fault."""
    calls = {"service": "sts", "action": "AssumeRole", "account": account}
    match = {**calls, "times": "always"}
    *_, fault = lifecycle.add_faults(
        server.folder, {"effect": "denied", "match": match}
    )
    return str(fault["id"])


def test_losing_aws_under_a_rollout_says_how_to_go_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    # A port of its own: nobody else may answer there once this server is gone.
    serve = forks.module("tapgen", "local", "serve")
    server = lifecycle.start(folder, serve, free_port())
    cloud = Cloud(server.url, "000000000000")
    wanted = system(part("source", Text="1"))
    cloud.bootstrap(wanted)
    the_plan = cloud.plan(wanted)

    def kill(event: Any) -> None:
        if event.kind == "start":
            os.kill(server.pid, signal.SIGKILL)

    with pytest.raises(RolloutError, match="lost the connection to AWS.* stays open"):
        rollout.run(the_plan, cloud.sets, kill, poll_seconds=(0.02, 0.1), patience=1.0)


def test_actions_of_a_plan_are_those_that_happen(cloud: Cloud) -> None:
    wanted = system(part("source", Text="1"))
    cloud.bootstrap(wanted)
    the_plan = cloud.plan(wanted)
    cloud.run(the_plan)

    client = cloud.client("cloudformation")
    listed = client.list_stack_set_operations(StackSetName="demo-test-source")
    (operation,) = listed["Summaries"]

    assert operation["Action"] == Action.CREATE
    assert operation["OperationId"].startswith("tapgen-")


def marked(word: str, **more: Any) -> str:
    """A template whose resource says which template and which value it was the_plan of."""
    here = parameter("/demo/source")
    here["Properties"]["Value"] = {"Fn::Sub": word + "-${Text}"}
    return template({"Here": here, **more})


def test_a_new_template_never_meets_an_old_value_nor_an_old_one_a_new_value(
    cloud: Cloud,
) -> None:
    assert cloud.rollout(
        system(part("source", marked("one"), **by_region("a", "b")))
    ).green
    wanted = system(part("source", marked("two"), **by_region("c", "d")))

    ended = cloud.rollout(wanted)

    assert ended.green, ended
    assert history(cloud, "/demo/source", "us-east-1") == ["one-a", "two-c"]
    assert history(cloud, "/demo/source", "us-west-2") == ["one-b", "two-d"]
    assert not cloud.plan(wanted)


def test_a_rollback_mixes_no_templates_and_values_either(cloud: Cloud) -> None:
    before = system(part("source", marked("one"), **by_region("a", "b")))
    assert cloud.rollout(before).green
    logs = cloud.client("logs")  # in us-east-1, the last
    logs.create_log_group(logGroupName="taken")
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "taken"}}
    broken = marked("two", Taken=group | {"DependsOn": "Here"})

    ended = cloud.rollout(system(part("source", broken, **by_region("c", "d"))))

    assert ended.failures[0].target == Target(cloud.account, "us-east-1")
    assert ended.restored == ("demo-test-source",)
    west = history(cloud, "/demo/source", "us-west-2")
    assert west == ["one-b", "two-d", "one-b"]
    assert set(history(cloud, "/demo/source", "us-east-1")) <= {"one-a", "two-c"}
    assert history(cloud, "/demo/source", "us-east-1")[-1] == "one-a"
    assert not cloud.plan(before)


@pytest.mark.parametrize(("first", "then"), [(2, 3), (3, 2)])
def test_a_list_may_grow_and_shrink_with_the_template_that_reads_it(
    cloud: Cloud, first: int, then: int
) -> None:
    def wanted(number: int) -> System:
        last = {"Fn::Select": [number - 1, {"Fn::Split": [",", {"Ref": "Text"}]}]}
        here = parameter("/demo/source")
        here["Properties"]["Value"] = last
        items = [[f"{region}{n}" for n in range(number)] for region in ("east", "west")]
        values = by_region(*(",".join(one) for one in items))
        return system(part("source", template({"Here": here}), **values))

    assert cloud.rollout(wanted(first)).green
    ended = cloud.rollout(wanted(then))

    assert ended.green, ended
    assert history(cloud, "/demo/source", "us-west-2")[-1] == f"west{then - 1}"
    assert history(cloud, "/demo/source", "us-east-1")[-1] == f"east{then - 1}"
