"""Scripts of procedures, run from here: the code that runbooks give Systems Manager.

A runbook's script waits by itself; a run looks once in each poll, so that it can be
stopped and goes on elsewhere. The code in `handlers/` is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tapgen.aws import releases, shares
from tapgen.aws.session import Aws, ask, pages
from tapgen.model import Target

Payload = Mapping[str, str]


class Asking:
    """A client whose calls raise our exceptions, for code that is written for boto3."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **given: ask(self._client, operation, **given)


def _move_writer(aws: Aws, target: Target, payload: Payload) -> None:
    """Ask for the move of a global database, in the region where AWS wants to be asked;
    one without loss that is under way is not asked for again."""
    from tapgen.handlers import switchover

    if "LossAccepted" not in payload and _is_moving(aws, target, payload)[0]:
        return

    def there(region_name: str) -> Asking:
        return _client(aws, "rds", Target(target.account, region_name))

    switchover.switch(payload, _client(aws, "rds", target), there)


def _is_moving(aws: Aws, target: Target, payload: Payload) -> tuple[bool, str]:
    """Whether the target of a move writes, or is about to.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_FailoverState.html
    """
    found = _client(aws, "rds", target).describe_global_clusters(
        GlobalClusterIdentifier=payload["GlobalDatabase"]
    )["GlobalClusters"][0]
    members = found.get("GlobalClusterMembers", ())
    writers = [m["DBClusterArn"] for m in members if m.get("IsWriter")]
    to = found.get("FailoverState", {}).get("ToDbClusterArn")
    return payload["Target"] in (*writers, to), ", ".join(writers) or "no writer"


def _writes(aws: Aws, target: Target, payload: Payload) -> tuple[bool, str]:
    """Whether a cluster writes, and is available."""
    from tapgen.handlers import writer

    holds = writer.writes(payload, _client(aws, "rds", target))
    return holds, "it writes" if holds else "it does not write yet"


def _turn_off(aws: Aws, target: Target, payload: Payload) -> None:
    """Put 0 as the metric of a switch in its region."""
    there = _client(aws, "cloudwatch", Target(target.account, payload["Region"]))
    there.put_metric_data(
        Namespace=payload["Namespace"],
        MetricData=[{"MetricName": payload["Metric"], "Value": 0}],
    )


def _is_off(aws: Aws, target: Target, payload: Payload) -> tuple[bool, str]:
    """Whether the alarm of a switch is OK."""
    there = _client(aws, "cloudwatch", Target(target.account, payload["Region"]))
    found = there.describe_alarms(AlarmNames=[payload["Alarm"]])["MetricAlarms"]
    state = found[0]["StateValue"] if found else "missing"
    return state == "OK", state


def _is_close(aws: Aws, target: Target, payload: Payload) -> tuple[bool | None, str]:
    """Whether a replica has received nearly all that its source has written; None where
    nobody knows."""
    from tapgen.handlers import behind

    source = payload["Source"]
    there = _client(aws, "cloudwatch", Target(target.account, source.split(":")[3]))
    held = behind.latest(source.rpartition(":")[2], there)
    if held is None:
        said = "the replication slot publishes no size: the lag is unknown"
        if aws.local:
            said += "; the embedded AWS has no metrics of RDS: to rehearse, put one yourself"
        return None, said
    return held <= int(payload["Bytes"]), f"{held:.0f} bytes behind"


def _promote(aws: Aws, target: Target, payload: Payload) -> None:
    """Ask CloudFormation to promote the replica of a stack, unless it is promoted."""
    from tapgen.handlers import promotion

    stacks = _client(aws, "cloudformation", target)
    status, promoted = _promotion(stacks, payload)
    if status.endswith("_IN_PROGRESS") and not promoted:
        raise LookupError(f"{payload['Stack']} is in {status}: try again once it ends")
    try:
        promotion.promote(payload, stacks, _end_waiting)
    except _Waiting:
        pass


class _Waiting(Exception):
    """A script would wait now, which the engine does itself."""


def _end_waiting(seconds: float) -> None:
    raise _Waiting


