"""What ministack's CloudFormation gets wrong, put right; everything private we touch.

Each patch says why it is there. `check` compares the private names used here and in
`resources` with the version they were written against, so that a new ministack fails at
start with a list, not later with a riddle.

Wordings of errors are AWS's where a report of the real error is known; ministack marks
those it has not measured, and those stay as they are.
"""

from __future__ import annotations

import contextvars
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from tapgen.emulator import cbor

TESTED_VERSION = "1.5.33"

_CFN = "ministack.services.cloudformation"

# module -> private name -> its parameters, or None for what is not a function.
PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.app": {"app": None, "SERVICE_HANDLERS": None},
    "ministack.core.responses": {
        "get_account_id": (),
        "get_region": (),
        "request_scope": ("account_id", "region"),
    },
    f"{_CFN}.engine": {
        "_NO_VALUE": None,
        "_TransformFailed": None,
        "_constraint_error": ("name", "defn", "reason"),
        "_evaluate_conditions": ("template", "params"),
        "_extract_deps": ("resource_def", "all_resource_names"),
        "_resolve_parameters": ("template", "provided_params", "previous_params"),
        "_resolve_refs": (
            "value",
            "resources",
            "params",
            "conditions",
            "mappings",
            "stack_name",
            "stack_id",
        ),
        "validate_template_support": ("template", "conditions", "params"),
    },
    f"{_CFN}.handlers": {"_ACTION_HANDLERS": None, "_capabilities_enforced": ()},
    f"{_CFN}.helpers": {
        "_p": ("params", "key", "default"),
        "_resolve_document": ("params", "body_key", "url_key", "label"),
        "_template_body_problem": ("body",),
    },
    f"{_CFN}.provisioners": {
        "_CUSTOM_NAME_REPLACEMENT": None,
        "_NAME_SEED": None,
        "_REPLACING_PROPERTIES": None,
        "_RESOURCE_HANDLERS": None,
        "_STACK_TAG_PROPERTY": None,
        "_delete_resource": (
            "resource_type",
            "physical_id",
            "props",
            "stack_name",
            "logical_id",
        ),
        "_seeded_create": ("create_fn", "logical_id", "props", "stack_name"),
        "_update_resource": (
            "resource_type",
            "physical_id",
            "old_props",
            "new_props",
            "stack_name",
            "logical_id",
            "old_attrs",
        ),
        "_physical_name": (
            "stack_name",
            "logical_id",
            "lowercase",
            "max_len",
            "seeded",
        ),
        "s3_bucket_name_conflict": ("name",),
    },
    f"{_CFN}.drift": {"_DRIFT_READERS": None},
    f"{_CFN}.stacks": {"_deploy_stack_async": None},
    "ministack.services.cloudformation": {"_stacks": None},
    "ministack.services.cloudwatch": {
        "_alarms": None,
        "_composite_alarms": None,
        "_dashboards": None,
        "cloudformation_set_metric_alarm_tags": ("name", "tags"),
    },
    "ministack.services.cloudwatch_logs": {"_log_groups": None},
    "ministack.services.config": {"_delivery_channels": None, "_recorders": None},
    "ministack.services.dynamodb": {"_tables": None},
    "ministack.services.iam": {"_policies": None, "_roles": None},
    "ministack.services.kms": {"_aliases": None},
    "ministack.services.ec2": {
        "_ACTION_MAP": None,
        "_addresses": None,
        "_flow_logs": None,
        "_nat_gateways": None,
    },
    "ministack.services.rds": {
        "_handle_request_sync": (
            "method",
            "path",
            "headers",
            "body",
            "query_params",
        ),
        "_clusters": None,
        "_instance_xml": ("i",),
        "_instances": None,
        "_tags": None,
    },
    "ministack.services.s3": {
        "_bucket_owner_account": ("name",),
        "_maybe_replicate": ("bucket_name", "key", "obj", "data", "tags"),
        "_replication_rule_for": ("bucket_name", "key", "tags"),
    },
    "ministack.services.secretsmanager": {
        "_resolve": ("secret_id", "use_arn_scope"),
        "_secrets": None,
    },
    "ministack.services.sns": {"_topics": None},
}

Template = Mapping[str, Any]
Parameters = Mapping[str, Mapping[str, Any]]

