"""Options and checks that commands on several systems share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from tapgen.cli.common import (
    TEMPLATES_FOLDER,
    system_names,
)
from tapgen.errors import ConfigError

folder_option = click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    default=TEMPLATES_FOLDER,
    show_default=True,
    help="Folder of the generated templates.",
)


def requested_systems(systems: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Return the named systems, or all; raises UsageError when the folder has none."""
    names = systems or tuple(system_names(folder))
    if not names:
        raise click.UsageError(
            f"{folder}/ has no systems; write one with tapgen init, or name another "
            "folder with --stacksets"
        )
    return names


def name_clashes(read: Iterable[tuple[Path, str, str]]) -> list[str]:
    """Return an error for each config that has the code and suffix of another one.

    Names of resources begin with these two, so both systems would use the same names.
    """
    seen: dict[tuple[str, str], Path] = {}
    problems = []
    for path, code, suffix in read:
        if not code:  # custom systems choose their own names
            continue
        other = seen.setdefault((code, suffix), path)
        if other.stem != path.stem:
            problems.append(
                f"{path}: suffix: {other} has {suffix!r} too, so both would create resources "
                f"of the same names ({code}-{suffix}-…); give one of them another suffix"
            )
    return problems


def require_unwritten(files: Mapping[Path, str]) -> None:
    """Raise ConfigError for files that exist with another text."""
    there = [p for p, text in files.items() if p.exists() and p.read_text() != text]
    if there:
        names = ", ".join(map(str, there))
        raise ConfigError(
            [
                f"{names}: already exists with other content; move it, or give another name"
            ]
        )


def write_all(files: Mapping[Path, str]) -> list[Path]:
    """Write files; return those that did not exist."""
    new = [path for path in files if not path.exists()]
    for path in new:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
        except OSError as error:
            raise ConfigError(
                [f"{path}: cannot be written ({error.strerror})"]
            ) from error
    return new
