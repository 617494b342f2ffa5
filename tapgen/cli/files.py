"""Systems as files: options, names and clashes of the commands that need no AWS."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from tapgen.cli.common import (
    TEMPLATES_FOLDER,
    system_names,
)

_FOLDER_HELP = "Folder the templates are written to."
folder_option = click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    default=TEMPLATES_FOLDER,
    show_default=True,
    help=_FOLDER_HELP,
)


def chosen(systems: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """The systems named, or all there are; a folder without any is a mistake."""
    names = systems or tuple(system_names(folder))
    if not names:
        raise click.UsageError(
            f"{folder}/ has no systems; write one with tapgen init, or name another "
            "folder with --stacksets"
        )
    return names


def clashes(read: Iterable[tuple[Path, str, str]]) -> list[str]:
    """Configs, with their code and suffix, whose resources would have the same names:
    code and suffix are all that tells them apart."""
    seen: dict[tuple[str, str], Path] = {}
    problems = []
    for path, code, suffix in read:
        if not code:  # names of a custom system are its own
            continue
        other = seen.setdefault((code, suffix), path)
        if other.stem != path.stem:
            problems.append(
                f"{path}: suffix: {suffix!r} is that of {other} too, which makes "
                f"resources of the same names ({code}-{suffix}-…); give one of them "
                "another suffix"
            )
    return problems
