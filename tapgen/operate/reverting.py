"""Bring drifted resources back to their templates: execute drift-aware change sets, with
the journal and the lock of a rollout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tapgen.aws import change_sets
from tapgen.aws.change_sets import Proposal
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError
from tapgen.model import System
from tapgen.model.procedures import Act
from tapgen.rollout.execute import Ways
from tapgen.rollout.fold import State
from tapgen.rollout.model import Event, Outcome
from tapgen.rollout.program import Call, Kind, Lane, Program, Step, Verb
from tapgen.rollout.runner import Starter, start

LONGEST = 12 * 3600
"""How long an update may take before the run counts as failed, in seconds. CloudFormation
ends an update by itself; whoever does not want to wait interrupts the run, and resumes it.
"""


def run(
    proposals: Sequence[Proposal],
    system: System,
    sets: StackSets,
    on_event: Callable[[Event], None],
    *,
    starter: Starter,
    **ways: Any,
) -> Outcome:
    """Execute change sets side by side, and wait until each has ended. What fails is rolled
    back by CloudFormation "to their actual pre-deployment state"
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html):
    then the drift is there as before, and a change set is executed once. So the run ends,
    and another one makes new change sets. Raises what `rollout.run` raises.
    """
    program = Program((tuple(map(_lane, proposals)),), on_failure="end")
    return start(
        sets,
        system,
        starter,
        Ways(on_event, **ways),
        lambda old, store: (program, {}, {}),
    )


def discard(state: State, sets: StackSets) -> list[str]:
    """Delete the change sets that a run has not executed and will not; return a line for
    each that stays."""
    left = []
    for id, step in state.there.steps.items():
        if id in state.performed:
            continue
        for act in (call.act for call in step.calls if call.act):
            try:
                name = act.arguments["ChangeSetName"]
                change_sets.discard(sets.aws, act.target, name)
            except AwsError as error:
                left.append(f"change set {name} in {act.target} stays: {error}")
    return left


def why_not(proposal: Proposal) -> str:
    """Return why a change set is not to be executed; empty where it is."""
    if proposal.failed:
        return proposal.failed
    if not proposal.changes:
        return "CloudFormation finds nothing to revert"
    for change in proposal.changes:
        if change.action == "Remove":
            return f"it would delete {change.logical_id}"
        if change.replacement in ("True", "Conditional"):
            may = "would" if change.replacement == "True" else "may"
            return f"it {may} replace {change.logical_id}; revert that by hand"
    return ""


def _lane(proposal: Proposal) -> Lane:
    target = proposal.target
    token = proposal.id.rpartition("/")[2]
    payload = {"Stack": proposal.stack_id, "Token": token}
    words = f"revert the drift of {proposal.stack_set} in {target}"
    execute = Act(
        words,
        target,
        "cloudformation",
        "ExecuteChangeSet",
        {"ChangeSetName": proposal.id, "ClientRequestToken": token},
    )
    begun = Act(words, target, arguments=payload, script="revert begun")
    ended = Act(words, target, arguments=payload, script="reverted", seconds=LONGEST)
    return (
        Step(
            Kind.ACT,
            calls=(Call(Verb.PERFORM, act=execute, proof=begun),),
            words=words,
            remains="making the change by hand again, where it was wanted",
        ),
        Step(Kind.CHECK, check=ended, words=f"{words}: wait for its end"),
    )
