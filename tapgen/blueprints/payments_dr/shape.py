"""Names that the templates of payments_dr share, and the shape of the system.

Differences between environments or regions are template parameters. A template's bytes
depend on the `Shape` alone.
"""

from __future__ import annotations

from functools import partial

from troposphere import Equals, Not, Ref, Template

from tapgen.blocks import aurora, context, frame, names, storage, table, tagging
from tapgen.frozen import dataclass

CODE = "pd"
ROLES = ("primary", "dr")
ZONES = 3
HERE = names.THIS_ROLE
name = partial(names.name, CODE)

# Names of resources that other templates refer to before they exist.
PAYMENTS = name("payments")
DATA = name("data", "primary", unique=True)
REPLICA = name("data", "dr", unique=True)
TRAIL = name("trail", "primary")
SECRET = name("db-owner")
GLOBAL_DATABASE = name("db-global")
METRICS = name("metrics")
"""The namespace of the metrics that operators write."""

RULE = "everything"
"""The id of the replication rules, a dimension of their metrics."""

STAGE = "prod"
"""The stage of the API, the first segment of every path."""

BACKED_UP = name("daily")
"""The tag value that selects the resources of the backup plan."""

IS_DR = "IsDr"

IS_STRONG = "IsStrong"
"""The condition that a payment id is judged in all regions at once."""

IS_EVENTUAL = "IsEventual"
"""The condition that it is judged in one region only, and reconciled afterwards."""

OVERRIDE_ROLE = "dr"
"""The role of the region with the switch that brings traffic there."""

OVERRIDE_ALARM = name("failover-requested", OVERRIDE_ROLE)
"""The alarm with which an operator moves traffic away from the primary region.

It is in the recovery region, so that it works without the primary region.
"""

OVERRIDE_METRIC = "FailoverRequested"
"""Its metric: 1 puts it into ALARM, 0 ends that."""

PORT = aurora.PORT

REGIONS = {"primary": "${PrimaryRegion}", "dr": "${DrRegion}"}
"""Return the region of a region role, as text for `Fn::Sub`."""

OTHER = {"primary": "dr", "dr": "primary"}


def logs_bucket(role: str) -> str:
    """Return the name of the log bucket of a region role."""
    return name("logs", role, unique=True)


def database(role: str) -> str:
    """Return the identifier of the cluster of a region role."""
    return name("db", role)


def database_arn(role: str) -> str:
    """Its ARN, as text for `Fn::Sub`."""
    return names.arn("rds", f"cluster:{database(role)}", region=REGIONS[role])


def global_database_arn() -> str:
    """Return the ARN of the global database, which has no region."""
    return names.arn("rds", f"global-cluster:{GLOBAL_DATABASE}", region="")


def function(role: str) -> str:
    """Return the name of the function of a region role."""
    return name("validate", role)


def health_function(role: str) -> str:
    """Return the name of the function that health checks ask, of a region role."""
    return name("health", role)


def experiment(role: str) -> str:
    """Return the name of the experiment of a region role."""
    return name("experiment", role)


def topic_arn(thing: str, role: str) -> str:
    """Return the ARN of a topic (`alerts`, `payments`), as text for `Fn::Sub`."""
    return names.arn("sns", name(thing, role), region=REGIONS[role])


def payments(primary_key: Ref, dr_key: Ref) -> table.Table:
    """Return the table for roles: in both regions, with the key of each."""
    return table.Table(
        PAYMENTS, (REGIONS["primary"], REGIONS["dr"]), (primary_key, dr_key)
    )


def payment_tables() -> list[str]:
    """Return the ARNs of the table in both regions, as text for `Fn::Sub`."""
    return [
        names.arn("dynamodb", f"table/{PAYMENTS}", region=REGIONS[role])
        for role in ROLES
    ]


def buckets(primary_key: Ref, dr_key: Ref) -> dict[str, storage.Bucket]:
    """Return the buckets for roles, by region role."""
    return {
        "primary": storage.Bucket(DATA, REGIONS["primary"], primary_key),
        "dr": storage.Bucket(REPLICA, REGIONS["dr"], dr_key),
    }


@dataclass(frozen=True)
class Shape:
    """What a template depends on: instances of each cluster, account baseline.

    With `baseline` the system also creates resources that a region can have only once.
    """

    instances: int
    baseline: bool


def finish(t: Template, role: str) -> Template:
    """Return the template with all resources tagged by region and DR role.

    The other tags are those of the stack set, which are the same in every region.
    """
    shown = HERE if role == frame.EVERY else role
    tagging.everything(t, {"Region": Ref("AWS::Region"), "DR-Role": names.sub(shown)})
    return t


def is_dr(t: Template) -> str:
    """Add the condition that the stack runs in the recovery region."""
    t.add_condition(IS_DR, Equals(Ref(names.ROLE), "dr"))
    return IS_DR


def consistency(t: Template, *conditions: str) -> Ref:
    """Add the parameter for the table's consistency, and the conditions in use."""
    given = frame.parameter(
        t,
        "Consistency",
        description="Consistency of the table between regions; fixed when it is created.",
        AllowedValues=["eventual", "strong"],
    )
    strong = Equals(given, "strong")
    known = {IS_STRONG: strong, IS_EVENTUAL: Not(strong)}
    for each in conditions:
        t.add_condition(each, known[each])
    return given


def key_parameters(t: Template) -> tuple[Ref, Ref]:
    """Add the parameters for the keys of both regions."""
    primary, dr = (
        frame.other_key(
            t, f"{role.title()}KeyArn", f"ARN of the key in the {what} region."
        )
        for role, what in (("primary", "primary"), ("dr", "recovery"))
    )
    return primary, dr


def describe(t: Template) -> None:
    """Say in a template that holds data what it is a part of."""
    context.describe(t, _ARCH, _MUST)


_ARCH = (
    "One region takes the traffic, the other stands by with the same servers. The"
    " global table and the global database replicate payments, buckets replicate"
    " receipts; health checks and a switch move the name."
)
_MUST = (
    "A change reaches the recovery region first and is proven there",
    "While a region is lost, nothing changes in the other but by a failover",
)
