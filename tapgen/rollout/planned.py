"""Run a plan: compile it into a program, and start a run of that.

What the program needs is in the journal before anything is changed, so that another
process can go on with only the access to AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tapgen.aws import sweep
from tapgen.aws.remembered import Newest
from tapgen.aws.stacksets import StackSets
from tapgen.errors import RolloutError
from tapgen.model import Observed, ObservedInstance, Target, Upload
from tapgen.plan import Plan
from tapgen.rollout import compile, snapshot, uploads
from tapgen.rollout.execute import Ways
from tapgen.rollout.journal import Store
from tapgen.rollout.model import Event, Outcome
from tapgen.rollout.opening import Opened
from tapgen.rollout.program import Program
from tapgen.rollout.remote import Remote
from tapgen.rollout.runner import Compiled, Starter, start, start_in_aws
from tapgen.system.artifacts import content


def run(
    plan: Plan,
    sets: StackSets,
    on_event: Callable[[Event], None],
    *,
    starter: Starter = Starter(),
    **ways: Any,
) -> Outcome:
    """Run a plan to its end, to its first failure, or until `stopping()` says so.

    Operations in flight are always waited for. After a failure the last good definitions
    are restored, unless the system's `on_failure` is `stop`. `ways` are those of
    `execute.Ways`.

    Raises RolloutError when AWS has changed since the plan was made or another run of the
    system is open, and Lost when AWS cannot be reached any more or a second interrupt
    ends the rollout at once; operations that were started then continue.
    """
    chosen = Ways(on_event, **ways)
    missing = uploads.missing(sets.aws, plan.artifacts)
    sources = {u.artifact.key: u.artifact for u in missing}
    for artifact in sources.values():
        content(artifact)
    chosen = replace(chosen, content=lambda key: content(sources[key]))
    return start(sets, plan.system, starter, chosen, _compiler(plan, sets, missing))


def run_in_aws(
    plan: Plan,
    sets: StackSets,
    on_event: Callable[[Event], None],
    remote: Remote,
    *,
    starter: Starter = Starter(),
    **ways: Any,
) -> tuple[str, int]:
    """Start a run of a plan, and leave it to the engine in AWS; return the run, and the
    number of the event that hands it over. Missing artifacts are uploaded first: in AWS
    nobody has the files. Raises what `run` raises."""
    for one in uploads.missing(sets.aws, plan.artifacts):
        on_event(Event("upload", f"uploading {one.artifact.path} to {one.target}"))
        uploads.upload(sets.aws, one)
    return start_in_aws(
        *(sets, plan.system, starter, Ways(on_event, **ways)),
        _compiler(plan, sets, ()),
        remote,
    )


def _compiler(
    plan: Plan, sets: StackSets, missing: Sequence[Upload]
) -> Callable[[Opened | None, Store], Compiled]:
    """Return what compiles a plan once the lock is taken, with `missing` artifacts."""

    def compiled(old: Opened | None, store: Store) -> Compiled:
        require_unchanged({step.stack_set for step in plan.steps}, plan.observed, sets)
        program, texts = compile.program(
            plan,
            good=_good(plan, store, old),
            uploads=missing,
            inherited=tuple(old.state.changed) if old else (),
            burnt=tuple(old.state.burnt) if old else (),
        )
        _store_before(store, plan.system.prefix, program, texts)
        return program, texts, {"plan": plan.digest}

    return compiled


def _good(plan: Plan, store: Store, old: Opened | None) -> dict[str, Observed]:
    """Return the last good definitions of the stack sets that are half-way: those before
    the first unfinished run, else those that an earlier run has stored."""
    found: dict[str, Observed] = {}
    if old:
        there = old.state.there
        for name in old.state.changed:
            good = there.good_before(name)
            if good:
                found[name] = with_texts(good, old.journal.object)
    for name in {step.stack_set for step in plan.steps} - {*found}:
        now = plan.observed.get(name)
        if now is None or snapshot.is_good(now):
            continue
        body = store.get(snapshot.key(plan.system.prefix, name))
        stored = snapshot.load(body) if body else None
        if stored and stored.id == now.id:
            found[name] = stored
    return found


def with_texts(found: Observed, text: Callable[[str], str]) -> Observed:
    """Return a stack set with the texts of its templates instead of their digests."""

    def known(name: str | None) -> str | None:
        return text(name) if name and name.startswith("sha256:") else name

    instances = {
        t: replace(one, template=known(one.template))
        for t, one in found.instances.items()
    }
    return replace(found, template=text(found.template), instances=instances)


def _store_before(
    store: Store, prefix: str, program: Program, texts: Mapping[str, str]
) -> None:
    """Store the last good definitions of what is about to be changed."""
    names = {s.stack_set for s in program.steps.values()}
    for name in sorted(names):
        good = program.good_before(name)
        if good and snapshot.is_good(good):
            place = snapshot.key(prefix, name)
            store.put(place, snapshot.dump(with_texts(good, texts.__getitem__)))


def require_unchanged(
    names: Iterable[str],
    seen: Mapping[str, Observed],
    sets: StackSets,
    since: str = "the plan was made; plan again",
) -> None:
    """Raise RolloutError when a stack set is not as it was `seen`; `since` says when that
    was, and what to do."""
    names = sorted(names)

    def listed(name: str, newest: Newest) -> Mapping[Target, ObservedInstance] | None:
        """Only operations change instances (`remembered`): after the same one as before,
        they are as they were."""
        known = seen.get(name)
        return known.instances if known and known.last_operation == newest.id else None

    def given(
        name: str, target: Target, one: ObservedInstance
    ) -> Mapping[str, str] | None:
        known = seen[name].instances.get(target) if name in seen else None
        return one.overrides if one is known else None

    now = sets.observe(names, outputs=sweep.nowhere, given=given, listed=listed)
    for name in names:
        before, after = seen.get(name), now.get(name)
        if _facts(before) != _facts(after):
            raise RolloutError(f"{name} has changed since {since}")


def _facts(found: Observed | None) -> Any:
    if found is None:
        return None
    instances = {
        t: (i.status, dict(i.overrides), i.stack_id) for t, i in found.instances.items()
    }
    return found.template, dict(found.parameters), dict(found.tags), instances
