"""Which stacks a stack set can take over, what is left out, and what is said before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tapgen.aws.existing import Existing, Owners, Wanted
from tapgen.model import Target
from tapgen.system import importable, imported
from tests.make import EAST, WEST
from tests.unit.system.test_imported import YAML, stack

LET_GO = "StackSet-net-0a1b2c3d-1111-2222-3333-444455556666"
NESTED = "Resources: {In: {Type: AWS::CloudFormation::Stack}}"
INCLUDED = """
Resources: {T: {Type: AWS::SNS::Topic, Properties: {Fn::Transform: {Name: AWS::Include}}}}
"""
TAKEN = stack("taken")
OWNERS = Owners({TAKEN.id: ("mine", WEST)})


def refusals(one: Existing, **own: Target) -> str:
    return " ".join(importable.refusals(imported.parts([one]), OWNERS, own))


@pytest.mark.parametrize(
    "one, words",
    [
        (stack("a", status="UPDATE_IN_PROGRESS"), "is UPDATE_IN_PROGRESS; wait"),
        (stack("a", status="ROLLBACK_COMPLETE"), "can only be deleted"),
        (stack("a", status="UPDATE_ROLLBACK_FAILED"), "continue-update-rollback"),
        (stack("a", text="", status="REVIEW_IN_PROGRESS"), "and no resources"),
        (stack("a", text="", parent="arn:x/root/1"), "is nested in root"),
        (TAKEN, f"belongs to stack set mine in {WEST} already"),
        (
            stack("a", text=YAML.replace("String}", "String, NoEcho: true}")),
            "NoEcho parameter Size",
        ),
        (stack("a", text="Transform: AWS::LanguageExtensions\n" + YAML), "a macro"),
        (stack("a", text=INCLUDED), "a macro"),
        (stack("a", text=NESTED), "the nested stack In"),
        (stack("a", text="]"), "cannot be read"),
        (stack("tapgen-demo-test-roles"), "leave it to tapgen bootstrap"),
    ],
)
def test_what_aws_refuses_is_refused_before(one: Existing, words: str) -> None:
    assert words in refusals(one)


def test_a_stack_may_have_the_stack_set_that_is_to_have_it() -> None:
    """Where an import was interrupted; one of the same name elsewhere is another one."""
    assert not refusals(TAKEN, mine=WEST)
    assert refusals(TAKEN, mine=EAST)


def test_a_stack_that_its_stack_set_has_let_go_is_no_longer_refused() -> None:
    one = stack(LET_GO)
    parts = imported.parts([one])

    assert not importable.refusals(parts, Owners(), {})
    (said,) = importable.warnings(parts, Owners())
    assert "made by a stack set net, which was not found" in said


def test_what_is_nothing_by_itself_is_left_out_unless_it_was_named() -> None:
    inner = stack("shop-In-X", text="", parent="arn:x/shop/1")
    review = stack("shop-new", text="", status="REVIEW_IN_PROGRESS")
    roles = stack("tapgen-shop-prod-roles", tags={"Project": "shop"})
    found = [stack("shop"), inner, review, roles]

    kept, left = importable.chosen(found, Wanted(prefix="shop"))
    names = ["shop-new", inner.id, roles.id]
    named, _ = importable.chosen(found, Wanted(names, "shop"))

    assert kept == found[:1] and named == found
    assert [line.split(":")[0] for line in left] == [
        f"{one.name} in {EAST}" for one in (inner, review, roles)
    ]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"tags": {"CostCenter": "42"}}, "CostCenter=42"),
        (
            {"role": "arn:aws:iam::1:role/deploy"},
            "service role arn:aws:iam::1:role/dep",
        ),
        ({"protected": True}, "termination protection"),
        ({"policy": True}, "has a stack policy"),
        ({"policy": None}, "may have (the caller may not read it) a stack policy"),
        ({"drifted": True}, "has drifted"),
    ],
)
def test_what_the_next_update_meets_is_said(
    change: dict[str, object], words: str
) -> None:
    plain = stack("net")

    assert importable.warnings(imported.parts([plain]), Owners()) == []
    one = replace(plain, **change)  # type: ignore[arg-type]
    (line,) = importable.warnings(imported.parts([one]), Owners())
    assert words in line


def test_stack_sets_that_could_not_be_read_are_said() -> None:
    owners = Owners({}, {str(WEST): "AccessDenied"})

    (line,) = importable.warnings(imported.parts([stack("net")]), owners)

    assert f"{WEST} (AccessDenied)" in line and "AWS refuses to import it" in line


def test_stack_sets_of_another_system_are_in_the_way() -> None:
    parts = imported.parts([stack("net")])
    own = {one.id for one in parts[0].stacks}

    def lines(name: str, ids: set[str]) -> list[str]:
        return importable.occupied(parts, {name: ids}, "shop-prod")

    assert not lines("shop-prod-net", own) and not lines("shop-prod-net", set())
    assert lines("shop-prod-net", {*own, "arn:other"}) and lines("shop-prod-app", own)
