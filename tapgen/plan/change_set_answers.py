"""What AWS reports about a plan in change sets, compared with the plan.

Pure: `questions` lists the change sets to create, `merge` compares the answers with the
plan; `aws/change_sets.py` creates and reads them. The graver verdict counts: a resource
that AWS replaces is replaced, whatever the resource schemas say. What AWS only knows
during the update (dynamic evaluation of another resource's values) is no difference: the
plan follows such values itself.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from tapgen.aws.change_sets import Change, ChangeSet, Detail, Question
from tapgen.errors import AwsError
from tapgen.frozen import dataclass
from tapgen.model import CHANGE_SETS, HIDDEN, Action, Target
from tapgen.plan import reviews
from tapgen.plan.model import Plan, Reference, Step
from tapgen.plan.reviews import Judged
from tapgen.system.ownership import ownership_tags
from tapgen.template import evaluate, nested, replacements
from tapgen.template.diff import Property, Resource, Verb, Verdict
from tapgen.template.evaluate import no_echo, whole
from tapgen.template.values import LATER

Key = tuple[str, Target]
"""A stack instance: the name of its stack set, and its target."""

_ORDER = list(Verdict)
_NO_CHANGE = "no change"
_BOOTSTRAP = "; run tapgen bootstrap"
_KEEPING = ("Retain", "Snapshot")


@dataclass(frozen=True)
class Difference:
    """A resource about which AWS and the plan disagree: the verdict of each, in words."""

    logical_id: str
    type: str
    ours: str
    aws: str

    def __str__(self) -> str:
        return (
            f"{self.logical_id} ({self.type}): AWS reports {self.aws}, "
            f"tapgen expected {self.ours}"
        )


@dataclass(frozen=True)
class Answer:
    """The change set of one stack instance, or `why_not` there is none.

    `today` names the values that earlier steps may change: the change set has their
    current ones. With `review` it is of a new stack: `placeholders` has the parameters
    whose values nobody knows yet, each with where its value comes from, and `unnamed` the
    resources whose names are not those to come, by what is not known of them.
    """

    change_set: ChangeSet | None = None
    why_not: str = ""
    differences: tuple[Difference, ...] = ()
    today: tuple[str, ...] = ()
    review: bool = False
    placeholders: Mapping[str, str] = field(default_factory=dict)
    unnamed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    findings: tuple[Judged, ...] = ()


@dataclass(frozen=True)
class Note:
    """One sentence, with all stack instances it is true of.

    `kind` is stopped, difference, failed, warned, agreed, today or unasked.
    """

    kind: str
    text: str
    targets: tuple[Target, ...]


def questions(plan: Plan) -> tuple[dict[Key, Question], dict[Key, Answer]]:
    """Return the change sets to create for a plan's updates and new stacks, and for every
    other created or updated instance an answer that says why it has none."""
    name = CHANGE_SETS + plan.digest.partition(":")[2][:32]
    requested: dict[Key, Question] = {}
    skipped: dict[Key, Answer] = {}
    for step in plan.steps:
        for target in step.targets if step.action is not Action.DELETE else ():
            if target in step.before:
                continue  # its change set is that of the step before
            why_not = _why_not(plan, step, target)
            if why_not:
                skipped[step.stack_set, target] = Answer(why_not=why_not)
            else:
                requested[step.stack_set, target] = _question(plan, step, target, name)
    return requested, skipped


def merge(
    plan: Plan, change_sets: Mapping[Key, ChangeSet | AwsError]
) -> tuple[Plan, dict[Key, Answer]]:
    """Return the plan with AWS's verdicts where they are graver, and all answers.

    What would stop an operation blocks the plan. Values of NoEcho parameters are removed
    from the answers.
    """
    _, answers = questions(plan)
    waves = []
    for wave in plan.waves:
        steps = []
        for step in wave:
            changes = dict(step.changes)
            for target in step.targets:
                if target in step.before:
                    continue
                found = change_sets.get((step.stack_set, target))
                if isinstance(found, AwsError):
                    answers[step.stack_set, target] = Answer(why_not=_advised(found))
                elif found is not None:
                    changes[target], answers[step.stack_set, target] = _answered(
                        plan, step, target, found
                    )
            steps.append(replace(step, changes=changes))
        waves.append(tuple(steps))
    order = [(s.stack_set, t) for s in plan.steps for t in s.targets]
    ordered = {key: answers[key] for key in order if key in answers}
    blocked = reviews.obstacles({key: a.findings for key, a in ordered.items()})
    return replace(plan, waves=tuple(waves), blocked=plan.blocked + blocked), ordered


def _advised(error: AwsError) -> str:
    """An error with what helps where the operator role may not do this yet."""
    return f"{error}{_BOOTSTRAP if error.code.startswith('AccessDenied') else ''}"


def notes(answers: Mapping[Key, Answer]) -> list[Note]:
    """Return everything worth a line, the most important first, each sentence once."""
    grouped: dict[tuple[str, str], list[Target]] = {}
    for (name, target), answer in answers.items():
        for kind, text in _sentences(name, answer):
            grouped.setdefault((kind, text), []).append(target)
    order = "stopped difference failed warned agreed today unasked".split()
    return sorted(
        (Note(kind, text, tuple(found)) for (kind, text), found in grouped.items()),
        key=lambda one: order.index(one.kind),
    )


def _sentences(name: str, answer: Answer) -> Iterator[tuple[str, str]]:
    if answer.change_set is None:
        yield "unasked", f"{name}: not asked: {answer.why_not}"
        return
    yield from _outcome(name, answer, answer.change_set)
    for difference in answer.differences:
        yield "difference", f"{name}: {difference}"
    kinds = {"freed": "today", "open": "unasked"}
    for one in answer.findings:
        yield kinds.get(one.kind, one.kind), f"{name}: {one}"
    if answer.change_set.unread:
        why = f"what CloudFormation validates: {answer.change_set.unread}"
        why += _BOOTSTRAP if "AccessDenied" in why else ""
        yield "unasked", f"{name}: not asked: {why}"
    if answer.today:
        yield "today", f"{name}: previewed with the current {', '.join(answer.today)}"
    if answer.placeholders:
        what = ", ".join(sorted(answer.placeholders))
        yield "today", f"{name}: previewed with placeholders for {what}"
    for unknown, ids in answer.unnamed.items():
        what = f"whether names that contain {unknown} are taken: {', '.join(ids)}"
        yield "unasked", f"{name}: not asked: {what}"


def _outcome(
    name: str, answer: Answer, change_set: ChangeSet
) -> Iterator[tuple[str, str]]:
    """What AWS says as a whole; nothing where its findings say it."""
    if change_set.failed:
        if not any(one.finding.mode == "FAIL" for one in answer.findings):
            refused = f"AWS refuses: {change_set.failed}"
            if answer.placeholders:
                yield "unasked", f"{name}: not asked: with placeholders {refused}"
            else:
                yield "failed", f"{name}: {refused}"
    elif answer.review:
        if not any(one.kind == "warned" for one in answer.findings):
            yield "agreed", f"{name}: AWS reports nothing that stops the new stack"
    elif not change_set.changes:
        yield "agreed", f"{name}: AWS reports no changes"
    elif not answer.differences:
        yield "agreed", f"{name}: AWS reports the same changes"


# -- questions ------------------------------------------------------------------------------


def _why_not(plan: Plan, step: Step, target: Target) -> str:
    if target.joins_later:
        return "its account is not known yet"
    if step.conditional:
        return f"updated only {', '.join(step.reasons)}"
    if reviews.is_new(plan, step, target):
        return ""
    waits = [str(v) for v in step.references if v.now is None]
    if waits:
        return f"waits for {', '.join(waits)}"
    return ""


def _question(plan: Plan, step: Step, target: Target, name: str) -> Question:
    s = plan.system.part(step.part)
    tags = {**s.tags, **ownership_tags(plan.system, s.part)}
    if reviews.is_new(plan, step, target):
        filled = reviews.placeholders(s.template, step.values)
        start = reviews.start(plan.system, s.part)
        return Question(
            *(name, target, start, filled.template, filled.values),
            *(s.capabilities, tags),
            review=True,
        )
    values: dict[str, str | None] = {}
    for parameter, value in step.values.items():
        known = value.now if isinstance(value, Reference) else value
        values[parameter] = None if known == HIDDEN else known
    stack_id = plan.observed[step.stack_set].instances[target].stack_id or ""
    return Question(name, target, stack_id, s.template, values, s.capabilities, tags)


# -- answers -----------------------------------------------------------------------------


def _answered(
    plan: Plan, step: Step, target: Target, found: ChangeSet
) -> tuple[tuple[Resource, ...], Answer]:
    after = plan.system.part(step.part)
    ours = step.changes.get(target, ())
    if reviews.is_new(plan, step, target):
        return ours, _reviewed(plan, step, target, found)
    before = plan.observed[step.stack_set]
    change_set = _without_secrets(found, [whole(before), whole(after)])
    differences: tuple[Difference, ...] = ()
    if not change_set.failed:
        ours, differences = _compared(ours, change_set.changes)
    findings = reviews.judged(plan, step, target, change_set.findings)
    return ours, Answer(change_set, "", differences, _today(step), findings=findings)


def _reviewed(plan: Plan, step: Step, target: Target, found: ChangeSet) -> Answer:
    """The answer about a new stack: its changes are additions, and not compared."""
    s = plan.system.part(step.part)
    filled = reviews.placeholders(s.template, step.values)
    change_set = _without_secrets(found, [whole(s)])
    body = evaluate.parsed(s.template)
    return Answer(
        change_set,
        today=_today(step, filled.names),
        review=True,
        placeholders=filled.names,
        unnamed=reviews.open_resources(body, reviews.open_names(body, filled.names)),
        findings=reviews.judged(plan, step, target, change_set.findings),
    )


def _today(step: Step, without: Collection[str] = ()) -> tuple[str, ...]:
    return tuple(
        f"{name} ({value})"
        for name, value in sorted(step.values.items())
        if isinstance(value, Reference) and name not in without
    )


def _compared(
    ours: Iterable[Resource], theirs: Iterable[Change]
) -> tuple[tuple[Resource, ...], tuple[Difference, ...]]:
    """The graver verdict on each resource, and where the two differ."""
    mine = {r.logical_id: r for r in ours}
    aws = {c.logical_id: c for c in theirs}
    merged, differences = [], []
    for logical_id in sorted({*mine, *aws}):
        was, change = mine.get(logical_id), aws.get(logical_id)
        now, words = _graver(was, change)
        if now:
            merged.append(now)
        if words:
            kind = change.type if change else (was.type if was else "")
            differences.append(Difference(logical_id, kind, _word(was), words))
    return tuple(merged), tuple(differences)


def _graver(
    ours: Resource | None, theirs: Change | None
) -> tuple[Resource | None, str]:
    """The graver verdict on one resource, and AWS's word for it where that differs."""
    if theirs is None:
        return ours, _NO_CHANGE if ours and _certain(ours) else ""
    if theirs.action == "Modify":
        return _modified(ours, theirs)
    if theirs.action == "Remove":
        return _removed(ours, theirs)
    if theirs.action in ("Add", "Import"):
        if ours and ours.verb is Verb.ADD:
            return ours, ""
        added = Resource(Verb.ADD, theirs.logical_id, theirs.type)
        return ours or added, _word(added)
    return ours, ""  # Dynamic: AWS only knows during the update


