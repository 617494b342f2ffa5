"""Rules about one template find their mistake however a value is spelled: as a literal, in
a function, by a parameter, an override, or an output of another stack set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tapgen import rules
from tapgen.lint import check
from tapgen.rules import networks, view
from tests.rules import examples


def found(rule: str, text: str) -> list[str]:
    """Part and path of what a rule finds in a system."""
    system = examples.system(text)
    parts = {s.name: s.part for s in system.stack_sets}
    return [
        f"{parts[f.stack_set]}: {'/'.join(map(str, f.path))}"
        for f in rules.system(system)
        if f.rule == rule
    ]


def alone(rule: str, text: str) -> list[str]:
    """The same, also of what is found without the system."""

    system = examples.system(text)
    return [
        f.logical_id
        for f in check(system, Path("templates_out"), processes=1)
        if f.rule == rule
    ]


# Values that a stack set takes from another one, and what each breaks.
OUTPUT = """\
source:
  regions: [us-east-1]
  template:
    Resources:
      Topic: {{Type: AWS::SNS::Topic}}
    Outputs:
      Value: {{Value: {value}}}
user:
  regions: [{regions}]
  parameters:
    Given: {{output: source.Value, region: us-east-1}}
  template:
    Parameters:
      Given: {{Type: String}}
    Resources:
      It:
        Type: {kind}
        Properties: {properties}
"""


@pytest.mark.parametrize(
    ("rule", "value", "kind", "properties", "regions"),
    [
        (
            "E9503",
            "a-name-of-more-than-sixty-four-characters-with-the-region-of-it",
            "AWS::IAM::Role",
            "{RoleName: !Sub '${Given}-${AWS::Region}', AssumeRolePolicyDocument: {}}",
            "us-east-1",
        ),
        (
            "E9507",
            "arn:aws:kms:us-east-1:111122223333:key/mrk-1",
            "AWS::SNS::Topic",
            "{KmsMasterKeyId: !Ref Given}",
            "eu-west-1",
        ),
        (
            "E9601",
            "'2'",
            "AWS::EC2::Subnet",
            "{AvailabilityZone: !Select [!Ref Given, !GetAZs ''], VpcId: x}",
            "us-west-1",
        ),
        (
            "E9603",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:x-abcdef",
            "AWS::SNS::Topic",
            "{DisplayName: !Sub '{{resolve:secretsmanager:${Given}}}'}",
            "eu-west-1",
        ),
        (
            "E9543",
            "arn:aws:kms:us-east-1:111122223333:key/mrk-1",
            "AWS::KMS::ReplicaKey",
            "{PrimaryKeyArn: !Ref Given, KeyPolicy: {}}",
            "us-east-1",
        ),
        (
            "E9606",
            "'3'",
            "AWS::Route53::HealthCheck",
            "{HealthCheckConfig: {Type: CALCULATED, HealthThreshold: !Ref Given,"
            " ChildHealthChecks: [a, b]}}",
            "us-east-1",
        ),
        (
            "W9611",
            "us-east-1",
            "AWS::Lambda::Function",
            "{Environment: {Variables: {URL: !Sub 'https://sqs.${Given}.amazonaws.com'}}}",
            "us-east-1, eu-west-1",
        ),
    ],
)
def test_an_output_of_another_stack_set_is_a_value(
    rule: str, value: str, kind: str, properties: str, regions: str
) -> None:
    text = OUTPUT.format(value=value, kind=kind, properties=properties, regions=regions)

    assert [at.split("/")[:2] for at in found(rule, text)] == [
        ["user: Resources", "It"]
    ]
    other = text.replace("!Ref Given", "''").replace("${Given}", "x")
    assert found(rule, other) == []


def parts(**given: tuple[str, str]) -> str:
    """A system: part -> regions, and its template below `template:`."""
    text = ""
    for part, (regions, body) in given.items():
        indented = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
        text += f"{part}:\n  regions: [{regions}]\n  template:\n{indented}\n"
    return text


def taking(text: str, part: str, value: str, region: str = "us-east-1") -> str:
    given = f"  parameters: {{Given: {{output: {value}, region: {region}}}}}\n"
    return text.replace(f"{part}:\n", f"{part}:\n{given}", 1)


PARAMETER = "Parameters: {Given: {Type: String}}\n"


def key(multi: str) -> str:
    return f"""\
