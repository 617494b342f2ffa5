"""payments_dr as shipped, on the embedded AWS: payments, copies, failover, its life."""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from tapgen import blueprints, config, plan
from tapgen.aws import retained, verifying
from tapgen.emulator.server import lifecycle
from tapgen.handlers import writer
from tapgen.model import System, verified
from tapgen.model.drills import DrillReport
from tapgen.operate import (
    databases,
    drilled,
    drilling,
    filling,
    programs,
    running,
)
from tapgen.operate.databases import Moving
from tapgen.plan import writers
from tapgen.rollout import Starter, history, places
from tests.emulated.before import before, losses
from tests.emulated.conftest import Cloud
from tests.emulated.documents import read
from tests.emulated.live import UNSIGNED, Live
from tests.emulated.walks import WAYS, Walk
from tests.systems import look

OTHER = {"primary": "dr", "dr": "primary"}
ZONE = "payments.example.com"


def built(**settings: Any) -> System:
    """The shipped system with other settings."""
    loaded = config.load(look.ROOT / "stacksets" / "payments_dr.yaml", blueprints.find)
    return look.built(replace(loaded, settings=look.changed(loaded, settings)))


@pytest.fixture(scope="module")
def live(server: lifecycle.Server) -> Live:
    """The shipped file with a name of its own, for all tests here. In `make soak`, they run
    against a system that was upgraded from the templates of before."""
    cloud = Cloud(server.url, UNSIGNED)
    zone = cloud.client("route53").create_hosted_zone(
        Name=ZONE, CallerReference=str(uuid.uuid4())
    )
    zone_id = zone["HostedZone"]["Id"].rpartition("/")[2]
    domain = {"name": f"api.{ZONE}", "hosted_zone_id": zone_id}
    settings = {"deletion_protection": False, "cost_category": True}
    deployed = Live(cloud, built(domain=domain, **settings))
    if "TAPGEN_SOAK" in os.environ:
        _before(deployed)
    assert deployed.rollout(unbounded=True).green
    return deployed


def _before(live: Live) -> None:
    """Deploy the templates of before, and see what the upgrade would do."""
    assert Live(live.cloud, before(live.system)).rollout(unbounded=True).green
    upgrade = live.cloud.plan(live.system)
    assert plan.refusals(upgrade) == [] and losses(upgrade) == set()


@pytest.mark.skipif("TAPGEN_SOAK" not in os.environ, reason="make soak runs it")
def test_the_page_of_a_bad_night_is_true(tmp_path: Path) -> None:
    assert read("docs/how-to/bad-night.md", tmp_path)


def soon(found: Callable[[], Any]) -> Any:
    """What is found within a few seconds: copies arrive a moment later."""
    deadline = time.monotonic() + 60
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


def payment(**changes: Any) -> dict[str, Any]:
    return {
        "paymentId": str(uuid.uuid4()),
        "customerId": "customer-1",
        "amount": "12.50",
        "currency": "USD",
        **changes,
    }


def pay(live: Live, role: str, content: Any) -> tuple[int, Any]:
    return live.ask(role, "POST", "/validate", content, part="app", signed=True)


def items(live: Live, role: str, payment_id: str) -> list[dict[str, Any]]:
    """What the table of a region has under an id."""
    found = live.client("dynamodb", role).query(
        TableName="pd-prod-payments",
        KeyConditionExpression="paymentId = :id",
        ExpressionAttributeValues={":id": {"S": payment_id}},
    )["Items"]
    read = TypeDeserializer().deserialize
    return [{name: read(value) for name, value in item.items()} for item in found]


def recorded(live: Live, role: str, payment_id: str) -> list[dict[str, Any]]:
    return [i for i in items(live, role, payment_id) if i.get("status") == "VALIDATED"]


