"""What the events of a run add up to, and what is to be done next.

`fold` and `todo` are pure: a command, a function in AWS and a test that stops after every
event advance a run in the same way. Events are those of `journal`:

    opened    who starts which program; `program` is its digest
    resumed   another process goes on; what had failed is tried again, or restored
    began     a step has become calls, or was skipped
    intent    a call is about to be sent; `operation` is its operation id
    result    how it ended: done, failed, refused by AWS, or burnt (never seen in AWS)
    finished  the targets of a step are CURRENT; the outputs that later steps need
    failed    a step cannot be done
    turned    from now on the run undoes what it has changed, by another program
    paused    no process advances the run
    moved     it goes on in the administration region, where its journal is copied
    closed    the end: done, restored, abandoned or superseded
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from tapgen.aws.stacksets import Definition
from tapgen.frozen import dataclass
from tapgen.model import InstanceStatus, Observed, Target
from tapgen.rollout.codec import decode
from tapgen.rollout.expand import StackSetState, after
from tapgen.rollout.model import Failure
from tapgen.rollout.program import ADOPTING, Call, Kind, Program, Step

Programs = Mapping[str, Program]


class Result(StrEnum):
    """How a call ended."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    BURNT = "burnt"


class End(StrEnum):
    """How a run ended."""

    DONE = "done"
    RESTORED = "restored"
    ABANDONED = "abandoned"
    SUPERSEDED = "superseded"


@dataclass
class Progress:
    """How far a step is: `position` is that of its next call, `intent` the id of its call
    that was announced and has no result yet, `since` when it began."""

    step: Step
    calls: tuple[Call, ...] = ()
    pending: Definition | None = None
    skipped: bool = False
    position: int = 0
    intent: str | None = None
    intent_number: int = 0
    finished: bool = False
    failed: bool = False
    since: str = ""

    @property
    def call(self) -> Call:
        return self.calls[self.position]

    @property
    def over(self) -> bool:
        return self.finished or self.failed


@dataclass
class State:
    """A run so far.

    `program` is the one that runs now: the way there, or the way back. `touched`, `done`
    and `dropped` are names of stack sets: changed or about to be, green, and to be
    deleted as a whole; `changed` those that a call has really changed; `begun` are the
    instances of steps that started. `performed` are the acts of a procedure that were
    done, or may have been, and were not undone: by id, with their words. `saved` is what was
    saved of answers, by `Act.Name`. `at` is the wave that runs, `failed_at` the first one
    in which a step failed, both from 0; `causes` counts the failures on the way there.
    """

    run: str = ""
    opening: Mapping[str, Any] = field(default_factory=dict)
    there: Program = Program(())
    program: Program = Program(())
    back: bool = False
    progress: dict[str, Progress] = field(default_factory=dict)
    states: dict[str, StackSetState] = field(default_factory=dict)
    outputs: dict[str, dict[Target, Mapping[str, str]]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    touched: dict[str, None] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)
    begun: set[tuple[str, Target]] = field(default_factory=set)
    performed: dict[str, str] = field(default_factory=dict)
    saved: dict[str, str] = field(default_factory=dict)
    done: dict[str, None] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    burnt: list[tuple[str, str]] = field(default_factory=list)
    restored: dict[str, None] = field(default_factory=dict)
    failed_back: bool = False
    causes: int = 0
    at: int = 0
    failed_at: int | None = None
    paused: str = ""
    end: End | None = None
    number: int = 0
    last: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, event: Mapping[str, Any], programs: Programs) -> None:
        """Advance the state by one event."""
        self.number = event["number"]
        self.last = event
        if event["event"] != "paused":
            self.paused = ""
        kind = _APPLY.get(event["event"])
        if kind:
            kind(self, event, programs)
        self._move()

    @property
    def unsettled(self) -> list[Progress]:
        """The steps with a call that was announced and has no result."""
        return [p for p in self.progress.values() if p.intent]

    @property
    def wave(self) -> int:
        """The number of the wave that runs, from 1; beyond the last one at the end."""
        return self.at + 1

    @property
    def failed(self) -> bool:
        """Whether a step of the present direction has failed."""
        return self.failed_at is not None

    def _move(self) -> None:
        """Go on to the next wave that is not over."""
        while self.at < len(self.program.waves) and all(
            self._over(lane) for lane in self.program.lanes(self.at)
        ):
            self.at += 1

    def _over(self, lane: Iterable[tuple[str, Step]]) -> bool:
        for id, _ in lane:
            found = self.progress.get(id)
            if found is None or not found.over:
                return False
            if found.failed:
                return True
        return True


def fold(events: Iterable[Mapping[str, Any]], programs: Programs) -> State:
    """Return what events add up to; `programs` are those that they name, by digest."""
    state = State()
    for event in events:
        state.apply(event, programs)
    return state


