"""Stack sets that AWS Organizations deploys, on the embedded AWS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from tapgen import plan, rollout
from tapgen.accounts import bootstrap
from tapgen.aws import organizations, retained, session
from tapgen.aws.stacksets import StackSets
from tapgen.cli.reach_runs import is_delegated
from tapgen.errors import AwsError, PlanError
from tapgen.model import (
    SELF,
    AccountFilter,
    AutoDeployment,
    Override,
    ServiceManaged,
    StackSet,
    System,
    Target,
)
from tapgen.plan import Plan
from tapgen.system import ownership
from tests import make
from tests.emulated.conftest import Cloud

FOLLOWS = AutoDeployment(enabled=True)


def baseline(
    *units: str,
    days: str = "30",
    name: str = "audit",
    keep: bool = False,
    **more: object,
) -> System:
    """A log group in every account of some units, in two regions."""
    group: dict[str, object] = {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {"LogGroupName": name, "RetentionInDays": {"Ref": "Days"}},
    }
    if keep:
        group["DeletionPolicy"] = "Retain"
    text = make.template(("Days",), resources={"Topic": group})
    managed = ServiceManaged(units, **more)  # type: ignore[arg-type]
    s = StackSet(
        name="demo-test-baseline",
        part="baseline",
        template=text,
        role="every",
        targets=tuple(Target(u, r) for r in ("us-east-1", "us-west-2") for u in units),
        parameters={"Days": days},
        service_managed=managed,
    )
    return replace(make.system(s), admin=Target(SELF, "us-east-1"))


class Organization:
    """A management account, and systems rolled out from it or from a delegate."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.aws = cloud.aws

    def delegate(self, account: str) -> None:
        self.cloud.client("organizations").register_delegated_administrator(
            AccountId=account,
            ServicePrincipal="member.org.stacksets.cloudformation.amazonaws.com",
        )
        self.aws = session.connect_local(self.cloud.url, "us-east-1", account)

    def account(self, unit: str, account: str | None = None) -> str:
        return organizations.join(self.cloud.aws, unit, account)

    def resolved(self, system: System) -> System:
        admin = Target(self.aws.account, "us-east-1")
        units = organizations.units(self.aws, admin, system.organizational_units)
        return system.resolve(self.aws.account, units)

    def sets(self, system: System) -> StackSets:
        admin = Target(self.aws.account, "us-east-1")
        return StackSets(self.aws, admin, system.delegated)

    def plan(self, system: System) -> Plan:
        wanted = self.resolved(system)
        return plan.make(wanted, ownership.observe(wanted, self.sets(system)))

    def rollout(self, system: System) -> rollout.Outcome:
        bootstrap.run(self.aws, self.resolved(system), code="demo")
        return self.run(self.plan(system), system)

    def run(self, the_plan: Plan, system: System) -> rollout.Outcome:
        return rollout.run(the_plan, self.sets(system), print, poll_seconds=(0.02, 0.1))

    def days(self, account: str, region: str = "us-east-1") -> set[int]:
        """What the stacks of an account have made."""
        logs = self.cloud.aws.client("logs", Target(account, region))
        return {g["retentionInDays"] for g in logs.describe_log_groups()["logGroups"]}

    def waits(self) -> dict[str, list[str]]:
        """Where automatic deployment waits, by unit."""
        found = self.cloud.client(
            "cloudformation"
        ).list_stack_set_auto_deployment_targets(StackSetName="demo-test-baseline")
        return {s["OrganizationalUnitId"]: s["Regions"] for s in found["Summaries"]}


@pytest.fixture
def organization(cloud: Cloud) -> Organization:
    return Organization(cloud)


def eventually(look: Callable[[], object], wanted: object) -> None:
    """Automatic deployment works in the background."""
    deadline = time.monotonic() + 60
    while look() != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert look() == wanted


def accounts(the_plan: Plan) -> set[str]:
    return {t.account for step in the_plan.steps for t in step.targets}


def ids(organization: Organization, *paths: str) -> Iterable[str]:
    admin = Target(organization.aws.account, "us-east-1")
    return [organizations.units(organization.aws, admin, [p])[p].id for p in paths]


