"""KMS multi-Region keys."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.rules.base import DOCS, Found, ResourceRule, deployed_to
from tapgen.rules.values import arn, get
from tapgen.rules.view import Resource


class ReplicaBesideItsKey(ResourceRule):
    id = "E9543"
    shortdesc = (
        "A replica key is in the region of its primary key, or has no multi-Region key"
    )
    description = (
        "A multi-Region key has one key with the same ID in each region, so a replica"
        " in the region of the primary key fails with AlreadyExists. Only keys created"
        " with MultiRegion: true (their IDs begin with mrk-) can be replicated."
    )
    source_url = f"{DOCS}kms/latest/developerguide/multi-region-keys-replicate.html"
    needs_targets = True
    deployment = deployed_to("us-east-1")
    at = "Resources/Replica/Properties/PrimaryKeyArn"
    _key = """\
Resources:
  Replica:
    Type: AWS::KMS::ReplicaKey
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      PrimaryKeyArn: arn:aws:kms:{region}:111122223333:key/mrk-1234abcd
      KeyPolicy:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: {{AWS: !Sub 'arn:aws:iam::${{AWS::AccountId}}:root'}}
            Action: kms:*
            Resource: '*'
"""
    bad = _key.format(region="us-east-1")
    good = _key.format(region="us-west-2")
    types = ("AWS::KMS::ReplicaKey",)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        found = arn(get(it.properties, "PrimaryKeyArn"))
        if found is None:
            return
        if found.region == it.place.region:
            yield ("PrimaryKeyArn",), (
                f"the primary key is also in {found.region}; create the replica in"
                " another region"
            )
        name = found.resource.removeprefix("key/")
        if name and name[0] in "0123456789abcdef" and len(name) == 36:
            yield ("PrimaryKeyArn",), (
                f"{name} is not a multi-Region key (mrk-…) and cannot be replicated"
            )
