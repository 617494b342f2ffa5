"""Stack instances after an operation: wait for their status, read their outputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tapgen.aws import stuck
from tapgen.aws.stacksets import StackSets
from tapgen.errors import RolloutError
from tapgen.model import (
    InstanceDetailedStatus,
    InstanceStatus,
    ObservedInstance,
    Target,
)
from tapgen.rollout.program import ADOPTING, Call, Kind, Step, Verb

READS = 30
"""How often instances are read again until they are CURRENT: lists are eventually
consistent (API reference, ListStackInstances)."""

HANGING_READS = 3
"""How often, where one is INOPERABLE or in a suspended account: waiting changes nothing."""

_HANGING = (
    InstanceStatus.INOPERABLE,
    InstanceDetailedStatus.INOPERABLE,
    InstanceDetailedStatus.SKIPPED_SUSPENDED_ACCOUNT,
)

Outputs = Mapping[Target, Mapping[str, str]]


@dataclass
class Await:
    """The end of a step: its targets have to be CURRENT, or gone. `listed` are all
    instances of the stack set once they are CURRENT; None where they were not listed.
    """

    step: Step
    reads: int = 0
    listed: Mapping[Target, ObservedInstance] | None = None

    def finished(
        self, sets: StackSets, everything: Collection[Target]
    ) -> Outputs | None:
        """Return the outputs that later steps need once all targets are as they should
        be; None until then. `everything` are all instances of the stack set.

        Raises RolloutError when they stay otherwise.
        """
        step = self.step
        if step.kind in (Kind.UPLOAD, Kind.GATE):
            return {}
        if step.kind in ADOPTING and not step.last:
            return {}
        if step.kind is Kind.REPAIR:
            return {} if all(self._rolled_back(sets, c) for c in step.calls) else None
        if step.kind is Kind.DELETE:
            return {} if self._gone(sets) else None
        targets = step.targets
        if step.kind is Kind.SETTLE:
            left = step.untouched | step.asleep
            targets = tuple(t for t in everything if t not in left)
        instances = self._current(sets, targets)
        if instances is None:
            return None
        self.listed = instances
        return self._outputs(sets, targets, instances)

    def _rolled_back(self, sets: StackSets, call: Call) -> bool:
        """Return whether a stack has gone on rolling back to the end; RolloutError when
        it hangs again."""
        if call.verb is not Verb.CONTINUE_ROLLBACK or not call.targets:
            return True
        target = call.targets[0]
        status = stuck.status(sets.aws, target, call.key) or stuck.GONE
        if status.endswith("_IN_PROGRESS"):
            return False
        if status == "UPDATE_ROLLBACK_FAILED":
            failed = stuck.state(sets.aws, target, call.key).failed
            raise RolloutError(_hangs_again(target, status, failed))
        return True

    def _current(self, sets: StackSets, targets: Sequence[Target]) -> Any:
        """Return the instances once all targets are CURRENT; None until then.

        Where stacks follow accounts, an account that has left is no failure, nor is one
        that has joined a unit whose stacks waited for it.
        """
        name = self.step.stack_set
        instances = sets.listed(name, any(t.joins_later for t in targets))
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
        self.reads += 1
        hanging = [
            t
            for t in wrong
            if t in instances
            and {instances[t].status, instances[t].detailed_status} & {*_HANGING}
        ]
        if self.reads < (HANGING_READS if hanging else READS):
            return None
        if self.step.follows and not any(t in instances for t in wrong):
            return instances
        first = (hanging or wrong)[0]
        instance = instances.get(first)
        status = instance.status if instance else "missing"
        why = (instance.reason if instance else None) or "no reason given"
        raise RolloutError(f"{first} is {status}, not CURRENT: {why}")

    def _outputs(
        self, sets: StackSets, targets: Sequence[Target], instances: Any
    ) -> Outputs:
        reads = self.step.reads
        if not reads:
            return {}

        def read(target: Target) -> Mapping[str, str]:
            found = sets.outputs(target, instances[target].stack_id) or {}
            return {k: v for k, v in found.items() if k in reads}

        there = [t for t in targets if t in instances]
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(there, pool.map(read, there), strict=True))

    def _gone(self, sets: StackSets) -> bool:
        """Return whether the instances are deleted; RolloutError for accounts where
        nothing was.

        An operation succeeds and does not mention accounts that are suspended, or that
        have left the organization.
        """
        step = self.step
        there = [t for t in step.targets if not t.joins_later]
        if not any(t.unit for t in there):
            return True
        listed = sets.listed(step.stack_set)
        left = [target for target in there if target in listed]
        if not left:
            return True
        self.reads += 1
        if self.reads < READS:
            return False
        raise RolloutError(_out_of_reach(step.stack_set, left))


def _hangs_again(target: Target, status: str, failed: Sequence[tuple[str, str]]) -> str:
    reasons = "; ".join(f"{id}: {why}" for id, why in failed)
    why = f" ({reasons})" if reasons else ""
    return (
        f"the stack in {target} hangs in {status} again{why}; mend what failed, let a "
        "role continue that may change it (tapgen repair --assume-role), or name the "
        "resources to skip (tapgen repair --skip)"
    )


def _out_of_reach(name: str, left: Sequence[Target]) -> str:
    accounts = " ".join(dict.fromkeys(t.account for t in left))
    regions = " ".join(dict.fromkeys(t.region for t in left))
    return (
        f"{', '.join(map(str, left))} still exists: AWS does not reach accounts that are "
        "suspended or have left the organization; remove it from the stack set with aws "
        f"cloudformation delete-stack-instances --stack-set-name {name} "
        "--deployment-targets OrganizationalUnitIds=<root>,AccountFilterType="
        f"INTERSECTION,Accounts={accounts.replace(' ', ',')} --regions {regions} "
        "--retain-stacks"
    )
