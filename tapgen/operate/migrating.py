"""Where a migration is, as the stacks have it, what comes next, and what blocks it.

It only reads. The file says nothing of what is deployed, so each setting of the path is
read where it shows; what cannot be seen is taken from the file, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tapgen.aws import acting, migrations
from tapgen.aws.session import Aws
from tapgen.errors import AwsError, RolloutError
from tapgen.model import Observed, System, Target
from tapgen.model.migrations import Look, Migration, MigrationStep, Shown
from tapgen.model.procedures import Act, Procedure
from tapgen.model.verified import Verified
from tapgen.operate import filling, outputs, shifting
from tapgen.operate.filling import Place, Read

_AT_ONCE = 8


@dataclass(frozen=True)
class Finding:
    """What was found of something that must be so before the next step."""

    name: str
    target: Target
    verdict: Verified
    words: str


@dataclass(frozen=True)
class Standing:
    """Where a migration is.

    `done` are the steps that are deployed, `next` the one after them, None at the end.
    `deployed` are the settings of the path as the stacks have them, those `unseen` as the
    file has them, and `lacking` those that the next step changes: what there is, and what
    it sets. `findings` are about the next step; `shifts` are as in a plan. `runbook` is the
    document to run first, and the region that has it.
    """

    done: tuple[MigrationStep, ...]
    next: MigrationStep | None
    deployed: Mapping[str, str]
    unseen: tuple[str, ...] = ()
    lacking: Mapping[str, tuple[str, str]] | None = None
    findings: tuple[Finding, ...] = ()
    shifts: tuple[str, ...] = ()
    runbook: tuple[str, str] = ("", "")

    @property
    def blocked(self) -> bool:
        """Whether something is not as the next step needs it, or cannot be known where there
        is no way back from it."""
        return any(f.verdict in self.blocking for f in self.findings)

    @property
    def blocking(self) -> set[Verified]:
        """What blocks the next step."""
        bad = {Verified.FAILS}
        if self.next and not self.next.back:
            bad.add(Verified.UNKNOWN)
        return bad


def migration(system: System) -> Migration:
    """Return the migration of a system; RolloutError where it has none."""
    if system.migration is None:
        raise RolloutError(
            f"{system.name}: blueprint {system.blueprint} migrates nothing; "
            "region_migration does"
        )
    return system.migration


def parts(system: System) -> set[str]:
    """Return the names of the stack sets in which the migration shows, or traffic."""
    shown = migration(system).shown.values()
    wanted = {name for s in shown for name in (s.part, s.absent[0]) if name}
    wanted |= {shift.part for shift in system.shifts}
    return {s.name for s in system.stack_sets if s.part in wanted}


def standing(
    system: System,
    aws: Aws,
    observed: Mapping[str, Observed],
    given: Callable[[str], Any],
    account: str = "",
) -> Standing:
    """Return where the migration of a system is; `observed` are the stack sets of `parts`,
    `given` returns a setting of the file by its path. Raises RolloutError where the system
    has none, or is in several accounts."""
    path = migration(system)
    seen, unseen = deployed(system, path, observed, given, account)
    count = done(path.steps, seen) if seen else 0
    if count == len(path.steps):
        return Standing(path.steps, None, seen, unseen)
    step = path.steps[count]
    lacking = {
        name: (seen.get(name, "nothing"), wanted)
        for name, wanted in flat(step.settings).items()
        if seen.get(name) != wanted
    }
    return Standing(
        path.steps[:count],
        step,
        seen,
        unseen,
        lacking,
        _findings(system, aws, path, step.looks, account) if seen else (),
        shifting.unpersisted(system, aws, observed),
        _runbook(system, path, step, account),
    )


# -- pure ------------------------------------------------------------------------------


def flat(settings: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Return nested settings by their paths, as the texts of parameters."""
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = text(value)
    return found


