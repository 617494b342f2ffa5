"""A rollout refuses templates with errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapgen.cli import cache, main
from tapgen.cli.lint import breaks_policy, is_broken, lint_passes
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


def test_a_broken_policy_is_shown_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.guard").write_text(
        "rule named { Resources.*.Properties.QueueName exists <<name it>> }\n"
    )
    bad = make.stack_set(text=make.template(resources={"Jobs": QUEUE}))

    found = breaks_policy(str(tmp_path), make.system(bad))

    assert is_broken(found) and [f.rule for f in found] == ["named"]
    shown = capsys.readouterr().err
    assert "name it" in shown and "the policy" in shown and "is not met" in shown
    assert breaks_policy(None, make.system(bad)) == []


def test_lint_runs_a_policy_beside_its_own_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stacksets").mkdir()
    (tmp_path / "stacksets/work.json").write_text(
        make.template(resources={"Jobs": QUEUE})
    )
    (tmp_path / "stacksets/shop.yaml").write_text(
        "blueprint: custom\nsuffix: prod\nregions: {main: ap-east-1}\n"
        "stack_sets:\n  work: {template: work.json}\n"
    )

    assert main(["lint", "shop", "--quick"]) == 0
    assert main(["lint", "shop", "--quick", "--policy", "starter"]) == 2
    assert "regions_are_allowed" in capsys.readouterr().out
    assert main(["lint", "shop", "--quick", "--policy", "nowhere"]) == 1
    assert "there is no such folder" in capsys.readouterr().err
