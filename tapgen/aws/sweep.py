"""One look at stack sets with all their instances, with no call that is not needed.

For each stack set three things are read: its definition, its newest operations, and the
list of its instances, a hundred at a time. An instance is described only where its
overrides are not known yet (`remembered`), and its stack only where somebody needs its
outputs or the stack set's word is in doubt (`readings`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from typing import Protocol

from tapgen.aws import readings
from tapgen.aws.clients import AT_ONCE
from tapgen.aws.remembered import Memory, Newest
from tapgen.aws.session import Aws
from tapgen.aws.shapes import Active
from tapgen.frozen import dataclass
from tapgen.model import Observed, ObservedInstance, PermissionModel, Target
from tapgen.template import parameter_store
from tapgen.template.parameters import complete


class Reads(Protocol):
    """The calls that a sweep makes, as `StackSets` has them."""

    @property
    def aws(self) -> Aws: ...

    @property
    def memory(self) -> Memory: ...

    def definition(self, name: str) -> Observed | None: ...

    def newest(self, name: str) -> tuple[Newest, Active | None]: ...

    def listed(
        self, name: str, in_units: bool = False
    ) -> dict[Target, ObservedInstance]: ...

    def instance(self, name: str, target: Target) -> ObservedInstance | None: ...


Wanted = Callable[[str, int], bool]
"""Whether the outputs of a stack set are to be read, where there are so many instances."""

Given = Callable[[str, Target, ObservedInstance], Mapping[str, str] | None]
"""The overrides of a listed instance of a stack set; None where they are to be read."""


Listed = Callable[[str, Newest], Mapping[Target, ObservedInstance] | None]
"""The list of the instances of a stack set, where its newest operation says that it is
known; None where it is to be read."""


def everywhere(name: str, instances: int) -> bool:
    """Read the outputs of every stack."""
    return True


def nowhere(name: str, instances: int) -> bool:
    """Read no outputs."""
    return False


@dataclass(frozen=True)
class _Look:
    """A stack set without its instances, its newest operation, and its instances as they
    are listed; `described` are those whose overrides were not known."""

    found: Observed
    newest: Newest
    listed: Mapping[Target, ObservedInstance]
    described: list[Target] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.found.name

    @property
    def stood(self) -> dict[Target, ObservedInstance]:
        """The instances that there are already."""
        return {t: one for t, one in self.listed.items() if not t.joins_later}


@dataclass(frozen=True)
class Sweep:
    """What to read at stack sets, as `StackSets.observe` takes it."""

    sets: Reads
    read_stacks: bool = False
    having: Collection[str] | None = None
    outputs: Wanted = everywhere
    given: Given | None = None
    listed: Listed | None = None

    def observe(self, names: Iterable[str]) -> dict[str, Observed]:
        """Return the stack sets that exist."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            looks = [look for look in pool.map(self._look, names) if look]
            total = sum(len(look.listed) for look in looks)
            jobs = [
                (look, target, overrides(target, instance), outputs)
                for look in looks
                for overrides in [self._overrides(look)]
                for outputs in [self._outputs(look, total)]
                for target, instance in look.stood.items()
            ]
            # Most instances take no call, and a thread for each only costs time.
            asks = [self._asks(*job) for job in jobs]
            answers = pool.map(
                lambda job: self._read(*job), itertools.compress(jobs, asks)
            )
            read = [
                next(answers) if calls else self._read(*job)
                for job, calls in zip(jobs, asks, strict=True)
            ]
        found: dict[str, dict[Target, ObservedInstance]] = {}
        for (look, target, *_), one in zip(jobs, read, strict=True):
            if one:  # the list is eventually consistent
                found.setdefault(look.name, {})[target] = one
        return {
            look.name: self._whole(look, found.get(look.name, {})) for look in looks
        }

    def _look(self, name: str) -> _Look | None:
        """Return a stack set and the list of its instances; None when it does not exist,
        or does not contain what it should be having."""
        found = self.sets.definition(name)
        if found is None or not self._has(found):
            return None
        newest, active = self.sets.newest(name)
        running = active.id if active else None
        found = replace(
            found,
            running=running,
            busy_with=str(active or ""),
            last_operation=newest.id,
        )
        in_units = found.permission_model is PermissionModel.SERVICE_MANAGED
        listed = None
        if self.listed and not newest.runs and not in_units:
            listed = self.listed(name, newest)
        if listed is None:
            listed = self.sets.listed(name, in_units)
        return _Look(found, newest, listed)

    def _has(self, found: Observed) -> bool:
        return self.having is None or any(x in found.template for x in self.having)

    def _outputs(self, look: _Look, total: int) -> bool | None:
        """Whether to read outputs, and values from SSM; None where there are none."""
        template = look.found.template
        reads_ssm = parameter_store.reads(template)
        if '"Outputs"' not in template and not reads_ssm:
            return None
        wanted = reads_ssm or self.outputs(look.name, total)
        return wanted and self.having is None

    def _overrides(
        self, look: _Look
    ) -> Callable[[Target, ObservedInstance], Mapping[str, str] | None]:
        """Return what gives the overrides of an instance without a call, where it can."""
        remembered = self.sets.memory.of(look.name, look.found.id, look.newest)

        def overrides(
            target: Target, one: ObservedInstance
        ) -> Mapping[str, str] | None:
            known = self.given(look.name, target, one) if self.given else None
            return remembered(one) if known is None else known

        return overrides

    def _asks(
        self,
        look: _Look,
        target: Target,
        known: Mapping[str, str] | None,
        outputs: bool | None,
    ) -> bool:
        """Whether `_read` makes calls."""
        return known is None or readings.asks(
            look.listed[target], outputs, self.read_stacks
        )

    def _read(
        self,
        look: _Look,
        target: Target,
        known: Mapping[str, str] | None,
        outputs: bool | None,
    ) -> ObservedInstance | None:
        """Return an instance with what is `known` of its overrides, or with those that are
        read; None where it is gone."""
        instance: ObservedInstance | None = look.listed[target]
        assert instance
        if known is not None:
            instance = replace(instance, overrides=known)
        else:
            look.described.append(target)
            instance = self.sets.instance(look.name, target)
        if instance is None:
            return None
        found = look.found
        given = complete(found.values_of(instance), found.template)
        ssm = {}
        if parameter_store.reads(found.template):
            ssm = parameter_store.names(found.template, found.values_of(instance))
        return readings.read(
            self.sets.aws, target, instance, outputs, self.read_stacks, ssm, given
        )

    def _whole(self, look: _Look, read: Mapping[Target, ObservedInstance]) -> Observed:
        """Return a stack set with its instances; remember their overrides, unless an
        operation has begun while they were read."""
        if not look.described or self.sets.newest(look.name)[0] == look.newest:
            self.sets.memory.keep(look.name, look.found.id, look.newest, read)
        instances = {
            target: read[target] if target in read else one
            for target, one in look.listed.items()
            if target in read or target.joins_later
        }
        return replace(look.found, instances=instances)
