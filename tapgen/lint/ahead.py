"""Check templates in a process beside this one, while this one reads what is deployed.

A rollout lints what changes before it changes anything. Half of its time until then was
cfn-lint's, and the other half was spent waiting for AWS. What this process finds goes into
the cache of results, and only there: whoever lints afterwards finds it, or checks again.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Do some work in a process of its own within this context; give what waits for it.

    At the end of the context it is killed, unless it has ended. Where processes cannot be
    forked safely (see `processes.run_all`), nothing is done, and nothing waits.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        yield lambda: None
        return
    child = os.fork()
    if not child:
        _work(work)
    with suppress(OSError):  # whoever is first
        os.setpgid(child, child)
    running = [child]

    def wait() -> None:
        while running:
            os.waitpid(running[0], 0)
            running.clear()

    try:
        yield wait
    finally:
        if running:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _work(work: Callable[[], object]) -> None:
    """Do the work in silence, and end: the parent says what there is to say."""
    code = 1
    try:
        os.setpgid(0, 0)  # Ctrl-C is for the parent, and the kill for all below
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        gc.freeze()
        work()
        code = 0
    finally:
        os._exit(code)
