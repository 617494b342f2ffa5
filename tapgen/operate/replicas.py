"""The promotion of a read replica: what it takes, and what it loses."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tapgen.aws import acting, lags
from tapgen.aws.lags import Lag
from tapgen.aws.session import Aws
from tapgen.errors import RolloutError
from tapgen.model import System
from tapgen.model.procedures import Check, Procedure, Script
from tapgen.operate import filling, outputs, programs
from tapgen.operate.filling import Place, Read
from tapgen.operate.programs import Move
from tapgen.rollout.program import Step

READY = "ready-to-promote"


@dataclass(frozen=True)
class Promotion:
    """How a replica becomes a database of its own, for good. `loses` is what a person has
    to type."""

    place: Place
    replica: str
    lag: Lag
    steps: tuple[Step, ...]
    loses: str


def promote(
    system: System,
    aws: Aws,
    run: str,
    *,
    lose_data: bool = False,
    account: str = "",
) -> Promotion:
    """Return the promotion of the replica of a system: once it has received nearly all and
    has a snapshot named after `run`, or with `lose_data` whatever it lacks, by calls to its
    own region only.

    Raises RolloutError where it cannot be done, or was done before, and AwsError.
    """
    final, script = _promoting(system)
    here = replace(filling.place(system, final, final.roles[-1], account), run=run)
    read = outputs.reader(system, aws)
    act = filling.act(here, final, script, read)
    if acting.look(aws, act).holds:
        raise RolloutError(
            f"{system.prefix}: the replica in {here.region} ({here.role}) is promoted "
            "already; what is left to do is in the file: see docs/"
            f"{system.blueprint}.md"
        )
    ready = filling.procedure(system, READY)
    chosen = (final,) if lose_data else (ready, final)
    steps = programs.steps([Move(one, here) for one in chosen], read)
    replica = _replica(here, ready, read)
    lag = lags.read(aws, here.target, _lag_alarm(here, ready, read), unit="s")
    return Promotion(here, replica, lag, tuple(steps), f"promote {replica} for good")


def _promoting(system: System) -> tuple[Procedure, Script]:
    """Return the procedure with the script that promotes, and the script."""
    for one in system.procedures:
        for step in one.steps:
            if isinstance(step.act, Script) and step.act.handler == "promotion":
                return one, step.act
    names = {one.name for one in system.procedures}
    raise RolloutError(
        f"{system.name}: "
        + (
            "its replica is promoted by its file, in a rollout: see docs/"
            f"{system.blueprint}.md"
            if READY in names
            else f"blueprint {system.blueprint} has no replica to promote"
        )
    )


def _replica(here: Place, ready: Procedure, read: Read) -> str:
    """Return the identifier of the replica."""
    check = _reading(ready, "DescribeDBInstances")
    return str(filling.act(here, ready, check, read).arguments["DBInstanceIdentifier"])


def _lag_alarm(here: Place, ready: Procedure, read: Read) -> str:
    check = _reading(ready, "DescribeAlarms")
    return str(filling.act(here, ready, check, read).arguments["AlarmNames"][0])


def _reading(procedure: Procedure, action: str) -> Check:
    return next(
        check
        for step in procedure.steps
        for check in step.before
        if isinstance(check, Check) and check.call.action == action
    )
