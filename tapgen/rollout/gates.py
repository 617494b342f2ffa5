"""Check the gates of a rollout; each check returns its evidence.

`check` looks once and never sleeps: `Evidence.verdict` says that the gate holds, that it
does not, or to look again in `again` seconds. What it needs of the world comes in as
`Readers`; `readers` returns the real ones. Imports the standard library, `aws/`, the
model and the errors only: whoever advances a rollout checks its gates with this code.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import field, replace
from datetime import UTC, datetime
from enum import StrEnum
from http.client import HTTPException
from typing import Any
from urllib import request
from urllib.error import HTTPError, URLError

from tapgen.aws import alarms, health_checks
from tapgen.aws.alarms import Alarm
from tapgen.aws.health_checks import Health
from tapgen.aws.session import Aws
from tapgen.errors import Denied
from tapgen.frozen import dataclass
from tapgen.model import (
    AlarmGate,
    ApprovalGate,
    CommandGate,
    Gate,
    HealthGate,
    ProbeGate,
    Target,
    VerifyGate,
    duration,
    gate_data,
    gate_from,
)
from tapgen.model.verified import Found, Verified, worst

POLL = 15.0
"""Seconds between two looks at alarms, at most."""

ATTEMPTS = 3
"""How many wrong answers in a row make a probe fail."""

PAUSE = 5.0
"""Seconds between two probes, and between two looks for an approval."""

LONGEST_ANSWER = 10.0
"""Seconds to wait for the answer to a probe, or `under` where that is longer."""

MOST_BYTES = 1_000_000
"""How much of a body is searched."""

MOST_OUTPUT = 2_000
"""How much of a command's output, its end, is evidence."""

_MOST_ALARMS = 50  # named in one piece of evidence
_GRACE = 5.0  # seconds between SIGTERM and SIGKILL
_LOOK = 0.2  # seconds between two looks whether the run is asked to stop
# Becomes the command, which leads its group. Beside it something waits for a line, which
# never comes when tapgen is killed: the input just ends, and then so does the group.
_GUARDED = f"""\
exec 3<&0 </dev/null
( {{ trap "" TERM; read -r line <&3 && exit
kill -TERM "-$$"; sleep {_GRACE:.0f}; kill -KILL "-$$"; }} >/dev/null 2>&1 & )
exec 3<&-
exec "$@"
"""
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
)


class Interrupted(Exception):
    """The run is asked to stop while a gate is checked, which has found nothing yet."""


class Verdict(StrEnum):
    """What a check of a gate found."""

    GREEN = "green"
    RED = "red"
    WAIT = "wait"


@dataclass(frozen=True)
class Evidence:
    """What a check found, in words and values; `since` is when the gate was reached, `at`
    when it was checked. `attempts` counts the wrong answers in a row."""

    gate: Gate
    verdict: Verdict
    words: str
    since: datetime
    at: datetime
    values: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0
    again: float = 0.0

    def data(self) -> dict[str, Any]:
        """Return the evidence as JSON data, with times in UTC."""
        return {
            "gate": gate_data(self.gate),
            "verdict": str(self.verdict),
            "words": self.words,
            "since": self.since.isoformat(),
            "at": self.at.isoformat(),
            "values": dict(self.values),
            "attempts": self.attempts,
            "again": self.again,
        }


def evidence_from(data: Mapping[str, Any]) -> Evidence:
    """Return the evidence that `Evidence.data` described."""
    return Evidence(
        gate_from(data["gate"]),
        Verdict(data["verdict"]),
        data["words"],
        datetime.fromisoformat(data["since"]),
        datetime.fromisoformat(data["at"]),
        data["values"],
        data["attempts"],
        data["again"],
    )


@dataclass(frozen=True)
class Answer:
    """The answer to a probe: a status and a body, or the error that came instead.
    `location` is where a redirect points."""

    seconds: float
    status: int | None = None
    body: bytes = b""
    location: str = ""
    error: str = ""


@dataclass(frozen=True)
class Ended:
    """How a command ended; `code` is None where it was stopped or never started."""

    seconds: float
    code: int | None = None
    output: str = ""
    error: str = ""


@dataclass(frozen=True)
class Approval:
    """Somebody's word on a gate: who, when, and why."""

    approved: bool
    by: str
    at: str
    comment: str = ""


