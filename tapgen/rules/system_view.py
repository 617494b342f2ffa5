"""All stack sets of a system, evaluated with the values they take from each other.

A parameter that is an output of another stack set becomes the value of that output if
its template has a literal there. Otherwise it stays a marker, and `SystemView.origin`
returns the resource, with its account and region, that the value comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import (
    SELF,
    Finding,
    Output,
    RolloutSettings,
    Severity,
    StackSet,
    System,
    Target,
)
from tapgen.rules import view as views
from tapgen.rules.base import Rule
from tapgen.rules.values import Path, get, text
from tapgen.rules.view import Place, Resource
from tapgen.system import checks, representatives
from tapgen.system.representatives import Groups
from tapgen.template import evaluate
from tapgen.template.values import FOUND, LATER

FoundIn = tuple[StackSet, Path, str]
"""A stack set, a path in its template, and the message for it."""


class SystemRule(Rule):
    """A rule about the stack sets of a system together.

    `bad` and `good` are systems in YAML: part -> regions, parameters, depends_on,
    template; `at` is `part: path`. Under cfn-lint itself, which sees one template at a
    time, such a rule reports nothing. `rollout` are the rollout settings of both.
    """

    rollout = RolloutSettings()

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        """Yield everything that is wrong with a system."""
        yield from ()


class SystemsRule(SystemRule):
    """A rule about several systems together: environments count as systems.

    `bad` and `good` are systems in YAML: name -> part -> as in `SystemRule`; `at` is
    `name.part: path`.
    """

    def check_systems(
        self, its: Sequence[SystemView]
    ) -> Iterator[tuple[System, FoundIn]]:
        """Yield everything that is wrong between systems, with the one to change."""
        yield from ()


@dataclass(frozen=True)
class Origin:
    """A resource of a stack set that a value comes from."""

    stack_set: StackSet
    resource: Resource
    attribute: str = ""

    @property
    def region(self) -> str:
        return self.resource.place.region

    def __str__(self) -> str:
        whole = f"{self.stack_set.part}.{self.resource.id}"
        return f"{whole}.{self.attribute}" if self.attribute else whole


@dataclass
class SystemView:
    """A system whose templates are evaluated once for each target.

    Of accounts that come to the same, the first two are checked (`groups`, by default
    those of `representatives.of`).
    """

    system: System
    groups: Groups | None = None
    _evaluated: dict[tuple[str, Target], Place] = field(default_factory=dict)
    _markers: dict[str, tuple[StackSet, Place, Any]] = field(default_factory=dict)

    @property
    def resolved(self) -> bool:
        """Whether any two accounts can be compared: all are `self`, or none is."""
        accounts = {t.account for s in self.system.stack_sets for t in s.targets}
        return accounts == {SELF} or SELF not in accounts

    @cached_property
    def parts(self) -> Mapping[str, StackSet]:
        return {s.part: s for s in self.system.stack_sets}

    @cached_property
    def places(self) -> tuple[tuple[StackSet, Place], ...]:
        """Every stack set with its places; of the accounts that come to the same, only
        the first two."""
        groups = self.groups or representatives.of(self.system)
        accounts = representatives.first(groups, views.ACCOUNTS_CHECKED)
        return tuple(
            (stack_set, self.place(stack_set, target))
            for stack_set in self.system.stack_sets
            for target in stack_set.targets
            if target.account in accounts
        )

    def resources(self, *types: str) -> Iterator[tuple[StackSet, Resource]]:
        """Yield every resource of these types that is certainly created."""
        for stack_set, place in self.places:
            for resource in place.of(*types):
                if resource.certain:
                    yield stack_set, resource

    def place(self, stack_set: StackSet, target: Target) -> Place:
        key = (stack_set.part, target)
        if key not in self._evaluated:
            # A stack set that depends on itself in a circle gets an empty template.
            self._evaluated[key] = views.place({}, {}, target)
            given = {
                name: self._value(value, target)
                for name, value in stack_set.values(target).items()
            }
            body = evaluate.parsed(stack_set.template)
            first = {name: one.value for name, one in stack_set.at_first.items()}
            self._evaluated[key] = views.place(body, given, target, first=first)
        return self._evaluated[key]

    def _value(self, value: str | Output, target: Target) -> Any:
        if isinstance(value, str):
            return value
        source = self.parts.get(value.part)
        places = checks.sources(value, target, source) if source else ()
        outputs = []
        for at in places[:3]:
            assert source is not None, "places are those of a source"
            place = self.place(source, at)
            node = place.evaluated.outputs.get(value.output)
            outputs.append((source, place, node))
        known = [text(node) for _, _, node in outputs]
        if known and None not in known and len(places) <= len(known):
            joined = ",".join(map(str, known))
            return {FOUND: joined} if value.by_name else joined
        marker = f"{value!r} for {target}"
        if len(outputs) == 1 and len(places) == 1:
            self._markers[marker] = outputs[0]
        return {LATER: marker}

    def origin(self, stack_set: StackSet, place: Place, node: Any) -> Origin | None:
        """Return the resource that a value comes from, in any stack set."""
        match node:
            case {"Ref": str(name)}:
                return self._found(stack_set, place, name, "")
            case {"Fn::GetAtt": [str(name), *rest]}:
                return self._found(stack_set, place, name, ".".join(map(str, rest)))
        output = self.output(node)
        return self.origin(*output) if output else None

    def output(self, node: Any) -> tuple[StackSet, Place, Any] | None:
        """Return the output that a value is, as evaluated, and where; None if it is
        none of a single stack instance."""
        marker = node.get(LATER) if isinstance(node, Mapping) else None
        return self._markers.get(marker) if isinstance(marker, str) else None

    @staticmethod
    def _found(
        stack_set: StackSet, place: Place, name: str, attribute: str
    ) -> Origin | None:
        for resource in place.of():
            if resource.id == name:
                return Origin(stack_set, resource, attribute)
        return None

    @cached_property
    def before(self) -> Mapping[str, frozenset[str]]:
        """Part -> every part that is deployed before it."""
        found: dict[str, frozenset[str]] = {}

        def add(part: str, path: tuple[str, ...]) -> frozenset[str]:
            if part not in found and part in self.parts and part not in path:
                direct = self.parts[part].requires()
                more = [add(p, (*path, part)) for p in direct]
                found[part] = frozenset(direct).union(*more)
            return found.get(part, frozenset())

        for part in self.parts:
            add(part, ())
        return found

    def exports(self) -> Iterator[tuple[StackSet, Place, str, str]]:
        """Yield stack set, place, output and export name of every export."""
        for stack_set, place in self.places:
            body = evaluate.parsed(stack_set.template)
            outputs = get(body, "Outputs")
            if not isinstance(outputs, Mapping) or place.target is None:
                continue
            # Outputs are evaluated as properties of resources with the same conditions.
            stand_ins = {
                name: {
                    "Type": "Output",
                    "Condition": get(output, "Condition"),
                    "Properties": {"Name": get(output, "Export", "Name")},
                }
                for name, output in outputs.items()
                if isinstance(get(output, "Export", "Name"), str | dict)
            }
            given = {
                name: self._value(value, place.target)
                for name, value in stack_set.values(place.target).items()
            }
            if not stand_ins:
                continue
            evaluated = views.place(
                {**body, "Resources": stand_ins}, given, place.target
            )
            for resource in evaluated.of():
                name = text(resource.properties, "Name")
                if name:
                    yield stack_set, place, resource.id, name


def findings(it: SystemView, rules: list[SystemRule]) -> list[Finding]:
    """Return what these rules find, without files and lines."""
    return _unique(
        finding(rule, found) for rule in rules for found in rule.check_system(it)
    )


def findings_between(
    systems: Sequence[System], rules: list[SystemsRule]
) -> list[tuple[System, Finding]]:
    """Return what these rules find between systems, each with the system to change."""
    its = [SystemView(system) for system in systems]
    found: dict[int, list[Finding]] = {id(system): [] for system in systems}
    for rule in rules:
        for system, one in rule.check_systems(its):
            found[id(system)].append(finding(rule, one))
    return [(s, f) for s in systems for f in _unique(found[id(s)])]


def _unique(found: Iterable[Finding]) -> list[Finding]:
    return list(dict.fromkeys(found))


def finding(rule: Rule, found: FoundIn) -> Finding:
    """Return what a rule found in a system, without file and line."""
    stack_set, path, message = found
    written = views.locate(evaluate.parsed(stack_set.template), path)
    named = len(written) > 1 and isinstance(written[1], str)
    return Finding(
        stack_set=stack_set.name,
        logical_id=str(written[1]) if named else "",
        rule=rule.id,
        severity=Severity(rule.severity),
        message=message,
        path=tuple(written),
        url=rule.source_url,
    )