def _certain(ours: Resource) -> bool:
    """Whether AWS must report a change too: it does not only follow from another one,
    is not one of policies or Metadata alone, and not in a nested stack, which has a change
    set of its own."""
    if nested.SEPARATOR in ours.logical_id:
        return False
    return ours.verb is not Verb.CHANGE or any(
        p.of in ("Properties", "Type")
        and not (isinstance(p.new, Mapping) and LATER in p.new)
        for p in ours.properties
    )


def _removed(ours: Resource | None, theirs: Change) -> tuple[Resource, str]:
    retained = theirs.policy.startswith(_KEEPING)
    if ours and ours.verb is Verb.REMOVE:
        if not ours.retained or retained or not theirs.policy:
            return ours, ""
        return replace(ours, retained=False), "removed and deleted"
    removed = Resource(
        Verb.REMOVE,
        theirs.logical_id,
        theirs.type,
        retained=retained,
        before=ours.before if ours else None,
    )
    return removed, _word(removed)


def _modified(ours: Resource | None, theirs: Change) -> tuple[Resource | None, str]:
    verdict = _verdict(ours, theirs)
    if verdict is None:
        return ours, ""
    if ours is None:
        if verdict is Verdict.IN_PLACE and not _is_news(theirs):
            return None, ""
        ours, had = Resource(Verb.CHANGE, theirs.logical_id, theirs.type), False
    elif ours.verb is not Verb.CHANGE:
        return ours, f"changed, {verdict}"
    else:
        had = True
    if had and verdict is ours.verdict or ours.verdict is Verdict.REFUSED:
        return ours, ""
    worst = max(ours.verdict, verdict, key=_ORDER.index)
    graver = worst is not ours.verdict or not had
    properties = _raised(ours, theirs) if graver else ours.properties
    retained = ours.retained or theirs.policy.removeprefix("ReplaceAnd").startswith(
        _KEEPING
    )
    return replace(ours, verdict=worst, properties=properties, retained=retained), str(
        verdict
    )


