"""Forecast of a plan: pace, time, moves, and the size of its templates.

Pure: data in, data out; nothing here changes the plan. What is read from AWS beside the
plan is in `headroom` and `drift`.

Source for the pace: `StackSetOperationPreferences` in CloudFormation's API reference and
"StackSet operation options" in its user guide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache, reduce
from graphlib import CycleError, TopologicalSorter
from operator import add, or_

from tapgen.aws.stacksets import MAX_BODY, compact, rectangles
from tapgen.frozen import dataclass
from tapgen.model import NO_STACK, Action, AlarmGate, Preferences, StackSet, Target
from tapgen.plan import durations, gates, wide
from tapgen.plan.durations import NOTHING, POLL, STACK, Span
from tapgen.plan.model import Plan, Step
from tapgen.plan.unheard import unheard
from tapgen.system import checks
from tapgen.template import evaluate
from tapgen.template.diff import Resource, Verb, Verdict
from tapgen.template.values import references

MOST_AT_ONCE = 100
"""Stack instances of one stack set that CloudFormation deploys at once, approximately."""

TIGHT = 0.8
"""Share of a limit from which on the plan shows it."""

# -- pace ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Pace:
    """How an operation goes through the accounts of one region.

    `at_once` accounts are worked on at the start, `tolerance` may fail without stopping
    it, and at most `worst` fail before it stops. `requested` is the concurrency of the
    preferences; STRICT_FAILURE_TOLERANCE reduces it to `tolerance` + 1.
    """

    accounts: int
    requested: int
    at_once: int
    tolerance: int
    worst: int
    strict: bool

    @property
    def is_cut(self) -> bool:
        """Whether the failure tolerance reduces the requested concurrency."""
        return self.strict and min(self.requested, self.accounts) > self.tolerance + 1


def pace(preferences: Preferences, accounts: int) -> Pace:
    """Return the pace in a region with this many accounts, 1 at least.

    Percentages are of these accounts and rounded down; concurrency is never below 1.
    """
    tolerance = preferences.failure_tolerance_count or 0
    if preferences.failure_tolerance_percentage is not None:
        tolerance = accounts * preferences.failure_tolerance_percentage // 100
    requested = preferences.max_concurrent_count or 1
    if preferences.max_concurrent_percentage is not None:
        requested = max(1, accounts * preferences.max_concurrent_percentage // 100)
    strict = preferences.concurrency_mode == "STRICT_FAILURE_TOLERANCE"
    at_once = min(accounts, requested, MOST_AT_ONCE)
    if strict:
        at_once = min(at_once, tolerance + 1)
    worst = min(accounts, tolerance + (1 if strict else at_once))
    return Pace(accounts, requested, at_once, tolerance, worst, strict)


@dataclass(frozen=True)
class Slowest:
    """The resource that takes the longest share of an estimate."""

    part: str
    logical_id: str
    type: str
    span: Span

    def __str__(self) -> str:
        return f"{self.part}.{self.logical_id} ({self.type})"


@dataclass(frozen=True)
class StepForecast:
    """How a step goes through its regions, in their order, and how long it takes."""

    step: Step
    paces: Mapping[str, Pace]
    sequential: bool
    span: Span
    slowest: Slowest | None

    @property
    def at_once(self) -> int:
        """Stack instances that are deployed at once, at most."""
        each = [pace.at_once for pace in self.paces.values()]
        return max(each, default=0) if self.sequential else min(sum(each), MOST_AT_ONCE)

    @property
    def words(self) -> str:
        """The pace as a sentence."""
        if not self.paces:
            return "nothing to do until accounts join"
        words = self._crowds()
        if len(self.paces) > 1:
            words += (
                ", region by region" if self.sequential else ", all regions at once"
            )
        return f"{words}; {self.stops}"

    @property
    def stops(self) -> str:
        """When failures stop it; it names the first region that they can stop."""
        several = len(self.paces) > 1
        stopped = (p for p in self.paces.items() if p[1].tolerance < p[1].accounts)
        region, first = next(stopped, ("", None))
        if first is None:
            return "no failure stops it" if self.paces else ""
        if not several and first.worst == 1:
            return "stops at the first failure"
        failures = first.tolerance + 1
        stops = f"stops {region} after {failures} failure" + "s" * (failures > 1)
        stops += f", at most {first.worst} fail" if first.worst > failures else ""
        if self.sequential and region != [*self.paces][-1]:
            stops += "; later regions are not started"
        return stops

    def _crowds(self) -> str:
        """How many accounts at a time; regions that differ are named."""
        crowds: dict[tuple[int, int], list[str]] = {}
        for region, pace in self.paces.items():
            crowds.setdefault((pace.at_once, pace.accounts), []).append(region)
        (at_once, accounts), _ = next(iter(crowds.items()))
        if len(crowds) > 1:
            each = [f"{n} of {of} in {', '.join(r)}" for (n, of), r in crowds.items()]
            return f"accounts at a time: {'; '.join(each)}"
        many = f"{at_once} of {accounts} accounts" if accounts > 1 else "1 account"
        return f"{many} at a time"


@dataclass(frozen=True)
class Move:
    """A stack set that gains targets and loses others in one plan.

    `retained` and `deleted` are the stateful resources of the targets it leaves, by what
    their policies do. No data moves to the new targets. `away` says that the stacks are
    nowhere in between.
    """

    part: str
    stack_set: str
    left: tuple[Target, ...]
    entered: tuple[Target, ...]
    retained: tuple[str, ...]
    deleted: tuple[str, ...]
    away: bool = False


@dataclass(frozen=True)
class Measure:
    """How much of a template's limit is used."""

    name: str
    used: int
    limit: int

    @property
    def tight(self) -> bool:
        return self.used >= TIGHT * self.limit

    @property
    def percent(self) -> int:
        return math.floor(100 * self.used / self.limit)

    def __str__(self) -> str:
        return f"{self.used:,} of {self.limit:,} {self.name} ({self.percent} %)"


