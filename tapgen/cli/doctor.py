"""`tapgen doctor`: what stands in the way of a rollout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tapgen.cli import DONE, FAILED
from tapgen.cli.common import (
    Timings,
    aws_options,
    output_option,
    print_json,
    system_options,
)
from tapgen.cli.reach import command_line, reach_system


@click.command(
    "doctor",
    epilog="\b\nExamples:\n  tapgen doctor secure_network --local\n"
    "  tapgen doctor secure_network -e staging --output json\n\n"
    "Exit codes: 0 nothing stands in the way, 1 a check fails or got no answer, or error.",
)
@system_options
@aws_options
@output_option
def doctor_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    **aws_choice: Any,
) -> int:
    """Check what a rollout of SYSTEM needs, hop by hop, without changing anything.

    Who calls, the clock, the role and region of each target, reading stack sets, the
    statements of the roles, buckets, and access to the organization.
    """
    from importlib.metadata import version

    from tapgen.accounts import doctor
    from tapgen.cli.progress import console
    from tapgen.report import doctor as report

    reached = reach_system(
        system, environment, folder, Timings(), aws_choice, leaving=True
    )
    code = reached.loaded.blueprint.code
    checks = doctor.examine(reached.system, reached.aws, reached.sets, code)
    versions = {name: version(name) for name in ("tapgen", "boto3", "botocore")}
    if output == "json":
        print_json({"versions": versions, "checks": report.data(checks)})
    else:
        console().print(report.text(checks, command_line("bootstrap", reached)))
        console().print(", ".join(f"{name} {one}" for name, one in versions.items()))
    well = all(one.verdict is doctor.Verdict.OK for one in checks)
    return DONE if well else FAILED
