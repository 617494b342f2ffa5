"""CloudFormation's StackSets actions, over stacks that the wrapped emulator creates.

Semantics are those of the CloudFormation API reference (actions, data types) and of the
chapter on StackSets of its user guide.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from tapgen.emulator import live
from tapgen.emulator.accounts import organizations, regions
from tapgen.emulator.permissions.enforcing import ENFORCEMENT, MODES
from tapgen.emulator.stacksets import (
    access,
    autodeploy,
    describe,
    drift,
    imports,
    templates,
)
from tapgen.emulator.stacksets.core import Answer, Core, Request, fingerprint, settle
from tapgen.emulator.stacksets.model import (
    DEFAULT_EXECUTION_ROLE,
    Instance,
    Operation,
    StackSet,
    now,
)
from tapgen.emulator.wire.inner import Inner, Place
from tapgen.emulator.wire.query_protocol import ServiceError, invalid, modelled

MAX_LAG = 3600  # seconds
NAME = r"[a-zA-Z][-a-zA-Z0-9]{0,127}"


class Engine(Core):
    """All StackSets of the embedded AWS.

    `pace` is how long an operation is RUNNING before it changes anything, in seconds.
    """

    def __init__(self, inner: Inner, pace: float = 0.05) -> None:
        super().__init__(inner, pace)
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
            "DetectStackSetDrift": partial(drift.detect, self),
            "ListStackInstanceResourceDrifts": partial(drift.list_drifts, self),
            "ImportStacksToStackSet": partial(imports.import_stacks, self),
            "ActivateOrganizationsAccess": access.activate,
            "DeactivateOrganizationsAccess": access.deactivate,
            "DescribeOrganizationsAccess": access.describe,
            "ListStackSetAutoDeploymentTargets": self.list_deployment_targets,
        }
        organizations.observe(partial(autodeploy.follow, self))
        live.apply()

    async def call(self, action: str, caller: Place, request: Request) -> Answer:
        """Answer an action as `caller`; ServiceError when it is refused."""
        if not regions.known(caller.region):
            raise ServiceError(
                "SignatureDoesNotMatch",
                "Credential should be scoped to a valid region.",
                403,
            )
        owner = access.owner(caller, request)
        with templates.read_by(caller):
            return await self.actions[action](owner, request)

    async def reset(self) -> None:
        """Abandon all operations and delete all stack sets; their stacks stay."""
        self.lag = 0.0
        ENFORCEMENT.reset()
        await self.runner.clear()
        self.registry.clear()

    @property
    def settings(self) -> dict[str, float | str]:
        """What `configure` can change."""
        return {"list_lag_seconds": self.lag, "permissions": ENFORCEMENT.mode}

    def configure(self, given: Any) -> dict[str, float | str]:
        """Change settings; return all of them. ValueError when one is invalid."""
        if not isinstance(given, dict) or set(given) - set(self.settings):
            raise ValueError(f"settings are {', '.join(self.settings)}")
        lag = given.get("list_lag_seconds", self.lag)
        if isinstance(lag, bool) or not isinstance(lag, (int, float)):
            raise ValueError("list_lag_seconds must be a number")
        if not 0 <= lag <= MAX_LAG:
            raise ValueError(f"list_lag_seconds must be from 0 to {MAX_LAG}, not {lag}")
        mode = given.get("permissions", ENFORCEMENT.mode)
        if mode not in MODES:
            raise ValueError(f"permissions must be {', '.join(MODES)}, not {mode}")
        self.lag, ENFORCEMENT.mode = float(lag), mode
        return self.settings

    # Stack sets

    async def create_stack_set(self, caller: Place, request: Request) -> Answer:
        name = request["StackSetName"]
        _check_name(name)
        _check_tags(request)
        model = request.get("PermissionModel", "SELF_MANAGED")
        access.check_caller(caller, model)
        access.check_model(request, model, new=True)
        self._check_deployment(caller, name, request)
        existing = self._existing(caller, request)
        if existing is not None:
            return {"StackSetId": existing.id}
        template, previous = await self._source(caller, request)
        if template is None:
            raise invalid("Either Template URL or Template Body must be specified.")
        capabilities = tuple(request.get("Capabilities", ()))
        parsed = await templates.check(self.inner, caller, template, capabilities)
        access.check_template(parsed, model)
        values = templates.parameters(
            parsed, request.get("Parameters", ()), previous, keep=True
        )
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
            permission_model=model,
            auto_deployment=request.get("AutoDeployment"),
            managed=request.get("ManagedExecution", {}).get("Active", False),
            token=request.get("ClientRequestToken"),
            request=fingerprint(request),
        )
        self.registry.add(stack_set)
        return {"StackSetId": stack_set.id}

    async def _source(
        self, caller: Place, request: Request
    ) -> tuple[str | None, dict[str, str]]:
        """The template of a new stack set, and the values of the stack it is of.

        "The stack ID you are importing into a new stack set" (StackId).
        """
        id_ = request.get("StackId")
        if id_ is None:
            return await templates.load(self.inner, caller, request), {}
        if "TemplateBody" in request or "TemplateURL" in request:
            raise invalid("StackId cannot be specified together with a template")
        return await imports.contents(self, id_)

    def _check_deployment(self, owner: Place, name: str, request: Request) -> None:
        if "AutoDeployment" in request:
            autodeploy.check(self, owner, name, request["AutoDeployment"])

    def _existing(self, caller: Place, request: Request) -> StackSet | None:
        """The stack set that the same request has created before."""
        found = self.registry.named(caller, request["StackSetName"])
        if found is None:
            return None
        token = request.get("ClientRequestToken")
        if token is None or token != found.token:
            message = f"The name {found.name} is already in use"
            raise modelled("NameAlreadyExistsException", message)
        if fingerprint(request) != found.request:
            message = f"StackSet {found.name} was created with other parameters"
            raise modelled("CreatedButModifiedException", message)
        return found

    async def describe_stack_set(self, caller: Place, request: Request) -> Answer:
        return {"StackSet": describe.stack_set(self.find(caller, request))}

    async def list_stack_sets(self, caller: Place, request: Request) -> Answer:
        status = request.get("Status")
        found = [
            s
            for s in self.registry.of(caller)
            if status in (None, s.status) and access.visible(s, request)
        ]
        return describe.page(found, request, describe.stack_set_summary)

    async def update_stack_set(self, caller: Place, request: Request) -> Answer:
        stack_set = self.find(caller, request)
        self._check_update(stack_set, request)
        _check_tags(request)
        model = request.get("PermissionModel", stack_set.permission_model)
        access.check_caller(caller, model)
        access.check_model(request, model, new=model != stack_set.permission_model)
        self._check_deployment(caller, stack_set.name, request)
        template = await templates.load(self.inner, caller, request)
        capabilities = tuple(request.get("Capabilities", ()))
        parsed = await templates.check(
            self.inner, caller, template or stack_set.template, capabilities
        )
        access.check_template(parsed, model)
        # Refused at once, though a queued operation computes them again.
        given = request.get("Parameters", ())
        templates.parameters(parsed, given, stack_set.parameters)
        targets = await self.targets(stack_set, request)
        places = None if targets is None else targets.present(stack_set)

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
            return self.enlist(stack_set, operation, chosen)

        return self.submit(
            stack_set, "UpdateStackSet", request, places, begin, self.deploy
        )

    def _check_update(self, stack_set: StackSet, request: Request) -> None:
        sources = ("TemplateBody", "TemplateURL")
        given = [s for s in sources if s in request]
        if len(given) + bool(request.get("UsePreviousTemplate")) != 1:
            raise invalid(
                "Exactly one of TemplateBody, TemplateURL or UsePreviousTemplate must "
                "be specified."
            )
        if "AutoDeployment" in request and "Regions" in request:
            raise invalid(
                "AutoDeployment cannot be specified together with DeploymentTargets or "
                "Regions"
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
        try:
            stack_set = self.find(caller, request)
        except ServiceError as error:
            if error.code == "StackSetNotFoundException":
                return {}  # deleting is idempotent on AWS, and has no such error
            raise
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
        stack_set = self.find(caller, request)
        access.check_caller(caller, stack_set.permission_model)
        targets = await self.targets(stack_set, request, creating=True)
        places = () if targets is None else targets.places
        units = {} if targets is None else targets.units
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
                instance.unit = units.get(place.account)
            if targets is not None:
                autodeploy.remember(stack_set, targets)
            return self.enlist(stack_set, operation, places)

        async def create(stack_set: StackSet, place: Place) -> None:
            # Creating an instance that is in sync already changes nothing.
            if stack_set.instances[place].status != "CURRENT":
                await self.deploy(stack_set, place)

        return self.submit(
            stack_set, "CreateStackInstances", request, places, begin, create
        )

    async def update_stack_instances(self, caller: Place, request: Request) -> Answer:
        stack_set = self.find(caller, request)
        access.check_caller(caller, stack_set.permission_model)
        targets = await self.targets(stack_set, request)
        places = () if targets is None else targets.present(stack_set)
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
            return self.enlist(stack_set, operation, places)

        return self.submit(
            stack_set, "UpdateStackInstances", request, places, begin, self.deploy
        )

    async def delete_stack_instances(self, caller: Place, request: Request) -> Answer:
        stack_set = self.find(caller, request)
        access.check_caller(caller, stack_set.permission_model)
        targets = await self.targets(stack_set, request)
        places = () if targets is None else targets.places
        retain = request["RetainStacks"]

        def begin(operation: Operation) -> tuple[Place, ...]:
            operation.retain = retain
            if targets is not None:
                autodeploy.forget(stack_set, targets)
            present = [place for place in places if place in stack_set.instances]
            return self.enlist(stack_set, operation, present, inoperable=True)

        return self.submit(
            stack_set,
            "DeleteStackInstances",
            request,
            places,
            begin,
            autodeploy.deletion(self, retain),
            outcome=settle("INOPERABLE", "INOPERABLE"),
        )

    async def describe_stack_instance(self, caller: Place, request: Request) -> Answer:
        stack_set = self.find(caller, request)
        place = Place(request["StackInstanceAccount"], request["StackInstanceRegion"])
        instance = stack_set.instance(place)
        return {"StackInstance": describe.instance(stack_set, instance)}

    async def list_stack_instances(self, caller: Place, request: Request) -> Answer:
        stack_set = self.find(caller, request)
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
        stack_set = self.find(caller, request)
        operation = stack_set.operation(request["OperationId"])
        return {"StackSetOperation": describe.operation(stack_set, operation)}

    async def list_operations(self, caller: Place, request: Request) -> Answer:
        stack_set = self.find(caller, request)
        newest_first = list(reversed(stack_set.operations.values()))
        if self.lag:
            before = now() - timedelta(seconds=self.lag)
            newest_first = [o for op in newest_first if (o := op.as_of(before))]
        return describe.page(newest_first, request, describe.operation_summary)

    async def list_operation_results(self, caller: Place, request: Request) -> Answer:
        stack_set = self.find(caller, request)
        operation = stack_set.operation(request["OperationId"])
        results = list(operation.results.values())
        if self.lag:
            before = now() - timedelta(seconds=self.lag)
            started = operation.started is not None and operation.started <= before
            results = [r.as_of(before) for r in results] if started else []
        wanted = [f["Values"] for f in request.get("Filters", ()) if "Values" in f]
        found = [
            result
            for result in results
            if all(result.status == value for value in wanted)
        ]
        return describe.page(found, request, describe.result)

    async def stop_operation(self, caller: Place, request: Request) -> Answer:
        stack_set = self.find(caller, request)
        self.runner.stop(stack_set, stack_set.operation(request["OperationId"]))
        return {}

    async def list_deployment_targets(self, caller: Place, request: Request) -> Answer:
        stack_set = self.find(caller, request)
        return describe.page(autodeploy.targets(stack_set), request, dict)


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


def _check_tags(request: Request) -> None:
    tags = [tag["Key"] for tag in request.get("Tags", ())]
    if len(set(tags)) != len(tags):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are unique.")
    reserved = [key for key in tags if key.lower().startswith("aws:")]
    if reserved:
        raise invalid(
            "aws: prefixed tag key names are not allowed for external use: "
            f"{reserved[0]}"
        )