@dataclass(frozen=True)
class Fit:
    """A template against CloudFormation's limits. One that is sent `by_url` is uploaded to
    the artifact bucket, since a request takes 51,200 bytes."""

    part: str
    stack_set: str
    by_url: bool
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class ByName:
    """How a plan would be if these parameters (`part.Name`) got their values by name."""

    parameters: tuple[str, ...]
    waves: int
    span: Span


@dataclass(frozen=True)
class Forecast:
    """What to expect of a plan. `span` is for real AWS: the embedded one is faster.
    `by_name` is set where handing outputs on by name would save time."""

    waves: tuple[tuple[StepForecast, ...], ...]
    moves: tuple[Move, ...]
    fits: tuple[Fit, ...]
    warnings: tuple[str, ...]
    bake: Span = NOTHING
    by_name: ByName | None = None

    @property
    def steps(self) -> tuple[StepForecast, ...]:
        return tuple(step for wave in self.waves for step in wave)

    @property
    def span(self) -> Span:
        """Waves run one after the other, the steps of a wave side by side; between them
        alarms are watched for their bake time."""
        return reduce(add, map(_together, self.waves), self.bake)

    @property
    def slowest(self) -> tuple[int, Slowest] | None:
        """Number of the longest wave, and its slowest resource."""
        waves = [(_together(w).high, n) for n, w in enumerate(self.waves, 1) if w]
        if not waves:
            return None
        number = max(waves, key=lambda w: (w[0], -w[1]))[1]
        step = max(self.waves[number - 1], key=lambda s: s.span.high)
        return (number, step.slowest) if step.slowest else None


def of(plan: Plan) -> Forecast:
    """Return the forecast of a plan."""
    waves = tuple(tuple(_step(plan, step) for step in wave) for wave in plan.waves)
    cut = dict.fromkeys(
        _cut(plan.system.rollout.preferences, pace)
        for wave in waves
        for step in wave
        for pace in step.paces.values()
        if pace.is_cut
    )
    bake = sum(
        max((gate.bake for gate in after if isinstance(gate, AlarmGate)), default=0)
        for after in gates.gates(plan)
    )
    silent = unheard(plan.system) if plan.waves else None
    warnings = [*cut, *([silent] if silent else [])]
    found = Forecast(
        waves, _moves(plan), _fits(plan), tuple(warnings), Span(bake, bake)
    )
    return replace(found, by_name=_by_name(plan, found))


