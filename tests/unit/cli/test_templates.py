"""`tapgen templates --evaluated` writes what scanners read, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapgen.cli import main

CONFIG = """\
blueprint: custom
suffix: dev
regions: {main: us-east-1}
stack_sets:
  topic: {template: ../topic.json, parameters: {Name: orders}}
"""
TOPIC = {
    "Parameters": {"Name": {"Type": "String"}},
    "Resources": {
        "Topic": {
            "Type": "AWS::SNS::Topic",
            "Properties": {"TopicName": {"Fn::Sub": "${Name}-${AWS::Region}"}},
        }
    },
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stacksets").mkdir()
    (tmp_path / "stacksets" / "app.yaml").write_text(CONFIG)
    (tmp_path / "topic.json").write_text(json.dumps(TOPIC))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_evaluated_templates_are_written_for_each_target(project: Path) -> None:
    assert main(["templates", "--evaluated", "out"]) == 0

    (file,) = (project / "out").rglob("*.json")
    assert (
        file.relative_to(project).as_posix() == "out/app/dev/topic/self.us-east-1.json"
    )
    topic = json.loads(file.read_text())["Resources"]["Topic"]
    assert topic["Properties"] == {"TopicName": "orders-us-east-1"}
    assert not (project / "templates_out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--evaluated", "templates_out"], "give another"),
        (["--evaluated", "out", "--check"], "leave out --check"),
        (["--evaluated", "topic.json"], "is a file"),
        (["nope", "--evaluated", "out"], "no such file"),
    ],
)
def test_a_wrong_request_writes_nothing(
    arguments: list[str],
    message: str,
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["templates", *arguments]) not in (0, None)

    assert message in capsys.readouterr().err
    assert not (project / "out").exists()
