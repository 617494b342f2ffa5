"""`tapgen migrate`: where a migration is, what comes next, and what blocks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import CHANGES, DONE
from tapgen.cli.common import (
    Timings,
    aws_options,
    output_option,
    print_json,
    system_options,
)
from tapgen.cli.open_run import nearest, what_is_open
from tapgen.cli.operating import in_account_option
from tapgen.cli.reach import Reached, command_line, reach_system
from tapgen.cli.settings_lines import lines as settings_lines
from tapgen.report.control import visible

if TYPE_CHECKING:  # slow to import
    from tapgen.operate.migrating import Standing

_WORDS = ("status", "next")
_SIGNS = {"holds": "✓", "unknown": "?", "fails": "✗", "expected": "·"}
_EPILOG = """\b
Examples:
  tapgen migrate region_migration status --local
  tapgen migrate region_migration next --local
  tapgen migrate region_migration next --output json

It reads stacks, alarms, snapshots and metrics, and changes nothing. What comes next is a
change of the file and a rollout, or a runbook before it.

\b
Exit codes: 0 done, or nothing blocks the next step; 2 `next`: something blocks it, or cannot
be known and there is no way back from the step; 1 error.
"""


@click.command("migrate", epilog=_EPILOG)
@system_options
@click.argument("what", required=False, metavar="[status|next]")
@aws_options
@output_option
@in_account_option
def migrate_command(
    system: str | None,
    what: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    in_account: str,
    **aws_choice: Any,
) -> int:
    """Show where the migration of SYSTEM is (status), or what comes next (next)."""
    if what is None and system in _WORDS:  # the only system of the folder
        system, what = None, system
    what = what or "status"
    if what not in _WORDS:
        raise click.UsageError(f"{what!r} is neither status nor next; give one of them")
    reached = reach_system(
        system, environment, folder, Timings(), aws_choice, leaving=True
    )
    found = standing(reached, in_account)
    known, opened = what_is_open(reached, nearest(reached))
    if output == "json":
        print_json({**_data(reached, found), "open_run": known})
    else:
        shown = _status if what == "status" else _next
        for line in (*opened, *shown(reached, found)):
            click.echo(visible(line))
    if what == "next" and (found.blocked or known):
        return CHANGES
    return DONE


def standing(reached: Reached, in_account: str) -> Standing:
    """Return where the migration of a system is. Raises RolloutError where it has none."""
    from tapgen.operate import migrating

    names = sorted(migrating.parts(reached.system))
    return migrating.standing(
        reached.system,
        reached.sets.aws,
        reached.sets.observe(names),
        lambda path: _setting(reached, path),
        in_account,
    )


def _setting(reached: Reached, path: str) -> Any:
    found: Any = reached.loaded.config.settings
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _title(reached: Reached, standing: Standing) -> str:
    from tapgen.operate import migrating

    steps = migrating.migration(reached.system).steps
    prefix, count = reached.system.prefix, len(standing.done)
    if standing.next is None:
        return f"{prefix}: the migration is complete, all {count} steps"
    if not standing.deployed:
        return f"{prefix}: nothing is deployed, 0 of {len(steps)} steps"
    last = standing.done[-1]
    return (
        f"{prefix}: phase {last.phase}, {count} of {len(steps)} steps are deployed, the last "
        f"is {last.name}"
    )


def _status(reached: Reached, standing: Standing) -> Iterator[str]:
    from tapgen.operate import migrating

    yield _title(reached, standing)
    for number, step in enumerate(migrating.migration(reached.system).steps):
        sign = "✓" if number < len(standing.done) else " "
        sign = "→" if number == len(standing.done) else sign
        yield f"  {sign} {step.phase:<12} {step.name:<8} {_values(step.settings)}"
    yield from (f"  only in the file: {path}" for path in standing.unseen)
    yield from standing.shifts
    if standing.next:
        yield f"what comes next: {command_line('migrate', reached)} next"


def _values(settings: Mapping[str, Any]) -> str:
    from tapgen.operate import migrating

    found = migrating.flat(settings).items()
    return ", ".join(f"{name}: {value}" for name, value in found) or "the first rollout"


def _next(reached: Reached, standing: Standing) -> Iterator[str]:
    step = standing.next
    yield _title(reached, standing)
    if step is None:
        return
    yield f"next: {step.name} (phase {step.phase}), first {step.before}"
    document, region = standing.runbook
    if document:
        yield (
            f"  run: aws ssm start-automation-execution --region {region} "
            f"--document-name {document}"
        )
    for one in standing.findings:
        sign = _SIGNS[one.verdict]
        yield f"  {sign} {one.name} in {one.target}: {one.words}"
    yield from standing.shifts
    if not step.back:
        yield "  there is no way back from this step, so what is not known (?) blocks it"
    lacking = _lacking(reached, standing)
    file = reached.loaded.config.path
    if lacking:
        yield from settings_lines(reached, lacking)
    elif step.settings:
        yield f"  {file} has the settings of this step already"
    yield f"  then: {command_line('plan', reached)}, and {command_line('rollout', reached)}"
    if step.name == _promoting(reached):
        yield (
            f"  or promote at once, and change the file afterwards: "
            f"{command_line('promote', reached)}"
        )


def _promoting(reached: Reached) -> str:
    """The name of the step that a command carries out, too; empty for none."""
    from tapgen.operate import migrating

    found = migrating.migration(reached.system).promoting
    return found.step if found else ""


def _lacking(reached: Reached, standing: Standing) -> dict[str, Any]:
    """The settings of the next step that the file does not have, by path."""
    from tapgen.operate import migrating

    assert standing.next
    wanted = migrating.flat(standing.next.settings)
    return {
        path: value
        for path, value in wanted.items()
        if migrating.text(_setting(reached, path)) != value
    }


def _data(reached: Reached, standing: Standing) -> dict[str, Any]:
    step, system = standing.next, reached.system
    document, region = standing.runbook
    known: dict[str, Any] = {
        "system": system.name,
        "suffix": system.suffix,
        "phase": standing.done[-1].phase if standing.done else None,
        "done": [one.name for one in standing.done],
        "deployed": dict(standing.deployed),
        "only_in_file": list(standing.unseen),
        "shifts": list(standing.shifts),
        "next": None,
    }
    if step:
        known["next"] = {
            "name": step.name,
            "phase": step.phase,
            "before": step.before,
            "runbook": {"document": document, "region": region} if document else None,
            "back": step.back,
            "changes": {
                path: {"deployed": now, "wanted": wanted}
                for path, (now, wanted) in (standing.lacking or {}).items()
            },
            "write": _lacking(reached, standing),
            "blocked": standing.blocked,
            "checks": [
                {
                    "name": one.name,
                    "account": one.target.account,
                    "region": one.target.region,
                    "verdict": str(one.verdict),
                    "words": one.words,
                }
                for one in standing.findings
            ],
        }
    return known
