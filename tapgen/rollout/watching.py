"""A run as it is now, for whoever looks at it from elsewhere: each target with its wave and
status, what its stack works on, how long it has taken and how long that should take.

Only the journal and AWS are read: the journal says how far each step is, the operations
that it announced say how far their targets are, and the stacks of some targets which
resource they work on. What AWS does not answer is `UNREAD`, and never taken for anything
else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass as mutable
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from tapgen.aws import stacks
from tapgen.aws.stacksets import Result, StackSets
from tapgen.errors import AwsError, NotFound, RolloutError
from tapgen.frozen import dataclass
from tapgen.model import AlarmGate, Gate, Target
from tapgen.rollout import fold, history, opening
from tapgen.rollout.fold import Progress
from tapgen.rollout.gating import counts, gate_of
from tapgen.rollout.history import Summary
from tapgen.rollout.journal import PATIENCE_SECONDS, Store, names
from tapgen.rollout.model import Event
from tapgen.rollout.opening import Opened, is_advanced
from tapgen.rollout.program import Kind, Program, Step

EARLIER_RUNS = 3
"""How many earlier runs say how long steps take: their journals are read whole."""

STACKS_READ = 8
"""How many stacks are asked at a time which resource they work on."""

Seconds = tuple[float, float]
"""The shortest and the longest time that is expected."""


class Status(StrEnum):
    """How far a target or a step is: the words of AWS's operation results, and UNREAD where
    AWS does not answer."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNREAD = "UNREAD"


_UNWELL = (Status.FAILED, Status.UNREAD)


class Life(StrEnum):
    """Whether somebody advances a run: a process does, or may (no sign of life for a
    while), or none does although the run is open, it is paused, or it has ended. From a
    copy of the journal it is unknown: signs of life are not copied."""

    GOES_ON = "goes on"
    SILENT = "silent"
    DEAD = "dead"
    PAUSED = "paused"
    ENDED = "ended"
    UNKNOWN = "unknown"


LATE_SECONDS = 15.0
"""How late a sign of life may be, before its process counts as silent."""


@dataclass(frozen=True)
class Cell:
    """A target of a step. `resource` is what its stack works on, since `since`; `reason`
    is why it has failed."""

    stack_set: str
    target: Target
    status: Status
    reason: str = ""
    resource: str = ""
    since: str = ""


@dataclass(frozen=True)
class Stage:
    """A step of the run. `wave` is its number in the plan, and `words` what it does.
    `seconds` is how long it has taken, None before it has begun, and `expected` how long
    it should take, None where nothing says so. `reason` is why a step has failed that has
    no targets."""

    id: str
    wave: int
    kind: str
    words: str
    status: Status
    stack_set: str = ""
    cells: tuple[Cell, ...] = ()
    seconds: float | None = None
    expected: Seconds | None = None
    waits: bool = False
    reason: str = ""


@dataclass(frozen=True)
class View:
    """A run at one moment. Where nobody advances it, time counts up to the last sign of
    life. `silent` and `left` are the seconds since the last sign of life
    of its process, and until it counts as dead. `expected` is the whole run, `earlier` the
    number of runs that it comes from: 0 is the estimate of its plan. `prefix` is the system
    with its suffix, how the names of its stack sets begin."""

    run: Summary
    progress: str
    life: Life
    seconds: float
    prefix: str = ""
    stages: tuple[Stage, ...] = ()
    silent: float = 0.0
    left: float = 0.0
    expected: Seconds | None = None
    earlier: int = 0
    unread: tuple[str, ...] = ()

    @property
    def cells(self) -> Iterator[tuple[Stage, Cell]]:
        for stage in self.stages:
            for cell in stage.cells:
                yield stage, cell


Times = Mapping[tuple[str, str], Seconds]
"""How long a step of a kind has taken, by kind and stack set or act."""


