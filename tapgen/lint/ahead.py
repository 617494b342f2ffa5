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

_END_WITH_PARENT = 1
"""PR_SET_PDEATHSIG: the signal that a process gets when its parent ends (prctl(2),
https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html)."""


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Do some work in a process of its own within this context; give what waits for it.

    At the end of the context it is killed, unless it has ended, and it ends with this
    process, however that ends. Where processes cannot be forked safely (see
    `processes.run_all`), nothing is done, and nothing waits. The work forks nothing itself.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        yield lambda: None
        return
    parent, child = os.getpid(), os.fork()
    if not child:
        _work(work, parent)
    running = [child]

    def wait() -> None:
        while running:
            os.waitpid(running[0], 0)
            running.clear()

    try:
        yield wait
    finally:
        # It is waited for already where an interrupt came just after that.
        with suppress(ProcessLookupError, ChildProcessError):
            if running:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _work(work: Callable[[], object], parent: int) -> None:
    """Do the work in silence, and end: the parent says what there is to say."""
    code = 1
    try:
        os.setpgid(0, 0)  # Ctrl-C is for the parent
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        import ctypes  # only here: it takes longer than the fork

        ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
        if os.getppid() == parent:
            gc.freeze()
            work()
            code = 0
    finally:
        os._exit(code)
