"""All that is known of one run: its journal, read in every way, and what AWS adds to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tapgen.aws import stacks
from tapgen.aws.stacks import Worked
from tapgen.aws.stacksets import StackSets
from tapgen.frozen import dataclass
from tapgen.model import System, Target
from tapgen.model.drills import DrillReport
from tapgen.plan import Plan
from tapgen.rollout import agreed, explain, history, versions, works
from tapgen.rollout.explain import Explanation
from tapgen.rollout.history import Entry
from tapgen.rollout.opening import Opened
from tapgen.rollout.versions import Fate, Version
from tapgen.rollout.watching import View, Watch
from tapgen.rollout.works import Works


@dataclass(frozen=True)
class Ran:
    """A run as its journal and AWS have it: how far its targets are, what happened, why it
    failed, which version its targets have, and when their stacks worked on what. `plan` is
    the one that was agreed, and `drill` what was measured. `ways` say how an open run goes
    on."""

    view: View
    entries: Sequence[Entry]
    explanation: Explanation
    versions: Sequence[Version] = ()
    works: Works = Works()
    plan: Plan | None = None
    allowed: Sequence[str] = ()
    drill: DrillReport | None = None
    ways: Sequence[str] = ()

    @property
    def gates(self) -> list[Entry]:
        """The gates, with what they found."""
        return [one for one in self.entries if one.kind == "gate"]

    @property
    def unread(self) -> tuple[str, ...]:
        """What AWS did not answer, and so is missing."""
        parts = (self.view.unread, self.explanation.unread, self.works.unread)
        return tuple(dict.fromkeys(line for lines in parts for line in lines))


def read(
    found: Opened,
    system: System,
    sets: StackSets,
    away: Mapping[str, str] | None = None,
    *,
    blind: bool = False,
    worked: Callable[..., list[Worked]] = stacks.worked,
) -> Ran:
    """Return a run of a system (resolved) as it is now. The regions `away` are not asked;
    `blind` says that the journal is a copy, `worked` what a stack has done. What AWS does
    not answer is listed as unread.
    """
    # `works` has everything that the stacks do, not only the resource of now.
    watch = Watch(found, sets, away or {}, blind=blind, works=None)
    view = watch.look()
    found = watch.found  # with what has happened since
    why = explain.explain(found, sets, away)
    left = versions.at_end(
        found, {(cell.stack_set, cell.target): cell.status for _, cell in view.cells}
    )
    failed: dict[tuple[str, Target], str] = {}
    for cause in why.causes:
        if cause.failure.target and cause.failure.stack_id:
            place = cause.failure.stack_set, cause.failure.target
            failed[place] = cause.failure.stack_id
    touched = [(v.stack_set, v.target) for v in left if v.fate is not Fate.AS_BEFORE]
    return Ran(
        view,
        history.timeline(found.events, found.programs),
        why,
        left,
        works.of_run(view.run, [*failed, *touched], failed, sets, away or {}, worked),
        agreed.plan(found, system),
        found.state.opening.get("allowed", ()),
    )
