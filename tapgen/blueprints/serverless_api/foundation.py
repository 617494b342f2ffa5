"""Keys, roles, the account setting of API Gateway, and the table."""

from __future__ import annotations

from awacs import dynamodb as actions
from awacs.aws import ForAllValuesStringEquals, Statement
from troposphere import GetAtt, Ref, Template

from tapgen.blocks import api_logs, compute, frame, monitoring, security, storage, table
from tapgen.blueprints.serverless_api.shape import (
    HEALTH_ITEM,
    INDEX,
    ITEMS,
    ROLES,
    Shape,
    describe,
    items,
    name,
    start,
    website_buckets,
)


def keys() -> Template:
    """The multi-Region key of the system, and the alert topic of the region."""
    t = start("Encryption key and alert topic, source region", role="source")
    key = security.key(
        t,
        "Key",
        name=name("key", "source"),
        description="Encrypts the items, logs and alerts of the system, in both regions",
        policy=_key_users(),
    )
    topic = monitoring.topic(
        t, "AlertTopic", name=name("alerts", "source"), key_arn=GetAtt(key, "Arn")
    )
    frame.output(t, "KmsKeyArn", GetAtt(key, "Arn"), description="ARN of the key")
    frame.output(
        t,
        "AlertTopicArn",
        Ref(topic),
        description="ARN of the topic that alarms notify",
    )
    return t


def keys_target() -> Template:
    """The replica of the key in the target region, and its alert topic."""
    t = start("Replica of the encryption key, and alert topic", role="target")
    key = security.replica_key(
        t,
        "Key",
        name=name("key", "target"),
        description="Encrypts items, logs and alerts in the target region",
        primary_arn=frame.primary_key(t, "SourceKeyArn"),
        policy=_key_users(),
    )
    topic = monitoring.topic(
        t, "AlertTopic", name=name("alerts", "target"), key_arn=GetAtt(key, "Arn")
    )
    frame.output(t, "KmsKeyArn", GetAtt(key, "Arn"), description="ARN of the replica")
    frame.output(
        t,
        "AlertTopicArn",
        Ref(topic),
        description="ARN of the topic that alarms notify",
    )
    return t


def _key_users() -> list[Statement]:
    """Allow services to use the key of a region."""
    groups = [
        compute.log_group_name(name("*")),
        api_logs.log_group_name(name("*")),
        # API Gateway names these after the API's id, which is unknown in advance.
        f"{api_logs.EXECUTION_LOGS}*",
    ]
    return [security.logs_statement(*groups), security.alarms_statement()]


def roles(shape: Shape) -> Template:
    """All roles of the system, in one part, because IAM is global."""
    t = start("IAM roles, one for each service", role=frame.GLOBAL)
    source_key, target_key = (
        frame.other_key(
            t, f"{role.title()}KeyArn", f"ARN of the key in the {role} region."
        )
        for role in ("source", "target")
    )
    functions = [name("items", role) for role in ROLES]
    role = security.service_role(
        t,
        "FunctionRole",
        name=name("items"),
        service="lambda.amazonaws.com",
        description="What the function behind the API may do",
        allow=[
            *items(source_key, target_key).allow(
                "UseItems", [actions.GetItem, actions.PutItem, actions.Query]
            ),
            *compute.write_logs(functions, _REGIONS),
            compute.trace(),
        ],
        # Lambda sends no source when it assumes a role for a function.
        when=(),
    )
    frame.output(
        t,
        "FunctionRoleArn",
        GetAtt(role, "Arn"),
        description="Role of the function behind the API",
    )
    _health_role(t, source_key, target_key)
    if shape.takes_tokens:
        _verifier_role(t)
    website, copy = website_buckets()
    role = storage.replication_role(
        t,
        "ReplicationRole",
        name=name("replication"),
        description="Lets S3 copy pages to the target region",
        source=website,
        destination=copy,
    )
    frame.output(
        t,
        "ReplicationRoleArn",
        GetAtt(role, "Arn"),
        description="Role that S3 uses to replicate",
    )
    if shape.baseline:
        role = api_logs.logging_role(t, "ApiLoggingRole", name=name("api-logging"))
        frame.output(
            t,
            "ApiLoggingRoleArn",
            GetAtt(role, "Arn"),
            description="Role that API Gateway uses to write logs",
        )
    return t


_REGIONS = ("${SourceRegion}", "${TargetRegion}")


def _health_role(t: Template, source_key: Ref, target_key: Ref) -> None:
    """Add the role of the function for health checks, which anybody may call."""
    what = "What the function behind the health checks may do"
    role = security.service_role(
        t,
        "HealthRole",
        name=name("health"),
        service="lambda.amazonaws.com",
        description=what,
        allow=[
            *items(source_key, target_key).allow(
                "AskTable",
                [actions.GetItem],
                ForAllValuesStringEquals({"dynamodb:LeadingKeys": [HEALTH_ITEM]}),
            ),
            *compute.write_logs([name("health", role) for role in ROLES], _REGIONS),
            compute.trace(),
        ],
        when=(),
    )
    frame.output(t, "HealthRoleArn", GetAtt(role, "Arn"), description=what)


def _verifier_role(t: Template) -> None:
    """Add the role of the function that judges tokens; it needs no service of AWS."""
    what = "What the function that judges tokens may do"
    role = security.service_role(
        t,
        "VerifierRole",
        name=name("tokens"),
        service="lambda.amazonaws.com",
        description=what,
        allow=[
            *compute.write_logs([name("tokens", role) for role in ROLES], _REGIONS),
            compute.trace(),
        ],
        when=(),
    )
    frame.output(t, "VerifierRoleArn", GetAtt(role, "Arn"), description=what)


def api_account() -> Template:
    """The account setting that lets API Gateway write logs, once in a region."""
    t = start(
        "Account setting that lets the APIs of a region write logs", role=frame.EVERY
    )
    api_logs.account(t, "ApiAccount", name=name("api-account"))
    return t


def items_table() -> Template:
    """The table, with a replica in each region; one stack creates both."""
    t = start("Global table of items, replicated between both regions", role="source")
    describe(t)
    replicas = [
        table.Replica(
            Ref(frame.region_parameter(role)),
            role,
            frame.other_key(
                t,
                f"{role.title()}KeyArn",
                f"ARN of the key that encrypts the items in the {role} region.",
            ),
        )
        for role in ("source", "target")
    ]
    items = table.global_table(
        t,
        "Items",
        name=ITEMS,
        key=table.Key("id"),
        indexes={INDEX: table.Key("name", "createdAt")},
        replicas=replicas,
        deletion_protection=frame.deletion_protection(
            t, "the table", service="DynamoDB"
        ),
        purpose="items",
    )
    frame.output(t, "TableName", Ref(items), description="Table of the items")
    frame.output(t, "TableArn", GetAtt(items, "Arn"), description="ARN of the table")
    frame.output(
        t,
        "StreamArn",
        GetAtt(items, "StreamArn"),
        description="ARN of the table's stream",
    )
    return t
