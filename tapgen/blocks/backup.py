"""AWS Backup: a vault in each region, and a plan that copies to the other one.

A plan backs up resources of any type that have its tag: buckets, instances, databases.

    vault = backup.vault(
        t, "Vault", name=name("vault", "primary"), key_arn=frame.key_arn(t), least_days=7
    )
    plan = backup.plan(
        t, "Plan", name=name("daily"), vault_name=Ref(vault), copy_to=Ref("DrVaultArn"),
        days=35, copy_days=35,
    )
    backup.selection(
        t, "Tagged", plan=plan, name=name("tagged"), role_arn=Ref("BackupRoleArn"),
        tag=names.sub(name("daily")),
    )
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from awacs import backup as backup_actions
from awacs import iam as iam_actions
from awacs.aws import Principal, StringEquals
from troposphere import GetAtt, Ref, Template
from troposphere import backup as aws_backup
from troposphere import encode_to_dict

from tapgen.blocks import context, frame, monitoring, names, security

TAG = "BackupPlan"
"""The tag that selects the resources of a plan."""

MANAGED = (
    "service-role/AWSBackupServiceRolePolicyForBackup",
    "service-role/AWSBackupServiceRolePolicyForRestores",
    "AWSBackupServiceRolePolicyForS3Backup",
    "AWSBackupServiceRolePolicyForS3Restore",
)
"""AWS's policies for backing up and restoring, S3 apart.

https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html
"""

VAULT_ARN_PATTERN = (
    r"^arn:aws[a-z-]*:backup:[a-z0-9-]+:\d{12}:backup-vault:[\w-]{2,50}$"
)


class _Vault(aws_backup.BackupVault):  # type: ignore[misc]
    """Troposphere's class writes the policy as text, which nobody can check."""

    props = {**aws_backup.BackupVault.props, "AccessPolicy": (dict, False)}


def vault(t: Template, title: str, *, name: str, key_arn: Any, least_days: int) -> Any:
    """Add a vault, which is retained with its backups when its stack is deleted.

    It is locked in governance mode: its backups are kept for `least_days` at least, and
    nobody deletes one before its time without removing the lock first. Its access policy
    says the same, also for those who may remove locks. Backups that have reached the end
    of their retention go all the same. A job with a shorter retention fails; through
    CloudFormation a lock needs the shortest retention, one day at least.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
    https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultLockConfiguration.html
    https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html
    """
    keep = security.statement(
        "KeepBackups",
        [
            backup_actions.DeleteRecoveryPoint,
            backup_actions.UpdateRecoveryPointLifecycle,
        ],
        ["*"],
        principal=Principal("AWS", "*"),
        deny=True,
    )
    return t.add_resource(
        _Vault(
            title,
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            Metadata=context.metadata("vault"),
            BackupVaultName=names.sub(name),
            EncryptionKeyArn=key_arn,
            # Without ChangeableForDays, which would make it irrevocable.
            LockConfiguration=aws_backup.LockConfigurationType(
                MinRetentionDays=least_days
            ),
            AccessPolicy=encode_to_dict(security.document(keep)),
            BackupVaultTags={"Name": names.sub(name)},
        )
    )


def vault_parameter(t: Template, name: str, *, description: str) -> Ref:
    """Add a parameter for the ARN of a vault."""
    return frame.parameter(
        t,
        name,
        group=frame.WIRING,
        description=description,
        pattern=VAULT_ARN_PATTERN,
        constraint="the ARN of a backup vault",
    )


def role(t: Template, title: str, *, name: str, restores_as: Sequence[Any] = ()) -> Any:
    """Add the role that AWS Backup uses to back up and restore.

    `restores_as` are the ARNs of the roles of servers that are backed up: restoring a
    server with its instance profile requires passing its role.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-ec2.html

    AWS Backup takes the role without a condition: its guide knows the source of a call
    in the policies of topics and keys only.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/cross-service-confused-deputy-prevention.html
    """
    allow = [
        security.statement(
            "RestoreServersWithTheirRole",
            [iam_actions.PassRole],
            restores_as,
            StringEquals({"iam:PassedToService": names.sub("ec2.${AWS::URLSuffix}")}),
        )
    ]
    return security.service_role(
        t,
        title,
        name=name,
        service="backup.amazonaws.com",
        description="Lets AWS Backup back up and restore what is tagged for it",
        managed=MANAGED,
        allow=allow if restores_as else (),
        when=(),
    )


