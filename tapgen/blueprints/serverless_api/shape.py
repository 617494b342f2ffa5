"""Names that the templates of serverless_api share, and the shape of the system."""

from __future__ import annotations

from functools import partial

from troposphere import Equals, Not, Ref, Template

from tapgen.blocks import context, frame, names, storage, table
from tapgen.frozen import dataclass

CODE = "sa"
ROLES = ("source", "target")
name = partial(names.name, CODE)

# Names of resources that other templates refer to before they exist.
WEBSITE = name("website", "source", unique=True)
WEBSITE_COPY = name("website", "target", unique=True)
ITEMS = name("items")
INDEX = "by-name"
"""The index that the function queries for the newest items of a name."""

HEALTH_ITEM = "health"
"""The id that the function for health checks asks the table for; no item has it."""

FUNCTION = name("items", names.THIS_ROLE)
HEALTH_FUNCTION = name("health", names.THIS_ROLE)
VERIFIER = name("tokens", names.THIS_ROLE)
API = name("api", names.THIS_ROLE)

RULE = "everything"
"""The id of the replication rule, a dimension of its metrics."""

REPLICATED = storage.replicated(WEBSITE, WEBSITE_COPY, RULE)

STAGE = "v1"
"""The stage of the API, the first segment of every path."""

ORIGINS = ("WebsiteOrigin", "WebsiteCopyOrigin", "MoreOrigins")
"""The parameters with the origins whose pages may call the API."""

ORIGIN_PATTERN = r"https?://[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?"
ORIGINS_PATTERN = f"^(|{ORIGIN_PATTERN}(,{ORIGIN_PATTERN})*)$"

ISSUER_PATTERN = r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?(/[\w.~/-]*)?"
ALGORITHMS = ("RS256", "ES256")
"""What tokens may be signed with: what `handlers/signatures.py` verifies."""
MOST_SKEW = 300
"""Seconds by which clocks may differ at most."""
AUDIENCE_PATTERN = r"[\w.:/@~-]{1,256}"

USER_POOL_PATTERN = r"^arn:aws[a-z-]*:cognito-idp:[a-z0-9-]+:\d{12}:userpool/[\w-]+$"

TEAM_PATTERN = "^[a-z][a-z0-9-]{1,30}$"
ENVIRONMENTS = ("dev", "staging", "prod")


@dataclass(frozen=True)
class Shape:
    """What a template depends on.

    With `baseline` the system also creates resources that a region can have only once.
    With `cloudfront` the website is private, behind CloudFront, and with
    `website_domain` under a domain of its own. `allowed_cidr` is a
    parameter, but is here as well: a deployment of the API keeps the policy that it was
    created with, so a new range needs a new deployment. `authorization` is how callers
    prove who they are: `NONE`, `AWS_IAM`, `COGNITO_USER_POOLS` or `CUSTOM` (tokens of an
    issuer); `user_pools` are the ARNs of the pools, parameters that a deployment keeps as
    well.
    """

    baseline: bool
    cloudfront: bool
    allowed_cidr: str
    authorization: str = "NONE"
    website_domain: bool = False
    user_pools: tuple[str, ...] = ()

    @property
    def takes_tokens(self) -> bool:
        """Whether a function judges the tokens of callers."""
        return self.authorization == "CUSTOM"


def start(description: str, *, role: str) -> Template:
    """Return a new template with parameters for regions, team and environment."""
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
    """Return the table for roles: in both regions, with the key of each."""
    return table.Table(
        ITEMS, ("${SourceRegion}", "${TargetRegion}"), (source_key, target_key)
    )


def website_buckets() -> tuple[storage.Bucket, storage.Bucket]:
    """Return the source and destination buckets of the pages.

    They use S3-managed keys: readers of public pages cannot use the system's key.
    """
    return (
        storage.Bucket(WEBSITE, "${SourceRegion}"),
        storage.Bucket(WEBSITE_COPY, "${TargetRegion}"),
    )


def describe(t: Template) -> None:
    """Say in a template that holds data what it is a part of."""
    context.describe(t, _ARCH, _MUST)


_ARCH = (
    "Function, API and website run in two active regions; a global table holds the"
    " items, and weighted records divide the traffic."
)
_MUST = ("Each region can serve everything by itself",)
