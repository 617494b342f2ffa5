"""What the templates of secure_network share: names, and what they depend on.

Everything that differs between environments or regions is a parameter of a template, so
that its bytes are the same for all of them; it depends on the `Shape` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from troposphere import Ref, Template

from tapgen.blocks import frame, names

CODE = "sn"
name = partial(names.name, CODE)

# What other templates must find before or without it being there, by name.
DATA = name("data", "primary", unique=True)
REPLICA = name("data", "dr", unique=True)
BACKUP = name("backup", "dr", unique=True)
TRAIL = name("trail", "primary")
SECRET = name("db-owner", "primary")


def logs_bucket(role: str) -> str:
    """The name of the bucket for logs of a region role."""
    return name("logs", role, unique=True)


METRICS = name("metrics")
"""The namespace of the metrics that this system counts from its logs."""

RULE = "everything"
"""The id of the replication rule, a dimension of its metrics."""


@dataclass(frozen=True)
class Shape:
    """What a template depends on: profile, number of zones, account baseline.

    `baseline` is whether the system also makes what an account may have only once.
    """

    ideal: bool
    zones: int
    baseline: bool

    @property
    def spread(self) -> str:
        """The region role of parts that only the ideal profile has everywhere."""
        return frame.EVERY if self.ideal else "primary"

    @property
    def role(self) -> str:
        """How such a part calls its region role in names."""
        return names.THIS_ROLE if self.ideal else "primary"


def access_log_bucket(t: Template, shape: Shape) -> Ref | None:
    """The parameter for the bucket that takes access logs; only `ideal` has one."""
    if not shape.ideal:
        return None
    return frame.log_bucket(t)