def earlier_times(store: Store, prefix: str, run: str) -> tuple[Times, int]:
    """Return how long steps took in the newest runs before this one that ended well, and
    how many runs these are; journals of another version are left out."""
    found: dict[tuple[str, str], Seconds] = {}
    read = 0
    before = [name for name in names(store, prefix) if name < run]
    for name in before[: -3 * EARLIER_RUNS - 1 : -1]:
        if read == EARLIER_RUNS:
            break
        try:
            one = history.find(store, prefix, name)
        except RolloutError:
            continue
        if one.state.end is not fold.End.DONE:
            continue
        read += 1
        for key, seconds in _times(one):
            low, high = found.get(key, (seconds, seconds))
            found[key] = min(low, seconds), max(high, seconds)
    return found, read


def _times(found: Opened) -> Iterator[tuple[tuple[str, str], float]]:
    """Yield how long each step of a run took that was not skipped."""
    began: dict[str, str] = {}
    for event in found.events:
        if event["event"] == "turned":
            return
        if event["event"] == "began" and not event.get("skipped"):
            began[event["step"]] = event["at"]
        elif event["event"] == "finished" and event["step"] in began:
            step = found.state.there.steps[event["step"]]
            if step.kind is not Kind.GATE:
                yield _key(step), _between(began[event["step"]], event["at"])


def _key(step: Step) -> tuple[str, str]:
    return str(step.kind), step.stack_set or step.words


def _between(start: str, end: str) -> float:
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return max(0.0, passed.total_seconds())


@mutable
class _OfEvents:
    """What events say of a step: its last operation, when it ended, and why it failed."""

    operation: str = ""
    end: str = ""
    reason: str = ""


