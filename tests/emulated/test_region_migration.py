"""region_migration as shipped, on the embedded AWS: replication, promotion, its life."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tapgen import blueprints, config, plan
from tapgen.aws import retained
from tapgen.blueprints.region_migration.path import PATH
from tapgen.blueprints.region_migration.path import settings as at
from tapgen.cli.common import Timings
from tapgen.cli.plan import make_plan
from tapgen.cli.reach import Reached
from tapgen.emulator.server import lifecycle
from tapgen.errors import RolloutError
from tapgen.model import Action
from tapgen.operate import replicas, running
from tapgen.report import text
from tapgen.rollout import Event, Starter
from tests.emulated.conftest import Cloud
from tests.emulated.live import Live
from tests.emulated.walks import WAYS, Walk
from tests.systems import look

ACCOUNT = "777700000001"
REGIONS = ("source", "target")


@pytest.fixture(scope="module")
def live(server: lifecycle.Server) -> Live:
    """The shipped file, rolled out once for all tests here."""
    deployed = Live(Cloud(server.url, ACCOUNT), look.shipped("region_migration"))
    assert deployed.rollout().green
    return deployed


def soon(found: Callable[[], Any]) -> Any:
    """What is found within a few seconds: copies arrive a moment later."""
    deadline = time.monotonic() + 60
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


def changed(live: Live, suffix: str = "prod", **settings: Any) -> Live:
    """The shipped system with some settings changed."""
    path = look.ROOT / "stacksets" / "region_migration.yaml"
    loaded = config.load(path, blueprints.find)
    checked = look.changed(loaded, settings)
    loaded = replace(loaded, suffix=suffix, settings=checked)
    return Live(live.cloud, look.built(loaded))


def database(live: Live, role: str) -> dict[str, Any]:
    part = "database" if role == "source" else "database-target"
    identifier = live.outputs(part, role)["RdsIdentifier"]
    found = live.client("rds", role).describe_db_instances(
        DBInstanceIdentifier=identifier
    )
    (instance,) = found["DBInstances"]
    assert isinstance(instance, dict)
    return instance


def test_everything_is_current_and_a_second_time_plans_nothing(live: Live) -> None:
    assert live.cloud.statuses(live.system) == {"CURRENT"}
    assert not live.cloud.plan(live.system)
    regions = {t.region for s in live.system.stack_sets for t in s.targets}
    assert regions == {"us-west-1", "us-west-2"}


def test_nothing_is_shape_only(live: Live, server: lifecycle.Server) -> None:
    shapes = lifecycle.status(server.folder)["shape_only"]
    assert [one for one in shapes if one["account"] == ACCOUNT] == []


def test_an_object_put_into_the_source_appears_in_the_target(live: Live) -> None:
    source = live.outputs("storage", "source")["SourceBucketName"]
    target = live.outputs("storage-target", "target")["TargetBucketName"]
    live.client("s3", "source").put_object(Bucket=source, Key="a/b.txt", Body=b"moved")
    client = live.client("s3", "target")

    def copied() -> Any:
        listed = client.list_objects_v2(Bucket=target, Prefix="a/b.txt")
        return listed.get("Contents")

    assert soon(copied)
    copy = client.get_object(Bucket=target, Key="a/b.txt")
    assert copy["Body"].read() == b"moved"
    rules = client.get_bucket_encryption(Bucket=target)
    (rule,) = rules["ServerSideEncryptionConfiguration"]["Rules"]
    key = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    assert key == live.outputs("keys-target", "target")["KmsKeyArn"]


def test_the_replica_points_at_the_source(live: Live) -> None:
    source, target = (database(live, role) for role in REGIONS)
    assert target["ReadReplicaSourceDBInstanceIdentifier"] == source["DBInstanceArn"]
    assert target["KmsKeyId"] == live.outputs("keys-target", "target")["KmsKeyArn"]


def test_the_secret_can_be_read_in_the_target_region(live: Live) -> None:
    name = "rm-prod-db-owner-source"
    secrets = [
        json.loads(
            live.client("secretsmanager", role).get_secret_value(SecretId=name)[
                "SecretString"
            ]
        )
        for role in REGIONS
    ]
    assert secrets[0]["password"] == secrets[1]["password"]
    assert len(secrets[0]["password"]) == 32


@pytest.mark.parametrize("role", REGIONS)
def test_the_listener_forwards_by_weight_to_two_colours(live: Live, role: str) -> None:
    outputs = live.outputs("servers", role)
    found = live.client("elbv2", role).describe_listeners(
        ListenerArns=[outputs["ListenerArn"]]
    )
    (listener,) = found["Listeners"]
    (action,) = listener["DefaultActions"]
    weights = {
        g["TargetGroupArn"]: g["Weight"]
        for g in action["ForwardConfig"]["TargetGroups"]
    }
    assert weights == {outputs["BlueTgArn"]: 100, outputs["GreenTgArn"]: 0}


@pytest.mark.parametrize("role", REGIONS)
def test_two_servers_of_the_serving_colour_are_wanted_and_one_of_the_other(
    live: Live, role: str
) -> None:
    outputs = live.outputs("servers", role)
    found = live.client("autoscaling", role).describe_auto_scaling_groups(
        AutoScalingGroupNames=[outputs["AsgName"], outputs["GreenAsgName"]]
    )
    groups = {g["AutoScalingGroupName"]: g for g in found["AutoScalingGroups"]}
    blue, green = groups[outputs["AsgName"]], groups[outputs["GreenAsgName"]]
    assert (blue["MinSize"], green["MinSize"]) == (2, 1)
    assert blue["HealthCheckType"] == "ELB"
    assert len(blue["VPCZoneIdentifier"].split(",")) == 2


def dials(live: Live) -> dict[str, float]:
    """The dial of each region behind the accelerator."""
    outputs = live.outputs("accelerator", "target")
    client = live.cloud.client("globalaccelerator", "us-west-2")
    groups = [
        client.describe_endpoint_group(EndpointGroupArn=outputs[name])["EndpointGroup"]
        for name in ("SourceEndpointGroupArn", "TargetEndpointGroupArn")
    ]
    return {g["EndpointGroupRegion"]: g["TrafficDialPercentage"] for g in groups}


def test_two_addresses_lead_to_the_source_first(live: Live) -> None:
    outputs = live.outputs("accelerator", "target")
    assert len(outputs["AcceleratorIps"].split(",")) == 2
    assert dials(live) == {"us-west-1": 100, "us-west-2": 0}


def records(live: Live) -> dict[tuple[str, str], Any]:
    """(name, region role) -> weight, in the zone that the VPCs see."""
    outputs = live.outputs("dns", "target")
    found = live.client("route53", "source").list_resource_record_sets(
        HostedZoneId=outputs["PrivateZoneId"]
    )
    return {
        (r["Name"].split(".")[0], r["SetIdentifier"]): r["Weight"]
        for r in found["ResourceRecordSets"]
        if "SetIdentifier" in r
    }


def test_names_lead_to_the_source_first(live: Live) -> None:
    assert records(live) == {
        ("app", "source"): 100,
        ("app", "target"): 0,
        ("db", "source"): 100,
        ("db", "target"): 0,
    }


def test_callers_follow_an_alarm_that_is_in_the_region_they_go_to(live: Live) -> None:
    client = live.client("route53", "target")
    zone = live.outputs("dns", "target")["PrivateZoneId"]
    found = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    checks = {
        r["SetIdentifier"]: r["HealthCheckId"] for r in found if "HealthCheckId" in r
    }
    assert {*checks} == {*REGIONS}
    for role, other in (REGIONS, REGIONS[::-1]):
        config = client.get_health_check(HealthCheckId=checks[role])["HealthCheck"]
        watched = config["HealthCheckConfig"]["AlarmIdentifier"]
        assert watched["Region"] == live.system.regions[other]
        (alarm,) = live.client("cloudwatch", other).describe_alarms(
            AlarmNames=[watched["Name"]]
        )["MetricAlarms"]
        assert alarm["Namespace"] == "rm-prod-metrics"


@pytest.mark.parametrize("role", REGIONS)
def test_backups_are_copied_to_the_other_region(live: Live, role: str) -> None:
    client = live.client("backup", role)
    plan_id = live.outputs("backups", role)["PlanId"]
    kept = client.get_backup_plan(BackupPlanId=plan_id)["BackupPlan"]
    (rule,) = kept["Rules"]
    (copy,) = rule["CopyActions"]
    other = {"source": "target", "target": "source"}[role]
    vault = live.outputs("vaults", other)["VaultArn"]
    assert copy["DestinationBackupVaultArn"] == vault
    (chosen,) = client.list_backup_selections(BackupPlanId=plan_id)[
        "BackupSelectionsList"
    ]
    selection = client.get_backup_selection(
        BackupPlanId=plan_id, SelectionId=chosen["SelectionId"]
    )["BackupSelection"]
    (tag,) = selection["ListOfTags"]
    for bucket in (
        [live.outputs("storage", "source")["SourceBucketName"]]
        if role == "source"
        else [live.outputs("storage-target", "target")["TargetBucketName"]]
    ):
        tags = live.client("s3", role).get_bucket_tagging(Bucket=bucket)["TagSet"]
        assert {"Key": tag["ConditionKey"], "Value": tag["ConditionValue"]} in tags


def test_the_plan_of_the_migration_can_be_read(live: Live) -> None:
    name = live.outputs("operations", "target")["MigrationPlanName"]
    found = live.client("ssm", "target").get_parameter(Name=name)["Parameter"]
    phases = json.loads(found["Value"])["phases"]
    gates = {gate for phase in phases for gate in phase["gates"]}
    alarms = {
        alarm["AlarmName"]
        for role in REGIONS
        for page in live.client("cloudwatch", role)
        .get_paginator("describe_alarms")
        .paginate()
        for alarm in page["MetricAlarms"]
    }
    assert gates and gates <= alarms


# --- The migration itself, in a second environment of the same account and regions -------


def test_a_second_suffix_migrates_and_goes(live: Live) -> None:
    """The documented path, a rollout for each step; then what is left goes, too."""
    path = look.ROOT / "stacksets" / "region_migration.yaml"
    shipped = look.plain(config.load(path, blueprints.find).settings)
    unprotected = {
        "deletion_protection": False,
        "database": {**shipped["database"], "deletion_protection": False},
    }
    blocks = {name: shipped[name] for name in ("traffic", "promotion")}

    def environment(step: str) -> Live:
        return changed(live, "two", **unprotected, **at(step, blocks))

    two = environment("prepare")
    assert two.rollout().green
    assert not two.cloud.plan(two.system)
    assert not live.cloud.plan(live.system)
    before = database(two, "target")
    (refused,) = plan.refusals(two.cloud.plan(environment("promote").system))[:1]
    assert "Promoted would become true, while Writes of servers" in refused
    for step in PATH[2:-2]:  # all users at once
        if step.name == "promote":
            _promoted_by_a_command(two)
        two = environment(step.name)
        assert two.rollout().green, step.name
        standing = two.standing()
        assert standing.done[-1].name == step.name and not standing.unseen
        if step.name == "shift":
            # No runbook has taken a snapshot; this test goes on without one.
            assert standing.next and standing.next.name == "pause"
            failed = [f.name for f in standing.findings if f.verdict == "fails"]
            assert standing.blocked and "SnapshotIsTaken" in failed
            _shifted(two)
        if step.name == "pause":
            assert fenced(two) == "1"
        if step.name == "promote":
            promoted = database(two, "target")
            assert not promoted.get("ReadReplicaSourceDBInstanceIdentifier")
            # In place: the same instance, under the same name, with backups at once.
            for same in (
                *("DbiResourceId", "DBInstanceArn"),
                *("Endpoint", "InstanceCreateTime"),
            ):
                assert promoted[same] == before[same], same
            days = shipped["database"]["backup_days"]
            assert promoted["BackupRetentionPeriod"] == days
            assert promoted["MultiAZ"] is False
    kept = database(two, "target")
    assert kept["DbiResourceId"] == before["DbiResourceId"]
    assert kept["MultiAZ"] is True
    assert dials(two) == {"us-west-1": 0, "us-west-2": 100}
    assert records(two)[("db", "target")] == 100
    for role, word in (("source", "paused"), ("target", "allowed")):
        name = two.outputs("servers", role)["WriteSwitchName"]
        switch = two.client("ssm", role).get_parameter(Name=name)["Parameter"]
        assert switch["Value"] == word
    assert not two.cloud.plan(two.system)
    (undone,) = plan.refusals(two.cloud.plan(environment("pause").system))[:1]
    assert "a promotion cannot be undone" in undone
    # The first environment does not notice.
    assert dials(live) == {"us-west-1": 100, "us-west-2": 0}
    assert database(live, "target")["ReadReplicaSourceDBInstanceIdentifier"]
    assert fenced(live) == "0"

    _left(two, environment("leave"), environment("remove"), before["DbiResourceId"])
    assert live.cloud.statuses(live.system) == {"CURRENT"}


def _promoted_by_a_command(two: Live) -> None:
    """The step that is next anyway, without a rollout; the one after it finds it done."""
    system, aws = two.system.resolve(ACCOUNT), two.cloud.aws
    with pytest.raises(RolloutError, match="blocked: ReplicaIsCloseBehind.*unknown"):
        replicas.promote(system, aws, "run", standing=two.standing)
    # The embedded AWS has no replication slots.
    source = {"Name": "DBInstanceIdentifier", "Value": "rm-two-db-source"}
    held = {"MetricName": "OldestReplicationSlotLag", "Dimensions": [source]}
    two.client("cloudwatch", "source").put_metric_data(
        Namespace="AWS/RDS", MetricData=[{**held, "Value": 1024.0}]
    )
    two.client("rds", "target").create_db_snapshot(
        DBSnapshotIdentifier="rm-two-before-promotion-1",
        DBInstanceIdentifier="rm-two-db-target",
    )
    found = replicas.promote(system, aws, "run", standing=two.standing)
    assert found.settings == {"promotion.promoted": "true"}
    assert found.snapshot.startswith("rm-two-before-promotion-1 of ")
    ended = running.run(
        found.steps,
        system,
        two.cloud.sets,
        lambda event: None,
        starter=Starter("Ada", "promote"),
        poll_seconds=(0.02, 0.1),
    )
    assert ended.green, ended.failures
    assert two.standing().done[-1].name == "promote"


def _shifted(two: Live) -> None:
    """Traffic is shifted without a rollout; a red gate restores what was recorded."""
    zone = two.outputs("dns", "target")["PrivateZoneId"]
    client = two.client("route53", "target")
    alarm = {"AlarmName": "rm-two-no-servers-source", "StateReason": "test"}
    alarms = two.client("cloudwatch", "source")

    def listed() -> Any:
        return client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]

    def ring(event: Event) -> None:
        if event.kind == "done" and event.message.startswith("Shift100"):
            alarms.set_alarm_state(StateValue="ALARM", **alarm)

    before = listed()
    red = two.shift("dns", "source", 50, 100, on_event=ring)
    alarms.set_alarm_state(StateValue="OK", **alarm)
    rang = int(time.time())  # gates count to the second when an alarm went off
    while int(time.time()) == rang:
        time.sleep(0.05)
    assert "rm-two-no-servers-source" in str(red.failures)
    assert not red.open and not red.left
    assert listed() == before and two.unpersisted() == ()

    assert two.shift("accelerator", "source", 50).green
    assert dials(two) == {"us-west-1": 50, "us-west-2": 50}
    (line,) = two.unpersisted()
    assert "source 50, target 50, not as its stack says (source 0, target 100)" in line
    system = two.system.resolve(ACCOUNT)
    nothing: Any = None  # no file is read
    reached = Reached(nothing, system, two.cloud.aws, two.cloud.sets, local=True)
    seen = make_plan(reached, Timings())
    assert seen.shifts == (line,) and line in text.plan(seen)
    assert two.shift("accelerator", "").green
    assert dials(two) == {"us-west-1": 0, "us-west-2": 100}
    assert two.shift("targets", "green", 5, role="source").green
    assert two.shift("targets", "", role="source").green
    assert two.unpersisted() == ()


def _left(two: Live, leaving: Live, removed: Live, database_id: str) -> None:
    """The source region goes in one rollout, and what survives does not notice."""
    assert (
        "set source: leaving first" in plan.refusals(two.cloud.plan(removed.system))[0]
    )
    source = two.outputs("storage", "source")["SourceBucketName"]
    two.client("s3", "source").put_object(Bucket=source, Key="kept", Body=b"data")
    assert leaving.rollout().green
    left = retained.find(two.cloud.aws, two.cloud.observe(leaving.system))
    addresses = leaving.outputs("accelerator", "target")["AcceleratorIps"]
    key = leaving.outputs("keys-target", "target")["KmsKeyArn"]

    last = two.cloud.plan(removed.system)
    # What holds data is named, and has to be named by whoever deletes its stack.
    text = "\n".join(plan.refusals(last))
    named = set(re.findall(r"--allow-replacement (\S+)", text))
    assert named == {
        *("keys", "storage", "database"),
        *("network.NatAddress1", "network.NatAddress2"),
    }
    assert plan.refusals(last, named) == []
    gone = {s.part for s in last.steps if s.action is Action.DELETE}
    assert gone == {
        *("keys", "peering", "routes", "storage", "database", "runbooks", "operations"),
        *("logs", "vaults", "backups", "network", "servers", "observability"),
    }
    # The roles of before: those for what is left lack what deletes the rest.
    assert two.cloud.run(last).green, [e.message for e in two.cloud.events[-8:]]
    assert not two.cloud.plan(removed.system)
    regions = {
        target.region
        for found in two.cloud.observe(removed.system).values()
        for target in found.instances
    }
    assert regions == {"us-west-2"}
    assert database(removed, "target")["DbiResourceId"] == database_id
    assert removed.outputs("accelerator", "target")["AcceleratorIps"] == addresses
    assert removed.outputs("keys-target", "target")["KmsKeyArn"] == key
    secret = two.client("secretsmanager", "target").get_secret_value(
        SecretId="rm-two-db-owner-source"
    )
    assert json.loads(secret["SecretString"])["password"]
    assert records(removed) == {("app", "target"): 100, ("db", "target"): 100}
    checks = two.client("route53", "target").list_health_checks()["HealthChecks"]
    names = {c["HealthCheckConfig"]["AlarmIdentifier"]["Name"] for c in checks}
    assert names == {f"rm-prod-redirected-{role}" for role in REGIONS}

    observed = two.cloud.observe(removed.system)
    assert two.cloud.run(plan.destroy(removed.system.resolve(ACCOUNT), observed)).green
    assert two.cloud.observe(removed.system) == {}
    # What holds data stays until that is asked for, too.
    kept = two.client("s3", "source").get_object(Bucket=source, Key="kept")
    assert kept["Body"].read() == b"data"
    told = {one.type: retained.delete(two.cloud.aws, one) for one in left}
    for kind in ("S3::Bucket", "Backup::BackupVault", "GlobalAccelerator::Accelerator"):
        assert told[f"AWS::{kind}"] == "deleted", told
    names = two.client("s3", "source").list_buckets()["Buckets"]
    assert not [b for b in names if b["Name"].startswith("rm-two-")]


def fenced(live: Live) -> str:
    """Whether transactions are read-only by default in the source's database."""
    client = live.client("rds", "source")
    (group,) = database(live, "source")["DBParameterGroups"]
    pages = client.get_paginator("describe_db_parameters").paginate(
        DBParameterGroupName=group["DBParameterGroupName"]
    )
    (value,) = (
        one["ParameterValue"]
        for page in pages
        for one in page["Parameters"]
        if one["ParameterName"] == "default_transaction_read_only"
    )
    return str(value)


