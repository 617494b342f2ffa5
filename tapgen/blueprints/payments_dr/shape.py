"""What the templates of payments_dr share: names, and what they depend on.

Everything that differs between environments or regions is a parameter of a template, so
that its bytes are the same for all of them; it depends on the `Shape` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from troposphere import Equals, Ref, Template

from tapgen.blocks import aurora, frame, names, storage, table, tagging

CODE = "pd"
ROLES = ("primary", "dr")
ZONES = 3
HERE = names.THIS_ROLE
name = partial(names.name, CODE)

# What other templates must find before or without it being there, by name.
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
"""The one stage of the API, the first step of every path."""

BACKED_UP = name("daily")
"""The value of the tag by which the backup plan knows what to take."""

IS_DR = "IsDr"

OVERRIDE_ALARM = name("failover-requested", "dr")
"""The alarm that an operator rings to move traffic away from the primary region.

It is in the recovery region, so that nothing of the primary one is needed for it.
"""

OVERRIDE_METRIC = "FailoverRequested"
"""The metric that rings it at 1, and is 0 for the way back."""

PORT = aurora.PORT

REGIONS = {"primary": "${PrimaryRegion}", "dr": "${DrRegion}"}
"""The region of a region role, as text for `Fn::Sub`."""

OTHER = {"primary": "dr", "dr": "primary"}


def logs_bucket(role: str) -> str:
    """The name of the bucket for logs of a region role."""
    return name("logs", role, unique=True)


def database(role: str) -> str:
    """The identifier of the cluster of a region role."""
    return name("db", role)


def database_arn(role: str) -> str:
    """Its ARN, as text for `Fn::Sub`."""
    return names.arn("rds", f"cluster:{database(role)}", region=REGIONS[role])


def global_database_arn() -> str:
    """The ARN of the global database, which has no region."""
    return names.arn("rds", f"global-cluster:{GLOBAL_DATABASE}", region="")


def function(role: str) -> str:
    """The name of the function of a region role."""
    return name("validate", role)


def experiment(role: str) -> str:
    """The name of the experiment of a region role."""
    return name("experiment", role)


def topic_arn(thing: str, role: str) -> str:
    """The ARN of a topic (`alerts`, `payments`), as text for `Fn::Sub`."""
    return names.arn("sns", name(thing, role), region=REGIONS[role])


def payments(primary_key: Ref, dr_key: Ref) -> table.Table:
    """The table as roles know it: in both regions, with the key of each."""
    return table.Table(
        PAYMENTS, (REGIONS["primary"], REGIONS["dr"]), (primary_key, dr_key)
    )


def buckets(primary_key: Ref, dr_key: Ref) -> dict[str, storage.Bucket]:
    """The buckets as roles know them, by region role."""
    return {
        "primary": storage.Bucket(DATA, REGIONS["primary"], primary_key),
        "dr": storage.Bucket(REPLICA, REGIONS["dr"], dr_key),
    }


@dataclass(frozen=True)
class Shape:
    """What a template depends on: instances of each cluster, account baseline.

    `baseline` is whether the system also makes what a region may have only once.
    """

    instances: int
    baseline: bool


def finish(t: Template, role: str) -> Template:
    """The template with everything tagged by region and role in the recovery.

    The other tags are those of the stack set, which are the same in every region.
    """
    shown = HERE if role == frame.EVERY else role
    tagging.everything(t, {"Region": Ref("AWS::Region"), "DR-Role": names.sub(shown)})
    return t


def is_dr(t: Template) -> str:
    """Give a template for every region the condition that it is the recovery one."""
    t.add_condition(IS_DR, Equals(Ref(names.ROLE), "dr"))
    return IS_DR


def key_parameters(t: Template) -> tuple[Ref, Ref]:
    """The parameters for the keys of both regions, in a template that needs both."""
    primary, dr = (
        frame.other_key(
            t, f"{role.title()}KeyArn", f"ARN of the key in the {what} region."
        )
        for role, what in (("primary", "primary"), ("dr", "recovery"))
    )
    return primary, dr
