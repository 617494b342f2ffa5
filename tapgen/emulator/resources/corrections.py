"""Corrections of details in ministack's own resource handlers.

Its handlers stay in place. What they leave out is done after them, attributes that they
lack are added, and a name that is taken is refused instead of overwritten.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tapgen.emulator.resources.calls import CallError, call, fitted_to, truth
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Properties,
    Shape,
    create_only,
    exists,
    provisioners,
    refusing,
)
from tapgen.emulator.services.patches import address_blocks


def _nothing(physical_id: str, old: Properties, new: Properties) -> None:
    """Do nothing: most types need nothing more."""


def _no_attributes(physical_id: str, properties: Properties) -> Attributes:
    return {}


@dataclass(frozen=True)
class Correction:
    """What to do beside ministack's own handler of a type.

    `name` is the property that names the resource and `stores` where ministack stores
    the existing ones, as module and attribute; `identify` returns the key there, or the
    name is in the `field` of each. `generated` says that CloudFormation generates a name
    as for other types, where ministack has a form of its own.
    """

    type: str
    name: str | None = None
    stores: tuple[str, str] | None = None
    identify: Callable[[str], str] = str
    field: str = ""
    generated: bool = False
    settle: Callable[[str, Properties, Properties], None] = _nothing
    attributes: Callable[[str, Properties], Attributes] = _no_attributes


# For these types ministack does not know which property changes replace: change sets
# report "Conditional", and an endpoint stays in a VPC that is gone.
_REPLACING_UNKNOWN = (
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::Policy",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::SNS::TopicPolicy",
)
# Names that a replacement cannot share, so that CloudFormation refuses it.
_CUSTOM_NAMES = {"AWS::EC2::SecurityGroup": "GroupName"}


def correct(shape: Shape, more: Sequence[Correction]) -> None:
    """Put every correction in place; a second call changes nothing.

    `more` are the corrections of other modules.
    """
    replacing = provisioners()._REPLACING_PROPERTIES
    for name in provisioners()._RESOURCE_HANDLERS:
        if name in _REPLACING_UNKNOWN or name.startswith("AWS::EC2::"):
            schema = shape(name, "us-east-1") or {}
            only = tuple(path[0] for path in create_only(schema, nested=False))
            replacing.setdefault(name, only)
    for name, given in _CUSTOM_NAMES.items():
        provisioners()._CUSTOM_NAME_REPLACEMENT.setdefault(name, {"name": given})
    for correction in (*_CORRECTIONS, *more):
        handlers = provisioners()._RESOURCE_HANDLERS[correction.type]
        if handlers.get("corrected"):
            continue
        handlers["create"] = _creating(
            correction, handlers["create"], handlers["delete"]
        )
        if "update" in handlers:
            handlers["update"] = _updating(correction, handlers["update"])
        handlers["corrected"] = True


def _creating(
    correction: Correction, create: Callable[..., Any], delete: Callable[..., Any]
) -> Callable[..., Any]:
    def corrected(logical_id: str, properties: Properties, stack: str) -> Created:
        name = properties.get(correction.name or "")
        if name and correction.stores and _taken(correction, str(name)):
            raise exists(correction.type, str(name))
        if correction.generated and not name:
            own = provisioners()._physical_name(stack, logical_id)
            properties = {**properties, str(correction.name): own}
        physical_id, attributes = create(logical_id, properties, stack)
        try:
            refusing(correction.settle)(physical_id, {}, properties)
        except ValueError:
            # The stack has no record of it yet and would leave it behind.
            delete(physical_id, properties)
            raise
        more = correction.attributes(physical_id, properties)
        return physical_id, {**attributes, **more}

    return corrected


def _taken(correction: Correction, name: str) -> bool:
    assert correction.stores is not None
    module, store = correction.stores
    known = getattr(importlib.import_module(f"ministack.services.{module}"), store)
    if correction.field:
        return any(found.get(correction.field) == name for found in known.values())
    return correction.identify(name) in known


def _updating(correction: Correction, update: Callable[..., Any]) -> Callable[..., Any]:
    def corrected(
        physical_id: str, old: Properties, new: Properties, *rest: Any
    ) -> Created:
        if correction.generated:
            unnamed = {str(correction.name): physical_id}
            old, new = {**unnamed, **old}, {**unnamed, **new}
        changed, attributes = update(physical_id, old, new, *rest)
        # A handler may have replaced the resource; then nothing of it is set yet.
        before = old if changed == physical_id else {}
        refusing(correction.settle)(changed, before, new)
        more = correction.attributes(changed, new)
        return changed, {**attributes, **more}

    return corrected


def _place() -> tuple[str, str]:
    """Account and region of the current stack."""
    responses = importlib.import_module("ministack.core.responses")
    return responses.get_account_id(), responses.get_region()


# --- Network: attributes of the registry schema -----------------------------------------


def _vpc_attributes(physical_id: str, properties: Properties) -> Attributes:
    vpc = address_blocks.record(physical_id)
    further = address_blocks.blocks(physical_id)
    return {
        "CidrBlock": vpc["CidrBlock"],
        "CidrBlockAssociations": [
            vpc.get("_cidr_assoc_id", f"vpc-cidr-assoc-{physical_id[4:]}"),
            *(id_ for id_, block in further.items() if ":" not in block),
        ],
        "Ipv6CidrBlocks": [block for block in further.values() if ":" in block],
    }


def _subnet_attributes(physical_id: str, properties: Properties) -> Attributes:
    subnet = address_blocks.record(physical_id)
    further = address_blocks.blocks(physical_id).values()
    return {
        "AvailabilityZoneId": subnet.get("AvailabilityZoneId", ""),
        "CidrBlock": subnet["CidrBlock"],
        "Ipv6CidrBlocks": [block for block in further if ":" in block],
        "NetworkAclAssociationId": f"aclassoc-{physical_id.partition('-')[2]}",
        "VpcId": subnet["VpcId"],
    }


def _settle_subnet(physical_id: str, old: Properties, new: Properties) -> None:
    if new.get("Ipv6CidrBlock") and new.get("Ipv6CidrBlock") != old.get(
        "Ipv6CidrBlock"
    ):
        address_blocks.associate(physical_id, str(new["Ipv6CidrBlock"]))


def _route_attributes(physical_id: str, properties: Properties) -> Attributes:
    return {"CidrBlock": physical_id.partition("|")[2]}


def _id_attribute(physical_id: str, properties: Properties) -> Attributes:
    return {"Id": physical_id}


def _attachment_attributes(physical_id: str, properties: Properties) -> Attributes:
    return {"AttachmentType": physical_id.partition("|")[0]}


# --- IAM --------------------------------------------------------------------------------


def _settle_role(physical_id: str, old: Properties, new: Properties) -> None:
    boundary = new.get("PermissionsBoundary")
    if boundary:
        call(
            "iam",
            "PutRolePermissionsBoundary",
            RoleName=physical_id,
            PermissionsBoundary=boundary,
        )
    elif old.get("PermissionsBoundary"):
        call("iam", "DeleteRolePermissionsBoundary", RoleName=physical_id)


def _policy_arn(name: str) -> str:
    return f"arn:aws:iam::{_place()[0]}:policy/{name}"


# --- Logs, topics ------------------------------------------------------------------------


def _settle_log_group(physical_id: str, old: Properties, new: Properties) -> None:
    key = new.get("KmsKeyId")
    if not key or key == old.get("KmsKeyId"):
        return
    try:
        call("kms", "DescribeKey", KeyId=key)
    except CallError as error:
        account, region = _place()
        raise CallError(
            "CloudWatchLogs",
            "InvalidParameterException",
            "The specified KMS key does not exist or is not allowed to be used with "
            f"Arn 'arn:aws:logs:{region}:{account}:log-group:{physical_id}'",
            400,
        ) from error


def _settle_table(physical_id: str, old: Properties, new: Properties) -> None:
    # ministack leaves out recovery, expiry and encryption of a table.
    def changed(name: str) -> Any:
        return new.get(name) if new.get(name) != old.get(name) else None

    recovery = changed("PointInTimeRecoverySpecification")
    if recovery:
        call(
            "dynamodb",
            "UpdateContinuousBackups",
            TableName=physical_id,
            PointInTimeRecoverySpecification=recovery,
        )
    expiry = changed("TimeToLiveSpecification")
    if expiry:
        call(
            "dynamodb",
            "UpdateTimeToLive",
            TableName=physical_id,
            TimeToLiveSpecification=expiry,
        )
    encryption = changed("SSESpecification")
    if encryption:
        wanted = {**encryption, "Enabled": encryption.get("SSEEnabled")}
        call(
            "dynamodb",
            "UpdateTable",
            TableName=physical_id,
            SSESpecification=wanted,
        )
    _stream_table(physical_id, old, new)


def _stream_table(physical_id: str, old: Properties, new: Properties) -> None:
    was, wanted = (p.get("KinesisStreamSpecification") or {} for p in (old, new))
    if was == wanted:
        return
    for operation, given in (
        ("DisableKinesisStreamingDestination", was),
        ("EnableKinesisStreamingDestination", wanted),
    ):
        if given:
            stream = given["StreamArn"]
            call("dynamodb", operation, TableName=physical_id, StreamArn=stream)


def _settle_machine(physical_id: str, old: Properties, new: Properties) -> None:
    # ministack stores logging under the template's keys, and no tracing.
    machines = importlib.import_module("ministack.services.stepfunctions")
    machine = machines._state_machines[physical_id]
    names = ("LoggingConfiguration", "TracingConfiguration")
    given = {name: new[name] for name in names if new.get(name)}
    operation = "UpdateStateMachine"
    wanted = fitted_to("stepfunctions", operation, given)
    machine["loggingConfiguration"] = {"level": "OFF", "includeExecutionData": False}
    machine["tracingConfiguration"] = {"enabled": False}
    machine.update(wanted)


# The defaults of FIFO queues (Amazon SQS API reference, SetQueueAttributes).
_FIFO = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "FifoThroughputLimit": "perQueue",
}


def _settle_queue(physical_id: str, old: Properties, new: Properties) -> None:
    if truth(new.get("FifoQueue", False)):
        queue = importlib.import_module("ministack.services.sqs")._queues[physical_id]
        queue["attributes"] = {**_FIFO, **queue["attributes"]}


def _topic_arn(name: str) -> str:
    account, region = _place()
    return f"arn:aws:sns:{region}:{account}:{name}"


# Properties that are attributes of the topic under the same name.
_TOPIC_ATTRIBUTES = (
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DataProtectionPolicy",
    "FifoThroughputScope",
    "FifoTopic",
    "KmsMasterKeyId",
    "SignatureVersion",
    "TracingConfig",
)


def _settle_topic(physical_id: str, old: Properties, new: Properties) -> None:
    for name in _TOPIC_ATTRIBUTES:
        if new.get(name) != old.get(name):
            call(
                "sns",
                "SetTopicAttributes",
                TopicArn=physical_id,
                AttributeName=name,
                AttributeValue=new.get(name, ""),
            )


# --- Keys --------------------------------------------------------------------------------


def _state_machine_arn(name: str) -> str:
    account, region = _place()
    return f"arn:aws:states:{region}:{account}:stateMachine:{name}"


def _alias_arn(name: str) -> str:
    account, region = _place()
    return f"arn:aws:kms:{region}:{account}:{name}"


def _settle_key(physical_id: str, old: Properties, new: Properties) -> None:
    if truth(new.get("EnableKeyRotation", False)):
        # ministack stores the period as the template writes it, perhaps as text.
        call(
            "kms",
            "EnableKeyRotation",
            KeyId=physical_id,
            RotationPeriodInDays=new.get("RotationPeriodInDays", 365),
        )


_CORRECTIONS: tuple[Correction, ...] = (
    Correction("AWS::EC2::VPC", attributes=_vpc_attributes),
    Correction(
        "AWS::EC2::Subnet", settle=_settle_subnet, attributes=_subnet_attributes
    ),
    Correction("AWS::EC2::Route", attributes=_route_attributes),
    Correction("AWS::EC2::SubnetRouteTableAssociation", attributes=_id_attribute),
    Correction("AWS::EC2::VPCGatewayAttachment", attributes=_attachment_attributes),
    Correction("AWS::EC2::SecurityGroup", attributes=_id_attribute),
    Correction("AWS::IAM::Role", "RoleName", ("iam", "_roles"), settle=_settle_role),
    Correction(
        "AWS::IAM::ManagedPolicy",
        "ManagedPolicyName",
        ("iam", "_policies"),
        _policy_arn,
    ),
    Correction(
        "AWS::Logs::LogGroup",
        "LogGroupName",
        ("cloudwatch_logs", "_log_groups"),
        generated=True,
        settle=_settle_log_group,
    ),
    Correction(
        "AWS::SNS::Topic",
        "TopicName",
        ("sns", "_topics"),
        _topic_arn,
        settle=_settle_topic,
    ),
    Correction(
        "AWS::CloudWatch::Dashboard", "DashboardName", ("cloudwatch", "_dashboards")
    ),
    Correction(
        "AWS::DynamoDB::Table",
        "TableName",
        ("dynamodb", "_tables"),
        settle=_settle_table,
    ),
    # Their services answer as if they had created what is there already.
    Correction(
        *("AWS::AutoScaling::AutoScalingGroup", "AutoScalingGroupName"),
        ("autoscaling", "_asgs"),
    ),
    Correction("AWS::Backup::BackupVault", "BackupVaultName", ("backup", "_vaults")),
    Correction("AWS::ECR::Repository", "RepositoryName", ("ecr", "_repositories")),
    Correction("AWS::ECS::Cluster", "ClusterName", ("ecs", "_clusters")),
    Correction("AWS::Kinesis::Stream", "Name", ("kinesis", "_streams")),
    Correction("AWS::Lambda::Function", "FunctionName", ("lambda_svc", "_functions")),
    Correction("AWS::Pipes::Pipe", "Name", ("pipes", "_pipes")),
    Correction(
        *("AWS::SQS::Queue", "QueueName", ("sqs", "_queue_name_to_url")),
        settle=_settle_queue,
    ),
    Correction(
        *("AWS::Scheduler::ScheduleGroup", "Name", ("scheduler", "_schedule_groups")),
    ),
    Correction("AWS::SecretsManager::Secret", "Name", ("secretsmanager", "_secrets")),
    Correction(
        *("AWS::StepFunctions::StateMachine", "StateMachineName"),
        *(("stepfunctions", "_state_machines"), _state_machine_arn),
        settle=_settle_machine,
    ),
    Correction("AWS::RDS::DBCluster", "DBClusterIdentifier", ("rds", "_clusters")),
    Correction("AWS::KMS::Key", settle=_settle_key),
    Correction("AWS::KMS::Alias", "AliasName", ("kms", "_aliases"), _alias_arn),
)
