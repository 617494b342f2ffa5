"""`tapgen pipeline`: delivery of a system from the user's own repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import DONE
from tapgen.cli.common import (
    environments,
    stacksets_option,
    system_argument,
    system_path,
)
from tapgen.config.patterns import SYSTEM
from tapgen.errors import ConfigError

if TYPE_CHECKING:  # slow to import
    from tapgen.blueprints.delivery import Environment
    from tapgen.config import Config
    from tapgen.report.delivery import Stage

_BRANCH = r"[A-Za-z0-9][A-Za-z0-9._/-]*"
_REPOSITORY = r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+"
_CONNECTION = (
    r"arn:aws[a-z-]*:(codeconnections|codestar-connections):[a-z0-9-]+:[0-9]{12}"
    r":connection/[A-Za-z0-9-]+"
)
_DELIVERY = "_delivery"


class _Kinds(click.Group):
    """A group whose commands are kinds, which a user may have left out."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in self.commands:
            kinds = " or ".join(self.commands)
            raise click.UsageError(
                f"{args[0]!r} is no kind of pipeline; write tapgen pipeline {kinds}, and "
                "then the system"
            )
        return super().resolve_command(ctx, args)


@click.group("pipeline", cls=_Kinds)
def pipeline_command() -> None:
    """Write what delivers a system from your own repository."""


_branch_option = click.option(
    "--branch",
    default="main",
    show_default=True,
    help="Branch that is delivered.",
)
_drill_option = click.option(
    "--drill",
    metavar="CRON",
    default="",
    help="Also drill by this schedule, in UTC: '0 3 1 * *' is 03:00 on the first of a month.",
)
_force_option = click.option(
    "--force", is_flag=True, help="Write over files that are there."
)
_CODES = "Exit codes: 0 done, 1 error, 64 wrong usage."


@pipeline_command.command(
    "github",
    epilog="\b\nExamples:\n  tapgen pipeline github secure_network\n"
    "  tapgen pipeline github secure_network --repository acme/network\n"
    f"  tapgen pipeline github secure_network --branch trunk --force\n"
    f"  tapgen pipeline github payments_dr --drill '0 3 1 * *'\n\n{_CODES}",
)
@system_argument
@stacksets_option
@_branch_option
@click.option(
    "--repository",
    metavar="OWNER/NAME",
    default="",
    help="Also write the roles that jobs of this repository assume.",
)
@_drill_option
@_force_option
def github_command(
    system: str | None,
    folder: Path,
    branch: str,
    repository: str,
    drill: str,
    force: bool,
) -> int:
    """Write .github/workflows/tapgen-SYSTEM.yml, for each environment of SYSTEM.

    Pull requests get the plans as comments. After the merge a person approves, exactly the
    approved plan is rolled out, verified, and rolled back if it is not well. The default
    environment comes last.
    """
    from tapgen.report import delivery

    _require(branch, _BRANCH, "--branch", "a branch", "give letters, digits and ./_-")
    path = system_path(system, folder)
    name, found = path.stem, _in_order(environments(path))
    stages = [_stage(config) for config in found]
    target = Path(".github") / "workflows" / f"tapgen-{name}.yml"
    files = {target: delivery.github(name, stages, branch, folder.as_posix())}
    if drill:
        _require_cron(drill)
        _require_drilled(found)
        text = delivery.github_drill(name, stages, drill, folder.as_posix())
        files[target.with_name(f"tapgen-{name}-drill.yml")] = text
    if repository:
        from tapgen.blueprints import delivery as templates

        _require_repository(repository)
        text = templates.github(name, _delivered(found, folder), repository, branch)
        files |= _system(found, folder, "roles", text, {})
    _write(files, force)
    click.echo("on GitHub it needs:")
    for stage in stages:
        click.echo(f"  environment {stage.name}, with required reviewers")
        if not stage.account:
            click.echo(f"  variable TAPGEN_ACCOUNT_{stage.variable}: 12 digits")
        if drill and stage.drills:
            click.echo(f"  environment {stage.name}-drill, without reviewers")
        for what in ("PLAN", "DEPLOY", *["DRILL"] * (drill != "" and stage.drills)):
            click.echo(f"  variable TAPGEN_{what}_ROLE_{stage.variable}: ARN of a role")
    return DONE