def plan(
    t: Template,
    title: str,
    *,
    name: str,
    vault_name: Any,
    copy_to: Any | None,
    days: Any,
    copy_days: Any,
    hour: int = 5,
) -> Any:
    """Add a plan: a backup each day at an hour (UTC), copied to a second vault, if any.

    The hour is after the windows of `blocks.database`: RDS starts no backup within its
    own windows or in the hour before them; Aurora does.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/plan-options-and-configuration.html

    `days` and `copy_days` are the retention of backup and copy. The key of its vault
    encrypts the copy. A copy is a snapshot: point-in-time restore is only possible in
    the source region.
    """
    return t.add_resource(
        aws_backup.BackupPlan(
            title,
            BackupPlan=aws_backup.BackupPlanResourceType(
                BackupPlanName=names.sub(name),
                BackupPlanRule=[
                    aws_backup.BackupRuleResourceType(
                        RuleName="daily",
                        TargetBackupVault=vault_name,
                        ScheduleExpression=f"cron(0 {hour} * * ? *)",
                        StartWindowMinutes=60,
                        CompletionWindowMinutes=360,
                        Lifecycle=aws_backup.LifecycleResourceType(
                            DeleteAfterDays=days
                        ),
                        **_copies(copy_to, copy_days),
                    )
                ],
            ),
            BackupPlanTags={"Name": names.sub(name)},
        )
    )


def _copies(vault: Any | None, days: Any) -> dict[str, Any]:
    if vault is None:
        return {}
    copy = aws_backup.CopyActionResourceType(
        DestinationBackupVaultArn=vault,
        Lifecycle=aws_backup.LifecycleResourceType(DeleteAfterDays=days),
    )
    return {"CopyActions": [copy]}


def selection(
    t: Template, title: str, *, plan: Any, name: str, role_arn: Any, tag: Any
) -> Any:
    """Add the selection of a plan: all resources of the region with this value of
    `TAG`."""
    return t.add_resource(
        aws_backup.BackupSelection(
            title,
            BackupPlanId=GetAtt(plan, "BackupPlanId"),
            BackupSelection=aws_backup.BackupSelectionResourceType(
                SelectionName=names.sub(name),
                IamRoleArn=role_arn,
                ListOfTags=[
                    aws_backup.ConditionResourceType(
                        ConditionType="STRINGEQUALS",
                        ConditionKey=TAG,
                        ConditionValue=tag,
                    )
                ],
            ),
        )
    )


def failed_alarms(t: Template, *, vault: Any, name: str, topic_arn: Any) -> None:
    """Add alarms on failed backups and copies of a vault, by its name; `name` has a `%s`
    for which.

    AWS documents the metrics of AWS Backup by vault, and by vault and resource type
    ("Supported metrics for resource tags for telemetry", CloudWatch user guide). Each
    combination of dimensions is a metric of its own, and no page says that there is one
    without dimensions: an alarm on it may never ring. Nor does a page say whether a copy
    counts at the vault that it comes from or at the one that it goes to: so both have
    these alarms. Other plans with the same vault trigger them as well.
    """
    for title, metric, thing in (
        ("Backup", "NumberOfBackupJobsFailed", "backup"),
        ("Copy", "NumberOfCopyJobsFailed", "copy"),
    ):
        monitoring.alarm(
            t,
            f"{title}FailedAlarm",
            name=name % thing,
            description=f"A {thing} job of AWS Backup failed in the last hour",
            namespace="AWS/Backup",
            metric=metric,
            dimensions={"BackupVaultName": vault},
            statistic="Sum",
            period=3600,
            datapoints=(1, 1),
            comparison=">",
            threshold=0,
            missing="notBreaching",
            topic_arn=topic_arn,
        )
