"""Resources that hold data."""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.rules.base import USER_GUIDE, Found, Rule, deployed_to
from tapgen.rules.values import absent
from tapgen.rules.view import View
from tapgen.template import schemas

# Their content is transient or can be created again; addresses hold no data.
_TRANSIENT = {"AWS::EC2::EIP", "AWS::GlobalAccelerator::Accelerator", "AWS::SQS::Queue"}
# A resource with one of these is a copy: of the data of a cluster or of a source, or,
# for a private zone, of the template.
_COPIES = ("DBClusterIdentifier", "SourceDBInstanceIdentifier", "VPCs")


class StateWithoutPolicy(Rule):
    id = "W9565"
    shortdesc = "A stateful resource has no DeletionPolicy or UpdateReplacePolicy"
    description = (
        "Removing a target, rolling back a first rollout, or a change that replaces"
        " the resource deletes it in every account and region at once. Choose what"
        " happens to the data: Retain, RetainExceptOnCreate, Snapshot, or Delete if it"
        " may be lost. To exclude types, set `except` with configure_rules."
    )
    source_url = f"{USER_GUIDE}aws-attribute-deletionpolicy.html"
    needs_targets = True
    deployment = deployed_to("us-east-1")
    at = "Resources/Bucket"
    bad = """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
"""
    good = """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
"""

    def __init__(self) -> None:
        super().__init__()
        self.config_definition = {
            "except": {"default": [], "type": "list", "itemtype": "string"}
        }
        self.configure()

    def check(self, view: View) -> Iterator[Found]:
        kinds = schemas.STATEFUL - _TRANSIENT - {*self.config["except"]}
        for place in view.places:
            for it in place.of(*kinds):
                named = it.type.endswith("::DBCluster")
                if not named and any(not absent(it.properties, n) for n in _COPIES):
                    continue
                missing = [
                    name
                    for name in ("DeletionPolicy", "UpdateReplacePolicy")
                    if absent(it.attributes, name)
                ]
                if missing:
                    yield ("Resources", it.id), (
                        f"{it.type} holds data and has no {' and no '.join(missing)}"
                    )
