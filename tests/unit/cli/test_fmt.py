"""`tapgen fmt` on files: what it writes, and what it leaves as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapgen.cli import DONE, FAILED, main

LOOSE = "suffix: 'prod' # part of names\nblueprint: custom\n"
TIDY = 'blueprint: custom\nsuffix: "prod"  # part of names\n'
TEMPLATE = "Resources:\n    A: {Type: 'AWS::SNS::Topic'}\nDescription: !Sub x\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stacksets").mkdir()
    return tmp_path / "stacksets"


def test_line_ends_permissions_and_links_stay(folder: Path) -> None:
    real = folder.parent / "elsewhere.yaml"
    real.write_bytes(b"\xef\xbb\xbf" + LOOSE.replace("\n", "\r\n").encode())
    real.chmod(0o640)
    (folder / "shop.yaml").symlink_to(real)

    assert main(["fmt"]) == DONE

    assert real.read_bytes() == b"\xef\xbb\xbf" + TIDY.replace("\n", "\r\n").encode()
    assert (real.stat().st_mode & 0o777, (folder / "shop.yaml").is_symlink()) == (
        0o640,
        True,
    )
    assert {path.name for path in folder.parent.iterdir()} == {"stacksets", real.name}


def test_check_shows_what_differs_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "shop.yaml").write_text(LOOSE)
    (folder / "tidy.yaml").write_text(TIDY)

    assert main(["fmt", "--check"]) == FAILED
    shown = capsys.readouterr().out
    assert main(["fmt", "--check", "--output", "json"]) == FAILED
    data = json.loads(capsys.readouterr().out)
    assert main(["fmt", "tidy", "--check"]) == DONE

    assert "-suffix: 'prod' # part of names" in shown
    assert "tidy.yaml" not in shown
    assert data["written"] is False
    assert [row["changed"] for row in data["files"]] == [True, False]
    assert (folder / "shop.yaml").read_text() == LOOSE


def test_one_file_that_cannot_be_formatted_stops_all(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "shop.yaml").write_text(LOOSE)
    (folder / "odd.yaml").write_text("? blueprint\n: custom\n")
    (folder / "wrong.yaml").write_text("blueprint: [\n")
    (folder / "template.yaml").write_text(TEMPLATE)
    (folder / "bytes.yaml").write_bytes(b"a: \xff\n")

    assert main(["fmt"]) == FAILED
    said = capsys.readouterr().err

    for where, what in {
        "odd.yaml:1": "KEY: VALUE",
        "wrong.yaml:2": "",
        "template.yaml": "give --templates",
        "bytes.yaml": "not UTF-8",
    }.items():
        assert any(where in line and what in line for line in said.splitlines()), said
    assert (folder / "shop.yaml").read_text() == LOOSE


def test_templates_are_formatted_on_request(folder: Path) -> None:
    stack_sets = "stack_sets: {app: {template: ../app.yaml}}\n"
    (folder / "shop.yaml").write_text(LOOSE + stack_sets)
    template = folder.parent / "app.yaml"
    template.write_text(TEMPLATE)

    assert main(["fmt"]) == DONE
    assert template.read_text() == TEMPLATE
    assert main(["fmt", "--templates"]) == DONE
    assert template.read_text() == (
        'Description: !Sub x\nResources:\n  A: {Type: "AWS::SNS::Topic"}\n'
    )
