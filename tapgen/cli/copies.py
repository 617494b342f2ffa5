"""Embedded AWSs that end with a command: copies of what is deployed, to try things on."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tapgen.cli import process
from tapgen.cli.common import embedded, local_folder
from tapgen.cli.reach import Reached
from tapgen.errors import LocalError
from tapgen.frozen import dataclass
from tapgen.model import Target

_NEVER = 10**9
"""The number of a resource that no stack gets to: its fault only counts."""

Failing = tuple[str, Target, str]
"""A stack set, a target, and `delete` where it fails while its resources are deleted."""


@dataclass(frozen=True)
class Copy:
    """An embedded AWS in a folder of its own."""

    lifecycle: Any
    server: Any

    def reached(self, real: Reached) -> Reached:
        """Return the same system in this AWS, without gates."""
        from tapgen.aws import session
        from tapgen.aws.stacksets import StackSets

        system = replace(real.system, rollout=replace(real.system.rollout, gates=()))
        folder = self.server.folder
        aws = session.connect_local(
            self.server.url,
            real.aws.region,
            real.aws.account,
            instance=lambda: str(self.lifecycle.instance_of(folder)),
        )
        operator = aws.assuming(system.operator_role)
        sets = StackSets(operator, system.admin, copies=system.journal_copies)
        return Reached(real.loaded, system, aws, sets, True)

    def count(self, wanted: Collection[Failing]) -> None:
        """Begin to count the resources that these change, by faults that never fire."""
        faults = [_fault(one, _NEVER) for one in sorted(wanted)]
        self.lifecycle.add_faults(self.server.folder, faults)

    def counts(self) -> dict[Failing, int]:
        """Return how many resources each has changed since."""
        found = {}
        for one in self.lifecycle.faults(self.server.folder):
            match = one["match"]
            target = Target(match["account"], match["region"])
            key = match["stack_set"], target, match.get("action", "")
            found[key] = int(one["matched"])
        return found

    def fail(self, one: Failing, nth: int) -> None:
        """Let a stack fail at its nth resource."""
        self.lifecycle.add_faults(self.server.folder, _fault(one, nth))

    def has_failed(self) -> bool:
        """Whether a stack has got to the resource at which it was to fail."""
        return any(one["fired"] for one in self.lifecycle.faults(self.server.folder))


def _fault(one: Failing, nth: int) -> dict[str, Any]:
    name, target, kind = one
    match = {
        "stack_set": name,
        "account": target.account,
        "region": target.region,
        "type": "*",
        "nth": nth,
    }
    if kind:
        match["action"] = kind
    shown = {"effect": "fail", "match": match}
    return {**shown, "reason": "rehearsed failure"} if nth < _NEVER else shown


class Copies:
    """A folder for the embedded AWSs of one rehearsal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stopped = threading.Event()
        self._lifecycle = embedded()

    def stopping(self) -> bool:
        """Whether somebody has interrupted the rehearsal."""
        return self._stopped.is_set()

    def stop(self) -> None:
        self._stopped.set()

    @contextmanager
    def start(self, name: str, *, like: Copy | None = None) -> Iterator[Copy]:
        """Start an embedded AWS, with the state that another one had at its end."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        state = self._lifecycle.STATE
        if like is not None:
            shutil.copytree(like.server.folder / state, folder / state)
        command = [sys.executable, "-m", "tapgen", "local", "serve"]
        try:
            server = self._lifecycle.start(folder, command, persist=True)
        except self._lifecycle.EmulatorError as error:
            raise LocalError(str(error)) from error
        try:
            yield Copy(self._lifecycle, server)
        finally:
            self._lifecycle.stop(folder)

    def clear(self) -> None:
        """Stop whatever still runs, and remove the folder."""
        for one in [*self.folder.glob("*")]:
            with suppress(self._lifecycle.EmulatorError, OSError):
                self._lifecycle.stop(one)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def copies() -> Iterator[Copies]:
    """Yield a folder for embedded AWSs, and remove it with all of them at the end; also
    those of a rehearsal that was killed."""
    import fcntl

    home = local_folder()
    with open(home / "rehearsal.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LocalError(
                "another tapgen rehearse is running in this folder; wait for its end"
            ) from None
        found = Copies((home / "rehearsal").resolve())
        found.clear()

        def on_signal(number: int, frame: Any) -> None:
            found.stop()
            raise KeyboardInterrupt

        try:
            with process.handled(on_signal):
                yield found
        finally:
            found.clear()
