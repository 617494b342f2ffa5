"""`tapgen drill`: rehearse the loss of a region, measure it, and report it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import DONE, FAILED, PARTIAL
from tapgen.cli.common import (
    Timings,
    print_json,
    say,
)
from tapgen.cli.confirmation import confirm
from tapgen.cli.open_run import nearest, require_unopened, to_act
from tapgen.cli.operating import (
    Chosen,
    drill_options,
    naming_open_run,
    reach_to_operate,
    yes_option,
)
from tapgen.cli.page import html_option
from tapgen.cli.reach import Reached, command_line, reach_system
from tapgen.cli.running import exit_code, next_lines, run_acts
from tapgen.errors import ConfigError
from tapgen.report.control import visible

if TYPE_CHECKING:  # slow to import
    from tapgen.model.drills import DrillReport
    from tapgen.operate.drilling import Drill

_SCENARIOS = ("region-loss", "database", "api", "dns")  # as in procedures/drills.py
_SUFFIXES = (".json", ".md", ".html")
Files = tuple[Path | None, Path | None]
"""The file of `--report`, and that of `--html`."""

_EPILOG = """\b
Examples:
  tapgen drill payments_dr --local --dry-run
  tapgen drill payments_dr --local --scenario api
  tapgen drill payments_dr --html drill.html
  tapgen drill payments_dr --of 20261130t0101 --report drill.md

A drill leaves the system as it was. Where a step fails, what was done is taken back; after
an interruption tapgen resume goes on, and with --back takes it back.

