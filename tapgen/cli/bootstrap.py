"""`tapgen bootstrap`: the roles and the artifact bucket that a rollout needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE
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
from tapgen.cli.reach import Reached, reach_system
from tapgen.model import Observed

_EPILOG = """\b
Examples:
  tapgen bootstrap secure_network --local
  tapgen bootstrap secure_network --account 111111111111 --yes
  tapgen bootstrap secure_network --assume-role OrganizationAccountAccessRole
"""


@click.command("bootstrap", epilog=_EPILOG)
@system_options
@aws_options
@output_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@assume_role_option
def bootstrap_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    yes: bool,
    assume_role: str | None,
    **aws_choice: Any,
) -> int:
    """Create what a rollout of SYSTEM needs, as CloudFormation stacks.

    In the administration account: the administration role and the artifact bucket.
    In every target account: the execution role with exactly the permissions that the
    system's resource types need, and the operator role. A second run changes nothing.
    """
    from tapgen.accounts import bootstrap

    reached = reach_system(system, environment, folder, Timings(), aws_choice)
    require_account(reached, yes, aws_choice["account"])
    for line in bootstrap.announced(reached.system, bool(assume_role)):
        say(line)
    confirm(yes or reached.local, "Create or update these?")
    with administered(reached, "bootstrap"):
        changed = run_bootstrap(reached, assume_role)
        if bootstrap.ARTIFACTS_STACK in changed:
            for line in copy_journal(reached):
                say(line)
    if output == "json":
        print_json({"changed": changed})
    else:
        click.echo(f"changed: {', '.join(changed)}" if changed else "nothing to do")
    return DONE


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
