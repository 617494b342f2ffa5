"""`tapgen import`: stacks that exist become a system of stack sets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import CHANGES, DONE, FAILED
from tapgen.cli.common import (
    Timings,
    assume_role_option,
    aws_options,
    output_option,
    print_json,
    progress_option,
    reach,
    say,
    stacksets_option,
)
from tapgen.cli.confirmation import confirm, require_account, require_terminal_or
from tapgen.cli.files import require_unwritten, write_all
from tapgen.cli.new import NAME, NAME_RULE
from tapgen.cli.open_run import require_room, to_act
from tapgen.cli.plan import make_plan
from tapgen.cli.reach import Reached, command_line, reach_system
from tapgen.cli.rollout import require_bootstrap
from tapgen.cli.running import exit_code, next_lines, run_import
from tapgen.errors import RolloutError, TapgenError
from tapgen.model import Target
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
    from tapgen.system import imported

    if not dry_run:
        require_terminal_or(yes)
    wanted = _wanted(name, names, prefix, tags)
    default = regions[0] if regions else "us-east-1"
    aws = reach(default_region=default, **aws_choice)
    regions = regions or (aws.region,)
    looking = aws.assuming(assume_role)
    places = [Target(a, r) for a in accounts or (aws.account,) for r in regions]
    stacks = existing.find(looking, places, wanted)
    parts = imported.parts(stacks)
    admin = Target(aws.account, regions[0])
    own = [f"{name}-{suffix}-{part.name}".replace("_", "-") for part in parts]
    owners = {k: v for k, v in _owners(aws, admin).items() if v not in own}
    refused = imported.refusals(parts, owners) + _missing(names, stacks)
    files = imported.files(name, suffix, admin, parts, folder)
    for line in _lines(name, suffix, admin, parts, refused, files):
        say(line) if output == "json" else click.echo(line)
    known = _data(name, suffix, admin, parts, refused, files)
    if refused or not parts or dry_run:
        if output == "json":
            print_json({**known, "outcome": None})
        return DONE if parts and not refused else FAILED
    require_unwritten(files)
    confirm(yes, f"Import {counted(len(stacks), 'stack')} as {name}?")
    reached = _written(name, folder, files, parts, aws_choice)
    require_account(reached, yes, aws_choice["account"])
    return _import(reached, parts, known, as_json=output == "json")


def _wanted(
    name: str, names: Sequence[str], prefix: str, tags: Sequence[str]
) -> Wanted:
    """Return which stacks are wanted; UsageError where none is said, or for a name that no
    system can have."""
    from tapgen.aws import existing

    if not re.fullmatch(NAME, name):
        raise click.UsageError(f"{name!r} is not a valid system name; {NAME_RULE}")
    if not (names or prefix or tags):
        raise click.UsageError("say which stacks: give --stack, --prefix or --tag")
    return existing.Wanted(names, prefix, _tags(tags))


def _written(
    name: str,
    folder: Path,
    files: Mapping[Path, str],
    parts: Sequence[Part],
    aws_choice: Mapping[str, Any],
) -> Reached:
    """Write the files of a system and connect to its AWS; leave no file behind where they
    make no system that can take over the stacks."""
    from tapgen.system import imported

    new = write_all(files)
    try:
        reached = reach_system(name, None, folder, Timings(), aws_choice)
        if lines := imported.changed(parts, reached.system):
            raise RolloutError("\n".join(lines))
    except TapgenError:
        for path in new:
            path.unlink()
        raise
    return reached


def _import(
    reached: Reached, parts: Sequence[Part], known: dict[str, Any], *, as_json: bool
) -> int:
    """Import the stacks, and compare what is deployed then with the files; return the exit
    code."""
    from tapgen.cli.progress import console
    from tapgen.report import data, text

    near = to_act(reached)
    require_room(reached, near, "import", None)
    require_bootstrap(reached, Timings())
    ended = run_import(reached, {part.name: part.ids for part in parts})
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


def _tags(given: Sequence[str]) -> dict[str, str]:
    """Return tags from `KEY=VALUE`; UsageError for another form."""
    found = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not (key and equals):
            raise click.UsageError(f"--tag {one}: give it as KEY=VALUE")
        found[key] = value
    return found


def _owners(aws: Any, admin: Target) -> dict[str, str]:
    """Return the stack sets of the administration region that have stacks, by the id of
    the stack. Those of other regions and accounts only AWS knows: it refuses the import.
    """
    from tapgen.aws.stacksets import StackSets

    sets = StackSets(aws, admin)
    return {
        instance.stack_id: name
        for name in sets.names()
        for instance in sets.listed(name).values()
        if instance.stack_id
    }


def _missing(names: Sequence[str], stacks: Sequence[Any]) -> list[str]:
    """Return the names of stacks that were given and not found, as lines."""
    there = {s.name for s in stacks} | {s.id for s in stacks}
    return [
        f"there is no stack {name} in the accounts and regions that were searched"
        for name in names
        if name not in there
    ]


def _lines(
    name: str,
    suffix: str,
    admin: Target,
    parts: Sequence[Part],
    refused: Sequence[str],
    files: dict[Path, str],
) -> list[str]:
    from tapgen.system.imported import lost_tags

    if not parts:
        return ["no stack was found", *(f"refused: {line}" for line in refused)]
    number = counted(sum(len(p.stacks) for p in parts), "stack")
    prefix = f"{name}-{suffix}".replace("_", "-")
    become = "become" if len(parts[0].stacks) > 1 or parts[1:] else "becomes"
    lines = [f"{number} {become} {counted(len(parts), 'stack set')} in {admin}"]
    for part in parts:
        lines.append(f"  {prefix}-{part.name}")
        for one in part.stacks:
            own = part.overrides.get(one.target, {})
            values = ", ".join(f"{k} = {v}" for k, v in own.items())
            lines.append(
                f"      {one.name} in {one.target}{f'; overrides {values}' if own else ''}"
            )
    lines.append("no resource changes; files to write:")
    lines += [f"  {path}" for path in files]
    lines += [f"warning: {line}" for line in lost_tags(parts)]
    return lines + [f"refused: {line}" for line in refused]


def _data(
    name: str,
    suffix: str,
    admin: Target,
    parts: Sequence[Part],
    refused: Sequence[str],
    files: dict[Path, str],
) -> dict[str, Any]:
    from tapgen.system.imported import lost_tags

    return {
        "system": name,
        "suffix": suffix,
        "warnings": lost_tags(parts),
        "admin": {"account": admin.account, "region": admin.region},
        "stack_sets": [
            {
                "part": part.name,
                "parameters": dict(part.parameters),
                "stacks": [
                    {
                        "account": one.target.account,
                        "region": one.target.region,
                        "name": one.name,
                        "stack_id": one.id,
                        "overrides": dict(part.overrides.get(one.target, {})),
                    }
                    for one in part.stacks
                ],
            }
            for part in parts
        ],
        "files": [str(path) for path in files],
        "refused": list(refused),
    }