@pipeline_command.command(
    "codepipeline",
    epilog="\b\nExamples:\n  tapgen pipeline codepipeline secure_network \\\n"
    "    --repository acme/network \\\n"
    "    --connection arn:aws:codeconnections:us-east-1:111111111111:connection/1234\n\n"
    f"{_CODES}",
)
@system_argument
@stacksets_option
@_branch_option
@click.option(
    "--repository",
    metavar="OWNER/NAME",
    required=True,
    help="Repository that is delivered.",
)
@click.option(
    "--connection",
    metavar="ARN",
    required=True,
    help="Connection of AWS CodeConnections to it.",
)
@_drill_option
@click.option(
    "--drill-role",
    metavar="NAME",
    default="",
    help="With --drill: the role that may drill.",
)
@_force_option
def codepipeline_command(
    system: str | None,
    folder: Path,
    branch: str,
    repository: str,
    connection: str,
    drill: str,
    drill_role: str,
    force: bool,
) -> int:
    """Write SYSTEM_delivery: a system with a pipeline of AWS CodePipeline for SYSTEM.

    It checks each commit of the branch. For each environment it plans, waits for an
    approval, rolls out exactly that plan, verifies, and rolls back what is not well. The
    default environment comes last.
    """
    from tapgen.blueprints import delivery

    _require(branch, _BRANCH, "--branch", "a branch", "give letters, digits and ./_-")
    _require_repository(repository)
    example = "arn:aws:codeconnections:us-east-1:111111111111:connection/1234"
    what = "the ARN of a connection"
    _require(
        connection, _CONNECTION, "--connection", what, f"give one such as {example}"
    )
    path = system_path(system, folder)
    found = _in_order(environments(path))
    given = {"ConnectionArn": connection}
    stages = _delivered(found, folder)
    if drill or drill_role:
        given |= _drilled(drill, drill_role, found, stages)
    schedule = _for_scheduler(drill) if drill else ""
    text = delivery.code_pipeline(
        path.stem, stages, repository, branch, _where(folder), schedule
    )
    _write(_system(found, folder, "pipeline", text, given), force)
    name = f"{path.stem}{_DELIVERY}"
    for command in ("lint", "bootstrap", "rollout"):
        click.echo(f"next: tapgen {command} {name}{_where(folder)}")
    return DONE


def _require(given: str, pattern: str, option: str, what: str, advice: str) -> None:
    if not re.fullmatch(pattern, given):
        raise click.UsageError(f"{option} {given!r} is not {what}; {advice}")


def _require_cron(given: str) -> None:
    _require(
        given,
        r"[0-9*,/-]+( [0-9*,/-]+){2}( [0-9A-Z*,/-]+){2}",
        "--drill",
        "a schedule",
        "give minute, hour, day of the month, month and day of the week, in UTC, such as "
        "'0 3 1 * *'",
    )


def _for_scheduler(cron: str) -> str:
    """Return a schedule in the form of EventBridge Scheduler, where one of the two days is
    `?`, and Sunday is 1; UsageError for one that it cannot have.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    """
    minute, hour, day, month, weekday = cron.split()
    if "*" not in (day, weekday):
        raise click.UsageError(
            f"--drill {cron!r} has a day of the month and a day of the week, and AWS takes "
            "one of them: give * for the other"
        )
    if weekday == "*":
        weekday = "?"
    else:
        day = "?"
        weekday = re.sub(
            r"(?<!/)\b\d+", lambda found: str(int(found[0]) % 7 + 1), weekday
        )
    return f"cron({minute} {hour} {day} {month} {weekday} *)"


