"""Plans of stack sets that AWS Organizations deploys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tapgen import plan
from tapgen.aws import stacksets
from tapgen.model import (
    AccountFilter,
    Action,
    AutoDeployment,
    Observed,
    Output,
    Override,
    PermissionModel,
    ServiceManaged,
    StackSet,
    System,
    Target,
    Unit,
)
from tapgen.system import checks
from tapgen.template import evaluate
from tests import make

A, B, C = ("1" * 12, "2" * 12, "3" * 12)
PROD = Unit("ou-prod", (A, B))
TEST = Unit("ou-test", (C,))
EMPTY = Unit("ou-none", ())
UNITS = {"Prod": PROD, "Test": TEST, "Empty": EMPTY}
FOLLOWS = AutoDeployment(enabled=True)


def wanted(*units: str, text: str | None = None, **more: object) -> StackSet:
    regions = ("us-east-1", "us-west-2")
    managed = ServiceManaged(units, **{"auto_deployment": FOLLOWS, **more})  # type: ignore[arg-type]
    return replace(
        make.stack_set(parameters={"Days": "30"}, text=text),
        targets=tuple(Target(u, r) for r in regions for u in units),
        service_managed=managed,
    )


def resolved(s: StackSet, units: Mapping[str, Unit] = UNITS) -> System:
    return make.system(s).resolve(make.ACCOUNT, units)


def observed(
    s: StackSet, units: Mapping[str, Unit] = UNITS, **more: object
) -> Observed:
    """What is there once a stack set was rolled out."""
    (s,) = resolved(s, units).stack_sets
    assert s.service_managed
    found = make.observed(s)
    return replace(
        found,
        permission_model=PermissionModel.SERVICE_MANAGED,
        auto_deployment=s.service_managed.auto_deployment,
        administration_role=None,
        execution_role=None,
        **more,  # type: ignore[arg-type]
    )


def deletions(the_plan: plan.Plan) -> list[tuple[set[str], bool]]:
    return [
        ({str(t) for t in step.targets}, step.whole)
        for step in the_plan.steps
        if step.action is Action.DELETE
    ]


def refused(system: System, found: Mapping[str, Observed]) -> str:
    """What stops a plan, as one text."""
    return "\n".join(plan.refusals(plan.make(system, found)))


def test_a_unit_becomes_its_accounts_each_with_the_unit_it_is_reached_by() -> None:
    (found,) = resolved(wanted("Prod", "Test")).stack_sets

    assert [(t.account, t.region, t.unit) for t in found.targets] == [
        (A, "us-east-1", "ou-prod"),
        (B, "us-east-1", "ou-prod"),
        (C, "us-east-1", "ou-test"),
        (A, "us-west-2", "ou-prod"),
        (B, "us-west-2", "ou-prod"),
        (C, "us-west-2", "ou-test"),
    ]
    assert found.service_managed
    assert found.service_managed.organizational_units == ("ou-prod", "ou-test")


@pytest.mark.parametrize(
    ("chosen", "left"),
    [(AccountFilter.INTERSECTION, {A}), (AccountFilter.DIFFERENCE, {B})],
)
def test_a_filter_chooses_among_the_accounts(
    chosen: AccountFilter, left: set[str]
) -> None:
    s = wanted("Prod", accounts=(A,), account_filter=chosen)

    assert {t.account for t in resolved(s).stack_sets[0].targets} == left


def test_an_empty_unit_stands_for_itself_where_accounts_will_follow() -> None:
    (found,) = resolved(wanted("Empty")).stack_sets

    assert {t.account for t in found.targets} == {"ou-none"}
    assert all(t.joins_later for t in found.targets)


def test_a_unit_of_which_no_account_is_chosen_is_never_named_without_a_choice() -> None:
    """Naming it alone would mean all its accounts."""
    s = wanted("Prod", accounts=(C,), account_filter=AccountFilter.INTERSECTION)

    assert resolved(s).stack_sets[0].targets == ()
    assert f"{C} is in none of the organizational units" in refused(resolved(s), {})


def test_without_automatic_deployment_an_empty_unit_is_an_error() -> None:
    s = wanted("Empty", auto_deployment=AutoDeployment())

    assert "ou-none and the units below have no account" in refused(resolved(s), {})


def test_a_finished_rollout_leaves_nothing_to_do() -> None:
    s = wanted("Prod", "Empty")

    assert not plan.make(resolved(s), {s.name: observed(s)})


def test_an_account_that_left_is_deleted_by_itself() -> None:
    s = wanted("Prod")
    now = {"Prod": Unit("ou-prod", (A,))}

    the_plan = plan.make(resolved(s, now), {s.name: observed(s)})

    assert deletions(the_plan) == [({f"{B}/us-east-1", f"{B}/us-west-2"}, False)]


def test_a_unit_that_is_no_longer_named_is_forgotten_as_a_whole() -> None:
    before, after = wanted("Prod", "Test"), wanted("Prod")

    the_plan = plan.make(resolved(after), {before.name: observed(before)})

    assert deletions(the_plan) == [({f"{C}/us-east-1", f"{C}/us-west-2"}, True)]


def test_a_unit_with_one_that_stays_above_it_is_never_deleted_as_a_whole() -> None:
    """All of a unit's instances would go, also those the other one is there for."""
    before, after = wanted("Test"), wanted("Parent")
    parent = Unit("ou-parent", (A,), frozenset({"ou-test", "r-1"}))
    units = {**UNITS, "Parent": parent}

    the_plan = plan.make(resolved(after, units), {before.name: observed(before, units)})

    assert deletions(the_plan) == [({f"{C}/us-east-1", f"{C}/us-west-2"}, False)]


