"""What a new version of the shipped templates does to stacks that are deployed.

`deployed.json` holds two digests for each committed template. Neither counts texts that
only people read (descriptions of templates, parameters and outputs), nor the form of the
console:

- `identity`: logical ids, types, create-only properties and policies for deletion. A
  change here replaces, adds or removes resources in deployed stacks.
- `content`: everything else, too: a change here updates resources in place, or changes
  parameters, outputs, rules or conditions.

When a change is meant to reach deployed stacks, describe it in the changelog and record
the digests with `python -m tests.systems.deployed`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tapgen import blueprints, plan
from tapgen.model import Action, Observed, StackSet, System
from tapgen.system import ownership
from tests import make
from tests.systems import deployed, look

UNKNOWN = "any output"


@pytest.mark.parametrize("kind", ["identity", "content"])
def test_deployed_stacks_keep_their_resources_as_they_are(kind: str) -> None:
    recorded, current = deployed.recorded(), deployed.current()
    assert set(current) == set(recorded)
    changed = [file for file in current if current[file][kind] != recorded[file][kind]]
    assert changed == [], deployed.ADVICE[kind]


def test_digests_see_more_than_texts() -> None:
    text = (look.ROOT / "templates_out/secure_network/storage.json").read_text()
    template = json.loads(text)
    before = deployed.digests(template)
    bucket = next(
        r for r in template["Resources"].values() if r["Type"] == "AWS::S3::Bucket"
    )

    template["Description"] = template["Parameters"]["KmsKeyArn"]["Description"] = "New"
    assert deployed.digests(template) == before

    bucket["Properties"]["Tags"] = [{"Key": "Purpose", "Value": "new"}]
    in_place = deployed.digests(template)
    assert in_place["identity"] == before["identity"]
    assert in_place["content"] != before["content"]

    bucket["Properties"]["BucketName"] = "other"
    assert deployed.digests(template)["identity"] != before["identity"]


@pytest.mark.parametrize("name", blueprints.NAMES)
def test_a_plan_over_other_descriptions_changes_no_resource(name: str) -> None:
    system = look.shipped(name)
    reworded = {s.name: _deployed(system, s) for s in system.stack_sets}

    found = plan.make(system, reworded)

    assert {step.action for step in found.steps} == {Action.UPDATE}
    assert {step.part for step in found.steps} == {s.part for s in system.stack_sets}
    for step in found.steps:
        assert step.reasons == ("template differs",), step.part
        assert not any(step.changes.values()), step.part
    assert plan.refusals(found) == []


def _deployed(system: System, stack_set: StackSet) -> Observed:
    """A stack set as it is deployed, with other descriptions than the system has."""
    values = {
        target: {k: _plain(v) for k, v in stack_set.values(target).items()}
        for target in stack_set.targets
    }
    common = {k: _plain(v) for k, v in stack_set.parameters.items()}
    outputs = dict.fromkeys(json.loads(stack_set.template)["Outputs"], UNKNOWN)
    return make.observed(
        replace(stack_set, parameters=common, overrides=()),
        template=json.dumps(_reworded(json.loads(stack_set.template))),
        instances={
            target: make.instance(
                outputs=outputs,
                overrides={k: v for k, v in own.items() if common.get(k) != v},
            )
            for target, own in values.items()
        },
        tags={
            **stack_set.tags,
            "tapgen:system": system.name,
            "tapgen:suffix": system.suffix,
            "tapgen:part": stack_set.part,
        },
        capabilities=stack_set.capabilities,
        execution_role=system.execution_role,
        administration_role=ownership.administration_role(system),
    )


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else UNKNOWN


def _reworded(template: dict[str, Any]) -> dict[str, Any]:
    """The template with another text wherever only people read one."""
    for section in ("Parameters", "Outputs"):
        for entry in template[section].values():
            entry["Description"] = f"Before: {entry['Description']}"
    return {**template, "Description": f"Before: {template['Description']}"}
