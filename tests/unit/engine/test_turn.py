"""What the engine in AWS tells people."""

from __future__ import annotations

from tapgen.engine import turn
from tapgen.rollout.model import Failure


def test_a_notification_has_the_first_failures_and_says_how_many_more() -> None:
    """SNS takes no message of more than 256 KB, and then nobody would be told."""
    failures = [Failure(f"set-{n}", None, "x" * 2000) for n in range(500)]
    lines = turn.failure_lines(failures)
    assert [one.partition(":")[0] for one in lines[:2]] == ["set-0", "set-1"]
    assert lines[-1] == "… and 480 more"
    assert len("\n".join(lines).encode()) < 200_000
    assert turn.failure_lines(failures[:20]) == [str(one) for one in failures[:20]]
