"""Service-managed stack sets: units of an organization instead of accounts.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-orgs-activate-trusted-access.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-orgs-associate-stackset-with-org.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/account-level-targets.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-orgs-delegated-admin.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.emulator.conftest import Aws, template, topic
from tests.emulator.stacksets.test_sets import refused

PRINCIPAL = "member.org.stacksets.cloudformation.amazonaws.com"
SHOWN = template(
    {"Topic": topic(DisplayName={"Ref": "Display"})},
    {"Display": {"Type": "String", "Default": "plain"}},
)


@dataclass(frozen=True)
class Organization:
    """A tree: `root` has `unit`, which has `nested`; `account` is in `unit`."""

    aws: Aws
    root: str
    unit: str
    nested: str
    account: str

    @property
    def client(self) -> Any:
        return self.aws.client("organizations")

    def new_unit(self, parent: str, name: str) -> str:
        created = self.client.create_organizational_unit(ParentId=parent, Name=name)
        id_: str = created["OrganizationalUnit"]["Id"]
        return id_

    def join(self, unit: str | None = None) -> str:
        """A new account, moved into a unit, or left in the root."""
        created = self.client.create_account(Email="a@example.com", AccountName="a")
        account: str = created["CreateAccountStatus"]["AccountId"]
        if unit is not None:
            self.move(account, self.root, unit)
        return account

    def move(self, account: str, source: str, destination: str) -> None:
        self.client.move_account(
            AccountId=account, SourceParentId=source, DestinationParentId=destination
        )

    def make(self, name: str = "org", body: str = SHOWN, **more: Any) -> None:
        request = {"AutoDeployment": {"Enabled": False}, **more}
        self.aws.cloudformation.create_stack_set(
            StackSetName=name,
            TemplateBody=body,
            PermissionModel="SERVICE_MANAGED",
            **request,
        )

    def create(self, name: str = "org", **targets: Any) -> dict[str, Any]:
        """Create instances, by default in us-east-1."""
        regions = targets.pop("Regions", ["us-east-1"])
        started = self.aws.cloudformation.create_stack_instances(
            StackSetName=name, DeploymentTargets=targets, Regions=regions
        )
        return self.aws.finished(name, started)

    def accounts(self, name: str = "org") -> set[str]:
        return {account for account, _ in self.aws.instances(name)}


@pytest.fixture
def organization(aws: Aws) -> Organization:
    client = aws.client("organizations")
    client.create_organization(FeatureSet="ALL")
    root = client.list_roots()["Roots"][0]["Id"]
    bare = Organization(aws, root, "", "", "")
    unit = bare.new_unit(root, "workloads")
    nested = bare.new_unit(unit, "nested")
    aws.cloudformation.activate_organizations_access()
    return Organization(aws, root, unit, nested, bare.join(unit))


# Trusted access


def test_access_to_the_organization_is_activated_and_deactivated(aws: Aws) -> None:
    """ActivateOrganizationsAccess, DescribeOrganizationsAccess: Status."""
    client = aws.cloudformation
    aws.client("organizations").create_organization()
    assert client.describe_organizations_access()["Status"] == "DISABLED"
    client.activate_organizations_access()
    client.activate_organizations_access()
    assert client.describe_organizations_access()["Status"] == "ENABLED"
    services = aws.client("organizations").list_aws_service_access_for_organization()
    principals = [s["ServicePrincipal"] for s in services["EnabledServicePrincipals"]]
    assert principals == [PRINCIPAL]
    client.deactivate_organizations_access()
    assert client.describe_organizations_access()["Status"] == "DISABLED"


def test_service_managed_stack_sets_need_access_to_the_organization(aws: Aws) -> None:
    """User guide, "Activate trusted access": only then can they be created."""
    with refused("ValidationError", "You must enable organizations access"):
        Organization(aws, "", "", "", "").make()


def test_a_member_account_activates_nothing(organization: Organization) -> None:
    """ActivateOrganizationsAccess is for the management account."""
    member = organization.aws.client("cloudformation", organization.account)
    with refused("InvalidOperationException", "management account"):
        member.activate_organizations_access()
    with refused("ValidationError", "You must be the management account"):
        member.create_stack_set(
            StackSetName="s",
            TemplateBody=SHOWN,
            PermissionModel="SERVICE_MANAGED",
            AutoDeployment={"Enabled": False},
        )


@pytest.mark.parametrize(
    ("body", "more", "message"),
    [
        (
            SHOWN,
            {"AdministrationRoleARN": "arn:aws:iam::1:role/admin"},
            "not supported",
        ),
        (SHOWN, {"ExecutionRoleName": "mine"}, "not supported"),
        (template(Transform="AWS::Serverless-2016-10-31"), {}, "Transform is not"),
        (
            template(
                {
                    "Nested": {
                        "Type": "AWS::CloudFormation::Stack",
                        "Properties": {"TemplateURL": "https://s3.amazonaws.com/b/k"},
                    }
                }
            ),
            {},
            "Nested stacks are not supported",
        ),
        (
            SHOWN,
            {
                "AutoDeployment": {
                    "Enabled": False,
                    "RetainStacksOnAccountRemoval": True,
                }
            },
            "RetainStacksOnAccountRemoval",
        ),
        (
            SHOWN,
            {"AutoDeployment": {"Enabled": True, "DependsOn": ["arn:aws:nothing"]}},
            "DependsOn",
        ),
    ],
)
def test_what_service_managed_stack_sets_cannot_have(
    organization: Organization, body: str, more: dict[str, Any], message: str
) -> None:
    """User guide, "Considerations when creating a StackSet with service-managed
    permissions": no nested stacks, no macros, no roles of one's own."""
    with refused("ValidationError", message):
        organization.make(body=body, Capabilities=["CAPABILITY_AUTO_EXPAND"], **more)


