"""The shape of a config file: every key, its type and its default.

These models check single values. `checks` has what depends on several values, or on the
blueprint.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from tapgen.config.gate_shape import Duration, GateShape
from tapgen.config.patterns import ACCOUNT
from tapgen.config.problems import near, shown
from tapgen.config.role_shape import IamAction, Role, Service
from tapgen.knowledge.regions import PARTITION_OF
from tapgen.model import LONGEST_SUFFIX, SELF, SUFFIX_PATTERN, SUFFIX_RULE
from tapgen.model.costs import USAGE

# AWS allows 50 tags for a stack set and for most resources. Three identify the owner of
# a stack set (tapgen:system, :suffix, :part), three come from the blueprint (Project,
# Environment, ManagedBy).
MOST_TAGS = 44

STACK_NAME = r"[A-Za-z][A-Za-z0-9-]{0,127}"
UNIT = r"^(?![0-9]{12}$)(/|[^/\s][^/]{0,127}(/[^/]{1,128})*)$"
# IAM's set of characters, the narrowest of the services with tags.
_TAG = re.compile(r"[\w .:/=+\-@]*")


def _suffix(value: str) -> str:
    if len(value) > LONGEST_SUFFIX:
        raise ValueError(
            f"{shown(value)} has {len(value)} characters; give at most "
            f"{LONGEST_SUFFIX}, so that every resource name with it fits"
        )
    if not re.match(SUFFIX_PATTERN, value) or value.endswith("\n"):
        raise ValueError(
            f"{shown(value)} is not a valid suffix; give {SUFFIX_RULE}, such as prod"
        )
    return value


def _stack_name(value: str) -> str:
    # API reference, CreateStack: StackName.
    if not re.fullmatch(STACK_NAME, value):
        raise ValueError(
            f"{shown(value)} is not a name of a stack; give at most 128 letters, digits and "
            "hyphens, beginning with a letter"
        )
    return value


def _caller(value: str) -> str:
    # IAM user guide, "IAM and AWS STS quotas": path and name.
    if not re.fullmatch(r"(role|user)/[\w+=.@/*-]{1,575}", value):
        raise ValueError(
            f"{shown(value)} is not a role or user of the administration account; give "
            "one such as role/deploy, or a pattern such as role/deploy-*"
        )
    if value.partition("/")[2].strip("*/") == "":
        raise ValueError(
            f"{shown(value)} is every role or user; name them, or leave the key out"
        )
    return value


def _all_regions() -> list[str]:
    return sorted(PARTITION_OF)


def _region(value: str) -> str:
    if value not in PARTITION_OF:
        raise ValueError(
            f"{shown(value)} is not an AWS region; give one such as us-east-1"
            + near(value, _all_regions())
        )
    return value


def _account(value: str) -> str:
    if not re.fullmatch(ACCOUNT.strip("^$"), value):
        raise ValueError(
            f"{shown(value)} is not an account id; give 12 digits in quotes, or self"
        )
    return value


def _unit(value: str) -> str:
    if re.fullmatch("[0-9]{12}", value):
        raise ValueError(
            f"{shown(value)} is an account, not an organizational unit; list it under "
            "accounts, with account_filter"
        )
    if not re.fullmatch(UNIT.strip("^$"), value):
        raise ValueError(
            f"{shown(value)} is not an organizational unit; give an id such as "
            "ou-ab12-34cd56ef, a path of names such as Workloads/Prod, or / for the "
            "whole organization"
        )
    return value


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MOST_TAGS:
        raise ValueError(
            f"{len(tags)} tags; give at most {MOST_TAGS}: AWS allows 50, and tapgen adds 6"
        )
    seen: dict[str, str] = {}
    for key in tags:
        other = seen.setdefault(key.lower(), key)
        if other != key:
            raise ValueError(
                f"{shown(other)} and {shown(key)} differ only in case, and IAM treats them "
                "as the same key; keep one"
            )
    return tags


def _tag_key(key: str) -> str:
    if not 1 <= len(key) <= 128:
        raise ValueError(
            f"a tag key of {len(key)} characters; give 1 to 128 characters"
        )
    for owner in ("aws:", "tapgen:"):
        if key.lower().startswith(owner):
            raise ValueError(
                f"{shown(key)} starts with {owner}, which is reserved; give another key"
            )
    return _tag_text(key)


def _tag_value(value: str) -> str:
    if len(value) > 256:
        raise ValueError(f"a tag value of {len(value)} characters; give at most 256")
    return _tag_text(value)


def _tag_text(text: str) -> str:
    if not _TAG.fullmatch(text):
        raise ValueError(
            f"{shown(text)} contains characters that tags cannot have; use letters, "
            "digits, spaces and _ . : / = + - @"
        )
    return text


Suffix = Annotated[
    str,
    AfterValidator(_suffix),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": SUFFIX_PATTERN,
            "maxLength": LONGEST_SUFFIX,
        }
    ),
]
StackName = Annotated[
    str,
    AfterValidator(_stack_name),
    WithJsonSchema({"type": "string", "pattern": f"^{STACK_NAME}$"}),
]
Caller = Annotated[str, AfterValidator(_caller)]
Region = Annotated[
    str,
    AfterValidator(_region),
    Field(json_schema_extra=lambda schema: schema.update(enum=_all_regions())),
]
Account = Annotated[
    str,
    AfterValidator(_account),
    WithJsonSchema({"type": "string", "pattern": ACCOUNT}),
]
OrganizationalUnit = Annotated[
    str,
    AfterValidator(_unit),
    WithJsonSchema({"type": "string", "pattern": UNIT}),
]
TagKey = Annotated[
    str,
    AfterValidator(_tag_key),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "not": {"pattern": "^(aws|tapgen):"},
        }
    ),
]
TagValue = Annotated[
    str,
    AfterValidator(_tag_value),
    WithJsonSchema({"type": "string", "maxLength": 256}),
]


class Shape(BaseModel):
    """The base of all parts of the file: unknown keys are refused, types are strict."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AdminShape(Shape):
    """The account and region that hold the stack sets."""

    account: Account = Field(
        default=SELF,
        title="Administration account",
        description="12 digits in quotes, or self for the caller's own account.",
        examples=["self", "111111111111"],
    )
    region: Region | None = Field(
        default=None,
        title="Administration region",
        description="Default: the region of the blueprint's first region role.",
        examples=["us-east-1"],
    )
    call_as: Literal["SELF", "DELEGATED_ADMIN"] = Field(
        default="SELF",
        description="DELEGATED_ADMIN: the account is a delegated administrator of "
        "StackSets, not the management account; every stack set must be "
        "SERVICE_MANAGED.",
    )
    callers: list[Caller] = Field(
        default=[],
        description="Roles and users of this account that run tapgen: only they can assume "
        "the operator roles. Default: whoever their own policies allow to.",
        examples=[["role/deploy", "user/alice"]],
    )


