"""Faults from data and files; invalid ones are refused with what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tapgen.emulator.faults.model import FaultError
from tapgen.emulator.faults.parsing import parse, parse_all, read


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("throttle", "expected a mapping"),
        ({}, "effect is missing; allowed: fail, delay, throttle"),
        (
            {"effect": "throtle"},
            "effect 'throtle' is not known; did you mean 'throttle'",
        ),
        (
            {"effect": "delay"},
            "delay needs seconds, a number from 0 to 3600",
        ),
        ({"effect": "delay", "seconds": "soon"}, "seconds: 'soon' is not a number"),
        ({"effect": "delay", "seconds": 1e9}, "seconds: 1000000000.0 is not a number"),
        ({"effect": "fail"}, "fail needs match.logical_id or match.type"),
        (
            {"effect": "throttle", "match": {"logical_id": "Bucket"}},
            "match.logical_id works with fail and delay only",
        ),
        (
            {"effect": "throttle", "match": {"regoin": "us-east-1"}},
            "key of match 'regoin' is not known; did you mean 'region'",
        ),
        (
            {"effect": "throttle", "reson": "x"},
            "key of throttle 'reson' is not known; did you mean 'reason'",
        ),
        (
            {"effect": "throttle", "match": {"account": 111111111111}},
            "match.account: 111111111111 is not text: quote it",
        ),
        (
            {"effect": "throttle", "match": {"account": "1"}},
            "match.account: '1' is not a number of 12 digits",
        ),
        (
            {"effect": "throttle", "match": {"region": "europe"}},
            "match.region: 'europe' is not a region, such as eu-west-1",
        ),
        (
            {"effect": "throttle", "match": {"service": "dynamo"}},
            "'dynamo' is not a service of boto3",
        ),
        (
            {"effect": "throttle", "match": {"action": "CreateStackInstance"}},
            "no service has an action 'CreateStackInstance'; did you mean "
            "'CreateStackInstances'",
        ),
        (
            {"effect": "throttle", "match": {"service": "s3", "action": "PutObjekt"}},
            "s3 has no action 'PutObjekt'; did you mean 'PutObject'",
        ),
        (
            {"effect": "fail", "match": {"type": "AWS::S3::Bucket", "action": "Put"}},
            "allowed: create, update, delete",
        ),
        ({"effect": "cut", "when": "during"}, "allowed: before, after"),
        ({"effect": "error", "status": 404}, "error with status 404 needs a code"),
        ({"effect": "error", "status": 200}, "status: 200 is not a whole number"),
        ({"effect": "cut", "match": {"nth": 0}}, "match.nth: 0 is not a whole number"),
        ({"effect": "cut", "match": {"times": 1.5}}, "match.times: 1.5 is not"),
        ({"effect": "cut", "match": {"times": "0"}}, "give always for every match"),
        ({"effect": "cut", "match": {"times": 0}}, "is not a whole number from 1"),
        ({"effect": "cut", "match": {"probability": 2}}, "from 0 to 1"),
        ({"effect": "cut", "match": ["region"]}, "match: expected a mapping"),
    ],
)
def test_a_fault_that_makes_no_sense_says_what_is_allowed(
    given: Any, message: str
) -> None:
    with pytest.raises(FaultError) as caught:
        parse(given)
    assert message in str(caught.value)


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_file_of_faults(tmp_path: Path, wrapped: bool) -> None:
    path = tmp_path / "bad_day.yaml"
    entry = "- {effect: delay, seconds: 2, match: {region: eu-west-1, times: always}}"
    path.write_text(f"faults:\n  {entry}\n" if wrapped else f"{entry}\n")
    (fault,) = parse_all(read(path))
    assert (fault.effect, fault.seconds, fault.times) == ("delay", 2, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("[", "this is not YAML"),
        ("effect: cut", "expected a list of faults"),
        ("\x00", "this is not YAML"),
    ],
)
def test_a_file_that_is_none_of_faults(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "bad.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(FaultError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
