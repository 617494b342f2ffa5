"""What a plan changes in the costs of a month, by tapgen's table of prices.

The charges of each target that gets a change are those of its template as deployed and as
desired; what both have is left out. Targets that change in the same way are read once, and
nothing is read where no type with a charge changes. Begin reading at `of`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from tapgen.costs import estimate
from tapgen.costs.estimate import Line
from tapgen.costs.quantities import Quantity, Reader
from tapgen.frozen import dataclass
from tapgen.knowledge.charges import EXTRA, FREE, WHEN_USED
from tapgen.model import Action, Output, StackSet, System, Target
from tapgen.plan import Plan, Step
from tapgen.template import diff, evaluate

# Types without a charge that say what other types cost.
_TELLING = frozenset({"AWS::EC2::LaunchTemplate"})
_WITHOUT = (FREE.keys() | WHEN_USED.keys()) - _TELLING - EXTRA.keys()


@dataclass(frozen=True)
class Difference:
    """Charges that a plan adds and removes. What is retained outside of its stack costs
    on, and is not removed."""

    added: tuple[Line, ...] = ()
    removed: tuple[Line, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    @property
    def amounts(self) -> dict[str, Decimal]:
        """Currency → what a month costs more, as far as that is known. A resource that had
        a charge and has another one is left out where a price of it is unknown: half of
        that comparison would look like a saving.
        """
        both = {*map(_resource, self.added)} & {*map(_resource, self.removed)}
        unknown = {
            one for one in map(_resource, self.unknown) if one in both or not one[2]
        }

        def known(lines: Iterable[Line]) -> dict[str, Decimal]:
            return estimate.totals([x for x in lines if not _is_of(x, unknown)])

        found = known(self.added)
        for currency, amount in known(self.removed).items():
            found[currency] = found.get(currency, Decimal(0)) - amount
        return found

    @property
    def unknown(self) -> tuple[Line, ...]:
        """The charges that are in no amount."""
        both = *self.added, *self.removed
        return tuple(line for line in both if line.monthly is None)

    @property
    def dates(self) -> tuple[str, ...]:
        """The dates of the prices in it, the oldest first."""
        both = *self.added, *self.removed
        return tuple(sorted({line.price.date for line in both if line.price}))


def _resource(line: Line) -> tuple[str, str, str]:
    quantity = line.quantity
    return quantity.stack_set, quantity.place, quantity.logical_id


def _is_of(line: Line, resources: Collection[tuple[str, str, str]]) -> bool:
    """Whether a charge is one of these resources, of which one without an id stands for
    its whole stack."""
    stack_set, place, _ = own = _resource(line)
    return own in resources or (stack_set, place, "") in resources


@dataclass(frozen=True)
class _Group:
    """Targets of a step in one region that get the same changes."""

    step: Step
    targets: tuple[Target, ...]
    new: bool
    changes: tuple[diff.Resource, ...]


def of(plan: Plan) -> Difference:
    """Return what a plan changes in the costs of a month."""
    groups = list(_groups(plan))
    if not groups:
        return Difference()
    after = Reader(plan.system)
    added: list[Line] = []
    removed: list[Line] = []
    for group in groups:
        more, less = _compared(plan, after, group)
        added += map(estimate.priced, more)
        removed += map(estimate.priced, less)
    return Difference(tuple(added), tuple(removed))


def _groups(plan: Plan) -> Iterator[_Group]:
    """Yield the targets whose changes may change costs, each once."""
    same: dict[tuple[str, str, bool, int], list[Target]] = {}
    found: dict[tuple[str, str, bool, int], tuple[Step, tuple[diff.Resource, ...]]] = {}
    relevant: dict[int, bool] = {}
    met: set[tuple[str, Target]] = set()
    for step in plan.steps:
        if step.conditional:
            continue
        for target, changes in step.changes.items():
            if id(changes) not in relevant:
                relevant[id(changes)] = any(c.type not in _WITHOUT for c in changes)
            if not relevant[id(changes)] or (step.stack_set, target) in met:
                continue
            met.add((step.stack_set, target))
            new = plan.is_new(step, target)
            key = step.stack_set, target.region, new, id(changes)
            same.setdefault(key, []).append(target)
            found[key] = step, changes
    for key, targets in same.items():
        yield _Group(found[key][0], tuple(targets), key[2], found[key][1])


def _compared(
    plan: Plan, after: Reader, group: _Group
) -> tuple[Iterable[Quantity], Iterable[Quantity]]:
    """Return the charges that the targets of a group get, and those that they lose."""
    step, target, stacks = group.step, group.targets[0], len(group.targets)
    more: list[Quantity] = []
    less: list[Quantity] = []
    if step.action is not Action.DELETE:
        more = [*after.charged(plan.system.part(step.part), target, stacks)]
    if not group.new:
        less = [*_deployed(plan, step, target, stacks)]
    retained = {change.logical_id for change in group.changes if change.retained}
    changed = {change.logical_id for change in group.changes}
    both = Counter(map(_sign, more)) & Counter(map(_sign, less))
    gone = [q for q in less if q.logical_id not in retained]
    return _without(more, both, changed), _without(gone, both, changed)


def _sign(quantity: Quantity) -> tuple[object, ...]:
    """What makes a charge the same before and after."""
    known = quantity.product and (quantity.product, quantity.amount)
    return quantity.logical_id, known or (quantity.type, quantity.words)


def _without(
    quantities: Iterable[Quantity],
    both: Mapping[tuple[object, ...], int],
    changed: Collection[str],
) -> Iterator[Quantity]:
    """Yield the charges that the other side does not have. What is not known, of a
    resource that stays as it is, is as it was."""
    left = Counter(both)
    for quantity in quantities:
        if left[_sign(quantity)] > 0:
            left[_sign(quantity)] -= 1
        elif quantity.amount is not None or quantity.logical_id in changed:
            yield quantity


def _deployed(
    plan: Plan, step: Step, target: Target, stacks: int
) -> Iterator[Quantity]:
    """Yield what a target is charged for now. Values that come from other stacks are
    looked up there, as those of the desired state are."""
    found = plan.observed[step.stack_set]
    template = found.instances[target].template or found.template
    desired = {s.part: s for s in plan.system.stack_sets}
    wanted = desired[step.part].values(target) if step.part in desired else {}
    values = {
        name: own if isinstance(own := wanted.get(name), Output) else value
        for name, value in found.values(target).items()
    }
    before = StackSet(
        step.stack_set, step.part, template, "", (target,), parameters=values
    )
    if template and not evaluate.parsed(template):
        yield Quantity(
            *(
                step.part,
                step.stack_set,
                target.region,
                "",
                "",
                "the deployed template",
            ),
            stacks,
            why="it is no JSON",
        )
        return
    system: System = replace(
        plan.system, stack_sets=(*({**desired, step.part: before}).values(),)
    )
    yield from Reader(system).charged(before, target, stacks)
