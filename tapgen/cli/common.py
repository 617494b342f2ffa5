"""Shared parts of the commands: options, systems, connecting to AWS, output."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tapgen.cli import near, suggest
from tapgen.errors import ConfigError, LocalError
from tapgen.frozen import dataclass
from tapgen.model import System
from tapgen.report.control import visible
from tapgen.report.wrapping import fitting

if TYPE_CHECKING:  # slow to import, and not needed where nothing has changed
    from tapgen.config import Blueprint, Config

LOCAL_FOLDER = Path(".tapgen")
LINT_FOLDER = LOCAL_FOLDER / "lint"
TEMPLATES_FOLDER = suggest.TEMPLATES_FOLDER

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def options(*decorators: Callable[[Any], Any]) -> Callable[[F], F]:
    """Return a decorator that adds the options of several, in this order."""

    def add(function: F) -> F:
        return functools.reduce(lambda f, d: d(f), reversed(decorators), function)

    return add


stacksets_option = click.option(
    "--stacksets",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("stacksets"),
    envvar="TAPGEN_STACKSETS",
    show_default=True,
    help="Folder of the systems' YAML files.",
)
environment_option = click.option(
    "-e",
    "--environment",
    envvar="TAPGEN_ENVIRONMENT",
    metavar="NAME",
    shell_complete=suggest.environments,
    help="Apply this entry of `environments:` to the config.",
)
system_argument = click.argument(
    "system",
    required=False,
    metavar="[SYSTEM]",
    shell_complete=suggest.systems_and_files,
)
systems_argument = click.argument(
    "systems", nargs=-1, metavar="[SYSTEM]...", shell_complete=suggest.systems_and_files
)
system_options = options(system_argument, environment_option, stacksets_option)
output_option = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    envvar="TAPGEN_OUTPUT",
    show_default=True,
    help="Format of the result on standard output.",
)
PROGRESS = "progress"
"""Under which key a command keeps the form of its progress that was chosen."""


def _keep(context: click.Context, option: click.Parameter, value: str | None) -> None:
    context.meta[PROGRESS] = value


progress_option = click.option(
    "--progress",
    type=click.Choice(["bar", "lines", "errors-only", "json"]),
    envvar="TAPGEN_PROGRESS",
    expose_value=False,
    callback=_keep,
    help="Form of the progress on standard error: a table on a terminal, a line for each "
    "event, failures and what waits for somebody only, or a JSON object for each event "
    "[bar on a terminal, else lines].",
)
supersede_option = click.option(
    "--supersede",
    metavar="RUN",
    help="Replace this open run by a new plan, and keep its last good state.",
)
without_option = click.option(
    "--without-region",
    "without",
    metavar="REGION",
    multiple=True,
    shell_complete=suggest.regions,
    help="Go on although this region, which has a copy of the journal, does not answer.",
)
aws_options = options(
    click.option(
        "--local",
        is_flag=True,
        envvar="TAPGEN_LOCAL",
        help="Use the embedded AWS of this folder; start it if needed.",
    ),
    click.option("-p", "--profile", metavar="NAME", help="AWS profile [AWS_PROFILE]."),
    click.option(
        "-r",
        "--region",
        metavar="REGION",
        shell_complete=suggest.regions,
        help="Default region for AWS calls.",
    ),
    click.option(
        "--account",
        metavar="ID",
        help="Stop unless the credentials belong to this account.",
    ),
)
assume_role_option = click.option(
    "--assume-role",
    metavar="NAME",
    help="Role to assume in accounts other than your own.",
)
timings_option = click.option(
    "--timings", is_flag=True, help="Print how long each stage took."
)


def system_path(name: str | None, folder: Path) -> Path:
    """Return the YAML file of a system given by name or path.

    Without a name it is the only file in the folder. Raises ConfigError when there is no
    such file, UsageError when a name is needed.
    """
    if name and (name.endswith((".yaml", ".yml")) or os.sep in name):
        return Path(name)
    known = system_names(folder)
    if name is None:
        if len(known) == 1:
            return folder / f"{known[0]}.yaml"
        has = ", ".join(known) or "none; write one with tapgen init"
        raise click.UsageError(f"name a system; {folder}/ has {has}")
    if name not in known:
        has = ", ".join(known) or "no YAML files; write one with tapgen init"
        hint = near(name, known)
        raise ConfigError(
            [f"{folder / name}.yaml: no such file; {folder}/ has {has}{hint}"]
        )
    return folder / f"{name}.yaml"


def system_names(folder: Path) -> list[str]:
    """Return the names of the systems in a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def each(paths: Iterable[Path], read: Callable[[Path], T]) -> dict[Path, T]:
    """Call a function for each config; ConfigError with the mistakes of all configs."""
    found: dict[Path, T] = {}
    problems: list[str] = []
    for path in paths:
        try:
            found[path] = read(path)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found


@dataclass(frozen=True)
class Loaded:
    """A system and the config and blueprint it comes from."""

    system: System
    config: Config
    blueprint: Blueprint


