"""The stack of the rollout engine: what its roles may do, and how often it calls itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tapgen import lint
from tapgen.blueprints import bootstrap, engine
from tapgen.engine import cost
from tapgen.errors import BlueprintError
from tapgen.model import StackSet, System, Target

ADMIN = Target("111111111111", "eu-west-1")
PREFIXES = ("payments-dr-prod", "secure-network-dev")


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.template(PREFIXES))
    return found


def test_it_is_clean_and_deterministic() -> None:
    text = engine.template(PREFIXES)
    assert text == engine.template(reversed(PREFIXES))
    given = {"CodeKey": f"artifacts/{'0' * 64}.zip", "JournalFormat": "1"}
    stack_set = StackSet(
        "some-system-dev-engine",
        "engine",
        text,
        "every",
        (ADMIN,),
        parameters=given,
        capabilities=("CAPABILITY_NAMED_IAM",),
    )
    system = System(
        name="some_system",
        blueprint="custom",
        suffix="dev",
        regions={"primary": ADMIN.region},
        admin=ADMIN,
        tags={"Project": "x"},
        stack_sets=(stack_set,),
    )
    assert lint.check(system, Path("out")) == []


@pytest.mark.parametrize("turns", [engine.TURNS, 3])
def test_no_execution_can_have_as_many_events_as_step_functions_allows(
    turns: int,
) -> None:
    machine = engine.definition(turns)
    assert engine.most_events(machine, turns) <= engine.MOST_EVENTS * 3 / 4
    assert machine["States"]["Answer"]["Choices"][0]["Next"] == "Continue"


def test_the_cost_of_a_run_counts_the_transitions_of_a_turn() -> None:
    states = engine.definition()["States"]
    turn, name = ["Advance"], "Answer"
    while name != "Advance":
        turn.append(name)
        choices = states[name].get("Choices", ())
        name = choices[1]["Next"] if choices else states[name]["Next"]
    assert turn == ["Advance", "Answer", "Pause", "Count"]
    assert len(turn) == cost.TRANSITIONS


def statements(resource: Mapping[str, Any]) -> list[dict[str, Any]]:
    properties = resource["Properties"]
    documents = [p["PolicyDocument"] for p in properties.get("Policies", ())]
    documents += [properties[k] for k in ("PolicyDocument",) if k in properties]
    return [s for d in documents for s in d["Statement"]]


def test_all_that_roles_may_do_is_within_the_boundary(template: dict[str, Any]) -> None:
    resources = template["Resources"]
    boundary = statements(resources["Boundary"])

    def covered(action: str, resource: Any) -> bool:
        found = [r for s in boundary if action in s["Action"] for r in s["Resource"]]
        texts = [json.dumps(each) for each in found]
        if "*" in found:
            return True
        return resource in found or any(
            fnmatchcase(json.dumps(resource), t) for t in texts
        )

    roles = {n: r for n, r in resources.items() if r["Type"] == "AWS::IAM::Role"}
    assert len(roles) == 3
    for role in roles.values():
        assert role["Properties"]["PermissionsBoundary"] == {"Ref": "Boundary"}
    own = [*roles.values(), *(r for n, r in resources.items() if "SystemsPolicy" in n)]
    for one in own:
        for statement in statements(one):
            for action in statement["Action"]:
                for resource in statement["Resource"]:
                    assert covered(action, resource), (action, resource)
    assert bootstrap.size(resources["Boundary"]["Properties"]["PolicyDocument"]) < 6144


def test_it_touches_the_systems_that_were_admitted_and_passes_one_kind_of_role(
    template: dict[str, Any],
) -> None:
    policies = [r for n, r in template["Resources"].items() if "SystemsPolicy" in n]
    allowed = [s for policy in policies for s in statements(policy)]
    writes = [
        json.dumps(resource)
        for s in allowed
        for resource in s["Resource"]
        if {"cloudformation:UpdateStackSet", "s3:PutObject"} & {*s["Action"]}
        and "type/resource" not in json.dumps(resource)
    ]
    # Not artifacts: its own code is one.
    assert all(any(p in w for p in (*PREFIXES, "/templates/*")) for w in writes)
    (passing,) = [s for s in allowed if "iam:PassRole" in s["Action"]]
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}
    }
    (role,) = passing["Resource"]
    assert role["Fn::Sub"].endswith(":role/tapgen-administration-*")


def test_more_systems_than_a_role_can_serve_are_refused() -> None:
    with pytest.raises(BlueprintError, match="IAM attaches 10"):
        engine.template(f"some-system-{number}" for number in range(60))
