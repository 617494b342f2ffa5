"""Procedures: what an operator does to a deployed system, step by step, as data.

Texts may contain `${Name}`, as in `Fn::Sub`: a parameter of the part that holds the
runbook (and so the output of another part), a pseudo parameter, or `${OtherRole}`, the
other region role. `{{ Name }}` is an argument of the procedure, `{{ Step.Name }}` what a
step has saved, and `RUN` the id of the run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model.targets import Target, Value

HERE = "here"
"""The region in which a procedure is started."""

WRITER = "writer"
"""The region whose cluster of a global database writes now."""

STACK_ID = "AWS::StackId"
"""As the name of an output: the id of the stack itself, which no output has to repeat."""

OTHER_ROLE = "${OtherRole}"
RUN = "{{ automation:EXECUTION_ID }}"


def saved(step: str, name: str) -> str:
    """Return the text that stands for what a step has saved under a name."""
    return f"{{{{ {step}.{name} }}}}"


_SAVED = re.compile(r"\{\{ ([^{}.]+\.[^{}.]+) \}\}")


@dataclass(frozen=True)
class Call:
    """One call to AWS, with the words of its API; `service` is its name in boto3."""

    service: str
    action: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Check:
    """A value in an answer (by JSONPath) that must be one of those `wanted`.

    It is read again for up to `seconds`; 0 means at once. With `missing`, it also holds
    where there is no such value.
    """

    name: str
    call: Call
    selector: str
    wanted: tuple[str, ...]
    seconds: int = 0
    missing: bool = False


@dataclass(frozen=True)
class Script:
    """A function of `tapgen/handlers` for what takes several calls, or a loop.

    It gets `payload`, and is tried `attempts` times, each for up to ten minutes.
    """

    name: str
    handler: str
    payload: Mapping[str, Value]
    attempts: int = 1


@dataclass(frozen=True)
class Pause:
    """Time for people, in minutes."""

    minutes: int


@dataclass(frozen=True)
class Step:
    """One change of a procedure, with what must be so before, and is read back after.

    Without `after`, the answer to the call is the proof. `undo` is the call or script
    that takes the change back, or says in words what does; empty for what changes nothing. `region`
    is a region role, `HERE` or `WRITER`. A step with `roles` is left out in the regions
    of others. `saves` are values of the answer, as JSONPath by name. `begun` are values of
    the first reading after that also say that the call was made.
    """

    name: str
    act: Call | Script | Pause | None = None
    before: tuple[Check | Script, ...] = ()
    after: tuple[Check | Script, ...] = ()
    undo: Call | Script | str = ""
    region: str = HERE
    roles: tuple[str, ...] = ()
    saves: Mapping[str, str] = field(default_factory=dict)
    begun: tuple[str, ...] = ()


@dataclass(frozen=True)
class Argument:
    """What whoever starts a procedure must say."""

    name: str
    description: str
    allowed: tuple[str, ...]


@dataclass(frozen=True)
class Procedure:
    """A procedure, which can be started in the regions of some roles.

    All of its calls are in the account of its runbook. `part` holds the runbooks.
    """

    name: str
    description: str
    part: str
    roles: tuple[str, ...]
    steps: tuple[Step, ...]
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class Act:
    """A call, a script or a check of a procedure at one target, with its texts filled in.

    Either `service` and `action` with `arguments`, or `script`, the name of one in
    `aws/scripts.py`, with them as its payload. A check has `wanted` values of `selector`,
    and is read again for up to `seconds`; that of a script decides by itself. With
    `missing`, it also holds where there is no value. A call with `saves` needs its answer:
    it is made again where that was lost, which must do no harm.
    """

    name: str
    target: Target
    service: str = ""
    action: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    script: str = ""
    selector: str = ""
    wanted: tuple[str, ...] = ()
    seconds: int = 0
    missing: bool = False
    saves: Mapping[str, str] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """The call or script, in a few words."""
        return (
            f"script {self.script}" if self.script else f"{self.service} {self.action}"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a call gets, such as those of alarms; none of a script."""
        values = () if self.script else self.arguments.values()
        every = (v if isinstance(v, list | tuple) else [v] for v in values)
        return tuple(one for some in every for one in some if isinstance(one, str))

    def __str__(self) -> str:
        return f"{self.name}: {self.what} in {self.target}"


def with_saved(act: Act, known: Mapping[str, str]) -> Act:
    """Return an act with what earlier ones have saved, by `Act.Name`, in place of the texts
    of `saved`; what nobody has saved stays as it is."""

    def filled(value: Any) -> Any:
        match value:
            case str():
                return _SAVED.sub(lambda m: known.get(m[1], m[0]), value)
            case Mapping():
                return {key: filled(inner) for key, inner in value.items()}
            case tuple() | list():
                return [filled(inner) for inner in value]
        return value

    return replace(act, arguments=filled(act.arguments))


def procedure_data(procedure: Procedure) -> dict[str, Any]:
    """Return a procedure as the data of a manifest; what is empty is left out."""
    return {
        "name": procedure.name,
        "description": procedure.description,
        "part": procedure.part,
        "roles": list(procedure.roles),
        "arguments": [_data(a) for a in procedure.arguments],
        "steps": [_step_data(step) for step in procedure.steps],
    }


def _step_data(step: Step) -> dict[str, Any]:
    kind = type(step.act).__name__.lower()
    rest = {k: v for k, v in vars(step).items() if k not in ("name", "act")}
    return {
        "name": step.name,
        **({kind: _data(step.act)} if step.act is not None else {}),
        **{key: _data(value) for key, value in rest.items() if value},
    }


def _data(value: Any) -> Any:
    match value:
        case Call() | Check() | Script() | Pause() | Argument():
            facts = vars(value).items()
            return {key: _data(inner) for key, inner in facts if inner is not False}
        case Mapping():
            return {key: _data(inner) for key, inner in value.items()}
        case tuple() | list():
            return [_data(inner) for inner in value]
    return value
