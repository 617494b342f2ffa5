"""What is shown beside a plan: quotas and drift, read from the embedded AWS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tapgen.cli.plan import outlook_of
from tapgen.cli.reach import Reached
from tapgen.model import SELF, StackSet, System, Target
from tapgen.plan import drift
from tapgen.report import outlook
from tests import make
from tests.emulated.conftest import Cloud

NETWORK = make.template(
    resources={
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}}
    }
)


EAST, WEST = Target(SELF, "us-east-1"), Target(SELF, "us-west-2")


def here(*stack_sets: StackSet) -> System:
    """A system in the test's own account."""
    return replace(make.system(*stack_sets), admin=EAST)


def ahead(cloud: Cloud, wanted: System, **more: Any) -> outlook.Outlook:
    plan = cloud.plan(wanted)
    nobody: Any = None
    reached = Reached(nobody, plan.system, cloud.aws, cloud.sets, local=True)
    found: outlook.Outlook = outlook_of(reached, plan, **more)
    return found


def test_vpcs_that_are_there_leave_no_room_for_another(cloud: Cloud) -> None:
    wanted = here(make.stack_set(targets=[EAST], text=NETWORK))
    roomy = ahead(cloud, wanted)
    ec2 = cloud.client("ec2")
    for n in range(4):  # with the default VPC five, which is the default quota
        ec2.create_vpc(CidrBlock=f"10.{n}.0.0/16")

    full = ahead(cloud, wanted)

    assert all(room.fits for room in roomy.limits)
    (short,) = [room for room in full.limits if not room.fits]
    assert (short.demand.quota.name, short.used, short.demand.adds) == ("VPCs", 5, 1)
    assert "exceeds a quota" in "\n".join(outlook.first(full))


def test_a_plan_asks_only_for_what_it_adds_to(cloud: Cloud) -> None:
    wanted = here(make.stack_set(targets=[EAST], text=NETWORK))
    assert cloud.rollout(wanted).green

    assert ahead(cloud, wanted).limits == ()

    every = ahead(cloud, wanted, everything=True).limits
    used = {room.demand.quota.name: room.used for room in every}
    assert used["stack sets"] == 1
    assert used["VPCs"] == 2
    # The instance's, and those of bootstrap: administration, roles.
    assert used["stacks"] == 3


# -- drift ---------------------------------------------------------------------------


def topics(first: str, second: str = "same") -> StackSet:
    def topic(display: str) -> dict[str, Any]:
        return {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": display}}

    text = make.template(resources={"First": topic(first), "Second": topic(second)})
    return make.stack_set(targets=[EAST, WEST], text=text)


def change_by_hand(cloud: Cloud, region: str, display: str) -> None:
    """Give every topic of a region another name, behind CloudFormation's back."""
    sns = cloud.client("sns", region)
    for topic in sns.list_topics()["Topics"]:
        sns.set_topic_attributes(
            TopicArn=topic["TopicArn"],
            AttributeName="DisplayName",
            AttributeValue=display,
        )


def look(cloud: Cloud, *names: str) -> list[str]:
    """Detect drift; return the lines that it reports."""
    lines: list[str] = []
    drift.detect(cloud.sets, names, lines.append, poll_seconds=0.05)
    return lines


def test_what_drifted_is_named_with_what_the_plan_does_to_it(cloud: Cloud) -> None:
    assert cloud.rollout(here(topics("old"))).green
    change_by_hand(cloud, "us-west-2", "by hand")
    reported = look(cloud, "demo-test-data")

    outlook_found = ahead(cloud, here(topics("new")))

    assert reported == [
        "demo-test-data: detecting drift …",
        "demo-test-data: drift detection SUCCEEDED",
    ]
    found = {(d.logical_id, d.fate, d.target.region) for d in outlook_found.drift.found}
    assert found == {
        ("First", drift.Fate.OVERWRITTEN, "us-west-2"),
        ("Second", drift.Fate.STAYS, "us-west-2"),
    }
    shown = "\n".join(outlook.first(outlook_found))
    assert "drift that this plan may overwrite" in shown
    assert "DisplayName is by hand, the template has old" in shown
    assert "2 of 2 instances to update checked" in "\n".join(
        outlook.last(outlook_found)
    )


def test_drift_that_nobody_looked_for_is_said_to_be_unknown(cloud: Cloud) -> None:
    assert cloud.rollout(here(topics("old"))).green
    change_by_hand(cloud, "us-west-2", "by hand")

    outlook_found = ahead(cloud, here(topics("new")))

    assert outlook_found.drift.found == ()
    assert len(outlook_found.drift.unchecked) == 2
    assert "to check first, run plan --detect-drift" in "\n".join(
        outlook.last(outlook_found)
    )


def test_a_topic_deleted_by_hand_stands_in_the_way(cloud: Cloud) -> None:
    assert cloud.rollout(here(topics("old"))).green
    sns = cloud.client("sns", "us-east-1")
    for topic in sns.list_topics()["Topics"]:
        sns.delete_topic(TopicArn=topic["TopicArn"])
    look(cloud, "demo-test-data")

    found = ahead(cloud, here(topics("new"))).drift.found

    assert [(d.logical_id, d.difference, d.fate) for d in found] == [
        ("First", None, drift.Fate.FAILS),
        ("Second", None, drift.Fate.STAYS),
    ]
