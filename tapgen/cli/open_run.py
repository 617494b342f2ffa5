"""The open run of a system, and what is known of it while its region gives no answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tapgen.cli.common import say
from tapgen.cli.reach import Reached, command_line
from tapgen.errors import AwsError, RolloutError, TapgenError

if TYPE_CHECKING:  # slow to import
    from tapgen.rollout.opening import Opened
    from tapgen.rollout.places import Near


class Away(RolloutError):
    """The administration region gives no answer. The message says what is known, and what
    to do; `known` is the same as JSON data, in the form of `tapgen status`."""

    def __init__(self, message: str, known: dict[str, Any]) -> None:
        super().__init__(message)
        self.known = known


@contextmanager
def administered(
    reached: Reached, command: str, *, acts: bool = False
) -> Iterator[Near]:
    """Let a command use what only the administration region has; yield the place of the
    journal there, or of its copy where it is lost and the command does not act.

    Raises Away where the region does not answer: at once, before anything waits for it
    with patience, and also when it goes away meanwhile.
    """
    from tapgen.aws.session import is_away
    from tapgen.rollout import places

    prefix, home = reached.system.prefix, reached.system.admin.region
    try:
        near = to_act(reached) if acts else places.nearest(reached.sets, prefix)
        if acts and (silent := places.silence(reached.sets, prefix)):
            near = replace(near, store=reached.sets.bucket.hasty, away=silent)
    except AwsError:  # who may not read journals may read stack sets all the same
        near = places.at_home(reached.sets, prefix)
    if near.away:
        raise away(reached, near, command)
    try:
        yield near
    except AwsError as error:
        if not is_away(error) or error.region != home:
            raise
        quick = reached.sets.buckets[near.region].hasty
        gone = replace(near, store=quick, away={home: str(error)})
        raise away(reached, gone, command) from error


def away(reached: Reached, near: Near, command: str) -> Away:
    """Return the error that a command can do nothing while the administration region is
    away, with what the nearest journal says."""
    from tapgen.model import Target

    prefix, home = reached.system.prefix, near.home
    admin: Target = reached.system.admin
    known: dict[str, Any] = {
        "system": reached.system.name,
        "suffix": reached.system.suffix,
        "admin": {"account": admin.account, "region": admin.region},
        "stack_sets": None,
        "read_in": near.region,
        "away": dict(near.away),
        "open_run": None,
        "last_run": None,
    }
    found, after = None, command
    try:
        found = near.opened()
        if found:
            known["open_run"], after = _facts(found), "resume"
            run = f"run {_described(found)} is open: {found.progress}"
        else:
            run, known["last_run"] = _last_run(near)
        note = "" if near.is_home else ", a copy that may lack the last events"
        journal = f"in the journal in {near.region}{note}: {run}"
    except TapgenError as error:
        journal = f"the journal cannot be read either: {error}"
    lines = [
        f"tapgen {command} can do nothing now: {home} does not answer, and the stack sets "
        f"of {prefix} are administered there ({near.away[home]})",
        journal,
        *["what CloudFormation has begun may go on; nothing more is started"]
        * bool(found),
        f"what was deployed: {command_line('history', reached)}",
        f"once {home} answers: {command_line(after, reached)}",
    ]
    return Away("\n  ".join(lines), known)


def goes_back(found: Opened) -> bool:
    """Whether `tapgen resume --back` turns an open run round."""
    from tapgen.rollout import kinds

    return kinds.of(found.lock.command).goes_back and not found.state.back


def _last_run(near: Near) -> tuple[str, dict[str, Any] | None]:
    """Return the last run in words and as data; there is no open one."""
    from tapgen.report import history as report
    from tapgen.rollout import history

    listed, _ = history.runs(near.store, near.prefix, 1)
    if not listed:
        return "no run", None
    one = listed[0]
    changed = ", ".join(one.changed or ()) or "nothing"
    return (
        f"no run is open; the last one, {one.run} of tapgen {one.command} by {one.who} on "
        f"{one.host}, ended at {one.until}: {one.result}, changed: {changed}",
        report.data(one),
    )


def to_act(reached: Reached) -> Near:
    """Return the first place of the journal that answers, for a command that writes there;
    a journal that the administration region has lost is brought back first."""
    from tapgen.rollout import places, reconcile

    sets, prefix = reached.sets, reached.system.prefix
    near = places.nearest(sets, prefix)
    if near.lost:
        say(reconcile.recover(sets, prefix))
        near = places.nearest(sets, prefix)
    return near


def nearest(reached: Reached) -> Near:
    """Return the first place of the journal that answers; say which one, if it is not
    that of the administration region, and else who acted without that one."""
    from tapgen.rollout import places

    near = places.nearest(reached.sets, reached.system.prefix)
    if not near.is_home:
        say(near.words)
        return near
    places.require_answer(reached.sets, reached.system.prefix)
    for region, one in places.elsewhere(reached.sets, near.prefix).items():
        say(
            f"run {one.run} of {one.who} on {one.host} acted in {region}, without "
            f"{', '.join(one.without)}; fetch its journal: {command_line('resume', reached)}"
        )
    return near


def chosen_run(near: Near, run: str | None, can_be: str) -> Opened:
    """Return a run by its name, or by the beginning or the end of it; without a name the
    open run, or else the newest one.

    Raises RolloutError where there is no such run, or the open one has no events yet;
    `can_be` says what a run is wanted for.
    """
    from tapgen.rollout import history

    found = None if run else near.opened()
    if found and not found.events:
        raise RolloutError(
            f"run {_described(found)} has not begun anything: what starts it still prepares "
            "it, or is gone, and then tapgen resume closes it"
        )
    if found:
        return found
    name = run or history.newest(near.store, near.prefix)
    if name is None:
        raise RolloutError(
            f"{near.prefix}: no run is known in {near.region}; a rollout can be {can_be} "
            "once it has begun"
        )
    found = history.find(near.store, near.prefix, name)
    opened = None if found.state.end else near.opened()
    if opened and opened.lock.run == found.lock.run:
        return opened  # with its lock, which says who continues it
    return found


def say_not_needed(reached: Reached) -> None:
    """Raise RolloutError when a region of the journal is away and was not typed; say which
    ones were typed, and answer."""
    from tapgen.rollout import places

    for region in places.require_answers(reached.sets, reached.without):
        say(f"{region} answers: --without-region {region} is not needed")


def require_room(
    reached: Reached, near: Near, command: str, supersede: str | None
) -> None:
    """Raise RolloutError when a run of the system is open that is not to be replaced,
    when the one to be replaced is not open, or when a region of the journal is away."""
    from tapgen.rollout import opening

    prefix = reached.system.prefix
    say_not_needed(reached)
    found = opening.opened(near.store, prefix)
    if found and found.lock.run != supersede:
        raise opening.already_open(found, command_line("", reached), command)
    if supersede and not found:
        raise RolloutError(
            f"{prefix}: run {supersede} is not open; leave --supersede out"
        )


def require_unopened(reached: Reached, near: Near, command: str) -> None:
    """Raise RolloutError when a run of the system is open, as far as the nearest journal
    knows, or when a region of the journal is away and was not typed."""
    from tapgen.rollout import opening, places

    places.require_typed(near.away, reached.without)
    if not near.is_home:
        say(near.words)
    found = near.opened() if near.is_home else opening.opened(near.store, near.prefix)
    if found:
        raise opening.already_open(found, command_line("", reached), command)


def stays_open(reached: Reached, run: str | None) -> bool:
    """Whether a run was to be replaced by what turned out to be nothing; then say that it
    stays open, and how it ends: what it has begun, a plan need not see."""
    if run is None:
        return False
    from tapgen.rollout import opening, places

    near = places.nearest(reached.sets, reached.system.prefix)
    found = opening.opened(near.store, near.prefix)
    ways = f"{ways_on(reached, found, running=False)}; " if found else ""
    say(
        f"run {run} stays open, because there is nothing to replace it by; {ways}close it "
        f"as it is: {command_line('stop', reached)} --abandon"
    )
    return True


def what_is_open(
    reached: Reached, near: Near
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the open run of the system as data, None where none is open, and lines with
    how to go on. Who may not read journals still gets an answer to everything else: then
    the data has only `unread`, the reason."""
    from tapgen.rollout import opening

    try:
        found = near.opened()
        running = found is not None and opening.is_advanced(found)
    except TapgenError as error:
        return {"unread": str(error)}, [
            f"whether a run is open cannot be read: {error}"
        ]
    lost = [near.words] if near.lost else []
    if found is None:
        return None, lost
    ways = ways_on(reached, found, running=running)
    facts = {**_facts(found), "running": running, "not_started": _not_started(found)}
    return facts, lost + [
        f"run {_described(found)} is open since {found.lock.since} ({found.progress})",
        ways,
    ]