def test_a_baseline_reaches_every_account_of_a_unit_and_follows_them(
    organization: Organization,
) -> None:
    first = organization.account("Workloads/Prod")
    outside = organization.account("Sandbox")
    system = baseline("Workloads", auto_deployment=FOLLOWS)

    assert organization.rollout(system).green
    assert not organization.plan(system)
    assert organization.days(first) == organization.days(first, "us-west-2") == {30}
    assert organization.days(outside) == set()

    # Who joins gets what the stack set has now, also after a change.
    changed = baseline("Workloads", days="60", auto_deployment=FOLLOWS)
    assert organization.rollout(changed).green
    organization.account("Workloads/Prod", outside)
    eventually(lambda: organization.days(outside, "us-west-2"), {60})
    eventually(lambda: bool(_running(organization, changed)), False)
    assert not organization.plan(changed)

    # Who leaves loses it.
    organization.account("Sandbox", first)
    eventually(lambda: organization.days(first, "us-west-2"), set())
    eventually(lambda: bool(_running(organization, changed)), False)
    assert not organization.plan(changed)

    wanted = organization.resolved(changed)
    gone = plan.destroy(wanted, ownership.observe(wanted, organization.sets(changed)))
    assert organization.run(gone, changed).green
    assert organization.days(outside) == set()


def _running(organization: Organization, system: System) -> object:
    return organization.sets(system).running("demo-test-baseline")


def test_an_empty_unit_is_waited_at_until_it_is_no_longer_named(
    organization: Organization,
) -> None:
    organization.account("Prod")
    organization.account("Sandbox", organization.account("New"))
    both = baseline("Prod", "New", auto_deployment=FOLLOWS)

    assert organization.rollout(both).green
    assert not organization.plan(both)
    prod, new = ids(organization, "Prod", "New")
    regions = ["us-east-1", "us-west-2"]
    assert organization.waits() == {prod: regions, new: regions}

    one = baseline("Prod", auto_deployment=FOLLOWS)
    assert organization.rollout(one).green
    assert organization.waits() == {prod: regions}
    assert not organization.plan(one)


def test_who_joins_gets_the_values_of_the_stack_set_and_nobody_elses(
    organization: Organization,
) -> None:
    one, other = sorted(organization.account("Prod") for _ in range(2))
    system = baseline("Prod", auto_deployment=FOLLOWS)
    (s,) = system.stack_sets
    s = replace(s, overrides=(Override({"Days": "400"}, account=one),))
    system = replace(system, stack_sets=(s,))

    assert organization.rollout(system).green
    assert organization.days(one) == {400} and organization.days(other) == {30}
    joined = organization.account("Prod")
    eventually(lambda: organization.days(joined, "us-west-2"), {30})
    eventually(lambda: bool(_running(organization, system)), False)
    assert not organization.plan(system)

    # Also once the values have changed: none runs another's, not even at the end.
    changed = replace(s, parameters={"Days": "60"})
    assert organization.rollout(replace(system, stack_sets=(changed,))).green
    found = organization.sets(system).describe("demo-test-baseline")
    assert found and found.parameters == {"Days": "60"}
    assert organization.days(one) == {400} and organization.days(other) == {60}
    assert not organization.plan(replace(system, stack_sets=(changed,)))


def test_deleting_a_unit_as_a_whole_never_takes_what_is_not_meant(
    organization: Organization,
) -> None:
    account = organization.account("Prod")
    left = organization.account("Prod")
    system = baseline("Prod")
    assert organization.rollout(system).green
    sets = organization.sets(system)
    (unit,) = ids(organization, "Prod")

    target = Target(left, "us-east-1", unit)
    sets.delete_instances("demo-test-baseline", [target], {}, "op-1", whole=True)
    eventually(lambda: sets.running("demo-test-baseline"), None)

    assert {t.account for t in sets.listed("demo-test-baseline")} == {account, left}
    assert organization.days(left) == set()
    assert organization.days(account) == {30}