TEN_PERCENT_GREEN = {
    **{"blue_min": 2, "green_min": 2, "most": 6},
    **{"blue_weight": 90, "green_weight": 10},
}


def test_a_setting_changes_only_what_it_says(live: Live) -> None:
    changed_live = changed(live, servers={"target": TEN_PERCENT_GREEN})
    made = live.cloud.plan(changed_live.system)
    parts = {step.part for wave in made.waves for step in wave if not step.conditional}
    assert parts == {"servers"}
    assert changed_live.rollout().green
    outputs = live.outputs("servers", "target")
    (listener,) = live.client("elbv2", "target").describe_listeners(
        ListenerArns=[outputs["ListenerArn"]]
    )["Listeners"]
    groups = listener["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
    assert [g["Weight"] for g in groups] == [90, 10]


def test_a_short_walk_loses_nothing_and_always_goes_on(
    live: Live, server: lifecycle.Server
) -> None:
    """The last test here, from the settings of the one before. `make soak` walks far."""
    way = WAYS["region_migration"]
    names = ("traffic.target_writes", "servers.target")
    brief = way.brief(*names, **{"servers.target": TEN_PERCENT_GREEN})
    walk = Walk(live.cloud, server.folder, brief, seed=1)
    walk.begin()
    walk.step()