def _drilled(
    drill: str, role: str, found: list[Config], stages: list[Environment]
) -> dict[str, str]:
    """Return the parameters of a pipeline that drills; errors where it cannot."""
    if not drill or not role:
        raise click.UsageError(
            "--drill and --drill-role belong together: a schedule, and the name of the role "
            "that may drill, with the actions that tapgen drill --dry-run lists"
        )
    _require_cron(drill)
    _require(
        role, r"[\w+=,.@/-]{1,512}", "--drill-role", "the name of a role", "no ARN"
    )
    _require_drilled(found)
    from tapgen.blueprints import delivery

    return {delivery.drill_role(one): role for one in stages if one.drills}


def _require_drilled(found: list[Config]) -> None:
    if not any(config.allow_drill for config in found):
        raise ConfigError(
            [
                f"{found[0].path}: --drill: no environment says allow_drill: true, so none "
                "may be drilled; add it to those that may"
            ]
        )


def _require_repository(given: str) -> None:
    what, advice = "a repository", "give OWNER/NAME, such as acme/network"
    _require(given, _REPOSITORY, "--repository", what, advice)


def _where(folder: Path) -> str:
    """Return the option that names the folder of configs, for commands."""
    return "" if folder == Path("stacksets") else f" --stacksets {folder.as_posix()}"


def _delivered(found: list[Config], folder: Path) -> list[Environment]:
    """Return the environments, all of which are administered in one place: the roles and
    the pipeline are there."""
    from tapgen.blueprints.delivery import Environment

    places = {(c.admin.account, c.admin.region) for c in found}
    if len(places) > 1:
        shown = ", ".join(sorted(f"{account}/{region}" for account, region in places))
        raise ConfigError(
            [
                f"{found[0].path}: its environments are administered in {shown}; what "
                "delivers them is in one account and region: give the environments of "
                "each a file of their own"
            ]
        )
    return [
        Environment(
            config.environment or config.suffix,
            f"{config.system}"
            + (f" -e {config.environment}" if config.environment else "")
            + _where(folder),
            f"{config.system.replace('_', '-')}-{config.suffix}",
            _drills(config),
        )
        for config in found
    ]


def _system(
    found: list[Config], folder: Path, part: str, text: str, parameters: dict[str, str]
) -> dict[Path, str]:
    """Return the files of a system of one template, beside the one that it delivers."""
    config = found[-1]
    name = f"{config.system}{_DELIVERY}"
    if not re.fullmatch(SYSTEM, name):
        raise ConfigError(
            [f"{name} is too long for the name of a system; shorten {config.system}"]
        )
    lines = [
        "# yaml-language-server: $schema=./tapgen.schema.json",
        "",
        f"# Delivers {config.system}: written by tapgen pipeline, and yours to change.",
        "blueprint: custom",
        f"suffix: {config.suffix}",
        f'admin: {{account: "{config.admin.account}", region: {config.admin.region}}}',
        "stack_sets:",
        f"  {part}:",
        f"    template: {name}/{part}.json",
        f"    regions: [{config.admin.region}]",
        *(["    parameters:"] if parameters else []),
        *(f'      {key}: "{value}"' for key, value in parameters.items()),
    ]
    return {
        folder / f"{name}.yaml": "\n".join(lines) + "\n",
        folder / name / f"{part}.json": text,
    }


def _write(files: Mapping[Path, str], force: bool) -> None:
    """Write files, or none: a file that is there is written over with `force` only."""
    there = [str(path) for path in files if path.exists()]
    if there and not force:
        names = ", ".join(there)
        raise ConfigError([f"{names}: already exists; to write over it, give --force"])
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError as error:
            raise ConfigError(
                [f"{path}: cannot be written ({error.strerror})"]
            ) from error
        click.echo(f"wrote {path}")


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
        _drills(config),
    )


def _drills(config: Config) -> bool:
    """Whether an environment is drilled after its delivery; ConfigError where its blueprint
    has nothing to rehearse."""
    from tapgen.procedures.drills import EXERCISES

    if config.allow_drill and config.blueprint not in EXERCISES:
        raise ConfigError(
            [
                f"{config.path}: allow_drill: blueprint {config.blueprint} has nothing to "
                f"rehearse; these have: {', '.join(EXERCISES)}; remove the key"
            ]
        )
    return config.allow_drill
