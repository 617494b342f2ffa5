"""A rollout refuses templates with errors."""

from __future__ import annotations

import pytest

from tapgen.cli.lint import lint_passes
from tests import make

QUEUE = {"Type": "AWS::SQS::Queue"}


def test_an_error_is_shown_and_refused(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySecond": 1}}
    bad = make.stack_set(text=make.template(resources={"Jobs": wrong}))

    assert not lint_passes(make.system(bad))

    shown = capsys.readouterr().err
    assert "E3002" in shown and "Jobs" in shown
    assert "not deployed" in shown


def test_a_warning_is_let_through() -> None:
    resources = {"Topic": QUEUE, "Jobs": QUEUE}
    unused = make.template(resources=resources, defaults={"Unused": ""})

    assert lint_passes(make.system(make.stack_set(text=unused)))
