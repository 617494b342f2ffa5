"""Which calls a fault hits, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.emulator.faults.active import Faults
from tapgen.emulator.faults.parsing import parse
from tapgen.emulator.wire.protocols import Call


def call(action: str = "PutObject", service: str = "s3", **more: str) -> Call:
    at = {"protocol": "rest-xml", "account": "1" * 12, "region": "us-east-1"}
    return Call(service, action, **{**at, **more})


def fired(faults: Faults, *calls: Call) -> list[list[str]]:
    return [[f.effect for f in faults.on_call(c)] for c in calls]


def one(effect: str = "throttle", **match: Any) -> Faults:
    faults = Faults()
    faults.add([parse({"effect": effect, "match": match})])
    return faults


def test_the_nth_matching_call_is_the_first_that_suffers() -> None:
    faults = one(action="PutObject", nth=3, times=2)
    others = call("GetObject")
    assert fired(faults, call(), others, call(), call(), call(), call()) == [
        [],
        [],
        [],
        ["throttle"],
        ["throttle"],
        [],
    ]
    (shown,) = faults.shown()
    assert (shown["matched"], shown["fired"]) == (5, 2)


def test_a_seed_makes_the_same_choice_again() -> None:
    runs = [
        fired(one(probability=0.3, seed=seed), *[call()] * 200) for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]
    hits = sum(map(bool, runs[0]))
    assert 30 < hits < 90


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ({}, True),
        ({"service": "s3"}, True),
        ({"service": "sqs"}, False),
        ({"action": "Put*"}, True),
        ({"region": "us-*"}, True),
        ({"region": "eu-*"}, False),
        ({"account": "1" * 12}, True),
        ({"account": "2" * 12}, False),
        ({"stack_set": "net"}, False),
    ],
)
def test_what_is_not_named_matches_everything(match: Any, matches: bool) -> None:
    assert fired(one(**match), call()) == [["throttle"] if matches else []]


def test_services_go_by_the_names_of_boto3() -> None:
    for name in ("cloudwatch", "monitoring"):
        faults = one(service=name, times="always")
        assert fired(faults, call("PutMetricData", "monitoring")) == [["throttle"]]


def test_one_call_suffers_one_fault_at_a_time() -> None:
    faults = Faults()
    faults.add([parse({"effect": e}) for e in ("throttle", "denied")])
    assert fired(faults, call(), call(), call()) == [["throttle"], ["denied"], []]
