"""The command line: the only room that uses all the others, prints and exits.

One file for each command or family of commands. A command is imported when it is
called, so `tapgen --help` stays quick. Begin reading at `COMMANDS`.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tapgen.errors import TapgenError
from tapgen.report.control import visible
from tapgen.report.wrapping import fitting

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

DONE, FAILED, CHANGES, PARTIAL, USAGE, INTERRUPTED = 0, 1, 2, 3, 64, 130
"""Exit codes; `lint` alone follows cfn-lint's. The table is in docs/commands.md."""

# command -> (module, one line of help); the help is here so that listing the commands
# imports nothing.
COMMANDS = {
    "init": ("init", "Write the YAML file of a shipped system to start from."),
    "new": ("new", "Start a system of your own: config, template, test."),
    "import": ("importing", "Turn stacks that exist into a system of stack sets."),
    "list": ("list", "List the systems, their environments and regions."),
    "schema": ("schema", "Print the JSON Schema of a system's YAML file."),
    "templates": ("templates", "Write the CloudFormation templates of systems."),
    "fmt": ("fmt", "Format the YAML files of systems, and YAML templates."),
    "lint": ("lint", "Check templates with cfn-lint for their target regions."),
    "rules": ("rules", "List and explain tapgen's own lint rules."),
    "diff": ("diff", "Compare two templates or two systems, without AWS."),
    "graph": ("graph", "Draw a system: regions, stack sets, and what flows between."),
    "cost": ("cost", "Estimate what a system costs in a month."),
    "plan": ("plan", "Show what a rollout would change, without changing it."),
    "rehearse": ("rehearse", "Run a plan on a copy of AWS, and let each target fail."),
    "rollout": ("rollout", "Deploy a system as stack sets, wave by wave."),
    "resume": ("resume", "Continue a rollout that was interrupted, or undo it."),
    "rollback": ("rollback", "Take a system back to the state of an earlier run."),
    "repair": ("repair", "Repair stack instances that hang, each in its safe way."),
    "move-admin": ("move_admin", "Administer a system from another region."),
    "approve": ("approve", "Approve or reject what a rollout waits for."),
    "stop": ("stop", "Stop a rollout from elsewhere, or close its run."),
    "watch": ("watch", "Follow a run: account, region, wave, status, time."),
    "history": ("history", "List the runs of a system, or show what one did."),
    "explain": ("explain", "Explain why a run failed, and what to do about it."),
    "report": ("report", "Report a run: how it ended, why, and what it has left."),
    "destroy": ("destroy", "Delete a system in reverse order; stateful data stays."),
    "failover": ("failover", "Move database and traffic to the other region."),
    "failback": ("failover", "Move database and traffic back to the first region."),
    "drill": ("drill", "Rehearse the loss of a region, and measure it."),
    "promote": ("promote", "Promote a read replica to a database of its own."),
    "shift": ("shift", "Move traffic share by share, and back where a gate is red."),
    "migrate": ("migrate", "Show where a migration is, and what comes next."),
    "runbook": ("runbook", "Write the procedures of a system as Markdown."),
    "pipeline": ("pipeline", "Write what delivers a system: GitHub or CodePipeline."),
    "bootstrap": ("bootstrap", "Create the roles and the bucket that a rollout needs."),
    "status": ("status", "Show every stack instance of a system."),
    "verify": ("verify", "Check outputs, alarms and health checks of a system."),
    "drift": ("drift", "Find what was changed by hand, and revert it."),
    "doctor": ("doctor", "Check what a rollout needs: roles, regions, buckets."),
    "limits": ("status", "Show AWS quotas and whether a system fits into them."),
    "outputs": ("status", "Show the outputs of a system, by part and region."),
    "local": ("local", "Start, stop and inspect the embedded AWS."),
    "completion": ("completion", "Print the completion script of bash, zsh or fish."),
}


COMPLETE = "_TAPGEN_COMPLETE"
"""The variable with which the script of a shell asks for completions."""

GROUPS = {
    "Write and check": "init new import list schema templates fmt lint rules diff graph cost",
    "Every day": "plan rehearse rollout watch approve status outputs history verify drift",
    "On a bad day": "explain report doctor stop resume rollback repair failover failback promote",
    "Operate": "shift migrate drill runbook limits move-admin destroy",
    "Set up": "bootstrap pipeline local completion",
}
"""The commands as `tapgen --help` lists them."""


