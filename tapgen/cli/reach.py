"""A system built from its config, and the connection to the AWS it is deployed in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli.common import (
    Loaded,
    Timings,
    environments,
    load,
    local_folder,
    reach,
    system_names,
    system_path,
)
from tapgen.errors import AwsError
from tapgen.frozen import dataclass
from tapgen.model import SELF, System, Undescribed, Unsearched

if TYPE_CHECKING:
    from tapgen.plan.names import Elsewhere

LOCAL_POLL = (0.05, 0.5)  # seconds; the embedded AWS answers quickly
REAL_POLL = (2.0, 15.0)


@dataclass(frozen=True)
class Reached:
    """A resolved system, and the connection to its AWS; `without` are the regions of its
    journal that somebody has typed because they do not answer. `built` is None where only
    its runs are known (`reach_runs`), `by_prefix` says that not even its file is, and
    `pinned` that the file has the account number of the administration."""

    built: Loaded | None
    system: System
    aws: Any
    sets: Any
    local: bool
    without: tuple[str, ...] = ()
    pinned: bool = False
    by_prefix: bool = False

    @property
    def loaded(self) -> Loaded:
        """The system as its file has it, for commands that need all of it."""
        assert self.built, "only the runs of this system are known"
        return self.built

    @property
    def poll_seconds(self) -> tuple[float, float]:
        """The shortest and the longest pause between two polls."""
        return LOCAL_POLL if self.local else REAL_POLL


def reach_system(
    name: str | None,
    environment: str | None,
    folder: Path,
    clock: Timings,
    aws_choice: Mapping[str, Any],
    *,
    leaving: bool = False,
    without: tuple[str, ...] = (),
) -> Reached:
    """Build a system, then connect to AWS; errors in the config need no connection.

    With `leaving`, only what is deployed counts: an organizational unit may be missing.
    Raises UsageError where the journal is in none of the regions to do `without`.
    """
    with clock.stage("config and templates"):
        loaded = load(system_path(name, folder), environment)
    return connected(
        loaded, loaded.system, clock, aws_choice, leaving=leaving, without=without
    )


def connected(
    built: Loaded | None,
    system: System,
    clock: Timings,
    aws_choice: Mapping[str, Any],
    *,
    leaving: bool = False,
    without: tuple[str, ...] = (),
) -> Reached:
    """Connect a system to AWS; `built` is None where only its runs are known."""
    from tapgen.aws import organizations
    from tapgen.aws.remembered import Memory
    from tapgen.aws.stacksets import StackSets
    from tapgen.cli.overrides import OverridesStore

    _require_journals(system, without)
    with clock.stage("connecting to AWS"):
        others = _others(system)
        aws = reach(default_region=system.admin.region, others=others, **aws_choice)
        operator = aws.assuming(system.operator_role)
        named = system.organizational_units
        admin = system.admin.resolve(aws.account)
        units = organizations.units(operator, admin, named, leaving=leaving)
        pinned = system.admin.account != SELF
        system = system.resolve(aws.account, units)
    copies = system.journal_copies
    sets = StackSets(operator, system.admin, system.delegated, copies)
    store = OverridesStore(local_folder() / "overrides", sets.bucket)
    sets = replace(sets, memory=Memory(store))
    return Reached(built, system, aws, sets, aws_choice["local"], without, pinned)


def _others(system: System) -> list[str]:
    """The regions to ask who calls while the first one is away: those with a copy of the
    journal, else others of the system; two at most, because each takes its time."""
    copies = [target.region for target in system.journal_copies]
    places = sorted({t.region for s in system.stack_sets for t in s.targets})
    known = dict.fromkeys((*copies, *places))
    return [region for region in known if region != system.admin.region][:2]


def _require_journals(system: System, without: Iterable[str]) -> None:
    """Raise UsageError for a region to do without that has no journal of the system."""
    places = [system.admin.region, *(t.region for t in system.journal_copies)]
    for region in without:
        if region not in places:
            raise click.UsageError(
                f"--without-region {region}: the journal of {system.prefix} is in "
                f"{', '.join(places)}; give one of these, or leave the option out"
            )


def undescribed(
    reached: Reached,
    *,
    deployed: bool,
    everything: bool = False,
    open_run: Mapping[str, Any] | None = None,
) -> tuple[tuple[Undescribed | Unsearched, ...], tuple[str, ...]]:
    """Return the system's stack sets that neither its file nor an environment in it
    describes, and the regions of its file that were not searched, none with `everything`;
    `deployed` says whether any that it describes exist. Those that `open_run` has moved to
    another region already are described."""
    from tapgen.aws import artifact_bucket
    from tapgen.system import undescribed

    system, sets = reached.system, reached.sets
    read = environments(reached.loaded.config.path)
    described = {(c.admin.region, c.suffix) for c in read}
    described |= {((open_run or {}).get("to", ""), system.suffix)}
    try:
        buckets = artifact_bucket.regions(sets.aws, sets.admin)
    except AwsError:  # whoever may not list them looks everywhere
        buckets = None
    there = undescribed.where(system, buckets, deployed=deployed, everything=everything)
    return undescribed.find(system, sets, described, there.regions), there.left_out


def elsewhere(reached: Reached, types: Collection[str]) -> Elsewhere:
    """Return what others have, of these types: the stack sets of other environments and
    of the other systems in the folder, and what an earlier destroy left.

    Where the rights to read it are missing, it counts as nothing: AWS then says what is
    wrong, when the resource is created.
    """
    from tapgen.aws import retained
    from tapgen.plan.names import Elsewhere
    from tapgen.rollout import snapshot
    from tapgen.system import ownership

    folder = reached.loaded.config.path.parent
    place = snapshot.leftovers(reached.system.prefix)
    try:
        found = ownership.others(
            reached.system, reached.sets, system_names(folder), types
        )
    except AwsError:
        found = {}
    try:
        left = retained.load(reached.sets.bucket.get(place) or b"[]")
    except AwsError:
        left = []
    return Elsewhere(found, tuple(left))


_ON_RUNS = frozenset("history explain watch report stop approve resume".split())
"""The commands that need a system's runs only, and so take the prefix of its names."""


def command_line(command: str, reached: Reached) -> str:
    """Return the line that runs another command on the same system and AWS. Where only the
    prefix of its names is known, a command that needs its file gets SYSTEM."""
    system = reached.system
    words = ["tapgen", command, system.name]
    words += ["-e", system.environment] if system.environment else []
    if reached.by_prefix:
        place = [system.prefix, "-r", system.admin.region]
        words = ["tapgen", command, *(place if command in _ON_RUNS else ["SYSTEM"])]
    return " ".join([*words, *(["--local"] if reached.local else [])])
