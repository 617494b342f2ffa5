"""Copy what is deployed into another AWS, and judge what a rollout leaves there.

`copy` creates the stack sets of one AWS again in another one, with the templates, the
parameters and the overrides that they have. Identifiers are different there: wherever a
value contains an output of a stack, it gets that of the copied stack. `judge` compares two
readings: what was there before a rollout that failed, and what it left.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import uuid4

from tapgen.aws import parameter_store, stacks
from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.aws.session import ask
from tapgen.aws.stacksets import Definition, Operation, StackSets, rectangles
from tapgen.errors import AwsError, RolloutError
from tapgen.model import (
    HIDDEN,
    InstanceStatus,
    Observed,
    ObservedInstance,
    PermissionModel,
    Reading,
    System,
    Target,
)
from tapgen.model.rehearsals import Copied
from tapgen.template import decode, schemas
from tapgen.template.diff import same
from tapgen.template.parameter_store import names

ARTIFACTS = "artifacts/"
"""How the keys of artifacts begin, in their buckets."""

SHORTEST = 8
"""How many characters an output has at least to be looked for inside other values: `true`
and `443` are in many that have nothing to do with it."""

STAND_IN = "Rehearsed0value"
"""What a copied stack gets for a NoEcho parameter whose value nobody can read: letters and
digits, long enough for a password of a database (8 to 41 characters)."""

_AT_ONCE = {"RegionConcurrencyType": "PARALLEL", "MaxConcurrentPercentage": 100}
_POLL = 0.1  # seconds
_BROKEN = "_FAILED"
_PUBLIC = "/aws/service/"  # parameters of AWS, which every account can read
# Dynamic references whose names stand in the text: their service, name, and key of a JSON
# secret (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html).
_REFERENCE = re.compile(
    r"\{\{resolve:(ssm-secure|ssm|secretsmanager):([^:}$\"]+)(?=[:}])(?::SecretString:([^:}]*))?"
)


def obstacles(observed: Mapping[str, Observed]) -> Iterator[str]:
    """Yield why what is deployed cannot be copied, a line for each reason."""
    for name, found in sorted(observed.items()):
        if found.permission_model is PermissionModel.SERVICE_MANAGED:
            yield (
                f"{name}: service-managed stack sets cannot be rehearsed, since the copy "
                "has other organizational units; rehearse it in an embedded AWS of its own "
                "(tapgen rollout --local)"
            )
        if found.running:
            yield f"{name}: {found.busy_with or found.running}; wait for its end"
        for target, one in sorted(found.instances.items()):
            if one.reading in (Reading.AWAY, Reading.REFUSED):
                yield f"{name} in {target} cannot be read: {one.unread}"
            elif one.stack_status.endswith(_BROKEN):
                yield (
                    f"{name} in {target} is {one.stack_status}: repair it first (tapgen "
                    "repair)"
                )


def copy(
    observed: Mapping[str, Observed],
    system: System,
    source: StackSets,
    to: StackSets,
    on_event: Callable[[str], None] = lambda line: None,
) -> Copied:
    """Create the observed stack sets, which were read with their stacks, in another AWS.

    `system` is the one that they belong to: of a hidden value, its own counts. Raises
    RolloutError with the first failed resource where a stack cannot be created there.
    """
    there = {n: _with_stacks(o) for n, o in observed.items()}
    values = _Values(system, there)
    _copy_artifacts(there, source, to)
    secrets = tuple(_copy_references(system, there, source, to))
    used: dict[str, dict[Target, dict[str, str]]] = {}
    for name in values.order():
        found = there[name]
        on_event(f"copying {name} (stacks: {len(found.instances)})")
        used[name] = {t: values.of(found, t, first=True) for t in found.instances}
        _create(found, used[name], values.definition(found, first=True), to)
        values.learn(found, to)
    # Of two stacks that refer to each other, the first was created before the other one.
    for name, before in used.items():
        found = there[name]
        now = {t: values.of(found, t) for t in found.instances}
        if now != before:
            _complete(found, now, values.definition(found), to)
            values.learn(found, to)
    without = tuple(
        (name, target)
        for name, found in sorted(observed.items())
        for target in sorted({*found.instances} - {*there[name].instances})
    )
    count = sum(len(o.instances) for o in there.values())
    return Copied(count, (*secrets, *sorted(values.assumed)), without)


def resources(
    observed: Mapping[str, Observed],
    sets: StackSets,
    touched: Collection[tuple[str, Target]],
) -> dict[tuple[str, Target], dict[str, tuple[str, str]]]:
    """Return type and physical id of the stateful resources of stacks, by logical id."""
    found = {}
    for name, target in touched:
        one = observed[name].instances.get(target) if name in observed else None
        if one is None or not one.stack_id or one.has_no_stack:
            continue
        listed = stacks.resources(sets.aws, target, one.stack_id)
        found[name, target] = {
            logical_id: pair
            for logical_id, pair in listed.items()
            if schemas.is_stateful(pair[0])
        }
    return found


Stateful = Mapping[tuple[str, Target], Mapping[str, tuple[str, str]]]


def lost(before: Stateful, after: Stateful) -> Iterator[str]:
    """Yield each stateful resource that was there before, and is another one or gone."""
    for (name, target), had in before.items():
        has = after.get((name, target), {})
        for logical_id, (kind, physical_id) in had.items():
            now = has.get(logical_id, ("", ""))[1]
            if now != physical_id:
                what = f"is another one now ({now})" if now else "is gone"
                yield f"{name} in {target}: {logical_id} ({kind}) {physical_id} {what}"


def left(
    before: Mapping[str, Observed], after: Mapping[str, Observed]
) -> tuple[list[str], int]:
    """Return what differs between two readings, with their stacks, of what is deployed;
    and how many stack instances are new, have a stack and are CURRENT."""
    lines, complete = [], 0
    for name in sorted({*before, *after}):
        had, has = before.get(name), after.get(name)
        if has is None:
            lines.append(f"stack set {name} is gone")
            continue
        if had is None and not has.instances:
            lines.append(f"stack set {name} is new, and has no instances")
        if had is not None and not same(had.template, has.template):
            lines.append(f"stack set {name} has another template")
        old = had.instances if had else {}
        for target in sorted({*old, *has.instances}):
            if target in old and had is not None:
                line = _changed(had, has, target)
            else:
                line = _new(has.instances[target])
                complete += not line
            if line:
                lines.append(f"{name} in {target}: {line}")
    return lines, complete


def _new(one: ObservedInstance) -> str:
    """Return what a new instance lacks; empty where it is complete."""
    if one.stack_status.endswith(_BROKEN):
        return f"new, and its stack is {one.stack_status}"
    if one.has_no_stack or not one.stack_id:
        return "new, and has no stack"
    return "" if one.status == InstanceStatus.CURRENT else f"new, and {one.status}"


def _changed(had: Observed, has: Observed, target: Target) -> str:
    """Return how an instance differs; empty where it is as before."""
    old, new = had.instances[target], has.instances.get(target)
    if new is None:
        return "the stack instance is gone"
    if new.stack_status.endswith(_BROKEN):
        return f"its stack is {new.stack_status}"
    if new.has_no_stack and not old.has_no_stack:
        return "its stack is gone"
    if old.stack_id != new.stack_id and old.stack_id:
        return "it has another stack"
    state = "" if new.status == InstanceStatus.CURRENT else f", and it is {new.status}"
    if not same(had.template_of(target), has.template_of(target)):
        return f"its stack runs another template{state}"
    if had.values(target) != has.values(target):
        return f"its stack has other parameters{state}"
    return f"it is {new.status}" if old.status != new.status else ""


# Copying


class _Values:
    """The values of copied stacks: outputs of stacks become those of their copies."""

    def __init__(self, system: System, observed: Mapping[str, Observed]) -> None:
        self._wanted = {s.name: s for s in system.stack_sets}
        self._observed = observed
        self._now: dict[str, str] = {}  # output → output of the copy
        self.assumed: set[str] = set()

    def order(self) -> Iterator[str]:
        """Yield the stack sets, each after those that it needs, as far as they can be: by the
        file, and by the outputs in its values."""
        makers: dict[str, set[str]] = {}
        for name, found in self._observed.items():
            for one in found.instances.values():
                for value in (one.outputs or {}).values():
                    if len(value) >= SHORTEST:
                        makers.setdefault(value, set()).add(name)
        waits = {
            name: {
                maker
                for text in self._texts(found)
                for value, names in makers.items()
                if value in text
                for maker in names
            }
            for name, found in self._observed.items()
        }
        left = dict.fromkeys(sorted(waits))

        def lacks(name: str) -> tuple[int, int, str]:
            """How many others come first, by the file, and by values; these may be equal by
            chance, as names of regions are."""
            by_file = (self._required(name) - {name}) & left.keys()
            by_value = (waits[name] - {name}) & left.keys()
            return len(by_file), len(by_value), name

        while left:
            chosen = min(left, key=lacks)
            del left[chosen]
            yield chosen

    def _required(self, name: str) -> set[str]:
        """What the file says that it needs, besides values."""
        wanted = self._wanted.get(name)
        needs = wanted.requires() if wanted else set()
        return {n for n, s in self._wanted.items() if s.part in needs}

    def _texts(self, found: Observed) -> set[str]:
        """The values that its stacks need to be created."""
        first = self._at_first(found)
        return {
            value
            for target in found.instances
            for name, value in found.values(target).items()
            if name not in first
        }

    def _at_first(self, found: Observed) -> dict[str, str]:
        """What parameters of new stacks have, until others are there."""
        wanted = self._wanted.get(found.name)
        return {n: a.value for n, a in wanted.at_first.items()} if wanted else {}

    def of(
        self, found: Observed, target: Target, *, first: bool = False
    ) -> dict[str, str]:
        """Return the values of the copy of a stack; `first` those of a new one."""
        return self._translated(found, target, found.values(target), first)

    def definition(self, found: Observed, *, first: bool = False) -> dict[str, str]:
        """Return the parameters of the copy of a stack set."""
        return self._translated(found, None, found.parameters, first)

    def _translated(
        self,
        found: Observed,
        target: Target | None,
        values: Mapping[str, str],
        first: bool,
    ) -> dict[str, str]:
        shown = self.visible(found, target, values)
        now = {name: self.translated(value) for name, value in shown.items()}
        early = self._at_first(found) if first else {}
        return now | {n: value for n, value in early.items() if n in now}

    def translated(self, value: str) -> str:
        """Return a value with the outputs of copied stacks."""
        if value in self._now:
            return self._now[value]
        for old, new in self._now.items():
            if old in value:
                value = value.replace(old, new)
        return value

    def visible(
        self, found: Observed, target: Target | None, values: Mapping[str, str]
    ) -> dict[str, str]:
        """Return values with others in place of those that AWS hides."""
        wanted = self._wanted.get(found.name)
        desired = wanted.sent(target) if wanted and target else {}
        shown = dict(values)
        for name in (n for n, value in values.items() if value == HIDDEN):
            own = desired.get(name)
            known = isinstance(own, str) and own != HIDDEN
            shown[name] = str(own) if known else STAND_IN
            if target:
                whose = "that of the file" if known else f"a stand-in, {STAND_IN}"
                self.assumed.add(
                    f"{found.name}: AWS hides {name}; the copy has {whose}"
                )
        return shown

    def learn(self, found: Observed, to: StackSets) -> None:
        """Read the outputs of the stacks of a copied stack set."""
        there = to.describe(found.name)
        for target, one in found.instances.items():
            copied = there.instances.get(target) if there else None
            outputs = (copied.outputs if copied else None) or {}
            for name, value in (one.outputs or {}).items():
                new = outputs.get(name, value)
                if new != value and len(value) >= SHORTEST:
                    self._now[value] = new
        # The longest first: an ARN before the id that is in it.
        self._now = dict(sorted(self._now.items(), key=lambda p: (-len(p[0]), p[0])))


def _with_stacks(found: Observed) -> Observed:
    """Return a stack set with the instances that have a stack."""
    real = {
        target: one
        for target, one in found.instances.items()
        if one.stack_id and not one.has_no_stack and one.reading is not Reading.GONE
    }
    return replace(found, instances=real)


def _copy_artifacts(
    observed: Mapping[str, Observed], source: StackSets, to: StackSets
) -> None:
    """Copy the artifacts that templates and values name, to the same buckets."""
    places = {replace(t, unit=None) for o in observed.values() for t in o.instances}
    texts = [o.template_of(t) for o in observed.values() for t in o.instances]
    texts += [
        v for o in observed.values() for t in o.instances for v in o.values(t).values()
    ]
    if not any(ARTIFACTS in text for text in texts):
        return
    named = "\n".join({*texts})
    for place in sorted(places):
        bucket = ArtifactBucket(source.aws, place)
        for key in bucket.keys(ARTIFACTS):
            if key in named and (body := bucket.get(key)) is not None:
                ArtifactBucket(to.aws, place).put(key, body, kind="application/zip")


def _copy_references(
    system: System, observed: Mapping[str, Observed], source: StackSets, to: StackSets
) -> Iterator[str]:
    """Create what deployed and desired stacks read from Parameter Store and Secrets
    Manager, as far as no stack of the system creates it: parameters with the values that
    they have, secrets with stand-ins, for nobody reads a secret here. Yield what these are.
    """
    templates = {o.template for o in observed.values()}
    templates |= {s.template for s in system.stack_sets}
    for place, references in sorted(_references(system, observed).items()):
        used = {one for one in references if not _is_created(one[1], templates)}
        plain = {name for kind, name, _ in used if kind == "ssm"}
        known, _ = parameter_store.values(source.aws, place, plain)
        for name, value in known.items():
            if not name.startswith(_PUBLIC):
                parameter_store.write(to.aws, place, name, value)
        secrets: dict[tuple[str, str], set[str]] = {}
        for kind, name, key in used:
            if kind != "ssm":
                secrets.setdefault((kind, name), set()).update([key] if key else ())
        for (kind, name), keys in sorted(secrets.items()):
            _stand_in(to, place, kind, name, keys)
            yield f"{name} in {place} is a secret; the copy has a stand-in, {STAND_IN}"


def _references(
    system: System, observed: Mapping[str, Observed]
) -> dict[Target, set[tuple[str, str, str]]]:
    """Return what deployed and desired stacks read at each place: service, name, key."""
    found: dict[Target, set[tuple[str, str, str]]] = {}
    deployed: list[tuple[Target, str, Mapping[str, Any]]] = [
        (target, one.template_of(target), one.values(target))
        for one in observed.values()
        for target in one.instances
    ]
    desired: list[tuple[Target, str, Mapping[str, Any]]] = [
        (target, s.template, s.sent(target))
        for s in system.stack_sets
        for target in s.targets
        if not target.joins_later
    ]
    own = f"/tapgen/{system.prefix}/"
    for target, template, values in [*deployed, *desired]:
        here = found.setdefault(replace(target, unit=None), set())
        text = "\n".join([template, *map(str, values.values())])
        here.update(_REFERENCE.findall(text))
        by_type = names(template, values).values()
        here.update(("ssm", name, "") for name in by_type if not name.startswith(own))
    return found


def _is_created(name: str, templates: Iterable[str]) -> bool:
    """Whether a template has the whole name, as one that creates it does."""
    return any(f'"{name}"' in text or f": {name}\n" in text for text in templates)


def _stand_in(
    to: StackSets, place: Target, kind: str, name: str, keys: Collection[str]
) -> None:
    """Create a secret with a value that is none."""
    if kind == "ssm-secure":
        parameter_store.write(to.aws, place, name, STAND_IN, kind="SecureString")
        return
    value = json.dumps(dict.fromkeys(sorted(keys), STAND_IN)) if keys else STAND_IN
    client = to.aws.client("secretsmanager", place)
    ask(client, "create_secret", Name=name, SecretString=value)


def _create(
    found: Observed,
    values: Mapping[Target, Mapping[str, str]],
    defined: Mapping[str, str],
    to: StackSets,
) -> None:
    """Create a stack set with its instances: those that run an older template with that
    one, and then the others are updated, so that they are OUTDATED again."""
    older: dict[str, list[Target]] = {}
    for target in sorted(found.instances):
        if not same(found.template_of(target), found.template):
            older.setdefault(found.template_of(target), []).append(target)
    left, templates = sorted(found.instances), [*sorted(older), found.template]
    to.create(found.name, _definition(found, templates[0], defined))
    for given, some in _by_overrides(left, values, templates[0], defined):
        for product in rectangles(some):
            id = _operation_id()
            to.create_instances(found.name, product, given, _AT_ONCE, id)
            _wait(to, found.name, id)
    for before, template in pairwise(templates):
        left = [t for t in left if t not in older[before]]
        for product in rectangles(left):
            id = _operation_id()
            definition = _definition(found, template, defined)
            to.update(found.name, definition, product, _AT_ONCE, id)
            _wait(to, found.name, id)
    if older:
        _override(found, left, values, defined, to)


def _complete(
    found: Observed,
    values: Mapping[Target, Mapping[str, str]],
    defined: Mapping[str, str],
    to: StackSets,
) -> None:
    """Give a copied stack set and its instances their last values."""
    id = _operation_id()
    to.update(
        found.name, _definition(found, found.template, defined), None, _AT_ONCE, id
    )
    _wait(to, found.name, id)
    _override(found, sorted(found.instances), values, defined, to)


def _override(
    found: Observed,
    targets: Sequence[Target],
    values: Mapping[Target, Mapping[str, str]],
    defined: Mapping[str, str],
    to: StackSets,
) -> None:
    """Give copied instances these values, by overrides where they have others."""
    there = to.describe(found.name)
    known = there.instances if there else {}
    for given, some in _by_overrides(targets, values, found.template, defined):
        other = [t for t in some if t in known and dict(known[t].overrides) != given]
        for product in rectangles(other):
            id = _operation_id()
            to.override(found.name, product, given, _AT_ONCE, id)
            _wait(to, found.name, id)


def _by_overrides(
    targets: Iterable[Target],
    values: Mapping[Target, Mapping[str, str]],
    template: str,
    defined: Mapping[str, str],
) -> Iterator[tuple[dict[str, str], list[Target]]]:
    """Yield overrides, with the targets that have the same ones."""
    groups: dict[str, list[Target]] = {}
    for target in targets:
        given = _overrides(template, values[target], defined)
        groups.setdefault(json.dumps(given, sort_keys=True), []).append(target)
    for text, some in groups.items():
        yield json.loads(text), some


def _overrides(
    template: str, values: Mapping[str, str], defined: Mapping[str, str]
) -> dict[str, str]:
    known = _parameters(template)
    return {n: v for n, v in values.items() if n in known and defined.get(n) != v}


def _parameters(template: str) -> Collection[str]:
    body = decode.data(template, "a deployed template")
    return frozenset(body.get("Parameters", {}) if isinstance(body, dict) else ())


def _definition(
    found: Observed, template: str, defined: Mapping[str, str]
) -> Definition:
    known = _parameters(template)
    return Definition(
        template=template,
        parameters={n: v for n, v in defined.items() if n in known},
        capabilities=found.capabilities,
        tags=found.tags,
        description=found.description,
        administration_role=found.administration_role,
        execution_role=found.execution_role,
    )


def _operation_id() -> str:
    return f"tapgen-copy-{uuid4()}"


def _wait(to: StackSets, name: str, id: str) -> None:
    """Wait for an operation of the copy. Raises RolloutError where it is not green."""
    while not (operation := to.operation(name, id)).ended:
        time.sleep(_POLL)
    if not operation.green:
        raise RolloutError(_why(to, operation))


def _why(to: StackSets, operation: Operation) -> str:
    start = f"what is deployed cannot be copied: {operation.stack_set}"
    try:
        results = to.results(operation.stack_set, operation.id)
    except AwsError as error:
        return f"{start}: {operation.status} ({error})"
    for result in results:
        if result.status == "FAILED":
            failed = to.failure(operation, result)
            where = f"{start} in {result.target}"
            if failed:
                return f"{where}: {failed.logical_id} ({failed.type}): {failed.reason}"
            return f"{where}: {result.reason}"
    return f"{start}: {operation.status} {operation.reason}".rstrip()
