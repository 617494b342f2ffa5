"""AWS's answers about a plan, from change sets, as text, Markdown and JSON data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rich.markup import escape

from tapgen.model import Target
from tapgen.plan import change_set_answers
from tapgen.plan.change_set_answers import Answer, Key
from tapgen.report.targets import target_list

# Marks of the `Note.kind`s that need attention: as text and as Markdown.
_LOUD = {
    "stopped": ("[red]✗[/]", "❌ "),
    "difference": ("[red]![/]", "⚠️ "),
    "failed": ("[red]✗[/]", "❌ "),
    "warned": ("[yellow]![/]", "⚠️ "),
}
TITLE = "AWS change sets (read, then deleted)"


def first(answers: Mapping[Key, Answer]) -> Iterator[str]:
    """Yield the lines before the waves: where AWS disagrees or refuses."""
    loud = [one for one in change_set_answers.notes(answers) if one.kind in _LOUD]
    if loud:
        yield f"\n[bold red]{TITLE}[/]"
    for one in loud:
        yield f"  {_LOUD[one.kind][0]} {escape(one.text)}"
        yield f"      {target_list(one.targets)}"


def disagreements(answers: Mapping[Key, Answer]) -> Iterator[tuple[str, list[Target]]]:
    """Yield where AWS disagrees or refuses: the words, and the targets."""
    for one in change_set_answers.notes(answers):
        if one.kind in _LOUD:
            yield one.text, [*one.targets]


def last(answers: Mapping[Key, Answer]) -> Iterator[str]:
    """Yield the lines after the waves: where AWS agrees, or has no change set."""
    quiet = [one for one in change_set_answers.notes(answers) if one.kind not in _LOUD]
    if quiet:
        yield f"\n[bold]{TITLE}[/]"
    for one in quiet:
        mark = "[green]✓[/]" if one.kind == "agreed" else "[dim]·[/]"
        yield f"  {mark} {escape(one.text)}"
        yield f"      {target_list(one.targets)}"
    if quiet:
        yield ""


def markdown(answers: Mapping[Key, Answer]) -> Iterator[str]:
    """Yield all of it for a comment on a pull request."""
    if answers:
        yield f"\n**{TITLE}**\n"
    for one in change_set_answers.notes(answers):
        sign = _LOUD.get(one.kind, ("", ""))[1]
        text = one.text.replace("`", "'").replace("\n", " ")
        yield f"- {sign}`{text}` in {target_list(one.targets)}"


def data(answers: Mapping[Key, Answer]) -> list[dict[str, Any]]:
    """Return the answers in AWS's words, one for each stack instance."""
    return [
        {
            "stack_set": name,
            "account": target.account,
            "region": target.region,
            "asked": answer.change_set is not None,
            "why_not": answer.why_not,
            "failed": answer.change_set.failed if answer.change_set else "",
            "changes": (
                [asdict(c) for c in answer.change_set.changes]
                if answer.change_set
                else []
            ),
            "differences": [asdict(d) for d in answer.differences],
            "today": list(answer.today),
            "review": answer.review,
            "placeholders": dict(answer.placeholders),
            "unnamed": {k: list(v) for k, v in answer.unnamed.items()},
            "findings": [
                asdict(one.finding) | {"outcome": one.kind, "why": one.why}
                for one in answer.findings
            ],
            "unread": answer.change_set.unread if answer.change_set else "",
        }
        for (name, target), answer in answers.items()
    ]
