"""What all StackSets actions share: finding, targeting, starting operations."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from tapgen.emulator import describe, trust
from tapgen.emulator.inner import Inner, Place
from tapgen.emulator.model import Instance, Operation, Preferences, Registry, StackSet
from tapgen.emulator.operations import Runner, Work
from tapgen.emulator.stacks import Stacks
from tapgen.emulator.wire import ServiceError, invalid, modelled

REGION = r"[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}"
Request = Mapping[str, Any]
Answer = dict[str, Any]


ACTIONS = {
    "CreateStackInstances": "CREATE",
    "DeleteStackInstances": "DELETE",
    "DetectStackSetDrift": "DETECT_DRIFT",
    "ImportStacksToStackSet": "CREATE",
    "UpdateStackInstances": "UPDATE",
    "UpdateStackSet": "UPDATE",
}
"""What the operation that an action starts is called."""

Outcome = Callable[[Instance, str, str | None], None]
"""Tells an instance that an operation on it is RUNNING or how it ended, and why."""


def settle(status: str, detailed: str) -> Outcome:
    """An outcome that leaves an instance in `status` and `detailed` on failure."""

    def outcome(instance: Instance, result: str, reason: str | None) -> None:
        if result == "FAILED":
            instance.settle(status, detailed, reason)
        elif result == "SUCCEEDED":
            instance.settle("CURRENT", "SUCCEEDED")
        else:
            instance.settle(instance.status, result, reason)

    return outcome


def untouched(instance: Instance, result: str, reason: str | None) -> None:
    """An outcome that leaves an instance as it is."""


class Core:
    """The stack sets there are, and how operations on them are started.

    `pace` is how long an operation is RUNNING before it changes anything, in seconds.
    """

    def __init__(self, inner: Inner, pace: float = 0.05) -> None:
        self.inner = inner
        self.registry = Registry()
        self.runner = Runner(pace)
        self.stacks = Stacks(inner)

    def find(self, caller: Place, request: Request) -> StackSet:
        """The stack set a request names; StackSetNotFoundException."""
        return self.registry.get(caller, request["StackSetName"])

    def _repeated(
        self, stack_set: StackSet, action: str, request: Request
    ) -> Answer | None:
        """The answer to a request that was made before with the same operation id.

        "The operation ID also functions as an idempotency token, to ensure that
        CloudFormation performs the stack set operation only once, even if you retry
        the request multiple times."
        """
        id_ = request.get("OperationId")
        known = stack_set.operations.get(id_ or "")
        if known is None:
            return None
        if next(reversed(stack_set.operations)) != id_:
            raise modelled(
                "StaleRequestException",
                "Another operation has been performed on this stack set since the "
                f"specified operation {id_} was performed",
            )
        if known.request != fingerprint(request, action):
            raise modelled(
                "OperationIdAlreadyExistsException",
                f"The specified operation ID {id_} already exists",
            )
        return {"OperationId": id_}

    def targets(
        self, stack_set: StackSet, request: Request
    ) -> tuple[Place, ...] | None:
        """The places a request names; None when it names none."""
        _check_preferences(request)
        accounts, regions = request.get("Accounts"), request.get("Regions")
        named = request.get("DeploymentTargets")
        if named is not None and stack_set.permission_model == "SELF_MANAGED":
            if named.get("OrganizationalUnitIds") or accounts is not None:
                raise invalid(
                    "StackSets with SELF_MANAGED permission model can only have "
                    "accounts as target."
                )
            accounts = named.get("Accounts")
        if accounts is None and regions is None:
            return None
        if not accounts or not regions:
            raise invalid("Accounts and Regions must both be specified")
        wrong = [r for r in regions if not re.fullmatch(REGION, r)]
        if wrong:
            raise invalid(f"Region {wrong[0]} is not supported")
        return tuple(dict.fromkeys(Place(a, r) for r in regions for a in accounts))

    def enlist(
        self,
        stack_set: StackSet,
        operation: Operation,
        places: Iterable[Place],
        inoperable: bool = False,
    ) -> tuple[Place, ...]:
        """Mark the instances an operation changes; INOPERABLE ones are left out."""
        taken = []
        for place in places:
            instance = stack_set.instances[place]
            if instance.status == "INOPERABLE" and not inoperable:
                continue
            instance.detailed, instance.operation = "PENDING", operation.id
            taken.append(place)
        return tuple(taken)

    async def deploy(self, stack_set: StackSet, place: Place) -> None:
        """Bring one stack to what the stack set says; ServiceError."""
        await self.stacks.deploy(stack_set, stack_set.instances[place])

    def submit(
        self,
        stack_set: StackSet,
        action: str,
        request: Request,
        places: tuple[Place, ...] | None,
        begin: Callable[[Operation], tuple[Place, ...]],
        work: Callable[[StackSet, Place], Awaitable[None]],
        outcome: Outcome = settle("OUTDATED", "FAILED"),
        finish: Callable[[Operation], None] = lambda operation: None,
    ) -> Answer:
        """Start or queue an operation; the answer to the call that asked for it.

        `begin` runs when the operation starts and gives its places, `work` at each of
        them. `outcome` tells an instance what became of it.
        """
        # Both may have changed while the request was checked.
        self.find(stack_set.owner, request)
        repeated = self._repeated(stack_set, action, request)
        if repeated is not None:
            return repeated
        operation = Operation(
            id=request.get("OperationId") or describe.new_id(),
            action=ACTIONS[action],
            request=fingerprint(request, action),
            preferences=Preferences(request.get("OperationPreferences", {})),
            places=places or (),
            whole=places is None or action == "UpdateStackSet",
            targets=request.get("DeploymentTargets"),
            administration_role=stack_set.administration_role_arn,
            execution_role=stack_set.execution_role,
        )
        roles = _Roles(self.inner, stack_set)

        async def at(operation: Operation, place: Place) -> None:
            instance = stack_set.instances[place]
            outcome(instance, "RUNNING", None)
            try:
                await roles.check(place)
                operation.results[place].gate = describe.gate(place)
                await work(stack_set, place)
            except ServiceError as error:
                outcome(instance, "FAILED", error.message)
                raise
            outcome(instance, "SUCCEEDED", None)

        def cancelled(operation: Operation, place: Place) -> None:
            reason = operation.results[place].reason
            outcome(stack_set.instances[place], "CANCELLED", reason)

        job = Work(begin, at, cancelled, finish)
        self.runner.submit(stack_set, operation, job)
        return {"OperationId": operation.id}


class _Roles:
    """Checks the roles of a self-managed stack set once per account and operation."""

    def __init__(self, inner: Inner, stack_set: StackSet) -> None:
        self.inner = inner
        self.stack_set = stack_set
        self._verdicts: dict[str, ServiceError | None] = {}

    async def check(self, place: Place) -> None:
        """ServiceError when an account's roles do not let the operation in."""
        if self.stack_set.permission_model != "SELF_MANAGED":
            return
        if place.account not in self._verdicts:
            self._verdicts[place.account] = await self._verdict(place)
        verdict = self._verdicts[place.account]
        if verdict is not None:
            raise verdict

    async def _verdict(self, place: Place) -> ServiceError | None:
        try:
            await trust.check_administration(self.inner, self.stack_set)
            await trust.check_execution(self.inner, self.stack_set, place)
        except ServiceError as error:
            return error
        return None


def fingerprint(request: Request, action: str = "") -> str:
    sent = {k: v for k, v in request.items() if k != "ClientRequestToken"}
    return action + json.dumps(sent, sort_keys=True)


def _check_preferences(request: Request) -> None:
    preferences = request.get("OperationPreferences", {})
    for kind in ("FailureTolerance", "MaxConcurrent"):
        if f"{kind}Count" in preferences and f"{kind}Percentage" in preferences:
            raise invalid(
                f"You must specify either {kind}Count or {kind}Percentage, but not both"
            )
