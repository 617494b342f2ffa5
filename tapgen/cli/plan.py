"""`tapgen plan`: what a rollout would do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tapgen.cli import CHANGES, DONE, FAILED
from tapgen.cli.common import (
    Timings,
    aws_options,
    print_json,
    say,
    system_options,
    timings_option,
)
from tapgen.cli.reach import LOCAL_POLL, REAL_POLL, Reached, command_line, reach_system
from tapgen.errors import PlanError

allow_option = click.option(
    "--allow-replacement",
    "allowed",
    metavar="LOGICAL_ID",
    multiple=True,
    help="Let this resource be replaced or deleted although it holds data.",
)
_EPILOG = """\b
Examples:
  tapgen plan secure_network --local
  tapgen plan secure_network -e staging --details
  tapgen plan secure_network --output markdown > comment.md
  tapgen plan secure_network --local --out plan.json
  tapgen plan secure_network --detect-drift
  tapgen plan secure_network --change-sets

Exit codes: 0 nothing to do, 2 changes planned, 1 error.
"""


@click.command("plan", epilog=_EPILOG)
@system_options
@aws_options
@timings_option
@click.option("--details", is_flag=True, help="List every parameter and resource.")
@click.option(
    "--detect-drift",
    is_flag=True,
    help="First let CloudFormation look what was changed by hand where it updates.",
)
@allow_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan to this file, for rollout --plan.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="Form of the plan; markdown fits a comment on a pull request.",
)
@click.option(
    "--change-sets",
    is_flag=True,
    help="Ask AWS too: make, read and delete a change set on each stack to update.",
)
def plan_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    timings: bool,
    details: bool,
    detect_drift: bool,
    allowed: tuple[str, ...],
    out: Path | None,
    change_sets: bool,
    **aws_choice: Any,
) -> int:
    """Show what a rollout of SYSTEM would do, without doing it."""
    from tapgen.cli.progress import console
    from tapgen.report import data, markdown, outlook, text

    clock = Timings()
    reached = reach_system(system, environment, folder, clock, aws_choice)
    own = make_plan(reached, clock)
    if detect_drift:
        with clock.stage("detecting drift"):
            _detect_drift(reached, own)
        own = make_plan(reached, clock)
    made, answers = _with_change_sets(reached, own, clock) if change_sets else (own, {})
    with clock.stage("quotas and drift"):
        ahead = replace(outlook_of(reached, made), answers=answers)
    if output == "json":
        print_json(data.plan(made, allowed) | outlook.data(ahead))
    elif output == "markdown":
        click.echo(markdown.plan(made, allowed, ahead), nl=False)
    else:
        console().print(text.plan(made, details=details, outlook=ahead))
    if out:
        _save(out, own, made, allowed)
    if timings:
        clock.show()
    if refused(made, allowed):
        return FAILED
    if made and output == "text":
        more = f" --plan {out}" if out else ""
        say(f"to do this: {command_line('rollout', reached)}{more}")
    return CHANGES if made else DONE


def make_plan(reached: Reached, clock: Timings) -> Any:
    from tapgen import plan
    from tapgen.rollout import uploads
    from tapgen.system import ownership

    with clock.stage("looking at AWS"):
        observed = ownership.observe(reached.system, reached.sets)
    with clock.stage("planning"):
        made = plan.make(reached.system, observed)
    missing = uploads.missing(reached.sets.aws, made.artifacts)
    return replace(made, uploads=missing)


def outlook_of(reached: Reached, made: Any, *, everything: bool = False) -> Any:
    """What to expect of a plan, with the quotas that it adds to, or `everything` that
    its system comes up against."""
    from tapgen.aws import quotas
    from tapgen.plan import drift, forecast, headroom
    from tapgen.report.outlook import Outlook

    ahead = forecast.of(made)
    wanted = [d for d in headroom.demands(made, ahead) if d.adds or everything]
    found = quotas.read(reached.sets, [d.place for d in wanted])
    rooms = headroom.headroom(wanted, found)
    return Outlook(ahead, rooms, drift.read(reached.sets, made))


def _detect_drift(reached: Reached, made: Any) -> None:
    """Let CloudFormation detect the drift of what a plan updates."""
    from tapgen.plan import drift

    names = [step.stack_set for step, _, _ in drift.concerned(made)]
    if not names:
        say("drift: this plan updates nothing, so nothing is checked")
        return
    poll = (LOCAL_POLL if reached.local else REAL_POLL)[0]
    drift.detect(reached.sets, names, say, poll_seconds=poll)


def _with_change_sets(reached: Reached, made: Any, clock: Timings) -> Any:
    """The plan with what AWS says of it, and AWS's answers."""
    from tapgen.aws import change_sets
    from tapgen.cli.progress import asking
    from tapgen.plan import change_set_answers

    questions, unasked = change_set_answers.questions(made)
    if not questions:
        return made, unasked
    with clock.stage("asking AWS"), asking(len(questions)) as answered:
        said = change_sets.ask_all(
            reached.sets.aws,
            questions,
            lambda q: reached.sets.carried(q.template, q.target.account),
            answered,
        )
    return change_set_answers.merge(made, said)


def _save(path: Path, own: Any, made: Any, allowed: tuple[str, ...]) -> None:
    """Save the plan as it is without AWS's answers: a rollout does not ask for them.

    So a plan that only they refuse must not get to a rollout.
    """
    from tapgen import plan
    from tapgen.report import saved

    if plan.refusals(made, allowed) and not plan.refusals(own, allowed):
        say(f"not saved: {path}: AWS's change sets show what nobody allowed")
    else:
        _write(path, saved.dump(own, allowed))


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(text)
        draft.replace(path)
    except OSError as error:
        raise PlanError(f"{path}: cannot be written ({error.strerror})") from None
    say(f"saved {path}")


def refused(made: Any, allowed: tuple[str, ...]) -> bool:
    """Whether the plan does what nobody allowed; says so."""
    from tapgen import plan

    found = plan.refusals(made, allowed)
    for text in found:
        say(f"refused: {text}")
    return bool(found)
