"""The nouns every stage shares: frozen data, no AWS calls, no files.

Enums hold exactly the words of CloudFormation's API model
(`cloudformation/2010-05-15/service-2` of botocore); a test compares them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

SELF = "self"
"""Stands for the caller's own account until a plan is made."""

HIDDEN = "****"
"""What CloudFormation shows instead of the value of a NoEcho parameter: it can never be
compared."""

# No hyphens: names and IAM patterns are `<code>-<suffix>-…`, and those of `prod` must
# never match what belongs to `prod-eu`.
SUFFIX_PATTERN = "^[a-z][a-z0-9]*$"
"""What the suffix of a system may be, in configs and in templates."""

LONGEST_SUFFIX = 12
"""Its characters at most, so that every name made from it fits."""

SUFFIX_RULE = f"at most {LONGEST_SUFFIX} lower-case letters and digits, a letter first"
"""The same in words."""

SAME = "same"
"""In an `Output`: the account or region of the target that takes the value."""


class OperationStatus(StrEnum):
    """Status of a stack set operation (`StackSetOperationStatus`)."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class ResultStatus(StrEnum):
    """How an operation ended for one target (`StackSetOperationResultStatus`)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class InstanceStatus(StrEnum):
    """Whether a stack instance is in sync with its stack set (`StackInstanceStatus`)."""

    CURRENT = "CURRENT"
    OUTDATED = "OUTDATED"
    INOPERABLE = "INOPERABLE"


class InstanceDetailedStatus(StrEnum):
    """How the last operation left an instance (`StackInstanceDetailedStatus`)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    INOPERABLE = "INOPERABLE"
    SKIPPED_SUSPENDED_ACCOUNT = "SKIPPED_SUSPENDED_ACCOUNT"
    FAILED_IMPORT = "FAILED_IMPORT"


class Action(StrEnum):
    """What an operation does (`StackSetOperationAction`)."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    DETECT_DRIFT = "DETECT_DRIFT"


class Strategy(StrEnum):
    """Named operation preferences; see `PREFERENCES`."""

    SAFE = "safe"
    BALANCED = "balanced"
    FAST = "fast"


class PermissionModel(StrEnum):
    """Who may deploy into an account (`PermissionModels`): roles that tapgen makes
    there, or roles of AWS Organizations."""

    SELF_MANAGED = "SELF_MANAGED"
    SERVICE_MANAGED = "SERVICE_MANAGED"


class AccountFilter(StrEnum):
    """Which accounts of organizational units are meant (`AccountFilterType`).

    `UNION` is not among these: nothing can be created with it (API reference,
    DeploymentTargets).
    """

    NONE = "NONE"
    INTERSECTION = "INTERSECTION"
    DIFFERENCE = "DIFFERENCE"


@dataclass(frozen=True, order=True)
class Target:
    """Where one stack instance lives: an account and a region, never apart.

    Until `System.resolve` the account may be `self`, or an organizational unit that
    stands for its accounts. After it, `unit` is the id of the unit through which a
    service-managed stack set reaches the account; a unit without accounts, which
    automatic deployment waits at, stands for itself.
    """

    account: str
    region: str
    unit: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"

    def resolve(self, account: str) -> Target:
        """The same target with `self` replaced by an account."""
        return replace(self, account=account) if self.account == SELF else self

    @property
    def of_unit(self) -> bool:
        """Whether the account is an organizational unit, not resolved yet or empty:
        nobody knows the number of an account in it."""
        return not (
            self.account.isdigit()
            or self.account == SELF
            or self.account.startswith("${")
        )

    @property
    def joins_later(self) -> bool:
        """Whether this stands for the accounts that a unit does not have yet."""
        return self.unit is not None and self.account == self.unit


@dataclass(frozen=True)
class Output:
    """A parameter value that an output of another stack set provides.

    `region` is `same`, a region role of the system, or a region; `account` is `same`,
    `self` or an account. `all` joins the outputs of every matching target with commas.
    """

    part: str
    output: str
    region: str = SAME
    account: str = SAME
    all: bool = False

    def __str__(self) -> str:
        return f"{self.part}.{self.output}"


Value = str | Output


@dataclass(frozen=True)
class Override:
    """Parameter values for the targets in one region, one account, or both.

    Where several overrides match a target, the one naming account and region wins
    over one naming only the account, which wins over one naming only the region.
    """

    parameters: Mapping[str, Value]
    region: str | None = None
    account: str | None = None


