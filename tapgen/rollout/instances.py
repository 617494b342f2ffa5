"""Stack instances after an operation: wait for their status, read their outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tapgen.errors import RolloutError
from tapgen.model import InstanceStatus, Target
from tapgen.plan import Step
from tapgen.rollout.state import Run
from tapgen.system import units

READS = 30
"""How often instances are read again until they are CURRENT: lists are eventually
consistent (API reference, ListStackInstances)."""


def finish(run: Run, step: Step) -> None:
    """Wait until the step's targets are CURRENT, then read their outputs."""
    instances = await_current(run, step.stack_set, step.targets)
    if '"Outputs"' not in run.plan.system.part(step.part).template:
        return

    def read(target: Target) -> Mapping[str, str]:
        return run.sets.outputs(target, instances[target].stack_id) or {}

    there = [t for t in step.targets if t in instances]
    with ThreadPoolExecutor(8) as pool:
        for target, found in zip(there, pool.map(read, there), strict=True):
            run.outputs[step.part, target] = found


def await_current(run: Run, name: str, targets: Sequence[Target]) -> Any:
    """Return the instances once all targets are CURRENT; RolloutError if they stay else.

    Where stacks follow accounts, an account that has left is no failure, nor is one
    that has joined a unit whose stacks waited for it.
    """
    for _ in range(READS):
        instances = run.sets.listed(name, any(t.joins_later for t in targets))
        reached = {(t.unit, t.region) for t in instances}
        wrong = [
            t
            for t in targets
            if (
                instances[t].status is not InstanceStatus.CURRENT
                if t in instances
                else not (t.joins_later and (t.unit, t.region) in reached)
            )
        ]
        if not wrong:
            return instances
        run.sleep(run.poll_seconds[0])
    if _follows_accounts(run, name) and not any(t in instances for t in wrong):
        return instances
    instance = instances.get(wrong[0])
    status = instance.status if instance else "missing"
    why = (instance.reason if instance else None) or "no reason given"
    raise RolloutError(f"{wrong[0]} is {status}, not CURRENT: {why}")


def _follows_accounts(run: Run, name: str) -> bool:
    wanted = {s.name: s for s in run.plan.system.stack_sets}
    return name in wanted and units.follows(wanted[name])


def await_gone(run: Run, name: str, targets: Sequence[Target]) -> None:
    """Wait until instances are deleted; RolloutError for accounts where nothing was.

    An operation succeeds and does not mention accounts that are suspended, or that have
    left the organization.
    """
    for _ in range(READS):
        there = run.sets.listed(name)
        left = [target for target in targets if target in there]
        if not left:
            return
        run.sleep(run.poll_seconds[0])
    accounts = " ".join(dict.fromkeys(t.account for t in left))
    regions = " ".join(dict.fromkeys(t.region for t in left))
    raise RolloutError(
        f"{', '.join(map(str, left))} still exists: AWS does not reach accounts that are "
        "suspended or have left the organization; remove it from the stack set with aws "
        f"cloudformation delete-stack-instances --stack-set-name {name} "
        "--deployment-targets OrganizationalUnitIds=<root>,AccountFilterType="
        f"INTERSECTION,Accounts={accounts.replace(' ', ',')} --regions {regions} "
        "--retain-stacks"
    )
