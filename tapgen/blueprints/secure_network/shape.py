"""Names that the templates of secure_network share, and the shape of the system.

Differences between environments or regions are template parameters. A template's bytes
depend on the `Shape` alone.
"""

from __future__ import annotations

from functools import partial

from troposphere import Ref, Template

from tapgen.blocks import context, frame, names
from tapgen.frozen import dataclass

CODE = "sn"
name = partial(names.name, CODE)

# Names of resources that other templates refer to before they exist.
DATA = name("data", "primary", unique=True)
REPLICA = name("data", "dr", unique=True)
BACKUP = name("backup", "dr", unique=True)
AUDIT = name("audit", "primary", unique=True)
TRAIL = name("trail", "primary")
SECRET = name("db-owner", "primary")

BACK = "db-back"
"""The database of the way back: the first one has lost what was written meanwhile."""

ZONE = f"{CODE}-${{{names.SUFFIX}}}.internal"
"""The private hosted zone of both VPCs."""

DATABASE_NAME = f"db.{ZONE}"
"""The name in front of the database that takes writes."""

SWITCH_ROLE = "dr"
"""The role of the region with the switch that brings the name of the database there.

It is in the recovery region, so that it works without the primary region.
"""

SWITCH_ALARM = name("db-name-moved", SWITCH_ROLE)
SWITCH_METRIC = "DatabaseNameMoved"
"""The metric of the switch: 1 moves the name, 0 ends that."""


def logs_bucket(role: str) -> str:
    """Return the name of the log bucket of a region role."""
    return name("logs", role, unique=True)


METRICS = name("metrics")
"""The namespace of the metrics from the system's logs."""

RULE = "everything"
"""The id of the replication rule, a dimension of its metrics."""


@dataclass(frozen=True)
class Shape:
    """What a template depends on: profile, number of zones, account baseline.

    With `baseline` the system also creates resources that an account can have only
    once.
    """

    ideal: bool
    zones: int
    baseline: bool

    @property
    def spread(self) -> str:
        """The region role of parts that only the ideal profile has in every region."""
        return frame.EVERY if self.ideal else "primary"

    @property
    def role(self) -> str:
        """The region role in names of such a part."""
        return names.THIS_ROLE if self.ideal else "primary"


def access_log_bucket(t: Template, shape: Shape) -> Ref | None:
    """Add the parameter for the access log bucket; only `ideal` has one."""
    if not shape.ideal:
        return None
    return frame.log_bucket(t)


def describe(t: Template) -> None:
    """Say in a template that holds data what it is a part of."""
    context.describe(t, _ARCH, _MUST)


_ARCH = (
    "Three tiers of subnets in each region. Data is written in the primary region:"
    " its bucket is replicated, and a read replica of its database stands by to be"
    " promoted."
)
_MUST = ("A change reaches the recovery region first and is proven there",)
