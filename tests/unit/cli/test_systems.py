"""Commands over all systems of a folder, where some files are wrong or no configs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapgen.cli import DONE, FAILED, main

CONFIG = """\
blueprint: secure_network
suffix: {suffix}
regions: {{primary: us-east-1, dr: us-west-2}}
settings: {{profile: minimal, vpc_cidr: 10.20.0.0/16, allowed_cidr: 203.0.113.0/24}}
"""

TEMPLATE = """\
AWSTemplateFormatVersion: '2010-09-09'
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: !Sub 'shop-${AWS::Region}'
"""
CUSTOM = """\
blueprint: custom
suffix: prod
regions: {main: us-east-1}
stack_sets: {topic: {template: templates/topic.yaml}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    stacksets = tmp_path / "stacksets"
    stacksets.mkdir()
    (stacksets / "net.yaml").write_text(CONFIG.format(suffix="dev"))
    return stacksets


@pytest.mark.parametrize("command", ["list", "lint", "templates"])
def test_the_mistakes_of_all_systems_are_reported_at_once(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        text = CONFIG.format(suffix="Not_a_suffix").replace("us-east-1", "nowhere")
        (folder / f"{name}.yaml").write_text(text)

    assert main([command]) == FAILED

    lines = capsys.readouterr().err.splitlines()
    assert [line[:32] for line in lines] == [
        f"error: stacksets/{name}.yaml:{line}: {key}"[:32]
        for name in ("one", "two")
        for line, key in ((2, "suffix: "), (3, "regions.primary: "))
    ]
    assert not (folder.parent / "templates_out").exists()


@pytest.mark.parametrize("command", ["list", "lint", "templates"])
def test_a_template_among_the_configs_is_one_mistake(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "topic.yaml").write_text(TEMPLATE)

    assert main([command]) == FAILED

    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(
        "error: stacksets/topic.yaml: this is a CloudFormation template"
    )
    assert "net  blueprint secure_network" in captured.out or command != "list"


def test_a_template_is_rolled_out_as_the_message_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = folder / "topic.yaml"
    template.write_text(TEMPLATE)
    main(["templates", "topic"])
    shown = capsys.readouterr().err
    assert "stacksets/templates/" in shown
    assert "blueprint: custom and stack_sets: {topic: {template:" in shown

    (folder / "templates").mkdir()
    template.rename(folder / "templates/topic.yaml")
    (folder / "shop.yaml").write_text(CUSTOM)

    assert main(["templates"]) == DONE
    assert (folder.parent / "templates_out/shop/topic.json").exists()
