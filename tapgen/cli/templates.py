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
    timings_option,
)
from tapgen.cli.files import chosen, clashes, folder_option
from tapgen.errors import ConfigError


@click.command(
    "templates",
    epilog="\b\nExamples:\n  tapgen templates\n  tapgen templates secure_network --check\n\n"
    "Exit codes: 0 written (or, with --check, up to date), 2 stale, 1 error.",
)
@click.argument("systems", nargs=-1, metavar="[SYSTEM]...")
@stacksets_option
@folder_option
@click.option(
    "--check", is_flag=True, help="Write nothing; exit 2 when files are stale."
)
@click.option(
    "--no-cache", is_flag=True, help="Make everything anew; keep and use nothing."
)
@timings_option
def templates_command(
    systems: tuple[str, ...],
    folder: Path,
    to: Path,
    check: bool,
    no_cache: bool,
    timings: bool,
) -> int:
    """Write the templates and manifests of SYSTEMs (default: all), all environments.

    What the blueprints of tapgen made is kept in .tapgen/made/ and used again for
    configs that have not changed.
    """
    from tapgen.system import templates_out

    clock = Timings()
    with clock.stage("config and templates"):
        paths = [system_path(name, folder) for name in chosen(systems, folder)]
        files = _generated(paths, use_kept=not no_cache)
    with clock.stage("comparing" if check else "writing"):
        changed = (
            templates_out.stale(to, files) if check else templates_out.write(to, files)
        )
    for path in changed:
        click.echo(f"{'stale' if check else 'wrote'} {to / path}")
    if not changed:
        click.echo(f"{len(files)} files are up to date")
    if timings:
        clock.show()
    if check and changed:
        say("run: tapgen templates")
        return CHANGES
    return DONE


def _generated(paths: Iterable[Path], use_kept: bool) -> dict[str, str]:
    """Path → text of everything under templates_out/ for these configs."""
    from tapgen.cli import cache

    found = each(paths, lambda path: cache.files(path, use_kept))
    problems = clashes(
        (path, one.code, suffix)
        for path, one in found.items()
        for suffix in one.suffixes
    )
    if problems:
        raise ConfigError(problems)
    return {path: text for one in found.values() for path, text in one.files.items()}
