"""`tapgen cost` at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapgen.cli import DONE, FAILED, main
from tests.systems.look import ROOT


def test_an_estimate_as_text_and_as_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["cost", "serverless_api", "--part", "keys"]) == DONE
    text = capsys.readouterr().out
    assert "serverless_api (default): about 1.00 USD a month\n" in text
    assert "data transfer to the internet" in text

    one = ["cost", "serverless_api", "-r", "us-east-1", "--output", "json"]
    assert main(one) == DONE
    found = json.loads(capsys.readouterr().out)
    assert {row["region"] for row in found["charges"]} == {"us-east-1"}
    assert found["usage"]["requests"]["value"] == 1_000_000


@pytest.mark.parametrize(
    "options, message",
    [
        (["--part", "kes"], "--part kes: serverless_api has keys, keys-target, roles"),
        (
            ["-r", "us-esat-1"],
            "--region us-esat-1: serverless_api has us-east-1, us-west-2; did you mean",
        ),
        (
            ["--prices", "no/such"],
            "no/such: no such file or folder; give an offer file",
        ),
        (["--prices", "README.md"], "README.md: is no price list (no JSON"),
    ],
)
def test_what_is_wrong_is_one_message(
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["cost", "serverless_api", *options]) == FAILED
    shown = capsys.readouterr()
    assert shown.out == "" and f"error: {message}" in shown.err


def test_assumptions_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.json").write_text(
        '{"Resources": {"Nat": {"Type": "AWS::EC2::NatGateway"}}}'
    )
    (tmp_path / "net.yaml").write_text(
        "blueprint: custom\nsuffix: prod\ncost: {usage: {nat_gb: 1000}}\n"
        "stack_sets: {net: {template: net.json, regions: [us-east-1]}}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["cost", "net.yaml", "--details"]) == DONE
    text = capsys.readouterr().out
    assert "1,000 nat_gb × 0.045 USD = 45.00 USD" in text
    assert "nat_gb: 1,000 gigabytes through each NAT gateway\n" in text


@pytest.mark.parametrize(
    "template, title",
    [
        ({"Type": "AWS::IAM::Role"}, "net (default): no charges\n"),
        ({"Type": "Acme::Own::Type"}, "net (default): 1 charge is unknown\n"),
    ],
)
def test_what_has_no_total_is_shown_without_one(
    template: dict[str, str],
    title: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "net.json").write_text(json.dumps({"Resources": {"One": template}}))
    (tmp_path / "net.yaml").write_text(
        "blueprint: custom\nsuffix: prod\n"
        "stack_sets: {net: {template: net.json, regions: [us-east-1]}}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["cost", "net.yaml", "--details"]) == DONE
    text = capsys.readouterr().out
    assert text.startswith(title)