Resources:
  Key: {{Type: AWS::KMS::Key, Properties: {{MultiRegion: {multi}, KeyPolicy: {{}}}}}}
Outputs:
  Arn: {{Value: !GetAtt Key.Arn}}
"""


REPLICA_KEY = PARAMETER + """\
Resources:
  Replica:
    Type: AWS::KMS::ReplicaKey
    Properties: {PrimaryKeyArn: !Ref Given, KeyPolicy: {}}
"""


@pytest.mark.parametrize(
    ("multi", "region", "wrong"),
    [
        ("true", "us-west-2", False),
        ("true", "us-east-1", True),
        ("false", "us-west-2", True),
    ],
)
def test_the_primary_key_of_a_replica_may_be_an_output(
    multi: str, region: str, wrong: bool
) -> None:
    text = parts(keys=("us-east-1", key(multi)), copy=(region, REPLICA_KEY))
    text = taking(text, "copy", "keys.Arn")

    assert bool(found("E9543", text)) == wrong


@pytest.mark.parametrize("other", ["us-west-2", "eu-west-1"])
@pytest.mark.parametrize("primary", ["keys.Arn", "arn:aws:kms:us-east-1:1:key/mrk-1"])
def test_a_key_has_one_replica_in_a_region(other: str, primary: str) -> None:
    text = parts(
        keys=("us-east-1", key("true")),
        copy=("us-west-2", REPLICA_KEY),
        again=(other, REPLICA_KEY),
    )
    for part in ("copy", "again"):
        if primary.startswith("keys"):
            text = taking(text, part, primary)
        else:
            text = text.replace("!Ref Given", primary)

    assert len(found("E9543", text)) == (other == "us-west-2")


@pytest.mark.parametrize(
    ("primary", "wrong"),
    [
        ("!GetAtt Key.Arn", True),
        ("!Sub 'arn:aws:kms:us-east-1:111122223333:${Key}'", True),
        ("!Join ['', ['arn:aws:kms:', !Ref AWS::Region, ':1:key/', !Ref Key]]", True),
        ("arn:aws:kms:us-east-1:111122223333:alias/orders", True),
        ("arn:aws:kms:us-west-2:111122223333:key/mrk-1", False),
    ],
)
def test_a_replica_key_beside_its_primary_is_reported(
    primary: str, wrong: bool
) -> None:
    body = key("true") + "#"
    replica = (
        "  Replica:\n    Type: AWS::KMS::ReplicaKey\n"
        f"    Properties: {{PrimaryKeyArn: {primary}, KeyPolicy: {{}}}}\n"
    )
    body = body.replace("Outputs:", replica + "Outputs:")

    assert bool(alone("E9543", parts(one=("us-east-1", body)))) == wrong


NETWORK = (
    "Resources:\n  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16}}\n"
)
SUBNET = PARAMETER + """\
Resources:
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Given, CidrBlock: BLOCK}
"""


@pytest.mark.parametrize(
    ("block", "wrong"), [("10.1.4.0/24", False), ("10.2.4.0/24", True)]
)
def test_a_subnet_is_within_the_vpc_of_another_stack_set(
    block: str, wrong: bool
) -> None:
    network = NETWORK + "Outputs: {Id: {Value: !Ref Vpc}}\n"
    text = parts(
        network=("us-east-1", network),
        app=("us-east-1", SUBNET.replace("BLOCK", block)),
    )

    assert bool(found("E9600", taking(text, "app", "network.Id"))) == wrong


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ("  More: {Type: AWS::EC2::VPCCidrBlock, Properties:"
         " {VpcId: !Ref Vpc, CidrBlock: 10.2.0.0/16}}\n", False),
        ("  More: {Type: AWS::EC2::VPCCidrBlock, Properties:"
         " {VpcId: !Ref Vpc, Ipv4IpamPoolId: pool, Ipv4NetmaskLength: 20}}\n", False),
        ("  More: {Type: AWS::EC2::VPCCidrBlock, Properties:"
         " {VpcId: !GetAtt Vpc.VpcId, AmazonProvidedIpv6CidrBlock: true}}\n", True),
        ("  More: {Type: AWS::EC2::Subnet, Properties:"
         " {VpcId: !Ref Vpc, CidrBlock: 10.2.4.128/25}}\n", True),
    ],
)  # fmt: skip
def test_a_vpc_may_have_more_blocks(more: str, wrong: bool) -> None:
    body = NETWORK + more + """\
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !GetAtt Vpc.VpcId, CidrBlock: !Select [4, !Cidr [10.2.0.0/16, 8, 8]]}
"""
    assert bool(alone("E9600", parts(one=("us-east-1", body)))) == wrong


ZONE = (
    "Resources:\n  Zone: {Type: AWS::Route53::HostedZone, Properties: {Name: a.com}}\n"
    "Outputs: {Id: {Value: !Ref Zone}}\n"
)


def record(policy: str, zone: str = "!Ref Given", name: str = "x.a.com") -> str:
    return f"""\