_stack_name: contextvars.ContextVar[str] = contextvars.ContextVar(
    "tapgen_stack_name", default=""
)
_large_bodies: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "tapgen_large_bodies", default=False
)
_unknown_types: list[Callable[[frozenset[str]], frozenset[str]]] = []
_applied = False


def environment(port: int, folder: Path) -> dict[str, str]:
    """What must be in `os.environ` before ministack is imported.

    It reads its settings while being imported, binds every interface unless told
    otherwise, and would talk to a Docker daemon it finds. Nothing is written outside
    `folder`.
    """
    return {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "EDGE_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": "000000000000",
        "MINISTACK_REGION": "us-east-1",
        # Further listeners, each on a port of its own.
        "SFTP_ENABLED": "0",
        "SFTP_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "USE_SSL": "0",
        # A socket that is not there: databases, caches and functions stay in-process.
        "DOCKER_HOST": f"unix://{folder / 'no-docker.sock'}",
        "LAMBDA_EXECUTOR": "local",
        # Files.
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "LOCALSTACK_PERSISTENCE": "0",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        # Settings of the user's shell that would change what it emulates.
        "AUTH": "false",
        "SERVICES": "",
        "CLOUDTRAIL_RECORDING": "0",
        "LOG_LEVEL": "CRITICAL",
        # Functions call back here; inside them the account is the local default one.
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }


def check() -> list[str]:
    """Every private name that has moved or changed; empty when all is as tested."""
    try:
        found = version("ministack")
    except PackageNotFoundError:
        return ["ministack is not installed: pip install 'tapgen[local]'"]
    problems = []
    if found != TESTED_VERSION:
        problems.append(f"ministack is {found}, tested with {TESTED_VERSION}")
    for module, names in PRIVATE.items():
        problems += _moved(module, names)
    return problems


def _moved(module: str, names: Mapping[str, tuple[str, ...] | None]) -> list[str]:
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        return [f"{module} cannot be imported: {error}"]
    problems = []
    for name, parameters in names.items():
        if not hasattr(loaded, name):
            problems.append(f"{module}.{name} is gone")
        elif parameters is not None:
            # A patched function keeps the signature of the one it stands for.
            has = tuple(inspect.signature(getattr(loaded, name)).parameters)
            if has != parameters:
                problems.append(f"{module}.{name} takes {has}, expected {parameters}")
    return problems


def apply() -> None:
    """Puts every patch in place; doing it again changes nothing."""
    global _applied
    if _applied:
        return
    _patch_conditions()
    _patch_parameters()
    _patch_validation()
    _patch_template_bodies()
    _patch_stack_names()
    _patch_refusals()
    _patch_network_descriptions()
    _patch_database_descriptions()
    _patch_replication()
    _patch_restored_shapes()
    _patch_drift()
    _patch_cbor()
    _applied = True


def refuse_types(unknown: Callable[[frozenset[str]], frozenset[str]]) -> None:
    """Lets `unknown` name the resource types of a template that are not available.

    It is asked, in the account and region of the stack, before anything is created.
    """
    _unknown_types[:] = [unknown]


@contextmanager
def large_bodies() -> Iterator[None]:
    """Within it, stacks may be given a template body of up to 1 MB inline.

    StackSets hands stacks templates that it was given by URL; a caller of
    CloudFormation has to use TemplateURL above 51,200 bytes.
    """
    token = _large_bodies.set(True)
    try:
        yield
    finally:
        _large_bodies.reset(token)


def _modules() -> list[ModuleType]:
    importlib.import_module("ministack.app")
    importlib.import_module(_CFN)
    return [
        module
        for name, module in sorted(sys.modules.items())
        if name == _CFN or name.startswith(f"{_CFN}.")
    ]


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _everywhere(name: str, make: Callable[[Any], Any]) -> None:
    """Replaces a function in each module that imported it by name.

    `make` gets the original. One module left out would go on with the old behaviour.
    """
    modules = [module for module in _modules() if hasattr(module, name)]
    original = getattr(modules[0], name)
    made = make(original)
    made.__signature__ = inspect.signature(original)
    made.__name__ = name
    for module in modules:
        if getattr(module, name) is original:
            setattr(module, name, made)


# --- Conditions -----------------------------------------------------------------------


