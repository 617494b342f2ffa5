"""Bootstrap: roles with no more than they need, deployed once, extended when needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest
from botocore.exceptions import ClientError

from tapgen import blueprints, config, lint
from tapgen.accounts import bootstrap, roles
from tapgen.aws.session import Aws
from tapgen.blueprints import bootstrap as blueprint
from tapgen.blueprints.scope import Scope
from tapgen.errors import AwsError, BlueprintError, TemplateError
from tapgen.knowledge import indirect_permissions
from tapgen.model import (
    BOOTSTRAP_STACK,
    PassedRole,
    Permission,
    RolloutSettings,
    StackSet,
    System,
    Target,
)
from tapgen.template import schemas
from tests.systems import look

TYPES = [
    "AWS::EC2::VPC",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
]
SHIPPED = sorted((Path(__file__).parents[3] / "stacksets").glob("*.yaml"))
ADMIN = Target("111111111111", "eu-west-1")
OTHER = "222222222222"


def role(*services: Any) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    statements = [{**trust, "Principal": {"Service": service}} for service in services]
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Statement": statements}},
    }


def template(*types: str, **resources: Any) -> str:
    plain = {f"R{i}": {"Type": name} for i, name in enumerate(types)}
    return json.dumps({"Resources": {**plain, **resources}})


def system(*templates: str, regions: tuple[str, ...] = ("eu-west-1",)) -> System:
    targets = tuple(Target(a, r) for a in (ADMIN.account, OTHER) for r in regions)
    return System(
        name="some_system",
        blueprint="custom",
        suffix="dev",
        regions={"primary": regions[0]},
        admin=ADMIN,
        tags={"Project": "x"},
        stack_sets=tuple(
            StackSet(f"some-system-dev-p{i}", f"p{i}", text, "every", targets)
            for i, text in enumerate(templates)
        ),
    )


@pytest.fixture(scope="module")
def target() -> dict[str, Any]:
    text = blueprint.target("some-system", "ss", TYPES, ["ec2.amazonaws.com"])
    return cast(dict[str, Any], json.loads(text))


@pytest.fixture(scope="module")
def administration() -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(blueprint.administration()))


def execution_statements(template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What the execution role is allowed."""
    for name, resource in template["Resources"].items():
        if name.startswith("ExecutionPolicy"):
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Allow":
                    yield statement


def resources_of(template: Mapping[str, Any], action: str) -> list[str]:
    return [
        resource["Fn::Sub"] if isinstance(resource, dict) else resource
        for statement in execution_statements(template)
        if action in statement["Action"]
        for resource in statement["Resource"]
    ]


def operator_statements(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    (policy,) = template["Resources"]["OperatorRole"]["Properties"]["Policies"]
    return cast(list[dict[str, Any]], policy["PolicyDocument"]["Statement"])


# Administration


def test_only_stack_sets_of_the_own_account_take_the_administration_role(
    administration: dict[str, Any],
) -> None:
    properties = administration["Resources"]["AdministrationRole"]["Properties"]
    name = "tapgen-administration-${AWS::Region}"
    assert properties["RoleName"] == {"Fn::Sub": name}
    (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": {"Ref": "ServicePrincipals"}}
    default = administration["Parameters"]["ServicePrincipals"]["Default"]
    assert default == "cloudformation.amazonaws.com"
    arn = "arn:${AWS::Partition}:cloudformation:*:${AWS::AccountId}:stackset/*"
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "StringLike": {"aws:SourceArn": {"Fn::Sub": arn}},
    }


def test_the_administration_role_can_do_nothing_but_take_execution_roles(
    administration: dict[str, Any],
) -> None:
    properties = administration["Resources"]["AdministrationRole"]["Properties"]
    assert "ManagedPolicyArns" not in properties
    (policy,) = properties["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["sts:AssumeRole"]
    arn = "arn:${AWS::Partition}:iam::*:role/tapgen-*-execution"
    assert statement["Resource"] == [{"Fn::Sub": arn}]


def test_the_artifact_bucket_is_versioned_encrypted_private_and_retained(
    administration: dict[str, Any],
) -> None:
    bucket = administration["Resources"]["ArtifactBucket"]
    properties = bucket["Properties"]
    name = "tapgen-artifacts-${AWS::AccountId}-${AWS::Region}"
    assert properties["BucketName"] == {"Fn::Sub": name}
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketEncryption" in properties
    rules = properties["LifecycleConfiguration"]["Rules"]
    assert any("NoncurrentVersionExpiration" in rule for rule in rules)
    assert bucket["DeletionPolicy"].startswith("Retain")
    assert bucket["UpdateReplacePolicy"] == "Retain"
    policy = administration["Resources"]["ArtifactBucketPolicy"]["Properties"]
    denied = policy["PolicyDocument"]["Statement"][0]
    assert denied["Effect"] == "Deny"
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": False}}


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        (["us-east-1", "eu-west-3"], []),
        (["us-gov-west-1", "cn-north-1", "us-iso-east-1"], []),
        (["mx-central-1", "us-east-1", "ap-east-1"], ["ap-east-1", "mx-central-1"]),
    ],
)
def test_opt_in_regions_bring_their_own_service_principal(
    regions: list[str], expected: list[str]
) -> None:
    principals = [f"cloudformation.{region}.amazonaws.com" for region in expected]
    assert list(blueprint.service_principals(regions)) == [
        "cloudformation.amazonaws.com",
        *principals,
    ]


# Roles in target accounts


