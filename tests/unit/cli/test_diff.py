"""`tapgen diff` on templates, and its error for anything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapgen.cli import main
from tests import make


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    paths = []
    for name in ("a", "b"):
        topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": name}}
        path = tmp_path / f"{name}.json"
        path.write_text(make.template(resources={"Topic": topic}))
        paths.append(str(path))
    return paths[0], paths[1]


def test_two_templates_are_compared(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", *files]) == 2
    assert "DisplayName: a → b" in capsys.readouterr().out
    assert main(["diff", files[0], files[0]]) == 0
    assert "no differences" in capsys.readouterr().out


@pytest.mark.parametrize("other", ["README.md", "nope.json", "secure_network"])
def test_what_is_no_pair_is_refused(
    files: tuple[str, str], other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", files[0], other]) == 64
    assert f"{other}: not a template" in capsys.readouterr().err


def test_a_byte_order_mark_is_no_part_of_a_template(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n"
    plain, marked = tmp_path / "plain.yaml", tmp_path / "marked.yaml"
    plain.write_text(text)
    marked.write_text(text, encoding="utf-8-sig")

    assert main(["diff", str(plain), str(marked)]) == 0
    assert "no differences" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["deep.json", "deep.yaml"])
@pytest.mark.parametrize("levels", [150, 5000])
def test_a_template_that_is_too_deep_is_refused_with_its_line(
    tmp_path: Path, name: str, levels: int, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = tmp_path / name
    deep.write_text('{"Resources":\n' + "[" * levels + "]" * levels + "}")

    assert main(["diff", str(deep), str(deep)]) == 1
    assert f"{deep}:2: nested more than 100 levels deep" in capsys.readouterr().err


def _looped(path: Path, nested: int, items: int) -> str:
    """A template with loops in each other."""
    body: dict[str, object] = {
        "Topic"
        + "".join(f"${{I{n}}}" for n in range(nested)): {"Type": "AWS::SNS::Topic"}
    }
    for n in range(nested):
        loop = [f"I{n}", [f"x{n}" for n in range(items)], body]
        body = {f"Fn::ForEach::L{n}": loop}
    transform = "AWS::LanguageExtensions"
    path.write_text(json.dumps({"Transform": transform, "Resources": body}))
    return str(path)


def test_loops_are_bounded_before_they_are_written_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seven = _looped(tmp_path / "seven.json", nested=7, items=10)
    assert main(["diff", seven, seven]) == 1
    assert "6 nested loops; CloudFormation allows 5" in capsys.readouterr().err
    five = _looped(tmp_path / "five.json", nested=5, items=40)
    assert main(["diff", five, five]) == 1
    assert (
        f"{five}: Resources.Fn::ForEach::L4: loops create more than 200,000 values"
        in capsys.readouterr().err
    )