class AutoDeploymentShape(Shape):
    """Whether stacks are created and deleted as accounts join and leave the units."""

    enabled: bool = Field(
        description="Accounts that join a unit get the stack; accounts that leave lose it.",
        examples=[True],
    )
    retain_stacks: bool = Field(
        default=False,
        description="Accounts that leave keep the stack, but no longer get updates.",
    )


class PreferencesShape(Shape):
    """Operation preferences, in AWS's words (StackSetOperationPreferences)."""

    region_concurrency: Literal["SEQUENTIAL", "PARALLEL"] = Field(
        default="SEQUENTIAL",
        description="Deploy one region after the other, or all regions at once.",
    )
    concurrency_mode: Literal["STRICT_FAILURE_TOLERANCE", "SOFT_FAILURE_TOLERANCE"] = (
        Field(
            default="STRICT_FAILURE_TOLERANCE",
            description="STRICT lowers the number of concurrent accounts after a failure; "
            "SOFT does not.",
        )
    )
    failure_tolerance_count: int | None = Field(
        default=None,
        ge=0,
        description="Accounts of a region that may fail before the operation stops; "
        "default 0.",
        examples=[0],
    )
    failure_tolerance_percentage: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Instead of the count: the percentage of a region's accounts.",
        examples=[10],
    )
    max_concurrent_count: int | None = Field(
        default=None,
        ge=1,
        description="Accounts of a region to deploy to at the same time; default 1.",
        examples=[1],
    )
    max_concurrent_percentage: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Instead of the count: the percentage of a region's accounts.",
        examples=[25],
    )


