"""A rollout refuses templates with errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapgen.cli import cache
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


def test_files_of_one_folder_are_compared_with_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "stacksets"
    folder.mkdir()
    named = {**QUEUE, "Properties": {"QueueName": "work"}}
    (folder / "work.json").write_text(make.template(resources={"Jobs": named}))
    for name in ("shop", "store", "stand"):
        (folder / f"{name}.yaml").write_text(
            "blueprint: custom\nsuffix: prod\nregions: {main: us-east-1}\n"
            "stack_sets:\n  work: {template: work.json}\n"
        )
    (folder / "work2.json").write_text(make.template(resources={"Jobs": QUEUE}))
    stand = (folder / "stand.yaml").read_text().replace("work.json", "work2.json")
    (folder / "stand.yaml").write_text(stand)
    paths = [folder / f"{name}.yaml" for name in ("shop", "stand", "store")]

    for _ in range(2):  # the second time from the cache
        results = cache.check(paths, None, tmp_path, lambda total: lambda name: None)
        found = [[f.rule for f in one.findings] for one in results]
        assert found == [[], [], ["E9599"]]
        (finding,) = results[2].findings
        assert "work.Jobs of shop in self/us-east-1" in finding.message