class _Conditions(dict[str, bool]):
    """The conditions of a template, each evaluated when it is first asked for.

    Being a dict it can be handed to ministack's resolver, which asks for conditions of
    `Fn::If` and `Condition` with `get`.
    """

    def __init__(self, template: Template, params: Parameters) -> None:
        super().__init__()
        self._definitions: Mapping[str, Any] = template.get("Conditions") or {}
        self._mappings = template.get("Mappings") or {}
        self._params = params
        self._pending: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._definitions else default

    def __missing__(self, name: str) -> bool:
        if name not in self._definitions:
            raise ValueError(
                f"Template format error: Unresolved condition dependency {name} in "
                "the Conditions block of the template"
            )
        if name in self._pending:
            raise ValueError(
                "Template format error: Circular dependency between conditions: "
                f"[{', '.join(sorted(self._pending))}]"
            )
        self._pending.append(name)
        try:
            self[name] = self._holds(self._definitions[name])
        finally:
            self._pending.remove(name)
        return self[name]

    def _holds(self, expression: Any) -> bool:
        if isinstance(expression, Mapping) and len(expression) == 1:
            match next(iter(expression.items())):
                case "Condition", str(name):
                    return self[name]
                case "Fn::Equals", [left, right]:
                    return bool(self._value(left) == self._value(right))
                case "Fn::And", [*parts]:
                    return all([self._holds(part) for part in parts])
                case "Fn::Or", [*parts]:
                    return any([self._holds(part) for part in parts])
                case "Fn::Not", [part]:
                    return not self._holds(part)
        return bool(self._value(expression) == "true")

    def _value(self, value: Any) -> Any:
        resolved = _module(f"{_CFN}.engine")._resolve_refs(
            value, {}, self._params, self, self._mappings, _stack_name.get(), ""
        )
        return _text(resolved)

    def all(self) -> dict[str, bool]:
        return {name: self[name] for name in self._definitions}


def _text(value: Any) -> Any:
    """A value as CloudFormation compares it: scalars as strings."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, dict):
        return {key: _text(item) for key, item in value.items()}
    return str(value)


def _patch_conditions() -> None:
    # ministack resolves Ref to parameters and Fn::Select only: a condition with a
    # pseudo parameter, Join, Sub, Split or FindInMap is silently false.
    def conditions(template: Template, params: Parameters) -> dict[str, bool]:
        return _Conditions(template, params).all()

    _everywhere("_evaluate_conditions", lambda original: conditions)


# --- Parameters -----------------------------------------------------------------------


def _patch_parameters() -> None:
    # ministack accepts parameters that the template does not declare, which hides a
    # typing error in an override, and reports missing ones one at a time.
    def resolve(original: Any) -> Any:
        def parameters(
            template: Template,
            provided_params: list[dict[str, Any]],
            previous_params: Mapping[str, Any] | None = None,
        ) -> Any:
            declared: Mapping[str, Any] = template.get("Parameters") or {}
            given = [entry["Key"] for entry in provided_params if "Key" in entry]
            extra = [name for name in given if name not in declared]
            if extra:
                raise ValueError(
                    f"Parameters: [{', '.join(extra)}] do not exist in the template"
                )
            missing = [
                name
                for name, definition in declared.items()
                if name not in given and "Default" not in definition
            ]
            if missing:
                raise ValueError(f"Parameters: [{', '.join(missing)}] must have values")
            try:
                return original(template, provided_params, previous_params)
            except ValueError as error:
                raise _allowed_values(error, declared) from None

        return parameters

    def constraint(original: Any) -> Any:
        def wording(name: str, defn: Mapping[str, Any], reason: str) -> ValueError:
            # "Parameter X failed to satisfy constraint: ..." is what AWS says when
            # the template describes the constraint.
            description = defn.get("ConstraintDescription")
            if not description:
                return ValueError(f"Parameter '{name}' {reason}")
            return ValueError(
                f"Parameter {name} failed to satisfy constraint: {description}"
            )

        return wording

    _everywhere("_resolve_parameters", resolve)
    _everywhere("_constraint_error", constraint)


def _allowed_values(error: ValueError, declared: Mapping[str, Any]) -> ValueError:
    """AWS's wording for a value that is not among the allowed ones."""
    found = re.match(r"Parameter '(\w+)' value .* is not in AllowedValues", str(error))
    if not found:
        return error
    name = found[1]
    description = declared[name].get("ConstraintDescription")
    if description:
        return ValueError(
            f"Parameter {name} failed to satisfy constraint: {description}"
        )
    return ValueError(f"Parameter '{name}' must be one of AllowedValues")