def test_waiting_in_a_unit_below_one_that_stays_is_left_alone() -> None:
    before, after = wanted("Empty"), wanted("Parent")
    parent = Unit("ou-parent", (A,), frozenset({"ou-none"}))
    units = {**UNITS, "Parent": parent}

    the_plan = plan.make(resolved(after, units), {before.name: observed(before, units)})

    assert deletions(the_plan) == []


def test_units_inside_each_other_are_refused() -> None:
    parent = Unit("ou-parent", (A, C), frozenset({"ou-test"}))
    s = wanted("Parent", "Test")

    assert "ou-test is above or below another unit" in refused(
        resolved(s, {**UNITS, "Parent": parent}), {}
    )


def test_who_deploys_does_not_change_while_there_are_instances() -> None:
    s = wanted("Prod")
    found = replace(observed(s), permission_model=PermissionModel.SELF_MANAGED)

    assert "is SELF_MANAGED and the config wants SERVICE_MANAGED" in refused(
        resolved(s), {s.name: found}
    )


def test_automatic_deployment_is_turned_off_by_an_update() -> None:
    s = wanted("Prod")
    off = wanted("Prod", auto_deployment=AutoDeployment())

    (step,) = plan.make(resolved(off), {s.name: observed(s)}).steps

    assert step.reasons == ("automatic deployment differs",)
    assert step.redefine


def test_a_value_of_the_stack_set_is_written_for_accounts_that_join() -> None:
    """Overrides give every instance the value that is wanted; who joins has none."""
    s = wanted("Prod")
    found = observed(s)
    instances = {
        t: replace(i, overrides={"Days": "30"}) for t, i in found.instances.items()
    }
    stale = replace(found, parameters={"Days": "7"}, instances=instances)

    (step,) = plan.make(resolved(s), {s.name: stale}).steps
    assert step.reasons == ("parameter Days of the stack set differs",)

    still = wanted("Prod", auto_deployment=AutoDeployment())
    retained = replace(stale, auto_deployment=AutoDeployment())
    assert not plan.make(resolved(still), {s.name: retained})


def test_targets_that_leave_never_get_the_values_of_new_ones() -> None:
    before, after = wanted("Prod"), wanted("Test")
    found = replace(observed(before), parameters={"Days": "7"})

    create = plan.make(resolved(after), {before.name: found}).steps[0]

    assert create.action is Action.CREATE and create.settles and not create.first


def test_accounts_that_join_get_no_output_of_another_stack_set() -> None:
    source = replace(wanted("Prod"), part="source", name="demo-test-source")
    taker = replace(
        wanted("Empty", text=make.template(("Arn",))),
        part="taker",
        name="demo-test-taker",
        parameters={"Arn": Output("source", "Arn")},
    )
    system = make.system(source, taker).resolve(make.ACCOUNT, UNITS)

    problems = checks.problems(system)

    assert problems
    assert all("accounts that join ou-none later do not get" in p for p in problems)


def test_before_units_are_resolved_nobody_claims_to_know_their_accounts() -> None:
    source = replace(wanted("Prod"), part="source", name="demo-test-source")
    taker = replace(
        wanted("Test", text=make.template(("Arn",))),
        part="taker",
        name="demo-test-taker",
        parameters={"Arn": Output("source", "Arn")},
        overrides=(Override({"Arn": "x"}, account=A),),
    )

    assert checks.problems(make.system(source, taker)) == []


def test_requests_name_units_and_choose_accounts_in_them() -> None:
    there = [Target(A, "us-east-1", "ou-prod"), Target(B, "us-east-1", "ou-prod")]
    waiting = Target("ou-none", "us-east-1", "ou-none")

    cut = stacksets.rectangles([*there, waiting])

    assert [stacksets.target_parameters(targets) for targets in cut] == [
        {
            "Regions": ["us-east-1"],
            "DeploymentTargets": {
                "OrganizationalUnitIds": ["ou-prod"],
                "Accounts": [A, B],
                "AccountFilterType": "INTERSECTION",
            },
        },
        {
            "Regions": ["us-east-1"],
            "DeploymentTargets": {"OrganizationalUnitIds": ["ou-none"]},
        },
    ]
    assert stacksets.target_parameters(there, whole=True) == {
        "Regions": ["us-east-1"],
        "DeploymentTargets": {"OrganizationalUnitIds": ["ou-prod"]},
    }


