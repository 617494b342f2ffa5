"""Procedures of a system as Markdown for people: its names, calls to make by hand, and what
each shows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model.procedures import Act
from tapgen.rollout.program import Kind, Step

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SAVED = re.compile(r"\{\{ (\w+)\.(\w+) \}\}")


@dataclass(frozen=True)
class Chapter:
    """A procedure at one region: `command` does the same, empty where none does; `notes` is
    what a person must say or wait for."""

    name: str
    description: str
    role: str
    region: str
    steps: tuple[Step, ...]
    command: str = ""
    notes: tuple[str, ...] = ()


def markdown(title: str, chapters: Sequence[Chapter]) -> str:
    """Return a runbook: a chapter for each procedure and region."""
    lines = [f"# {title}", ""]
    lines += [
        f"- [{one.name} in {one.region} ({one.role})](#{_anchor(one)}): "
        f"{one.description}"
        for one in chapters
    ]
    for one in chapters:
        lines += ["", *_chapter(one)]
    return "\n".join(lines) + "\n"


def _anchor(one: Chapter) -> str:
    return f"{one.name}-in-{one.region}-{one.role}".lower()


def _chapter(one: Chapter) -> Iterator[str]:
    yield f"## {one.name} in {one.region} ({one.role})"
    yield ""
    yield f"{one.description}."
    yield from (f"\n{note}" for note in one.notes)
    if one.command:
        yield f"\nBy one command: `{one.command}`. By hand:"
    for number, step in enumerate(one.steps, 1):
        yield ""
        yield from _step(number, step)


def _step(number: int, step: Step) -> Iterator[str]:
    act = step.check if step.kind is Kind.CHECK else step.calls[0].act
    assert act
    kind = "check" if step.kind is Kind.CHECK else "change"
    yield f"{number}. **{act.name}** ({kind})"
    yield ""
    yield from _by_hand(act)
    if step.kind is Kind.CHECK:
        yield ""
        yield f"   {_expected(act)}"
    undo = [line for call in step.undo if call.act for line in _by_hand(call.act)]
    if undo:
        yield "\n   To take it back:\n"
        yield from undo
    elif step.remains:
        yield f"\n   Taken back by {step.remains}."


def _expected(act: Act) -> str:
    wanted = " or ".join(f"`{one}`" for one in act.wanted)
    value = f"`{act.selector}` must be {wanted}" if wanted else "It must be so"
    absent = ", or missing" if act.missing else ""
    limit = f"; wait for up to {_lasting(act.seconds)}" if act.seconds else ""
    return f"{value}{absent}{limit}."


def _lasting(seconds: int) -> str:
    for size, word in ((3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {word}{'s' * (count != 1)}"
    return f"{seconds} seconds"


def _by_hand(act: Act) -> Iterator[str]:
    """Yield the commands that do what an act does; a script takes several."""
    for words, command in _SCRIPTS[act.script](act) if act.script else [("", act)]:
        if words:
            yield f"   {words}:"
            yield ""
        yield "   ```console"
        yield f"   {_command(command)}"
        yield "   ```"


_Commands = Iterator[tuple[str, Act]]


def _call(act: Act, service: str, action: str, region: str = "", **given: Any) -> Act:
    where = replace(act.target, region=region or act.target.region)
    return Act(act.name, where, service, action, given)


def _switchover(act: Act) -> _Commands:
    """https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html"""
    name, target = act.arguments["GlobalDatabase"], act.arguments["Target"]
    given = {
        "GlobalClusterIdentifier": name,
        "TargetDbClusterIdentifier": target,
    }
    if act.arguments.get("LossAccepted"):
        lossy = _call(act, "rds", "FailoverGlobalCluster", **given, AllowDataLoss=True)
        yield "Accept the loss of what was not copied", lossy
        return
    yield "Find the cluster with `IsWriter`, and its region", _global(act, name)
    yield (
        "Unless that is the target already, ask there, with that region for REGION",
        _call(act, "rds", "SwitchoverGlobalCluster", "REGION", **given),
    )


def _global(act: Act, name: str) -> Act:
    return _call(act, "rds", "DescribeGlobalClusters", GlobalClusterIdentifier=name)


def _writer(act: Act) -> _Commands:
    cluster = act.arguments["Cluster"]
    yield f"`IsWriter` of {cluster} must be true", _global(
        act, act.arguments["GlobalDatabase"]
    )
    described = _call(act, "rds", "DescribeDBClusters", DBClusterIdentifier=cluster)
    yield "Its `Status` must be `available`", described


def _release(act: Act) -> _Commands:
    known = act.arguments
    data = [{"MetricName": known["Metric"], "Value": 0}]
    off = {"Namespace": known["Namespace"], "MetricData": data}
    region = known["Region"]
    yield (
        "Turn the switch off, once more in each minute until the alarm follows",
        _call(act, "cloudwatch", "PutMetricData", region, **off),
    )
    seen = {"AlarmNames": [known["Alarm"]]}
    yield "`StateValue` must be `OK`", _call(
        act, "cloudwatch", "DescribeAlarms", region, **seen
    )


def _behind(act: Act) -> _Commands:
    region, instance = (act.arguments["Source"].split(":")[n] for n in (3, -1))
    dimension = {"Name": "DBInstanceIdentifier", "Value": instance}
    metric = {
        "Namespace": "AWS/RDS",
        "MetricName": "OldestReplicationSlotLag",
        "Dimensions": [dimension],
        "StartTime": "TEN MINUTES AGO",
        "EndTime": "NOW",
        "Period": "60",
        "Statistics": ["Maximum"],
    }
    yield (
        f"The last `Maximum` must be {act.arguments['Bytes']} bytes at most, and 0 at "
        "least",
        _call(act, "cloudwatch", "GetMetricStatistics", region, **metric),
    )


def _promotion(act: Act) -> _Commands:
    stack = act.arguments["Stack"]
    described = _call(act, "cloudformation", "DescribeStacks", StackName=stack)
    if act.wanted or act.seconds:
        yield (
            "`Promoted` must be `true`, and the stack in `UPDATE_COMPLETE`",
            described,
        )
        return
    yield "List the parameters of the stack", described
    update = {
        "StackName": stack,
        "UsePreviousTemplate": True,
        "Parameters": [
            {"ParameterKey": "Promoted", "ParameterValue": "true"},
            {"ParameterKey": "EACH OTHER", "UsePreviousValue": True},
        ],
    }
    yield "Promote by the one parameter; all others keep their values", _call(
        act, "cloudformation", "UpdateStack", **update
    )


_SCRIPTS: Mapping[str, Callable[[Act], _Commands]] = {
    "switchover": _switchover,
    "writer": _writer,
    "release": _release,
    "behind": _behind,
    "promotion": _promotion,
}
"""What scripts do, as calls by hand, by the names of `aws/scripts.py`."""


def _command(act: Act) -> str:
    """Return the call as a command of the AWS CLI."""
    words = ["aws", act.service, dashed(act.action)]
    words += ["--region", act.target.region]
    for name, value in act.arguments.items():
        option = f"--{dashed(name)}"
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        else:
            words += [option, *_values(value)]
    return _SAVED.sub(r"the \2 that \1 has returned", shlex.join(words))


def dashed(name: str) -> str:
    """Return a name of an API as the AWS CLI has it: `DBClusters` is db-clusters."""
    return _WORD.sub("-", name).lower()


def _values(value: object) -> Iterable[str]:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    return [value if isinstance(value, str) else json.dumps(value)]
