"""Run a plan with live progress, Ctrl-C and an exit code: what rollout and destroy share."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tapgen.cli import DONE, FAILED, INTERRUPTED, PARTIAL
from tapgen.cli.common import (
    say,
)
from tapgen.cli.reach import LOCAL_POLL, REAL_POLL, Reached


def wait_for_running(reached: Reached) -> None:
    """Wait out operations that an earlier run left behind, and say so."""
    from tapgen.system import ownership

    shortest = (LOCAL_POLL if reached.local else REAL_POLL)[1]
    told: set[str] = set()
    while True:
        observed = ownership.observe(reached.system, reached.sets)
        running = {o.name: o.running for o in observed.values() if o.running}
        if not running:
            return
        for name, operation in running.items():
            if operation not in told:
                say(f"waiting for operation {operation} of {name} to end …")
                told.add(str(operation))
        time.sleep(shortest)


def run_plan(reached: Reached, made: Any) -> Any:
    """Run a plan; its outcome, or an exit code when it was left while running."""
    from tapgen import rollout
    from tapgen.cli.progress import progress

    try:
        with progress(made) as screen, _interruptible(screen) as stopping:
            return rollout.run(
                made,
                reached.sets,
                screen,
                stopping=stopping,
                poll_seconds=LOCAL_POLL if reached.local else REAL_POLL,
            )
    except rollout.Lost as lost:
        say(f"error: {lost}")
        if lost.interrupted:
            return INTERRUPTED
        return PARTIAL if lost.begun else FAILED


@contextmanager
def _interruptible(screen: Callable[[Any], None]) -> Iterator[Callable[[], bool]]:
    """Make the first Ctrl-C a request to stop, and the second leave at once."""
    from tapgen.rollout import Event

    interrupted = False

    def on_signal(number: int, frame: Any) -> None:
        nonlocal interrupted
        if interrupted:
            # Where it comes upon a callback of the interpreter's own, it is lost there,
            # with a traceback; stopping goes on all the same.
            sys.unraisablehook = lambda lost: None
            raise KeyboardInterrupt
        interrupted = True
        text = (
            "stopping: nothing new is started, what runs is waited for; then look with "
            "tapgen status and go on with tapgen rollout; Ctrl-C again leaves at once"
        )
        screen(Event("stopping", text))

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield lambda: interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def exit_code(ended: Any) -> int:
    if ended.interrupted:
        return INTERRUPTED
    if ended.green:
        return DONE
    return PARTIAL if ended.partial else FAILED
