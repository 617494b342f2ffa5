"""An approval typed at the terminal where the rollout waits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tapgen import rollout
from tapgen.cli.answers import Terminal, answer_gates
from tapgen.errors import RolloutError
from tapgen.rollout import places
from tests.unit.rollout.fakes import Cloud
from tests.unit.rollout.test_gating import APPROVE, BEFORE, NAME, WANTED, Slept, run

WAITS = rollout.Event("gate", "somebody approves", status="WAITING")


@pytest.fixture
def typed() -> Iterator[tuple[int, Callable[[bytes], Any]]]:
    """What a terminal reads, and a function that types."""
    reads, writes = os.pipe()
    yield reads, lambda line: os.write(writes, line)
    os.close(reads)
    os.close(writes)


@pytest.mark.parametrize("word, approved", [(b"Yes\n", True), (b"n\n", False)])
def test_a_gate_is_answered_at_the_terminal(
    typed: Any, word: bytes, approved: bool
) -> None:
    stream, write = typed
    cloud = Cloud()
    assert run(cloud, BEFORE)[0].green

    def answer(yes: bool) -> list[str]:
        return answer_gates(
            places.nearest(cloud, "demo-test"),  # type: ignore[arg-type]
            approved=yes,
            by="Ada",
        )

    lines: list[str] = []
    terminal = Terminal(lambda event: lines.append(event.message), answer, stream)

    clock = Slept()

    def sleep(seconds: float) -> None:
        if terminal.waiting:
            write(word)
        terminal.sleep(0.0)
        clock.sleep(seconds)

    ways: Any = {"sleep": sleep, "wall": clock.wall, "screen": terminal.on_event}
    ended, _ = run(cloud, WANTED, APPROVE, **ways)

    assert ended.green == approved
    assert cloud.sets[NAME].parameters == {"Size": "2" if approved else "1"}
    assert [line for line in lines if line.startswith("type yes to approve")]


def test_other_words_are_no_answer(typed: Any) -> None:
    stream, write = typed
    given: list[bool] = []
    lines: list[str] = []

    def answer(yes: bool) -> list[str]:
        given.append(yes)
        return []

    terminal = Terminal(lambda event: lines.append(event.message), answer, stream)
    write(b"yes\n")
    terminal.sleep(0.0)  # before a gate waits nothing is read
    assert not given
    os.read(stream, 100)
    terminal.on_event(WAITS)
    for word in (b"maybe\n", b"\n", b"no\n"):
        write(word)
        terminal.sleep(0.1)

    assert given == [False]
    assert [line for line in lines if line.startswith("maybe is no answer")]


def test_an_answer_that_fails_is_shown_and_may_be_repeated(typed: Any) -> None:
    stream, write = typed
    lines: list[str] = []

    def answer(yes: bool) -> list[str]:
        raise RolloutError("no answer from AWS")

    terminal = Terminal(lambda event: lines.append(event.message), answer, stream)
    terminal.on_event(WAITS)
    write(b"yes\n")
    terminal.sleep(0.1)

    assert lines[-1] == "no answer from AWS"
    assert terminal.waiting


def test_nobody_is_at_a_terminal_that_has_ended() -> None:
    reads, writes = os.pipe()
    os.close(writes)
    terminal = Terminal(lambda event: None, lambda yes: [], reads)
    terminal.on_event(WAITS)
    terminal.sleep(0.1)
    os.close(reads)

    assert not terminal.waiting
