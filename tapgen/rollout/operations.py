"""StackSets operations: start each once, poll them together, explain failed ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from tapgen.aws.readings import OPERATION_PREFIX
from tapgen.aws.stacksets import Operation, Result
from tapgen.errors import AwsError, Busy, RolloutError, Unreachable
from tapgen.model import ResultStatus
from tapgen.plan import Plan
from tapgen.rollout.model import Failure
from tapgen.rollout.state import Run

BUSY_SECONDS = 3600
"""How long a rollout waits for an operation that is not its own."""

FAILED_READS = 5
"""How many reads in a row may fail before a rollout gives up on AWS."""

ATTEMPTS = 20
"""How many operation ids are tried before the rollout fails."""

# What a step yields: an operation to wait for, or None while it cannot start one yet.
Steps = Generator[Operation | None, None, None]


@dataclass
class Running:
    """A step in a wave, with the operation it waits for."""

    name: str
    steps: Steps
    operation: Operation | None = None
    over: bool = False


def run_together(run: Run, steps: Sequence[Running]) -> bool:
    """Run steps side by side; return whether the rollout is to stop."""
    running = list(steps)
    wait = run.poll_seconds[0]
    while running:
        for step in running:
            _advance(run, step)
        moved = any(step.over for step in running)
        running = [step for step in running if not step.over]
        if running:
            longer = min(wait * 1.3, run.poll_seconds[1])
            wait = run.poll_seconds[0] if moved else longer
            run.sleep(wait * random.uniform(0.8, 1.2))
    return run.stopping()


def _advance(run: Run, step: Running) -> None:
    """Poll the operation of one step; once it has ended, let the step go on."""
    if step.operation and not _has_ended(run, step):
        return
    if step.over or run.stopping():
        step.over = True
        return
    try:
        step.operation = next(step.steps)
    except StopIteration:
        step.over = True
    except Unreachable:
        raise
    except (AwsError, RolloutError) as error:
        run.fail(Failure(step.name, None, str(error)))
        step.over = True


def _has_ended(run: Run, step: Running) -> bool:
    """Whether the step's operation has ended; False also when AWS cannot be read."""
    assert step.operation
    try:
        step.operation = run.sets.operation(step.name, step.operation.id)
        _show_results(run, step.name, step.operation)
    except AwsError:
        run.failed_reads += 1
        if run.failed_reads > FAILED_READS:
            raise
        return False
    run.failed_reads = 0
    if not step.operation.ended:
        return False
    if not step.operation.green:
        _collect_failures(run, step.operation)
        step.over = True
    return True


def _show_results(run: Run, name: str, operation: Operation) -> None:
    for result in run.sets.results(name, operation.id):
        key = (operation.id, result.target)
        if run.seen.get(key) != result.status:
            run.seen[key] = result.status
            # The reason of a failure is reported once, with the resource behind it.
            failed = result.status is ResultStatus.FAILED
            run.emit(
                "target",
                "" if failed else result.reason,
                stack_set=name,
                target=result.target,
                status=str(result.status),
            )


def start(
    run: Run, call: Callable[..., None], name: str, *args: Any, **more: Any
) -> Steps:
    """Start an operation under an id that a second try would use again, and yield it.

    Yields None while another operation holds the stack set. An id that is taken belongs
    to an earlier run of this very plan: if that operation still runs, wait for it, else
    try the next id.
    """
    number = run.numbers[name] = run.numbers.get(name, 0) + 1
    waited = 0.0
    attempt = 1
    while True:
        id = operation_id(run.plan, name, number, attempt)
        try:
            call(name, *args, operation_id=id, **more)
            yield run.sets.operation(name, id)
            return
        except Busy as error:
            if waited >= BUSY_SECONDS:
                raise
            if not waited:
                run.emit("waiting", error.message, stack_set=name)
            waited += run.poll_seconds[0]
        except AwsError as error:
            taken = error.code == "OperationIdAlreadyExistsException"
            if not taken and error.code != "StaleRequestException":
                raise
            if attempt >= ATTEMPTS:
                raise
            earlier = run.sets.operation(name, id) if taken else None
            if earlier and not earlier.ended:
                yield earlier
                return
            attempt += 1
        yield None


def operation_id(plan: Plan, name: str, number: int, attempt: int) -> str:
    """Return the id of an operation: the same call again cannot start it twice.

    At most 128 letters, digits and hyphens (API reference, OperationId).
    """
    plan_id = plan.digest.partition(":")[2][:12]
    return f"{OPERATION_PREFIX}{plan_id}-{name}"[:110] + f"-{number}-{attempt}"


def _collect_failures(run: Run, operation: Operation) -> None:
    """Record the causes of a failed operation; cancelled targets are none."""
    name = operation.stack_set
    failed = [
        r
        for r in run.sets.results(name, operation.id)
        if r.status is ResultStatus.FAILED
    ]
    for result in failed:
        run.fail(_explained(run, name, result))
    if not failed:
        reason = operation.reason or "no target reports a reason"
        run.fail(Failure(name, None, f"operation {operation.status}: {reason}"))


def _explained(run: Run, name: str, result: Result) -> Failure:
    found = run.sets.failure(name, result)
    if not found:
        return Failure(name, result.target, result.reason or "no reason given")
    return Failure(name, result.target, found.reason, found.logical_id, found.type)
