"""Who provides what in a system, and who uses it, as it is deployed.

A new template says what a stack will use. What its stack uses until then is read here
from the deployed stack sets: a parameter value that is an output of another one, an
`Fn::ImportValue` of an export, and the name of an SSM parameter that another one writes. CloudFormation refuses to remove an export that is
imported ("Get exported outputs from a deployed CloudFormation stack", user guide), and
nothing refuses to remove an output, or an SSM parameter.

Pure: takes data, returns data. Begin reading at `uses`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.frozen import dataclass
from tapgen.knowledge.parameter_forms import SSM_VALUE
from tapgen.model import Observed, Target
from tapgen.template import evaluate
from tapgen.template.parameter_store import names
from tapgen.template.values import mapping

IMPORT = "Fn::ImportValue"
_PARAMETER = "AWS::SSM::Parameter"


@dataclass(frozen=True, order=True)
class Use:
    """A stack (`user` at `at`) uses what another one (`provider` at `source`) provides.

    Either the value of an `output`, which is `value`, or an `export` or an SSM `parameter`
    by its name.
    """

    user: str
    at: Target
    provider: str
    source: Target
    output: str = ""
    value: str = ""
    export: str = ""
    parameter: str = ""

    @property
    def what(self) -> str:
        """The provided thing, in words."""
        if self.parameter:
            return f"SSM parameter {self.parameter}"
        return f"export {self.export}" if self.export else f"output {self.output}"


def uses(observed: Mapping[str, Observed]) -> list[Use]:
    """Return what the deployed stack sets use of each other, sorted."""
    return sorted({*_values(observed), *_imports(observed), *_by_name(observed)})


def imports(node: Any) -> Iterator[str]:
    """Yield the name of every export that an evaluated template imports."""
    if isinstance(node, list):
        for item in node:
            yield from imports(item)
    elif isinstance(node, Mapping):
        if isinstance(node.get(IMPORT), str):
            yield node[IMPORT]
        for value in node.values():
            yield from imports(value)


def imported(template: str, values: Mapping[str, Any], target: Target) -> set[str]:
    """Return the names of the exports that a stack imports."""
    if IMPORT not in template:
        return set()
    found = evaluate.evaluate(template, values, target)
    return {*imports([r for r in found.resources.values()]), *imports(found.outputs)}


def _values(observed: Mapping[str, Observed]) -> Iterator[Use]:
    """Yield the parameter values that are outputs of other stack sets."""
    provided: dict[str, list[tuple[str, Target, str]]] = {}
    for name, found in observed.items():
        for target, instance in found.instances.items():
            for output, value in (instance.outputs or {}).items():
                provided.setdefault(value, []).append((name, target, output))
    for name, found in observed.items():
        shared = _items(found.parameters)
        for target, instance in found.instances.items():
            plain = instance.parameters is None and not instance.overrides
            for item in shared if plain else _items(found.values(target)):
                for provider, source, output in provided.get(item, ()):
                    if provider != name:
                        yield Use(name, target, provider, source, output, item)


def _items(values: Mapping[str, str]) -> set[str]:
    """Return the values of parameters, and what is between the commas of lists."""
    return {i for value in values.values() for i in {value, *value.split(",")} if i}


def _imports(observed: Mapping[str, Observed]) -> Iterator[Use]:
    """Yield the imports of exports; both are of one account and region."""
    exported: dict[tuple[str, str, str], tuple[str, Target]] = {}
    for name, found in observed.items():
        for target in found.instances if _has(found, evaluate.EXPORT) else ():
            for export in evaluate.exports(
                found.template_of(target), found.values(target), target
            ).values():
                if isinstance(export, str):
                    exported[(target.account, target.region, export)] = name, target
    for name, found in observed.items():
        for target in found.instances if exported and _has(found, IMPORT) else ():
            for export in imported(
                found.template_of(target), found.values(target), target
            ):
                place = target.account, target.region, export
                if place in exported and exported[place][0] != name:
                    yield Use(name, target, *exported[place], export=export)


def writes(resources: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """Return the names of the SSM parameters that evaluated resources write."""
    return [
        mapping(one.get("Properties")).get("Name")
        for one in resources.values()
        if one.get("Type") == _PARAMETER
    ]


def _by_name(observed: Mapping[str, Observed]) -> Iterator[Use]:
    """Yield the SSM parameters of stack sets that other ones read, in the same place."""
    read: dict[tuple[str, str], list[tuple[str, Target, str]]] = {}
    for name, found in observed.items():
        for target in found.instances if _has(found, SSM_VALUE) else ():
            place = target.account, target.region
            template = found.template_of(target)
            for parameter in names(template, found.values(target)).values():
                read.setdefault(place, []).append((name, target, parameter))
    for provider, found in observed.items() if read else ():
        for source in found.instances:
            users = read.get((source.account, source.region), ())
            template = found.template_of(source)
            if not users or f'"{_PARAMETER}"' not in template:
                continue
            there = evaluate.evaluate(template, found.values(source), source)
            written = writes(there.resources)
            for user, at, parameter in users:
                if user != provider and parameter in written:
                    yield Use(user, at, provider, source, parameter=parameter)


def _has(found: Observed, word: str) -> bool:
    """Whether a template that a stack set runs anywhere has a word."""
    own = {i.template for i in found.instances.values() if i.template}
    return any(word in text for text in {found.template, *own})
