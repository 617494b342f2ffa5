"""What of a change is named first."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.template import diff, risk
from tapgen.template.risk import Kind
from tests import make


def found(
    kind: str, before: dict[str, Any] | None, after: dict[str, Any] | None, **old: Any
) -> dict[Kind, list[str]]:
    """Kind → details, of changing one resource's properties; None for none."""
    texts = [
        make.template(
            resources=(
                {"Other": {"Type": "AWS::SNS::Topic"}}
                | ({} if p is None else {"R": {"Type": kind, "Properties": p, **more}})
            )
        )
        for p, more in ((before, old), (after, {}))
    ]
    named: dict[Kind, list[str]] = {}
    for change in diff.templates(*texts):
        for one in risk.of(change):
            named.setdefault(one.kind, []).append(one.detail)
    return named


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}


def allow(action: Any, resource: Any = "arn:a", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


POLICY = "AWS::IAM::ManagedPolicy"


def test_replacing_what_holds_data_is_named() -> None:
    bucket = "AWS::S3::Bucket"

    named = found(bucket, {"BucketName": "a"}, {"BucketName": "b"})
    assert named[Kind.DATA] == [
        "is replaced by an empty resource (BucketName); its data is deleted"
    ]
    assert (
        "its data is retained"
        in found(bucket, {}, None, DeletionPolicy="Retain")[Kind.DATA][0]
    )
    assert found("AWS::SNS::Topic", {"TopicName": "a"}, {"TopicName": "b"}) == {}


@pytest.mark.parametrize(
    ("before", "after", "detail"),
    [
        (allow("s3:GetObject"), allow(["s3:GetObject", "s3:Put*"]), "s3:Put*"),
        (allow("s3:GetObject"), allow("s3:GetObject", ["arn:a", "arn:b"]), "arn:b"),
        (
            allow("s3:Get*", Condition={"Bool": {"x": "true"}}),
            allow("s3:GetObject"),
            "condition dropped",
        ),
        ({"Effect": "Deny", "Action": "*", "Resource": "*"}, allow("a:B"), "denies"),
    ],
)
def test_permissions_that_widen_are_named(
    before: dict[str, Any], after: dict[str, Any], detail: str
) -> None:
    named = found(POLICY, policy(before), policy(after))

    assert any(detail in text for text in named[Kind.IAM])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (allow(["a:B", "a:C"]), allow("a:B")),
        (allow("a:*"), allow(["a:B", "a:C"])),
        (allow("a:B", "*"), allow("a:B", "arn:x")),
        (allow("a:B"), allow("a:B", Condition={"Bool": {"x": "true"}})),
        (allow("a:B"), {"Effect": "Deny", "Action": "a:B", "Resource": "*"}),
    ],
)
def test_permissions_that_narrow_or_stay_are_not(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert found(POLICY, policy(before), policy(after)) == {}


def test_a_new_principal_and_an_attached_policy_are_named() -> None:
    def role(service: str, *arns: str) -> dict[str, Any]:
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": service},
        }
        document = {"Statement": [trust]}
        return {"AssumeRolePolicyDocument": document, "ManagedPolicyArns": list(arns)}

    named = found("AWS::IAM::Role", role("a.aws"), role("b.aws", "arn:p"))

    assert [d for d in named[Kind.IAM] if "for b.aws" in d]
    assert "newly attaches arn:p" in named[Kind.IAM]


def test_public_exposure_is_named() -> None:
    anybody = allow("s3:GetObject", Principal="*")
    assert Kind.PUBLIC in found("AWS::S3::BucketPolicy", policy(), policy(anybody))
    only_tls = anybody | {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}
    assert Kind.PUBLIC in found("AWS::S3::BucketPolicy", policy(), policy(only_tls))
    ours = anybody | {"Condition": OURS}
    assert Kind.PUBLIC not in found("AWS::S3::BucketPolicy", policy(), policy(ours))
    block = "PublicAccessBlockConfiguration"
    opened = found(
        "AWS::S3::Bucket",
        {block: {"BlockPublicAcls": True}},
        {block: {"BlockPublicAcls": False}},
    )
    assert opened[Kind.PUBLIC] == ["BlockPublicAcls is turned off"]
    database = "AWS::RDS::DBInstance"
    assert Kind.PUBLIC in found(database, {}, {"PubliclyAccessible": "true"})