@dataclass(frozen=True)
class Facts:
    """What a command is told about its run; nothing of it is secret."""

    system: str
    suffix: str
    run: str
    wave: int
    parts: Sequence[str]
    targets: Sequence[Target]
    environment: str | None = None

    def variables(self) -> dict[str, str]:
        """Return the facts as environment variables; lists are joined with commas."""
        return {
            "TAPGEN_SYSTEM": self.system,
            "TAPGEN_SUFFIX": self.suffix,
            "TAPGEN_ENVIRONMENT": self.environment or "",
            "TAPGEN_RUN": self.run,
            "TAPGEN_WAVE": str(self.wave),
            "TAPGEN_PARTS": ",".join(self.parts),
            "TAPGEN_REGIONS": ",".join(dict.fromkeys(t.region for t in self.targets)),
            "TAPGEN_ACCOUNTS": ",".join(dict.fromkeys(t.account for t in self.targets)),
        }


@dataclass(frozen=True)
class Readers:
    """What a check needs of the world.

    `alarms` takes names, none for all alarms of the system, and a time: it returns the
    alarms that exist, and when they went off after that time. `probe` takes a URL and
    seconds, `command` an argument list and seconds. `approval` returns what somebody
    said, None as long as nobody has. `health` takes a place and the ids of health checks.
    `verified` says what was found of all that was deployed since the last gate that
    verifies.
    """

    alarms: Callable[[Sequence[str], datetime], Sequence[Alarm]]
    probe: Callable[[str, float], Answer]
    command: Callable[[Sequence[str], float], Ended]
    approval: Callable[[], Approval | None]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    health: Callable[[Target, Sequence[str]], Sequence[Health]] = lambda at, ids: ()
    verified: Callable[[], Sequence[Found]] = lambda: ()


def readers(
    aws: Aws,
    stacks: Mapping[Target, Collection[str]],
    facts: Facts,
    approval: Callable[[], Approval | None],
    stopping: Callable[[], bool] = lambda: False,
    verified: Callable[[], Sequence[Found]] = lambda: (),
) -> Readers:
    """Return the readers of a run; `stacks` are the ids of the system's stacks. Probes
    and commands raise Interrupted as soon as the run is `stopping`."""

    def read(names: Sequence[str], since: datetime) -> list[Alarm]:
        return [
            alarm
            for target, ids in sorted(stacks.items())
            for alarm in alarms.read(
                aws, target, names or _in_stacks(aws, target, ids), since
            )
        ]

    def run(command: Sequence[str], timeout: float) -> Ended:
        return execute(command, timeout, environment(os.environ, facts), stopping)

    def request(url: str, timeout: float) -> Answer:
        return _interruptibly(lambda: probe(url, timeout), stopping)

    def health(at: Target, ids: Sequence[str]) -> list[Health]:
        return [health_checks.health(aws, at, id) for id in ids]

    return Readers(read, request, run, approval, health=health, verified=verified)


def _in_stacks(aws: Aws, target: Target, stack_ids: Iterable[str]) -> list[str]:
    return [
        name for id in stack_ids for name in alarms.of_stack(aws, target, id) if name
    ]


def already_off(found: Iterable[Alarm]) -> frozenset[str]:
    """Return the alarms that are in ALARM, as `str(alarm)`: read before the run, they are
    what `check` takes as `before`."""
    return frozenset(str(alarm) for alarm in found if alarm.state == "ALARM")


def check(
    gate: Gate,
    readers: Readers,
    *,
    since: datetime,
    before: Collection[str] = (),
    previous: Evidence | None = None,
) -> Evidence:
    """Look once whether a gate holds; return the evidence.

    `since` is when the gate was reached, `before` the alarms that were in ALARM before
    the run, and `previous` the evidence of the last look at this gate. Blocks while a
    probe is answered or a command runs, and raises Interrupted when the run is asked to
    stop meanwhile. Raises AwsError where AWS does not answer; where it refuses to show the
    alarms, the gate does not hold.
    """
    if isinstance(gate, AlarmGate):
        return _alarms(gate, readers, since, before)
    if isinstance(gate, HealthGate):
        return _health(gate, readers, since, before, previous)
    if isinstance(gate, ProbeGate):
        return _probe(gate, readers, since, previous)
    if isinstance(gate, CommandGate):
        return _command(gate, readers, since)
    if isinstance(gate, VerifyGate):
        return _verify(gate, readers, since, before)
    return _approval(gate, readers, since)


# -- alarms --------------------------------------------------------------------------


