"""`tapgen lint`, and the same check before a rollout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import click

from tapgen.cli import suggest
from tapgen.cli.common import (
    LINT_FOLDER,
    TEMPLATES_FOLDER,
    each,
    load,
    load_all,
    local_folder,
    say,
    stacksets_option,
    system_path,
    systems_argument,
)
from tapgen.cli.files import folder_option, requested_systems
from tapgen.errors import TapgenError
from tapgen.model import Finding, Severity, System
from tapgen.report.control import visible
from tapgen.report.counting import counted

policy_option = click.option(
    "--policy",
    metavar="DIR",
    help="Also run the rules in this folder (Rego, CEL, Guard) on the templates as each "
    "target gets them; starter for those that tapgen ships.",
)
MOST_SHOWN = 20
"""The number of errors in the first answer; cfn-lint's has all."""

Form = Literal["text", "json", "sarif", "junit", "github"]


@click.command(
    "lint",
    epilog="\b\nExamples:\n  tapgen lint\n  tapgen lint secure_network --format sarif > lint.sarif\n\n"
    "Exit codes are cfn-lint's: 0 clean, 2 errors, 4 warnings, 8 informational, added up; "
    "1 when the config is wrong.",
)
@systems_argument
@click.option(
    "-e",
    "--environment",
    metavar="NAME",
    shell_complete=suggest.environments,
    help="Only this environment.",
)
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
@click.option(
    "--quick",
    is_flag=True,
    help="Only the first answer, from AWS's cloudformation-validate. SYSTEM may also be "
    "a committed template.",
)
@policy_option
def lint_command(
    systems: tuple[str, ...],
    environment: str | None,
    folder: Path,
    to: Path,
    form: Form,
    no_cache: bool,
    quick: bool,
    policy: str | None,
) -> int:
    """Check SYSTEMs with cfn-lint and tapgen's rules, for exactly their target regions.

    Results are cached by content hash in .tapgen/lint/ and .tapgen/made/: only what has
    changed is checked again.
    """
    rules = _policy(policy)
    if quick:
        return _quick(systems, environment, folder, to, form, rules)
    from tapgen.cli import cache
    from tapgen.lint import patches

    names = requested_systems(systems, folder)
    paths = [system_path(name, folder) for name in names]
    first = _first_answer if sys.stderr.isatty() else None
    checked = cache.check(paths, environment, to, _counter, not no_cache, first)
    stack_sets = [name for one in checked for name in one.stack_sets]
    findings = list(dict.fromkeys(f for one in checked for f in one.findings))
    for one in _built(paths, environment) if rules else ():
        findings += policy_findings(rules, one, to)
    if "cfnlint" in sys.modules and (slow := patches.note()):
        say(f"note: {slow}")
    return _shown(findings, form, stack_sets)


def _shown(findings: list[Finding], form: Form, stack_sets: list[str]) -> int:
    """Print findings, and return the exit code."""
    from tapgen import lint

    shown = lint.render(findings, form, stack_sets)
    click.echo(shown if form in ("json", "sarif") else visible(shown), nl=False)
    return lint.exit_code(findings)


def _quick(
    systems: tuple[str, ...],
    environment: str | None,
    folder: Path,
    to: Path,
    form: Form,
    rules: Any = None,
) -> int:
    """Check with cloudformation-validate only: whole systems, and committed templates."""
    from tapgen import lint
    from tapgen.lint import quick

    if not quick.is_installed():
        raise TapgenError(quick.MISSING)
    files = [Path(name) for name in systems if name.endswith(".json")]
    names = tuple(name for name in systems if not name.endswith(".json"))
    if names or not files:
        names = requested_systems(names, folder)
    paths = [system_path(name, folder) for name in names]
    built = _built(paths, environment)
    found, stack_sets = lint.check_quickly(built, to, files)
    for one in built if rules else ():
        found += policy_findings(rules, one, to)
    return _shown(found, form, stack_sets)


def _built(paths: list[Path], environment: str | None) -> list[System]:
    loaded = each(
        paths, lambda p: [load(p, environment)] if environment else load_all(p)
    )
    return [one.system for group in loaded.values() for one in group]


def _policy(given: str | None) -> Any:
    from tapgen.lint import policy

    return policy.read(given) if given else None


def policy_findings(rules: Any, system: System, to: Path) -> list[Finding]:
    """Return what breaks a policy in a system."""
    from tapgen.lint import policy

    return policy.check(rules, system, to)


def breaks_policy(given: str | None, system: System) -> list[Finding]:
    """Return what breaks the policy in a folder, and print it; nothing without one."""
    from tapgen import lint

    if given is None:
        return []
    found = policy_findings(_policy(given), system, TEMPLATES_FOLDER)
    if found:
        say(lint.render(found, "text", [s.name for s in system.stack_sets]))
    if is_broken(found):
        say(f"refused: the policy {given} is not met")
    return found


def is_broken(findings: Collection[Finding]) -> bool:
    """Whether any of these findings is an error."""
    return any(f.severity is Severity.ERROR for f in findings)


def _first_answer(findings: list[Finding]) -> None:
    """Print the errors that are known before cfn-lint has an answer."""
    errors = [f for f in findings if f.severity is Severity.ERROR]
    say(f"first answer: {counted(len(errors), 'error') if errors else 'no error'} …")
    for finding in errors[:MOST_SHOWN]:
        where = f"{finding.logical_id}: " if finding.logical_id else ""
        say(f"  {finding.rule} {where}{finding.message}")
    if len(errors) > MOST_SHOWN:
        say(f"  and {len(errors) - MOST_SHOWN} more")


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


def lint_beside(system: System) -> AbstractContextManager[Callable[[], None]]:
    """Check a system in a process beside this one, for `lint_passes` to find the results;
    give what waits for it."""
    from tapgen import lint
    from tapgen.lint import ahead

    local_folder()
    return ahead.beside(
        lambda: lint.check(system, TEMPLATES_FOLDER, processes=1, cache=LINT_FOLDER)
    )


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
