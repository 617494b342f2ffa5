"""Vaults, plans and what they take."""

from __future__ import annotations

import re
from typing import Any

from troposphere import Ref, Template

from tapgen.blocks import backup, frame


def resources(t: Template) -> dict[str, Any]:
    found = t.to_dict()["Resources"]
    assert isinstance(found, dict)
    return found


def test_a_vault_is_encrypted_and_retained() -> None:
    t = Template()
    backup.vault(t, "Vault", name="rm-vault", key_arn=Ref("Key"), least_days=7)
    vault = resources(t)["Vault"]
    assert vault["DeletionPolicy"] == "RetainExceptOnCreate"
    assert vault["Properties"]["EncryptionKeyArn"] == {"Ref": "Key"}


def test_nobody_deletes_a_backup_before_its_time() -> None:
    t = Template()
    backup.vault(t, "Vault", name="rm-vault", key_arn=Ref("Key"), least_days=7)
    vault = resources(t)["Vault"]["Properties"]
    # With ChangeableForDays the lock could never be removed again.
    assert vault["LockConfiguration"] == {"MinRetentionDays": 7}
    (denied,) = vault["AccessPolicy"]["Statement"]
    assert (denied["Effect"], denied["Principal"]) == ("Deny", {"AWS": "*"})
    assert "backup:DeleteRecoveryPoint" in denied["Action"]


def test_a_plan_keeps_backups_and_copies_for_the_days_given() -> None:
    t = Template()
    plan = backup.plan(
        t,
        "Plan",
        name="rm-daily",
        vault_name="here",
        copy_to=Ref("There"),
        days=Ref("Days"),
        copy_days=7,
        hour=5,
    )
    backup.selection(
        t, "All", plan=plan, name="rm-all", role_arn="role", tag="rm-daily"
    )
    (rule,) = resources(t)["Plan"]["Properties"]["BackupPlan"]["BackupPlanRule"]
    assert rule["ScheduleExpression"] == "cron(0 5 * * ? *)"
    assert rule["Lifecycle"] == {"DeleteAfterDays": {"Ref": "Days"}}
    (copy,) = rule["CopyActions"]
    assert copy["DestinationBackupVaultArn"] == {"Ref": "There"}
    assert copy["Lifecycle"] == {"DeleteAfterDays": 7}
    selection = resources(t)["All"]["Properties"]
    assert selection["BackupPlanId"] == {"Fn::GetAtt": ["Plan", "BackupPlanId"]}
    assert selection["BackupSelection"]["ListOfTags"] == [
        {
            "ConditionType": "STRINGEQUALS",
            "ConditionKey": backup.TAG,
            "ConditionValue": "rm-daily",
        }
    ]


def test_the_role_is_for_aws_backup() -> None:
    t = Template()
    backup.role(t, "Role", name="rm-backup")
    role = resources(t)["Role"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "backup.amazonaws.com"}
    assert "Condition" not in trust
    assert len(role["ManagedPolicyArns"]) == len(backup.MANAGED)
    assert "Policies" not in role


def test_failed_backups_and_copies_ring() -> None:
    t = Template()
    backup.failed_alarms(t, vault="vault", name="rm-%s", topic_arn="topic")
    alarms = {
        r["Properties"]["AlarmName"]: r["Properties"] for r in resources(t).values()
    }
    assert {n: a["MetricName"] for n, a in alarms.items()} == {
        "rm-backup": "NumberOfBackupJobsFailed",
        "rm-copy": "NumberOfCopyJobsFailed",
    }
    # The only dimension that each metric of AWS Backup is documented with.
    by_vault = [{"Name": "BackupVaultName", "Value": "vault"}]
    assert all(a["Dimensions"] == by_vault for a in alarms.values())


def test_the_arn_of_a_vault_differs_from_other_arns() -> None:
    t = frame.start("A thing", role="dr")
    backup.vault_parameter(t, "VaultArn", description="A vault.")
    pattern = t.to_dict()["Parameters"]["VaultArn"]["AllowedPattern"]
    arn = "arn:aws:backup:us-east-1:111111111111:backup-vault:rm-prod-vault"
    assert re.search(pattern, arn)
    assert not re.search(pattern, arn.replace("backup-vault", "backup-plan"))
