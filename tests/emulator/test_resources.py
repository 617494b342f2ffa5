"""CloudFormation really makes, changes and deletes what templates of ours use."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tapgen import schemas
from tapgen.emulator import life
from tapgen.emulator.resources import SHAPE_ONLY_ALLOWED
from tests.emulator.places import Place, get, new_account, of, served, tags

EAST, WEST = "us-east-1", "us-west-2"
EAST_KEY = f"arn:aws:kms:{EAST}:111111111111:key/mrk-1"
WEST_KEY = f"arn:aws:kms:{WEST}:111111111111:key/mrk-1"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    ],
}
TAG = [{"Key": "Project", "Value": "one"}]
RETAGGED = [{"Key": "Owner", "Value": "two"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[life.Server]:
    yield from served(tmp_path_factory.mktemp("resources"))


@pytest.fixture
def place(server: life.Server) -> Place:
    """An account that no other test has, in us-east-1."""
    return Place(server.url, new_account())


def absent(call: Any, **parameters: Any) -> str:
    """The error code of a call about something that is gone."""
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return str(error.value.response["Error"]["Code"])


# Keys and secrets


def key(**properties: Any) -> dict[str, Any]:
    return of("KMS::Key", KeyPolicy=POLICY, MultiRegion=True, **properties)


def test_a_replica_key_decrypts_in_its_region_what_the_primary_encrypted(
    place: Place,
) -> None:
    primary = place.create(
        "keys", {"R": key(EnableKeyRotation=True)}, Outputs=get("R", "Arn")
    )
    west = place.at(WEST)
    replica = of(
        "KMS::ReplicaKey", PrimaryKeyArn=primary["Arn"], KeyPolicy=POLICY, Tags=TAG
    )
    made = west.create("keys", {"R": replica}, Outputs=get("R", "Arn", "KeyId"))

    assert made["KeyId"] == made["Ref"] == primary["Ref"]
    assert made["Ref"].startswith("mrk-")
    assert made["Arn"] == primary["Arn"].replace(EAST, WEST)
    sent = place.client("kms").encrypt(KeyId=primary["Arn"], Plaintext=b"secret")
    kms = west.client("kms")
    read = kms.decrypt(CiphertextBlob=sent["CiphertextBlob"], KeyId=made["Arn"])
    assert read["Plaintext"] == b"secret"
    described = kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]
    kinds = described["MultiRegionConfiguration"]
    assert kinds["MultiRegionKeyType"] == "REPLICA"
    assert kinds["PrimaryKey"]["Region"] == EAST
    assert tags(kms.list_resource_tags(KeyId=made["KeyId"])["Tags"]) == {
        "Project": "one"
    }


def test_a_replica_key_changes_in_place_and_is_scheduled_for_deletion(
    place: Place,
) -> None:
    primary = place.create("keys", {"R": key()}, Outputs=get("R", "Arn"))
    west = place.at(WEST)
    properties = {"PrimaryKeyArn": primary["Arn"], "KeyPolicy": POLICY}
    first = west.create("keys", {"R": of("KMS::ReplicaKey", **properties, Tags=TAG)})
    assert first == {}
    replica = west.ids("keys")["R"]
    other = {**POLICY, "Id": "other"}
    changed = {**properties, "KeyPolicy": other, "Description": "new", "Tags": RETAGGED}
    west.update("keys", {"R": of("KMS::ReplicaKey", **changed, Enabled=False)})

    kms = west.client("kms")
    assert west.ids("keys")["R"] == replica
    described = kms.describe_key(KeyId=replica)["KeyMetadata"]
    assert described["Description"] == "new"
    assert described["Enabled"] is False
    policy = kms.get_key_policy(KeyId=replica, PolicyName="default")["Policy"]
    assert json.loads(policy) == other
    assert tags(kms.list_resource_tags(KeyId=replica)["Tags"]) == {"Owner": "two"}
    west.delete("keys")
    described = kms.describe_key(KeyId=replica)["KeyMetadata"]
    assert described["KeyState"] == "PendingDeletion"


def test_a_replica_of_a_single_region_key_is_refused_with_the_services_reason(
    place: Place,
) -> None:
    single = of("KMS::Key", KeyPolicy=POLICY)
    primary = place.create("key", {"R": single}, Outputs=get("R", "Arn"))
    replica = of("KMS::ReplicaKey", PrimaryKeyArn=primary["Arn"], KeyPolicy=POLICY)
    reason = place.at(WEST).failed("key", {"R": replica})
    assert "is not a multi-Region key" in reason
    assert "HandlerErrorCode: InvalidRequest" in reason


def test_a_key_rotates_over_the_period_given(place: Place) -> None:
    rotating = key(EnableKeyRotation=True, RotationPeriodInDays="180", Tags=TAG)
    place.create("key", {"R": rotating})
    status = place.client("kms").get_key_rotation_status(KeyId=place.ids("key")["R"])
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 180)


def test_a_secret_is_known_by_its_arn_and_generated_as_asked(place: Place) -> None:
    secret = of(
        "SecretsManager::Secret",
        Name="app",
        Tags=TAG,
        GenerateSecretString={
            "SecretStringTemplate": '{"username": "admin"}',
            "GenerateStringKey": "password",
            "PasswordLength": "40",
            "ExcludePunctuation": "true",
        },
        ReplicaRegions=[{"Region": WEST}],
    )
    made = place.create("secret", {"R": secret}, Outputs=get("R", "Id"))
    assert made["Ref"] == made["Id"]
    assert made["Ref"].startswith(
        f"arn:aws:secretsmanager:{EAST}:{place.account}:secret:app-"
    )
    secrets = place.client("secretsmanager")
    value = json.loads(secrets.get_secret_value(SecretId=made["Ref"])["SecretString"])
    assert value["username"] == "admin"
    assert len(value["password"]) == 40 and value["password"].isalnum()
    replica = place.at(WEST).client("secretsmanager")
    assert json.loads(replica.get_secret_value(SecretId="app")["SecretString"]) == value
    secret["Properties"] |= {"Description": "new", "Tags": RETAGGED}
    place.update("secret", {"R": secret})
    described = secrets.describe_secret(SecretId="app")
    assert described["ARN"] == made["Ref"]
    assert described["Description"] == "new"
    assert tags(described["Tags"]) == {"Owner": "two"}
    again = json.loads(secrets.get_secret_value(SecretId="app")["SecretString"])
    assert again == value
    place.delete("secret")
    assert absent(secrets.describe_secret, SecretId="app") == (
        "ResourceNotFoundException"
    )


def test_a_rotation_schedule_turns_rotation_on_and_off(place: Place) -> None:
    function = f"arn:aws:lambda:{EAST}:{place.account}:function:rotate"
    resources = {
        "S": of("SecretsManager::Secret", Name="app", SecretString="{}"),
        "R": of(
            "SecretsManager::RotationSchedule",
            SecretId={"Ref": "S"},
            RotationLambdaARN=function,
            RotationRules={"AutomaticallyAfterDays": "30"},
        ),
    }
    place.create("rotated", resources)
    described = place.client("secretsmanager").describe_secret(SecretId="app")
    assert described["RotationEnabled"] is True
    assert described["RotationLambdaARN"] == function
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 30}
    assert place.ids("rotated")["R"] == described["ARN"]
    place.update("rotated", {"S": resources["S"]})
    described = place.client("secretsmanager").describe_secret(SecretId="app")
    assert described["RotationEnabled"] is False


# Network


def network(**more: Any) -> dict[str, Any]:
    return {
        "Vpc": of("EC2::VPC", CidrBlock="10.0.0.0/16", Tags=TAG),
        "Subnet": of("EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock="10.0.0.0/24"),
        **more,
    }


def test_a_nat_gateway_has_the_elastic_address_it_was_given(place: Place) -> None:
    resources = network(
        Ip=of("EC2::EIP", Domain="vpc", Tags=TAG),
        R=of(
            "EC2::NatGateway",
            SubnetId={"Ref": "Subnet"},
            AllocationId={"Fn::GetAtt": ["Ip", "AllocationId"]},
            Tags=TAG,
        ),
        Table=of("EC2::RouteTable", VpcId={"Ref": "Vpc"}),
        Route=of(
            "EC2::Route",
            RouteTableId={"Ref": "Table"},
            DestinationCidrBlock="0.0.0.0/0",
            NatGatewayId={"Ref": "R"},
        ),
    )
    made = place.create("nat", resources, Outputs=get("R", "NatGatewayId"))
    ec2, ids = place.client("ec2"), place.ids("nat")
    [gateway] = ec2.describe_nat_gateways()["NatGateways"]
    [address] = ec2.describe_addresses()["Addresses"]
    assert gateway["NatGatewayId"] == made["Ref"] == made["NatGatewayId"]
    assert gateway["NatGatewayAddresses"][0]["PublicIp"] == ids["Ip"]
    assert address["PublicIp"] == ids["Ip"]
    assert tags(address["Tags"]) == tags(gateway["Tags"]) == {"Project": "one"}
    [table] = ec2.describe_route_tables(RouteTableIds=[ids["Table"]])["RouteTables"]
    assert made["Ref"] in [r.get("NatGatewayId") for r in table["Routes"]]

    resources["Ip"]["Properties"]["Tags"] = RETAGGED
    place.update("nat", resources)
    assert place.ids("nat") == ids
    [address] = ec2.describe_addresses()["Addresses"]
    assert tags(address["Tags"]) == {"Owner": "two"}
    place.delete("nat")
    assert ec2.describe_addresses()["Addresses"] == []
    states = {g["State"] for g in ec2.describe_nat_gateways()["NatGateways"]}
    assert states <= {"deleted"}


def test_a_nat_gateway_in_another_subnet_is_another_gateway(place: Place) -> None:
    resources = network(
        Ip=of("EC2::EIP", Domain="vpc"),
        Other=of("EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock="10.0.1.0/24"),
        R=of(
            "EC2::NatGateway",
            SubnetId={"Ref": "Subnet"},
            AllocationId={"Fn::GetAtt": ["Ip", "AllocationId"]},
        ),
    )
    place.create("nat", resources)
    before = place.ids("nat")
    resources["R"]["Properties"]["SubnetId"] = {"Ref": "Other"}
    place.update("nat", resources)
    after = place.ids("nat")
    assert before["R"] != after["R"]
    gateways = place.client("ec2").describe_nat_gateways()["NatGateways"]
    states = {g["NatGatewayId"]: g["State"] for g in gateways}
    assert states == {before["R"]: "deleted", after["R"]: "available"}


def test_a_nat_gateway_without_a_real_address_is_refused(place: Place) -> None:
    gateway = of("EC2::NatGateway", SubnetId={"Ref": "Subnet"}, AllocationId="eip-1")
    reason = place.failed("nat", network(R=gateway))
    assert "The allocation ID 'eip-1' does not exist" in reason
    assert "HandlerErrorCode: NotFound" in reason


def test_a_standalone_rule_is_in_its_security_group(place: Place) -> None:
    resources = network(
        App=of("EC2::SecurityGroup", GroupDescription="app", VpcId={"Ref": "Vpc"}),
        Db=of("EC2::SecurityGroup", GroupDescription="db", VpcId={"Ref": "Vpc"}),
        R=of(
            "EC2::SecurityGroupIngress",
            GroupId={"Fn::GetAtt": ["Db", "GroupId"]},
            IpProtocol="tcp",
            FromPort="5432",
            ToPort=5432,
            SourceSecurityGroupId={"Fn::GetAtt": ["App", "GroupId"]},
            Description="from the app",
        ),
        Out=of(
            "EC2::SecurityGroupEgress",
            GroupId={"Ref": "App"},
            IpProtocol="tcp",
            FromPort=5432,
            ToPort=5432,
            DestinationSecurityGroupId={"Ref": "Db"},
        ),
    )
    made = place.create("groups", resources, Outputs=get("R", "Id"))
    assert made["Ref"] == made["Id"]
    ec2, ids = place.client("ec2"), place.ids("groups")

    def rule(logical_id: str) -> dict[str, Any]:
        wanted = [place.ids("groups")[logical_id]]
        found = ec2.describe_security_group_rules(SecurityGroupRuleIds=wanted)
        one: dict[str, Any] = found["SecurityGroupRules"][0]
        return one

    ingress = rule("R")
    assert (ingress["GroupId"], ingress["FromPort"]) == (ids["Db"], 5432)
    assert ingress["ReferencedGroupInfo"]["GroupId"] == ids["App"]
    assert ingress["Description"] == "from the app"
    assert rule("Out")["IsEgress"] is True

    resources["R"]["Properties"]["Description"] = "changed"
    place.update("groups", resources)
    assert place.ids("groups")["R"] == ids["R"]
    assert rule("R")["Description"] == "changed"

    resources["R"]["Properties"] |= {"FromPort": 5433, "ToPort": 5433}
    place.update("groups", resources)
    assert place.ids("groups")["R"] != ids["R"]
    assert rule("R")["FromPort"] == 5433
    group = ec2.describe_security_groups(GroupIds=[ids["Db"]])["SecurityGroups"][0]
    assert [p["FromPort"] for p in group["IpPermissions"]] == [5433]

    del resources["R"]
    place.update("groups", resources)
    group = ec2.describe_security_groups(GroupIds=[ids["Db"]])["SecurityGroups"][0]
    assert group["IpPermissions"] == []


def test_a_flow_log_says_where_it_delivers(place: Place) -> None:
    role = f"arn:aws:iam::{place.account}:role/flow"
    resources = network(
        R=of(
            "EC2::FlowLog",
            ResourceId={"Ref": "Vpc"},
            ResourceType="VPC",
            TrafficType="REJECT",
            LogGroupName="flows",
            DeliverLogsPermissionArn=role,
            MaxAggregationInterval=60,
            Tags=TAG,
        )
    )
    place.create("flows", resources)
    [found] = place.client("ec2").describe_flow_logs()["FlowLogs"]
    assert found["FlowLogId"] == place.ids("flows")["R"]
    assert found["ResourceId"] == place.ids("flows")["Vpc"]
    assert (found["TrafficType"], found["LogGroupName"]) == ("REJECT", "flows")
    assert found["DeliverLogsPermissionArn"] == role
    assert found["MaxAggregationInterval"] == 60
    assert tags(found["Tags"]) == {"Project": "one"}
    place.delete("flows")
    assert place.client("ec2").describe_flow_logs()["FlowLogs"] == []


def test_a_peering_connection_within_an_account_is_accepted(place: Place) -> None:
    west = place.at(WEST)
    west.create("peer", {"R": of("EC2::VPC", CidrBlock="10.1.0.0/16")})
    peering = of(
        "EC2::VPCPeeringConnection",
        VpcId={"Ref": "Vpc"},
        PeerVpcId=west.ids("peer")["R"],
        PeerRegion=WEST,
    )
    place.create("peer", network(R=peering))
    for side in (place, west):
        found = side.client("ec2").describe_vpc_peering_connections()
        [connection] = found["VpcPeeringConnections"]
        assert connection["VpcPeeringConnectionId"] == place.ids("peer")["R"]
        assert connection["Status"]["Code"] == "active"


def test_network_resources_give_the_attributes_of_their_schemas(place: Place) -> None:
    resources = network(
        Gateway=of("EC2::InternetGateway"),
        Attached=of(
            "EC2::VPCGatewayAttachment",
            VpcId={"Ref": "Vpc"},
            InternetGatewayId={"Ref": "Gateway"},
        ),
        Table=of("EC2::RouteTable", VpcId={"Ref": "Vpc"}),
        Route=of(
            "EC2::Route",
            RouteTableId={"Ref": "Table"},
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId={"Ref": "Gateway"},
        ),
        Associated=of(
            "EC2::SubnetRouteTableAssociation",
            SubnetId={"Ref": "Subnet"},
            RouteTableId={"Ref": "Table"},
        ),
        Group=of("EC2::SecurityGroup", GroupDescription="g", VpcId={"Ref": "Vpc"}),
    )
    wanted = {
        "VpcCidr": ("Vpc", "CidrBlock"),
        "DefaultGroup": ("Vpc", "DefaultSecurityGroup"),
        "DefaultAcl": ("Vpc", "DefaultNetworkAcl"),
        "Vpc": ("Subnet", "VpcId"),
        "Zone": ("Subnet", "AvailabilityZone"),
        "SubnetCidr": ("Subnet", "CidrBlock"),
        "Acl": ("Subnet", "NetworkAclAssociationId"),
        "Gateway": ("Gateway", "InternetGatewayId"),
        "Type": ("Attached", "AttachmentType"),
        "Table": ("Table", "RouteTableId"),
        "Route": ("Route", "CidrBlock"),
        "Associated": ("Associated", "Id"),
        "Group": ("Group", "Id"),
    }
    outputs: dict[str, Any] = {
        name: {"Value": {"Fn::GetAtt": [*found]}} for name, found in wanted.items()
    }
    block = {"Fn::GetAtt": ["Vpc", "CidrBlockAssociations"]}
    outputs["Block"] = {"Value": {"Fn::Select": [0, block]}}
    made, ids = place.create("net", resources, Outputs=outputs), place.ids("net")
    assert made["VpcCidr"] == "10.0.0.0/16"
    assert made["Block"].startswith("vpc-cidr-assoc-")
    assert made["DefaultGroup"].startswith("sg-")
    assert made["DefaultAcl"].startswith("acl-")
    assert (made["Vpc"], made["Zone"]) == (ids["Vpc"], f"{EAST}a")
    assert made["SubnetCidr"] == "10.0.0.0/24"
    assert (made["Type"], made["Route"]) == ("IGW", "0.0.0.0/0")
    assert made["Associated"] == ids["Associated"]
    assert (made["Gateway"], made["Table"]) == (ids["Gateway"], ids["Table"])
    assert made["Group"] == ids["Group"]


# Storage


def bucket(name: str | None = None, **properties: Any) -> dict[str, Any]:
    named = {"BucketName": name} if name else {}
    versioned = {"VersioningConfiguration": {"Status": "Enabled"}}
    return of("S3::Bucket", **named, **versioned, **properties)


def test_everything_said_of_a_bucket_is_so(place: Place) -> None:
    name = f"data-{place.account}"
    made = place.create(
        "buckets",
        {
            "Logs": bucket(f"logs-{place.account}"),
            "R": bucket(
                name,
                BucketEncryption={
                    "ServerSideEncryptionConfiguration": [
                        {
                            "BucketKeyEnabled": True,
                            "ServerSideEncryptionByDefault": {
                                "SSEAlgorithm": "aws:kms",
                                "KMSMasterKeyID": "key-arn",
                            },
                        }
                    ]
                },
                LifecycleConfiguration={
                    "Rules": [
                        {
                            "Id": "archive",
                            "Status": "Enabled",
                            "Prefix": "old/",
                            "TagFilters": [{"Key": "keep", "Value": "no"}],
                            "ExpirationInDays": "365",
                            "Transitions": [
                                {
                                    "StorageClass": "STANDARD_IA",
                                    "TransitionInDays": 30,
                                }
                            ],
                            "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
                            "AbortIncompleteMultipartUpload": {
                                "DaysAfterInitiation": 7
                            },
                        },
                        {
                            "Id": "versions",
                            "Status": "Enabled",
                            "NoncurrentVersionTransitions": [
                                {"StorageClass": "GLACIER", "TransitionInDays": 10}
                            ],
                        },
                    ]
                },
                LoggingConfiguration={
                    "DestinationBucketName": {"Ref": "Logs"},
                    "LogFilePrefix": "data/",
                },
                OwnershipControls={
                    "Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]
                },
                PublicAccessBlockConfiguration={"BlockPublicAcls": True},
                Tags=TAG,
            ),
        },
        Outputs=get("R", "Arn", "RegionalDomainName", "DualStackDomainName"),
    )
    assert made["Ref"] == name
    assert made["Arn"] == f"arn:aws:s3:::{name}"
    assert made["RegionalDomainName"] == f"{name}.s3.{EAST}.amazonaws.com"
    assert made["DualStackDomainName"] == f"{name}.s3.dualstack.{EAST}.amazonaws.com"
    s3 = place.client("s3")
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    encryption = s3.get_bucket_encryption(Bucket=name)
    assert encryption["ServerSideEncryptionConfiguration"]["Rules"] == [
        {
            "ApplyServerSideEncryptionByDefault": {
                "SSEAlgorithm": "aws:kms",
                "KMSMasterKeyID": "key-arn",
            },
            "BucketKeyEnabled": True,
        }
    ]
    first, second = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert first["Filter"]["And"]["Prefix"] == "old/"
    assert first["Filter"]["And"]["Tags"] == [{"Key": "keep", "Value": "no"}]
    assert first["Expiration"] == {"Days": 365}
    assert first["Transitions"] == [{"Days": 30, "StorageClass": "STANDARD_IA"}]
    assert first["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}
    assert first["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert second["NoncurrentVersionTransitions"] == [
        {"NoncurrentDays": 10, "StorageClass": "GLACIER"}
    ]
    assert s3.get_bucket_logging(Bucket=name)["LoggingEnabled"] == {
        "TargetBucket": f"logs-{place.account}",
        "TargetPrefix": "data/",
    }
    owned = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
    assert owned["Rules"] == [{"ObjectOwnership": "BucketOwnerPreferred"}]
    blocked = s3.get_public_access_block(Bucket=name)
    assert blocked["PublicAccessBlockConfiguration"]["BlockPublicAcls"] is True
    assert tags(s3.get_bucket_tagging(Bucket=name)["TagSet"]) == {"Project": "one"}


def test_an_updated_bucket_keeps_its_objects_and_loses_what_the_template_lost(
    place: Place,
) -> None:
    name = f"data-{place.account}"
    rule = {"Id": "x", "Status": "Enabled", "ExpirationInDays": 3}
    place.create(
        "bucket",
        {"R": bucket(name, LifecycleConfiguration={"Rules": [rule]}, Tags=TAG)},
    )
    s3 = place.client("s3")
    s3.put_object(Bucket=name, Key="a", Body=b"a")
    later = of("S3::Bucket", BucketName=name, Tags=RETAGGED)
    place.update("bucket", {"R": later})
    assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"a"
    assert absent(s3.get_bucket_lifecycle_configuration, Bucket=name) == (
        "NoSuchLifecycleConfiguration"
    )
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Suspended"
    assert tags(s3.get_bucket_tagging(Bucket=name)["TagSet"]) == {"Owner": "two"}


def test_a_bucket_without_a_name_keeps_the_one_it_got(place: Place) -> None:
    place.create("bucket", {"R": bucket()})
    name = place.ids("bucket")["R"]
    place.update("bucket", {"R": bucket(Tags=TAG)})
    assert place.ids("bucket")["R"] == name
    assert name.startswith("bucket-r-")


def test_a_bucket_whose_name_is_taken_fails_by_name(place: Place) -> None:
    name = f"data-{place.account}"
    place.client("s3").create_bucket(Bucket=name)
    reason = place.failed("bucket", {"R": bucket(name)})
    assert f"{name} already exists" in reason
    assert place.client("s3").head_bucket(Bucket=name)


def test_a_bucket_with_an_impossible_name_is_refused(place: Place) -> None:
    reason = place.failed("bucket", {"R": bucket("Not_A_Bucket")})
    assert "The specified bucket is not valid" in reason


def test_a_bucket_that_holds_something_is_not_deleted(place: Place) -> None:
    name = f"data-{place.account}"
    place.create("bucket", {"R": bucket(name)})
    s3 = place.client("s3")
    s3.put_object(Bucket=name, Key="a", Body=b"a")
    place.delete("bucket", "DELETE_FAILED")
    assert "The bucket you tried to delete is not empty" in place.reasons("bucket")["R"]
    for version in s3.list_object_versions(Bucket=name)["Versions"]:
        s3.delete_object(Bucket=name, Key="a", VersionId=version["VersionId"])
    place.delete("bucket")
    assert absent(s3.head_bucket, Bucket=name) == "404"


def test_a_retained_bucket_outlives_its_stack(place: Place) -> None:
    name = f"data-{place.account}"
    place.create("bucket", {"R": {**bucket(name), "DeletionPolicy": "Retain"}})
    place.delete("bucket")
    assert place.client("s3").head_bucket(Bucket=name)


def test_a_bucket_policy_needs_its_bucket(place: Place) -> None:
    document = {"Version": "2012-10-17", "Statement": []}
    lonely = of("S3::BucketPolicy", Bucket="nowhere-1", PolicyDocument=document)
    assert "The specified bucket does not exist" in place.failed("x", {"R": lonely})
    name = f"data-{place.account}"
    resources = {
        "B": bucket(name),
        "R": of("S3::BucketPolicy", Bucket={"Ref": "B"}, PolicyDocument=document),
    }
    place.create("bucket", resources)
    s3 = place.client("s3")
    assert place.ids("bucket")["R"] == name
    assert json.loads(s3.get_bucket_policy(Bucket=name)["Policy"]) == document
    del resources["R"]
    place.update("bucket", resources)
    assert absent(s3.get_bucket_policy, Bucket=name) == "NoSuchBucketPolicy"


def replicated(place: Place, **more: Any) -> dict[str, Any]:
    rule = {
        "Id": "all",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {
            "Bucket": f"arn:aws:s3:::copy-{place.account}",
            "EncryptionConfiguration": {"ReplicaKmsKeyID": WEST_KEY},
            "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": "15"}},
            "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
        },
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
        **more,
    }
    encrypted = {
        "ServerSideEncryptionConfiguration": [
            {
                "ServerSideEncryptionByDefault": {
                    "SSEAlgorithm": "aws:kms",
                    "KMSMasterKeyID": EAST_KEY,
                }
            }
        ]
    }
    return bucket(
        f"data-{place.account}",
        BucketEncryption=encrypted,
        ReplicationConfiguration={
            "Role": f"arn:aws:iam::{place.account}:role/replication",
            "Rules": [rule],
        },
    )


def test_objects_are_copied_to_the_bucket_in_the_other_region(place: Place) -> None:
    source, copy = f"data-{place.account}", f"copy-{place.account}"
    west = place.at(WEST)
    west.create("copy", {"R": bucket(copy)})
    place.create("data", {"R": replicated(place)})
    s3, there = place.client("s3"), west.client("s3")
    found = s3.get_bucket_replication(Bucket=source)["ReplicationConfiguration"]
    [rule] = found["Rules"]
    assert rule["ID"] == "all" and rule["Priority"] == 1
    assert rule["Destination"]["EncryptionConfiguration"] == {
        "ReplicaKmsKeyID": WEST_KEY
    }
    assert rule["Destination"]["ReplicationTime"]["Time"] == {"Minutes": 15}

    s3.put_object(Bucket=source, Key="a", Body=b"one")
    head = s3.head_object(Bucket=source, Key="a")
    assert head["ReplicationStatus"] == "COMPLETED"
    assert head["SSEKMSKeyId"] == EAST_KEY
    copied = there.get_object(Bucket=copy, Key="a")
    assert copied["Body"].read() == b"one"
    assert copied["ReplicationStatus"] == "REPLICA"
    assert copied["SSEKMSKeyId"] == WEST_KEY
    assert copied["VersionId"]
    s3.delete_object(Bucket=source, Key="a")
    assert absent(there.head_object, Bucket=copy, Key="a") == "404"
    assert there.list_object_versions(Bucket=copy)["DeleteMarkers"]


def test_encrypted_objects_stay_where_the_rule_does_not_select_them(
    place: Place,
) -> None:
    copy, west = f"copy-{place.account}", place.at(WEST)
    west.create("copy", {"R": bucket(copy)})
    source = replicated(place)
    [rule] = source["Properties"]["ReplicationConfiguration"]["Rules"]
    del rule["SourceSelectionCriteria"]
    del rule["Destination"]["EncryptionConfiguration"]
    place.create("data", {"R": source})
    s3 = place.client("s3")
    s3.put_object(Bucket=f"data-{place.account}", Key="a", Body=b"one")
    assert absent(west.client("s3").head_object, Bucket=copy, Key="a") == "404"
    head = s3.head_object(Bucket=f"data-{place.account}", Key="a")
    assert "ReplicationStatus" not in head


def test_replication_needs_a_destination_and_leaves_no_bucket_without(
    place: Place,
) -> None:
    reason = place.failed("data", {"R": replicated(place)})
    assert "Destination bucket must exist" in reason
    name = f"data-{place.account}"
    assert absent(place.client("s3").head_bucket, Bucket=name) == "404"


# Databases


def database(name: str, **properties: Any) -> dict[str, Any]:
    return of(
        "RDS::DBInstance",
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.medium",
        **properties,
    )


def primary(name: str = "main", **properties: Any) -> dict[str, Any]:
    given = {
        "Engine": "postgres",
        "EngineVersion": "16.4",
        "AllocatedStorage": "50",
        "MasterUsername": "tapgen",
        "MasterUserPassword": "password1",
        "BackupRetentionPeriod": 7,
        "StorageEncrypted": True,
        "MultiAZ": True,
        **properties,
    }
    return {**database(name, **given), "DeletionPolicy": "Delete"}


INSTANCE = get(
    "R", "Endpoint.Address", "Endpoint.Port", "DBInstanceArn", "DbiResourceId"
)


def instance(place: Place, name: str) -> dict[str, Any]:
    found = place.client("rds").describe_db_instances(DBInstanceIdentifier=name)
    one: dict[str, Any] = found["DBInstances"][0]
    return one


def test_a_database_is_there_at_once_with_its_attributes(place: Place) -> None:
    began = time.monotonic()
    made = place.create("db", {"R": primary(Tags=TAG)}, Outputs=INSTANCE)
    assert time.monotonic() - began < 5
    found = instance(place, "main")
    assert made["Ref"] == "main"
    assert made["EndpointAddress"] == found["Endpoint"]["Address"]
    assert made["EndpointPort"] == "5432"
    assert made["DBInstanceArn"] == f"arn:aws:rds:{EAST}:{place.account}:db:main"
    assert made["DbiResourceId"] == found["DbiResourceId"]
    assert found["DBInstanceStatus"] == "available"
    assert (found["MultiAZ"], found["BackupRetentionPeriod"]) == (True, 7)
    rds = place.client("rds")
    listed = rds.list_tags_for_resource(ResourceName=made["DBInstanceArn"])
    assert tags(listed["TagList"]) == {"Project": "one"}


def test_a_read_replica_and_its_source_know_each_other(place: Place) -> None:
    source = place.create("db", {"R": primary()}, Outputs=INSTANCE)
    west = place.at(WEST)
    replica = database(
        "copy",
        SourceDBInstanceIdentifier=source["DBInstanceArn"],
        SourceRegion=EAST,
        KmsKeyId="west-key",
    )
    copy = west.create("db", {"R": replica}, Outputs=INSTANCE)
    found = instance(west, "copy")
    assert found["ReadReplicaSourceDBInstanceIdentifier"] == source["DBInstanceArn"]
    assert instance(place, "main")["ReadReplicaDBInstanceIdentifiers"] == [
        copy["DBInstanceArn"]
    ]
    assert (found["Engine"], found["EngineVersion"]) == ("postgres", "16.4")
    assert (found["MasterUsername"], found["AllocatedStorage"]) == ("tapgen", 50)
    assert (found["StorageEncrypted"], found["KmsKeyId"]) == (True, "west-key")
    assert found["BackupRetentionPeriod"] == 0
    assert found["StatusInfos"][0]["Status"] == "replicating"

    # Taking the source away promotes it, in place.
    del replica["Properties"]["SourceDBInstanceIdentifier"]
    west.update("db", {"R": replica})
    promoted = instance(west, "copy")
    assert promoted["DbiResourceId"] == copy["DbiResourceId"]
    assert not promoted.get("ReadReplicaSourceDBInstanceIdentifier")
    assert instance(place, "main")["ReadReplicaDBInstanceIdentifiers"] == []


def test_a_deleted_replica_is_forgotten_by_its_source(place: Place) -> None:
    place.create("db", {"R": primary()})
    replica = database("copy", SourceDBInstanceIdentifier="main")
    place.create("copy", {"R": {**replica, "DeletionPolicy": "Delete"}})
    assert instance(place, "main")["ReadReplicaDBInstanceIdentifiers"] == ["copy"]
    place.delete("copy")
    assert instance(place, "main")["ReadReplicaDBInstanceIdentifiers"] == []


def test_a_replica_needs_a_source_with_backups(place: Place) -> None:
    nowhere = f"arn:aws:rds:{EAST}:{place.account}:db:nowhere"
    west = place.at(WEST)
    lost = database("copy", SourceDBInstanceIdentifier=nowhere)
    assert "not found" in west.failed("lost", {"R": lost})
    place.create("db", {"R": primary(BackupRetentionPeriod=0)})
    arn = f"arn:aws:rds:{EAST}:{place.account}:db:main"
    copy = database("copy", SourceDBInstanceIdentifier=arn)
    assert "Automated backups are not enabled" in west.failed("copy", {"R": copy})


def test_a_protected_database_is_not_deleted(place: Place) -> None:
    place.create("db", {"R": primary(DeletionProtection=True)})
    place.delete("db", "DELETE_FAILED")
    assert "Cannot delete protected DB Instance" in place.reasons("db")["R"]


def test_a_changed_database_stays_the_same_one(place: Place) -> None:
    made = place.create("db", {"R": primary(Tags=TAG)}, Outputs=INSTANCE)
    wanted = primary(
        AllocatedStorage=100,
        DeletionProtection=True,
        EnableCloudwatchLogsExports=["postgresql"],
        Tags=RETAGGED,
    )
    again = place.update("db", {"R": wanted}, Outputs=INSTANCE)
    assert again == made
    found = instance(place, "main")
    assert (found["AllocatedStorage"], found["DeletionProtection"]) == (100, True)
    assert found["EnabledCloudwatchLogsExports"] == ["postgresql"]
    assert tags(found["TagList"]) == {"Owner": "two"}


def test_a_custom_named_database_is_not_replaced_under_its_name(place: Place) -> None:
    place.create("db", {"R": primary()})
    place.cloudformation.update_stack(
        StackName="db",
        TemplateBody=json.dumps({"Resources": {"R": primary(MasterUsername="other")}}),
    )
    assert place.settled("db")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert (
        "CloudFormation cannot update a stack when a custom-named resource requires "
        "replacing" in place.reasons("db")["R"]
    )
    assert instance(place, "main")["MasterUsername"] == "tapgen"


def test_rds_keeps_the_password_when_told_to(place: Place) -> None:
    managed = primary(ManageMasterUserPassword=True)
    del managed["Properties"]["MasterUserPassword"]
    outputs = get("R", "MasterUserSecret.SecretArn")
    made = place.create("db", {"R": managed}, Outputs=outputs)
    assert instance(place, "main")["MasterUserSecret"]["SecretArn"] == (
        made["MasterUserSecretSecretArn"]
    )
    value = place.client("secretsmanager").get_secret_value(
        SecretId=made["MasterUserSecretSecretArn"]
    )
    assert json.loads(value["SecretString"])["username"] == "tapgen"


def test_a_subnet_group_and_a_parameter_group_are_applied(place: Place) -> None:
    resources = network(
        Other=of(
            "EC2::Subnet",
            VpcId={"Ref": "Vpc"},
            CidrBlock="10.0.1.0/24",
            AvailabilityZone=f"{EAST}b",
        ),
        Group=of(
            "RDS::DBSubnetGroup",
            DBSubnetGroupName="group",
            DBSubnetGroupDescription="group",
            SubnetIds=[{"Ref": "Subnet"}, {"Ref": "Other"}],
        ),
        Parameters=of(
            "RDS::DBParameterGroup",
            DBParameterGroupName="settings",
            Family="postgres16",
            Description="settings",
            Parameters={"rds.force_ssl": "1"},
        ),
        R=primary(
            DBSubnetGroupName={"Ref": "Group"},
            DBParameterGroupName={"Ref": "Parameters"},
        ),
    )
    place.create("db", resources)
    ids, found = place.ids("db"), instance(place, "main")
    subnets = found["DBSubnetGroup"]["Subnets"]
    assert {s["SubnetIdentifier"] for s in subnets} == {ids["Subnet"], ids["Other"]}
    assert found["DBSubnetGroup"]["VpcId"] == ids["Vpc"]
    assert found["DBParameterGroups"][0]["DBParameterGroupName"] == "settings"
    rds = place.client("rds")
    pages = rds.describe_db_parameters(DBParameterGroupName="settings", Source="user")
    values = {p["ParameterName"]: p["ParameterValue"] for p in pages["Parameters"]}
    assert values["rds.force_ssl"] == "1"


def test_a_global_cluster_is_listed(place: Place) -> None:
    cluster = of(
        "RDS::GlobalCluster",
        GlobalClusterIdentifier="world",
        Engine="aurora-postgresql",
        EngineVersion="16",
        DeletionProtection="false",
    )
    place.create("world", {"R": cluster})
    rds = place.client("rds")
    [found] = rds.describe_global_clusters()["GlobalClusters"]
    assert found["GlobalClusterIdentifier"] == place.ids("world")["R"] == "world"
    cluster["Properties"]["DeletionProtection"] = "true"
    place.update("world", {"R": cluster})
    [found] = rds.describe_global_clusters()["GlobalClusters"]
    assert found["DeletionProtection"] is True
    cluster["Properties"]["DeletionProtection"] = "false"
    place.update("world", {"R": cluster})
    place.delete("world")
    assert rds.describe_global_clusters()["GlobalClusters"] == []


def test_a_global_table_has_its_replicas_and_keeps_their_items(place: Place) -> None:
    def replica(region: str, recovered: bool) -> dict[str, Any]:
        point = {"PointInTimeRecoveryEnabled": recovered}
        return {"Region": region, "PointInTimeRecoverySpecification": point}

    table = of(
        "DynamoDB::GlobalTable",
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamViewType": "NEW_AND_OLD_IMAGES"},
        TimeToLiveSpecification={"AttributeName": "gone", "Enabled": True},
        Replicas=[{**replica(EAST, True), "Tags": TAG}, replica(WEST, False)],
    )
    outputs = get("R", "Arn", "TableId", "StreamArn")
    made = place.create("table", {"R": table}, Outputs=outputs)
    here, there = (p.client("dynamodb") for p in (place, place.at(WEST)))
    described = here.describe_table(TableName="orders")["Table"]
    assert made["StreamArn"] == described["LatestStreamArn"]
    assert made["TableId"] == described["TableId"]
    assert [r["RegionName"] for r in described["Replicas"]] == [WEST]
    here.put_item(TableName="orders", Item={"id": {"S": "1"}})
    assert there.get_item(TableName="orders", Key={"id": {"S": "1"}})["Item"]

    def recovery(client: Any) -> str:
        found = client.describe_continuous_backups(TableName="orders")
        backups = found["ContinuousBackupsDescription"]
        status = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        return str(status)

    assert (recovery(here), recovery(there)) == ("ENABLED", "DISABLED")
    expiry = there.describe_time_to_live(TableName="orders")["TimeToLiveDescription"]
    assert expiry["TimeToLiveStatus"] == "ENABLED"
    listed = here.list_tags_of_resource(ResourceArn=made["Arn"])["Tags"]
    assert tags(listed) == {"Project": "one"}

    table["Properties"]["Replicas"] = [replica(EAST, False), replica("eu-west-1", True)]
    place.update("table", {"R": table})
    assert recovery(here) == "DISABLED"
    assert here.get_item(TableName="orders", Key={"id": {"S": "1"}})["Item"]
    assert absent(there.describe_table, TableName="orders") == (
        "ResourceNotFoundException"
    )
    europe = place.at("eu-west-1").client("dynamodb")
    assert recovery(europe) == "ENABLED"
    place.delete("table")
    for client in (here, europe):
        assert client.list_tables()["TableNames"] == []


# Names and addresses


def test_a_record_set_group_changes_its_records_together(place: Place) -> None:
    def record(name: str, address: str, **more: Any) -> dict[str, Any]:
        records = {"TTL": "60", "ResourceRecords": [address]}
        return {"Name": f"{name}.example.com.", "Type": "A", **records, **more}

    weighted = record("w", "10.0.0.9", SetIdentifier="blue", Weight="10")
    zone = of("Route53::HostedZone", Name="example.com")
    group = of(
        "Route53::RecordSetGroup",
        HostedZoneId={"Ref": "Zone"},
        RecordSets=[record("a", "10.0.0.1"), record("b", "10.0.0.2"), weighted],
    )
    place.create("dns", {"Zone": zone, "R": group})
    route53, ids = place.client("route53"), place.ids("dns")

    def records() -> dict[str, str]:
        found = route53.list_resource_record_sets(HostedZoneId=ids["Zone"])
        return {
            r["Name"]: r["ResourceRecords"][0]["Value"]
            for r in found["ResourceRecordSets"]
            if r["Type"] == "A"
        }

    assert records() == {
        "a.example.com.": "10.0.0.1",
        "b.example.com.": "10.0.0.2",
        "w.example.com.": "10.0.0.9",
    }
    group["Properties"]["RecordSets"] = [record("a", "10.0.0.7")]
    place.update("dns", {"Zone": zone, "R": group})
    assert records() == {"a.example.com.": "10.0.0.7"}
    assert place.ids("dns") == ids
    place.update("dns", {"Zone": zone})
    assert records() == {}


def test_a_health_check_is_found_by_its_id(place: Place) -> None:
    check = of(
        "Route53::HealthCheck",
        HealthCheckConfig={
            "Type": "HTTPS",
            "FullyQualifiedDomainName": "api.example.com",
            "ResourcePath": "/health",
            "Port": "443",
            "RequestInterval": 30,
        },
        HealthCheckTags=TAG,
    )
    made = place.create("check", {"R": check}, Outputs=get("R", "HealthCheckId"))
    assert made["Ref"] == made["HealthCheckId"]
    route53 = place.client("route53")
    found = route53.get_health_check(HealthCheckId=made["Ref"])["HealthCheck"]
    assert found["HealthCheckConfig"]["ResourcePath"] == "/health"
    check["Properties"]["HealthCheckConfig"]["ResourcePath"] = "/ready"
    place.update("check", {"R": check})
    found = route53.get_health_check(HealthCheckId=made["Ref"])["HealthCheck"]
    assert found["HealthCheckConfig"]["ResourcePath"] == "/ready"
    # Create-only inside the configuration: another health check.
    check["Properties"]["HealthCheckConfig"]["RequestInterval"] = 10
    place.update("check", {"R": check})
    other = place.ids("check")["R"]
    assert other != made["Ref"]
    assert absent(route53.get_health_check, HealthCheckId=made["Ref"]) == (
        "NoSuchHealthCheck"
    )
    tagged = route53.list_tags_for_resource(
        ResourceType="healthcheck", ResourceId=other
    )
    assert tags(tagged["ResourceTagSet"]["Tags"]) == {"Project": "one"}


# Monitoring


def alarm(**properties: Any) -> dict[str, Any]:
    return of(
        "CloudWatch::Alarm",
        AlarmName="cpu",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods="3",
        Threshold=80,
        **properties,
    )


def test_an_alarm_has_its_dimensions_and_actions(place: Place) -> None:
    topic = f"arn:aws:sns:{EAST}:{place.account}:alarms"
    cpu = alarm(
        MetricName="CPUUtilization",
        Namespace="AWS/RDS",
        Statistic="Average",
        Period="60",
        Dimensions=[{"Name": "DBInstanceIdentifier", "Value": "main"}],
        AlarmActions=[topic],
        OKActions=[topic],
        DatapointsToAlarm=2,
        TreatMissingData="breaching",
        Tags=TAG,
    )
    either = of(
        "CloudWatch::CompositeAlarm",
        AlarmName="either",
        AlarmRule={"Fn::Sub": "ALARM(${R})"},
        AlarmActions=[topic],
        Tags=TAG,
    )
    made = place.create("alarms", {"R": cpu, "C": either}, Outputs=get("C", "Arn"))
    cloudwatch = place.client("cloudwatch")
    found = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    [metric], [composite] = found["MetricAlarms"], found["CompositeAlarms"]
    assert metric["Dimensions"] == [{"Name": "DBInstanceIdentifier", "Value": "main"}]
    assert metric["AlarmActions"] == metric["OKActions"] == [topic]
    assert (metric["EvaluationPeriods"], metric["DatapointsToAlarm"]) == (3, 2)
    assert metric["TreatMissingData"] == "breaching"
    assert (composite["AlarmRule"], made["Ref"]) == ("ALARM(cpu)", "either")
    assert made["Arn"] == composite["AlarmArn"]
    for one in (metric, composite):
        listed = cloudwatch.list_tags_for_resource(ResourceARN=one["AlarmArn"])
        assert tags(listed["Tags"]) == {"Project": "one"}

    cloudwatch.set_alarm_state(AlarmName="cpu", StateValue="ALARM", StateReason="x")
    either["Properties"]["AlarmRule"] = {"Fn::Sub": "NOT ALARM(${R})"}
    place.update("alarms", {"R": cpu, "C": either})
    found = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert found["CompositeAlarms"][0]["AlarmRule"] == "NOT ALARM(cpu)"
    assert found["MetricAlarms"][0]["StateValue"] == "ALARM"
    place.delete("alarms")
    found = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert found["MetricAlarms"] == found["CompositeAlarms"] == []


def test_an_alarm_on_metric_math_shows_its_metrics(place: Place) -> None:
    stat = {
        "Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors"},
        "Period": "60",
        "Stat": "Sum",
    }
    metrics = [
        {"Id": "errors", "MetricStat": stat, "ReturnData": "false"},
        {"Id": "rate", "Expression": "errors / 60", "Label": "rate"},
    ]
    place.create("math", {"R": alarm(Metrics=metrics)})
    [found] = place.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert found["Metrics"][1]["Expression"] == "errors / 60"
    assert found["Metrics"][0]["MetricStat"]["Period"] == 60
    assert "MetricName" not in found


def test_a_log_group_is_encrypted_with_a_key_of_its_region(place: Place) -> None:
    resources = {
        "Key": key(),
        "R": of(
            "Logs::LogGroup",
            LogGroupName="/app",
            RetentionInDays="30",
            KmsKeyId={"Fn::GetAtt": ["Key", "Arn"]},
            Tags=TAG,
        ),
        "Filter": of(
            "Logs::MetricFilter",
            LogGroupName={"Ref": "R"},
            FilterPattern="[version, account, eni, action=REJECT]",
            MetricTransformations=[
                {
                    "MetricName": "Rejected",
                    "MetricNamespace": "Network",
                    "MetricValue": "1",
                    "DefaultValue": "0",
                }
            ],
        ),
    }
    outputs = {**get("R", "Arn"), "Key": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}}}
    made = place.create("logs", resources, Outputs=outputs)
    assert made["Arn"] == f"arn:aws:logs:{EAST}:{place.account}:log-group:/app:*"
    logs = place.client("logs")
    [group] = logs.describe_log_groups()["logGroups"]
    assert (group["retentionInDays"], group["kmsKeyId"]) == (30, made["Key"])
    listed = logs.list_tags_for_resource(resourceArn=made["Arn"].removesuffix(":*"))
    assert listed["tags"]["Project"] == "one"
    [filter_] = logs.describe_metric_filters(logGroupName="/app")["metricFilters"]
    assert filter_["metricTransformations"][0]["metricName"] == "Rejected"

    elsewhere = made["Key"].replace(EAST, WEST)
    group = of("Logs::LogGroup", LogGroupName="/other", KmsKeyId=elsewhere)
    assert "The specified KMS key does not exist" in place.failed("x", {"R": group})
    assert len(logs.describe_log_groups()["logGroups"]) == 1


def test_a_topic_is_encrypted_and_its_policy_and_subscription_hold(
    place: Place,
) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": "*",
            }
        ],
    }
    topic = of("SNS::Topic", TopicName="alarms", KmsMasterKeyId="alias/x", Tags=TAG)
    resources = {
        "R": topic,
        "Policy": of("SNS::TopicPolicy", Topics=[{"Ref": "R"}], PolicyDocument=policy),
        "Mail": of(
            "SNS::Subscription",
            TopicArn={"Ref": "R"},
            Protocol="email",
            Endpoint="ops@example.com",
        ),
    }
    made = place.create("topic", resources, Outputs=get("R", "TopicName", "TopicArn"))
    assert made["Ref"] == made["TopicArn"]
    sns = place.client("sns")

    def attributes() -> dict[str, str]:
        found = sns.get_topic_attributes(TopicArn=made["Ref"])
        values: dict[str, str] = found["Attributes"]
        return values

    assert attributes()["KmsMasterKeyId"] == "alias/x"
    assert json.loads(attributes()["Policy"]) == policy
    listed = sns.list_subscriptions_by_topic(TopicArn=made["Ref"])["Subscriptions"]
    assert [s["Endpoint"] for s in listed] == ["ops@example.com"]
    listed = sns.list_tags_for_resource(ResourceArn=made["Ref"])["Tags"]
    assert tags(listed) == {"Project": "one"}
    topic["Properties"]["KmsMasterKeyId"] = "alias/y"
    place.update("topic", resources)
    assert attributes()["KmsMasterKeyId"] == "alias/y"


def test_a_dashboard_has_the_body_given(place: Place) -> None:
    body = json.dumps({"widgets": []})
    board = of("CloudWatch::Dashboard", DashboardName="board", DashboardBody=body)
    place.create("board", {"R": board})
    found = place.client("cloudwatch").get_dashboard(DashboardName="board")
    assert json.loads(found["DashboardBody"]) == {"widgets": []}


# Roles


TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def role(name: str = "app", **properties: Any) -> dict[str, Any]:
    return of("IAM::Role", RoleName=name, AssumeRolePolicyDocument=TRUST, **properties)


def test_a_role_has_its_policies_boundary_and_tags(place: Place) -> None:
    allowed = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
    boundary = f"arn:aws:iam::{place.account}:policy/limit"
    resources = {
        "Limit": of(
            "IAM::ManagedPolicy", ManagedPolicyName="limit", PolicyDocument=allowed
        ),
        "R": {
            **role(
                Policies=[{"PolicyName": "inline", "PolicyDocument": allowed}],
                ManagedPolicyArns=[{"Ref": "Limit"}],
                PermissionsBoundary=boundary,
                Tags=TAG,
            ),
            "DependsOn": "Limit",
        },
        "More": of(
            "IAM::Policy",
            PolicyName="more",
            PolicyDocument=allowed,
            Roles=[{"Ref": "R"}],
        ),
        "Profile": of(
            "IAM::InstanceProfile", InstanceProfileName="app", Roles=[{"Ref": "R"}]
        ),
    }
    made = place.create(
        "roles",
        resources,
        Outputs={
            **get("Profile", "Arn"),
            "Role": {"Value": {"Fn::GetAtt": ["R", "Arn"]}},
        },
    )
    assert made["Role"] == f"arn:aws:iam::{place.account}:role/app"
    assert made["Ref"] == "app"
    assert made["Arn"] == f"arn:aws:iam::{place.account}:instance-profile/app"
    iam = place.client("iam")
    found = iam.get_role(RoleName="app")["Role"]
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    assert tags(found["Tags"]) == {"Project": "one"}
    inline = iam.list_role_policies(RoleName="app")["PolicyNames"]
    assert sorted(inline) == ["inline", "more"]
    attached = iam.list_attached_role_policies(RoleName="app")["AttachedPolicies"]
    assert [a["PolicyArn"] for a in attached] == [boundary]
    profile = iam.get_instance_profile(InstanceProfileName="app")["InstanceProfile"]
    assert [r["RoleName"] for r in profile["Roles"]] == ["app"]
    place.delete("roles")
    assert absent(iam.get_role, RoleName="app") == "NoSuchEntity"
    assert absent(iam.get_instance_profile, InstanceProfileName="app") == (
        "NoSuchEntity"
    )


@pytest.mark.parametrize(
    "resource",
    [
        role("taken"),
        of("Logs::LogGroup", LogGroupName="taken"),
        of("SNS::Topic", TopicName="taken"),
        alarm(AlarmDescription="taken", MetricName="m", Namespace="n", Period=60),
        of(
            "IAM::ManagedPolicy",
            ManagedPolicyName="taken",
            PolicyDocument={"Version": "2012-10-17", "Statement": []},
        ),
        of("KMS::Alias", AliasName="alias/taken", TargetKeyId="k"),
        of("IAM::InstanceProfile", InstanceProfileName="taken", Roles=[]),
        of("SecretsManager::Secret", Name="taken", SecretString="x"),
        primary("taken"),
    ],
    ids=lambda resource: resource["Type"],
)
def test_what_another_stack_has_made_is_not_taken_over(
    place: Place, resource: dict[str, Any]
) -> None:
    place.create("first", {"R": resource})
    assert "already exists" in place.failed("second", {"R": resource})
    assert place.stack("first")["StackStatus"] == "CREATE_COMPLETE"


# Audit


def test_a_trail_logs_and_config_records(place: Place) -> None:
    trail = of(
        "CloudTrail::Trail",
        TrailName="audit",
        S3BucketName="logs",
        IsLogging=True,
        IsMultiRegionTrail=True,
        EnableLogFileValidation=True,
        KMSKeyId="key",
        Tags=TAG,
    )
    recorder = of(
        "Config::ConfigurationRecorder",
        Name="recorder",
        RoleARN="arn:aws:iam::1:role/config",
        RecordingGroup={"AllSupported": "true", "IncludeGlobalResourceTypes": True},
    )
    channel = of(
        "Config::DeliveryChannel",
        S3BucketName="logs",
        ConfigSnapshotDeliveryProperties={"DeliveryFrequency": "Six_Hours"},
    )
    rule = of(
        "Config::ConfigRule",
        ConfigRuleName="encrypted",
        Source={"Owner": "AWS", "SourceIdentifier": "S3_BUCKET_SSE_ENABLED"},
        Scope={"ComplianceResourceTypes": ["AWS::S3::Bucket"]},
    )
    resources = {
        "T": trail,
        "R": recorder,
        "C": {**channel, "DependsOn": "R"},
        "Rule": {**rule, "DependsOn": "C"},
    }
    outputs = {
        "Trail": {"Value": {"Fn::GetAtt": ["T", "Arn"]}},
        "Rule": {"Value": {"Fn::GetAtt": ["Rule", "Arn"]}},
    }
    made = place.create("audit", resources, Outputs=outputs)
    cloudtrail, config = place.client("cloudtrail"), place.client("config")
    assert made["Trail"] == f"arn:aws:cloudtrail:{EAST}:{place.account}:trail/audit"
    [found] = cloudtrail.describe_trails()["trailList"]
    assert found["IsMultiRegionTrail"] and found["LogFileValidationEnabled"]
    assert found["KmsKeyId"].endswith("key")
    assert cloudtrail.get_trail_status(Name="audit")["IsLogging"] is True
    listed = cloudtrail.list_tags(ResourceIdList=[made["Trail"]])["ResourceTagList"]
    assert tags(listed[0]["TagsList"]) == {"Project": "one"}

    [kept] = config.describe_configuration_recorders()["ConfigurationRecorders"]
    assert (kept["name"], kept["roleARN"]) == ("recorder", "arn:aws:iam::1:role/config")
    assert kept["recordingGroup"]["allSupported"] is True
    status = config.describe_configuration_recorder_status()
    assert status["ConfigurationRecordersStatus"][0]["recording"] is True
    [sent] = config.describe_delivery_channels()["DeliveryChannels"]
    assert sent["configSnapshotDeliveryProperties"] == {
        "deliveryFrequency": "Six_Hours"
    }
    [ruled] = config.describe_config_rules()["ConfigRules"]
    assert ruled["ConfigRuleArn"] == made["Rule"]

    trail["Properties"] |= {"IsLogging": False, "IncludeGlobalServiceEvents": False}
    place.update("audit", resources)
    assert cloudtrail.get_trail_status(Name="audit")["IsLogging"] is False
    place.delete("audit")
    assert cloudtrail.describe_trails()["trailList"] == []
    assert config.describe_configuration_recorders()["ConfigurationRecorders"] == []
    assert config.describe_delivery_channels()["DeliveryChannels"] == []
    assert config.describe_config_rules()["ConfigRules"] == []


def test_a_region_has_one_configuration_recorder(place: Place) -> None:
    recorder = of("Config::ConfigurationRecorder", RoleARN="arn:aws:iam::1:role/c")
    place.create("first", {"R": recorder})
    assert "maximum number of configuration recorders: 1 is reached" in place.failed(
        "second", {"R": recorder}
    )


def test_a_selection_is_in_its_backup_plan(place: Place) -> None:
    plan = of(
        "Backup::BackupPlan",
        BackupPlan={
            "BackupPlanName": "daily",
            "BackupPlanRule": [{"RuleName": "r", "TargetBackupVault": {"Ref": "V"}}],
        },
    )
    selection = of(
        "Backup::BackupSelection",
        BackupPlanId={"Ref": "P"},
        BackupSelection={
            "SelectionName": "tagged",
            "IamRoleArn": "arn:aws:iam::1:role/backup",
            "ListOfTags": [
                {
                    "ConditionType": "STRINGEQUALS",
                    "ConditionKey": "Backup",
                    "ConditionValue": "daily",
                }
            ],
        },
    )
    vault = of("Backup::BackupVault", BackupVaultName="vault")
    resources = {"V": vault, "P": plan, "R": selection}
    outputs = get("R", "SelectionId", "BackupPlanId")
    made = place.create("backup", resources, Outputs=outputs)
    backup = place.client("backup")
    found = backup.get_backup_selection(
        BackupPlanId=made["BackupPlanId"], SelectionId=made["SelectionId"]
    )
    assert found["BackupSelection"]["SelectionName"] == "tagged"
    place.update("backup", {"V": vault, "P": plan})
    listed = backup.list_backup_selections(BackupPlanId=made["BackupPlanId"])
    assert listed["BackupSelectionsList"] == []


def test_a_budget_notifies(place: Place) -> None:
    budget = of(
        "Budgets::Budget",
        Budget={
            "BudgetName": "monthly",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": 100, "Unit": "USD"},
        },
        NotificationsWithSubscribers=[
            {
                "Notification": {
                    "NotificationType": "ACTUAL",
                    "ComparisonOperator": "GREATER_THAN",
                    "Threshold": "80",
                },
                "Subscribers": [
                    {"SubscriptionType": "EMAIL", "Address": "ops@example.com"}
                ],
            }
        ],
    )
    place.create("budget", {"R": budget})
    budgets = place.client("budgets")
    where = {"AccountId": place.account, "BudgetName": "monthly"}
    limit = budgets.describe_budget(**where)["Budget"]["BudgetLimit"]
    assert limit == {"Amount": "100", "Unit": "USD"}
    [notified] = budgets.describe_notifications_for_budget(**where)["Notifications"]
    assert notified["Threshold"] == 80.0
    budget["Properties"]["Budget"]["BudgetLimit"]["Amount"] = 200
    place.update("budget", {"R": budget})
    limit = budgets.describe_budget(**where)["Budget"]["BudgetLimit"]
    assert limit["Amount"] == "200"
    place.delete("budget")
    assert absent(budgets.describe_budget, **where) == "NotFoundException"


def test_a_web_acl_protects_what_it_is_associated_with(place: Place) -> None:
    visible = {
        "SampledRequestsEnabled": True,
        "CloudWatchMetricsEnabled": True,
        "MetricName": "m",
    }
    balancer = f"arn:aws:elasticloadbalancing:{EAST}:{place.account}:loadbalancer/app/x"
    resources = {
        "Acl": of(
            "WAFv2::WebACL",
            Name="acl",
            Scope="REGIONAL",
            DefaultAction={"Allow": {}},
            VisibilityConfig=visible,
            Rules=[],
        ),
        "R": of(
            "WAFv2::WebACLAssociation",
            ResourceArn=balancer,
            WebACLArn={"Fn::GetAtt": ["Acl", "Arn"]},
        ),
    }
    place.create("waf", resources)
    waf = place.client("wafv2")
    found = waf.get_web_acl_for_resource(ResourceArn=balancer)["WebACL"]
    assert found["Name"] == "acl"
    place.update("waf", {"Acl": resources["Acl"]})
    assert absent(waf.get_web_acl_for_resource, ResourceArn=balancer)


# Shape only


def test_what_nobody_makes_is_kept_as_shape_only_and_listed_as_such(
    place: Place, server: life.Server
) -> None:
    resources = {
        "R": of("GlobalAccelerator::Accelerator", Name="edge"),
        "Cost": of("CE::CostCategory", Name="teams", RuleVersion="x", Rules="[]"),
        "Topic": of("SNS::Topic"),
    }
    outputs = {
        **get("R", "AcceleratorArn", "DnsName"),
        "Cost": {"Value": {"Ref": "Cost"}},
    }
    made = place.create("shapes", resources, Outputs=outputs)
    assert made["Ref"] == made["AcceleratorArn"]
    assert made["Ref"].startswith(
        f"arn:aws:globalaccelerator::{place.account}:accelerator/"
    )
    assert made["DnsName"].endswith(".amazonaws.com")
    assert made["Cost"].startswith("arn:aws:ce:")
    listed = [
        one
        for one in life.status(server.folder)["shape_only"]
        if one["account"] == place.account
    ]
    assert [one["logical_id"] for one in listed] == ["Cost", "R"]
    assert listed[1] == {
        "account": place.account,
        "region": EAST,
        "stack": "shapes",
        "logical_id": "R",
        "type": "AWS::GlobalAccelerator::Accelerator",
        "physical_id": made["Ref"],
    }
    resources["R"]["Properties"]["Enabled"] = False
    again = place.update("shapes", resources, Outputs=outputs)
    assert again == made
    place.delete("shapes")
    left = life.status(server.folder)["shape_only"]
    assert place.account not in {one["account"] for one in left}


def test_no_type_that_our_systems_use_is_shape_only() -> None:
    assert SHAPE_ONLY_ALLOWED == frozenset()


def test_a_type_that_a_region_lacks_is_refused_there(place: Place) -> None:
    lacking = "AWS::GlobalAccelerator::Accelerator"
    region = next(
        r for r in sorted(schemas.regions()) if lacking not in schemas.types(r)
    )
    with pytest.raises(ClientError) as error:
        place.at(region).begin("x", {"R": {"Type": lacking, "Properties": {}}})
    assert error.value.response["Error"] == {
        "Type": "Sender",
        "Code": "ValidationError",
        "Message": f"Template format error: Unrecognized resource types: [{lacking}]",
    }
