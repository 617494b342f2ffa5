"""Stack sets: reading them, and the operations that change them.

Semantics are those of CloudFormation's API reference (StackSet actions) and of the
user guide's chapter on StackSets.
"""

from __future__ import annotations

import json
from collections.abc import (
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from tapgen.aws import cover, organizations, shapes, stacks, stuck, sweep
from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.aws.clients import AT_ONCE
from tapgen.aws.readings import OPERATION_PREFIX
from tapgen.aws.remembered import Memory, Newest
from tapgen.aws.session import HASTY, Aws, ask, one_line, pages
from tapgen.aws.sweep import Given, Listed, Sweep, Wanted
from tapgen.errors import AwsError, Busy, NotFound
from tapgen.frozen import dataclass
from tapgen.model import (
    HIDDEN,
    AutoDeployment,
    InstanceStatus,
    Observed,
    ObservedInstance,
    OperationStatus,
    PermissionModel,
    Preferences,
    ResultStatus,
    Target,
    digest,
)

MAX_BODY = stacks.MAX_BODY
MAX_OBJECT = 1_048_576  # bytes of the object behind TemplateURL
IMPORTED = 10  # stacks in one call (API reference, ImportStacksToStackSet)

rectangles = cover.rectangles

_ACTIVE = (OperationStatus.QUEUED, OperationStatus.RUNNING, OperationStatus.STOPPING)


@dataclass(frozen=True)
class Definition:
    """What a stack set is created or updated with; values of None stay unchanged."""

    template: str
    parameters: Mapping[str, str | None]
    capabilities: Sequence[str] = ()
    tags: Mapping[str, str] | None = None
    description: str = ""
    administration_role: str | None = None  # ARN; repeated on every update
    execution_role: str | None = None  # name
    permission_model: PermissionModel = PermissionModel.SELF_MANAGED
    auto_deployment: AutoDeployment | None = None  # of SERVICE_MANAGED only


@dataclass(frozen=True)
class Operation:
    """An operation as `DescribeStackSetOperation` reports it."""

    id: str
    stack_set: str
    status: OperationStatus
    reason: str = ""
    failed: int = 0
    since: datetime | None = None

    @property
    def ended(self) -> bool:
        return self.status not in _ACTIVE

    @property
    def green(self) -> bool:
        """Succeeded, and no target failed: SUCCEEDED alone only means that the
        failure tolerance was not exceeded (`StatusDetails`)."""
        return self.status is OperationStatus.SUCCEEDED and self.failed == 0


@dataclass(frozen=True)
class Result:
    """How an operation ended for one target."""

    target: Target
    status: ResultStatus
    reason: str = ""


@dataclass(frozen=True)
class StackSets:
    """The stack sets of one administration account and region.

    `delegated` says that this is the account of a delegated administrator: its
    service-managed stack sets live in the management account (`CallAs`). `copies` are
    the other places of the journals of their runs. `memory` has the overrides of instances
    that were read before.
    """

    aws: Aws
    admin: Target
    delegated: bool = False
    copies: tuple[Target, ...] = ()
    memory: Memory = field(default_factory=Memory, compare=False, repr=False)

    def at(self, region: str) -> StackSets:
        """Return the stack sets of the same account in another region; empty for this one."""
        if region in ("", self.admin.region):
            return self
        place = replace(self.admin, region=region)
        return replace(self, admin=place, copies=(), memory=Memory())

    def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return ask(self._client, operation, **parameters, **self._call_as)
        except Busy as error:
            raise self._with_owner(parameters["StackSetName"], error) from error

    def _pages(self, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        return pages(self._client, operation, key, **parameters, **self._call_as)

    @property
    def _call_as(self) -> dict[str, str]:
        return {"CallAs": "DELEGATED_ADMIN"} if self.delegated else {}

    @property
    def _client(self) -> Any:
        return self.aws.client("cloudformation", self.admin)

    @property
    def bucket(self) -> ArtifactBucket:
        """The artifact bucket in the same account and region."""
        return ArtifactBucket(self.aws, self.admin)

    @property
    def buckets(self) -> dict[str, ArtifactBucket]:
        """The artifact buckets that have journals, by region: its own one, and those
        with copies."""
        places = (self.admin, *self.copies)
        return {place.region: ArtifactBucket(self.aws, place) for place in places}

    # -- reading ---------------------------------------------------------------

    def names(self, prefix: str = "", attempts: int = HASTY) -> list[str]:
        """Return the names of the active stack sets that begin with `prefix`.

        As whoever looks asks for them first, this fails soon where the region does not
        answer: after `attempts`.
        """
        client = self.aws.client("cloudformation", self.admin, attempts)
        wanted = {"Status": "ACTIVE", **self._call_as}
        found = pages(client, "list_stack_sets", "Summaries", **wanted)
        return sorted(
            s["StackSetName"] for s in found if s["StackSetName"].startswith(prefix)
        )

    def exists(self, name: str) -> bool:
        """Return whether there is an active stack set of this name."""
        try:
            found = self._ask("describe_stack_set", StackSetName=name)
        except NotFound:
            return False
        return bool(found["StackSet"].get("Status", "ACTIVE") == "ACTIVE")

    def tags(self, name: str) -> dict[str, str]:
        """Return the tags of a stack set; none where it does not exist."""
        try:
            found = self._ask("describe_stack_set", StackSetName=name)
        except NotFound:
            return {}
        return {t["Key"]: t["Value"] for t in found["StackSet"].get("Tags", [])}

    def observe(
        self,
        names: Iterable[str],
        *,
        read_stacks: bool = False,
        having: Collection[str] | None = None,
        outputs: Wanted = sweep.everywhere,
        given: Given | None = None,
        listed: Listed | None = None,
    ) -> dict[str, Observed]:
        """Return the stack sets that exist, with instances and their outputs.

        What an instance runs is read from its stack where the stack set's word is in
        doubt, with `read_stacks` everywhere. `outputs` says of a stack set, and of how many
        instances there are in all, whether outputs are to be read; where they are not, they
        are None. With `having`, only stack sets whose templates contain one of these texts,
        and without outputs. Overrides are read where neither `given` nor memory has them,
        and instances are listed where `listed` does not have them.
        """
        sweep_of = Sweep(self, read_stacks, having, outputs, given, listed)
        return sweep_of.observe(names)

    def describe(
        self,
        name: str,
        outputs: Wanted = sweep.everywhere,
        given: Given | None = None,
        listed: Listed | None = None,
    ) -> Observed | None:
        """Return one stack set with its instances; None when it does not exist."""
        return self.observe([name], outputs=outputs, given=given, listed=listed).get(
            name
        )

    def definitions(self, names: Iterable[str]) -> dict[str, Observed]:
        """Return the stack sets that exist, without their instances: a call for each."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return {o.name: o for o in pool.map(self.definition, names) if o}

    def definition(self, name: str) -> Observed | None:
        """Return a stack set without its instances; None when it does not exist. Strongly
        consistent (API reference, DescribeStackSet)."""
        try:
            known = self._ask("describe_stack_set", StackSetName=name)["StackSet"]
        except NotFound:
            return None
        return Observed(
            name=name,
            # Stack sets that imported stacks may have YAML, as others by other tools.
            template=stacks.as_json(known.get("TemplateBody", "")),
            parameters=shapes.values(known.get("Parameters", [])),
            instances={},
            capabilities=tuple(known.get("Capabilities", ())),
            tags={t["Key"]: t["Value"] for t in known.get("Tags", [])},
            description=known.get("Description", ""),
            execution_role=known.get("ExecutionRoleName"),
            administration_role=known.get("AdministrationRoleARN"),
            id=known.get("StackSetId", ""),
            permission_model=PermissionModel(
                known.get("PermissionModel", "SELF_MANAGED")
            ),
            auto_deployment=shapes.auto_deployment(known.get("AutoDeployment", {})),
        )

    def listed(
        self, name: str, in_units: bool = False
    ) -> dict[Target, ObservedInstance]:
        """Return every stack instance as `ListStackInstances` has it, without overrides
        and outputs; with `in_units` also the units where automatic deployment waits for
        accounts. One call for each 100 instances."""
        found = self._pages("list_stack_instances", "Summaries", StackSetName=name)
        there = {
            Target(
                one["Account"], one["Region"], one.get("OrganizationalUnitId") or None
            ): shapes.instance(one)
            for one in found
        }
        return there | (self._waiting(name, there) if in_units else {})

    def instance(self, name: str, target: Target) -> ObservedInstance | None:
        """Return an instance with its overrides; None when it does not exist."""
        try:
            found = self._ask(
                "describe_stack_instance",
                StackSetName=name,
                StackInstanceAccount=target.account,
                StackInstanceRegion=target.region,
            )["StackInstance"]
        except NotFound:
            return None
        return shapes.instance(found)

    def _waiting(
        self, name: str, there: Iterable[Target]
    ) -> dict[Target, ObservedInstance]:
        """The units, by region, where automatic deployment waits for accounts, as
        there is no instance yet (`ListStackSetAutoDeploymentTargets`)."""
        listed = self._pages(
            "list_stack_set_auto_deployment_targets", "Summaries", StackSetName=name
        )
        reached = {(target.unit, target.region) for target in there}
        return {
            Target(unit, region, unit): ObservedInstance(InstanceStatus.CURRENT, None)
            for summary in listed
            for unit in [str(summary["OrganizationalUnitId"])]
            for region in summary.get("Regions", ())
            if (unit, region) not in reached and self._exists(unit)
        }

    def _is_all_of(
        self, name: str, targets: Sequence[Target], units: Collection[str]
    ) -> bool:
        """Whether naming the units selects exactly these targets."""
        regions = {t.region for t in targets}
        reached = {
            t for t in self.listed(name) if t.unit in units and t.region in regions
        }
        return reached <= {*targets} and all(map(self._exists, units))

    def _exists(self, unit: str) -> bool:
        return organizations.exists(self.aws, self.admin, unit)

    def outputs(self, target: Target, stack_id: str | None) -> dict[str, str] | None:
        """Return the outputs of an instance's stack; None where there is no stack.

        Raises AwsError where they cannot be read: they are unknown then, not empty.
        """
        return stacks.outputs(self.aws, target, stack_id) if stack_id else None

    def running(self, name: str) -> shapes.Active | None:
        """Return the operation that has not ended; raises NotFound."""
        return self.newest(name)[1]

    def newest(self, name: str) -> tuple[Newest, shapes.Active | None]:
        """Return the newest operation, and the one that has not ended. Only the newest few
        are read: at most one runs, unless managed execution queues them."""
        answer = ask(
            self._client,
            "list_stack_set_operations",
            StackSetName=name,
            MaxResults=10,
            **self._call_as,
        )
        found = answer.get("Summaries", [])
        active = next(
            (one for one in found if OperationStatus(one["Status"]) in _ACTIVE), None
        )
        if not found:
            return Newest(), None
        newest = Newest(
            str(found[0]["OperationId"]),
            active is not None,
            found[0].get("EndTimestamp"),
        )
        if active is None:
            return newest, None
        return newest, shapes.Active(
            str(active["OperationId"]),
            active.get("Action", ""),
            active.get("CreationTimestamp"),
        )

    def _arn(self, name: str) -> str | None:
        """Return the ARN of a stack set; None where it does not exist."""
        try:
            found = self._ask("describe_stack_set", StackSetName=name)
        except NotFound:
            return None
        return str(found["StackSet"]["StackSetARN"])

    def _with_owner(self, name: str, error: Busy) -> Busy:
        """Return the error with whose operation it is that holds the stack set."""
        try:
            found = self.running(name)
        except AwsError:
            return error
        text = f"stack set {name}: {found}" if found else error.message
        return Busy(error.call, error.code, text)

    # -- operations ------------------------------------------------------------------

    def operation(self, name: str, operation_id: str) -> Operation:
        """Return the current state of an operation; raises NotFound. Strongly consistent."""
        found = self._ask(
            "describe_stack_set_operation",
            StackSetName=name,
            OperationId=operation_id,
        )["StackSetOperation"]
        return Operation(
            operation_id,
            name,
            OperationStatus(found["Status"]),
            one_line(found.get("StatusReason", "")),
            int(found.get("StatusDetails", {}).get("FailedStackInstancesCount") or 0),
            found.get("CreationTimestamp"),
        )

    def results(self, name: str, operation_id: str) -> list[Result]:
        """How each target stands; eventually consistent, so never a proof of an end."""
        found = self._pages(
            "list_stack_set_operation_results",
            "Summaries",
            StackSetName=name,
            OperationId=operation_id,
        )
        return [
            Result(
                Target(r["Account"], r["Region"]),
                ResultStatus(r["Status"]),
                one_line(r.get("StatusReason", "")),
            )
            for r in found
        ]

    def create(self, name: str, definition: Definition) -> None:
        """Create the stack set, without instances."""
        request = {
            **self._request(name, definition),
            **shapes.auto_deployment_request(definition.auto_deployment, self._arn),
        }
        token = digest([request, name]).partition(":")[2][:64]
        self._ask("create_stack_set", ClientRequestToken=token, **request)

    def update(
        self,
        name: str,
        definition: Definition,
        targets: Sequence[Target] | None,
        preferences: Mapping[str, Any],
        operation_id: str,
    ) -> None:
        """Start updating the stack set and the instances at `targets`, None for all.

        The targets must be a full product of accounts and regions.
        """
        self._ask(
            "update_stack_set",
            OperationId=operation_id,
            OperationPreferences=dict(preferences) or None,
            **self._request(name, definition),
            # AWS takes automatic deployment without targets only.
            **(
                target_parameters(targets)
                if targets is not None
                else shapes.auto_deployment_request(
                    definition.auto_deployment, self._arn
                )
            ),
        )

    def create_instances(
        self,
        name: str,
        targets: Sequence[Target],
        overrides: Mapping[str, str],
        preferences: Mapping[str, Any],
        operation_id: str,
    ) -> None:
        """Start creating instances at `targets`, a full product."""
        self._ask(
            "create_stack_instances",
            StackSetName=name,
            ParameterOverrides=parameters(overrides) or None,
            OperationPreferences=dict(preferences) or None,
            OperationId=operation_id,
            **target_parameters(targets),
        )

    def override(
        self,
        name: str,
        targets: Sequence[Target],
        overrides: Mapping[str, str],
        preferences: Mapping[str, Any],
        operation_id: str,
    ) -> None:
        """Start setting exactly these overrides: the list replaces the previous one, so
        all of it is sent (API reference, UpdateStackInstances)."""
        self._ask(
            "update_stack_instances",
            StackSetName=name,
            ParameterOverrides=parameters(overrides),
            OperationPreferences=dict(preferences) or None,
            OperationId=operation_id,
            **target_parameters(targets),
        )

    def delete_instances(
        self,
        name: str,
        targets: Sequence[Target],
        preferences: Mapping[str, Any],
        operation_id: str,
        whole: bool = False,
        retain: bool = False,
    ) -> None:
        """Start deleting the instances at `targets`, a full product; `retain` keeps their
        stacks.

        `whole` says that these are all instances of their units in their regions: then the
        request names the units without accounts, and automatic deployment ends there.
        Else, and for deleted units, it names accounts of the whole organization: they may
        have moved since.
        """
        units = {t.unit for t in targets if t.unit}
        if units and not (whole and self._is_all_of(name, targets, units)):
            whole = False
            everything = organizations.root(self.aws, self.admin)
            targets = [replace(t, unit=everything) for t in targets]
        self._ask(
            "delete_stack_instances",
            StackSetName=name,
            RetainStacks=retain,
            OperationPreferences=dict(preferences) or None,
            OperationId=operation_id,
            **target_parameters(targets, whole),
        )

    def adopt(
        self,
        name: str,
        stacks: Sequence[str],
        preferences: Mapping[str, Any],
        operation_id: str,
    ) -> None:
        """Start importing stacks by their ids, at most `IMPORTED` of them. No stack
        changes; each must run the template of the stack set, have no NoEcho parameters,
        and belong to no stack set
        (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-import.html).
        """
        self._ask(
            "import_stacks_to_stack_set",
            StackSetName=name,
            StackIds=list(stacks),
            OperationPreferences=dict(preferences) or None,
            OperationId=operation_id,
        )

    def detect_drift(self, name: str) -> Operation:
        """Start drift detection at all targets at once: it changes nothing, so a failed
        check need not stop the others."""
        everywhere = {
            "RegionConcurrencyType": "PARALLEL",
            "MaxConcurrentPercentage": 100,
            "FailureTolerancePercentage": 100,
        }
        started = self._ask(
            "detect_stack_set_drift",
            StackSetName=name,
            OperationPreferences=everywhere,
            OperationId=f"{OPERATION_PREFIX}drift-{uuid4()}",
        )
        return self.operation(name, started["OperationId"])

    def delete(self, name: str) -> None:
        """Delete a stack set that has no instances."""
        self._ask("delete_stack_set", StackSetName=name)

    def failure(self, operation: Operation, result: Result) -> stacks.Failure | None:
        """Return the first failed resource of a target that failed in an operation; None
        where its stack has no more than the reason of the result: it took no update, or no
        role let StackSets in. Events of before the operation are not its own."""
        if stuck.TAKES_NO_UPDATE.search(result.reason or ""):
            return None
        try:
            found = self._ask(
                "describe_stack_instance",
                StackSetName=operation.stack_set,
                StackInstanceAccount=result.target.account,
                StackInstanceRegion=result.target.region,
            )["StackInstance"]
            stack_id = found.get("StackId")
            if not stack_id:
                return None
            place = result.target
            return stacks.first_failure(self.aws, place, stack_id, operation.since)
        except AwsError:  # explaining a failure must never hide it
            return None

    def _request(self, name: str, definition: Definition) -> dict[str, Any]:
        request = {
            "StackSetName": name,
            "Description": definition.description or None,
            "Parameters": parameters(definition.parameters),
            "Capabilities": list(definition.capabilities),
            "AdministrationRoleARN": definition.administration_role,
            "ExecutionRoleName": definition.execution_role,
            **self.template_parameter(definition.template),
        }
        if definition.permission_model is PermissionModel.SERVICE_MANAGED:
            request["PermissionModel"] = str(definition.permission_model)
        if definition.tags is not None:
            request["Tags"] = [
                {"Key": k, "Value": v} for k, v in sorted(definition.tags.items())
            ]
        return {k: v for k, v in request.items() if v is not None}

    def template_parameter(self, text: str, reader: str = "") -> dict[str, str]:
        """Return the request parameters of a template: its text, else without white space,
        else a URL in the artifact bucket; presigned for an hour where `reader` is another
        account, which has no access to the bucket."""
        for body in (text, compact(text)):
            if len(body.encode()) <= MAX_BODY:
                return {"TemplateBody": body}
        if len(body.encode()) > MAX_OBJECT:
            size = f"{len(body.encode()):,} bytes without white space"
            raise AwsError(
                "cloudformation:CreateStackSet",
                "TemplateTooBig",
                f"the template has {size}, AWS accepts {MAX_OBJECT:,}; split the part",
            )
        name = digest(body).partition(":")[2]
        key = f"templates/{name}.json"
        url = self.bucket.put(key, body.encode())
        foreign = reader not in ("", self.admin.account)
        return {"TemplateURL": self.bucket.link(key) if foreign else url}


def compact(template: str) -> str:
    """Return a JSON template without white space; other text unchanged."""
    try:
        return json.dumps(json.loads(template), separators=(",", ":"))
    except ValueError:
        return template


def preferences(
    chosen: Preferences, regions: Sequence[str] = (), *, backwards: bool = False
) -> dict[str, Any]:
    """Return `OperationPreferences` for an operation on `regions` in that order."""
    order = list(reversed(regions)) if backwards else list(regions)
    sequential = chosen.region_concurrency == "SEQUENTIAL"
    fields = {
        "RegionConcurrencyType": chosen.region_concurrency,
        "RegionOrder": order if sequential and len(order) > 1 else None,
        "ConcurrencyMode": chosen.concurrency_mode,
        "FailureToleranceCount": chosen.failure_tolerance_count,
        "FailureTolerancePercentage": chosen.failure_tolerance_percentage,
        "MaxConcurrentCount": chosen.max_concurrent_count,
        "MaxConcurrentPercentage": chosen.max_concurrent_percentage,
    }
    return {k: v for k, v in fields.items() if v is not None}


def target_parameters(targets: Sequence[Target], whole: bool = False) -> dict[str, Any]:
    """Return the request parameters of targets, a full product: accounts, or units of AWS
    Organizations with an account filter, or with `whole` units alone."""
    accounts = list(dict.fromkeys(t.account for t in targets if not t.joins_later))
    regions = list(dict.fromkeys(t.region for t in targets))
    units = list(dict.fromkeys(t.unit for t in targets if t.unit))
    pairs = {(t.account, t.region) for t in targets}
    named = len({t.account for t in targets})
    assert named * len(regions) == len(pairs), "not a full product"
    if not units:
        return {"Accounts": accounts, "Regions": regions}
    chosen: dict[str, Any] = {"OrganizationalUnitIds": units}
    if accounts and not whole:
        chosen |= {"Accounts": accounts, "AccountFilterType": "INTERSECTION"}
    return {"DeploymentTargets": chosen, "Regions": regions}


def parameters(values: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Return `Parameters` of a request; values of None, and hidden ones, stay unchanged."""
    return [
        (
            {"ParameterKey": k, "UsePreviousValue": True}
            if v is None or v == HIDDEN
            else {"ParameterKey": k, "ParameterValue": v}
        )
        for k, v in sorted(values.items())
    ]
