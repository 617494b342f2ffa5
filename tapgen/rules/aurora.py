"""Aurora clusters and global clusters."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.rules.base import (
    DOCS,
    TEMPLATE_REFERENCE,
    Found,
    ResourceRule,
    Rule,
    deployed_to,
    in_one_account,
    in_properties,
    regions_of,
)
from tapgen.rules.values import absent, get, is_function, present, text, truth
from tapgen.rules.view import Resource, View
from tapgen.rules.wide import FoundAt, WideRule, World

CREDENTIALS = (
    "MasterUsername",
    "MasterUserPassword",
    "ManageMasterUserPassword",
    "DatabaseName",
)
"""Properties that only the primary cluster of a global cluster may have."""

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
    shortdesc = "A secondary Aurora cluster has its own credentials"
    description = (
        "Secondary clusters of a global cluster have the users and databases of the"
        " primary cluster. A secondary cluster with GlobalClusterIdentifier and"
        " MasterUsername, MasterUserPassword, ManageMasterUserPassword or DatabaseName"
        " fails. Set these on the primary cluster only."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-rds-dbcluster.html"
    deployment = deployed_to("us-east-1", "us-west-2")
    needs_targets = False
    at = "Resources/Cluster/Properties/MasterUsername"
    _home = "Conditions:\n  Home: !Equals [!Ref AWS::Region, us-east-1]\n"
    bad = _example(
        _GLOBAL + "      MasterUsername: orders\n"
        "      MasterUserPassword: '{{resolve:secretsmanager:orders}}'\n"
    )
    good = _example(
        _GLOBAL + "      MasterUsername: !If [Home, orders, !Ref AWS::NoValue]\n"
        "      MasterUserPassword: !If\n"
        "        - Home\n"
        "        - '{{resolve:secretsmanager:orders}}'\n"
        "        - !Ref AWS::NoValue\n",
        _home,
    )

    def check(self, view: View) -> Iterator[Found]:
        yield from self._beside_its_source(view)
        for found in view.created("AWS::RDS::DBCluster").values():
            for mine in in_one_account(found):
                with_both = [r for r in mine if credentials(r)]
                if len({r.place.region for r in with_both}) > 1:
                    first = with_both[0]
                    yield in_properties(first, credentials(first)[0]), (
                        f"clusters in {regions_of(with_both)} join one global cluster,"
                        " each with credentials; only the primary cluster may have them"
                    )

    @staticmethod
    def _beside_its_source(view: View) -> Iterator[Found]:
        """Yield clusters with credentials that join a global cluster that has a source."""
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
                        "this cluster is secondary because the global cluster has a"
                        " source; remove its credentials"
                    )


def reference(it: Resource, name: str) -> str | None:
    """Return the known text of a property."""
    return text(it.properties, name)


def credentials(it: Resource) -> list[str]:
    """Return the credentials that a cluster sets together with GlobalClusterIdentifier."""
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
        "KmsKeyId takes effect only with StorageEncrypted: true, and RDS rejects"
        " KmsKeyId without it. Set both when you create the cluster: changing either"
        " one later replaces the cluster."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-rds-dbcluster.html"
    at = "Resources/Cluster/Properties/KmsKeyId"
    _key = "      KmsKeyId: alias/orders\n"
    bad = _example(_key)
    good = _example(_key + "      StorageEncrypted: true\n")
    types = ("AWS::RDS::DBCluster",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
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
            yield ("KmsKeyId",), "KmsKeyId needs StorageEncrypted: true"


_RESTORED = (
    "ReplicationSourceIdentifier",
    "RestoreType",
    "SnapshotIdentifier",
    "SourceDBClusterIdentifier",
    "SourceDbClusterResourceId",
)


class SecondaryWithoutKey(WideRule):
    id = "E9538"
    shortdesc = "An encrypted secondary cluster has no key of its region"
    description = (
        "RDS encrypts data again when it crosses regions. It rejects an encrypted"
        " secondary cluster without KmsKeyId, even if the default key of the account"
        " would do. The secondary clusters of an encrypted global cluster are encrypted"
        " too. Set KmsKeyId to a key in the region of the secondary cluster."
    )
    source_url = f"{DOCS}AmazonRDS/latest/AuroraUserGuide/Overview.Encryption.html"
    at = "Resources/Cluster/Properties/StorageEncrypted"
    _secondary = (
        _GLOBAL + "      SourceRegion: us-east-1\n      StorageEncrypted: true\n"
    )
    bad = _example(_secondary)
    good = _example(_secondary + "      KmsKeyId: alias/orders\n")

    def check_world(self, world: World) -> Iterator[FoundAt]:
        encrypted = {
            joined(world, it)
            for it in world.resources("AWS::RDS::DBCluster", "AWS::RDS::GlobalCluster")
            if truth((_source(world, it) or it).properties, "StorageEncrypted") is True
        } - {None}
        for _, place in world.places:
            for it in place.of("AWS::RDS::DBCluster"):
                if not _is_secondary(it) or not absent(it.properties, "KmsKeyId"):
                    continue
                own = truth(it.properties, "StorageEncrypted") is True
                if own or (it.certain and joined(world, it) in encrypted):
                    path = "StorageEncrypted" if own else "GlobalClusterIdentifier"
                    yield it, (path,), (
                        "an encrypted secondary cluster needs KmsKeyId, a key in its"
                        " own region"
                    )


def _source(world: World, it: Resource) -> Resource | None:
    """Return the cluster that a global cluster is made of, if it is known."""
    given = get(it.properties, "SourceDBClusterIdentifier")
    return (
        world.named(it, given, "AWS::RDS::DBCluster", "DBClusterIdentifier")
        if it.type == "AWS::RDS::GlobalCluster"
        else None
    )


def joined(world: World, it: Resource) -> object:
    """Return what is equal for the members of one global cluster, and for the global
    cluster itself; None if it is not known."""
    name = text(it.properties, "GlobalClusterIdentifier")
    if name:
        return name.lower()
    if it.type == "AWS::RDS::GlobalCluster":
        return it.identity
    found = world.origin(it, get(it.properties, "GlobalClusterIdentifier"))
    if found is None or found[0].type != "AWS::RDS::GlobalCluster":
        return None
    return joined(world, found[0])


def _is_secondary(it: Resource) -> bool:
    """Whether a cluster joins a global cluster, and brings no data of its own."""
    return present(it.properties, "GlobalClusterIdentifier") and all(
        absent(it.properties, name) for name in (*CREDENTIALS, *_RESTORED)
    )


class ManagedPasswordInGlobalCluster(WideRule):
    id = "E9608"
    shortdesc = "A cluster of a global cluster has its password managed by RDS"
    description = (
        "RDS does not manage the master password of clusters that are part of an Aurora"
        " global cluster: it rejects ManageMasterUserPassword on a member, and a global"
        " cluster whose source has it. Create the secret yourself, replicate it, and"
        " set MasterUserPassword with a dynamic reference on the primary cluster."
    )
    source_url = f"{DOCS}AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html"
    at = "Resources/Cluster/Properties/ManageMasterUserPassword"
    _primary = _GLOBAL + "      MasterUsername: orders\n"
    bad = _example(_primary + "      ManageMasterUserPassword: true\n")
    good = _example(
        _primary + "      MasterUserPassword: '{{resolve:secretsmanager:orders}}'\n"
    )

    def check_world(self, world: World) -> Iterator[FoundAt]:
        for _, place in world.places:
            for it in place.of("AWS::RDS::DBCluster"):
                managed = truth(it.properties, "ManageMasterUserPassword") is True
                if managed and present(it.properties, "GlobalClusterIdentifier"):
                    yield it, ("ManageMasterUserPassword",), (
                        "RDS does not manage passwords in a global cluster; set"
                        " MasterUserPassword on the primary cluster"
                    )
        for it in world.resources("AWS::RDS::GlobalCluster"):
            source = _source(world, it)
            if source and truth(source.properties, "ManageMasterUserPassword") is True:
                yield it, ("SourceDBClusterIdentifier",), (
                    f"RDS manages the password of {source.id}, which cannot be in a"
                    " global cluster; set MasterUserPassword there"
                )
