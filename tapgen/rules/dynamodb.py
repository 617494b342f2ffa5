"""DynamoDB global tables."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.knowledge.consistency import STRONG
from tapgen.rules.base import DOCS, TEMPLATE_REFERENCE, Found, ResourceRule, deployed_to
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
    shortdesc = "A global table has no replica in the region of its stack"
    description = (
        "The replicas must include the region of the stack; otherwise CloudFormation"
        " rejects the table. Add that region, or deploy the stack set to one of the"
        " replica regions."
    )
    source_url = _REFERENCE
    needs_targets = True
    deployment = deployed_to("eu-west-1")
    at = "Resources/Table/Properties/Replicas"
    bad = _example()
    good = _example(replicas="[{Region: us-east-1}, {Region: !Ref AWS::Region}]")

    def check_resource(self, it: Resource) -> Iterator[Found]:
        replicas = get(it.properties, "Replicas")
        if not settled(replicas):
            return
        regions = [text(replica, "Region") for replica in replicas]
        if None not in regions and it.place.region not in regions:
            yield ("Replicas",), (
                f"no replica in {it.place.region}, the region of this stack, only in"
                f" {', '.join(sorted(map(str, regions)))}"
            )


class StreamMissing(_TableRule):
    id = "E9532"
    shortdesc = "A table with several replicas has no stream of new and old images"
    description = (
        "A table with more than one replica needs StreamSpecification with"
        " NEW_AND_OLD_IMAGES for replication. DynamoDB rejects the table without it."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}aws-properties-dynamodb-globaltable-streamspecification"
        ".html"
    )
    at = "Resources/Table/Properties/Replicas"
    bad = _example(more="")
    good = _example()

    def check_resource(self, it: Resource) -> Iterator[Found]:
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
            yield steps, f"{kind} does not support replication; use NEW_AND_OLD_IMAGES"


class KeyForSomeReplicas(_TableRule):
    id = "E9533"
    shortdesc = "Only some replicas have a key, or the table is not encrypted with KMS"
    description = (
        "Set a customer managed key for every replica or for none, each in the region"
        " of its replica. The table then also needs SSESpecification: {SSEEnabled:"
        " true, SSEType: KMS}. DynamoDB rejects everything else."
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

    def check_resource(self, it: Resource) -> Iterator[Found]:
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
                    "has no SSESpecification.KMSMasterKeyId, but other replicas do;"
                    " set a key in its region"
                )
        table = get(it.properties, "SSESpecification")
        kind = text(table, "SSEType")
        if (
            absent(table, "SSEEnabled")
            or truth(table, "SSEEnabled") is False
            or kind not in (None, "KMS")
        ):
            yield ("Replicas", keyed[0], *key), (
                "keys need SSESpecification: {SSEEnabled: true, SSEType: KMS} on the"
                " table"
            )


class UnusedAttribute(_TableRule):
    id = "E9534"
    shortdesc = "A global table defines an attribute that is not a key"
    description = (
        "AttributeDefinitions must contain exactly the keys of the table and its"
        " indexes. Otherwise DynamoDB rejects the table with a ValidationException."
        " Remove the other attributes."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}"
        "aws-properties-dynamodb-globaltable-attributedefinition.html"
    )
    at = "Resources/Table/Properties/AttributeDefinitions/1"
    bad = _example(attribute=", {AttributeName: status, AttributeType: S}")
    good = _example()

    def check_resource(self, it: Resource) -> Iterator[Found]:
        used = self._keys(it)
        if used is None:
            return
        defined = items(it.properties, "AttributeDefinitions")
        for index, attribute in enumerate(defined):
            name = text(attribute, "AttributeName")
            if name is not None and name not in used:
                yield ("AttributeDefinitions", index), (
                    f"{name!r} is not a key of the table or of an index; remove it"
                )

    @staticmethod
    def _keys(it: Resource) -> set[str] | None:
        """Return the attributes that are keys; None if not all are known."""
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
    shortdesc = "Strong consistency is set with what it does not support"
    description = (
        "MultiRegionConsistency: STRONG needs exactly three regions that offer it:"
        " three replicas, or two replicas and a witness (GlobalTableWitnesses). Such a"
        " table has neither a time to live nor local secondary indexes. The mode can be"
        " set only when the table is created."
    )
    source_url = (
        f"{DOCS}amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html"
    )
    at = "Resources/Table/Properties/MultiRegionConsistency"
    _strong = _STREAM + "      MultiRegionConsistency: STRONG\n"
    bad = _example(more=_strong)
    good = _example(
        more=_strong + "      GlobalTableWitnesses: [{Region: us-east-2}]\n"
    )

    def check_resource(self, it: Resource) -> Iterator[Found]:
        if text(it.properties, "MultiRegionConsistency") != "STRONG":
            return
        yield from self._unsupported(it)
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
                f"{len(replicas)} replicas and {number} witnesses; STRONG needs three"
                " replicas, or two replicas and a witness"
            )

    @staticmethod
    def _unsupported(it: Resource) -> Iterator[Found]:
        for name in ("Replicas", "GlobalTableWitnesses"):
            for index, each in enumerate(items(get(it.properties, name))):
                region = text(each, "Region")
                if region is not None and region not in STRONG:
                    yield (name, index, "Region"), (
                        f"DynamoDB offers no strong consistency in {region}; give"
                        f" regions among {', '.join(sorted(STRONG))}"
                    )
        for name in ("LocalSecondaryIndexes", "TimeToLiveSpecification"):
            if present(it.properties, name):
                yield (name,), f"a table with strong consistency has no {name}"