def test_what_security_groups_newly_allow_is_named() -> None:
    def group(*cidrs: str) -> dict[str, Any]:
        rules = [
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": c}
            for c in cidrs
        ]
        return {"GroupDescription": "x", "SecurityGroupIngress": rules}

    kind = "AWS::EC2::SecurityGroup"
    assert found(kind, group("10.0.0.0/8"), group("10.0.0.0/8", "172.16.0.0/16")) == {
        Kind.NETWORK: ["tcp 443 is opened to 172.16.0.0/16"]
    }
    world = found(kind, group(), group("0.0.0.0/0"))
    assert world == {Kind.PUBLIC: ["tcp 443 is open to the whole internet"]}
    assert found(kind, group("10.0.0.0/8"), group()) == {}


def test_weaker_protection_is_named() -> None:
    database = "AWS::RDS::DBInstance"
    off = found(database, {"DeletionProtection": True}, {"DeletionProtection": "false"})
    assert off == {Kind.PROTECTION: ["DeletionProtection is turned off"]}
    assert found("AWS::EC2::Volume", {}, {}, DeletionPolicy="Snapshot") == {
        Kind.PROTECTION: ["DeletionPolicy becomes Delete"]
    }
    # AWS takes a snapshot of a database by default.
    assert found(database, {}, {}, DeletionPolicy="Snapshot") == {}
    assert found(database, {}, {}, DeletionPolicy="Delete") == {}
    assert found(database, {}, {}, DeletionPolicy="Retain") == {
        Kind.PROTECTION: ["DeletionPolicy becomes Snapshot"]
    }
    versioned = {"VersioningConfiguration": {"Status": "Enabled"}}
    assert Kind.DATA in found("AWS::S3::Bucket", versioned, {})


# -- policies ------------------------------------------------------------------------

TABLE = {"Fn::GetAtt": ["Table", "Arn"]}
INDEX = {"Fn::Sub": "${Table.Arn}/index/*"}
OURS = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}


@pytest.mark.parametrize("resource", [TABLE, {"Ref": "P"}, INDEX, [TABLE, INDEX]])
def test_the_order_of_actions_and_resources_says_nothing(resource: Any) -> None:
    one = policy(allow(["a:B", "a:C"], resource))
    many = resource[::-1] if isinstance(resource, list) else [resource]
    other = policy(allow(["a:C", "a:B"], many))

    assert found(POLICY, one, other) == {}
    assert diff.templates(template(POLICY, one), template(POLICY, other)) == ()


def template(kind: str, properties: dict[str, Any]) -> str:
    return make.template(resources={"R": {"Type": kind, "Properties": properties}})


def test_what_only_aws_knows_is_named_as_in_a_template() -> None:
    before, after = allow("d:Get", TABLE), allow(["d:Get", "d:Put"], [TABLE, INDEX])

    assert found(POLICY, policy(before), policy(after)) == {
        Kind.IAM: [
            "newly allows d:Get, d:Put on ${Table.Arn}/index/*",
            "newly allows d:Put on ${Table.Arn}",
        ]
    }


def test_brackets_and_braces_are_no_wildcards() -> None:
    before, after = allow("a:B", "arn:[ab]"), allow("a:B", "arn:a")

    assert found(POLICY, policy(before), policy(after)) == {
        Kind.IAM: ["newly allows a:B on arn:a"]
    }


@pytest.mark.parametrize("resource", ["arn:a", TABLE])
def test_a_dropped_condition_is_named_as_one(resource: Any) -> None:
    before = policy(allow(["a:B", "a:C"], resource, Condition=OURS))
    after = policy(allow(["a:B", "a:C"], resource))

    (text,) = found(POLICY, before, after)[Kind.IAM]
    assert text.startswith("condition dropped (StringEquals aws:PrincipalOrgID): a:B, ")


def test_a_condition_that_takes_more_is_weakened_and_one_that_takes_less_is_not() -> (
    None
):
    def limited(operator: str, *values: str) -> dict[str, Any]:
        return policy(allow("a:B", TABLE, Condition={operator: {"k": list(values)}}))

    more = found(
        POLICY, limited("StringEquals", "1"), limited("StringEquals", "1", "2")
    )
    assert more == {
        Kind.IAM: [
            "condition weakened (StringEquals k is now 1, 2): a:B on ${Table.Arn}"
        ]
    }
    back = limited("StringEquals", "2", "1"), limited("StringEquals", "1")
    assert found(POLICY, *back) == {}
    # Of what must not match, a longer list is the stricter one.
    strict = limited("StringNotEquals", "1"), limited("StringNotEquals", "1", "2")
    assert found(POLICY, *strict) == {}
    assert Kind.IAM in found(POLICY, *strict[::-1])
    like = limited("StringLike", "a*"), limited("StringLike", "ab")
    assert found(POLICY, *like) == {}
    assert Kind.IAM in found(POLICY, *like[::-1])


