"""The runs of a system, for commands that need no more than these: their journal is in AWS.

So the system's file may have mistakes, as long as what says where the journal is has none,
and it need not be there at all: the prefix of the names of the stack sets, which is also
that of the journal, and the region of the administration say the same (decision 70).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import near
from tapgen.cli.common import (
    TEMPLATES_FOLDER,
    Timings,
    load,
    place,
    say,
    system_names,
    system_path,
)
from tapgen.cli.reach import Reached, connected
from tapgen.errors import AwsError, ConfigError, TapgenError
from tapgen.model import SELF, System, Target

if TYPE_CHECKING:  # slow to import
    from tapgen.aws.stacksets import StackSets

_PREFIX = r"([a-z][a-z0-9-]*)-([a-z][a-z0-9]{0,11})"


def reach_runs(
    name: str | None,
    environment: str | None,
    folder: Path,
    aws_choice: Mapping[str, Any],
    *,
    without: tuple[str, ...] = (),
) -> Reached:
    """Connect to the AWS of a system, for its runs: of one without a file, given by prefix,
    and of one whose file has mistakes, which is said. Stack sets are known only where the
    file has none.

    Raises ConfigError where nothing says where its runs are, RolloutError where a region
    has no runs of a prefix.
    """
    if name and _is_prefix(name, folder):
        return _by_prefix(name, environment, folder, aws_choice, without)
    path = folder / f"{name}.yaml"
    try:
        path = system_path(name, folder)
        loaded = load(path, environment)
    except TapgenError as error:
        system = _despite(error, path, environment)
        return connected(None, system, Timings(), aws_choice, without=without)
    return connected(
        loaded, loaded.system, Timings(), aws_choice, leaving=True, without=without
    )


def _is_prefix(name: str, folder: Path) -> bool:
    """Whether a name is no system's, because it has a hyphen, and no file's."""
    fits = re.fullmatch(_PREFIX, name) is not None
    return fits and not (folder / f"{name}.yaml").exists()


def _despite(error: TapgenError, path: Path, environment: str | None) -> System:
    """Return the system of a file with mistakes, without its stack sets, from what has none;
    say so. Raises ConfigError where that does not say where its runs are."""
    from tapgen.system import templates_out

    source: Path | None = None
    system = place(path, environment)
    if system is None:
        source = templates_out.manifest_path(TEMPLATES_FOLDER, path.stem, environment)
        system = templates_out.placed(TEMPLATES_FOLDER, path.stem, environment)
    mistakes = error.problems if isinstance(error, ConfigError) else (str(error),)
    if system is None:
        prefix = f"{path.stem.replace('_', '-')}-SUFFIX"
        advice = (
            "  where its runs are cannot be read; give the prefix of its stack sets in "
            f"place of its name, and the region that administers them: {prefix} -r REGION"
        )
        raise ConfigError([*mistakes, advice])
    said = f"there is no {path}"
    if path.exists():
        number = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        said = f"{path} has {number}, which tapgen lint shows"
    place_of = f"; {source} says where its runs are" if source else ""
    say(f"warning: {said}{place_of}")
    return system


def _by_prefix(
    prefix: str,
    environment: str | None,
    folder: Path,
    aws_choice: Mapping[str, Any],
    without: tuple[str, ...],
) -> Reached:
    from tapgen.rollout import places

    region = aws_choice["region"]
    if region is None:
        raise click.UsageError(
            f"{prefix} is no file's; as the prefix of a system's stack sets it needs the "
            f"region that administers them: -r REGION{near(prefix, system_names(folder))}"
        )
    if environment:
        raise click.UsageError(
            f"{prefix} is one environment already; leave -e and TAPGEN_ENVIRONMENT out"
        )
    named = re.fullmatch(_PREFIX, prefix)
    assert named, "checked before"
    name, suffix = named[1].replace("-", "_"), named[2]
    system = System(name, "", suffix, {}, Target(SELF, region), ())
    first = connected(None, system, Timings(), aws_choice)
    home, copies = places.found(first.sets, prefix, _buckets(first.sets))
    system = replace(
        system,
        admin=Target(SELF, home),
        regions={f"copy {number}": one for number, one in enumerate(copies, 1)},
        delegated=is_delegated(first.sets.at(home), f"{prefix}-"),
    )
    reached = connected(None, system, Timings(), aws_choice, without=without)
    return replace(reached, by_prefix=True)


def _buckets(sets: StackSets) -> frozenset[str]:
    """The regions that may have a journal; none, which is said, where buckets cannot be
    listed."""
    from tapgen.aws import artifact_bucket

    try:
        return artifact_bucket.regions(sets.aws, sets.admin)
    except AwsError as error:
        say(
            f"warning: copies of the journal in other regions are not looked for: {error}"
        )
        return frozenset()


def is_delegated(sets: StackSets, start: str) -> bool:
    """Whether the stack sets of these names are those that the account administers for its
    organization: all of such a system are, and who does not say so lists none of them
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackSets.html).
    """
    try:
        return not sets.names(start) and bool(
            replace(sets, delegated=True).names(start)
        )
    except AwsError:  # the region is away, or the account is no delegated administrator
        return False
