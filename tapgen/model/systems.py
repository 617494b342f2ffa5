"""A system and its stack sets, as they should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model.artifacts import Artifact
from tapgen.model.costs import Usage
from tapgen.model.drills import Goals
from tapgen.model.migrations import Migration
from tapgen.model.organizations import PermissionModel, ServiceManaged, Unit
from tapgen.model.procedures import Procedure
from tapgen.model.rollouts import RolloutSettings
from tapgen.model.shifts import Shift
from tapgen.model.targets import SELF, Output, Override, Target, Value

# No hyphens: names and IAM patterns are `<code>-<suffix>-…`, and those of `prod` must
# never match what belongs to `prod-eu`.
SUFFIX_PATTERN = "^[a-z][a-z0-9]*$"
"""The pattern of a system's suffix, in configs and in templates."""

LONGEST_SUFFIX = 12
"""The maximum length of a suffix; every name that contains it must fit."""

SUFFIX_RULE = f"at most {LONGEST_SUFFIX} lower-case letters and digits, a letter first"
"""The same rule in words, for messages."""

COPIES = 2
"""How many regions have copies of a journal: enough for the loss of two regions at once."""

CHANGE_SETS = "tapgen-"
"""How the names of tapgen's change sets begin, by which left-over ones are recognised;
the operator role may use only those."""

BOOTSTRAP_STACK = "tapgen-(administration|artifacts|[a-z0-9-]+-roles)"
"""The pattern of the names of the stacks that `tapgen bootstrap` creates."""

STACKS_IN_REVIEW = "tapgen-review-"
"""How the names of stacks in review begin; the operator role may delete only those."""


@dataclass(frozen=True, order=True)
class PassedRole:
    """A role that a system passes to a service but does not create (`iam:PassRole`).

    `role` is an ARN, or path and name of a role in every target account.
    """

    role: str
    service: str


@dataclass(frozen=True, order=True)
class Permission:
    """An action that deploying a system needs on a resource it does not create.

    `action` is the IAM action, `resource` an ARN.
    """

    action: str
    resource: str


@dataclass(frozen=True)
class AtFirst:
    """The value of a parameter in a new stack, until stacks of other parts are there.

    Of two stacks that refer to each other, one is created without its reference. `value`
    is what its parameter has until then, `until` are the parts that must be there first.
    """

    value: str
    until: tuple[str, ...]


_Place = tuple[str | None, str | None]


@dataclass(frozen=True)
class StackSet:
    """A stack set as it should be deployed.

    `template` is the template's JSON text, exactly as committed.
    `parameters` are the values of the stack set, `overrides` those of single targets,
    `at_first` what parameters have in new stacks before they get these values, by name,
    `artifacts` the files to upload beside the template, by name.
    `depends_on` names parts of the same system, besides those that `Output` values
    imply. `imported` are the names of stacks that StackSets did not create. `role` is `every`, `global` or a region role of the system. `service_managed`
    is None where tapgen's own roles deploy the stack set. `source` is the user's JSON or
    YAML file that the template comes from.
    """

    name: str
    part: str
    template: str
    role: str
    targets: tuple[Target, ...]
    parameters: Mapping[str, Value] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    at_first: Mapping[str, AtFirst] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
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
        """Return the parameter values of one target, overrides applied."""
        values = dict(self.parameters)
        for account in (None, target.account) if self.overrides else ():
            for region in (None, target.region):
                for override in self._overriding.get((account, region), ()):
                    values.update(override.parameters)
        for artifact in self.artifacts.values():
            values.update(artifact.values(target))
        return values

    @cached_property
    def is_uniform(self) -> bool:
        """Whether all targets have the same values, and none of them is an output."""
        values = self.parameters.values()
        own = self.overrides or self.artifacts
        return not own and not any(isinstance(value, Output) for value in values)

    def sent(self, target: Target) -> dict[str, Value]:
        """Return the same as CloudFormation gets it: names of SSM parameters in place of
        the outputs that are handed on by name."""
        return {
            name: (
                value.ssm_name(self.prefix)
                if isinstance(value, Output) and value.by_name
                else value
            )
            for name, value in self.values(target).items()
        }

    @property
    def prefix(self) -> str:
        """The prefix of the names of its system's stack sets."""
        return self.name.removesuffix(f"-{self.part}")

    @cached_property
    def _overriding(self) -> Mapping[_Place, list[Override]]:
        found: dict[_Place, list[Override]] = {}
        for one in self.overrides:
            found.setdefault((one.account, one.region), []).append(one)
        return found

    def targets_in(self, account: str | None, region: str | None) -> tuple[Target, ...]:
        """Return the targets in an account and a region, None for any of them; not those
        that stand for accounts to come."""
        return self._placed.get((account, region), ())

    @cached_property
    def _placed(self) -> Mapping[_Place, tuple[Target, ...]]:
        found: dict[_Place, list[Target]] = {}
        for t in self.targets:
            for account in (None, t.account) if not t.joins_later else ():
                for region in (None, t.region):
                    found.setdefault((account, region), []).append(t)
        return {place: tuple(targets) for place, targets in found.items()}

    def permissions(self) -> dict[str, Any]:
        """Return who deploys the stack set, as data for manifests and rules."""
        managed = self.service_managed
        if managed is None:
            return {"permission_model": self.permission_model.value}
        return {
            "permission_model": self.permission_model.value,
            "organizational_units": list(managed.organizational_units),
            "account_filter": managed.account_filter.value,
            "accounts": list(managed.accounts),
            "auto_deployment": {
                "enabled": managed.auto_deployment.enabled,
                "retain_stacks": managed.auto_deployment.retain_stacks,
            },
        }

    def requires(self) -> set[str]:
        """Return the parts that must be deployed before this stack set."""
        found = {*self.depends_on}
        for given in (self.parameters, *(o.parameters for o in self.overrides)):
            found |= {
                value.part
                for name, value in given.items()
                if isinstance(value, Output) and name not in self.at_first
            }
        return found