# Commands that end soon, without threads: what they make is never collected, and the
# process ends without taking it apart. (Lint collects while cfn-lint runs.)
_ONE_SHOT = frozenset(
    "init new list schema templates fmt lint rules diff cost completion".split()
)


class _Commands(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        # Not list(): once its file is imported, that is the command of this name.
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        if name not in _ONE_SHOT:
            gc.enable()
        module = importlib.import_module(f"tapgen.cli.{COMMANDS[name][0]}")
        command: click.Command = getattr(module, f"{name.replace('-', '_')}_command")
        return command

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=line)
            for name, (_, line) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        # click's own list of commands imports each of them.
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: Any) -> None:
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, COMMANDS[name][1]) for name in names.split()]
                )

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            message = error.message.rstrip(".")
            raise click.UsageError(f"{message}{_meant(args[0])}") from None


# Words of other tools -> the command that does it here.
_ELSEWHERE = {
    "rollback": "revert undo",
    "rollout": "deploy apply up launch create update ship release publish sync push "
    "provision execute run",
    "plan": "preview changes whatif what-if dry-run dryrun changeset change-set",
    "lint": "validate check test",
    "fmt": "format",
    "templates": "build synth synthesize generate render compile package",
    "history": "log events runs",
    "explain": "why diagnose debug",
    "report": "summary audit",
    "status": "show describe info ps state get",
    "list": "ls",
    "cost": "price prices costs estimate infracost",
    "graph": "draw picture diagram topology viz",
    "bootstrap": "setup configure install",
    "outputs": "output",
    "stop": "cancel abort halt pause",
    "failover": "switchover",
    "local start": "start serve emulate",
    "--help": "help",
    "--version": "version",
}
_ALIASES = {word: name for name, words in _ELSEWHERE.items() for word in words.split()}
_CLOSE_TO_DESTROY = 0.8
"""How similar a word must be to `destroy` (difflib's ratio) to be a misspelling of it."""


def _meant(given: str) -> str:
    """Return the hint for a word that is no command.

    It never leads to `destroy`, unless the word is clearly a misspelling of it.
    """
    from difflib import SequenceMatcher

    if given.lower() in _ALIASES:
        return f"; did you mean {_ALIASES[given.lower()]!r}?"
    ratio = SequenceMatcher(None, given.lower(), "destroy").ratio()
    allowed = [c for c in COMMANDS if c != "destroy" or ratio >= _CLOSE_TO_DESTROY]
    return near(given.lower(), allowed)


def near(given: str, allowed: Any) -> str:
    """Return `; did you mean 'x'?` when an allowed word resembles the given one."""
    import difflib

    close = difflib.get_close_matches(given, [*allowed], 1)
    return f"; did you mean {close[0]!r}?" if close else ""


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: tapgen rollout secure_network --local",
)
@click.version_option(package_name="tapgen", prog_name="tapgen")
def tapgen() -> None:
    """Multi-region CloudFormation systems, from a YAML file to a StackSets rollout."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    A cancelled job (SIGTERM) or a lost terminal (SIGHUP) ends it as Ctrl-C does. It goes
    on silently when the reader of its output has gone.
    """
    from tapgen.cli import process

    if arguments is not None:
        with process.handled(process.interrupt):
            return _run(arguments)
    if COMPLETE in os.environ:
        importlib.import_module("tapgen.cli.completion")
    # Collecting garbage takes a tenth of a short command, for memory that its end
    # frees anyway (decision 18).
    gc.disable()
    process.tolerate_lost_readers()
    with process.handled(process.interrupt):
        code = _run(None)
        if not gc.isenabled():
            process.leave(code)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    from tapgen.cli import process

    try:
        code = tapgen.main(
            None if arguments is None else [*arguments],
            prog_name="tapgen",
            standalone_mode=False,
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.Abort:
        click.echo("stopped", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return FAILED
    except TapgenError as error:
        for line in str(error).splitlines():
            start = "" if line.startswith(" ") else "error: "  # it belongs to the last
            shown = fitting(f"{start}{visible(line)}", sys.stderr)
            click.echo(shown, err=True)
        return FAILED
    except OSError as error:
        if error.errno not in process.NO_ROOM or error.filename:
            raise
        process.discard(sys.stdout)
        click.echo(f"error: the output cannot be written ({error.strerror})", err=True)
        return FAILED
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return INTERRUPTED