@dataclass(frozen=True)
class Preferences:
    """Operation preferences (`StackSetOperationPreferences`).

    Counts and percentages are of the accounts in one region.
    """

    region_concurrency: str = "SEQUENTIAL"
    concurrency_mode: str = "STRICT_FAILURE_TOLERANCE"
    failure_tolerance_count: int | None = 0
    failure_tolerance_percentage: int | None = None
    max_concurrent_count: int | None = 1
    max_concurrent_percentage: int | None = None


PREFERENCES: Mapping[Strategy, Preferences] = {
    # One account at a time, one region after the other; the first failure stops it.
    Strategy.SAFE: Preferences(),
    # A quarter of the accounts of a region at once; up to a tenth may fail.
    Strategy.BALANCED: Preferences(
        concurrency_mode="SOFT_FAILURE_TOLERANCE",
        failure_tolerance_count=None,
        failure_tolerance_percentage=10,
        max_concurrent_count=None,
        max_concurrent_percentage=25,
    ),
    # All regions and accounts at once.
    Strategy.FAST: Preferences(
        region_concurrency="PARALLEL",
        concurrency_mode="SOFT_FAILURE_TOLERANCE",
        failure_tolerance_count=None,
        failure_tolerance_percentage=10,
        max_concurrent_count=None,
        max_concurrent_percentage=100,
    ),
}


@dataclass(frozen=True)
class RolloutSettings:
    """The `rollout` block of a config: how to roll out, in which region order."""

    preferences: Preferences = PREFERENCES[Strategy.SAFE]
    strategy: Strategy | None = Strategy.SAFE
    order: tuple[str, ...] = ()  # regions; the first is the canary
    on_failure: str = "rollback"  # rollback | stop


def artifact_bucket(target: Target) -> str:
    """Name of the bucket that holds what stacks in an account and region are made of."""
    return f"tapgen-artifacts-{target.account}-{target.region}"


@dataclass(frozen=True)
class Artifact:
    """A file that a template refers to by bucket and key, such as a function's code.

    `path` is as the config gives it, `source` where that is; a folder is zipped. `key`
    names the content by its hash. `bucket_parameter` and `key_parameter` are the
    template's parameters that take the target's artifact bucket and the key.
    """

    path: str
    source: Path
    key: str
    bytes: int
    bucket_parameter: str
    key_parameter: str

    def values(self, target: Target) -> dict[str, str]:
        """What the two parameters take at a target."""
        return {
            self.bucket_parameter: artifact_bucket(target),
            self.key_parameter: self.key,
        }


@dataclass(frozen=True)
class Upload:
    """An artifact on its way to a target's bucket."""

    artifact: Artifact
    target: Target

    def __str__(self) -> str:
        size = f"{self.artifact.bytes:,} bytes"
        return f"{self.artifact.path} ({size}) to {artifact_bucket(self.target)}"


@dataclass(frozen=True, order=True)
class PassedRole:
    """A role that a system does not make and gives to a service (`iam:PassRole`).

    `role` is an ARN, or path and name of a role in every target account.
    """

    role: str
    service: str


@dataclass(frozen=True, order=True)
class Permission:
    """An action that making a system takes on a resource that it does not make.

    `action` is IAM's name for it, `resource` an ARN.
    """

    action: str
    resource: str


@dataclass(frozen=True)
class AutoDeployment:
    """Whether stacks follow accounts into and out of units (`AutoDeployment`)."""

    enabled: bool = False
    retain_stacks: bool = False  # RetainStacksOnAccountRemoval


@dataclass(frozen=True)
class ServiceManaged:
    """How a stack set is deployed by AWS Organizations (`DeploymentTargets`).

    `organizational_units` are ids of units or of the root, or paths of names below the
    root, such as `Workloads/Prod`; `accounts` are those that `account_filter` is about;
    `kin` and `suspended`, known once resolved, are the units above and below those
    named, and the accounts in them where nothing can be deployed.
    """

    organizational_units: tuple[str, ...]
    accounts: tuple[str, ...] = ()
    account_filter: AccountFilter = AccountFilter.NONE
    auto_deployment: AutoDeployment = AutoDeployment()
    kin: frozenset[str] = frozenset()
    suspended: frozenset[str] = frozenset()

    def takes(self, account: str) -> bool:
        """Whether the filter lets an account of the units through."""
        if self.account_filter is AccountFilter.NONE:
            return True
        named = account in self.accounts
        return named == (self.account_filter is AccountFilter.INTERSECTION)


