"""Run a plan for rollout and destroy: live progress, signals, exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tapgen.cli import DONE, FAILED, INTERRUPTED, PARTIAL, process
from tapgen.cli.answers import Terminal, answer_gates
from tapgen.cli.common import interactive, say
from tapgen.cli.reach import Reached, command_line
from tapgen.errors import RolloutError, TapgenError

LOCAL_PATIENCE = 30.0
"""For how many seconds at most a rollout waits for an embedded AWS that is away."""


def to_act(reached: Reached) -> Any:
    """Return the first place of the journal that answers, for a command that writes there;
    a journal that the administration region has lost is brought back first."""
    from tapgen.rollout import places, reconcile

    sets, prefix = reached.sets, reached.system.prefix
    near = places.nearest(sets, prefix)
    if near.lost:
        say(reconcile.recover(sets, prefix))
        near = places.nearest(sets, prefix)
    return near


def nearest(reached: Reached) -> Any:
    """Return the first place of the journal that answers; say which one, if it is not
    that of the administration region, and else who acted without that one."""
    from tapgen.rollout import places

    near = places.nearest(reached.sets, reached.system.prefix)
    if not near.is_home:
        say(near.words)
        return near
    for region, one in places.elsewhere(reached.sets, near.prefix).items():
        say(
            f"run {one.run} of {one.who} on {one.host} acted in {region}, without "
            f"{', '.join(one.without)}; fetch its journal: {command_line('resume', reached)}"
        )
    return near


def wait_for_running(reached: Reached) -> None:
    """Wait for operations that an earlier run has started, and report each once."""
    from tapgen.system import ownership

    reported: set[str] = set()
    while True:
        running = ownership.running(reached.system, reached.sets)
        if not running:
            return
        for name, operation in running.items():
            if operation not in reported:
                say(f"waiting for {name}: {operation} …")
                reported.add(operation)
        time.sleep(reached.poll_seconds[1])


def require_room(reached: Reached, command: str, supersede: str | None) -> None:
    """Raise RolloutError when a run of the system is open that is not to be replaced,
    when the one to be replaced is not open, or when a region of the journal is away."""
    from tapgen.rollout import lock, opening, places

    prefix = reached.system.prefix
    near = to_act(reached)
    if not near.is_home:
        raise RolloutError(away_text(reached, near, command))
    places.require_answers(reached.sets, reached.without)
    found = opening.opened(near.store, prefix)
    if found and found.lock.run != supersede:
        line = command_line("", reached)
        text = lock.refusal(
            prefix, found.lock, found.progress, line, command, found.state.back
        )
        raise lock.Taken(found.lock, text)
    if supersede and not found:
        raise RolloutError(
            f"{prefix}: run {supersede} is not open; leave --supersede out"
        )


def away_text(reached: Reached, near: Any, command: str) -> str:
    """Return why a command can do nothing while the administration region is away, and
    what can be done."""
    found = near.opened()
    prefix, home = reached.system.prefix, near.home
    run = "no run is open, as far as is known there"
    if found:
        one = found.lock
        run = f"run {one.run} of tapgen {one.command} by {one.who} is open: {found.progress}"
    return (
        f"tapgen {command} can do nothing now: {home} does not answer, and the stack sets of "
        f"{prefix} are administered there ({near.away[home]})\n"
        f"  read in {near.region}: {run}\n"
        "  what CloudFormation has begun may go on; nothing more is started\n"
        f"  what was deployed: {command_line('history', reached)}\n"
        f"  once {home} answers: {command_line('resume' if found else command, reached)}"
    )


def what_is_open(reached: Reached) -> tuple[dict[str, str] | None, list[str]]:
    """Return the open run of the system as data, None where none is open, and lines with
    how to go on. Who may not read journals still gets an answer to everything else."""
    from tapgen.rollout import opening, places

    try:
        near = places.nearest(reached.sets, reached.system.prefix)
        found = near.opened()
        running = found is not None and opening.is_advanced(found)
    except TapgenError as error:
        return None, [f"whether a run is open cannot be read: {error}"]
    lost = [near.words] if near.lost else []
    if found is None:
        return None, lost
    held = found.lock
    facts = {
        "run": held.run,
        "command": held.command,
        "who": held.who,
        "host": held.host,
        "since": held.since,
        "progress": found.progress,
    }
    line = command_line("resume", reached)
    ways = f"continue it: {line}" + (
        "" if found.state.back else f"; undo: {line} --back"
    )
    if running:
        ways = f"it goes on; stop it: {command_line('stop', reached)}"
    return facts, lost + [
        f"run {held.run} of tapgen {held.command} is open since {held.since} "
        f"({found.progress}), started by {held.who} on {held.host}; {ways}"
    ]


def run_plan(
    reached: Reached,
    plan: Any,
    *,
    command: str = "rollout",
    supersede: str | None = None,
    allowed: Iterable[str] = (),
) -> Any:
    """Run a plan; return its outcome, or an exit code when it was lost while running."""
    from tapgen import rollout

    starter = rollout.Starter(
        user(),
        command,
        {"allowed": sorted(allowed)},
        supersede,
        reached.without,
        line=command_line("", reached),
    )
    places = [(step.stack_set, t) for step in plan.steps for t in step.targets]
    return _watched(
        reached,
        places,
        lambda screen, **ways: rollout.run(
            plan, reached.sets, screen, starter=starter, **ways
        ),
    )


def run_repairs(reached: Reached, repairs: Any, supersede: str | None) -> Any:
    """Run repairs; return the outcome, or an exit code when it was lost while running."""
    from tapgen import rollout
    from tapgen.rollout import repairing

    starter = rollout.Starter(
        user(),
        "repair",
        supersede=supersede,
        without=reached.without,
        line=command_line("", reached),
    )
    return _watched(
        reached,
        [(one.stack_set, one.target) for one in repairs],
        lambda screen, **ways: repairing.repair(
            repairs, reached.system, reached.sets, screen, starter=starter, **ways
        ),
    )


def resume_run(reached: Reached, back: bool) -> Any:
    """Go on with the open run; return its outcome, None when no run is open, or an exit
    code when it was lost while running."""
    from tapgen import rollout
    from tapgen.rollout import opening, places

    prefix = reached.system.prefix
    found = opening.opened(reached.sets.bucket, prefix)
    if found is None and not places.elsewhere(reached.sets, prefix):
        return None
    steps = found.state.there.steps.values() if found else ()
    shown = [(s.stack_set, t) for s in steps if s.stack_set for t in s.targets]
    sources = {
        a.key: a for s in reached.system.stack_sets for a in s.artifacts.values()
    }
    return _watched(
        reached,
        shown,
        lambda screen, **ways: rollout.resume(
            reached.sets,
            reached.system.prefix,
            screen,
            back=back,
            who=user(),
            artifacts=sources,
            without=reached.without,
            **ways,
        ),
    )


def abandon_run(reached: Reached) -> Any:
    """End the open run as it is; return the stack sets that it has changed and not
    restored, None when no run is open, or an exit code when AWS was lost."""
    from tapgen import rollout

    prefix = reached.system.prefix
    return _watched(
        reached,
        [],
        lambda screen, **ways: rollout.abandon(
            reached.sets, prefix, screen, who=user(), without=reached.without, **ways
        ),
    )


def _watched(
    reached: Reached, places: list[tuple[str, Any]], work: Callable[..., Any]
) -> Any:
    """Do something with a screen of its progress, which signals interrupt."""
    from tapgen import rollout
    from tapgen.cli.progress import progress

    patience = reached.system.rollout.patience
    if reached.local:
        patience = min(patience, LOCAL_PATIENCE)
    try:
        with progress(places) as screen, _interruptible(screen) as stopping:
            terminal = Terminal(screen, lambda yes: _answer(reached, yes))
            listens = interactive()
            return work(
                terminal.on_event if listens else screen,
                sleep=terminal.sleep if listens else time.sleep,
                stopping=stopping,
                poll_seconds=reached.poll_seconds,
                patience=patience,
            )
    except rollout.Lost as lost:
        say(f"error: {lost}")
        say(f"continue with: {command_line('resume', reached)}")
        if lost.interrupted:
            return INTERRUPTED
        return PARTIAL if lost.begun else FAILED


def _answer(reached: Reached, approved: bool) -> list[str]:
    """Answer the gate that the run waits at; somebody typed it at this terminal."""
    from tapgen.rollout import places

    near = places.nearest(reached.sets, reached.system.prefix)
    return answer_gates(near, approved=approved, by=user())


def user() -> str:
    """The user of this machine, for the journal."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return "an unnamed user"