def test_auto_deployment_must_be_said(organization: Organization) -> None:
    """CreateStackSet, AutoDeployment: for service-managed permissions only."""
    with refused("ValidationError", "AutoDeployment must be specified"):
        organization.aws.cloudformation.create_stack_set(
            StackSetName="s", TemplateBody=SHOWN, PermissionModel="SERVICE_MANAGED"
        )


# Targets


def test_a_unit_means_its_accounts_and_those_of_the_units_below(
    organization: Organization,
) -> None:
    """DeploymentTargets, OrganizationalUnitIds: "and their child OUs". No roles are
    needed, and the unit that was named is shown on instances and results."""
    below = organization.join(organization.nested)
    outside = organization.join()
    organization.make()
    operation = organization.create(OrganizationalUnitIds=[organization.unit])
    assert operation["Status"] == "SUCCEEDED"
    targets = {"OrganizationalUnitIds": [organization.unit]}
    assert operation["DeploymentTargets"] == targets
    instances = organization.aws.instances("org")
    assert {account for account, _ in instances} == {organization.account, below}
    assert outside not in organization.accounts()
    units = {i["OrganizationalUnitId"] for i in instances.values()}
    assert units == {organization.unit}
    results = organization.aws.results("org", operation["OperationId"])
    units = {r["OrganizationalUnitId"] for r in results.values()}
    assert units == {organization.unit}
    for instance in instances.values():
        assert organization.aws.stack(instance)["StackStatus"] == "CREATE_COMPLETE"
    found = organization.aws.cloudformation.describe_stack_set(StackSetName="org")
    stack_set = found["StackSet"]
    assert stack_set["OrganizationalUnitIds"] == [organization.unit]
    assert stack_set["PermissionModel"] == "SERVICE_MANAGED"
    assert "AdministrationRoleARN" not in stack_set


def test_the_root_means_everybody_but_the_management_account(
    organization: Organization,
) -> None:
    """DeploymentTargets: never "to the organization management account"."""
    free = organization.join()
    organization.make()
    organization.create(OrganizationalUnitIds=[organization.root])
    assert organization.accounts() == {organization.account, free}