def _verdict(ours: Resource | None, theirs: Change) -> Verdict | None:
    """AWS's verdict on a changed resource; None where it is only known during the update."""
    if theirs.replacement == "True":
        return Verdict.REPLACES
    recreating = [d for d in theirs.details if d.recreation != "Never"]
    open_ones = [d for d in recreating if not _is_settled(ours, theirs.type, d)]
    if theirs.replacement != "Conditional" or recreating and not open_ones:
        return Verdict.IN_PLACE
    recreating = open_ones
    if recreating and all(map(_follows, recreating)):
        return None
    return Verdict.MAY_REPLACE


def _is_settled(ours: Resource | None, kind: str, detail: Detail) -> bool:
    """Whether a property that AWS calls conditional is known not to replace the resource.

    Change sets repeat the schema and leave open when
    (aws-cloudformation/cloudformation-coverage-roadmap#1788).
    """
    if detail.recreation != "Conditionally" or not detail.name:
        return False
    mine = [p for p in ours.properties if p.path[0] == detail.name] if ours else []
    if not mine:
        return replacements.never(kind, detail.name)
    known = replacements.correction(kind, detail.name) is not None
    return known and all(p.verdict is Verdict.IN_PLACE for p in mine)


def _follows(detail: Detail) -> bool:
    """Whether a property changes only if an attribute of another resource does."""
    return detail.evaluation == "Dynamic" and detail.source in (
        "ResourceReference",
        "ResourceAttribute",
        "Automatic",
    )


