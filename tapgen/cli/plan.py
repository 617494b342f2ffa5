"""`tapgen plan`: what a rollout would change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
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
from tapgen.cli.engine import cost_in_aws, engine_option, say_cost
from tapgen.cli.lint import breaks_policy, is_broken, policy_option
from tapgen.cli.open_run import administered, what_is_open
from tapgen.cli.page import html_option
from tapgen.cli.reach import (
    Reached,
    command_line,
    elsewhere,
    reach_system,
    undescribed,
)
from tapgen.errors import PlanError

allow_option = click.option(
    "--allow-replacement",
    "allowed",
    metavar="NAME",
    multiple=True,
    help="Allow replacing or deleting a stateful resource, or changing what its template "
    "says must never change (PART.LOGICAL_ID), or the stacks of a part that go (PART); "
    "with @ACCOUNT/REGION only there.",
)
_EPILOG = """\b
Examples:
  tapgen plan secure_network --local
  tapgen plan secure_network -e staging --details
  tapgen plan secure_network --output markdown > comment.md
  tapgen plan secure_network --local --out plan.json
  tapgen plan secure_network --html plan.html
  tapgen plan secure_network --detect-drift
  tapgen plan secure_network --change-sets
  tapgen plan secure_network --engine aws

Exit codes: 0 nothing to do, 2 changes planned, 1 error, or nothing to do in what can
be read.
"""


@click.command("plan", epilog=_EPILOG)
@system_options
@aws_options
@timings_option
@click.option("--details", is_flag=True, help="List every parameter and resource.")
@click.option(
    "--detect-drift",
    is_flag=True,
    help="First run drift detection on all stack sets, and read what each stack runs.",
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
    help="Format of the plan; markdown fits a comment on a pull request.",
)
@click.option(
    "--change-sets",
    is_flag=True,
    help="Also ask AWS with change sets, never executed, what each stack would get.",
)
@engine_option
@policy_option
@html_option
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
    engine: str | None,
    policy: str | None,
    html: Path | None,
    **aws_choice: Any,
) -> int:
    """Show what a rollout of SYSTEM would change, without changing it."""
    from tapgen.cli.progress import console
    from tapgen.lint.policy import as_data
    from tapgen.report import data, markdown, outlook, program, text

    clock = Timings()
    reached = reach_system(system, environment, folder, clock, aws_choice)
    with administered(reached, "plan") as near:
        before = make_plan(reached, clock)
        if detect_drift:
            with clock.stage("detecting drift"):
                _detect_drift(reached, before)
            before = make_plan(reached, clock, read_stacks=True)
        plan, answers = (
            _with_change_sets(reached, before, clock) if change_sets else (before, {})
        )
        allowed = exact_allowances(plan, allowed)
        open_run, lines = what_is_open(reached, near)
        with clock.stage("quotas and drift"):
            others, unsearched = undescribed(
                reached, deployed=bool(plan.observed), open_run=open_run
            )
            ahead = replace(
                outlook_of(reached, plan, drift_of_all=detect_drift),
                answers=answers,
                undescribed=others,
                unsearched=unsearched,
            )
        ahead = replace(ahead, open_run=open_run, first=lines)
    found = breaks_policy(policy, plan.system)
    broken = is_broken(found)
    steps = program_of(plan) if details and plan else None
    turns = cost_in_aws(reached, engine, ahead)
    if output == "json":
        shown = _beside(steps, as_data(found) if policy else None, turns)
        print_json(data.plan(plan, allowed) | outlook.data(ahead) | shown)
    elif output == "markdown":
        click.echo(markdown.plan(plan, allowed, ahead), nl=False)
    else:
        console().print(text.plan(plan, details=details, outlook=ahead))
        if steps:
            console().print(program.text(steps))
        say_cost(turns)
    if out:
        save_plan(out, before, plan, allowed, read_stacks=detect_drift, broken=broken)
    following = _next(reached, open_run, f" --plan {out}" if out else "")
    goes_on = following if plan and not broken else ("", "")
    checked = found if policy else None
    planned = (plan, ahead, allowed, *goes_on, bool(out))
    _write_page(html, reached, planned, checked, clock)
    if timings:
        clock.show()
    if refused(plan, allowed) or broken:
        return FAILED
    if plan and output == "text":
        say(": ".join(filter(None, following)))
    if plan:
        return CHANGES
    return FAILED if is_incomplete(plan) else DONE


def _beside(steps: Any, policy: Any, turns: Any) -> dict[str, Any]:
    """Return what the JSON of a plan has only where it is wanted."""
    from tapgen.report import program

    found = {
        "program": program.data(steps) if steps else None,
        "policy": policy,
        "engine": turns.data() if turns else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _write_page(
    path: Path | None,
    reached: Reached,
    planned: tuple[Any, ...],
    policy: Sequence[Any] | None,
    clock: Timings,
) -> None:
    """Write what is planned as a page, where one is wanted, with what breaks the policy,
    None without one, and what lint finds."""
    if path is None:
        return
    from tapgen.cli import page
    from tapgen.report.page import Planned
    from tapgen.system import topology

    with clock.stage("lint"):
        found = page.findings(reached.system)
    sections = {
        "planned": Planned(*planned),
        "topology": topology.of(reached.system),
        "policy": policy,
        "findings": found,
    }
    page.write(path, page.about(reached, "Plan", **sections))


def _next(reached: Reached, open_run: Any, saved: str) -> tuple[str, str]:
    """Return how to apply a plan, in words and as a command, empty where there is none;
    `saved` is the option for a saved one."""
    apply = f"{command_line('rollout', reached)}{saved}"
    if not open_run or "unread" in open_run:
        return "to apply this plan", apply
    first = f"run {open_run['run']} comes first"
    if "to" in open_run:
        return f"{first}: it moves the administration", ""
    if open_run["running"]:
        return f"{first}; then plan again, and apply", apply
    replaces = f"{apply} --supersede {open_run['run']}"
    return f"{first}; to replace it by this plan", replaces


def program_of(plan: Any) -> Any:
    """Return the program that a rollout of a plan would run."""
    from tapgen.rollout import compile

    return compile.program(plan, uploads=plan.uploads)[0]


def is_incomplete(plan: Any) -> bool:
    """Whether a plan leaves something out, or does not know all that is deployed."""
    from tapgen.report import unread

    return bool(plan.omitted) or unread.is_away(plan.observed)


def exact_allowances(plan: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the exact names of what the user allows.

    Raises UsageError for a name of nothing in the plan, or of more than one thing.
    """
    from tapgen.plan import allowances

    found, problems = allowances.exact(plan, names)
    if problems:
        lines = "\n".join(f"--allow-replacement {line}" for line in problems)
        raise click.UsageError(lines)
    return found