# --- Validation -----------------------------------------------------------------------

_PSEUDO = frozenset(
    f"AWS::{name}"
    for name in (
        "AccountId",
        "NoValue",
        "NotificationARNs",
        "Partition",
        "Region",
        "StackId",
        "StackName",
        "URLSuffix",
    )
)

Reference = tuple[str, str]
"""What a template refers to and by which function."""


def _references(value: Any, conditions: Mapping[str, bool] | None) -> set[Reference]:
    """What Ref, Fn::GetAtt and Fn::Sub below `value` name.

    With `conditions` only what is in force counts: of `Fn::If` the chosen branch.
    """
    found: set[Reference] = set()
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, Mapping):
            if len(node) == 1:
                function, argument = next(iter(node.items()))
                direct, rest = _reference(function, argument, conditions)
                found |= direct
                pending.extend(rest)
            else:
                pending.extend(node.values())
    return found


def _reference(
    function: str, argument: Any, conditions: Mapping[str, bool] | None
) -> tuple[set[Reference], list[Any]]:
    """What one function names directly, and the values in which to look further."""
    if function == "Ref" and isinstance(argument, str):
        return {(argument, function)}, []
    if function == "Fn::GetAtt":
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        return {(str(parts[0]), function)}, list(parts[1:])
    if function == "Fn::Sub":
        given = argument if isinstance(argument, list) else [argument]
        text = given[0]
        values: Mapping[str, Any] = given[1] if len(given) > 1 else {}
        names = {
            name.strip().partition(".")[0]
            for name in re.findall(r"\$\{([^!}][^}]*)\}", str(text))
            if name.strip() not in values
        }
        return {(name, function) for name in names}, list(values.values())
    if function == "Fn::If" and isinstance(argument, list) and len(argument) == 3:
        name = str(argument[0])
        if conditions is None:
            return {(name, function)}, argument[1:]
        return set(), [argument[1] if conditions.get(name, True) else argument[2]]
    return set(), [argument]


def _refuse_unresolved(template: Template, conditions: Mapping[str, bool]) -> None:
    """The errors AWS raises for names that a template uses and does not define."""
    resources: Mapping[str, Any] = template.get("Resources") or {}
    known = {*resources, *(template.get("Parameters") or {}), *_PSEUDO}
    outputs: Mapping[str, Any] = template.get("Outputs") or {}
    names = template.get("Conditions") or {}
    for block, members in (("Resources", resources), ("Outputs", outputs)):
        definitions = [m for m in members.values() if isinstance(m, Mapping)]
        for definition in definitions:
            wanted = definition.get("Condition")
            if wanted and wanted not in names:
                raise ValueError(
                    "Template format error: Unresolved condition dependency "
                    f"{wanted} in the {block} block of the template"
                )
        _refuse_names(block, definitions, known, names)
    inactive = {
        name
        for name, definition in resources.items()
        if not conditions.get(definition.get("Condition", ""), True)
    }
    active = [r for name, r in resources.items() if name not in inactive]
    absent = {name for name, _ in _references(active, conditions)} & inactive
    if absent:
        raise _unresolved(absent, "Resources")


def _refuse_names(
    block: str,
    definitions: Iterable[Mapping[str, Any]],
    known: set[str],
    conditions: Mapping[str, Any],
) -> None:
    missing: set[str] = set()
    for definition in definitions:
        for name, function in _references(definition, None):
            if function == "Fn::If":
                if name not in conditions:
                    raise ValueError(
                        f"Template error: unresolved condition dependency {name} in "
                        "Fn::If"
                    )
            elif name not in known and function == "Fn::GetAtt":
                raise ValueError(
                    "Template error: instance of Fn::GetAtt references undefined "
                    f"resource {name}"
                )
            elif name not in known:
                missing.add(name)
        depends = definition.get("DependsOn") or []
        depends = [depends] if isinstance(depends, str) else depends
        missing |= {name for name in depends if name not in known}
    if missing:
        raise _unresolved(missing, block)


