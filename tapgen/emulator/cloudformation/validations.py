"""Pre-deployment validation of change sets, and DescribeEvents, which reports it.

ministack validates a little of it when a stack is deployed, and nothing when a change
set is created. On a change set CloudFormation checks (user guide, "Validate stack
deployments"):

- the syntax of properties and conflicts of names: the change set is FAILED
- the emptiness of buckets that it deletes: a warning, and the change set can be executed

It has more warnings, on quotas, recorders and ECR repositories. Their names in
DescribeEvents are not published, so they are left out.

The status reason is AWS's (aws/aws-cdk-cli#1000); the names and texts of the events are
in aws-cloudformation/rain#744. A failed change set keeps its changes, as people who
read such change sets report (aws-amplify's record on drift of templates).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tapgen.emulator.cloudformation import property_checks
from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_change_sets": None, "_stack_events": None, "_stacks": None},
    f"{CFN}.changesets": {
        "_IMPORT_LOOKUPS": None,
        "_find_change_set": ("cs_name", "stack_name"),
    },
    f"{CFN}.engine": {
        "_NO_VALUE": None,
        "_evaluate_conditions": ("template", "params"),
        "_resolve_refs": (
            "value",
            "resources",
            "params",
            "conditions",
            "mappings",
            "stack_name",
            "stack_id",
        ),
    },
    f"{CFN}.handlers": {
        "_OPERATION_EVENT_FIELDS": None,
        "_resolve_stack": ("stack_name",),
    },
    f"{CFN}.helpers": {
        "_error": ("code", "message", "status"),
        "_esc": ("s", "quote"),
        "_p": ("params", "key", "default"),
        "_page": ("items", "params", "action", "page_size"),
        "_xml": ("status", "root_tag", "inner"),
    },
    f"{CFN}.stacks": {
        "_intrinsic_references": ("value",),
        "_operation_event": (
            "stack_id",
            "operation_id",
            "event_type",
            "operation_type",
            "fields",
        ),
    },
    "ministack.services.iam": {
        "_groups": None,
        "_instance_profiles": None,
        "_policies": None,
        "_users": None,
    },
    "ministack.services.s3": {"_bucket_owner_account": ("name",), "_buckets": None},
    "ministack.services.sns": {"_topics": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

PROPERTIES = "PROPERTY_VALIDATION"
NAMES = "NAME_CONFLICT_VALIDATION"
EMPTINESS = "BUCKET_EMPTINESS_VALIDATION"
_HOOKS = {
    NAMES: "AWS::EarlyValidation::ResourceExistenceCheck",
    PROPERTIES: "AWS::EarlyValidation::PropertyValidation",
}
_FAILED = (
    "The following hook(s)/validation failed: [{hooks}]. To troubleshoot Early Validation "
    "errors, use the DescribeEvents API for detailed failure information."
)
_REVIEW = "REVIEW_IN_PROGRESS"

Shape = Callable[[str, str], Mapping[str, Any] | None]
Handler = Callable[[Any], Any]
Finding = dict[str, str]
"""The fields of a validation event."""

_shape: list[Shape] = []


def apply(shape: Shape) -> None:
    """Validate change sets from now on; a second call changes only `shape`."""
    wrapped = bool(_shape)
    _shape[:] = [shape]
    if wrapped:
        return
    handlers = loaded(f"{CFN}.handlers")._ACTION_HANDLERS
    handlers["CreateChangeSet"] = _validating(handlers["CreateChangeSet"])
    handlers["DescribeEvents"] = _events_of_change_sets(handlers["DescribeEvents"])


# -- creating a change set ---------------------------------------------------------------


def _validating(create: Handler) -> Handler:
    def created(params: Any) -> Any:
        read = loaded(f"{CFN}.helpers")._p
        name = read(params, "StackName")
        review = loaded(f"{CFN}.handlers")._resolve_stack(name)
        if not review or review["StackStatus"] != _REVIEW:
            review = None
        elif read(params, "ChangeSetType", "UPDATE") == "UPDATE":
            text = f"Stack:{review['StackId']} is in {_REVIEW} state and can not be"
            return loaded(f"{CFN}.helpers")._error(
                "ValidationError", f"{text} updated."
            )
        answer = create(params)
        if review:
            answer = _same_stack(name, review, answer)
        if answer[0] == 200:
            find = loaded(f"{CFN}.changesets")._find_change_set
            _, change_set = find(read(params, "ChangeSetName"), name)
            if change_set and not change_set["_disable_validation"]:
                _validate(change_set)
        return answer

    return created


def _same_stack(name: str, review: dict[str, Any], answer: Any) -> Any:
    """Keep the stack in review: a further change set of type CREATE belongs to it, and a
    refused one does not delete it. ministack makes a new stack for each."""
    package = loaded(CFN)
    new = package._stacks.get(name)
    package._stacks[name] = review
    if answer[0] != 200 or new is None or new is review:
        return answer
    was, now = new["StackId"], review["StackId"]
    package._stack_events.pop(was, None)
    for change_set in package._change_sets.values():
        if change_set["StackId"] == was:
            change_set["StackId"] = now
    status, headers, body = answer
    return status, headers, body.replace(was.encode(), now.encode())


def _validate(change_set: dict[str, Any]) -> None:
    """Record what is wrong with a change set, and fail it where AWS fails it."""
    if change_set["Status"] != "CREATE_COMPLETE":
        return
    stack = loaded(f"{CFN}.handlers")._resolve_stack(change_set["StackId"])
    if stack is None or change_set["ChangeSetType"] == "IMPORT":
        return
    found = [*_findings(change_set, stack)]
    failed = {
        f["ValidationName"] for f in found if f["ValidationFailureMode"] == "FAIL"
    }
    if failed:
        hooks = ", ".join(hook for name, hook in _HOOKS.items() if name in failed)
        change_set["Status"], change_set["ExecutionStatus"] = "FAILED", "UNAVAILABLE"
        change_set["StatusReason"] = _FAILED.format(hooks=hooks)
    event = loaded(f"{CFN}.stacks")._operation_event
    operation = change_set["ChangeSetId"].rpartition("/")[2]
    change_set["_operation_events"] = [
        event(
            stack["StackId"],
            operation,
            "VALIDATION_ERROR",
            "CREATE_CHANGESET",
            **fields,
        )
        | {"OperationStatus": "FAILED" if failed else "SUCCEEDED"}
        for fields in found
    ]


def _findings(
    change_set: Mapping[str, Any], stack: Mapping[str, Any]
) -> Iterator[Finding]:
    resources = change_set["_template"].get("Resources") or {}
    properties = _Properties(change_set, stack)
    for change in change_set["Changes"]:
        one = change["ResourceChange"]
        logical_id, action = one["LogicalResourceId"], one["Action"]
        if action == "Remove":
            yield from _not_empty(one)
            continue
        if action == "Import" or logical_id not in resources:
            continue
        given = properties.of(resources[logical_id])
        region = loaded("ministack.core.responses").get_region()
        schema = _shape[0](one["ResourceType"], region) or {}
        for path, reason in property_checks.problems(schema, given):
            yield _finding(one, PROPERTIES, "FAIL", path, reason)
        if action == "Add":
            yield from _taken(one, schema, given)


def _finding(
    change: Mapping[str, Any], name: str, mode: str, path: str, reason: str
) -> Finding:
    logical_id = change["LogicalResourceId"]
    return {
        "LogicalResourceId": logical_id,
        # Empty for what does not exist yet: DescribeEvents leaves it out.
        "PhysicalResourceId": change.get("PhysicalResourceId", ""),
        "ResourceType": change["ResourceType"],
        "ValidationFailureMode": mode,
        "ValidationName": name,
        "ValidationStatus": "FAILED",
        "ValidationStatusReason": reason,
        "ValidationPath": "/".join(filter(None, ["/Resources", logical_id, path])),
    }


class _Properties:
    """The properties of a change set's resources, as far as they are known before."""

    def __init__(self, change_set: Mapping[str, Any], stack: Mapping[str, Any]) -> None:
        engine = loaded(f"{CFN}.engine")
        self._template, self._values = (
            change_set["_template"],
            change_set["_resolved_params"],
        )
        self._stack = stack["StackName"], stack["StackId"]
        self._conditions = engine._evaluate_conditions(self._template, self._values)
        self._nothing = engine._NO_VALUE

    def of(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        given = resource.get("Properties")
        given = given if isinstance(given, Mapping) else {}
        found = {
            name: property_checks.known(
                self._chosen(value), self._refers, self._resolve
            )
            for name, value in given.items()
        }
        return {k: self._cleared(v) for k, v in found.items() if v is not self._nothing}

    def _chosen(self, value: Any) -> Any:
        """A value with the branches of `Fn::If` that its conditions choose."""
        if isinstance(value, list):
            return [self._chosen(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        match value.get("Fn::If"):
            case [name, yes, no]:
                return self._chosen(yes if self._conditions.get(name) else no)
        return {key: self._chosen(item) for key, item in value.items()}

    def _cleared(self, value: Any) -> Any:
        """A value without the members that are `AWS::NoValue`."""
        if isinstance(value, list):
            return [self._cleared(v) for v in value if v is not self._nothing]
        if isinstance(value, Mapping):
            left = {k: v for k, v in value.items() if v is not self._nothing}
            return {k: self._cleared(v) for k, v in left.items()}
        return value

    def _refers(self, value: Any) -> bool:
        references = loaded(f"{CFN}.stacks")._intrinsic_references(value)
        names = self._template.get("Resources") or {}
        return any(name in names for name, _ in references)

    def _resolve(self, value: Any) -> Any:
        resolve = loaded(f"{CFN}.engine")._resolve_refs
        mappings = self._template.get("Mappings", {})
        try:
            return resolve(
                copy.deepcopy(value),
                {},
                self._values,
                self._conditions,
                mappings,
                *self._stack,
            )
        except Exception:  # such as an export that is not there yet
            return property_checks.UNKNOWN


# -- names -------------------------------------------------------------------------------


def _taken(
    change: Mapping[str, Any], schema: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[Finding]:
    kind = change["ResourceType"]
    names = _name_properties(kind, schema)
    values = [given.get(name) for name in names]
    if not names or not all(isinstance(v, str) and v for v in values):
        return
    if _exists(kind, names, [str(v) for v in values]):
        text = "|".join(map(str, values))
        reason = f"Resource of type '{kind}' with identifier '{text}' already exists."
        yield _finding(change, NAMES, "FAIL", "", reason)


def _name_properties(kind: str, schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The properties that identify a resource, where the template gives them all; else
    the one that is called its name."""
    own = set(schema.get("readOnlyProperties", ()))
    key = schema.get("primaryIdentifier", ())
    if key and not own & {*key} and all(p.count("/") == 2 for p in key):
        return tuple(p.rpartition("/")[2] for p in key)
    usual = (f"{kind.rpartition('::')[2]}Name", "Name")
    declared = schema.get("properties") or {}
    return tuple(n for n in usual if n in declared)[:1]


def _exists(kind: str, names: tuple[str, ...], values: list[str]) -> bool:
    if kind == "AWS::S3::Bucket":
        owner: Any = loaded("ministack.services.s3")._bucket_owner_account(values[0])
        return owner is not None
    lookups = loaded(f"{CFN}.changesets")._IMPORT_LOOKUPS
    if kind in lookups and lookups[kind][0] == names:
        return lookups[kind][1](*values) is None
    if len(values) == 1 and _is_there(kind, values[0]):
        return True
    return any(
        all((one.get("Properties") or {}).get(n) == v for n, v in zip(names, values))
        for one in _in_stacks(kind)
    )


def _is_there(kind: str, name: str) -> bool:
    """Whether a resource is there, whoever made it, of a type without a lookup."""
    responses = loaded("ministack.core.responses")
    here, account = responses.get_region(), responses.get_account_id()
    iam, sns = loaded("ministack.services.iam"), loaded("ministack.services.sns")
    stores = {
        "AWS::IAM::Group": (iam._groups, name),
        "AWS::IAM::InstanceProfile": (iam._instance_profiles, name),
        "AWS::IAM::ManagedPolicy": (
            iam._policies,
            f"arn:aws:iam::{account}:policy/{name}",
        ),
        "AWS::IAM::User": (iam._users, name),
        "AWS::SNS::Topic": (sns._topics, f"arn:aws:sns:{here}:{account}:{name}"),
    }
    store, key = stores.get(kind, ({}, ""))
    return key in store


def _in_stacks(kind: str) -> Iterator[Mapping[str, Any]]:
    """The resources of a type in all stacks of the region, of the account for IAM."""
    stacks = loaded(CFN)._stacks
    account = loaded("ministack.core.responses").get_account_id()
    everywhere = kind.startswith("AWS::IAM::")
    found = (
        [s for key, s in stacks._data.items() if key[0] == account]
        if everywhere
        else [*stacks.values()]
    )
    for stack in found:
        if stack.get("StackStatus") != "DELETE_COMPLETE":
            for resource in stack.get("_resources", {}).values():
                if resource.get("ResourceType") == kind:
                    yield resource


# -- buckets -----------------------------------------------------------------------------


def _not_empty(change: Mapping[str, Any]) -> Iterator[Finding]:
    keeps = change.get("PolicyAction", "Delete") != "Delete"
    name = change.get("PhysicalResourceId", "")
    if change["ResourceType"] != "AWS::S3::Bucket" or keeps:
        return
    bucket = loaded("ministack.services.s3")._buckets.get(name)
    if bucket and bucket.get("objects"):
        reason = (
            f"The bucket '{name}' is not empty. You must either delete all objects and "
            "versions or use the deletion policy to retain it, otherwise the delete "
            "operation will fail."
        )
        yield _finding(change, EMPTINESS, "WARN", "", reason)


# -- DescribeEvents ----------------------------------------------------------------------


def _events_of_change_sets(describe: Handler) -> Handler:
    """Answer for change sets, too: one by its ARN, by its name with its stack, or by its
    operation; all of a stack among the stack's own events."""

    def described(params: Any) -> Any:
        helpers = loaded(f"{CFN}.helpers")
        read = helpers._p
        name, stack_name = read(params, "ChangeSetName"), read(params, "StackName")
        if name and not stack_name and not name.startswith("arn:"):
            # aws-cloudformation/cloudformation-cli#1116
            return helpers._error(
                "ValidationError",
                "One of ChangeSetName, OperationId or StackName must be specified",
            )
        stack = loaded(f"{CFN}.handlers")._resolve_stack(stack_name)
        found = [*_wanted(name, stack, read(params, "OperationId"))]
        if name and not found:
            return helpers._error(
                "ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404
            )
        if not found:
            return describe(params)
        events = [e for one in found for e in one.get("_operation_events", ())]
        if stack and not name:
            events = [*(stack.get("_operation_events") or ()), *events]
        operation = read(params, "OperationId")
        if operation:
            events = [e for e in events if e["OperationId"] == operation]
        if read(params, "Filters.FailedEvents").lower() == "true":
            events = [e for e in events if _is_failed(e)]
        return _page_of(events, params)

    return described


def _is_failed(event: Mapping[str, str]) -> bool:
    return "FAILED" in (event["OperationStatus"], event.get("ValidationStatus"))


def _wanted(name: str, stack: Any, operation: str) -> Iterator[dict[str, Any]]:
    """The change sets that a request is about."""
    if name:
        find = loaded(f"{CFN}.changesets")._find_change_set
        _, found = find(name, stack["StackName"] if stack else "")
        if found:
            yield found
        return
    for change_set in loaded(CFN)._change_sets.values():
        mine = stack and change_set["StackId"] == stack["StackId"]
        if mine or change_set["ChangeSetId"].rpartition("/")[2] == operation:
            yield change_set


def _page_of(events: list[dict[str, Any]], params: Any) -> Any:
    helpers = loaded(f"{CFN}.helpers")
    fields = loaded(f"{CFN}.handlers")._OPERATION_EVENT_FIELDS
    page, token, error = helpers._page(events, params, "DescribeEvents")
    if error:
        return error
    members = "".join(
        "<member>"
        + "".join(
            f"<{field}>{helpers._esc(str(event[field]))}</{field}>"
            for field in fields
            if event.get(field)
        )
        + "</member>"
        for event in page
    )
    return helpers._xml(
        200,
        "DescribeEventsResponse",
        f"<DescribeEventsResult><OperationEvents>{members}</OperationEvents>{token}"
        "</DescribeEventsResult>",
    )
