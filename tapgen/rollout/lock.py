"""One run of a system at a time: `runs/<system>-<suffix>/open.json` names the open run.

It is created where none exists, and changed only in place of the one that was read (S3
user guide, "Conditional writes"). A run that has ended leaves it behind, marked as ended.

A bucket with copies of the journal has two: `open.<region>.json` is a copy of the lock in
the administration region, and `open.json` is that of a run that acts there, without the
administration region.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tapgen.errors import Conflict, RolloutError
from tapgen.frozen import dataclass
from tapgen.rollout import kinds
from tapgen.rollout.journal import Store, home, now_text


@dataclass(frozen=True)
class Lock:
    """Who has the lock, for which run; `open` is false once that has ended.

    `process` and `boot` are the process that runs it and the start of its machine.
    `also` are other open runs, which come next: there are some where one acted without the
    administration region. `without` are the regions that such a run does without, `after`
    the number of the last event before its own, and `moved` says that its journal is in
    the administration region now. `brought` is the last run that came from elsewhere.
    `administered` is the region that administers the system, once it was moved.
    `engine` is the ARN of the state machine in AWS that advances the run, empty for a
    process, and `holder` the id by which that is asked to stop.
    """

    run: str
    who: str
    host: str
    since: str
    command: str = "rollout"
    open: bool = True
    process: int = 0
    boot: str = ""
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    after: int = 0
    moved: bool = False
    brought: str = ""
    administered: str = ""
    engine: str = ""
    holder: str = ""

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


def new(
    run: str, who: str, command: str, without: Iterable[str] = (), after: int = 0
) -> Lock:
    """Return the lock of a run of this process."""
    return Lock(
        run,
        who,
        platform.node(),
        now_text(),
        command,
        process=os.getpid(),
        boot=boot(),
        without=tuple(without),
        after=after,
    )


def in_aws(one: Lock, engine: str, holder: str) -> Lock:
    """Return a lock that the engine in AWS holds instead of this process."""
    return replace(one, engine=engine, holder=holder, process=0, boot="")


def key(prefix: str, of: str = "") -> str:
    """Return the key of a system's lock; `of` a region, that of the copy of its lock."""
    return f"{home(prefix)}/open.{of}.json" if of else f"{home(prefix)}/open.json"


def read(store: Store, prefix: str, of: str = "") -> Held | None:
    """Return the lock of a system, or the copy of the lock `of` a region; None where it
    never had one."""
    found = store.read(key(prefix, of))
    if found is None:
        return None
    known: Mapping[str, Any] = json.loads(found.body)
    fields: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v
        for k, v in known.items()
        if k in Lock.__dataclass_fields__
    }
    return Held(Lock(**fields), found.etag)


def dump(one: Lock) -> bytes:
    """Return a lock as it is stored."""
    return json.dumps(asdict(one)).encode()


def take(store: Store, prefix: str, wanted: Lock, before: Held | None) -> Held:
    """Write the lock in place of what was read, None where there was nothing.

    Raises Taken when somebody else was quicker.
    """
    if before and not wanted.administered:
        wanted = replace(wanted, administered=before.lock.administered)
    try:
        etag = store.write(
            key(prefix), dump(wanted), etag=before.etag if before else None
        )
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
    running: bool = False,
) -> str:
    """Return why `command` cannot start another run, and the ways on.

    `progress` says how far the open run is, `back` that it is being restored, and
    `running` that a process may still advance it; `line` is the system as commands name it.
    """
    system = line.removeprefix("tapgen").strip() or "SYSTEM"
    far = f" ({progress})" if progress else ""
    stop = f"  it goes on; stop it first: tapgen stop {system}\n" if running else ""
    kind = kinds.of(found.command)
    if kind.only_on:
        return (
            f"{prefix}: run {found.run} of tapgen {found.command} is open since "
            f"{found.since}{far}, started by {found.who} on {found.host}; stacks may belong "
            f"to no stack set, so it can only go on\n{stop}  continue it: tapgen resume {system}"
        )
    ways = [f"continue it: tapgen resume {system}"]
    if kind.goes_back and not back:
        ways.append(f"undo it: tapgen resume {system} --back")
    if kind.has_plan and kinds.of(command).has_plan:
        again = f"tapgen {command} {system} --supersede {found.run}"
        ways.append(f"replace it by a new plan: {again}")
    if not kind.goes_back:
        ways.append(f"close it as it is: tapgen stop {system} --abandon")
    return (
        f"{prefix}: run {found.run} of tapgen {found.command} is open since "
        f"{found.since}{far}, started by {found.who} on {found.host}\n{stop}"
        + "\n".join(f"  {way}" for way in ways)
    )
