"""What payments_dr promises, checked on the templates it makes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from itertools import permutations
from typing import Any

import pytest
from pydantic import ValidationError

from tapgen import plan
from tapgen.blueprints.payments_dr.settings import Settings
from tapgen.errors import BlueprintError
from tapgen.knowledge import consistency
from tapgen.model import Action, Output, System
from tapgen.template import evaluate, schemas
from tests.systems import look
from tests.systems.look import body, every, granted, only, service, statements, texts

BOTH = ("primary", "dr")
UNGUESSED = {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
DOMAIN = {"name": "pay.example.com", "hosted_zone_id": "Z0123456789ABCDEFGHIJ"}


def built(**changes: Any) -> System:
    """The shipped system, with other settings or other keys of the file."""
    keys = {k: changes.pop(k) for k in ("account_baseline", "tags") if k in changes}
    return look.shipped("payments_dr", settings=changes, **keys)


@pytest.fixture(scope="module")
def system() -> System:
    return built()


@pytest.fixture(scope="module")
def named() -> System:
    return built(domain=DOMAIN)


def part_of(system: System, part: str, *types: str) -> dict[str, dict[str, Any]]:
    """Logical id -> properties of the resources of some types in a part."""
    found = every(system, *types).items()
    return {title: r["Properties"] for (p, title), r in found if p == part}


def arns(statement: Mapping[str, Any]) -> list[str]:
    return ["".join(texts(resource)) for resource in statement["Resource"]]


def trust(system: System, title: str) -> dict[str, Any]:
    role = body(system, "operators")["Resources"][title]["Properties"]
    (found,) = statements(role["AssumeRolePolicyDocument"])
    return found


# --- S004-01, 02, 34, 73: where things are -------------------------------------------


def test_it_is_in_two_regions_which_a_file_can_change(system: System) -> None:
    assert dict(system.regions) == {"primary": "us-east-1", "dr": "us-east-2"}
    for stack_set in system.stack_sets:
        regions = {t.region for t in stack_set.targets}
        if stack_set.role == "every":
            assert regions == set(system.regions.values()), stack_set.part
        else:
            role = "dr" if stack_set.role == "dr" else "primary"
            assert regions == {system.regions[role]}, stack_set.part
    staging = look.shipped("payments_dr", "staging")
    assert staging.regions["dr"] == "us-west-2"


def test_both_regions_have_a_part_of_everything_a_failover_needs(
    system: System,
) -> None:
    spread = {s.part for s in system.stack_sets if s.role == "every"}
    assert spread >= {"app", "network", "messages", "observe", "drills", "logs"}
    parts = {s.part for s in system.stack_sets}
    pairs = ("keys", "storage", "database", "backup")
    assert parts >= {p for part in pairs for p in (part, f"{part}-dr")}


def test_one_template_serves_both_regions(system: System) -> None:
    app = system.part("app")
    values = [app.values(target) for target in app.targets]
    assert len(app.targets) == 2
    differing = {k for k in values[0] if values[0][k] != values[1][k]}
    assert differing == {"RegionRole", "KmsKeyArn", "BucketName"}


def test_a_failover_needs_no_stack_and_no_record_to_be_changed(system: System) -> None:
    forbidden = {"cloudformation", "route53"}
    for title in part_of(system, "drills", "AWS::SSM::Document"):
        called = {step["inputs"].get("Service") for step in _steps(system, title)}
        assert not called & forbidden, title


# --- S004-03 … 07, 23, 56, 58, 59: the database --------------------------------------


def test_the_global_database_is_created_once_around_the_primary_cluster(
    system: System,
) -> None:
    found = every(system, "AWS::RDS::GlobalCluster")
    assert {part for part, _ in found} == {"database"}
    cluster = only(system, "database", "AWS::RDS::GlobalCluster")
    assert cluster["SourceDBClusterIdentifier"] == {
        "Fn::GetAtt": ["Cluster", "DBClusterArn"]
    }
    assert not {"Engine", "EngineVersion", "StorageEncrypted"} & set(cluster)
    assert "${EnvironmentSuffix}" in "".join(texts(cluster["GlobalClusterIdentifier"]))


def test_the_primary_cluster_takes_its_password_from_a_replicated_secret(
    system: System,
) -> None:
    cluster = only(system, "database", "AWS::RDS::DBCluster")
    assert cluster["StorageEncrypted"] is True
    assert cluster["DeletionProtection"] == {"Ref": "DeletionProtection"}
    for name in ("MasterUsername", "MasterUserPassword"):
        assert "{{resolve:secretsmanager:" in cluster[name]["Fn::Sub"]
    assert "GlobalClusterIdentifier" not in cluster
    secret = only(system, "database", "AWS::SecretsManager::Secret")
    assert "SecretString" not in secret and "GenerateSecretString" in secret
    (copy,) = secret["ReplicaRegions"]
    assert copy == {
        "Region": {"Ref": "DrRegion"},
        "KmsKeyId": {"Ref": "DestinationKeyArn"},
    }


def test_the_secondary_brings_no_credentials_and_its_own_key(system: System) -> None:
    cluster = only(system, "database-dr", "AWS::RDS::DBCluster")
    assert cluster["GlobalClusterIdentifier"] == {"Ref": "GlobalClusterId"}
    assert not {
        *("MasterUsername", "MasterUserPassword", "ManageMasterUserPassword"),
        "DatabaseName",
    } & set(cluster)
    part = system.part("database-dr")
    (target,) = part.targets
    values = part.values(target)
    assert values["KmsKeyArn"] == Output("keys-dr", "KmsKeyArn", region="us-east-2")
    version = system.part("database").values(system.part("database").targets[0])
    assert values["AuroraVersion"] == version["AuroraVersion"] == "16.8"
    assert values["GlobalClusterId"] == Output(
        "database", "GlobalClusterId", region="us-east-1"
    )


def test_the_secondary_cluster_is_upgraded_before_the_primary() -> None:
    first = built(database={"dr_aurora_version": "16.9"})
    assert first.part("database").parameters["AuroraVersion"] == "16.8"
    assert first.part("database-dr").parameters["AuroraVersion"] == "16.9"
    (order,) = built(database={"aurora_version": "16.9"}).preconditions
    assert (order.part, order.value) == ("database", "16.9")
    assert order.needs == (("database-dr", "AuroraVersion", "16.9"),)
    assert order.ordered


def test_no_member_lets_rds_manage_its_password(system: System) -> None:
    for resource in every(system, "AWS::RDS::DBCluster").values():
        assert "ManageMasterUserPassword" not in resource["Properties"]


@pytest.mark.parametrize("part", ["database", "database-dr"])
def test_each_cluster_has_several_instances_in_isolated_subnets(
    system: System, part: str
) -> None:
    instances = part_of(system, part, "AWS::RDS::DBInstance")
    assert len(instances) >= 2
    for instance in instances.values():
        assert instance["DBClusterIdentifier"] == {"Ref": "Cluster"}
        assert instance["PubliclyAccessible"] is False
    tiers = [instance["PromotionTier"] for instance in instances.values()]
    assert tiers == sorted(set(tiers))
    cluster = only(system, part, "AWS::RDS::DBCluster")
    assert cluster["DBSubnetGroupName"] == {"Ref": "SubnetGroup"}
    values = system.part(part).parameters
    assert values["SubnetIds"] == Output("network", "IsolatedSubnetIds")
    assert str(values["InstanceClass"]).startswith("db.r")


def test_more_instances_are_a_setting() -> None:
    more = built(database={"instances": 3})
    for part in ("database", "database-dr"):
        assert len(part_of(more, part, "AWS::RDS::DBInstance")) == 3


def test_lag_over_a_second_rings_in_both_regions(system: System) -> None:
    alarm = part_of(system, "observe", "AWS::CloudWatch::Alarm")["ReplicationLagAlarm"]
    assert alarm["Namespace"] == "AWS/RDS"
    assert alarm["MetricName"] == "AuroraGlobalDBReplicationLag"
    assert alarm["Threshold"] == {"Ref": "ReplicationLagThresholdMs"}
    parameter = body(system, "observe")["Parameters"]["ReplicationLagThresholdMs"]
    assert parameter["Type"] == "Number"
    assert (parameter["MinValue"], parameter["MaxValue"]) == (100, 600000)
    observe = system.part("observe")
    assert len(observe.targets) == 2
    assert observe.parameters["ReplicationLagThresholdMs"] == "1000"  # milliseconds
    silent = part_of(system, "database-dr", "AWS::CloudWatch::Alarm")
    assert silent["ReplicationSilentAlarm"]["TreatMissingData"] == "breaching"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("cluster", {"DBClusterIdentifier": "pd-prod-db-dr"}),
        ("source_region", {"SourceRegion": "us-east-1"}),
        (
            "both",
            {"DBClusterIdentifier": "pd-prod-db-dr", "SourceRegion": "us-east-1"},
        ),
    ],
)
def test_lag_is_measured_by_what_the_account_has(
    given: str, wanted: dict[str, str]
) -> None:
    """With other dimensions than the metric has, one alarm never goes off and one
    always does."""
    system = built(replication_lag_dimensions=given)
    for part, title in (
        ("observe", "ReplicationLagAlarm"),
        ("database-dr", "ReplicationSilentAlarm"),
    ):
        stack_set = system.part(part)
        (target,) = (t for t in stack_set.targets if t.region == "us-east-2")
        evaluated = evaluate.evaluate(
            stack_set.template, evaluate.given(stack_set.values(target)), target
        )
        alarm = evaluated.resources[title]["Properties"]
        assert {d["Name"]: d["Value"] for d in alarm["Dimensions"]} == wanted


# --- S004-08 … 12, 25: the table -----------------------------------------------------


def test_the_table_is_in_both_regions_restorable_and_encrypted(system: System) -> None:
    assert {p for p, _ in every(system, "AWS::DynamoDB::GlobalTable")} == {"table"}
    table = only(system, "table", "AWS::DynamoDB::GlobalTable")
    regions = [replica["Region"] for replica in table["Replicas"]]
    assert regions == [{"Ref": "PrimaryRegion"}, {"Ref": "DrRegion"}]
    for replica, role in zip(table["Replicas"], BOTH, strict=True):
        recovery = replica["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"] is True
        assert replica["SSESpecification"] == {
            "KMSMasterKeyId": {"Ref": f"{role.title()}KeyArn"}
        }
        tags = {tag["Key"]: tag["Value"] for tag in replica["Tags"]}
        assert tags["DR-Role"] == role and tags["Region"] == replica["Region"]
        assert replica["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}


def test_strong_consistency_has_its_witness_and_nothing_to_reconcile() -> None:
    """A metric that is not published would leave an alarm without data."""

    def resources(system: System, part: str) -> dict[str, dict[str, Any]]:
        stack_set = system.part(part)
        target = stack_set.targets[0]
        given = evaluate.given(stack_set.values(target))
        found: Any = evaluate.evaluate(stack_set.template, given, target).resources
        return dict(found)

    def table(system: System) -> dict[str, Any]:
        found: dict[str, Any] = resources(system, "table")["Payments"]["Properties"]
        return found

    only_eventual = {
        "app": {"Reconciliation", "ReconciliationInvoke"},
        "observe": {"TableLagAlarm"},
    }
    eventual, strong = built(), built(consistency="strong")
    assert not {"MultiRegionConsistency", "GlobalTableWitnesses"} & set(table(eventual))
    assert table(strong)["MultiRegionConsistency"] == "STRONG"
    assert table(strong)["GlobalTableWitnesses"] == [{"Region": "us-west-2"}]
    assert "TimeToLiveSpecification" not in table(strong)
    for part, names in only_eventual.items():
        assert names <= set(resources(eventual, part))
        assert not names & set(resources(strong, part))
    for part in ("table", "app", "observe"):
        assert strong.part(part).parameters["Consistency"] == "strong"


def test_strong_consistency_is_refused_where_dynamodb_does_not_offer_it() -> None:
    with pytest.raises(BlueprintError, match=r"us-west-1 \(regions.dr\); give"):
        look.shipped(
            "payments_dr",
            settings={"consistency": "strong"},
            regions={"primary": "us-east-1", "dr": "us-west-1"},
        )


def test_a_witness_is_in_a_third_region_for_every_pair_of_regions() -> None:
    for one, two in permutations(consistency.STRONG, 2):
        assert consistency.witness([one, two]) in consistency.STRONG - {one, two}


def test_its_key_sorts_by_time_and_it_is_indexed_by_customer_and_status(
    system: System,
) -> None:
    table = only(system, "table", "AWS::DynamoDB::GlobalTable")
    key = [(k["AttributeName"], k["KeyType"]) for k in table["KeySchema"]]
    assert key == [("paymentId", "HASH"), ("timestamp", "RANGE")]
    indexes = table["GlobalSecondaryIndexes"]
    hashes = {i["KeySchema"][0]["AttributeName"] for i in indexes}
    assert hashes == {"customerId", "status"}
    schemas_ = [table["KeySchema"], *(i["KeySchema"] for i in indexes)]
    used = {k["AttributeName"] for schema in schemas_ for k in schema}
    assert {a["AttributeName"] for a in table["AttributeDefinitions"]} == used
    stream = table["StreamSpecification"]["StreamViewType"]
    assert stream == "NEW_AND_OLD_IMAGES"


def test_each_region_watches_its_table(system: System) -> None:
    alarms = part_of(system, "observe", "AWS::CloudWatch::Alarm").values()
    metrics = {a["MetricName"] for a in alarms if a["Namespace"] == "AWS/DynamoDB"}
    assert metrics == {
        "ReadThrottleEvents",
        "WriteThrottleEvents",
        "ReplicationLatency",
    }


def test_each_index_has_throttling_alarms_of_its_own(system: System) -> None:
    table = only(system, "table", "AWS::DynamoDB::GlobalTable")
    indexes = {i["IndexName"] for i in table["GlobalSecondaryIndexes"]}
    found = set()
    for alarm in part_of(system, "observe", "AWS::CloudWatch::Alarm").values():
        measured = {d["Name"]: d["Value"] for d in alarm["Dimensions"] if "Name" in d}
        if alarm["MetricName"].endswith("ThrottleEvents"):
            assert measured["TableName"] == table["TableName"]
            index = measured.get("GlobalSecondaryIndexName", "")
            found.add((alarm["MetricName"], index))
    metrics = ("ReadThrottleEvents", "WriteThrottleEvents")
    assert found == {(m, index) for m in metrics for index in {"", *indexes}}


# --- S004-13 … 17: the buckets -------------------------------------------------------


@pytest.mark.parametrize("part", ["storage", "storage-dr"])
def test_each_bucket_is_versioned_encrypted_and_closed(
    system: System, part: str
) -> None:
    bucket = only(system, part, "AWS::S3::Bucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {
        "Ref": "KmsKeyArn"
    }
    name = "".join(texts(bucket["BucketName"]))
    assert "${EnvironmentSuffix}" in name and "${AWS::AccountId}" in name


def test_receipts_are_replicated_in_time_and_measured(system: System) -> None:
    bucket = only(system, "storage", "AWS::S3::Bucket")
    configuration = bucket["ReplicationConfiguration"]
    assert configuration["Role"] == {"Ref": "ReplicationRoleArn"}
    (rule,) = configuration["Rules"]
    destination = rule["Destination"]
    assert destination["Metrics"]["Status"] == "Enabled"
    on, timed, _ = destination["ReplicationTime"]["Fn::If"]
    assert timed == {"Status": "Enabled", "Time": {"Minutes": 15}}
    assert rule["SourceSelectionCriteria"]["SseKmsEncryptedObjects"] == {
        "Status": "Enabled"
    }
    assert destination["EncryptionConfiguration"] == {
        "ReplicaKmsKeyID": {"Ref": "DestinationKeyArn"}
    }
    assert system.part("storage").parameters["ReplicationTimeControl"] == "true"
    assert "storage-dr" in system.part("storage").requires()


def test_the_way_back_is_opened_once_both_buckets_are_there(system: System) -> None:
    bucket = only(system, "storage-dr", "AWS::S3::Bucket")
    when, _, otherwise = bucket["ReplicationConfiguration"]["Fn::If"]
    assert (when, otherwise) == ("IsBothWays", {"Ref": "AWS::NoValue"})
    for part in ("storage", "storage-dr"):
        assert system.part(part).parameters["ReverseReplication"] == "true"
        closed = built(reverse_replication=False).part(part)
        assert closed.parameters["ReverseReplication"] == "false"
    waves = plan.make(system.resolve("111111111111"), {}).waves
    (last,) = waves[-1]
    assert (last.part, last.action) == ("storage-dr", Action.UPDATE)
    (changes,) = last.changes.values()
    assert [(c.logical_id, str(c.verdict)) for c in changes] == [
        ("DataBucket", "in place")
    ]
    assert not [s for s in waves[0] if s.at_last]


@pytest.mark.parametrize(
    ("title", "source", "to"),
    [
        ("ReplicationRole", BOTH[0], BOTH[1]),
        ("ReverseReplicationRole", BOTH[1], BOTH[0]),
    ],
)
def test_replication_may_do_just_that(
    system: System, title: str, source: str, to: str
) -> None:
    allowed = granted(system, "roles", title)
    for sid, role, actions in (
        (
            "ReadConfiguration",
            source,
            {"s3:GetReplicationConfiguration", "s3:ListBucket"},
        ),
        (
            "ReadVersions",
            source,
            {
                "s3:GetObjectVersionAcl",
                "s3:GetObjectVersionForReplication",
                "s3:GetObjectVersionTagging",
            },
        ),
        (
            "WriteReplicas",
            to,
            {"s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"},
        ),
    ):
        assert set(allowed[sid]["Action"]) == actions
        assert all(f"-data-{role}-" in arn for arn in arns(allowed[sid]))
    for sid, role in (("DecryptSource", source), ("EncryptReplicas", to)):
        via = allowed[sid]["Condition"]["StringEquals"]["kms:ViaService"]
        assert f"s3.${{{role.title()}Region}}" in "".join(texts(via))
        assert allowed[sid]["Resource"] == [{"Ref": f"{role.title()}KeyArn"}]
    role_ = body(system, "roles")["Resources"][title]["Properties"]
    (assumed,) = statements(role_["AssumeRolePolicyDocument"])
    assert service(assumed) == "s3.amazonaws.com"
    assert "Condition" not in assumed


# --- S004-18 … 21, 57: names that fail over ------------------------------------------


def test_two_records_fail_over_and_no_zone_is_created(named: System) -> None:
    records = part_of(named, "dns", "AWS::Route53::RecordSet").values()
    by_order = {r["Failover"]: r for r in records}
    assert set(by_order) == {"PRIMARY", "SECONDARY"}
    identifiers = {r["SetIdentifier"] for r in by_order.values()}
    assert identifiers == set(BOTH)
    for record in by_order.values():
        assert record["HostedZoneId"] == {"Ref": "HostedZoneId"}
        assert record["Name"] == {"Ref": "DomainName"}
    assert by_order["PRIMARY"]["HealthCheckId"] == {"Ref": "PrimaryCheck"}
    assert "HealthCheckId" not in by_order["SECONDARY"], "the last resort answers"
    assert not every(named, "AWS::Route53::HostedZone")
    parameter = body(named, "dns")["Parameters"]["DomainName"]
    assert re.search(parameter["AllowedPattern"], "payments.example.com")
    assert not re.search(parameter["AllowedPattern"], "https://payments")


def test_without_a_domain_there_are_checks_but_no_records(system: System) -> None:
    resources = body(system, "dns")["Resources"].values()
    for resource in resources:
        if resource["Type"] == "AWS::Route53::RecordSet":
            assert resource["Condition"] == "HasDomain"
        if resource["Type"] == "AWS::Route53::HealthCheck":
            assert "Condition" not in resource
    assert "DomainName" not in system.part("dns").parameters


def checks(system: System) -> dict[str, dict[str, Any]]:
    found = part_of(system, "dns", "AWS::Route53::HealthCheck").items()
    return {title: check["HealthCheckConfig"] for title, check in found}


@pytest.mark.parametrize("role", BOTH)
def test_the_health_of_a_region_is_what_payments_depend_on(
    system: System, role: str
) -> None:
    """Payments do not touch the database: without it, they go on. What the others of the
    three checks do is played in `test_loss.py`."""
    found = checks(system)
    prefix = role.title()
    whole = found[f"{prefix}Check"]
    parts = [ref["Ref"] for ref in whole["ChildHealthChecks"]]
    primary = role == "primary"
    assert whole["Type"] == "CALCULATED"
    assert whole["HealthThreshold"] == (2 if primary else 1)
    switch = ["PrimaryOverrideCheck", "DrLostCheck"] if primary else []
    assert parts == [f"{prefix}ApiCheck", *switch]
    assert found["DrLostCheck"] == {**found["DrApiCheck"], "Inverted": True}
    assert f"{prefix}DatabaseCheck" in found, "it shows, and moves no traffic"
    requested = found[f"{prefix}ApiCheck"]
    assert requested["Type"] == "HTTPS"
    assert requested["ResourcePath"] == {"Ref": f"{prefix}HealthPath"}
    assert system.part("dns").parameters[f"{prefix}HealthPath"] == Output(
        "app", "HealthPath", region=system.regions[role]
    )
    assert requested["RequestInterval"] in (10, 30) and len(requested["Regions"]) >= 3
    assert requested["FullyQualifiedDomainName"] == {"Ref": f"{prefix}ApiHost"}
    assert system.part("dns").parameters[f"{prefix}ApiHost"] == Output(
        "app", "ApiHost", region=system.regions[role]
    )


def alarm_names(system: System) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, region parameter and properties of every alarm, `RegionRole` filled in."""
    for (part, title), resource in every(system, "AWS::CloudWatch::Alarm").items():
        stack_set = system.part(part)
        roles = BOTH if stack_set.role == "every" else (stack_set.role,)
        for role in roles:
            role = "primary" if role == "global" else role
            if resource.get("Condition") == "IsDr" and role != "dr":
                continue
            name = "".join(texts(resource["Properties"]["AlarmName"]))
            region = f"{role.title()}Region"
            yield name.replace("${RegionRole}", role), region, resource["Properties"]


