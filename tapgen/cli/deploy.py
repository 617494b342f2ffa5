"""Commands that change AWS: plan (which does not yet), rollout, destroy, bootstrap."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from tapgen.cli import CHANGES, DONE, FAILED, INTERRUPTED, PARTIAL
from tapgen.cli.common import (
    LINT_FOLDER,
    TEMPLATES_FOLDER,
    Loaded,
    Timings,
    assume_role_option,
    aws_options,
    interactive,
    load,
    output_option,
    print_json,
    reach,
    say,
    system_options,
    system_path,
    timings_option,
)
from tapgen.errors import PlanError, RolloutError
from tapgen.model import SELF, Observed, Severity, System

LOCAL_POLL = (0.05, 0.5)  # seconds; the embedded AWS is quick
REAL_POLL = (2.0, 15.0)


@dataclass(frozen=True)
class Reached:
    """A resolved system, and AWS as tapgen reaches it."""

    loaded: Loaded
    system: System
    aws: Any
    sets: Any
    local: bool


allow_option = click.option(
    "--allow-replacement",
    "allowed",
    metavar="LOGICAL_ID",
    multiple=True,
    help="Let this resource be replaced or deleted although it holds data.",
)

_PLAN_EPILOG = """\b
Examples:
  tapgen plan secure_network --local
  tapgen plan secure_network -e staging --details
  tapgen plan secure_network --output markdown > comment.md
  tapgen plan secure_network --local --out plan.json
  tapgen plan secure_network --detect-drift
  tapgen plan secure_network --change-sets

Exit codes: 0 nothing to do, 2 changes planned, 1 error.
"""


@click.command("plan", epilog=_PLAN_EPILOG)
@system_options
@aws_options
@timings_option
@click.option("--details", is_flag=True, help="List every parameter and resource.")
@click.option(
    "--detect-drift",
    is_flag=True,
    help="First let CloudFormation look what was changed by hand where it updates.",
)
@allow_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan to this file, for rollout --plan.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="Form of the plan; markdown fits a comment on a pull request.",
)
@click.option(
    "--change-sets",
    is_flag=True,
    help="Ask AWS too: make, read and delete a change set on each stack to update.",
)
def plan_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    timings: bool,
    details: bool,
    detect_drift: bool,
    allowed: tuple[str, ...],
    out: Path | None,
    change_sets: bool,
    **aws_choice: Any,
) -> int:
    """Show what a rollout of SYSTEM would do, without doing it."""
    from tapgen.cli.progress import console
    from tapgen.report import data, markdown, outlook, text

    clock = Timings()
    reached = reach_system(system, environment, folder, clock, aws_choice)
    own = _plan(reached, clock)
    if detect_drift:
        with clock.stage("detecting drift"):
            _look_for_drift(reached, own)
        own = _plan(reached, clock)
    made, answers = _asked(reached, own, clock) if change_sets else (own, {})
    with clock.stage("quotas and drift"):
        ahead = replace(outlook_of(reached, made), answers=answers)
    if output == "json":
        print_json(data.plan(made, allowed) | outlook.data(ahead))
    elif output == "markdown":
        click.echo(markdown.plan(made, allowed, ahead), nl=False)
    else:
        console().print(text.plan(made, details=details, outlook=ahead))
    if out:
        _save(out, own, made, allowed)
    if timings:
        clock.show()
    if _refused(made, allowed):
        return FAILED
    if made and output == "text":
        more = f" --plan {out}" if out else ""
        say(f"to do this: {_again('rollout', reached)}{more}")
    return CHANGES if made else DONE


_ROLLOUT_EPILOG = """\b
Examples:
  tapgen rollout secure_network --local
  tapgen rollout secure_network -e staging --yes --account 111111111111
  tapgen rollout secure_network --local --yes --timings
  tapgen rollout --plan plan.json --local --yes

