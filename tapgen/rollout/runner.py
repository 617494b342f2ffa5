"""Start a run of a program, or go on with one; every way leads to `execute`.

A run has the lock of its system from its first event to its last. Before anything is
changed, the program of the plan and what was deployed are in the journal, so that another
process can go on with only the access to AWS.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from typing import Any

from tapgen import __version__
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError, RolloutError, TapgenError, TemplateError
from tapgen.frozen import dataclass
from tapgen.model import System
from tapgen.rollout import handing_over, kinds, lock, opening, places, reconcile
from tapgen.rollout.copies import Copied, Copy
from tapgen.rollout.execute import Engine, Ways, as_text
from tapgen.rollout.fold import End, State
from tapgen.rollout.gating import off_before
from tapgen.rollout.journal import Fenced, Journal, Store, new_run
from tapgen.rollout.model import Event, Lost, Outcome
from tapgen.rollout.opening import (
    Opened,
    already_open,
    opened,
    refresh,
    wait_for_silence,
)
from tapgen.rollout.outcome import outcome
from tapgen.rollout.program import Program
from tapgen.rollout.remote import Remote


@dataclass(frozen=True)
class Starter:
    """Who starts a run, and for what: `command` is rollout or destroy, `facts` go into
    the first event (the plan, what the user allowed), `supersede` names an open run that
    this one replaces, `without` the regions of the journal that do not answer, typed by a
    person. `line` is the system as commands name it."""

    who: str = ""
    command: str = "rollout"
    facts: Mapping[str, Any] = field(default_factory=dict)
    supersede: str | None = None
    without: tuple[str, ...] = ()
    host: str = field(default_factory=platform.node)
    line: str = ""


Taken = tuple[Engine, lock.Held, dict[str, Any]]
"""What goes on with a run, its lock, and facts for the event that says so."""


Compiled = tuple[Program, dict[str, str], dict[str, Any]]
"""A program, the texts of its templates by digest, and facts for the first event."""


def start(
    sets: StackSets,
    system: System,
    starter: Starter,
    chosen: Ways,
    compiled: Callable[[Opened | None, Store], Compiled],
) -> Outcome:
    """Take the lock of a system, and run the program that `compiled` returns for the run
    that this one supersedes, if any; `compiled` may store what belongs to it.

    Raises RolloutError when another run of the system is open, and Lost when AWS cannot be
    reached any more or a second interrupt ends the run at once; operations that were
    started then continue.
    """
    engine, held, facts = _started(sets, system, starter, chosen, compiled, None)
    return to_the_end(engine, held, lambda: engine.record("opened", **facts))


def start_in_aws(
    sets: StackSets,
    system: System,
    starter: Starter,
    chosen: Ways,
    compiled: Callable[[Opened | None, Store], Compiled],
    remote: Remote,
) -> tuple[str, int]:
    """Start a run as `start` does, but leave it to the engine in AWS; return the run, and
    the number of the event that hands it over. Raises what `start` raises."""
    engine, _, facts = _started(sets, system, starter, chosen, compiled, remote)
    return _handed_over(engine, "opened", {**facts, **remote.facts()})


def _handed_over(
    engine: Engine,
    kind: str,
    facts: Mapping[str, Any],
    begin: Callable[[], None] = lambda: None,
) -> tuple[str, int]:
    """Do what `begin` does, and write the event that hands a run over. The sign of life
    beside it says that a turn comes: an old one, or none, would say that nobody does.
    """
    try:
        begin()
        engine.journal.remember({})
        engine.record(kind, **facts)
        engine.journal.rest(0)
    except AwsError as error:
        raise Lost(engine.state.touched, error, engine.state.run) from error
    except KeyboardInterrupt:
        raise Lost(engine.state.touched, None, engine.state.run) from None
    finish(engine)
    return engine.state.run, engine.state.number


def _started(
    sets: StackSets,
    system: System,
    starter: Starter,
    chosen: Ways,
    compiled: Callable[[Opened | None, Store], Compiled],
    remote: Remote | None,
) -> Taken:
    """Take the lock for a new run, for this process or the engine in AWS, and store its
    program; nothing has begun then."""
    prefix, who = system.prefix, starter.who or _somebody(sets)
    store, beside = _ground(sets, prefix, chosen, who, starter.without)
    old, before = _room(sets, store, prefix, starter, chosen)
    journal = _journal(store, prefix, new_run(), who, starter.host, chosen)
    without = () if isinstance(store, Copied) else starter.without
    wanted = lock.new(journal.run, who, starter.command, without)
    if remote:
        wanted = lock.in_aws(wanted, remote.arn, journal.writer)
    held = _take(sets, store, prefix, wanted, before)
    try:
        program, texts, more = compiled(old, store)
        name = _store(journal, program, texts)
        facts = {
            "run": journal.run,
            "system": prefix,
            "name": system.name,
            "suffix": system.suffix,
            "environment": system.environment,
            "alarms_before": off_before(sets, program),
            "command": starter.command,
            "program": name,
            **more,
            "tapgen": __version__,
            "python": platform.python_version(),
            **({"supersedes": starter.supersede} if starter.supersede else {}),
            **({"without": list(without)} if without else {}),
            **({"beside": beside.lock.run} if beside else {}),
            **starter.facts,
        }
    except (TapgenError, KeyboardInterrupt):
        _release(store, prefix, held)
        raise
    return (
        Engine(sets, journal, State(), {name: program}, texts, chosen),
        held,
        facts,
    )


_TURNED, _ABANDONED, _REPLACED = "turned back", "abandoned", "replaced by a plan"


def _require(found: Opened, what: str) -> None:
    """Raise RolloutError where a run that has begun cannot be turned back, abandoned or
    replaced by a plan; any may go on, where `what` is empty."""
    run, command, state = found.lock.run, found.lock.command, found.state
    kind = kinds.of(command)
    if not what or not state.number:
        return
    ways = ["continue it with tapgen resume"]
    if kind.goes_back and not state.back and what != _TURNED:
        ways.append("undo it with tapgen resume --back")
    if not kind.only_on and what != _ABANDONED:
        ways.append("close it as it is with tapgen stop --abandon")
    if kind.only_on or (what == _TURNED and not kind.goes_back and not state.back):
        why = kind.no_way_back
    elif what == _REPLACED and not kind.has_plan:
        why = "what it does is not in a plan"
    else:
        return
    raise RolloutError(
        f"run {run} of tapgen {command} cannot be {what}: {why}; {', or '.join(ways)}"
    )


def resume(
    sets: StackSets,
    prefix: str,
    on_event: Callable[[Event], None],
    *,
    back: bool = False,
    who: str = "",
    without: Iterable[str] = (),
    from_engine: bool = False,
    **ways: Any,
) -> Outcome | None:
    """Go on with the open run of a system, in the direction that it had, or `back`.

    `ways` are those of `execute.Ways`; its `content` is read only where an artifact has
    not been uploaded yet. `without` is as of a `Starter`. With `from_engine` it takes the
    run from the engine in AWS, between two of its turns. None when no run is open, or it
    had not begun. Raises RolloutError while another process runs it, and what `start`
    raises.
    """
    chosen = Ways(on_event, **{"content": no_artifact, **ways})
    what = _TURNED if back else ""
    taken = _taken_over(sets, prefix, chosen, who, without, what, from_engine)
    if taken is None:
        return None
    engine, held, facts = taken
    facts = {"command": "resume", "back": back, "tapgen": __version__, **facts}

    def begin() -> None:
        if from_engine:
            _outlast(engine, held, facts)
        else:
            engine.record("resumed", **facts)
        if not engine.state.end:
            _turn_if(engine, back)

    return to_the_end(engine, held, begin)


def _outlast(engine: Engine, held: lock.Held, facts: Mapping[str, Any]) -> None:
    """Go on with a run that was taken from the engine in AWS: a turn that began before this
    process had the lock may write until it meets an event of another, and then ends; it
    may also end the run."""
    journal, state = engine.journal, engine.state
    while True:
        try:
            engine.record("resumed", **facts)
            return
        except Fenced:
            now = lock.read(journal.store, journal.prefix)
            if now is None or now.etag != held.etag:
                raise
            opening.catch_up(journal, state, engine.programs)
            if state.end:
                return


def resume_in_aws(
    sets: StackSets,
    prefix: str,
    on_event: Callable[[Event], None],
    remote: Remote,
    *,
    back: bool = False,
    who: str = "",
    **ways: Any,
) -> tuple[str, int] | None:
    """Take the open run of a system over as `resume` does, and leave it to the engine in
    AWS; return the run, and the number of the last event. None when no run is open. Calls
    that were under way when the direction changes are waited for here: AWS has the run once
    it has turned, and never goes on in the direction that it had."""
    chosen = Ways(on_event, **{"content": no_artifact, **ways})
    what = _TURNED if back else ""
    taken = _taken_over(sets, prefix, chosen, who, (), what)
    if taken is None:
        return None
    engine, held, facts = taken
    journal = engine.journal
    facts = {"command": "resume", "back": back, "tapgen": __version__, **facts}

    def begin() -> None:
        if back and not engine.state.back:
            engine.record("resumed", **facts)
            _turn_if(engine, back)
        else:
            _say_direction(engine, engine.state.back)
        wanted = lock.in_aws(held.lock, remote.arn, journal.writer)
        lock.take(journal.store, prefix, wanted, held)

    return _handed_over(engine, "resumed", {**facts, **remote.facts()}, begin)


def _turn_if(engine: Engine, back: bool) -> None:
    """Turn a run round that was resumed, where it is to go back or restoring failed; say
    which way it goes."""
    state = engine.state
    turning = ""
    if back and not state.back:
        turning = "resume --back"
    elif state.failed_back:
        turning = "restoring failed before"
    _say_direction(engine, back or state.back)
    if turning:
        engine.burn()
        engine.patiently(engine.turn, turning)


def _say_direction(engine: Engine, back: bool) -> None:
    direction = "back" if back else "forward"
    engine.emit("resumed", f"going on with run {engine.state.run} ({direction})")


def abandon(
    sets: StackSets,
    prefix: str,
    on_event: Callable[[Event], None],
    *,
    who: str = "",
    without: Iterable[str] = (),
    **ways: Any,
) -> tuple[str, ...] | None:
    """End the open run of a system as it is, after its running operations; return the
    stack sets that it has changed and not restored, and the acts that it has not taken back.

    None when no run is open, or it had not begun. Raises what `resume` raises.
    """
    chosen = Ways(on_event, **ways)
    taken = _taken_over(sets, prefix, chosen, who, without, _ABANDONED)
    if taken is None:
        return None
    engine, held, facts = taken
    state = engine.state
    try:
        engine.record("resumed", command="stop", tapgen=__version__, **facts)
        left = engine.abandon()
    except AwsError as error:
        raise Lost(state.touched, error, state.run) from error
    except KeyboardInterrupt:
        raise Lost(state.touched, None, state.run) from None
    _release(engine.journal.store, prefix, held)
    finish(engine)
    return left


def _ground(
    sets: StackSets, prefix: str, chosen: Ways, who: str, without: Iterable[str]
) -> tuple[Store, Opened | None]:
    """Return where the journal of a run is written: in the administration region, with
    copies, once the journals of all regions are reconciled; else in the first region that
    answers, and the run that is open as far as is known there.

    Raises RolloutError unless every region that does not answer was typed.
    """
    near = places.acting(sets, prefix, without)
    if near.lost:
        chosen.on_event(Event("conflict", reconcile.recover(sets, prefix)))
        near = places.acting(sets, prefix, without)
    if not near.is_home:
        return near.store, opened(near.store, prefix, near.home)
    lines, left_out = reconcile.reconcile(sets, prefix, chosen, who, without)
    for line in lines:
        chosen.on_event(Event("conflict", line))
    return _copied(sets, prefix, left_out), None


def _copied(sets: StackSets, prefix: str, behind: Mapping[str, str] = {}) -> Copied:
    """Return the journal in the administration region, with its copies; `behind` says which
    of these are not complete, and why."""
    home = sets.admin.region
    others = {r: b for r, b in sets.buckets.items() if r != home}
    copies = tuple(
        Copy(region, store, prefix, behind=behind.get(region, ""))
        for region, store in others.items()
    )
    return Copied(sets.bucket, home, prefix, copies)


def _take(
    sets: StackSets,
    store: Store,
    prefix: str,
    wanted: lock.Lock,
    before: lock.Held | None,
) -> lock.Held:
    """Take the lock, and give it back where somebody acts in another region."""
    held = lock.take(store, prefix, wanted, before)
    at_home = isinstance(store, Copied)
    try:
        places.require_alone(sets, prefix, at_home)
    except TapgenError:
        unused = replace(wanted, open=False, moved=not at_home)
        lock.take(store, prefix, before.lock if before else unused, held)
        raise
    return held


def _journal(
    store: Store, prefix: str, run: str, who: str, host: str, ways: Ways
) -> Journal:
    journal = Journal(store, prefix, run, who, host, clock=ways.clock, wall=ways.wall)
    if isinstance(store, Copied):
        journal.overtaken = store.overtaken
    return journal


def _taken_over(
    sets: StackSets,
    prefix: str,
    chosen: Ways,
    who: str,
    without: Iterable[str],
    what: str = "",
    from_engine: bool = False,
) -> Taken | None:
    """Take the open run of a system over from a process that is gone, or `from_engine` in
    AWS. `what` is to become of it, if not to go on.

    None when no run is open, or it had not begun: then it is closed.
    """
    who = who or _somebody(sets)
    store, beside = _ground(sets, prefix, chosen, who, without)
    found = opened(store, prefix)
    if beside and (found is None or reconcile.is_moved(found)):
        _require(beside, what)
        return _branched(sets, store, prefix, beside, chosen, who, without)
    if found is None:
        return None
    _require(found, what)
    wait_for_silence(found, chosen, from_engine=from_engine)
    if from_engine:  # its last turn may have written something since
        # With the lock as it was: another may have taken the run meanwhile.
        found = replace(refresh(found), held=found.held)
        if found.state.end:
            raise RolloutError(
                f"run {found.lock.run} has just ended: {found.state.end}; nothing to do"
            )
    journal = _journal(store, prefix, found.lock.run, who, platform.node(), chosen)
    journal.number = found.journal.number
    mine = lock.new(found.lock.run, who, found.lock.command)
    same = {k: getattr(found.lock, k) for k in ("since", "also", "without", "after")}
    held = _take(sets, store, prefix, replace(mine, **same), found.held)
    if not found.state.number:
        _release(store, prefix, held)
        text = f"run {found.lock.run} had not begun anything; it is closed"
        chosen.on_event(Event("resumed", text))
        return None
    return Engine(sets, journal, found.state, found.programs, {}, chosen), held, {}


def taken_on(sets: StackSets, found: Opened, chosen: Ways) -> Engine:
    """Return what advances a run in a turn of the engine in AWS, which holds it."""
    prefix, who = found.journal.prefix, found.lock.who
    host = f"the engine in AWS in {sets.admin.region}"
    journal = _journal(_copied(sets, prefix), prefix, found.lock.run, who, host, chosen)
    journal.number, journal.holder = found.journal.number, found.lock.holder
    return Engine(sets, journal, found.state, found.programs, {}, chosen)


def _branched(
    sets: StackSets,
    store: Store,
    prefix: str,
    base: Opened,
    chosen: Ways,
    who: str,
    without: Iterable[str],
) -> Taken | None:
    """Go on with a run of the administration region, which is away, in a run of another
    name: what is written there meanwhile stays apart."""
    state = base.state
    if not state.number:
        return None
    run, before = new_run(), lock.read(store, prefix)
    journal = _journal(store, prefix, run, who, platform.node(), chosen)
    journal.number = state.number
    mine = lock.new(run, who, base.lock.command, without, after=state.number)
    held = _take(sets, store, prefix, mine, before)
    facts = {
        "run": run,
        "continues": base.lock.run,
        "after": state.number,
        "without": list(without),
    }
    return Engine(sets, journal, state, base.programs, {}, chosen), held, facts


def to_the_end(engine: Engine, held: lock.Held, begin: Callable[[], None]) -> Outcome:
    """Do what `begin` does, and advance a run to its end, or until it is paused; then give
    its lock back. Raises Lost, and what `Ways.sleep` raises to end this process earlier.
    """
    store, prefix = engine.journal.store, engine.journal.prefix
    handed = [held]

    def hand_over(state: State) -> None:
        if to := state.opening.get("to"):
            handed.append(
                handing_over.hand_over(engine.sets, engine.journal, handed[-1], to)
            )

    engine.ways = replace(engine.ways, before_end=hand_over)
    try:
        begin()
        engine.run()
    except AwsError as error:
        raise Lost(engine.state.touched, error, engine.state.run) from error
    except KeyboardInterrupt:
        raise Lost(engine.state.touched, None, engine.state.run) from None
    ended = outcome(engine.state, engine.sets)
    if engine.state.end:
        _release(store, prefix, handed[-1])
    finish(engine)
    return ended


def finish(engine: Engine) -> None:
    """Complete the copies of the journal, and report those that cannot be."""
    store, sets, prefix = engine.journal.store, engine.sets, engine.journal.prefix
    if not isinstance(store, Copied):
        return
    for region, why in store.finish().items():
        # It did not take a copy a moment ago: nobody waits for it with patience again.
        copy = sets.buckets[region].hasty
        sides = reconcile.Sides(prefix, store.region, store.home, region, copy)
        try:
            reconcile.complete(sides)
        except AwsError as error:
            reasons = "; ".join(dict.fromkeys((why, str(error))))
            text = f"the journal has no complete copy in {region} ({reasons})"
            engine.emit("warning", f"{text}; the next run completes it")


def no_artifact(key: str) -> bytes:
    """Refuse to read an artifact: this machine has no file with this content."""
    raise TemplateError(
        f"{key}: the artifact is not uploaded yet, and this machine's config has no "
        "file with this content; resume where the rollout was started"
    )


def _release(store: Store, prefix: str, held: lock.Held) -> None:
    """Mark the lock's run as ended; nothing happens if somebody else has the lock."""
    try:
        lock.take(store, prefix, replace(held.lock, open=False), held)
    except (lock.Taken, AwsError):
        pass  # whoever reads the lock next finds that the run has ended