def test_checks_watch_alarms_that_exist_and_that_route_53_can_read(
    system: System,
) -> None:
    there = {(name, region): alarm for name, region, alarm in alarm_names(system)}
    watching = [c for c in checks(system).values() if c["Type"] == "CLOUDWATCH_METRIC"]
    assert len(watching) == 3
    for check in watching:
        named = check["AlarmIdentifier"]
        alarm = there["".join(texts(named["Name"])), named["Region"]["Ref"]]
        assert "ExtendedStatistic" not in alarm and "Metrics" not in alarm
        assert alarm["Period"] % 60 == 0
    watched_parts = {"observe", "database", "database-dr"}
    assert watched_parts <= system.part("dns").requires()


@pytest.mark.parametrize("role", BOTH)
def test_a_database_that_says_nothing_is_unwell(system: System, role: str) -> None:
    """Route 53 evaluates the data of an alarm, not its state; it has its own setting
    for missing data."""
    check = checks(system)[f"{role.title()}DatabaseCheck"]
    assert check["InsufficientDataHealthStatus"] == "Unhealthy"


def test_an_operator_moves_traffic_without_the_primary_region(system: System) -> None:
    check = checks(system)["PrimaryOverrideCheck"]
    assert check["AlarmIdentifier"]["Region"] == {"Ref": "DrRegion"}
    # One value is put; that it is soon out of date must not take the switch back.
    assert check["InsufficientDataHealthStatus"] == "LastKnownStatus"
    resource = body(system, "observe")["Resources"]["FailoverRequestedAlarm"]
    assert resource["Condition"] == "IsDr"
    assert resource["Properties"]["TreatMissingData"] == "ignore", "it stays as put"