def heard(live: Live, role: str) -> str:
    """A queue that hears what the payment topic of a region is told."""
    queue = live.client("sqs", role).create_queue(QueueName=f"heard-{uuid.uuid4()}")
    url = str(queue["QueueUrl"])
    arn = live.client("sqs", role).get_queue_attributes(
        QueueUrl=url, AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    topic = live.outputs("messages", role)["PaymentTopicArn"]
    live.client("sns", role).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def test_it_is_current_in_both_regions_and_a_second_time_plans_nothing(
    live: Live, server: lifecycle.Server
) -> None:
    assert live.cloud.statuses(live.system) == {"CURRENT"}
    assert not live.cloud.plan(live.system)
    shapes = lifecycle.status(server.folder)["shape_only"]
    assert live.cloud.account not in {one["account"] for one in shapes}


def test_runbooks_and_experiments_are_in_both_regions(live: Live) -> None:
    for role in OTHER:
        listed = live.client("ssm", role).list_documents()["DocumentIdentifiers"]
        runbooks = {d["Name"] for d in listed if d["Name"].startswith("pd-prod-")}
        shared = ("switchover", "failover", "failback", "drill")
        assert runbooks >= {f"pd-prod-{procedure}-{role}" for procedure in shared}
        id_ = live.outputs("drills", role)["ExperimentId"]
        fis = live.client("fis", role)
        found = fis.get_experiment_template(id=id_)["experimentTemplate"]
        (arn,) = found["targets"]["cluster"]["resourceArns"]
        assert arn.endswith(f":cluster:pd-prod-db-{role}")


@pytest.mark.parametrize("role", ["primary", "dr"])
def test_a_payment_in_one_region_appears_in_the_other(live: Live, role: str) -> None:
    queue = heard(live, role)
    wanted = payment(reference="order 7")

    status, content = pay(live, role, wanted)

    assert status == 201, content
    assert content["status"] == "VALIDATED"
    for where in (role, OTHER[role]):
        (item,) = soon(lambda: recorded(live, where, wanted["paymentId"]))
        assert item["amount"] == Decimal("12.50")
        assert (item["timestamp"], item["at"]) == ("#request", content["timestamp"])
        assert item["region"] == live.system.regions[role]
    (message,) = live.client("sqs", role).receive_message(
        QueueUrl=queue, WaitTimeSeconds=5
    )["Messages"]
    told = json.loads(json.loads(message["Body"])["Message"])
    assert told["paymentId"] == wanted["paymentId"]
    assert "amount" not in told and "customerId" not in told


def test_only_who_signs_is_answered_save_for_the_health_check(live: Live) -> None:
    assert live.ask("primary", "POST", "/validate", payment(), part="app")[0] == 403
    assert live.ask("primary", "GET", "/status", part="app")[0] == 403
    assert live.ask("primary", "GET", "/health", part="app")[0] == 200


def test_a_retry_is_the_same_payment_and_another_one_is_refused(live: Live) -> None:
    wanted = payment(amount=Decimal("12.5"))
    wanted["amount"] = 12.5  # a number in JSON; exact all the way

    first = pay(live, "primary", wanted)
    again = pay(live, "primary", {**wanted, "amount": "12.50"})
    other = pay(live, "primary", {**wanted, "amount": "13"})

    assert (first[0], again[0], other[0]) == (201, 200, 409)
    assert first[1] == again[1]
    assert len(recorded(live, "primary", wanted["paymentId"])) == 1


def test_two_regions_that_took_one_id_end_with_the_first_payment(live: Live) -> None:
    """The second claim is put as a table with eventual consistency would leave it."""
    wanted = payment()
    _, content = pay(live, "primary", wanted)
    at = datetime.fromisoformat(content["timestamp"]) - timedelta(hours=1)
    (mine,) = soon(lambda: recorded(live, "dr", wanted["paymentId"]))
    theirs = {**mine, "fingerprint": "another", "at": at.isoformat()}
    claimed = {
        **{"paymentId": wanted["paymentId"], "timestamp": "#claim dr"},
        **{"status": "#claimed", "at": at.isoformat(), "payment": theirs},
    }
    write = TypeSerializer().serialize
    live.client("dynamodb", "dr").put_item(
        TableName="pd-prod-payments", Item={k: write(v) for k, v in claimed.items()}
    )

    for role in ("primary", "dr"):
        answer = live.client("lambda", role).invoke(
            FunctionName=f"pd-prod-validate-{role}",
            Payload=json.dumps({"task": "reconcile"}),
        )
        assert set(json.load(answer["Payload"])) == {"settled", "waiting"}

    (stands,) = soon(lambda: recorded(live, "dr", wanted["paymentId"]))
    assert stands["fingerprint"] == "another"
    outcomes = {
        i["timestamp"]: i["outcome"]
        for i in items(live, "dr", wanted["paymentId"])
        if i["timestamp"].startswith("#claim")
    }
    assert outcomes == {"#claim primary": "WITHDRAWN", "#claim dr": "RECORDED"}


def test_a_receipt_is_kept_and_copied_to_the_recovery_region(live: Live) -> None:
    wanted = payment()
    _, content = pay(live, "primary", wanted)
    key = f"receipts/{content['timestamp'][:10]}/{wanted['paymentId']}.json"

    def copy() -> Any:
        bucket = live.outputs("storage-dr", "dr")["BucketName"]
        client = live.client("s3", "dr")
        listed = client.list_objects_v2(Bucket=bucket, Prefix=key)
        if not listed.get("Contents"):
            return None
        return json.load(client.get_object(Bucket=bucket, Key=key)["Body"])

    assert soon(copy)["amount"] == "12.50"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": "-1"}, "amount"),
        ({"amount": "0.001"}, "amount"),
        ({"amount": "100000.01"}, "amount"),
        ({"amount": True}, "amount"),
        ({"currency": "XXX"}, "currency"),
        ({"customerId": "no spaces"}, "customerId"),
        ({"reference": "paid with 4111 1111 1111 1111"}, "reference"),
        ({"cardNumber": "4111111111111111"}, "unknown"),
    ],
)
def test_what_is_wrong_is_refused_and_recorded_nowhere(
    live: Live, changes: Mapping[str, Any], field: str
) -> None:
    wanted = payment(**changes)
    status, content = pay(live, "primary", wanted)
    assert status == 400
    assert set(content["problems"]) == {field}
    assert "4111" not in json.dumps(content)
    assert items(live, "primary", wanted["paymentId"]) == []


