"""Global databases whose writer is not the cluster that their templates take for it.

After a switchover or a failover, CloudFormation still changes the cluster that was the
writer as if it were: a new password would go to a cluster that only reads, and RDS does
not delete the one that writes while others copy it. So who writes is asked, never
assumed, and what would change or delete these clusters meanwhile is refused.

A major version is upgraded for the whole global database, never for a cluster alone.

Source: "Using switchover or failover in Amazon Aurora Global Database", "Removing a
cluster from an Amazon Aurora global database" and "Upgrading an Amazon Aurora global
database" in the Aurora user guide.
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-upgrade.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tapgen.aws import global_databases
from tapgen.aws.session import Aws
from tapgen.errors import AwsError
from tapgen.frozen import dataclass
from tapgen.model import Action, Observed, Target
from tapgen.plan.model import Plan, Step
from tapgen.template import evaluate

_GLOBAL, _CLUSTER = "AWS::RDS::GlobalCluster", "AWS::RDS::DBCluster"


@dataclass(frozen=True)
class GlobalDatabase:
    """A deployed global database: its identifier, where it was made from a cluster, and
    the stack set and target of every cluster of it."""

    identifier: str
    home: Target
    members: frozenset[tuple[str, Target]]


def with_writers(plan: Plan, aws: Aws) -> Plan:
    """Return the plan with what follows from who writes in the global databases that it
    finds deployed; AWS is asked where there are any."""
    for database in deployed(plan.observed):
        places = sorted({t for _, t in database.members} - {database.home})
        state, why = global_databases.State(), ""
        try:
            state = global_databases.read(
                aws, database.identifier, [database.home, *places]
            )
        except AwsError as error:
            why = str(error)
        plan = judged(plan, database, state.writer, why)
        if not why:
            alone = _major_alone(plan.steps, database, state.version)
            plan = replace(plan, blocked=(*plan.blocked, *alone))
    return plan


def deployed(observed: Mapping[str, Observed]) -> list[GlobalDatabase]:
    """Return the global databases that deployed stacks hold, by identifier."""
    homes: dict[str, tuple[str, Target]] = {}
    members: dict[str, set[tuple[str, Target]]] = {}
    for name, target, type_, properties in _resources(observed.values()):
        identifier = properties.get("GlobalClusterIdentifier")
        if isinstance(identifier, str):
            members.setdefault(identifier, set()).add((name, target))
            if type_ == _GLOBAL:
                homes[identifier] = name, target
    return [
        GlobalDatabase(identifier, homes[identifier][1], frozenset(members[identifier]))
        for identifier in sorted(homes)
    ]


def _resources(
    found: Iterable[Observed],
) -> Iterator[tuple[str, Target, str, Mapping[str, object]]]:
    for o in found:
        for target in o.instances:
            text = o.template_of(target)
            if _GLOBAL not in text and _CLUSTER not in text:
                continue
            evaluated = evaluate.evaluate(text, o.values(target), target)
            for resource in evaluated.resources.values():
                properties = resource.get("Properties")
                if resource.get("Type") in (_GLOBAL, _CLUSTER) and isinstance(
                    properties, Mapping
                ):
                    yield o.name, target, str(resource["Type"]), properties


def judged(plan: Plan, database: GlobalDatabase, arn: str, why: str) -> Plan:
    """Return the plan with a line about the writer (its ARN, or `why` it is not known),
    and refused where it changes or deletes clusters that do not write where their
    template says."""
    home = database.home.region
    region = arn.split(":")[3] if arn else ""
    if region == home or not (arn or why):
        return plan
    if why:
        line = f"cannot be read who writes in {database.identifier}: {why}"
        advice = "let tapgen read it (rds:DescribeGlobalClusters), then plan again"
    else:
        name = arn.rpartition(":")[2]
        line = (
            f"{name} in {region} writes in {database.identifier}, not the cluster in "
            f"{home}, as its template has it"
        )
        advice = (
            f"switch over to {home} (tapgen failback, for payments_dr), then plan again"
        )
    blocked = [f"{text}: {line}; {advice}" for text in _touched(plan.steps, database)]
    return replace(
        plan, blocked=(*plan.blocked, *blocked), writers=(*plan.writers, line)
    )


def _touched(steps: Iterable[Step], database: GlobalDatabase) -> Iterator[str]:
    """Yield what the steps do to clusters of a global database."""
    for step in steps:
        verb = "would delete" if step.action is Action.DELETE else "would change"
        for target in step.targets:
            changed = [
                c.logical_id
                for c in step.changes.get(target, ())
                if c.type in (_GLOBAL, _CLUSTER)
            ]
            if changed and (step.stack_set, target) in database.members:
                what = ", ".join(sorted(changed))
                yield f"{step.stack_set} in {target} {verb} {what}"


def _major_alone(
    steps: Sequence[Step], database: GlobalDatabase, version: str
) -> Iterator[str]:
    """Yield what would give single clusters another major version than the global
    database has, or gets by its own resource."""
    wanted = {
        (step.stack_set, target, change.type, change.logical_id): str(one.new)
        for step in steps
        for target, changes in step.changes.items()
        if (step.stack_set, target) in database.members
        for change in changes
        for one in change.properties
        if one.path == ("EngineVersion",)
    }
    whole = {_major(new) for (_, _, kind, _), new in wanted.items() if kind == _GLOBAL}
    for (name, target, kind, title), new in wanted.items():
        if kind == _CLUSTER and _major(new) not in whole | {_major(version)}:
            now = (
                f"runs {version}" if version else "has a version that RDS does not say"
            )
            yield (
                f"{name} in {target} would upgrade {title} to {new}, and "
                f"{database.identifier} {now}: Aurora upgrades the major version of a "
                "global database as a whole; run aws rds modify-global-cluster "
                f"--global-cluster-identifier {database.identifier} --engine-version "
                f"{new} --allow-major-version-upgrade --region {database.home.region}, "
                "wait until all clusters are available, then plan again"
            )


def _major(version: str) -> str:
    return version.partition(".")[0]