@pytest.mark.parametrize(
    ("kind", "both"), [("INTERSECTION", False), ("DIFFERENCE", True), ("NONE", None)]
)
def test_accounts_of_units_are_filtered(
    organization: Organization, kind: str, both: bool | None
) -> None:
    """DeploymentTargets, AccountFilterType."""
    other = organization.join(organization.unit)
    organization.make()
    targets: dict[str, Any] = {"AccountFilterType": kind}
    if both is not None:
        targets["Accounts"] = [other, "999999999999"]
    organization.create(OrganizationalUnitIds=[organization.unit], **targets)
    everybody = {organization.account, other}
    expected = {"INTERSECTION": {other}, "DIFFERENCE": {organization.account}}
    assert organization.accounts() == expected.get(kind, everybody)


def test_accounts_may_be_listed_in_a_file(organization: Organization) -> None:
    """DeploymentTargets, AccountsUrl: comma-separated or new-line-separated."""
    other = organization.join(organization.unit)
    bucket = f"accounts-{organization.aws.account}"
    s3 = organization.aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a.csv", Body=f"{other},\n999999999999\n")
    organization.make()
    organization.create(
        OrganizationalUnitIds=[organization.unit],
        AccountsUrl=f"https://s3.amazonaws.com/{bucket}/a.csv",
        AccountFilterType="INTERSECTION",
    )
    assert organization.accounts() == {other}


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"Accounts": ["111111111111"]}, "can only have OrganizationalUnit as target"),
        ({}, "can only have OrganizationalUnit as target"),
        ({"OrganizationalUnitIds": ["ou-none-12345678"]}, "does not exist"),
        (
            {"OrganizationalUnitIds": ["UNIT"], "Accounts": ["111111111111"]},
            "AccountFilterType should be specified",
        ),
        (
            {
                "OrganizationalUnitIds": ["UNIT"],
                "Accounts": ["111111111111"],
                "AccountFilterType": "UNION",
            },
            "UNION is not supported",
        ),
        (
            {"OrganizationalUnitIds": ["UNIT"], "AccountFilterType": "DIFFERENCE"},
            "Accounts must be specified",
        ),
        (
            {"OrganizationalUnitIds": [f"ou-none-1234567{n:03}" for n in range(51)]},
            "50",
        ),
        (
            {
                "OrganizationalUnitIds": ["UNIT"],
                "AccountsUrl": "https://s3.amazonaws.com/nowhere-at-all/a.csv",
                "AccountFilterType": "INTERSECTION",
            },
            "AccountsUrl cannot be read",
        ),
    ],
)
def test_deployment_targets_that_make_no_sense_are_refused(
    organization: Organization, targets: dict[str, Any], message: str
) -> None:
    """DeploymentTargets; CreateStackInstances: up to 50 units, no UNION."""
    organization.make()
    named = json.dumps(targets).replace("UNIT", organization.unit)
    with refused("ValidationError", message):
        organization.create(**json.loads(named))
    assert organization.accounts() == set()


def test_accounts_are_no_targets_of_service_managed_stack_sets(
    organization: Organization,
) -> None:
    """CreateStackInstances, Accounts: for self-managed permissions."""
    organization.make()
    with refused("ValidationError", "can only have OrganizationalUnit as target"):
        organization.aws.cloudformation.create_stack_instances(
            StackSetName="org", Accounts=[organization.account], Regions=["us-east-1"]
        )


def test_units_are_no_targets_of_self_managed_stack_sets(aws: Aws) -> None:
    """CreateStackInstances, DeploymentTargets: for service-managed permissions."""
    aws.cloudformation.create_stack_set(StackSetName="s", TemplateBody=SHOWN)
    with refused("ValidationError", "can only have accounts as target"):
        aws.cloudformation.create_stack_instances(
            StackSetName="s",
            DeploymentTargets={"OrganizationalUnitIds": ["r-abcd"]},
            Regions=["us-east-1"],
        )


