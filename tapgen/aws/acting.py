"""Make the calls of procedures, and look whether what they want is so.

The words of a call are those of its API, so that any service works without code here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tapgen.aws import notifications, probes, scripts
from tapgen.aws.selecting import select
from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError, RolloutError
from tapgen.model.procedures import Act

_NOT_THERE = ("NotFound", "NotFoundFault", "NotFoundException")
"""How the code of an error ends that says that what was asked for does not exist: an
answer, and not the lack of one."""


@dataclass(frozen=True)
class Seen:
    """Whether a check holds, None where nobody knows, and the value that was found;
    `hopeless` says that it will never hold, and `rolled_back` that AWS has taken back what
    it waits for."""

    holds: bool | None
    shown: str
    hopeless: bool = False
    rolled_back: bool = False


_ACTS = {**scripts.ACTS, **probes.ACTS, **notifications.ACTS}
_CHECKS = {**scripts.CHECKS, **probes.CHECKS}


def perform(aws: Aws, act: Act) -> Mapping[str, Any]:
    """Make the call of an act; return what it has measured, or saves of the answer, by
    `Act.Name`; nothing for most. Raises AwsError, and RolloutError for what a script cannot
    do, or an answer without what is to be saved."""
    if act.script:
        try:
            return _ACTS[act.script](aws, act.target, act.arguments) or {}
        except (LookupError, TimeoutError, RuntimeError) as error:
            raise RolloutError(f"{act}: {error}") from error
    answer = _answer(aws, act)
    found = {name: select(answer, wanted) for name, wanted in act.saves.items()}
    if lacking := [act.saves[name] for name, value in found.items() if value is None]:
        raise RolloutError(f"{act}: its answer has no {', '.join(lacking)}")
    return {f"{act.name}.{name}": str(value) for name, value in found.items()}


def look(aws: Aws, act: Act) -> Seen:
    """Look once whether a check holds. Raises AwsError: no answer is not a "no"."""
    if act.script:
        try:
            return Seen(*_CHECKS[act.script](aws, act.target, act.arguments))
        except (LookupError, TimeoutError) as error:
            return Seen(False, str(error))
    try:
        found = select(_answer(aws, act), act.selector)
    except AwsError as error:
        if not error.code.endswith(_NOT_THERE):
            raise
        found = None
    if found is None:
        return Seen(act.missing, "missing")
    return Seen(found in act.wanted, found)


def _answer(aws: Aws, act: Act) -> Any:
    from botocore import xform_name

    client = aws.client(act.service, act.target)
    return ask(client, xform_name(act.action), **act.arguments)
