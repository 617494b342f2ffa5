"""Run a plan for rollout and destroy: live progress, signals, exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tapgen.cli import DONE, FAILED, INTERRUPTED, PARTIAL, process
from tapgen.cli.common import (
    say,
)
from tapgen.cli.reach import Reached


def wait_for_running(reached: Reached) -> None:
    """Wait for operations that an earlier run has started, and report each once."""
    from tapgen.system import ownership

    reported: set[str] = set()
    while True:
        observed = ownership.observe(reached.system, reached.sets)
        running = {o.name: o.busy_with for o in observed.values() if o.running}
        if not running:
            return
        for name, operation in running.items():
            if operation not in reported:
                say(f"waiting for {name}: {operation} …")
                reported.add(operation)
        time.sleep(reached.poll_seconds[1])


def run_plan(reached: Reached, plan: Any) -> Any:
    """Run a plan; return its outcome, or an exit code when it was lost while running."""
    from tapgen import rollout
    from tapgen.cli.progress import progress

    try:
        with progress(plan) as screen, _interruptible(screen) as stopping:
            return rollout.run(
                plan,
                reached.sets,
                screen,
                stopping=stopping,
                poll_seconds=reached.poll_seconds,
            )
    except rollout.Lost as lost:
        say(f"error: {lost}")
        if lost.interrupted:
            return INTERRUPTED
        return PARTIAL if lost.begun else FAILED


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
            "status and continue with tapgen rollout; press Ctrl-C again to stop at once"
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