# -- events --------------------------------------------------------------------------


def _opened(state: State, event: Mapping[str, Any], programs: Programs) -> None:
    state.run = event["run"]
    state.opening = event
    state.there = state.program = programs[event["program"]]
    for name, found in state.program.start.items():
        state.states[name] = _as_observed(found)
    state.outputs = {
        part: {target: dict(values) for target, values in found.items()}
        for part, found in state.program.outputs.items()
    }
    state.touched = dict.fromkeys(state.program.inherited)
    state.changed = dict.fromkeys(state.program.inherited)
    state.burnt = [(name, operation) for name, operation in state.program.burnt]


def _as_observed(found: Observed) -> StackSetState:
    deployed = {}
    for target, instance in found.instances.items():
        own = instance.parameters
        values = found.parameters if own is None else own
        if instance.status is InstanceStatus.CURRENT:
            deployed[target] = (found.template_of(target), values)
    return StackSetState(
        found.template,
        dict(found.parameters),
        {t: dict(i.overrides) for t, i in found.instances.items()},
        deployed,
    )


def _resumed(state: State, event: Mapping[str, Any], programs: Programs) -> None:
    state.run = event.get("run", state.run)  # another name in another region
    if not state.back:
        if state.there.on_failure == "rollback":
            return  # what has failed is going to be restored
        state.failures = []
    for id, found in list(state.progress.items()):
        again = not found.calls or found.step.kind in ADOPTING
        if found.failed and again:
            del state.progress[id]
        found.failed = False
    state.failed_at = None
    state.failed_back = False
    state.at = 0


def _began(state: State, event: Mapping[str, Any], programs: Programs) -> None:
    id = event["step"]
    step = state.program.steps[id]
    calls = tuple(decode(Call, one) for one in event.get("calls", []))
    pending = event.get("pending")
    found = Progress(
        step,
        calls,
        decode(Definition, pending) if pending else None,
        bool(event.get("skipped")),
        since=event.get("at", ""),
    )
    state.progress[id] = found
    name = step.stack_set
    if not calls and name in state.states and step.kind is not Kind.RESTORE:
        state.states[name].pending = found.pending
    if found.skipped:
        found.finished = True
    if found.skipped or state.back or not step.kind.deploys:
        return
    state.touched[step.stack_set] = None
    if step.kind is not Kind.SETTLE:
        state.begun |= {(step.stack_set, target) for target in step.targets}
    if step.drop:
        state.dropped.add(step.stack_set)


def _intent(state: State, event: Mapping[str, Any], programs: Programs) -> None:
    found = state.progress[event["step"]]
    found.intent = event["operation"]
    found.intent_number = event["number"]
    step = found.step
    if step.kind is Kind.ACT and not state.back and (step.undo or step.remains):
        state.performed[event["step"]] = step.words


def _result(state: State, event: Mapping[str, Any], programs: Programs) -> None:
    found = state.progress[event["step"]]
    result = Result(event["result"])
    name = found.call.stack_set
    if result is Result.BURNT and name:
        state.burnt.append((name, str(found.intent)))
    _forget_unperformed(state, event, result)
    state.saved |= event.get("saved", {})
    if result in (Result.DONE, Result.FAILED) and name:
        state.changed[name] = None
    if result is Result.DONE and found.step.kind in ADOPTING:
        found.position += 1  # the values that the stacks have stay
    elif result is Result.DONE:
        now = after(state.states.get(name), found.call)
        if now is None:
            state.states.pop(name, None)
        else:
            state.states[name] = now
        found.position += 1
        if found.position == len(found.calls) and name in state.states:
            if found.step.kind is not Kind.RESTORE:
                state.states[name].pending = found.pending
    elif event.get("as_before") and found.position + 1 < len(found.calls):
        found.position += 1  # the other targets, and what all share, come next
    elif result is not Result.BURNT:
        found.failed = True
        _fail(state, event)
    found.intent = None


def _forget_unperformed(state: State, event: Mapping[str, Any], result: Result) -> None:
    """Forget an act that was refused, or that its proof says was never done. A script of
    several calls may have made some of them: only its proof says that it has not. One that
    was `made` before it was sent again and refused stays."""
    call = state.progress[event["step"]].call
    whole = call.proof or not (call.act and call.act.script)
    never = result is Result.REFUSED and whole or result is Result.BURNT and call.proof
    if never and not event.get("made") and not state.back:
        state.performed.pop(event["step"], None)


def _fail(state: State, event: Mapping[str, Any]) -> None:
    step = state.program.steps[event["step"]]
    state.failures += [decode(Failure, one) for one in event.get("failures", [])]
    if step.kind is Kind.RESTORE:
        state.restored.pop(step.stack_set, None)
    if event.get("as_before"):
        state.restored[step.stack_set] = None
        return
    state.failed_back |= state.back
    if state.failed_at is None:
        state.failed_at = state.at