@dataclass(frozen=True)
class Precondition:
    """What must be deployed before a parameter of a part gets a value.

    `needs` are values of parameters, as part, parameter and value. They count as they are
    before the rollout; without any, the change is refused for good. `advice` says what to do first. With `ordered`, the rollout that brings them may
    do it itself: their parts change before this one. With `region`, only the value there
    counts. Without a parameter, it is the removal of the part from there. With `created`, it
    is about a part that is not there yet, and never about a change.
    """

    part: str
    parameter: str
    value: str
    needs: tuple[tuple[str, str, str], ...]
    advice: str
    ordered: bool = False
    region: str = ""
    created: bool = False


@dataclass(frozen=True)
class System:
    """A whole system: its stack sets, their targets and how they are rolled out.

    `name` is the stem of the config file, `regions` maps region roles to regions,
    `admin` is the account and region that hold the stack sets; `delegated` is true for
    the account of a delegated administrator (`CallAs`). `granted_types` are resource
    types whose permissions the config lists, among `permissions`. `callers` are the roles and
    users of the administration account that may assume the operator role (`role/deploy`,
    also patterns), empty for any that their own policies allow to. Until `resolve`, accounts
    may be `self` or organizational units.
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
    procedures: tuple[Procedure, ...] = ()
    shifts: tuple[Shift, ...] = ()
    migration: Migration | None = None
    pass_roles: tuple[PassedRole, ...] = ()
    permissions: tuple[Permission, ...] = ()
    preconditions: tuple[Precondition, ...] = ()
    granted_types: frozenset[str] = frozenset()
    delegated: bool = False
    callers: tuple[str, ...] = ()
    goals: Goals = Goals()
    usage: Usage = Usage()

    @property
    def organizational_units(self) -> tuple[str, ...]:
        """The organizational units that the stack sets name, each once."""
        named = [s.service_managed for s in self.stack_sets if s.service_managed]
        return tuple(dict.fromkeys(u for m in named for u in m.organizational_units))

    @property
    def journal_copies(self) -> tuple[Target, ...]:
        """Where the journal of its runs has copies, so that it outlives the
        administration region: in the first COPIES other regions with a role, of the same
        account. A region that only a stack set names is its own role, and has none."""
        regions = {region for role, region in self.regions.items() if role != region}
        others = sorted(regions - {self.admin.region})[:COPIES]
        return tuple(Target(self.admin.account, region) for region in others)

    @property
    def prefix(self) -> str:
        """The prefix of the names of this system's stack sets and roles."""
        return f"{self.name.replace('_', '-')}-{self.suffix}"

    @property
    def administration_role(self) -> str:
        """The name of the role that StackSets uses in the administration account.

        IAM is global, and an account may administer systems from several regions, each
        with a bootstrap stack of its own. That is why the region is in the name.
        """
        return f"tapgen-administration-{self.admin.region}"

    @property
    def execution_role(self) -> str:
        """The name of the role that StackSets assumes in every target account."""
        return f"tapgen-{self.prefix}-execution"

    @property
    def operator_role(self) -> str:
        """The name of the role that tapgen assumes in target accounts, to read."""
        return f"tapgen-{self.prefix}-operator"

    def part(self, name: str) -> StackSet:
        """Return the stack set of a part; KeyError when there is none."""
        return {s.part: s for s in self.stack_sets}[name]

    def resolve(self, account: str, units: Mapping[str, Unit] = {}) -> System:
        """Return the system with `self` replaced by `account` (12 digits), and the
        organizational units by their accounts; `units` maps each name to its unit.
        """

        def real(target: Target) -> Target:
            return target.resolve(account)

        following = {s.part: s.name for s in self.stack_sets if _follows(s)}

        def placed(s: StackSet) -> StackSet:
            if s.service_managed:
                return _in_units(_after(s, following), units)
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


def _follows(s: StackSet) -> bool:
    return s.service_managed is not None and s.service_managed.auto_deployment.enabled


def _after(s: StackSet, following: Mapping[str, str]) -> StackSet:
    """Return a service-managed stack set with the stack sets that an account that joins
    must get before it; `following` are those that follow accounts, by part."""
    managed = s.service_managed
    if managed is None or s.part not in following:
        return s
    needs = tuple(following[part] for part in s.requires() if part in following)
    chosen = replace(managed.auto_deployment, depends_on=needs)
    return replace(s, service_managed=replace(managed, auto_deployment=chosen))


def _in_units(s: StackSet, units: Mapping[str, Unit]) -> StackSet:
    """Return a service-managed stack set with its units' accounts as targets."""
    managed = s.service_managed
    assert managed
    found: dict[Target, Target] = {}
    for target in s.targets:
        unit = units.get(target.account)
        if unit is None:
            continue
        inside = [a for a in unit.accounts if managed.takes(a)]
        follows = managed.auto_deployment.enabled
        # Only an empty unit is a target itself: StackSets takes that as all accounts
        # in it, now and later.
        if follows and not unit.accounts and not managed.accounts:
            inside = [unit.id]
        for account in inside:
            reached = Target(account, target.region, unit.id)
            found.setdefault(reached, reached)
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
