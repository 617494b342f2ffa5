"""The security group that Global Accelerator makes in the VPC of a load balancer.

An endpoint whose clients' addresses are preserved gets network interfaces in its VPC, and
a security group "GlobalAccelerator". The service never deletes it, and a VPC with it
cannot be deleted.
https://docs.aws.amazon.com/global-accelerator/latest/dg/best-practices-aga.html
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services import accelerators, clock

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.alb": {"_lbs": None},
    "ministack.services.ec2": {"_create_security_group": ("p",), "_subnets": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

NAME = "GlobalAccelerator"


def apply() -> None:
    """Make the groups when the clock is moved."""
    clock.watch(_happen)


def _happen() -> None:
    if not clock.stands():
        return
    ec2: Any = import_module("ministack.services.ec2")
    wanted = accelerators.preserving()
    for arn, balancer in clock.everywhere(import_module("ministack.services.alb")._lbs):
        if arn not in wanted:
            continue
        subnets = [ec2._subnets.get(id_) for id_ in balancer.get("Subnets") or []]
        for vpc in {subnet["VpcId"] for subnet in subnets if subnet}:
            # Refused as a duplicate where it is already.
            ec2._create_security_group({"GroupName": NAME, "VpcId": vpc})
