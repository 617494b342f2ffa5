"""What a plan is told beside: head-room and drift, read from the embedded AWS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tapgen.cli.deploy import Reached, outlook_of
from tapgen.model import SELF, StackSet, System, Target
from tapgen.report import outlook
from tests import make
from tests.emulated.conftest import Cloud

NETWORK = make.template(
    resources={
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}}
    }
)


EAST = Target(SELF, "us-east-1")


def here(*stack_sets: StackSet) -> System:
    """A system in the test's own account."""
    return replace(make.system(*stack_sets), admin=EAST)


def ahead(cloud: Cloud, wanted: System, **more: Any) -> outlook.Outlook:
    made = cloud.plan(wanted)
    nobody: Any = None
    reached = Reached(nobody, made.system, cloud.aws, cloud.sets, local=True)
    found: outlook.Outlook = outlook_of(reached, made, **more)
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
    assert "does not fit" in "\n".join(outlook.first(full))


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
