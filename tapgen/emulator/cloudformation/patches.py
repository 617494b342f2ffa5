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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from tapgen.emulator.accounts import organizations, regions
from tapgen.emulator.cloudformation import change_sets, nested, not_emulated
from tapgen.emulator.cloudformation.template_checks import (
    Template,
    evaluated,
    path_style,
    refuse_cycles,
    refuse_resources_in_conditions,
    refuse_unresolved,
    signer_of,
)
from tapgen.emulator.services import balancers, documents, gateway
from tapgen.emulator.services import patches as service_patches
from tapgen.emulator.services import registry, replicated_secrets
from tapgen.emulator.wire import guard

__all__ = [
    "TESTED_VERSION",
    "apply",
    "check",
    "environment",
    "large_bodies",
    "path_style",
    "refuse_types",
]

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
        "CfnLoader": None,
        "_construct_cfn_tag": ("tag_name",),
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
        "_error": ("code", "message", "status"),
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
    f"{_CFN}.changesets": {
        "_resolve_props_for_diff": ("template", "params", "stack_name", "stack_id")
    },
    f"{_CFN}.drift": {
        "_DRIFT_READERS": None,
        "_read_log_group": ("physical_id", "props"),
        "_read_sns_topic": ("physical_id", "props"),
        "_read_sqs_queue": ("physical_id", "props"),
    },
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
    "ministack.services.route53": {
        "_find": ("el", "tag"),
        "_parse_health_check_config": ("el",),
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
    for private in (
        PRIVATE,
        registry.PRIVATE,
        balancers.PRIVATE,
        change_sets.PRIVATE,
        documents.PRIVATE,
        gateway.PRIVATE,
        guard.PRIVATE,
        nested.PRIVATE,
        organizations.PRIVATE,
        regions.PRIVATE,
        replicated_secrets.PRIVATE,
    ):
        for module, names in private.items():
            problems += moved(module, names)
    return problems


def moved(module: str, names: Mapping[str, tuple[str, ...] | None]) -> list[str]:
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
    _patch_restored_shapes()
    _patch_yaml()
    service_patches.apply()
    gateway.apply()
    not_emulated.apply()
    organizations.apply()
    regions.apply()
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


def _patch_conditions() -> None:
    # ministack resolves Ref to parameters and Fn::Select only: a condition with a
    # pseudo parameter, Join, Sub, Split or FindInMap is silently false.
    def evaluate(template: Template, params: Parameters) -> dict[str, bool]:
        def resolve(value: Any, known: Mapping[str, bool], mappings: Any) -> Any:
            return _module(f"{_CFN}.engine")._resolve_refs(
                value, {}, params, known, mappings, _stack_name.get(), ""
            )

        return evaluated(template, resolve)

    def in_force(original: Any) -> Any:
        def resolve(
            template: Template, params: Parameters, stack_name: str, stack_id: str
        ) -> dict[str, Any]:
            resolved: dict[str, Any] = original(template, params, stack_name, stack_id)
            if resolved:
                holds = evaluate(template, params)
                resolved["Resources"] = {
                    name: resource
                    for name, resource in resolved["Resources"].items()
                    if holds.get(resource.get("Condition", ""), True)
                }
            return resolved

        return resolve

    _everywhere("_evaluate_conditions", lambda original: evaluate)
    # A change set would list resources whose condition is false.
    _everywhere("_resolve_props_for_diff", in_force)


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
                refuse_resources_in_conditions(template)
                refuse_unresolved(template, conditions)
                refuse_cycles(template, _module(f"{_CFN}.engine")._extract_deps)
            original(template, conditions, params)

        return validate

    _everywhere("validate_template_support", validation)


# --- Template bodies ------------------------------------------------------------------


def _patch_template_bodies() -> None:
    # ministack takes the first part of the path for the bucket whatever the host, and
    # reads every object as the caller: one behind a signed link is read as its signer.
    def document(original: Any) -> Any:
        def resolve(
            params: Mapping[str, Any], body_key: str, url_key: str, label: str
        ) -> Any:
            url = _module(f"{_CFN}.helpers")._p(params, url_key)
            if url:
                params = {**params, url_key: [path_style(url)]}
            signer = signer_of(url)
            if signer is None:
                return original(params, body_key, url_key, label)
            scope = _module("ministack.core.responses").request_scope
            with scope(*signer):
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
    handlers["CreateStack"] = _refusing_leftovers(handlers["CreateStack"])


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


def _refusing_leftovers(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    # A stack whose creation was rolled back can only be deleted; ministack makes
    # another one over it, and so hides that nobody did.
    def create(params: Any) -> Any:
        helpers = _module(f"{_CFN}.helpers")
        name = helpers._p(params, "StackName")
        stack = _module(_CFN)._stacks.get(name) or {}
        if stack.get("StackStatus") == "ROLLBACK_COMPLETE":
            message = f"Stack [{name}] already exists"
            return helpers._error("AlreadyExistsException", message)
        return handler(params)

    return create


def _patch_yaml() -> None:
    # The short forms of the functions that rules and language extensions have.
    engine = _module(f"{_CFN}.engine")
    for name in (
        "Contains",
        "EachMemberEquals",
        "EachMemberIn",
        "GetStackOutput",
        "Length",
        "RefAll",
        "ToJsonString",
        "Transform",
        "ValueOf",
        "ValueOfAll",
    ):
        construct = engine._construct_cfn_tag(f"Fn::{name}")
        engine.CfnLoader.add_constructor(f"!{name}", construct)


def _patch_refusals() -> None:
    # Capabilities are checked by ministack only when it authenticates callers; AWS
    # always asks for them, and a stack set without them must fail here too.
    _everywhere("_capabilities_enforced", lambda original: lambda: True)
    # A bucket name that is taken fails the stack before its first resource, with a
    # reason that only DescribeEvents tells. The resource's own refusal ("<name> already
    # exists") names the resource, and is what a stack instance's reason quotes.
    _everywhere("s3_bucket_name_conflict", lambda original: lambda name: None)


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