def _finished(state: State, event: Mapping[str, Any], programs: Programs) -> None:
    found = state.progress[event["step"]]
    found.finished = True
    # The journal keeps the calls; a long run need not.
    found.calls, found.position, found.pending = (), 0, None
    step = found.step
    for target, values in event.get("outputs", {}).items():
        where = decode(Target, target)
        state.outputs.setdefault(step.part, {})[where] = values
    if step.kind is Kind.RESTORE or (state.back and step.kind is Kind.RELEASE):
        state.restored[step.stack_set] = None
    elif step.kind in ADOPTING and not step.last:
        return
    elif step.undoes:
        state.performed.pop(step.undoes, None)
    elif step.kind.deploys and step.kind is not Kind.SETTLE:
        state.done[step.stack_set] = None


def _failed(state: State, event: Mapping[str, Any], programs: Programs) -> None:
    id = event["step"]
    step = state.program.steps[id]
    state.progress.setdefault(id, Progress(step)).failed = True
    if event.get("rolled_back"):  # by AWS: what the lane has done is as before
        lane = id.rpartition(".")[0]
        for act in [a for a in state.performed if a.rpartition(".")[0] == lane]:
            del state.performed[act]
    _fail(state, event)


def _turned(state: State, event: Mapping[str, Any], programs: Programs) -> None:
    state.program = programs[event["program"]]
    if state.back:  # what failed on the way back is tried again
        state.failures = state.failures[: state.causes]
    state.causes = len(state.failures)
    state.back = True
    state.progress = {}
    state.restored = {}
    state.failed_back = False
    state.failed_at = None
    state.at = 0


def _paused(state: State, event: Mapping[str, Any], programs: Programs) -> None:
    state.paused = event["why"]


def _moved(state: State, event: Mapping[str, Any], programs: Programs) -> None:
    state.paused = f"moved to {event['to']}"


def _closed(state: State, event: Mapping[str, Any], programs: Programs) -> None:
    state.end = End(event["end"])


_APPLY = {
    "opened": _opened,
    "resumed": _resumed,
    "began": _began,
    "intent": _intent,
    "result": _result,
    "finished": _finished,
    "failed": _failed,
    "turned": _turned,
    "paused": _paused,
    "moved": _moved,
    "closed": _closed,
}


# -- what is next ----------------------------------------------------------------------


class Act(StrEnum):
    """What the next thing to do is."""

    BEGIN = "begin"  # turn a step into calls
    INTEND = "intend"  # announce its next call, and send it
    SETTLE = "settle"  # find out how an announced call ends; send it if AWS has none
    FINISH = "finish"  # wait for targets, read outputs
    TURN = "turn"  # undo everything
    PAUSE = "pause"  # leave the run open
    CLOSE = "close"


STARTS = (Act.BEGIN, Act.INTEND, Act.FINISH)
"""What is not done any more once a run is asked to stop."""


@dataclass(frozen=True)
class Todo:
    """One thing to do now, for the step `id`."""

    act: Act
    id: str = ""
    step: Step = Step(Kind.SETTLE)


def todo(state: State, *, stopping: bool = False) -> list[Todo]:
    """Return what can be done now; nothing once the run has ended.

    With `stopping` no new call is sent, and calls under way are waited for.
    """
    if state.end:
        return []
    ended = state.failed_at is not None and state.at > state.failed_at
    if state.at < len(state.program.waves) and (state.back or not ended):
        found = [
            one
            for lane in state.program.lanes(state.at)
            for one in _next_of(state, lane, stopping)
        ]
        if found:
            return found
    return [Todo(_what_then(state, stopping))]


def _what_then(state: State, stopping: bool) -> Act:
    unfinished = state.at < len(state.program.waves)
    if stopping and (unfinished or state.failed):
        return Act.PAUSE
    if state.back:
        return Act.PAUSE if state.failed_back else Act.CLOSE
    if state.failed:
        held = Act.PAUSE if state.performed else Act.CLOSE
        acts = {"rollback": Act.TURN, "end": Act.CLOSE, "hold": held}
        return acts.get(state.there.on_failure, Act.PAUSE)
    return Act.CLOSE


def _next_of(
    state: State, lane: Iterable[tuple[str, Step]], stopping: bool
) -> list[Todo]:
    """The next thing to do in a lane; nothing if it is over, or must not go on."""
    for id, step in lane:
        found = state.progress.get(id)
        if found is None:
            return [] if stopping else [Todo(Act.BEGIN, id, step)]
        if found.failed:
            return []
        if found.intent:
            return [Todo(Act.SETTLE, id, step)]
        if found.position < len(found.calls):
            return [] if stopping else [Todo(Act.INTEND, id, step)]
        if not found.finished:
            return [] if stopping else [Todo(Act.FINISH, id, step)]
    return []
