"""Run a plan for rollout and destroy: live progress, signals, exit code."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tapgen.cli import DONE, FAILED, INTERRUPTED, PARTIAL, process
from tapgen.cli.answers import Terminal, answer_gates
from tapgen.cli.common import LOCAL_FOLDER, embedded, interactive, say
from tapgen.cli.reach import Reached, command_line

if TYPE_CHECKING:  # slow to import
    from tapgen.rollout.opening import Opened

LOCAL_PATIENCE = 30.0
"""For how many seconds at most a rollout waits for an embedded AWS that is away."""


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


def run_plan(
    reached: Reached,
    plan: Any,
    *,
    command: str = "rollout",
    supersede: str | None = None,
    allowed: Iterable[str] = (),
    forecast: Any = None,
) -> Any:
    """Run a plan; return its outcome, or an exit code when it was lost while running. The
    journal has how long the `forecast` says that it takes, for whoever watches."""
    from tapgen import rollout

    starter = starter_of(reached, command, supersede, allowed, forecast)
    places = [(step.stack_set, t) for step in plan.steps for t in step.targets]
    return _watched(
        reached,
        places,
        lambda screen, **ways: rollout.run(
            plan, reached.sets, screen, starter=starter, **ways
        ),
        command,
    )


def starter_of(
    reached: Reached,
    command: str,
    supersede: str | None,
    allowed: Iterable[str],
    forecast: Any,
) -> Any:
    """Return who starts a run of a plan, with what is allowed and expected of it."""
    from tapgen import rollout

    return rollout.Starter(
        user(),
        command,
        {"allowed": sorted(allowed), "expected": _expected(forecast)},
        supersede,
        reached.without,
        line=command_line("", reached),
    )


def _expected(forecast: Any) -> dict[str, dict[str, list[float]]]:
    """Stack set → what is done to it → the shortest and the longest time, in seconds."""
    found: dict[str, dict[str, list[float]]] = {}
    for one in forecast.steps if forecast else ():
        kind = str(one.step.action).lower()
        of = found.setdefault(one.step.stack_set, {})
        low, high = of.get(kind, [0.0, 0.0])
        of[kind] = [max(low, one.span.low), max(high, one.span.high)]
    return found


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
        "repair",
    )


def run_move(reached: Reached, observed: Mapping[str, Any], to: str) -> Any:
    """Move the administration; return the outcome, or an exit code when it was lost while
    running."""
    from tapgen import rollout
    from tapgen.rollout import kinds, moving

    starter = rollout.Starter(
        user(), kinds.MOVE, without=reached.without, line=command_line("", reached)
    )
    return _watched(
        reached,
        [(name, t) for name, found in observed.items() for t in found.instances],
        lambda screen, **ways: moving.move(
            reached.system,
            observed,
            reached.sets,
            to,
            screen,
            starter=starter,
            **ways,
        ),
        kinds.MOVE,
    )


def run_acts(
    reached: Reached,
    steps: Any,
    command: str,
    *,
    on_failure: str = "hold",
    facts: Mapping[str, Any] = {},
    otherwise: Any = None,
) -> Any:
    """Run the steps of procedures, or a program; return the outcome, or an exit code when
    AWS was lost while running. `facts` go into the first event, `otherwise` is the act that
    tells of a run that ends otherwise than done."""
    from tapgen import rollout
    from tapgen.operate import running

    starter = rollout.Starter(
        user(),
        command,
        facts,
        without=reached.without,
        line=command_line("", reached),
    )
    return _watched(
        reached,
        [],
        lambda screen, **ways: running.run(
            steps,
            reached.system,
            reached.sets,
            screen,
            starter=starter,
            on_failure=on_failure,
            otherwise=otherwise,
            **ways,
        ),
        command,
    )


def run_reverts(reached: Reached, proposals: Any) -> Any:
    """Execute drift-aware change sets; return the outcome, or an exit code when AWS was
    lost while running."""
    from tapgen import rollout
    from tapgen.operate import reverting

    starter = rollout.Starter(user(), "drift", line=command_line("", reached))
    return _watched(
        reached,
        [],
        lambda screen, **ways: reverting.run(
            proposals, reached.system, reached.sets, screen, starter=starter, **ways
        ),
        "drift",
    )


def run_import(reached: Reached, stacks: Any, originals: Mapping[str, str]) -> Any:
    """Import stacks, by part and target, with the templates of parts; return the outcome, or an exit code when AWS was
    lost while running."""
    from tapgen import rollout
    from tapgen.rollout import importing, kinds

    starter = rollout.Starter(user(), kinds.IMPORT, line=command_line("", reached))
    prefix = reached.system.prefix
    places = [(f"{prefix}-{part}", t) for part, ids in stacks.items() for t in ids]
    return _watched(
        reached,
        places,
        lambda screen, **ways: importing.run(
            *(reached.system, stacks, originals, reached.sets, screen),
            starter=starter,
            **ways,
        ),
        kinds.IMPORT,
    )


def resume_run(
    reached: Reached, found: Opened | None, back: bool, from_engine: bool = False
) -> Any:
    """Go on with the open run, which was `found` in the nearest journal, or take it over
    `from_engine` in AWS; return its outcome, None when no run is open, or an exit code when
    it was lost while running.
    """
    from tapgen import rollout
    from tapgen.rollout import places, uploads

    prefix = reached.system.prefix
    command = found.lock.command if found else ""
    if found is None and not places.elsewhere(reached.sets, prefix):
        return None
    steps = found.state.there.steps.values() if found else ()
    shown = [(s.stack_set, t) for s in steps if s.stack_set for t in s.targets]
    return _watched(
        reached,
        shown,
        lambda screen, **ways: rollout.resume(
            reached.sets,
            reached.system.prefix,
            screen,
            back=back,
            who=user(),
            content=uploads.contents(uploads.of(reached.system)),
            without=reached.without,
            from_engine=from_engine,
            **ways,
        ),
        command,
    )


def abandon_run(reached: Reached) -> Any:
    """End the open run as it is; return what it has changed and not restored, None when no run is open, or an exit code when AWS was lost."""
    from tapgen import rollout

    prefix = reached.system.prefix
    return _watched(
        reached,
        [],
        lambda screen, **ways: rollout.abandon(
            reached.sets, prefix, screen, who=user(), without=reached.without, **ways
        ),
        "stop",
    )


def discard_change_sets(reached: Reached, run: str) -> None:
    """Delete the change sets that an ended run of `drift --revert` has not executed, and
    say which ones stay."""
    from tapgen.operate import reverting
    from tapgen.rollout import history, places

    prefix = reached.system.prefix
    near = places.nearest(reached.sets, prefix)
    state = history.find(near.store, prefix, run).state
    for line in reverting.discard(state, reached.sets):
        say(line)


def _watched(
    reached: Reached,
    places: list[tuple[str, Any]],
    work: Callable[..., Any],
    command: str,
) -> Any:
    """Advance a run of a command with a screen of its progress, which signals interrupt."""
    from tapgen import rollout
    from tapgen.cli.progress import progress
    from tapgen.rollout import kinds

    patience = reached.system.rollout.patience
    if reached.local:
        patience = min(patience, LOCAL_PATIENCE)
    try:
        with (
            _collecting_little(),
            progress(places) as screen,
            _interruptible(screen) as stopping,
        ):
            terminal = Terminal(screen, lambda yes: _answer(reached, yes))
            listens = interactive()
            ended = work(
                terminal.on_event if listens else screen,
                sleep=terminal.sleep if listens else time.sleep,
                stopping=stopping,
                poll_seconds=reached.poll_seconds,
                patience=patience,
            )
        if reached.local:
            _say_unshown({name for name, _ in places})
        return ended
    except rollout.Lost as lost:
        say(f"error: {lost}")
        line = _resume_line(reached)
        goes_back = kinds.of(command).goes_back
        undo = f"; undo with: {line} --back" if goes_back else ""
        say(f"continue with: {line}{undo}")
        if lost.interrupted:
            return INTERRUPTED
        return PARTIAL if lost.begun else FAILED


@contextmanager
def _collecting_little() -> Iterator[None]:
    """Leave what there is already, the plan and the code, out of garbage collections: each
    of all that a large plan holds takes a tenth of a second."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _say_unshown(stack_sets: Set[str]) -> None:
    """Say what a rehearsal of these stack sets did not show."""
    lifecycle = embedded()
    try:
        found = lifecycle.status(LOCAL_FOLDER)
    except lifecycle.EmulatorError:
        return  # it has stopped; the outcome is known
    for line in (unenforced(found), shapes(found, stack_sets)):
        if line:
            say(line)


