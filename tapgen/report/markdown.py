"""A plan as Markdown for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen import diff
from tapgen.model import Action
from tapgen.plan import Plan, Reference, Step, refusals
from tapgen.report import outlook as ahead
from tapgen.report.outlook import Outlook
from tapgen.report.places import targets
from tapgen.report.text import NOT_COMPARABLE, changes_alike, risks, summary
from tapgen.report.values import difference

LIMIT = 65_536
"""Characters a comment on GitHub may have (REST API, "Create an issue comment")."""

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-"}
_CUT = "\n\n… cut here: the whole plan is longer than a comment may be\n"


def plan(
    made: Plan, allowed: tuple[str, ...] = (), outlook: Outlook | None = None
) -> str:
    """The plan: a summary and what to look at first, then the steps, folded.

    At most `LIMIT` characters; what does not fit is left out, and that is said.
    """
    system = made.system
    title = f"## tapgen plan: {system.name} ({system.suffix})"
    hidden = ", ".join(f"`{name}`" for name in made.not_comparable)
    unseen = [f"\n{NOT_COMPARABLE}: {hidden}"] if hidden else []
    if not made:
        return "\n".join([title, "", "Nothing to do.", *unseen]) + "\n"
    head = [title, "", f"**{summary(made)}**, stack sets in `{system.admin}`"]
    head += [f"\n> ❌ refused: {text}" for text in refusals(made, allowed)]
    for kind, named in risks(made).items():
        head.append(f"\n**⚠️ {kind}**\n")
        head += [f"- `{_plain(what)}` in {targets(t)}" for what, t in named.items()]
    head += unseen
    head += ahead.markdown(outlook) if outlook else ()
    text = "\n".join(head) + "\n"
    if len(text) + len(_CUT) > LIMIT:
        return text[: LIMIT - len(_CUT)] + _CUT
    for number, wave in enumerate(made.waves, 1):
        block = "\n".join(_wave(made, number, wave)) + "\n"
        if len(text) + len(block) + len(_CUT) > LIMIT:
            return text[: LIMIT - len(_CUT)] + _CUT
        text += block
    return text


def _wave(made: Plan, number: int, wave: tuple[Step, ...]) -> Iterator[str]:
    names = ", ".join(dict.fromkeys(step.part for step in wave))
    yield f"\n<details><summary>wave {number}: {names}</summary>\n\n```diff"
    for step in wave:
        perhaps = "perhaps " if step.conditional else ""
        verb = f"{_SIGNS[step.action]} {perhaps}{str(step.action).lower()}"
        yield f"{verb} {step.stack_set}: {'; '.join(step.reasons)}"
        yield f"  {targets(step.targets)}"
        yield from _later(made, step)
        if not step.conditional:
            groups = changes_alike(step)
            for where, changes in groups:
                if len(groups) > 1:
                    yield f"  in {targets(where)}:"
                for change in changes:
                    yield from _change(change)
    yield "```\n\n</details>"


def _later(made: Plan, step: Step) -> Iterator[str]:
    """The parameters whose values are known once earlier waves have run."""
    for name, value in sorted(step.values.items()):
        if isinstance(value, Reference) and not step.conditional:
            where = ", ".join(map(str, value.sources))
            wave = made.wave_of(value)
            line = f"{name} = {value} of {where} (known after wave {wave})"
            yield f"      {_plain(line)}"


def _change(change: diff.Resource) -> Iterator[str]:
    signs = {diff.Verb.ADD: "+", diff.Verb.REMOVE: "-"}
    sign = signs.get(change.verb, "!")
    verdict = f" {change.verdict}" if change.verb is diff.Verb.CHANGE else ""
    data = " HOLDS DATA" if change.loses_data else ""
    yield f"{sign}   {change.logical_id} {change.type}{verdict}{data}"
    for p in change.properties:
        for line in difference(p.old, p.new):
            yield f"      {_plain(f'{diff.show(p.path)}: {line}')}"


def _plain(text: str) -> str:
    """Text that cannot end the block of code it stands in."""
    return text.replace("`", "'").replace("\n", " ")