Resources:
  Record:
    Type: AWS::Route53::RecordSet
    Properties: {{HostedZoneId: {zone}, Name: {name}, Type: A, {policy}}}
"""


FIRST = "SetIdentifier: a, Failover: PRIMARY"


@pytest.mark.parametrize(
    ("other", "name", "wrong"),
    [
        ("SetIdentifier: b, Failover: PRIMARY", "X.a.com.", True),
        ("SetIdentifier: b, Weight: 3", "x.a.com", True),
        ("TTL: 60", "x.a.com", True),
        ("SetIdentifier: b, Failover: SECONDARY", "x.a.com", False),
        ("SetIdentifier: b, Failover: PRIMARY", "y.a.com", False),
    ],
)
def test_records_of_two_stack_sets_share_a_policy(
    other: str, name: str, wrong: bool
) -> None:
    text = parts(
        dns=("us-east-1", ZONE),
        one=("us-east-1", PARAMETER + record(FIRST)),
        two=("us-west-2", PARAMETER + record(other, name=name)),
    )
    for part in ("one", "two"):
        text = taking(text, part, "dns.Id")

    assert bool(found("E9605", text)) == wrong


@pytest.mark.parametrize(
    ("policy", "wrong"),
    [
        ("SetIdentifier: !Ref AWS::Region, Failover: PRIMARY", True),
        ("SetIdentifier: !Ref AWS::Region, Region: us-east-1", True),
        ("SetIdentifier: !Ref AWS::Region, GeoLocation: {CountryCode: DE}", True),
        ("SetIdentifier: !Ref AWS::Region, Region: !Ref AWS::Region", False),
        ("SetIdentifier: !Ref AWS::Region, Weight: 10", False),
    ],
)
def test_a_stack_set_creates_one_record_for_each_role(policy: str, wrong: bool) -> None:
    of = record(policy, zone="Z0123456789ABCDEFGHIJ")
    group = of.replace("RecordSet\n", "RecordSetGroup\n")
    group = group.replace("Properties: {", "Properties: {RecordSets: [{")
    group = group.replace("}\n", "}]}\n") if group.endswith("}\n") else group

    assert bool(alone("E9605", parts(one=("us-east-1, eu-west-1", of)))) == wrong
    assert bool(alone("E9605", parts(one=("us-east-1, eu-west-1", group)))) == wrong


def test_zones_of_each_region_are_different() -> None:
    zone = "  Zone: {Type: AWS::Route53::HostedZone, Properties: {Name: a.com}}\n"
    text = parts(one=("us-east-1, eu-west-1", record(FIRST, "!Ref Zone") + zone))

    assert alone("E9605", text) == []


@pytest.mark.parametrize(
    ("one", "two"),
    [("!Ref Zone", None), ("!ImportValue zone", "!ImportValue zone")],
)
def test_a_zone_may_be_named_or_imported(one: str, two: str | None) -> None:
    second = record(FIRST.replace("a,", "b,"), two or "x").replace("Record:", "Other:")
    if two is None:
        second = second.replace("HostedZoneId: x", "HostedZoneName: A.com.")
    zone = ZONE.partition("Outputs")[0].partition("\n")[2]
    body = record(FIRST, one) + second.partition("\n")[2] + zone

    assert len(alone("E9605", parts(one=("us-east-1", body)))) == 1


@pytest.mark.parametrize(
    ("given", "wrong"),
    [("!Ref Zone", False), ("!GetAtt Zone.Id", False), ("!ImportValue zone", True)],
)
def test_stack_sets_may_name_different_zones_alike(given: str, wrong: bool) -> None:
    zone = ZONE.partition("Outputs")[0].partition("\n")[2]
    body = record(FIRST, given) + zone
    text = parts(one=("us-east-1", body), two=("us-east-1", body))

    assert bool(found("E9605", text)) == wrong


def test_stack_sets_may_name_different_keys_and_global_clusters_alike() -> None:
    text = parts(
        orders=("us-east-1", key("true")),
        billing=("us-east-1", key("true")),
        one=("us-west-2", REPLICA_KEY),
        two=("us-west-2", REPLICA_KEY),
    )
    same = taking(taking(text, "one", "orders.Arn"), "two", "orders.Arn")
    other = taking(taking(text, "one", "orders.Arn"), "two", "billing.Arn")

    assert len(found("E9543", same)) == 1
    assert found("E9543", other) == []

    secret = PRIMARY.replace("GlobalClusterIdentifier: orders, ", "")
    plain = secret.replace("StorageEncrypted: true", "StorageEncrypted: false")
    member = PARAMETER + cluster("GlobalClusterIdentifier: !Ref Given")
    text = parts(
        one=("us-east-1", secret), two=("us-east-1", plain), three=("us-west-2", member)
    )

    assert len(found("E9538", taking(text, "three", "one.Id"))) == 1
    assert found("E9538", taking(text, "three", "two.Id")) == []


def cluster(more: str) -> str:
    return f"""\
