"""`tapgen list`, and what its file does to the others: it has the name of a builtin."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapgen.cli import DONE, USAGE, main


def test_other_commands_work_after_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == DONE
    assert main(["list", "--help"]) == DONE
    assert main(["--help"]) == DONE
    assert main(["lst"]) == USAGE
    assert "did you mean 'list'?" in capsys.readouterr().err