\b
Exit codes: 0 every goal was met, 1 a goal was missed or a step failed, 3 partial: continue
with tapgen resume, 64 wrong usage, 130 interrupted.
"""


def _report_file(_: Any, __: Any, value: Path | None) -> Path | None:
    if value and value.suffix not in _SUFFIXES:
        raise click.BadParameter(
            f"{value}: the form of the report follows from the end of its name; give one "
            f"of {', '.join(_SUFFIXES)}"
        )
    return value


@click.command("drill", epilog=_EPILOG)
@drill_options
@click.option(
    "--scenario",
    type=click.Choice(_SCENARIOS),
    default=_SCENARIOS[0],
    show_default=True,
    help="What to rehearse: everything, or what one part has.",
)
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_report_file,
    help="File for the report: .json, .md, or .html for the page of --html.",
)
@html_option
@click.option(
    "--of",
    "run",
    metavar="RUN",
    help="Report an earlier drill, and rehearse nothing.",
)
@yes_option
def drill_command(
    chosen: Chosen,
    scenario: str,
    report_file: Path | None,
    html: Path | None,
    run: str | None,
    yes: bool,
) -> int:
    """Rehearse the loss of a region with SYSTEM, and measure it against the goals.

    It copies items and objects, sends signed requests, raises an alarm and receives its
    notification, and moves database and traffic to the other region and back.
    """
    if run and (yes or chosen.dry_run):
        raise click.UsageError(
            "--of reports a drill that was, and starts none; leave out --yes and --dry-run"
        )
    if run:
        reached = reach_system(
            chosen.system,
            chosen.environment,
            chosen.folder,
            Timings(),
            chosen.aws,
            leaving=True,
        )
        return _reported(reached, run, (report_file, html), chosen.as_json)
    reached = reach_to_operate(chosen, yes)
    found = _planned(reached, scenario, chosen.in_account)
    show = say if chosen.as_json else click.echo
    for line in _lines(reached, found):
        show(line)
    if chosen.dry_run:
        return _shown(reached, found, chosen.as_json)
    require_unopened(reached, to_act(reached), "drill")
    confirm(yes, "Start the drill?")
    return _carried_out(reached, found, (report_file, html), chosen.as_json)


def _planned(reached: Reached, scenario: str, account: str) -> Drill:
    from tapgen.operate import drilling

    with naming_open_run(reached):
        return drilling.plan(
            reached.system,
            reached.sets.aws,
            scenario,
            secrets.token_hex(4),
            account=account,
        )


def _lines(reached: Reached, found: Drill) -> list[str]:
    system = reached.system
    where = ", ".join(f"{region} ({role})" for role, region in system.regions.items())
    lines = [
        f"{system.prefix}: drill {found.scenario} in {where}, account {found.account}"
    ]
    if found.moves:
        lines.append(
            "  it moves what serves to the other region and back, without loss"
        )
    lines += [f"  left out: {words}" for words in found.left_out]
    return lines


def _shown(reached: Reached, found: Drill, as_json: bool) -> int:
    from tapgen.operate import drilling
    from tapgen.report import acts

    needs = drilling.permissions(found.steps)
    if as_json:
        known = {"system": reached.system.name, "scenario": found.scenario}
        steps = acts.data(found.steps)
        print_json({**known, "steps": steps, "permissions": needs, "report": None})
        return DONE
    for line in acts.lines(found.steps):
        click.echo(line)
    click.echo(f"permissions: {', '.join(needs)}")
    return DONE


def _carried_out(reached: Reached, found: Drill, files: Files, as_json: bool) -> int:
    from tapgen.aws.session import ask
    from tapgen.cli import report
    from tapgen.operate import drilled

    aws = reached.sets.aws
    caller = ask(aws.client("sts", aws.home), "get_caller_identity")["Arn"]
    goals = asdict(reached.system.goals)
    facts = drilled.facts(found, goals, str(caller), reached.local)
    ended = run_acts(
        reached, found.steps, drilled.COMMAND, on_failure="rollback", facts=facts
    )
    if isinstance(ended, int):
        if files[1]:
            report.write(reached, files[1], None)
        return ended
    return finish(reached, ended, files, as_json=as_json)


def finish(
    reached: Reached,
    ended: Any,
    files: Files = (None, None),
    *,
    as_json: bool,
    known: Mapping[str, Any] | None = None,
) -> int:
    """Report how the run of a drill ended; return the exit code. JSON is the report alone,
    or, with what is `known` of a resumed run, its `report`."""
    from tapgen.cli.progress import console
    from tapgen.operate import drilled
    from tapgen.report import text

    code = _reported(reached, ended.run, files, as_json, known)
    if ended.green and not ended.back:
        return code
    lines = next_lines(reached, ended, drilled.COMMAND)
    console(stderr=as_json).print(text.outcome(ended, **lines))
    return exit_code(ended)


def _reported(
    reached: Reached,
    run: str,
    files: Files,
    as_json: bool,
    known: Mapping[str, Any] | None = None,
) -> int:
    """Show and write the report of a run; return the exit code."""
    from tapgen.cli.report import as_html, write
    from tapgen.operate import drilled
    from tapgen.report import drill as report
    from tapgen.rollout import history

    near = nearest(reached)
    read = history.find(near.store, near.prefix, run)
    found = drilled.report(read, reached.system.regions)
    if as_json:
        data = report.data(found)
        print_json(data if known is None else {**known, "report": data})
    else:
        for line in report.lines(found):
            click.echo(visible(line))
    report_file, html = files
    if report_file:
        _write(report_file, found, partial(as_html, reached, near, read))
    if html:
        write(reached, html, found.run)
    if not any(files) and not as_json:
        line = command_line("report", reached)
        say(f"its report: {line} {found.run} --html drill.html")
    if not found.result:
        return PARTIAL
    return DONE if found.passed else FAILED


def _write(path: Path, found: DrillReport, as_page: Callable[[], str]) -> None:
    from tapgen.report import drill as report

    forms = {
        ".json": lambda: json.dumps(report.data(found), indent=2) + "\n",
        ".md": lambda: report.markdown(found),
        ".html": as_page,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(forms[path.suffix]())
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written ({error.strerror})"]) from error
    say(f"wrote {path}")