# --- S004-22, 24, 26 … 28, 76: watching and telling ----------------------------------


def test_each_region_has_a_dashboard_named_after_it(system: System) -> None:
    board = only(system, "observe", "AWS::CloudWatch::Dashboard")
    assert "${AWS::Region}" in board["DashboardName"]["Fn::Sub"]
    widgets = json.loads(board["DashboardBody"]["Fn::Sub"])["widgets"]
    assert len(widgets) >= 6
    shown = [m for w in widgets for m in w["properties"]["metrics"]]
    assert {m[0] for m in shown if isinstance(m[0], str)} == {
        *("AWS/ApiGateway", "AWS/DynamoDB", "AWS/Lambda", "AWS/S3"),
    }
    # The dashboard searches the lag with all dimensions, in both regions.
    searches = [m[0] for m in shown if not isinstance(m[0], str)]
    assert [s["region"] for s in searches] == ["${PrimaryRegion}", "${DrRegion}"]
    for search in searches:
        assert "AuroraGlobalDBReplicationLag" in search["expression"]


def test_function_and_api_ring_in_each_region(system: System) -> None:
    alarms = part_of(system, "app", "AWS::CloudWatch::Alarm").values()
    metrics = {(a["Namespace"], a["MetricName"]) for a in alarms}
    assert ("AWS/Lambda", "Errors") in metrics
    assert ("AWS/ApiGateway", "5XXError") in metrics
    assert len(system.part("app").targets) == 2