def test_a_region_that_is_closed_from_the_other_one_takes_no_payments(
    live: Live,
) -> None:
    """What the runbook of a failover does first; DNS follows the health check."""
    fence = {"paymentId": {"S": "#fence"}, "timestamp": {"S": "primary"}}
    table = live.client("dynamodb", "dr")

    table.put_item(
        TableName="pd-prod-payments", Item={**fence, "closed": {"BOOL": True}}
    )
    try:
        assert soon(lambda: live.ask("primary", "GET", "/health", part="app")[0] == 503)
        assert pay(live, "primary", payment())[0] == 503
        assert pay(live, "dr", payment())[0] == 201
        status, seen = live.ask("primary", "GET", "/status", part="app", signed=True)
        assert (status, seen["writes"]) == (200, "closed")
    finally:
        table.delete_item(TableName="pd-prod-payments", Key=fence)
    assert soon(lambda: live.ask("primary", "GET", "/health", part="app")[0] == 200)


def test_each_region_says_which_database_writes(live: Live) -> None:
    for role, writes in (("primary", True), ("dr", False)):
        _, seen = live.ask(role, "GET", "/status", part="app", signed=True)
        assert seen["role"] == role
        assert seen["database"] == {"status": "available", "writer": writes}


def test_runbooks_see_which_region_writes(live: Live) -> None:
    """What a move waits for, asked of the databases that there are."""
    for role, writes in (("primary", True), ("dr", False)):
        asked = {"GlobalDatabase": "pd-prod-db-global", "Cluster": f"pd-prod-db-{role}"}
        assert writer.writes(asked, live.client("rds", role)) is writes


def test_a_lost_region_is_failed_over_and_clusters_are_left_alone_until_it_is_undone(
    live: Live, server: lifecycle.Server
) -> None:
    """By the steps of the commands, without those for traffic: the switch is turned off
    only a minute after it was turned on."""
    system = live.system.resolve(live.cloud.account)
    sets = replace(live.cloud.sets, copies=system.journal_copies)

    def carry_out(moving: Moving, without: tuple[str, ...] = ()) -> None:
        steps = programs.steps(moving.moves, databases.unread)
        ended = running.run(
            [s for s in steps if not re.search("Switch|Traffic", s.words)],
            system,
            sets,
            live.cloud.events.append,
            starter=Starter("Ada", moving.command, without=without),
            poll_seconds=(0.02, 0.1),
        )
        assert ended.green, ended.failures

    def refused() -> list[str]:
        kept = {"deletion_protection": False, "database": {"backup_days": 30}}
        changed = live.cloud.plan(built(domain=_domain(live), **kept))
        found = writers.with_writers(changed, live.cloud.aws)
        return [text for text in found.blocked if "pd-prod-db-dr in us-east-2" in text]

    assert refused() == []
    everything = {"region": "us-east-1", "account": system.admin.account}
    away = {"effect": "unavailable", "match": {**everything, "times": "always"}}
    (fault,) = lifecycle.add_faults(server.folder, away)
    try:
        taking_over = databases.failover(system, sets.aws, lose_data=True)
        carry_out(taking_over, without=("us-east-1",))
    finally:
        lifecycle.clear_faults(server.folder, fault["id"])
    try:
        assert pay(live, "primary", payment())[0] == 503
        assert pay(live, "dr", payment())[0] == 201
        assert len(refused()) == 2, "both clusters"
    finally:
        carry_out(databases.failback(system, sets.aws))
    assert refused() == []
    assert pay(live, "primary", payment())[0] == 201


