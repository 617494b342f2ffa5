"""`tapgen local`: the embedded AWS of this folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from tapgen.cli.common import (
    LOCAL_FOLDER,
    embedded,
    local_server,
    output_option,
    print_json,
    reach,
    say,
)
from tapgen.errors import LocalError
from tapgen.report.control import visible
from tapgen.report.counting import counted

_EPILOG = """\b
Examples:
  tapgen local start
  tapgen local start --port 4600
  tapgen local start --persist
  aws --endpoint-url http://127.0.0.1:4599 cloudformation list-stack-sets
  tapgen local fault add throttle --action CreateStackInstances
  tapgen local account Workloads/Prod
  tapgen local clock --forward 10m
  tapgen local reset
"""

_NOT_RUNNING = "the embedded AWS is not running; start it with tapgen local start"

_FAULT_EPILOG = """\b
Effects:
  fail         a resource fails (--logical-id or --type), and its stack rolls back
  delay        an answer or a resource takes --seconds longer, or until the fault is cleared
  throttle     the service throttles the call
  error        the service fails: --status 500 or 503, or an error --code of its own
  cut          the connection ends without an answer, --when before or after the work
  unavailable  one service or all are down until the fault is cleared
  expired      the credentials have expired
  denied       no policy allows the call
  kill         the process of the function that makes the call is killed, --when before or
               after the work; its caller gets the --reason

\b
Examples:
  tapgen local fault add throttle --action CreateStackInstances --times 3
  tapgen local fault add cut --when after --action CreateStackInstances
  tapgen local fault add fail --logical-id Bucket --region eu-west-1 --reason "no luck"
  tapgen local fault add delay --seconds 5 --type AWS::S3::Bucket
  tapgen local fault add unavailable --service s3 --region us-east-2
  tapgen local fault add error --service dynamodb --probability 0.1 --seed 7
  tapgen local fault add kill --service s3 --action PutObject --nth 5
  tapgen local fault add --file bad_day.yaml
