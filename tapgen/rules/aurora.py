"""Aurora clusters and global clusters."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.rules.base import (
    DOCS,
    TEMPLATE_REFERENCE,
    Found,
    ResourceRule,
    Rule,
    goes_to,
    in_one_account,
    in_properties,
    regions_of,
)
from tapgen.rules.values import absent, get, is_function, present, text, truth
from tapgen.rules.view import Resource, View

CREDENTIALS = (
    "MasterUsername",
    "MasterUserPassword",
    "ManageMasterUserPassword",
    "DatabaseName",
)
"""What only the primary cluster of a global cluster has."""

_CLUSTER = """\
{head}\
Resources:
  Cluster:
    Type: AWS::RDS::DBCluster
    DeletionPolicy: Snapshot
    UpdateReplacePolicy: Snapshot
    Properties:
      Engine: aurora-postgresql
{more}\
"""
_GLOBAL = "      GlobalClusterIdentifier: orders\n"


def _example(more: str, head: str = "") -> str:
    return _CLUSTER.format(more=more, head=head)


class SecondaryWithCredentials(Rule):
    id = "E9536"
    shortdesc = "A secondary Aurora cluster has credentials of its own"
    description = (
        "Secondary clusters of a global cluster have the users and databases of the"
        " primary one: with GlobalClusterIdentifier and MasterUsername,"
        " MasterUserPassword, ManageMasterUserPassword or DatabaseName the secondary"
        " fails. Only the cluster that is primary may have them."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-rds-dbcluster.html"
    goes = goes_to("us-east-1", "us-west-2")
    needs_targets = False
    at = "Resources/Cluster/Properties/MasterUsername"
    _home = "Conditions:\n  Home: !Equals [!Ref AWS::Region, us-east-1]\n"
    bad = _example(
        _GLOBAL + "      MasterUsername: orders\n"
        "      ManageMasterUserPassword: true\n"
    )
    good = _example(
        _GLOBAL
        + "      MasterUsername: !If [Home, orders, !Ref AWS::NoValue]\n"
        + "      ManageMasterUserPassword: !If [Home, true, !Ref AWS::NoValue]\n",
        _home,
    )

    def check(self, view: View) -> Iterator[Found]:
        yield from self._beside_its_source(view)
        for found in view.made("AWS::RDS::DBCluster").values():
            for mine in in_one_account(found):
                with_both = [r for r in mine if credentials(r)]
                if len({r.place.region for r in with_both}) > 1:
                    first = with_both[0]
                    yield in_properties(first, credentials(first)[0]), (
                        f"clusters in {regions_of(with_both)} join one global cluster,"
                        " each with credentials; only the primary one may have them"
                    )

    @staticmethod
    def _beside_its_source(view: View) -> Iterator[Found]:
        """A cluster that joins the global cluster which another one is the source of."""
        for place in view.places:
            sources = {
                reference(it, "GlobalClusterIdentifier")
                for it in place.of("AWS::RDS::GlobalCluster")
                if present(it.properties, "SourceDBClusterIdentifier")
            } - {None}
            for it in place.of("AWS::RDS::DBCluster"):
                joined = reference(it, "GlobalClusterIdentifier")
                if joined in sources and credentials(it):
                    yield in_properties(it, credentials(it)[0]), (
                        "this cluster is a secondary one, as the global cluster has a"
                        " source; leave its credentials out"
                    )


def reference(it: Resource, name: str) -> str | None:
    """Known text of a property."""
    return text(it.properties, name)


def credentials(it: Resource) -> list[str]:
    """The credentials that a cluster has together with GlobalClusterIdentifier."""
    identifier = get(it.properties, "GlobalClusterIdentifier")
    if not present(it.properties, "GlobalClusterIdentifier") or (
        is_function(identifier) and "Fn::If" in identifier
    ):
        return []
    return [
        name
        for name in CREDENTIALS
        if present(it.properties, name)
        and not is_function(get(it.properties, name))
        and text(it.properties, name) != "false"
    ]


class KeyWithoutEncryption(ResourceRule):
    id = "E9537"
    shortdesc = "A cluster has a key, but is not encrypted"
    description = (
        "KmsKeyId takes effect only with StorageEncrypted: true; RDS refuses the one"
        " without the other. It cannot be corrected later: both replace the cluster."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-rds-dbcluster.html"
    at = "Resources/Cluster/Properties/KmsKeyId"
    _key = "      KmsKeyId: alias/orders\n"
    bad = _example(_key)
    good = _example(_key + "      StorageEncrypted: true\n")
    types = ("AWS::RDS::DBCluster",)

    def look(self, it: Resource) -> Iterator[Found]:
        inherited = (
            "SnapshotIdentifier",
            "SourceDBClusterIdentifier",
            "SourceDbClusterResourceId",
            "ReplicationSourceIdentifier",
        )
        if any(not absent(it.properties, name) for name in inherited):
            return
        off = truth(it.properties, "StorageEncrypted") is False
        if present(it.properties, "KmsKeyId") and off:
            yield ("KmsKeyId",), "a key needs StorageEncrypted: true"


class SecondaryWithoutKey(ResourceRule):
    id = "E9538"
    shortdesc = "An encrypted secondary cluster names no key of its region"
    description = (
        "Encrypted data that crosses regions is encrypted anew: RDS wants KmsKeyId, a"
        " key of the secondary cluster's own region, and refuses the cluster without"
        " it, even where the account's default key would do."
    )
    source_url = f"{DOCS}AmazonRDS/latest/AuroraUserGuide/Overview.Encryption.html"
    at = "Resources/Cluster/Properties/StorageEncrypted"
    _secondary = (
        _GLOBAL + "      SourceRegion: us-east-1\n      StorageEncrypted: true\n"
    )
    bad = _example(_secondary)
    good = _example(_secondary + "      KmsKeyId: alias/orders\n")
    types = ("AWS::RDS::DBCluster",)

    def look(self, it: Resource) -> Iterator[Found]:
        properties = it.properties
        secondary = (
            present(properties, "GlobalClusterIdentifier")
            and present(properties, "SourceRegion")
            and all(absent(properties, name) for name in CREDENTIALS)
        )
        encrypted = truth(properties, "StorageEncrypted") is True
        if secondary and encrypted and absent(properties, "KmsKeyId"):
            yield ("StorageEncrypted",), (
                "an encrypted secondary cluster needs KmsKeyId, a key of its own region"
            )