def test_a_drill_measures_what_there_is_and_leaves_nothing(live: Live) -> None:
    """All but the way of the traffic, whose switch is turned off only a minute after it was
    turned on: the page of a bad night has all of it. A service call says what the embedded
    AWS does not: how far the copy of the database is behind."""
    system = live.system.resolve(live.cloud.account)
    sets = replace(live.cloud.sets, copies=system.journal_copies)
    metrics = live.client("cloudwatch", "dr")
    alarm = metrics.describe_alarms(AlarmNames=["pd-prod-db-lag-dr"])["MetricAlarms"][0]
    point = {k: alarm[k] for k in ("MetricName", "Dimensions")} | {"Value": 120}
    metrics.put_metric_data(Namespace=alarm["Namespace"], MetricData=[point])

    def drill(scenario: str, last: str = "") -> DrillReport:
        found = drilling.plan(system, sets.aws, scenario, f"0a1b2c3d{scenario}")
        facts = drilled.facts(found, asdict(system.goals), "", True)
        words = [step.words for step in found.steps]
        ends = next(
            (n for n, w in enumerate(words) if last and w.startswith(last)), None
        )
        ended = running.run(
            found.steps[:ends],
            system,
            sets,
            live.cloud.events.append,
            starter=Starter("Ada", "drill", facts),
            on_failure="rollback",
            poll_seconds=(0.02, 0.1),
        )
        assert ended.green, ended.failures
        store = places.nearest(sets, system.prefix).store
        read = history.find(store, system.prefix, ended.run)
        return drilled.report(read, system.regions)

    copies, database = drill("region-loss", "OpenThisRegion"), drill("database")

    assert [m.measure.title for m in database.measured if not m.times] == []
    assert database.measured[0].times == [0.12] and not database.left
    named = [m.measure.key for m in copies.measured if m.times]
    assert len([n for n in named if n.startswith("table")]) == 2
    assert "objects us-east-1" in named and not copies.left
    for role, bucket in (("primary", "storage"), ("dr", "storage-dr")):
        name = live.outputs(bucket, role)["BucketName"]
        versions = live.client("s3", role).list_object_versions(
            Bucket=name, Prefix="drill/"
        )
        assert not versions.get("Versions") and not versions.get("DeleteMarkers")
        assert soon(lambda: items(live, role, "#drill") == [])
    queues = live.client("sqs", "dr").list_queues(QueueNamePrefix=system.prefix)
    assert not queues.get("QueueUrls")
    procedure = filling.procedure(system, "failback")
    survey = databases.read(system, sets.aws, procedure, "primary", "")
    assert survey.writer.endswith("pd-prod-db-primary")


def test_the_database_copy_is_encrypted_and_has_the_same_engine(live: Live) -> None:
    clusters = {
        role: live.client("rds", role).describe_db_clusters(
            DBClusterIdentifier=f"pd-prod-db-{role}"
        )["DBClusters"][0]
        for role in OTHER
    }
    first, second = clusters["primary"], clusters["dr"]
    assert first["EngineVersion"] == second["EngineVersion"] == "16.8"
    assert all(c["StorageEncrypted"] for c in clusters.values())
    keys = [c["KmsKeyId"].split(":")[3] for c in (first, second)]
    assert keys == ["us-east-1", "us-east-2"]
    assert all(len(c["DBClusterMembers"]) == 2 for c in clusters.values())


