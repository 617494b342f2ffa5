"""The engine in AWS, as commands use it: choose it, hand a run over to it, wake it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from tapgen.cli import DONE, FAILED
from tapgen.cli.common import say
from tapgen.cli.reach import Reached, command_line
from tapgen.errors import AwsError, RolloutError

if TYPE_CHECKING:  # slow to import
    from tapgen.accounts.engine import Engine
    from tapgen.engine.cost import Cost
    from tapgen.rollout.opening import Opened
    from tapgen.rollout.remote import Remote

AWS = "aws"

engine_option = click.option(
    "--engine",
    type=click.Choice(["local", AWS]),
    help="What advances the run: this process, or the engine in AWS [rollout.engine].",
)
wait_option = click.option(
    "--wait", is_flag=True, help="With the engine in AWS: follow the run to its end."
)

KINDS = ("rollout", "rollback")
"""The commands whose runs the engine in AWS advances: its role may do what they do."""


def is_in_aws(reached: Reached, engine: str | None) -> bool:
    """Whether the engine in AWS is to advance a new run of a system."""
    return (engine or reached.system.rollout.engine) == AWS


def require_engine(reached: Reached) -> Engine:
    """Return the engine in AWS that may run a new run of a system.

    Raises RolloutError where there is none, it is of another version, or the system has
    what cannot run there; AwsError where that cannot be read.
    """
    from tapgen.model import CommandGate

    for gate in reached.system.rollout.gates:
        if isinstance(gate, CommandGate):
            raise RolloutError(
                f"gate {gate}: a command cannot run in AWS; use a probe or an approval, or "
                "give --engine local"
            )
    return require_deployed(reached)


def require_deployed(reached: Reached) -> Engine:
    """Return the engine in AWS that may run a system, as `require_engine` does, whatever
    gates the config has."""
    from tapgen.accounts import engine
    from tapgen.engine import FORMAT, package

    system = reached.system
    if reached.without:
        raise RolloutError(
            "--without-region: the engine in AWS runs in the administration region and "
            "writes all copies of the journal; give --engine local"
        )
    found = engine.deployed(reached.sets.aws, system.admin)
    deploy = f"{command_line('bootstrap', reached)} --engine"
    if found is None:
        raise RolloutError(
            f"no engine is deployed in {system.admin}; deploy it: {deploy}; or give "
            "--engine local"
        )
    if system.prefix not in found.systems:
        known = ", ".join(sorted(found.systems)) or "no system"
        raise RolloutError(
            f"the engine in {system.admin} may run {known}, not {system.prefix}; let it: "
            f"{deploy}"
        )
    if found.format < FORMAT:
        raise RolloutError(
            f"the engine in {system.admin} reads journals up to format {found.format}, this "
            f"tapgen writes format {FORMAT}; update it: {deploy}"
        )
    if found.format > FORMAT:
        raise RolloutError(
            f"the engine in {system.admin} is of a newer tapgen: it writes journals of "
            f"format {found.format}, this one reads up to {FORMAT}; update tapgen"
        )
    if found.code != package.key():
        say(f"the engine in AWS has other code than this tapgen; update it: {deploy}")
    return found


def remote(reached: Reached, engine: Engine) -> Remote:
    """Return what the engine in AWS has to know of a system."""
    from tapgen.rollout.remote import Remote

    return Remote(
        engine.state_machine,
        reached.system.operator_role,
        reached.sets.delegated,
        reached.sets.copies,
        reached.poll_seconds,
        reached.system.rollout.patience,
    )


def begin(reached: Reached, engine: Engine, run: str, number: int) -> str | None:
    """Start the execution of a run that is handed over; return its name. None where AWS
    does not start it, which is reported with what to do."""
    from tapgen.engine import executions

    prefix, machine = reached.system.prefix, engine.state_machine
    try:
        return executions.start(reached.sets.aws, machine, prefix, run, number)
    except AwsError as error:
        line = command_line("resume", reached)
        say(
            f"error: run {run} belongs to the engine in AWS now, but its execution was not "
            f"started: {error}; the engine's schedule starts it within minutes, or go on "
            f"here: {line} --engine local"
        )
        return None


def say_begun(reached: Reached, run: str, execution: str) -> None:
    """Say that a run goes on in AWS, and what to do with it."""
    say(
        f"run {run} goes on in AWS (execution {execution}); this terminal is not needed"
    )
    for what, command in _NEXT:
        say(f"  {what}: {command_line(command, reached)}")


_NEXT = (("follow it", "watch"), ("stop it", "stop"), ("approve a gate", "approve"))


def cost_in_aws(reached: Reached, engine: str | None, outlook: Any) -> Cost | None:
    """Return what the rollout of a plan takes in AWS, by its outlook; None where it changes
    nothing, or does not run there."""
    from tapgen.engine import cost

    ahead = outlook.forecast
    if not ahead.waves or not is_in_aws(reached, engine):
        return None
    waves = [
        (max(s.span.low for s in wave), max(s.span.high for s in wave))
        for wave in ahead.waves
        if wave
    ]
    return cost.of(waves, ahead.bake.high)


def say_cost(cost: Cost | None) -> None:
    """Print what a rollout takes in AWS, where it runs there."""
    if cost:
        click.echo(str(cost))


def waker(reached: Reached, found: Opened | None) -> Callable[[], None]:
    """Return what begins a turn of the engine in AWS where that holds a run, so that it
    sees at once what was written for it; else nothing."""

    def wake() -> None:
        from tapgen.accounts import engine
        from tapgen.engine import executions

        aws, admin = reached.sets.aws, reached.system.admin
        assert found
        try:
            there = engine.deployed(aws, admin)
            if there is None or there.state_machine != found.lock.engine:
                say(
                    f"nobody goes on with run {found.lock.run}: {found.lock.engine} is not "
                    f"there; go on here: {command_line('resume', reached)} --engine local"
                )
                return
            run = found.lock.run
            executions.wake(aws, there.function, admin, found.journal.prefix, run)
        except AwsError as error:
            say(
                f"the engine in AWS sees this at its next turn, within minutes ({error})"
            )

    return wake if found and found.lock.engine else lambda: None


def execution_again(reached: Reached, found: Opened) -> str | None:
    """Say that the engine in AWS has a run, and start its execution again where somebody
    has stopped that; return the name of the new one, empty for none, None where AWS does
    not start it. Raises RolloutError where the engine is gone: signs of life outlast it.
    """
    from tapgen.aws import executions

    there, run = require_deployed(reached), found.lock.run
    already = f"run {run} is advanced in AWS already ({there.state_machine})"
    aws, admin = reached.sets.aws, reached.system.admin
    try:
        running = executions.running(aws, admin, there.state_machine)
    except AwsError as error:
        say(f"{already}, as far as its last turn says; {error}")
        return ""
    if any(one.given.get("run") == run for one in running):
        say(already)
        return ""
    name = begin(reached, there, run, found.state.number + 1)
    if name:
        say(f"nobody called the engine for run {run}; execution {name} does")
    return name


def resume_in_aws(reached: Reached, found: Opened, back: bool) -> int | tuple[str, str]:
    """Leave an open run to the engine in AWS; return the run and its execution, or an exit
    code where AWS was lost meanwhile or does not start it, or the run had not begun."""
    from tapgen.cli.running import user
    from tapgen.rollout import Lost, gating, runner, uploads
    from tapgen.rollout.program import Kind

    run, command = found.lock.run, found.lock.command
    if command not in KINDS:
        raise RolloutError(
            f"run {run} of tapgen {command} cannot go on in AWS: the engine there runs "
            f"{' and '.join(KINDS)}; give --engine local"
        )
    for id, step in found.state.program.steps.items():
        gate = gating.gate_of(step) if step.kind is Kind.GATE else None
        progress = found.state.progress.get(id)
        if gate and gate.kind == "command" and not (progress and progress.over):
            raise RolloutError(
                f"run {run} cannot go on in AWS: gate {gate} runs a command; give --engine "
                "local"
            )
    engine = require_deployed(
        reached
    )  # the gates of the run count, not those of the config
    uploads.finish(reached.sets.aws, found.state, uploads.of(reached.system))
    try:
        handed = runner.resume_in_aws(
            reached.sets,
            reached.system.prefix,
            lambda event: say(event.message),
            remote(reached, engine),
            back=back,
            who=user(),
            poll_seconds=reached.poll_seconds,
        )
    except Lost as lost:
        say(f"error: {lost}")
        return FAILED
    if handed is None:
        say(f"no run of {reached.system.prefix} is open")
        return DONE
    execution = begin(reached, engine, *handed)
    return (run, execution) if execution else FAILED


def start_in_aws(
    reached: Reached, plan: Any, engine: Engine, starter: Any
) -> int | tuple[str, str]:
    """Start a run of a plan, and leave it to the engine in AWS; return the run and its
    execution, or an exit code where AWS was lost meanwhile, or does not start it."""
    from tapgen.rollout import Lost
    from tapgen.rollout.planned import run_in_aws

    try:
        run, number = run_in_aws(
            plan,
            reached.sets,
            lambda event: say(event.message),
            remote(reached, engine),
            starter=starter,
            poll_seconds=reached.poll_seconds,
        )
    except Lost as lost:
        say(f"error: {lost}")
        return FAILED
    execution = begin(reached, engine, run, number)
    return (run, execution) if execution else FAILED
