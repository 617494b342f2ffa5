"""A value that is handed on by name varies nowhere, and still counts as a change."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.model import Observed, Output, StackSet, Target
from tapgen.rollout import compile as compiling
from tapgen.rollout.expand import StackSetState, expand
from tests import make
from tests.make import EAST, WEST

NAME = "/tapgen/demo-test/net/Out"
OUT = Output("net", "Out", by_name=True)


def written(value: Any) -> dict[str, Any]:
    properties = {"Name": NAME, "Type": "String", "Value": value}
    return {"Type": "AWS::SSM::Parameter", "Properties": properties}


def producer(value: Any, **topic: Any) -> StackSet:
    resources = {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": topic},
        "Written": written(value),
    }
    text = make.template(outputs=("Out",), resources=resources, output_value=value)
    return make.stack_set("net", text=text, targets=(EAST, WEST))


def consumer(value: Output = OUT) -> StackSet:
    resources = {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "X"}}}
    }
    text = make.template(("X",), resources=resources)
    if value.by_name:
        text = text.replace('"String"', '"AWS::SSM::Parameter::Value<String>"')
    return make.stack_set(
        "app", text=text, targets=(EAST, WEST), parameters={"X": value}
    )


def deployed(net: StackSet, app: StackSet) -> dict[str, Observed]:
    """Both as they are where `net` has the output `here`."""
    provider, user = make.observed(net), make.observed(app)
    own = {t: make.instance(outputs={"Out": "here"}) for t in net.targets}
    reading = {
        t: make.instance(outputs={}, resolved={"X": "here"}, current={NAME: "here"})
        for t in app.targets
    }
    return {
        net.name: replace(provider, instances=own),
        app.name: replace(user, parameters={"X": NAME}, instances=reading),
    }


def test_all_targets_get_one_value_and_wait_for_what_writes_it() -> None:
    made = plan.make(make.system(consumer(), producer({"Ref": "Topic"})), {})

    assert [(s.part, s.targets) for w in made.waves for s in w] == [
        ("net", (EAST, WEST)),
        ("app", (EAST, WEST)),
    ]
    assert made.steps[1].values == {"X": NAME} and not made.steps[1].varying


def test_a_value_that_changes_for_certain_is_a_change_of_its_reader() -> None:
    net, app = producer({"Ref": "Topic"}, TopicName="one"), consumer()
    found = deployed(net, app)
    new = producer({"Ref": "Topic"}, TopicName="two")

    made = plan.make(make.system(new, app), found)

    _, step = made.steps
    assert step.reasons == ("net.Out will change",) and not step.conditional
    (change,) = step.changes[EAST]
    assert change.type == "AWS::SQS::Queue" and plan.refusals(made)
    assert not made.not_known
    assert not plan.make(make.system(net, app), found)


def program_of(made: plan.Plan) -> Any:
    program, _ = compiling.program(made)
    (step,) = [s for s in program.steps.values() if s.part == "app" and s.conditional]
    return program, step


@pytest.mark.parametrize(
    ("outputs", "calls"),
    [
        ({EAST: "here", WEST: "here"}, False),
        ({EAST: "here", WEST: "new"}, True),
        ({EAST: "here"}, True),  # nobody knows what WEST would read
    ],
)
def test_a_value_that_may_change_updates_its_reader_if_it_does(
    outputs: dict[Target, str], calls: bool
) -> None:
    net, app = producer(make.NAME, DisplayName="one"), consumer()
    new = producer(make.NAME, DisplayName={"Fn::Sub": "two-${AWS::StackId}"})
    made = plan.make(make.system(new, app), deployed(net, app))

    assert made.steps[1].reasons == ("if net.Out changes",)
    program, step = program_of(made)
    state = StackSetState(step.definition.template, {"X": NAME}, {EAST: {}, WEST: {}})
    done = expand(
        step, program, state, {"net": {t: {"Out": v} for t, v in outputs.items()}}
    )

    assert bool(done.calls) is calls and done.skipped is not calls


def test_a_value_becomes_one_by_name_without_a_change_of_resources() -> None:
    net, app = producer({"Ref": "Topic"}), consumer()
    before = consumer(Output("net", "Out"))
    body = json.loads(net.template)
    del body["Resources"]["Written"]
    found = deployed(replace(net, template=json.dumps(body)), before)
    reader = found[app.name]
    instances = {
        t: replace(i, resolved={}, current={}, overrides={"X": "here"})
        for t, i in reader.instances.items()
    }
    found[app.name] = replace(reader, parameters={"X": "here"}, instances=instances)

    made = plan.make(make.system(net, app), found)

    assert [s.part for s in made.steps] == ["net", "app"]
    assert not any(made.steps[1].changes.values())


def test_what_reads_a_parameter_that_goes_away_changes_first() -> None:
    net, app = producer({"Ref": "Topic"}), consumer()
    body = json.loads(net.template)
    del body["Resources"]["Written"], body["Outputs"]["Out"]
    without = replace(net, template=json.dumps(body))
    alone = replace(consumer(Output("net", "Out")), parameters={"X": "mine"})

    made = plan.make(make.system(without, alone), deployed(net, app))

    assert [s.part for s in made.steps] == ["app", "net"] and not made.blocked
