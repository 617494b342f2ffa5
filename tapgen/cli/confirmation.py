"""Confirmation before a command changes AWS."""

from __future__ import annotations

from typing import Any

import click

from tapgen.cli.common import (
    interactive,
)
from tapgen.cli.reach import Reached


def require_account(reached: Reached, yes: bool, account: str | None) -> None:
    """Raise UsageError for real AWS without a confirmation and without a pinned account.

    Without a confirmation nobody checks the account that the plan shows.
    """
    if reached.local or account or reached.pinned:
        return
    require_pinned(reached.aws, yes, ", or set admin.account in the config")


def require_pinned(aws: Any, yes: bool, or_else: str = "") -> None:
    """Raise UsageError where nobody confirms what is done in the account that the caller
    has not named; `or_else` is another way to name it."""
    if yes or not interactive():
        raise click.UsageError(
            "running without confirmation needs a pinned account: give --account "
            f"{aws.account}{or_else}"
        )


def require_terminal_or(yes: bool) -> None:
    """Raise UsageError when there is neither a terminal to confirm on nor `--yes`."""
    if not yes and not interactive():
        raise click.UsageError(
            "there is no terminal to confirm on; give --yes to continue"
        )


def confirm(yes: bool, question: str) -> None:
    """Ask the user to confirm, unless `--yes` was given; raises click.Abort on no."""
    if yes:
        return
    require_terminal_or(yes)
    click.confirm(question, abort=True, err=True)


def require_typed(given: str | None, wanted: str) -> None:
    """Ask for a text that names what is lost, or compare the one that `--confirm` gave.

    Raises UsageError without a terminal to type it on, and where it is another text.
    """
    if given is None and interactive():
        given = click.prompt(f"Type '{wanted}' to continue", err=True)
    if given is None:
        raise click.UsageError(
            f"this loses data, and there is no terminal to confirm on; give --confirm "
            f"'{wanted}' (--yes is not enough)"
        )
    if given != wanted:
        raise click.UsageError(f"confirmed was {given!r}; to continue, give {wanted!r}")
