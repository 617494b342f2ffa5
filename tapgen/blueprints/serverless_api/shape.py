"""What the templates of serverless_api share: names, and what they depend on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from troposphere import Equals, Not, Ref, Template

from tapgen.blocks import frame, names, storage, table

CODE = "sa"
ROLES = ("source", "target")
name = partial(names.name, CODE)

# What other templates must find before or without it being there, by name.
WEBSITE = name("website", "source", unique=True)
WEBSITE_COPY = name("website", "target", unique=True)
ITEMS = name("items")
INDEX = "by-name"
"""The index of it that the function asks for the newest items of a name."""

FUNCTION = name("items", names.THIS_ROLE)
API = name("api", names.THIS_ROLE)

RULE = "everything"
"""The id of the replication rule, a dimension of its metrics."""

REPLICATED = storage.replicated(WEBSITE, WEBSITE_COPY, RULE)

STAGE = "v1"
"""The one stage of the API, the first step of every path."""

TEAM_PATTERN = "^[a-z][a-z0-9-]{1,30}$"
ENVIRONMENTS = ("dev", "staging", "prod")


@dataclass(frozen=True)
class Shape:
    """What a template depends on.

    `baseline` is whether the system also makes what a region may have only once, and
    `cloudfront` whether the website is private, behind CloudFront. `allowed_cidr` is
    here beside being a parameter: a deployment of the API keeps the policy it was made
    with, so another range needs another deployment.
    """

    baseline: bool
    cloudfront: bool
    allowed_cidr: str


def start(description: str, *, role: str) -> Template:
    """A template that knows its regions, its team and its environment."""
    t = frame.start(description, role=role, roles=ROLES)
    team = frame.parameter(
        t,
        "TeamName",
        group=frame.PLACE,
        description="The team that owns the system.",
        pattern=TEAM_PATTERN,
        constraint="a lower-case letter, then 1 to 30 letters, digits and hyphens",
    )
    environment = frame.parameter(
        t,
        "Environment",
        group=frame.PLACE,
        description="Environment of the system.",
        AllowedValues=list(ENVIRONMENTS),
    )
    t.add_rule(
        "OwnerIsNamed",
        {
            "Assertions": [
                {
                    "Assert": Not(Equals(Ref(given.data["Ref"]), "")),
                    "AssertDescription": f"{given.data['Ref']} must be given",
                }
                for given in (team, environment)
            ]
        },
    )
    return t


def items(source_key: Ref, target_key: Ref) -> table.Table:
    """The table as roles know it: in both regions, with the key of each."""
    return table.Table(
        ITEMS, ("${SourceRegion}", "${TargetRegion}"), (source_key, target_key)
    )


def website_buckets() -> tuple[storage.Bucket, storage.Bucket]:
    """The buckets that pages are replicated from and to.

    They have S3's own keys: who reads a public page cannot decrypt with ours.
    """
    return (
        storage.Bucket(WEBSITE, "${SourceRegion}"),
        storage.Bucket(WEBSITE_COPY, "${TargetRegion}"),
    )