def test_updates_reach_the_instances_that_targets_have(
    organization: Organization,
) -> None:
    """UpdateStackSet and UpdateStackInstances, DeploymentTargets; UNION is the default
    when accounts are named too."""
    other = organization.join(organization.nested)
    organization.make()
    organization.create(OrganizationalUnitIds=[organization.unit])
    organization.join(organization.unit)  # has no instance, and gets none
    client = organization.aws.cloudformation
    started = client.update_stack_set(
        StackSetName="org",
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "Display", "ParameterValue": "new"}],
        DeploymentTargets={"OrganizationalUnitIds": [organization.nested]},
        Regions=["us-east-1"],
    )
    assert organization.aws.finished("org", started)["Status"] == "SUCCEEDED"
    statuses = {a: s[0] for (a, _), s in organization.aws.states("org").items()}
    assert statuses == {organization.account: "OUTDATED", other: "CURRENT"}
    started = client.update_stack_instances(
        StackSetName="org",
        DeploymentTargets={
            "OrganizationalUnitIds": [organization.nested],
            "Accounts": [organization.account],
        },
        ParameterOverrides=[{"ParameterKey": "Display", "ParameterValue": "own"}],
        Regions=["us-east-1"],
    )
    organization.aws.finished("org", started)
    results = organization.aws.results("org", started)
    assert {account for account, _ in results} == {organization.account, other}
    with refused("StackInstanceNotFoundException"):
        client.update_stack_instances(
            StackSetName="org",
            DeploymentTargets={
                "OrganizationalUnitIds": [organization.nested],
                "Accounts": ["999999999999"],
            },
            ParameterOverrides=[],
            Regions=["us-east-1"],
        )


def test_instances_of_a_unit_are_deleted(organization: Organization) -> None:
    """DeleteStackInstances, DeploymentTargets; what is deleted is no target of
    automatic deployment any more (ListStackSetAutoDeploymentTargets)."""
    regions = ["us-east-1", "eu-west-1"]
    organization.make()
    organization.create(OrganizationalUnitIds=[organization.unit], Regions=regions)
    client = organization.aws.cloudformation
    listing = client.list_stack_set_auto_deployment_targets
    assert listing(StackSetName="org")["Summaries"] == [
        {"OrganizationalUnitId": organization.unit, "Regions": regions}
    ]
    started = client.delete_stack_instances(
        StackSetName="org",
        DeploymentTargets={"OrganizationalUnitIds": [organization.unit]},
        Regions=["us-east-1"],
        RetainStacks=False,
    )
    assert organization.aws.finished("org", started)["Status"] == "SUCCEEDED"
    left = {region for _, region in organization.aws.instances("org")}
    assert left == {"eu-west-1"}
    assert listing(StackSetName="org")["Summaries"] == [
        {"OrganizationalUnitId": organization.unit, "Regions": ["eu-west-1"]}
    ]


def test_suspended_accounts_are_skipped(organization: Organization) -> None:
    """StackInstanceComprehensiveStatus: SKIPPED_SUSPENDED_ACCOUNT is no failure."""
    closed = organization.join(organization.unit)
    organization.client.close_account(AccountId=closed)
    organization.make()
    operation = organization.create(OrganizationalUnitIds=[organization.unit])
    assert operation["Status"] == "SUCCEEDED"
    assert operation["StatusDetails"]["FailedStackInstancesCount"] == 0
    states = {a: s for (a, _), s in organization.aws.states("org").items()}
    assert states[closed] == ("OUTDATED", "SKIPPED_SUSPENDED_ACCOUNT")
    assert states[organization.account] == ("CURRENT", "SUCCEEDED")


# Delegated administrators


