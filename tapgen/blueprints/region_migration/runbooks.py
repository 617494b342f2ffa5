"""Runbooks for the manual steps of a migration, between the rollouts.

A runbook uses the permissions of its caller, such as the migration role. No runbook
promotes the replica: its template has a parameter for that, so that the stack matches
the instance.
"""

from __future__ import annotations

from typing import Any

from troposphere import Equals, Ref, Template

from tapgen.blocks import drills, frame, names, storage
from tapgen.blueprints.region_migration.shape import (
    REPORTS,
    ROLES,
    WRITES,
    Shape,
    logs_bucket,
    name,
    source_bucket,
    start,
)

SYNC = "sync"
READY = "ready-to-promote"
WRITERS = {"paused": "pause-writes", "allowed": "resume-writes"}

LONGEST_SNAPSHOT = 12 * 3600
"""How long the runbook waits for a snapshot, in seconds."""

LONGEST_BATCH = 7 * 24 * 3600
"""How long the runbook waits for a batch job, in seconds. A job of many objects takes
days. https://docs.aws.amazon.com/general/latest/gr/s3.html"""

# The final states of a batch job.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html
_ENDS = ("Complete", "Failed", "Cancelled")
_AUTOMATION_ID = "{{ automation:EXECUTION_ID }}"


def document(procedure: str, role: str = names.THIS_ROLE) -> str:
    """Return the name of a procedure's runbook in a region, as text for `Fn::Sub`."""
    return name(procedure, role)


def procedures(shape: Shape) -> dict[str, tuple[str, ...]]:
    """Return the procedures with a runbook in each region role."""
    switch = tuple(WRITERS.values())
    return {
        "source": (SYNC, *(switch if shape.builds_source else ())),
        "target": (READY, *switch),
    }


def runbooks(shape: Shape) -> Template:
    """The runbooks of a region."""
    t = start("Runbooks for the migration", role=frame.EVERY)
    source_bucket(t, shape)
    at_source, at_target = (_only_in(t, role) for role in ROLES)
    _add(
        t, SYNC, "Replicates what was in the bucket before", _sync(t, shape), at_source
    )
    _add(
        t,
        READY,
        "Stops unless the replica is close behind and healthy, then takes a snapshot",
        _ready(),
        at_target,
    )
    for value, procedure in WRITERS.items():
        _add(
            t,
            procedure,
            f"The application of this region finds its writes {value}",
            [
                drills.call(
                    "TurnSwitch",
                    "ssm",
                    "PutParameter",
                    Name=names.sub(WRITES),
                    Value=value,
                    Overwrite=True,
                ),
                drills.check(
                    "SwitchIsTurned",
                    "ssm",
                    "GetParameter",
                    selector="$.Parameter.Value",
                    wanted=[value],
                    Name=names.sub(WRITES),
                ),
            ],
            "" if shape.builds_source else at_target,
        )
    frame.output(
        t,
        "ResumeWritesRunbook",
        names.sub(document(WRITERS["allowed"])),
        description="Runbook that lets the application of this region write",
        condition="" if shape.builds_source else at_target,
    )
    return t


def _only_in(t: Template, role: str) -> str:
    """Return the name of the condition that the stack is in the region of a role."""
    title = f"Is{role.title()}"
    t.add_condition(title, Equals(Ref(names.ROLE), role))
    return title


def _add(
    t: Template,
    procedure: str,
    description: str,
    steps: list[dict[str, Any]],
    condition: str,
) -> None:
    runbook = drills.runbook(
        t,
        "".join(word.title() for word in procedure.split("-")) + "Runbook",
        name=document(procedure),
        procedure=procedure,
        description=description,
        parameters={},
        steps=steps,
    )
    if condition:
        runbook.Condition = condition


