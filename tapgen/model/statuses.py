"""The statuses of operations and stack instances, in the words of CloudFormation's API."""

from __future__ import annotations

from enum import StrEnum


class OperationStatus(StrEnum):
    """Status of a stack set operation (`StackSetOperationStatus`)."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class ResultStatus(StrEnum):
    """Status of an operation at one target (`StackSetOperationResultStatus`)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class InstanceStatus(StrEnum):
    """Whether a stack instance is in sync with its stack set (`StackInstanceStatus`)."""

    CURRENT = "CURRENT"
    OUTDATED = "OUTDATED"
    INOPERABLE = "INOPERABLE"


class InstanceDetailedStatus(StrEnum):
    """Status of an instance after its last operation (`StackInstanceDetailedStatus`)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    INOPERABLE = "INOPERABLE"
    SKIPPED_SUSPENDED_ACCOUNT = "SKIPPED_SUSPENDED_ACCOUNT"
    FAILED_IMPORT = "FAILED_IMPORT"


class Action(StrEnum):
    """The action of an operation (`StackSetOperationAction`)."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    DETECT_DRIFT = "DETECT_DRIFT"