@mutable
class Watch:
    """Whoever watches a run: what was read of it before, so that a look reads only what
    may have changed. `times` and `earlier` are those of `earlier_times`. `blind` says that
    the journal is a copy, which has no signs of life. `works` says what a stack works on;
    None where nobody wants to know.
    """

    found: Opened
    sets: StackSets
    away: Mapping[str, str] = field(default_factory=dict)
    times: Times = field(default_factory=dict)
    earlier: int = 0
    blind: bool = False
    works: Callable[..., stacks.UnderWay | None] | None = stacks.under_way
    unread: list[str] = field(default_factory=list)
    _ids: dict[tuple[str, Target], str] = field(default_factory=dict)
    _answers: dict[str, Sequence[Result]] = field(default_factory=dict)

    def look(self, now: datetime | None = None) -> View:
        """Return the run as it is now; raises AwsError where its journal gives no answer."""
        self.found = opening.refresh(self.found)
        self.unread = []
        now = now or datetime.now(UTC)
        life, silent, left = self._life()
        summary = history.summary(self.found)
        end = now.isoformat()
        if life in (Life.ENDED, Life.PAUSED):
            end = summary.until
        elif life is Life.DEAD:
            seen = now - timedelta(seconds=silent)
            end = max(seen, datetime.fromisoformat(summary.until)).isoformat()
        stages = self._with_resources(tuple(self._stages(end)))
        state = self.found.state
        return View(
            summary,
            self.found.progress,
            life,
            _between(summary.since, end),
            self.found.journal.prefix,
            stages,
            silent,
            left,
            self._whole(state.program, stages),
            self.earlier,
            tuple(dict.fromkeys(self.unread)),
        )

    def _life(self) -> tuple[Life, float, float]:
        found = self.found
        if found.state.end:
            return Life.ENDED, 0.0, 0.0
        if found.state.paused:
            return Life.PAUSED, 0.0, 0.0
        if self.blind:
            return Life.UNKNOWN, 0.0, 0.0
        silent, left = found.journal.silence()
        if not is_advanced(found):
            return Life.DEAD, silent, 0.0
        late = left < PATIENCE_SECONDS - LATE_SECONDS
        life = Life.SILENT if late else Life.GOES_ON
        return life, silent, left

    # -- steps -----------------------------------------------------------------------

    def _stages(self, end: str) -> Iterator[Stage]:
        """The steps of the run; one that is under way takes until `end`."""
        state = self.found.state
        of_steps = self._of_events()
        waves = state.program.waves
        for number in range(len(waves)):
            wave = sum(map(counts, waves[: number + 1]))
            for lane in state.program.lanes(number):
                for id, step in lane:
                    done = state.progress.get(id)
                    if step.kind is Kind.SETTLE and (not done or done.skipped):
                        continue  # nothing was left behind, as far as is known
                    known = of_steps.get(id, _OfEvents())
                    yield self._stage(id, wave, step, done, known, end)

    def _of_events(self) -> dict[str, _OfEvents]:
        """What the events of the present direction say of each step."""
        found: dict[str, _OfEvents] = {}
        for event in self.found.events:
            if event["event"] == "turned":
                found = {}
            if "step" not in event:
                continue
            one = found.setdefault(event["step"], _OfEvents())
            if event["event"] == "intent":
                one.operation = event["operation"]
            elif event["event"] in ("finished", "failed", "result"):
                one.end = event["at"]
                failures = event.get("failures", ())
                one.reason = "; ".join(f["reason"] for f in failures)
        return found

    def _stage(
        self,
        id: str,
        wave: int,
        step: Step,
        done: Progress | None,
        known: _OfEvents,
        end: str,
    ) -> Stage:
        status = _status(done, self.found.state)
        seconds = None
        if done and done.since and not done.skipped:
            over = status in (Status.SUCCEEDED, Status.FAILED) and known.end
            seconds = _between(done.since, known.end if over else end)
        cells = tuple(self._cells(step, done, status, known.operation))
        gate = gate_of(step) if step.kind is Kind.GATE else None
        waits = gate is not None and gate.kind == "approve"
        return Stage(
            id,
            wave,
            str(step.kind),
            _words(step, gate),
            status,
            step.stack_set,
            cells,
            seconds,
            self._expected(step, gate),
            waits and status is Status.RUNNING,
            known.reason if status is Status.FAILED and not cells else "",
        )

    def _cells(
        self, step: Step, done: Progress | None, status: Status, operation: str
    ) -> Iterator[Cell]:
        name = step.stack_set
        targets = dict.fromkeys(step.targets)
        if not targets:
            targets = dict.fromkeys(t for c in step.calls for t in c.targets or ())
        known: Mapping[Target, Cell] = {}
        if done and not done.finished and done.calls:
            known = self._in_calls(done, operation)
        elif status is Status.FAILED:
            known = {t: self._with_reason(name, t, status) for t in targets}
        for target in targets:
            yield known.get(target) or Cell(name, target, status)

    def _in_calls(self, done: Progress, operation: str) -> dict[Target, Cell]:
        """The targets of the calls of a step: of the call that is under way, or failed, and
        of those that were made or come next. A target is done after its last call."""
        step, name, here = done.step, done.step.stack_set, done.position
        where = [
            c.targets if c.targets is not None else step.targets for c in done.calls
        ]
        now = where[here] if here < len(where) else ()
        later = {t for targets in where[here + 1 :] for t in targets}
        found: dict[Target, Cell] = {}
        for target in dict.fromkeys(t for targets in where[:here] for t in targets):
            goes_on = target in later or target in now or here == len(where)
            status = Status.RUNNING if goes_on else Status.SUCCEEDED
            found[target] = Cell(name, target, status)
        if now and (done.intent or done.failed):
            call = done.calls[here]
            if call.verb.is_operation:
                found |= self._in_operation(done, now, operation, call.region)
            else:
                status = Status.FAILED if done.failed else Status.RUNNING
                found |= {t: self._with_reason(name, t, status) for t in now}
        for target in now:
            cell = found.get(target)
            if cell and cell.status is Status.SUCCEEDED and target in later:
                found[target] = replace(cell, status=Status.RUNNING)
        waits = Status.CANCELLED if done.failed else Status.PENDING
        return {t: Cell(name, t, waits) for t in (*now, *later)} | found

    def _in_operation(
        self, done: Progress, where: Iterable[Target], operation: str, region: str
    ) -> dict[Target, Cell]:
        """The targets of an operation, as AWS reports them."""
        name = done.step.stack_set
        results = self._results(name, operation, region, over=done.failed)
        if results is None:
            return {t: self._with_reason(name, t, Status.UNREAD) for t in where}
        by_target = {(r.target.account, r.target.region): r for r in results}
        found = {}
        for target in where:
            result = by_target.get((target.account, target.region))
            if result is None:
                # It has not begun there; or AWS refused the whole call.
                status = (
                    Status.FAILED if done.failed and not results else Status.PENDING
                )
                found[target] = self._with_reason(name, target, status)
                continue
            cell = self._with_reason(name, target, Status(str(result.status)))
            found[target] = replace(cell, reason=cell.reason or result.reason)
        return found

    def _results(
        self, name: str, operation: str, region: str, *, over: bool
    ) -> Sequence[Result] | None:
        """The results of an operation, none where AWS has no such operation; None where it
        does not answer. Those of an operation that is over are read once."""
        if operation in self._answers:
            return self._answers[operation]
        if why := self.away.get(region or self.sets.admin.region):
            where = region or self.sets.admin.region
            self.unread.append(
                f"operation {operation}: {where} does not answer ({why})"
            )
            return None
        try:
            results = self.sets.at(region).results(name, operation)
        except NotFound:
            return []
        except AwsError as error:
            self.unread.append(f"operation {operation}: {error}")
            return None
        if over:
            self._answers[operation] = results
        return results

    def _with_reason(self, name: str, target: Target, status: Status) -> Cell:
        """A target with the reason that the journal has, where it has failed; that of a
        whole step counts for each of its targets."""
        reason = self._reason(name, target) if status in _UNWELL else ""
        return Cell(name, target, status, reason)

    def _reason(self, name: str, target: Target) -> str:
        whole = ""
        for failure in self.found.state.failures:
            if failure.stack_set == name and failure.target in (target, None):
                what = f"{failure.logical_id}: " if failure.logical_id else ""
                if failure.target:
                    return f"{what}{failure.reason}"
                whole = whole or failure.reason
        return whole

    # -- resources -------------------------------------------------------------------

    def _with_resources(self, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        """The stages, with the resources that the first stacks under way work on."""
        under_way = [
            cell
            for stage in stages
            for cell in stage.cells
            if cell.status is Status.RUNNING and not cell.target.joins_later
        ][:STACKS_READ]
        if not under_way or self.works is None:
            return stages
        with ThreadPoolExecutor(STACKS_READ) as pool:
            found = dict(
                zip(under_way, pool.map(self._resource, under_way), strict=True)
            )
        return tuple(
            replace(stage, cells=tuple(found.get(c, c) for c in stage.cells))
            for stage in stages
        )

    def _resource(self, cell: Cell) -> Cell:
        """A cell with what its stack works on, as far as its region answers."""
        name, target = cell.stack_set, cell.target
        try:
            stack_id = self._ids.get((name, target)) or self._stack_id(name, target)
            if not stack_id:
                return cell
            self._ids[name, target] = stack_id
            works = self.works(self.sets.aws, target, stack_id) if self.works else None
        except NotFound:  # it was deleted just now
            return cell
        except AwsError as error:
            self.unread.append(f"the stack of {name} in {target}: {error}")
            return cell
        if works is None:
            return cell
        what = f"{works.logical_id} ({works.type})"
        return replace(cell, resource=what, since=works.since)

    def _stack_id(self, name: str, target: Target) -> str | None:
        if self.sets.admin.region not in self.away:
            instance = self.sets.instance(name, target)
            if instance and instance.stack_id:
                return instance.stack_id
        return stacks.of_stack_set(self.sets.aws, target, name)

    # -- time ------------------------------------------------------------------------

    def _expected(self, step: Step, gate: Gate | None) -> Seconds | None:
        """How long a step should take, by earlier runs, else by the estimate of its plan."""
        if gate is not None:
            bake = gate.bake if isinstance(gate, AlarmGate) else None
            return None if bake is None else (bake, bake)
        known = self.times.get(_key(step))
        if known is None and step.kind is Kind.RESTORE:
            known = self.times.get((str(Kind.UPDATE), step.stack_set))
        if known is not None:
            return known
        of_plan = self.found.state.opening.get("expected", {}).get(step.stack_set, {})
        low_high = of_plan.get(str(step.kind))
        return (float(low_high[0]), float(low_high[1])) if low_high else None

    def _whole(self, program: Program, stages: Iterable[Stage]) -> Seconds | None:
        """How long the run should take: waves one after the other, lanes side by side.
        None where nothing says it of a step that deploys."""
        known = {stage.id: stage for stage in stages}
        low = high = 0.0
        for number in range(len(program.waves)):
            spans: list[Seconds] = []
            for lane in program.lanes(number):
                own = [known[id] for id, _ in lane if id in known]
                if any(s.expected is None and s.cells for s in own):
                    return None
                each = [s.expected for s in own if s.expected]
                spans.append((sum(e[0] for e in each), sum(e[1] for e in each)))
            low += max((s[0] for s in spans), default=0.0)
            high += max((s[1] for s in spans), default=0.0)
        return (low, high) if high else None


def _status(done: Progress | None, state: fold.State) -> Status:
    if done is None:
        cancelled = state.failed or state.end not in (None, fold.End.DONE)
        return Status.CANCELLED if cancelled else Status.PENDING
    if done.failed:
        return Status.FAILED
    return Status.SUCCEEDED if done.finished else Status.RUNNING


def _words(step: Step, gate: Gate | None) -> str:
    if gate is not None:
        return f"gate: {gate}"
    return step.words or "; ".join(step.reasons)


# -- what has changed ------------------------------------------------------------------

_OVER = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)


