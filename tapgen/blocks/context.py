"""Why resources are as they are, and what of them must not change, in the template.

    t.add_resource(kms.Key("Key", Metadata=context.metadata("key")))
    context.describe(t, "one table, a replica in each region", ["…"])

The form is AWS's Metadata Context. It is for what an expert would
ask before a change, and the resource does not show: what holds data, and names that
others have written down. A plan refuses a change of what is `must-never-change`, and
names the others first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from troposphere import Template

from tapgen.model import CONTEXT, ChangeSafety


class Context(NamedTuple):
    """Why a resource is as it is, what has to hold, and the properties at stake."""

    why: str
    must: tuple[str, ...]
    mutability: Mapping[str, ChangeSafety]


_NEVER = ChangeSafety.NEVER
_CONSTRAINED = ChangeSafety.CONSTRAINED
_REVIEW = ChangeSafety.REVIEW
_ENGINE = (
    "Both regions are upgraded on purpose and one after the other, by the settings"
)

CONTEXTS: Mapping[str, Context] = {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-requirements.html
    "bucket": Context(
        "Roles, replication and the other region name this bucket. A bucket cannot be"
        " renamed: another name is another, empty bucket.",
        (
            "Versioning stays enabled: replication needs it, and so does undoing a delete",
        ),
        {
            "BucketName": _NEVER,
            "VersioningConfiguration": _CONSTRAINED,
            "ReplicationConfiguration": _REVIEW,
        },
    ),
    "log bucket": Context(
        "Services deliver the logs of the region here by this name. Where the bucket is"
        " gone, they lose logs without an error.",
        (),
        {"BucketName": _NEVER},
    ),
    "artifact bucket": Context(
        "Journals, snapshots and artifacts of the systems are in it, and every command"
        " finds it by its name: without it, no rollout goes on or back.",
        (
            "Versioning stays enabled: what is overwritten by mistake comes back only so",
        ),
        {"BucketName": _NEVER, "VersioningConfiguration": _CONSTRAINED},
    ),
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
    "audit bucket": Context(
        "The trail delivers here by this name, and Object Lock keeps its files for their"
        " time.",
        (),
        {
            "BucketName": _NEVER,
            "ObjectLockEnabled": _NEVER,
            "ObjectLockConfiguration": _REVIEW,
        },
    ),
    # https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
    # https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    "key": Context(
        "Without this key nothing that it encrypts can be read, in either region. Its"
        " policy alone says who uses it: one without the account's administrators"
        " cannot be corrected.",
        (),
        {"MultiRegion": _NEVER, "KeySpec": _NEVER, "KeyPolicy": _REVIEW},
    ),
    "replica key": Context(
        "It has the material of its primary key, so that this region reads what was"
        " replicated also while the other is lost. Its policy is its own.",
        (),
        {"PrimaryKeyArn": _NEVER, "KeyPolicy": _REVIEW},
    ),
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
    "table": Context(
        "Each region writes to its own replica of this table, by this name. Another name"
        " or key schema is another, empty table.",
        (
            "A region takes no writes when its replica is removed: those under way are lost",
        ),
        {"TableName": _NEVER, "KeySchema": _NEVER, "Replicas": _CONSTRAINED},
    ),
    # https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-upgrade.html
    "global database": Context(
        "It ties the clusters of both regions together and decides which of them"
        " writes; failovers name it.",
        ("It has its writer where the settings say, before and after a change",),
        {
            "GlobalClusterIdentifier": _NEVER,
            "SourceDBClusterIdentifier": _CONSTRAINED,
            "DeletionProtection": _REVIEW,
        },
    ),
    "cluster": Context(
        "It holds the data of its region. Alarms, roles and failovers name it, and its"
        " key cannot be exchanged.",
        (_ENGINE,),
        {
            "DBClusterIdentifier": _NEVER,
            "KmsKeyId": _NEVER,
            "EngineVersion": _CONSTRAINED,
            "DeletionProtection": _REVIEW,
        },
    ),
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.html
    "database": Context(
        "It holds the data. Alarms, roles and the replica in the other region name it,"
        " and its key cannot be exchanged.",
        (_ENGINE,),
        {
            "DBInstanceIdentifier": _NEVER,
            "KmsKeyId": _NEVER,
            "EngineVersion": _CONSTRAINED,
            "DeletionProtection": _REVIEW,
        },
    ),
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.XRgn.html
    "read replica": Context(
        "A copy from the other region, ready to be promoted. Alarms, roles and"
        " promotions name it, and its key cannot be exchanged.",
        (
            "Promoted, it never follows its source again: remove the source on purpose only",
        ),
        {
            "DBInstanceIdentifier": _NEVER,
            "KmsKeyId": _NEVER,
            "SourceDBInstanceIdentifier": _CONSTRAINED,
            "DeletionProtection": _REVIEW,
        },
    ),
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html
    "database secret": Context(
        "The database has this password, and its copy in the other region has the same"
        " name. Another way to generate it writes another password, and the database"
        " keeps the old one.",
        (),
        {"Name": _NEVER, "GenerateSecretString": _NEVER},
    ),
    # https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
    "vault": Context(
        "Backup plans and copies of the other region name this vault. Its lock keeps"
        " backups from whoever takes over an account.",
        (),
        {
            "BackupVaultName": _NEVER,
            "EncryptionKeyArn": _NEVER,
            "LockConfiguration": _REVIEW,
            "AccessPolicy": _REVIEW,
        },
    ),
    # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
    "private zone": Context(
        "Applications of both regions find the database by names of this zone, so that a"
        " failover needs no deployment.",
        ("The VPCs of both regions stay in it: without one, its region finds nothing",),
        {"Name": _NEVER, "VPCs": _CONSTRAINED},
    ),
    # https://docs.aws.amazon.com/global-accelerator/latest/dg/about-accelerators.html
    "accelerator": Context(
        "Clients have its two addresses in their allow-lists; another accelerator has"
        " others.",
        (),
        {"IpAddressType": _NEVER, "IpAddresses": _NEVER},
    ),
}
"""What a resource is → why, and what must not change."""


def metadata(kind: str) -> dict[str, Any]:
    """Return the metadata of a resource of this kind, a key of `CONTEXTS`."""
    why, must, mutability = CONTEXTS[kind]
    found: dict[str, Any] = {"why": why}
    if must:
        found["must"] = list(must)
    levels = {name: str(level) for name, level in mutability.items()}
    return {CONTEXT: found | {"mutability": levels}}


def describe(t: Template, arch: str, must: Sequence[str] = ()) -> None:
    """Say in a template how its system is built, and what has to hold across it."""
    found: dict[str, Any] = {"arch": arch}
    if must:
        found["must"] = list(must)
    t.set_metadata({**t.metadata, CONTEXT: found})
