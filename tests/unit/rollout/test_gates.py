"""Gates of a rollout: what each check finds, and its evidence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tapgen.aws.alarms import Alarm
from tapgen.aws.health_checks import Health
from tapgen.errors import Denied, Unreachable
from tapgen.model import (
    AlarmGate,
    ApprovalGate,
    CommandGate,
    Gate,
    HealthGate,
    ProbeGate,
    Target,
    VerifyGate,
)
from tapgen.model.verified import Found, Verified
from tapgen.rollout import gates
from tapgen.rollout.gates import Answer, Approval, Ended, Evidence, Readers, Verdict

EAST = Target("111111111111", "us-east-1")
WEST = Target("111111111111", "us-west-2")
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FACTS = gates.Facts(
    "shop", "prod", "r1", 2, ("data", "app"), (EAST, WEST), environment="staging"
)


def never(*_: Any) -> Any:
    raise AssertionError("this gate needs no such reader")


def readers(
    seconds: float = 0,
    *,
    alarms: Callable[..., Sequence[Alarm]] = never,
    probe: Callable[[str, float], Answer] = never,
    command: Callable[[Sequence[str], float], Ended] = never,
    approval: Callable[[], Approval | None] = never,
    health: Callable[..., Sequence[Health]] = never,
    verified: Callable[[], Sequence[Found]] = never,
) -> Readers:
    """Readers at a time after the gate was reached."""
    now = START + timedelta(seconds=seconds)
    return Readers(alarms, probe, command, approval, lambda: now, health, verified)


def alarm(name: str = "errors", state: str = "OK", **more: Any) -> Alarm:
    return Alarm(EAST, name, state, START - timedelta(hours=1), **more)


def look(
    gate: Gate, seconds: float = 0, *, before: Sequence[str] = (), **more: Any
) -> Evidence:
    previous = more.pop("previous", None)
    return gates.check(
        gate, readers(seconds, **more), since=START, before=before, previous=previous
    )


# Alarms ---------------------------------------------------------------------------------


def test_alarms_have_to_stay_quiet_for_the_bake_time() -> None:
    gate = AlarmGate(bake=60)

    def found(*_: Any) -> list[Alarm]:
        return [alarm(), alarm("new", "INSUFFICIENT_DATA")]

    early, late = look(gate, 50, alarms=found), look(gate, 60, alarms=found)

    assert (early.verdict, early.again) == (Verdict.WAIT, 10)
    assert early.words == "2 alarms quiet, 10s left"
    assert (late.verdict, late.again) == (Verdict.GREEN, 0)
    assert late.words == "2 alarms quiet for 1m"
    assert look(gate, 0, alarms=found).again == gates.POLL


@pytest.mark.parametrize(
    "off",
    [
        alarm(state="ALARM", reason="too many"),
        alarm(went_off=START + timedelta(seconds=3)),
    ],
)
def test_an_alarm_that_goes_off_is_red_also_when_it_is_over(off: Alarm) -> None:
    found = look(AlarmGate(bake=60), 5, alarms=lambda *_: [alarm("fine"), off])

    assert found.verdict is Verdict.RED
    assert found.words == "errors in 111111111111/us-east-1 went off"
    assert [a["name"] for a in found.values["in_alarm"]] == ["errors"]
    assert found.values["in_alarm"][0]["reason"] == off.reason


def test_an_alarm_that_was_off_before_counts_only_where_it_is_named() -> None:
    off = alarm(state="ALARM")
    before = gates.already_off([off, alarm("fine")])

    every = look(AlarmGate(bake=1), 2, before=[*before], alarms=lambda *_: [off])
    named = look(
        AlarmGate(names=("errors",), bake=1),
        2,
        before=[*before],
        alarms=lambda *_: [off],
    )

    assert before == {"errors in 111111111111/us-east-1"}
    assert every.verdict is Verdict.GREEN
    assert (
        every.words == "0 alarms quiet, 1 left out that went off before the run for 1s"
    )
    assert [a["name"] for a in every.values["ignored"]] == ["errors"]
    assert named.verdict is Verdict.RED


def test_the_same_name_elsewhere_is_another_alarm() -> None:
    off = alarm(state="ALARM")
    before = gates.already_off([replace(off, target=WEST)])

    assert (
        look(AlarmGate(), before=[*before], alarms=lambda *_: [off]).verdict
        is Verdict.RED
    )


def test_a_named_alarm_that_does_not_exist_is_never_green() -> None:
    gate = AlarmGate(names=("errors", "typo"), bake=60)

    assert look(gate, 5, alarms=lambda *_: [alarm()]).verdict is Verdict.WAIT
    found = look(gate, 60, alarms=lambda *_: [alarm()])
    assert (found.verdict, found.words) == (Verdict.RED, "no alarm is named typo")


def test_the_reader_gets_the_names_and_the_time_since_when() -> None:
    given: list[Any] = []

    def read(names: Sequence[str], since: datetime) -> list[Alarm]:
        given.append((names, since))
        return [alarm("a")]

    look(AlarmGate(names=("a",)), alarms=read)

    assert given == [(("a",), START)]


def test_alarms_that_may_not_be_read_are_red_and_no_answer_is_no_verdict() -> None:
    def denied(*_: Any) -> list[Alarm]:
        raise Denied("cloudwatch:DescribeAlarms", "AccessDenied", "not you")

    def away(*_: Any) -> list[Alarm]:
        raise Unreachable("cloudwatch:DescribeAlarms", "Timeout", "no answer")

    found = look(AlarmGate(), alarms=denied)
    assert found.verdict is Verdict.RED
    assert "cloudwatch:DescribeAlarms: not you" in found.words
    with pytest.raises(Unreachable):
        look(AlarmGate(), alarms=away)


# Health checks --------------------------------------------------------------------------

WATCHED = HealthGate(account="1", region="us-east-1", checks=("hc",), bake=60)


def watch(
    seconds: float, well: bool | None, state: str = "OK", **more: Any
) -> Evidence:
    return look(
        WATCHED,
        seconds,
        alarms=lambda *_: [alarm(state=state)],
        health=lambda at, ids: [
            Health(id, well, f"{id} of {at}: {well}") for id in ids
        ],
        **more,
    )


def test_a_health_check_is_watched_beside_the_alarms() -> None:
    early, late = watch(50, True), watch(60, True)

    assert (early.verdict, early.again) == (Verdict.WAIT, 10)
    assert late.verdict is Verdict.GREEN
    assert late.words == "1 alarms quiet for 1m; hc of 1/us-east-1: True"
    assert watch(5, True, "ALARM").verdict is Verdict.RED
    assert gates.evidence_from(json.loads(json.dumps(late.data()))) == late


def test_the_third_bad_look_in_a_row_is_red_also_after_the_bake_time() -> None:
    first = watch(58, False)
    assert (first.verdict, first.again) == (Verdict.WAIT, gates.PAUSE)
    assert watch(63, True, previous=first).verdict is Verdict.GREEN
    second = watch(63, False, previous=first)
    assert second.verdict is Verdict.WAIT
    third = watch(68, False, previous=second)
    assert (third.verdict, third.words) == (Verdict.RED, "hc of 1/us-east-1: False")


def test_what_nobody_reports_on_is_not_taken_for_healthy() -> None:
    assert watch(50, None).verdict is Verdict.WAIT
    assert watch(60, None).verdict is Verdict.RED
    refused = look(WATCHED, 60, alarms=lambda *_: [], health=denied)
    assert refused.verdict is Verdict.RED and "not allowed" in refused.words


def denied(*_: Any) -> Any:
    raise Denied("route53:GetHealthCheck", "AccessDenied", "not allowed")


# Probes ---------------------------------------------------------------------------------

PROBE = ProbeGate(url="https://a.example/", body="healthy", under=0.5)
GOOD = Answer(0.1, 200, b"all healthy")


def test_a_right_answer_is_green_with_what_was_measured() -> None:
    found = look(PROBE, probe=lambda *_: GOOD)

    assert found.verdict is Verdict.GREEN
    assert found.words == "https://a.example/ answered 200 in 100ms"
    assert found.values == {
        "url": "https://a.example/",
        "status": 200,
        "seconds": 0.1,
        "bytes": 11,
        "contains": True,
        "location": "",
        "error": "",
    }


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(0.1, 503, b"healthy"), "answered 503, not 200"),
        (
            Answer(0.1, 302, b"", "https://login.example/"),
            "answered 302 towards https://login.example/, not 200",
        ),
        (Answer(0.1, 200, b"sick"), "answered without 'healthy' in its body"),
        (Answer(0.5, 200, b"healthy"), "answered in 500ms, not in under 500ms"),
        (Answer(10, error="timed out"), "did not answer: timed out"),
    ],
)
def test_a_wrong_answer_is_tried_again_and_then_red(answer: Answer, words: str) -> None:
    first = look(PROBE, probe=lambda *_: answer)
    second = look(PROBE, probe=lambda *_: answer, previous=first)
    third = look(PROBE, probe=lambda *_: answer, previous=second)

    assert [e.verdict for e in (first, second, third)] == ["wait", "wait", "red"]
    assert (first.again, third.again) == (gates.PAUSE, 0)
    assert third.words == f"https://a.example/ {words}"
    assert look(PROBE, probe=lambda *_: GOOD, previous=second).verdict == "green"


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    end = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/ok")
            self.end_headers()
            return
        if self.path == "/slow":
            self.end.wait()
        self.send_response(503 if self.path == "/sick" else 200)
        self.end_headers()
        if self.path == "/trickle":
            with suppress(OSError):
                while not self.end.wait(0.05):
                    self.wfile.write(b".")
                    self.wfile.flush()
        elif self.path == "/large":
            self.wfile.write(b"x" * (gates.MOST_BYTES + 10))
        else:
            self.wfile.write(self.headers["User-Agent"].encode() + b" healthy")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            pass  # a probe that gives up closes its connection

    with Quiet(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Handler.end.set()
        server.shutdown()
        thread.join()


def test_a_probe_reads_status_and_body(web: str) -> None:
    good, sick = gates.probe(f"{web}/ok", 60), gates.probe(f"{web}/sick", 60)

    assert (good.status, good.body) == (200, b"tapgen healthy")
    assert (sick.status, sick.body) == (503, b"tapgen healthy")
    assert 0 < good.seconds < 60


def test_a_probe_follows_no_redirect(web: str) -> None:
    answer = gates.probe(f"{web}/moved", 60)

    assert (answer.status, answer.location) == (302, "/ok")


@pytest.mark.parametrize("path", ["/slow", "/trickle"])
def test_a_probe_gives_up_in_time(web: str, path: str) -> None:
    answer = gates.probe(web + path, 0.3)

    assert answer.status is None
    assert "timed out" in answer.error


def test_a_probe_reads_no_more_than_it_needs(web: str) -> None:
    assert len(gates.probe(f"{web}/large", 60).body) == gates.MOST_BYTES


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://host.invalid/", "file:///etc/passwd"]
)
def test_what_cannot_be_requested_is_no_answer(url: str) -> None:
    answer = gates.probe(url, 2)

    assert answer.status is None
    assert answer.error


def test_a_certificate_is_verified(web: str) -> None:
    """The server speaks no TLS at all, so https cannot succeed there."""
    answer = gates.probe(web.replace("http:", "https:"), 60)

    assert answer.status is None
    assert "SSL" in answer.error


# Commands -------------------------------------------------------------------------------


def command(*words: str, timeout: float = 60) -> Evidence:
    gate = CommandGate(command=words, timeout=timeout)
    env = gates.environment(os.environ, FACTS)
    return look(gate, command=lambda c, t: gates.execute(c, t, env))


def test_exit_code_zero_is_green_and_the_output_is_evidence() -> None:
    found = command(sys.executable, "-c", "print('all well')")

    assert found.verdict is Verdict.GREEN
    assert found.values["output"] == "all well\n"
    assert found.values["exit_code"] == 0


def test_another_exit_code_is_red_at_once() -> None:
    found = command("sh", "-c", "echo no >&2; exit 3")

    assert found.verdict is Verdict.RED
    assert found.values["output"] == "no\n"
    assert found.words.startswith("sh ended with exit code 3 after ")


def test_a_command_that_does_not_exist_is_red() -> None:
    found = command("./no-such-command")

    assert found.verdict is Verdict.RED
    assert "cannot be started (No such file or directory)" in found.words


def test_a_command_past_its_timeout_ends_with_all_its_children(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    words = f"sleep 600 & echo $! > {file}.new; mv {file}.new {file}; wait"
    for timeout in (0.3, 3, 30, 300):  # the longer ones for a machine that is busy
        found = command("sh", "-c", words, timeout=timeout)
        if file.exists():
            break

    assert found.verdict is Verdict.RED
    assert found.words.startswith("sh was stopped: it ran longer than its timeout")
    assert found.values["exit_code"] is None
    assert _ends(int(file.read_text()))


@pytest.mark.parametrize("child", ["sleep 600", "trap '' TERM; sleep 600"])
def test_a_command_ends_with_all_its_children_when_the_run_is_asked_to_stop(
    tmp_path: Path, child: str
) -> None:
    file = tmp_path / "pid"
    words = "sh", "-c", f"({child}) & echo $! > {file}.new; mv {file}.new {file}; wait"

    with pytest.raises(gates.Interrupted):
        gates.execute(words, 600, os.environ, file.exists)

    assert _ends(int(file.read_text()))


@pytest.mark.parametrize("delay", [0.002, 0.006, 0.02, 1])
def test_a_command_does_not_outlive_a_tapgen_that_is_killed(
    tmp_path: Path, delay: float
) -> None:
    """Also one that is killed while it starts the command."""
    code = (
        "import os, sys; from tapgen.rollout import gates; print(flush=True); "
        "gates.execute(['sh', '-c', sys.argv[1]], 600, os.environ)"
    )
    mark = tmp_path / "mark"
    words = f"while true; do echo > {mark}; sleep 0.1; done"
    call = [sys.executable, "-c", code, words]
    with subprocess.Popen(call, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        time.sleep(delay)
        process.kill()

    marked = _commands(words)
    deadline = time.monotonic() + 60
    while marked and time.monotonic() < deadline:
        time.sleep(0.02)
        marked = _commands(words)
    assert not marked


def _commands(words: str) -> list[str]:
    """The processes that run these words; not what ends them."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (one / "cmdline").read_text() == f"sh\0-c\0{words}\0":
                found.append(one.name)
    return found