def test_what_is_left_out_of_all_grants_more_the_less_it_is() -> None:
    def but(*actions: str) -> dict[str, Any]:
        return policy({"Effect": "Allow", "NotAction": list(actions), "Resource": "*"})

    assert found(POLICY, but("iam:*"), but("iam:*", "sts:*")) == {}
    assert found(POLICY, but("iam:*", "sts:*"), but("iam:*")) == {
        Kind.IAM: ["newly allows all but iam:* on *"]
    }
    assert found(POLICY, but("iam:*"), policy(allow("s3:Get*", "*"))) == {}
    assert Kind.IAM in found(POLICY, but("iam:*"), policy(allow("iam:PassRole", "*")))


def test_a_denial_that_gains_a_condition_is_named() -> None:
    deny = allow("a:B", "*") | {"Effect": "Deny"}

    assert found(POLICY, policy(deny), policy(deny | {"Condition": OURS})) == {
        Kind.IAM: ["no longer always denies a:B on *"]
    }


ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
ANYBODY = allow("x:Do", "*", Principal={"AWS": "*"})
DOCUMENT = {"Statement": [ANYBODY]}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("AWS::IAM::User", "ManagedPolicyArns"),
        ("AWS::IAM::Group", "ManagedPolicyArns"),
        ("AWS::IAM::Role", "ManagedPolicyArns"),
        ("AWS::SSO::PermissionSet", "ManagedPolicies"),
    ],
)
def test_whatever_gets_a_managed_policy_is_named(kind: str, name: str) -> None:
    assert found(kind, {}, {name: [ADMIN]}) == {Kind.IAM: [f"newly attaches {ADMIN}"]}
    assert found(kind, {name: [ADMIN, "b"]}, {name: ["b", ADMIN]}) == {}


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("AWS::OpenSearchService::Domain", {"AccessPolicies": DOCUMENT}),
        ("AWS::Events::EventBusPolicy", {"Statement": ANYBODY}),
        (
            "AWS::Events::EventBusPolicy",
            {"Principal": "*", "Action": "events:PutEvents"},
        ),
        ("AWS::ApiGateway::RestApi", {"Policy": DOCUMENT}),
        ("AWS::Logs::ResourcePolicy", {"PolicyDocument": json.dumps(DOCUMENT)}),
        (
            "AWS::Logs::ResourcePolicy",
            {"PolicyDocument": {"Fn::Sub": json.dumps(DOCUMENT | {"Id": "${Other}"})}},
        ),
        ("AWS::DynamoDB::Table", {"ResourcePolicy": {"PolicyDocument": DOCUMENT}}),
        (
            "AWS::Lambda::Permission",
            {"Principal": "*", "Action": "lambda:InvokeFunction"},
        ),
    ],
)
def test_policies_open_to_anybody_are_named_wherever_they_stand(
    kind: str, after: dict[str, Any]
) -> None:
    assert any("anybody is allowed" in t for t in found(kind, {}, after)[Kind.PUBLIC])


def test_a_permission_of_a_function_that_is_limited_is_not_public() -> None:
    open_to_all = {"Principal": "*", "Action": "lambda:InvokeFunction"}
    limited = open_to_all | {"PrincipalOrgID": "o-1"}
    kind = "AWS::Lambda::Permission"

    assert Kind.PUBLIC not in found(kind, None, limited)
    dropped = found(kind, limited, open_to_all)[Kind.PUBLIC]
    assert dropped[0].startswith("condition dropped (StringEquals aws:PrincipalOrgID)")


