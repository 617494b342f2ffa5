"""What is said once a run was resumed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tapgen.cli import DONE, resume
from tapgen.rollout import Outcome


@pytest.mark.parametrize("command", ["shift", "failover"])
def test_a_resumed_shift_names_what_says_whether_traffic_moves_back(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    opening: dict[str, Any] = {}
    found: Any = SimpleNamespace(
        lock=SimpleNamespace(command=command), state=SimpleNamespace(opening=opening)
    )
    system = SimpleNamespace(name="shop", environment="eu", prefix="shop-eu")
    reached: Any = SimpleNamespace(
        system=system, local=True, without=(), by_prefix=False
    )

    code = resume._report(reached, Outcome(run="1"), found, True, as_json=False)

    said = capsys.readouterr()
    assert code == DONE and f"✓ done: {command}" in said.out
    assert ("tapgen plan shop -e eu --local says so" in said.err) == (
        command == "shift"
    )
