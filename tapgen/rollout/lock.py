"""One run of a system at a time: `runs/<system>-<suffix>/open.json` names the open run.

It is created where none exists, and changed only in place of the one that was read (S3
user guide, "Conditional writes"). A run that has ended leaves it behind, marked as ended.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tapgen.errors import Conflict, RolloutError
from tapgen.rollout.journal import Store, home, now_text


@dataclass(frozen=True)
class Lock:
    """Who has the lock, for which run; `open` is false once that has ended.

    `process` and `boot` are the process that runs it and the start of its machine.
    """

    run: str
    who: str
    host: str
    since: str
    command: str = "rollout"
    open: bool = True
    process: int = 0
    boot: str = ""

    @property
    def is_dead(self) -> bool:
        """Whether it is certain that no process runs it: it did on this machine."""
        if self.process == os.getpid() and self.boot == boot():
            return True
        if not self.process or self.host != platform.node() or not self.boot:
            return False
        if self.boot != boot():
            return True
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


@dataclass(frozen=True)
class Held:
    """The lock as it was read or written, with its ETag."""

    lock: Lock
    etag: str


class Taken(RolloutError):
    """Another run of the system is open; `lock` names it."""

    def __init__(self, lock: Lock, message: str) -> None:
        self.lock = lock
        super().__init__(message)


def boot() -> str:
    """Return what differs after each start of this machine; empty where unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def new(run: str, who: str, command: str) -> Lock:
    """Return the lock of a run of this process."""
    return Lock(
        run, who, platform.node(), now_text(), command, True, os.getpid(), boot()
    )


def _key(prefix: str) -> str:
    return f"{home(prefix)}/open.json"


def read(store: Store, prefix: str) -> Held | None:
    """Return the lock of a system; None where it never had one."""
    found = store.read(_key(prefix))
    if found is None:
        return None
    known: Mapping[str, object] = json.loads(found.body)
    fields = {k: v for k, v in known.items() if k in Lock.__dataclass_fields__}
    return Held(Lock(**fields), found.etag)  # type: ignore[arg-type]


def take(store: Store, prefix: str, wanted: Lock, before: Held | None) -> Held:
    """Write the lock in place of what was read, None where there was nothing.

    Raises Taken when somebody else was quicker.
    """
    body = json.dumps(asdict(wanted)).encode()
    try:
        etag = store.write(_key(prefix), body, etag=before.etag if before else None)
    except Conflict:
        now = read(store, prefix)
        if now and now.lock == wanted:  # the answer of our own write was lost
            return now
        other = now.lock if now else wanted
        raise Taken(other, refusal(prefix, other)) from None
    return Held(wanted, etag)


def refusal(
    prefix: str,
    found: Lock,
    progress: str = "",
    line: str = "",
    command: str = "rollout",
    back: bool = False,
) -> str:
    """Return why `command` cannot start another run, and the ways on.

    `progress` says how far the open run is, and `back` that it is being restored; `line`
    is the system as commands name it.
    """
    system = line.removeprefix("tapgen").strip() or "SYSTEM"
    far = f" ({progress})" if progress else ""
    undo = "" if back else f"  undo it: tapgen resume {system} --back\n"
    return (
        f"{prefix}: run {found.run} of tapgen {found.command} is open since "
        f"{found.since}{far}, started by {found.who} on {found.host}\n"
        f"  continue it: tapgen resume {system}\n"
        f"{undo}  replace it by a new plan: tapgen {command} {system} "
        f"--supersede {found.run}"
    )