# -- exposure and data ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (
            "AWS::ApiGateway::Method",
            {"AuthorizationType": "AWS_IAM"},
            {"AuthorizationType": "NONE"},
        ),
        ("AWS::S3::Bucket", {}, {"AccessControl": "PublicReadWrite"}),
        (
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            {"Scheme": "internal"},
            {"Scheme": "internet-facing"},
        ),
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", {"Scheme": "internal"}, {}),
        (
            "AWS::EKS::Cluster",
            {"ResourcesVpcConfig": {"EndpointPublicAccess": False}},
            {"ResourcesVpcConfig": {"EndpointPublicAccess": True}},
        ),
    ],
)
def test_what_becomes_public_is_named(
    kind: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert len(found(kind, before, after)[Kind.PUBLIC]) == 1
    assert Kind.PUBLIC not in found(kind, after, before)


def entry(action: str, cidr: str = "0.0.0.0/0", **more: Any) -> dict[str, Any]:
    return {
        "NetworkAclId": "n",
        "RuleNumber": 1,
        "Protocol": 6,
        "PortRange": {"From": 22, "To": 22},
        "RuleAction": action,
        "CidrBlock": cidr,
        **more,
    }


def test_entries_of_network_acls_that_let_in_are_named() -> None:
    kind = "AWS::EC2::NetworkAclEntry"

    assert found(kind, entry("deny"), entry("allow")) == {
        Kind.PUBLIC: ["tcp 22 is open to the whole internet"]
    }
    assert found(kind, entry("deny"), None) == {
        Kind.NETWORK: ["tcp 22 from 0.0.0.0/0 is no longer denied"]
    }
    assert found(kind, entry("allow"), entry("deny")) == {}
    assert found(kind, None, entry("allow", Egress=True)) == {}


def test_a_copy_that_goes_and_a_key_that_is_disabled_are_named() -> None:
    def table(*regions: str) -> dict[str, Any]:
        return {"Replicas": [{"Region": region} for region in regions]}

    kind = "AWS::DynamoDB::GlobalTable"
    lost = found(kind, table("eu-west-1", "eu-north-1"), table("eu-west-1"))
    assert lost == {Kind.DATA: ["its copy in eu-north-1 is deleted"]}
    assert found(kind, table("eu-west-1"), table("eu-west-1", "eu-north-1")) == {}
    assert found("AWS::KMS::Key", {}, {"Enabled": False}) == {
        Kind.DATA: ["the key is disabled; data encrypted with it cannot be read"]
    }


# -- address ranges ------------------------------------------------------------------

GROUP = "AWS::EC2::SecurityGroup"


def group(*cidrs: str, low: int = 443, high: int = 443) -> dict[str, Any]:
    ports = {"IpProtocol": "tcp", "FromPort": low, "ToPort": high}
    rules = [ports | {"CidrIpv6" if ":" in c else "CidrIp": c} for c in cidrs]
    return {"GroupDescription": "x", "SecurityGroupIngress": rules}


networks = st.builds(
    lambda address, length: IPv4Network((address, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)


@given(wide=networks, length=st.integers(0, 32))
def test_a_range_within_one_that_was_allowed_opens_nothing(
    wide: IPv4Network, length: int
) -> None:
    size = max(length, wide.prefixlen)
    narrow = IPv4Network((wide.network_address, size))

    assert found(GROUP, group(str(wide)), group(str(narrow))) == {}
    halves = map(str, wide.subnets()) if wide.prefixlen < 32 else [str(wide)]
    assert found(GROUP, group(*halves), group(str(wide))) == {}
    if narrow != wide:
        assert found(GROUP, group(str(narrow)), group(str(wide)))


@pytest.mark.parametrize("cidr", ["0.0.0.0/1", "128.0.0.0/1", "2000::/3", "8.0.0.0/7"])
def test_large_parts_of_the_internet_are_public(cidr: str) -> None:
    assert found(GROUP, group(), group(cidr)) == {
        Kind.PUBLIC: [f"tcp 443 is open to {cidr}, a large part of the internet"]
    }


@pytest.mark.parametrize("cidr", ["10.0.0.0/8", "203.0.113.0/24", "fc00::/7"])
def test_what_is_somebodys_own_is_not(cidr: str) -> None:
    assert list(found(GROUP, group(), group(cidr))) == [Kind.NETWORK]


def test_ports_within_those_that_were_open_open_nothing() -> None:
    wide, narrow = group("10.0.0.0/8", low=80, high=90), group("10.0.0.0/9", low=85)
    narrow["SecurityGroupIngress"][0]["ToPort"] = 86

    assert found(GROUP, wide, narrow) == {}
    assert found(GROUP, narrow, wide) == {
        Kind.NETWORK: ["tcp 80-90 is opened to 10.0.0.0/8"]
    }
    everything = {"IpProtocol": "-1", "CidrIp": "10.0.0.0/8"}
    assert found(GROUP, group() | {"SecurityGroupIngress": [everything]}, wide) == {}


# -- replacement ---------------------------------------------------------------------


def test_what_is_replaced_is_one_line_with_the_causes_first() -> None:
    def network(cidr: str, subnets: int) -> str:
        subnet_resources: dict[str, Any] = {
            f"A{n}": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "x"},
            }
            for n in range(subnets)
        }
        vpc = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": cidr}}
        return make.template(resources={**subnet_resources, "Vpc": vpc})

    def line(subnets: int) -> str:
        return risk.replaced(
            diff.templates(
                network("10.0.0.0/16", subnets), network("10.1.0.0/16", subnets)
            )
        )

    assert line(0) == "1 resource is replaced: Vpc"
    assert line(2) == "3 resources are replaced: Vpc, A0, A1"
    assert line(9) == "10 resources are replaced, among them Vpc, A0, A1"
    assert risk.replaced(()) == ""