@dataclass(frozen=True)
class Unit:
    """An organizational unit, or the root.

    `accounts` are the active ones in it and below, never the management account, which
    StackSets leaves out, `suspended` the others; `kin` are the units above it and below.
    """

    id: str
    accounts: tuple[str, ...]
    kin: frozenset[str] = frozenset()
    suspended: frozenset[str] = frozenset()


@dataclass(frozen=True)
class StackSet:
    """A stack set as it should be.

    `template` is the template's JSON text, exactly as committed.
    `parameters` are the stack set's values, `overrides` those of single targets,
    `artifacts` by name what is uploaded beside the template.
    `depends_on` names parts of the same system, besides those that `Output` values
    imply. `role` is `every`, `global` or a region role of the system. `service_managed`
    of None means that tapgen's own roles deploy it. `source` is the user's file of JSON or
    YAML that the template was made of.
    """

    name: str
    part: str
    template: str
    role: str
    targets: tuple[Target, ...]
    parameters: Mapping[str, Value] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    depends_on: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    service_managed: ServiceManaged | None = None
    source: Path | None = field(default=None, compare=False)

    @property
    def permission_model(self) -> PermissionModel:
        if self.service_managed is None:
            return PermissionModel.SELF_MANAGED
        return PermissionModel.SERVICE_MANAGED

    def values(self, target: Target) -> dict[str, Value]:
        """The parameter values of one target, overrides applied."""
        values = dict(self.parameters)
        matching = [
            o
            for o in self.overrides
            if o.region in (None, target.region) and o.account in (None, target.account)
        ]
        for override in sorted(
            matching, key=lambda o: (o.account is not None, o.region is not None)
        ):
            values.update(override.parameters)
        for artifact in self.artifacts.values():
            values.update(artifact.values(target))
        return values

    def permissions(self) -> dict[str, Any]:
        """Who deploys it, as a manifest says it and rules read it."""
        managed = self.service_managed
        if managed is None:
            return {"permission_model": self.permission_model.value}
        return {
            "permission_model": self.permission_model.value,
            "organizational_units": list(managed.organizational_units),
            "account_filter": managed.account_filter.value,
            "accounts": list(managed.accounts),
            "auto_deployment": vars(managed.auto_deployment),
        }

    def requires(self) -> set[str]:
        """The parts this stack set waits for."""
        values = [*self.parameters.values()]
        for override in self.overrides:
            values += override.parameters.values()
        return {*self.depends_on} | {v.part for v in values if isinstance(v, Output)}


@dataclass(frozen=True)
class System:
    """A whole system: its stack sets, where they go and how they are rolled out.

    `name` is the stem of the config file, `regions` maps region roles to regions,
    `admin` is where the stack sets themselves live; `delegated` says that this is the
    account of a delegated administrator (`CallAs`). Until `resolve`, accounts may be
    `self` or organizational units.
    """

    name: str
    blueprint: str
    suffix: str
    regions: Mapping[str, str]
    admin: Target
    stack_sets: tuple[StackSet, ...]
    rollout: RolloutSettings = RolloutSettings()
    tags: Mapping[str, str] = field(default_factory=dict)
    environment: str | None = None
    procedures: tuple[str, ...] = ()
    pass_roles: tuple[PassedRole, ...] = ()
    permissions: tuple[Permission, ...] = ()
    delegated: bool = False

    @property
    def organizational_units(self) -> tuple[str, ...]:
        """The units that the system's stack sets name, each once."""
        named = [s.service_managed for s in self.stack_sets if s.service_managed]
        return tuple(dict.fromkeys(u for m in named for u in m.organizational_units))

    @property
    def prefix(self) -> str:
        """What the names of this system's stack sets and roles begin with."""
        return f"{self.name.replace('_', '-')}-{self.suffix}"

    @property
    def administration_role(self) -> str:
        """Name of the role StackSets itself takes in the administration account.

        IAM is global, and an account may administer systems from several regions, each
        with a bootstrap stack of its own: so the region is in the name.
        """
        return f"tapgen-administration-{self.admin.region}"

    @property
    def execution_role(self) -> str:
        """Name of the role StackSets assumes in every target account."""
        return f"tapgen-{self.prefix}-execution"

    @property
    def operator_role(self) -> str:
        """Name of the role tapgen itself assumes in target accounts, to look."""
        return f"tapgen-{self.prefix}-operator"

    def part(self, name: str) -> StackSet:
        """The stack set of a part; KeyError when there is none."""
        return {s.part: s for s in self.stack_sets}[name]

    def resolve(self, account: str, units: Mapping[str, Unit] = {}) -> System:
        """The same system with `self` replaced by `account` (12 digits), and units,
        which `units` gives as they are named, by their accounts."""

        def real(target: Target) -> Target:
            return target.resolve(account)

        def placed(s: StackSet) -> StackSet:
            if s.service_managed:
                return _in_units(s, units)
            return replace(s, targets=tuple(map(real, s.targets)))

        def real_values(values: Mapping[str, Value]) -> dict[str, Value]:
            return {
                name: (
                    replace(value, account=account)
                    if isinstance(value, Output) and value.account == SELF
                    else value
                )
                for name, value in values.items()
            }

        def real_override(override: Override) -> Override:
            mine = override.account == SELF
            return replace(
                override,
                account=account if mine else override.account,
                parameters=real_values(override.parameters),
            )

        return replace(
            self,
            admin=real(self.admin),
            stack_sets=tuple(
                replace(
                    placed(s),
                    parameters=real_values(s.parameters),
                    overrides=tuple(map(real_override, s.overrides)),
                )
                for s in self.stack_sets
            ),
        )


