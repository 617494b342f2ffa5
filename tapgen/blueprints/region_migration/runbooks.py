"""The procedures of region_migration with its names, and their runbooks.

A runbook uses the permissions of its caller, such as the migration role; `sync`, which may
take days, has a role of its own.
"""

from __future__ import annotations

from troposphere import Equals, Ref, Template

from tapgen.blocks import database, frame, monitoring, names, storage
from tapgen.blueprints import runbooks as documents
from tapgen.blueprints.region_migration.shape import (
    METRICS,
    REDIRECTED,
    REPORTS,
    ROLES,
    WRITES,
    Shape,
    logs_bucket,
    name,
    source_bucket,
    start,
)
from tapgen.model.procedures import Procedure
from tapgen.procedures import region_migration
from tapgen.procedures.region_migration import WRITERS, Job
from tapgen.procedures.traffic import Switch

HERE = Switch(
    namespace=METRICS,
    metric="Redirected",
    alarm=name(REDIRECTED, names.THIS_ROLE),
    region="${AWS::Region}",
)
"""The switch of each region that brings the callers of `app.` there."""


def document(procedure: str, role: str = names.THIS_ROLE) -> str:
    """Return the name of a procedure's runbook in a region, as text for `Fn::Sub`."""
    return name(procedure, role)


def procedures(shape: Shape) -> tuple[Procedure, ...]:
    """Return the procedures of a migration."""
    return region_migration.procedures(
        job=Job(
            bucket_arn=names.bucket_arn(shape.data),
            report_bucket_arn=storage.Bucket(logs_bucket("source")).arn,
            prefix=REPORTS,
            role_arn="${BatchRoleArn}",
        ),
        source_arn=source_arn(shape),
        replica=name("db", "target"),
        snapshot=name("before-promotion"),
        lag_alarm=name("db-lag", "target"),
        switch=WRITES,
        switched=shape.roles,
        here=HERE,
    )


def source_arn(shape: Shape) -> str:
    """Return the ARN of the database that is migrated, as text for `Fn::Sub`."""
    if not shape.builds_source:
        return "${SourceDbArn}"
    return names.arn("rds", f"db:{name('db', 'source')}", region="${SourceRegion}")


def runbooks(shape: Shape) -> Template:
    """The runbooks of a region, and its switch for the callers of `app.`."""
    t = start("Runbooks for the migration", role=frame.EVERY)
    monitoring.switch(
        t,
        "RedirectedAlarm",
        name=HERE.alarm,
        description="An operator has sent the callers of app. to this region",
        namespace=names.sub(HERE.namespace),
        metric=HERE.metric,
        topic_arn=frame.alert_topic(t),
    )
    source_bucket(t, shape)
    frame.role_arn(t, "BatchRoleArn", "ARN of the role of S3 Batch Operations.")
    sync = frame.role_arn(t, "SyncRoleArn", "ARN of the role of the runbook sync.")
    if not shape.builds_source:
        frame.arn(
            t,
            "SourceDbArn",
            "ARN of the database that is migrated.",
            database.ARN_PATTERN,
            "database instance",
        )
    conditions = {role: _only_in(t, role) for role in ROLES}
    documents.add(
        t,
        procedures(shape),
        name=document,
        conditions=conditions,
        # The others have a session of their caller, which ends after twelve hours.
        role_arn=lambda one: sync if one.name == region_migration.SYNC else None,
    )
    frame.output(
        t,
        "ResumeWritesRunbook",
        names.sub(document(WRITERS["allowed"])),
        description="Runbook that lets the application of this region write",
        condition="" if shape.builds_source else conditions["target"],
    )
    return t


def _only_in(t: Template, role: str) -> str:
    """Return the name of the condition that the stack is in the region of a role."""
    title = f"Is{role.title()}"
    t.add_condition(title, Equals(Ref(names.ROLE), role))
    return title