def test_requests_keep_every_account_with_its_unit_and_region() -> None:
    """The same account through one unit here and another there is two requests."""
    there = [Target(A, "us-east-1", "ou-a"), Target(A, "us-east-2", "ou-b")]

    cut = stacksets.rectangles(there)

    assert sorted((t.account, t.region, t.unit) for one in cut for t in one) == [
        (A, "us-east-1", "ou-a"),
        (A, "us-east-2", "ou-b"),
    ]


TABLE = {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "orders"}}


def test_a_unit_that_waits_is_no_target_that_keeps_data() -> None:
    text = make.template(("Days",), resources={"Topic": TABLE})
    before, after = wanted("Prod", "Empty", text=text), wanted("Empty", text=text)

    the_plan = plan.make(resolved(after), {before.name: observed(before)})

    (refusal,) = plan.refusals(the_plan)
    assert "its last target would be deleted, and it holds data (Topic)" in refusal


def test_what_waits_holds_no_data_and_goes_without_a_word() -> None:
    text = make.template(("Days",), resources={"Topic": TABLE})
    before, after = wanted("Prod", "Empty", text=text), wanted("Prod", text=text)

    the_plan = plan.make(resolved(after), {before.name: observed(before)})

    assert deletions(the_plan) == [({"ou-none/us-east-1", "ou-none/us-west-2"}, True)]
    assert plan.refusals(the_plan) == []
    assert the_plan.steps[0].changes == {}


def test_a_value_that_varies_by_output_cannot_follow_accounts() -> None:
    source = replace(wanted("Prod"), part="source", name="demo-test-source")
    taker = replace(
        wanted("Prod", text=make.template(("Arn",))),
        part="taker",
        name="demo-test-taker",
        parameters={"Arn": Output("source", "Arn")},
    )
    system = make.system(source, taker).resolve(make.ACCOUNT, UNITS)

    assert "taker.Arn: comes from source.Arn, which diff" in refused(system, {})


def test_a_reference_to_an_account_in_no_unit_is_no_empty_value() -> None:
    """An empty unit beside others does not make it uncertain what there is."""
    source = replace(wanted("Prod", "Empty"), part="source", name="demo-test-source")
    taker = replace(
        make.stack_set(text=make.template(("Arn",))),
        part="taker",
        name="demo-test-taker",
        parameters={"Arn": Output("source", "Arn", account="9" * 12)},
    )
    system = make.system(source, taker).resolve(make.ACCOUNT, UNITS)

    problem, *_ = checks.problems(system)
    assert f"source has no target in {'9' * 12}" in problem


def test_an_override_for_an_account_in_no_unit_is_an_error() -> None:
    s = replace(wanted("Prod"), overrides=(Override({"Days": "1"}, account=C),))

    assert f"an override is for {C}, which is in none" in refused(resolved(s), {})


def test_a_filter_that_leaves_no_account_is_an_error() -> None:
    s = wanted("Prod", accounts=(A, B), account_filter=AccountFilter.DIFFERENCE)

    assert "DIFFERENCE excludes all accounts" in refused(resolved(s), {})


def test_what_is_said_of_permissions_does_not_hang_on_the_units_around() -> None:
    """A saved plan is not stale because somebody made a unit, or by a hash seed."""
    (s,) = resolved(wanted("Prod")).stack_sets
    kin = {**UNITS, "Prod": replace(PROD, kin=frozenset({"ou-new", "r-1"}))}
    (other,) = resolved(wanted("Prod"), kin).stack_sets

    assert s.permissions() == other.permissions()


def test_nobody_takes_the_name_of_a_unit_for_the_number_of_an_account() -> None:
    bucket = {
        "Type": "AWS::S3::Bucket",
        "Properties": {"BucketName": {"Fn::Sub": "audit-${AWS::AccountId}"}},
    }
    body = {"Resources": {"Bucket": bucket}}

    found = evaluate.evaluate(body, {}, Target("Workloads/Prod", "us-east-1"))

    assert "Workloads" not in str(found.resources)


def test_stack_sets_that_follow_accounts_come_after_what_they_need() -> None:
    """An account that joins later gets them in the same order as a rollout."""
    follows = ServiceManaged(("ou-a",), auto_deployment=AutoDeployment(True))
    stays = ServiceManaged(("ou-a",))
    here = (Target("ou-a", "us-east-1"),)
    parts = [
        make.stack_set("base", targets=here, service_managed=follows),
        make.stack_set("other", targets=here, service_managed=stays),
        make.stack_set(
            "app",
            targets=here,
            service_managed=follows,
            depends_on=("base", "other"),
        ),
    ]

    found = make.system(*parts).resolve(make.ACCOUNT, {})

    chosen = [s.service_managed for s in found.stack_sets]
    assert [m.auto_deployment.depends_on for m in chosen if m] == [
        (),
        (),
        ("demo-test-base",),
    ]
    assert "depends_on" not in found.part("app").permissions()["auto_deployment"]