def make_plan(
    reached: Reached,
    clock: Timings,
    *,
    read_stacks: bool = False,
    shut: Collection[str] = (),
) -> Any:
    """Read what is deployed, with `read_stacks` from every stack, and plan from that;
    accounts that are `shut` are left out."""
    from tapgen.aws import database_instances, stacks
    from tapgen.operate import shifting
    from tapgen.plan import imports, make, names, permissions, sources, users, writers
    from tapgen.rollout import uploads
    from tapgen.system import ownership

    plan = None
    for sparing in (True, False):
        with clock.stage("reading stack sets"):
            observed = ownership.observe(
                reached.system, reached.sets, read_stacks=read_stacks, sparing=sparing
            )
        with clock.stage("planning"):
            plan = make(reached.system, observed, shut)
        # Who uses what is about to go, only the outputs of all stacks can say.
        if not ownership.not_read(observed) or not users.take_away(plan.steps):
            break
    assert plan is not None
    if types := {name.type for name in names.wanted(plan.waves)}:
        with clock.stage("reading names of others"):
            others = elsewhere(reached, types)
        found = names.taken_elsewhere(plan.waves, plan.system, others)
        plan = replace(plan, blocked=(*plan.blocked, *found))
    plan = writers.with_writers(plan, reached.sets.aws)
    read_source = partial(database_instances.read, reached.sets.aws)
    plan = sources.with_sources(plan, read_source)
    if reached.system.shifts:
        with clock.stage("reading how traffic is divided"):
            aws = reached.sets.aws
            shifts = shifting.unpersisted(reached.system, aws, plan.observed)
        plan = replace(plan, shifts=shifts)
    exists = partial(stacks.exists, reached.sets.aws)
    if found := [*imports.outside(plan, exists)]:
        plan = replace(plan, blocked=(*plan.blocked, *found))
    if unknown := permissions.missing(reached.system):
        plan = replace(plan, blocked=(*plan.blocked, *unknown))
    missing = uploads.missing(reached.sets.aws, plan.artifacts)
    return replace(plan, uploads=missing)


