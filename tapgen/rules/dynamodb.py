"""DynamoDB global tables."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.rules.base import DOCS, TEMPLATE_REFERENCE, Found, ResourceRule, goes_to
from tapgen.rules.values import absent, get, items, present, settled, text, truth
from tapgen.rules.view import Resource

_REFERENCE = f"{TEMPLATE_REFERENCE}aws-resource-dynamodb-globaltable.html"
_TABLE = """\
Resources:
  Table:
    Type: AWS::DynamoDB::GlobalTable
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{{AttributeName: id, AttributeType: S}}{attribute}]
      KeySchema: [{{AttributeName: id, KeyType: HASH}}]
{more}\
      Replicas: {replicas}
"""
_STREAM = "      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}\n"
_BOTH = "[{Region: us-east-1}, {Region: us-west-2}]"


def _example(more: str = _STREAM, replicas: str = _BOTH, attribute: str = "") -> str:
    return _TABLE.format(more=more, replicas=replicas, attribute=attribute)


class _TableRule(ResourceRule):
    types = ("AWS::DynamoDB::GlobalTable",)


class OwnRegionMissing(_TableRule):
    id = "E9531"
    shortdesc = "A global table has no replica in the region of its own stack"
    description = (
        "The region the stack is in must be among the replicas: CloudFormation refuses"
        " the table otherwise. Add it, or send the stack set to one of the regions."
    )
    source_url = _REFERENCE
    needs_targets = True
    goes = goes_to("eu-west-1")
    at = "Resources/Table/Properties/Replicas"
    bad = _example()
    good = _example(replicas="[{Region: us-east-1}, {Region: !Ref AWS::Region}]")

    def look(self, it: Resource) -> Iterator[Found]:
        replicas = get(it.properties, "Replicas")
        if not settled(replicas):
            return
        regions = [text(replica, "Region") for replica in replicas]
        if None not in regions and it.place.region not in regions:
            yield ("Replicas",), (
                f"no replica in {it.place.region}, where this stack is made; there are"
                f" {', '.join(sorted(map(str, regions)))}"
            )


class StreamMissing(_TableRule):
    id = "E9532"
    shortdesc = "A table of several regions has no stream of new and old images"
    description = (
        "Replication needs StreamSpecification with NEW_AND_OLD_IMAGES where there is"
        " more than one replica; DynamoDB refuses the table without."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}aws-properties-dynamodb-globaltable-streamspecification"
        ".html"
    )
    at = "Resources/Table/Properties/Replicas"
    bad = _example(more="")
    good = _example()

    def look(self, it: Resource) -> Iterator[Found]:
        replicas = get(it.properties, "Replicas")
        if not settled(replicas) or len(replicas) < 2:
            return
        kind = text(it.properties, "StreamSpecification", "StreamViewType")
        if absent(it.properties, "StreamSpecification"):
            yield ("Replicas",), (
                f"{len(replicas)} replicas need StreamSpecification: {{StreamViewType:"
                " NEW_AND_OLD_IMAGES}"
            )
        elif kind not in (None, "NEW_AND_OLD_IMAGES"):
            steps = ("StreamSpecification", "StreamViewType")
            yield steps, f"{kind} does not replicate; use NEW_AND_OLD_IMAGES"


class KeyForSomeReplicas(_TableRule):
    id = "E9533"
    shortdesc = "Only some replicas have a key, or the table is not encrypted with KMS"
    description = (
        "Customer keys are given for each replica or for none, each of the replica's own"
        " region, together with SSESpecification: {SSEEnabled: true, SSEType: KMS} of"
        " the table. DynamoDB refuses everything else."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}"
        "aws-properties-dynamodb-globaltable-replicassespecification.html"
    )
    at = "Resources/Table/Properties/Replicas/1"
    _key = (
        "{{Region: {0}, SSESpecification: {{KMSMasterKeyId: "
        "'arn:aws:kms:{0}:111122223333:key/mrk-1'}}}}"
    )
    _sse = "      SSESpecification: {SSEEnabled: true, SSEType: KMS}\n"
    bad = _example(
        more=_STREAM + _sse,
        replicas=f"[{_key.format('us-east-1')}, {{Region: us-west-2}}]",
    )
    good = _example(
        more=_STREAM + _sse,
        replicas=f"\n        - {_key.format('us-east-1')}"
        f"\n        - {_key.format('us-west-2')}",
    )

    def look(self, it: Resource) -> Iterator[Found]:
        replicas = get(it.properties, "Replicas")
        if not settled(replicas):
            return
        key = ("SSESpecification", "KMSMasterKeyId")
        keyed = [i for i, replica in enumerate(replicas) if present(replica, *key)]
        if not keyed:
            return
        for index, replica in enumerate(replicas):
            if absent(replica, *key):
                yield ("Replicas", index), (
                    "has no SSESpecification.KMSMasterKeyId, while others have one;"
                    " give a key of its region"
                )
        table = get(it.properties, "SSESpecification")
        kind = text(table, "SSEType")
        if (
            absent(table, "SSEEnabled")
            or truth(table, "SSEEnabled") is False
            or kind not in (None, "KMS")
        ):
            yield ("Replicas", keyed[0], *key), (
                "keys need SSESpecification: {SSEEnabled: true, SSEType: KMS} of the"
                " table"
            )


class UnusedAttribute(_TableRule):
    id = "E9534"
    shortdesc = "A global table defines an attribute that is no key"
    description = (
        "AttributeDefinitions are those of the keys of the table and its indexes, no"
        " more and no fewer; DynamoDB refuses the table with a ValidationException."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}"
        "aws-properties-dynamodb-globaltable-attributedefinition.html"
    )
    at = "Resources/Table/Properties/AttributeDefinitions/1"
    bad = _example(attribute=", {AttributeName: status, AttributeType: S}")
    good = _example()

    def look(self, it: Resource) -> Iterator[Found]:
        used = self._keys(it)
        if used is None:
            return
        defined = items(it.properties, "AttributeDefinitions")
        for index, attribute in enumerate(defined):
            name = text(attribute, "AttributeName")
            if name is not None and name not in used:
                yield ("AttributeDefinitions", index), (
                    f"{name!r} is no key of the table or of an index; leave it out"
                )

    @staticmethod
    def _keys(it: Resource) -> set[str] | None:
        """The attributes that are keys; None where not all are known."""
        schemas = [get(it.properties, "KeySchema")]
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
            indexes = get(it.properties, kind)
            if absent(it.properties, kind):
                continue
            if not settled(indexes):
                return None
            schemas += [get(index, "KeySchema") for index in indexes]
        names: set[str] = set()
        for schema in schemas:
            if not settled(schema):
                return None
            for key in schema:
                name = text(key, "AttributeName")
                if name is None:
                    return None
                names.add(name)
        return names


class StrongConsistencyRegions(_TableRule):
    id = "E9535"
    shortdesc = "Strong consistency with a number of regions that it does not have"
    description = (
        "MultiRegionConsistency: STRONG needs exactly three regions: three replicas, or"
        " two and a witness (GlobalTableWitnesses). It is chosen when the table is made."
    )
    source_url = (
        f"{DOCS}amazondynamodb/latest/developerguide/"
        "multi-region-strong-consistency-gt.html"
    )
    at = "Resources/Table/Properties/MultiRegionConsistency"
    _strong = _STREAM + "      MultiRegionConsistency: STRONG\n"
    bad = _example(more=_strong)
    good = _example(
        more=_strong + "      GlobalTableWitnesses: [{Region: us-east-2}]\n"
    )

    def look(self, it: Resource) -> Iterator[Found]:
        if text(it.properties, "MultiRegionConsistency") != "STRONG":
            return
        replicas = get(it.properties, "Replicas")
        witnesses = get(it.properties, "GlobalTableWitnesses")
        if not settled(replicas):
            return
        if absent(it.properties, "GlobalTableWitnesses"):
            number = 0
        elif settled(witnesses):
            number = len(witnesses)
        else:
            return
        if (len(replicas), number) not in ((3, 0), (2, 1)):
            yield ("MultiRegionConsistency",), (
                f"STRONG with {len(replicas)} replicas and {number} witnesses; it needs"
                " three replicas, or two and a witness"
            )
