"""secure_network on the embedded AWS: an upgrade, and the loss of the primary region."""

from __future__ import annotations

from typing import Any

from tapgen import plan
from tapgen.handlers import promotion
from tapgen.model.procedures import Call, Script
from tests.emulated.before import before, losses
from tests.emulated.conftest import Cloud
from tests.emulated.live import Live
from tests.systems import look


def never(seconds: float) -> None:
    """The embedded AWS has updated a stack when it answers for the next time."""


def database(live: Live) -> dict[str, Any]:
    name = live.outputs("database-dr", "dr")["ReplicaIdentifier"]
    found = live.client("rds", "dr").describe_db_instances(DBInstanceIdentifier=name)
    instance: dict[str, Any] = found["DBInstances"][0]
    return instance


def changes(made: plan.Plan) -> dict[str, set[str]]:
    """Logical ids that a plan changes, by part."""
    return {
        step.part: {c.logical_id for each in step.changes.values() for c in each}
        for step in made.steps
        if any(step.changes.values())
    }


def test_an_upgrade_replaces_nothing_and_the_replica_takes_over(cloud: Cloud) -> None:
    """It begins with the templates of before."""
    live = Live(cloud, look.shipped("secure_network"))
    then = Live(cloud, before(live.system))
    assert then.rollout().green
    trail = live.client("cloudtrail", "primary").describe_trails()["trailList"][0]
    upgrade = cloud.plan(live.system)
    assert plan.refusals(upgrade) == [] and losses(upgrade) == set()
    assert live.rollout().green
    assert not cloud.plan(live.system)

    # The trail, and not the bucket that it wrote to, has moved.
    s3 = live.client("s3", "primary")
    moved = live.client("cloudtrail", "primary").describe_trails()["trailList"][0]
    assert moved["TrailARN"] == trail["TrailARN"]
    assert s3.head_bucket(Bucket=trail["S3BucketName"])
    bucket = live.outputs("audit-bucket", "primary")["AuditBucketName"]
    assert moved["S3BucketName"] == bucket != trail["S3BucketName"]
    lock = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 400}
    queries = live.client("logs", "dr").describe_query_definitions()
    groups = {tuple(q["logGroupNames"]) for q in queries["queryDefinitions"]}
    assert groups == {(live.outputs("network", "dr")["FlowLogGroupName"],)}

    early = look.shipped("secure_network", settings={"dr_database": "multi_az"})
    (refused,) = plan.refusals(cloud.plan(early))
    assert "dr_database: promoted first" in str(refused)
    promoted = look.shipped("secure_network", settings={"dr_database": "promoted"})
    assert changes(cloud.plan(promoted)) == {
        "database-dr": {"Replica", "ReplicaLagAlarm"}
    }

    # The primary region is lost: the runbook promotes, through the stack.
    (failover,) = (p for p in live.system.procedures if p.name == "failover")
    promote, name = (step.act for step in failover.steps)
    assert isinstance(promote, Script) and promote.handler == "promotion"
    assert isinstance(name, Call) and name.action == "PutMetricData"
    follower = database(live)
    assert follower["ReadReplicaSourceDBInstanceIdentifier"]
    asked = {"Stack": live.outputs("database-dr", "dr")["ReplicaStackId"]}
    stacks = live.client("cloudformation", "dr")
    for _ in range(2):  # the second time it is promoted already
        assert promotion.promote(asked, stacks, never)["Status"] == "UPDATE_COMPLETE"
    writer = database(live)
    assert not writer.get("ReadReplicaSourceDBInstanceIdentifier")
    assert writer["DbiResourceId"] == follower["DbiResourceId"]

    # The config follows, and changes nothing in the stack; then comes the standby.
    for state in ("promoted", "multi_az"):
        live = Live(
            cloud, look.shipped("secure_network", settings={"dr_database": state})
        )
        assert live.rollout().green
        assert not cloud.plan(live.system)
        assert database(live)["DbiResourceId"] == writer["DbiResourceId"]
    instance = database(live)
    assert (instance["BackupRetentionPeriod"], instance["MultiAZ"]) == (14, True)
    back = plan.refusals(cloud.plan(look.shipped("secure_network")))
    assert any("a promotion cannot be undone" in str(each) for each in back)