def _ends(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_child_in_the_background_holds_nothing_up(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    found = command("sh", "-c", f"sleep 600 & echo $! > {file}")

    assert found.verdict is Verdict.GREEN  # it would be red at its timeout
    os.kill(int(file.read_text()), 9)


def test_a_command_gets_the_facts_of_the_run_and_no_credentials() -> None:
    inherited = {
        "PATH": "/bin",
        "AWS_PROFILE": "prod",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_SESSION_TOKEN": "t",
    }

    assert gates.environment(inherited, FACTS) == {
        "PATH": "/bin",
        "AWS_PROFILE": "prod",
        "TAPGEN_SYSTEM": "shop",
        "TAPGEN_SUFFIX": "prod",
        "TAPGEN_ENVIRONMENT": "staging",
        "TAPGEN_RUN": "r1",
        "TAPGEN_WAVE": "2",
        "TAPGEN_PARTS": "data,app",
        "TAPGEN_REGIONS": "us-east-1,us-west-2",
        "TAPGEN_ACCOUNTS": "111111111111",
    }


def test_only_the_end_of_a_long_output_is_evidence() -> None:
    found = command(sys.executable, "-c", "print('é' * 100000 + 'end')")

    assert len(found.values["output"]) == gates.MOST_OUTPUT
    assert found.values["output"].endswith("end\n")


# Approvals ------------------------------------------------------------------------------

APPROVE = ApprovalGate(timeout=3600)


def test_an_approval_is_waited_for_until_the_timeout() -> None:
    waits = look(APPROVE, 10, approval=lambda: None)
    late = look(APPROVE, 3600, approval=lambda: None)

    assert (waits.verdict, waits.again) == (Verdict.WAIT, gates.PAUSE)
    assert (late.verdict, late.words) == (Verdict.RED, "nobody approved within 1h")


@pytest.mark.parametrize(
    ("approved", "verdict", "words"),
    [
        (True, Verdict.GREEN, "approved by ada at 12:00: fine"),
        (False, Verdict.RED, "rejected by ada at 12:00: fine"),
    ],
)
def test_somebodys_word_decides(approved: bool, verdict: Verdict, words: str) -> None:
    said = Approval(approved, "ada", "12:00", "fine")
    found = look(APPROVE, 9999, approval=lambda: said)

    assert (found.verdict, found.words) == (verdict, words)


# What is deployed -----------------------------------------------------------------------


def test_what_nobody_knows_is_looked_at_again_and_then_red() -> None:
    fine = Found(EAST, "data", "output", "Arn", Verified.HOLDS, "is there")
    new = Found(EAST, "data", "alarm", "errors", Verified.UNKNOWN, "no data yet")
    gate = VerifyGate(timeout=60)
    waits = look(gate, 10, verified=lambda: [fine, new])
    late = look(gate, 60, verified=lambda: [fine, new])
    before = [f"errors in {EAST}"]
    old = look(gate, 60, before=before, verified=lambda: [fine, new])

    assert (waits.verdict, waits.again) == (Verdict.WAIT, gates.POLL)
    assert late.verdict is Verdict.RED
    assert late.words == f"data in {EAST}: alarm errors no data yet"
    assert old.verdict is Verdict.GREEN, "it says nothing of this run"


# Evidence -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    gate: Gate
    reads: dict[str, Any]


@pytest.mark.parametrize(
    "case",
    [
        Case(AlarmGate(), {"alarms": lambda *_: [alarm(state="ALARM")]}),
        Case(PROBE, {"probe": lambda *_: Answer(0.2, 500)}),
        Case(
            CommandGate(command=("true",)), {"command": lambda *_: Ended(0.1, 0, "x")}
        ),
        Case(APPROVE, {"approval": lambda: None}),
        Case(VerifyGate(), {"verified": lambda: []}),
    ],
)
def test_evidence_survives_json(case: Case) -> None:
    found = look(case.gate, 1, **case.reads)

    assert gates.evidence_from(json.loads(json.dumps(found.data()))) == found
