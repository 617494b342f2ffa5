"""Run a plan wave by wave, and restore what was there when a wave fails.

A rollout does what the plan says and nothing else. It reports progress by calling
`on_event`; time comes in as `sleep`. One poller watches all running operations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError, RolloutError
from tapgen.model import Observed
from tapgen.plan import Plan
from tapgen.rollout import uploads
from tapgen.rollout.model import Event, Lost, Outcome
from tapgen.rollout.operations import Running, run_together
from tapgen.rollout.restore import fates, restore, sorted_out, store_after
from tapgen.rollout.state import Run, take_over_observed
from tapgen.rollout.steps import run_step, update_all


def run(
    plan: Plan,
    sets: StackSets,
    on_event: Callable[[Event], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    stopping: Callable[[], bool] = lambda: False,
    poll_seconds: tuple[float, float] = (2.0, 15.0),
) -> Outcome:
    """Run a plan to its end, to its first failure, or until `stopping()` says so.

    Operations in flight are always waited for. After a failure the last good definitions
    are restored, unless the system's `on_failure` is `stop`. `poll_seconds` are the
    shortest and longest pause between two polls.

    Raises RolloutError when AWS has changed since the plan was made, and Lost when it
    cannot be reached any more or a second interrupt ends the rollout at once; operations
    that were started then continue.
    """
    _require_unchanged(plan, sets)
    uploads.put(
        sets.aws, plan.artifacts, lambda u: on_event(Event("upload", f"artifact {u}"))
    )
    life = Run(plan, sets, on_event, sleep, stopping, poll_seconds)
    try:
        return _run_waves(life)
    except AwsError as error:
        raise Lost(dict.fromkeys(life.touched), error) from error
    except KeyboardInterrupt:
        raise Lost(dict.fromkeys(life.touched), None) from None


def _run_waves(run: Run) -> Outcome:
    take_over_observed(run)
    waves = run.plan.waves
    interrupted = False
    for number, wave in enumerate(waves, 1):
        names = ", ".join(dict.fromkeys(step.part for step in wave))
        run.emit("wave", f"wave {number} of {len(waves)}: {names}")
        steps = [Running(step.stack_set, run_step(run, step)) for step in wave]
        interrupted = run_together(run, steps)
        if run.failures or interrupted:
            break
    else:
        interrupted = _update_rest(run)
    green = not run.failures and not interrupted
    restored = restore(run) if run.failures else ()
    if green:
        store_after(run)
        return Outcome((), False, tuple(run.done))
    instances = fates(run, restored)
    whole, left = sorted_out(run, instances)
    return Outcome(
        tuple(run.failures), interrupted, tuple(run.done), whole, left, instances
    )


def _update_rest(run: Run) -> bool:
    """Bring all instances of the stack sets whose definition changed up to date; return
    whether the rollout is to stop.

    Writing a definition marks all instances OUTDATED, also those that no step updates.
    """
    names = [n for n in dict.fromkeys(run.touched) if n not in run.dropped]
    pending = [n for n in names if run.states[n].pending]
    if pending:
        run.emit("wave", f"bringing all instances up to date: {', '.join(pending)}")
    return run_together(run, [Running(n, update_all(run, n)) for n in pending])


def _require_unchanged(plan: Plan, sets: StackSets) -> None:
    """Raise RolloutError when a stack set is not as the plan observed it."""
    names = {step.stack_set for step in plan.steps}
    now = sets.observe(sorted(names))
    for name in sorted(names):
        before, after = plan.observed.get(name), now.get(name)
        if _facts(before) != _facts(after):
            raise RolloutError(
                f"{name} has changed since the plan was made; plan again"
            )


def _facts(found: Observed | None) -> Any:
    if found is None:
        return None
    instances = {
        t: (i.status, dict(i.overrides), i.stack_id) for t, i in found.instances.items()
    }
    return found.template, dict(found.parameters), dict(found.tags), instances
