"""A runbook for people: every step of every procedure, as commands that the AWS CLI has."""

from __future__ import annotations

import shlex
from functools import cache

import pytest
from botocore import xform_name
from botocore.model import ServiceModel
from botocore.session import Session

from tapgen.operate import chapters
from tapgen.report.runbook import Chapter, markdown
from tests.systems.test_loss import system
from tests.unit.operate.test_failover import network
from tests.unit.operate.world import Around, Replica


@cache
def service(name: str) -> ServiceModel:
    return Session().get_service_model(name)


def fits(command: str) -> bool:
    """Whether the AWS CLI has this command with these options."""
    aws, name, action, region, place, *rest = shlex.split(command)
    assert (aws, region) == ("aws", "--region") and place, command
    model = service(name)
    (operation,) = (o for o in model.operation_names if xform_name(o, "-") == action)
    shape = model.operation_model(operation).input_shape
    assert shape
    known = {f"--{xform_name(member, '-')}" for member in shape.members}
    given = {word.replace("--no-", "--") for word in rest if word.startswith("--")}
    assert given and given <= known, command
    return True


@pytest.mark.parametrize("name", ["payments_dr", "secure_network"])
def test_a_runbook_has_every_step_as_a_command_of_the_aws_cli(name: str) -> None:
    of = system() if name == "payments_dr" else network()
    around = Around(world=Replica(), regions=of.regions)
    found = [
        Chapter(one.name, one.description, here.role, here.region, steps)
        for one, here, steps in chapters.of(of, around.aws)
    ]

    text = markdown("Runbook", found)

    assert {(c.name, c.role) for c in found} == {
        (p.name, role) for p in of.procedures for role in p.roles
    }
    for chapter in found:
        assert f"## {chapter.name} in {chapter.region} ({chapter.role})" in text
        for step in chapter.steps:
            acts = [step.check, *(c.act for c in (*step.calls, *step.undo))]
            for act in filter(None, acts):
                if not act.script:
                    action = xform_name(act.action, "-")
                    assert f"aws {act.service} {action} --region" in text
    commands = [line for line in text.splitlines() if line.startswith("   aws ")]
    assert commands and all(map(fits, commands))
    moves = [c for c in commands if "switchover-global-cluster" in c]
    assert bool(moves) == (name == "payments_dr") and "The script" not in text
    assert "${" not in text, "every name is filled in"
