"""Outputs of deployed stacks, read in their own region: no region that is lost is asked."""

from __future__ import annotations

from functools import cache

from tapgen.aws import stacks
from tapgen.aws.session import Aws
from tapgen.errors import RolloutError
from tapgen.model import SAME, Output, System, Target
from tapgen.model.procedures import STACK_ID
from tapgen.operate.filling import Read


def reader(system: System, aws: Aws) -> Read:
    """Return a function that reads an output for a target. It raises RolloutError where the
    part is not deployed, and AwsError."""

    @cache
    def stack(part: str, where: Target) -> str:
        name = system.part(part).name
        found = stacks.of_stack_set(aws, where, name)
        if found is None:
            raise RolloutError(
                f"{system.prefix}: {part} is not deployed in {where}; was the system never "
                f"rolled out? See tapgen status {system.name}"
            )
        return found

    @cache
    def deployed(part: str, where: Target) -> dict[str, str]:
        return stacks.outputs(aws, where, stack(part, where)) or {}

    def read(value: Output, target: Target) -> str:
        account = target.account if value.account == SAME else value.account
        region = (
            target.region
            if value.region == SAME
            else system.regions.get(value.region, value.region)
        )
        where = Target(account, region)
        if value.output == STACK_ID:
            return stack(value.part, where)
        outputs = deployed(value.part, where)
        if value.output not in outputs:
            raise RolloutError(
                f"{system.prefix}: {value.part} in {where} has no output {value.output}; "
                f"roll the system out again: tapgen rollout {system.name}"
            )
        return outputs[value.output]

    return read