def _unresolved(names: Iterable[str], block: str) -> ValueError:
    return ValueError(
        "Template format error: Unresolved resource dependencies "
        f"[{', '.join(sorted(names))}] in the {block} block of the template"
    )


def _refuse_resources_in_conditions(template: Template) -> None:
    known = {*(template.get("Parameters") or {}), *_PSEUDO}
    named = {
        name
        for name, function in _references(template.get("Conditions") or {}, None)
        if function != "Fn::If" and name not in known
    }
    if named:
        raise ValueError(
            f"Template format error: Unresolved dependencies [{', '.join(sorted(named))}"
            "]. Cannot reference resources in the Conditions block of the template"
        )


def _refuse_cycles(template: Template) -> None:
    """AWS refuses the template; ministack makes a stack that fails."""
    resources: Mapping[str, Any] = template.get("Resources") or {}
    extract = _module(f"{_CFN}.engine")._extract_deps
    needs = {
        name: set(extract(definition, set(resources))) - {name}
        for name, definition in resources.items()
    }
    while True:
        free = {name for name, needed in needs.items() if not needed & needs.keys()}
        if not free:
            break
        needs = {name: needed for name, needed in needs.items() if name not in free}
    # What is left also holds resources that merely depend on the circle.
    while True:
        wanted = set().union(*needs.values()) if needs else set()
        needed_by = {name: needed for name, needed in needs.items() if name in wanted}
        if needed_by.keys() == needs.keys():
            break
        needs = needed_by
    if needs:
        raise ValueError(
            f"Circular dependency between resources: [{', '.join(sorted(needs))}]"
        )


def _refuse_types(template: Template, conditions: Mapping[str, bool]) -> None:
    used = frozenset(
        definition.get("Type", "AWS::CloudFormation::CustomResource")
        for definition in (template.get("Resources") or {}).values()
        if conditions.get(definition.get("Condition", ""), True)
    )
    unknown = frozenset().union(*(ask(used) for ask in _unknown_types))
    if unknown:
        raise ValueError(
            "Template format error: Unrecognized resource types: "
            f"[{', '.join(sorted(unknown))}]"
        )


def _patch_validation() -> None:
    # ministack turns a Ref to nothing into the name itself and makes a stack of it.
    def validation(original: Any) -> Any:
        failed = _module(f"{_CFN}.engine")._TransformFailed

        def validate(
            template: Template,
            conditions: Mapping[str, bool],
            params: Parameters | None = None,
        ) -> None:
            # What a transform has not expanded yet cannot be judged.
            if not isinstance(template, failed) and not template.get("Transform"):
                if not template.get("Resources"):
                    raise ValueError(
                        "Template format error: At least one Resources member must be "
                        "defined."
                    )
                _refuse_types(template, conditions)
                _refuse_resources_in_conditions(template)
                _refuse_unresolved(template, conditions)
                _refuse_cycles(template)
            original(template, conditions, params)

        return validate

    _everywhere("validate_template_support", validation)


# --- Template bodies ------------------------------------------------------------------

_S3_HOST = re.compile(r"^(?:(?P<bucket>.+)\.)?s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com$")


def path_style(url: str) -> str:
    """The path-style form of an S3 URL; other URLs as they are.

    S3 addresses an object as `https://BUCKET.s3.REGION.amazonaws.com/KEY`, also without
    region, or with the bucket as the first part of the path.
    """
    parts = urlsplit(url)
    found = _S3_HOST.match(parts.hostname or "")
    if not found:
        return url
    path = unquote(parts.path).lstrip("/")
    if found["bucket"]:
        path = f"{found['bucket']}/{path}"
    return f"https://s3.amazonaws.com/{path}"


def _patch_template_bodies() -> None:
    # ministack takes the first part of the path for the bucket whatever the host.
    def document(original: Any) -> Any:
        def resolve(
            params: Mapping[str, Any], body_key: str, url_key: str, label: str
        ) -> Any:
            url = _module(f"{_CFN}.helpers")._p(params, url_key)
            if url:
                params = {**params, url_key: [path_style(url)]}
            return original(params, body_key, url_key, label)

        return resolve

    def limit(original: Any) -> Any:
        def problem(body: str) -> str | None:
            if _large_bodies.get() and len(body.encode()) <= 1_000_000:
                return None
            found: str | None = original(body)
            return found

        return problem

    _everywhere("_resolve_document", document)
    _everywhere("_template_body_problem", limit)


