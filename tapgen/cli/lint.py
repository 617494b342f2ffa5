"""`tapgen lint`, and the same check before a rollout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal

import click

from tapgen.cli.common import (
    LINT_FOLDER,
    TEMPLATES_FOLDER,
    local_folder,
    say,
    stacksets_option,
    system_path,
)
from tapgen.cli.files import folder_option, requested_systems
from tapgen.model import Severity, System
from tapgen.report.control import visible
from tapgen.report.counting import counted


@click.command(
    "lint",
    epilog="\b\nExamples:\n  tapgen lint\n  tapgen lint secure_network --format sarif > lint.sarif\n\n"
    "Exit codes are cfn-lint's: 0 clean, 2 errors, 4 warnings, 8 informational, added up; "
    "1 when the config is wrong.",
)
@click.argument("systems", nargs=-1, metavar="[SYSTEM]...")
@click.option("-e", "--environment", metavar="NAME", help="Only this environment.")
@stacksets_option
@folder_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "junit", "github"]),
    default="text",
    show_default=True,
    help="Format of the findings on standard output.",
)
@click.option(
    "--no-cache", is_flag=True, help="Check everything again; do not use the cache."
)
def lint_command(
    systems: tuple[str, ...],
    environment: str | None,
    folder: Path,
    to: Path,
    form: Literal["text", "json", "sarif", "junit", "github"],
    no_cache: bool,
) -> int:
    """Check SYSTEMs with cfn-lint and tapgen's rules, for exactly their target regions.

    Results are cached by content hash in .tapgen/lint/ and .tapgen/made/: only what has
    changed is checked again.
    """
    from tapgen import lint
    from tapgen.cli import cache

    names = requested_systems(systems, folder)
    paths = [system_path(name, folder) for name in names]
    checked = cache.check(paths, environment, to, _counter, use_cache=not no_cache)
    stack_sets = [name for one in checked for name in one.stack_sets]
    findings = list(dict.fromkeys(f for one in checked for f in one.findings))
    shown = lint.render(findings, form, stack_sets)
    click.echo(
        shown if form in ("json", "sarif") else visible(shown), nl=form != "github"
    )
    return lint.exit_code(findings)


def _counter(total: int) -> Callable[[str], None]:
    """Print how many stack sets are checked; on a terminal, count them as they are."""
    done = 0
    if total:
        say(f"checking {counted(total, 'stack set')} …")

    def count(_: str) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            click.echo(f"\r{done} of {total} checked{end}", nl=False, err=True)

    return count


def lint_passes(system: System, only: Collection[str] | None = None) -> bool:
    """Print the findings when templates have errors; return whether none has.

    `only` names the stack sets that count; None means all.
    """
    from tapgen import lint

    local_folder()
    findings = lint.check(system, TEMPLATES_FOLDER, cache=LINT_FOLDER, only=only)
    errors = [f for f in findings if f.severity is Severity.ERROR]
    if errors:
        names = [s.name for s in system.stack_sets if only is None or s.name in only]
        say(lint.render(findings, "text", names))
        say("error: templates with errors are not deployed; nothing was changed")
    return not errors
