"""Advance a run: do what `fold.todo` says, and write each event into the journal.

The same loop goes there and back, in the process that started the run and in one that
resumes it. Only what a poll can give again is not in the journal.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from tapgen.aws import acting, remembered, sweep
from tapgen.aws.clients import AT_ONCE
from tapgen.aws.readings import OPERATION_PREFIX
from tapgen.aws.stacksets import Operation, Result, StackSets
from tapgen.errors import AwsError, Busy, RolloutError, TapgenError
from tapgen.frozen import dataclass
from tapgen.model import (
    ApprovalGate,
    CommandGate,
    Observed,
    ObservedInstance,
    ResultStatus,
    Target,
)
from tapgen.model.procedures import with_saved
from tapgen.rollout import adoption, fold, gates, gating, restore, snapshot
from tapgen.rollout.calls import Content, Trouble, is_there, operation_id, send, trouble
from tapgen.rollout.codec import encode
from tapgen.rollout.expand import Expanded, expand
from tapgen.rollout.fold import Act, End, State, Todo
from tapgen.rollout.instances import Await
from tapgen.rollout.journal import FRESH_SECONDS, LOOK_SECONDS, Journal
from tapgen.rollout.model import Event, Failure, Lost
from tapgen.rollout.outcome import last_word, outcome
from tapgen.rollout.program import ADOPTING, Call, Kind, Program, Step, Verb, dump

NO_ROLE = re.compile(r"should have '[^']+' role with trust relationship")
"""What StackSets says where it could not enter an account, and so changed nothing."""

FAILED_READS = 5
"""How many times in a row AWS may refuse to be read before a run is left open."""

RESULTS_PER_PAGE = 100
"""How many results a call gives ("MaxResults", API reference,
ListStackSetOperationResults)."""

SLOWER = 1.025
"""How much longer each pause between polls is than the one before: it stays a fortieth of
what an operation has taken, and so does what its end waits to be seen."""

_LISTED = {Kind.CREATE, Kind.UPDATE, Kind.SETTLE, Kind.RESTORE}
"""Steps after whose last operation all instances are listed."""

THROTTLED = 10
"""How many throttled calls are worth mentioning: then ten times as many."""

BUSY_SECONDS = 3600.0
"""How long a run waits for an operation that is not its own."""


@dataclass(frozen=True)
class Ways:
    """How a run meets the world: events, time, interrupts, and the artifacts' bytes.

    `poll_seconds` are the shortest and the longest pause between two polls, `patience`
    how many seconds AWS may be away before the run is left open. `before_end` is what a
    run that has done all does last.
    """

    on_event: Callable[[Event], None]
    sleep: Callable[[float], None] = time.sleep
    stopping: Callable[[], bool] = lambda: False
    poll_seconds: tuple[float, float] = (2.0, 15.0)
    patience: float = 600.0
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    content: Content = lambda key: b""
    before_end: Callable[[State], None] = lambda state: None


@dataclass
class Looks:
    """When the results of an operation are read: each read takes a call for every hundred
    targets, so they are read once in as many polls, and at once when a target has failed
    or the operation has ended."""

    rest: int = 0
    failed: int = 0

    def due(self, operation: Operation) -> bool:
        """Whether to read them at this poll."""
        self.rest -= 1
        return self.rest < 0 or operation.ended or operation.failed != self.failed

    def looked(self, operation: Operation, results: int) -> None:
        """Note that there were so many."""
        self.rest = max(0, results - 1) // RESULTS_PER_PAGE
        self.failed = operation.failed


@dataclass(frozen=True)
class Listing:
    """The instances of a stack set, as they were listed `after` an operation."""

    after: str
    instances: Mapping[Target, ObservedInstance]


@dataclass
class Engine:
    """One process that advances one run."""

    sets: StackSets
    journal: Journal
    state: State
    programs: dict[str, Program]
    texts: dict[str, str]
    ways: Ways
    sent: set[str] = field(default_factory=set)  # steps whose operation AWS has
    announced: dict[str, tuple[float, float]] = field(default_factory=dict)
    busy: dict[str, float] = field(default_factory=dict)
    seen: dict[tuple[str, Target], ResultStatus] = field(default_factory=dict)
    looks: dict[str, Looks] = field(default_factory=dict)
    awaits: dict[str, Await] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)  # last operations, by stack set
    unshown: dict[str, Operation] = field(default_factory=dict)  # green ones, by step
    listings: dict[str, Listing] = field(default_factory=dict)
    evidence: dict[str, gates.Evidence] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)  # what checks saw last
    away: float | None = None  # for how many seconds AWS has not answered
    away_since: float = 0.0
    refused: int = 0
    pause: float = 0.0
    throttled: int = THROTTLED
    stop_by: str = ""  # who asked this process to stop, from elsewhere
    wave: tuple[bool, int] | None = None

    # -- the loop ------------------------------------------------------------------

    def run(self) -> None:
        """Advance the run until it ends, is paused or fails; raises Lost when AWS is
        lost or a second interrupt stops the process at once."""
        try:
            while not self.state.end and not self.state.paused:
                self._round()
        except AwsError as error:
            raise Lost(self.state.touched, error, self.state.run) from error
        except KeyboardInterrupt:
            raise Lost(self.state.touched, None, self.state.run) from None

    def _round(self) -> None:
        began = self.ways.clock()
        self._beat()
        self._look()
        moved = False
        for one in fold.todo(self.state, stopping=self.stopping):
            if self.stopping and one.act in fold.STARTS:
                continue  # the wish came after the list was made
            moved |= bool(self._try(self._do, one))
        self._mention_throttling()
        shortest, longest = self.ways.poll_seconds
        if moved:
            self.pause = shortest
            return
        # From one look to the next: to read the results of many targets takes time, too.
        spent = self.ways.clock() - began
        self._sleep(max(self.pause - spent, shortest) * random.uniform(0.8, 1.2))
        self.pause = min(max(self.pause, 0.01) * SLOWER, longest)

    def _mention_throttling(self) -> None:
        """Say why a run is slow, where AWS throttles its calls."""
        found = self.sets.aws.throttled()
        count = sum(found.values())
        if count < self.throttled:
            return
        while count >= self.throttled:
            self.throttled *= 10
        most = max(found, key=found.__getitem__)
        text = (
            f"AWS has throttled {count} calls of tapgen, most of them of {most}; they are "
            "repeated, more slowly"
        )
        self.emit("waiting", text)

    def _sleep(self, seconds: float) -> None:
        self.ways.sleep(seconds)
        if self.away is not None:
            self.away += seconds

    def _beat(self) -> None:
        try:
            self.journal.beat()
        except AwsError:
            pass  # whatever is done next finds out, and waits

    @property
    def stopping(self) -> bool:
        """Whether the user of this process or somebody elsewhere asks it to stop."""
        return bool(self.stop_by) or self.ways.stopping()

    def _look(self) -> None:
        """Look whether somebody asks this process to stop."""
        if self.stop_by:
            return
        try:
            found = self.journal.stop_request()
        except AwsError:
            return  # whatever is done next finds out, and waits
        if found:
            self.stop_by = f"{found['by']} on {found['host']}"
            text = f"{self.stop_by} stops this run; running operations finish"
            self.emit("stopping", text)

    def _lives_on(self) -> bool:
        """Give a sign of life while a gate is checked; return whether to stop."""
        self._beat()
        self._look()
        return self.stopping

    def patiently(self, work: Callable[..., Any], *args: Any) -> None:
        """Do something that asks AWS, again and again until AWS answers."""
        while True:
            self._try(work, *args)
            if self.away is None and not self.refused:
                return
            self._beat()
            self._sleep(self.ways.poll_seconds[0])

    def _try(self, work: Callable[..., Any], *args: Any) -> Any:
        """Do something that asks AWS; return None when AWS does not answer for now.

        Raises AwsError when it has not answered for too long, or will not.
        """
        try:
            found = work(*args)
        except AwsError as error:
            kind = trouble(error)
            if kind is Trouble.PASSING:
                self._wait_for_aws(error)
                return None
            self.refused += 1
            if kind is Trouble.ENDED or self.refused > FAILED_READS:
                raise
            return None
        self.away, self.refused = None, 0
        return found

    def _wait_for_aws(self, error: AwsError) -> None:
        if self.away is None:
            self.away, self.away_since = 0.0, self.journal.clock()
            text = (
                f"no answer from AWS ({error}); trying again for "
                f"{self.ways.patience:.0f} seconds"
            )
            self.emit("waiting", text)
        passed = max(self.away, self.journal.clock() - self.away_since)
        if passed >= self.ways.patience:
            raise error

    def emit(self, kind: str, message: str, **more: Any) -> None:
        """Report an event to whoever watches."""
        self.ways.on_event(Event(kind, message, **more))

    def record(self, kind: str, **facts: Any) -> None:
        """Write an event into the journal and apply it; the last one of a run names what
        it has changed and performed, for `history.runs`."""
        if kind in ("paused", "closed"):
            facts["changed"] = list(self.state.changed)
            if self.state.performed:
                facts["performed"] = list(self.state.performed.values())
        while True:
            try:
                event = self.journal.append(kind, **facts)
                break
            except AwsError as error:
                if trouble(error) is not Trouble.PASSING:
                    raise
                self._wait_for_aws(error)
                self._sleep(self.ways.poll_seconds[0])
        self.state.apply(event, self.programs)

    def _do(self, one: Todo) -> bool:
        """Do one thing; return whether something happened."""
        if one.act is Act.BEGIN:
            return self._begin(one)
        if one.act is Act.INTEND:
            return self._intend(one)
        if one.act is Act.SETTLE:
            return self._settle(one)
        if one.act is Act.FINISH:
            return self._finish(one)
        if one.act is Act.TURN:
            self.turn("failed")
        elif one.act is Act.PAUSE:
            why = "interrupted" if self.stopping else "failed"
            by = {"by": self.stop_by} if self.stop_by else {}
            self.record("paused", why=why, **by)
        else:
            self._close()
        return True

    # -- steps -----------------------------------------------------------------------

    def _begin(self, one: Todo) -> bool:
        self._announce()
        step, state = one.step, self.state
        name = step.stack_set
        try:
            if step.kind in ADOPTING:
                found = Expanded(adoption.calls(step, self.sets.at(step.region)))
            else:
                was = state.states.get(name)
                found = expand(step, state.program, was, state.outputs)
        except RolloutError as error:
            self._fail(one, "failed", [Failure(name, None, str(error))])
            return True
        calls = [encode(call.with_saved(state.saved)) for call in found.calls]
        pending = encode(found.pending) if found.pending else None
        skipped = {"skipped": True} if found.skipped else {}
        self.record("began", step=one.id, calls=calls, pending=pending, **skipped)
        if self.stopping:
            return True  # who has read that nothing new starts reads no start
        if found.skipped:
            if step.kind is not Kind.SETTLE:
                self.emit("skipped", "no changes", stack_set=name)
        elif step.kind is Kind.UPLOAD:
            self.emit("upload", step.words)
        elif step.kind is Kind.RESTORE:
            self.emit("restoring", "restoring the last good version", stack_set=name)
        elif step.reasons:
            words = f"{step.kind}: {'; '.join(step.reasons)}"
            self.emit("start", words, stack_set=name)
        return True

    def _announce(self) -> None:
        """Report a wave when its first step begins."""
        here = (self.state.back, self.state.wave)
        if self.wave == here or self.state.back:
            return
        self.wave = here
        steps = [s for lane in self.state.program.waves[here[1] - 1] for s in lane]
        if steps[0].kind in (Kind.UPLOAD, Kind.GATE, Kind.CHECK):
            return
        if steps[0].kind is Kind.SETTLE:
            names = [s.stack_set for s in steps if self._is_pending(s.stack_set)]
            if names:
                text = f"bringing all instances up to date: {', '.join(names)}"
                self.emit("wave", text)
            return
        waves = self.state.program.waves
        total = sum(map(gating.counts, waves))
        number = sum(map(gating.counts, waves[: here[1]]))
        if steps[0].kind is Kind.ACT:
            self.emit("wave", f"step {number} of {total}: {gating.acts(steps)}")
            return
        parts = ", ".join(dict.fromkeys(s.part for s in steps))
        self.emit("wave", f"wave {number} of {total}: {parts}")

    def _is_pending(self, name: str) -> bool:
        found = self.state.states.get(name)
        return found is not None and found.pending is not None

    def _intend(self, one: Todo) -> bool:
        found = self.state.progress[one.id]
        id = operation_id(self.state.run, self.journal.number + 1)
        now = self._now()  # writing may take as long as this process sleeps
        timed = self._timed(one.step)
        self.record("intent", step=one.id, call=found.position, operation=id, **timed)
        self.announced[one.id] = now
        self.sent.discard(one.id)
        self._send(one)
        return True

    def _timed(self, step: Step) -> dict[str, Any]:
        """The time for an event of a step that measures: that of events is in seconds."""
        return {"time": self.ways.wall()} if step.measures else {}

    def _now(self) -> tuple[float, float]:
        return self.journal.clock(), self.journal.wall()

    def _check_fence(self, one: Todo) -> None:
        """Read the fence again when the intent is not fresh: this process may have slept,
        and another one may have gone on."""
        then = self.announced.get(one.id, (float("-inf"), float("-inf")))
        now = self._now()
        if any(b - a > FRESH_SECONDS for a, b in zip(then, now, strict=True)):
            now = self._now()
            self.journal.require_unfenced()
            self.announced[one.id] = now

    def _send(self, one: Todo, again: bool = False) -> bool:
        """Send the announced call of a step, which may have been sent before; return whether
        something happened."""
        found = self.state.progress[one.id]
        assert found.intent
        self._check_fence(one)
        answer: Mapping[str, Any] = {}
        try:
            self._require_before(found.call)
            again = again or found.call.needs_answer
            answer = send(
                self._sets_of(found.call),
                found.call,
                found.intent,
                self.text,
                self.ways.content,
            )
        except Busy as error:
            return self._wait_for_another(one, error)
        except AwsError as error:
            kind = trouble(error)
            if kind is not Trouble.REFUSED and kind is not Trouble.TAKEN:
                raise
            if kind is Trouble.REFUSED or not is_there(
                self._sets_of(found.call), found.call, found.intent
            ):
                self._refuse(one, error, self._took_effect(one, again))
                return True
        except TapgenError as error:
            self._refuse(one, error, self._took_effect(one, again))
            return True
        self.busy.pop(one.id, None)
        if found.call.verb.is_operation:
            self.sent.add(one.id)
        else:
            key = "saved" if found.call.needs_answer else "measured"
            facts = {key: answer} if answer else {}
            self.record("result", step=one.id, result=fold.Result.DONE, **facts)
            for words in answer.get("said", ()):
                self.emit("notice", words)
        return True

    def _require_before(self, call: Call) -> None:
        """Raise RolloutError where what must hold before a call does not."""
        if call.before:
            seen = acting.look(self.sets.aws, call.before)
            if not seen.holds:
                raise RolloutError(f"{call.act}: it is not made, because {seen.shown}")

    def _took_effect(self, one: Todo, again: bool) -> bool:
        """Whether a call that is refused now was made all the same: by an earlier sending
        whose answer was lost, or by one whose answer cannot be used."""
        found = self.state.progress[one.id]
        assert found.intent
        if not again or not found.call.proof:
            return False
        return is_there(self._sets_of(found.call), found.call, found.intent)

    def _refuse(self, one: Todo, error: TapgenError, performed: bool = False) -> None:
        failure = Failure(one.step.stack_set, None, str(error))
        more = {"made": True} if performed else {}
        self._fail(one, "result", [failure], result=fold.Result.REFUSED, **more)

    def _wait_for_another(self, one: Todo, error: Busy) -> bool:
        """Wait for an operation that is not this run's; fail after an hour."""
        if one.id not in self.busy:
            self.emit("waiting", error.message, stack_set=one.step.stack_set)
        waited = self.busy.get(one.id, 0.0)
        self.busy[one.id] = waited + self.ways.poll_seconds[0]
        if waited < BUSY_SECONDS:
            return False
        self._refuse(one, error)
        return True

    def _settle(self, one: Todo) -> bool:
        """Find out how an announced call ends; never assume it."""
        found = self.state.progress[one.id]
        assert found.intent
        if one.id in self.busy:
            if not self.stopping:
                return self._send(one)
            self.record("result", step=one.id, result=fold.Result.BURNT)
            return True
        if one.id not in self.sent:
            there = is_there(self._sets_of(found.call), found.call, found.intent)
            if not there or found.call.needs_answer:
                return self._send(one, again=True)
            if not found.call.verb.is_operation:
                self.record("result", step=one.id, result=fold.Result.DONE)
                return True
            self.sent.add(one.id)
        name, sets = found.call.stack_set, self._sets_of(found.call)
        operation = sets.operation(name, found.intent)
        looks = self.looks.setdefault(operation.id, Looks())
        if not looks.due(operation):
            return False
        last = found.position + 1 == len(found.calls)
        if operation.green and last and one.step.kind in _LISTED:
            # The list of instances, which comes next, says the same about each target.
            self.unshown[one.id] = operation
            self.ended[name] = operation.id
            self.record("result", step=one.id, result=fold.Result.DONE)
            return True
        results = sets.results(name, operation.id)
        looks.looked(operation, len(results))
        self._show(name, operation, results)
        if not operation.ended:
            return False
        self._forget(operation)
        if operation.green:
            self.record("result", step=one.id, result=fold.Result.DONE)
        else:
            failures = self._causes(sets, operation, results)
            as_before = self._are_as_before(one.step, results)
            facts = {"as_before": True} if as_before else {}
            self._fail(one, "result", failures, result=fold.Result.FAILED, **facts)
        return True

    def _are_as_before(self, step: Step, results: list[Result]) -> bool:
        """Whether the way back failed only where no role lets StackSets in, and nothing was
        changed there on the way there either: all other targets are restored."""
        if not self.state.back or step.kind is not Kind.RESTORE:
            return False
        name, causes = step.stack_set, self.state.failures[: self.state.causes]
        shut = {
            f.target for f in causes if f.stack_set == name and NO_ROLE.search(f.reason)
        }
        return all(
            r.status is ResultStatus.SUCCEEDED
            or (
                NO_ROLE.search(r.reason or "")
                and (r.target in shut or (name, r.target) not in self.state.begun)
            )
            for r in results
        )

    def _fail(
        self, one: Todo, kind: str, failures: list[Failure], **facts: Any
    ) -> None:
        """Record that a step failed, and report why."""
        data = [encode(failure) for failure in failures]
        self.record(kind, step=one.id, failures=data, **facts)
        for failure in failures:
            name, target = failure.stack_set, failure.target
            self.emit("failed", str(failure), stack_set=name, target=target)

    def _finish(self, one: Todo) -> bool:
        """Do what ends a step, by its kind."""
        if one.step.kind is Kind.GATE:
            return self._gate(one)
        if one.step.kind is Kind.CHECK:
            return self._check(one)
        if one.step.kind is Kind.ACT:
            self.record("finished", step=one.id)
            self.emit("restored" if self.state.back else "done", one.step.words)
            return True
        return self._await(one)

    def _await(self, one: Todo) -> bool:
        """Wait for a step's targets, then read the outputs that later steps need."""
        step = one.step
        waiting = self.awaits.setdefault(one.id, Await(step))
        known = self.state.states.get(step.stack_set)
        everything = known.overrides if known else ()
        try:
            outputs = waiting.finished(self.sets.at(step.region), everything)
        except RolloutError as error:
            self._fail(one, "failed", [Failure(step.stack_set, None, str(error))])
            return True
        if outputs is None:
            return False
        if waiting.listed is not None:
            self._show_ended(one, waiting.listed)
            after = self.ended.get(step.stack_set, "")
            self.listings[step.stack_set] = Listing(after, waiting.listed)
        shown = {"outputs": encode(outputs)} if outputs else {}
        self.record("finished", step=one.id, **shown)
        if self.state.back:
            self.emit("restored", step.words, stack_set=step.stack_set)
        elif step.kind is Kind.REPAIR:
            self.emit("done", step.words, stack_set=step.stack_set)
        elif step.kind is not Kind.UPLOAD and step.last:
            word = "deleted" if step.kind is Kind.DELETE else step.words or "deployed"
            self.emit("done", word, stack_set=step.stack_set)
        return True

    def _gate(self, one: Todo) -> bool:
        """Look whether a gate holds; its evidence goes into the journal."""
        gate = gating.gate_of(one.step)
        known = self.evidence.get(one.id)
        now = datetime.fromtimestamp(self.ways.wall(), UTC)
        if known and (now - known.at).total_seconds() < known.again:
            return False
        if isinstance(
            gate, CommandGate
        ):  # it may run for long, and is silent meanwhile
            self.emit("gate", f"{gate}: running")
        try:
            found = gates.check(
                gate,
                gating.readers(
                    self.sets, self.journal, self.state, one.id, self._lives_on
                ),
                since=datetime.fromisoformat(self.state.progress[one.id].since),
                before=self.state.opening.get("alarms_before", ()),
                previous=known,
            )
        except gates.Interrupted:
            self.emit("gate", f"{gate}: interrupted; tapgen resume checks it again")
            return False
        self.evidence[one.id] = found
        if found.verdict is gates.Verdict.WAIT:
            # Nothing is under way: be quick to see an answer, or a wish to stop.
            self.pause = min(self.pause, LOOK_SECONDS)
            if known is None:
                waits = isinstance(gate, ApprovalGate)
                how = "; answer with tapgen approve" if waits else ""
                status = "WAITING" if waits else ""
                self.emit("gate", f"{gate}: {found.words}{how}", status=status)
            return False
        if found.verdict is gates.Verdict.GREEN:
            self.record("finished", step=one.id, evidence=found.data())
            self.emit("gate", f"{gate}: {found.words}")
        else:
            failure = Failure("", None, f"gate {gate}: {found.words}")
            self._fail(one, "failed", [failure], evidence=found.data())
        return True

    def _check(self, one: Todo) -> bool:
        """Look whether a check of a procedure holds, until its time is up; what it has
        seen goes into the journal."""
        assert one.step.check
        check = with_saved(one.step.check, self.state.saved)
        try:
            seen = acting.look(self.sets.aws, check)
        except AwsError as error:
            if trouble(error) is not Trouble.REFUSED:
                raise
            self._fail(one, "failed", [Failure("", None, f"{one.step.words}: {error}")])
            return True
        if seen.holds:
            timed = self._timed(one.step)
            self.record("finished", step=one.id, seen=seen.shown, **timed)
            self.emit("gate", f"{one.step.words}: {seen.shown}")
            return True
        since = datetime.fromisoformat(self.state.progress[one.id].since)
        left = check.seconds - (datetime.now(UTC) - since).total_seconds()
        if left <= 0 or seen.hopeless:
            text = f"{one.step.words}: {seen.shown}"
            wanted = f", not {' or '.join(check.wanted)}" if check.wanted else ""
            timed_out = check.seconds and not seen.hopeless
            waited = f" after {check.seconds} seconds" if timed_out else ""
            names = f" ({', '.join(check.names)})" if check.names else ""
            failure = Failure("", None, f"{text}{wanted}{waited}{names}")
            facts = {"rolled_back": True} if seen.rolled_back else {}
            self._fail(one, "failed", [failure], seen=seen.shown, **facts)
            return True
        if one.step.again:
            self.journal.require_unfenced()
            acting.perform(self.sets.aws, one.step.again)
        if self.waits.get(one.id) != seen.shown:
            self.waits[one.id] = seen.shown
            self.emit("waiting", f"{one.step.words}: {seen.shown}")
        return False

    # -- operations --------------------------------------------------------------------

    def _show(self, name: str, operation: Operation, results: list[Result]) -> None:
        for result in results:
            key = (operation.id, result.target)
            if self.seen.get(key) == result.status:
                continue
            self.seen[key] = result.status
            # The reason of a failure is reported once, with the resource behind it.
            failed = result.status is ResultStatus.FAILED
            reason = "" if failed else result.reason
            status = str(result.status)
            self.emit(
                "target", reason, stack_set=name, target=result.target, status=status
            )

    def _show_ended(self, one: Todo, listed: Mapping[Target, ObservedInstance]) -> None:
        """Show how the targets of a green operation ended, as the list of instances says;
        where it names another operation, its results are read."""
        operation = self.unshown.get(one.id)
        if operation is None:
            return
        there = {
            Target(t.account, t.region)
            for t, instance in listed.items()
            if instance.last_operation == operation.id
        }
        if there >= {Target(t.account, t.region) for t in one.step.targets}:
            regions = [*dict.fromkeys(t.region for t in one.step.targets)]
            results = [
                Result(t, ResultStatus.SUCCEEDED)
                for t in sorted(there, key=lambda t: (_place(regions, t.region), t))
            ]
        else:
            sets = self.sets.at(one.step.region)
            results = sets.results(operation.stack_set, operation.id)
        self._show(operation.stack_set, operation, results)
        self._forget(operation)
        del self.unshown[one.id]

    def _forget(self, operation: Operation) -> None:
        self.seen = {k: v for k, v in self.seen.items() if k[0] != operation.id}
        self.looks.pop(operation.id, None)
        self.ended[operation.stack_set] = operation.id

    def _causes(
        self, sets: StackSets, operation: Operation, results: list[Result]
    ) -> list[Failure]:
        """Return why an operation failed; cancelled targets are no cause."""
        name = operation.stack_set
        failed = [r for r in results if r.status is ResultStatus.FAILED]
        if not failed:
            reason = operation.reason or "no target reports a reason"
            return [Failure(name, None, f"operation {operation.status}: {reason}")]
        return [explained(sets, operation, result) for result in failed]

    def _sets_of(self, call: Call) -> StackSets:
        """The stack sets of the region in which that of a call is administered."""
        return self.sets.at(call.region)

    def text(self, name: str) -> str:
        """Return the text of a template by its digest."""
        if name not in self.texts:
            self.texts[name] = self.journal.object(name)
        return self.texts[name]

    # -- turning round, and the end ------------------------------------------------------

    def burn(self) -> None:
        """Give up calls that were announced and that AWS does not have; wait for the
        others. Then nothing is under way any more."""
        while waiting := [id for id, p in self.state.progress.items() if p.intent]:
            for id in waiting:
                self._try(self._burn_one, Todo(Act.SETTLE, id))
            self._beat()

    def _burn_one(self, one: Todo) -> None:
        found = self.state.progress[one.id]
        assert found.intent
        step = Todo(Act.SETTLE, one.id, found.step)
        if one.id not in self.sent:
            if not is_there(self._sets_of(found.call), found.call, found.intent):
                self.record("result", step=one.id, result=fold.Result.BURNT)
                return
            if found.call.verb.is_operation:
                self.sent.add(one.id)
        if not self._settle(step):
            self._sleep(self.ways.poll_seconds[0])

    def turn(self, why: str) -> None:
        """Go back from here: compile the way back from what is deployed now."""
        known = dict(self.state.there.templates)
        now: dict[str, Observed] = {}
        for name in restore.names(self.state):
            self.patiently(self._describe, name, now)
        for found in now.values():
            named = {found.template}
            named |= {i.template for i in found.instances.values() if i.template}
            for one in (named - {*known}) & {*self.texts}:
                known[one] = restore.describe(self.texts[one])
                self.journal.store_object(self.texts[one])
        program = restore.way_back(self.state, now, known)
        name = self.journal.store_object(as_text(program))
        self.programs[name] = program
        self.record("turned", program=name, why=why)
        self.sent.clear()
        self.busy.clear()
        self.awaits.clear()
        self.unshown.clear()

    def _describe(self, name: str, now: dict[str, Observed]) -> None:
        found = self.sets.describe(name)
        if found:
            now[name] = restore.by_digest(found, self.texts)

    def _close(self) -> None:
        if self._late_arrivals():
            self.turn("a call that was given up has arrived")
            return
        if not self.state.back and self.state.failed:
            self._end(End.ABANDONED, [*self.state.changed])
            return
        if not self.state.back:
            self._store_good()
            self.ways.before_end(self.state)
            self.record("closed", end=End.DONE)
            return
        left = list(outcome(self.state, self.sets).left)
        self._end(End.ABANDONED if left else End.RESTORED, left)

    def abandon(self) -> tuple[str, ...]:
        """End the run as it is, once nothing is under way; return the stack sets that it
        has changed and not restored, and the acts that it has not taken back."""
        self.burn()
        self.patiently(self._late_arrivals)
        left = [n for n in self.state.changed if n not in self.state.restored]
        left += self.state.performed.values()
        self._end(End.ABANDONED, left)
        return tuple(left)

    def _end(self, end: End, left: list[str]) -> None:
        """Close a run that is not done, and tell of it before: whoever goes on with one that
        was killed in between tells it twice, and not never."""
        said: list[str] = []
        if act := last_word(self.state, left):
            self.journal.require_unfenced()
            try:
                said += acting.perform(self.sets.aws, act).get("said", ())
            except TapgenError as error:
                said.append(f"nobody was notified: {error}")
            for words in said:
                self.emit("notice", words)
        self.record("closed", end=end, left=left, **({"said": said} if said else {}))

    def _late_arrivals(self) -> bool:
        """Whether AWS has meanwhile got a call that was given up; waits for its end."""
        found = False
        for name, id in self.state.burnt:
            call = Call(Verb.DEFINE, name)
            if self.sets.exists(name) and is_there(self.sets, call, id):
                found = True
                while not self.sets.operation(name, id).ended:
                    self._sleep(self.ways.poll_seconds[0])
        self.state.burnt = []
        return found

    def _store_good(self) -> None:
        """Store the good definitions, for when the next rollout finds others."""
        names = [n for n in self.state.touched if n not in self.state.dropped]
        if names:
            self.patiently(self._store_good_ones, names)

    def _store_good_ones(self, names: Sequence[str]) -> None:
        sets = self.sets.at(self.state.opening.get("to", ""))
        found = sets.observe(
            names, outputs=sweep.nowhere, given=self._given, listed=self._listed
        )
        bodies: dict[str, bytes] = {}
        for name, one in found.items():
            if not snapshot.is_good(one):
                continue
            bodies[snapshot.key(self.journal.prefix, name)] = snapshot.dump(one)
            if known := sets.memory.body(name):
                bodies[remembered.key(name)] = known
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.journal.store.put, bodies, bodies.values()))

    def _listed(
        self, name: str, newest: remembered.Newest
    ) -> Mapping[Target, ObservedInstance] | None:
        """The instances as they were listed after the newest operation, one of this run."""
        known = self.listings.get(name)
        return known.instances if known and known.after == newest.id else None

    def _given(
        self, name: str, target: Target, one: ObservedInstance
    ) -> Mapping[str, str] | None:
        """The overrides of an instance that a call of this run was the last to touch;
        None where AWS may have others: it hides NoEcho values, and what it does with those
        of parameters that a template no longer has is not written anywhere."""
        ours = f"{OPERATION_PREFIX}{self.state.run}-"
        known = self.state.states.get(name)
        if known is None or not (one.last_operation or "").startswith(ours):
            return None
        found = known.overrides.get(target)
        if found is None or not {*found} <= {*known.parameters}:
            return None
        return None if found and "NoEcho" in self.text(known.template) else found


def _place(regions: Sequence[str], region: str) -> int:
    """Where a region comes in the order of an operation; last where it is not said."""
    return regions.index(region) if region in regions else len(regions)


def explained(sets: StackSets, operation: Operation, result: Result) -> Failure:
    """Return why a target failed in an operation: the resource that failed first, else
    the reason of the result."""
    name, found = operation.stack_set, sets.failure(operation, result)
    if not found:
        return Failure(name, result.target, result.reason or "no reason given")
    return Failure(
        name,
        result.target,
        found.reason,
        found.logical_id,
        found.type,
        found.stack_id,
    )


def as_text(program: Program) -> str:
    """Return a program as the text that is stored."""
    return json.dumps(dump(program), sort_keys=True)