def test_alarms_notify_the_topic_of_their_own_region(system: System) -> None:
    for (part, title), resource in every(system, "AWS::CloudWatch::Alarm").items():
        alarm = resource["Properties"]
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlertTopicArn"}]
        topic = system.part(part).parameters["AlertTopicArn"]
        assert topic == Output("messages", "AlertTopicArn", region="same"), title


def test_topics_are_encrypted_and_tagged_with_region_and_role(system: System) -> None:
    topics = part_of(system, "messages", "AWS::SNS::Topic")
    assert len(topics) == 2 and len(system.part("messages").targets) == 2
    for topic in topics.values():
        assert "${RegionRole}" in topic["TopicName"]["Fn::Sub"]
        assert topic["KmsMasterKeyId"] == {"Ref": "KmsKeyArn"}
        tags = {tag["Key"]: tag["Value"] for tag in topic["Tags"]}
        assert tags["Region"] == {"Ref": "AWS::Region"}
        assert tags["DR-Role"] == {"Ref": "RegionRole"}


def test_failovers_of_the_database_are_reported(system: System) -> None:
    rule = only(system, "messages", "AWS::Events::Rule")
    pattern = rule["EventPattern"]
    assert pattern["source"] == ["aws.rds"]
    wanted = {"failover", "global-failover"}
    assert wanted <= set(pattern["detail"]["EventCategories"])
    assert [t["Arn"] for t in rule["Targets"]] == [{"Ref": "AlertTopic"}]
    policy = only(system, "messages", "AWS::SNS::TopicPolicy")
    publishers = {service(s) for s in statements(policy)}
    assert publishers == {
        "cloudwatch.amazonaws.com",
        "events.amazonaws.com",
        "budgets.amazonaws.com",
    }
    for part, type_ in (("keys", "Key"), ("keys-dr", "ReplicaKey")):
        key = only(system, part, f"AWS::KMS::{type_}")
        assert publishers <= {service(s) for s in statements(key)}, part


# --- S004-29 … 33: what function and operators may do --------------------------------


def test_the_function_may_use_the_table_with_its_indexes_in_both_regions(
    system: System,
) -> None:
    allowed = granted(system, "roles", "FunctionRole")
    use = allowed["UsePayments"]
    assert set(use["Action"]) == {
        f"dynamodb:{verb}Item" for verb in ("Get", "Put", "Update")
    } | {"dynamodb:Query"}
    found = arns(use)
    for role in BOTH:
        region = f"${{{role.title()}Region}}"
        table = [arn for arn in found if region in arn]
        assert len(table) == 2
        assert any(arn.endswith("-payments/index/*") for arn in table)
        assert any(arn.endswith("-payments") for arn in table)


def test_the_function_may_describe_the_database_and_nothing_more_of_it(
    system: System,
) -> None:
    allowed = granted(system, "roles", "FunctionRole")
    assert allowed["DescribeDatabase"]["Action"] == ["rds:DescribeDBClusters"]
    assert allowed["DescribeGlobalDatabase"]["Action"] == ["rds:DescribeGlobalClusters"]
    assert all(":cluster:pd-" in arn for arn in arns(allowed["DescribeDatabase"]))
    used = {a for s in allowed.values() for a in s["Action"] if a.startswith("rds:")}
    assert used == {"rds:DescribeDBClusters", "rds:DescribeGlobalClusters"}


def test_the_function_may_read_and_write_objects_and_publish_in_both_regions(
    system: System,
) -> None:
    allowed = granted(system, "roles", "FunctionRole")
    for role in BOTH:
        prefix = role.title()
        for sid, action in (
            (f"Read{prefix}", "GetObject"),
            (f"Put{prefix}", "PutObject"),
        ):
            objects = allowed[f"{sid}Objects"]
            assert f"s3:{action}" in objects["Action"]
            assert all(f"-data-{role}-" in arn for arn in arns(objects))
            assert all(arn.endswith("/*") for arn in arns(objects))
    publish = allowed["PublishToTopics"]
    assert publish["Action"] == ["sns:Publish"]
    assert sorted(arn.rpartition("-")[2] for arn in arns(publish)) == ["dr", "primary"]
    assert set(allowed["EncryptMessages"]["Action"]) >= {"kms:GenerateDataKey"}


def test_only_named_principals_may_fail_over_and_each_on_a_condition(
    system: System,
) -> None:
    people, automation, runbooks = (
        trust(system, title)["Condition"]
        for title in ("OperatorRole", "AutomationRole", "RunbookRole")
    )
    when, requested, otherwise = people["Fn::If"]
    named = {"ArnLike": {"aws:PrincipalArn": {"Ref": "OperatorArns"}}}
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    tag = {"StringEquals": {"aws:PrincipalTag/SecondFactor": "true"}}
    by = ["ShownBySessionTag", {**named, **tag}, {**named, **mfa}]
    assert (when, requested) == ("NeedsSecondFactor", {"Fn::If": by})
    assert otherwise == named
    assert automation["ArnLike"] == {"aws:PrincipalArn": {"Ref": "AutomationArns"}}
    assert "sts:ExternalId" in automation["StringEquals"]
    assert service(trust(system, "RunbookRole")) == "ssm.amazonaws.com"
    assert "aws:SourceAccount" in runbooks["StringEquals"]
    values = system.part("operators").parameters
    assert values["OperatorArns"] == "arn:*:iam::*:role/payments-oncall"
    assert values["SecondFactor"] == "true"
    assert values["SecondFactorBy"] == "session_tag"
    without = built(second_factor=False).part("operators")
    assert without.parameters["SecondFactor"] == "false"


def test_automation_has_a_role_only_where_there_is_any_and_never_people(
    system: System,
) -> None:
    """An external id is no secret: with it alone a second factor could be left out."""
    role = body(system, "operators")["Resources"]["AutomationRole"]
    assert role["Condition"] == "HasAutomation"
    condition = body(system, "operators")["Conditions"]["HasAutomation"]
    joined = {"Fn::Join": ["", {"Ref": "AutomationArns"}]}
    assert condition == {"Fn::Not": [{"Fn::Equals": [joined, ""]}]}
    assert system.part("operators").parameters["AutomationArns"] == ""
    robot = built(automation=("role/failover-robot",)).part("operators")
    assert robot.parameters["AutomationArns"] == "arn:*:iam::*:role/failover-robot"


