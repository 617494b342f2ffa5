"""RDS read replicas and their promotion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.rules.base import (
    DOCS,
    TEMPLATE_REFERENCE,
    Found,
    ResourceRule,
    Rule,
    deployed_to,
)
from tapgen.rules.values import (
    absent,
    arn,
    beginning,
    get,
    number,
    present,
    text,
    truth,
)
from tapgen.rules.view import Resource, View
from tapgen.rules.wide import FoundAt, WideRule, World
from tapgen.template import schemas

_TYPE = "AWS::RDS::DBInstance"
_SOURCE = "SourceDBInstanceIdentifier"
_INHERITED = (
    "CharacterSetName",
    "DBName",
    "MasterUserPassword",
    "ManageMasterUserPassword",
    "Timezone",
)
_REPLICA = """\
{head}\
Resources:
  Replica:
    Type: AWS::RDS::DBInstance
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      DBInstanceClass: db.m6g.large
{more}\
"""
_ORIGIN = "      SourceDBInstanceIdentifier: orders\n"


def _example(more: str, head: str = "") -> str:
    return _REPLICA.format(more=more, head=head)


class ReplicaWithOwnData(ResourceRule):
    id = "E9540"
    shortdesc = "A read replica sets properties that it inherits from its source"
    description = (
        "A read replica has the databases, users and character set of its source."
        " CloudFormation rejects DBName, MasterUserPassword and similar properties"
        " together with SourceDBInstanceIdentifier. Remove them."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-rds-dbinstance.html"
    at = "Resources/Replica/Properties/DBName"
    bad = _example(_ORIGIN + "      DBName: orders\n")
    good = _example(_ORIGIN)
    types = (_TYPE,)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        if not present(it.properties, _SOURCE):
            return
        for name in _INHERITED:
            if present(it.properties, name) and _meant(it.properties, name):
                yield (name,), f"a replica inherits {name} from its source; remove it"


def _meant(properties: Mapping[str, Any], name: str) -> bool:
    return str(get(properties, name)).lower() != "false"


class ReplicaWithBackups(ResourceRule):
    id = "W9541"
    shortdesc = "A read replica is created without the backups that it sets"
    description = (
        "RDS creates every read replica with backups disabled"
        " (CreateDBInstanceReadReplica takes no retention period). The replica differs"
        " from its template, and has no backups after its promotion. Enable backups in"
        " the update that promotes it."
    )
    source_url = (
        f"{DOCS}AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html"
    )
    at = "Resources/Replica/Properties/BackupRetentionPeriod"
    bad = _example(_ORIGIN + "      BackupRetentionPeriod: 7\n")
    good = _example(
        "      SourceDBInstanceIdentifier: !If [Promoted, !Ref AWS::NoValue, orders]\n"
        "      BackupRetentionPeriod: !If [Promoted, 7, !Ref AWS::NoValue]\n",
        "Parameters:\n  Role: {Type: String, Default: replica}\n"
        "Conditions:\n  Promoted: !Equals [!Ref Role, primary]\n",
    )
    types = (_TYPE,)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        days = number(it.properties, "BackupRetentionPeriod")
        if present(it.properties, _SOURCE) and days:
            yield ("BackupRetentionPeriod",), (
                f"RDS creates a replica without backups and ignores these {days:g}"
                " days; set them when you promote it"
            )


class PromotionReplaces(Rule):
    id = "E9542"
    shortdesc = "Promoting a read replica would replace it"
    description = (
        "An update that removes SourceDBInstanceIdentifier promotes a replica. If the"
        " same condition adds or changes a property that can be set only at creation"
        " (StorageEncrypted, KmsKeyId, MasterUsername, DBName, …), CloudFormation"
        " creates a new, empty instance and deletes the replica with its data. Set"
        " such properties in both branches of the condition with the same value, or in"
        " neither."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-rds-dbinstance.html"
    at = "Resources/Replica/Properties/KmsKeyId"
    _head = (
        "Parameters:\n  Role: {Type: String, Default: replica}\n"
        "Conditions:\n  Promoted: !Equals [!Ref Role, primary]\n"
    )
    _switch = (
        "      SourceDBInstanceIdentifier: !If [Promoted, !Ref AWS::NoValue, orders]\n"
        "      StorageEncrypted: true\n"
    )
    bad = _example(
        "      SourceDBInstanceIdentifier: !If [Promoted, !Ref AWS::NoValue, orders]\n"
        "      KmsKeyId: !If [Promoted, alias/orders, alias/replica]\n"
        "      StorageEncrypted: !If [Promoted, true, !Ref AWS::NoValue]\n",
        _head,
    )
    good = _example(
        "      SourceDBInstanceIdentifier: !If [Promoted, !Ref AWS::NoValue, orders]\n"
        "      BackupRetentionPeriod: !If [Promoted, 7, !Ref AWS::NoValue]\n",
        _head,
    )

    def check(self, view: View) -> Iterator[Found]:
        resources = get(view.template, "Resources")
        if not isinstance(resources, Mapping):
            return
        for logical_id, resource in resources.items():
            properties = get(resource, "Properties")
            if get(resource, "Type") != _TYPE or not isinstance(properties, Mapping):
                continue
            condition = _branches(properties.get(_SOURCE))
            if condition is None or condition[0] == "":
                continue
            name, *sides = condition
            if not any(side == {"Ref": "AWS::NoValue"} for side in sides):
                continue
            for key in sorted(schemas.create_only(_TYPE) & set(properties)):
                other = _branches(properties[key])
                if other and other[0] == name and other[1] != other[2]:
                    yield ("Resources", logical_id, "Properties", key), (
                        f"condition {name} promotes the replica and also changes {key},"
                        " which can be set only at creation: CloudFormation would"
                        " replace the instance and lose its data"
                    )


def _branches(node: Any) -> tuple[Any, Any, Any] | None:
    match node:
        case {"Fn::If": [str(name), yes, no]}:
            return name, yes, no
    return None


# Type -> the property that names the source of a replica, and that names it there.
_REPLICAS = {
    _TYPE: (_SOURCE, "DBInstanceIdentifier"),
    "AWS::RDS::DBCluster": ("ReplicationSourceIdentifier", "DBClusterIdentifier"),
}


def _replicas(world: World) -> Iterator[tuple[Resource, str, Resource | None]]:
    """Yield each replica, the property with its source, and the source if it is known."""
    for _, place in world.places:
        for it in place.of(*_REPLICAS):
            step, key = _REPLICAS[it.type]
            if present(it.properties, step):
                given = get(it.properties, step)
                yield it, step, world.named(it, given, it.type, key)


class EncryptedReplicaWithoutKey(WideRule):
    id = "E9609"
    shortdesc = "An encrypted replica in another region has no key of its region"
    description = (
        "RDS encrypts a replica in another region again, with a key of that region. It"
        " rejects a replica of an encrypted source without KmsKeyId, also if the"
        " default key of the account would do. Set KmsKeyId to a key of the replica's"
        " region."
    )
    source_url = f"{DOCS}AmazonRDS/latest/UserGuide/Overview.Encryption.html"
    needs_targets = True
    deployment = deployed_to("us-east-1", "us-west-2")
    at = "Resources/Replica/Properties/SourceDBInstanceIdentifier"
    _both = """\