def _sync(t: Template, shape: Shape) -> list[dict[str, Any]]:
    """Return a step that starts a batch job for objects that are not replicated yet.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html
    """
    role = frame.role_arn(t, "BatchRoleArn", "ARN of the role of S3 Batch Operations.")
    account = Ref("AWS::AccountId")
    reports = storage.Bucket(logs_bucket("source"))
    create = drills.call(
        "StartJob",
        "s3control",
        "CreateJob",
        AccountId=account,
        ClientRequestToken=_AUTOMATION_ID,
        ConfirmationRequired=False,
        Operation={"S3ReplicateObject": {}},
        ManifestGenerator={
            "S3JobManifestGenerator": {
                "ExpectedBucketOwner": account,
                "SourceBucket": names.sub(names.bucket_arn(shape.data)),
                "EnableManifestOutput": False,
                "Filter": {
                    "EligibleForReplication": True,
                    "ObjectReplicationStatuses": ["NONE", "FAILED"],
                },
            }
        },
        Report={
            "Bucket": names.sub(reports.arn),
            "Enabled": True,
            "Format": "Report_CSV_20180820",
            "Prefix": REPORTS,
            "ReportScope": "FailedTasksOnly",
        },
        Priority=10,
        RoleArn=role,
    )
    create["outputs"] = [{"Name": "JobId", "Selector": "$.JobId", "Type": "String"}]
    job = {"AccountId": account, "JobId": drills.ref("StartJob.JobId")}
    return [
        create,
        drills.wait(
            "WaitForJob",
            "s3control",
            "DescribeJob",
            selector="$.Job.Status",
            wanted=_ENDS,
            seconds=LONGEST_BATCH,
            **job,
        ),
        drills.check(
            "JobIsComplete",
            "s3control",
            "DescribeJob",
            selector="$.Job.Status",
            wanted=["Complete"],
            **job,
        ),
        drills.check(
            "NothingFailed",
            "s3control",
            "DescribeJob",
            selector="$.Job.ProgressSummary.NumberOfTasksFailed",
            wanted=["0"],
            **job,
        ),
    ]


def _ready() -> list[dict[str, Any]]:
    """Return the checks of the replica, and a snapshot that has ended.

    Neither a promotion nor a snapshot is possible while an instance is backed up, and the
    first snapshot of a replica copies the whole disk.
    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PromoteReadReplica.html
    """
    replica = names.sub(name("db", "target"))
    snapshot = names.sub(f"{name('before-promotion')}-{_AUTOMATION_ID}")
    instance: dict[str, Any] = {"DBInstanceIdentifier": replica}
    return [
        _available("ReplicaIsAvailable", replica),
        drills.check(
            "ReplicaReplicates",
            "rds",
            "DescribeDBInstances",
            selector="$.DBInstances[0].StatusInfos[0].Status",
            wanted=["replicating"],
            **instance,
        ),
        _close_behind("ReplicaIsCloseBehind"),
        drills.call(
            "TakeSnapshot",
            "rds",
            "CreateDBSnapshot",
            DBSnapshotIdentifier=snapshot,
            **instance,
        ),
        drills.wait(
            "SnapshotIsTaken",
            "rds",
            "DescribeDBSnapshots",
            selector="$.DBSnapshots[0].Status",
            wanted=["available"],
            seconds=LONGEST_SNAPSHOT,
            DBSnapshotIdentifier=snapshot,
        ),
        _available("NoBackupRuns", replica),
        _close_behind("ReplicaIsStillCloseBehind"),
    ]


def _available(title: str, replica: Any) -> dict[str, Any]:
    return drills.wait(
        title,
        "rds",
        "DescribeDBInstances",
        selector="$.DBInstances[0].DBInstanceStatus",
        wanted=["available"],
        seconds=LONGEST_SNAPSHOT,
        DBInstanceIdentifier=replica,
    )


def _close_behind(title: str) -> dict[str, Any]:
    return drills.check(
        title,
        "cloudwatch",
        "DescribeAlarms",
        selector="$.MetricAlarms[0].StateValue",
        wanted=["OK"],
        AlarmNames=[names.sub(name("db-lag", "target"))],
    )