def test_whoever_takes_a_role_may_start_runbooks_in_both_regions(
    system: System,
) -> None:
    resources = body(system, "operators")["Resources"]
    for title in ("OperatorRole", "AutomationRole"):
        policies = resources[title]["Properties"]["ManagedPolicyArns"]
        assert {"Ref": "StarterPolicy"} in policies, title
    assert resources["RunbookRole"]["Properties"]["ManagedPolicyArns"] == [
        {"Ref": "OperatorPolicy"}
    ]
    allowed = granted(system, "operators", "StarterPolicy")
    start = allowed["StartRunbooks"]
    assert start["Action"] == ["ssm:StartAutomationExecution"]
    kinds = ("automation-definition", "document", "automation-execution")
    found = {
        re.findall(r":ssm:(\S+?}):\S+?}:([a-z-]+)/", arn)[0] for arn in arns(start)
    }
    regions = ("${PrimaryRegion}", "${DrRegion}")
    assert found == {(region, kind) for region in regions for kind in kinds}
    # The names in the policy are those that the runbooks have.
    for document in part_of(system, "drills", "AWS::SSM::Document").values():
        assert "".join(texts(document["Name"])).startswith("pd-${EnvironmentSuffix}-")
    assert set(allowed["FollowRunbooks"]["Action"]) == {
        "ssm:DescribeAutomationStepExecutions",
        "ssm:GetAutomationExecution",
        "ssm:StopAutomationExecution",
    }
    assert set(allowed["ReadRunbooks"]["Action"]) == {
        "ssm:DescribeDocument",
        "ssm:GetDocument",
    }
    assert allowed["SeeClosedRegions"]["Action"] == ["dynamodb:GetItem"]
    # Health checks of the account are many: they are seen, and none is changed.
    assert set(allowed["SeeHealthChecks"]["Action"]) == {
        "route53:GetHealthCheck",
        "route53:GetHealthCheckStatus",
    }
    give = allowed["GiveRunbooksTheirRole"]
    assert give["Action"] == ["iam:PassRole"]
    runbook = resources["RunbookRole"]["Properties"]["RoleName"]
    (role,) = arns(give)
    assert role.endswith(":role/" + "".join(texts(runbook)))
    assert give["Condition"]["StringEquals"] == {
        "iam:PassedToService": "ssm.amazonaws.com"
    }


def test_operators_may_move_this_database_and_close_regions_and_no_more(
    system: System,
) -> None:
    allowed = granted(system, "operators", "OperatorPolicy")
    move = allowed["MoveDatabase"]
    assert set(move["Action"]) == {
        "rds:FailoverGlobalCluster",
        "rds:SwitchoverGlobalCluster",
    }
    kinds = [arn.split(":")[-2] for arn in arns(move)]
    assert sorted(kinds) == ["cluster", "cluster", "global-cluster"]
    close = allowed["CloseRegions"]
    assert close["Action"] == ["dynamodb:GetItem", "dynamodb:PutItem"]
    keys = close["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
    assert keys == ["#fence"]
    ring = allowed["RingAlarms"]
    assert ring["Action"] == ["cloudwatch:SetAlarmState"]
    assert all(":alarm:pd-${EnvironmentSuffix}-" in arn for arn in arns(ring))
    write = allowed["AskForFailover"]["Condition"]["StringEquals"]
    assert set(write) == {"cloudwatch:namespace"}
    services = {a.split(":")[0] for s in allowed.values() for a in s["Action"]}
    assert services == {"rds", "dynamodb", "kms", "cloudwatch"}


# --- S004-35 … 45: function and API --------------------------------------------------


def test_the_function_gets_its_region_and_logs_json(system: System) -> None:
    functions = part_of(system, "app", "AWS::Lambda::Function")
    for function in functions.values():
        variables = function["Environment"]["Variables"]
        assert variables["REGION"] == {"Ref": "AWS::Region"}
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        source = function["Code"]["ZipFile"]
        for name in re.findall(r'(?:environ|settings)\["(\w+)"\]', source):
            assert name in variables, name
        assert not re.search(r"^\s*print\(", source, re.MULTILINE)
        assert function["VpcConfig"]["SubnetIds"] == {"Ref": "SubnetIds"}
    variables = functions["Function"]["Environment"]["Variables"]
    assert set(variables) >= {"DYNAMODB_TABLE", "SNS_TOPIC_ARN", "REGION"}
    source = functions["Function"]["Code"]["ZipFile"]
    assert "put_item(" in source and "ConditionExpression=" in source
    assert system.part("app").parameters["SubnetIds"] == Output(
        "network", "PrivateSubnetIds"
    )


def test_payments_are_posted_signed_to_validate(system: System) -> None:
    resources = part_of(system, "app", "AWS::ApiGateway::Resource")
    (path,) = (k for k, r in resources.items() if r["PathPart"] == "validate")
    methods = part_of(system, "app", "AWS::ApiGateway::Method").values()
    by_path = {(m["ResourceId"]["Ref"], m["HttpMethod"]): m for m in methods}
    post = by_path[path, "POST"]
    assert post["AuthorizationType"] == "AWS_IAM"
    assert "RequestValidatorId" in post and "RequestModels" in post
    for method in methods:
        integration = method["Integration"]
        assert integration["Type"] == "AWS_PROXY"
        assert integration["IntegrationHttpMethod"] == "POST"
    open_ = [m for m in methods if m["AuthorizationType"] == "NONE"]
    (health,) = (k for k, r in resources.items() if r["PathPart"] == "health")
    assert [m["ResourceId"]["Ref"] for m in open_] == [health, "ApiHealthChecks"]


def test_no_stranger_can_use_up_what_health_checks_run_on(system: System) -> None:
    """Whoever could, would move DNS."""
    for stack_set, target in (
        (system.part("app"), t) for t in system.part("app").targets
    ):
        given = evaluate.given(stack_set.values(target))
        found = evaluate.evaluate(stack_set.template, given, target)
        resources: Any = found.resources
        health = resources["Health"]["Properties"]
        assert health["ReservedConcurrentExecutions"] == "5"
        assert "ReservedConcurrentExecutions" not in resources["Function"]["Properties"]
        called = {
            title: "${Health.Arn}" in str(resource["Properties"]["Integration"]["Uri"])
            or "Health" in str(resource["Properties"]["Integration"]["Uri"])
            for title, resource in resources.items()
            if resource["Type"] == "AWS::ApiGateway::Method"
        }
        assert {title for title, own in called.items() if own} == {
            "ApiHealthGet",
            "ApiHealthChecksGet",
        }
        # The path of the checks ends with what only the stack's id has.
        path = body(system, "app")["Resources"]["ApiHealthChecks"]["Properties"]
        assert path["PathPart"] == UNGUESSED
        assert path["ParentId"] == {"Ref": "ApiHealth"}
    stage = only(system, "app", "AWS::ApiGateway::Stage")
    everything, health, checks = stage["MethodSettings"]
    assert everything["ResourcePath"] == "/*"
    assert health["ResourcePath"] == "/~1health"
    assert checks["ResourcePath"] == {"Fn::Join": ["", ["/~1health~1", UNGUESSED]]}
    # Two requests a minute of each checker, some of them in each of three regions.
    assert checks["ThrottlingRateLimit"] >= 3 * 10 * 2 / 60
    assert health["ThrottlingBurstLimit"] < checks["ThrottlingBurstLimit"]
    served = body(system, "app")["Outputs"]["HealthPath"]["Value"]
    assert served == {"Fn::Join": ["/", ["", "prod", "health", UNGUESSED]]}


def test_a_rate_rule_stands_before_the_health_where_it_is_set() -> None:
    for rate, wanted in ((0, False), (200, True)):
        system = built(health={"requests_per_address": rate})
        stack_set = system.part("app")
        for target in stack_set.targets:
            given = evaluate.given(stack_set.values(target))
            resources: Any = evaluate.evaluate(
                stack_set.template, given, target
            ).resources
            assert ("WebAcl" in resources) is wanted
            assert ("WebAclOfApi" in resources) is wanted
            if wanted:
                (rule,) = resources["WebAcl"]["Properties"]["Rules"]
                assert rule["Statement"]["RateBasedStatement"]["Limit"] == "200"
    with pytest.raises(ValidationError, match="give 100 at least"):
        built(health={"requests_per_address": 10})


def test_concurrency_is_reserved_and_the_table_watched_where_it_is_set() -> None:
    for concurrency, watched in ((0, False), (30, True)):
        system = built(concurrency=concurrency, table_events=watched)
        found: dict[str, Any] = {}
        for part in ("app", "audit"):
            stack_set = system.part(part)
            target = stack_set.targets[0]
            given = evaluate.given(stack_set.values(target))
            found |= evaluate.evaluate(stack_set.template, given, target).resources
        function = found["Function"]["Properties"]
        reserved = str(concurrency) if concurrency else None
        assert function.get("ReservedConcurrentExecutions") == reserved
        assert found["Health"]["Properties"]["ReservedConcurrentExecutions"] == "5"
        (selector,) = found["Trail"]["Properties"]["EventSelectors"]
        tables = [
            region
            for one in selector["DataResources"]
            if one["Type"] == "AWS::DynamoDB::Table"
            for region in ("us-east-1", "us-east-2")
            if region in str(one["Values"])
        ]
        assert tables == (["us-east-1", "us-east-2"] if watched else [])


def test_the_stage_serves_a_deployment_that_waits_for_every_method(
    system: System,
) -> None:
    resources = body(system, "app")["Resources"]
    methods = {
        k for k, r in resources.items() if r["Type"] == "AWS::ApiGateway::Method"
    }
    stage = only(system, "app", "AWS::ApiGateway::Stage")
    assert stage["StageName"] == "prod"
    deployment = resources[stage["DeploymentId"]["Ref"]]
    assert methods <= set(deployment["DependsOn"])
    assert "StageName" not in deployment["Properties"]
    assert stage["MethodSettings"][0]["DataTraceEnabled"] is False


def test_only_this_api_may_call_the_function(system: System) -> None:
    permissions = part_of(system, "app", "AWS::Lambda::Permission")
    by_api = {"ApiInvoke", "ApiHealthInvoke"}
    assert set(permissions) == {*by_api, "ReconciliationInvoke"}
    for title in by_api:
        assert "${Api}/*" in "".join(texts(permissions[title]["SourceArn"]))
    api = only(system, "app", "AWS::ApiGateway::RestApi")
    assert api["EndpointConfiguration"]["Types"] == ["REGIONAL"]


def test_claims_are_reconciled_every_minute_in_each_region(system: System) -> None:
    rule = only(system, "app", "AWS::Events::Rule")
    assert rule["State"] == "ENABLED"
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["Function", "Arn"]}
    assert json.loads(target["Input"]) == {"task": "reconcile"}
    permission = part_of(system, "app", "AWS::Lambda::Permission")[
        "ReconciliationInvoke"
    ]
    assert permission["SourceArn"] == {"Fn::GetAtt": ["Reconciliation", "Arn"]}
    assert permission["Principal"] == "events.amazonaws.com"


