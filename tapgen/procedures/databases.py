"""Steps that move the writer of a global database, and readings of a replica."""

from __future__ import annotations

from tapgen.frozen import dataclass
from tapgen.model.procedures import WRITER, Call, Check, Script, Step
from tapgen.model.targets import Value

LONGEST_SNAPSHOT = 12 * 3600
"""How long a snapshot is waited for, in seconds."""

CLOSE_BYTES = 64 * 2**20
"""What a source may still keep for a replica that is close behind: a segment of the WAL
of RDS, which it fills up every five minutes while nobody writes."""


@dataclass(frozen=True)
class GlobalDatabase:
    """A global database and its cluster in the region of the procedure, by name."""

    identifier: str
    cluster: str
    cluster_arn: str
    lag_alarm: str


def is_available(database: GlobalDatabase, name: str, seconds: int = 0) -> Check:
    """The global database is available."""
    request = {"GlobalClusterIdentifier": database.identifier}
    return Check(
        name,
        Call("rds", "DescribeGlobalClusters", request),
        "$.GlobalClusters[0].Status",
        ("available",),
        seconds,
    )


def is_close(database: GlobalDatabase) -> Check:
    """The cluster here is close behind. The one that writes publishes no lag."""
    return alarm(
        "CopyIsCloseBehind", database.lag_alarm, ("OK", "INSUFFICIENT_DATA"), 0
    )


def alarm(name: str, alarm_name: str, wanted: tuple[str, ...], seconds: int) -> Check:
    """An alarm is in one of some states."""
    return Check(
        name,
        Call("cloudwatch", "DescribeAlarms", {"AlarmNames": [alarm_name]}),
        "$.MetricAlarms[0].StateValue",
        wanted,
        seconds,
    )


def switch_over(database: GlobalDatabase) -> Step:
    """Move the writer here without loss; it is asked for where the writer is.

    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html
    """
    return Step(
        "MoveDatabase",
        Script("MoveDatabase", "switchover", _moved(database)),
        after=(
            _writes_here(database),
            is_available(database, "WaitForGlobalDatabase", 3600),
        ),
        undo="the procedure switchover in the other region",
        region=WRITER,
    )


def fail_over(database: GlobalDatabase) -> Step:
    """Move the writer here, and accept the loss of what was not replicated.

    Asked for in the region that takes over. The other cluster rejoins when it can, which
    may be much later, so the global database is not waited for.
    """
    return Step(
        "MoveDatabase",
        Script(
            "MoveDatabase", "switchover", {**_moved(database), "LossAccepted": "yes"}
        ),
        after=(_writes_here(database),),
        undo="the procedure failback in the other region; what was lost stays lost",
    )


def _moved(database: GlobalDatabase) -> dict[str, str]:
    return {"GlobalDatabase": database.identifier, "Target": database.cluster_arn}


def _writes_here(database: GlobalDatabase) -> Script:
    """Wait for up to an hour. The status is no proof: it is the same before a move."""
    return Script(
        "WaitForWriterHere",
        "writer",
        {"GlobalDatabase": database.identifier, "Cluster": database.cluster},
        attempts=7,
    )


def instance(
    name: str, identifier: str, selector: str, wanted: str, seconds: int = 0
) -> Check:
    """A property of an instance has a value."""
    request = {"DBInstanceIdentifier": identifier}
    return Check(
        name,
        Call("rds", "DescribeDBInstances", request),
        f"$.DBInstances[0].{selector}",
        (wanted,),
        seconds,
    )


def received(name: str, source_arn: str) -> Script:
    """The replicas of an instance have received nearly all that it has written.

    Judged by the replication slot: an idle source makes ReplicaLag grow.
    """
    return Script(name, "behind", {"Source": source_arn, "Bytes": str(CLOSE_BYTES)})


def ready(source_arn: str, replica: str, snapshot: str, lag_alarm: str) -> Step:
    """Return the step with the checks of the replica, and a snapshot that has ended.

    Neither a promotion nor a snapshot is possible while an instance is backed up, and the
    first snapshot of a replica copies the whole disk.
    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PromoteReadReplica.html
    """
    taken = {"DBSnapshotIdentifier": snapshot}
    given = {**taken, "DBInstanceIdentifier": replica}

    def available(name: str) -> Check:
        longest = LONGEST_SNAPSHOT
        return instance(name, replica, "DBInstanceStatus", "available", longest)

    return Step(
        "TakeSnapshot",
        Call("rds", "CreateDBSnapshot", given),
        before=(
            available("ReplicaIsAvailable"),
            instance(
                "ReplicaReplicates", replica, "StatusInfos[0].Status", "replicating"
            ),
            alarm("ReplicaIsHeard", lag_alarm, ("OK",), 0),
            received("ReplicaIsCloseBehind", source_arn),
        ),
        after=(
            Check(
                "SnapshotIsTaken",
                Call("rds", "DescribeDBSnapshots", taken),
                "$.DBSnapshots[0].Status",
                ("available",),
                LONGEST_SNAPSHOT,
            ),
            available("NoBackupRuns"),
            alarm("ReplicaIsStillHeard", lag_alarm, ("OK",), 0),
            received("ReplicaIsStillCloseBehind", source_arn),
        ),
        undo=Call("rds", "DeleteDBSnapshot", taken),
        begun=("creating",),
    )


def promoted(replica: str, stack: Value) -> Step:
    """Return the step that promotes the replica through its stack.

    While the instance is backed up, RDS promotes nothing, so that is waited for.
    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PromoteReadReplica.html
    """
    available = instance(
        "ReplicaIsAvailable", replica, "DBInstanceStatus", "available", 3600
    )
    return Step(
        "PromoteReplica",
        # An hour: RDS restarts the instance, and names no longest time.
        Script("PromoteReplica", "promotion", {"Stack": stack}, attempts=7),
        before=(available,),
        after=(
            instance(
                "DatabaseIsAvailable", replica, "DBInstanceStatus", "available", 3600
            ),
        ),
        undo="nothing: a promoted replica never follows its source again",
    )
