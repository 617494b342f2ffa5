"""What region_migration promises, checked on the templates it makes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tapgen.accounts import roles
from tapgen.config import Config
from tapgen.errors import BlueprintError, ConfigError
from tapgen.model import Output, System
from tapgen.template import schemas
from tests.systems import look
from tests.systems.look import body, every, granted, only, service, statements, texts

HERE, THERE = "us-west-1", "us-west-2"
SETTINGS: dict[str, Any] = {
    "vpc_cidr": "10.30.0.0/16",
    "target_vpc_cidr": "10.31.0.0/16",
    "allowed_cidr": "203.0.113.0/24",
    "allow_http": True,
}
CERTIFICATE = "arn:aws:acm:{}:111111111111:certificate/12ab"
CERTIFICATES = {
    "source": CERTIFICATE.format(HERE),
    "target": CERTIFICATE.format(THERE),
}
KEY = f"arn:aws:kms:{HERE}:111111111111:key/12ab"
EXISTING = {
    "bucket": "my-data",
    "bucket_key_arn": KEY,
    "database_arn": f"arn:aws:rds:{HERE}:111111111111:db:mine",
    "database_key_arn": KEY,
    "database_host": f"mine.abc.{HERE}.rds.amazonaws.com",
    "secret_name": "mine/owner",
    "load_balancer_arn": (
        f"arn:aws:elasticloadbalancing:{HERE}:111111111111:loadbalancer/app/mine/1a2b"
    ),
    "load_balancer_host": f"mine-1.{HERE}.elb.amazonaws.com",
    "load_balancer_zone": "Z368ELLRRE2KJ0",
}


def load(folder: Path, settings: dict[str, Any], **more: Any) -> Config:
    keys = {"regions": {"source": HERE, "target": THERE}, **more}
    return look.load(folder, "region_migration", settings, **keys)


def build(folder: Path, settings: dict[str, Any], **more: Any) -> System:
    return look.built(load(folder, {**SETTINGS, **settings}, **more))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> System:
    return build(tmp_path_factory.mktemp("migration"), {})


@pytest.fixture(scope="module")
def existing(tmp_path_factory: pytest.TempPathFactory) -> System:
    folder = tmp_path_factory.mktemp("existing")
    return build(folder, {"existing": EXISTING, "vpc_cidr": None})


def values(system: System, part: str, region: str) -> dict[str, Any]:
    stack_set = system.part(part)
    (target,) = (t for t in stack_set.targets if t.region == region)
    return dict(stack_set.values(target))


# --- S002-01, 28: the plan of the migration --------------------------------------------


def plan_of(system: System) -> dict[str, Any]:
    parameter = body(system, "operations")["Resources"]["MigrationPlan"]["Properties"]
    text = parameter["Value"]["Fn::Sub"]
    assert len(text) + 12 * text.count("${EnvironmentSuffix}") < 4096
    plan = json.loads(text)
    assert isinstance(plan, dict)
    return plan


def test_the_plan_says_for_each_phase_what_must_hold_before_and_after(
    system: System,
) -> None:
    phases = plan_of(system)["phases"]
    assert [p["phase"] for p in phases] == [
        *("prepare", "sync", "shift", "promote", "decommission")
    ]
    for phase in phases:
        for thing in ("s3", "ec2", "rds"):
            assert phase[thing]["entry"] and phase[thing]["exit"], (phase, thing)
    sync = next(p for p in phases if p["phase"] == "sync")
    assert "batch job complete" in sync["s3"]["exit"]


@pytest.mark.parametrize("which", ["system", "existing"])
def test_the_plan_names_only_alarms_and_parameters_that_exist(
    which: str, request: pytest.FixtureRequest
) -> None:
    system = request.getfixturevalue(which)
    alarms = set()
    for (part, _), alarm in every(system, "AWS::CloudWatch::Alarm").items():
        (text,) = texts(alarm["Properties"]["AlarmName"])
        for role in {"every": ("source", "target")}.get(
            system.part(part).role, (system.part(part).role,)
        ):
            alarms.add(text.replace("${RegionRole}", role))
    for phase in plan_of(system)["phases"]:
        assert set(phase["gates"]) <= alarms, set(phase["gates"]) - alarms
        for turned in phase["turns"]:
            part, _, name = turned.partition(".")
            assert name in body(system, part)["Parameters"], turned


def test_a_standby_is_made_when_writers_wait_no_more(system: System) -> None:
    (promote,) = (p for p in plan_of(system)["phases"] if p["phase"] == "promote")
    turns = promote["turns"]
    assert turns[:2] == ["servers.Writes", "database-target.Promoted"]
    assert turns[-2:] == ["servers.Writes", "database-target.Standby"]


# --- S002-02: DNS ------------------------------------------------------------------------


def test_application_and_database_have_names_that_move_by_weight(
    system: System,
) -> None:
    resources = body(system, "dns")["Resources"]
    for thing, record_type in (("App", "A"), ("Database", "CNAME")):
        pair = [
            resources[f"{thing}{role}"]["Properties"] for role in ("Source", "Target")
        ]
        assert {r["SetIdentifier"] for r in pair} == {"source", "target"}
        assert len({json.dumps(r["Name"]) for r in pair}) == 1
        assert {r["Type"] for r in pair} == {record_type}
        short = {"App": "App", "Database": "Db"}[thing]
        assert [r["Weight"] for r in pair] == [
            {"Ref": f"{short}SourceWeight"},
            {"Ref": f"{short}TargetWeight"},
        ]
    for role in ("Source", "Target"):
        database = resources[f"Database{role}"]["Properties"]
        assert int(database["TTL"]) <= 60
        # A check would send writers to a replica by itself.
        assert "HealthCheckId" not in database
        assert database["ResourceRecords"] == [{"Ref": f"{role}RdsEndpoint"}]
    weights = body(system, "dns")["Parameters"]["DbTargetWeight"]
    assert (weights["MinValue"], weights["MaxValue"]) == (0, 255)


@pytest.mark.parametrize("which", ["system", "existing"])
def test_callers_follow_the_balancers_and_a_switch_in_the_region_they_go_to(
    which: str, request: pytest.FixtureRequest
) -> None:
    """Route 53 asks the load balancers. An alarm on errors ends when traffic has left, and
    then would bring it back: a check may watch only what an operator puts, which is kept
    while nothing comes, and only where a region that is left is not needed."""
    system = request.getfixturevalue(which)
    resources = body(system, "dns")["Resources"]
    alarm = body(system, "runbooks")["Resources"]["RedirectedAlarm"]["Properties"]
    assert alarm["Statistic"] in ("Maximum", "Minimum", "Sum", "Average")
    assert alarm["DatapointsToAlarm"] == alarm["EvaluationPeriods"]
    for role, other in (("Source", "target"), ("Target", "source")):
        record = resources[f"App{role}"]["Properties"]
        assert record["AliasTarget"]["EvaluateTargetHealth"] is True
        assert record["HealthCheckId"] == {"Ref": f"{role}Check"}
        config = resources[f"{role}Check"]["Properties"]["HealthCheckConfig"]
        assert config["InsufficientDataHealthStatus"] == "LastKnownStatus"
        assert config["AlarmIdentifier"] == {
            "Name": {
                "Fn::Sub": alarm["AlarmName"]["Fn::Sub"].replace("${RegionRole}", other)
            },
            "Region": {"Ref": f"{other.title()}Region"},
        }
        # The alarm is there before the check that names it.
        assert "runbooks" in system.part("dns").depends_on
    # Writers never follow: their name moves by weight alone.
    for role in ("Source", "Target"):
        assert "HealthCheckId" not in resources[f"Database{role}"]["Properties"]
    # One runbook in each region puts what its alarm, and so the check, looks at.
    put, wait = steps_of(system, "Redirect")
    assert put["inputs"]["Namespace"] == alarm["Namespace"]
    (data,) = put["inputs"]["MetricData"]
    assert data == {"MetricName": alarm["MetricName"], "Value": alarm["Threshold"]}
    assert wait["inputs"]["AlarmNames"] == [alarm["AlarmName"]]
    (off,) = steps_of(system, "Release")
    given = off["inputs"]["InputPayload"]
    assert given["Region"] == {"Ref": "AWS::Region"}
    assert (given["Namespace"], given["Metric"], given["Alarm"]) == (
        *(alarm["Namespace"], alarm["MetricName"], alarm["AlarmName"]),
    )
    for title in ("Redirect", "Release"):
        document = body(system, "runbooks")["Resources"][f"{title}Runbook"]
        assert "Condition" not in document
    allowed = granted(system, "operations", "MigrationRole")["TurnSwitches"]
    assert allowed["Action"] == ["cloudwatch:PutMetricData"]
    only = {"cloudwatch:namespace": alarm["Namespace"]}
    assert allowed["Condition"] == {"StringEquals": only}


def test_unanswered_requests_ring_also_where_there_are_few(system: System) -> None:
    alarm = body(system, "servers")["Resources"]["BalancerErrorsAlarm"]["Properties"]
    assert alarm["Threshold"] == {"Ref": "LostRequests"}
    for region in (HERE, THERE):
        assert values(system, "servers", region)["LostRequests"] == "1"


def test_the_private_zone_is_seen_by_both_vpcs(system: System) -> None:
    zone = only(system, "dns", "AWS::Route53::HostedZone")
    assert {v["VPCRegion"]["Ref"] for v in zone["VPCs"]} == {
        "SourceRegion",
        "TargetRegion",
    }
    given = values(system, "dns", THERE)
    assert given["SourceVpcId"] == Output("network", "VpcId", region=HERE)
    assert given["TargetVpcId"] == Output("network", "VpcId", region=THERE)


def test_a_public_name_points_at_the_accelerator_for_good(tmp_path: Path) -> None:
    domain = {"domain": "app.example.com", "hosted_zone_id": "Z0123456789"}
    system = build(tmp_path, domain)
    record = body(system, "dns")["Resources"]["PublicName"]
    assert record["Condition"] == "HasDomain"
    alias = record["Properties"]["AliasTarget"]
    assert alias["DNSName"] == {"Ref": "AcceleratorDns"}
    given = values(system, "dns", THERE)
    assert given["DomainName"] == "app.example.com"
    assert given["AcceleratorDns"] == Output(
        "accelerator", "AcceleratorDns", region=THERE
    )


# --- S002-03 … 06: storage ---------------------------------------------------------------


def test_the_target_is_encrypted_with_the_key_of_its_region_and_versioned(
    system: System,
) -> None:
    target = body(system, "storage-target")["Resources"]["TargetBucket"]["Properties"]
    (rule,) = target["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Ref": "KmsKeyArn"},
    }
    assert target["VersioningConfiguration"] == {"Status": "Enabled"}
    key = values(system, "storage-target", THERE)["KmsKeyArn"]
    assert key == Output("keys-target", "KmsKeyArn", region=THERE)


def test_the_replication_role_does_exactly_that(system: System) -> None:
    role = body(system, "roles")["Resources"]["ReplicationRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "s3.amazonaws.com"}
    assert "Condition" not in trust
    found = granted(system, "roles", "ReplicationRole")
    assert {a for s in found.values() for a in s["Action"]} == {
        *("s3:GetReplicationConfiguration", "s3:ListBucket"),
        *("s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication"),
        *("s3:GetObjectVersionTagging", "s3:ReplicateDelete"),
        *("s3:ReplicateObject", "s3:ReplicateTags"),
        *("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"),
    }
    source = only(system, "storage", "AWS::S3::Bucket")["BucketName"]["Fn::Sub"]
    assert f"arn:${{AWS::Partition}}:s3:::{source}" in texts(found)


def test_everything_is_replicated_to_the_target_and_measured(system: System) -> None:
    source = only(system, "storage", "AWS::S3::Bucket")
    configuration = source["ReplicationConfiguration"]
    assert configuration["Role"] == {"Ref": "ReplicationRoleArn"}
    (rule,) = configuration["Rules"]
    assert rule["Status"] == "Enabled" and rule["Filter"] == {"Prefix": ""}
    criteria = rule["SourceSelectionCriteria"]["SseKmsEncryptedObjects"]
    assert criteria == {"Status": "Enabled"}
    assert rule["Destination"]["Metrics"]["Status"] == "Enabled"
    given = values(system, "storage", HERE)
    assert given["TargetBucketArn"] == Output(
        "storage-target", "TargetBucketArn", region=THERE
    )
    assert given["TargetKeyArn"] == Output("keys-target", "KmsKeyArn", region=THERE)


def test_objects_of_the_target_come_back_once_both_buckets_are_there(
    system: System, existing: System
) -> None:
    (found,) = (
        r["Properties"]["ReplicationConfiguration"]["Fn::If"]
        for r in body(system, "storage-target")["Resources"].values()
        if "ReplicationConfiguration" in r.get("Properties", {})
    )
    condition, configuration, _ = found
    (rule,) = configuration["Rules"]
    assert condition == "IsBothWays"
    assert rule["SourceSelectionCriteria"] == {
        "SseKmsEncryptedObjects": {"Status": "Enabled"},
        "ReplicaModifications": {"Status": "Enabled"},
    }
    source = only(system, "storage", "AWS::S3::Bucket")
    named = rule["Destination"]["Bucket"]["Fn::Sub"]
    assert named.endswith(f":::{source['BucketName']['Fn::Sub']}")
    first = system.part("storage-target").at_first["ReverseReplication"]
    assert (first.value, first.until) == ("false", ("storage",))
    assert not existing.part("storage-target").at_first  # its bucket is there
    given = values(existing, "storage-target", THERE)
    assert (given["SourceKeyArn"], given["ReverseReplication"]) == (KEY, "true")


def test_what_was_there_before_can_be_replicated_by_a_batch_job(
    system: System,
) -> None:
    """The job itself is started by a runbook; everything it needs is here."""
    role = body(system, "roles")["Resources"]["BatchRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "batchoperations.s3.amazonaws.com"}
    found = granted(system, "roles", "BatchRole")
    assert {a for s in found.values() for a in s["Action"]} == {
        *("s3:InitiateReplication", "s3:GetReplicationConfiguration"),
        *("s3:PutInventoryConfiguration", "s3:GetObject", "s3:GetObjectVersion"),
        "s3:PutObject",
    }
    (objects,) = texts(found["StartReplication"]["Resource"])
    source = only(system, "storage", "AWS::S3::Bucket")["BucketName"]["Fn::Sub"]
    assert objects == f"arn:${{AWS::Partition}}:s3:::{source}/*"
    (reports,) = texts(found["WriteReports"]["Resource"])
    assert "logs-source" in reports and reports.endswith("/batch/*")
    create = granted(system, "roles", "SyncRole")
    (passed,) = texts(create["PassBatchRole"]["Condition"])
    assert passed == "batchoperations.s3.amazonaws.com"
    assert create["CreateJobWhereNoResourceCanBeNamed"]["Action"] == ["s3:CreateJob"]


# --- S002-07 … 10: servers ---------------------------------------------------------------

COLOURS = ("Blue", "Green")


def servers(system: System) -> dict[str, Any]:
    resources = body(system, "servers")["Resources"]
    assert isinstance(resources, dict)
    return resources


@pytest.mark.parametrize("colour", COLOURS)
def test_servers_start_from_a_guarded_template(system: System, colour: str) -> None:
    data = servers(system)[f"{colour}Template"]["Properties"]["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    (disk,) = data["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True
    assert disk["Ebs"]["KmsKeyId"] == {"Ref": "KmsKeyArn"}
    assert disk["Ebs"]["VolumeType"] == "gp3"
    assert data["ImageId"] == {"Ref": f"{colour}Image"}
    parameter = body(system, "servers")["Parameters"][f"{colour}Image"]
    assert parameter["Type"] == "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"
    assert data["IamInstanceProfile"] == {"Name": {"Ref": "InstanceProfileName"}}
    assert "KeyName" not in data


def test_auto_scaling_may_use_the_key_of_each_region(system: System) -> None:
    for part in ("keys", "keys-target"):
        found = {
            s["Sid"]: s for s in statements(body(system, part)["Resources"]["Key"])
        }
        for sid in ("EncryptDisks", "GrantDisks"):
            equals = found[sid]["Condition"]["StringEquals"]
            (role,) = texts(equals["aws:PrincipalArn"])
            assert role.endswith(
                "autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
            )
            assert equals["kms:CallerAccount"] == {"Ref": "AWS::AccountId"}
        assert found["GrantDisks"]["Condition"]["Bool"] == {
            "kms:GrantIsForAWSResource": "true"
        }


@pytest.mark.parametrize("colour", COLOURS)
def test_target_groups_ask_for_health(system: System, colour: str) -> None:
    group = servers(system)[f"{colour}Targets"]["Properties"]
    assert group["HealthCheckPath"] == {"Ref": "HealthPath"}
    assert group["HealthyThresholdCount"] > 1 and group["UnhealthyThresholdCount"] > 1
    assert group["HealthCheckTimeoutSeconds"] < group["HealthCheckIntervalSeconds"]
    assert group["Matcher"] == {"HttpCode": "200"}
    # A name would stand in the way of its own replacement.
    assert "Name" not in group


@pytest.mark.parametrize("colour", COLOURS)
def test_groups_of_servers_go_by_the_health_the_balancer_sees(
    system: System, colour: str
) -> None:
    resource = servers(system)[f"{colour}Servers"]
    group = resource["Properties"]
    assert group["HealthCheckType"] == "ELB" and group["HealthCheckGracePeriod"] > 0
    assert group["LaunchTemplate"] == {
        "LaunchTemplateId": {"Ref": f"{colour}Template"},
        "Version": {"Fn::GetAtt": [f"{colour}Template", "LatestVersionNumber"]},
    }
    assert group["TargetGroupARNs"] == [{"Ref": f"{colour}Targets"}]
    assert group["VPCZoneIdentifier"] == {"Ref": "PrivateSubnetIds"}
    kind = body(system, "servers")["Parameters"]["PrivateSubnetIds"]["Type"]
    assert kind == "List<AWS::EC2::Subnet::Id>"
    # What scaling has changed must survive the next update.
    assert "DesiredCapacity" not in group
    rolling = resource["UpdatePolicy"]["AutoScalingRollingUpdate"]
    assert rolling["WaitOnResourceSignals"] is True
    data = servers(system)[f"{colour}Template"]["Properties"]["LaunchTemplateData"]
    script, _ = data["UserData"]["Fn::Base64"]["Fn::Sub"]
    assert f"--resource {colour}Servers" in script
    assert "HttpListener" in resource["DependsOn"]


def test_one_listener_forwards_to_both_colours_by_weight(system: System) -> None:
    listener = servers(system)["HttpListener"]["Properties"]
    condition, redirect, forward = listener["DefaultActions"][0]["Fn::If"]
    assert condition == "HasCertificate"
    assert redirect["RedirectConfig"]["Protocol"] == "HTTPS"
    https = servers(system)["HttpsListener"]
    assert https["Condition"] == "HasCertificate"
    assert https["Properties"]["DefaultActions"] == [forward]
    assert "TLS13" in https["Properties"]["SslPolicy"]
    config = forward["ForwardConfig"]
    assert config["TargetGroups"] == [
        {"TargetGroupArn": {"Ref": f"{c}Targets"}, "Weight": {"Ref": f"{c}Weight"}}
        for c in COLOURS
    ]
    assert config["TargetGroupStickinessConfig"]["Enabled"] is True
    weight = body(system, "servers")["Parameters"]["GreenWeight"]
    assert (weight["MinValue"], weight["MaxValue"]) == (0, 999)


def test_each_region_has_its_own_colours_and_weights(tmp_path: Path) -> None:
    target = {"blue_weight": 10, "green_weight": 90, "green_min": 2}
    system = build(tmp_path, {"servers": {"target": target}})
    here, there = (values(system, "servers", region) for region in (HERE, THERE))
    assert (here["BlueWeight"], here["GreenWeight"]) == ("100", "0")
    assert (there["BlueWeight"], there["GreenWeight"]) == ("10", "90")
    assert (here["GreenMinSize"], there["GreenMinSize"]) == ("1", "2")


def test_certificates_belong_to_their_region(tmp_path: Path) -> None:
    given = {"certificate_arns": CERTIFICATES, "allow_http": False}
    system = build(tmp_path, given)
    assert values(system, "servers", THERE)["CertificateArn"] == CERTIFICATES["target"]
    assert values(system, "accelerator", THERE)["Tls"] == "true"
    swapped = {
        "source": CERTIFICATES["target"],
        "target": CERTIFICATES["source"],
    }
    with pytest.raises(BlueprintError, match="takes only certificates of its own"):
        build(tmp_path, {"certificate_arns": swapped})


def test_a_start_script_reaches_the_server_as_it_is_written(tmp_path: Path) -> None:
    script = "echo \"${HOME}\" $(date) 'quoted'\n"
    system = build(tmp_path, {"servers": {"start_script": script}})
    data = servers(system)["BlueTemplate"]["Properties"]["LaunchTemplateData"]
    text, substituted = data["UserData"]["Fn::Base64"]["Fn::Sub"]
    assert set(substituted) == {"Port", "HealthPath"}
    assert "echo \"${!HOME}\" $(date) 'quoted'" in text
    assert set(re.findall(r"\$\{([^!}]+)\}", text)) == {
        *("Port", "HealthPath", "AWS::StackName", "AWS::Region")
    }


# --- S002-11, 12: the accelerator ----------------------------------------------------------


def test_two_regions_are_behind_addresses_that_stay(system: System) -> None:
    accelerator = body(system, "accelerator")
    parameters = accelerator["Parameters"]
    for role in ("Source", "Target"):
        group = accelerator["Resources"][f"{role}Endpoints"]["Properties"]
        assert group["EndpointGroupRegion"] == {"Ref": f"{role}Region"}
        assert group["TrafficDialPercentage"] == {"Ref": f"{role}Dial"}
        dial = parameters[f"{role}Dial"]
        assert (dial["MinValue"], dial["MaxValue"]) == (0, 100)
        assert group["HealthCheckPath"] == {"Ref": "HealthPath"}
        assert group["ThresholdCount"] == 3
        (endpoint,) = group["EndpointConfigurations"]
        assert endpoint["EndpointId"] == {"Ref": f"{role}AlbArn"}
        assert endpoint["ClientIPPreservationEnabled"] is True
    assert "Ipv4Addresses" in texts(accelerator["Outputs"]["AcceleratorIps"])
    assert accelerator["Resources"]["Accelerator"]["DeletionPolicy"].startswith(
        "Retain"
    )
    given = values(system, "accelerator", THERE)
    assert given["TargetAlbArn"] == Output("servers", "AlbArn", region=THERE)
    # Before the migration the target gets no traffic.
    assert (given["SourceDial"], given["TargetDial"]) == ("100", "0")


# --- S002-13 … 15: the database ------------------------------------------------------------


def replica(system: System) -> dict[str, Any]:
    return only(system, "database-target", "AWS::RDS::DBInstance")


@pytest.mark.parametrize("which", ["system", "existing"])
def test_the_target_database_is_a_replica_and_says_no_more_than_one_may(
    which: str, request: pytest.FixtureRequest
) -> None:
    system = request.getfixturevalue(which)
    database = replica(system)
    assert database["SourceRegion"] == {"Ref": "SourceRegion"}
    assert database["KmsKeyId"] == {"Ref": "KmsKeyArn"}
    assert not {
        *("MasterUsername", "MasterUserPassword", "DBName", "StorageEncrypted"),
        *("DBSnapshotIdentifier", "AllocatedStorage", "ManageMasterUserPassword"),
    } & set(database)
    assert database["VPCSecurityGroups"] and database["DBSubnetGroupName"]
    # One instance, which is promoted: a second one beside it would be empty.
    instances = every(system, "AWS::RDS::DBInstance")
    assert [key for key in instances if key[0] == "database-target"] == [
        ("database-target", "Database")
    ]


def test_the_replica_points_at_the_source(system: System, existing: System) -> None:
    here = values(system, "database-target", THERE)["SourceDbArn"]
    assert here == Output("database", "RdsArn", region=HERE)
    there = values(existing, "database-target", THERE)["SourceDbArn"]
    assert there == EXISTING["database_arn"]


def resolved(value: Any, conditions: dict[str, bool]) -> Any:
    """A piece of a template with its conditions decided; None where there is none."""
    match value:
        case {"Fn::If": [name, yes, no]}:
            return resolved(yes if conditions[name] else no, conditions)
        case {"Ref": "AWS::NoValue"}:
            return None
        case dict():
            found = {k: resolved(v, conditions) for k, v in value.items()}
            return {k: v for k, v in found.items() if v is not None}
        case list():
            return [resolved(v, conditions) for v in value]
    return value


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {k for k in {*before, *after} if before.get(k) != after.get(k)}


def test_promotion_takes_away_the_source_brings_backups_and_changes_nothing_else(
    system: System,
) -> None:
    """What PromoteReadReplica takes: there is no time without backups."""
    states = [
        resolved(replica(system), {"IsReplica": is_replica, "HasStandby": standby})
        for is_replica, standby in ((True, False), (False, False), (False, True))
    ]
    assert changed(states[0], states[1]) == {
        "SourceDBInstanceIdentifier",
        *("BackupRetentionPeriod", "PreferredBackupWindow"),
    }
    assert changed(states[1], states[2]) == {"MultiAZ"}
    fixed = schemas.create_only("AWS::RDS::DBInstance")
    for before, after in zip(states, states[1:], strict=False):
        assert not changed(before, after) & fixed


def test_the_two_switches_are_parameters_in_an_order(system: System) -> None:
    template = body(system, "database-target")
    for name in ("Promoted", "Standby"):
        parameter = template["Parameters"][name]
        assert parameter["AllowedValues"] == ["true", "false"]
        assert parameter["Default"] == "false"
    conditions = template["Conditions"]
    assert conditions["IsReplica"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "Promoted"}, "true"]}]
    }
    assert {"Condition": "IsReplica"} in conditions["HasStandby"]["Fn::And"][0][
        "Fn::Not"
    ]
    (rule,) = template["Rules"]["StandbyAfterPromotion"]["Assertions"]
    assert {"Fn::Equals": [{"Ref": "Promoted"}, "true"]} in rule["Assert"]["Fn::Or"]
    # A promoted instance has no lag: the promotion deletes the alarm.
    alarm = template["Resources"]["ReplicaLagAlarm"]
    assert alarm["Condition"] == "IsReplica"
    assert alarm["Properties"]["TreatMissingData"] == "breaching"


def test_the_source_database_refuses_writes_by_a_parameter_that_needs_no_restart(
    system: System,
) -> None:
    groups = every(system, "AWS::RDS::DBParameterGroup")
    name = "default_transaction_read_only"
    fenced = {part for (part, _), g in groups.items() if name in str(g)}
    assert fenced == {"database"}
    (group,) = (g["Properties"] for (part, _), g in groups.items() if part in fenced)
    assert group["Parameters"][name] == {"Fn::If": ["IsReadOnly", "1", "0"]}


def test_the_source_can_have_a_replica(system: System) -> None:
    database = only(system, "database", "AWS::RDS::DBInstance")
    assert database["BackupRetentionPeriod"] == {"Ref": "BackupDays"}
    assert body(system, "database")["Parameters"]["BackupDays"]["MinValue"] >= 1
    assert "ManageMasterUserPassword" not in database


# --- S002-16, 17: who may do what ----------------------------------------------------------


def test_who_migrates_may_read_the_keys_of_snapshots_and_grant_them_to_rds_alone(
    system: System,
) -> None:
    """The key kms:GrantIsForAWSResource is in no request but those for grants."""
    found = granted(system, "operations", "MigrationRole")
    keys = {
        action: s
        for s in found.values()
        for action in s["Action"]
        if action.startswith("kms:")
    }
    assert set(keys) == {"kms:CreateGrant", "kms:DescribeKey"}
    assert set(keys["kms:DescribeKey"]["Condition"]) == {"StringEquals"}
    assert keys["kms:CreateGrant"]["Condition"]["Bool"] == {
        "kms:GrantIsForAWSResource": "true"
    }
    for statement in keys.values():
        assert len(statement["Condition"]["StringEquals"]["kms:ViaService"]) == 2


def test_who_migrates_may_touch_only_what_is_migrated(system: System) -> None:
    found = granted(system, "operations", "MigrationRole")
    for sid, statement in found.items():
        # Metrics are no resources: a condition limits who puts them.
        if "*" in statement["Resource"] and sid != "TurnSwitches":
            assert sid.endswith("WhereNoResourceCanBeNamed"), sid
            reads = all(
                a.split(":")[1].startswith(("Describe", "Get"))
                for a in statement["Action"]
            )
            assert reads, sid
    assert {a for s in found.values() for a in s["Action"]} >= {
        *("rds:PromoteReadReplica", "rds:ModifyDBInstance", "rds:CreateDBSnapshot"),
        *("elasticloadbalancing:ModifyListener", "s3:DescribeJob"),
        *("globalaccelerator:UpdateEndpointGroup", "route53:GetChange"),
        *("route53:ChangeResourceRecordSets", "autoscaling:UpdateAutoScalingGroup"),
        *("autoscaling:StartInstanceRefresh", "ssm:PutParameter", "iam:PassRole"),
    }
    assert found["TurnWeights"]["Resource"] == [
        {"Ref": "SourceListenerArn"},
        {"Ref": "TargetListenerArn"},
    ]
    (promoted,) = texts(found["Promote"]["Resource"])
    identifier = replica(system)["DBInstanceIdentifier"]["Fn::Sub"]
    assert promoted.endswith(f"db:{identifier}") and "${TargetRegion}" in promoted
    (names,) = found["MoveNames"]["Condition"].values()
    allowed = set(texts(names["route53:ChangeResourceRecordSetsNormalizedRecordNames"]))
    assert {n.split(".")[0] for n in allowed} == {"app", "db"}
    groups = set(texts(found["ScaleColours"]["Resource"]))
    assert len(groups) == 4 and all(":autoScalingGroupName/rm-" in g for g in groups)


def test_roles_are_passed_to_one_service_each(system: System) -> None:
    for key, resource in every(system).items():
        for statement in statements(resource):
            if "iam:PassRole" in statement["Action"]:
                assert "iam:PassedToService" in statement["Condition"]["StringEquals"]
                assert "*" not in statement["Resource"], key


def test_each_service_has_a_role_of_its_own(system: System) -> None:
    trusted = [
        service(next(statements(r["Properties"]["AssumeRolePolicyDocument"])))
        for (part, _), r in every(system, "AWS::IAM::Role").items()
        if part == "roles"
    ]
    assert sorted(trusted) == [
        "backup.amazonaws.com",
        "batchoperations.s3.amazonaws.com",
        "ec2.${AWS::URLSuffix}",
        "monitoring.rds.amazonaws.com",
        "s3.amazonaws.com",  # there and back
        "s3.amazonaws.com",
        "ssm.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
    ]


def test_roles_fit_into_what_iam_allows(system: System) -> None:
    for key, role in every(system, "AWS::IAM::Role").items():
        policies = role["Properties"].get("Policies", [])
        text = json.dumps(
            [p["PolicyDocument"] for p in policies], separators=(",", ":")
        )
        assert len(text) < 10_240, key


def test_servers_read_one_secret_and_the_buckets_of_the_migration(
    system: System,
) -> None:
    found = granted(system, "roles", "InstanceRole")
    for role in ("Source", "Target"):
        (secret,) = texts(found[f"ReadSecret{role}"]["Resource"])
        assert f"${{{role}Region}}" in secret
        assert secret.endswith("secret:rm-${EnvironmentSuffix}-db-owner-source-??????")
        assert found[f"ReadSwitch{role}"]["Action"] == ["ssm:GetParameter"]
    assert found["WriteExportsObjects"]["Action"] == [
        "s3:AbortMultipartUpload",
        "s3:PutObject",
    ]


# --- S002-18 … 21: what can be seen --------------------------------------------------------


def test_the_dashboard_shows_the_metrics_of_this_system(system: System) -> None:
    text = only(system, "observability", "AWS::CloudWatch::Dashboard")["DashboardBody"]
    widgets = json.loads(text["Fn::Sub"])["widgets"]
    assert all(w["properties"]["region"] for w in widgets)
    shown = {m[1]: m for w in widgets for m in w["properties"]["metrics"]}
    assert set(shown) >= {
        *("ReplicaLag", "HealthyHostCount", "UnHealthyHostCount"),
        *("BytesPendingReplication", "OperationsFailedReplication", "CPUUtilization"),
    }
    lag = shown["ReplicaLag"]
    assert lag[3] == replica(system)["DBInstanceIdentifier"]["Fn::Sub"]
    source = only(system, "storage", "AWS::S3::Bucket")["BucketName"]["Fn::Sub"]
    assert source in shown["BytesPendingReplication"]
    fleet = servers(system)["GreenServers"]["Properties"]["AutoScalingGroupName"]
    assert fleet["Fn::Sub"] in shown["CPUUtilization"]


def test_the_five_metrics_are_watched_where_they_are_published(system: System) -> None:
    where = {
        (r["Properties"]["MetricName"], r["Properties"]["Namespace"]): part
        for (part, _), r in every(system, "AWS::CloudWatch::Alarm").items()
        if isinstance(r["Properties"]["Namespace"], str)
    }
    assert where[("ReplicaLag", "AWS/RDS")] == "database-target"
    assert where[("UnHealthyHostCount", "AWS/ApplicationELB")] == "servers"
    assert where[("CPUUtilization", "AWS/EC2")] == "servers"
    assert where[("FreeStorageSpace", "AWS/RDS")] in ("database", "database-target")
    assert where[("OperationsFailedReplication", "AWS/S3")] == "storage"
    assert where[("NumberOfCopyJobsFailed", "AWS/Backup")] == "backups"


def test_unhealthy_servers_are_counted_for_each_colour(system: System) -> None:
    for colour in COLOURS:
        alarm = servers(system)[f"{colour}UnhealthyAlarm"]["Properties"]
        dimensions = {d["Name"]: d["Value"] for d in alarm["Dimensions"]}
        assert dimensions == {
            "TargetGroup": {"Fn::GetAtt": [f"{colour}Targets", "TargetGroupFullName"]},
            "LoadBalancer": {"Fn::GetAtt": ["LoadBalancer", "LoadBalancerFullName"]},
        }


def test_every_log_group_is_encrypted_and_expires(system: System) -> None:
    groups = every(system, "AWS::Logs::LogGroup")
    assert {part for part, _ in groups} == {
        *("network", "database", "database-target", "observability")
    }
    for group in groups.values():
        assert group["Properties"]["KmsKeyId"] == {"Ref": "KmsKeyArn"}
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_metrics_are_published(system: System) -> None:
    for colour in COLOURS:
        group = servers(system)[f"{colour}Servers"]["Properties"]
        assert group["MetricsCollection"] == [{"Granularity": "1Minute"}]
    for part in ("database", "database-target"):
        database = only(system, part, "AWS::RDS::DBInstance")
        assert database["MonitoringInterval"] > 0
        assert database["MonitoringRoleArn"] == {"Ref": "MonitoringRoleArn"}
    assert ("observability", "AppErrors") in every(system, "AWS::Logs::MetricFilter")


# --- S002-22 … 24: backups -----------------------------------------------------------------


def test_the_backup_bucket_is_versioned_aged_and_emptied(system: System) -> None:
    bucket = body(system, "storage-target")["Resources"]["BackupBucket"]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert {"Key": "Purpose", "Value": "backup"} in bucket["Tags"]
    rules = {r["Id"]: r for r in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["current-versions"]["Transitions"] == [
        {"StorageClass": "STANDARD_IA", "TransitionInDays": 30},
        {"StorageClass": "GLACIER", "TransitionInDays": 90},
    ]
    assert rules["current-versions"]["ExpirationInDays"] == {"Ref": "BackupBucketDays"}
    assert "NoncurrentVersionExpiration" in rules["old-versions"]
    assert "AbortIncompleteMultipartUpload" in rules["old-versions"]


def test_backups_are_retained_and_copied_to_the_other_region(system: System) -> None:
    plan = only(system, "backups", "AWS::Backup::BackupPlan")["BackupPlan"]
    (rule,) = plan["BackupPlanRule"]
    assert rule["Lifecycle"]["DeleteAfterDays"] == {"Ref": "BackupRetentionDays"}
    (copy,) = rule["CopyActions"]
    assert copy["DestinationBackupVaultArn"] == {"Ref": "OtherVaultArn"}
    assert copy["Lifecycle"]["DeleteAfterDays"] == {"Ref": "CopyRetentionDays"}
    for here, there in ((HERE, THERE), (THERE, HERE)):
        given = values(system, "backups", here)
        assert given["OtherVaultArn"] == Output("vaults", "VaultArn", region=there)
    vault = only(system, "vaults", "AWS::Backup::BackupVault")
    assert vault["EncryptionKeyArn"] == {"Ref": "KmsKeyArn"}


def test_backups_begin_when_the_databases_let_them(system: System) -> None:
    """RDS begins none in a window of its own, nor in the hour before."""
    plan = only(system, "backups", "AWS::Backup::BackupPlan")["BackupPlan"]
    (rule,) = plan["BackupPlanRule"]
    found = re.fullmatch(r"cron\(0 (\d+) \* \* \? \*\)", rule["ScheduleExpression"])
    assert found
    begins = int(found[1]) * 60
    ends = begins + rule["StartWindowMinutes"]
    for part in ("database", "database-target"):
        database = resolved(
            only(system, part, "AWS::RDS::DBInstance"),
            {"IsReplica": False, "HasStandby": True},
        )
        for window in ("PreferredBackupWindow", "PreferredMaintenanceWindow"):
            times = re.findall(r"(\d\d):(\d\d)", database[window])
            first, last = (int(hours) * 60 + int(minutes) for hours, minutes in times)
            assert ends <= first - 60 or begins >= last, (part, window)


def test_buckets_servers_and_databases_carry_the_tag_that_is_backed_up(
    system: System,
) -> None:
    chosen = only(system, "backups", "AWS::Backup::BackupSelection")
    (tag,) = chosen["BackupSelection"]["ListOfTags"]
    wanted = {"Key": tag["ConditionKey"], "Value": tag["ConditionValue"]}
    for part, name in (
        ("storage", "DataBucket"),
        ("storage-target", "TargetBucket"),
        ("database", "Database"),
        ("database-target", "Database"),
    ):
        assert wanted in body(system, part)["Resources"][name]["Properties"]["Tags"]
    for colour in COLOURS:
        data = servers(system)[f"{colour}Template"]["Properties"]["LaunchTemplateData"]
        tagged = {t["ResourceType"]: t["Tags"] for t in data["TagSpecifications"]}
        assert wanted in tagged["instance"]
        # A disk is saved with its instance already.
        assert wanted not in tagged["volume"]
    role = body(system, "roles")["Resources"]["BackupRole"]["Properties"]
    managed = " ".join(texts(role["ManagedPolicyArns"]))
    assert "AWSBackupServiceRolePolicyForBackup" in managed
    assert "AWSBackupServiceRolePolicyForS3Backup" in managed
    # A server is restored with its instance profile only by who may pass its role.
    (passing,) = granted(system, "roles", "BackupRole").values()
    assert passing["Action"] == ["iam:PassRole"]
    assert passing["Resource"] == [{"Fn::GetAtt": ["InstanceRole", "Arn"]}]
    assert [*texts(passing["Condition"])] == ["ec2.${AWS::URLSuffix}"]


# --- S002-25 … 27: outputs and secrets -----------------------------------------------------


def test_the_outputs_are_there(system: System) -> None:
    outputs = {
        name
        for s in system.stack_sets
        for name in json.loads(s.template).get("Outputs", {})
    }
    assert outputs >= {
        *("TargetBucketName", "RdsEndpoint", "RdsArn", "AsgName", "KmsKeyArn"),
        *("AlbDns", "AlbZone", "AlbFullName", "BlueTgArn", "GreenTgArn"),
        *("AcceleratorIps", "AcceleratorDns", "VaultArn", "DashboardName"),
        *("SecretArn", "BatchRoleArn", "MigrationRoleArn"),
    }


def test_nobody_writes_down_a_password(system: System) -> None:
    for key, database in every(system, "AWS::RDS::DBInstance").items():
        password = database["Properties"].get("MasterUserPassword")
        assert key[0] == "database" or password is None, key
        for text in texts(password):
            assert text.startswith("{{resolve:secretsmanager:")
    secret = only(system, "secret", "AWS::SecretsManager::Secret")
    assert secret["GenerateSecretString"]["PasswordLength"] >= 30


def test_the_secret_survives_and_has_a_copy_beside_the_database(
    system: System,
) -> None:
    secret = only(system, "secret", "AWS::SecretsManager::Secret")
    assert secret["ReplicaRegions"] == [
        {"Region": {"Ref": "SourceRegion"}, "KmsKeyId": {"Ref": "SourceKeyArn"}}
    ]
    key = values(system, "secret", THERE)["SourceKeyArn"]
    assert key == Output("keys", "KmsKeyArn", region=HERE)
    # The database reads the copy, by its name, once it is there.
    assert "secret" in system.part("database").depends_on
    password = only(system, "database", "AWS::RDS::DBInstance")["MasterUserPassword"]
    assert secret["Name"]["Fn::Sub"] in password["Fn::Sub"]


def test_writers_can_be_paused_in_each_region(tmp_path: Path, system: System) -> None:
    switch = servers(system)["WriteSwitch"]["Properties"]
    assert switch["Value"] == {"Ref": "Writes"}
    assert values(system, "servers", HERE)["Writes"] == "allowed"
    # Until the promotion the replica is read-only anyway.
    assert values(system, "servers", THERE)["Writes"] == "paused"
    paused = build(tmp_path, {"traffic": {"source_writes": "paused"}})
    assert values(paused, "servers", HERE)["Writes"] == "paused"


# --- runbooks -----------------------------------------------------------------------------


def steps_of(system: System, title: str) -> list[dict[str, Any]]:
    document = body(system, "runbooks")["Resources"][f"{title}Runbook"]["Properties"]
    assert document["DocumentType"] == "Automation"
    steps = document["Content"]["mainSteps"]
    assert isinstance(steps, list)
    return steps


def test_a_runbook_replicates_what_was_there_before(system: System) -> None:
    start, wait, ended, check = steps_of(system, "Sync")
    job = start["inputs"]
    assert (job["Service"], job["Api"]) == ("s3control", "CreateJob")
    assert job["Operation"] == {"S3ReplicateObject": {}}
    generator = job["ManifestGenerator"]["S3JobManifestGenerator"]
    assert generator["Filter"] == {
        "EligibleForReplication": True,
        "ObjectReplicationStatuses": ["NONE", "FAILED"],
    }
    assert job["RoleArn"] == {"Ref": "BatchRoleArn"}
    # The report goes where the role of the job may write.
    (written,) = texts(
        granted(system, "roles", "BatchRole")["WriteReports"]["Resource"]
    )
    bucket = job["Report"]["Bucket"]["Fn::Sub"]
    assert written == f"{bucket}/{job['Report']['Prefix']}/*"
    # Longer than a session of the caller lasts, so the runbook has a role of its own.
    assert wait["timeoutSeconds"] > 12 * 3600
    document = body(system, "runbooks")["Resources"]["SyncRunbook"]["Properties"]
    assert document["Content"]["assumeRole"] == {"Ref": "SyncRoleArn"}
    # A job that failed is not waited for until the time is up.
    assert set(wait["inputs"]["DesiredValues"]) == {"Complete", "Failed", "Cancelled"}
    assert ended["action"] == "aws:assertAwsResourceProperty"
    assert ended["inputs"]["DesiredValues"] == ["Complete"]
    assert ended["inputs"]["PropertySelector"] == wait["inputs"]["PropertySelector"]
    assert check["inputs"]["DesiredValues"] == ["0"]
    jobs = {step["inputs"]["JobId"] for step in (wait, ended, check)}
    assert jobs == {"{{ StartJob.JobId }}"}


def test_a_runbook_stops_before_a_promotion_that_would_lose_something(
    system: System,
) -> None:
    steps = steps_of(system, "ReadyToPromote")
    apis = [step["inputs"].get("Api") for step in steps]
    at = apis.index("CreateDBSnapshot")
    alarm = body(system, "database-target")["Resources"]["ReplicaLagAlarm"]
    before, after = steps[:at], steps[at + 1 :]
    for some in (before, after):
        (lag,) = (s for s in some if s["inputs"].get("Service") == "cloudwatch")
        assert lag["action"] == "aws:assertAwsResourceProperty"
        assert lag["inputs"]["AlarmNames"] == [alarm["Properties"]["AlarmName"]]
        assert lag["inputs"]["DesiredValues"] == ["OK"]
        # The lag of an idle source grows: the slot says what was not received.
        (slot,) = (s for s in some if s["action"] == "aws:executeScript")
        assert "OldestReplicationSlotLag" in slot["inputs"]["Script"]
        source = "".join(texts(slot["inputs"]["InputPayload"]["Source"]))
        assert source.endswith(":db:rm-${EnvironmentSuffix}-db-source")
    identifier = replica(system)["DBInstanceIdentifier"]
    assert steps[at]["inputs"]["DBInstanceIdentifier"] == identifier
    # RDS promotes no instance that is backed up: wait for the snapshot, then for it.
    waits = {s["inputs"].get("Api"): s for s in after if "wait" in s["action"]}
    assert set(waits) == {"DescribeDBSnapshots", "DescribeDBInstances"}
    for wait in waits.values():
        assert wait["inputs"]["DesiredValues"] == ["available"]
        assert wait["timeoutSeconds"] >= 12 * 3600
    snapshot = steps[at]["inputs"]["DBSnapshotIdentifier"]
    asked = waits["DescribeDBSnapshots"]["inputs"]["DBSnapshotIdentifier"]
    assert asked == snapshot


def test_runbooks_turn_the_switch_that_the_application_reads(system: System) -> None:
    switch = servers(system)["WriteSwitch"]["Properties"]["Name"]
    for title, value in (("PauseWrites", "paused"), ("ResumeWrites", "allowed")):
        turn, check = steps_of(system, title)
        assert (turn["inputs"]["Name"], turn["inputs"]["Value"]) == (switch, value)
        assert check["inputs"]["DesiredValues"] == [value]


@pytest.mark.parametrize("which", ["system", "existing"])
def test_who_migrates_may_start_exactly_the_runbooks_there_are(
    which: str, request: pytest.FixtureRequest
) -> None:
    system = request.getfixturevalue(which)
    conditions = {"IsSource": ("source",), "IsTarget": ("target",)}
    documents = {
        (f"${{{role.title()}Region}}", text.replace("${RegionRole}", role))
        for r in every(system, "AWS::SSM::Document").values()
        for text in texts(r["Properties"]["Name"])
        for role in conditions.get(r.get("Condition", ""), ("source", "target"))
    }
    allowed = texts(
        granted(system, "operations", "MigrationRole")["StartRunbooks"]["Resource"]
    )
    pattern = r":ssm:(\$\{\w+\}):.*:automation-definition/(.*):\*$"
    found = {m.groups() for text in allowed if (m := re.search(pattern, text))}
    assert found == documents


# --- networks -------------------------------------------------------------------------------


def test_each_tier_is_reached_only_from_the_one_before(system: System) -> None:
    chain = {
        (
            r["Properties"]["GroupId"]["Fn::GetAtt"][0],
            r["Properties"]["SourceSecurityGroupId"]["Fn::GetAtt"][0],
        )
        for (part, _), r in every(system, "AWS::EC2::SecurityGroupIngress").items()
        if part == "network" and "CidrIp" not in r["Properties"]
    }
    assert chain == {
        ("DatabaseSecurityGroup", "ServerSecurityGroup"),
        ("ServerSecurityGroup", "BalancerSecurityGroup"),
    }
    groups = body(system, "network")["Resources"]
    inline = groups["BalancerSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert {r["FromPort"] for r in inline} == {80, 443}
    assert all(r["CidrIp"] == {"Ref": "AllowedCidr"} for r in inline)
    (nowhere,) = groups["DatabaseSecurityGroup"]["Properties"]["SecurityGroupEgress"]
    assert nowhere["CidrIp"] == "127.0.0.1/32"


def open_ports(system: System, part: str) -> dict[str, set[int]]:
    """Address range that a part lets into the balancer -> ports."""
    found: dict[str, set[int]] = {}
    for (where, _), r in every(system, "AWS::EC2::SecurityGroupIngress").items():
        rule = r["Properties"]
        if where == part and "Balancer" in str(rule["GroupId"]):
            found.setdefault(json.dumps(rule["CidrIp"]), set()).add(rule["FromPort"])
    return found


@pytest.mark.parametrize("which", ["system", "existing"])
def test_servers_reach_the_application_under_its_private_name(
    which: str, request: pytest.FixtureRequest
) -> None:
    """It leads to the public addresses of a balancer: out by a NAT gateway."""
    system = request.getfixturevalue(which)
    template = body(system, "network")
    addresses = [
        k for k, r in template["Resources"].items() if r["Type"] == "AWS::EC2::EIP"
    ]
    assert len(addresses) == 2
    assert open_ports(system, "network") == {
        json.dumps({"Fn::Sub": f"${{{a}}}/32"}): {80, 443} for a in addresses
    }
    assert template["Outputs"]["NatAddresses"]["Value"] == {
        "Fn::Join": [",", [{"Ref": a} for a in addresses]]
    }
    group = template["Resources"]["ServerSecurityGroup"]["Properties"]
    # Without certificates a balancer listens on port 80 alone.
    for tls, ports in ((True, {443, 5432}), (False, {80, 443, 5432})):
        egress = resolved(group["SecurityGroupEgress"], {"HasTls": tls})
        assert {r["FromPort"] for r in egress if r} == ports
    assert values(system, "network", THERE)["Tls"] == "false"


def test_each_region_lets_in_the_other_ones_servers(
    tmp_path: Path, system: System
) -> None:
    found = open_ports(system, "routes")
    assert [json.loads(cidr)["Fn::Join"][1][0]["Fn::Select"] for cidr in found] == [
        [number, {"Ref": "PeerNatAddresses"}] for number in (0, 1)
    ]
    assert set(map(frozenset, found.values())) == {frozenset({80, 443})}
    for region, other in ((HERE, THERE), (THERE, HERE)):
        given = values(system, "routes", region)
        assert given["PeerNatAddresses"] == Output(
            "network", "NatAddresses", region=other
        )
        assert given["BalancerSecurityGroupId"] == Output(
            "network", "BalancerSecurityGroupId"
        )
    wide = build(tmp_path, {"zones": 3, "certificate_arns": CERTIFICATES})
    assert len(open_ports(wide, "routes")) == 3
    assert values(wide, "network", HERE)["Tls"] == "true"


def test_servers_reach_the_database_of_either_region(system: System) -> None:
    """The name of the database moves; all clients must reach both databases."""
    resources = body(system, "routes")["Resources"]
    ways = [
        r["Properties"] for r in resources.values() if r["Type"] == "AWS::EC2::Route"
    ]
    assert len(ways) == 3  # of two private route tables and the isolated one
    for way in ways:
        assert way["DestinationCidrBlock"] == {"Ref": "PeerCidr"}
        assert way["VpcPeeringConnectionId"] == {"Ref": "PeeringId"}
    out, into = resources["ServerPeer"], resources["DatabasePeer"]
    assert out["Type"] == "AWS::EC2::SecurityGroupEgress"
    assert into["Type"] == "AWS::EC2::SecurityGroupIngress"
    for rule in (out, into):
        assert rule["Properties"]["FromPort"] == rule["Properties"]["ToPort"] == 5432
        assert rule["Properties"]["CidrIp"] == {"Ref": "PeerCidr"}
    for region, other in ((HERE, "10.31.0.0/16"), (THERE, "10.30.0.0/16")):
        assert values(system, "routes", region)["PeerCidr"] == other
    peering = only(system, "peering", "AWS::EC2::VPCPeeringConnection")
    assert peering["PeerRegion"] == {"Ref": "TargetRegion"}


# --- a source that is there already ---------------------------------------------------------


def test_an_existing_source_gets_nothing_it_has_already(existing: System) -> None:
    here = {
        (part, r["Type"])
        for (part, _), r in every(existing).items()
        if any(t.region == HERE for t in existing.part(part).targets)
    }
    types = {type_name for _, type_name in here}
    assert not {t for t in types if t.startswith(("AWS::EC2", "AWS::RDS"))}
    assert "AWS::ElasticLoadBalancingV2::LoadBalancer" not in types
    buckets = {part for part, t in here if t == "AWS::S3::Bucket"}
    assert buckets == {"logs"}
    # S3 publishes failures where objects come from, and the lag where they go.
    alarms = body(existing, "storage")["Resources"]
    for title, role in (
        ("ReplicationFailedAlarm", "SourceBucket"),
        ("ReplicationLatencyAlarm", "DestinationBucket"),
    ):
        found = alarms[title]["Properties"]["Dimensions"]
        dimensions = {d["Name"]: d["Value"] for d in found}
        assert dimensions[role] == {"Ref": "SourceBucketName"}


def test_an_existing_source_is_wired_in_by_its_names(existing: System) -> None:
    given = values(existing, "accelerator", THERE)
    assert given["SourceAlbArn"] == EXISTING["load_balancer_arn"]
    records = values(existing, "dns", THERE)
    assert records["SourceRdsEndpoint"] == EXISTING["database_host"]
    role = values(existing, "roles", THERE)
    assert role["SourceBucketName"] == "my-data"
    assert role["SourceKeyArn"] == KEY
    named = set(texts(granted(existing, "roles", "ReplicationRole")))
    assert "arn:${AWS::Partition}:s3:::${SourceBucketName}/*" in named


def test_the_database_that_is_there_may_be_replicated_and_nothing_else_of_it(
    existing: System, system: System
) -> None:
    (permission,) = existing.permissions
    assert permission.action == "rds:CreateDBInstanceReadReplica"
    assert permission.resource == EXISTING["database_arn"]
    assert system.permissions == ()
    role = json.loads(roles.files(existing, "rm")["bootstrap/region_migration.json"])
    allowed = {s["Sid"]: s for s in statements(role)}["MadeElsewhere1"]
    assert allowed["Action"] == ["rds:CreateDBInstanceReadReplica"]
    assert allowed["Resource"] == [EXISTING["database_arn"]]
    # The plan asks what it is like, by the operator role.
    read = {s["Sid"]: s for s in statements(role)}["SourcesOfReplicas"]
    assert read["Action"] == ["rds:DescribeDBInstances"]
    assert read["Resource"] == [EXISTING["database_arn"]]


def test_servers_decrypt_the_copy_of_the_secret_with_its_own_key(
    tmp_path: Path, existing: System, system: System
) -> None:
    found = granted(existing, "roles", "InstanceRole")["DecryptSecretTarget"]
    assert found["Resource"] == [{"Ref": "SecretKeyArn"}]
    # Without one it is the system's key, or Secrets Manager's own, which needs no
    # permission.
    given = values(existing, "roles", THERE)["SecretKeyArn"]
    assert given == Output("keys-target", "KmsKeyArn", region=THERE)
    mine = KEY.replace(HERE, THERE)
    named = {"existing": {**EXISTING, "secret_key_arn": mine}, "vpc_cidr": None}
    assert values(build(tmp_path, named), "roles", THERE)["SecretKeyArn"] == mine
    found = granted(system, "roles", "InstanceRole")["DecryptSecretTarget"]
    assert found["Resource"] == [{"Ref": "TargetKeyArn"}]
    named["existing"]["secret_key_arn"] = KEY
    with pytest.raises(BlueprintError, match=f"secret_key_arn: .* is in {HERE}; "):
        build(tmp_path, named)


def test_cfn_lint_has_nothing_to_say(existing: System, tmp_path: Path) -> None:
    domain = {"domain": "app.example.com", "hosted_zone_id": "Z0123456789"}
    named = build(tmp_path, {**domain, "certificate_arns": CERTIFICATES})
    assert look.found_by_lint(existing, named) == []


def test_lint_says_that_a_region_has_no_third_zone(tmp_path: Path) -> None:
    found = look.found_by_lint(build(tmp_path, {"zones": 3}))
    assert {f.rule for f in found} == {"E9601"}


# --- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vpc_cidr": None}, "vpc_cidr is missing"),
        ({"target_vpc_cidr": "10.30.128.0/17"}, "overlap"),
        ({"allowed_cidr": "0.0.0.0/0"}, "allow_public: true"),
        ({"allow_http": False}, "or set allow_http: true"),
        ({"certificate_arns": {"source": CERTIFICATES["source"]}}, "source, target"),
        ({"certificate_arns": {"source": "mine"}}, "not a certificate's ARN"),
        ({"domain": "app.example.com"}, "give both or neither"),
        ({"existing": EXISTING}, "vpc_cidr has no effect"),
        ({"existing": {**EXISTING, "database_arn": "mine"}}, "not a database's ARN"),
        ({"existing": {**EXISTING, "secret_key_arn": "mine"}}, "not the ARN of a key"),
        ({"traffic": {"source_dial": 0}}, "both 0"),
        ({"traffic": {"source_dial": 101}}, "at most 100"),
        ({"traffic": {"db_target_weight": 100}}, "promotion.promoted: true first"),
        # A promoted replica beside a source that takes writes: two masters.
        ({"promotion": {"promoted": True}}, "source_writes is allowed, but db_source"),
        (
            {
                "promotion": {"promoted": True},
                "traffic": {"db_target_weight": 100, "source_writes": "paused"}
                | {"app_source_weight": 0, "source_dial": 0, "target_dial": 100}
                | {"app_target_weight": 100, "target_writes": "allowed"},
            },
            "target_writes is allowed, but db_source_weight 100",
        ),
        # Users where they cannot write, while others can.
        ({"traffic": {"target_dial": 50}}, "set target_dial: 0, or target_writes"),
        ({"traffic": {"app_target_weight": 1}}, "traffic.app_target_weight 1 sends"),
        (
            {"traffic": {"source_writes": "paused", "target_writes": "allowed"}},
            "traffic.source_dial 100 sends users to servers whose writes are paused",
        ),
        ({"servers": {"source": {"green_min": 0}}}, "at least 1"),
        ({"servers": {"target": {"blue_min": 0}}}, "at least 1"),
        ({"promotion": {"standby": True}}, "set promoted: true first"),
        ({"servers": {"instance_type": "t4g.small"}}, "is not offered"),
        ({"servers": {"health_path": "health"}}, "not a path such as /health"),
        ({"servers": {"target": {"blue_min": 6}}}, "leaves no room for an update"),
        ({"servers": {"source": {"blue_weight": 0}}}, "no server gets requests"),
        ({"servers": {"start_script": "x" * 9000}}, "8192 are allowed"),
        ({"servers": {"start_script": "END_OF_SCRIPT"}}, "remove it"),
        ({"backups": {"bucket_days": 30}}, "at least 120"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build(tmp_path, settings)
    assert message in str(caught.value)


def test_a_migration_that_is_done_may_say_so(tmp_path: Path) -> None:
    done = {
        "promotion": {"promoted": True, "standby": True},
        "traffic": {
            "source_dial": 0,
            "target_dial": 100,
            "app_source_weight": 0,
            "app_target_weight": 100,
            "db_source_weight": 0,
            "db_target_weight": 100,
            "source_writes": "paused",
            "target_writes": "allowed",
        },
    }
    system = build(tmp_path, done)
    given = values(system, "database-target", THERE)
    assert (given["Promoted"], given["Standby"]) == ("true", "true")
    assert values(system, "accelerator", THERE)["TargetDial"] == "100"
