"""`plan --details` shows the program: steps, what they wait for, and gates."""

from __future__ import annotations

import json
from dataclasses import replace

from tapgen import plan
from tapgen.model import ApprovalGate, Output, RolloutSettings
from tapgen.report import program as report
from tapgen.rollout import compile
from tapgen.rollout.program import Program
from tests import make


def compiled() -> Program:
    data = make.stack_set("data", parameters={"Size": "1"})
    value = Output("data", "Arn")
    text = make.template(("Arn",), ())
    app = make.stack_set("app", parameters={"Arn": value}, text=text)
    settings = RolloutSettings(gates=(ApprovalGate(after="data"),))
    system = replace(make.system(data, app), rollout=settings)
    return compile.program(plan.make(system, {}))[0]


def test_the_program_names_steps_references_and_gates_in_order() -> None:
    lines = [line.strip() for line in report.text(compiled()).splitlines()[2:]]

    assert lines[0] == (
        "1.1.1  create demo-test-data in 111111111111 in us-east-1; then reads Arn"
    )
    assert lines[1] == "2.1.1  gate: somebody approves within 24h"
    assert lines[2] == (
        "3.1.1  create demo-test-app in 111111111111 in us-east-1; with data.Arn"
    )


def test_the_program_as_data_is_json() -> None:
    found = json.loads(json.dumps(report.data(compiled())))

    first, gate, second = found[:3]
    assert (first["reads"], second["references"]) == (["Arn"], ["data.Arn"])
    assert gate["gate"]["kind"] == "approve"
    assert second["targets"] == [{"account": make.ACCOUNT, "region": "us-east-1"}]
