"""`tapgen import`: stacks that exist become a system of stack sets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import CHANGES, DONE, FAILED, near
from tapgen.cli.common import (
    Timings,
    assume_role_option,
    aws_options,
    load,
    output_option,
    print_json,
    progress_option,
    reach,
    say,
    stacksets_option,
)
from tapgen.cli.confirmation import confirm, require_pinned, require_terminal_or
from tapgen.cli.files import drafted, unwritable, written
from tapgen.cli.new import NAME, NAME_RULE
from tapgen.cli.open_run import require_room, to_act
from tapgen.cli.plan import make_plan
from tapgen.cli.reach import Reached, command_line, reach_system
from tapgen.cli.rollout import require_bootstrap
from tapgen.cli.running import exit_code, next_lines, run_import
from tapgen.errors import AwsError, ConfigError, RolloutError
from tapgen.frozen import dataclass
from tapgen.model import LONGEST_SUFFIX, SUFFIX_PATTERN, SUFFIX_RULE, Target
from tapgen.report.control import visible
from tapgen.report.counting import counted

if TYPE_CHECKING:  # slow to import
    from tapgen.aws.existing import Wanted
    from tapgen.system.imported import Part

_EPILOG = """\b
Examples:
  tapgen import shop --prefix shop- --dry-run
  tapgen import shop --stack shop-network --stack shop-app --in-region us-east-1
  tapgen import shop --tag Project=shop --in-region us-east-1 --in-region eu-west-1
  tapgen import shop --prefix shop- --in-account 222222222222 --assume-role Reader

Stacks with the same template become one stack set; values that differ become overrides. No
resource changes. An import that was interrupted goes on with tapgen resume.

