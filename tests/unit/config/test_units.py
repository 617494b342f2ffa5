"""Stack sets that AWS Organizations deploys: what a file gives, and every mistake."""

from __future__ import annotations

import pytest

from tapgen.config import Config
from tapgen.model import AccountFilter, AutoDeployment, ServiceManaged, Target
from tests.unit.config.test_stack_sets import Load, Mistakes, load, mistakes

__all__ = ["load", "mistakes"]  # fixtures

# The first key that a test adds is on line 3, the stack sets come after it.
HEAD = "blueprint: custom\nsuffix: prod\n"
MANAGED = (
    HEAD + "permission_model: SERVICE_MANAGED\norganizational_units: [Workloads]\n"
)
SETS = "stack_sets:\n  net: {template: t.yaml, regions: [us-east-1]}\n"


def managed(config: Config) -> ServiceManaged | None:
    return config.stack_sets[0].service_managed


def test_a_unit_stands_for_its_accounts_in_every_region(load: Load) -> None:
    found = load(
        MANAGED + "auto_deployment: {enabled: true, retain_stacks: true}\n"
        "stack_sets:\n  net: {template: t.yaml, regions: [us-east-1, eu-west-1]}\n"
    )

    assert found.stack_sets[0].targets == (
        Target("Workloads", "us-east-1"),
        Target("Workloads", "eu-west-1"),
    )
    assert managed(found) == ServiceManaged(
        ("Workloads",), auto_deployment=AutoDeployment(True, True)
    )


def test_a_stack_set_says_for_itself_what_the_file_says_otherwise(load: Load) -> None:
    found = load(
        MANAGED + 'accounts: ["111111111111"]\naccount_filter: DIFFERENCE\n'
        "stack_sets:\n"
        "  net: {template: t.yaml, regions: [us-east-1]}\n"
        "  other: {template: t.yaml, regions: [us-east-1], organizational_units: [/]}\n"
        "  mine:\n    template: t.yaml\n    regions: [us-east-1]\n"
        "    permission_model: SELF_MANAGED\n"
    )

    net, other, mine = found.stack_sets
    assert net.service_managed == ServiceManaged(
        ("Workloads",), ("111111111111",), AccountFilter.DIFFERENCE
    )
    assert other.service_managed is not None
    assert other.service_managed.organizational_units == ("/",)
    # The file's accounts are a choice among those of the units, which this has not.
    assert mine.service_managed is None
    assert mine.targets == (Target("self", "us-east-1"),)


def test_an_override_may_name_an_account_that_a_unit_may_have(load: Load) -> None:
    found = load(
        MANAGED
        + "stack_sets:\n  net:\n    template: t.yaml\n    regions: [us-east-1]\n"
        '    overrides: [{account: "111111111111", parameters: {Size: small}}]\n'
    )

    assert found.stack_sets[0].overrides[0].account == "111111111111"


def test_a_delegated_administrator_is_named_beside_its_account(load: Load) -> None:
    assert load(MANAGED + "admin: {call_as: DELEGATED_ADMIN}\n" + SETS).delegated
    assert not load(MANAGED + SETS).delegated


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            HEAD + "permission_model: SERVICE_MANAGED\n" + SETS,
            "5: stack_sets.net.organizational_units: missing; SERVICE_MANAGED needs the organizational",
        ),
        (
            HEAD + "organizational_units: [Workloads]\n" + SETS,
            "3: organizational_units: needs permission_model: SERVICE_MANAGED",
        ),
        (
            HEAD + "auto_deployment: {enabled: true}\n" + SETS,
            "3: auto_deployment: needs permission_model: SERVICE_MANAGED",
        ),
        (
            MANAGED.replace("[Workloads]", '["111111111111"]') + SETS,
            "is an account, not an organizational unit; list it under accounts, with account_filter",
        ),
        (
            MANAGED.replace("[Workloads]", "[a//b]") + SETS,
            "'a//b' is not an organizational unit; give an id such as ou-ab12-34cd56ef",
        ),
        (
            MANAGED.replace("[Workloads]", "[]") + SETS,
            "4: organizational_units: ",
        ),
        (
            MANAGED + 'accounts: ["111111111111"]\n' + SETS,
            "5: accounts: accounts of SERVICE_MANAGED need an account_filter",
        ),
        (
            MANAGED + "account_filter: INTERSECTION\n" + SETS,
            "stack_sets.net.accounts: missing; give the accounts that account_filter refers to",
        ),
        (
            MANAGED + "account_filter: UNION\naccounts: ['111111111111']\n" + SETS,
            "5: account_filter: 'UNION' ",
        ),
        (
            MANAGED + "account_filter: INTERSECTION\naccounts: [self]\n" + SETS,
            "'self' cannot be used with account_filter",
        ),
        (
            MANAGED + "auto_deployment: {enabled: false, retain_stacks: true}\n" + SETS,
            "5: auto_deployment.retain_stacks: needs enabled: true",
        ),
        (
            MANAGED + "auto_deployment: {}\n" + SETS,
            "5: auto_deployment.enabled: missing",
        ),
        (
            HEAD + "admin: {call_as: DELEGATED_ADMIN}\n" + SETS,
            "3: admin.call_as: a delegated administrator can only have SERVICE_MANAGED stack sets",
        ),
        (
            MANAGED + "stack_sets:\n  net:\n    template: t.yaml\n"
            "    targets: [{region: us-east-1}]\n",
            "8: stack_sets.net.targets: cannot be combined with SERVICE_MANAGED",
        ),
        (
            MANAGED + "stack_sets:\n  net:\n    template: t.yaml\n"
            "    regions: [us-east-1]\n    artifacts: {Code: {path: code.zip}}\n",
            "9: stack_sets.net.artifacts: cannot be combined with SERVICE_MANAGED",
        ),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_key(
    mistakes: Mistakes, text: str, problem: str
) -> None:
    (found,) = mistakes(text)

    assert problem in found
