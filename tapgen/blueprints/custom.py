"""Stack sets from the user's own templates, connected by the config.

A template is CloudFormation in JSON or YAML, or a Python file with a Troposphere
`template`, or a function `build` that returns one. tapgen always sends, commits and
compares its JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from troposphere import Template

from tapgen.blocks import names
from tapgen.blueprints import includes, nested_stacks, parts, python, sam
from tapgen.config import Blueprint, Config, StackSetConfig
from tapgen.errors import BlueprintError, TemplateError
from tapgen.model import Artifact, Output, StackSet, System, Value
from tapgen.system import artifacts, checks, templates_out
from tapgen.template import decode, evaluate, loops

NAMES = ("template", "build")
"""The names that a Python file of a template defines, one or the other."""


def build(config: Config) -> System:
    """Return the system with the stack sets of a config.

    Raises BlueprintError with every unreadable template, every unresolved reference,
    and every value that a template does not accept.
    """
    system = parts.empty(config)
    problems: list[str] = []
    stack_sets: list[StackSet] = []
    for given in config.stack_sets:
        try:
            stack_sets.append(_stack_set(config, system, given))
        except (BlueprintError, TemplateError) as error:
            problems += _located(config, given, str(error))
    system = replace(system, stack_sets=tuple(stack_sets))
    if not problems:
        by_part = {given.part: given for given in config.stack_sets}
        placed = [_placed(config, by_part, problem) for problem in checks.found(system)]
        problems += [line for _, lines in sorted(placed) for line in lines]
    if problems:
        raise BlueprintError("\n".join(dict.fromkeys(problems)))
    return system


def _placed(
    config: Config, by_part: Mapping[str, StackSetConfig], problem: checks.Problem
) -> tuple[int, list[str]]:
    """Return the line of the value that is wrong, and the mistake with its key."""
    given = by_part.get(problem.part)
    if given is None:
        return 0, [str(problem)]
    place = given.place_of(problem.given, problem.target)
    if place is None:
        return given.line, [*_located(config, given, str(problem))]
    text = f"{config.path}:{place.line}: {place.key}: {problem.message}"
    return place.line, [text]


def _located(config: Config, given: StackSetConfig, text: str) -> Iterator[str]:
    for line in text.splitlines():
        where = f"{config.path}:{given.line}: stack_sets"
        own = line.startswith((f"{given.part}:", f"{given.part}."))
        yield f"{where}.{line}" if own else f"{where}.{given.part}: {line}"


def _stack_set(config: Config, system: System, given: StackSetConfig) -> StackSet:
    body, packaged = _body(config, given)
    text = templates_out.written(body)
    stack_set = StackSet(
        name=f"{system.prefix}-{given.part}",
        part=given.part,
        template=text,
        role=_role(config, given),
        targets=given.targets,
        parameters={**_implied(config, body), **given.parameters},
        overrides=given.overrides,
        at_first=given.at_first,
        depends_on=given.depends_on,
        imported=given.imported,
        capabilities=given.capabilities or (),
        tags={**system.tags, **given.tags},
        artifacts={
            name: artifacts.artifact(a.path, config.path.parent, a.bucket, a.key)
            for name, a in given.artifacts.items()
        }
        | {**packaged},
        service_managed=given.service_managed,
        source=_source(config, given),
    )
    if given.capabilities is None:
        whole = evaluate.whole(stack_set)
        needed = parts.capabilities(whole, json.dumps(whole))
        stack_set = replace(stack_set, capabilities=needed)
    return stack_set


def _role(config: Config, given: StackSetConfig) -> str:
    """Return `every`, the only region role, or `some` for several."""
    regions = {t.region for t in given.targets}
    roles = [role for role, region in config.regions.items() if region in regions]
    if len(roles) == 1:
        return roles[0]
    return "every" if len(roles) == len(config.regions) else "some"


def _implied(config: Config, body: Mapping[str, Any]) -> dict[str, Value]:
    """Return the suffix if a template declares the parameter for it, as shipped
    templates do.

    One template then serves every environment.
    """
    declared = names.SUFFIX in body.get("Parameters", {})
    return {names.SUFFIX: config.suffix} if declared else {}


def _source(config: Config, given: StackSetConfig) -> Path | None:
    """Return the JSON or YAML file of the template; None if Python generates it."""
    if ".py:" in given.template or given.template.endswith(".py"):
        return None
    return config.path.parent / given.template


def _body(
    config: Config, given: StackSetConfig
) -> tuple[Mapping[str, Any], Mapping[str, Artifact]]:
    """Return the template's data, and the artifacts that it names itself. Raises
    BlueprintError or TemplateError."""
    source = _source(config, given)
    if source is None:
        body, file = _of_python(given.template, config.path.parent)
    else:
        file, body = source, _of_file(source)
    expand = partial(_expanded, region=given.targets[0].region)
    return nested_stacks.expanded(body, file, _of_file, expand, _common(body, given))


def _expanded(
    body: dict[str, Any], file: Path, values: Mapping[str, str], *, region: str
) -> tuple[dict[str, Any], Mapping[str, Artifact]]:
    """Return a template as CloudFormation shall get it, its nested stacks apart, and the
    artifacts that it names. Raises TemplateError for what is not supported."""
    packaged: Mapping[str, Artifact] = {}
    if sam.uses(body):
        body, packaged = sam.expanded(body, file, values, region)
    said = [*_untaken(body), *loops.mistakes(body)]
    if said:
        raise TemplateError("\n".join(f"{file}: {line}" for line in said))
    return body, packaged


def _common(body: Mapping[str, Any], given: StackSetConfig) -> dict[str, str]:
    """Return the values that are known now and the same at all targets."""
    differing = {name for override in given.overrides for name in override.parameters}
    defaults = {
        name: parameter["Default"]
        for name, parameter in body.get("Parameters", {}).items()
        if "Default" in parameter
    }
    return {
        name: str(value)
        for name, value in {**defaults, **given.parameters}.items()
        if not isinstance(value, Output) and name not in differing
    }


def _of_file(file: Path) -> dict[str, Any]:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TemplateError(f"{file}: cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise TemplateError(f"{file}: not UTF-8; save the file as UTF-8") from error
    return _decoded(text, file)


def _decoded(text: str, file: Path) -> dict[str, Any]:
    return decode.template(text, str(file), partial(includes.expanded, file=file))


def _of_python(reference: str, folder: Path) -> tuple[dict[str, Any], Path]:
    found, file = python.load(reference, folder, NAMES)
    with python.reported(file):
        value = found() if callable(found) else found
        body = value.to_dict() if isinstance(value, Template) else value
    if isinstance(body, Mapping):
        body = templates_out.written({"Resources": {}, **body})
    if not isinstance(body, str):
        raise BlueprintError(
            f"{file}: returns {type(value).__name__}; return a troposphere.Template"
        )
    return _decoded(body, file), file


def _untaken(body: dict[str, Any]) -> Iterator[str]:
    """Yield what CloudFormation accepts and tapgen does not: templates that only AWS
    can expand.

    tapgen cannot check them or derive a role's permissions from them.
    """
    for transform in loops.transforms(body):
        if transform != loops.TRANSFORM:
            shown = transform.get("Name") if isinstance(transform, dict) else transform
            yield (
                f"Transform {shown}: only AWS can expand it; write out the result "
                f"(tapgen supports {loops.TRANSFORM}, and {sam.TRANSFORM} alone)"
            )
    for path, key, _ in _walk(body, ()):
        if key == "Fn::Transform":
            yield (
                f"{'.'.join(path)}: only AWS can expand Fn::Transform; write out the "
                "result"
            )


def _walk(
    node: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Yield every key of a template with its path and value."""
    if isinstance(node, list):
        for item in node:
            yield from _walk(item, path)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield path, key, value
            yield from _walk(value, (*path, key))


BLUEPRINT = Blueprint(
    name="custom",
    code="",
    roles=(),
    settings="tapgen.blueprints.no_settings",
    build=build,
    stack_sets=True,
)