Exit codes: 0 imported, and the plan is empty, 1 refused or failed, 2 imported, but the
plan is not empty, 3 partial, 64 wrong usage, 130 interrupted.
"""


@click.command("import", epilog=_EPILOG)
@click.argument("name")
@stacksets_option
@aws_options
@output_option
@progress_option
@click.option(
    "--stack", "names", metavar="NAME", multiple=True, help="A stack, by name or id."
)
@click.option("--prefix", default="", help="Stacks whose names begin with this.")
@click.option(
    "--tag", "tags", metavar="KEY=VALUE", multiple=True, help="Stacks with this tag."
)
@click.option(
    "--in-region",
    "regions",
    metavar="REGION",
    multiple=True,
    help="Region to look in; may be repeated [the default region].",
)
@click.option(
    "--in-account",
    "accounts",
    metavar="ID",
    multiple=True,
    help="Account to look in; may be repeated [your own].",
)
@click.option(
    "--suffix", default="prod", show_default=True, help="Suffix of the system."
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and end.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@assume_role_option
def import_command(
    name: str,
    folder: Path,
    output: str,
    names: tuple[str, ...],
    prefix: str,
    tags: tuple[str, ...],
    regions: tuple[str, ...],
    accounts: tuple[str, ...],
    suffix: str,
    dry_run: bool,
    yes: bool,
    assume_role: str | None,
    **aws_choice: Any,
) -> int:
    """Turn stacks that exist into a system NAME of stack sets, as they are.

    It writes the config and the templates, creates the stack sets, and lets them take over
    the stacks; it shows all of that first.
    """
    from tapgen.aws import existing
    from tapgen.knowledge.regions import ALWAYS_ENABLED
    from tapgen.system import importable, imported
    from tapgen.template.scope import partition

    if not dry_run:
        require_terminal_or(yes)
    wanted = _wanted(name, names, prefix, tags)
    _require_valid(suffix, regions, accounts)
    default = regions[0] if regions else "us-east-1"
    aws = reach(default_region=default, **aws_choice)
    if (yes or not dry_run) and not (aws_choice["local"] or aws_choice["account"]):
        require_pinned(aws, yes)
    places = [
        Target(account, region)
        for account in dict.fromkeys(accounts or (aws.account,))
        for region in dict.fromkeys(regions or (aws.region,))
    ]
    looking = aws.assuming(assume_role)
    found = _found(looking, places, wanted)
    stacks, left_out = importable.chosen(found, wanted)
    admin = Target(aws.account, places[0].region)
    parts = imported.parts(stacks)
    files = imported.files(name, suffix, admin, parts, folder)
    always = ALWAYS_ENABLED.get(partition(admin.region), ())
    owners = existing.owners(looking, admin, stacks, always)
    start = _prefix(name, suffix)
    own = {f"{start}-{part.name}": admin for part in parts}
    there = existing.taken(aws, admin, f"{start}-")
    refused = [
        *_missing(names, found, places),
        *importable.refusals(parts, owners, own),
        *importable.occupied(parts, there, start),
        *unwritable(files),
    ]
    if parts and not refused:
        refused = _unbuilt(name, files, folder, parts)
    shown = Shown(
        *(name, suffix, admin, places, wanted, parts, files),
        left_out=left_out,
        warnings=importable.warnings(parts, owners),
        refused=refused,
    )
    for line in shown.lines():
        say(line) if output == "json" else click.echo(visible(line))
    if refused or not parts or dry_run:
        if output == "json":
            print_json({**shown.data(), "outcome": None})
        return DONE if parts and not refused else FAILED
    confirm(yes, f"Import {counted(len(stacks), 'stack')} as {name}?")
    with written(files):
        reached = reach_system(name, None, folder, Timings(), aws_choice)
        require_room(reached, to_act(reached), "import", None)
    say(f"wrote {', '.join(map(str, files))}")
    return _import(reached, parts, shown.data(), as_json=output == "json")


def _wanted(
    name: str, names: Sequence[str], prefix: str, tags: Sequence[str]
) -> Wanted:
    """Return which stacks are wanted; UsageError where none is said, or for a name that no
    system can have."""
    from tapgen.aws import existing

    if not re.fullmatch(NAME, name) or name == "bootstrap":
        raise click.UsageError(f"{name!r} is not a valid system name; {NAME_RULE}")
    if not (names or prefix or tags):
        raise click.UsageError("say which stacks: give --stack, --prefix or --tag")
    return existing.Wanted(names, prefix, _tags(tags))


def _require_valid(
    suffix: str, regions: Sequence[str], accounts: Sequence[str]
) -> None:
    """Raise UsageError for a suffix, regions or accounts that no config can have."""
    from tapgen.knowledge.regions import PARTITION_OF

    fits = re.fullmatch(SUFFIX_PATTERN.strip("^$"), suffix)
    if not fits or len(suffix) > LONGEST_SUFFIX:
        raise click.UsageError(f"--suffix {suffix}: give {SUFFIX_RULE}")
    for region in regions:
        if region not in PARTITION_OF:
            hint = near(region, sorted(PARTITION_OF))
            raise click.UsageError(f"--in-region {region}: no AWS region{hint}")
    for account in accounts:
        if not re.fullmatch("[0-9]{12}", account):
            raise click.UsageError(f"--in-account {account}: give 12 digits")


def _found(aws: Any, places: Sequence[Target], wanted: Wanted) -> list[Any]:
    """Return the stacks that are wanted; RolloutError for a region that does not answer."""
    from tapgen.aws import existing
    from tapgen.aws.session import is_away

    try:
        return existing.find(aws, places, wanted)
    except AwsError as error:
        if not is_away(error):
            raise
        raise RolloutError(
            f"{error.region} does not answer, so which stacks it has is not known "
            f"({error}); import them later, or leave the region out with --in-region"
        ) from error


def _unbuilt(
    name: str, files: Mapping[Path, str], folder: Path, parts: Sequence[Part]
) -> list[str]:
    """Return why the files make no system that can take over the stacks; they need not be
    written for that."""
    from tapgen.system import importable

    try:
        with drafted(files, folder) as draft:
            return importable.changed(parts, load(draft / f"{name}.yaml", None).system)
    except ConfigError as error:
        return [*error.problems]


def _import(
    reached: Reached, parts: Sequence[Part], known: dict[str, Any], *, as_json: bool
) -> int:
    """Import the stacks, and compare what is deployed then with the files; return the exit
    code."""
    from tapgen.cli.progress import console
    from tapgen.report import data, text

    try:
        unready = require_bootstrap(reached, Timings())
    except KeyboardInterrupt:
        say("nothing is imported yet, and the files stay; give the command again")
        raise
    if unready:
        raise RolloutError(
            f"{', '.join(sorted(unready))}: nothing can be imported there yet, and nothing "
            "was imported elsewhere; bootstrap them as shown above, and give the command again"
        )
    ids = {part.name: part.ids for part in parts}
    ended = run_import(reached, ids, {part.name: part.template for part in parts})
    if isinstance(ended, int):
        return ended
    out = console(stderr=as_json)
    if as_json:
        print_json({**known, "outcome": data.outcome(ended)})
    if not ended.green:
        out.print(text.outcome(ended, **next_lines(reached, ended, "import")))
        return exit_code(ended)
    number = counted(len(ended.done), "stack set")
    out.print(f"[green]✓ done:[/] {number} imported")
    plan = make_plan(reached, Timings())
    if plan:
        say(
            "a rollout would still change something; look at it: "
            f"{command_line('plan', reached)}"
        )
        return CHANGES
    say(f"the plan is empty; next: {command_line('plan', reached)}")
    return DONE


def _prefix(name: str, suffix: str) -> str:
    return f"{name}-{suffix}".replace("_", "-")


def _tags(given: Sequence[str]) -> dict[str, str]:
    """Return tags from `KEY=VALUE`; UsageError for another form."""
    found = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not (key and equals):
            raise click.UsageError(f"--tag {one}: give it as KEY=VALUE")
        found[key] = value
    return found


def _missing(
    names: Sequence[str], found: Sequence[Any], places: Sequence[Target]
) -> list[str]:
    """Return the names of stacks that were given and not found, as lines."""
    there = {s.name for s in found} | {s.id for s in found}
    return [
        f"there is no stack {name} in {_searched(places)}"
        for name in names
        if name not in there
    ]


def _searched(places: Sequence[Target]) -> str:
    """The accounts and regions that were searched, in words."""
    accounts = dict.fromkeys(place.account for place in places)
    regions = dict.fromkeys(place.region for place in places)
    return f"{', '.join(regions)} of {', '.join(accounts)}"


@dataclass(frozen=True)
class Shown:
    """What an import will do, to be shown before it does it."""

    name: str
    suffix: str
    admin: Target
    places: Sequence[Target]
    wanted: Wanted
    parts: Sequence[Part]
    files: Mapping[Path, str]
    left_out: Sequence[str]
    warnings: Sequence[str]
    refused: Sequence[str]

    def lines(self) -> Iterator[str]:
        """Yield it in lines."""
        if self.parts:
            yield from self._stack_sets()
        else:
            yield f"no stack was found in {_searched(self.places)}: stacks {self.wanted}"
        yield from (f"left out: {line}" for line in self.left_out)
        yield from (f"warning: {line}" for line in self.warnings)
        yield from (f"refused: {line}" for line in self.refused)

    def _stack_sets(self) -> Iterator[str]:
        number = sum(len(part.stacks) for part in self.parts)
        become = "becomes" if number == 1 else "become"
        yield (
            f"{counted(number, 'stack')} {become} "
            f"{counted(len(self.parts), 'stack set')} in {self.admin}"
        )
        for part in self.parts:
            yield f"  {_prefix(self.name, self.suffix)}-{part.name}"
            for one in part.stacks:
                own = part.overrides.get(one.target, {})
                values = ", ".join(f"{k} = {v}" for k, v in own.items())
                more = f"; overrides {values}" if own else ""
                yield f"      {one.name} in {one.target}{more}"
        yield "no resource changes; files to write:"
        yield from (f"  {path}" for path in self.files)

    def data(self) -> dict[str, Any]:
        """Return it as data."""
        return {
            "system": self.name,
            "suffix": self.suffix,
            "searched": [_place(place) for place in self.places],
            "left_out": list(self.left_out),
            "warnings": list(self.warnings),
            "admin": _place(self.admin),
            "stack_sets": [
                {
                    "part": part.name,
                    "parameters": dict(part.parameters),
                    "stacks": [
                        {
                            **_place(one.target),
                            "name": one.name,
                            "stack_id": one.id,
                            "overrides": dict(part.overrides.get(one.target, {})),
                        }
                        for one in part.stacks
                    ],
                }
                for part in self.parts
            ],
            "files": [str(path) for path in self.files],
            "refused": list(self.refused),
        }


def _place(target: Target) -> dict[str, str]:
    return {"account": target.account, "region": target.region}