def next_lines(reached: Reached, ended: Any, command: str) -> dict[str, str]:
    """Return the commands that check a result and go on from there."""
    if not ended.open:
        return {
            "look": command_line("status", reached),
            "resume": command_line(command, reached),
        }
    line = command_line("resume", reached)
    back = {} if ended.back else {"back": f"{line} --back"}
    return {"look": command_line("status", reached), "resume": line, **back}


@contextmanager
def _interruptible(screen: Callable[[Any], None]) -> Iterator[Callable[[], bool]]:
    """Make the first Ctrl-C a request to stop, and the second stop at once; SIGTERM and
    SIGHUP count like Ctrl-C."""
    from tapgen.rollout import Event

    interrupted = False

    def on_signal(number: int, frame: Any) -> None:
        nonlocal interrupted
        if interrupted:
            # Inside a callback of the interpreter the exception is lost, with a
            # traceback; the rollout stops all the same.
            sys.unraisablehook = lambda lost: None
            raise KeyboardInterrupt
        interrupted = True
        text = (
            "no new operation starts, running ones finish; then check with tapgen "
            "status and continue with tapgen resume; press Ctrl-C again to stop at once"
        )
        screen(Event("stopping", text))

    with process.handled(on_signal):
        yield lambda: interrupted


def exit_code(ended: Any) -> int:
    """Return the exit code of an outcome."""
    if ended.interrupted:
        return INTERRUPTED
    if ended.green:
        return DONE
    return PARTIAL if ended.partial else FAILED
