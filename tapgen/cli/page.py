"""`--html FILE`: what a command shows, as a page that needs nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli.common import LINT_FOLDER, TEMPLATES_FOLDER, local_folder, say
from tapgen.cli.reach import Reached
from tapgen.errors import TapgenError
from tapgen.model import Finding, System

if TYPE_CHECKING:  # slow to import
    from tapgen.report.page import Page


def _writable(_: Any, __: Any, path: Path | None) -> Path | None:
    """Refuse, before anything is done, a file that cannot be written at the end."""
    if path is None:
        return None
    place = path if path.exists() else path.parent
    if not place.exists() or not os.access(place, os.W_OK):
        raise click.BadParameter(
            f"{path}: cannot be written; give a file in a folder that exists and that "
            "you may write to"
        )
    return path


html_option = click.option(
    "--html",
    "html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    callback=_writable,
    help="Also write a page that needs nothing else, to read in a browser.",
)


def about(reached: Reached, title: str, **sections: Any) -> Page:
    """Return a page about a system, made now, with these sections."""
    from datetime import UTC, datetime

    from tapgen import __version__
    from tapgen.report.page import Page

    return Page(
        title,
        reached.system,
        datetime.now(UTC),
        __version__,
        local=reached.local,
        **sections,
    )


def write(path: Path, page: Page) -> None:
    """Write a page, completely or not at all."""
    from tapgen.report.page import html

    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(html(page), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise TapgenError(f"{path}: cannot be written ({error.strerror})") from None
    say(f"wrote {path}")


def findings(system: System) -> tuple[Finding, ...]:
    """Return what lint finds in the templates of a system; from the cache, where nothing
    has changed."""
    from tapgen import lint

    local_folder()
    found = lint.check(system, TEMPLATES_FOLDER, cache=LINT_FOLDER)
    return tuple(dict.fromkeys(found))