def _alarms(
    gate: AlarmGate, readers: Readers, since: datetime, before: Collection[str]
) -> Evidence:
    try:
        found = readers.alarms(gate.names, since)
    except Denied as error:
        return Evidence(gate, Verdict.RED, str(error), since, readers.now())
    now = readers.now()
    remaining = gate.bake - (now - since).total_seconds()
    ignored = [] if gate.names else [a for a in found if str(a) in before]
    off = [a for a in found if (a.state == "ALARM" or a.went_off) and a not in ignored]
    missing = sorted({*gate.names} - {a.name for a in found})
    values = {
        "checked": len(found),
        "bake": gate.bake,
        "in_alarm": [_alarm_data(a) for a in off[:_MOST_ALARMS]],
        "ignored": [_alarm_data(a) for a in ignored[:_MOST_ALARMS]],
        "missing": missing,
    }
    quiet = f"{len(found) - len(ignored)} alarms quiet"
    if ignored:
        quiet += f", {len(ignored)} left out that went off before the run"
    if off:
        words, verdict = f"{_names(off)} went off", Verdict.RED
    elif remaining > 0:
        words, verdict = (
            f"{quiet}, {duration(round(remaining) or 1)} left",
            Verdict.WAIT,
        )
    elif missing:
        words, verdict = f"no alarm is named {', '.join(missing)}", Verdict.RED
    else:
        baked = f" for {duration(gate.bake)}" if gate.bake else ""
        words, verdict = f"{quiet}{baked}", Verdict.GREEN
    again = min(POLL, remaining) if verdict is Verdict.WAIT else 0.0
    return Evidence(gate, verdict, words, since, now, values, again=again)


def _names(found: Sequence[Alarm]) -> str:
    more = len(found) - 3
    return ", ".join(map(str, found[:3])) + (f" and {more} more" if more > 0 else "")


def _alarm_data(alarm: Alarm) -> dict[str, Any]:
    return {
        "name": alarm.name,
        "account": alarm.target.account,
        "region": alarm.target.region,
        "state": alarm.state,
        "changed": alarm.changed.isoformat(),
        "went_off": alarm.went_off and alarm.went_off.isoformat(),
        "reason": alarm.reason[:MOST_OUTPUT],
    }


# -- health checks -------------------------------------------------------------------


def _health(
    gate: HealthGate,
    readers: Readers,
    since: datetime,
    before: Collection[str],
    previous: Evidence | None,
) -> Evidence:
    """What the alarms say, and the health checks: one that is not well fails the gate in
    the third look in a row, one that nobody reports on at the end."""
    found = _alarms(AlarmGate(bake=gate.bake), readers, since, before)
    if found.verdict is Verdict.RED:
        return replace(found, gate=gate)
    try:
        where = Target(gate.account, gate.region)
        checks = readers.health(where, gate.checks)
    except Denied as error:
        return Evidence(gate, Verdict.RED, str(error), since, readers.now())
    values = {**found.values, "checks": [{**vars(one)} for one in checks]}
    bad = [one.words for one in checks if one.well is False]
    unknown = [one.words for one in checks if one.well is None]
    attempts = (previous.attempts if previous else 0) + 1 if bad else 0
    verdict: Verdict = found.verdict
    words, again = found.words, found.again
    if bad:
        words = "; ".join(bad)
        verdict = Verdict.WAIT if attempts < ATTEMPTS else Verdict.RED
        again = PAUSE if verdict is Verdict.WAIT else 0.0
    elif unknown and verdict is Verdict.GREEN:
        verdict, words = Verdict.RED, "; ".join(unknown)
    elif checks:
        words = f"{words}; {'; '.join(one.words for one in checks)}"
    return Evidence(gate, verdict, words, since, found.at, values, attempts, again)


# -- what is deployed ----------------------------------------------------------------


def _verify(
    gate: VerifyGate, readers: Readers, since: datetime, before: Collection[str]
) -> Evidence:
    """What is not as it should be, or unknown, is looked at again until the time is up: a
    metric may be new. An alarm that was in ALARM before the run says nothing of the run.
    """
    found = readers.verified()
    now = readers.now()
    remaining = gate.timeout - (now - since).total_seconds()
    off = [
        f for f in found if f.kind == "alarm" and f"{f.name} in {f.target}" in before
    ]
    judged = [one for one in found if one not in off]
    bad = [f for f in judged if f.verdict in (Verified.UNKNOWN, Verified.FAILS)]
    counts = {str(v): sum(f.verdict is v for f in judged) for v in Verified}
    values = {
        "found": counts,
        "bad": [_found_data(one) for one in bad[:_MOST_ALARMS]],
        "ignored": [_found_data(one) for one in off[:_MOST_ALARMS]],
    }
    words = (
        f"{len(judged)} instances, outputs, alarms and health checks as they should be"
    )
    verdict = Verdict.GREEN
    if off:
        words += f", {len(off)} left out that went off before the run"
    if bad:
        bad.sort(key=lambda one: one.verdict is not worst(bad))
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        words = "; ".join(map(_found_words, bad[:3])) + more
        verdict = Verdict.WAIT if remaining > 0 else Verdict.RED
    again = min(POLL, remaining) if verdict is Verdict.WAIT else 0.0
    return Evidence(gate, verdict, words, since, now, values, again=again)


