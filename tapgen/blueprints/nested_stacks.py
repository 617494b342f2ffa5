"""Nested stacks: their templates become artifacts, named by their content.

`aws cloudformation package` does the same with a local `TemplateURL`. Here the template
of each one is also in the metadata of its resource (`template.nested`), so that lint,
plan and roles see what is in it.

Source: `AWS::CloudFormation::Stack` in CloudFormation's template reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tapgen.errors import TemplateError
from tapgen.model import Artifact, Target
from tapgen.model.artifacts import artifact_bucket
from tapgen.system import artifacts, templates_out
from tapgen.template import loops, nested
from tapgen.template.values import mapping, references

MOST_NESTED = 10
"""How deep stacks may be nested here; one that contains itself would never end."""

Found = tuple[dict[str, Any], Mapping[str, Artifact]]
Expand = Callable[[dict[str, Any], Path, Mapping[str, str]], Found]
"""Returns a template as CloudFormation shall get it, and the artifacts that it names,
from the template, its file, and the values that are the same everywhere."""

_BUCKET = artifact_bucket(Target("${AWS::AccountId}", "${AWS::Region}"))


def expanded(
    body: dict[str, Any],
    file: Path,
    read: Callable[[Path], dict[str, Any]],
    expand: Expand,
    values: Mapping[str, str],
    depth: int = 0,
) -> Found:
    """Return a template and its artifacts with those of its nested stacks; paths are
    relative to the file that names them.

    Raises TemplateError with the place of a nested stack that cannot be read, or whose
    parameters and outputs are others than those that the template uses.
    """
    if depth > MOST_NESTED:
        raise TemplateError(
            f"{file}: stacks are nested more than {MOST_NESTED} deep; a template that "
            "contains itself never ends"
        )
    _refuse_loops(body, file, depth)
    body, found = expand(body, file, values)
    every = {**found}
    said: list[str] = []
    for name, resource in _stacks(body):
        path = _path(resource, f"{file}: Resources.{name}")
        source = file.parent / path
        template, more = expanded(read(source), source, read, expand, {}, depth + 1)
        said += [f"{file}: {line}" for line in _misfits(name, body, template, path)]
        one = artifacts.of_text(templates_out.written(template), path, source)
        every |= {**more, one.key: one}
        url = f"https://{_BUCKET}.s3.${{AWS::Region}}.${{AWS::URLSuffix}}/{one.key}"
        placed = {**resource["Properties"], "TemplateURL": {"Fn::Sub": url}}
        body["Resources"][name] = nested.carrying(
            {**resource, "Properties": placed}, nested.text(template)
        )
    if said:
        raise TemplateError("\n".join(said))
    return body, every


def _stacks(body: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (name, resource)
        for name, resource in body["Resources"].items()
        if mapping(resource).get("Type") == nested.TYPE
    ]


def _path(resource: Mapping[str, Any], where: str) -> str:
    url = mapping(resource.get("Properties")).get("TemplateURL")
    if not isinstance(url, str) or "://" in url:
        raise TemplateError(
            f"{where}: a nested stack with the TemplateURL {url}: only AWS can read it; "
            "give the path of a local file, relative to this one"
        )
    return url


def _refuse_loops(body: Mapping[str, Any], file: Path, depth: int) -> None:
    """Refuse loops inside of nested stacks, and nested stacks inside of loops: which
    resources there are is known at single targets only."""
    if depth and loops.TRANSFORM in loops.transforms(body):
        raise TemplateError(
            f"{file}: Transform {loops.TRANSFORM} in a nested stack; write out its "
            "loops, or make it a stack set of its own"
        )
    for name, entry in body["Resources"].items():
        if name.startswith(loops.LOOP) and nested.TYPE in str(entry):
            raise TemplateError(
                f"{file}: Resources.{name}: a nested stack in a loop; write it out, or "
                "make it a stack set of its own"
            )


def _misfits(
    name: str, body: Mapping[str, Any], template: Mapping[str, Any], path: str
) -> Iterator[str]:
    """Yield what a template gives to a nested stack, or takes from it, that it lacks."""
    properties = mapping(body["Resources"][name].get("Properties"))
    given = mapping(properties.get("Parameters"))
    declared = mapping(template.get("Parameters"))
    for parameter in given.keys() - declared.keys():
        yield (
            f"Resources.{name}.Properties.Parameters.{parameter}: {path} has no such "
            f"parameter; it has {_listed(declared)}"
        )
    for parameter, about in declared.items():
        if "Default" not in mapping(about) and parameter not in given:
            yield (
                f"Resources.{name}: {path} needs a value of its parameter {parameter}; "
                "give it in Parameters"
            )
    outputs = mapping(template.get("Outputs"))
    for used in dict.fromkeys(references(body)):
        stack, _, output = used.partition(".Outputs.")
        if stack == name and output and output not in outputs:
            yield (
                f"Resources.{name}: {path} has no output {output}; it has "
                f"{_listed(outputs)}"
            )


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)) or "none"
