"""`tapgen templates`: templates and manifests from configs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from tapgen.cli import CHANGES, DONE
from tapgen.cli.common import (
    Timings,
    each,
    say,
    stacksets_option,
    system_path,
    systems_argument,
    timings_option,
)
from tapgen.cli.files import folder_option, name_clashes, requested_systems
from tapgen.errors import ConfigError
from tapgen.report.counting import counted


@click.command(
    "templates",
    epilog="\b\nExamples:\n  tapgen templates\n  tapgen templates secure_network --check\n\n"
    "Exit codes: 0 written (or, with --check, up to date), 2 stale, 1 error.",
)
@systems_argument
@stacksets_option
@folder_option
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with 2 if files are stale."
)
@click.option(
    "--no-cache", is_flag=True, help="Generate everything again; do not use the cache."
)
@click.option(
    "--evaluated",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each template as each target gets it to DIR, for scanners, and nothing"
    " else.",
)
@timings_option
def templates_command(
    systems: tuple[str, ...],
    folder: Path,
    to: Path,
    check: bool,
    no_cache: bool,
    evaluated: Path | None,
    timings: bool,
) -> int:
    """Write the templates and manifests of SYSTEMs (default: all), all environments.

    Templates of shipped blueprints are cached in .tapgen/made/, and regenerated only
    when the config or tapgen has changed.
    """
    from tapgen.system import templates_out

    if evaluated is not None:
        if check:
            raise click.UsageError("--evaluated writes files; leave out --check")
        return _write_evaluated(systems, folder, to, evaluated)
    clock = Timings()
    with clock.stage("config and templates"):
        paths = [
            system_path(name, folder) for name in requested_systems(systems, folder)
        ]
        files = _generated(paths, use_cache=not no_cache)
    with clock.stage("comparing" if check else "writing"):
        changed = (
            templates_out.stale(to, files) if check else templates_out.write(to, files)
        )
    for path in changed:
        click.echo(f"{'stale' if check else 'wrote'} {to / path}")
    if not changed:
        are = "is" if len(files) == 1 else "are"
        click.echo(f"{counted(len(files), 'file')} {are} up to date")
    if timings:
        clock.show()
    if check and changed:
        say("run: tapgen templates")
        return CHANGES
    return DONE


def _generated(paths: Iterable[Path], use_cache: bool) -> dict[str, str]:
    """Return path → text of all files under templates_out/ for these configs."""
    from tapgen.cli import cache

    found = each(paths, lambda path: cache.files(path, use_cache))
    problems = name_clashes(
        (path, one.code, suffix)
        for path, one in found.items()
        for suffix in one.suffixes
    )
    if problems:
        raise ConfigError(problems)
    return {path: text for one in found.values() for path, text in one.files.items()}


def _write_evaluated(
    systems: tuple[str, ...], folder: Path, to: Path, evaluated: Path
) -> int:
    """Write the templates of every target of these systems to a folder of their own."""
    from tapgen.cli.common import load_all
    from tapgen.system import evaluated as targets
    from tapgen.system import templates_out

    if evaluated.resolve() == to.resolve():
        raise ConfigError(
            [
                f"--evaluated {evaluated}: the committed templates are there; give another"
            ]
        )
    paths = [system_path(name, folder) for name in requested_systems(systems, folder)]
    files: dict[str, str] = {}
    for group in each(paths, load_all).values():
        for one in group:
            files |= targets.files(one.system)
    templates_out.write(evaluated, files)
    click.echo(f"wrote {counted(len(files), 'template')} to {evaluated}")
    return DONE