def _found_words(one: Found) -> str:
    what = one.kind if one.kind == "instance" else f"{one.kind} {one.name}"
    return f"{one.part} in {one.target}: {what} {one.words}"


def _found_data(one: Found) -> dict[str, Any]:
    return {
        "part": one.part,
        "account": one.target.account,
        "region": one.target.region,
        "kind": one.kind,
        "name": one.name,
        "verdict": str(one.verdict),
        "words": one.words[:MOST_OUTPUT],
    }


# -- probes --------------------------------------------------------------------------


def _probe(
    gate: ProbeGate, readers: Readers, since: datetime, previous: Evidence | None
) -> Evidence:
    answer = readers.probe(gate.url, max(LONGEST_ANSWER, gate.under or 0))
    wrong = _wrong(gate, answer)
    attempts = (previous.attempts if previous else 0) + 1 if wrong else 0
    values = {
        "url": gate.url,
        "status": answer.status,
        "seconds": round(answer.seconds, 3),
        "bytes": len(answer.body),
        "contains": gate.body.encode() in answer.body if gate.body else None,
        "location": answer.location,
        "error": answer.error,
    }
    took = duration(round(answer.seconds, 3) or 0.001)
    words = f"{gate.url} {wrong or f'answered {answer.status} in {took}'}"
    verdict = Verdict.GREEN
    if wrong:
        verdict = Verdict.WAIT if attempts < ATTEMPTS else Verdict.RED
    again = PAUSE if verdict is Verdict.WAIT else 0.0
    return Evidence(gate, verdict, words, since, readers.now(), values, attempts, again)


def _wrong(gate: ProbeGate, answer: Answer) -> str:
    """Return what is wrong with an answer, empty where nothing is."""
    if answer.status is None:
        return f"did not answer: {answer.error}"
    if answer.status != gate.status:
        towards = f" towards {answer.location}" if answer.location else ""
        return f"answered {answer.status}{towards}, not {gate.status}"
    if gate.body and gate.body.encode() not in answer.body:
        return f"answered without {gate.body!r} in its body"
    if gate.under is not None and answer.seconds >= gate.under:
        took = duration(round(answer.seconds, 3))
        return f"answered in {took}, not in under {duration(gate.under)}"
    return ""


def _interruptibly(work: Callable[[], Answer], stopping: Callable[[], bool]) -> Answer:
    """Wait for an answer, or leave it alone: a request cannot be interrupted."""
    answer: Future[Answer] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while True:
        with contextlib.suppress(FutureTimeout):
            return answer.result(_LOOK)
        if stopping():
            raise Interrupted


class _NoRedirect(request.HTTPRedirectHandler):
    """Returns a redirect as the answer, instead of going there."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


def probe(url: str, timeout: float) -> Answer:
    """Request a URL once; certificates are verified, redirects are not followed."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        _NoRedirect(),
        request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    wanted = request.Request(url, headers={"User-Agent": "tapgen"})
    start = time.monotonic()
    try:
        with contextlib.closing(_opened(opener, wanted, timeout)) as answer:
            body = _body(answer, start + timeout)
            location = answer.headers.get("Location", "")
            spent = time.monotonic() - start
            return Answer(spent, answer.status, body, location)
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        said = str(reason) or type(error).__name__
        return Answer(time.monotonic() - start, error=said)


def _opened(
    opener: request.OpenerDirector, wanted: request.Request, timeout: float
) -> Any:
    try:
        return opener.open(wanted, timeout=timeout)
    except HTTPError as answer:  # every status but 2xx
        return answer


