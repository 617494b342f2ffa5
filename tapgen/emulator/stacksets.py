"""CloudFormation's StackSets actions, over stacks that the wrapped emulator makes.

Semantics are those of the CloudFormation API reference (actions, data types) and of the
chapter on StackSets of its user guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from tapgen.emulator import describe, templates, trust
from tapgen.emulator.inner import Inner, Place
from tapgen.emulator.model import (
    DEFAULT_EXECUTION_ROLE,
    Instance,
    Operation,
    Preferences,
    Registry,
    StackSet,
)
from tapgen.emulator.operations import Runner, Work
from tapgen.emulator.stacks import Stacks
from tapgen.emulator.wire import ServiceError, invalid, modelled

NAME = r"[a-zA-Z][-a-zA-Z0-9]{0,127}"
REGION = r"[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}"
Request = Mapping[str, Any]
Answer = dict[str, Any]


class Engine:
    """All StackSets of the embedded AWS.

    `pace` is how long an operation is RUNNING before it changes anything, in seconds.
    """

    def __init__(self, inner: Inner, pace: float = 0.05) -> None:
        self.inner = inner
        self.registry = Registry()
        self.runner = Runner(pace)
        self.stacks = Stacks(inner)
        self.actions: dict[str, Callable[[Place, Request], Awaitable[Answer]]] = {
            "CreateStackSet": self.create_stack_set,
            "DescribeStackSet": self.describe_stack_set,
            "ListStackSets": self.list_stack_sets,
            "UpdateStackSet": self.update_stack_set,
            "DeleteStackSet": self.delete_stack_set,
            "CreateStackInstances": self.create_stack_instances,
            "UpdateStackInstances": self.update_stack_instances,
            "DeleteStackInstances": self.delete_stack_instances,
            "DescribeStackInstance": self.describe_stack_instance,
            "ListStackInstances": self.list_stack_instances,
            "DescribeStackSetOperation": self.describe_operation,
            "ListStackSetOperations": self.list_operations,
            "ListStackSetOperationResults": self.list_operation_results,
            "StopStackSetOperation": self.stop_operation,
        }

    async def call(self, action: str, caller: Place, request: Request) -> Answer:
        """Answer an action as `caller`; ServiceError when it is refused."""
        return await self.actions[action](caller, request)

    async def reset(self) -> None:
        """Abandon all operations and forget all stack sets; stacks stay."""
        await self.runner.clear()
        self.registry.clear()

    # Stack sets

    async def create_stack_set(self, caller: Place, request: Request) -> Answer:
        name = request["StackSetName"]
        _check_name(name)
        _check_model(request)
        existing = self._existing(caller, request)
        if existing is not None:
            return {"StackSetId": existing.id}
        template = await templates.load(self.inner, caller, request)
        if template is None:
            raise invalid("Either Template URL or Template Body must be specified.")
        capabilities = tuple(request.get("Capabilities", ()))
        parsed = await templates.check(self.inner, caller, template, capabilities)
        values = templates.parameters(parsed, request.get("Parameters", ()), {})
        # Another request may have taken the name while the template was checked.
        existing = self._existing(caller, request)
        if existing is not None:
            return {"StackSetId": existing.id}
        stack_set = StackSet(
            name=name,
            owner=caller,
            template=template,
            parameters=values,
            no_echo=templates.no_echo(parsed),
            description=request.get("Description"),
            capabilities=capabilities,
            tags=_tags(request),
            administration_role=request.get("AdministrationRoleARN"),
            execution_role=request.get("ExecutionRoleName", DEFAULT_EXECUTION_ROLE),
            permission_model=request.get("PermissionModel", "SELF_MANAGED"),
            auto_deployment=request.get("AutoDeployment"),
            managed=request.get("ManagedExecution", {}).get("Active", False),
            token=request.get("ClientRequestToken"),
            request=_fingerprint(request),
        )
        self.registry.add(stack_set)
        return {"StackSetId": stack_set.id}

    def _existing(self, caller: Place, request: Request) -> StackSet | None:
        """The stack set that this very request has made before."""
        found = self.registry.named(caller, request["StackSetName"])
        if found is None:
            return None
        token = request.get("ClientRequestToken")
        if token is None or token != found.token:
            message = f"The name {found.name} is already in use"
            raise modelled("NameAlreadyExistsException", message)
        if _fingerprint(request) != found.request:
            message = f"StackSet {found.name} was created with other parameters"
            raise modelled("CreatedButModifiedException", message)
        return found

    async def describe_stack_set(self, caller: Place, request: Request) -> Answer:
        return {"StackSet": describe.stack_set(self._set(caller, request))}

    async def list_stack_sets(self, caller: Place, request: Request) -> Answer:
        status = request.get("Status")
        found = [
            s for s in self.registry.of(caller) if status is None or s.status == status
        ]
        return describe.page(found, request, describe.stack_set_summary)

    async def update_stack_set(self, caller: Place, request: Request) -> Answer:
        stack_set = self._set(caller, request)
        _check_model(request)
        self._check_update(stack_set, request)
        template = await templates.load(self.inner, caller, request)
        capabilities = tuple(request.get("Capabilities", ()))
        parsed = await templates.check(
            self.inner, caller, template or stack_set.template, capabilities
        )
        # Refused at once, though a queued operation computes them again.
        given = request.get("Parameters", ())
        templates.parameters(parsed, given, stack_set.parameters)
        places = self._targets(stack_set, request)
        for place in places or ():
            stack_set.instance(place)

        def begin(operation: Operation) -> tuple[Place, ...]:
            if template is not None:
                stack_set.template = template
            stack_set.parameters = templates.parameters(
                parsed, given, stack_set.parameters
            )
            stack_set.no_echo = templates.no_echo(parsed)
            stack_set.capabilities = capabilities
            _take_settings(stack_set, request)
            if template is not None or "Parameters" in request:
                # "CloudFormation marks all stack instances with a status of OUTDATED
                # prior to updating the stack instances in the specified accounts".
                for instance in stack_set.instances.values():
                    if instance.status == "CURRENT":
                        instance.status = "OUTDATED"
            chosen = stack_set.instances if places is None else places
            return self._enlist(stack_set, operation, chosen)

        return self._submit(
            stack_set, "UpdateStackSet", request, places, begin, self._deploy
        )

    def _check_update(self, stack_set: StackSet, request: Request) -> None:
        sources = ("TemplateBody", "TemplateURL")
        given = [s for s in sources if s in request]
        if len(given) + bool(request.get("UsePreviousTemplate")) != 1:
            raise invalid(
                "Exactly one of TemplateBody, TemplateURL or UsePreviousTemplate must "
                "be specified."
            )
        model = request.get("PermissionModel", stack_set.permission_model)
        if model != stack_set.permission_model and stack_set.instances:
            raise invalid(
                "PermissionModel cannot be changed while the stack set has stack "
                "instances"
            )
        if "ManagedExecution" in request and stack_set.active:
            wanted = request["ManagedExecution"].get("Active", False)
            if wanted != stack_set.managed:
                raise modelled(
                    "InvalidOperationException",
                    "ManagedExecution cannot be changed while operations are running "
                    "or queued",
                )

    async def delete_stack_set(self, caller: Place, request: Request) -> Answer:
        stack_set = self._set(caller, request)
        if stack_set.active:
            raise modelled(
                "OperationInProgressException",
                f"Another Operation on StackSet {stack_set.arn} is in progress",
            )
        if stack_set.instances:
            raise modelled("StackSetNotEmptyException", "StackSet is not empty")
        self.registry.delete(stack_set)
        return {}

    # Stack instances

    async def create_stack_instances(self, caller: Place, request: Request) -> Answer:
        stack_set = self._set(caller, request)
        places = self._targets(stack_set, request) or ()
        defined = stack_set.parameters
        given = request.get("ParameterOverrides", ())
        overrides = templates.chosen(defined, given, {})

        def begin(operation: Operation) -> tuple[Place, ...]:
            for place in places:
                instance = stack_set.instances.get(place)
                if instance is None:
                    instance = Instance(place, dict(overrides))
                    stack_set.instances[place] = instance
                elif not instance.exists:
                    instance.overrides = dict(overrides)
            return self._enlist(stack_set, operation, places)

        async def create(stack_set: StackSet, place: Place) -> None:
            # Creating an instance that is in sync already changes nothing.
            if stack_set.instances[place].status != "CURRENT":
                await self._deploy(stack_set, place)

        return self._submit(
            stack_set, "CreateStackInstances", request, places, begin, create
        )

    async def update_stack_instances(self, caller: Place, request: Request) -> Answer:
        stack_set = self._set(caller, request)
        places = self._targets(stack_set, request) or ()
        given = request.get("ParameterOverrides")
        for place in places:
            previous = stack_set.instance(place).overrides
            templates.chosen(stack_set.parameters, given or (), previous)

        def begin(operation: Operation) -> tuple[Place, ...]:
            for place in places:
                instance = stack_set.instance(place)
                if given is not None:
                    instance.overrides = templates.chosen(
                        stack_set.parameters, given, instance.overrides
                    )
                    if instance.status == "CURRENT":
                        instance.status = "OUTDATED"
            return self._enlist(stack_set, operation, places)

        return self._submit(
            stack_set, "UpdateStackInstances", request, places, begin, self._deploy
        )

    async def delete_stack_instances(self, caller: Place, request: Request) -> Answer:
        stack_set = self._set(caller, request)
        places = self._targets(stack_set, request) or ()
        retain = request["RetainStacks"]

        def begin(operation: Operation) -> tuple[Place, ...]:
            operation.retain = retain
            present = [place for place in places if place in stack_set.instances]
            return self._enlist(stack_set, operation, present, inoperable=True)

        async def delete(stack_set: StackSet, place: Place) -> None:
            if not retain:
                await self.stacks.delete(stack_set.instances[place])
            del stack_set.instances[place]

        return self._submit(
            stack_set,
            "DeleteStackInstances",
            request,
            places,
            begin,
            delete,
            failed=("INOPERABLE", "INOPERABLE"),
        )

    async def describe_stack_instance(self, caller: Place, request: Request) -> Answer:
        stack_set = self._set(caller, request)
        place = Place(request["StackInstanceAccount"], request["StackInstanceRegion"])
        instance = stack_set.instance(place)
        return {"StackInstance": describe.instance(stack_set, instance)}

    async def list_stack_instances(self, caller: Place, request: Request) -> Answer:
        stack_set = self._set(caller, request)
        account = request.get("StackInstanceAccount")
        region = request.get("StackInstanceRegion")
        found: Iterable[Instance] = [
            instance
            for place, instance in stack_set.instances.items()
            if account in (None, place.account) and region in (None, place.region)
        ]
        found = describe.filtered(found, request)
        return describe.page(
            found, request, lambda i: describe.instance_summary(stack_set, i)
        )

    # Operations

    async def describe_operation(self, caller: Place, request: Request) -> Answer:
        stack_set = self._set(caller, request)
        operation = stack_set.operation(request["OperationId"])
        return {"StackSetOperation": describe.operation(stack_set, operation)}

    async def list_operations(self, caller: Place, request: Request) -> Answer:
        stack_set = self._set(caller, request)
        newest_first = list(reversed(stack_set.operations.values()))
        return describe.page(newest_first, request, describe.operation_summary)

    async def list_operation_results(self, caller: Place, request: Request) -> Answer:
        stack_set = self._set(caller, request)
        operation = stack_set.operation(request["OperationId"])
        wanted = [f["Values"] for f in request.get("Filters", ()) if "Values" in f]
        found = [
            result
            for result in operation.results.values()
            if all(result.status == value for value in wanted)
        ]
        return describe.page(found, request, describe.result)

    async def stop_operation(self, caller: Place, request: Request) -> Answer:
        stack_set = self._set(caller, request)
        self.runner.stop(stack_set, stack_set.operation(request["OperationId"]))
        return {}

    # What they share

    def _set(self, caller: Place, request: Request) -> StackSet:
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
        if known.request != _fingerprint(request, action):
            raise modelled(
                "OperationIdAlreadyExistsException",
                f"The specified operation ID {id_} already exists",
            )
        return {"OperationId": id_}

    def _targets(
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

    def _enlist(
        self,
        stack_set: StackSet,
        operation: Operation,
        places: Iterable[Place],
        inoperable: bool = False,
    ) -> tuple[Place, ...]:
        """Mark the instances an operation works on; INOPERABLE ones are left out."""
        taken = []
        for place in places:
            instance = stack_set.instances[place]
            if instance.status == "INOPERABLE" and not inoperable:
                continue
            instance.detailed, instance.operation = "PENDING", operation.id
            taken.append(place)
        return tuple(taken)

    async def _deploy(self, stack_set: StackSet, place: Place) -> None:
        instance = stack_set.instances[place]
        await self.stacks.deploy(stack_set, instance)
        instance.settle("CURRENT", "SUCCEEDED")

    def _submit(
        self,
        stack_set: StackSet,
        action: str,
        request: Request,
        places: tuple[Place, ...] | None,
        begin: Callable[[Operation], tuple[Place, ...]],
        work: Callable[[StackSet, Place], Awaitable[None]],
        failed: tuple[str, str] = ("OUTDATED", "FAILED"),
    ) -> Answer:
        # Both may have changed while the request was checked.
        self._set(stack_set.owner, request)
        repeated = self._repeated(stack_set, action, request)
        if repeated is not None:
            return repeated
        operation = Operation(
            id=request.get("OperationId") or describe.new_id(),
            action=_operation_action(action),
            request=_fingerprint(request, action),
            preferences=Preferences(request.get("OperationPreferences", {})),
            places=places or (),
            whole=action == "UpdateStackSet",
            targets=request.get("DeploymentTargets"),
            administration_role=stack_set.administration_role_arn,
            execution_role=stack_set.execution_role,
        )
        roles = _Roles(self.inner, stack_set)

        async def at(operation: Operation, place: Place) -> None:
            instance = stack_set.instances[place]
            instance.detailed, instance.reason = "RUNNING", None
            try:
                await roles.check(place)
                operation.results[place].gate = describe.gate(place)
                await work(stack_set, place)
            except ServiceError as error:
                instance.settle(*failed, error.message)
                raise
            if instance.detailed == "RUNNING":
                instance.detailed = "SUCCEEDED"

        def cancelled(operation: Operation, place: Place) -> None:
            instance = stack_set.instances[place]
            reason = operation.results[place].reason
            instance.settle(instance.status, "CANCELLED", reason)

        self.runner.submit(stack_set, operation, Work(begin, at, cancelled))
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


def _operation_action(action: str) -> str:
    return re.match(r"Create|Update|Delete", action)[0].upper()  # type: ignore[index]


def _fingerprint(request: Request, action: str = "") -> str:
    sent = {k: v for k, v in request.items() if k != "ClientRequestToken"}
    return action + json.dumps(sent, sort_keys=True)


def _tags(request: Request) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}


def _take_settings(stack_set: StackSet, request: Request) -> None:
    """Change what UpdateStackSet changes besides template and parameters."""
    # "If you specify a customized administrator role when you create a stack set, you
    # must specify it for every update"; the execution role is remembered.
    stack_set.administration_role = request.get("AdministrationRoleARN")
    stack_set.execution_role = request.get(
        "ExecutionRoleName", stack_set.execution_role
    )
    stack_set.description = request.get("Description", stack_set.description)
    stack_set.permission_model = request.get(
        "PermissionModel", stack_set.permission_model
    )
    stack_set.auto_deployment = request.get("AutoDeployment", stack_set.auto_deployment)
    if "Tags" in request:
        stack_set.tags = _tags(request)
    if "ManagedExecution" in request:
        stack_set.managed = request["ManagedExecution"].get("Active", False)


def _check_name(name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise invalid(
            f"1 validation error detected: Value '{name}' at 'stackSetName' failed to "
            f"satisfy constraint: Member must satisfy regular expression pattern: "
            f"{NAME}"
        )


def _check_model(request: Request) -> None:
    tags = [tag["Key"] for tag in request.get("Tags", ())]
    if len(set(tags)) != len(tags):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are unique.")
    reserved = [key for key in tags if key.lower().startswith("aws:")]
    if reserved:
        raise invalid(
            "aws: prefixed tag key names are not allowed for external use: "
            f"{reserved[0]}"
        )
    model = request.get("PermissionModel", "SELF_MANAGED")
    if "AutoDeployment" in request and model == "SELF_MANAGED":
        raise invalid(
            "AutoDeployment is not supported for stack sets with SELF_MANAGED "
            "permission model"
        )


def _check_preferences(request: Request) -> None:
    preferences = request.get("OperationPreferences", {})
    for kind in ("FailureTolerance", "MaxConcurrent"):
        if f"{kind}Count" in preferences and f"{kind}Percentage" in preferences:
            raise invalid(
                f"You must specify either {kind}Count or {kind}Percentage, but not both"
            )
