"""The procedures of region_migration, between its rollouts.

None of the runbooks promotes the replica: its template has a parameter for that, so that the
stack matches the instance. `promotion` sets it from a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tapgen.frozen import dataclass
from tapgen.model.procedures import (
    RUN,
    STACK_ID,
    Call,
    Check,
    Procedure,
    Step,
    saved,
)
from tapgen.model.targets import Output
from tapgen.procedures import databases, traffic
from tapgen.procedures.traffic import Switch

PART = "runbooks"
ROLES = ("source", "target")
SYNC = "sync"
READY = "ready-to-promote"
WRITERS = {"paused": "pause-writes", "allowed": "resume-writes"}

LONGEST_BATCH = 7 * 24 * 3600
"""How long a batch job is waited for, in seconds. A job of many objects takes days.
https://docs.aws.amazon.com/general/latest/gr/s3.html"""

# The final states of a batch job.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html
_ENDS = ("Complete", "Failed", "Cancelled")


@dataclass(frozen=True)
class Job:
    """A batch job: the bucket of its objects, where it reports, and its role."""

    bucket_arn: str
    report_bucket_arn: str
    prefix: str
    role_arn: str


def procedures(
    *,
    job: Job,
    source_arn: str,
    replica: str,
    snapshot: str,
    lag_alarm: str,
    switch: str,
    switched: tuple[str, ...],
    here: Switch,
) -> tuple[Procedure, ...]:
    """Return all procedures.

    `replica` is the identifier of the instance to promote, a replica of `source_arn`,
    `snapshot` the start of its snapshots' names, `switch` the SSM parameter that allows
    writes, in the regions of the roles `switched`. `here` brings the callers of `app.` to
    the region in which it is turned.
    """
    return (
        Procedure(
            SYNC,
            "Replicates what was in the bucket before",
            PART,
            ("source",),
            (_sync(job),),
        ),
        Procedure(
            READY,
            "Stops unless the replica is close behind and healthy, then takes a snapshot",
            PART,
            ("target",),
            (databases.ready(source_arn, replica, f"{snapshot}-{RUN}", lag_alarm),),
        ),
        *_switches(switch, switched),
        Procedure(
            "redirect",
            "Sends callers of app. to this region, whatever the weights say",
            PART,
            ROLES,
            (traffic.turn(here, True),),
        ),
        Procedure(
            "release",
            "Lets callers of app. go by the weights again",
            PART,
            ROLES,
            (traffic.release(here),),
        ),
    )


def _switches(switch: str, roles: tuple[str, ...]) -> Iterable[Procedure]:
    for value, name in WRITERS.items():
        (other,) = WRITERS.keys() - {value}
        read = Call("ssm", "GetParameter", {"Name": switch})
        step = Step(
            "TurnSwitch",
            _turned(switch, value),
            after=(Check("SwitchIsTurned", read, "$.Parameter.Value", (value,)),),
            undo=_turned(switch, other),
        )
        text = f"The application of this region finds its writes {value}"
        yield Procedure(name, text, PART, roles, (step,))


def paused(switch: str, roles: tuple[str, ...]) -> Procedure:
    """Return what sees that no region takes writes: those during a promotion are lost."""
    read = Call("ssm", "GetParameter", {"Name": switch})
    check = Check("WritesArePaused", read, "$.Parameter.Value", ("paused",))
    step = Step("SeeWrites", before=(check,))
    text = "The application of this region finds its writes paused"
    return Procedure("writes-are-paused", text, PART, roles, (step,))


def promotion(source_arn: str, replica: str, database: str) -> Procedure:
    """Return what promotes the replica of the stack of a part, once it has received nearly
    all. Only a person can see that it has replayed the last LSN of its source."""
    close = databases.received("ReplicaIsCloseBehind", source_arn)
    step = databases.promoted(replica, Output(database, STACK_ID))
    step = replace(step, before=(*step.before, close))
    text = "The replica becomes a database of its own"
    return Procedure("promote", text, PART, ("target",), (step,))


def _turned(switch: str, value: str) -> Call:
    given = {"Name": switch, "Value": value, "Overwrite": True}
    return Call("ssm", "PutParameter", given)


def _sync(job: Job) -> Step:
    """Return the step with a batch job for objects that are not replicated yet.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html
    """
    account = "${AWS::AccountId}"
    create = {
        "AccountId": account,
        "ClientRequestToken": RUN,
        "ConfirmationRequired": False,
        "Operation": {"S3ReplicateObject": {}},
        "ManifestGenerator": {
            "S3JobManifestGenerator": {
                "ExpectedBucketOwner": account,
                "SourceBucket": job.bucket_arn,
                "EnableManifestOutput": False,
                "Filter": {
                    "EligibleForReplication": True,
                    "ObjectReplicationStatuses": ["NONE", "FAILED"],
                },
            }
        },
        "Report": {
            "Bucket": job.report_bucket_arn,
            "Enabled": True,
            "Format": "Report_CSV_20180820",
            "Prefix": job.prefix,
            "ReportScope": "FailedTasksOnly",
        },
        "Priority": 10,
        "RoleArn": job.role_arn,
    }
    request = {"AccountId": account, "JobId": saved("StartJob", "JobId")}
    described = Call("s3control", "DescribeJob", request)
    status = "$.Job.Status"
    failed = "$.Job.ProgressSummary.NumberOfTasksFailed"
    return Step(
        "StartJob",
        Call("s3control", "CreateJob", create),
        after=(
            Check("WaitForJob", described, status, _ENDS, LONGEST_BATCH),
            Check("JobIsComplete", described, status, ("Complete",)),
            Check("NothingFailed", described, failed, ("0",)),
        ),
        undo="nothing: replicated objects stay, and are written again by no later job",
        saves={"JobId": "$.JobId"},
    )
