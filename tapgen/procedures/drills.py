"""What a drill rehearses of each shipped system, by the outputs of its stacks.

Nothing here is data of users: marks in tables have keys that no caller can choose, objects
are below `drill/`, and requests are such that nothing is stored. What cannot be taken back,
such as the promotion of a replica, is never rehearsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import Output

REGION_LOSS, DATABASE, API, DNS = SCENARIOS = ("region-loss", "database", "api", "dns")
"""What may be rehearsed: everything, or what one part of a system has."""


@dataclass(frozen=True)
class TableCopies:
    """A global table, in the regions of two roles. `key` is that of marks: `{id}` is the
    drill, `{n}` a number."""

    table: Output
    roles: tuple[str, str]
    key: Mapping[str, str]


@dataclass(frozen=True)
class ObjectCopies:
    """A bucket and the one that it is replicated to; their regions are roles."""

    source: Output
    copy: Output


@dataclass(frozen=True)
class Request:
    """A request that stores nothing, and what is answered: the status, and values by
    JSONPath. With `timed`, it is sent several times and measured."""

    method: str
    path: str
    status: int = 200
    body: str = ""
    wanted: Mapping[str, str] = field(default_factory=dict)
    timed: bool = True


@dataclass(frozen=True)
class Apis:
    """The API in each region: the part, and what is asked. `taken_over` is answered once
    the region has taken over."""

    part: str
    requests: tuple[Request, ...]
    taken_over: Request | None = None


@dataclass(frozen=True)
class Name:
    """The name that leads to the region that serves: the part whose parameters are zone and
    domain, and a path, as an output of the APIs, that answers with `region` to anybody.
    """

    part: str
    path: str


@dataclass(frozen=True)
class Bell:
    """An alarm, and the topic that it notifies, in the region of the role."""

    role: str
    alarm: Output
    topic: Output


@dataclass(frozen=True)
class Exercises:
    """What is rehearsed. `moves` says that database and traffic move to the other region
    and back, by the system's procedures; `lag` is the alarm on the lag of the copy, and
    `never` says what is left out, and why."""

    tables: tuple[TableCopies, ...] = ()
    objects: tuple[ObjectCopies, ...] = ()
    apis: Apis | None = None
    bell: Bell | None = None
    name: Name | None = None
    lag: Output | None = None
    moves: bool = False
    never: tuple[str, ...] = ()

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The scenarios that the system has."""
        has: dict[str, Any] = {
            DATABASE: self.moves,
            API: self.apis,
            DNS: self.moves,
        }
        return (REGION_LOSS, *(name for name, found in has.items() if found))


_STATUS = Request("GET", "/status", wanted={"$.writes": "open"})
_LAG = Output("observe", "LagAlarmName", region="dr")

EXERCISES: Mapping[str, Exercises] = {
    "payments_dr": Exercises(
        tables=(
            TableCopies(
                Output("table", "TableName", region="primary"),
                ("primary", "dr"),
                {"paymentId": "#drill", "timestamp": "{id}-{n}"},
            ),
        ),
        objects=(
            ObjectCopies(
                Output("storage", "BucketName", region="primary"),
                Output("storage-dr", "BucketName", region="dr"),
            ),
        ),
        apis=Apis(
            "app",
            (
                _STATUS,
                # No payment: it would stay, and subscribers would act on it.
                Request("POST", "/validate", 400, "{}", timed=False),
            ),
            Request(
                "GET",
                "/status",
                wanted={"$.writes": "open", "$.database.writer": "True"},
            ),
        ),
        bell=Bell("dr", _LAG, Output("messages", "AlertTopicArn", region="dr")),
        name=Name("dns", "HealthPath"),
        lag=_LAG,
        moves=True,
        never=(
            "a payment: it would stay recorded, and its notification would reach your "
            "subscribers",
        ),
    ),
    "serverless_api": Exercises(
        tables=(
            TableCopies(
                Output("table", "TableName", region="source"),
                ("source", "target"),
                {"id": "drill-{id}-{n}"},
            ),
        ),
        objects=(
            ObjectCopies(
                Output("website", "BucketName", region="source"),
                Output("website-target", "BucketName", region="target"),
            ),
        ),
        apis=Apis("api", (Request("GET", "/health"),)),
    ),
    "secure_network": Exercises(
        objects=(
            ObjectCopies(
                Output("storage", "PrimaryBucketName", region="primary"),
                Output("storage-dr", "DestinationBucketName", region="dr"),
            ),
        ),
        never=("the promotion of the replica: no call takes it back",),
    ),
    "region_migration": Exercises(
        objects=(
            ObjectCopies(
                Output("storage", "SourceBucketName", region="source"),
                Output("storage-target", "TargetBucketName", region="target"),
            ),
        ),
        never=("the migration itself: it is a move for good",),
    ),
}
"""What is rehearsed, by blueprint."""