def test_the_name_fails_over_by_health_checks(live: Live) -> None:
    client = live.cloud.client("route53")
    zones = client.list_hosted_zones()["HostedZones"]
    (zone,) = (z["Id"] for z in zones if z["Name"].rstrip(".") == ZONE)
    records = {
        r["Failover"]: r
        for r in client.list_resource_record_sets(HostedZoneId=zone)[
            "ResourceRecordSets"
        ]
        if "Failover" in r
    }
    assert set(records) == {"PRIMARY", "SECONDARY"}
    assert all(r["Name"].startswith(f"api.{ZONE}") for r in records.values())
    check = records["PRIMARY"]["HealthCheckId"]
    assert check == live.outputs("dns", "primary")["PrimaryHealthCheckId"]
    whole = client.get_health_check(HealthCheckId=check)["HealthCheck"]
    parts = [
        client.get_health_check(HealthCheckId=child)["HealthCheck"]["HealthCheckConfig"]
        for child in whole["HealthCheckConfig"]["ChildHealthChecks"]
    ]
    watched = {
        (p["AlarmIdentifier"]["Name"], p["AlarmIdentifier"]["Region"])
        for p in parts
        if p["Type"] == "CLOUDWATCH_METRIC"
    }
    assert watched == {
        ("pd-prod-failover-requested-dr", "us-east-2"),
    }
    for name, region in watched:
        alarms = live.cloud.client("cloudwatch", region).describe_alarms(
            AlarmNames=[name]
        )
        assert alarms["MetricAlarms"], name
    resolved = live.system.resolve(live.cloud.account)
    said = verifying.verify(resolved, live.cloud.aws, live.cloud.observe(live.system))
    checks = [f for f in said if f.kind == "health check"]
    asked = [f for f in checks if "1 of 1 checkers got a good answer" in f.words]
    assert len(asked) == 3, checks  # both APIs, and dr once more, inverted
    assert verified.worst(said) in ("holds", "expected"), said


def test_a_change_of_a_setting_reaches_both_regions(live: Live) -> None:
    settings = {"replication_lag_ms": 2000, "deletion_protection": False}
    changed = replace(live, system=built(domain=_domain(live), **settings))
    assert changed.rollout().green
    for role in OTHER:
        name = f"pd-prod-db-lag-{role}"
        found = live.client("cloudwatch", role).describe_alarms(AlarmNames=[name])
        assert found["MetricAlarms"][0]["Threshold"] == 2000


def test_a_short_walk_loses_nothing_and_always_goes_on(
    live: Live, server: lifecycle.Server
) -> None:
    """From the settings of the one before; `make soak` walks far."""
    brief = WAYS["payments_dr"].brief(
        *("replication_lag_ms", "max_amount", "memory_mib"),
        **{"domain": _domain(live), "deletion_protection": False},
        replication_lag_ms=2000,
    )
    walk = Walk(live.cloud, server.folder, brief, seed=1)
    walk.begin()
    walk.step()


def _domain(live: Live) -> dict[str, Any]:
    values = live.system.part("dns").parameters
    return {"name": values["DomainName"], "hosted_zone_id": values["HostedZoneId"]}


def test_receipts_of_the_recovery_region_are_in_the_primary_one(live: Live) -> None:
    wanted = payment()
    _, content = pay(live, "dr", wanted)
    key = f"receipts/{content['timestamp'][:10]}/{wanted['paymentId']}.json"
    bucket = live.outputs("storage", "primary")["BucketName"]
    client = live.client("s3", "primary")
    assert soon(
        lambda: client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents")
    )


def test_it_is_destroyed_and_then_what_holds_data_where_that_is_asked(
    live: Live,
) -> None:
    """The last test here: nothing is left to ask afterwards."""
    observed = live.cloud.observe(live.system)
    kept = retained.find(live.cloud.aws, observed)
    gone = plan.destroy(live.system.resolve(UNSIGNED), observed)
    assert live.cloud.run(gone).green
    assert live.cloud.observe(live.system) == {}
    for role in OTHER:
        assert live.client("rds", role).describe_db_clusters()["DBClusters"] == []
        assert "pd-prod-payments" in tables(live, role)
        gateways = live.client("ec2", role).describe_nat_gateways()["NatGateways"]
        assert {g["State"] for g in gateways} <= {"deleted"}

    ended = {left.type: retained.delete(live.cloud.aws, left) for left in kept}

    by_hand = {type_ for type_, what in ended.items() if "by hand" in what}
    # Snapshots, and what other APIs of the account and region may still use.
    assert by_hand == {
        *("AWS::RDS::DBCluster", "AWS::ApiGateway::Account"),
        "AWS::ApiGateway::Deployment",
    }
    assert not [what for what in ended.values() if what.startswith("not deleted")]
    for role in OTHER:
        assert "pd-prod-payments" not in tables(live, role)
    rds = live.client("rds", "primary")
    assert rds.describe_global_clusters()["GlobalClusters"] == []


def tables(live: Live, role: str) -> list[str]:
    found = live.client("dynamodb", role).list_tables()["TableNames"]
    return [str(name) for name in found]
