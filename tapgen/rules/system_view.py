"""All stack sets of a system, with what they give each other put in.

A value that an output of another stack set provides becomes that output's value where
its template says it; else it stays a marker, and `Across.origin` tells which resource,
in which account and region, it is made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tapgen.model import SELF, Finding, Output, Severity, StackSet, System, Target
from tapgen.rules import view as views
from tapgen.rules.base import Rule
from tapgen.rules.values import Path, get, text
from tapgen.rules.view import Place, Resource
from tapgen.system import checks
from tapgen.template.evaluate import LATER

Told = tuple[StackSet, Path, str]
"""The stack set and the place in its template where something is wrong, and what."""


class SystemRule(Rule):
    """A rule about the stack sets of a system together.

    `bad` and `good` are systems in YAML: part -> regions, parameters, depends_on,
    template; `at` is `part: path`. Under cfn-lint itself, which sees one template at a
    time, such a rule says nothing.
    """

    def across(self, it: Across) -> Iterator[Told]:
        """Everything wrong with a system."""
        yield from ()


@dataclass(frozen=True)
class Origin:
    """A resource of some stack set that a value is made from."""

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
class Across:
    """A system whose templates are evaluated once for each place they go to."""

    system: System
    _made: dict[tuple[str, Target], Place] = field(default_factory=dict)
    _markers: dict[str, tuple[StackSet, Place, Any]] = field(default_factory=dict)

    @property
    def resolved(self) -> bool:
        """Whether it is known of any two accounts whether they are the same."""
        accounts = {t.account for s in self.system.stack_sets for t in s.targets}
        return accounts == {SELF} or SELF not in accounts

    @cached_property
    def parts(self) -> Mapping[str, StackSet]:
        return {s.part: s for s in self.system.stack_sets}

    @cached_property
    def places(self) -> tuple[tuple[StackSet, Place], ...]:
        """Every stack set with the places it goes to; of the accounts that have the
        same values in a region, the first two."""
        found: list[tuple[StackSet, Place]] = []
        for stack_set in self.system.stack_sets:
            seen: dict[str, set[str]] = {}
            for target in stack_set.targets:
                key = f"{target.region} {sorted(stack_set.values(target).items(), key=repr)}"
                same = seen.setdefault(key, set())
                if target.account not in same and len(same) < 2:
                    same.add(target.account)
                    found.append((stack_set, self.place(stack_set, target)))
        return tuple(found)

    def resources(self, *types: str) -> Iterator[tuple[StackSet, Resource]]:
        """Every resource of these types that is made for sure."""
        for stack_set, place in self.places:
            for resource in place.of(*types):
                if resource.certain:
                    yield stack_set, resource

    def place(self, stack_set: StackSet, target: Target) -> Place:
        key = (stack_set.part, target)
        if key not in self._made:
            # What asks for itself in a circle gets an empty template's place.
            self._made[key] = views.place({}, {}, target)
            given = {
                name: self._value(value, target)
                for name, value in stack_set.values(target).items()
            }
            body = checks.body(stack_set.template)
            self._made[key] = views.place(body, given, target)
        return self._made[key]

    def _value(self, value: str | Output, target: Target) -> Any:
        if isinstance(value, str):
            return value
        source = self.parts.get(value.part)
        places = checks.sources(value, target, source.targets) if source else ()
        made = []
        for at in places[:3]:
            assert source is not None, "places are those of a source"
            place = self.place(source, at)
            node = place.evaluated.outputs.get(value.output)
            made.append((source, place, node))
        known = [text(node) for _, _, node in made]
        if known and None not in known and len(places) <= len(known):
            return ",".join(map(str, known))
        marker = f"{value!r} for {target}"
        if len(made) == 1 and len(places) == 1:
            self._markers[marker] = made[0]
        return {LATER: marker}

    def origin(self, stack_set: StackSet, place: Place, node: Any) -> Origin | None:
        """The resource a value is made from, wherever it is made."""
        match node:
            case {"Ref": str(name)}:
                return self._found(stack_set, place, name, "")
            case {"Fn::GetAtt": [str(name), *rest]}:
                return self._found(stack_set, place, name, ".".join(map(str, rest)))
        if isinstance(node, Mapping) and len(node) == 1:
            marker = node.get(LATER)
            if isinstance(marker, str) and marker in self._markers:
                return self.origin(*self._markers[marker])
        return None

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
        """Part -> every part that is rolled out before it."""
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
        """Stack set, place, output and the name it is exported under."""
        for stack_set, place in self.places:
            body = checks.body(stack_set.template)
            outputs = get(body, "Outputs")
            if not isinstance(outputs, Mapping) or place.target is None:
                continue
            # Evaluated as properties are, of resources with the outputs' conditions.
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
            made = views.place({**body, "Resources": stand_ins}, given, place.target)
            for resource in made.of():
                name = text(resource.properties, "Name")
                if name:
                    yield stack_set, place, resource.id, name


def findings(system: System, rules: list[SystemRule]) -> list[Finding]:
    """What these rules find; lines and files are left to whoever knows them."""
    it = Across(system)
    found: dict[Finding, None] = {}
    for rule in rules:
        for stack_set, path, message in rule.across(it):
            written = views.locate(checks.body(stack_set.template), path)
            named = len(written) > 1 and isinstance(written[1], str)
            finding = Finding(
                stack_set=stack_set.name,
                logical_id=str(written[1]) if named else "",
                rule=rule.id,
                severity=Severity(rule.severity),
                message=message,
                path=tuple(written),
                url=rule.source_url,
            )
            found[finding] = None
    return list(found)
