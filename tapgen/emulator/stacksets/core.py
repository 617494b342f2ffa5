"""What all StackSets actions share: finding, targeting, starting operations."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from tapgen.emulator.accounts import organizations, regions
from tapgen.emulator.permissions.enforcing import acting_as
from tapgen.emulator.stacksets import access, describe, gate, trust
from tapgen.emulator.stacksets.model import (
    Instance,
    Operation,
    Preferences,
    Registry,
    StackSet,
)
from tapgen.emulator.stacksets.operations import Runner, Skipped, Work
from tapgen.emulator.stacksets.stacks import Stacks
from tapgen.emulator.stacksets.targets import Targets, resolve
from tapgen.emulator.wire.inner import Inner, Place
from tapgen.emulator.wire.query_protocol import ServiceError, invalid, modelled

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
"""The name of the operation that each action starts."""

Outcome = Callable[[Instance, str, str | None], None]
"""Sets on an instance that an operation is RUNNING or how it ended, and why."""


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
        self.lag = 0.0
        """How far eventually consistent lists lag behind, in seconds."""
        self.registry = Registry()
        self.runner = Runner(pace)
        self.stacks = Stacks(inner)

    def find(self, caller: Place, request: Request) -> StackSet:
        """The stack set a request names; StackSetNotFoundException."""
        name = request["StackSetName"]
        found = self.registry.get(caller, name)
        if not access.visible(found, request):
            message = f"StackSet {name} not found"
            raise modelled("StackSetNotFoundException", message)
        return found

    def _repeated(
        self, stack_set: StackSet, action: str, request: Request
    ) -> Answer | None:
        """The answer to a request that was sent before with the same operation id.

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

    async def targets(
        self, stack_set: StackSet, request: Request, creating: bool = False
    ) -> Targets | None:
        """What a request is about; None when it names neither accounts nor regions."""
        check_preferences(request)
        return await resolve(self.inner, stack_set, request, creating)

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
        """Bring one stack up to date with its stack set; ServiceError."""
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
        """Start or queue an operation; return the answer to the request.

        `begin` runs when the operation starts and returns its places, `work` runs at each
        of them. `outcome` sets the result on an instance.
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
        job = self._job(stack_set, begin, work, outcome, finish)
        self.runner.submit(stack_set, operation, job)
        return {"OperationId": operation.id}

    def automatic(
        self,
        stack_set: StackSet,
        action: str,
        places: tuple[Place, ...],
        begin: Callable[[Operation], tuple[Place, ...]],
        work: Callable[[StackSet, Place], Awaitable[None]],
        outcome: Outcome,
        after: Sequence[Operation],
        needs: Sequence[Operation],
    ) -> Operation:
        """Start or queue an operation of automatic deployment; see `Runner.queue`.

        "Operation preferences don't apply to automatic deployments."
        """
        id_ = describe.new_id()
        operation = Operation(id_, action, id_, Preferences(), places)
        job = self._job(stack_set, begin, work, outcome, lambda operation: None)
        self.runner.queue(stack_set, operation, job, after, needs)
        return operation

    def _job(
        self,
        stack_set: StackSet,
        begin: Callable[[Operation], tuple[Place, ...]],
        work: Callable[[StackSet, Place], Awaitable[None]],
        outcome: Outcome,
        finish: Callable[[Operation], None],
    ) -> Work:
        entry = _Entry(self.inner, stack_set)

        async def at(operation: Operation, place: Place) -> None:
            instance = stack_set.instances[place]
            outcome(instance, "RUNNING", None)
            try:
                if not operation.retain:
                    _refuse_region(stack_set, place)
                await entry.check(place)
                result = await gate.check(self.inner, stack_set, place)
                operation.results[place].gate = result
                gate.refuse(result)
                with acting_as(place.account, _role(stack_set)):
                    await work(stack_set, place)
            except Skipped as skipped:
                outcome(instance, "SKIPPED_SUSPENDED_ACCOUNT", str(skipped))
                raise
            except ServiceError as error:
                outcome(instance, "FAILED", error.message)
                raise
            outcome(instance, "SUCCEEDED", None)

        def cancelled(operation: Operation, place: Place) -> None:
            reason = operation.results[place].reason
            outcome(stack_set.instances[place], "CANCELLED", reason)

        return Work(begin, at, cancelled, finish)


def _refuse_region(stack_set: StackSet, place: Place) -> None:
    """Skipped or ServiceError when an account cannot be used, there or at all."""
    if organizations.suspended(place.account):
        raise Skipped(f"Account {place.account} is suspended")
    for account in (stack_set.owner.account, place.account):
        if not regions.enabled(account, place.region):
            raise ServiceError(
                "InvalidClientTokenId",
                f"Region {place.region} is not enabled in account {account}: The "
                "security token included in the request is invalid. (Service: "
                "AmazonCloudFormation; Status Code: 403; Error Code: "
                "InvalidClientTokenId)",
            )


def _role(stack_set: StackSet) -> str:
    """The role whose permissions count: AWS's own may do everything."""
    managed = stack_set.permission_model != "SELF_MANAGED"
    return "" if managed else stack_set.execution_role


class _Entry:
    """Check the roles of a self-managed stack set once per account and operation."""

    def __init__(self, inner: Inner, stack_set: StackSet) -> None:
        self.inner = inner
        self.stack_set = stack_set
        self._refusals: dict[tuple[str, str], ServiceError | None] = {}

    async def check(self, place: Place) -> None:
        """ServiceError when an account's roles do not let the operation in."""
        if self.stack_set.permission_model != "SELF_MANAGED":
            return
        opt_in = place.region if place.region in regions.OPT_IN else ""
        key = (place.account, opt_in)
        if key not in self._refusals:
            self._refusals[key] = await self._refusal(place)
        refusal = self._refusals[key]
        if refusal is not None:
            raise refusal

    async def _refusal(self, place: Place) -> ServiceError | None:
        try:
            await trust.check_administration(self.inner, self.stack_set, place.region)
            await trust.check_execution(self.inner, self.stack_set, place)
        except ServiceError as error:
            return error
        return None


def fingerprint(request: Request, action: str = "") -> str:
    sent = {k: v for k, v in request.items() if k != "ClientRequestToken"}
    return action + json.dumps(sent, sort_keys=True)


def check_preferences(request: Request) -> None:
    preferences = request.get("OperationPreferences", {})
    for kind in ("FailureTolerance", "MaxConcurrent"):
        if f"{kind}Count" in preferences and f"{kind}Percentage" in preferences:
            raise invalid(
                f"You must specify either {kind}Count or {kind}Percentage, but not both"
            )
