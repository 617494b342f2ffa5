"""What the templates of region_migration share: names, and what they depend on.

Everything that differs between environments or regions is a parameter of a template, so
that its bytes are the same for all of them; it depends on the `Shape` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from troposphere import Template

from tapgen.blocks import backup, frame, names

CODE = "rm"
ROLES = ("source", "target")
name = partial(names.name, CODE)
start = partial(frame.start, roles=ROLES)

# What other templates must find before or without it being there, by name.
DATA = name("data", "source", unique=True)
REPLICA = name("data", "target", unique=True)
BACKUP = name("backup", "target", unique=True)
SECRET = name("db-owner", "source")
METRICS = name("metrics")
"""The namespace of the metrics that this system counts from its logs."""

RULE = "everything"
"""The id of the replication rule, a dimension of its metrics."""

REPORTS = "batch"
"""Where in the source's log bucket batch replication reports."""

WRITES = f"/{CODE}/${{{names.SUFFIX}}}/writes"
"""The SSM parameter, in each region, that says whether the application may write."""

DAILY = name("daily")
"""The name of the backup plan, and the value of the tag by which it takes things."""

BACKED_UP = {backup.TAG: names.sub(DAILY)}

COLOURS = ("blue", "green")


def logs_bucket(role: str) -> str:
    """The name of the bucket for logs of a region role."""
    return name("logs", role, unique=True)


def fleet(colour: str, role: str) -> str:
    """The name of a group of servers."""
    return name(colour, role)


@dataclass(frozen=True)
class Shape:
    """What a template depends on.

    `builds_source` is whether the source side is made here, too, rather than being
    there already; `start_script` is what a new server runs.
    """

    builds_source: bool
    zones: int
    start_script: str

    @property
    def spread(self) -> str:
        """The region role of parts that the source has only where it is made here."""
        return frame.EVERY if self.builds_source else "target"

    @property
    def role(self) -> str:
        """How such a part calls its region role in names."""
        return names.THIS_ROLE if self.builds_source else "target"

    @property
    def roles(self) -> tuple[str, ...]:
        """The region roles in which something is made."""
        return ROLES if self.builds_source else ROLES[1:]

    @property
    def data(self) -> str:
        """The name of the source bucket."""
        return DATA if self.builds_source else "${SourceBucketName}"


def source_bucket(t: Template, shape: Shape) -> None:
    """The parameter for the bucket to migrate, where it is there already."""
    if not shape.builds_source:
        frame.wired(
            t,
            "SourceBucketName",
            "Bucket to migrate; it must be versioned.",
            frame.BUCKET_PATTERN,
            "the name of a bucket",
        )