def outlook_of(
    reached: Reached,
    plan: Any,
    *,
    everything: bool = False,
    drift_of_all: bool = False,
) -> Any:
    """Return the forecast, quotas and drift of a plan.

    The quotas are those that the plan adds to, as far as they are worth reading, or with
    `everything` all quotas that concern its system; the drift that of the instances that
    it updates, or with `drift_of_all` of all that stay.
    """
    from tapgen.aws import cost_tags as tags_of_account
    from tapgen.aws import quotas
    from tapgen.costs import change
    from tapgen.plan import cost_tags, drift, forecast, headroom
    from tapgen.report.outlook import Outlook
    from tapgen.system import ownership

    ahead = forecast.of(plan)
    wanted = tuple(d for d in headroom.demands(plan, ahead) if d.adds or everything)
    left: tuple[headroom.Demand, ...] = ()
    if not everything:
        wanted, left = headroom.worth_reading(wanted, plan.system.admin)
    found = quotas.read(reached.sets, [d.place for d in wanted])
    rooms = headroom.headroom(wanted, found)
    if not reached.local:  # the embedded AWS has no costs
        active = partial(tags_of_account.active, reached.sets.aws)
        warned = (*ahead.warnings, *cost_tags.warnings(plan, active))
        ahead = replace(ahead, warnings=warned)
    return Outlook(
        ahead,
        rooms,
        drift.read(reached.sets, plan, whole=drift_of_all),
        left_out=left,
        not_read=ownership.not_read(plan.observed),
        cost=change.of(plan),
    )


def _detect_drift(reached: Reached, plan: Any) -> None:
    """Run drift detection on the stack sets that stay."""
    from tapgen.plan import drift

    names = [step.stack_set for step, _, _ in drift.everywhere(plan)]
    if not names:
        say("drift: no stack instance stays, so there is nothing to check")
        return
    drift.detect(reached.sets, names, say, poll_seconds=reached.poll_seconds[0])


def _with_change_sets(reached: Reached, plan: Any, clock: Timings) -> Any:
    """Return the plan with what AWS's change sets add to it, and the change sets."""
    from tapgen.aws import change_sets
    from tapgen.cli.progress import change_set_progress
    from tapgen.plan import change_set_answers

    _sweep(reached, plan)
    questions, without = change_set_answers.questions(plan)
    if not questions:
        return plan, without
    with clock.stage("change sets"), change_set_progress(len(questions)) as on_done:
        said = change_sets.preview_all(
            reached.sets.aws,
            questions,
            lambda q: reached.sets.template_parameter(q.template, q.target.account),
            on_done,
        )
    return change_set_answers.merge(plan, said)


def _sweep(reached: Reached, plan: Any) -> None:
    """Delete the stacks in review that a killed plan of this system has left."""
    from tapgen.aws import reviews as in_review
    from tapgen.plan import reviews

    places = {t for s in plan.system.stack_sets for t in s.targets if not t.joins_later}
    start = reviews.own(plan.system)
    for line in in_review.sweep(reached.sets.aws, start, sorted(places)):
        say(line)


def save_plan(
    path: Path,
    before: Any,
    plan: Any,
    allowed: tuple[str, ...],
    *,
    read_stacks: bool = False,
    broken: bool = False,
) -> None:
    """Save the plan without the answers of change sets, since a rollout creates none.

    A plan that is refused only because of them is not saved, so it cannot be run, nor one
    of a system whose policy is `broken`.
    """
    from tapgen.plan import allowances, refusals
    from tapgen.report import saved

    if broken:
        say(f"not saved: {path}: the policy is not met")
    elif refusals(plan, allowed) and not refusals(before, allowed):
        say(
            f"not saved: {path}: the plan is refused for what AWS reports in the change "
            "sets"
        )
    else:
        # What only change sets show is nothing that the rollout's plan has.
        known = [name for name in allowed if not allowances.exact(before, [name])[1]]
        _write(path, saved.dump(before, known, read_stacks=read_stacks))


def _write(path: Path, text: str) -> None:
    """Write a file completely or not at all."""
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(text)
        draft.replace(path)
    except OSError as error:
        raise PlanError(f"{path}: cannot be written ({error.strerror})") from None
    say(f"saved {path}")


def refused(plan: Any, allowed: tuple[str, ...]) -> bool:
    """Print why a plan is refused; return whether it is."""
    from tapgen.plan import refusals

    found = refusals(plan, allowed)
    for text in found:
        say(f"refused: {text}")
    return bool(found)
