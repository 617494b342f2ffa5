"""What secure_network promises, checked on the templates it makes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from tapgen import lint
from tapgen.blueprints.values import Database
from tapgen.config import Config
from tapgen.errors import BlueprintError, ConfigError
from tapgen.model import Output, StackSet, System
from tapgen.plan import preconditions
from tests import make
from tests.systems import look
from tests.systems.look import body, every, only, service, statements, texts

SETTINGS = {
    "vpc_cidr": "10.20.0.0/16",
    "dr_vpc_cidr": "10.21.0.0/16",
    "allowed_cidr": "203.0.113.0/24",
}


NO_VALUE = {"Ref": "AWS::NoValue"}


def load(folder: Path, settings: dict[str, Any], **more: Any) -> Config:
    keys = {"regions": {"primary": "us-east-1", "dr": "us-west-2"}, **more}
    return look.load(folder, "secure_network", settings, **keys)


def build(folder: Path, settings: dict[str, Any], **more: Any) -> System:
    return look.built(load(folder, {**SETTINGS, **settings}, **more))


@pytest.fixture(scope="module")
def ideal(tmp_path_factory: pytest.TempPathFactory) -> System:
    return build(tmp_path_factory.mktemp("ideal"), {"profile": "ideal"})


@pytest.fixture(scope="module")
def minimal(tmp_path_factory: pytest.TempPathFactory) -> System:
    return build(tmp_path_factory.mktemp("minimal"), {"profile": "minimal"})


@pytest.fixture(scope="module", params=["minimal", "ideal"])
def system(request: pytest.FixtureRequest) -> System:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, System)
    return found


# --- the templates themselves --------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({"profile": "minimal"}, {}),
        ({"profile": "ideal"}, {"account_baseline": "existing"}),
        ({"profile": "ideal", "zones": 4}, {}),
    ],
    ids=["minimal", "existing baseline", "four zones"],
)
def test_cfn_lint_has_nothing_to_say(
    tmp_path: Path, settings: dict[str, Any], more: dict[str, Any]
) -> None:
    assert look.found_by_lint(build(tmp_path, settings, **more)) == []


def test_each_region_takes_its_own_role_ranges_and_keys(ideal: System) -> None:
    network = ideal.part("network")
    here, there = (network.values(t) for t in network.targets)
    assert (here["RegionRole"], there["RegionRole"]) == ("primary", "dr")
    assert (here["VpcCidr"], there["VpcCidr"]) == ("10.20.0.0/16", "10.21.0.0/16")
    assert here["KmsKeyArn"] == Output("keys", "KmsKeyArn", region="us-east-1")
    assert there["KmsKeyArn"] == Output(
        "keys-dr", "DestinationKmsKeyArn", region="us-west-2"
    )


# --- S001-01 … 06: the network -------------------------------------------------------


def test_there_is_one_vpc_with_names_in_the_primary_region(system: System) -> None:
    vpc = only(system, "network", "AWS::EC2::VPC")
    assert vpc["EnableDnsSupport"] is True
    assert vpc["EnableDnsHostnames"] is True
    assert vpc["CidrBlock"] == {"Ref": "VpcCidr"}
    assert system.part("network").targets[0].region == "us-east-1"


def test_the_default_route_waits_for_the_attached_gateway(system: System) -> None:
    resources = body(system, "network")["Resources"]
    only(system, "network", "AWS::EC2::InternetGateway")
    attachment = only(system, "network", "AWS::EC2::VPCGatewayAttachment")
    assert attachment["InternetGatewayId"] == {"Ref": "InternetGateway"}
    route = resources["PublicRoutesDefaultRoute"]
    assert route["DependsOn"] == ["InternetGatewayAttachment"]
    assert route["Properties"]["DestinationCidrBlock"] == "0.0.0.0/0"
    assert route["Properties"]["GatewayId"] == {"Ref": "InternetGateway"}


def test_only_one_route_table_leads_to_the_internet_gateway(system: System) -> None:
    routes = [
        r["Properties"]
        for (part, _), r in every(system, "AWS::EC2::Route").items()
        if "GatewayId" in r["Properties"]
    ]
    assert [r["RouteTableId"] for r in routes] == [{"Ref": "PublicRoutes"}]


def subnets(system: System, tier: str) -> dict[str, dict[str, Any]]:
    return {
        logical_id: r["Properties"]
        for (_, logical_id), r in every(system, "AWS::EC2::Subnet").items()
        if logical_id.startswith(tier)
    }


def zone_index(subnet: dict[str, Any]) -> int:
    _, chosen, default = subnet["AvailabilityZone"]["Fn::If"]
    assert chosen["Ref"].startswith("Zone")
    index, zones = default["Fn::Select"]
    assert zones == {"Fn::GetAZs": ""}
    assert isinstance(index, int)
    return index


def test_public_subnets_are_in_different_zones_and_routed(system: System) -> None:
    public = subnets(system, "Public")
    assert len(public) == 2
    assert len({zone_index(s) for s in public.values()}) == 2
    associations = every(system, "AWS::EC2::SubnetRouteTableAssociation").values()
    routed = {
        a["Properties"]["SubnetId"]["Ref"]: a["Properties"]["RouteTableId"]["Ref"]
        for a in associations
    }
    assert all(routed[name] == "PublicRoutes" for name in public)


def test_no_two_subnets_overlap(system: System) -> None:
    network = system.part("network")
    values = network.values(network.targets[0])
    vpc, bits = values["VpcCidr"], values["SubnetBits"]
    assert isinstance(vpc, str) and isinstance(bits, str)
    grid = list(IPv4Network(vpc).subnets(new_prefix=32 - int(bits)))
    taken = []
    for subnet in subnets(system, "").values():
        index, cidrs = subnet["CidrBlock"]["Fn::Select"]
        start, count, _ = cidrs["Fn::Cidr"]
        assert start == {"Ref": "VpcCidr"} and index < count <= len(grid)
        taken.append(grid[index])
    assert len(taken) == len(set(taken)) >= 2


def test_more_zones_move_no_existing_subnet(tmp_path: Path, ideal: System) -> None:
    wider = subnets(build(tmp_path, {"zones": 4}), "")
    for name, subnet in subnets(ideal, "").items():
        assert wider[name]["CidrBlock"] == subnet["CidrBlock"]


def test_the_web_group_lets_in_web_traffic_from_the_allowed_addresses_only(
    system: System,
) -> None:
    web = body(system, "network")["Resources"]["WebSecurityGroup"]["Properties"]
    ingress = web["SecurityGroupIngress"]
    assert {(r["FromPort"], r["ToPort"]) for r in ingress} == {(80, 80), (443, 443)}
    assert all(r["CidrIp"] == {"Ref": "AllowedCidr"} for r in ingress)
    assert web["SecurityGroupEgress"]


def test_the_minimal_web_group_lets_everything_out(minimal: System) -> None:
    groups = every(minimal, "AWS::EC2::SecurityGroup")
    ((_, group),) = groups.items()
    (rule,) = group["Properties"]["SecurityGroupEgress"]
    assert (rule["IpProtocol"], rule["CidrIp"]) == ("-1", "0.0.0.0/0")


# --- S001-07 … 13: keys, buckets, replication ----------------------------------------


def test_a_multi_region_key_rotates_and_serves_log_groups_of_this_system_only(
    system: System,
) -> None:
    key = only(system, "keys", "AWS::KMS::Key")
    assert key["MultiRegion"] is True
    assert key["EnableKeyRotation"] is True
    (logs,) = (s for s in statements(key) if service(s).startswith("logs."))
    assert service(logs) == "logs.${AWS::Region}.${AWS::URLSuffix}"
    context = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    assert context and all(
        "sn-${EnvironmentSuffix}-" in text for text in texts(context)
    )


def test_alarms_can_publish_to_the_encrypted_topic_of_each_region(
    system: System,
) -> None:
    for part in ("keys", "keys-dr"):
        resources = body(system, part)["Resources"]
        (publish,) = (
            s
            for s in statements(resources["Key"])
            if service(s) == "cloudwatch.amazonaws.com"
        )
        assert publish["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
        topic = resources["AlertTopic"]["Properties"]
        assert topic["KmsMasterKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}
        (allowed,) = statements(resources["AlertTopicPolicy"])
        assert allowed["Condition"]["StringEquals"]["aws:SourceAccount"]


def test_each_region_has_a_key_and_the_second_replicates_the_first(
    system: System,
) -> None:
    replica = only(system, "keys-dr", "AWS::KMS::ReplicaKey")
    assert replica["PrimaryKeyArn"] == {"Ref": "PrimaryKeyArn"}
    assert system.part("keys-dr").parameters["PrimaryKeyArn"] == Output(
        "keys", "KmsKeyArn", region="us-east-1"
    )
    assert {t.region for t in system.part("keys-dr").targets} == {"us-west-2"}


def buckets(system: System) -> dict[tuple[str, str], dict[str, Any]]:
    found = every(system, "AWS::S3::Bucket")
    return {key: resource["Properties"] for key, resource in found.items()}


def test_data_is_encrypted_with_the_key_of_its_own_region(system: System) -> None:
    for (part, _), bucket in buckets(system).items():
        if part in ("logs", "audit-bucket"):
            continue
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["BucketKeyEnabled"] is True
        assert rule["ServerSideEncryptionByDefault"] == {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": {"Ref": "KmsKeyArn"},
        }
        stack_set = system.part(part)
        (target,) = stack_set.targets
        key = stack_set.values(target)["KmsKeyArn"]
        assert isinstance(key, Output) and key.region == target.region


def test_every_bucket_is_versioned_private_and_takes_tls_only(system: System) -> None:
    for (part, name), bucket in buckets(system).items():
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        (ownership,) = bucket["OwnershipControls"]["Rules"]
        assert ownership == {"ObjectOwnership": "BucketOwnerEnforced"}
        policy = body(system, part)["Resources"][f"{name}Policy"]
        (deny,) = (s for s in statements(policy) if s["Effect"] == "Deny")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": False}}
        assert deny["Principal"] == "*"
        assert len(deny["Resource"]) == 2


def test_old_versions_and_unfinished_uploads_expire(system: System) -> None:
    for bucket in buckets(system).values():
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert any("NoncurrentVersionExpiration" in rule for rule in rules)
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)


def test_everything_is_replicated_encrypted_with_delete_markers_and_metrics(
    system: System,
) -> None:
    bucket = only(system, "storage", "AWS::S3::Bucket")
    (rule,) = bucket["ReplicationConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["Filter"] == {"Prefix": ""} and "Priority" in rule
    assert rule["DeleteMarkerReplication"] == {"Status": "Enabled"}
    criteria = rule["SourceSelectionCriteria"]
    assert criteria["SseKmsEncryptedObjects"] == {"Status": "Enabled"}
    destination = rule["Destination"]
    assert destination["Metrics"]["Status"] == "Enabled"
    assert destination["EncryptionConfiguration"] == {
        "ReplicaKmsKeyID": {"Ref": "DestinationKeyArn"}
    }
    values = system.part("storage").parameters
    assert values["DestinationKeyArn"] == Output(
        "keys-dr", "DestinationKmsKeyArn", region="us-west-2"
    )


def test_the_destination_exists_before_the_source(system: System) -> None:
    assert "storage-dr" in system.part("storage").requires()
    names = (only(system, p, "AWS::S3::Bucket") for p in ["storage"])
    assert all(n["BucketName"] for n in names)


def test_replication_may_do_exactly_what_it_needs_between_these_two_buckets(
    system: System,
) -> None:
    role = body(system, "roles")["Resources"]["ReplicationRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "s3.amazonaws.com"}
    assert "Condition" not in trust
    (policy,) = role["Policies"]
    granted = {s["Sid"]: s for s in policy["PolicyDocument"]["Statement"]}
    assert {a for s in granted.values() for a in s["Action"]} == {
        *("s3:GetReplicationConfiguration", "s3:ListBucket"),
        *("s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication"),
        *("s3:GetObjectVersionTagging", "s3:ReplicateDelete"),
        *("s3:ReplicateObject", "s3:ReplicateTags"),
        *("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"),
    }
    for sid, region in (("DecryptSource", "Primary"), ("EncryptReplicas", "Dr")):
        condition = granted[sid]["Condition"]
        (via,) = texts(condition["StringEquals"]["kms:ViaService"])
        assert via == f"s3.${{{region}Region}}.${{AWS::URLSuffix}}"
        # A bucket key encrypts under the bucket's ARN, an object key under the object's.
        contexts = list(texts(condition["StringLike"]))
        assert len(contexts) == 2 and contexts[1] == f"{contexts[0]}/*"


def test_what_the_recovery_region_writes_is_replicated_back(
    tmp_path: Path, minimal: System, ideal: System
) -> None:
    resources = body(ideal, "storage-dr")["Resources"]
    bucket = resources["DestinationBucket"]["Properties"]
    when, way, _ = bucket["ReplicationConfiguration"]["Fn::If"]
    (rule,) = way["Rules"]
    forth = only(ideal, "storage", "AWS::S3::Bucket")
    assert list(texts(rule["Destination"]["Bucket"])) == [
        f"arn:${{AWS::Partition}}:s3:::{forth['BucketName']['Fn::Sub']}"
    ]
    # Changes of a copy's metadata go back, too; copies never do.
    assert rule["SourceSelectionCriteria"]["ReplicaModifications"] == {
        "Status": "Enabled"
    }
    assert rule["DeleteMarkerReplication"] == {"Status": "Enabled"}
    part = ideal.part("storage-dr")
    assert part.parameters["ReverseReplication"] == "true"
    # The destination must exist, and this bucket is the first.
    assert part.at_first["ReverseReplication"].value == "false"
    alarms = every(ideal, "AWS::CloudWatch::Alarm")
    for place, metric in (("storage-dr", "Failed"), ("storage", "Latency")):
        (dimension,) = (
            d
            for d in alarms[place, f"Replication{metric}Alarm"]["Properties"][
                "Dimensions"
            ]
            if d["Name"] == "SourceBucket"
        )
        assert dimension["Value"] == bucket["BucketName"]
    closed = build(tmp_path, {"reverse_replication": False}).part("storage-dr")
    assert closed.parameters["ReverseReplication"] == "false"
    (copy,) = (
        r["Properties"]
        for r in body(minimal, "storage-dr")["Resources"].values()
        if r["Type"] == "AWS::S3::Bucket"
    )
    assert "ReplicationConfiguration" not in copy


def test_the_role_names_exactly_the_buckets_of_the_templates(system: System) -> None:
    source = only(system, "storage", "AWS::S3::Bucket")["BucketName"]["Fn::Sub"]
    bucket = body(system, "storage-dr")["Resources"]["DestinationBucket"]
    destination = bucket["Properties"]["BucketName"]["Fn::Sub"]
    named = list(texts(body(system, "roles")["Resources"]["ReplicationRole"]))
    assert f"arn:${{AWS::Partition}}:s3:::{source}" in named
    assert f"arn:${{AWS::Partition}}:s3:::{destination}/*" in named


def test_minimal_does_not_take_the_place_of_ideal(
    minimal: System, ideal: System
) -> None:
    deployed = {s.name: make.observed(s) for s in ideal.stack_sets}
    (said,) = preconditions.unmet(minimal, deployed)
    assert "set profile: ideal again" in said
    deployed = {s.name: make.observed(s) for s in minimal.stack_sets}
    assert preconditions.unmet(minimal, deployed) == []
    assert preconditions.unmet(ideal, deployed) == []


def test_the_minimal_profile_has_one_role(minimal: System) -> None:
    assert list(every(minimal, "AWS::IAM::Role")) == [("roles", "ReplicationRole")]


# --- S001-14, 15, 17, 34, 35 -----------------------------------------------------------


def test_every_log_group_is_encrypted_by_arn_and_expires(system: System) -> None:
    groups = every(system, "AWS::Logs::LogGroup")
    assert ("observability", "AppLogGroup") in groups
    for (part, _), group in groups.items():
        assert group["Properties"]["KmsKeyId"] == {"Ref": "KmsKeyArn"}
        pattern = body(system, part)["Parameters"]["KmsKeyArn"]["AllowedPattern"]
        arn = "arn:aws:kms:us-east-1:111111111111:key/mrk-0a"
        assert re.search(pattern, arn)
        assert not re.search(pattern, arn.replace("key/mrk-0a", "alias/sn"))
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def board(system: System) -> dict[str, Any]:
    """The dashboard as CloudWatch gets it, parameters put in."""
    text = only(system, "observability", "AWS::CloudWatch::Dashboard")["DashboardBody"]
    text = text["Fn::Sub"]
    if isinstance(text, list):
        text = text[0]
    parsed = json.loads(re.sub(r"\$\{([\w:]+)\}", r"<\1>", text))
    assert isinstance(parsed, dict)
    return parsed


def test_the_dashboard_shows_sizes_and_drops_that_somebody_publishes(
    system: System,
) -> None:
    widgets = [w["properties"] for w in board(system)["widgets"]]
    assert all(w["region"] for w in widgets)
    metrics = [m for w in widgets for m in w["metrics"]]
    size = [m for m in metrics if m[1] == "BucketSizeBytes"]
    assert len(size) == 2 and all("StorageType" in m for m in size)
    assert {m[-1]["region"] for m in size} == {"<PrimaryRegion>", "<DrRegion>"}
    dropped = {(m[0], m[1]) for m in metrics if "Packets" in m[1]}
    if every(system, "AWS::EC2::NatGateway"):
        (transformation,) = every(system, "AWS::Logs::MetricFilter")[
            ("network", "RejectedPackets")
        ]["Properties"]["MetricTransformations"]
        counted = transformation["MetricNamespace"]["Fn::Sub"].replace("${", "<")
        assert dropped == {
            ("AWS/NATGateway", "PacketsDropCount"),
            (counted.replace("}", ">"), transformation["MetricName"]),
        }
    else:
        assert dropped == {("AWS/PrivateLinkEndpoints", "PacketsDropped")}
        endpoint = only(system, "network", "AWS::EC2::VPCEndpoint")
        assert endpoint["VpcEndpointType"] == "Interface"


def test_the_seven_outputs_are_there(system: System) -> None:
    outputs = {
        name
        for s in system.stack_sets
        for name in json.loads(s.template).get("Outputs", {})
    }
    assert outputs >= {
        *("VpcId", "SubnetIds", "SecurityGroupId", "PrimaryBucketName"),
        *("DestinationBucketName", "LogGroupName", "KmsKeyId"),
    }


def test_only_the_replication_crosses_regions_in_the_minimal_profile(
    minimal: System,
) -> None:
    in_dr = {
        s.part
        for s in minimal.stack_sets
        if any(t.region == "us-west-2" for t in s.targets)
    }
    assert in_dr == {"keys-dr", "storage-dr"}


def test_values_come_only_from_outputs_that_exist_where_they_are_read(
    system: System,
) -> None:
    def given(stack_set: StackSet) -> Iterator[tuple[str, Output]]:
        for target in stack_set.targets:
            for value in stack_set.values(target).values():
                if isinstance(value, Output):
                    region = target.region if value.region == "same" else value.region
                    yield region, value

    for stack_set in system.stack_sets:
        for region, value in given(stack_set):
            source = system.part(value.part)
            assert value.output in json.loads(source.template)["Outputs"]
            assert region in {t.region for t in source.targets}


# --- S001-24 … 31: the ideal profile ---------------------------------------------------


@pytest.mark.parametrize("zones", [2, 3])
def test_each_zone_has_its_own_nat_gateway(tmp_path: Path, zones: int) -> None:
    system = build(tmp_path, {"zones": zones})
    assert {t.region for t in system.part("network").targets} == {
        "us-east-1",
        "us-west-2",
    }
    resources = body(system, "network")["Resources"]
    gateways = every(system, "AWS::EC2::NatGateway")
    assert len(gateways) == len(every(system, "AWS::EC2::EIP")) == zones
    for number in range(1, zones + 1):
        gateway = resources[f"NatGateway{number}"]["Properties"]
        outside = resources[gateway["SubnetId"]["Ref"]]["Properties"]
        route = resources[f"PrivateRoutes{number}DefaultRoute"]["Properties"]
        assert route["NatGatewayId"] == {"Ref": f"NatGateway{number}"}
        association = resources[f"PrivateSubnet{number}Routes"]["Properties"]
        assert association["RouteTableId"] == route["RouteTableId"]
        inside = resources[f"PrivateSubnet{number}"]["Properties"]
        assert zone_index(inside) == zone_index(outside) == number - 1


def test_the_isolated_tier_has_no_way_out(ideal: System) -> None:
    routes = every(ideal, "AWS::EC2::Route").values()
    tables = {r["Properties"]["RouteTableId"]["Ref"] for r in routes}
    assert "IsolatedRoutes" not in tables
    assert not any(s["MapPublicIpOnLaunch"] for s in subnets(ideal, "").values())


def test_each_tier_is_reached_only_from_the_one_before(ideal: System) -> None:
    chain = {
        (
            r["Properties"]["GroupId"]["Fn::GetAtt"][0],
            r["Properties"]["SourceSecurityGroupId"]["Fn::GetAtt"][0],
            str(r["Properties"]["FromPort"]),
        )
        for r in every(ideal, "AWS::EC2::SecurityGroupIngress").values()
    }
    assert chain == {
        ("DatabaseSecurityGroup", "AppSecurityGroup", "5432"),
        ("AppSecurityGroup", "WebSecurityGroup", "{'Ref': 'AppPort'}"),
        ("AppSecurityGroup", "SshSecurityGroup", "22"),
    }
    groups = every(ideal, "AWS::EC2::SecurityGroup")
    inline = {
        k[1] for k, g in groups.items() if "SecurityGroupIngress" in g["Properties"]
    }
    assert inline == {"WebSecurityGroup"}


def test_the_database_group_lets_nothing_out(ideal: System) -> None:
    group = body(ideal, "network")["Resources"]["DatabaseSecurityGroup"]["Properties"]
    (rule,) = group["SecurityGroupEgress"]
    assert rule["CidrIp"] == "127.0.0.1/32"


def test_data_backups_and_logs_have_buckets_of_their_own(ideal: System) -> None:
    purposes = {
        tag["Value"]
        for bucket in buckets(ideal).values()
        for tag in bucket["Tags"]
        if tag["Key"] == "Purpose"
    }
    assert purposes == {"data", "backup", "logs", "audit"}
    policy = body(ideal, "logs")["Resources"]["LogBucketPolicy"]
    (deliver,) = (s for s in statements(policy) if service(s).startswith("logging.s3"))
    assert deliver["Action"] == ["s3:PutObject"]
    assert {"StringEquals", "ArnLike"} == set(deliver["Condition"])
    for (part, _), bucket in buckets(ideal).items():
        if part != "logs":
            logging = bucket["LoggingConfiguration"]
            assert logging["DestinationBucketName"] == {"Ref": "LogBucketName"}
            assert ideal.part(part).parameters["LogBucketName"].region == "same"  # type: ignore[union-attr]


def test_each_service_has_a_role_of_its_own(ideal: System) -> None:
    roles = every(ideal, "AWS::IAM::Role")
    trusted = [
        service(next(statements(r["Properties"]["AssumeRolePolicyDocument"])))
        for (_, title), r in roles.items()
        if title != "OperatorRole"  # of people
    ]
    assert {part for part, _ in roles} == {"roles", "operators"}
    # S3 has one for each direction.
    assert sorted(trusted) == sorted([*set(trusted), "s3.amazonaws.com"])
    assert set(trusted) == {
        "cloudtrail.amazonaws.com",
        "config.amazonaws.com",
        "ec2.${AWS::URLSuffix}",
        "monitoring.rds.amazonaws.com",
        "s3.amazonaws.com",
        "ssm.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
    }


def test_instances_find_in_either_region_what_they_need_after_a_failover(
    ideal: System,
) -> None:
    role = body(ideal, "roles")["Resources"]["InstanceRole"]["Properties"]
    (policy,) = role["Policies"]
    allowed = policy["PolicyDocument"]["Statement"]

    def resources(action: str) -> set[str]:
        found = (s["Resource"] for s in allowed if action in s["Action"])
        return {text for given in found for text in texts(given)}

    sub = "${EnvironmentSuffix}"
    buckets = [
        f"arn:${{AWS::Partition}}:s3:::sn-{sub}-data-{r}-${{AWS::AccountId}}/*"
        for r in ("primary", "dr")
    ]
    assert resources("s3:GetObject") == {*buckets}
    assert resources("s3:PutObject") > {*buckets}
    secret = f"${{AWS::AccountId}}:secret:sn-{sub}-db-owner-primary-??????"
    assert resources("secretsmanager:GetSecretValue") == {
        f"arn:${{AWS::Partition}}:secretsmanager:${{{region}}}:{secret}"
        for region in ("PrimaryRegion", "DrRegion")
    }
    keys = {
        via: [*texts(s["Resource"])]
        for s in allowed
        if "kms:Decrypt" in s["Action"]
        for via in texts(s["Condition"]["StringEquals"]["kms:ViaService"])
    }
    assert keys == {
        "s3.${PrimaryRegion}.${AWS::URLSuffix}": ["SourceKeyArn"],
        "s3.${DrRegion}.${AWS::URLSuffix}": ["DestinationKeyArn"],
        "secretsmanager.${PrimaryRegion}.${AWS::URLSuffix}": ["SourceKeyArn"],
        "secretsmanager.${DrRegion}.${AWS::URLSuffix}": ["DestinationKeyArn"],
    }


def test_logs_are_counted_and_alarms_raised(ideal: System) -> None:
    assert len(every(ideal, "AWS::Logs::LogGroup")) >= 2
    assert {k[0] for k in every(ideal, "AWS::Logs::MetricFilter")} == {
        *("audit", "network", "observability")
    }
    watched = {
        r["Properties"]["MetricName"]
        for r in every(ideal, "AWS::CloudWatch::Alarm").values()
    }
    assert watched >= {
        *("CPUUtilization", "FreeStorageSpace", "DatabaseConnections", "ReplicaLag"),
        *("ReplicationLatency", "OperationsFailedReplication", "PacketsDropCount"),
        *("RejectedPackets", "AppErrors", "AuditRoot", "AuditTrail", "AuditKeys"),
        *("AuditPolicies", "AuditBuckets", "IncomingLogEvents"),
    }


def test_replication_lag_is_watched_where_s3_publishes_it(system: System) -> None:
    # In the region of the destination, and failures in that of the source.
    regions = {"primary": "storage", "dr": "storage-dr"}
    watched = ("ReplicationLatency", "DestinationBucket"), (
        *("OperationsFailedReplication", "SourceBucket"),
    )
    seen = set()
    for (part, _), alarm in every(system, "AWS::CloudWatch::Alarm").items():
        for metric, end in watched:
            if alarm["Properties"]["MetricName"] != metric:
                continue
            (bucket,) = (
                "".join(texts(d["Value"]))
                for d in alarm["Properties"]["Dimensions"]
                if d["Name"] == end
            )
            role = "primary" if "-data-primary" in bucket else "dr"
            assert part == regions[role]
            seen.add((metric, role))
    forth = {("ReplicationLatency", "dr"), ("OperationsFailedReplication", "primary")}
    both_ways = system.part("storage-dr").at_first
    assert len(seen) == (4 if both_ways else 2) and seen >= forth


def test_one_trail_covers_all_regions_and_proves_its_files(ideal: System) -> None:
    ((_, trail),) = every(ideal, "AWS::CloudTrail::Trail").items()
    assert trail["Condition"] == "IsPrimary"
    properties = trail["Properties"]
    assert properties["IsMultiRegionTrail"] is True
    assert properties["EnableLogFileValidation"] is True
    assert properties["KMSKeyId"] == {"Ref": "KmsKeyArn"}
    assert properties["S3BucketName"] == {"Ref": "AuditBucketName"}
    policy = body(ideal, "audit-bucket")["Resources"]["AuditBucketPolicy"]
    deliver = [s for s in statements(policy) if service(s).startswith("cloudtrail")]
    assert all("aws:SourceArn" in s["Condition"]["StringEquals"] for s in deliver)
    assert len(deliver) == 2


def test_nobody_deletes_what_the_trail_wrote(tmp_path: Path, ideal: System) -> None:
    bucket = only(ideal, "audit-bucket", "AWS::S3::Bucket")
    assert bucket["ObjectLockEnabled"] is True
    assert bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"] == {
        "Mode": {"Ref": "LockMode"},
        "Days": {"Ref": "LockDays"},
    }
    given = ideal.part("audit-bucket").parameters
    assert (given["LockMode"], given["LockDays"]) == ("GOVERNANCE", "400")
    other = build(tmp_path, {"audit_lock": "compliance", "audit_lock_days": 30})
    given = other.part("audit-bucket").parameters
    assert (given["LockMode"], given["LockDays"]) == ("COMPLIANCE", "30")
    # S3 and AWS Config deliver to no bucket with a lock.
    assert "ObjectLockEnabled" not in only(ideal, "logs", "AWS::S3::Bucket")


EVENTS = {
    "AuditTrail": ("cloudtrail", "StopLogging"),
    "AuditKeys": ("kms", "ScheduleKeyDeletion"),
    "AuditPolicies": ("iam", "AttachRolePolicy"),
    "AuditBuckets": ("s3", "PutBucketPolicy"),
}


def test_events_of_the_trail_are_counted_each_for_an_alarm(ideal: System) -> None:
    counted = {
        title: r["Properties"]
        for (part, title), r in every(ideal, "AWS::Logs::MetricFilter").items()
        if part == "audit"
    }
    assert counted.keys() == {"AuditRoot", *EVENTS}
    alarms = every(ideal, "AWS::CloudWatch::Alarm")
    for title, given in counted.items():
        assert given["LogGroupName"] == {"Ref": "TrailLogs"}
        pattern, event = given["FilterPattern"], EVENTS.get(title)
        assert len(pattern) <= 1024  # the quota of CloudWatch Logs
        if event is not None:
            source, name = event
            assert f"$.eventSource = {source}.amazonaws.com" in pattern
            assert f"$.eventName = {name})" in pattern
        (transformed,) = given["MetricTransformations"]
        alarm = alarms["audit", f"{title}Alarm"]["Properties"]
        assert alarm["MetricName"] == transformed["MetricName"]
        assert alarm["Namespace"] == transformed["MetricNamespace"]
        assert alarm["AlarmActions"] == [{"Ref": "AlertTopicArn"}]


# --- The loss of the primary region ---------------------------------------------------


def test_the_name_of_the_database_follows_a_switch_in_the_recovery_region(
    ideal: System,
) -> None:
    resources = body(ideal, "database-name")["Resources"]
    records = {
        r["Properties"]["Failover"]: r["Properties"]
        for r in resources.values()
        if r["Type"] == "AWS::Route53::RecordSet"
    }
    # Without a check, the second one answers whenever the first is not healthy.
    assert records["PRIMARY"]["HealthCheckId"] == {"Ref": "SwitchCheck"}
    assert "HealthCheckId" not in records["SECONDARY"]
    assert records["PRIMARY"]["Name"] == records["SECONDARY"]["Name"]
    check = resources["SwitchCheck"]["Properties"]["HealthCheckConfig"]
    alarm = body(ideal, "database-dr")["Resources"]["DatabaseNameMovedAlarm"]
    assert check["AlarmIdentifier"] == {
        "Name": alarm["Properties"]["AlarmName"],
        "Region": {"Ref": "DrRegion"},
    }
    # Without a value, the name stays where it is; the first time, with the primary.
    assert check["InsufficientDataHealthStatus"] == "LastKnownStatus"
    assert alarm["Properties"]["TreatMissingData"] == "ignore"
    (zone,) = (r for r in resources.values() if r["Type"].endswith("HostedZone"))
    assert [v["VPCRegion"] for v in zone["Properties"]["VPCs"]] == [
        {"Ref": "PrimaryRegion"},
        {"Ref": "DrRegion"},
    ]


def test_a_failover_asks_nothing_of_the_primary_region(ideal: System) -> None:
    assert [p.name for p in ideal.procedures] == [
        *("ready-to-promote", "failover", "release")
    ]
    runbooks = body(ideal, "runbooks")["Resources"]
    for title in ("FailoverRunbook", "ReleaseRunbook"):
        content = runbooks[title]["Properties"]["Content"]
        said = "".join(texts(content))
        assert "PrimaryRegion" not in said
        # A script that names a region is given its own.
        assert ("region_name" in said) is ("DrRegion" in said)
        # Who starts it says in words what it does.
        (argument,) = content["parameters"].values()
        assert argument["allowedValues"] == ["yes"]
    steps = runbooks["FailoverRunbook"]["Properties"]["Content"]["mainSteps"]
    order = [s["name"] for s in steps]
    # Writers come to a database that writes, not to a replica.
    assert order.index("PromoteReplica") < order.index("DatabaseIsAvailable")
    assert order.index("DatabaseIsAvailable") < order.index("PutSwitch")


def test_people_start_runbooks_and_only_these_promote(ideal: System) -> None:
    resources = body(ideal, "operators")["Resources"]

    def allowed(title: str) -> dict[str, dict[str, Any]]:
        found = statements(resources[title]["Properties"]["PolicyDocument"])
        return {s["Sid"]: s for s in found}

    steps = allowed("RunbookPolicy")
    assert steps["PromoteThroughStack"]["Resource"] == [{"Ref": "ReplicaStackId"}]
    instance, *groups = (
        "".join(texts(r)).partition(":${AWS::AccountId}:")[2]
        for r in steps["ChangeInStack"]["Resource"]
    )
    assert instance == "db:sn-${EnvironmentSuffix}-db-dr"
    assert not any(group.startswith("db:") for group in groups)
    start = allowed("StarterPolicy")
    changing = {
        action
        for s in start.values()
        for action in s["Action"]
        if not action.partition(":")[2].startswith(("Describe", "Get"))
    }
    assert changing == {
        *("ssm:StartAutomationExecution", "ssm:StopAutomationExecution"),
        "iam:PassRole",
    }
    roles = {
        title: resources[title]["Properties"]["ManagedPolicyArns"]
        for title in ("OperatorRole", "RunbookRole")
    }
    assert roles == {
        "OperatorRole": [{"Ref": "StarterPolicy"}],
        "RunbookRole": [{"Ref": "RunbookPolicy"}],
    }
    values = ideal.part("operators").parameters
    assert values["OperatorArns"] == "arn:*:iam::*:role/network-oncall"
    assert (values["SecondFactor"], values["SecondFactorBy"]) == ("true", "session_tag")
    for document in every(ideal, "AWS::SSM::Document").values():
        content = document["Properties"]["Content"]
        assert content["assumeRole"] == {"Ref": "RunbookRoleArn"}


@pytest.mark.parametrize(
    ("state", "promoted", "standby"),
    [
        *(("replica", "false", "false"), ("promoted", "true", "false")),
        ("multi_az", "true", "true"),
    ],
)
def test_the_replica_is_promoted_by_a_setting(
    tmp_path: Path, state: str, promoted: str, standby: str
) -> None:
    system = build(tmp_path, {"dr_database": state})
    given = system.part("database-dr").parameters
    assert (given["Promoted"], given["Standby"]) == (promoted, standby)


def test_a_database_for_the_way_back_has_the_name_from_its_first_day(
    tmp_path: Path, ideal: System
) -> None:
    """So that nobody writes into the first one again, whose data are old."""
    endpoint = "PrimaryDatabaseEndpoint"
    first = ideal.part("database-name").parameters[endpoint]
    assert str(first) == "database.DatabaseEndpoint"
    for state, promoted, standby in (
        *(("replica", "false", "false"), ("promoted", "true", "false")),
        ("multi_az", "true", "true"),
    ):
        settings = {"dr_database": "promoted", "primary_database": state}
        system = build(tmp_path, settings)
        part = system.part("database-back")
        assert {t.region for t in part.targets} == {"us-east-1"}
        given = part.parameters
        assert (given["Promoted"], given["Standby"]) == (promoted, standby)
        assert str(given["SourceDatabaseArn"]) == "database-dr.ReplicaArn"
        named = system.part("database-name").parameters[endpoint]
        assert str(named) == "database-back.ReplicaEndpoint"
    # Nothing of it collides with the first one, which stays.
    here, there = (
        {
            "".join(texts(r["Properties"][key]))
            for r in body(system, which)["Resources"].values()
            for key in ("DBInstanceIdentifier", "LogGroupName", "AlarmName")
            if key in r["Properties"]
        }
        for which in ("database-back", "database")
    )
    assert here and not here & there
    assert lint.check(system, tmp_path, processes=1) == []


def test_flow_logs_have_queries_in_each_region(ideal: System) -> None:
    found = every(ideal, "AWS::Logs::QueryDefinition")
    assert {part for part, _ in found} == {"network"} and len(found) == 4
    for query in found.values():
        assert query["Properties"]["LogGroupNames"] == [{"Ref": "FlowLogGroup"}]


def test_each_region_records_and_one_records_global_types(ideal: System) -> None:
    recorder = only(ideal, "audit", "AWS::Config::ConfigurationRecorder")
    assert recorder["RecordingGroup"]["IncludeGlobalResourceTypes"] == {
        "Fn::If": ["IsPrimary", True, False]
    }
    assert len(ideal.part("audit").targets) == 2
    only(ideal, "audit", "AWS::Config::DeliveryChannel")


def test_an_account_that_records_already_keeps_its_recorder(tmp_path: Path) -> None:
    system = build(tmp_path, {}, account_baseline="existing")
    assert not every(
        system, "AWS::Config::ConfigurationRecorder", "AWS::Config::DeliveryChannel"
    )
    assert ("roles", "ConfigRole") not in every(system, "AWS::IAM::Role")
    rules = every(system, "AWS::Config::ConfigRule")
    assert rules and all("DependsOn" not in r for r in rules.values())
    assert every(system, "AWS::CloudTrail::Trail")


def test_the_database_can_be_restored_and_is_guarded(ideal: System) -> None:
    resource = body(ideal, "database")["Resources"]["Database"]
    database = resource["Properties"]
    assert body(ideal, "database")["Parameters"]["BackupDays"]["MinValue"] == 7
    assert database["BackupRetentionPeriod"] == {"Ref": "BackupDays"}
    assert database["StorageEncrypted"] is True
    assert database["PubliclyAccessible"] is False
    assert ideal.part("database").parameters["MultiAz"] == "true"
    assert ideal.part("database").parameters["DeletionProtection"] == "true"
    assert resource["DeletionPolicy"] == "Snapshot"
    (password,) = texts(database["MasterUserPassword"])
    assert password.startswith("{{resolve:secretsmanager:")
    assert "ManageMasterUserPassword" not in database


def test_the_replica_has_what_a_replica_may_have(ideal: System) -> None:
    replica = only(ideal, "database-dr", "AWS::RDS::DBInstance")
    assert replica["SourceDBInstanceIdentifier"] == {
        "Fn::If": ["IsReplica", {"Ref": "SourceDatabaseArn"}, NO_VALUE]
    }
    for kept in ("BackupRetentionPeriod", "PreferredBackupWindow"):
        assert replica[kept]["Fn::If"][:2] == ["IsReplica", NO_VALUE]
    assert replica["MultiAZ"]["Fn::If"][::2] == ["HasStandby", NO_VALUE]
    assert replica["SourceRegion"] == {"Ref": "PrimaryRegion"}
    assert replica["KmsKeyId"] == {"Ref": "KmsKeyArn"}
    assert not {
        *("StorageEncrypted", "MasterUsername", "MasterUserPassword", "DBName"),
        *("DBSnapshotIdentifier", "AllocatedStorage"),
    } & set(replica)
    assert replica["VPCSecurityGroups"] and replica["DBSubnetGroupName"]
    values = ideal.part("database-dr").parameters
    assert values["SourceDatabaseArn"] == Output(
        "database", "DatabaseArn", region="us-east-1"
    )


def test_the_database_logs_exist_before_rds_would_make_them(ideal: System) -> None:
    for part, name in (("database", "Database"), ("database-dr", "Replica")):
        resources = body(ideal, part)["Resources"]
        groups = [
            key for key, r in resources.items() if r["Type"] == "AWS::Logs::LogGroup"
        ]
        assert sorted(resources[name]["DependsOn"]) == sorted(groups)


# --- S001-16, 33: settings -------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vpc_cidr": "10.20.0.1/16"}, "did you mean 10.20.0.0/16"),
        ({"vpc_cidr": "10.20.0.0"}, "give a prefix from /16 to /24"),
        ({"vpc_cidr": "ten"}, "'ten' is not an IPv4 range"),
        ({"vpc_cidr": "8.8.0.0/16"}, "is not private"),
        ({"vpc_cidr": "10.0.0.0/8"}, "/16 to /24"),
        ({"dr_vpc_cidr": "10.20.128.0/17"}, "overlap"),
        ({"dr_vpc_cidr": None}, "dr_vpc_cidr is missing"),
        ({"allowed_cidr": "0.0.0.0/0"}, "allow_public: true"),
        ({"allowed_cidr": "0.0.0.0/1"}, "allow_public: true"),
        ({"subnet_prefix": 29}, "at most 28"),
        ({"vpc_cidr": "10.20.0.0/22"}, None),
        ({"vpc_cidr": "10.20.0.0/22", "subnet_prefix": 24}, "give 26 to 28"),
        ({"log_retention_days": 31}, "31 is not a retention of CloudWatch"),
        ({"zones": 1}, "at least 2"),
        ({"zone_names": {"dr": ["us-west-2a"]}}, "give 2 different zones"),
        ({"database": {"postgres_version": "latest"}}, "not a PostgreSQL version"),
        ({"database": {"instance_class": "t4g.medium"}}, "not an instance class"),
        ({"database": {"backup_days": 0}}, "at least 7"),
        ({"database": {"name": "postgres"}}, "cannot name a database"),
        ({"database": {"storage_gib": 100, "max_storage_gib": 105}}, "at least 110"),
        ({"alert_email": "nobody"}, "not an e-mail address"),
        ({"profil": "ideal"}, "unknown key"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(
    tmp_path: Path, settings: dict[str, Any], message: str | None
) -> None:
    given = {**SETTINGS, **settings}
    if message is None:
        load(tmp_path, given)
        return
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, given)
    assert message in str(caught.value)


def test_the_way_back_needs_somebody_to_follow(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it comes after dr_database: promoted"):
        build(tmp_path, {"primary_database": "replica"})


def test_all_missing_settings_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert "vpc_cidr" in str(caught.value)
    assert "allowed_cidr" in str(caught.value)


def test_a_zone_of_another_region_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BlueprintError, match="'us-east-1a' is not a zone of us-west-2"):
        build(tmp_path, {"zone_names": {"dr": ["us-east-1a", "us-west-2b"]}})


def test_chosen_zones_reach_their_region(tmp_path: Path) -> None:
    system = build(tmp_path, {"zone_names": {"dr": ["us-west-2b", "us-west-2c"]}})
    network = system.part("network")
    here, there = (network.values(t) for t in network.targets)
    assert (there["Zone1"], there["Zone2"]) == ("us-west-2b", "us-west-2c")
    assert "Zone1" not in here


def test_the_internet_is_allowed_only_on_request(tmp_path: Path) -> None:
    system = build(tmp_path, {"allowed_cidr": "0.0.0.0/0", "allow_public": True})
    assert system.part("network").parameters["AllowedCidr"] == "0.0.0.0/0"


def test_the_longest_suffix_and_region_fit_every_name(tmp_path: Path) -> None:
    system = build(
        tmp_path,
        {},
        suffix="a1234567890b",
        regions={"primary": "ap-southeast-1", "dr": "ap-northeast-1"},
    )
    assert system.part("keys").name == "secure-network-a1234567890b-keys"


def test_accounts_have_the_system_each(tmp_path: Path) -> None:
    system = build(tmp_path, {}, accounts=["111111111111", "222222222222"])
    assert len(system.part("network").targets) == 4
    assert len(system.part("roles").targets) == 2


def test_the_page_lists_every_setting_of_the_database_in_order() -> None:
    page = (look.ROOT / "docs" / "secure_network.md").read_text()
    table = re.findall(r"^\| `database\.(\w+)` \|", page, re.MULTILINE)
    assert table == list(Database.model_fields)
