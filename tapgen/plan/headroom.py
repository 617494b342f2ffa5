"""Headroom: whether AWS's quotas leave room for what a plan adds.

Pure: quotas and usage come in as data (`aws/quotas.py` reads them). Only additions count,
since a plan deletes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tapgen.aws.quotas import (
    ADDRESSES,
    INSTANCES,
    OPERATIONS,
    RESERVED,
    ROLES,
    RULES,
    STACK_SETS,
    STACKS,
    VCPUS,
    VCPUS_MOST,
    VPCS,
    Place,
    Quota,
    Reading,
)
from tapgen.frozen import dataclass
from tapgen.model import Action, Observed, System, Target
from tapgen.plan.forecast import TIGHT, Forecast
from tapgen.plan.model import Plan, Step
from tapgen.template import diff, evaluate, instance_types

# The resource types that count against a quota in their target.
_COUNTED: Mapping[str, Quota] = {
    "AWS::EC2::VPC": VPCS,
    "AWS::EC2::EIP": ADDRESSES,
    "AWS::IAM::Role": ROLES,
    "AWS::Events::Rule": RULES,
}


_FUNCTION, _RESERVES = "AWS::Lambda::Function", "ReservedConcurrentExecutions"
_GROUP, _TEMPLATE = "AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::LaunchTemplate"


@dataclass(frozen=True)
class Demand:
    """What a plan adds to the usage of a quota in one account or target.

    `stack_set` is set for quotas that each stack set has for itself; `used` is the usage
    where it is known without reading AWS.
    """

    quota: Quota
    target: Target
    adds: int
    stack_set: str = ""
    used: int | None = None

    @property
    def place(self) -> Place:
        return self.quota, self.target


@dataclass(frozen=True)
class Headroom:
    """A quota, its usage, and what the plan adds. `used` is None where it could not be
    counted; `read` says that AWS reported the limit, which else is the default."""

    demand: Demand
    limit: int
    read: bool
    used: int | None

    @property
    def total(self) -> int:
        """Usage after the rollout, at least."""
        return (self.used or 0) + self.demand.adds

    @property
    def raised(self) -> bool:
        """Whether usage is above the default: then the limit is higher, by an unknown
        amount."""
        return not self.read and (self.used or 0) > self.limit

    @property
    def fits(self) -> bool:
        """Whether there is room, as far as known."""
        return self.demand.adds == 0 or self.total <= self.limit or self.raised

    @property
    def unknown(self) -> bool:
        """Whether nobody knows that there is room: the plan adds something, and usage or
        the limit is not known."""
        return self.fits and self.demand.adds > 0 and (self.used is None or self.raised)

    @property
    def tight(self) -> bool:
        """Whether the plan adds something and leaves little or no room, or may do so in
        an account that is new."""
        few = self.total >= TIGHT * self.limit
        return self.demand.adds > 0 and (few or self._may_be_new)

    @property
    def _may_be_new(self) -> bool:
        new = self.demand.quota.new
        return (
            not self.read
            and new is not None
            and self.total > new - self.demand.quota.withheld
        )

    @property
    def where(self) -> str:
        target = self.demand.target
        place = str(target) if self.demand.quota.regional else target.account
        return f"{self.demand.stack_set} in {place}" if self.demand.stack_set else place

    def __str__(self) -> str:
        known = "at least " if self.used is None else ""
        default = (
            "" if self.read else "; AWS default, the account's quota could not be read"
        )
        if self._may_be_new:
            default += f", and a new account may have only {self.demand.quota.new}"
        return (
            f"{self.demand.quota.name} in {self.where}: {known}{self.total:,} of "
            f"{self.limit:,} (this plan adds {self.demand.adds:,}{default})"
        )


def demands(plan: Plan, forecast: Forecast) -> tuple[Demand, ...]:
    """Return what a plan adds to every quota that its system uses, 0 included."""
    system = plan.system
    new = {s.stack_set for s in plan.steps if s.stack_set not in plan.observed}
    busiest = max((sum(s.at_once for s in wave) for wave in forecast.waves), default=0)
    return (
        Demand(STACK_SETS, system.admin, len(new)),
        *_instances(plan),
        Demand(OPERATIONS, system.admin, busiest, used=0),
        *_stacks(plan),
        *_resources(plan),
        *_reserved(plan),
        *_servers(plan),
    )


FEW = 20
"""So many quotas are read in any case: each takes two calls and a page of 100 stacks."""

MUCH = 0.1
"""The part of a quota's default that is worth reading it for, where there are many."""


def worth_reading(
    wanted: Iterable[Demand], admin: Target
) -> tuple[tuple[Demand, ...], tuple[Demand, ...]]:
    """Return the demands whose quotas are to be read before a rollout, and the others:
    where there are many, those of the administration account and those of which the plan
    adds much."""
    every = tuple(wanted)
    if len({d.place for d in every}) <= FEW:
        return every, ()
    read = tuple(
        d for d in every if d.target == admin or d.adds >= MUCH * d.quota.default
    )
    return read, tuple(d for d in every if d not in {*read})


def headroom(
    wanted: Iterable[Demand], found: Mapping[Place, Reading]
) -> tuple[Headroom, ...]:
    """Return demands with their quotas and usage, those that do not fit first."""
    rooms = []
    for demand in wanted:
        default = demand.quota.default_in(demand.target.region)
        reading = found.get(demand.place) or Reading(default, False, None)
        used = reading.used if demand.used is None else demand.used
        rooms.append(Headroom(demand, reading.limit, reading.read, used))
    return tuple(sorted(rooms, key=lambda h: (h.fits, not h.tight)))


