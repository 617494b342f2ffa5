"""Options and checks that commands on several systems share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from tapgen.cli.common import (
    TEMPLATES_FOLDER,
    system_names,
)
from tapgen.errors import ConfigError, TapgenError

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


def unwritable(files: Mapping[Path, str]) -> list[str]:
    """Return why files cannot be written, a line for each reason: those that exist with
    another text, and those whose folders do not let them be written."""
    there = [path for path, text in files.items() if _has_other(path, text)]
    lines = [
        f"{', '.join(map(str, there))}: already exists with other content; move it, or give "
        "another name"
    ] * bool(there)
    above = dict.fromkeys(_nearest(p.parent) for p in files if not _exists(p))
    closed = [path for path in above if not _takes_files(path)]
    return lines + [
        f"{path}: no folder that files can be written to; make it one, or give another "
        "with --stacksets"
        for path in closed
    ]


def _has_other(path: Path, text: str) -> bool:
    if not _exists(path):
        return False
    try:
        return path.read_bytes() != text.encode()
    except OSError:  # a folder, or a file that cannot be read
        return True


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(p for p in (folder, *folder.parents) if _exists(p))


def _takes_files(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


@contextmanager
def drafted(files: Mapping[Path, str], folder: Path) -> Iterator[Path]:
    """Write files below `folder` to another folder, for whoever reads them before they are
    there, and return that; errors name the files where they will be."""
    with TemporaryDirectory() as elsewhere:
        draft = Path(elsewhere)
        for path, text in files.items():
            _write(draft / path.relative_to(folder), text)
        try:
            yield draft
        except TapgenError as error:
            raise ConfigError(
                str(error).replace(str(draft), str(folder)).splitlines()
            ) from error


@contextmanager
def written(files: Mapping[Path, str]) -> Iterator[None]:
    """Write the files that do not exist yet, all or none: those of them that are there, and
    their folders, are removed again when one cannot be written, and when what is done with
    them fails or is interrupted. Raises ConfigError for a file that cannot be written.
    """
    new: list[Path] = []
    try:
        for path in [p for p in files if not _exists(p)]:
            above = [folder for folder in path.parents if not _exists(folder)]
            new += [*reversed(above), path]
            try:
                _write(path, files[path])
            except OSError as error:
                raise ConfigError(
                    [f"{path}: cannot be written ({error.strerror})"]
                ) from error
        yield
    except BaseException:  # Ctrl-C too
        for path in reversed(new):
            with suppress(OSError):  # it was not made yet, or is not empty
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _write(path: Path, text: str) -> None:
    """Write a text as it is, with its own ends of lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