def _by_name(plan: Plan, found: Forecast) -> ByName | None:
    parameters, waves = wide.by_name(plan)
    spans = [_together(_step(plan, step) for step in wave) for wave in waves]
    span = reduce(add, spans, found.bake)
    saves = parameters and span.high < found.span.high and span.low <= found.span.low
    return ByName(parameters, len(waves), span) if saves else None


def _together(wave: Iterable[StepForecast]) -> Span:
    return reduce(or_, (step.span for step in wave), NOTHING)


def _cut(preferences: Preferences, pace: Pace) -> str:
    return (
        f"max_concurrent is {pace.requested} of {pace.accounts} accounts at a time, but "
        f"{preferences.concurrency_mode} allows {pace.at_once} (failure tolerance + 1); "
        "raise the failure tolerance, or use SOFT_FAILURE_TOLERANCE"
    )


# -- time ----------------------------------------------------------------------------


def _step(plan: Plan, step: Step) -> StepForecast:
    preferences = plan.system.rollout.preferences
    # A unit that waits for accounts has nothing to be done yet.
    there = [target for target in step.targets if not target.joins_later]
    accounts: dict[str, set[str]] = {}
    for target in there:
        accounts.setdefault(target.region, set()).add(target.account)
    paces = {r: pace(preferences, len(those)) for r, those in accounts.items()}
    sequential = preferences.region_concurrency == "SEQUENTIAL"
    stacks = {target: _stack(plan, step, target) for target in there}
    spans = [
        _operation(
            targets, {t: STACK + stacks[t][0] for t in targets}, paces, sequential
        )
        for targets in rectangles(there)
    ]
    whole = reduce(add, spans, NOTHING)
    found = [slowest for _, slowest in stacks.values() if slowest]
    return StepForecast(
        step,
        paces,
        sequential,
        Span(0, whole.high) if step.conditional else whole,
        max(found, key=lambda s: s.span.high, default=None),
    )


def _operation(
    targets: Iterable[Target],
    stacks: Mapping[Target, Span],
    paces: Mapping[str, Pace],
    sequential: bool,
) -> Span:
    """How long one operation on a product of accounts and regions takes."""
    regions: dict[str, Span] = {}
    for target in targets:
        longest = regions.get(target.region, NOTHING)
        regions[target.region] = longest | stacks[target]
    in_each = [
        span * math.ceil(paces[region].accounts / paces[region].at_once)
        for region, span in regions.items()
    ]
    if sequential:
        return reduce(add, in_each, POLL)
    crowd = math.ceil(sum(paces[r].at_once for r in regions) / MOST_AT_ONCE)
    return POLL + reduce(or_, in_each, NOTHING) * crowd


def _stack(plan: Plan, step: Step, target: Target) -> tuple[Span, Slowest | None]:
    """How long a stack takes: the longest path through its dependencies, then the cleanup
    of replaced and removed resources."""
    changes = step.changes.get(target, ())
    found = plan.observed.get(step.stack_set)
    there = found is not None and target in found.instances
    old = found.template_of(target) if found and there else NO_STACK
    gone = step.action is Action.DELETE
    new = "{}" if gone else plan.system.part(step.part).template
    main, first = _longest({c.logical_id: (c, _first_phase(c)) for c in changes}, new)
    cleanup, second = _longest({c.logical_id: (c, _cleanup(c)) for c in changes}, old)
    found_slow = [
        Slowest(step.part, change.logical_id, change.type, span)
        for change, span in (*first, *second)
        if span.high >= 60
    ]
    return main + cleanup, max(found_slow, key=lambda s: s.span.high, default=None)


def _first_phase(change: Resource) -> Span:
    """How long the first phase of an update takes: create or update the resource."""
    create = durations.of(change.type, Action.CREATE)
    update = durations.of(change.type, Action.UPDATE)
    if change.verb is Verb.REMOVE:
        return NOTHING
    if change.verb is Verb.ADD or change.verdict is Verdict.REPLACES:
        return create
    if change.verdict is Verdict.MAY_REPLACE:
        return Span(min(update.low, create.low), max(update.high, create.high))
    return update


