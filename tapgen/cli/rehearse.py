"""`tapgen rehearse`: run a plan on a copy of what is deployed, and let each target fail."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import CHANGES, DONE, FAILED, suggest
from tapgen.cli.common import (
    Timings,
    aws_options,
    output_option,
    print_json,
    say,
    system_options,
    timings_option,
)
from tapgen.cli.copies import Copies, Copy, Failing, copies
from tapgen.cli.open_run import administered
from tapgen.cli.plan import allow_option, exact_allowances, make_plan, refused
from tapgen.cli.reach import LOCAL_POLL, Reached, reach_system
from tapgen.cli.running import LOCAL_PATIENCE, user
from tapgen.errors import RolloutError, TapgenError
from tapgen.frozen import dataclass
from tapgen.model import Action, Observed, Target
from tapgen.model.rehearsals import Rehearsal, Result, Trial
from tapgen.report.counting import counted

if TYPE_CHECKING:  # slow to import
    from tapgen.operate.rehearsing import Stateful
    from tapgen.plan import Plan

_EPILOG = """\b
Examples:
  tapgen rehearse secure_network --local
  tapgen rehearse secure_network -e staging --account 111111111111
  tapgen rehearse secure_network --local --part storage --part network
  tapgen rehearse secure_network --local --output json

What is deployed is only read. It is copied into embedded AWSs that end with the command:
templates, parameters, overrides and outputs, with the same accounts and regions. There the
plan runs once as it is, and once for each target that could fail: its stack fails at the
last resource that it changes. Targets of many accounts that change in the same way are
tried once; --each tries all of them.

Gates are left out: no alarm, probe, command or approval is waited for. The roles are those
that tapgen bootstrap creates, and "tapgen local" lists what the embedded AWS does not do.