Resources:
  Cluster:
    Type: AWS::RDS::DBCluster
    Properties: {{Engine: aurora-postgresql, {more}}}
"""


PRIMARY = (
    "Resources:\n  Global: {Type: AWS::RDS::GlobalCluster,"
    " Properties: {GlobalClusterIdentifier: orders, StorageEncrypted: true}}\n"
    "Outputs: {Id: {Value: !Ref Global}}\n"
)


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ("GlobalClusterIdentifier: !Ref Given", True),
        ("GlobalClusterIdentifier: !Ref Given, KmsKeyId: alias/orders", False),
        ("GlobalClusterIdentifier: !Ref Given, SnapshotIdentifier: x", False),
        ("GlobalClusterIdentifier: !Ref Given, MasterUsername: x", False),
    ],
)
def test_a_secondary_is_encrypted_as_its_global_cluster(more: str, wrong: bool) -> None:
    text = parts(
        one=("us-east-1", PRIMARY), two=("us-west-2", PARAMETER + cluster(more))
    )

    assert bool(found("E9538", taking(text, "two", "one.Id"))) == wrong


def test_a_secondary_is_encrypted_as_the_source_of_its_global_cluster() -> None:
    first = cluster("StorageEncrypted: true, MasterUsername: x") + (
        "  Global: {Type: AWS::RDS::GlobalCluster, Properties:"
        " {GlobalClusterIdentifier: orders, SourceDBClusterIdentifier: !Ref Cluster}}\n"
    )
    text = parts(
        one=("us-east-1", first),
        two=("us-west-2", cluster("GlobalClusterIdentifier: Orders")),
    )

    assert len(found("E9538", text)) == 1
    assert found("E9538", text.replace("Encrypted: true", "Encrypted: false")) == []


@pytest.mark.parametrize(
    ("cluster_is", "wrong"),
    [
        ("GlobalClusterIdentifier: orders, ManageMasterUserPassword: true", True),
        ("GlobalClusterIdentifier: !Ref Given, ManageMasterUserPassword: 'true'", True),
        ("GlobalClusterIdentifier: orders, ManageMasterUserPassword: false", False),
        ("ManageMasterUserPassword: true", False),
    ],
)
def test_rds_manages_no_password_in_a_global_cluster(
    cluster_is: str, wrong: bool
) -> None:
    text = parts(one=("us-east-1", PARAMETER + cluster(cluster_is)))

    assert bool(alone("E9608", text)) == wrong


@pytest.mark.parametrize(
    "given", ["!Ref Cluster", "!GetAtt Cluster.DBClusterArn", "own"]
)
def test_rds_manages_no_password_of_a_source(given: str) -> None:
    more = "ManageMasterUserPassword: true, DBClusterIdentifier: own"
    body = cluster(more) + (
        "  Global: {Type: AWS::RDS::GlobalCluster,"
        f" Properties: {{SourceDBClusterIdentifier: {given}}}}}\n"
    )

    assert alone("E9608", parts(one=("us-east-1", body))) == ["Global"]


SOURCE = """\
Resources:
  Db:
    Type: AWS::RDS::DBInstance
    Properties: {DBInstanceIdentifier: orders, StorageEncrypted: true, MORE}