def _body(answer: Any, deadline: float) -> bytes:
    """Read a body up to `MOST_BYTES`; a server that only trickles is late."""
    body = b""
    while len(body) < MOST_BYTES:
        chunk: bytes = answer.read1(65_536)
        if not chunk:
            break
        body += chunk
        if time.monotonic() > deadline:
            raise TimeoutError("timed out while the body was sent")
    return body[:MOST_BYTES]


# -- commands ------------------------------------------------------------------------


def _command(gate: CommandGate, readers: Readers, since: datetime) -> Evidence:
    ended = readers.command(gate.command, gate.timeout)
    values = {
        "command": list(gate.command),
        "exit_code": ended.code,
        "seconds": round(ended.seconds, 3),
        "output": ended.output[-MOST_OUTPUT:],
        "error": ended.error,
    }
    how = ended.error or f"ended with exit code {ended.code}"
    words = (
        f"{gate.command[0]} {how} after {duration(round(ended.seconds, 3) or 0.001)}"
    )
    verdict = Verdict.GREEN if ended.code == 0 else Verdict.RED
    return Evidence(gate, verdict, words, since, readers.now(), values)


def environment(inherited: Mapping[str, str], facts: Facts) -> dict[str, str]:
    """Return the environment of a command: the inherited one without AWS credentials, and
    the facts of the run. AWS_PROFILE stays, so the command can sign in by itself."""
    others = {k: v for k, v in inherited.items() if k not in _CREDENTIALS}
    return others | facts.variables()


def execute(
    command: Sequence[str],
    timeout: float,
    env: Mapping[str, str],
    stopping: Callable[[], bool] = lambda: False,
) -> Ended:
    """Run a command in a process group of its own; after `timeout` seconds, or when this
    process is interrupted or killed, end the whole group. Raises Interrupted once `stopping`.
    """
    start = time.monotonic()
    reason = _missing(command[0], env)
    if reason:
        return Ended(0.0, error=f"cannot be started ({reason})")
    # A file and no pipe: a child in the background must not hold up the end.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                ["sh", "-c", _GUARDED, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            return Ended(0.0, error=f"cannot be started ({reason})")
        late = ""
        try:
            if not _ends(process, start + timeout, stopping):
                late = "was stopped: it ran longer than its timeout"
                _end(process)
            else:
                _leave(process)
        except BaseException:
            _end(process)
            raise
        spent = time.monotonic() - start
        return Ended(spent, None if late else process.returncode, _tail(output), late)


def _missing(program: str, env: Mapping[str, str]) -> str | None:
    """Return why a program cannot be started, as the system says it; None when it can."""
    if shutil.which(program, path=env.get("PATH")):
        return None
    return os.strerror(errno.EACCES if os.path.exists(program) else errno.ENOENT)


def _leave(process: subprocess.Popen[bytes]) -> None:
    """Let go on what a command that has ended left in the background."""
    assert process.stdin
    with contextlib.suppress(OSError), process.stdin:  # something has ended the waiter
        process.stdin.write(b"\n")


def _ends(
    process: subprocess.Popen[bytes], deadline: float, stopping: Callable[[], bool]
) -> bool:
    """Wait for the end of a process; return whether it comes before the deadline."""
    while (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(left, _LOOK))
            return True
        if stopping():
            raise Interrupted
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all of its group: politely, then at once."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    assert process.stdin
    process.stdin.close()


def _tail(output: Any) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - 4 * MOST_OUTPUT))
    text: str = output.read().decode(errors="replace")
    return text[-MOST_OUTPUT:]


# -- approvals -----------------------------------------------------------------------


def _approval(gate: ApprovalGate, readers: Readers, since: datetime) -> Evidence:
    said = readers.approval()
    now = readers.now()
    remaining = gate.timeout - (now - since).total_seconds()
    values: dict[str, Any] = {"timeout": gate.timeout}
    if said:
        values |= {
            "approved": said.approved,
            "by": said.by,
            "at": said.at,
            "comment": said.comment,
        }
        done = "approved" if said.approved else "rejected"
        words = f"{done} by {said.by} at {said.at}"
        words += f": {said.comment}" if said.comment else ""
        verdict = Verdict.GREEN if said.approved else Verdict.RED
        return Evidence(gate, verdict, words, since, now, values)
    if remaining <= 0:
        words = f"nobody approved within {duration(gate.timeout)}"
        return Evidence(gate, Verdict.RED, words, since, now, values)
    words = f"waits for an approval, {duration(round(remaining) or 1)} left"
    again = min(PAUSE, remaining)
    return Evidence(gate, Verdict.WAIT, words, since, now, values, again=again)
