"""What the function does when it is called: a turn of a run, an approval, or a look around.

Events:

    {"do": "advance", "system": PREFIX, "run": RUN}
        → {"state": "waiting", "seconds": n, "outcome": null}: call again after n seconds
        → {"state": "ended", "seconds": 0, "outcome": "done"}: or restored, abandoned, …
        → {"state": "handed-over", …}: somebody else has the run
    {"do": "approve", "system": PREFIX, "run": RUN, "gate": ID, "by": WHO}
        → {"approved": true}
    {"do": "look"} → what was found: open runs that nobody advances are started again

It is retried after every error, and may run twice at the same time: the journal fences.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import cache, partial
from typing import Any
from urllib.parse import urlencode

from tapgen.aws import session
from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.aws.session import Aws, ask
from tapgen.engine import executions
from tapgen.errors import AwsError, RolloutError, TapgenError
from tapgen.frozen import dataclass
from tapgen.model import Target
from tapgen.rollout import gating, lock, opening, turns
from tapgen.rollout.journal import now_text
from tapgen.rollout.model import Event, Failure
from tapgen.rollout.opening import Opened
from tapgen.rollout.remote import remote_of

APPROVAL_SECONDS = 60.0
"""How long the turn takes at most that begins with an approval: somebody waits for it."""

MOST_FAILURES = 20
"""How many failures a notification has: a message of SNS has 256 KB at most ("Publish",
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html)."""


@dataclass(frozen=True)
class Function:
    """The function as it was called: its access to AWS, where it runs, what it serves, and
    how many seconds it still has. `stay` and `ways` are those of `turns.advance`."""

    aws: Aws
    admin: Target
    state_machine: str
    topic: str
    approve_url: str
    systems: tuple[str, ...]
    left: Callable[[], float]
    stay: float | None = None
    say: Callable[[str], None] = print
    ways: Mapping[str, Any] = field(default_factory=dict)

    def do(self, event: Mapping[str, Any]) -> Any:
        """Do what an event asks for; raises what advancing a run raises."""
        what = event.get("do")
        if what == "advance":
            return self.advance(event["system"], event["run"])
        if what == "approve":
            return self.approve(
                *(event["system"], event["run"], event["gate"]),
                by=event.get("by") or "somebody in the console",
                comment=event.get("comment", ""),
            )
        if what == "look":
            return self.look()
        raise RolloutError(f"do: {what!r} is unknown; give advance, approve or look")

    # -- a turn --------------------------------------------------------------------------

    def advance(self, system: str, run: str) -> dict[str, Any]:
        """Advance a run for a turn."""
        found = self._held(system, run)
        if found is None:
            return _answer("handed-over")
        if known := turns.over(found):
            self._tell_end(found, known)
            return _answer("ended", outcome=known)
        remote = remote_of(found.events)
        if remote is None:
            raise RolloutError(
                f"run {run}: its lock names the engine in AWS, and its journal does not; go "
                "on with it at a terminal: tapgen resume --engine local"
            )
        ended = turns.advance(
            *(remote.sets(self.aws, self.admin), remote, found, self._report),
            left=self.left,
            stay=self.stay,
            **self.ways,
        )
        if ended.seconds is not None:
            self._tell_waiting(found, ended.waiting)
            return _answer("waiting", seconds=ended.seconds)
        if ended.over is None:
            return _answer("handed-over")
        self._tell_end(found, ended.over)
        return _answer("ended", outcome=ended.over)

    def _held(self, system: str, run: str) -> Opened | None:
        return turns.held(self._store, system, run, self.state_machine)

    @property
    def _store(self) -> ArtifactBucket:
        return ArtifactBucket(self.aws, self.admin)

    def _report(self, event: Event) -> None:
        """Write an event to the log."""
        where = " ".join(str(x) for x in (event.stack_set, event.target) if x)
        self.say(" ".join(x for x in (event.kind, where, event.message) if x))

    # -- notifications -------------------------------------------------------------------

    def _tell(self, found: Opened, what: str, subject: str, lines: list[str]) -> None:
        """Notify the subscribers of something once; twice, where this process ends between
        the notification and its note."""
        note = f"{found.journal.folder}/notified-{what}.json"
        if not self._store.has(note) and self._publish(subject, "\n".join(lines)):
            self._store.put(note, json.dumps({"at": now_text()}).encode())

    def _publish(self, subject: str, text: str) -> bool:
        """Notify the subscribers; return whether that was done. A notification that cannot
        be sent stops no run: what it says is in the journal."""
        if not self.topic:
            return False
        try:
            ask(
                self.aws.client("sns", Target(self.admin.account, _region(self.topic))),
                "publish",
                TopicArn=self.topic,
                Subject=subject[:100],
                Message=text,
            )
        except AwsError as error:
            self.say(f"notification not sent: {error}")
            return False
        return True

    def _tell_waiting(self, found: Opened, gates: tuple[str, ...]) -> None:
        """Notify once for each gate that waits for an approval."""
        state, system = found.state, found.journal.prefix
        for id in gates:
            gate = gating.gate_of(state.program.steps[id])
            query = {"System": system, "Run": state.run, "Gate": id}
            lines = [
                f"Run {state.run} of {system} waits at a gate: {gate} "
                f"({found.progress}).",
                f"Approve it at a terminal: tapgen approve {_line(found)}",
            ]
            if self.approve_url:
                join = "&" if "?" in self.approve_url else "?"
                lines.append(
                    f"Approve it in the console: {self.approve_url}{join}{urlencode(query)}"
                )
            subject = f"tapgen: {system} waits for an approval"
            self._tell(found, f"waiting-{id}", subject, lines)

    def _tell_end(self, found: Opened, word: str) -> None:
        """Notify once how a run ended, or that it is paused."""
        state, system = found.state, found.journal.prefix
        lines = [f"Run {state.run} of {system}: {word}."]
        lines += failure_lines(state.failures)
        if word == "paused":
            lines.append(f"Go on with it: tapgen resume {_line(found)}")
        lines.append(f"What it did: tapgen history {_line(found)} {state.run}")
        what = f"{word}-{state.number:06}"
        self._tell(found, what, f"tapgen: {system}: {word}", lines)

    # -- approvals -----------------------------------------------------------------------

    def approve(
        self, system: str, run: str, gate: str, *, by: str, comment: str = ""
    ) -> dict[str, Any]:
        """Approve a gate that a run waits at, and go on with the run for a moment.

        Raises RolloutError where the gate does not wait, or was answered already.
        """
        found = self._held(system, run)
        waiting = dict(gating.waiting(found.state)) if found else {}
        if found is None or gate not in waiting:
            raise RolloutError(
                f"run {run} of {system} does not wait for an approval of gate {gate}"
            )
        gating.answer(found.journal, gate, approved=True, by=by, comment=comment)
        until = time.monotonic() + APPROVAL_SECONDS + turns.MARGIN_SECONDS
        soon = replace(self, left=lambda: min(self.left(), until - time.monotonic()))
        try:
            soon.advance(system, run)
        except TapgenError as error:  # the next turn of the execution tries again
            self.say(str(error))
        return {"approved": True}

    # -- open runs that nobody advances ----------------------------------------------------

    def look(self) -> list[dict[str, Any]]:
        """Start the execution again of each open run that this engine holds and that nobody
        advances; return these, with what was done.

        A system that cannot be looked at keeps from looking at no other one; what it raises
        is raised in the end.
        """
        found: list[dict[str, Any]] = []
        failed: list[Exception] = []
        for system in self.systems:
            try:
                found += filter(None, [self._look_at(system)])
            except Exception as error:
                self.say(f"{system} cannot be looked at: {error}")
                failed.append(error)
        if failed:
            raise failed[0]
        return found

    def _look_at(self, system: str) -> dict[str, Any] | None:
        store = self._store
        known = lock.read(store, system)
        if not known or not known.lock.open or known.lock.engine != self.state_machine:
            return None
        found = opening.read_run(store, system, known)
        if turns.over(found) or opening.is_advanced(found):
            return None
        run, generation = found.lock.run, found.state.number + 1
        name = executions.start(self.aws, self.state_machine, system, run, generation)
        self._publish(
            f"tapgen: {system} was started again",
            f"Nobody advanced run {run} of {system} ({found.progress}); execution {name} "
            f"goes on with it. Watch it: tapgen watch {_line(found)}",
        )
        return {"system": system, "run": run, "execution": name}


def _answer(
    state: str, *, seconds: int = 0, outcome: str | None = None
) -> dict[str, Any]:
    return {"state": state, "seconds": seconds, "outcome": outcome}


def failure_lines(failures: Sequence[Failure]) -> list[str]:
    """Return failures as a notification has them."""
    more = len(failures) - MOST_FAILURES
    left_out = [f"… and {more} more"] if more > 0 else []
    return [*map(str, failures[:MOST_FAILURES]), *left_out]


def _line(found: Opened) -> str:
    """The system of a run as commands name it."""
    opening_ = found.state.opening
    name = opening_.get("name", "SYSTEM")
    environment = opening_.get("environment")
    return f"{name} -e {environment}" if environment else str(name)


def _region(arn: str) -> str:
    return arn.split(":")[3]


@cache
def _aws(region: str, keys: str) -> Aws:
    """The access to AWS by the function's role, once for the keys that Lambda gives to it:
    making clients takes most of a short turn."""
    return session.connect(region=region)


def handle(event: Mapping[str, Any], context: Any) -> Any:
    """Do what Lambda calls the function for; what it raises, Step Functions tries again."""
    environment = os.environ
    region = environment["AWS_REGION"]
    aws = _aws(region, environment.get("AWS_SESSION_TOKEN", ""))
    systems = environment.get("TAPGEN_SYSTEMS", "")
    return Function(
        aws,
        Target(aws.account, region),
        environment["TAPGEN_STATE_MACHINE"],
        environment.get("TAPGEN_TOPIC", ""),
        environment.get("TAPGEN_APPROVE_URL", ""),
        tuple(filter(None, systems.split(","))),
        lambda: context.get_remaining_time_in_millis() / 1000,
        say=partial(print, flush=True),
    ).do(event)