Exit codes: 0 done or nothing to do, 1 failed and nothing is left half done,
3 partial (some stack sets changed, others not), 130 interrupted.
"""


@click.command("rollout", epilog=_ROLLOUT_EPILOG)
@system_options
@aws_options
@output_option
@timings_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--details", is_flag=True, help="List every parameter and resource.")
@allow_option
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Do exactly what this saved plan says, or nothing.",
)
def rollout_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    timings: bool,
    yes: bool,
    details: bool,
    allowed: tuple[str, ...],
    plan_file: Path | None,
    **aws_choice: Any,
) -> int:
    """Roll SYSTEM out: show the plan, ask, then run it wave by wave.

    A failure is explained by the resource that failed first, and what was changed is
    put back (rollout.on_failure: rollback). Running it again goes on from there.
    """
    from tapgen.cli.progress import console
    from tapgen.report import data, saved, text

    _somebody_or(yes)
    clock = Timings()
    agreed = saved.load(_read(plan_file), str(plan_file)) if plan_file else None
    if agreed:
        system, environment = system or agreed.system, agreed.environment
        allowed = agreed.allowed
    reached = reach_system(system, environment, folder, clock, aws_choice)
    _refuse_unpinned(reached, yes, aws_choice["account"])
    _bootstrapped(reached, clock)
    _wait_for_running(reached)
    made = _plan(reached, clock)
    if agreed:
        saved.check(agreed, made, str(plan_file))
    console(stderr=output == "json").print(
        text.plan(made, details=details, outlook=outlook_of(reached, made))
    )
    if not made:
        if output == "json":
            print_json({"plan": data.plan(made), "outcome": None})
        return DONE
    if _refused(made, allowed):
        return FAILED
    with clock.stage("lint"):
        if not lint_passes(made.system, {step.stack_set for step in made.steps}):
            return FAILED
    _confirm(yes, "Roll this out?")
    with clock.stage("rollout"):
        ended = _run(reached, made)
    if isinstance(ended, int):
        return ended
    console(stderr=output == "json").print(
        text.outcome(
            ended, look=_again("status", reached), resume=_again("rollout", reached)
        )
    )
    if output == "json":
        print_json({"plan": data.plan(made), "outcome": data.outcome(ended)})
    if timings:
        clock.show()
    return _exit_code(ended)


_DESTROY_EPILOG = """\b
Examples:
  tapgen destroy secure_network --local
  tapgen destroy secure_network --local --yes
  tapgen destroy secure_network --local --yes --delete-data secure-network-prod

What templates retain (buckets, keys, log groups, snapshots) is kept and listed.
--delete-data deletes that too: it wants the name it prints, so that nobody deletes
data by a habit of typing --yes. Kept keys are scheduled for deletion, 30 days ahead.

Exit codes: 0 done or nothing to do, 1 failed, 3 partial, 130 interrupted.
"""


@click.command("destroy", epilog=_DESTROY_EPILOG)
@system_options
@aws_options
@output_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--delete-data",
    metavar="NAME",
    help="Also delete retained data; NAME is the system's name and suffix.",
)
@assume_role_option
def destroy_command(
    system: str | None,
    environment: str | None,
    folder: Path,
    output: str,
    yes: bool,
    delete_data: str | None,
    assume_role: str | None,
    **aws_choice: Any,
) -> int:
    """Delete SYSTEM's stack sets, waves backwards; says what is kept."""
    from tapgen import plan, rollout
    from tapgen.accounts import bootstrap
    from tapgen.aws import leftovers
    from tapgen.cli.progress import console
    from tapgen.report import data, text
    from tapgen.system import ownership

    _somebody_or(yes)
    reached = reach_system(
        system, environment, folder, Timings(), aws_choice, leaving=True
    )
    prefix = reached.system.prefix
    if delete_data not in (None, prefix):
        raise click.UsageError(
            f"--delete-data {delete_data}: to delete the data of this system, say "
            f"--delete-data {prefix}"
        )
    _refuse_unpinned(reached, yes, aws_choice["account"])
    _wait_for_running(reached)
    observed = ownership.observe(reached.system, reached.sets)
    made = plan.destroy(reached.system, observed)
    out = console(stderr=output == "json")
    out.print(text.plan(made))
    store, place = reached.sets.store, f"leftovers/{prefix}.json"
    kept = leftovers.merged(
        leftovers.load(store.get(place) or b"[]"),
        leftovers.retained(reached.sets.aws, observed),
    )
    _show_kept(out, kept, "to be deleted with --delete-data" if delete_data else "kept")
    ended = rollout.Outcome()
    fates: dict[leftovers.Leftover, str] = {}
    if made:
        _confirm(yes, f"Delete {prefix}?")
        # Once the stacks are gone nobody knows what they retained: note it before.
        store.put(place, leftovers.dump(kept))
        ended = _run(reached, made)
        if isinstance(ended, int):
            return ended
        look, resume = _again("status", reached), _again("destroy", reached)
        out.print(text.outcome(ended, look=look, resume=resume))
    if delete_data and ended.green:
        if not made and kept:
            _confirm(yes, f"Delete what is left of {prefix}?")
        fates = _delete_kept(out, reached.aws.assuming(assume_role), kept)
        if kept:
            left_over = [x for x in kept if fates[x].startswith("not deleted")]
            store.put(place, leftovers.dump(left_over))
    elif made and ended.green:
        out.print(
            "what bootstrap made stays: delete the stack "
            f"{bootstrap.roles_stack(reached.system)} in {reached.system.admin.region} "
            "of each target account when the system will not come back"
        )
    if output == "json":
        print_json(
            {
                "plan": data.plan(made),
                "outcome": data.outcome(ended),
                "retained": [
                    vars(left)
                    | {"target": str(left.target), "fate": fates.get(left, "kept")}
                    for left in kept
                ],
            }
        )
    return _exit_code(ended)