def test_each_region_has_the_name_with_a_certificate_of_its_own(named: System) -> None:
    domain = only(named, "app", "AWS::ApiGateway::DomainName")
    assert domain["SecurityPolicy"] == "TLS_1_2"
    assert domain["DomainName"] == {"Ref": "DomainName"}
    assert domain["EndpointConfiguration"]["Types"] == ["REGIONAL"]
    mapping = only(named, "app", "AWS::ApiGateway::BasePathMapping")
    assert mapping["Stage"] == {"Ref": "ApiStage"}
    for role in BOTH:
        for value in ("DomainTarget", "DomainTargetZone"):
            assert named.part("dns").parameters[f"{role.title()}{value}"] == Output(
                "app", value, region=named.regions[role]
            )


# --- S004-46 … 50: names and tags ----------------------------------------------------

# Names within a resource whose own name contains the suffix.
INNER = {"Name": ("AWS::ApiGateway::RequestValidator", "AWS::ApiGateway::Model")}
# What exists once for both regions, or for the account.
ONCE = ("GlobalDatabase", "Payments", "DatabaseSecret", "Budget", "ByRegionRole")


def test_every_name_carries_suffix_and_role(system: System) -> None:
    seen = 0
    for (part, title), resource in every(system).items():
        for key, value in resource["Properties"].items():
            if not re.fullmatch(r"\w*Name|\w*Identifier", key):
                continue
            if resource["Type"] in INNER.get(key, ()) or not list(texts(value)):
                continue
            name, *_ = texts(value)
            if not name.startswith(("pd-", "alias/pd-", "/aws/", "API-")):
                continue
            seen += 1
            if name.startswith("API-Gateway-Execution-Logs_"):
                continue  # named by API Gateway
            assert "${EnvironmentSuffix}" in name, (part, title, key)
            in_region = system.part(part).role != "global" and title not in ONCE
            if in_region and resource["Type"] != "AWS::IAM::Role":
                said = re.search(r"\$\{RegionRole\}|-(primary|dr)\b", name)
                assert said or title in ("Plan", "Tagged"), (part, title, name)
    assert seen > 80


def test_everything_that_takes_tags_says_region_and_role(system: System) -> None:
    for (part, title), resource in every(system).items():
        schema = schemas.schema(resource["Type"]) or {}
        tagging = schema.get("tagging", {})
        name = tagging.get("tagProperty", "/properties/Tags").rpartition("/")[2]
        if not tagging.get("taggable", name in schema.get("properties", {})):
            continue
        if name not in schema.get("properties", {}):
            continue  # the table: its replicas have tags of their own
        given = resource["Properties"].get(name)
        if resource["Type"] in UNTAGGED:
            continue
        assert given, (part, title)
        pairs = (
            given
            if isinstance(given, dict)
            else {tag["Key"]: tag["Value"] for tag in given}
        )
        assert pairs["Region"] == {"Ref": "AWS::Region"}, (part, title)
        role = system.part(part).role
        expected = {"Ref": "RegionRole"} if role == "every" else role
        assert pairs["DR-Role"] == expected, (part, title)


# Types whose Tags Troposphere does not support; CloudFormation passes on those of the
# stack.
UNTAGGED = ("AWS::ApiGateway::Stage",)


def test_stack_sets_are_tagged_with_what_is_the_same_everywhere(system: System) -> None:
    for stack_set in system.stack_sets:
        expected = {
            "ManagedBy": "tapgen",
            "Project": "PaymentProcessing",
            "Purpose": "DisasterRecovery",
            "Environment": "prod",
            "CostCenter": "payments",
        }
        assert stack_set.tags.items() >= expected.items()
    other = built(tags={"Project": "Other"})
    assert other.part("cost").parameters["ProjectTag"] == "Other"
    assert other.stack_sets[0].tags["Project"] == "Other"


# --- S004-51 … 56: the network -------------------------------------------------------


def test_the_networks_do_not_overlap_and_can_be_routed(system: System) -> None:
    network = system.part("network")
    given = [str(network.values(t)["VpcCidr"]) for t in network.targets]
    assert given == ["10.0.0.0/16", "10.1.0.0/16"]
    here, there = map(IPv4Network, given)
    assert not here.overlaps(there)
    routes = system.part("routes")
    peers = [routes.values(t)["PeerCidr"] for t in routes.targets]
    assert peers == given[::-1]


def test_three_zones_each_with_public_and_private_subnets_and_nat(
    system: System,
) -> None:
    subnets = part_of(system, "network", "AWS::EC2::Subnet")
    for tier in ("Public", "Private", "Isolated"):
        zones = [
            json.dumps(s["AvailabilityZone"])
            for k, s in subnets.items()
            if k.startswith(tier)
        ]
        assert len(zones) == len(set(zones)) == 3
    gateways = part_of(system, "network", "AWS::EC2::NatGateway")
    assert len(gateways) == 3
    assert all("AllocationId" in g for g in gateways.values())
    assert system.part("network").parameters["NatInEachZone"] == "true"
    staging = look.shipped("payments_dr", "staging").part("network")
    assert staging.parameters["NatInEachZone"] == "false"