def _is_promoted(aws: Aws, target: Target, payload: Payload) -> tuple[bool, str, bool]:
    """Whether the stack of a replica has promoted it; it never does where the update of
    its stack was rolled back."""
    status, promoted = _promotion(_client(aws, "cloudformation", target), payload)
    complete = status.startswith("UPDATE_COMPLETE") or status == "CREATE_COMPLETE"
    hopeless = not promoted and "ROLLBACK" in status or status.endswith("_FAILED")
    word = "promoted" if promoted else "a replica"
    return promoted and complete, f"{word}, its stack is in {status}", hopeless


def _has_begun(aws: Aws, target: Target, payload: Payload) -> tuple[bool, str]:
    """Whether a promotion was asked for; CloudFormation says so from then on, unless it
    goes back."""
    status, promoted = _promotion(_client(aws, "cloudformation", target), payload)
    return promoted, f"its stack is in {status}"


def _promotion(stacks: Asking, payload: Payload) -> tuple[str, bool]:
    """Return the status of the stack of a replica, and whether it is to be promoted."""
    stack = stacks.describe_stacks(StackName=payload["Stack"])["Stacks"][0]
    given = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
    return stack["StackStatus"], given["Promoted"] == "true"


def _is_reverted(
    aws: Aws, target: Target, payload: Payload
) -> tuple[bool, str, bool, bool]:
    """Whether the update of a stack that was started with a token has ended well; every
    event of an operation has the token of its request.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackEvent.html
    """
    status, reason = _operation(aws, target, payload)
    words = f"{status or 'not begun'}: {reason}" if reason else status or "not begun"
    over = status.endswith(("ROLLBACK_COMPLETE", "_FAILED"))
    return (
        status == "UPDATE_COMPLETE",
        words,
        over,
        status == "UPDATE_ROLLBACK_COMPLETE",
    )


def _revert_began(aws: Aws, target: Target, payload: Payload) -> tuple[bool, str]:
    status, _ = _operation(aws, target, payload)
    return bool(status), status or "not begun"


def _operation(aws: Aws, target: Target, payload: Payload) -> tuple[str, str]:
    """The status of a stack after the events with a token, empty where there are none; and
    why the first of its resources failed."""
    client = aws.client("cloudformation", target)
    status = reason = ""
    for event in pages(
        client, "describe_stack_events", "StackEvents", StackName=payload["Stack"]
    ):
        if event.get("ClientRequestToken") != payload["Token"]:
            if status:
                break  # older ones belong to other operations
            continue
        if event.get("PhysicalResourceId") == event["StackId"]:
            status = status or event["ResourceStatus"]
        elif event["ResourceStatus"].endswith("_FAILED"):
            why = event.get("ResourceStatusReason", "")
            reason = f"{event['LogicalResourceId']}: {why}"
    return status, reason


def _client(aws: Aws, service: str, target: Target) -> Asking:
    return Asking(aws.client(service, target))


ACTS: Mapping[str, Callable[[Aws, Target, Payload], None]] = {
    "switchover": _move_writer,
    "release": _turn_off,
    "promotion": _promote,
}
"""What scripts change, by the name of their handler."""

PROOFS: Mapping[str, str] = {"promotion": "promotion begun"}
"""Checks that say that a script was run, where its own says more: what it has led to."""

AGAIN = frozenset({"release"})
"""Scripts whose change is made again while it has no effect: in a minute in which somebody
put 1 as a metric, the highest value counts."""

CHECKS: Mapping[str, Callable[[Aws, Target, Payload], tuple[Any, ...]]] = {
    "switchover": _is_moving,
    "release": _is_off,
    "writer": _writes,
    "behind": _is_close,
    "promotion": _is_promoted,
    "promotion begun": _has_begun,
    "reverted": _is_reverted,
    "revert begun": _revert_began,
    "shares": shares.are,
    "shares ours": shares.are_ours,
    "served": releases.are_served,
}
"""Whether what scripts change or wait for is so, None where nobody knows, and what there is
instead; a third value says that it will never be, and a fourth one that AWS has taken it
back. They only look."""