def _show_kept(out: Any, kept: Sequence[Any], verb: str) -> None:
    if kept:
        out.print(f"\nretained by the templates, {verb}:")
    for left in kept:
        out.print(f"  {left}", markup=False)


def _delete_kept(out: Any, aws: Any, kept: Sequence[Any]) -> dict[Any, str]:
    """Delete what was retained; what happened to each, in words."""
    from tapgen.aws import leftovers

    fates = {}
    for left in kept:
        fates[left] = leftovers.delete(aws, left)
        out.print(f"  {fates[left]}: {left}", markup=False)
    return fates


_BOOTSTRAP_EPILOG = """\b
Examples:
  tapgen bootstrap secure_network --local
  tapgen bootstrap secure_network --account 111111111111 --yes
  tapgen bootstrap secure_network --assume-role OrganizationAccountAccessRole
"""


@click.command("bootstrap", epilog=_BOOTSTRAP_EPILOG)
@system_options
@aws_options
@output_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
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
    """Make what a rollout of SYSTEM needs, as plain stacks.

    In the administration account: the administration role and the artifact bucket.
    In every target account: the execution role with exactly the permissions that the
    system's resource types need, and the operator role. Running it again changes
    nothing.
    """
    from tapgen.accounts import bootstrap

    reached = reach_system(system, environment, folder, Timings(), aws_choice)
    _refuse_unpinned(reached, yes, aws_choice["account"])
    for line in bootstrap.announced(reached.system, bool(assume_role)):
        say(line)
    _confirm(yes or reached.local, "Make or update these?")
    changed = _bootstrap(reached, assume_role)
    if output == "json":
        print_json({"changed": changed})
    else:
        click.echo(f"changed: {', '.join(changed)}" if changed else "nothing to do")
    return DONE


def reach_system(
    name: str | None,
    environment: str | None,
    folder: Path,
    clock: Timings,
    aws_choice: Mapping[str, Any],
    *,
    leaving: bool = False,
) -> Reached:
    """Build the system, then connect: a wrong config needs no AWS to be told.

    `leaving` says that only what is deployed counts, not where it should be.
    """
    from tapgen.aws import organizations
    from tapgen.aws.stacksets import StackSets

    with clock.stage("config and templates"):
        loaded = load(system_path(name, folder), environment)
    with clock.stage("reaching AWS"):
        admin = loaded.system.admin
        aws = reach(default_region=admin.region, **aws_choice)
        looking = aws.assuming(loaded.system.operator_role)
        named = loaded.system.organizational_units
        admin = loaded.system.admin.resolve(aws.account)
        units = organizations.units(looking, admin, named, leaving=leaving)
        system = loaded.system.resolve(aws.account, units)
    sets = StackSets(looking, system.admin, system.delegated)
    return Reached(loaded, system, aws, sets, aws_choice["local"])


