"""`tapgen local`: the embedded AWS of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tapgen.cli.common import (
    LOCAL_FOLDER,
    local_server,
    output_option,
    print_json,
    say,
)
from tapgen.errors import LocalError

_EPILOG = """\b
Examples:
  tapgen local start
  tapgen local start --port 4600
  aws --endpoint-url http://127.0.0.1:4599 cloudformation list-stack-sets
  tapgen local reset
"""


@click.group("local", epilog=_EPILOG)
def local_command() -> None:
    """Start, stop and look at the embedded AWS.

    It listens on 127.0.0.1 only and keeps its files in .tapgen/. Its default account
    is 000000000000; an access key of 12 digits is the account, any secret will do.
    """


@local_command.command("start")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here [4599].")
def _start(port: int | None) -> None:
    """Start it; does nothing when it runs already."""
    server = local_server(port)
    click.echo(f"the embedded AWS runs at {server.url} (process {server.pid})")
    say("for other tools:")
    say(f"  export AWS_ENDPOINT_URL={server.url} AWS_REGION=us-east-1")
    say("  export AWS_ACCESS_KEY_ID=000000000000 AWS_SECRET_ACCESS_KEY=local")


@local_command.command("stop")
@click.option("--quiet", is_flag=True, help="Say nothing.")
def _stop(quiet: bool) -> None:
    """Stop it; its state is gone then."""
    stopped = _life().stop(LOCAL_FOLDER)
    if not quiet:
        click.echo("stopped" if stopped else "it was not running")


@local_command.command("reset")
def _reset() -> None:
    """Empty it: every account, region and resource."""
    _needed()
    _life().reset(LOCAL_FOLDER)
    click.echo("empty again")


@local_command.command("status")
@output_option
def _status(output: str) -> int:
    """Show whether it runs, what it holds, and which resources are shape only.

    Shape only means: an identifier and attributes of the right form, nothing behind.
    Exit code 1 when it does not run.
    """
    if not _life().running(LOCAL_FOLDER):
        if output == "json":
            print_json({"running": False})
        else:
            click.echo(
                "the embedded AWS does not run; start it with tapgen local start"
            )
        return 1
    found = _life().status(LOCAL_FOLDER)
    if output == "json":
        print_json({"running": True, **found})
        return 0
    for key, value in found.items():
        if key != "shape_only":
            click.echo(f"{key.replace('_', ' '):18} {value}")
    shapes = found.get("shape_only", [])
    click.echo(f"{'shape only':18} {len(shapes) or 'none'}")
    for shape in shapes:
        click.echo("  " + "  ".join(str(v) for v in shape.values()))
    return 0


@local_command.command("serve", hidden=True)
@click.option("--port", type=int, required=True)
@click.option("--folder", type=click.Path(path_type=Path), required=True)
@click.option("--token", envvar="TAPGEN_LOCAL_TOKEN", required=True)
def _serve(port: int, folder: Path, token: str) -> None:
    """Be the embedded AWS, in the foreground."""
    from tapgen import schemas

    def shape(type: str, region: str) -> Any:
        return schemas.schema(type, region)

    _life().serve(port, folder, token, shape)


def _life() -> Any:
    try:
        from tapgen.emulator import life
    except ImportError as error:
        raise LocalError(
            f"the embedded AWS is not installed ({error}); "
            "install it with: pip install 'tapgen[local]'"
        ) from error
    return life


def _needed() -> None:
    if not _life().running(LOCAL_FOLDER):
        raise LocalError(
            "the embedded AWS does not run; start it with tapgen local start"
        )