class RolloutShape(Shape):
    """The order and pace of a rollout, and what happens after a failure."""

    strategy: Literal["safe", "balanced", "fast"] = Field(
        default="safe",
        description="Named operation preferences. safe: one account at a time, region "
        "by region, the first failure stops; balanced: a quarter of a region's "
        "accounts at once, a tenth may fail; fast: everything at once.",
    )
    preferences: PreferencesShape | None = Field(
        default=None,
        title="Operation preferences",
        description="Your own operation preferences, instead of a strategy.",
        examples=[{"max_concurrent_count": 2, "failure_tolerance_count": 1}],
    )
    order: list[str] = Field(
        default=[],
        title="Region order",
        description="Region roles or regions; the first is the canary, and regions not "
        "listed come last. Default: the blueprint's order with the primary last.",
        examples=[["dr", "primary"]],
    )
    on_failure: Literal["rollback", "stop"] = Field(
        default="rollback",
        description="After a failure: restore what was deployed before, or stop and change "
        "nothing else.",
    )
    gates: list[GateShape] = Field(
        default=[],
        max_length=20,
        description="What must hold before the rollout goes on; a gate that does not hold "
        "counts as a failure.",
        examples=[[{"alarms": True, "bake": "10m"}, {"approve": True}]],
    )
    permissions_boundary: Literal["required", "off"] = Field(
        default="off",
        description="required: every role and user that the templates create must be "
        "within the permissions boundary that tapgen bootstrap creates, and the "
        "execution role can write no others. Roles of shipped blueprints always are.",
    )
    engine: Literal["local", "aws"] = Field(
        default="local",
        description="What advances a rollout: the process that starts it, or the engine in "
        "AWS that tapgen bootstrap --engine deploys.",
    )
    patience: Duration = Field(
        default="10m",
        description="How long to go on trying while AWS, or one region, does not answer.",
        examples=["10m"],
    )


class GoalsShape(Shape):
    """How long what a drill measures may take."""

    rto: Duration = Field(
        default="15m",
        description="From the request to move to another region until that region serves.",
        examples=["5m"],
    )
    rpo: Duration = Field(
        default="5s",
        description="How far the copy of the database may be behind: what the loss of the "
        "other region would lose.",
        examples=["1s"],
    )
    table_copy: Duration = Field(
        default="5s",
        description="Until an item of a table is in the other region.",
        examples=["2s"],
    )
    object_copy: Duration = Field(
        default="15m",
        description="Until an object is in the other bucket.",
        examples=["5m"],
    )
    notification: Duration = Field(
        default="1m",
        description="From an alarm until its notification has arrived.",
        examples=["30s"],
    )
    answer: Duration = Field(
        default="3s",
        description="Until an API answers a request.",
        examples=["500ms"],
    )


class UsageShape(Shape):
    """What each resource is assumed to have in a month."""

    hours: int = Field(default=730, ge=0, description=USAGE["hours"])
    requests: int = Field(default=1_000_000, ge=0, description=USAGE["requests"])
    call_ms: int = Field(default=100, ge=0, description=USAGE["call_ms"])
    table_writes: int = Field(
        default=1_000_000, ge=0, description=USAGE["table_writes"]
    )
    table_reads: int = Field(default=1_000_000, ge=0, description=USAGE["table_reads"])
    table_gb: int = Field(default=10, ge=0, description=USAGE["table_gb"])
    stored_gb: int = Field(default=10, ge=0, description=USAGE["stored_gb"])
    object_writes: int = Field(
        default=100_000, ge=0, description=USAGE["object_writes"]
    )
    database_gb: int = Field(default=50, ge=0, description=USAGE["database_gb"])
    database_ios: int = Field(
        default=10_000_000, ge=0, description=USAGE["database_ios"]
    )
    log_gb: int = Field(default=1, ge=0, description=USAGE["log_gb"])
    flow_log_gb: int = Field(default=10, ge=0, description=USAGE["flow_log_gb"])
    nat_gb: int = Field(default=100, ge=0, description=USAGE["nat_gb"])
    endpoint_gb: int = Field(default=10, ge=0, description=USAGE["endpoint_gb"])
    transit_gb: int = Field(default=100, ge=0, description=USAGE["transit_gb"])
    balancer_units: int = Field(default=1, ge=0, description=USAGE["balancer_units"])
    accelerated_gb: int = Field(default=100, ge=0, description=USAGE["accelerated_gb"])
    data_events: int = Field(default=1_000_000, ge=0, description=USAGE["data_events"])
    config_items: int = Field(default=1_000, ge=0, description=USAGE["config_items"])
    rule_evaluations: int = Field(
        default=1_000, ge=0, description=USAGE["rule_evaluations"]
    )
    backup_gb: int = Field(default=10, ge=0, description=USAGE["backup_gb"])
    notifications: int = Field(default=1_000, ge=0, description=USAGE["notifications"])


