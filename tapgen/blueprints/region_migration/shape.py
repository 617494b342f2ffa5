"""Names that the templates of region_migration share, and the shape of the system.

Differences between environments or regions are template parameters. A template's bytes
depend on the `Shape` alone.
"""

from __future__ import annotations

from functools import partial

from troposphere import Template

from tapgen.blocks import backup, context, frame, names
from tapgen.frozen import dataclass

INSTANCE_TYPES = (
    *("t3.micro", "t3.small", "t3.medium", "t3.large", "t3.xlarge"),
    *("m6i.large", "m6i.xlarge", "m6i.2xlarge", "m6i.4xlarge"),
    *("m7i.large", "m7i.xlarge", "m7i.2xlarge", "m7i.4xlarge"),
    *("c6i.large", "c6i.xlarge", "c6i.2xlarge", "c6i.4xlarge"),
    *("r6i.large", "r6i.xlarge", "r6i.2xlarge", "r6i.4xlarge"),
)
"""Instance types of the same architecture as the default image (x86-64)."""

CODE = "rm"
ROLES = ("source", "target")
name = partial(names.name, CODE)
start = partial(frame.start, roles=ROLES)

# Names of resources that other templates refer to before they exist.
DATA = name("data", "source", unique=True)
REPLICA = name("data", "target", unique=True)
BACKUP = name("backup", "target", unique=True)
SECRET = name("db-owner", "source")
METRICS = name("metrics")
"""The namespace of the metrics from the system's logs."""

RULE = "everything"
"""The id of the replication rule, a dimension of its metrics."""

REPORTS = "batch"
"""The prefix of batch replication reports in the source's log bucket."""

WRITES = f"/{CODE}/${{{names.SUFFIX}}}/writes"
"""The SSM parameter, in each region, that allows or pauses writes."""

REDIRECTED = "redirected"
"""The thing that the alarm of a region is named by, with which an operator sends callers
of `app.` to it. It is where they go, so that it works without the region that they leave."""

DAILY = name("daily")
"""The name of the backup plan, and the tag value that selects its resources."""

BACKED_UP = {backup.TAG: names.sub(DAILY)}

COLOURS = ("blue", "green")


def logs_bucket(role: str) -> str:
    """Return the name of the log bucket of a region role."""
    return name("logs", role, unique=True)


def fleet(colour: str, role: str) -> str:
    """Return the name of a group of servers."""
    return name(colour, role)


@dataclass(frozen=True)
class Shape:
    """What a template depends on.

    With `builds_source` the system creates the source side, too. A new server runs
    `start_script`. `home` is the region role of what survives the migration and an account
    has once: roles, names, accelerator, the primary key and the secret. With `removed` the
    source region has nothing of the system any more.
    """

    builds_source: bool
    zones: int
    start_script: str
    home: str = "target"
    removed: bool = False

    @property
    def spread(self) -> str:
        """The region role of parts that the source only has with `builds_source`."""
        return frame.EVERY if self.builds_source else "target"

    @property
    def role(self) -> str:
        """The region role in names of such a part."""
        return names.THIS_ROLE if self.builds_source else "target"

    @property
    def roles(self) -> tuple[str, ...]:
        """The region roles in which the system creates these parts."""
        return ROLES if self.builds_source and not self.removed else ROLES[1:]

    @property
    def regions(self) -> tuple[str, ...]:
        """The region roles in which the system has anything."""
        return ROLES[1:] if self.removed else ROLES

    @property
    def data(self) -> str:
        """The name of the source bucket."""
        return DATA if self.builds_source else "${SourceBucketName}"


def source_bucket(t: Template, shape: Shape) -> None:
    """Add the parameter for an existing bucket to migrate."""
    if not shape.builds_source and not shape.removed:
        frame.wired(
            t,
            "SourceBucketName",
            "Bucket to migrate; it must be versioned.",
            frame.BUCKET_PATTERN,
            "the name of a bucket",
        )


def describe(t: Template) -> None:
    """Say in a template that holds data what it is a part of."""
    context.describe(t, _ARCH, _MUST)


_ARCH = (
    "The target region gets everything, data is replicated to it, and traffic moves"
    " by weights and dials. What an account has once is in the target, which stays."
)
_MUST = ("Only one region's database takes writes at any time",)