def _somebody(sets: StackSets) -> str:
    return f"account {sets.admin.account}"


def _room(
    sets: StackSets, store: Store, prefix: str, starter: Starter, ways: Ways
) -> tuple[Opened | None, lock.Held | None]:
    """Return the open run that the new one supersedes, if any, and the lock as it is.

    Raises Taken when a run is open that is not to be superseded.
    """
    found = opened(store, prefix)
    if found is None:
        if starter.supersede:
            raise RolloutError(
                f"{prefix}: run {starter.supersede} is not open; leave --supersede out"
            )
        return None, lock.read(store, prefix)
    if starter.supersede != found.lock.run:
        raise already_open(found, starter.line, starter.command)
    _require(found, _REPLACED)
    if found.lock.also:
        raise RolloutError(
            f"{prefix}: besides run {found.lock.run}, other runs are open: "
            f"{', '.join(found.lock.also)}; end one after the other, with tapgen resume or "
            "tapgen stop --abandon"
        )
    wait_for_silence(found, ways)
    journal = found.journal
    journal.who, journal.host = starter.who or _somebody(sets), starter.host
    if found.state.number:
        engine = Engine(sets, journal, found.state, found.programs, {}, ways)
        engine.record("resumed", command=starter.command)
        engine.burn()
        engine.record("closed", end=End.SUPERSEDED)
    return found, found.held


def _store(journal: Journal, program: Program, texts: Mapping[str, str]) -> str:
    """Store a program and its templates; return the program's digest."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(journal.store_object, texts.values()))
    return journal.store_object(as_text(program))
