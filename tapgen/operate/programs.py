"""Procedures as a program: acts and checks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tapgen.aws import scripts
from tapgen.model.procedures import Act, Call, Check, Procedure, Script, Step
from tapgen.operate.filling import Place, Read, act
from tapgen.rollout import program
from tapgen.rollout.program import Kind, Program, Verb

LONGEST_SCRIPT = 600
"""How long one attempt of a script in a runbook takes at most, in seconds."""

WAITED_FOR = frozenset({"promotion"})
"""Scripts that wait for what they have asked for."""


@dataclass(frozen=True)
class Move:
    """A procedure at a place."""

    procedure: Procedure
    place: Place


def steps(moves: Sequence[Move], read: Read) -> list[program.Step]:
    """Return the steps of procedures, one after the other."""
    return [
        one
        for move in moves
        for step in move.procedure.steps
        if move.place.role in (step.roles or move.procedure.roles)
        for one in _steps(move, step, read)
    ]


def compiled(
    found: Sequence[program.Step],
    holds: Callable[[Act], bool],
    on_failure: str = "hold",
) -> Program:
    """Return the program of steps. What `holds` already is not undone on the way back:
    it was so before."""
    known = [_undoing_only_changes(one, holds) for one in found]
    return Program(tuple(((one,),) for one in known), on_failure=on_failure)


def _undoing_only_changes(
    step: program.Step, holds: Callable[[Act], bool]
) -> program.Step:
    proof = step.calls[0].proof if step.calls else None
    if proof is None or not holds(proof):
        return step
    return replace(step, undo=(), remains="")


def _steps(move: Move, step: Step, read: Read) -> Iterator[program.Step]:
    for check in step.before:
        yield _check(move, check, read)
    if isinstance(step.act, Call | Script):
        yield _act(move, step, step.act, read)
    if isinstance(step.act, Script) and step.act.handler in WAITED_FOR:
        yield _check(move, step.act, read)
    for check in step.after:
        yield _check(move, check, read)
    if isinstance(step.act, Script) and step.act.handler in scripts.AGAIN:
        seen = _seen(move, step.act, read)
        yield _checking(seen, again=replace(seen, seconds=0))


def _act(move: Move, step: Step, what: Call | Script, read: Read) -> program.Step:
    here, procedure = move.place, move.procedure
    done = replace(act(here, procedure, what, read, step.name), saves=step.saves)
    undo: tuple[program.Call, ...] = ()
    remains = step.undo if isinstance(step.undo, str) else ""
    if isinstance(step.undo, Call | Script):
        undone = act(here, procedure, step.undo, read, f"Undo{step.name}")
        undo = (program.Call(Verb.PERFORM, act=undone),)
    again = None
    if isinstance(step.undo, Script) and step.undo.handler in scripts.AGAIN:
        again = _seen(move, step.undo, read)
    return program.Step(
        Kind.ACT,
        part=procedure.part,
        calls=(
            program.Call(Verb.PERFORM, act=done, proof=_proof(done, move, step, read)),
        ),
        words=str(done),
        undo=undo,
        remains=remains,
        after_undo=again,
    )


def _proof(done: Act, move: Move, step: Step, read: Read) -> Act | None:
    """Return the check that says whether an act is done, looked at once: that of its
    script, or its first read-back; none where that needs the answer of the act."""
    if done.saves:
        return None
    if done.script:
        return replace(done, script=scripts.PROOFS.get(done.script, done.script))
    for check in step.after:
        if isinstance(check, Check):
            found = act(move.place, move.procedure, check, read)
            return replace(found, wanted=(*found.wanted, *step.begun), seconds=0)
    return None


def _check(move: Move, what: Check | Script, read: Read) -> program.Step:
    return _checking(_seen(move, what, read))


def _checking(found: Act, again: Act | None = None) -> program.Step:
    return program.Step(Kind.CHECK, check=found, again=again, words=str(found))


def _seen(move: Move, what: Check | Script, read: Read) -> Act:
    found = act(move.place, move.procedure, what, read)
    if isinstance(what, Script):
        return replace(found, seconds=what.attempts * LONGEST_SCRIPT)
    return found
