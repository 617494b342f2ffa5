"""Which procedures a failover is, from who writes and which regions answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tapgen.aws import acting, global_databases, lags
from tapgen.aws.lags import Lag
from tapgen.aws.session import Aws, is_away
from tapgen.errors import AwsError, RolloutError
from tapgen.model import Output, System, Target
from tapgen.model.procedures import Act, Check, Procedure, Script
from tapgen.operate import filling, programs
from tapgen.operate.filling import Place
from tapgen.operate.programs import Move

PLANNED = ("switchover", "redirect")
UNPLANNED = ("failover",)
BACK = ("failback",)
RELEASE = "release"
_NEVER = "INSUFFICIENT_DATA"


@dataclass(frozen=True)
class Survey:
    """A global database: who writes, which regions do not answer, and how far the copy in
    the region to go to is behind."""

    identifier: str
    writer: str
    away: Mapping[str, str]
    lag: Lag


@dataclass(frozen=True)
class Moving:
    """A move of the writer from one role to another: what is known, and what to do.

    `loses` is what may be lost, which a person has to type; empty where nothing is.
    """

    command: str
    origin: str
    to: Place
    survey: Survey
    moves: tuple[Move, ...]
    loses: str = ""


def failover(
    system: System,
    aws: Aws,
    *,
    to: str = "",
    lose_data: bool = False,
    account: str = "",
) -> Moving:
    """Return how the writer moves to another region: planned and without loss, which needs
    both regions, or else accepting the loss of what was not copied, in one of them.

    `to` is a region role or region; by default the last role. Raises RolloutError where it
    cannot be done now, and AwsError.
    """
    first = filling.procedure(system, UNPLANNED[0])
    home = first.roles[0]
    role = _role(system, first, to) or first.roles[-1]
    survey = read(system, aws, first, role, account)
    writer, region = _writer(system, first, survey), system.regions[role]
    if role == writer:
        raise RolloutError(
            f"{system.prefix}: {region} ({role}) already writes in {survey.identifier}; "
            "go back with tapgen failback, or, where that region is lost, take over "
            f"elsewhere: --to {next(r for r in first.roles if r != role)} --lose-data"
        )
    if role == home and not lose_data:
        raise RolloutError(
            f"{system.prefix}: the planned way to {region} ({role}) is tapgen failback, "
            "which also sends traffic back; or take over there: --lose-data"
        )
    if region in survey.away:
        raise RolloutError(
            f"{system.prefix}: {region} ({role}) is to take over and does not answer "
            f"({survey.away[region]}); wait until it does, or give another region with --to"
        )
    if survey.away and not lose_data:
        gone = "; ".join(f"{r} does not answer ({w})" for r, w in survey.away.items())
        raise RolloutError(
            f"{system.prefix}: {gone}, and a planned switchover needs both regions; wait, "
            "or take over without it, and lose what was not copied: --lose-data"
        )
    names = UNPLANNED if lose_data else PLANNED
    loses = f"lose data of {survey.identifier}" if lose_data else ""
    return _moving(system, "failover", writer, role, survey, names, account, loses)


def failback(system: System, aws: Aws, *, account: str = "") -> Moving:
    """Return how the writer goes back to the first region role, with traffic; it needs both
    regions. Raises RolloutError where it cannot be done now, and AwsError."""
    first = filling.procedure(system, BACK[0])
    home = first.roles[0]
    survey = read(system, aws, first, home, account)
    if survey.away:
        gone = "; ".join(f"{r} does not answer ({w})" for r, w in survey.away.items())
        raise RolloutError(
            f"{system.prefix}: {gone}, and going back needs both regions; try again once "
            "they answer"
        )
    writer = _writer(system, first, survey)
    if writer == home:
        moves = releases(system, aws, account)
        if not moves:
            raise RolloutError(
                f"{system.prefix}: {system.regions[home]} ({home}) writes in "
                f"{survey.identifier}, all regions are open, and no traffic was "
                "redirected: there is nothing to go back from"
            )
        here = filling.place(system, first, home, account)
        return Moving("failback", writer, here, survey, moves)
    return _moving(system, "failback", writer, home, survey, BACK, account, "")


def read(
    system: System, aws: Aws, procedure: Procedure, role: str, account: str
) -> Survey:
    """Ask AWS who writes, in every region, and how far the copy in that of a role is
    behind. Raises RolloutError where no region answers, or there is no such database.
    """
    here = {r: filling.place(system, procedure, r, account) for r in procedure.roles}
    script = _mover(system, procedure, here[role])
    identifier = script["GlobalDatabase"]
    states, away = {}, {}
    for one in here.values():
        try:
            states[one.region] = global_databases.read(aws, identifier, [one.target])
        except AwsError as error:
            if not is_away(error):
                raise
            away[one.region] = str(error)
    if not states:
        gone = "; ".join(away.values())
        raise RolloutError(f"{system.prefix}: no region answers: {gone}; try again")
    order = [r for r in (here[role].region, *states) if r in states]
    found = states[order[0]]
    if not found.writer:
        raise RolloutError(
            f"{system.prefix}: {order[0]} has no global database {identifier} with a "
            "cluster that writes; was the system never rolled out, or destroyed? See "
            f"tapgen status {system.name}"
        )
    lag = Lag()
    if here[role].region in states:
        lag = lags.read(aws, here[role].target, _lag_alarm(system, here[role]))
    return Survey(identifier, found.writer, away, lag)


def releases(system: System, aws: Aws, account: str) -> tuple[Move, ...]:
    """Return what opens the regions that are closed, and releases traffic that was
    redirected, in each region where there is something to do."""
    release = filling.procedure(system, RELEASE)
    found = []
    for role in release.roles:
        move = Move(release, filling.place(system, release, role, account))
        proofs = [c.proof for s in programs.steps([move], unread) for c in s.calls]
        if not all(_is_released(aws, proof) for proof in proofs if proof):
            found.append(move)
    return tuple(found)


def _is_released(aws: Aws, proof: Act) -> bool:
    """Whether a release is done, or its switch was never turned: it keeps its last value,
    so its alarm lacks data only before the first."""
    seen = acting.look(aws, proof)
    return seen.holds or proof.script == "release" and seen.shown == _NEVER


def _moving(
    system: System,
    command: str,
    writer: str,
    role: str,
    survey: Survey,
    names: tuple[str, ...],
    account: str,
    loses: str,
) -> Moving:
    chosen = [filling.procedure(system, name) for name in names]
    moves = tuple(
        Move(one, filling.place(system, one, role, account)) for one in chosen
    )
    return Moving(command, writer, moves[0].place, survey, moves, loses)


def _role(system: System, procedure: Procedure, to: str) -> str:
    """Return the role that `to` names, by itself or by its region."""
    if not to:
        return ""
    for role in procedure.roles:
        if to in (role, system.regions[role]):
            return role
    known = ", ".join(f"{r} ({system.regions[r]})" for r in procedure.roles)
    raise RolloutError(f"{system.prefix}: --to {to} is none of its regions: {known}")


def _writer(system: System, procedure: Procedure, survey: Survey) -> str:
    """Return the role of the region that writes."""
    region = survey.writer.split(":")[3]
    for role in procedure.roles:
        if system.regions[role] == region:
            return role
    raise RolloutError(
        f"{system.prefix}: {survey.writer} writes, and {region} is none of its regions; "
        "move the writer with aws rds switchover-global-cluster first"
    )


def _mover(system: System, procedure: Procedure, here: Place) -> Mapping[str, str]:
    """Return the payload of the script that moves the writer."""
    for step in procedure.steps:
        if isinstance(step.act, Script) and step.act.handler == "switchover":
            return filling.act(here, procedure, step.act, unread).arguments
    raise RolloutError(
        f"{system.name}: it has no global database to move; its replica is promoted by "
        f"tapgen promote {system.name}"
    )


def _lag_alarm(system: System, here: Place) -> str:
    """Return the name of the alarm on the lag of the copy here."""
    planned = filling.procedure(system, PLANNED[0])
    check = next(
        c
        for s in planned.steps
        for c in s.before
        if isinstance(c, Check) and c.call.action == "DescribeAlarms"
    )
    found = filling.act(here, planned, check, unread).arguments["AlarmNames"][0]
    return str(found)


def unread(value: Output, target: Target) -> str:
    """Refuse to read an output: these procedures know all names beforehand, so that they
    need no stack of a region that is lost."""
    raise RolloutError(f"{value.part}.{value.output} of {target} is not read here")
