"""Answers to gates that wait for an approval, also at the terminal of the rollout."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tapgen.errors import RolloutError, TapgenError

if TYPE_CHECKING:  # slow to import
    from tapgen.rollout import Event
    from tapgen.rollout.places import Near

_WORDS = {"yes": True, "y": True, "no": False, "n": False}
_HOW = "type yes to approve or no to reject, and press Enter"


def answer_gates(
    near: Near, *, approved: bool, by: str, comment: str = ""
) -> list[str]:
    """Approve or reject what the open run of a system waits for; return it in words.

    Raises RolloutError when nothing waits, somebody has already answered, or whoever
    waits would not see the answer.
    """
    from tapgen.rollout import gating

    found = near.opened()
    if found is None and not near.is_home:
        raise RolloutError(near.unknown)
    waiting = gating.waiting(found.state) if found else []
    if not found or not waiting:
        raise RolloutError(f"{near.prefix}: no rollout waits for an approval")
    if not near.waits_here(found):
        raise RolloutError(
            f"{near.prefix}: run {found.lock.run} of {found.lock.who} waits in "
            f"{near.home}, which does not answer, so nobody could read the answer; give it "
            f"again once {near.home} is back"
        )
    word = "approved" if approved else "rejected"
    lines = []
    for id, step in waiting:
        gating.answer(found.journal, id, approved=approved, by=by, comment=comment)
        lines.append(f"{word}: run {found.lock.run}, gate {gating.gate_of(step)}")
    return lines


@dataclass
class Terminal:
    """A terminal at which a rollout waits: takes its events, and reads an answer instead
    of sleeping. What was typed before a gate waits is no answer to it."""

    screen: Callable[[Event], None]
    answer: Callable[[bool], list[str]]
    stream: int = 0
    waiting: bool = False

    def on_event(self, event: Event) -> None:
        """Show an event, and how to answer a gate that waits for an approval."""
        self.screen(event)
        if event.kind == "gate" and event.status == "WAITING":
            self.waiting = True
            _discard(self.stream)
            self._say(_HOW)

    def sleep(self, seconds: float) -> None:
        """Wait for an answer, at most these seconds."""
        if not self.waiting or not _in_front(self.stream):
            time.sleep(seconds)
        elif select.select([self.stream], [], [], seconds)[0]:
            self._take(os.read(self.stream, 1000))

    def _take(self, typed: bytes) -> None:
        """Answer the gate; no more questions where nothing can be read."""
        word = typed.decode(errors="replace").strip().lower()
        if not typed or word not in _WORDS:
            self.waiting = bool(typed)
            if word:
                self._say(f"{word} is no answer; {_HOW}")
            return
        try:
            lines = self.answer(_WORDS[word])
        except TapgenError as error:
            lines = [str(error)]
        else:
            self.waiting = False
        for line in lines:
            self._say(line)

    def _say(self, line: str) -> None:
        from tapgen.rollout import Event

        self.screen(Event("gate", line, status="WAITING"))


def _discard(stream: int) -> None:
    """Throw away what was typed and not read yet."""
    if os.isatty(stream):
        import termios

        termios.tcflush(stream, termios.TCIFLUSH)


def _in_front(stream: int) -> bool:
    """Whether this process may read what is typed: a job in the background may not."""
    return not os.isatty(stream) or os.tcgetpgrp(stream) == os.getpgrp()
