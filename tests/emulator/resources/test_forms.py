"""Ids, addresses and blocks have the forms that AWS's have."""

from __future__ import annotations

import ipaddress
import json
import re

from tapgen.emulator.resources.shapes import CONDITIONAL, attributes
from tapgen.template import schemas
from tests.emulator.places import Place, get, of


def test_a_dual_stack_network(place: Place) -> None:
    six = {"Fn::GetAtt": ["Vpc", "Ipv6CidrBlocks"]}
    parts = {"Fn::Cidr": [{"Fn::Select": [0, six]}, 4, 64]}
    vpc = {"Ref": "Vpc"}
    resources = {
        "Vpc": of("EC2::VPC", CidrBlock="10.0.0.0/16"),
        "Block": of("EC2::VPCCidrBlock", VpcId=vpc, AmazonProvidedIpv6CidrBlock=True),
        "Second": of("EC2::VPCCidrBlock", VpcId=vpc, CidrBlock="10.1.0.0/16"),
        "Subnet": of(
            *("EC2::Subnet",),
            VpcId=vpc,
            CidrBlock="10.0.0.0/20",
            Ipv6CidrBlock={"Fn::Select": [1, parts]},
        )
        | {"DependsOn": "Block"},
    }
    joined = {"Fn::Join": [",", {"Fn::GetAtt": ["Subnet", "Ipv6CidrBlocks"]}]}

    outputs = place.create("net", resources, Outputs={"Six": {"Value": joined}})

    ec2 = place.client("ec2")
    [vpcs] = ec2.describe_vpcs(VpcIds=[place.ids("net")["Vpc"]])["Vpcs"]
    [whole] = [b["Ipv6CidrBlock"] for b in vpcs["Ipv6CidrBlockAssociationSet"]]
    subnet = ec2.describe_subnets(SubnetIds=[place.ids("net")["Subnet"]])["Subnets"][0]
    [part] = [b["Ipv6CidrBlock"] for b in subnet["Ipv6CidrBlockAssociationSet"]]
    assert outputs["Six"] == part
    assert ipaddress.IPv6Network(part).subnet_of(ipaddress.IPv6Network(whole))
    assert whole.endswith("/56") and part.endswith("/64")
    four = [b["CidrBlock"] for b in vpcs["CidrBlockAssociationSet"]]
    assert four == ["10.0.0.0/16", "10.1.0.0/16"]

    del resources["Second"]
    place.update("net", resources)
    [vpcs] = ec2.describe_vpcs(VpcIds=[place.ids("net")["Vpc"]])["Vpcs"]
    assert len(vpcs["CidrBlockAssociationSet"]) == 1


def test_a_block_for_a_vpc_that_is_not_there(place: Place) -> None:
    block = of("EC2::VPCCidrBlock", VpcId="vpc-0123", CidrBlock="10.1.0.0/16")
    assert "The vpc ID 'vpc-0123' does not exist" in place.failed("n", {"R": block})


def test_instances_and_interfaces(place: Place) -> None:
    subnet = place.client("ec2").describe_subnets()["Subnets"][-1]
    resources = {
        "Server": of("EC2::Instance", ImageId="ami-1", SubnetId=subnet["SubnetId"]),
        "Interface": of(
            *("EC2::NetworkInterface",),
            SubnetId=subnet["SubnetId"],
            SecondaryPrivateIpAddressCount=2,
        ),
        "Volume": of("EC2::Volume", AvailabilityZone="us-east-1b", Size=1),
        "Gateway": of("EC2::EgressOnlyInternetGateway", VpcId=subnet["VpcId"]),
        "Logs": of("Logs::LogGroup"),
    }
    names = ("AvailabilityZone", "PrivateIp", "PublicIp", "VpcId")
    secondary = {"Fn::GetAtt": ["Interface", "SecondaryPrivateIpAddresses"]}
    more = {"Second": {"Value": {"Fn::Select": [1, secondary]}}}

    outputs = place.create("s", resources, Outputs={**get("Server", *names), **more})

    assert outputs["AvailabilityZone"] == subnet["AvailabilityZone"]
    for address in ("PrivateIp", "PublicIp", "Second"):
        ipaddress.IPv4Address(outputs[address])
    assert re.fullmatch("vpc-[0-9a-f]+", outputs["VpcId"])
    prefixes = {k: v.rpartition("-")[0] for k, v in place.ids("s").items()}
    assert prefixes == {
        **{"Server": "i", "Interface": "eni"},
        **{"Volume": "vol", "Gateway": "eigw", "Logs": "s-Logs"},
    }


def test_public_parameters_come_in_pages(place: Place) -> None:
    listed = place.client("ssm").get_paginator("get_parameters_by_path")
    path = "/aws/service/global-infrastructure/regions"

    pages = [
        [one["Name"] for one in page["Parameters"]]
        for page in listed.paginate(Path=path)
    ]

    assert len(pages) > 1 and {len(page) for page in pages[:-1]} == {10}
    names = [name for page in pages for name in page]
    assert len({*names}) == len(names) and f"{path}/us-west-2" in names