def _plan(reached: Reached, clock: Timings) -> Any:
    from tapgen import plan
    from tapgen.rollout import uploads
    from tapgen.system import ownership

    with clock.stage("looking at AWS"):
        observed = ownership.observe(reached.system, reached.sets)
    with clock.stage("planning"):
        made = plan.make(reached.system, observed)
    missing = uploads.missing(reached.sets.aws, made.artifacts)
    return replace(made, uploads=missing)


def outlook_of(reached: Reached, made: Any, *, everything: bool = False) -> Any:
    """What to expect of a plan, with the quotas that it adds to, or `everything` that
    its system comes up against."""
    from tapgen.aws import quotas
    from tapgen.plan import drift, forecast, headroom
    from tapgen.report.outlook import Outlook

    ahead = forecast.of(made)
    wanted = [d for d in headroom.demands(made, ahead) if d.adds or everything]
    found = quotas.read(reached.sets, [d.place for d in wanted])
    rooms = headroom.headroom(wanted, found)
    return Outlook(ahead, rooms, drift.read(reached.sets, made))


def _look_for_drift(reached: Reached, made: Any) -> None:
    """Let CloudFormation detect the drift of what a plan updates."""
    from tapgen.plan import drift

    names = [step.stack_set for step, _, _ in drift.concerned(made)]
    if not names:
        say("drift: this plan updates nothing, so nothing is checked")
        return
    poll = (LOCAL_POLL if reached.local else REAL_POLL)[0]
    drift.detect(reached.sets, names, say, poll_seconds=poll)


def _asked(reached: Reached, made: Any, clock: Timings) -> Any:
    """The plan with what AWS says of it, and AWS's answers."""
    from tapgen.aws import change_sets
    from tapgen.cli.progress import asking
    from tapgen.plan import aws_answers

    questions, unasked = aws_answers.questions(made)
    if not questions:
        return made, unasked
    with clock.stage("asking AWS"), asking(len(questions)) as answered:
        said = change_sets.ask_all(
            reached.sets.aws,
            questions,
            lambda q: reached.sets.carried(q.template, q.target.account),
            answered,
        )
    return aws_answers.merge(made, said)


def _save(path: Path, own: Any, made: Any, allowed: tuple[str, ...]) -> None:
    """Save the plan as it is without AWS's answers: a rollout does not ask for them.

    So a plan that only they refuse must not get to a rollout.
    """
    from tapgen import plan
    from tapgen.report import saved

    if plan.refusals(made, allowed) and not plan.refusals(own, allowed):
        say(f"not saved: {path}: AWS's change sets show what nobody allowed")
    else:
        _write(path, saved.dump(own, allowed))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: cannot be read ({error})") from None


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(text)
        draft.replace(path)
    except OSError as error:
        raise PlanError(f"{path}: cannot be written ({error.strerror})") from None
    say(f"saved {path}")


def _refused(made: Any, allowed: tuple[str, ...]) -> bool:
    """Whether the plan does what nobody allowed; says so."""
    from tapgen import plan

    found = plan.refusals(made, allowed)
    for text in found:
        say(f"refused: {text}")
    return bool(found)


def _refuse_unpinned(reached: Reached, yes: bool, account: str | None) -> None:
    """`--yes` on real AWS needs to know the account: nobody looks at what is shown."""
    pinned = account or reached.loaded.system.admin.account != SELF
    unattended = yes or not interactive()
    if unattended and not reached.local and not pinned:
        raise click.UsageError(
            f"without anybody to ask, say which account you mean: --account "
            f"{reached.aws.account}, or admin.account in the config"
        )


def _somebody_or(yes: bool) -> None:
    """Refuse at once what would be refused when the question comes."""
    if not yes and not interactive():
        raise click.UsageError("nobody is there to be asked; say --yes to go on")


def _confirm(yes: bool, question: str) -> None:
    if yes:
        return
    _somebody_or(yes)
    click.confirm(question, abort=True, err=True)