def test_a_delegated_administrator_works_on_the_management_accounts_stack_sets(
    organization: Organization,
) -> None:
    """CallAs; user guide, "Register a delegated administrator": stack sets are "created
    in the management account, including those created by delegated administrators"."""
    member = organization.aws.client("cloudformation", organization.account)
    request = {
        "StackSetName": "org",
        "TemplateBody": SHOWN,
        "PermissionModel": "SERVICE_MANAGED",
        "AutoDeployment": {"Enabled": False},
        "CallAs": "DELEGATED_ADMIN",
    }
    with refused("ValidationError", "delegated admin account"):
        member.create_stack_set(**request)
    organization.client.register_delegated_administrator(
        AccountId=organization.account, ServicePrincipal=PRINCIPAL
    )
    member.create_stack_set(**request)
    own = organization.aws.cloudformation
    arn = own.describe_stack_set(StackSetName="org")["StackSet"]["StackSetARN"]
    assert f":{organization.aws.account}:" in arn
    with refused("StackSetNotFoundException"):
        member.describe_stack_set(StackSetName="org")
    access = member.describe_organizations_access(CallAs="DELEGATED_ADMIN")
    assert access["Status"] == "ENABLED"
    started = member.create_stack_instances(
        StackSetName="org",
        DeploymentTargets={"OrganizationalUnitIds": [organization.unit]},
        Regions=["us-east-1"],
        CallAs="DELEGATED_ADMIN",
    )
    assert organization.aws.finished("org", started)["Status"] == "SUCCEEDED"
    assert organization.accounts() == {organization.account}


def test_a_delegated_administrator_sees_service_managed_stack_sets_only(
    organization: Organization,
) -> None:
    """ListStackSets: as DELEGATED_ADMIN "all StackSets with service-managed
    permissions in the management account"."""
    organization.client.register_delegated_administrator(
        AccountId=organization.account, ServicePrincipal=PRINCIPAL
    )
    organization.make()
    client = organization.aws.cloudformation
    client.create_stack_set(StackSetName="own", TemplateBody=SHOWN)
    member = organization.aws.client("cloudformation", organization.account)
    listed = member.list_stack_sets(CallAs="DELEGATED_ADMIN")["Summaries"]
    assert [s["StackSetName"] for s in listed] == ["org"]
    with refused("StackSetNotFoundException"):
        member.describe_stack_set(StackSetName="own", CallAs="DELEGATED_ADMIN")
    names = {s["StackSetName"] for s in client.list_stack_sets()["Summaries"]}
    assert names == {"org", "own"}
    organization.client.deregister_delegated_administrator(
        AccountId=organization.account, ServicePrincipal=PRINCIPAL
    )
    with refused("ValidationError", "delegated admin account"):
        member.list_stack_sets(CallAs="DELEGATED_ADMIN")


def test_a_delegated_administrators_template_may_come_from_its_bucket(
    organization: Organization,
) -> None:
    """CreateStackSet, TemplateURL, with CallAs DELEGATED_ADMIN."""
    organization.client.register_delegated_administrator(
        AccountId=organization.account, ServicePrincipal=PRINCIPAL
    )
    bucket = f"templates-{organization.account}"
    s3 = organization.aws.client("s3", organization.account)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="t.json", Body=SHOWN)
    member = organization.aws.client("cloudformation", organization.account)
    member.create_stack_set(
        StackSetName="org",
        TemplateURL=f"https://{bucket}.s3.amazonaws.com/t.json",
        PermissionModel="SERVICE_MANAGED",
        AutoDeployment={"Enabled": False},
        CallAs="DELEGATED_ADMIN",
    )
    found = organization.aws.cloudformation.describe_stack_set(StackSetName="org")
    assert found["StackSet"]["TemplateBody"] == SHOWN


def test_imported_stacks_are_mapped_to_units(organization: Organization) -> None:
    """ImportStacksToStackSet, OrganizationalUnitIds: "to which the imported stacks must
    be mapped as deployment targets"."""
    client = organization.aws.client("cloudformation", organization.account)
    id_ = client.create_stack(StackName="plain", TemplateBody=SHOWN)["StackId"]
    client.get_waiter("stack_create_complete").wait(
        StackName="plain", WaiterConfig={"Delay": 0, "MaxAttempts": 10_000}
    )
    organization.make()
    started = organization.aws.cloudformation.import_stacks_to_stack_set(
        StackSetName="org",
        StackIds=[id_],
        OrganizationalUnitIds=[organization.unit],
    )
    assert organization.aws.finished("org", started)["Status"] == "SUCCEEDED"
    (instance,) = organization.aws.instances("org").values()
    assert instance["OrganizationalUnitId"] == organization.unit
    assert instance["StackId"] == id_