def shapes(status: Mapping[str, Any], stack_sets: Set[str]) -> str:
    """Return which resources of the stacks of stack sets are shape only in the embedded AWS
    with this status, by type; empty where there are none."""
    from tapgen.report.counting import counted

    found = [
        one["type"]
        for one in status.get("shape_only", [])
        if any(one["stack"].startswith(f"StackSet-{name}-") for name in stack_sets)
    ]
    if not found:
        return ""
    types = ", ".join(sorted(set(found)))
    return (
        f"warning: shape only in the embedded AWS, with nothing behind: "
        f"{counted(len(found), 'resource')} of {types}; tapgen local status lists them"
    )


def unenforced(status: Mapping[str, Any]) -> str:
    """Return what the embedded AWS with this status did not show of permissions; empty
    where it enforces them."""
    from tapgen.report.counting import counted

    if "permissions" not in status:  # a process of before goes on after an update
        return (
            "permissions were not checked: an older tapgen has started the embedded AWS; "
            "tapgen local stop ends it, and the next command starts a new one"
        )
    refused = sum(one["calls"] for one in status["refused_calls"])
    if status["permissions"] == "off":
        return "permissions were not checked: tapgen local start --permissions on"
    if status["permissions"] == "warn" and refused:
        return (
            f"warning: AWS would have refused {counted(refused, 'call')}, which the roles "
            "of stack sets may not make; tapgen local status lists them"
        )
    return ""


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


def _resume_line(reached: Reached) -> str:
    """The line that resumes a run, without the regions that this one did without."""
    options = [f"--without-region {region}" for region in reached.without]
    return " ".join([command_line("resume", reached), *options])


def next_lines(reached: Reached, ended: Any, command: str) -> dict[str, str]:
    """Return the commands that check a result and go on from there."""
    if not ended.open:
        return {
            "look": command_line("status", reached),
            "resume": command_line(command, reached),
        }
    line = _resume_line(reached)
    turns = ended.goes_back and not ended.back
    back = {"back": f"{line} --back"} if turns else {}
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
    if ended.partial:
        return PARTIAL
    return DONE if ended.green else FAILED