def _cleanup(change: Resource) -> Span:
    """How long the second phase takes: delete what was replaced or removed."""
    delete = durations.of(change.type, Action.DELETE)
    certain = change.verb is Verb.REMOVE or change.verdict is Verdict.REPLACES
    if not certain and change.verdict is not Verdict.MAY_REPLACE:
        return NOTHING
    return delete if certain and not change.retained else Span(0, delete.high)


Timed = tuple[Resource, Span]


def _longest(
    times: Mapping[str, Timed], template: str
) -> tuple[Span, tuple[Timed, ...]]:
    """The longest path through a template's dependencies, and the resources on it.
    Deletion takes the same path in reverse."""
    ends: dict[str, Span] = {}
    ways: dict[str, tuple[Timed, ...]] = {}
    for logical_id, before in _order(template):
        own = times[logical_id][1] if logical_id in times else NOTHING
        ends[logical_id] = reduce(or_, (ends[b] for b in before), NOTHING) + own
        latest = max(before, key=lambda b: ends[b].high, default=None)
        way = ways[latest] if latest else ()
        ways[logical_id] = (*way, times[logical_id]) if logical_id in times else way
    for logical_id in times.keys() - ends.keys():  # from a loop: it waits for none
        ends[logical_id], ways[logical_id] = times[logical_id][1], (times[logical_id],)
    if not ends:
        return NOTHING, ()
    last = max(ends, key=lambda i: ends[i].high)
    return reduce(or_, ends.values(), NOTHING), ways[last]


@lru_cache(maxsize=512)
def _order(template: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(logical id, its dependencies), each after all of these.

    For circular dependencies, which AWS refuses, without dependencies.
    """
    resources = evaluate.block(template, "Resources")
    waits: dict[str, tuple[str, ...]] = {}
    for logical_id, resource in resources.items():
        named = resource.get("DependsOn", ()) if isinstance(resource, Mapping) else ()
        wanted = [named] if isinstance(named, str) else list(named)
        wanted += [r.partition(".")[0] for r in references(resource)]
        found = dict.fromkeys(map(str, wanted))
        waits[logical_id] = tuple(w for w in found if w in resources)
    try:
        order = list(TopologicalSorter(waits).static_order())
    except CycleError:
        return tuple((logical_id, ()) for logical_id in resources)
    return tuple((logical_id, waits[logical_id]) for logical_id in order)


# -- moves ---------------------------------------------------------------------------


def _moves(plan: Plan) -> tuple[Move, ...]:
    found = []
    for name in dict.fromkeys(step.stack_set for step in plan.steps):
        steps = [step for step in plan.steps if step.stack_set == name]
        entered = [t for s in steps if s.action is Action.CREATE for t in s.targets]
        leaving = [s for s in steps if s.action is Action.DELETE]
        if not entered or not leaving:
            continue
        data = {
            f"{change.logical_id} ({change.type})": change.retained
            for step in leaving
            for changes in step.changes.values()
            for change in changes
            if change.stateful
        }
        found.append(
            Move(
                leaving[0].part,
                name,
                tuple(t for s in leaving for t in s.targets),
                tuple(entered),
                tuple(sorted(what for what, retained in data.items() if retained)),
                tuple(sorted(what for what, retained in data.items() if not retained)),
                any(s.first for s in steps),
            )
        )
    return tuple(found)


# -- templates -----------------------------------------------------------------------


def _fits(plan: Plan) -> tuple[Fit, ...]:
    """The templates of the stack sets that the plan creates or updates, each once."""
    sent = dict.fromkeys(s.part for s in plan.steps if s.action is not Action.DELETE)
    return tuple(fit(plan.system.part(part)) for part in sent)


def fit(s: StackSet) -> Fit:
    """Return how much of CloudFormation's limits a stack set's template uses."""
    size = len(compact(s.template).encode())
    measures = [Measure("bytes", size, checks.MAX_BYTES)]
    for name, limit in checks.LIMITS.items():
        measures.append(
            Measure(name.lower(), len(evaluate.block(s.template, name)), limit)
        )
    return Fit(s.part, s.name, size > MAX_BODY, tuple(measures))