# --- Smaller things -------------------------------------------------------------------


def _patch_stack_names() -> None:
    # Conditions are evaluated without the stack's name, which AWS::StackName needs.
    def deploy(original: Any) -> Any:
        async def deploy_stack(stack_name: str, *args: Any, **kwargs: Any) -> None:
            _stack_name.set(stack_name)
            await original(stack_name, *args, **kwargs)

        return deploy_stack

    _everywhere("_deploy_stack_async", deploy)
    handlers = _module(f"{_CFN}.handlers")._ACTION_HANDLERS
    for action in ("CreateStack", "UpdateStack", "CreateChangeSet"):
        handlers[action] = _naming_stack(handlers[action])


def _naming_stack(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def named(params: Any) -> Any:
        name = _module(f"{_CFN}.helpers")._p(params, "StackName")
        parts = name.split("/")
        token = _stack_name.set(parts[1] if len(parts) > 1 else name)
        try:
            return handler(params)
        finally:
            _stack_name.reset(token)

    return named


def _patch_refusals() -> None:
    # Capabilities are checked by ministack only when it authenticates callers; AWS
    # always asks for them, and a stack set without them must fail here too.
    _everywhere("_capabilities_enforced", lambda original: lambda: True)
    # A bucket name that is taken fails the stack before its first resource, with a
    # reason that only DescribeEvents tells. The resource's own refusal ("<name> already
    # exists") names the resource, and is what a stack instance's reason quotes.
    _everywhere("s3_bucket_name_conflict", lambda original: lambda name: None)


def _patch_network_descriptions() -> None:
    # DescribeNatGateways and DescribeFlowLogs leave out what the record knows: the
    # addresses of a NAT gateway, and a flow log's log group, role and interval.
    ec2 = _module("ministack.services.ec2")
    actions = ec2._ACTION_MAP
    actions["CreateFlowLogs"] = _remembering_flow_logs(actions["CreateFlowLogs"], ec2)
    actions["DescribeFlowLogs"] = _with_details(
        actions["DescribeFlowLogs"], "flowLogId", lambda id_: _flow_log_xml(ec2, id_)
    )
    actions["DescribeNatGateways"] = _with_details(
        actions["DescribeNatGateways"],
        "natGatewayId",
        lambda id_: _nat_gateway_xml(ec2, id_),
    )


_FLOW_LOG_DETAILS = {
    "LogGroupName": "logGroupName",
    "DeliverLogsPermissionArn": "deliverLogsPermissionArn",
    "MaxAggregationInterval": "maxAggregationInterval",
    "LogFormat": "logFormat",
}


def _remembering_flow_logs(handler: Callable[[Any], Any], ec2: Any) -> Any:
    def create(params: Any) -> Any:
        answer = handler(params)
        details = {
            name: params[name][0] for name in _FLOW_LOG_DETAILS if params.get(name)
        }
        for created in re.findall(r"<item>(fl-\w+)</item>", answer[2].decode()):
            ec2._flow_logs[created].update(details)
        return answer

    return create


def _flow_log_xml(ec2: Any, flow_log: str) -> str:
    record = ec2._flow_logs.get(flow_log) or {}
    return "".join(
        f"<{element}>{escape(record[name])}</{element}>"
        for name, element in _FLOW_LOG_DETAILS.items()
        if record.get(name)
    )


def _nat_gateway_xml(ec2: Any, gateway: str) -> str:
    record = ec2._nat_gateways.get(gateway) or {}
    address = ec2._addresses.get(record.get("AllocationId") or "")
    if not address:
        return ""
    return (
        f"<natGatewayAddressSet><item><allocationId>{address['AllocationId']}"
        f"</allocationId><publicIp>{address['PublicIp']}</publicIp>"
        "<isPrimary>true</isPrimary></item></natGatewayAddressSet>"
    )


def _with_details(
    handler: Callable[[Any], Any], element: str, details: Callable[[str], str]
) -> Callable[[Any], Any]:
    """Adds `details` of each id after the element that holds it."""

    def add(found: re.Match[str]) -> str:
        return found[0] + details(found[1])

    def describe(params: Any) -> Any:
        status, headers, body = handler(params)
        text = body.decode().replace("<natGatewayAddressSet/>", "")
        return (
            status,
            headers,
            re.sub(rf"<{element}>([^<]+)</{element}>", add, text).encode(),
        )

    return describe


def _patch_database_descriptions() -> None:
    # DescribeDBInstances says nothing of replication, exported logs or the secret that
    # RDS keeps the password in.
    rds = _module("ministack.services.rds")
    original = rds._instance_xml

    def instance(i: Mapping[str, Any]) -> str:
        text: str = original(i)
        statuses = "".join(
            "<DBInstanceStatusInfo>"
            + "".join(f"<{k}>{_text(v)}</{k}>" for k, v in status.items())
            + "</DBInstanceStatusInfo>"
            for status in i.get("StatusInfos", [])
        )
        exports = "".join(
            f"<member>{escape(name)}</member>"
            for name in i.get("EnabledCloudwatchLogsExports", [])
        )
        secret = "".join(
            f"<{k}>{escape(v)}</{k}>" for k, v in i.get("MasterUserSecret", {}).items()
        )
        for empty, full in (
            ("<StatusInfos/>", f"<StatusInfos>{statuses}</StatusInfos>"),
            (
                "<EnabledCloudwatchLogsExports/>",
                "<EnabledCloudwatchLogsExports>"
                f"{exports}</EnabledCloudwatchLogsExports>",
            ),
        ):
            text = text.replace(empty, full)
        return text + (f"<MasterUserSecret>{secret}</MasterUserSecret>" * bool(secret))

    instance.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    rds._instance_xml = instance


_SSE = "x-amz-server-side-encryption"
_SSE_KEY = f"{_SSE}-aws-kms-key-id"


def _patch_replication() -> None:
    # S3 replicates objects encrypted with a KMS key only where the rule says so, and
    # encrypts the replica with the rule's own key; ministack copies object and key.
    s3 = _module("ministack.services.s3")
    original = s3._maybe_replicate

    def replicate(
        bucket_name: str,
        key: str,
        obj: dict[str, Any],
        data: Any,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        rule, _ = s3._replication_rule_for(bucket_name, key, tags)
        headers = obj.get("preserved_headers") or {}
        if rule is None or headers.get(_SSE) != "aws:kms":
            original(bucket_name, key, obj, data, tags)
            return
        criteria = rule.get("SourceSelectionCriteria") or {}
        wanted = criteria.get("SseKmsEncryptedObjects") or {}
        if wanted.get("Status") != "Enabled":
            return
        encryption = rule["Destination"].get("EncryptionConfiguration") or {}
        replica_key = encryption.get("ReplicaKmsKeyID")
        obj["preserved_headers"] = {**headers, _SSE_KEY: replica_key}
        original(bucket_name, key, obj, data, tags)
        obj["preserved_headers"] = headers

    replicate.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    s3._maybe_replicate = replicate


def _patch_restored_shapes() -> None:
    # A stack restored after a restart may hold types that no template has shown yet.
    def known(original: Any) -> Any:
        def ensured(resource_type: str, *args: Any, **kwargs: Any) -> Any:
            for ask in _unknown_types:
                ask(frozenset({resource_type}))
            return original(resource_type, *args, **kwargs)

        return ensured

    _everywhere("_delete_resource", known)
    _everywhere("_update_resource", known)


def _patch_drift() -> None:
    # Secrets are looked up by name, but a stack knows them by ARN (see resources.keys).
    readers = _module(f"{_CFN}.drift")._DRIFT_READERS
    read, covered = readers["AWS::SecretsManager::Secret"]

    def by_arn(physical_id: str, props: Mapping[str, Any]) -> Any:
        secrets = _module("ministack.services.secretsmanager")
        name, _ = secrets._resolve(physical_id)
        return read(name, props) if name else None

    readers["AWS::SecretsManager::Secret"] = (by_arn, covered)


def _patch_cbor() -> None:
    # Without cbor2, which ministack does not require, every SDK call of CloudWatch
    # that has an answer fails.
    try:
        importlib.import_module("cbor2")
    except ImportError:
        sys.modules["cbor2"] = cbor
