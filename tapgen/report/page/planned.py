"""A plan as its page shows it: first what changes, where, what could be lost and in which
order, then each step.

Targets, steps and waves with the same changes are shown once (`report.grouping`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tapgen.frozen import dataclass
from tapgen.model import Action, Target
from tapgen.plan import Plan, Step, refusals
from tapgen.report import costs, grouping, outlook, text, unread
from tapgen.report.counting import counted
from tapgen.report.page.content import Planned
from tapgen.report.page.places import Places, Where
from tapgen.report.values import difference
from tapgen.template import diff, evaluate, risk

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "−"}
_VERBS = {diff.Verb.ADD: "+", diff.Verb.CHANGE: "~", diff.Verb.REMOVE: "−"}
_OPEN = 8
"""Steps of a plan that are shown unfolded, at most."""

KINDS = {
    "create": "creates stacks",
    "update": "updates stacks",
    "delete": "deletes stacks",
    "replaces": "replaces a resource",
    "may-replace": "may replace a resource",
    "data": "concerns data",
    "risk": "has something to review",
}
"""Kinds of changes that a page filters by, in its order, and their words."""


# -- what a page shows first -----------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """Lines below a title; `places` says where each is."""

    title: str
    lines: tuple[tuple[str, str, tuple[str, ...]], ...]
    tone: str = "grave"


@dataclass(frozen=True)
class Stage:
    """A wave in a few words: what it does, and the gates after it."""

    name: str
    anchor: str
    does: tuple[Does, ...]
    gates: tuple[str, ...]


@dataclass(frozen=True)
class Does:
    """What a step does to which part, to what in it, and what of that it `interrupts`."""

    verb: str
    part: str
    words: str
    interrupts: str


@dataclass(frozen=True)
class Region:
    """What a plan does in a region, as numbers of stack instances."""

    name: str
    accounts: str
    creates: int
    updates: int
    deletes: int
    perhaps: int


@dataclass(frozen=True)
class Summary:
    """A plan in a minute."""

    changes: str
    resources: str
    refused: tuple[str, ...]
    data: tuple[tuple[str, str, tuple[str, ...]], ...]
    safe: str
    interrupted: tuple[tuple[str, str], ...]
    more_interrupted: int
    tone: str
    review: tuple[Listed, ...]
    regions: tuple[Region, ...]
    stages: tuple[Stage, ...]
    order: tuple[str, ...]
    time: str
    cost: str
    unpriced: bool
    unknown: tuple[str, ...]
    remarks: tuple[str, ...]
    quotas: tuple[str, ...]


def summary(planned: Planned, places: Places) -> Summary:
    """Return what changes, where, what could be lost, in which order, and what cannot be
    known."""
    plan = planned.plan
    risks = dict(text.risks(plan))
    data = risks.pop(risk.Kind.DATA, {})
    ahead = planned.outlook
    remarks = outlook.remarks(ahead, details=True) if ahead else []
    quotas = [line for line in remarks if line.startswith("quota: ")]
    review = tuple(_review(risks, ahead, places))
    interrupted = tuple(_interrupted(plan))
    unknown = tuple(_unknown(plan))
    return Summary(
        text.summary(plan) if plan else "",
        _resources(plan),
        tuple(refusals(plan, planned.allowed)),
        tuple(_where(data, places)),
        "" if data else _safe(plan),
        interrupted[:_MOST_INTERRUPTED],
        max(len(interrupted) - _MOST_INTERRUPTED, 0),
        _tone(bool(data), review, unknown),
        review,
        tuple(_regions(plan)),
        tuple(_stages(plan)),
        tuple(_order(plan)) if plan else (),
        outlook.duration(ahead.forecast.span) if plan and ahead else "",
        costs.difference(ahead.cost, see="") if ahead else "",
        bool(ahead and ahead.cost.unknown),
        unknown,
        tuple(line for line in remarks if line not in quotas),
        tuple(quotas),
    )


def _resources(plan: Plan) -> str:
    """How many resources a plan creates, changes, replaces and deletes."""
    counts: Counter[str] = Counter()
    same: dict[int, Counter[str]] = {}  # targets may share their changes
    for step in plan.steps:
        for changes in () if step.conditional else step.changes.values():
            if id(changes) not in same:
                same[id(changes)] = Counter(map(_fate, changes))
            counts += same[id(changes)]
    found = [f"{number:,} {fate}" for fate, number in counts.most_common()]
    return f"Resources: {', '.join(found)}" if found else ""


def _fate(change: diff.Resource) -> str:
    if change.verb is diff.Verb.ADD:
        return "created"
    if change.verb is diff.Verb.REMOVE and change.retained:
        return "retained outside of their stacks"
    return change.fate


def _safe(plan: Plan) -> str:
    """Why nothing can be lost, as far as the plan knows; there is no risk to data."""
    actions = {plan.does(step) for step in plan.steps}
    if not actions:
        return "Nothing: there is no change."
    if actions == {Action.CREATE}:
        return "Nothing: every stack of this plan is new."
    return "No data: no resource that holds data is deleted or replaced."


def _where(
    found: Mapping[str, Sequence[Target]], places: Places
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for what, targets in found.items():
        where = places.where(targets)
        yield what, where.words, where.every


def _review(
    risks: Mapping[risk.Kind, Mapping[str, Sequence[Target]]],
    ahead: outlook.Outlook | None,
    places: Places,
) -> Iterator[Listed]:
    """Everything else to read first: of the outlook, then risks, the gravest first."""
    concerns: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {}
    for one in outlook.concerns(ahead) if ahead else ():
        concerns.setdefault(one.title, []).append((one.what, "; ".join(one.lines), ()))
    yield from (Listed(title, tuple(lines)) for title, lines in concerns.items())
    for kind, found in risks.items():
        tone = "warn" if kind in _MILDER else "grave"
        yield Listed(str(kind), tuple(_where(found, places)), tone)


_MILDER = (
    risk.Kind.REVIEW,
    risk.Kind.CONSTRAINED,
    risk.Kind.INTERRUPTION,
    risk.Kind.REPLACEMENT,
    risk.Kind.UNPUBLISHED,
)
"""Risks to know of beforehand, where the others may be mistakes."""


def _tone(loses_data: bool, review: Iterable[Listed], unknown: Sequence[str]) -> str:
    """The colour of the worst that is known; without any risk it is good only where the
    plan knows everything."""
    tones = {one.tone for one in review}
    if loses_data or "grave" in tones:
        return "grave"
    return "warn" if tones else "" if unknown else "good"


_MOST_INTERRUPTED = 4
"""Interruptions that the first screen names, at most."""


def _interrupted(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield each resource of which a plan interrupts something, with what happens and in
    which waves."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for wave in grouping.waves(plan):
        for shown in wave.steps:
            for name, words in _interruptions(plan, shown.step).items():
                key = f"{shown.step.part}.{name}", words
                found.setdefault(key, {})[_name(wave, shown.step)] = None
    for (name, words), where in found.items():
        yield name, f"{words}, in {'; '.join(where)}"


def _interruptions(plan: Plan, step: Step) -> dict[str, str]:
    """Logical id → what is interrupted, in the stacks that a step updates."""
    if step.conditional:
        return {}
    there = (own for t, own in step.changes.items() if not plan.is_new(step, t))
    found: dict[str, dict[str, None]] = {}
    for changes in {id(own): own for own in there}.values():
        for one in (one for change in changes for one in risk.of(change)):
            if one.kind is risk.Kind.INTERRUPTION:
                effect = one.detail.partition(":")[0]
                found.setdefault(one.logical_id, {})[effect] = None
    return {name: ", ".join(effects) for name, effects in found.items()}


def _name(wave: grouping.Waves, step: Step) -> str:
    return f"{wave} ({', '.join(dict.fromkeys(t.region for t in step.targets))})"


def _order(plan: Plan) -> Iterator[str]:
    """Yield why the waves are in this order, what is between them, and what happens when
    one fails."""
    settings, waves = plan.system.rollout, grouping.waves(plan)
    used = {t.region for step in plan.steps for t in step.targets}
    order = [region for region in settings.order if region in used]
    if len(order) > 1:
        yield (
            "Parts come after those that they depend on. Of what is ready, regions come in "
            f"this order (rollout.order): {', '.join(order)}."
        )
    gates = sum(len(one.gates) * (one.last - one.first + 1) for one in waves)
    hold = f" and the gates after it hold; there are {gates:,} in this plan" * bool(
        gates
    )
    none = "; there are no gates in this plan" * (not gates)
    yield f"A wave begins when the one before it has succeeded{hold or none}."
    what = "a wave or a gate" if gates else "a wave"
    if settings.on_failure == "stop":
        yield (
            f"If {what} fails, tapgen stops, and what is deployed by then stays "
            "(rollout.on_failure: stop)."
        )
    else:
        yield (
            f"If {what} fails, tapgen stops, and restores in every changed stack set what "
            "was deployed before (rollout.on_failure: rollback)."
        )


def _regions(plan: Plan) -> Iterator[Region]:
    counts: dict[str, Counter[str]] = {}
    accounts: dict[str, set[str]] = {}
    for step in plan.steps:
        for target in step.targets:
            does = "new" if plan.is_new(step, target) else str(step.action)
            does = "perhaps" if step.conditional else does
            counts.setdefault(target.region, Counter())[does] += 1
            accounts.setdefault(target.region, set()).add(target.account)
    roles = {region: role for role, region in plan.system.regions.items()}
    for region in sorted(counts, key=lambda r: [*roles, r].index(r)):
        found, own = counts[region], accounts[region]
        yield Region(
            f"{region} ({roles[region]})" if region in roles else region,
            f"{len(own):,} accounts" if len(own) > 1 else "".join(own),
            found["new"],
            found[str(Action.UPDATE)],
            found[str(Action.DELETE)],
            found["perhaps"],
        )


def _stages(plan: Plan) -> Iterator[Stage]:
    for one in grouping.waves(plan):
        regions: dict[str, dict[str, Does]] = {}
        for shown in one.steps:
            step = shown.step
            where = ", ".join(dict.fromkeys(t.region for t in step.targets))
            does = f"{_SIGNS[plan.does(step)]} {_does(plan, step)}"
            names = [*_interruptions(plan, step)]
            interrupts = f"interrupts {_some(names)}" if names else ""
            line = Does(does, step.part, _in_short(plan, step), interrupts)
            regions.setdefault(where, {})[step.part] = line
        where = "; ".join(regions)
        lines = (line for found in regions.values() for line in found.values())
        gates = tuple(f"{text.gate_title(one)}: {gate}" for gate in one.gates)
        yield Stage(f"{one} in {where}", f"wave-{one.first}", tuple(lines), gates)


def description(plan: Plan, step: Step) -> str:
    """Return what the template of a step says that it is; empty where it says nothing."""
    if step.action is Action.DELETE:
        return ""
    template = plan.system.part(step.part).template
    return str(evaluate.parsed(template).get("Description") or "")


def _in_short(plan: Plan, step: Step) -> str:
    """What a step creates, or which resources it changes, the gravest first: the words for
    a whole template would say more of an update than it does."""
    if plan.does(step) is Action.CREATE or step.conditional:
        return description(plan, step)
    fates: dict[str, dict[str, None]] = {}
    same = {id(changes): changes for changes in step.changes.values()}
    changes = (change for own in same.values() for change in own)
    for change in sorted(changes, key=text.gravity):
        fates.setdefault(_fate(change), {})[change.logical_id] = None
    if not fates:
        return "no resource changes"
    return "; ".join(f"{_some([*names])} {fate}" for fate, names in fates.items())


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


_NAMED = 6
"""Resources with the same fate that the order of waves names, at most."""


def _does(plan: Plan, step: Step) -> str:
    may = "may " if step.conditional else ""
    return f"{may}{str(plan.does(step)).lower()}"


def _unknown(plan: Plan) -> Iterator[str]:
    """What the plan does not know, or leaves out."""
    yield from unread.plan(plan)
    for name, target in plan.suspended:
        yield f"skipped, its account is suspended: {name} in {target}"
    if plan.not_comparable:
        yield f"{text.NOT_COMPARABLE}: {', '.join(plan.not_comparable)}"
    yield from text.not_known(plan)
    yield from (*plan.writers, *plan.sources, *plan.shifts)
    yield from text.recorded_later(plan)


# -- steps -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """The change of one resource: what becomes of it, and the lines that differ."""

    sign: str
    name: str
    type: str
    fate: str
    notes: tuple[str, ...]
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Group:
    """Targets with the same changes. New resources are only listed, by type (`new`)."""

    where: Where
    title: str
    kinds: str
    changes: tuple[Change, ...]
    new: tuple[tuple[str, str], ...]
    note: str


@dataclass(frozen=True)
class Shown:
    """A step: its first words, its parameters, and the groups of its targets."""

    sign: str
    does: str
    part: str
    description: str
    stack_set: str
    where: Where
    resources: str
    reasons: str
    parameters: tuple[str, ...]
    groups: tuple[Group, ...]
    open: bool


@dataclass(frozen=True)
class Wave:
    """One wave, or several with the same changes, and the gates after it."""

    name: str
    anchor: str
    steps: tuple[Shown, ...]
    gates: tuple[str, ...]


def waves(plan: Plan, places: Places) -> list[Wave]:
    """Return the waves of a plan with everything that each step changes."""
    found = grouping.waves(plan)
    few = sum(len(one.steps) for one in found) <= _OPEN
    return [
        Wave(
            str(one),
            f"wave-{one.first}",
            tuple(_step(plan, shown, places, few) for shown in one.steps),
            tuple(f"{text.gate_title(one)}: {gate}" for gate in one.gates),
        )
        for one in found
    ]


def kinds(found: Iterable[Wave]) -> dict[str, str]:
    """Return the kinds of changes that there are, with their words."""
    used = {
        kind
        for wave in found
        for step in wave.steps
        for group in step.groups
        for kind in group.kinds.split()
    }
    return {kind: words for kind, words in KINDS.items() if kind in used}


def _step(plan: Plan, shown: grouping.StepLines, places: Places, few: bool) -> Shown:
    step = shown.step
    action = plan.does(step)
    changes = {} if step.conditional else step.changes
    groups = tuple(_groups(plan, step, changes, places))
    numbers = {len(own) for own in changes.values()}
    resources = ""
    if numbers:
        least, most = min(numbers), max(numbers)
        resources = counted(most, "resource")
        resources = f"{least:,} to {resources}" if least < most else resources
    return Shown(
        _SIGNS[action],
        _does(plan, step),
        step.part,
        description(plan, step),
        step.stack_set,
        places.where(step.targets),
        resources,
        "; ".join(step.reasons),
        shown.lines,
        groups,
        few or any("risk" in group.kinds.split() for group in groups),
    )


def _groups(
    plan: Plan,
    step: Step,
    changes: Mapping[Target, Sequence[diff.Resource]],
    places: Places,
) -> Iterator[Group]:
    action = plan.does(step)
    found = grouping.groups(changes)
    if not found:  # its changes are not known before it starts
        kind = str(action).lower()
        yield Group(places.where(step.targets), "", kind, (), (), "")
    for group in found:
        own = changes[group.targets[0]]
        new = [c for c in group.changes if c.verb is diff.Verb.ADD]
        only_new = action is Action.CREATE
        yield Group(
            places.where(group.targets),
            text.but(group) if len(found) > 1 else "",
            " ".join(_kinds(action, own)),
            tuple(_change(c) for c in _ordered(group.changes) if not only_new),
            tuple(_by_type(new)) if only_new else (),
            _note(step, group),
        )


def _kinds(action: Action, changes: Sequence[diff.Resource]) -> Iterator[str]:
    yield str(action).lower()
    found = {change.verdict for change in changes}
    if diff.Verdict.REPLACES in found:
        yield "replaces"
    if diff.Verdict.MAY_REPLACE in found:
        yield "may-replace"
    risks = [one for change in changes for one in risk.of(change)]
    if any(one.kind is risk.Kind.DATA for one in risks):
        yield "data"
    if action is not Action.CREATE and risks:
        yield "risk"


def _ordered(changes: Sequence[diff.Resource]) -> list[diff.Resource]:
    return sorted(changes, key=text.gravity)


def _by_type(changes: Sequence[diff.Resource]) -> Iterator[tuple[str, str]]:
    types: dict[str, list[str]] = {}
    for change in changes:
        types.setdefault(change.type, []).append(change.logical_id)
    for type_, names in sorted(types.items()):
        yield type_, ", ".join(names)


def _note(step: Step, group: grouping.Group) -> str:
    if text.alters_nothing(step, group):
        return "no resource changes"
    if group.shared and group.without:
        return text.without(group)
    return ""


def _change(change: diff.Resource) -> Change:
    return Change(
        _VERBS[change.verb],
        change.logical_id,
        change.type,
        "created" if change.verb is diff.Verb.ADD else change.fate,
        tuple(_notes(change)),
        tuple(
            (diff.show(p.path), f"{line}{text.because_of(p)}")
            for p in change.properties
            for line in difference(p.old, p.new, width=_WIDTH)
        ),
    )


_WIDTH = 300
"""Characters of a value that a page shows, around its first difference."""


def _notes(change: diff.Resource) -> Iterator[str]:
    if change.stateful and change.verb is not diff.Verb.ADD:
        yield "holds data"
    going = change.verb is diff.Verb.REMOVE or change.verdict in (
        diff.Verdict.REPLACES,
        diff.Verdict.MAY_REPLACE,
    )
    if change.retained and going:
        yield "the old one is retained"
    if change.verb is not diff.Verb.ADD:
        yield from (f"{one.kind}: {one.detail}" for one in risk.of(change))
