"""`tapgen pipeline`: delivery of a system from the user's own repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapgen.cli import DONE
from tapgen.cli.common import (
    environments,
    stacksets_option,
    system_argument,
    system_path,
)
from tapgen.errors import ConfigError

if TYPE_CHECKING:  # slow to import
    from tapgen.config import Config
    from tapgen.report.delivery import Stage

_BRANCH = r"[A-Za-z0-9][A-Za-z0-9._/-]*"


@click.group("pipeline")
def pipeline_command() -> None:
    """Write what delivers a system from your own repository."""


@pipeline_command.command(
    "github",
    epilog="\b\nExamples:\n  tapgen pipeline github secure_network\n"
    "  tapgen pipeline github secure_network --branch trunk --force\n\n"
    "Exit codes: 0 done, 1 error.",
)
@system_argument
@stacksets_option
@click.option(
    "--branch",
    default="main",
    show_default=True,
    help="Branch that is delivered.",
)
@click.option("--force", is_flag=True, help="Write over a workflow that is there.")
def github_command(system: str | None, folder: Path, branch: str, force: bool) -> int:
    """Write .github/workflows/tapgen-SYSTEM.yml, for each environment of SYSTEM.

    Pull requests get the plans as comments. After the merge a person approves, exactly the
    approved plan is rolled out, verified, and rolled back if it is not well. The default
    environment comes last.
    """
    from tapgen.report import delivery

    if not re.fullmatch(_BRANCH, branch):
        raise click.UsageError(
            f"--branch {branch!r} is no branch; give letters, digits and ./_-"
        )
    path = system_path(system, folder)
    name = path.stem
    stages = [_stage(config) for config in _in_order(environments(path))]
    target = Path(".github") / "workflows" / f"tapgen-{name}.yml"
    if target.exists() and not force:
        raise ConfigError([f"{target}: already exists; to write over it, give --force"])
    text = delivery.github(name, stages, branch, folder.as_posix())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    except OSError as error:
        raise ConfigError(
            [f"{target}: cannot be written ({error.strerror})"]
        ) from error
    click.echo(f"wrote {target}; on GitHub it needs:")
    for stage in stages:
        click.echo(f"  environment {stage.name}, with required reviewers")
        if not stage.account:
            click.echo(f"  variable TAPGEN_ACCOUNT_{stage.variable}: 12 digits")
        for what in ("PLAN", "DEPLOY"):
            click.echo(f"  variable TAPGEN_{what}_ROLE_{stage.variable}: ARN of a role")
    return DONE


def _in_order(found: list[Config]) -> list[Config]:
    """Return the environments with the default one last."""
    return sorted(found, key=lambda config: config.environment is None)


def _stage(config: Config) -> Stage:
    from tapgen.model import SELF
    from tapgen.report.delivery import Stage

    account = "" if config.admin.account == SELF else config.admin.account
    return Stage(
        config.environment or config.suffix,
        config.environment,
        account,
        config.admin.region,
    )