Conditions:
  Home: !Equals [!Ref AWS::Region, us-east-1]
  Away: !Not [!Condition Home]
Resources:
  Source:
    Type: AWS::RDS::DBInstance
    Condition: Home
    DeletionPolicy: Snapshot
    UpdateReplacePolicy: Snapshot
    Properties:
      DBInstanceIdentifier: orders
      DBInstanceClass: db.m6g.large
      Engine: postgres
      AllocatedStorage: '20'
      MasterUsername: orders
      MasterUserPassword: '{{resolve:secretsmanager:orders}}'
      StorageEncrypted: true
  Replica:
    Type: AWS::RDS::DBInstance
    Condition: Away
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      DBInstanceClass: db.m6g.large
      SourceDBInstanceIdentifier: !Sub arn:${AWS::Partition}:rds:us-east-1:${AWS::AccountId}:db:orders
"""
    bad = _both
    good = _both + "      KmsKeyId: alias/orders\n"

    def check_world(self, world: World) -> Iterator[FoundAt]:
        for it, step, source in _replicas(world):
            address = arn(beginning(get(it.properties, step)) or "")
            region = (
                (source.place.region if source else "")
                or (address.region if address else "")
                or text(it.properties, "SourceRegion")
            )
            encrypted = truth(it.properties, "StorageEncrypted") is True or (
                source is not None
                and truth(source.properties, "StorageEncrypted") is True
            )
            if not region or region == it.place.region or not encrypted:
                continue
            if absent(it.properties, "KmsKeyId"):
                yield it, (step,), (
                    f"the source is encrypted in {region}; set KmsKeyId to a key in"
                    f" {it.place.region}"
                )


class ReplicaOfSourceWithoutBackups(WideRule):
    id = "E9610"
    shortdesc = "The source of a read replica keeps no backups"
    description = (
        "RDS creates read replicas from automated backups. It rejects a replica whose"
        " source has BackupRetentionPeriod: 0 with 'Automated backups are not enabled'."
        " Let the source keep backups for at least one day."
    )
    source_url = f"{DOCS}AmazonRDS/latest/UserGuide/USER_ReadRepl.html"
    at = "Resources/Replica/Properties/SourceDBInstanceIdentifier"
    _pair = """\
  Source:
    Type: AWS::RDS::DBInstance
    DeletionPolicy: Snapshot
    UpdateReplacePolicy: Snapshot
    Properties:
      DBInstanceClass: db.m6g.large
      Engine: postgres
      AllocatedStorage: '20'
      MasterUsername: orders
      MasterUserPassword: '{{{{resolve:secretsmanager:orders}}}}'
      BackupRetentionPeriod: {days}
