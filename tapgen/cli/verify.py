"""`tapgen verify`: whether a system that was rolled out is as it should be."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import click

from tapgen.cli import CHANGES, DONE
from tapgen.cli.common import (
    Timings,
    aws_options,
    output_option,
    print_json,
    say,
    system_options,
)
from tapgen.cli.open_run import administered
from tapgen.cli.reach import reach_system
from tapgen.config.patterns import DURATION, seconds
from tapgen.report.control import visible


def _duration(_: Any, __: Any, value: str) -> float:
    if value != "0" and not re.fullmatch(DURATION, value):
        raise click.BadParameter(
            f"{value!r} is not a duration; give a whole number with ms, s, m or h, such "
            "as 15m"
        )
    return 0.0 if value == "0" else seconds(value)


@click.command(
    "verify",
    epilog="\b\nExamples:\n  tapgen verify secure_network --local\n"
    "  tapgen verify secure_network -e staging --wait 15m\n"
    "  tapgen verify secure_network --local --details --output json\n\n"
    "Exit codes: 0 everything is as it should be, 2 something is not, or is unknown, 1\n"
    "error.",
)
@system_options
@aws_options
@output_option
@click.option("--details", is_flag=True, help="List what is as it should be, too.")
@click.option(
    "--wait",
    metavar="DURATION",
    default="0",
    callback=_duration,
    help="Look again until all is well, for up to this time: 15m for new metrics.",
)
def verify_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    details: bool,
    wait: float,
    **aws_choice: Any,
) -> int:
    """Verify SYSTEM as it is deployed: instances, outputs, alarms and health checks.

    Every output must be there, every alarm must watch a metric that exists, or may be
    empty, and not be in ALARM, and every health check must get answers. It changes nothing.
    """
    from tapgen.aws import verifying
    from tapgen.model.verified import Verified, worst
    from tapgen.report import verification
    from tapgen.system import ownership

    reached = reach_system(
        system, environment, folder, Timings(), aws_choice, leaving=True
    )
    good = (Verified.HOLDS, Verified.EXPECTED)
    until = time.monotonic() + wait
    while True:
        with administered(reached, "verify"):
            observed = ownership.observe(reached.system, reached.sets)
        found = verifying.verify(reached.system, reached.sets.aws, observed)
        verdict = worst(found)
        pause = reached.poll_seconds[1]
        if verdict in good or time.monotonic() + pause > until:
            break
        left = round(until - time.monotonic())
        *_, counts = verification.lines(found, details=False)
        say(f"{counts}; looks again for {left} s")
        time.sleep(pause)
    if output == "json":
        print_json(
            {
                "system": reached.system.name,
                "suffix": reached.system.suffix,
                **verification.data(found),
            }
        )
    else:
        for line in verification.lines(found, details=details):
            click.echo(visible(line))
    return DONE if verdict in good else CHANGES
