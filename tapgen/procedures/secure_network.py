"""The procedures of secure_network: promote the replica, and move the name to it.

All of them run in the recovery region. `failover` and `release` make calls there only: the
primary region may be gone. `ready-to-promote` asks it how much the replica lacks.
"""

from __future__ import annotations

from tapgen.model.procedures import RUN, Argument, Procedure
from tapgen.procedures import databases, traffic
from tapgen.procedures.traffic import Switch

PART = "runbooks"
ROLES = ("dr",)


def procedures(
    *,
    source_arn: str,
    replica: str,
    stack: str,
    snapshot: str,
    lag_alarm: str,
    switch: Switch,
) -> tuple[Procedure, ...]:
    """Return all procedures.

    `replica` is the identifier of the replica of `source_arn`, `stack` the id of its
    stack, `snapshot` the start of its snapshots' names.
    """
    return (
        Procedure(
            "ready-to-promote",
            "Stops unless the replica is close behind and healthy, then takes a snapshot",
            PART,
            ROLES,
            (databases.ready(source_arn, replica, f"{snapshot}-{RUN}", lag_alarm),),
        ),
        Procedure(
            "failover",
            "The replica becomes a database of its own, and the name leads to it",
            PART,
            ROLES,
            (databases.promoted(replica, stack), traffic.turn(switch, True)),
            (
                Argument(
                    "LossAccepted",
                    "Say yes: what was not replicated yet is lost, for good",
                    ("yes",),
                ),
            ),
        ),
        Procedure(
            "release",
            "The name of the database leads to the primary region again",
            PART,
            ROLES,
            (traffic.release(switch, back="failover"),),
            (
                Argument(
                    "DataIsThere",
                    "Say yes: the database of the primary region has all data again",
                    ("yes",),
                ),
            ),
        ),
    )