class CostShape(Shape):
    """What estimates of costs assume."""

    usage: UsageShape = Field(
        default=UsageShape(),
        title="Usage in a month",
        description="What each resource is assumed to have in a month, so that its costs "
        "can be estimated.",
        examples=[{"requests": 20_000_000, "stored_gb": 500}],
    )


# A value of a parameter: `stack_sets.value` reads it, with how it is written.
_SCALAR = {"type": ["string", "number", "boolean"]}
_VALUE = {
    "anyOf": [
        _SCALAR,
        {"type": "array", "items": _SCALAR},
        {
            "type": "object",
            "required": ["output"],
            "additionalProperties": False,
            "properties": {
                "output": {"type": "string", "pattern": r"^[a-z0-9-]+\.[A-Za-z0-9]+$"},
                "region": {"type": "string"},
                "account": {"type": "string", "pattern": "^(same|self|[0-9]{12})$"},
                "all": {"type": "boolean"},
                "by": {"const": "ssm"},
            },
        },
    ]
}
_VALUES = WithJsonSchema({"type": "object", "additionalProperties": _VALUE})
_PARAMETERS: Any = Field(
    default={},
    description="Values of the template's parameters: text, numbers, lists, or an "
    "output of another stack set.",
    examples=[
        {"Cidr": "10.0.0.0/16", "VpcId": {"output": "network.VpcId"}},
        {"Subnets": {"output": "network.Subnets", "region": "us-east-1"}},
    ],
)
Parameters = Annotated[dict[str, Any], _VALUES]


_MODEL: Any = Field(
    description="SELF_MANAGED: deploy with roles that tapgen creates in the accounts. "
    "SERVICE_MANAGED: deploy through AWS Organizations to organizational units; only for "
    "stack sets of the blueprint custom.",
    examples=["SERVICE_MANAGED"],
)
_UNITS: Any = Field(
    title="Organizational units",
    description="For SERVICE_MANAGED: ids, or paths of names below the root. Every account "
    "in and below them is a target, except the management account.",
    examples=[["Workloads/Prod"], ["ou-ab12-34cd56ef"], ["/"]],
    min_length=1,
    max_length=50,
)
_FILTER: Any = Field(
    description="For SERVICE_MANAGED: INTERSECTION deploys only to these accounts of the "
    "units, DIFFERENCE to all others.",
    examples=["DIFFERENCE"],
)
_AUTO: Any = Field(
    title="Automatic deployment",
    description="For SERVICE_MANAGED: create and delete stacks as accounts join and leave "
    "the units.",
    examples=[{"enabled": True, "retain_stacks": False}],
)
Model = Literal["SELF_MANAGED", "SERVICE_MANAGED"]
Filter = Literal["INTERSECTION", "DIFFERENCE"]


class TargetShape(Shape):
    """One target: an account and a region."""

    account: Account = Field(
        default=SELF,
        description="12 digits in quotes, or self for the caller's own account.",
        examples=["111111111111"],
    )
    region: str = Field(
        description="A region, or a region role of this file.", examples=["us-east-1"]
    )


