"""Keys, topics, log bucket, trail, and the account setting of API Gateway."""

from __future__ import annotations

from typing import Any

from awacs.aws import Statement
from troposphere import GetAtt, Ref, Template, events

from tapgen.blocks import (
    api_logs,
    compute,
    frame,
    monitoring,
    names,
    protection,
    security,
    storage,
)
from tapgen.blueprints.payments_dr.shape import (
    DATA,
    GLOBAL_DATABASE,
    HERE,
    REPLICA,
    TRAIL,
    database,
    logs_bucket,
    name,
    payment_tables,
)


def keys() -> Template:
    """The multi-Region key of the system."""
    t = frame.start("Encryption key, primary region", role="primary")
    key = security.key(
        t,
        "Key",
        name=name("key", "primary"),
        description="Encrypts payments, logs and messages, in every region",
        policy=[*_key_users(), *security.trail_statements(TRAIL)],
    )
    frame.output(t, "KmsKeyArn", GetAtt(key, "Arn"), description="ARN of the key")
    return t


def keys_dr() -> Template:
    """The replica of the key in the recovery region."""
    t = frame.start("Replica of the encryption key", role="dr")
    key = security.replica_key(
        t,
        "Key",
        name=name("key", "dr"),
        description="Encrypts payments, logs and messages in the recovery region",
        primary_arn=frame.primary_key(t, "PrimaryKeyArn"),
        policy=_key_users(),
    )
    frame.output(t, "KmsKeyArn", GetAtt(key, "Arn"), description="ARN of the replica")
    return t


def _key_users() -> list[Statement]:
    """Allow services to use the key of a region."""
    groups = [
        name("*"),
        compute.log_group_name(name("*")),
        api_logs.log_group_name(name("*")),
        # API Gateway names these after the API's id, which is unknown in advance.
        f"{api_logs.EXECUTION_LOGS}*",
        f"/aws/rds/cluster/{name('*')}",
    ]
    return [
        security.logs_statement(*groups),
        security.alarms_statement(),
        security.publisher_statement(security.EVENTS),
        security.publisher_statement(security.BUDGETS),
    ]


def logs() -> Template:
    """The log bucket of a region: access logs, and the trail."""
    t = frame.start("Bucket for access logs and CloudTrail logs", role=frame.EVERY)
    bucket = storage.Bucket(logs_bucket(HERE))
    trail = names.arn("cloudtrail", f"trail/{TRAIL}", region="${PrimaryRegion}")
    protection.log_bucket(
        t,
        name=bucket.name,
        days_parameter="AuditRetentionDays",
        what="access logs and the trail",
        policy=[
            *protection.access_log_statements(bucket, [DATA, REPLICA]),
            *protection.trail_statements(bucket, trail),
        ],
    )
    return t


def audit() -> Template:
    """One trail for all regions."""
    t = frame.start("CloudTrail trail for all regions", role="primary")
    trail = protection.trail(
        t,
        "Trail",
        name=TRAIL,
        bucket_name=frame.log_bucket(t),
        key_arn=frame.key_arn(t),
        watched=[DATA, REPLICA],
        tables=payment_tables(),
    )
    frame.output(t, "TrailArn", GetAtt(trail, "Arn"), description="ARN of the trail")
    return t


def messages() -> Template:
    """The topics of a region, and the events of its database that go there.

    Alarms and failovers go to one topic for people on call, and payments to another.
    """
    t = frame.start("Topics for alerts and payments", role=frame.EVERY)
    key = frame.key_arn(t)
    alerts = monitoring.topic(
        t,
        "AlertTopic",
        name=name("alerts", HERE),
        key_arn=key,
        publishers=[security.EVENTS, security.BUDGETS],
    )
    payments = monitoring.plain_topic(
        t, "PaymentTopic", name=name("payments", HERE), key_arn=key
    )
    _database_events(t, alerts)
    frame.output(t, "AlertTopicArn", Ref(alerts), description="ARN of the alert topic")
    frame.output(
        t,
        "AlertTopicName",
        GetAtt(alerts, "TopicName"),
        description="Name of the alert topic",
    )
    frame.output(
        t, "PaymentTopicArn", Ref(payments), description="ARN of the payments topic"
    )
    return t


def _database_events(t: Template, topic: Any) -> None:
    """Add rules for failovers and failures of the cluster and the global database."""
    t.add_resource(
        events.Rule(
            "DatabaseEvents",
            Name=names.sub(name("db-events", HERE)),
            Description="Failovers and failures of the database notify the alert topic",
            State="ENABLED",
            EventPattern={
                "source": ["aws.rds"],
                "detail-type": ["RDS DB Cluster Event"],
                "detail": {
                    "EventCategories": ["failover", "failure", "global-failover"],
                    "SourceIdentifier": [
                        names.sub(database(HERE)),
                        names.sub(GLOBAL_DATABASE),
                    ],
                },
            },
            Targets=[events.Target(Id="alerts", Arn=Ref(topic))],
        )
    )


def api_account() -> Template:
    """The account setting that lets API Gateway write logs, once in a region."""
    t = frame.start(
        "Account setting that lets the APIs of a region write logs", role=frame.EVERY
    )
    api_logs.account(t, "ApiAccount", name=name("api-account"))
    return t