def load(path: Path, environment: str | None) -> Loaded:
    """Read a config and build its system."""
    from tapgen import blueprints, config

    find = _finder(path)
    return _built(config.load(path, find, environment, blueprints.names), find)


def load_all(path: Path) -> list[Loaded]:
    """Read a config, and build its system and that of each of its environments."""
    from tapgen import blueprints, config

    find = _finder(path)
    read = config.load_all(path, find, blueprints.names)
    return [_built(one, find) for one in read.values()]


def environments(path: Path) -> list[Config]:
    """Read a config and that of each of its environments, and build nothing."""
    from tapgen import blueprints, config

    return list(config.load_all(path, _finder(path), blueprints.names).values())


def place(path: Path, environment: str | None) -> System | None:
    """Return the system in a file that may have mistakes, without its stack sets; None
    where the file does not say for certain where its runs are."""
    from tapgen.config import place

    return place.read(path, _finder(path), environment)


def _finder(path: Path) -> Callable[[str], Blueprint | None]:
    """Return a function that finds the blueprints a file may name, each once."""
    from tapgen import blueprints

    return functools.cache(functools.partial(blueprints.find, folder=path.parent))


def _built(read: Config, find: Callable[[str], Blueprint | None]) -> Loaded:
    blueprint = find(read.blueprint)
    assert blueprint, "config.load accepts known blueprints only"
    return Loaded(blueprint.build(read), read, blueprint)


@dataclass
class Timings:
    """How long each stage of a command took, in seconds."""

    stages: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.stages[name] = self.stages.get(name, 0) + spent

    def show(self) -> None:
        for name, seconds in self.stages.items():
            say(f"{seconds:8.2f} s  {name}")
        say(f"{sum(self.stages.values()):8.2f} s  total")


def reach(
    *,
    local: bool,
    profile: str | None,
    region: str | None,
    account: str | None,
    default_region: str,
    others: Iterable[str] = (),
) -> Any:
    """Connect to AWS: the embedded one, or the one that boto3 is configured for; `others`
    are regions to ask who calls, where the default one is away."""
    from tapgen.aws import session

    if local:
        if profile:
            raise click.UsageError("--local and --profile cannot be used together")
        server = local_server()
        folder = server.folder
        aws = session.connect_local(
            server.url,
            region or default_region,
            instance=lambda: str(embedded().instance_of(folder)),
        )
    else:
        aws = session.connect(profile, region)
    aws.others = tuple(others)
    if account and aws.account != account:
        raise click.UsageError(
            f"the credentials belong to account {aws.account}, not to --account {account}; "
            "choose another profile with --profile"
        )
    return aws


def local_server(port: int | None = None, persist: bool | None = None) -> Any:
    """Return the embedded AWS of this folder; start it if it is not running.

    With `persist` or TAPGEN_LOCAL_PERSIST its state stays on disk. Where nobody has chosen,
    it goes on with the state that is on disk: after a kill, a run that was open is open.
    """
    lifecycle = embedded()
    command = [sys.executable, "-m", "tapgen", "local", "serve"]
    try:
        running = lifecycle.running(LOCAL_FOLDER)
        if running and port in (None, running.port) and not persist:
            return running
        if not running:
            if persist is None and lifecycle.PERSIST_VARIABLE not in os.environ:
                persist = lifecycle.has_state(LOCAL_FOLDER)
            stored = " with its stored state" if persist else ""
            say(f"starting the embedded AWS{stored} …")
        return lifecycle.start(local_folder(), command, port, persist=persist or None)
    except lifecycle.EmulatorError as error:
        raise LocalError(str(error)) from error


def embedded(installed: Callable[[str], Any] = find_spec) -> Any:
    """Return the module that starts and stops the embedded AWS.

    Raises LocalError where the packages that it needs are not installed.
    """
    try:
        if installed("ministack") is None:
            raise ImportError
        from tapgen.emulator.server import lifecycle
    except ImportError:
        raise LocalError(
            "the embedded AWS is not installed; install it with: "
            "pip install 'tapgen[local]'"
        ) from None
    return lifecycle


def local_folder() -> Path:
    """Return the folder of caches and of the embedded AWS; create it if needed, with a
    .gitignore that keeps all of it out of commits."""
    try:
        LOCAL_FOLDER.mkdir()
        (LOCAL_FOLDER / ".gitignore").write_text("# Created by tapgen.\n*\n")
    except OSError:
        pass  # it exists, or whoever uses it reports what is wrong
    return LOCAL_FOLDER


def say(text: str) -> None:
    """Print a message that is not the result: to standard error, wrapped in a terminal."""
    click.echo(fitting(visible(text), sys.stderr), err=True)


def print_json(data: Any) -> None:
    """Print the result as JSON to standard output."""
    text = json.dumps(data, indent=2, default=str)
    click.echo(text.replace("\x7f", "\\u007f"))


def interactive() -> bool:
    """Whether a user at a terminal can confirm."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")