def test_only_the_administration_role_takes_the_execution_role(
    target: dict[str, Any],
) -> None:
    properties = target["Resources"]["ExecutionRole"]["Properties"]
    name = {"Fn::Sub": "tapgen-some-system-${EnvironmentSuffix}-execution"}
    assert properties["RoleName"] == name
    (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
    account = "arn:${AWS::Partition}:iam::${AdministrationAccount}:"
    assert trust["Principal"] == {"AWS": {"Fn::Sub": f"{account}root"}}
    # In whichever region: another one takes over while the first one is away.
    roles = {"Fn::Sub": f"{account}role/tapgen-administration-*"}
    assert trust["Condition"] == {"ArnLike": {"aws:PrincipalArn": roles}}
    assert trust["Action"] == ["sts:AssumeRole"]


def test_the_execution_role_may_do_what_the_types_need(target: dict[str, Any]) -> None:
    allowed = {a for s in execution_statements(target) for a in s["Action"]}
    # Buckets with tables of metadata, policies of users, networks of their own hardware,
    # passwords that RDS itself keeps.
    never = (
        "s3tables:* iam:*UserPolicy iam:*GroupPolicy ec2:*VpcTenancy *EncryptionCo*l "
        "secretsmanager:*"
    )
    left_out = {
        action
        for action in schemas.permissions(TYPES)
        if any(fnmatchcase(action, pattern) for pattern in never.split())
    }
    assert schemas.permissions(TYPES) - left_out <= allowed
    assert len(left_out) > 9 and not left_out & allowed
    assert "cloudformation:CreateStack" in allowed
    assert "dynamodb:CreateTable" not in allowed


def test_no_statement_allows_a_whole_service(target: dict[str, Any]) -> None:
    actions = [a for s in execution_statements(target) for a in s["Action"]]
    actions += [a for s in operator_statements(target) for a in s["Action"]]
    assert not [a for a in actions if a == "*" or a.endswith(":*")]
    assert all(map(schemas.is_action, actions))


def test_what_has_a_name_of_ours_is_allowed_on_that_name_only(
    target: dict[str, Any],
) -> None:
    mine = "ss-${EnvironmentSuffix}-*"
    iam = "arn:${AWS::Partition}:iam::${AWS::AccountId}"
    for action in ("CreateRole", "PutRolePolicy", "AttachRolePolicy", "DeleteRole"):
        assert resources_of(target, f"iam:{action}") == [f"{iam}:role/{mine}"]
    assert resources_of(target, "iam:CreatePolicy") == [f"{iam}:policy/{mine}"]
    profile = resources_of(target, "iam:CreateInstanceProfile")
    assert profile == [f"{iam}:instance-profile/{mine}"]
    bucket = "arn:${AWS::Partition}:s3:::" + mine
    assert resources_of(target, "s3:CreateBucket") == [bucket]
    assert f"{bucket}/*" in resources_of(target, "s3:DeleteObject")
    alias, key = resources_of(target, "kms:CreateAlias")
    assert alias.endswith(f":alias/{mine}") and key.endswith(":key/*")
    linked = resources_of(target, "iam:CreateServiceLinkedRole")
    assert linked == [f"{iam}:role/aws-service-role/*"]


def test_stacks_of_other_systems_are_out_of_reach(target: dict[str, Any]) -> None:
    stacks = (
        "arn:${AWS::Partition}:cloudformation:*:${AWS::AccountId}:"
        "stack/StackSet-some-system-${EnvironmentSuffix}-*"
    )
    for action in ("CreateStack", "UpdateStack", "DeleteStack", "DescribeStacks"):
        assert resources_of(target, f"cloudformation:{action}") == [stacks]


def test_no_name_of_an_environment_begins_with_that_of_another(
    target: dict[str, Any],
) -> None:
    pattern = target["Parameters"]["EnvironmentSuffix"]["AllowedPattern"]
    assert re.fullmatch(pattern, "prod")
    assert not re.fullmatch(pattern, "prod-eu")


def test_roles_are_passed_to_the_services_they_are_for_only() -> None:
    text = system(
        template(
            Flow=role("vpc-flow-logs.amazonaws.com"),
            Two=role(["ec2.amazonaws.com", "s3.amazonaws.com"]),
        )
    )
    generated = json.loads(roles.files(text, "ss")["bootstrap/some_system.json"])
    (passing,) = [
        s for s in execution_statements(generated) if "iam:PassRole" in s["Action"]
    ]
    assert passing["Action"] == ["iam:PassRole"]
    assert passing["Resource"][0]["Fn::Sub"].endswith(":role/ss-${EnvironmentSuffix}-*")
    assert passing["Condition"] == {
        "StringEquals": {
            "iam:PassedToService": [
                "ec2.amazonaws.com",
                "s3.amazonaws.com",
                "vpc-flow-logs.amazonaws.com",
            ]
        }
    }


def test_a_service_with_a_variable_in_its_name_is_matched_by_pattern() -> None:
    service = {"Fn::Sub": "logs.${AWS::Region}.amazonaws.com"}
    text = system(template(Logs=role(service)))
    generated = roles.files(text, "ss")["bootstrap/some_system.json"]
    (passing,) = [
        s
        for s in execution_statements(json.loads(generated))
        if "iam:PassRole" in s["Action"]
    ]
    expected = {"iam:PassedToService": ["logs.*.amazonaws.com"]}
    assert passing["Condition"] == {"StringLike": expected}


def test_without_roles_of_its_own_a_system_passes_none() -> None:
    generated = json.loads(blueprint.target("some-system", "ss", TYPES, []))
    assert resources_of(generated, "iam:PassRole") == []


def test_only_the_callers_that_a_config_names_take_the_operator_role() -> None:
    plain = system(template("AWS::SNS::Topic"))
    named = replace(plain, callers=("role/deploy", "user/alice"))
    aws = FakeAws()
    deploy(aws, plain)
    (line,) = (line for line in bootstrap.announced(plain, True) if "callers" in line)
    assert ADMIN.account in line
    assert "trusts the whole administration account, not role/deploy" in str(
        lacking(aws, named)
    )

    deploy(aws, named)
    assert lacking(aws, named) == []
    assert not any("callers" in line for line in bootstrap.announced(named, True))
    role = json.loads(_roles_template(aws))["Resources"]["OperatorRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    arn = "arn:${AWS::Partition}:iam::${AdministrationAccount}:"
    assert trust["Condition"] == {
        "ArnLike": {
            "aws:PrincipalArn": [
                {"Fn::Sub": f"{arn}role/deploy"},
                {"Fn::Sub": f"{arn}user/alice"},
            ]
        }
    }
    assert "not the whole administration account" in str(lacking(aws, plain))


def test_the_operator_reads_and_makes_change_sets_but_never_executes_one(
    target: dict[str, Any],
) -> None:
    role = target["Resources"]["OperatorRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    root = "arn:${AWS::Partition}:iam::${AdministrationAccount}:root"
    assert trust["Principal"] == {"AWS": {"Fn::Sub": root}}
    allowed = {
        a
        for s in operator_statements(target)
        if s["Effect"] == "Allow"
        for a in s["Action"]
    }
    assert {
        "cloudformation:CreateChangeSet",
        "cloudformation:DeleteChangeSet",
        "cloudformation:DescribeStackEvents",
        "cloudformation:DescribeStackResourceDrifts",
        "cloudformation:DescribeAccountLimits",
        "servicequotas:GetServiceQuota",
        "iam:GetAccountSummary",
        "ec2:DescribeVpcs",
        "ec2:DescribeAddresses",
    } <= allowed
    writing = ("Create", "Update", "Delete", "Put", "Execute")
    changes = {a for a in allowed if a.split(":")[1].startswith(writing)}
    assert changes == {
        "cloudformation:CreateChangeSet",
        "cloudformation:DeleteChangeSet",
        "cloudformation:DeleteStack",
    }
    denied = {
        s["Sid"]: s["Action"]
        for s in operator_statements(target)
        if s["Effect"] == "Deny"
    }
    assert denied == {
        "NeverDelete": ["cloudformation:DeleteStack"],
        "NeverExecute": ["cloudformation:ExecuteChangeSet"],
    }


def test_the_operator_deletes_only_stacks_in_review(target: dict[str, Any]) -> None:
    deleting = {
        s["Effect"]: [r["Fn::Sub"] for r in s["Resource"]]
        for s in operator_statements(target)
        if "cloudformation:DeleteStack" in s["Action"]
    }

    start = "arn:${AWS::Partition}:cloudformation:*:${AWS::AccountId}:stack"
    assert deleting == {
        "Allow": [f"{start}/tapgen-review-some-system-${{EnvironmentSuffix}}-*"],
        "Deny": [f"{start}/StackSet-*"],
    }


def test_the_operator_reads_what_has_a_name_and_no_data() -> None:
    def reading(types: list[str]) -> dict[str, list[str]]:
        """Action of the managed policies -> the ends of its resources."""
        scope = blueprint.Scope("ss")
        generated = json.loads(blueprint.target("some-system", scope, types, []))
        role = generated["Resources"]["OperatorRole"]["Properties"]
        return {
            action: [r if r == "*" else r["Fn::Sub"] for r in s["Resource"]]
            for arn in role.get("ManagedPolicyArns", ())
            for s in generated["Resources"][arn["Ref"]]["Properties"]["PolicyDocument"][
                "Statement"
            ]
            for action in s["Action"]
        }

    found = reading(
        [
            *("AWS::IAM::Role", "AWS::S3::Bucket", "AWS::SecretsManager::Secret"),
            *("AWS::SSM::Parameter", "AWS::DynamoDB::Table", "AWS::KMS::Key"),
        ]
    )

    assert {"iam:GetRole", "s3:ListBucket", "secretsmanager:DescribeSecret"} <= {*found}
    assert "dynamodb:DescribeTable" in found
    assert found["iam:GetRole"][0].endswith(":role/ss-${EnvironmentSuffix}-*")
    assert all(r != "*" for r in found["ssm:GetParameters"])
    for action in found:
        assert action.split(":")[1].startswith(("Get", "List", "Describe")), action
    assert not {"s3:GetObject", "secretsmanager:GetSecretValue", "kms:Decrypt"} & {
        *found
    }
    assert reading(["AWS::KMS::Key"]) == {}


def test_the_operator_touches_only_tapgens_change_sets_and_passes_no_role(
    target: dict[str, Any],
) -> None:
    (making,) = [
        s
        for s in operator_statements(target)
        if "cloudformation:CreateChangeSet" in s["Action"]
    ]
    assert making["Action"] == [
        "cloudformation:CreateChangeSet",
        "cloudformation:DeleteChangeSet",
        "cloudformation:DescribeChangeSet",
    ]
    stacks = "stack/StackSet-some-system-${EnvironmentSuffix}-*"
    in_review = "stack/tapgen-review-some-system-${EnvironmentSuffix}-*"
    one, other = making["Resource"]
    assert one["Fn::Sub"].endswith(stacks) and other["Fn::Sub"].endswith(in_review)
    assert making["Condition"] == {
        "StringLike": {"cloudformation:ChangeSetName": "tapgen-*"},
        "Null": {"cloudformation:RoleArn": "true"},
    }


def test_the_operator_reads_parameters_only_where_templates_take_them() -> None:
    def reading(types: list[str]) -> list[Any]:
        generated = json.loads(blueprint.target("some-system", "ss", types, []))
        return [
            s["Resource"]
            for s in operator_statements(generated)
            if "ssm:GetParameters" in s["Action"]
        ]

    ((public, own),) = reading(["AWS::SNS::Topic", indirect_permissions.SSM_VALUE])

    assert reading(["AWS::SNS::Topic"]) == []
    assert public["Fn::Sub"].endswith("ssm:*::parameter/aws/service/*")
    assert own["Fn::Sub"].endswith(":parameter/ss/${EnvironmentSuffix}/*")


def test_the_operator_reads_shares_only_where_traffic_is_divided() -> None:
    def reads(name: str, code: str) -> set[str]:
        system = look.shipped(name)
        needs = roles.needed(system, code)
        text = json.loads(roles.template(system, code, needs))
        return {
            action
            for s in operator_statements(text)
            if s["Sid"].startswith("SharesBy")
            for action in s["Action"]
        }

    assert reads("payments_dr", "pd") == reads("serverless_api", "sa") == set()
    assert reads("region_migration", "rm") == {
        "route53:ListResourceRecordSets",
        "globalaccelerator:DescribeEndpointGroup",
        "elasticloadbalancing:DescribeListeners",
    }
    canary = blueprint.Scope("sa", divided=["canary"])
    text = json.loads(blueprint.target("some-system", canary, [], []))
    found = [s for s in operator_statements(text) if "SharesBy" in s["Sid"]]
    assert [s["Action"] for s in found] == [["apigateway:GET"], ["lambda:GetAlias"]]


def test_the_operator_reads_the_parameters_that_own_templates_name() -> None:
    arn = "arn:aws:ssm:us-east-1:222222222222:parameter/shared/c"
    read = ["/shared/a:3", "plain", arn]
    scope = blueprint.Scope(names={"ssm:parameter": ["/own/x"], "ssm:read": read})
    types = ["AWS::SSM::Parameter", indirect_permissions.SSM_VALUE]
    generated = json.loads(blueprint.target("some-system", scope, types, []))

    found = json.dumps(
        [
            s["Resource"]
            for s in operator_statements(generated)
            if s["Sid"] == "ParametersOfTemplates"
        ]
    )

    for end in ('parameter/shared/a"', 'parameter/plain"', f'"{arn}"'):
        assert end in found
    assert "parameter/aws/service/*" in found and '"*"' not in found


# Limits


@pytest.mark.parametrize("number", [1, 40, 130])
def test_every_policy_fits_into_iams_limit(number: int) -> None:
    every = sorted(schemas.types("us-east-1"))
    types = every[:: len(every) // number]
    generated = json.loads(blueprint.target("some-system", "ss", types, []))
    policies = [
        resource["Properties"]["PolicyDocument"]
        for resource in generated["Resources"].values()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
    ]
    for role in ("ExecutionRole", "OperatorRole"):
        attached = generated["Resources"][role]["Properties"].get("ManagedPolicyArns")
        assert len(attached or ()) <= 10
    for policy in policies:
        assert blueprint.size(policy) <= 6144
        sids = [statement["Sid"] for statement in policy["Statement"]]
        assert len(set(sids)) == len(sids)
        assert all(sid.isalnum() for sid in sids)


def test_a_statement_too_large_for_one_policy_is_divided() -> None:
    ec2 = [t for t in schemas.types("us-east-1") if t.startswith("AWS::EC2::")]
    generated = json.loads(blueprint.target("some-system", blueprint.Scope(), ec2, []))
    parts = [s for s in execution_statements(generated) if s["Sid"].startswith("Ec2")]
    assert len(parts) > 1
    every = {action for s in execution_statements(generated) for action in s["Action"]}
    allowed = {action for action in every if action.startswith("ec2:")}
    needed = {a for a in schemas.permissions(ec2) if a.startswith("ec2:")}
    # Some types list patterns, which cover what others list.
    patterns = [action for action in needed if action.endswith("*")]
    assert allowed - needed == set()
    assert all(any(fnmatchcase(a, p) for p in patterns) for a in needed - allowed)


def test_too_many_permissions_for_one_role_are_refused() -> None:
    with pytest.raises(BlueprintError, match="managed policies, IAM attaches 10"):
        blueprint.target("some-system", "ss", schemas.types("us-east-1"), [])


def test_a_size_counts_variables_at_their_longest() -> None:
    policy = {
        "Resource": [{"Fn::Sub": "arn:${AWS::Partition}:x"}, {"Ref": "AWS::AccountId"}]
    }
    longest = '{"Resource":["arn:aws-us-gov:x","000000000000"]}'
    assert blueprint.size(policy) == len(longest)


def test_a_role_name_too_long_for_iam_is_refused_by_name() -> None:
    assert blueprint.role_names("some-system", "dev") == (
        "tapgen-some-system-dev-execution",
        "tapgen-some-system-dev-operator",
    )
    with pytest.raises(BlueprintError, match="IAM allows 64"):
        blueprint.role_names("a-system-with-a-very-long-name-indeed-yes", "production")


def test_both_templates_are_clean_and_deterministic() -> None:
    it = system(template(*TYPES, Flow=role("vpc-flow-logs.amazonaws.com")))
    generated = roles.files(it, "ss")
    assert generated == roles.files(it, "ss")
    assert set(generated) == {
        "bootstrap/administration.json",
        "bootstrap/some_system.json",
    }
    given = {"AdministrationAccount": OTHER, "EnvironmentSuffix": "dev"}
    stacks = system(*generated.values())
    # As `run` deploys them; linting knows stack sets only.
    as_deployed = tuple(
        replace(
            s,
            capabilities=("CAPABILITY_NAMED_IAM",),
            parameters={
                k: v
                for k, v in given.items()
                if k in json.loads(s.template)["Parameters"]
            },
        )
        for s in stacks.stack_sets
    )
    assert lint.check(replace(stacks, stack_sets=as_deployed), Path("out")) == []


# Deploying


class FakeAws:
    """CloudFormation of any account: stacks by (account, region, name)."""

    account = ADMIN.account
    region = ADMIN.region
    role = None
    local = False

    def __init__(self) -> None:
        self.stacks: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.calls: list[str] = []
        self.gone: set[str] = set()  # buckets deleted behind CloudFormation's back
        self.gone_roles: set[tuple[str, str]] = set()  # the same, by account

    def client(
        self, service: str, target: Target | None = None, attempts: int | None = None
    ) -> Any:
        place = target or ADMIN
        if service == "cloudformation":
            return FakeCloudFormation(self, place)
        return FakeLookUps(self, place, service)


_ADMIN = "tapgen-administration"


class FakeLookUps:
    """S3 and IAM as stacks would leave them: a bucket and roles with their stacks."""

    def __init__(self, aws: FakeAws, target: Target, service: str) -> None:
        self.aws = aws
        self.place = (target.account, target.region)
        self.meta = SimpleNamespace(
            service_model=SimpleNamespace(service_name=service),
            method_to_api_mapping=FakeMapping(),
            region_name=target.region,
        )

    def _found(self, there: bool, code: str) -> dict[str, Any]:
        if not there:
            raise ClientError(cast(Any, {"Error": {"Code": code}}), "Call")
        return {}

    def list_objects_v2(self, Bucket: str, MaxKeys: int) -> dict[str, Any]:
        stack_exists = (*self.place, "tapgen-administration") in self.aws.stacks
        there = stack_exists and Bucket not in self.aws.gone
        return self._found(there, "NoSuchBucket")

    def list_buckets(self, **_: Any) -> dict[str, Any]:
        account = self.place[0]
        there = {r for a, r, name in self.aws.stacks if (a, name) == (account, _ADMIN)}
        return {"Buckets": [{"Name": f"tapgen-artifacts-{account}-{r}"} for r in there]}

    def get_role(self, RoleName: str) -> dict[str, Any]:
        if (self.place[0], RoleName) in self.aws.gone_roles:
            self._found(False, "NoSuchEntity")
        stack = RoleName.rpartition("-")[0] + "-roles"
        everywhere = {(account, name) for account, _, name in self.aws.stacks}
        return self._found((self.place[0], stack) in everywhere, "NoSuchEntity")


class FakeCloudFormation:
    """As much of CloudFormation's client as single stacks need."""

    def __init__(self, aws: FakeAws, target: Target) -> None:
        self.aws = aws
        self.place = (target.account, target.region)
        self.meta = SimpleNamespace(
            service_model=SimpleNamespace(service_name="cloudformation"),
            method_to_api_mapping=FakeMapping(),
            region_name=target.region,
        )

    def _refuse(self, message: str) -> NoReturn:
        error = {"Error": {"Code": "ValidationError", "Message": message}}
        raise ClientError(cast(Any, error), "Call")

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        found = self.aws.stacks.get((*self.place, StackName))
        if found is None:
            self._refuse(f"Stack with id {StackName} does not exist")
        return {"Stacks": [found]}

    def create_stack(self, **request: Any) -> dict[str, Any]:
        name = request["StackName"]
        assert (*self.place, name) not in self.aws.stacks
        self.aws.calls.append(f"create {name} in {self.place[0]}")
        return self._keep(name, request)

    def update_stack(self, **request: Any) -> dict[str, Any]:
        name = request["StackName"]
        if self.aws.stacks[(*self.place, name)]["request"] == request:
            self._refuse("No updates are to be performed.")
        self.aws.calls.append(f"update {name} in {self.place[0]}")
        return self._keep(name, request)

    def _keep(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        assert "CAPABILITY_NAMED_IAM" in request["Capabilities"]
        given = {p["ParameterKey"]: p["ParameterValue"] for p in request["Parameters"]}
        trusted = given.get("ServicePrincipals", "")
        self.aws.stacks[(*self.place, name)] = {
            "StackId": name,
            "StackStatus": "CREATE_COMPLETE",
            "Outputs": [{"OutputKey": "TrustedServices", "OutputValue": trusted}],
            "request": request,
        }
        return {"StackId": name}

    def delete_stack(self, StackName: str) -> dict[str, Any]:
        self.aws.calls.append(f"delete {StackName} in {self.place[0]}")
        del self.aws.stacks[(*self.place, StackName)]
        self.aws.gone_roles = {r for r in self.aws.gone_roles if r[0] != self.place[0]}
        return {}

    def list_stack_resources(self, StackName: str) -> dict[str, Any]:
        names = [
            StackName.removesuffix("roles") + kind for kind in ("execution", "operator")
        ]
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": name,
                    "ResourceType": "AWS::IAM::Role",
                    "PhysicalResourceId": name,
                    "ResourceStatus": "CREATE_COMPLETE",
                }
                for name in names
            ]
        }

    def get_template(self, StackName: str, TemplateStage: str) -> dict[str, Any]:
        found = self.aws.stacks.get((*self.place, StackName))
        if found is None:
            self._refuse(f"Stack with id {StackName} does not exist")
        return {"TemplateBody": found["request"]["TemplateBody"]}


class FakeMapping(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return key


def deploy(aws: FakeAws, it: System, **more: Any) -> list[str]:
    return bootstrap.run(cast(Aws, aws), it, code="ss", **more)


def lacking(aws: FakeAws, it: System) -> list[str]:
    found = bootstrap.unready(cast(Aws, aws), it, "ss")
    return [*found.everywhere, *(p for some in found.accounts.values() for p in some)]


def test_the_administration_stack_comes_first_then_roles_in_every_account() -> None:
    aws = FakeAws()
    events: list[str] = []
    changed = deploy(aws, system(template("AWS::SNS::Topic")), on_event=events.append)
    roles = "tapgen-some-system-dev-roles"
    assert changed == ["tapgen-administration", roles, roles]
    assert aws.calls == [
        "create tapgen-administration in 111111111111",
        f"create {roles} in 111111111111",
        f"create {roles} in 222222222222",
    ]
    assert events[2] == f"{roles} in 222222222222/eu-west-1: deployed"
    request = aws.stacks[(OTHER, "eu-west-1", roles)]["request"]
    given = {p["ParameterKey"]: p["ParameterValue"] for p in request["Parameters"]}
    assert given == {
        "AdministrationAccount": ADMIN.account,
        "EnvironmentSuffix": "dev",
    }
    tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    assert tags["tapgen:system"] == "some_system"
    assert tags["Project"] == "x"


@pytest.mark.parametrize("kind", ["execution", "operator"])
def test_a_role_that_was_deleted_by_hand_is_created_again(kind: str) -> None:
    aws = FakeAws()
    it = system(template("AWS::SNS::Topic"))
    deploy(aws, it)
    account = it.stack_sets[0].targets[0].account
    role = f"tapgen-{it.prefix}-{kind}"
    aws.gone_roles = {(account, role)}
    events: list[str] = []

    changed = deploy(aws, it, on_event=events.append)

    name = roles.stack_name(it)
    for one in (name, bootstrap.ADMINISTRATION_STACK, bootstrap.ARTIFACTS_STACK):
        assert re.fullmatch(BOOTSTRAP_STACK, one)  # tapgen import leaves them alone
    assert changed == [name]
    assert f"role {role} of {account} was deleted; creating {name} again" in events
    assert aws.calls[-2:] == [
        f"delete {name} in {account}",
        f"create {name} in {account}",
    ]
    assert deploy(aws, it) == []


def test_a_second_run_changes_nothing() -> None:
    aws = FakeAws()
    it = system(template("AWS::SNS::Topic"))
    deploy(aws, it)
    before = list(aws.calls)
    events: list[str] = []
    assert deploy(aws, it, on_event=events.append) == []
    assert aws.calls == before
    assert all(event.endswith(": up to date") for event in events)


def test_a_new_resource_type_extends_the_roles_only() -> None:
    aws = FakeAws()
    deploy(aws, system(template("AWS::SNS::Topic")))
    more = system(template("AWS::SNS::Topic", "AWS::SQS::Queue"))
    roles = "tapgen-some-system-dev-roles"
    assert deploy(aws, more) == [roles, roles]


def test_what_is_deployed_keeps_its_permissions() -> None:
    aws = FakeAws()
    deploy(aws, system(template("AWS::SNS::Topic")), deployed_types=["AWS::SQS::Queue"])
    request = aws.stacks[(OTHER, "eu-west-1", "tapgen-some-system-dev-roles")][
        "request"
    ]
    assert "sqs:DeleteQueue" in request["TemplateBody"]


def test_opt_in_regions_of_other_systems_stay_trusted() -> None:
    aws = FakeAws()
    topic = template("AWS::SNS::Topic")
    deploy(aws, system(topic, regions=("ap-east-1",)))
    assert deploy(aws, system(topic)) == []
    deploy(aws, system(topic, regions=("mx-central-1",)))
    administration = aws.stacks[(ADMIN.account, ADMIN.region, "tapgen-administration")]
    trusted = administration["Outputs"][0]["OutputValue"].split(",")
    assert trusted == [
        "cloudformation.amazonaws.com",
        "cloudformation.ap-east-1.amazonaws.com",
        "cloudformation.mx-central-1.amazonaws.com",
    ]


def test_a_type_without_known_permissions_is_said_so() -> None:
    events: list[str] = []
    it = system(template("Org::Data::Feed"))
    deploy(FakeAws(), it, on_event=events.append)
    assert events[0].startswith("Org::Data::Feed: its schema lists no permissions")


def test_a_type_with_permissions_in_the_config_has_them() -> None:
    events: list[str] = []
    aws = FakeAws()
    it = replace(
        system(template("Org::Data::Feed")),
        permissions=(Permission("s3:GetObject", "*"),),
        granted_types=frozenset({"Org::Data::Feed"}),
    )
    assert "is not allowed s3:GetObject on *" in "".join(
        _after(aws, system(template("Org::Data::Feed")), it)
    )
    deploy(aws, it, on_event=events.append)
    assert not any("Org::Data::Feed" in event for event in events)
    assert lacking(aws, it) == []
    (statement,) = [
        s
        for text in roles.files(it, "").values()
        for s in _statements(json.loads(text))
        if s.get("Sid") == "GivenForTypes"
    ]
    assert (statement["Action"], statement["Resource"]) == (["s3:GetObject"], ["*"])


def _after(aws: FakeAws, before: System, it: System) -> list[str]:
    deploy(aws, before)
    return lacking(aws, it)


def _statements(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from _statements(item)
    elif isinstance(node, dict):
        if "Effect" in node:
            yield node
        for value in node.values():
            yield from _statements(value)


def test_before_bootstrap_everything_is_missing_and_after_it_nothing() -> None:
    aws = FakeAws()
    it = system(template("AWS::SNS::Topic"), regions=("eu-west-1", "ap-east-1"))
    missing = lacking(aws, it)
    assert len(missing) == 3
    assert "111111111111/eu-west-1 has no administration role" in missing[0]
    assert "222222222222/eu-west-1 has no execution" in missing[2]
    deploy(aws, it)
    assert lacking(aws, it) == []


def test_an_account_without_roles_stops_only_itself() -> None:
    aws = FakeAws()
    it = system(template("AWS::SNS::Topic"))
    assert bootstrap.unready(cast(Aws, aws), it, "ss").stops(it)
    deploy(aws, it)
    assert not bootstrap.unready(cast(Aws, aws), it, "ss").stops(it)

    s = it.stack_sets[0]
    far = replace(s, targets=(*s.targets, Target("3" * 12, s.targets[0].region)))
    more = replace(it, stack_sets=(far, *it.stack_sets[1:]))
    found = bootstrap.unready(cast(Aws, aws), more, "ss")

    assert found.everywhere == () and [*found.accounts] == ["3" * 12]
    assert not found.stops(more)
    alone = replace(more, stack_sets=(replace(far, targets=far.targets[-1:]),))
    assert found.stops(alone)


def test_a_role_that_lacks_permissions_is_not_ready() -> None:
    aws = FakeAws()
    deploy(aws, system(template("AWS::SNS::Topic")))
    more = system(
        template("AWS::SNS::Topic", "AWS::SQS::Queue"), regions=("ap-east-1",)
    )
    trust, *roles = lacking(aws, more)
    assert "does not trust cloudformation.ap-east-1.amazonaws.com" in trust
    assert len(roles) == 2
    assert all("lacks permissions for AWS::SQS::Queue" in line for line in roles)


def test_a_role_of_another_system_needs_the_permission_to_pass_it() -> None:
    aws = FakeAws()
    it = system(template("AWS::SNS::Topic"))
    deploy(aws, it)
    more = replace(it, pass_roles=(PassedRole("worker", "lambda.amazonaws.com"),))
    assert lacking(aws, more)
    for line in lacking(aws, more):
        assert line.endswith("cannot pass worker to lambda.amazonaws.com")
    deploy(aws, more)
    assert lacking(aws, more) == []
    # Rolling back must still be possible.
    deploy(aws, it, deployed_types=["AWS::SNS::Topic"])
    assert lacking(aws, more) == []


def test_a_resource_of_another_system_needs_the_permission_for_it() -> None:
    aws = FakeAws()
    it = system(template("AWS::SNS::Topic"))
    deploy(aws, it)
    given = Permission("rds:CreateDBInstanceReadReplica", "arn:aws:rds:x:1:db:mine")
    more = replace(it, permissions=(given,))
    assert lacking(aws, more)
    for line in lacking(aws, more):
        assert line.endswith(
            "is not allowed rds:CreateDBInstanceReadReplica on arn:aws:rds:x:1:db:mine"
        )
    deploy(aws, more)
    assert lacking(aws, more) == []
    # Rolling back must still be possible.
    deploy(aws, it, deployed_types=["AWS::SNS::Topic"])
    assert lacking(aws, more) == []


def test_a_role_for_another_service_needs_the_permission_to_pass_it() -> None:
    aws = FakeAws()
    deploy(aws, system(template(A=role("ec2.amazonaws.com"))))
    other = system(template(A=role("s3.amazonaws.com")))
    for line in lacking(aws, other):
        assert "cannot pass roles to s3.amazonaws.com" in line
    deploy(aws, other, deployed_types=["AWS::IAM::Role"])
    assert lacking(aws, other) == []
    # Rolling back to the first system must still be possible.
    assert lacking(aws, system(template(A=role("ec2.amazonaws.com")))) == []
    deploy(aws, other)
    assert len(lacking(aws, system(template(A=role("ec2.amazonaws.com"))))) == 2


def test_more_policies_change_nothing_that_would_replace_the_first() -> None:
    few = json.loads(blueprint.target("some-system", "ss", TYPES[:2], []))["Resources"]
    many = json.loads(blueprint.target("some-system", "ss", TYPES, []))["Resources"]
    assert set(few) < set(many)
    for name, resource in few.items():
        for key in schemas.create_only(resource["Type"]):
            before, after = (r[name]["Properties"].get(key) for r in (few, many))
            assert before == after


def test_a_stack_of_that_name_that_is_not_ours_is_not_ready() -> None:
    aws = FakeAws()
    it = system(template("AWS::SNS::Topic"))
    deploy(aws, it)
    theirs = aws.stacks[(OTHER, "eu-west-1", "tapgen-some-system-dev-roles")]
    theirs["request"]["TemplateBody"] = "Resources: {}"
    (line,) = lacking(aws, it)
    assert line.startswith("222222222222/eu-west-1 has no execution")


def test_types_are_those_of_all_templates() -> None:
    it = system(template("AWS::SNS::Topic"), template("AWS::SQS::Queue"))
    assert roles.types(it) == {"AWS::SNS::Topic", "AWS::SQS::Queue"}


@pytest.mark.parametrize("text", ["{", "[]", '{"Resources": []}', "{}"])
def test_a_template_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(TemplateError, match="some-system-dev-p0.*tapgen lint"):
        roles.types(system(text))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_systems_name_only_what_their_execution_role_may_touch(
    path: Path,
) -> None:
    it = config.load(path, blueprints.find)
    found = blueprints.find(it.blueprint)
    assert found is not None
    named = {
        "AWS::IAM::InstanceProfile": "InstanceProfileName",
        "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
        "AWS::IAM::Role": "RoleName",
        "AWS::KMS::Alias": "AliasName",
        "AWS::S3::Bucket": "BucketName",
    }
    for stack_set in found.build(it).stack_sets:
        for resource in json.loads(stack_set.template)["Resources"].values():
            key = named.get(resource["Type"])
            if key:
                name = resource["Properties"][key]["Fn::Sub"].removeprefix("alias/")
                assert name.startswith(f"{found.code}-${{EnvironmentSuffix}}-")


def test_a_bucket_deleted_without_its_stack_is_reported_with_the_fix() -> None:
    aws = FakeAws()
    it = system(template("AWS::SNS::Topic"))
    deploy(aws, it)
    aws.gone.add("tapgen-artifacts-111111111111-eu-west-1")

    assert "artifact bucket" in lacking(aws, it)[0]
    with pytest.raises(AwsError, match="delete that stack, then run tapgen"):
        deploy(aws, it)


def test_a_system_administered_from_another_region_is_refused() -> None:
    aws = FakeAws()
    it = system(template("AWS::SNS::Topic"))
    deploy(aws, it)
    moved = replace(it, admin=Target(ADMIN.account, "eu-central-1"))

    with pytest.raises(AwsError, match="administered from another region"):
        deploy(aws, moved)


def _bounded(within: bool) -> str:
    properties: dict[str, Any] = {"AssumeRolePolicyDocument": {"Statement": []}}
    if within:
        arn = "arn:aws:iam::1:policy/tapgen-boundary-ss-dev"
        properties["PermissionsBoundary"] = arn
    role = {"Type": "AWS::IAM::Role", "Properties": properties}
    return json.dumps({"Resources": {"Role": role}})


def _roles_template(aws: FakeAws) -> str:
    found = next(s for key, s in aws.stacks.items() if key[2].endswith("-roles"))
    return str(found["request"]["TemplateBody"])


def _facts(aws: FakeAws) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(_roles_template(aws))["Metadata"]["tapgen"]
    return facts


def test_deployed_roles_get_their_boundary_before_the_execution_role_is_held_to_it() -> (
    None
):
    aws, before, after = FakeAws(), system(_bounded(False)), system(_bounded(True))
    deploy(aws, before)
    assert "boundary" not in _facts(aws)
    assert any("permissions boundary" in line for line in lacking(aws, after))

    lines: list[str] = []
    deploy(aws, after, unbounded=True, on_event=lines.append)
    assert _facts(aws)["boundary"] == "created"
    assert any("run tapgen bootstrap again" in line for line in lines)
    assert lacking(aws, after) == []

    deploy(aws, after)
    assert _facts(aws)["boundary"] == "enforced"


def test_a_role_outside_of_the_boundary_leaves_the_others_as_they_are() -> None:
    """A blueprint of one's own may have roles that no block made."""
    aws = FakeAws()
    deploy(aws, system(_bounded(True), _bounded(False)))
    assert _facts(aws)["boundary"] == "created"


def _custom(within: bool, required: bool) -> System:
    text = _bounded(within).replace("boundary-ss-", "boundary-some-system-")
    return replace(system(text), rollout=RolloutSettings(permissions_boundary=required))


def test_a_custom_system_gets_a_boundary_and_loses_it_in_steps_that_work() -> None:
    aws = FakeAws()
    bootstrap.run(cast(Aws, aws), _custom(False, False), code="")
    assert "boundary" not in _facts(aws)

    after, types = _custom(True, True), {"AWS::IAM::Role"}
    run = partial(bootstrap.run, cast(Aws, aws), code="", deployed_types=types)
    run(after, unbounded=True)
    assert _facts(aws)["boundary"] == "created"
    run(after)
    assert _facts(aws)["boundary"] == "enforced"
    text = json.dumps(json.loads(_roles_template(aws))["Resources"])
    assert "policy/tapgen-boundary-some-system-${EnvironmentSuffix}" in text

    # Off again: the execution role is let go first, the policy stays until no role has it.
    plain = _custom(False, False)
    found = bootstrap.unready(cast(Aws, aws), plain, "").accounts
    assert "only within the permissions boundary" in str(found)
    run(plain)
    assert _facts(aws)["boundary"] == "created"
    assert not bootstrap.unready(cast(Aws, aws), plain, "").accounts


def test_users_of_a_custom_system_are_within_its_boundary_too() -> None:
    scope = Scope(
        "", {"iam:role": ["app-*"], "iam:user": ["robot"]}, boundary="enforced"
    )
    kinds = ["AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Policy"]
    made = json.loads(
        blueprint.target("orders", scope, kinds, ["lambda.amazonaws.com"])
    )
    writing = {
        action: statement
        for statement in execution_statements(made)
        for action in statement["Action"]
        if re.match("iam:(Attach|Create|Put)(Role|User)", action)
    }
    assert {"iam:CreateRole", "iam:CreateUser", "iam:PutUserPolicy"} <= {*writing}
    for statement in writing.values():
        key = statement["Condition"]["StringEquals"]["iam:PermissionsBoundary"]
        assert "policy/tapgen-boundary-orders-${EnvironmentSuffix}" in key["Fn::Sub"]


def test_a_boundary_of_another_code_is_refused_with_what_to_do() -> None:
    it = system(_bounded(True).replace("tapgen-boundary-ss", "tapgen-boundary-xx"))
    with pytest.raises(TemplateError, match="begin with ss, the code of the blueprint"):
        deploy(FakeAws(), it)