def events(before: View | None, now: View) -> Iterator[Event]:
    """Yield what has changed between two looks at a run, as events of a rollout. The first
    look yields what has failed and what is under way."""
    known = {s.id: s for s in before.stages} if before else {}
    if before is None or before.progress != now.progress:
        yield Event("wave", now.progress)
    for stage in now.stages:
        old = known.get(stage.id)
        yield from _changes(old, stage, first=before is None)
    if now.life is not (before.life if before else Life.GOES_ON):
        kind = "warning" if now.life in (Life.SILENT, Life.DEAD) else "run"
        yield Event(kind, life_words(now))


def _changes(old: Stage | None, stage: Stage, *, first: bool) -> Iterator[Event]:
    before = {c.target: c.status for c in old.cells} if old else {}
    for cell in stage.cells:
        if before.get(cell.target, Status.PENDING) is cell.status:
            continue
        if first and cell.status not in (Status.RUNNING, Status.FAILED):
            continue
        status, words = str(cell.status), cell.reason or cell.resource
        if cell.status is Status.FAILED:
            text = f"{cell.stack_set} in {cell.target}: {words or 'failed'}"
            yield Event("failed", text, cell.stack_set, cell.target)
        else:
            yield Event("target", words, cell.stack_set, cell.target, status)
    if stage.cells or (old and old.status is stage.status):
        return
    if stage.status is Status.FAILED:
        yield Event("failed", stage.reason or stage.words)
    elif stage.status is Status.RUNNING or (stage.status in _OVER and not first):
        status = "WAITING" if stage.waits else ""
        words = f"{stage.words}: {'' if stage.waits else str(stage.status).lower()}"
        how = "waits; answer with tapgen approve" if stage.waits else ""
        yield Event("gate", f"{words}{how}", stage.stack_set, status=status)


def life_words(view: View) -> str:
    """Return whether somebody advances a run, in words."""
    if view.life is Life.SILENT:
        return (
            f"silent: its process gave its last sign of life {view.silent:.0f} s ago, and "
            f"counts as gone in {view.left:.0f} s"
        )
    if view.life is Life.DEAD:
        return f"open, and no process continues it (last seen {view.silent:.0f} s ago)"
    if view.life is Life.UNKNOWN:
        return "open; whether a process continues it cannot be seen in this copy"
    if view.life is Life.PAUSED:
        return "paused: no process continues it"
    if view.life is Life.ENDED:
        return f"over: {view.run.result}"
    return "under way"