Exit codes: 0 nothing was found, 2 a failure would leave something that has to be mended by
hand or would lose data, could not be tried, or the plan fails by itself, 1 error, 130 interrupted.
"""

FEW = 30
"""Up to so many targets each is tried, also those that change in the same way."""


@click.command("rehearse", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@timings_option
@allow_option
@click.option(
    "--part",
    "parts",
    metavar="PART",
    multiple=True,
    shell_complete=suggest.stack_sets,
    help="Let only targets of this part fail.",
)
@click.option("--each", is_flag=True, help="Try also targets that change equally.")
def rehearse_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    timings: bool,
    allowed: tuple[str, ...],
    parts: tuple[str, ...],
    each: bool,
    **aws_choice: Any,
) -> int:
    """Run the plan of SYSTEM on a copy of what is deployed, and let each target fail.

    Shows what every failure would leave: green, restored, or something to be mended by
    hand. It changes nothing.
    """
    from tapgen.cli.progress import console
    from tapgen.report import rehearsal

    clock = Timings()
    reached = reach_system(system, environment, folder, clock, aws_choice)
    _require_parts(reached, parts)
    with administered(reached, "rehearse"):
        plan = make_plan(reached, clock, read_stacks=True)
    allowed = exact_allowances(plan, allowed)
    if refused(plan, allowed):
        return FAILED
    if plan.omitted:
        lines = [f"{o.stack_set}: {o.why}" for o in plan.omitted]
        raise RolloutError("\n".join(["a rehearsal needs all targets", *lines]))
    if not plan:
        say("nothing to do, so there is nothing to rehearse")
        if output == "json":
            print_json({"system": reached.system.name, "plan": None, "trials": []})
        return DONE
    rehearsed = _rehearse(reached, plan, allowed, frozenset(parts), each, clock)
    if output == "json":
        print_json(rehearsal.data(rehearsed))
    else:
        console().print(rehearsal.text(rehearsed))
    if timings:
        clock.show()
    return CHANGES if rehearsed.has_findings else DONE


def _require_parts(reached: Reached, parts: tuple[str, ...]) -> None:
    known = [s.part for s in reached.system.stack_sets]
    for part in parts:
        if part not in known:
            raise click.UsageError(
                f"--part {part}: {reached.system.name} has {', '.join(known)}"
            )


def _rehearse(
    reached: Reached,
    plan: Plan,
    allowed: tuple[str, ...],
    parts: frozenset[str],
    each: bool,
    clock: Timings,
) -> Rehearsal:
    """Copy what is deployed, run the plan there, then let each target fail."""
    from tapgen.operate import rehearsing
    from tapgen.system import ownership

    if found := tuple(rehearsing.obstacles(plan.observed)):
        raise RolloutError("\n".join(("what is deployed cannot be copied", *found)))
    failing = _failing(plan)
    with copies() as room:
        with clock.stage("copying what is deployed"), room.start("deployed") as whole:
            here = whole.reached(reached)
            _bootstrap(here, plan.observed)
            # By the accounts themselves: tapgen's role there may only read.
            own = replace(here.sets, aws=here.aws)
            copied = rehearsing.copy(
                plan.observed, reached.system, reached.sets, own, say
            )
            before = ownership.observe(here.system, here.sets, read_stacks=True)
            had = rehearsing.resources(before, here.sets, failing)
        with clock.stage("running the plan"), room.start("plan", like=whole) as first:
            say("running the plan …")
            here = first.reached(reached)
            first.count({one.key for one in failing.values()})
            ended = _run(here, allowed, room.stopping)
            after = ownership.observe(here.system, here.sets, read_stacks=True)
            has = rehearsing.resources(after, here.sets, failing)
            rest = make_plan(here, Timings()).steps if ended.green else ()
            counts = first.counts()
        trials: list[Trial] = []
        if ended.green:
            with clock.stage("letting targets fail"):
                scene = _Scene(reached, allowed, room, whole, before, had)
                chosen = _chosen(failing.values(), counts, parts, each)
                trials = scene.all(chosen)
    return Rehearsal(
        reached.system.name,
        reached.system.environment,
        targets=len(failing),
        waves=len(plan.waves),
        copied=copied,
        differs=tuple(_differences(plan, ended.plan)),
        failures=ended.lines,
        lost=tuple(rehearsing.lost(had, has)),
        unfinished=len(rest),
        gates=len(reached.system.rollout.gates),
        trials=tuple(trials),
    )


def _bootstrap(here: Reached, observed: Mapping[str, Observed]) -> None:
    """Create the roles and buckets that `tapgen bootstrap` would create."""
    from tapgen.accounts import bootstrap
    from tapgen.cli.bootstrap import are_unbounded, deployed_types

    bootstrap.run(
        here.aws,
        here.system,
        code=here.loaded.blueprint.code,
        deployed_types=deployed_types(observed),
        unbounded=are_unbounded(observed),
    )


def _differences(plan: Plan, copy: Plan | None) -> Iterator[str]:
    """Yield what the plan of the copy does otherwise than the plan itself."""
    if copy is None:
        return
    wanted, found = _actions(plan), _actions(copy)
    for name, target in sorted({*wanted, *found}):
        here, there = wanted.get((name, target)), found.get((name, target))
        if here != there:
            yield (
                f"{name} in {target}: {here or 'no change'} in AWS, "
                f"{there or 'no change'} in the copy"
            )


def _actions(plan: Plan) -> dict[tuple[str, Target], str]:
    found: dict[tuple[str, Target], str] = {}
    for step in plan.steps:
        for target in step.targets:
            found.setdefault((step.stack_set, target), str(plan.does(step)).lower())
    return found


@dataclass(frozen=True)
class _Ended:
    """How a rollout ended: the plan it ran, whether it was green, and why not."""

    plan: Plan | None
    green: bool
    lines: tuple[str, ...] = ()
    resource: str = ""
    open: bool = False


def _run(
    here: Reached, allowed: tuple[str, ...], stopping: Callable[[], bool]
) -> _Ended:
    """Plan and roll out in an embedded AWS."""
    from tapgen import rollout
    from tapgen.plan import refusals

    plan = None
    try:
        plan = make_plan(here, Timings())
        if found := refusals(plan, allowed):
            return _Ended(plan, False, tuple(f"refused: {line}" for line in found))
        ended = rollout.run(
            plan,
            here.sets,
            lambda event: None,
            starter=rollout.Starter(user(), "rehearse"),
            stopping=stopping,
            poll_seconds=LOCAL_POLL,
            patience=LOCAL_PATIENCE,
        )
    except (TapgenError, rollout.Lost) as error:
        return _Ended(plan, False, (str(error),))
    return _ended(plan, ended)


def _resume(here: Reached, stopping: Callable[[], bool]) -> _Ended:
    """Go on with the open run in an embedded AWS."""
    from tapgen import rollout

    try:
        ended = rollout.resume(
            here.sets,
            here.system.prefix,
            lambda event: None,
            who=user(),
            stopping=stopping,
            poll_seconds=LOCAL_POLL,
            patience=LOCAL_PATIENCE,
        )
    except (TapgenError, rollout.Lost) as error:
        return _Ended(None, False, (str(error),))
    return _ended(None, ended) if ended else _Ended(None, True)


def _ended(plan: Plan | None, ended: Any) -> _Ended:
    first = next(iter(ended.failures), None)
    named = first is not None and first.logical_id
    return _Ended(
        plan,
        ended.green,
        tuple(str(failure) for failure in ended.failures),
        f"{first.logical_id} ({first.type})" if first and named else "",
        ended.open,
    )


# Letting targets fail


@dataclass(frozen=True)
class _Choice:
    """A target that could fail, with the part and the wave in which it changes, and those
    that change equally."""

    stack_set: str
    part: str
    target: Target
    action: str
    wave: int
    equal: tuple[Target, ...] = ()

    @property
    def key(self) -> Failing:
        """What the faults call it."""
        place = replace(self.target, unit=None)
        deleted = "delete" if self.action == str(Action.DELETE).lower() else ""
        return self.stack_set, place, deleted


def _failing(plan: Plan) -> dict[tuple[str, Target], _Choice]:
    """Return each target that the plan changes."""
    found: dict[tuple[str, Target], _Choice] = {}
    for wave, steps in enumerate(plan.waves, 1):
        for step in steps:
            action = str(plan.does(step)).lower()
            for target in step.targets:
                if not target.joins_later:
                    one = _Choice(step.stack_set, step.part, target, action, wave)
                    found.setdefault((step.stack_set, target), one)
    return found


def _chosen(
    failing: Iterable[_Choice],
    counts: Mapping[Failing, int],
    parts: frozenset[str],
    each: bool,
) -> list[tuple[_Choice, int]]:
    """Return which targets to let fail, each with the number of its last resource; of
    those that change equally the last one, after which the most has changed."""
    groups: dict[Any, list[_Choice]] = {}
    wanted = [one for one in failing if not parts or one.part in parts]
    for number, one in enumerate(wanted):
        nth = counts.get(one.key, 0)
        like: Any = one.stack_set, one.wave, one.action, one.target.region, nth
        if each or len(wanted) <= FEW:
            like = number
        groups.setdefault(like, []).append(one)
    chosen = [
        replace(some[-1], equal=tuple(one.target for one in some[:-1]))
        for some in groups.values()
    ]
    return [(one, counts.get(one.key, 0)) for one in chosen]


@dataclass(frozen=True)
class _Scene:
    """What the failure of each target begins from: a copy, and what was read of it."""

    real: Reached
    allowed: tuple[str, ...]
    room: Copies
    whole: Copy
    before: Mapping[str, Observed]
    had: Stateful

    def all(self, chosen: list[tuple[_Choice, int]]) -> list[Trial]:
        """Let each of them fail in a copy of its own; return what each has left."""
        say(
            f"letting {counted(len(chosen), 'target')} fail, each in a copy of its own …"
        )
        done = itertools.count(1)

        def one(pair: tuple[_Choice, int]) -> Trial:
            if self.room.stopping():
                raise KeyboardInterrupt
            trial = self._one(*pair)
            what = f"{trial.stack_set} in {trial.target}: {trial.result}"
            say(f"[{next(done)}/{len(chosen)}] {what}")
            return trial

        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            try:
                return [*pool.map(one, chosen)]
            except BaseException:
                self.room.stop()
                raise

    def _one(self, choice: _Choice, nth: int) -> Trial:
        target = choice.target
        trial = Trial(
            choice.stack_set, target, choice.action, Result.NOTHING, equal=choice.equal
        )
        if not nth:
            return trial
        name = f"{choice.stack_set}-{target.account}-{target.region}"
        with self.room.start(name, like=self.whole) as copy:
            here = copy.reached(self.real)
            copy.fail(choice.key, nth)
            ended = _run(here, self.allowed, self.room.stopping)
            reason = "; ".join(ended.lines[:1])
            trial = replace(trial, fails=ended.resource, reason=reason)
            if not copy.has_failed():
                return replace(trial, result=Result.UNTRIED)
            return self._judged(trial, here, ended)

    def _judged(self, trial: Trial, here: Reached, ended: _Ended) -> Trial:
        """Return what a rollout has left, and whether the next one can go on from there."""
        from tapgen.operate import rehearsing
        from tapgen.system import ownership

        if ended.green:
            return replace(trial, result=Result.GREEN)
        after = ownership.observe(here.system, here.sets, read_stacks=True)
        has = rehearsing.resources(after, here.sets, self.had)
        left, new = rehearsing.left(self.before, after)
        lost = tuple(rehearsing.lost(self.had, has))
        trial = replace(trial, left=tuple(left), new=new, lost=lost)
        if not left and not new and not ended.open:
            return replace(trial, result=Result.RESTORED)
        if ended.open:
            _resume(here, self.room.stopping)
        again = _run(here, self.allowed, self.room.stopping)
        result = Result.CONTINUES if again.green else Result.BY_HAND
        return replace(trial, result=result, next="; ".join(again.lines[:1]))
