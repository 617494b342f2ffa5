"""secure_network on the embedded AWS: an upgrade, and the loss of the primary region."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tapgen import plan
from tapgen.aws.stacksets import StackSets
from tapgen.emulator.server import lifecycle
from tapgen.errors import RolloutError
from tapgen.model import Target
from tapgen.operate import replicas, running
from tapgen.rollout import Starter
from tests.emulated.before import before, losses
from tests.emulated.conftest import Cloud
from tests.emulated.live import Live
from tests.emulated.walks import WAYS, Walk
from tests.systems import look


class AsRole:
    """An account whose recovery region is asked as the role of the runbooks."""

    def __init__(self, live: Live) -> None:
        self.aws = live.cloud.aws
        role = live.outputs("operators", "primary")["RunbookRoleArn"]
        sts = live.client("sts", "dr")
        answer = sts.assume_role(RoleArn=role, RoleSessionName="runbook")
        self.region = live.system.regions["dr"]
        keys = answer["Credentials"]
        self.given = {
            "endpoint_url": live.cloud.url,
            "aws_access_key_id": keys["AccessKeyId"],
            "aws_secret_access_key": keys["SecretAccessKey"],
            "aws_session_token": keys["SessionToken"],
        }

    def __getattr__(self, name: str) -> Any:
        return getattr(self.aws, name)

    def client(self, service: str, target: Target, attempts: int = 10) -> Any:
        # The journal is not what the role is for.
        if target.region != self.region or service == "s3":
            return self.aws.client(service, target, attempts)
        return boto3.client(service, region_name=self.region, **self.given)


def database(live: Live) -> dict[str, Any]:
    name = live.outputs("database-dr", "dr")["ReplicaIdentifier"]
    found = live.client("rds", "dr").describe_db_instances(DBInstanceIdentifier=name)
    instance: dict[str, Any] = found["DBInstances"][0]
    return instance


def is_copy(s3: Any, place: dict[str, str]) -> bool:
    """Whether there is an object, which then must be a copy."""
    try:
        found = s3.head_object(**place)
    except ClientError:
        return False
    assert found["ReplicationStatus"] == "REPLICA"
    return True


def soon(found: Callable[[], Any]) -> Any:
    """What is found within a minute: copies arrive a moment later."""
    deadline = time.monotonic() + 60
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


def hosts(live: Live) -> set[str]:
    """The hosts that the name of the database leads to."""
    found = live.client("route53", "primary").list_resource_record_sets(
        HostedZoneId=live.outputs("database-name", "primary")["PrivateZoneId"]
    )
    return {
        r["Value"]
        for s in found["ResourceRecordSets"]
        if s["Type"] == "CNAME"
        for r in s["ResourceRecords"]
    }


def changes(made: plan.Plan) -> dict[str, set[str]]:
    """Logical ids that a plan changes, by part."""
    return {
        step.part: {c.logical_id for each in step.changes.values() for c in each}
        for step in made.steps
        if any(step.changes.values())
    }


def test_an_upgrade_replaces_nothing_and_the_replica_takes_over(
    cloud: Cloud, server: lifecycle.Server
) -> None:
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

    # What is written in either region is in the other one, too.
    names = {
        "primary": live.outputs("storage", "primary")["PrimaryBucketName"],
        "dr": live.outputs("storage-dr", "dr")["DestinationBucketName"],
    }
    for role, other in (("primary", "dr"), ("dr", "primary")):
        live.client("s3", role).put_object(
            Bucket=names[role], Key=role, Body=role.encode()
        )
        there = {"Bucket": names[other], "Key": role}
        assert soon(lambda: is_copy(live.client("s3", other), there))

    early = look.shipped("secure_network", settings={"dr_database": "multi_az"})
    (refused,) = plan.refusals(cloud.plan(early))
    assert "dr_database: promoted first" in str(refused)
    promoted = look.shipped("secure_network", settings={"dr_database": "promoted"})
    assert changes(cloud.plan(promoted)) == {
        "database-dr": {"Replica", "ReplicaLagAlarm"}
    }

    # The primary region is lost: the replica is promoted, through its stack, with no
    # other permissions than those of the runbooks' role.
    follower = database(live)
    assert follower["ReadReplicaSourceDBInstanceIdentifier"]
    resolved = live.system.resolve(cloud.account)
    aws: Any = AsRole(live)
    found = replicas.promote(resolved, aws, "run", lose_data=True)
    starter = Starter("Ada", "promote")
    ended = running.run(
        found.steps,
        resolved,
        StackSets(aws, cloud.sets.admin),
        cloud.events.append,
        starter=starter,
        poll_seconds=(0.02, 0.1),
    )
    assert ended.green, ended.failures
    with pytest.raises(RolloutError, match="is promoted already"):
        replicas.promote(resolved, cloud.aws, "run", lose_data=True)
    writer = database(live)
    assert not writer.get("ReadReplicaSourceDBInstanceIdentifier")
    assert writer["DbiResourceId"] == follower["DbiResourceId"]

    # The stack set knows nothing of it, but a plan does: a rollout would go back.
    (reason,) = (
        r
        for s in cloud.plan(live.system).steps
        if s.part == "database-dr"
        for r in s.reasons
    )
    assert reason == "parameter Promoted differs"
    back = plan.refusals(cloud.plan(live.system))
    assert any("a promotion cannot be undone" in str(each) for each in back)
    (replaced,) = (each for each in back if "would be replaced" in str(each))
    assert "first see the other refusal" in str(replaced)
    assert not any("--allow-replacement" in str(each) for each in back)

    # The config follows, and changes nothing in the stack; then comes the standby.
    follows = cloud.plan(promoted)
    assert [s.reasons for s in follows.steps] == [
        ("parameter Promoted of the stack set differs",)
    ]
    assert changes(follows) == {}
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

    # The way back: a new database in the primary region follows, and takes over.
    # The first one, whose data are old, has lost the name for good.
    states = {"dr_database": "multi_az"}
    for state in ("replica", "promoted"):
        states["primary_database"] = state
        live = Live(cloud, look.shipped("secure_network", settings=states))
        made = cloud.plan(live.system)
        assert plan.refusals(made) == [] and losses(made) == set()
        assert live.rollout().green
        assert not cloud.plan(live.system)
        outputs = live.outputs("database-back", "primary")
        found = live.client("rds", "primary").describe_db_instances(
            DBInstanceIdentifier=outputs["ReplicaIdentifier"]
        )["DBInstances"][0]
        follows_it = bool(found.get("ReadReplicaSourceDBInstanceIdentifier"))
        assert follows_it is (state == "replica")
        assert outputs["ReplicaEndpoint"] in hosts(live)
    back = plan.refusals(
        cloud.plan(
            look.shipped(
                "secure_network", settings={**states, "primary_database": "replica"}
            )
        )
    )
    assert any("a promotion cannot be undone" in str(each) for each in back)

    # No object has gone in a circle: each is there once, in both buckets.
    for role, bucket in names.items():
        versions = live.client("s3", role).list_object_versions(Bucket=bucket)
        assert sorted(v["Key"] for v in versions["Versions"]) == ["dr", "primary"]

    # A short walk from there; `make soak` walks far.
    names = ("log_retention_days", "app_port", "reverse_replication")
    brief = WAYS["secure_network"].brief(*names, **states)
    walk = Walk(cloud, server.folder, brief, seed=1)
    walk.begin()
    walk.step()