Outputs:
  Arn: {Value: !GetAtt Db.DBInstanceArn}
  Built: {Value: !Sub 'arn:aws:rds:${AWS::Region}:${AWS::AccountId}:db:${Db}'}
  Name: {Value: !Ref Db}
"""


def replica(given: str, more: str = "") -> str:
    return PARAMETER + f"""\
Resources:
  Replica:
    Type: AWS::RDS::DBInstance
    Properties: {{SourceDBInstanceIdentifier: {given}{more}}}
"""


BY_NAME = "!Sub 'arn:${AWS::Partition}:rds:us-east-1:${AWS::AccountId}:db:orders'"


@pytest.mark.parametrize(
    ("given", "output"),
    [
        ("!Ref Given", "Arn"),
        ("!Ref Given", "Built"),
        (BY_NAME, "Arn"),
        (BY_NAME.replace("orders", "${Given}"), "Name"),
    ],
)
@pytest.mark.parametrize(("region", "far"), [("us-west-2", True), ("us-east-1", False)])
def test_a_replica_has_a_key_of_its_region_and_a_source_with_backups(
    given: str, output: str, region: str, far: bool
) -> None:
    def system(kept: int, more: str = "") -> str:
        text = parts(
            one=("us-east-1", SOURCE.replace("MORE", f"BackupRetentionPeriod: {kept}")),
            two=(region, replica(given, more)),
        )
        return taking(text, "two", f"one.{output}")

    assert bool(found("E9609", system(1))) == far
    assert found("E9609", system(1, ", KmsKeyId: alias/x")) == []
    assert len(found("E9610", system(0))) == 1
    assert found("E9610", system(1)) == []


@pytest.mark.parametrize(
    ("engine", "managed", "wrong"),
    [
        ("mysql", "true", True),
        ("mysql", "false", False),
        ("sqlserver-ee", "true", False),
    ],
)
def test_rds_replicates_no_instance_whose_password_it_manages(
    engine: str, managed: str, wrong: bool
) -> None:
    more = f"Engine: {engine}, ManageMasterUserPassword: {managed}"
    text = parts(
        one=("us-east-1", SOURCE.replace("MORE", more)),
        two=("us-east-1", replica("!Ref Given")),
    )

    assert bool(found("E9618", taking(text, "two", "one.Name"))) == wrong


@pytest.mark.parametrize(("region", "wrong"), [("us-west-2", True), ("same", False)])
def test_the_arn_of_a_secret_has_its_region(region: str, wrong: bool) -> None:
    secrets = """\
Resources: {Secret: {Type: AWS::SecretsManager::Secret}}
Outputs: {Arn: {Value: !Ref Secret}}
"""
    password = "!Sub '{{resolve:secretsmanager:${Given}:SecretString:password}}'"
    text = parts(
        one=("us-east-1, us-west-2", secrets),
        two=("us-east-1", PARAMETER + cluster(f"MasterUserPassword: {password}")),
    )

    assert bool(found("E9603", taking(text, "two", "one.Arn", region))) == wrong


BUCKETS = """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: NAME
      ReplicationConfiguration:
        Role: arn
        Rules: [{Status: STATUS, Destination: {Bucket: 'arn:aws:s3:::PEER'}}]