def text(value: Any) -> str:
    """Return a setting as the text of a parameter."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def done(steps: Sequence[MigrationStep], deployed: Mapping[str, str]) -> int:
    """Return how many steps from the first one on are deployed: each of their settings has
    its value, or one that a later step gives it."""
    wanted = [flat(step.settings) for step in steps]
    for number, own in enumerate(wanted):
        for name, value in own.items():
            later = {one[name] for one in wanted[number + 1 :] if name in one}
            if deployed.get(name) not in {value, *later}:
                return number
    return len(steps)


def deployed(
    system: System,
    path: Migration,
    observed: Mapping[str, Observed],
    given: Callable[[str], Any],
    account: str = "",
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the settings of a path as the stacks have them, nothing where there are none,
    and the settings that no stack shows, which are as in the file. Of a region that has no
    stacks any more, they are as the path ends."""
    there = {
        s.part: [t for t in found.instances if account in ("", t.account)]
        for s in system.stack_sets
        if (found := observed.get(s.name))
    }
    if not any(there.values()):
        return {}, ()
    seen = {
        name: _absent(system, shown, there) or _seen(system, shown, observed, there)
        for name, shown in path.shown.items()
    }
    if any(_absent(system, shown, there) for shown in path.shown.values()):
        ends = {n: v for step in path.steps for n, v in flat(step.settings).items()}
        seen |= {name: ends.get(name) for name, v in seen.items() if v is None}
    unseen = tuple(name for name, value in seen.items() if value is None)
    values = {
        name: text(given(name)) if value is None else value
        for name, value in seen.items()
    }
    return values, unseen


def _absent(
    system: System, shown: Shown, there: Mapping[str, Iterable[Target]]
) -> str | None:
    part, role, value = shown.absent
    regions = {t.region for t in there.get(part, ())}
    return value if regions and system.regions[role] not in regions else None


def _seen(
    system: System,
    shown: Shown,
    observed: Mapping[str, Observed],
    there: Mapping[str, Iterable[Target]],
) -> str | None:
    region = system.regions[shown.role] if shown.role else ""
    for target in there.get(shown.part, ()):
        if region in ("", target.region):
            found = observed[system.part(shown.part).name].values(target)
            word = found.get(shown.parameter)
            if word is not None and shown.words:
                return shown.words.get(word)
            return None if shown.absent[0] else word
    return None


# -- what AWS says ---------------------------------------------------------------------


def _findings(
    system: System, aws: Aws, path: Migration, looks: Sequence[Look], account: str
) -> tuple[Finding, ...]:
    read = outputs.reader(system, aws)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda one: find(system, aws, path, one, account, read), looks)
        return tuple(found)


def find(
    system: System, aws: Aws, path: Migration, look: Look, account: str, read: Read
) -> Finding:
    """Look once whether something is so; what cannot be read is unknown."""
    procedure = Procedure("migrate", "", path.part, (look.role,), ())
    here = _place(system, procedure, look.role, account)
    try:
        act = filling.act(here, procedure, look.check, read)
        verdict, words = _looked(aws, act)
    except (AwsError, RolloutError) as error:
        verdict, words = Verified.UNKNOWN, f"cannot be read: {error}"
    return Finding(look.check.name, here.target, verdict, words)


def _place(system: System, procedure: Procedure, role: str, account: str) -> Place:
    """Return where to look: also in the region of a role that the file has left."""
    accounts = {
        t.account
        for t in system.part(procedure.part).targets
        if account in ("", t.account)
    }
    if len(accounts) != 1:
        return filling.place(system, procedure, role, account)
    return Place(system, role, Target(accounts.pop(), system.regions[role]))


def _looked(aws: Aws, act: Act) -> tuple[Verified, str]:
    """Look once whether a check holds. An alarm without data says nothing."""
    if act.script in migrations.CHECKS:
        if aws.local and act.script in migrations.NOT_EMBEDDED:
            return Verified.EXPECTED, f"the embedded AWS has no {act.script}"
        holds, words = migrations.CHECKS[act.script](aws, act.target, act.arguments)
        verdict = Verified.HOLDS if holds else Verified.FAILS
        return (Verified.UNKNOWN if holds is None else verdict), words
    seen = acting.look(aws, act)
    if seen.holds:
        return Verified.HOLDS, seen.shown
    if seen.holds is None:
        return Verified.UNKNOWN, seen.shown
    if seen.shown == "INSUFFICIENT_DATA":
        return Verified.UNKNOWN, "its alarm has no data yet"
    wanted = f", not {' or '.join(act.wanted)}" if act.wanted else ""
    return Verified.FAILS, f"{seen.shown}{wanted}"


def _runbook(
    system: System, path: Migration, step: MigrationStep, account: str
) -> tuple[str, str]:
    document, role = step.runbook
    if not document:
        return "", ""
    procedure = Procedure("migrate", "", path.part, (role,), ())
    here = filling.place(system, procedure, role, account)
    texts = filling.Texts(here, procedure, _unread)
    return str(texts.filled(document)), here.region


def _unread(value: Any, target: Target) -> str:
    raise RolloutError(f"{value} of {target} is no part of a name")