def test_a_suspended_account_is_left_alone_and_reported(
    organization: Organization,
) -> None:
    awake, asleep = organization.account("Prod"), organization.account("Prod")
    system = baseline("Prod")
    assert organization.rollout(system).green

    organization.cloud.client("organizations").close_account(AccountId=asleep)
    the_plan = organization.plan(baseline("Prod", days="60"))

    assert accounts(the_plan) == {awake}
    assert {target.account for _, target in the_plan.suspended} == {asleep}
    assert organization.run(the_plan, system).green


def test_an_account_that_has_left_the_organization_is_said_to_be_there_still(
    organization: Organization,
) -> None:
    organization.account("Prod")
    gone = organization.account("Prod")
    system = baseline("Prod")
    assert organization.rollout(system).green
    client = organization.cloud.client("organizations")
    client.remove_account_from_organization(AccountId=gone)

    ended = organization.run(organization.plan(system), system)

    assert not ended.green
    assert f"{gone}/us-east-1, {gone}/us-west-2 still exists" in str(ended.failures[0])
    assert "--retain-stacks" in str(ended.failures[0])


def test_an_account_that_joins_or_leaves_meanwhile_fails_nothing(
    organization: Organization,
) -> None:
    leaving = organization.account("Prod")
    organization.account("Prod")
    organization.account("Sandbox", organization.account("New"))
    system = baseline("Prod", "New", auto_deployment=FOLLOWS)
    the_plan = organization.plan(_bootstrapped(organization, system))

    organization.account("New")  # before the plan is run
    organization.account("Sandbox", leaving)

    assert organization.run(the_plan, system).green


def _bootstrapped(organization: Organization, system: System) -> System:
    bootstrap.run(organization.aws, organization.resolved(system), code="demo")
    return system


def test_what_is_retained_is_listed_where_nobody_may_look(
    organization: Organization,
) -> None:
    account = organization.account("Prod")
    system = baseline("Prod", keep=True)
    assert organization.rollout(system).green
    observed = ownership.observe(
        organization.resolved(system), organization.sets(system)
    )
    stranger = replace(organization.aws, local=False, _handles={}, _keys={})

    found = retained.find(stranger, observed)

    assert {x.target for x in found} == {
        Target(account, "us-east-1"),
        Target(account, "us-west-2"),
    }
    assert "Topic (its name could not be read)" in str(found[0])
    assert retained.delete(stranger, found[0]) == "kept (delete it by hand)"


def test_a_choice_of_accounts_holds_for_what_is_created_and_deleted(
    organization: Organization,
) -> None:
    one, other = (organization.account("Prod") for _ in range(2))

    def chosen(how: AccountFilter) -> System:
        return baseline("Prod", accounts=(one,), account_filter=how)

    assert organization.rollout(chosen(AccountFilter.INTERSECTION)).green
    assert (organization.days(one), organization.days(other)) == ({30}, set())

    assert organization.rollout(chosen(AccountFilter.DIFFERENCE)).green
    assert (organization.days(one), organization.days(other)) == (set(), {30})


def test_a_failure_in_one_account_is_explained_and_put_back(
    organization: Organization,
) -> None:
    account = organization.account("Prod")
    assert organization.rollout(baseline("Prod")).green

    logs = organization.cloud.aws.client("logs", Target(account, "us-west-2"))
    logs.create_log_group(logGroupName="taken")
    ended = organization.rollout(baseline("Prod", days="60", name="taken"))

    assert not ended.green
    assert ended.failures[0].logical_id == "Topic"
    assert ended.failures[0].target == Target(account, "us-west-2")
    assert "already exists" in ended.failures[0].reason
    assert ended.restored == ("demo-test-baseline",)
    assert organization.days(account) == {30}
    assert not organization.plan(baseline("Prod"))


