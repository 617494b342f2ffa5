"""The promotion of a read replica: what it takes, and what it loses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tapgen.aws import acting, lags
from tapgen.aws.lags import Lag
from tapgen.aws.session import Aws
from tapgen.errors import RolloutError
from tapgen.model import System
from tapgen.model.migrations import MigrationStep, Promoting
from tapgen.model.procedures import Check, Procedure, Script
from tapgen.model.verified import Verified
from tapgen.operate import filling, migrating, outputs, programs
from tapgen.operate.filling import Place, Read
from tapgen.operate.migrating import Standing
from tapgen.operate.programs import Move
from tapgen.rollout.program import Step

READY = "ready-to-promote"


@dataclass(frozen=True)
class Promotion:
    """How a replica becomes a database of its own, for good. `loses` is what a person has
    to type. Of a migration, `snapshot` is one that is there already, and `settings` make the
    file agree.
    """

    place: Place
    replica: str
    lag: Lag
    steps: tuple[Step, ...]
    loses: str
    snapshot: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


def _unknown() -> Standing:
    raise RolloutError("nobody knows where the migration is")


def promote(
    system: System,
    aws: Aws,
    run: str,
    *,
    lose_data: bool = False,
    account: str = "",
    standing: Callable[[], Standing] = _unknown,
) -> Promotion:
    """Return the promotion of the replica of a system: once it has received nearly all and
    has a snapshot named after `run`, or with `lose_data` whatever it lacks, by calls to its
    own region only. That of a migration is its next step by `standing`: writes are paused,
    and a snapshot that is there is enough.

    Raises RolloutError where it cannot be done, or was done before, and AwsError.
    """
    if lose_data and system.migration:
        raise RolloutError(
            f"{system.name}: a migration is promoted only while its source answers; where "
            f"that is lost, set promotion.promoted in the file: see docs/{system.blueprint}.md"
        )
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
    moves = [Move(ready, here)] * (not lose_data) + [Move(final, here)]
    snapshot, settings = "", dict[str, str]()
    if system.migration and system.migration.promoting:
        promoting = system.migration.promoting
        settings = migrating.flat(_blocked(system, promoting, standing).settings)
        taken = migrating.find(
            system, aws, system.migration, promoting.snapshot, account, read
        )
        if taken.verdict is Verified.HOLDS:
            snapshot, moves = taken.words, moves[1:]
        moves = [*_everywhere(system, promoting.before, account), *moves]
    steps = programs.steps(moves, read)
    replica = _replica(here, ready, read)
    lag = lags.read(aws, here.target, _lag_alarm(here, ready, read), unit="s")
    return Promotion(
        here,
        replica,
        lag,
        tuple(steps),
        f"promote {replica} for good",
        snapshot,
        settings,
    )


def _everywhere(system: System, one: Procedure, account: str) -> list[Move]:
    return [Move(one, filling.place(system, one, r, account)) for r in one.roles]


def _blocked(
    system: System, promoting: Promoting, standing: Callable[[], Standing]
) -> MigrationStep:
    """Return the step that promotes; RolloutError where it is not the next one, or something
    blocks it."""
    now = standing()
    step = now.next
    if step is None or step.name != promoting.step:
        last = now.done[-1].name if now.done else "none"
        comes = f"{step.name} comes next" if step else "nothing comes next"
        raise RolloutError(
            f"{system.prefix}: {promoting.step} is not the next step of the migration: the "
            f"last one that is deployed is {last}, and {comes}; see tapgen migrate "
            f"{system.name} next"
        )
    if now.blocked:
        found = [f for f in now.findings if f.verdict in now.blocking]
        raise RolloutError(
            f"{system.prefix}: the promotion is blocked: "
            + "; ".join(f"{f.name} in {f.target}: {f.words}" for f in found)
        )
    return step


def _promoting(system: System) -> tuple[Procedure, Script]:
    """Return the procedure with the script that promotes, and the script."""
    migration = system.migration
    own = migration.promoting.promotion if migration and migration.promoting else None
    for one in (*system.procedures, *([own] if own else ())):
        for step in one.steps:
            if isinstance(step.act, Script) and step.act.handler == "promotion":
                return one, step.act
    raise RolloutError(
        f"{system.name}: blueprint {system.blueprint} has no replica to promote"
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
