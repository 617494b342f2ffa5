"""`tapgen doctor`: what stands in the way of a rollout."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import DONE, FAILED
from tapgen.cli.common import (
    Timings,
    aws_options,
    output_option,
    print_json,
    system_options,
)
from tapgen.cli.reach import Reached, command_line, reach_system
from tapgen.errors import TapgenError

if TYPE_CHECKING:  # slow to import
    from tapgen.accounts.doctor import Check
    from tapgen.plan.headroom import Headroom


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
    statements of the roles, buckets, access to the organization, quotas, and the engine in
    AWS where there is one.
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
    if any(c.what == "stack sets" and c.verdict != doctor.Verdict.OK for c in checks):
        words = "not looked at, because stack sets cannot be read"
        place = str(reached.system.admin)
        checks.append(doctor.Check("quotas", place, doctor.Verdict.UNKNOWN, words))
    else:
        checks += _quotas(reached)
    from tapgen.cli.bootstrap import package

    wanted = reached.system.rollout.engine == "aws"
    checks += doctor.of_engine(reached.system, reached.aws, package(), wanted)
    versions = {name: version(name) for name in ("tapgen", "boto3", "botocore")}
    if output == "json":
        print_json({"versions": versions, "checks": report.data(checks)})
    else:
        console().print(report.text(checks, command_line("bootstrap", reached)))
        console().print(", ".join(f"{name} {one}" for name, one in versions.items()))
    well = all(one.verdict is doctor.Verdict.OK for one in checks)
    return DONE if well else FAILED


def _quotas(reached: Reached) -> list[Check]:
    """Whether the system fits into AWS's quotas, with what is deployed."""
    from tapgen.accounts.doctor import Check, Verdict
    from tapgen.aws import quotas
    from tapgen.plan import forecast, headroom, make
    from tapgen.system import ownership

    try:
        plan = make(reached.system, ownership.observe(reached.system, reached.sets))
        wanted = tuple(headroom.demands(plan, forecast.of(plan)))
        found = quotas.read(reached.sets, [d.place for d in wanted])
    except TapgenError as error:
        admin = str(reached.system.admin)
        return [Check("quotas", admin, Verdict.UNKNOWN, str(error))]
    return of_rooms(headroom.headroom(wanted, found))


def of_rooms(rooms: Iterable[Headroom]) -> list[Check]:
    """Return a check for each quota that does not fit, or whose use cannot be counted; one
    for all where there is none."""
    from tapgen.accounts.doctor import Check, Verdict

    found = []
    number = 0
    for number, room in enumerate(rooms, 1):
        if not room.fits:
            words = f"{room}; request an increase (Service Quotas)"
            found.append(Check("quotas", room.where, Verdict.FAILS, words))
        elif room.used is None and room.demand.adds:
            words = f"{room}; what is used cannot be counted"
            found.append(Check("quotas", room.where, Verdict.UNKNOWN, words))
    if not found:
        words = f"{number} looked at, and the system fits"
        found.append(Check("quotas", "all accounts", Verdict.OK, words))
    return found