def test_a_delegated_administrator_rolls_out_to_the_same_units(
    organization: Organization,
) -> None:
    account = organization.account("Prod")
    bootstrap.run(
        organization.aws, organization.resolved(baseline("Prod")), code="demo"
    )
    organization.delegate(organization.account("Admins"))
    system = replace(baseline("Prod"), delegated=True)

    assert organization.rollout(system).green
    assert not organization.plan(system)
    assert organization.days(account) == {30}
    mine = organization.sets(replace(system, delegated=False))
    assert is_delegated(mine, "demo-test-")
    assert not is_delegated(mine, "other-test-")
    # The stack set lives in the management account.
    names = organization.cloud.client("cloudformation").list_stack_sets()["Summaries"]
    assert "demo-test-baseline" in {s["StackSetName"] for s in names}


def test_a_unit_that_does_not_exist_is_reported_with_those_that_are(
    organization: Organization,
) -> None:
    organization.account("Workloads/Prod")
    organization.account("Workloads/Test")

    with pytest.raises(PlanError) as wrong:
        organization.plan(baseline("Workloads/Prdo", "Sandbox"))

    reported = [
        line.partition("; correct it")[0] for line in str(wrong.value).splitlines()
    ]
    assert reported == [
        "Workloads/Prdo: the organization has no such unit; /Workloads has Prod, Test",
        "Sandbox: the organization has no such unit; the root has Workloads",
    ]


def test_what_was_deployed_in_a_unit_that_is_gone_can_be_destroyed(
    organization: Organization,
) -> None:
    account = organization.account("Old")
    system = baseline("Old")
    assert organization.rollout(system).green
    organization.account("New", account)
    (id,) = ids(organization, "Old")
    client = organization.cloud.client("organizations")
    client.delete_organizational_unit(OrganizationalUnitId=id)

    units = organizations.units(
        organization.aws, organization.aws.home, ["Old"], leaving=True
    )
    wanted = system.resolve(organization.aws.account, units)
    found = ownership.observe(wanted, organization.sets(system))

    assert organization.run(plan.destroy(wanted, found), system).green
    assert organization.days(account) == set()


def test_units_are_named_by_id_or_by_path_and_the_root_holds_everybody(
    organization: Organization,
) -> None:
    one = organization.account("Workloads/Prod")
    two = organization.account("/")
    (id,) = ids(organization, "Workloads/Prod")
    admin = Target(organization.aws.account, "us-east-1")

    found = organizations.units(
        organization.aws, admin, [id, "Workloads", "/Workloads/Prod", "/"]
    )

    assert {name: set(unit.accounts) for name, unit in found.items()} == {
        id: {one},
        "Workloads": {one},
        "/Workloads/Prod": {one},
        "/": {one, two},  # and not the management account
    }
    assert found[id].kin >= {found["Workloads"].id, found["/"].id}
    assert id in found["/"].kin


def test_without_an_organization_it_is_said_where_units_are_read(cloud: Cloud) -> None:
    with pytest.raises((AwsError, PlanError)) as wrong:
        organizations.units(cloud.aws, cloud.aws.home, ["Prod"])

    assert "Prod" in str(wrong.value) or "management account" in str(wrong.value)


def test_an_account_that_joins_gets_what_depends_on_another_after_it(
    organization: Organization,
) -> None:
    organization.account("Prod")
    system = baseline("Prod", auto_deployment=FOLLOWS)
    (first,) = system.stack_sets
    topic = make.template(resources={"Topic": {"Type": "AWS::SNS::Topic"}})
    second = replace(
        first,
        name="demo-test-alerts",
        part="alerts",
        template=topic,
        parameters={},
        depends_on=("baseline",),
    )
    free = replace(second, depends_on=())
    assert organization.rollout(replace(system, stack_sets=(first, free))).green
    system = replace(system, stack_sets=(first, second))
    (step,) = organization.plan(system).steps
    assert step.reasons == (
        "automatic deployment differs: from then on after demo-test-baseline",
    )

    assert organization.rollout(system).green

    client = organization.cloud.client("cloudformation")
    known = client.describe_stack_set(StackSetName="demo-test-alerts")["StackSet"]
    base = client.describe_stack_set(StackSetName="demo-test-baseline")["StackSet"]
    assert known["AutoDeployment"]["DependsOn"] == [base["StackSetARN"]]
    assert "DependsOn" not in base["AutoDeployment"]
    assert not organization.plan(system)
