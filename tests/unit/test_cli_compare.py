"""`tapgen diff` on templates, and what it says to anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapgen.cli import main
from tests import make


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    made = []
    for name in ("a", "b"):
        topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": name}}
        path = tmp_path / f"{name}.json"
        path.write_text(make.template(resources={"Topic": topic}))
        made.append(str(path))
    return made[0], made[1]


def test_two_templates_are_compared(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", *files]) == 2
    assert "DisplayName: a → b" in capsys.readouterr().out
    assert main(["diff", files[0], files[0]]) == 0
    assert "no differences" in capsys.readouterr().out


@pytest.mark.parametrize("other", ["README.md", "nope.json", "secure_network"])
def test_what_is_no_pair_is_told(
    files: tuple[str, str], other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", files[0], other]) == 64
    assert f"{other}: not a template" in capsys.readouterr().err