def ways_on(reached: Reached, found: Opened, *, running: bool) -> str:
    """Return the commands that go on with an open run, or stop one that a process runs."""
    if running:
        where = " in AWS" if found.lock.engine else ""
        return f"it goes on{where}; stop it: {command_line('stop', reached)}"
    line = command_line("resume", reached)
    undo = f"; undo it: {line} --back" if goes_back(found) else ""
    return f"continue it: {line}{undo}"


def _not_started(found: Opened) -> list[dict[str, Any]]:
    """What the run was to change and has not begun: stack sets, waves and targets."""
    from tapgen.rollout import explain

    return [
        {
            "stack_set": one.stack_set,
            "wave": one.wave,
            "targets": [
                {"account": t.account, "region": t.region} for t in one.targets or ()
            ],
        }
        for one in explain.not_started(found)
    ]


def _described(found: Opened) -> str:
    held = found.lock
    return f"{held.run} of tapgen {held.command} by {held.who} on {held.host}"


def _facts(found: Opened) -> dict[str, Any]:
    held = found.lock
    return {
        "run": held.run,
        "command": held.command,
        "who": held.who,
        "host": held.host,
        "since": held.since,
        "progress": found.progress,
        **({"engine": held.engine} if held.engine else {}),
        **({"to": found.state.opening["to"]} if found.state.opening.get("to") else {}),
    }