class OverrideShape(Shape):
    """Parameter values for one region, one account, or both; the most specific wins."""

    region: str | None = Field(
        default=None,
        description="A region, or a region role of this file.",
        examples=["eu-west-1"],
    )
    account: Account | None = Field(
        default=None,
        description="12 digits in quotes, or self.",
        examples=["111111111111"],
    )
    parameters: Parameters = _PARAMETERS


class AtFirstShape(Shape):
    """The value of a parameter in a new stack, until other stack sets are there."""

    value: Annotated[Any, WithJsonSchema(_SCALAR)] = Field(
        description="What the parameter has until then.",
        examples=["false", ""],
    )
    until: list[str] = Field(
        min_length=1,
        description="Stack sets that must be deployed before the parameter gets its value.",
        examples=[["copy"]],
    )


class ArtifactShape(Shape):
    """A file or folder to upload beside the template."""

    path: str = Field(
        description="A file, or a folder that is zipped; relative to this file.",
        examples=["build/app.zip", "src"],
    )
    bucket: str | None = Field(
        default=None,
        description="The template parameter for the bucket; default: NAMEBucket.",
        examples=["CodeBucket"],
    )
    key: str | None = Field(
        default=None,
        description="The template parameter for the key; default: NAMEKey.",
        examples=["CodeKey"],
    )


Capability = Literal["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


class StackSetShape(Shape):
    """A template, its targets, and the values of its parameters."""

    template: str = Field(
        description="A CloudFormation template in JSON or YAML, or a Python file with a "
        "Troposphere template; relative to this file.",
        examples=["network.yaml", "app.py", "app.py:build"],
    )
    regions: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Regions, or region roles of this file; default: all roles.",
        examples=[["us-east-1", "eu-west-1"]],
    )
    accounts: list[Account] | None = Field(
        default=None,
        min_length=1,
        description="Default: the accounts of the file.",
        examples=[["111111111111", "222222222222"]],
    )
    permission_model: Annotated[Model | None, _MODEL] = None
    organizational_units: Annotated[list[OrganizationalUnit] | None, _UNITS] = None
    account_filter: Annotated[Filter | None, _FILTER] = None
    auto_deployment: Annotated[AutoDeploymentShape | None, _AUTO] = None
    targets: list[TargetShape] | None = Field(
        default=None,
        min_length=1,
        description="Pairs of account and region, instead of regions and accounts.",
        examples=[[{"account": "111111111111", "region": "us-east-1"}]],
    )
    parameters: Parameters = _PARAMETERS
    overrides: list[OverrideShape] = Field(
        default=[],
        description="Different parameter values in a region, an account, or both.",
        examples=[[{"region": "eu-west-1", "parameters": {"Size": "small"}}]],
    )
    at_first: dict[str, AtFirstShape] = Field(
        default={},
        description="Parameters with another value in a new stack, because this stack set "
        "and another one refer to each other.",
        examples=[{"Replicate": {"value": "false", "until": ["copy"]}}],
    )
    artifacts: dict[str, ArtifactShape] = Field(
        default={},
        description="Files to upload to a bucket in each target's account and region; the "
        "template gets bucket and key as parameters.",
        examples=[{"Code": {"path": "build/app.zip"}}],
    )
    depends_on: list[str] = Field(
        default=[],
        description="Stack sets that must be deployed first, besides those whose outputs are "
        "used.",
        examples=[["audit"]],
    )
    imported: list[StackName] = Field(
        default=[],
        description="Names of stacks that were imported and keep their names, so that the "
        "roles of the system reach them.",
        examples=[["shop-network"]],
    )
    capabilities: list[Capability] | None = Field(
        default=None,
        description="Default: what the template's resources need.",
        examples=[["CAPABILITY_NAMED_IAM"]],
    )
    tags: Annotated[dict[TagKey, TagValue], AfterValidator(_tags)] = Field(
        default={},
        description="Tags of this stack set, besides those of the file.",
        examples=[{"Team": "network"}],
        json_schema_extra={"maxProperties": MOST_TAGS},
    )