def test_the_database_lets_in_the_function_and_by_address_the_peer(
    system: System,
) -> None:
    (rule,) = part_of(system, "network", "AWS::EC2::SecurityGroupIngress").values()
    assert (rule["FromPort"], rule["ToPort"]) == (5432, 5432)
    assert rule["GroupId"] == {"Fn::GetAtt": ["DatabaseSecurityGroup", "GroupId"]}
    assert rule["SourceSecurityGroupId"] == {
        "Fn::GetAtt": ["FunctionSecurityGroup", "GroupId"]
    }
    (peer,) = part_of(system, "routes", "AWS::EC2::SecurityGroupIngress").values()
    assert peer["CidrIp"] == {"Ref": "PeerCidr"}
    assert peer["GroupId"] == {"Ref": "DatabaseSecurityGroupId"}
    assert (peer["FromPort"], peer["ToPort"]) == (5432, 5432)
    (out,) = part_of(system, "routes", "AWS::EC2::SecurityGroupEgress").values()
    assert out["GroupId"] == {"Ref": "FunctionSecurityGroupId"}
    for group in part_of(system, "network", "AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group, "nothing comes in from outside"


def test_both_sides_route_to_their_peer(system: System) -> None:
    found = every(system, "AWS::EC2::VPCPeeringConnection")
    assert {part for part, _ in found} == {"peering"}
    connection = only(system, "peering", "AWS::EC2::VPCPeeringConnection")
    assert connection["PeerRegion"] == {"Ref": "DrRegion"}
    routes = part_of(system, "routes", "AWS::EC2::Route")
    assert len(routes) == 4 and len(system.part("routes").targets) == 2
    for place, route in enumerate(routes.values()):
        assert route["DestinationCidrBlock"] == {"Ref": "PeerCidr"}
        assert route["VpcPeeringConnectionId"] == {"Ref": "PeeringId"}
        assert route["RouteTableId"] == {
            "Fn::Select": [place, {"Ref": "RouteTableIds"}]
        }


def test_the_function_reaches_services_inside_the_vpc_by_default(
    system: System,
) -> None:
    inside = part_of(system, "endpoints", "AWS::EC2::VPCEndpoint").values()
    services = {"".join(texts(e["ServiceName"])).rpartition(".")[2] for e in inside}
    assert services == {"kms", "logs", "rds", "secretsmanager", "sns"}
    free = part_of(system, "network", "AWS::EC2::VPCEndpoint").values()
    assert {e["VpcEndpointType"] for e in free} == {"Gateway"}
    assert "endpoints" in system.part("app").requires()
    without = built(private_endpoints=False)
    assert "endpoints" not in {s.part for s in without.stack_sets}


# --- S004-60 … 65, 74: audit, backup, costs, drills ----------------------------------


def test_one_trail_covers_all_regions_and_proves_its_files(system: System) -> None:
    assert len(every(system, "AWS::CloudTrail::Trail")) == 1
    trail = only(system, "audit", "AWS::CloudTrail::Trail")
    for name in (
        *("IsMultiRegionTrail", "IncludeGlobalServiceEvents"),
        *("EnableLogFileValidation", "IsLogging"),
    ):
        assert trail[name] is True
    assert trail["KMSKeyId"] == {"Ref": "KmsKeyArn"}
    policy = {
        s["Sid"]: s for s in statements(only(system, "logs", "AWS::S3::BucketPolicy"))
    }
    assert policy["CheckForTrail"]["Action"] == ["s3:GetBucketAcl"]
    assert policy["DeliverTrail"]["Action"] == ["s3:PutObject"]
    for sid in ("CheckForTrail", "DeliverTrail"):
        source = policy[sid]["Condition"]["StringEquals"]["aws:SourceArn"]
        assert "trail/pd-${EnvironmentSuffix}-trail" in "".join(texts(source))


@pytest.mark.parametrize(
    ("part", "to", "vault", "parts"),
    [
        ("backup", "dr", "backup-dr", {"table", "storage", "database"}),
        ("backup-plan-dr", "primary", "backup", {"table", "storage-dr", "database-dr"}),
    ],
)
def test_backups_of_each_region_are_copied_to_the_other(
    system: System, part: str, to: str, vault: str, parts: set[str]
) -> None:
    """Also those of the recovery region, which go on when the other one is lost."""
    plan = only(system, part, "AWS::Backup::BackupPlan")["BackupPlan"]
    (rule,) = plan["BackupPlanRule"]
    (copy,) = rule["CopyActions"]
    given = f"{to.title()}VaultArn"
    assert copy["DestinationBackupVaultArn"] == {"Ref": given}
    assert system.part(part).parameters[given] == Output(
        vault, "VaultArn", region=system.regions[to]
    )
    locked = only(system, vault, "AWS::Backup::BackupVault")["LockConfiguration"]
    assert locked["MinRetentionDays"] <= 7, "the least that the settings allow"
    selection = only(system, part, "AWS::Backup::BackupSelection")
    (tag,) = selection["BackupSelection"]["ListOfTags"]
    taken = {
        key[1]
        for key, resource in every(system).items()
        if key[0] in parts
        and sum(
            t.get("Key") == tag["ConditionKey"]
            and t.get("Value") == tag["ConditionValue"]
            for t in _tags(resource["Properties"])
        )
        == (2 if key[1] == "Payments" else 1)
    }
    assert taken == {"Cluster", "DataBucket", "Payments"}


def _tags(properties: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    given = properties.get("Tags", [])
    yield from given if isinstance(given, list) else ()
    for replica in properties.get("Replicas", []):
        yield from replica.get("Tags", [])


def test_the_budget_counts_the_project_and_warns_at_80_and_100(system: System) -> None:
    budget = only(system, "cost", "AWS::Budgets::Budget")
    limits = {
        n["Notification"]["Threshold"]
        for n in budget["NotificationsWithSubscribers"]
        if n["Notification"]["NotificationType"] == "ACTUAL"
    }
    assert limits == {80, 100}
    assert "TagKeyValue" in budget["Budget"]["CostFilters"]
    assert budget["Budget"]["BudgetLimit"]["Amount"] == {"Ref": "MonthlyBudgetUsd"}
    category = body(system, "cost")["Resources"]["ByRegionRole"]
    assert category["Condition"] == "HasCostCategory"
    assert built(cost_category=True).part("cost").parameters["CostCategory"] == "true"


def test_drills_are_due_every_quarter_and_stop_at_an_alarm(system: System) -> None:
    schedules = part_of(system, "drills", "AWS::Scheduler::Schedule")
    for schedule in schedules.values():
        assert schedule["ScheduleExpression"] == {"Ref": "DrillSchedule"}
    due = str(system.part("drills").parameters["DrillSchedule"])
    assert re.fullmatch(r"cron\(\d+ \d+ \S+ 1/3 \S+ \*\)", due), "each third month"
    assert schedules["ExperimentStart"]["State"] == {"Ref": "AutomaticExperiment"}
    assert system.part("drills").parameters["AutomaticExperiment"] == "DISABLED"
    # A cluster that copies has no writer to fail over.
    start = body(system, "drills")["Resources"]["ExperimentStart"]
    assert start["Condition"] == "IsPrimary"
    # The first experiment of an account is not refused for want of FIS's own role.
    allowed = granted(system, "operators", "ScheduleRole")["MakeRoleOfFis"]
    assert allowed["Action"] == ["iam:CreateServiceLinkedRole"]
    (role,) = arns(allowed)
    assert role.endswith(":role/aws-service-role/fis.amazonaws.com/*")
    experiment = only(system, "drills", "AWS::FIS::ExperimentTemplate")
    (stop,) = experiment["StopConditions"]
    assert stop["Source"] == "aws:cloudwatch:alarm"
    name = "".join(texts(stop["Value"])).rpartition("alarm:")[2]
    there = {"".join(texts(a["AlarmName"])) for _, _, a in alarm_names(system)}
    assert name in there


def test_each_procedure_has_a_runbook_in_its_region(system: System) -> None:
    documents = part_of(system, "drills", "AWS::SSM::Document")
    procedures = {}
    for title, document in documents.items():
        tags = {tag["Key"]: tag["Value"] for tag in document["Tags"]}
        steps = _steps(system, title)
        procedures[tags["Procedure"]] = [step["name"] for step in steps]
        assert document["DocumentType"] == "Automation", title
        assert len({*procedures[tags["Procedure"]]}) == len(steps), title
    assert set(procedures) == {p.name for p in system.procedures}
    failover, failback = procedures["failover"], procedures["failback"]
    assert failover[0] == "CloseOtherRegion", "the other region is closed first"
    assert failover.index("PutSwitch") < failover.index("MoveDatabase")
    assert failover[-1] == "WaitForSwitch", "the database waits for no alarm"
    assert failback.index("WaitForWriterHere") < failback.index("OpenThisRegion")
    assert failback[-1] == "ReleaseTraffic"
    assert "RingLagAlarm" in procedures["drill"]
    assert "StopDBCluster" not in json.dumps(documents)
    switches = {
        "redirect": ["PutSwitch", "WaitForSwitch"],
        "release": ["ReleaseTraffic"],
    }
    for procedure, step in (("redirect", "Close"), ("release", "Open")):
        fence = f"{step}OtherRegion"
        switch = switches[procedure]
        assert procedures[procedure] == [*switch, fence, f"{fence}IsWritten"]
    assert procedures["cost-tags"][0] == "ActivateTags"


@pytest.mark.parametrize("title", ["SwitchoverRunbook", "FailbackRunbook"])
def test_a_switchover_is_asked_for_where_the_writer_is(
    system: System, title: str
) -> None:
    """A call of a runbook goes to its own region: there a failover is asked for only."""
    steps = _steps(system, title)
    assert "SwitchoverGlobalCluster" not in {s["inputs"].get("Api") for s in steps}
    (move,) = [s for s in steps if s["name"] == "MoveDatabase"]
    assert move["action"] == "aws:executeScript"
    assert "region_name=region).switchover_global_cluster(" in move["inputs"]["Script"]


@pytest.mark.parametrize(
    "title", ["SwitchoverRunbook", "FailoverRunbook", "FailbackRunbook"]
)
def test_a_move_is_over_when_this_region_writes(system: System, title: str) -> None:
    steps = _steps(system, title)
    moved = [step["name"] for step in steps].index("MoveDatabase")
    waits = steps[moved + 1]
    assert waits["action"] == "aws:executeScript"
    assert "IsWriter" in waits["inputs"]["Script"]
    assert "def handler(" in waits["inputs"]["Script"]
    moves = steps[moved]["inputs"]
    payload = waits["inputs"]["InputPayload"]
    moves = moves.get("InputPayload", moves)
    assert payload["GlobalDatabase"] in (
        moves.get("GlobalClusterIdentifier"),
        moves.get("GlobalDatabase"),
    )
    to = moves.get("TargetDbClusterIdentifier") or moves["Target"]
    target = "".join(texts(to))
    assert target.endswith(":cluster:" + "".join(texts(payload["Cluster"])))


def test_the_switch_is_put_as_a_number_and_seen_to_have_moved(system: System) -> None:
    title = "RedirectRunbook"
    runbook = body(system, "drills")["Resources"][title]
    assert "Condition" not in runbook, "from a runbook in each region"
    put, wait, fence, read = _steps(system, title)
    (point,) = put["inputs"]["MetricData"]
    assert point["Value"] == 1 and isinstance(point["Value"], int)
    alarm = only_alarm(system, "observe", "FailoverRequestedAlarm")
    assert (put["inputs"]["Namespace"], point["MetricName"]) == (
        alarm["Namespace"],
        alarm["MetricName"],
    )
    assert wait["inputs"]["AlarmNames"] == [alarm["AlarmName"]]
    assert wait["inputs"]["DesiredValues"] == ["ALARM"]
    # What the other region is told is read back, in the replica that the API here reads.
    assert read["inputs"]["ConsistentRead"] is True
    item = fence["inputs"]["Item"]
    assert read["inputs"]["Key"].items() <= item.items()
    assert read["inputs"]["DesiredValues"] == [item["state"]["S"]]
    assert (item["state"]["S"] == "closed") is item["closed"]["BOOL"]


def _steps(system: System, title: str) -> list[dict[str, Any]]:
    content = part_of(system, "drills", "AWS::SSM::Document")[title]["Content"]
    steps = content["mainSteps"]
    assert isinstance(steps, list)
    # In both regions: those of one are behind its condition.
    return [step["Fn::If"][1] if "Fn::If" in step else step for step in steps]


def only_alarm(system: System, part: str, title: str) -> dict[str, Any]:
    return part_of(system, part, "AWS::CloudWatch::Alarm")[title]


def test_cost_tags_that_are_activated_are_those_that_are_there(system: System) -> None:
    document = body(system, "drills")["Resources"]["CostTagsRunbook"]
    step, *read = document["Properties"]["Content"]["mainSteps"]
    keys = [key for one in read for key in one["inputs"]["TagKeys"]]
    assert {*keys} == {"Project", "Environment", "DR-Role"}
    tags = {t["TagKey"] for t in step["inputs"]["CostAllocationTagsStatus"]}
    assert tags == {"Project", "Environment", "DR-Role"}


# --- Outputs -------------------------------------------------------------------------


def test_outputs_are_those_that_operating_needs(system: System) -> None:
    given = {s.part: set(body(system, s.part)["Outputs"]) for s in system.stack_sets}
    everything = set().union(*given.values())
    assert everything >= {
        *("VpcId", "PrivateSubnetIds", "KmsKeyArn", "AlertTopicArn", "PaymentTopicArn"),
        *("FunctionName", "FunctionArn", "ApiId", "ApiUrl", "ApiName", "StageName"),
        *("DomainTarget", "DomainTargetZone", "ClusterArn", "ClusterId"),
        *("ReaderEndpoint", "BucketName", "BucketArn", "TableName", "DashboardName"),
        *("VaultArn", "GlobalClusterId", "PrimaryHealthCheckId", "DrHealthCheckId"),
        *("FailoverFqdn", "TrailArn", "BudgetName", "OperatorRoleArn"),
    }


# --- Settings ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vpc_cidr": "10.1.0.0/20"}, "overlap"),
        ({"vpc_cidr": "8.8.0.0/16"}, "not private"),
        ({"replication_lag_ms": 1}, "greater than or equal to 100"),
        ({"database": {"instances": 1}}, "greater than or equal to 2"),
        ({"database": {"instance_class": "db.t4g.medium"}}, "global databases run on"),
        ({"database": {"aurora_version": "16"}}, "not a full version"),
        ({"database": {"name": "template0"}}, "cannot name a database"),
        ({"domain": {**DOMAIN, "name": "Pay!"}}, "not a domain"),
        ({"domain": {**DOMAIN, "hosted_zone_id": "x"}}, "not the id of a hosted zone"),
        ({"domain": {**DOMAIN, "certificates": {"dr": "x"}}}, "not a certificate"),
        ({"currencies": []}, "no currency"),
        ({"currencies": ["usd"]}, "not a currency"),
        ({"max_amount": "0"}, "not an amount"),
        ({"max_amount": "NaN"}, "not an amount"),
        ({"operators": ["payments-oncall"]}, "not a role or user"),
        ({"operators": ["role/one,two"]}, "not a role or user"),
        ({"monthly_budget_usd": 10**12}, "less than or equal to 1000000000"),
        ({"operators": []}, "at least 1"),
        ({"automation": ["robot"]}, "not a role or user"),
        ({"automation": ["role/payments-oncall"]}, "in operators and in automation"),
        ({"drills": {"schedule": "quarterly"}}, "not a schedule"),
        ({"alert_email": "oncall"}, "not an e-mail address"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Settings.model_validate(settings)


def test_a_certificate_of_another_region_is_refused() -> None:
    arn = "arn:aws:acm:us-east-1:111111111111:certificate/1234abcd"
    with pytest.raises(BlueprintError, match="is in us-east-1; give one in us-east-2"):
        built(domain={**DOMAIN, "certificates": {"dr": arn}})
    fine = built(domain={**DOMAIN, "certificates": {"primary": arn}})
    app = fine.part("app")
    values = [app.values(target).get("CertificateArn") for target in app.targets]
    assert values == [arn, ""]


@pytest.mark.parametrize(
    "changes",
    [
        {"domain": DOMAIN, "cost_category": True},
        {"account_baseline": "existing", "database": {"instances": 3}},
    ],
    ids=["everything", "existing baseline"],
)
def test_cfn_lint_has_nothing_to_say_to_other_settings(changes: dict[str, Any]) -> None:
    assert look.found_by_lint(built(**changes)) == []


def test_an_existing_baseline_is_left_alone() -> None:
    existing = built(account_baseline="existing")
    assert "api-account" not in {s.part for s in existing.stack_sets}
    assert not every(existing, "AWS::ApiGateway::Account")
    assert "ApiLoggingRole" not in body(existing, "roles")["Resources"]
