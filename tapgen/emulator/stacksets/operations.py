"""Run stack set operations: order, concurrency, failure tolerance, queue, stop.

Semantics are those of `StackSetOperationPreferences` and `ManagedExecution` in
CloudFormation's API reference. The work at one place is a function that is passed in.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tapgen.emulator.stacksets.model import Operation, Result, StackSet, now
from tapgen.emulator.wire.inner import Place
from tapgen.emulator.wire.query_protocol import ServiceError, invalid, modelled

logger = logging.getLogger("tapgen.stacksets")

OVER_TOLERANCE = "Cancelled since failure tolerance has exceeded"
STOPPED_BY_USER = "Cancelled since the operation was stopped by the user"


@dataclass(frozen=True)
class Work:
    """What an operation does.

    `begin` runs when the operation starts, at once or when its turn in the queue
    comes, and gives the places to work on. `at` works on one of them and raises
    ServiceError when that fails. `cancelled` is called for a place that will not be tried.
    `finish` runs at the end, before the operation's status is final.
    """

    begin: Callable[[Operation], tuple[Place, ...]]
    at: Callable[[Operation, Place], Awaitable[None]]
    cancelled: Callable[[Operation, Place], None]
    finish: Callable[[Operation], None] = lambda operation: None


class Skipped(Exception):
    """Nothing is done at a place; this is not a failure."""


class Runner:
    """Runs operations, one asyncio task for each.

    `pace` is how long, in seconds, an operation is RUNNING before it changes
    anything: on AWS the call answers long before the work is done.
    """

    def __init__(self, pace: float = 0.05) -> None:
        self.pace = pace
        self._work: dict[int, Work] = {}
        self._after: dict[int, Sequence[Operation]] = {}
        self._needs: dict[int, Sequence[Operation]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, stack_set: StackSet, operation: Operation, work: Work) -> None:
        """Start an operation, or queue it behind those that run.

        OperationInProgressException when another runs and the stack set does not
        have managed execution.
        """
        self.refuse_when_busy(stack_set)
        self.queue(stack_set, operation, work)

    def queue(
        self,
        stack_set: StackSet,
        operation: Operation,
        work: Work,
        after: Sequence[Operation] = (),
        needs: Sequence[Operation] = (),
    ) -> None:
        """Start an operation, or queue it behind those that run and those given.

        When one of `needs` does not succeed, the operation fails without being tried.
        """
        self._work[id(operation)] = work
        waiting = [earlier for earlier in (*after, *needs) if earlier.unfinished]
        self._needs[id(operation)] = needs
        if waiting:
            self._after[id(operation)] = waiting
            task = asyncio.create_task(self._wait(stack_set, waiting))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if stack_set.active or waiting:
            # "If there are already running or queued operations, StackSets queues
            # all incoming operations even if they are non-conflicting."
            operation.status = "QUEUED"
        else:
            self._start(stack_set, operation)
        stack_set.operations[operation.id] = operation
        stack_set.active.append(operation)

    def refuse_when_busy(self, stack_set: StackSet) -> None:
        """OperationInProgressException unless another operation could start."""
        if stack_set.active and not stack_set.managed:
            raise modelled(
                "OperationInProgressException",
                f"Another Operation on StackSet {stack_set.arn} is in progress",
            )

    def stop(self, stack_set: StackSet, operation: Operation) -> None:
        """Stop an operation: what has begun ends, the rest is cancelled."""
        if operation.status == "QUEUED":
            operation.status = "STOPPED"
            self._ended(stack_set, operation)
        elif operation.status in ("RUNNING", "STOPPING"):
            operation.status = "STOPPING"
            operation.stopping = operation.stopping or now()
        else:
            raise modelled(
                "InvalidOperationException",
                f"Operation {operation.id} is not in progress",
            )

    async def clear(self) -> None:
        """Abandon everything that runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._work.clear()
        self._after.clear()
        self._needs.clear()

    async def _wait(self, stack_set: StackSet, waiting: Sequence[Operation]) -> None:
        for operation in waiting:
            await operation.done.wait()
        self._advance(stack_set)

    def _start(self, stack_set: StackSet, operation: Operation) -> None:
        work = self._work[id(operation)]
        operation.status, operation.started = "RUNNING", now()
        operation.places = work.begin(operation)
        for place in operation.places:
            instance = stack_set.instances.get(place)
            unit = instance.unit if instance else None
            operation.results[place] = Result(place, unit)
        task = asyncio.create_task(self._run(stack_set, operation, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, stack_set: StackSet, operation: Operation, work: Work) -> None:
        status = "FAILED"
        try:
            await asyncio.sleep(self.pace)
            over = await _regions(operation, work)
            work.finish(operation)
            if operation.status == "STOPPING":
                status = "STOPPED"
            elif not over:
                status = "SUCCEEDED"
        except Exception:
            # The boundary: a defect of ours must not leave the set busy forever.
            logger.exception("operation %s of %s", operation.id, stack_set.id)
            operation.reason = "Internal failure; see the log of the embedded AWS"
        operation.status = status
        self._ended(stack_set, operation)

    def _ended(self, stack_set: StackSet, operation: Operation) -> None:
        operation.ended = now()
        operation.done.set()
        stack_set.active.remove(operation)
        self._work.pop(id(operation), None)
        self._after.pop(id(operation), None)
        self._needs.pop(id(operation), None)
        self._advance(stack_set)

    def _advance(self, stack_set: StackSet) -> None:
        """Start the queued operations whose turn it is."""
        for index, candidate in enumerate(list(stack_set.active)):
            earlier = stack_set.active[:index]
            after = self._after.get(id(candidate), ())
            if (
                candidate.status == "QUEUED"
                and not any(candidate.conflicts(other) for other in earlier)
                and not any(other.unfinished for other in after)
            ):
                self._start_queued(stack_set, candidate)

    def _start_queued(self, stack_set: StackSet, operation: Operation) -> None:
        failed = [
            other.id
            for other in self._needs.get(id(operation), ())
            if other.status != "SUCCEEDED"
        ]
        try:
            if failed:
                raise invalid(f"Operation {failed[0]}, which comes first, has failed")
            self._start(stack_set, operation)
        except ServiceError as error:
            # The request is not possible any more.
            operation.status, operation.reason = "FAILED", error.message
            self._ended(stack_set, operation)


async def _regions(operation: Operation, work: Work) -> bool:
    """Work on all places; whether a region had more failures than tolerated."""
    regions: dict[str, list[Place]] = defaultdict(list)
    for place in operation.places:
        regions[place.region].append(place)
    order = operation.preferences.order(regions)
    if operation.preferences.parallel:
        outcomes = await asyncio.gather(
            *(_region(operation, work, regions[region]) for region in order)
        )
        return any(outcomes)
    over = False
    for region in order:
        if over:
            _cancel(operation, work, regions[region])
        else:
            over = await _region(operation, work, regions[region])
    return over


async def _region(operation: Operation, work: Work, places: list[Place]) -> bool:
    """Work on one region's places; whether more failed than tolerated."""
    preferences = operation.preferences
    tolerance = preferences.tolerance(len(places))
    concurrency = preferences.concurrency(len(places))
    waiting = deque(places)
    running: set[asyncio.Task[bool]] = set()
    failures = 0
    while failures <= tolerance and operation.status != "STOPPING" and waiting:
        # Strict: "the number of failed accounts never exceeds the tolerance + 1".
        left = tolerance + 1 - failures
        limit = concurrency if preferences.soft else min(concurrency, left)
        while waiting and len(running) < limit:
            task = asyncio.create_task(_place(operation, work, waiting.popleft()))
            running.add(task)
        ended, running = await asyncio.wait(
            running, return_when=asyncio.FIRST_COMPLETED
        )
        failures += sum(not task.result() for task in ended)
    if running:
        failures += sum(not ok for ok in await asyncio.gather(*running))
    _cancel(operation, work, waiting)
    return failures > tolerance


async def _place(operation: Operation, work: Work, place: Place) -> bool:
    result = operation.results[place]
    result.status, result.started = "RUNNING", now()
    try:
        await work.at(operation, place)
    except Skipped as skipped:
        result.reason = str(skipped)
        return _placed(result, "SUCCEEDED")
    except ServiceError as error:
        result.reason = error.message
    except Exception:
        # The boundary: one place's defect is that place's failure.
        logger.exception("%s of %s", operation.id, place)
        result.reason = "Internal failure; see the log of the embedded AWS"
    else:
        return _placed(result, "SUCCEEDED")
    operation.failed += 1
    return _placed(result, "FAILED")


def _placed(result: Result, status: str) -> bool:
    result.status, result.ended = status, now()
    return status == "SUCCEEDED"


def _cancel(
    operation: Operation, work: Work, places: deque[Place] | list[Place]
) -> None:
    stopped = operation.status == "STOPPING"
    for place in places:
        result = operation.results[place]
        result.status, result.ended = "CANCELLED", now()
        result.reason = STOPPED_BY_USER if stopped else OVER_TOLERANCE
        work.cancelled(operation, place)