"""


@pytest.mark.parametrize("ordered", [False, True])
def test_two_stack_sets_that_name_each_other_are_not_sent_into_a_circle(
    ordered: bool,
) -> None:
    def bucket(name: str, peer: str) -> str:
        text = BUCKETS.replace("NAME", name).replace("PEER", peer)
        return text.replace("STATUS", "Enabled")

    text = parts(
        one=("us-east-1", bucket("here", "there")),
        two=("eu-west-1", bucket("there", "here")),
    )
    if ordered:
        text = text.replace("two:\n", "two:\n  depends_on: [one]\n")
    messages = [
        f.message for f in rules.system(examples.system(text)) if f.rule == "E9586"
    ]

    assert len(messages) == (1 if ordered else 2)
    assert all("at_first" in each for each in messages)


def test_buckets_of_two_stack_sets_may_replicate_back_in_a_second_rollout() -> None:
    def bucket(name: str, peer: str) -> str:
        text = BUCKETS.replace("NAME", name).replace("PEER", peer)
        return text.replace("STATUS", "Enabled")

    text = parts(
        one=("us-east-1", bucket("a", "b")), two=("us-west-2", bucket("b", "a"))
    )

    assert found("E9607", text) == []


@pytest.mark.parametrize(
    ("kind", "properties", "wrong"),
    [
        ("ApiGateway::DomainName", "DomainName: a.com, CertificateArn: x", True),
        (
            "ApiGateway::DomainName",
            "DomainName: A.com, EndpointConfiguration: {Types: [EDGE]}",
            True,
        ),
        (
            "ApiGateway::DomainName",
            "DomainName: a.com, EndpointConfiguration: {Types: [REGIONAL]}",
            False,
        ),
        (
            "ApiGateway::DomainName",
            "DomainName: a.com, RegionalCertificateArn: x",
            False,
        ),
        ("AppSync::DomainName", "DomainName: a.com, CertificateArn: x", True),
        (
            "Cognito::UserPoolDomain",
            "Domain: a.com, CustomDomainConfig: {CertificateArn: x}",
            True,
        ),
        ("Cognito::UserPoolDomain", "Domain: a", False),
        (
            "CloudFront::Distribution",
            "DistributionConfig: {Aliases: [b.com, a.com]}",
            True,
        ),
        ("ApiGateway::DomainName", "DomainName: !Sub '${AWS::Region}.a.com'", False),
    ],
)
def test_a_domain_name_is_on_one_distribution(
    kind: str, properties: str, wrong: bool
) -> None:
    body = (
        f"Resources:\n  R:\n    Type: AWS::{kind}\n    Properties: {{{properties}}}\n"
    )
    twice = parts(one=("us-east-1, eu-west-1", body))
    two = parts(one=("us-east-1", body), two=("eu-west-1", body))

    assert bool(alone("E9522", twice)) == wrong
    assert bool(found("E9522", two)) == wrong


def policy(resources: str, effect: str = "Allow") -> str:
    return f"""\