def lint_passes(system: System, only: Collection[str] | None = None) -> bool:
    """Whether no template has errors, or none of those named; shows what was found."""
    from tapgen import lint

    findings = lint.check(system, TEMPLATES_FOLDER, cache=LINT_FOLDER, only=only)
    errors = [f for f in findings if f.severity is Severity.ERROR]
    if errors:
        names = [s.name for s in system.stack_sets if only is None or s.name in only]
        say(lint.render(findings, "text", names))
        say("error: templates with errors are not rolled out; nothing was changed")
    return not errors


def _bootstrapped(reached: Reached, clock: Timings) -> None:
    """Refuse when roles or bucket are missing; on the embedded AWS, make them."""
    from tapgen.accounts import bootstrap

    with clock.stage("bootstrap"):
        if reached.local:
            _bootstrap(reached, None)
            return
        code = reached.loaded.blueprint.code
        missing = bootstrap.ready(reached.aws, reached.system, code)
    if missing:
        lines = [*missing, f"run: {_again('bootstrap', reached)}"]
        raise RolloutError("\n".join(lines))


def _bootstrap(reached: Reached, assume_role: str | None) -> list[str]:
    from tapgen import plan
    from tapgen.accounts import bootstrap
    from tapgen.system import ownership

    system = reached.system
    plan.check(system)
    observed = ownership.observe(system, reached.sets)
    return bootstrap.run(
        reached.aws.assuming(assume_role),
        system,
        code=reached.loaded.blueprint.code,
        deployed_types=_types(observed),
        on_event=lambda line: None if line.endswith("up to date") else say(line),
    )


def _types(observed: Mapping[str, Observed]) -> set[str]:
    """Resource types that are deployed: the execution role must still delete them."""
    from tapgen.template import evaluate

    return {
        str(resource.get("Type"))
        for found in observed.values()
        for resource in evaluate.whole(found).get("Resources", {}).values()
    }


def _wait_for_running(reached: Reached) -> None:
    """Wait out operations that an earlier run left behind, and say so."""
    from tapgen.system import ownership

    shortest = (LOCAL_POLL if reached.local else REAL_POLL)[1]
    told: set[str] = set()
    while True:
        observed = ownership.observe(reached.system, reached.sets)
        running = {o.name: o.running for o in observed.values() if o.running}
        if not running:
            return
        for name, operation in running.items():
            if operation not in told:
                say(f"waiting for operation {operation} of {name} to end …")
                told.add(str(operation))
        time.sleep(shortest)


def _run(reached: Reached, made: Any) -> Any:
    """Run a plan; its outcome, or an exit code when it was left while running."""
    from tapgen import rollout
    from tapgen.cli.progress import progress

    try:
        with progress(made) as screen, _interruptible(screen) as stopping:
            return rollout.run(
                made,
                reached.sets,
                screen,
                stopping=stopping,
                poll_seconds=LOCAL_POLL if reached.local else REAL_POLL,
            )
    except rollout.Lost as lost:
        say(f"error: {lost}")
        if lost.interrupted:
            return INTERRUPTED
        return PARTIAL if lost.begun else FAILED


@contextmanager
def _interruptible(screen: Callable[[Any], None]) -> Iterator[Callable[[], bool]]:
    """Make the first Ctrl-C a request to stop, and the second leave at once."""
    from tapgen.rollout import Event

    interrupted = False

    def on_signal(number: int, frame: Any) -> None:
        nonlocal interrupted
        if interrupted:
            # Where it comes upon a callback of the interpreter's own, it is lost there,
            # with a traceback; stopping goes on all the same.
            sys.unraisablehook = lambda lost: None
            raise KeyboardInterrupt
        interrupted = True
        text = (
            "stopping: nothing new is started, what runs is waited for; then look with "
            "tapgen status and go on with tapgen rollout; Ctrl-C again leaves at once"
        )
        screen(Event("stopping", text))

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield lambda: interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _exit_code(ended: Any) -> int:
    if ended.interrupted:
        return INTERRUPTED
    if ended.green:
        return DONE
    return PARTIAL if ended.partial else FAILED


def _again(command: str, reached: Reached) -> str:
    """The command line that does something with the same system, in the same place."""
    system = reached.system
    words = ["tapgen", command, system.name]
    words += ["-e", system.environment] if system.environment else []
    return " ".join([*words, *(["--local"] if reached.local else [])])
