"""`tapgen watch`: follow a run from anywhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import DONE, FAILED, PARTIAL
from tapgen.cli.common import (
    aws_options,
    environment_option,
    output_option,
    print_json,
    progress_option,
    say,
    stacksets_option,
    system_argument,
)
from tapgen.cli.open_run import chosen_run, nearest, ways_on
from tapgen.cli.reach import Reached, command_line
from tapgen.cli.reach_runs import reach_runs

if TYPE_CHECKING:  # slow to import
    from tapgen.rollout.watching import View, Watch

_EPILOG = """\b
Examples:
  tapgen watch payments_dr
  tapgen watch payments_dr --once --output json
  tapgen watch payments_dr 1a2b3c --local
  tapgen watch payments_dr --progress lines
  tapgen watch secure-network-prod -r us-east-1

Without RUN it follows the open run, or else shows the newest one. Ctrl-C ends watching,
and not the run.

Exit codes: 0 the run is done, or under way with --once, 1 it was restored or abandoned,
3 it is open and no process continues it, or that cannot be seen, 130 interrupted.
"""


@click.command("watch", epilog=_EPILOG)
@system_argument
@click.argument("run", required=False, metavar="[RUN]")
@environment_option
@stacksets_option
@aws_options
@output_option
@progress_option
@click.option("--once", is_flag=True, help="Show the run as it is now, and end.")
def watch_command(
    system: str | None,
    run: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    once: bool,
    **aws_choice: Any,
) -> int:
    """Follow a run of SYSTEM: each target with wave, status, resource and time.

    It reads the journal and AWS, so it works from any machine, while the run goes on, after
    it has ended, and after its process was killed, which it says. It changes nothing.
    """
    reached = reach_runs(system, environment, folder, aws_choice)
    return follow(reached, run, as_json=output == "json", once=once)


def follow(
    reached: Reached,
    run: str | None,
    *,
    as_json: bool = False,
    once: bool = False,
    beside: bool = False,
) -> int:
    """Follow a run as the command does; return its exit code. `beside` says that the output
    is JSON of somebody else, so that the last view belongs to the messages."""
    from tapgen.report import watching as report

    watch = _attach(reached, run)
    with _shown(reached, quiet=once) as show:
        view = _followed(reached, watch, show, once=once)
    if as_json:
        print_json(report.data(view))
    else:
        _print(reached, watch, view, stderr=beside)
    return _code(view, once)


def _attach(reached: Reached, run: str | None) -> Watch:
    """Return who watches a run: the one that is named, or open, or the newest."""
    from tapgen.rollout import watching

    prefix = reached.system.prefix
    near = nearest(reached)
    found = chosen_run(near, run, "watched")
    times, earlier = watching.earlier_times(near.store, prefix, found.lock.run)
    blind = not near.waits_here(found)
    return watching.Watch(found, reached.sets, near.away, times, earlier, blind)


def _followed(
    reached: Reached, watch: Watch, show: Callable[[View], None], *, once: bool
) -> View:
    """Look until nobody advances the run any more, or `once`; return the last view."""
    from tapgen.rollout.watching import Life

    while True:
        view = watch.look()
        show(view)
        if once or view.life not in (Life.GOES_ON, Life.SILENT):
            return view
        try:
            time.sleep(max(0.5, reached.poll_seconds[0]))
        except KeyboardInterrupt:
            say(
                "watching has ended, the run has not; watch it again: "
                f"{command_line('watch', reached)}; stop it: {command_line('stop', reached)}"
            )
            raise


@contextmanager
def _shown(reached: Reached, *, quiet: bool) -> Iterator[Callable[[View], None]]:
    """Yield a function that shows each view in the form of progress that was chosen."""
    from rich.live import Live
    from rich.text import Text

    from tapgen.cli.progress import console, form, plain
    from tapgen.report import watching as report
    from tapgen.rollout import watching

    out = console(stderr=True)
    if quiet:
        yield lambda view: None
    elif form(out) == "bar":
        with Live(console=out, transient=True, auto_refresh=False) as live:

            def table(view: View) -> None:
                rows = max(4, out.height - 12)
                text = report.text(view, width=out.width, rows=rows)
                live.update(Text.from_markup(text), refresh=True)

            yield table
    else:
        screen, last = plain(out), None

        def lines(view: View) -> None:
            nonlocal last
            for event in watching.events(last, view):
                screen(event)
            last = view

        yield lines


def _print(reached: Reached, watch: Watch, view: View, *, stderr: bool) -> None:
    from tapgen.cli.progress import console
    from tapgen.report import watching as report
    from tapgen.rollout.watching import Life

    ways = []
    if view.life is not Life.ENDED:
        going = view.life in (Life.GOES_ON, Life.SILENT)
        ways = [ways_on(reached, watch.found, running=going)]
    if any(stage.waits for stage in view.stages):
        ways.append(f"approve it: {command_line('approve', reached)}")
    if watch.found.state.failures:
        ways.append(f"why something failed: {command_line('explain', reached)}")
    width = shutil.get_terminal_size((100, 40)).columns
    console(stderr=stderr).print(report.text(view, width=width, ways=ways))


def _code(view: View, once: bool) -> int:
    from tapgen.rollout.watching import Life

    if view.life is Life.ENDED:
        return DONE if view.run.result == "done" else FAILED
    going = view.life in (Life.GOES_ON, Life.SILENT)
    return DONE if once and going else PARTIAL