Mappings: {{M: {{a: {{Region: us-east-1}}}}}}
Parameters: {{Home: {{Type: String, Default: us-east-1}}}}
Resources:
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement: {{Effect: {effect}, Action: 'x:y', Resource: {resources}}}
"""


ARN = "arn:${AWS::Partition}:dynamodb:us-east-1:${AWS::AccountId}:table/x"


@pytest.mark.parametrize(
    ("resources", "wrong"),
    [
        (f"!Sub '{ARN}'", True),
        ("'arn:aws:dynamodb:us-east-1:111122223333:table/x'", True),
        (f"[!Sub '{ARN}']", True),
        (
            "!Join [':', [arn, !Ref AWS::Partition, sqs, us-east-1, '1', !GetAtt Q.A]]",
            True,
        ),
        ("!Sub 'arn:aws:sqs:${Home}:${AWS::AccountId}:x'", True),
        ("!Sub ['arn:aws:sqs:${R}:1:x', {R: !FindInMap [M, a, Region]}]", True),
        (f"!Sub '{ARN.replace('us-east-1', '${AWS::Region}')}'", False),
        (f"[!Sub '{ARN}', !Sub '{ARN.replace('us-east-1', 'eu-west-1')}']", False),
        ("!Sub 'arn:aws:acm:us-east-1:1:certificate/x'", False),
        ("!Sub 'arn:aws:sqs:eu-central-1:1:x'", False),
        ("'*'", False),
    ],
)
def test_a_policy_does_not_name_one_region_everywhere(
    resources: str, wrong: bool
) -> None:
    both = parts(one=("us-east-1, eu-west-1", policy(resources)))
    one = parts(one=("us-east-1", policy(resources)))

    assert bool(alone("W9611", both)) == wrong
    assert alone("W9611", one) == []


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("https://sqs.us-east-1.amazonaws.com/1/x", True),
        ("https://a.execute-api.us-east-1.amazonaws.com", True),
        ("dynamodb.us-east-1.api.aws", True),
        ("!Sub 'https://sqs.${AWS::Region}.amazonaws.com'", False),
        ("1.dkr.ecr.us-east-1.amazonaws.com/x:1", False),
        ("https://sqs.eu-central-1.amazonaws.com", False),
    ],
)
def test_an_endpoint_is_of_the_own_region(value: str, wrong: bool) -> None:
    body = (
        "Resources:\n  F:\n    Type: AWS::Lambda::Function\n"
        f"    Properties: {{Environment: {{Variables: {{URL: {value}}}}}}}\n"
    )
    text = parts(one=("us-east-1, eu-west-1", body))

    assert bool(alone("W9611", text)) == wrong


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("!Sub '{{resolve:secretsmanager:${Name}:SecretString:x}}'", True),
        ("!Join ['', ['{{resolve:ssm-secure:', !Ref Name, '}}']]", True),
        ("!FindInMap [M, a, b]", True),
        ("!Ref Hidden", True),
        ("!Sub 'x-{{resolve:secretsmanager:${Db}}}'", True),
        ("!Sub '{{resolve:ssm:${Name}}}'", False),
        ("!Ref Db", False),
    ],
)
def test_no_secret_gets_into_an_output(value: str, wrong: bool) -> None:
    body = (
        "Parameters:\n  Name: {Type: String, Default: a}\n"
        "  Hidden: {Type: String, Default: '{{resolve:secretsmanager:a}}'}\n"
        "Mappings: {M: {a: {b: '{{resolve:secretsmanager:a}}'}}}\n"
        "Resources:\n  Db: {Type: AWS::SecretsManager::Secret}\n"
        f"Outputs:\n  O: {{Value: {value}}}\n"
    )
    assert bool(alone("E9604", parts(one=("us-east-1", body)))) == wrong


@pytest.mark.parametrize(
    ("region", "index", "wrong"),
    [
        ("us-west-1", "2", True),
        ("us-west-1", "!Ref N", True),
        ("us-west-1", "!If [C, 2, 1]", True),
        ("us-west-1", "1", False),
        ("us-east-1", "5", False),
        ("eu-west-1", "3", True),
        ("xx-west-9", "7", False),
    ],
)
def test_a_selected_zone_is_there(region: str, index: str, wrong: bool) -> None:
    body = (
        "Parameters:\n  N: {Type: Number, Default: 2}\n"
        f"Conditions: {{C: !Equals [!Ref AWS::Region, {region}]}}\n"
        "Resources:\n  S:\n    Type: AWS::EC2::Subnet\n    Properties:\n"
        f"      AvailabilityZone: !Select [{index}, !GetAZs '']\n"
        f"      Other: !Select [{index}, !GetAZs {{Ref: AWS::Region}}]\n"
    )
    assert bool(found_alone(region, body)) == wrong


def found_alone(region: str, body: str) -> list[str]:

    system = examples.system(parts(one=(region, body)))
    template: Any = json.loads(system.stack_sets[0].template)
    target = system.stack_sets[0].targets[0]
    at = view.place(template, {}, target)
    it = view.View(template, (), at=(at,))
    return [message for _, message in networks.ZoneThatIsNotThere().allowed(it)]