def _in_units(s: StackSet, units: Mapping[str, Unit]) -> StackSet:
    """A service-managed stack set with the accounts of its units as targets."""
    managed = s.service_managed
    assert managed
    found: dict[Target, Target] = {}
    for target in s.targets:
        unit = units.get(target.account)
        if unit is None:
            continue
        inside = [a for a in unit.accounts if managed.takes(a)]
        follows = managed.auto_deployment.enabled
        # Only an empty unit is named without accounts: that means all it has.
        if follows and not unit.accounts and not managed.accounts:
            inside = [unit.id]
        for account in inside:
            made = Target(account, target.region, unit.id)
            found.setdefault(made, made)
    named = [units[u] for u in managed.organizational_units if u in units]
    return replace(
        s,
        targets=tuple(found),
        service_managed=replace(
            managed,
            organizational_units=tuple(dict.fromkeys(unit.id for unit in named)),
            kin=frozenset().union(*(unit.kin for unit in named)),
            suspended=frozenset().union(*(unit.suspended for unit in named)),
        ),
    )


@dataclass(frozen=True)
class ObservedInstance:
    """A stack instance as CloudFormation reports it.

    `stack_id` is None where the stack was never made. `outputs` are those of its
    stack, None where they could not be read.
    """

    status: InstanceStatus
    detailed_status: InstanceDetailedStatus | None
    stack_id: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] | None = None
    reason: str | None = None
    drift_status: str = "NOT_CHECKED"
    drift_checked: datetime | None = None


@dataclass(frozen=True)
class Observed:
    """A stack set as CloudFormation reports it (`DescribeStackSet`)."""

    name: str
    template: str
    parameters: Mapping[str, str]
    instances: Mapping[Target, ObservedInstance]
    capabilities: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    execution_role: str | None = None
    administration_role: str | None = None
    running: str | None = None  # id of an operation that has not ended
    id: str = ""  # StackSetId: another one means another stack set of the same name
    permission_model: PermissionModel = PermissionModel.SELF_MANAGED
    auto_deployment: AutoDeployment = AutoDeployment()

    def values(self, target: Target) -> dict[str, str]:
        """The parameter values one instance has, overrides applied."""
        return {**self.parameters, **self.instances[target].overrides}


class Severity(StrEnum):
    """How bad a finding is, in cfn-lint's words."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATIONAL = "informational"


@dataclass(frozen=True, order=True)
class Finding:
    """What lint found at one place of one template.

    `path` are the keys from the top of the template down to the place; `line` and
    `column` are those of the committed file, from 1.
    """

    stack_set: str
    logical_id: str
    rule: str
    severity: Severity
    message: str
    path: tuple[str | int, ...] = ()
    file: str = ""
    line: int = 1
    column: int = 1
    url: str = ""


def digest(data: Any) -> str:
    """`sha256:` and the hash of JSON data or text, independent of key order."""
    text = data if isinstance(data, str) else json.dumps(data, sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
