"""Shifts: by which shares AWS divides traffic, and which settings say how.

As of a procedure, a text of `of` or an `id` may contain `${Name}`, a parameter of `part`;
an `Output` is read from the deployed stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model.procedures import Check
from tapgen.model.targets import Value

DNS, CANARY = "dns", "canary"
TARGETS, ACCELERATOR = "targets", "accelerator"


@dataclass(frozen=True)
class Share:
    """One of the two sides that traffic is divided between.

    `name` is what people call it, `id` what AWS does. `parameter` is that of the shift's
    part which holds the share, `setting` the path of the one that sets it; both are empty
    for a side that gets the rest. `role` is that of the region which the side is in, empty
    for the shift's own; there, `before` must hold before this side gets more, and no alarm
    be in ALARM.
    """

    name: str
    id: Value
    parameter: str = ""
    setting: str = ""
    role: str = ""
    before: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Release:
    """How a canary is promoted: its version of `function` and `deployment`, the newest one
    of the API, are for all requests.

    `live` and `canary` are the aliases of the function. `version` and `deployed` are the
    parameters of the shift's part that hold what is older, `setting` the path of what sets
    both.
    """

    function: Value
    deployment: Value
    live: str
    canary: str
    version: str
    deployed: str
    setting: str


@dataclass(frozen=True)
class Shift:
    """A way to move traffic of a system between two sides.

    `by` is one of the words above, `what` says in a few words whose traffic it is. `part`
    is in the region of `role`; without one it is in a single region. `of` is where AWS
    keeps the shares: the arguments of the call that reads them. A canary that can be promoted
    has a `release`.
    """

    by: str
    what: str
    part: str
    of: Mapping[str, Value]
    shares: tuple[Share, Share]
    role: str = ""
    release: Release | None = None


def shift_data(shift: Shift) -> dict[str, Any]:
    """Return a shift as the data of a manifest: a procedure that a command carries out."""
    sides = [share.name for share in shift.shares]
    return {
        "name": "shift",
        "command": "shift",
        "description": f"Moves {shift.what} from one side to the other",
        "part": shift.part,
        "roles": [shift.role] if shift.role else [],
        "arguments": [
            {"name": "by", "description": "What divides them", "allowed": [shift.by]},
            {"name": "to", "description": "The side that gets more", "allowed": sides},
        ],
        "steps": [],
    }