"""
    _referring = _example("      SourceDBInstanceIdentifier: !Ref Source\n")
    bad = _referring + _pair.format(days=0)
    good = _referring + _pair.format(days=1)

    def check_world(self, world: World) -> Iterator[FoundAt]:
        for it, step, source in _replicas(world):
            if source and number(source.properties, "BackupRetentionPeriod") == 0:
                yield it, (step,), (
                    f"{source.id} has BackupRetentionPeriod 0, and replicas need"
                    " automated backups; set it to 1 or more"
                )


class ReplicaOfManagedPassword(WideRule):
    id = "E9618"
    shortdesc = "The source of a read replica has its password managed by RDS"
    description = (
        "RDS creates no read replica of an instance with ManageMasterUserPassword, of no"
        " engine but SQL Server: 'Creating read replicas for source instance … where"
        " ManageMasterUserPassword is enabled is not supported'. Create the secret"
        " yourself, and set MasterUserPassword of the source with a dynamic reference."
    )
    source_url = f"{DOCS}AmazonRDS/latest/UserGuide/rds-secrets-manager.html"
    at = "Resources/Replica/Properties/SourceDBInstanceIdentifier"
    _pair = _example("      SourceDBInstanceIdentifier: !Ref Source\n") + """\
  Source:
    Type: AWS::RDS::DBInstance
    DeletionPolicy: Snapshot
    UpdateReplacePolicy: Snapshot
    Properties:
      DBInstanceClass: db.m6g.large
      Engine: {engine}
      AllocatedStorage: '20'
      MasterUsername: orders
      ManageMasterUserPassword: true
"""
    bad = _pair.format(engine="postgres")
    good = _pair.format(engine="sqlserver-ee")

    def check_world(self, world: World) -> Iterator[FoundAt]:
        for it, step, source in _replicas(world):
            if source is None:
                continue
            engine = text(source.properties, "Engine") or "sqlserver"
            managed = truth(source.properties, "ManageMasterUserPassword") is True
            if managed and not engine.startswith("sqlserver"):
                yield it, (step,), (
                    f"RDS manages the password of {source.id}, and creates no replicas"
                    " of such an instance; set MasterUserPassword there"
                )
