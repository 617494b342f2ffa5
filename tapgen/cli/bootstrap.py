"""`tapgen bootstrap`: the roles and the artifact bucket that a rollout needs, and the engine
that runs it in AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import CHANGES, DONE
from tapgen.cli.common import (
    Timings,
    assume_role_option,
    aws_options,
    output_option,
    print_json,
    say,
    system_options,
)
from tapgen.cli.confirmation import confirm, require_account
from tapgen.cli.open_run import administered
from tapgen.cli.reach import Reached, command_line, reach_system
from tapgen.model import Observed

if TYPE_CHECKING:  # slow to import
    from tapgen.accounts.engine import Package

_EPILOG = """\b
Examples:
  tapgen bootstrap secure_network --local
  tapgen bootstrap secure_network --account 111111111111 --yes
  tapgen bootstrap secure_network --assume-role OrganizationAccountAccessRole
  tapgen bootstrap secure_network --engine --notify oncall@example.com
  tapgen bootstrap secure_network --engine --dry-run --output json
  tapgen bootstrap secure_network --engine --remove

Exit codes: 0 done, or nothing to do; 1 error; 2 changes planned (--dry-run); 64 wrong usage.
"""


@click.command("bootstrap", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@assume_role_option
@click.option(
    "--engine", is_flag=True, help="Also the engine that runs rollouts in AWS."
)
@click.option(
    "--notify",
    metavar="ADDRESS",
    help="With --engine: who gets its notifications by e-mail.",
)
@click.option("--remove", is_flag=True, help="Take SYSTEM off the engine again.")
@click.option(
    "--dry-run", is_flag=True, help="With --engine: show what would change, and end."
)
def bootstrap_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    yes: bool,
    assume_role: str | None,
    engine: bool,
    notify: str | None,
    remove: bool,
    dry_run: bool,
    **aws_choice: Any,
) -> int:
    """Create what a rollout of SYSTEM needs, as CloudFormation stacks.

    In the administration account: the administration role and the artifact bucket.
    In every target account: the execution role with exactly the permissions that the
    system's resource types need, and the operator role. A second run changes nothing.

    With --engine also what runs rollouts in AWS, without a terminal: a function and a
    state machine, for all systems of the administration account and region. --remove takes
    SYSTEM off it, and with the last system deletes it.
    """
    from tapgen.accounts import bootstrap

    _check_options(engine, notify, remove, dry_run)
    reached = reach_system(system, environment, folder, Timings(), aws_choice)
    if engine:
        _require_administration(reached)
    if dry_run:
        with administered(reached, "bootstrap"):
            return _show_engine(reached, output, notify, remove)
    require_account(reached, yes, aws_choice["account"])
    if remove:
        say(f"take {reached.system.prefix} off the engine in {reached.system.admin}")
        confirm(yes or reached.local, "Remove it?")
        with administered(reached, "bootstrap"):
            return _say_changed(remove_engine(reached), output)
    for line in bootstrap.announced(reached.system, bool(assume_role)):
        say(line)
    if engine:
        with administered(reached, "bootstrap"):
            for line in _engine_lines(reached, notify, remove=False):
                say(f"engine: {line}")
    confirm(yes or reached.local, "Create or update these?")
    with administered(reached, "bootstrap"):
        changed = run_bootstrap(reached, assume_role)
        if bootstrap.ARTIFACTS_STACK in changed:
            for line in copy_journal(reached):
                say(line)
        changed += deploy_engine(reached, notify) if engine else []
    return _say_changed(changed, output)


def _check_options(
    engine: bool, notify: str | None, remove: bool, dry_run: bool
) -> None:
    """Raise UsageError for options that say nothing without another one, or beside it."""
    given = {"--remove": remove, "--dry-run": dry_run, "--notify": notify is not None}
    if not engine and any(given.values()):
        option = next(name for name, is_given in given.items() if is_given)
        raise click.UsageError(f"{option} is about the engine: give --engine, too")
    if remove and notify is not None:
        raise click.UsageError("--remove and --notify cannot be used together")


def _say_changed(changed: list[str], output: str) -> int:
    if output == "json":
        print_json({"changed": changed})
    else:
        click.echo(f"changed: {', '.join(changed)}" if changed else "nothing to do")
    return DONE


# The engine in AWS -------------------------------------------------------------------


def package() -> Package:
    """Return what runs in the function of the engine."""
    from tapgen.accounts.engine import Package
    from tapgen.engine import FORMAT
    from tapgen.engine.package import archive

    return Package(archive(), FORMAT)


def deploy_engine(reached: Reached, notify: str | None) -> list[str]:
    """Deploy the engine for a system, whose bucket exists; return the changed stacks."""
    from tapgen.accounts import engine

    aws, admin, runs = reached.aws, reached.system.admin, package()
    wanted = engine.wanted(aws, reached.system, runs, notify)
    changed = engine.deploy(aws, admin, runs, wanted)
    if changed and not wanted.parameters["AlertEmail"]:
        there = engine.deployed(aws, admin)
        topic = there.topic if there else "its topic"
        say(
            "nobody is notified when a run waits for an approval, or fails: "
            f"{command_line('bootstrap', reached)} --engine --notify ADDRESS, or "
            f"subscribe to {topic}"
        )
    return [engine.STACK] if changed else []


def remove_engine(reached: Reached) -> list[str]:
    """Take a system off the engine; return the changed stacks.

    Raises RolloutError while the engine has an open run of the system.
    """
    from tapgen.accounts import engine
    from tapgen.rollout import opening

    there = engine.deployed(reached.aws, reached.system.admin)
    # Not the lock alone: one whose turn was killed last is of a run that has ended.
    found = opening.opened(reached.sets.bucket, reached.system.prefix)
    has = there and found and found.lock.engine == there.state_machine
    run = found.lock.run if found and has else None
    return engine.remove(reached.aws, reached.system, run, say)


def _require_administration(reached: Reached) -> None:
    """Raise UsageError with credentials of another account than the administration's: only
    there the engine can be changed."""
    own, admin = reached.aws.account, reached.system.admin
    if own != admin.account:
        raise click.UsageError(
            f"the engine belongs to the administration account {admin.account}, and these "
            f"credentials are of {own}; use credentials of {admin.account}"
        )


def _engine_lines(reached: Reached, notify: str | None, *, remove: bool) -> list[str]:
    """What would change in the engine, a line for each resource and value."""
    from tapgen.accounts import engine

    if remove:
        return engine.removed(reached.aws, reached.system)
    return [*engine.wanted(reached.aws, reached.system, package(), notify).changes]


def _show_engine(
    reached: Reached, output: str, notify: str | None, remove: bool
) -> int:
    from tapgen.accounts import engine

    lines = _engine_lines(reached, notify, remove=remove)
    if output == "json":
        print_json({"stack": engine.STACK, "changes": lines})
    else:
        for line in lines:
            click.echo(f"{engine.STACK}: {line}")
        click.echo(f"{len(lines)} changes planned" if lines else "nothing to do")
    return CHANGES if lines else DONE


def run_bootstrap(reached: Reached, assume_role: str | None) -> list[str]:
    """Deploy the bootstrap stacks; return the names of those that changed."""
    from tapgen import plan
    from tapgen.accounts import bootstrap
    from tapgen.aws import sweep
    from tapgen.system import ownership
    from tapgen.template import loops

    system = reached.system
    plan.check(system)
    observed = ownership.definitions(system, reached.sets)
    # Which resources a loop makes, and whether roles may be of before, their instances say.
    deciding = (loops.TRANSFORM, "AWS::IAM::Role")
    names = [n for n, o in observed.items() if any(t in o.template for t in deciding)]
    observed |= reached.sets.observe(names, outputs=sweep.nowhere)
    return bootstrap.run(
        reached.aws.assuming(assume_role),
        system,
        code=reached.loaded.blueprint.code,
        deployed_types=deployed_types(observed),
        unbounded=are_unbounded(observed),
        on_event=lambda line: None if line.endswith("up to date") else say(line),
    )


def copy_journal(reached: Reached) -> Iterator[str]:
    """Complete the copies of the journal; yield what was copied."""
    from tapgen.rollout import reconcile

    for sides in reconcile.sides(reached.sets, reached.system.prefix):
        if count := reconcile.complete(sides):
            yield f"copied the journal to {sides.other}: {count} objects"


def are_unbounded(observed: Mapping[str, Observed]) -> bool:
    """Whether roles are deployed without their permissions boundary, or may be."""
    from tapgen.accounts import roles
    from tapgen.model import InstanceStatus
    from tapgen.template import evaluate

    return any(
        roles.unbounded(resource)
        or resource.get("Type") == "AWS::IAM::Role"
        and any(i.status != InstanceStatus.CURRENT for i in found.instances.values())
        for found in observed.values()
        for resource in evaluate.whole(found).get("Resources", {}).values()
    )


def deployed_types(observed: Mapping[str, Observed]) -> set[str]:
    """Return the deployed resource types: the execution role must still delete them."""
    from tapgen.template import evaluate

    return {
        str(resource.get("Type"))
        for found in observed.values()
        for resource in evaluate.whole(found).get("Resources", {}).values()
    }