def test_what_only_some_resources_have_is_not_drawn() -> None:
    for kind, conditional in CONDITIONAL.items():
        assert conditional <= {a.split(".")[0] for a in schemas.attributes(kind)}
        drawn = attributes(schemas.schema, kind, "it", {})
        assert not {name.split(".")[0] for name in drawn} & conditional
    assert "ReadEndpoint" in attributes(
        schemas.schema, "AWS::Neptune::DBCluster", "it", {}
    )


def test_numbers_that_parameters_have_as_text(place: Place) -> None:
    task = {"Name": "it", "Image": "it", "Memory": {"Ref": "Memory"}}
    resources = {
        "Cluster": of("ECS::Cluster"),
        "Task": of("ECS::TaskDefinition", Family="it", ContainerDefinitions=[task]),
        "Service": of(
            *("ECS::Service",),
            Cluster={"Ref": "Cluster"},
            TaskDefinition={"Ref": "Task"},
            DesiredCount={"Ref": "Count"},
        ),
    }
    given = {
        name: {"Type": "String", "Default": default}
        for name, default in (("Count", "2"), ("Memory", "512"))
    }

    place.create("s", resources, Parameters=given)

    ecs, ids = place.client("ecs"), place.ids("s")
    [service] = ecs.describe_services(
        cluster=ids["Cluster"], services=[ids["Service"]]
    )["services"]
    assert service["desiredCount"] == 2
    defined = ecs.describe_task_definition(taskDefinition=ids["Task"])
    assert defined["taskDefinition"]["containerDefinitions"][0]["memory"] == 512


_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
_ROLE = {"Fn::GetAtt": ["Role", "Arn"]}
_READS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}
_PASSES = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
# Types whose handlers in ministack return only some of their attributes, and common ones.
_MANY = {
    "Role": of("IAM::Role", AssumeRolePolicyDocument=_TRUST),
    "Policy": of("IAM::ManagedPolicy", PolicyDocument=_READS),
    "Function": of(
        *("Lambda::Function",),
        Role=_ROLE,
        Runtime="python3.12",
        Handler="index.handler",
        Code={"ZipFile": "def handler(event, context): pass"},
    ),
    "Version": of("Lambda::Version", FunctionName={"Ref": "Function"}),
    "Alias": of(
        *("Lambda::Alias",),
        FunctionName={"Ref": "Function"},
        FunctionVersion="$LATEST",
        Name="live",
    ),
    "Machine": of(
        "StepFunctions::StateMachine",
        RoleArn=_ROLE,
        DefinitionString=json.dumps(_PASSES),
    ),
    "Queue": of("SQS::Queue"),
    "Topic": of("SNS::Topic"),
    "Bucket": of("S3::Bucket"),
    "Key": of("KMS::Key", KeyPolicy={"Version": "2012-10-17", "Statement": []}),
    "Group": of("Logs::LogGroup"),
    "Rule": of("Events::Rule", ScheduleExpression="rate(1 day)"),
    "Secret": of("SecretsManager::Secret", SecretString="hidden"),
    "Repository": of("ECR::Repository"),
    "Cluster": of("ECS::Cluster"),
    "Vpc": of("EC2::VPC", CidrBlock="10.9.0.0/16"),
    "Address": of("EC2::EIP", Domain="vpc"),
    "Template": of("EC2::LaunchTemplate", LaunchTemplateData={"ImageId": "ami-1"}),
    "Files": of("EFS::FileSystem"),
    "Api": of("ApiGateway::RestApi", Name="api"),
    "Zone": of("Route53::HostedZone", Name="example.org"),
    "Pool": of("Cognito::UserPool"),
    "Vault": of("Backup::BackupVault", BackupVaultName="forms"),
}


def test_every_read_only_attribute_has_a_value(place: Place) -> None:
    """Also those that no handler returns; a stack of outputs alone asks for them."""
    outputs = {}
    for name, resource in _MANY.items():
        schema = schemas.schema(resource["Type"]) or {}
        for path in schema["readOnlyProperties"]:
            parts = path.split("/")[2:]
            node = schema["properties"].get(parts[0], {})
            plain = len(parts) == 1 and node.get("type") in ("string", "integer")
            if plain:
                got = {"Fn::GetAtt": [name, parts[0]]}
                outputs[name + parts[0]] = {"Value": got}

    found = place.create("many", _MANY, Outputs=outputs)

    assert len(outputs) > 40
    assert {name for name in outputs if not found.get(name)} == set()
    arns = {k: v for k, v in found.items() if k.endswith("Arn")}
    assert {
        k for k, v in arns.items() if not re.match("arn:aws:[a-z0-9-]+:", v)
    } == set()
