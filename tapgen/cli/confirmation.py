"""Questions before a command changes AWS, and refusals where nobody can answer."""

from __future__ import annotations

import click

from tapgen.cli.common import (
    interactive,
)
from tapgen.cli.reach import Reached
from tapgen.model import SELF


def require_account(reached: Reached, yes: bool, account: str | None) -> None:
    """`--yes` on real AWS needs to know the account: nobody looks at what is shown."""
    pinned = account or reached.loaded.system.admin.account != SELF
    unattended = yes or not interactive()
    if unattended and not reached.local and not pinned:
        raise click.UsageError(
            f"without anybody to ask, say which account you mean: --account "
            f"{reached.aws.account}, or admin.account in the config"
        )


def require_terminal_or(yes: bool) -> None:
    """Refuse at once what would be refused when the question comes."""
    if not yes and not interactive():
        raise click.UsageError("nobody is there to be asked; say --yes to go on")


def confirm(yes: bool, question: str) -> None:
    if yes:
        return
    require_terminal_or(yes)
    click.confirm(question, abort=True, err=True)