class PassedRoleShape(Shape):
    """A role that the system does not create, and the services that may use it."""

    role: Role = Field(
        description="The name of the role in the target accounts, with its path if any, or "
        "its ARN.",
        examples=["shared/worker", "arn:aws:iam::111111111111:role/worker"],
    )
    to: list[Service] = Field(
        min_length=1,
        description="The services that the system passes the role to.",
        examples=[["lambda.amazonaws.com"]],
    )


class FileShape(Shape):
    """A system: its blueprint, its targets, and how it is rolled out."""

    model_config = ConfigDict(title="System")

    blueprint: str = Field(
        description="The blueprint that builds the system.", examples=["secure_network"]
    )
    suffix: Suffix = Field(
        title="Environment suffix",
        description=f"Part of every resource name; {SUFFIX_RULE}.",
        examples=["prod"],
    )
    regions: dict[str, Region] = Field(
        default={},
        description="A region for each of the blueprint's region roles.",
        examples=[{"primary": "us-east-1", "dr": "us-east-2"}],
    )
    accounts: list[Account] = Field(
        default=[SELF],
        min_length=1,
        title="Target accounts",
        description="12 digits each, in quotes, or self for the caller's own account.",
        examples=[["self"], ["111111111111", "222222222222"]],
        json_schema_extra={"uniqueItems": True},
    )
    admin: AdminShape = Field(
        default=AdminShape(),
        title="Administration",
        description="Where the stack sets are administered: an account and a region.",
    )
    stack_sets: dict[str, StackSetShape] = Field(
        default={},
        title="Stack sets",
        description="For the blueprint custom: its stack sets, by the names of their parts.",
        examples=[{"network": {"template": "network.yaml", "regions": ["us-east-1"]}}],
    )
    pass_roles: list[PassedRoleShape] = Field(
        default=[],
        title="Passed roles",
        description="Roles from outside the system that it passes to services. The "
        "execution role may pass these, besides roles that the system creates.",
        examples=[[{"role": "shared/worker", "to": ["lambda.amazonaws.com"]}]],
    )
    permissions: dict[str, list[IamAction]] = Field(
        default={},
        title="Permissions of types",
        description="Actions that the execution role gets for resource types, besides "
        "those that tapgen knows.",
        examples=[{"Org::Data::Feed": ["s3:GetObject"]}],
    )
    settings: dict[str, Any] = Field(
        default={},
        description="The blueprint's own settings.",
        examples=[{"profile": "minimal"}],
    )
    tags: Annotated[dict[TagKey, TagValue], AfterValidator(_tags)] = Field(
        default={},
        description="Tags of every stack set and of every resource that supports tags.",
        examples=[{"CostCenter": "payments"}],
        json_schema_extra={"maxProperties": MOST_TAGS},
    )
    permission_model: Annotated[Model, _MODEL] = "SELF_MANAGED"
    organizational_units: Annotated[list[OrganizationalUnit] | None, _UNITS] = None
    account_filter: Annotated[Filter | None, _FILTER] = None
    auto_deployment: Annotated[AutoDeploymentShape | None, _AUTO] = None
    account_baseline: Literal["create", "existing"] = Field(
        default="create",
        description="Create what an account can have only once, such as a Config recorder, "
        "or use the existing ones.",
        examples=["existing"],
    )
    rollout: RolloutShape = Field(
        default=RolloutShape(),
        title="Rollout",
        description="Order, pace, and what happens after a failure.",
        examples=[{"strategy": "balanced", "order": ["dr", "primary"]}],
    )
    goals: GoalsShape = Field(
        default=GoalsShape(),
        title="Goals of drills",
        description="What tapgen drill compares its measurements with.",
        examples=[{"rto": "5m", "rpo": "1s"}],
    )
    cost: CostShape = Field(
        default=CostShape(),
        title="Costs",
        description="What tapgen cost and tapgen plan assume when they estimate costs.",
        examples=[{"usage": {"requests": 20_000_000}}],
    )
    allow_drill: bool = Field(
        default=False,
        title="Drills after delivery",
        description="Whether the workflows of tapgen pipeline also drill what they have "
        "rolled out: traffic and database move to the other region and back.",
        examples=[True],
    )
