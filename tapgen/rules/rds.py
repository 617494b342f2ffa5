"""RDS read replicas and their promotion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.rules.base import DOCS, TEMPLATE_REFERENCE, Found, ResourceRule, Rule
from tapgen.rules.values import get, number, present
from tapgen.rules.view import Resource, View
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
