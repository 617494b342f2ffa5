"""A procedure with the names of one system: every text filled in, for one region role."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tapgen.errors import RolloutError
from tapgen.model import Output, System, Target
from tapgen.model.procedures import RUN, Act, Call, Check, Procedure, Script
from tapgen.template.scope import partition

_NAME = re.compile(r"\$\{([^}]+)\}")

Read = Callable[[Output, Target], str]
"""Return the value of an output for a target."""


@dataclass(frozen=True)
class Place:
    """A system at the region of a role, where a procedure runs; `run` is part of the names
    of what it makes."""

    system: System
    role: str
    target: Target
    run: str = ""

    @property
    def region(self) -> str:
        return self.target.region


def procedure(system: System, name: str) -> Procedure:
    """Return a procedure of a system; RolloutError when it has none of this name."""
    known = {one.name: one for one in system.procedures}
    if name not in known:
        has = f"it has {', '.join(known)}" if known else "it has none at all"
        raise RolloutError(
            f"{system.name}: blueprint {system.blueprint} has no procedure {name}; {has}"
        )
    return known[name]


def place(system: System, wanted: Procedure, role: str, account: str = "") -> Place:
    """Return where a procedure runs: where its part is, in the region of a role.

    Raises RolloutError where the part is in several accounts and none of them is chosen.
    """
    region = system.regions[role]
    found = [t for t in system.part(wanted.part).targets if t.region == region]
    chosen = [t for t in found if account in ("", t.account)]
    if len(chosen) == 1:
        return Place(system, role, chosen[0])
    accounts = ", ".join(t.account for t in found) or "none"
    given = f"; {account} is none of them" if account else ""
    raise RolloutError(
        f"{system.prefix}: a procedure runs in one account, and {region} has {accounts}"
        f"{given}; name one with --in-account"
    )


def act(
    here: Place,
    wanted: Procedure,
    what: Call | Script | Check,
    read: Read,
    name: str = "",
) -> Act:
    """Return a call, script or check of a procedure with its texts filled in."""
    texts = Texts(here, wanted, read)
    if isinstance(what, Script):
        payload = texts.filled(what.payload)
        return Act(what.name, here.target, arguments=payload, script=what.handler)
    if isinstance(what, Check):
        reading = act(here, wanted, what.call, read, what.name)
        return replace(
            reading,
            selector=what.selector,
            wanted=what.wanted,
            seconds=what.seconds,
            missing=what.missing,
        )
    given = texts.filled(what.arguments)
    return Act(name, here.target, what.service, what.action, given)


@dataclass(frozen=True)
class Texts:
    """The values of names in texts, at one place."""

    here: Place
    procedure: Procedure
    read: Read

    def filled(self, value: Any) -> Any:
        """Return data with every text filled in."""
        match value:
            case str():
                found = _NAME.sub(lambda match: self._value(match[1]), value)
                return found.replace(RUN, self.here.run)
            case Output():
                return self.read(value, self.here.target)
            case Mapping():
                return {key: self.filled(inner) for key, inner in value.items()}
            case list() | tuple():
                return [self.filled(inner) for inner in value]
        return value

    def _value(self, name: str) -> str:
        system, target = self.here.system, self.here.target
        pseudo = {
            "AWS::AccountId": target.account,
            "AWS::Region": target.region,
            "AWS::Partition": partition(target.region),
        }
        if name in pseudo:
            return pseudo[name]
        if name == "OtherRole":
            (other,) = (r for r in self.procedure.roles if r != self.here.role)
            return other
        found = system.part(self.procedure.part).values(target)[name]
        return self.read(found, target) if isinstance(found, Output) else str(found)