def _is_news(theirs: Change) -> bool:
    """Whether an in-place change that the plan lacks is worth a line: AWS lists tags and
    metadata on every resource, and always lists nested stacks."""
    return theirs.type != nested.TYPE and any(
        d.attribute == "Properties" and not _follows(d) for d in theirs.details
    )


def _raised(ours: Resource, theirs: Change) -> tuple[Property, ...]:
    """The properties with the verdicts that AWS gives their top-level names."""
    recreation = {"Always": Verdict.REPLACES, "Conditionally": Verdict.MAY_REPLACE}
    found = list(ours.properties)
    for detail in theirs.details:
        verdict = recreation.get(detail.recreation, Verdict.IN_PLACE)
        if _follows(detail) or _is_settled(ours, theirs.type, detail):
            continue
        name = detail.name or detail.attribute
        mine = [p for p in found if p.path[0] == name]
        if not mine:
            found.append(Property((name,), detail.before, detail.after, verdict))
        for p in mine:
            worst = max(p.verdict, verdict, key=_ORDER.index)
            found[found.index(p)] = replace(p, verdict=worst)
    return tuple(found)


def _word(what: Resource | None) -> str:
    if what is None:
        return _NO_CHANGE
    if what.verb is Verb.CHANGE:
        return str(what.verdict)
    return {Verb.ADD: "added", Verb.REMOVE: "removed"}[what.verb]


# -- secrets -----------------------------------------------------------------------------


def _without_secrets(
    change_set: ChangeSet, templates: Iterable[Mapping[str, Any]]
) -> ChangeSet:
    """The change set without the values of properties that take a NoEcho parameter."""
    hidden = {place for body in templates for place in _secret_places(body)}

    def shown(change: Change, detail: Detail) -> Detail:
        if (change.logical_id, detail.name) not in hidden:
            return detail
        before, after = (v and HIDDEN for v in (detail.before, detail.after))
        return replace(detail, before=before, after=after)

    findings = tuple(
        replace(f, reason="the value is hidden") if _place(f.path) in hidden else f
        for f in change_set.findings
    )
    return replace(
        change_set,
        findings=findings,
        changes=tuple(
            replace(c, details=tuple(shown(c, d) for d in c.details))
            for c in change_set.changes
        ),
    )


def _place(path: str) -> tuple[str, str]:
    """Logical id and property of a path (`/Resources/Queue/Properties/Name/0`)."""
    steps = [*path.split("/"), *[""] * 5]
    return steps[2], steps[4]


def _secret_places(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(Logical id, property) of what takes a NoEcho parameter."""
    declared = template.get("Parameters") or {}
    secret = [n for n, p in declared.items() if no_echo(p)]
    marks = [m for n in secret for m in (json.dumps({"Ref": n}), "${" + n + "}")]
    for logical_id, resource in (template.get("Resources") or {}).items():
        for name, value in (resource.get("Properties") or {}).items():
            if any(mark in json.dumps(value) for mark in marks):
                yield logical_id, name
