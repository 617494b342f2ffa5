"""Why a run failed: the causes first, then what was cancelled or never begun because of
them.

The journal has the causes that a process of tapgen has seen. What it has not seen, because
it was killed or still runs, is read from AWS by the operation ids; details of a resource by
the id of its stack, which AWS also answers when the stack is deleted. What AWS does not
answer is listed as unread, and never taken for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from tapgen.aws import stacks
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError, NotFound
from tapgen.frozen import dataclass
from tapgen.model import ResultStatus, Target
from tapgen.rollout import history
from tapgen.rollout.advice import property_of
from tapgen.rollout.execute import explained
from tapgen.rollout.fold import End
from tapgen.rollout.gating import counts
from tapgen.rollout.history import Entry, Summary
from tapgen.rollout.model import Failure
from tapgen.rollout.opening import Opened
from tapgen.rollout.program import Kind

_MOST_READ = 20
"""Failed stacks whose events are read for details, at most: one that fails in a thousand
accounts fails for one reason."""


_SKEW = timedelta(minutes=5)
"""How far the clock of a machine with tapgen may be from AWS's, which refuses requests
that are further away
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html)."""


@dataclass(frozen=True)
class Cause:
    """Why something failed.

    `kind` is `gate`, `step`, or what failed in an operation: `resource`, `validation`,
    `hook`, or `operation` where no resource is known. `property` is a path below the
    properties of the resource, empty where AWS names none. `back` says that it failed on
    the way back.
    """

    failure: Failure
    kind: str
    at: str
    operation: str = ""
    property: str = ""
    back: bool = False


@dataclass(frozen=True)
class Consequence:
    """What did not happen because of a cause: `cancelled` in an operation by StackSets, or
    `not started`, of which `wave` is the number in the plan. `targets` of None are
    all instances."""

    kind: str
    stack_set: str
    targets: tuple[Target, ...] | None
    operation: str = ""
    wave: int = 0


@dataclass(frozen=True)
class Pending:
    """An operation of which the journal has no result, and its status in AWS now."""

    stack_set: str
    operation: str
    status: str


@dataclass(frozen=True)
class Explanation:
    """Why a run failed; without causes it has not, as far as `unread` lets that be known.

    `earlier` counts the failures of attempts before the last `resume`.
    """

    run: Summary
    progress: str
    causes: tuple[Cause, ...] = ()
    consequences: tuple[Consequence, ...] = ()
    pending: tuple[Pending, ...] = ()
    earlier: int = 0
    unread: tuple[str, ...] = ()


def explain(
    found: Opened, sets: StackSets, away: Mapping[str, str] | None = None
) -> Explanation:
    """Return why a run failed, from its journal and AWS; reads only. The regions `away`
    are not asked: they are known to give no answer, and why."""
    entries = history.timeline(found.events, found.programs)
    answers = _Answers(sets, away or {})
    pending: list[Pending] = []
    live: list[Cause] = []
    for entry in entries:
        if entry.kind == "operation" and entry.id and not entry.result:
            one, failing = answers.pending(entry)
            pending.append(one)
            live += failing
    attempts = [*_attempts(entries)]
    failed = [n for n, of_one in enumerate(attempts) if of_one]
    last = attempts[failed[-1]] if failed else []
    since = {e.id: e.at for e in entries}
    causes = tuple(
        answers.details(one, since.get(one.operation, one.at)) for one in [*last, *live]
    )
    earlier = sum(len(attempts[n]) for n in failed[:-1])
    consequences: list[Consequence] = []
    if causes:
        ids = dict.fromkeys(one.operation for one in causes if one.operation)
        of = {entry.id: entry for entry in entries if entry.id in ids}
        consequences += [c for entry in of.values() for c in answers.cancelled(entry)]
        if found.state.end is not End.DONE:
            consequences += not_started(found)
    return Explanation(
        history.summary(found),
        found.progress,
        causes,
        tuple(consequences),
        tuple(pending),
        earlier,
        tuple(dict.fromkeys(answers.unread)),
    )


def _attempts(entries: Iterable[Entry]) -> Iterator[list[Cause]]:
    """Yield the causes that the journal has, for each process that tried."""
    found: list[Cause] = []
    for entry in entries:
        if entry.kind == "resumed" and not entry.back and entry.words != "back":
            yield found
            found = []
        kinds = {"gate": "gate", "failed": "step"}
        for failure in entry.failures:
            kind = kinds.get(entry.kind) or _kind_of(failure)
            at = entry.until or entry.at
            found.append(Cause(failure, kind, at, entry.id, back=entry.back))
    yield found


def _kind_of(failure: Failure) -> str:
    return "resource" if failure.logical_id else "operation"


def not_started(found: Opened) -> Iterator[Consequence]:
    """Yield what the program was to change and what no process began."""
    begun = set()
    for event in found.events:
        if event["event"] == "turned":
            break
        if event["event"] == "began":
            begun.add(event["step"])
    program = found.state.there
    for number in range(len(program.waves)):
        wave = sum(map(counts, program.waves[: number + 1]))
        for lane in program.lanes(number):
            for id, step in lane:
                if id in begun or step.kind is Kind.SETTLE or not step.kind.deploys:
                    continue
                yield Consequence(
                    "not started", step.stack_set, step.targets, wave=wave
                )


class _Answers:
    """What AWS answers about a run; `unread` says what it did not answer."""

    def __init__(self, sets: StackSets, away: Mapping[str, str]) -> None:
        self.sets = sets
        self.away = away
        self.unread: list[str] = []
        self._events: dict[str, list[stacks.FailedEvent]] = {}

    def pending(self, entry: Entry) -> tuple[Pending, list[Cause]]:
        """Return the status of an operation, and why it fails, as far as it is known."""
        name, sets = entry.stack_set, self.sets.at(entry.region)
        if why := self._is_away(entry):
            self.unread.append(f"operation {entry.id}: {why}")
            return Pending(name, entry.id, "UNREAD"), []
        try:
            operation = sets.operation(name, entry.id)
            results = sets.results(name, entry.id)
        except NotFound:
            return Pending(name, entry.id, "NOT SENT"), []
        except AwsError as error:
            self.unread.append(f"operation {entry.id}: {error}")
            return Pending(name, entry.id, "UNREAD"), []
        failed = [r for r in results if r.status is ResultStatus.FAILED]
        found = [explained(sets, operation, one) for one in failed]
        if operation.ended and not operation.green and not found:
            words = operation.reason or "no target reports a reason"
            found = [Failure(name, None, f"operation {operation.status}: {words}")]
        causes = [
            Cause(f, _kind_of(f), entry.at, entry.id, back=entry.back) for f in found
        ]
        return Pending(name, entry.id, str(operation.status)), causes

    def _is_away(self, entry: Entry) -> str:
        region = entry.region or self.sets.admin.region
        why = self.away.get(region)
        return f"{region} does not answer ({why})" if why else ""

    def cancelled(self, entry: Entry) -> Iterator[Consequence]:
        """Yield the targets that StackSets cancelled in an operation."""
        if why := self._is_away(entry):
            self.unread.append(f"what was cancelled in {entry.id}: {why}")
            return
        try:
            results = self.sets.at(entry.region).results(entry.stack_set, entry.id)
        except NotFound:  # the stack set, or an operation older than AWS keeps them
            self.unread.append(
                f"what was cancelled in {entry.id}: AWS no longer has this operation"
            )
            return
        except AwsError as error:
            self.unread.append(f"what was cancelled in {entry.id}: {error}")
            return
        targets = [r.target for r in results if r.status is ResultStatus.CANCELLED]
        if targets:
            yield Consequence(
                "cancelled", entry.stack_set, tuple(sorted(targets)), entry.id
            )

    def details(self, cause: Cause, since: str) -> Cause:
        """Return a cause with what the events of its stack `since` a time add: its kind,
        the property, and the reason where that of the journal only says where to look.
        """
        failure = cause.failure
        cause = replace(cause, property=property_of(failure.reason))
        if not failure.stack_id or not failure.target:
            return cause
        event = self._event(failure, datetime.fromisoformat(since) - _SKEW)
        if event is None:
            return cause
        return replace(
            cause,
            kind=_KINDS.get(event.kind, cause.kind),
            property=event.property or property_of(event.reason) or cause.property,
            failure=replace(
                failure,
                logical_id=failure.logical_id or event.logical_id,
                type=failure.type or event.type,
                reason=_fuller(failure.reason, event.reason),
            ),
        )

    def _event(self, failure: Failure, since: datetime) -> stacks.FailedEvent | None:
        """Return the first failed event of a failure's resource; one that validation or a
        hook wrote before any other, as it says more."""
        stack_id, target = failure.stack_id, failure.target
        if stack_id not in self._events:
            if len(self._events) >= _MOST_READ or target is None:
                return None
            self._events[stack_id] = []
            try:
                found = stacks.failed_events(self.sets.aws, target, stack_id)
                self._events[stack_id] = found
            except NotFound:
                self.unread.append(f"events of stack {stack_id}: AWS has no such stack")
            except AwsError as error:
                self.unread.append(f"events of stack {stack_id}: {error}")
        name = failure.logical_id.rpartition("/")[2]
        mine = [
            e
            for e in self._events[stack_id]
            if e.logical_id == name and (e.at is None or e.at >= since)
        ]
        special = [e for e in mine if e.kind in _KINDS]
        return next(iter([*special, *mine]), None)


_KINDS: Mapping[str, str] = {
    "VALIDATION_ERROR": "validation",
    "HOOK_INVOCATION_ERROR": "hook",
    "PROVISIONING_ERROR": "resource",
}
"""Types of failed events
(https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_OperationEvent.html).
"""


def _fuller(reason: str, said: str) -> str:
    """The reason of the journal, and that of the event where it adds to it."""
    if not said or said in reason:
        return reason
    return said if reason in said else f"{reason} ({said})"
