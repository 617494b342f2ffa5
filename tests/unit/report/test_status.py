"""What `tapgen status` says of instances: what a status means, where values come from."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tapgen.model import InstanceDetailedStatus, InstanceStatus, Output, Override
from tapgen.report import data, deployed_parameters, text
from tests import make

TEMPLATE = json.dumps(
    {
        "Parameters": {
            "Size": {"Type": "String"},
            "Mode": {"Type": "String", "Default": "quick"},
            "Word": {"Type": "String", "NoEcho": True},
            "Vpc": {"Type": "String"},
        },
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    }
)
PART = make.stack_set(
    text=TEMPLATE,
    targets=(make.EAST, make.WEST),
    parameters={"Size": "1", "Word": "x", "Vpc": Output("network", "VpcId")},
    overrides=(Override({"Size": "2"}, region="us-west-2"),),
)
OUTDATED = make.instance(InstanceStatus.OUTDATED, outputs={})


def found(**instances: Any) -> dict[str, Any]:
    observed = make.observed(
        PART,
        instances={make.WEST: replace(OUTDATED, **instances)},
        parameters={"Size": "1", "Word": "****", "Vpc": "vpc-1"},
    )
    open_run = {
        "run": "r",
        "not_started": [
            {"stack_set": PART.name, "wave": 3, "targets": [make_target(make.EAST)]}
        ],
    }
    return data.status(
        make.system(PART), {PART.name: observed}, (), open_run, with_parameters=True
    )


def make_target(target: Any) -> dict[str, str]:
    return {"account": target.account, "region": target.region}


@pytest.mark.parametrize("detailed", [None, *InstanceDetailedStatus])
def test_every_status_but_current_has_a_meaning(detailed: Any) -> None:
    one = found(detailed_status=detailed)["stack_sets"][0]

    assert one["instances"][0]["meaning"]
    assert one["missing"][0]["meaning"] == "wave 3 was not started"


def test_the_meaning_is_in_the_lines() -> None:
    shown = text.status(found(detailed_status=InstanceDetailedStatus.CANCELLED))

    assert "too many others failed" in shown
    assert "wave 3 was not started" in shown


def test_in_a_narrow_terminal_stack_sets_are_headings() -> None:
    status = found(detailed_status=InstanceDetailedStatus.CANCELLED)

    lines = text.status(status, width=40).splitlines()

    assert [one for one in lines if PART.name in one] == [f"[bold]{PART.name}[/]"]
    assert sum(one.startswith(f"  {make.ACCOUNT}  us-") for one in lines) == 2
    assert text.status(status, width=200) == text.status(status)


def test_each_parameter_says_where_it_comes_from() -> None:
    stack = {"Size": "1", "Word": "****", "Vpc": "vpc-1", "Mode": "quick"}
    status = found(overrides={"Size": "2"}, parameters=stack)

    lines = "\n".join(deployed_parameters.lines(status["stack_sets"]))

    assert "Mode: 'quick'  [template default]" in lines.replace("\\[", "[")
    where = "[override, file (overrides: us-west-2)]; its stack has '1'"
    assert f"Size: '2'  {where}" in lines.replace("\\[", "[")
    assert "[stack set, output network.VpcId]" in lines.replace("\\[", "[")
    word = next(
        p
        for p in status["stack_sets"][0]["instances"][0]["parameters"]
        if p["name"] == "Word"
    )
    assert word["value"] not in ("x", None)
    assert word["stack_value"] is None