def _created(plan: Plan) -> Iterator[tuple[Step, Target]]:
    for step in plan.steps:
        if step.action is Action.CREATE:
            yield from ((step, t) for t in step.targets if not t.joins_later)


def _instances(plan: Plan) -> Iterator[Demand]:
    added: dict[str, int] = {s.name: 0 for s in plan.system.stack_sets}
    for step, _ in _created(plan):
        added[step.stack_set] += 1
    for name, adds in added.items():
        used = _count(plan.observed.get(name))
        yield Demand(INSTANCES, plan.system.admin, adds, name, used)


def _count(found: Observed | None) -> int:
    return sum(1 for t in found.instances if not t.joins_later) if found else 0


def _stacks(plan: Plan) -> Iterator[Demand]:
    added = {t: 0 for t in _targets(plan.system)}
    for _, target in _created(plan):
        added[target] += 1
    return (Demand(STACKS, target, adds) for target, adds in added.items())


def _targets(system: System) -> list[Target]:
    every = {t for s in system.stack_sets for t in s.targets if not t.joins_later}
    return sorted(every)


def _resources(plan: Plan) -> Iterator[Demand]:
    """Resources with a quota, where the system has them. A replacement counts too: AWS
    creates it before it deletes the old resource."""
    home = plan.system.admin.region
    added: dict[Place, int] = {}
    for s in plan.system.stack_sets:
        types = {str(r.get("Type")) for r in _mappings(s.template)}
        for kind in sorted(types & {*_COUNTED}):
            for target in s.targets:
                if not target.joins_later:
                    added.setdefault(_place(kind, target, home), 0)
    for step in plan.steps:
        for target, changes in () if step.conditional else step.changes.items():
            for change in changes:
                if change.type in _COUNTED and _is_new(change):
                    place = _place(change.type, target, home)
                    added[place] = added.get(place, 0) + 1
    return (Demand(*place, adds) for place, adds in added.items())


def _reserved(plan: Plan) -> Iterator[Demand]:
    """Concurrency that functions reserve, where any function of the system does."""
    added = {
        target: 0
        for s in plan.system.stack_sets
        if _RESERVES in s.template
        for target in s.targets
        if not target.joins_later
    }
    for step in plan.steps:
        for target, changes in () if step.conditional else step.changes.items():
            for change in changes:
                if change.type == _FUNCTION and target in added:
                    old = 0 if _is_new(change) else _reserving(change.before)
                    added[target] += max(_reserving(change.after) - old, 0)
    return (Demand(RESERVED, target, adds) for target, adds in added.items())


def _servers(plan: Plan) -> Iterator[Demand]:
    """vCPUs of groups of servers, where the system has any: those that start with them, and
    those that they may grow to. Only groups whose instance type the plan shows count.
    """
    places = {
        target
        for s in plan.system.stack_sets
        if _GROUP in s.template
        for target in s.targets
        if not target.joins_later
    }
    added = {(quota, t): 0 for quota in (VCPUS, VCPUS_MOST) for t in sorted(places)}
    for step in plan.steps:
        for target, changes in () if step.conditional else step.changes.items():
            kinds = {c.logical_id: c for c in changes if c.type == _TEMPLATE}
            for change in changes:
                if change.type != _GROUP or (VCPUS, target) not in added:
                    continue
                old = {} if _is_new(change) else _sizes(change.before, kinds, "before")
                for quota, size in _sizes(change.after, kinds, "after").items():
                    added[quota, target] += max(size - old.get(quota, 0), 0)
    return (Demand(*place, adds) for place, adds in added.items())


def _sizes(
    group: object, kinds: Mapping[str, diff.Resource], side: str
) -> dict[Quota, int]:
    """The vCPUs of a group at its start and at its largest, by the launch template that
    it names; nothing where the plan does not show both."""
    match group:
        case {"LaunchTemplate": {"LaunchTemplateId": {"Ref": str(name)}}}:
            named = kinds.get(name)
        case _:
            return {}
    match getattr(named, side, None) if named else None:
        case {"LaunchTemplateData": {"InstanceType": str(kind)}}:
            each = (
                instance_types.vcpus(kind) if instance_types.is_standard(kind) else None
            )
        case _:
            return {}
    assert isinstance(group, Mapping)
    most = _number(group.get("MaxSize"))
    least = _number(group.get("DesiredCapacity", group.get("MinSize")))
    return {VCPUS: (each or 0) * least, VCPUS_MOST: (each or 0) * most}


def _number(value: object) -> int:
    """A number of the template; 0 where only AWS knows it."""
    text = str(value)
    return int(text) if text.isdecimal() else 0


def _reserving(properties: object) -> int:
    """What the properties of a function reserve; 0 where only AWS knows."""
    given = properties.get(_RESERVES) if isinstance(properties, Mapping) else None
    return _number(given)


def _mappings(template: str) -> Iterator[Mapping[str, object]]:
    for resource in evaluate.block(template, "Resources").values():
        if isinstance(resource, Mapping):
            yield resource


def _place(kind: str, target: Target, home: str) -> Place:
    """Where a resource counts; global quotas are read in one region."""
    quota = _COUNTED[kind]
    return quota, target if quota.regional else Target(target.account, home)


def _is_new(change: diff.Resource) -> bool:
    replaced = change.verdict is diff.Verdict.REPLACES
    return change.verb is diff.Verb.ADD or (
        change.verb is diff.Verb.CHANGE and replaced
    )