"""


@click.group("local", epilog=_EPILOG)
def local_command() -> None:
    """Start, stop and inspect the embedded AWS.

    It listens on 127.0.0.1 only and stores its files in .tapgen/. Its default account is
    000000000000. An access key of 12 digits selects the account; any secret works.
    """


@local_command.command(
    "start",
    epilog="\b\nExamples:\n  tapgen local start\n  tapgen local start --port 4600 --persist"
    "\n  tapgen local start --permissions warn",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [4599].")
@click.option(
    "--persist",
    is_flag=True,
    envvar="TAPGEN_LOCAL_PERSIST",
    help="Store all state in .tapgen/state/; it survives a stop and a kill.",
)
@click.option(
    "--permissions",
    type=click.Choice(["off", "warn", "on"]),
    help="Refuse what the roles of stack sets may not do; warn: only list it [on].",
)
def _start(port: int | None, persist: bool, permissions: str | None) -> None:
    """Start the embedded AWS, unless it runs already."""
    server = local_server(port, persist)
    if permissions:
        _call("enforce", permissions)
    if not server.persist and embedded().has_state(LOCAL_FOLDER):
        say(
            "an earlier run stored its state; to continue with it, stop, then start with "
            "--persist"
        )
    click.echo(f"the embedded AWS runs at {server.url} (process {server.pid})")
    say("for other tools:")
    say(f"  export AWS_ENDPOINT_URL={server.url} AWS_DEFAULT_REGION=us-east-1")
    say("  export AWS_ACCESS_KEY_ID=000000000000 AWS_SECRET_ACCESS_KEY=local")


@local_command.command("stop", epilog="\b\nExample:\n  tapgen local stop")
@click.option("--quiet", is_flag=True, help="Print nothing.")
def _stop(quiet: bool) -> None:
    """Stop the embedded AWS; without --persist its state is lost."""
    server = _call("running")
    stopped = _call("stop")
    if quiet:
        return
    click.echo("stopped" if stopped else "it was not running")
    if server and server.persist:
        click.echo("its state is stored: continue with tapgen local start --persist")


@local_command.command("reset", epilog="\b\nExample:\n  tapgen local reset")
def _reset() -> None:
    """Delete all state: accounts, resources, faults, stored state."""
    if _call("running") or not embedded().forget(LOCAL_FOLDER):
        _call_running("reset")
    click.echo("empty again")


_FORMS: Mapping[str, Callable[[float], str]] = {
    "uptime": lambda seconds: f"{timedelta(seconds=round(seconds))}",
    "memory": lambda size: f"{size / 2**20:,.0f} MiB",
}
"""How numbers of the status are shown to people."""


@local_command.command(
    "status",
    epilog="\b\nExamples:\n  tapgen local status\n  tapgen local status --output json",
)
@output_option
def _status(output: str) -> int:
    """Show whether the embedded AWS runs, and what it contains.

    A shape-only resource has an identifier and attributes of the right form, with
    nothing behind them. Members are accounts of organizations: management account,
    account, unit. Refused calls are those that a role may not make: account, role,
    action, resource, and how often. Exit code 1 when it is not running.
    """
    if not _call("running"):
        if output == "json":
            print_json({"running": False})
        else:
            click.echo(_NOT_RUNNING)
        return 1
    found = embedded().status(LOCAL_FOLDER)
    if output == "json":
        print_json({"running": True, **found})
        return 0
    # Single values first, then lists.
    for key, value in sorted(found.items(), key=lambda i: isinstance(i[1], list)):
        rows = value if isinstance(value, list) else []
        shown = _FORMS[key](value) if key in _FORMS else value
        shown = shown if rows != value else len(rows) or "none"
        click.echo(f"{key.replace('_', ' '):18} {shown}")
        for row in rows:
            click.echo(visible("  " + "  ".join(str(v) for v in row.values())))
    return 0


@local_command.command(
    "account",
    epilog="\b\nExamples:\n  tapgen local account Workloads/Prod\n"
    "  tapgen local account Sandbox 483920193847\n  tapgen local account /",
)
@click.argument("unit")
@click.argument("account", metavar="[ACCOUNT]", required=False)
@output_option
def _account(unit: str, account: str | None, output: str) -> None:
    """Put a new or existing account into an organizational unit.

    Without ACCOUNT tapgen creates one, and prints its id. UNIT is a path of names below the root, or / for the root itself. A missing
    organization or unit is created; 000000000000 is the management account. Move an
    account to rehearse automatic deployment.
    """
    from tapgen.aws import organizations

    if unit != "/" and not all(name.strip() for name in unit.strip("/").split("/")):
        raise click.UsageError(
            f"UNIT {unit!r} is not a unit; give a path of names, or /"
        )
    if account is not None and not re.fullmatch(r"[0-9]{12}", account):
        raise click.UsageError(f"ACCOUNT must have 12 digits, not {account!r}")
    aws = reach(
        local=True, profile=None, region=None, account=None, default_region="us-east-1"
    )
    id = organizations.join(aws, unit, account)
    if output == "json":
        print_json({"account": id, "unit": unit})
    else:
        click.echo(id)


@local_command.command(
    "clock",
    epilog="\b\nExamples:\n  tapgen local clock --forward 10m\n  tapgen local clock --real",
)
@click.option("--forward", metavar="DURATION", help="Move it by 30s, 10m, 24h …")
@click.option("--real", is_flag=True, help="Show the real time again.")
def _clock(forward: str | None, real: bool) -> None:
    """Let time go by in the embedded AWS, or not.

    Its clock shows the real time until it is moved; then it stands still until it is
    moved again. What AWS does as time goes by (backups, alarms without data, the end of
    a promotion or of a key) happens when the clock is moved.
    """
    from tapgen.config.patterns import DURATION, seconds

    if (forward is None) == (not real):
        raise click.UsageError("give either --forward with a duration, or --real")
    if real:
        click.echo(_call_running("release_clock"))
        return
    if not re.fullmatch(DURATION, str(forward)):
        raise click.UsageError(
            f"--forward {forward!r} is not a duration; give a whole number with s, m or "
            "h, such as 10m"
        )
    click.echo(_call_running("move_clock", seconds(str(forward))))


@local_command.group("fault", epilog=_FAULT_EPILOG)
def _fault() -> None:
    """Rehearse a bad day: make calls and resources fail."""


def _texts(*names: str) -> Callable[[Any], Any]:
    """Return options that take a name or a pattern."""

    def add(command: Any) -> Any:
        for name in reversed(names):
            text = f"Match only this {name.replace('-', ' ')}; * is a wildcard."
            command = click.option(f"--{name}", metavar="NAME", help=text)(command)
        return command

    return add


@_fault.command("add", epilog=_FAULT_EPILOG)
@click.argument("effect", required=False)
@_texts("service", "action", "account", "region", "stack-set", "logical-id", "type")
@click.option("--nth", metavar="N", help="First match that fails [1].")
@click.option(
    "--times", metavar="N|always", help="How many matches fail, 1 or more [1]."
)
@click.option("--probability", metavar="P", help="Probability for each match, 0 to 1.")
@click.option("--seed", metavar="N", help="Seed: makes --probability repeatable.")
@click.option("--reason", metavar="TEXT", help="Error message.")
@click.option("--seconds", metavar="N", help="Length of a delay.")
@click.option(
    "--when", metavar="before|after", help="When a cut or kill happens [before]."
)
@click.option("--status", metavar="N", help="HTTP status of an error [500].")
@click.option("--code", metavar="CODE", help="AWS error code of an error.")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML list of faults with `effect` and `match`.",
)
@output_option
def _fault_add(
    effect: str | None, path: Path | None, output: str, **given: str | None
) -> None:
    """Add a fault, or the faults of a file; the embedded AWS must run."""
    options = {k: v for k, v in given.items() if v is not None}
    if (effect is None) == (path is None):
        raise click.UsageError("give either an effect, or a file of faults with --file")
    if path is not None and options:
        raise click.UsageError(f"--file and --{min(options)} cannot be used together")
    module = _faults()
    try:
        wanted = module.read(path) if path else module.of_options(effect, options)
    except module.FaultError as error:
        raise LocalError(str(error)) from error
    _show_faults(_call_running("add_faults", wanted), output)


@_fault.command("list", epilog="\b\nExample:\n  tapgen local fault list")
@output_option
def _fault_list(output: str) -> None:
    """List the faults, with how often each matched and fired."""
    _show_faults(_call_running("faults"), output)


@_fault.command(
    "clear",
    epilog="\b\nExamples:\n  tapgen local fault clear 2\n  tapgen local fault clear",
)
@click.argument("id_", metavar="[ID]", required=False)
def _fault_clear(id_: str | None) -> None:
    """Remove the fault ID, or all faults."""
    removed = _call_running("clear_faults", id_)
    click.echo(f"{counted(removed, 'fault')} removed")


def _show_faults(found: list[dict[str, Any]], output: str) -> None:
    if output == "json":
        print_json({"faults": found})
        return
    if not found:
        click.echo("there are no faults")
    for fault in found:
        counts = f"matched {fault['matched']}, fired {fault['fired']}"
        shown = _faults().in_words(fault)
        click.echo(f"{fault['id']:>3}  {shown}  ({counts})")


def _call_running(name: str, *arguments: Any) -> Any:
    """Call a function of `lifecycle` for this folder; LocalError if nothing runs."""
    if not _call("running"):
        raise LocalError(_NOT_RUNNING)
    return _call(name, *arguments)


def _call(name: str, *arguments: Any) -> Any:
    """Call a function of `lifecycle` for this folder."""
    lifecycle = embedded()
    try:
        return getattr(lifecycle, name)(LOCAL_FOLDER, *arguments)
    except lifecycle.EmulatorError as error:
        raise LocalError(str(error)) from error


def _faults() -> Any:
    embedded()
    from tapgen.emulator.faults import parsing

    return parsing


@local_command.command("serve", hidden=True)
@click.option("--port", type=int, required=True)
@click.option("--folder", type=click.Path(path_type=Path), required=True)
@click.option("--token", envvar="TAPGEN_LOCAL_TOKEN", required=True)
def _serve(port: int, folder: Path, token: str) -> None:
    """Run the embedded AWS in the foreground."""
    from tapgen.emulator.server import lifecycle, process
    from tapgen.system import names
    from tapgen.template import (
        handler_calls,
        java_patterns,
        refusals,
        replacements,
        schemas,
    )

    def shape(type: str, region: str) -> Any:
        return schemas.schema(type, region)

    try:
        known = refusals.reason, names.exclusive, replacements.of_update
        process.serve(
            *(port, folder, token, shape, *known),
            *(java_patterns.matches, handler_calls.of, schemas.is_action),
        )
    except lifecycle.EmulatorError as error:
        # The log of the process; `start` shows it, with its own heading.
        click.echo(str(error), err=True)
        raise SystemExit(1) from None
