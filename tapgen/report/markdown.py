"""A plan as Markdown for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.model import Action
from tapgen.plan import Plan, Step, refusals
from tapgen.report import grouping
from tapgen.report import outlook as ahead
from tapgen.report import unread
from tapgen.report.control import printable
from tapgen.report.outlook import Outlook
from tapgen.report.targets import target_list
from tapgen.report.text import (
    NOT_COMPARABLE,
    alters_nothing,
    but,
    gate_title,
    not_known,
    recorded_later,
    risks,
    summary,
    without,
)
from tapgen.report.values import difference
from tapgen.template import diff

LIMIT = 65_536
"""Maximum length of a comment on GitHub (REST API, "Create an issue comment")."""

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-"}
_CUT = "\n\n… cut here: the plan is longer than a GitHub comment allows\n"


@printable
def plan(
    the_plan: Plan, allowed: tuple[str, ...] = (), outlook: Outlook | None = None
) -> str:
    """Return the plan: a summary and what to review first, then the steps, folded.

    At most `LIMIT` characters; a longer plan is cut and says so.
    """
    system = the_plan.system
    title = f"## tapgen plan: {system.name} ({system.suffix})"
    hidden = ", ".join(f"`{name}`" for name in the_plan.not_comparable)
    unseen = [f"\n{NOT_COMPARABLE}: {hidden}"] if hidden else []
    notes = [
        *recorded_later(the_plan),
        *not_known(the_plan),
        *the_plan.writers,
        *the_plan.sources,
        *the_plan.shifts,
    ]
    unseen += [f"\n{_plain(line)}" for line in notes]
    away = [f"\n> ⚠️ {line}" for line in unread.plan(the_plan)]
    if not the_plan:
        stops = [f"\n> ❌ refused: {text}" for text in refusals(the_plan, allowed)]
        unchanged = "No changes in what can be read." if away else "No changes."
        first = ahead.markdown_alone(outlook)
        return "\n".join([title, "", unchanged, *stops, *first, *away, *unseen]) + "\n"
    head = [title, "", f"**{summary(the_plan)}**, stack sets in `{system.admin}`"]
    head += [f"\n> ❌ refused: {text}" for text in refusals(the_plan, allowed)]
    head += away
    for kind, named in risks(the_plan).items():
        head.append(f"\n**⚠️ {kind}**\n")
        head += [f"- `{_plain(what)}` in {target_list(t)}" for what, t in named.items()]
    head += unseen
    head += ahead.markdown(outlook) if outlook else ()
    text = "\n".join(head) + "\n"
    if len(text) + len(_CUT) > LIMIT:
        return text[: LIMIT - len(_CUT)] + _CUT
    for waves in grouping.waves(the_plan):
        block = "\n".join(_waves(the_plan, waves)) + "\n"
        if len(text) + len(block) + len(_CUT) > LIMIT:
            return text[: LIMIT - len(_CUT)] + _CUT
        text += block
    return text


def _waves(the_plan: Plan, waves: grouping.Waves) -> Iterator[str]:
    names = ", ".join(dict.fromkeys(shown.step.part for shown in waves.steps))
    yield f"\n<details><summary>{waves}: {names}</summary>\n\n```diff"
    for shown in waves.steps:
        step = shown.step
        condition = "may " if step.conditional else ""
        action = the_plan.does(step)
        verb = f"{_SIGNS[action]} {condition}{str(action).lower()}"
        yield f"{verb} {step.stack_set}: {'; '.join(step.reasons)}"
        yield f"  {target_list(step.targets)}"
        yield from (f"      {_plain(line)}" for line in shown.lines)
        if not step.conditional:
            yield from _changes(step)
    for gate in waves.gates:
        yield f"| {gate_title(waves)}: {_plain(str(gate))}"
    yield "```\n\n</details>"


def _changes(step: Step) -> Iterator[str]:
    groups = grouping.groups(step.changes)
    for group in groups:
        if len(groups) > 1:
            yield f"  in {target_list(group.targets)}{but(group)}:"
        for change in group.changes:
            yield from _change(change)
        if group.shared and group.without:
            yield f"      {without(group)}"
        if alters_nothing(step, group):
            yield "      no resource changes"


def _change(change: diff.Resource) -> Iterator[str]:
    signs = {diff.Verb.ADD: "+", diff.Verb.REMOVE: "-"}
    sign = signs.get(change.verb, "!")
    verdict = f" {change.verdict}" if change.verb is diff.Verb.CHANGE else ""
    data = " HOLDS DATA" if change.loses_data else ""
    yield f"{sign}   {change.logical_id} {change.type}{verdict}{data}"
    for p in change.properties:
        for line in difference(p.old, p.new):
            because = f"  [{p.interruption}]" if p.interruption else ""
            yield f"      {_plain(f'{diff.show(p.path)}: {line}{because}')}"


def _plain(text: str) -> str:
    """Text that cannot end the code block around it."""
    return text.replace("`", "'").replace("\n", " ")
