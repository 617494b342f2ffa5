"""Write a system to files under `templates_out/`.

    <system>/<part>.json           a template, exactly the text that CloudFormation gets
    <system>/manifest.json         the machine-readable system; other tools rely on it
    <system>/<part>.<env>.json     only where an environment's template must differ
    <system>/manifest.<env>.json   the system of another environment

The same system always gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from graphlib import TopologicalSorter
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapgen.cache import store
from tapgen.errors import TemplateError
from tapgen.model import (
    Artifact,
    Output,
    StackSet,
    System,
    Target,
    Value,
    artifact_bucket,
    digest,
    gate_data,
    procedure_data,
)
from tapgen.model.drills import Goals
from tapgen.model.migrations import migration_data
from tapgen.model.shifts import shift_data
from tapgen.system import representatives
from tapgen.template import evaluate, schemas
from tapgen.template.values import text, unmarked

if TYPE_CHECKING:  # slow to import, and not needed to write files
    from troposphere import Template

FORMAT = 2
"""The version of the manifest's format."""

_ALARM = "AWS::CloudWatch::Alarm"

LARGEST = 1_000_000
"""The largest template that CloudFormation accepts from S3; in a call, 51,200 bytes."""

_SECTIONS = (
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Transform",
    "Resources",
    "Outputs",
)
# Conditions and dependencies of a resource come before its properties.
_ATTRIBUTES = (
    "Type",
    "Condition",
    "DependsOn",
    "CreationPolicy",
    "UpdatePolicy",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Metadata",
    "Properties",
)


def render(template: Template | Mapping[str, Any], ours: bool = False) -> str:
    """Return a template, or its data, as the JSON text to commit and deploy.

    `ours` says that a shipped blueprint made the data, which has no fractions then.

    Sections and attributes come in the order of the documentation, resources in the
    order they were added, so that a file reads from top to bottom. Raises
    TemplateError when it is larger than CloudFormation allows.
    """
    body = template if isinstance(template, Mapping) else template.to_dict()
    text = written(body, ours)
    if len(text.encode()) > LARGEST:
        raise TemplateError(
            f"{body.get('Description')}: {len(text.encode())} bytes; CloudFormation"
            f" allows {LARGEST}; split the part"
        )
    return text


def written(body: Mapping[str, Any], ours: bool = False) -> str:
    """Return a template's data as text, in that order, whatever its size."""
    return (_quickly if ours else _indented)(ordered(body)) + "\n"


def ordered(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template's data in the order in which it is written."""
    found = _in_order(body, _SECTIONS)
    found["Resources"] = {
        logical_id: (
            # A loop is a list.
            _in_order(resource, _ATTRIBUTES)
            if isinstance(resource, Mapping)
            else resource
        )
        for logical_id, resource in body["Resources"].items()
    }
    return found


def _quickly(value: Any) -> str:
    """Return the same as `_indented` for data without fractions: orjson writes some of
    them otherwise, 1e16 for 1e+16."""
    import orjson  # nothing is written where nothing has changed

    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONEncodeError:  # a number of more than 64 bits, half a surrogate
        return _indented(value)


def _indented(value: Any, line: str = "\n") -> str:
    """Return `json.dumps(value, indent=2, ensure_ascii=False)` in half the time: with an
    indent, the json module passes each value through a generator at each level."""
    inner = line + "  "
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, Mapping) and value:
        found = [f"{_key(k)}: {_indented(v, inner)}" for k, v in value.items()]
        return f"{{{inner}{(',' + inner).join(found)}{line}}}"
    if isinstance(value, (list, tuple)) and value:
        found = [_indented(v, inner) for v in value]
        return f"[{inner}{(',' + inner).join(found)}{line}]"
    return json.dumps(value)


def _key(key: Any) -> str:
    return encode_basestring(key if isinstance(key, str) else json.dumps(key))


def _in_order(mapping: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    known = {key: mapping[key] for key in keys if key in mapping}
    return known | {key: value for key, value in mapping.items() if key not in known}


def files(system: System, default: System | None = None) -> dict[str, str]:
    """Return the files of a system: path below the output folder -> text.

    `default` is the same system without an environment: an environment shares its
    templates wherever the bytes are the same.
    """
    found = {
        f"{system.name}/{name}": stack_set.template
        for stack_set, name in _template_names(system, default)
        if default is None or name != f"{stack_set.part}.json"
    }
    manifest_name = _manifest_name(system.environment)
    text = _quickly(manifest(system, default)) + "\n"
    return found | {f"{system.name}/{manifest_name}": text}


def manifest_path(folder: Path, name: str, environment: str | None) -> Path:
    """Return the manifest of a system and an environment below the output folder."""
    return folder / name / _manifest_name(environment)


def _manifest_name(environment: str | None) -> str:
    return f"manifest.{environment}.json" if environment else "manifest.json"


def placed(folder: Path, name: str, environment: str | None) -> System | None:
    """Return a system as its manifest places it, without its stack sets; None where there
    is no manifest that can be read."""
    try:
        data = json.loads(manifest_path(folder, name, environment).read_bytes())
        return System(
            name=name,
            blueprint=data["blueprint"],
            suffix=data["suffix"],
            regions=dict(data["regions"]),
            admin=Target(**data["admin"]),
            stack_sets=(),
            environment=environment,
            delegated=data["call_as"] == "DELEGATED_ADMIN",
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _infix(system: System) -> str:
    return f".{system.environment}" if system.environment else ""


def _template_names(
    system: System, default: System | None
) -> list[tuple[StackSet, str]]:
    shared = {s.part: s.template for s in default.stack_sets} if default else None
    return [
        (
            s,
            (
                f"{s.part}.json"
                if shared is None or shared.get(s.part) == s.template
                else f"{s.part}{_infix(system)}.json"
            ),
        )
        for s in system.stack_sets
    ]


def manifest(system: System, default: System | None = None) -> dict[str, Any]:
    """Return the system as data: stack sets, targets, values, order, names."""
    waves = _waves(system.stack_sets)
    return {
        "format": FORMAT,
        "system": system.name,
        "blueprint": system.blueprint,
        "environment": system.environment,
        "suffix": system.suffix,
        "regions": dict(system.regions),
        "admin": {"account": system.admin.account, "region": system.admin.region},
        "call_as": "DELEGATED_ADMIN" if system.delegated else "SELF",
        "managed_execution": False,
        "administration_role": system.administration_role,
        "execution_role": system.execution_role,
        "operator_role": system.operator_role,
        "rollout": _rollout(system),
        "tags": dict(system.tags),
        **({"goals": asdict(system.goals)} if system.goals != Goals() else {}),
        "stack_sets": [
            _stack_set(system, stack_set, name, waves[stack_set.part])
            for stack_set, name in _template_names(system, default)
        ],
        "procedures": [
            *map(procedure_data, system.procedures),
            *map(shift_data, system.shifts),
            *map(migration_data, [system.migration] if system.migration else []),
        ],
    }


def _rollout(system: System) -> dict[str, Any]:
    settings = system.rollout
    preferences = {
        key: value
        for key, value in vars(settings.preferences).items()
        if value is not None
    }
    return {
        "strategy": settings.strategy.value if settings.strategy else None,
        "preferences": preferences,
        "order": list(settings.order),
        "on_failure": settings.on_failure,
        **({"gates": list(map(gate_data, settings.gates))} if settings.gates else {}),
    }


def _waves(stack_sets: Iterable[StackSet]) -> dict[str, int]:
    """Return part -> its wave, from 1: one after the last wave that it depends on."""
    requires = {s.part: s.requires() for s in stack_sets}
    waves: dict[str, int] = {}
    for part in TopologicalSorter(requires).static_order():
        waves[part] = 1 + max((waves[p] for p in requires.get(part, ())), default=0)
    return waves


def _stack_set(
    system: System, stack_set: StackSet, template_name: str, wave: int
) -> dict[str, Any]:
    body = evaluate.whole(stack_set)
    parts = {s.part: s.name for s in system.stack_sets}
    return {
        "name": stack_set.name,
        "part": stack_set.part,
        "template": template_name,
        "digest": digest(stack_set.template),
        "bytes": len(stack_set.template.encode()),
        "resources": len(body["Resources"]),
        "role": stack_set.role,
        "wave": wave,
        "targets": [
            {"account": t.account, "region": t.region} for t in stack_set.targets
        ],
        "depends_on": sorted(parts.get(p, p) for p in stack_set.requires()),
        "parameters": _values(stack_set.parameters),
        "overrides": [
            {
                key: value
                for key, value in (
                    ("account", override.account),
                    ("region", override.region),
                    ("parameters", _values(override.parameters)),
                )
                if value is not None
            }
            for override in stack_set.overrides
        ],
        **({"imported": [*stack_set.imported]} if stack_set.imported else {}),
        **_at_first(stack_set, parts),
        "parameter_types": {
            name: {"type": p["Type"], "no_echo": p.get("NoEcho", False)}
            for name, p in body.get("Parameters", {}).items()
        },
        "outputs": list(body.get("Outputs", {})),
        "stateful": [
            logical_id
            for logical_id, resource in body["Resources"].items()
            if schemas.is_stateful(resource["Type"])
        ],
        "alarms": _alarms(system, stack_set),
        "artifacts": {
            name: _artifact(stack_set, artifact)
            for name, artifact in stack_set.artifacts.items()
        },
        "capabilities": list(stack_set.capabilities),
        "tags": dict(stack_set.tags),
        **stack_set.permissions(),
    }


def _at_first(stack_set: StackSet, parts: Mapping[str, str]) -> dict[str, Any]:
    """What parameters have in new stacks; left out where there is none."""
    found = {
        name: {"value": one.value, "until": [parts.get(p, p) for p in one.until]}
        for name, one in stack_set.at_first.items()
    }
    return {"at_first": found} if found else {}


def _values(values: Mapping[str, Value]) -> dict[str, Any]:
    return {
        name: _reference(value) if isinstance(value, Output) else value
        for name, value in values.items()
    }


def _reference(value: Output) -> dict[str, Any]:
    found: dict[str, Any] = {
        "output": str(value),
        "region": value.region,
        "account": value.account,
    }
    found |= {"all": True} if value.all else {}
    return found | ({"by": "ssm"} if value.by_name else {})


def _artifact(stack_set: StackSet, artifact: Artifact) -> dict[str, Any]:
    return {
        "path": artifact.path,
        "bytes": artifact.bytes,
        "key": artifact.key,
        "buckets": {
            str(target): artifact_bucket(target) for target in stack_set.targets
        },
        "parameters": {
            "bucket": artifact.bucket_parameter,
            "key": artifact.key_parameter,
        },
    }


def _alarms(system: System, stack_set: StackSet) -> dict[str, list[str]]:
    """Return region → the names of the alarms that a stack set creates there in any
    account; what only AWS knows is a variable, and so is the account."""
    body = evaluate.only(evaluate.parsed(stack_set.template), _ALARM, "AlarmName")
    if not body["Resources"]:
        return {}
    accounts = representatives.of(replace(system, stack_sets=(stack_set,)))
    found: dict[str, dict[str, None]] = {}
    for target in stack_set.targets:
        if target.account in accounts:
            names = found.setdefault(target.region, {})
            names |= dict.fromkeys(_alarm_names(stack_set, body, target))
    return {region: list(names) for region, names in found.items() if names}


def _alarm_names(
    stack_set: StackSet, body: Mapping[str, Any], target: Target
) -> Iterator[str]:
    values = evaluate.given(stack_set.values(target))
    marks = frozenset({"AWS::AccountId"})
    at_target = evaluate.evaluate(body, values, target, marks=marks)
    for resource in at_target.resources.values():
        properties = resource.get("Properties")
        name = properties.get("AlarmName") if isinstance(properties, dict) else None
        if name is not None and resource.get("Type") == _ALARM:
            yield text(unmarked(name, {target.account: "${AWS::AccountId}"}))


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Bring the files in `folder` up to date; return the paths that changed.

    Each file is replaced atomically. Templates of parts that no longer exist are
    removed.
    Raises TemplateError when the folder cannot be written.
    """
    changed = stale(folder, files)
    try:
        for path in changed:
            if path in files:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                store.replace(folder / path, files[path].encode(), 0o644)
            else:
                (folder / path).unlink()
    except OSError as error:
        raise TemplateError(
            f"{folder}: cannot be written: {error.strerror or error}; make it writable"
            " or give another folder"
        ) from error
    return changed


def stale(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return the paths in `folder` that differ from `files`: `[]` when up to date.

    That includes templates that no manifest in `files` lists any more. Raises
    TemplateError when something there cannot be read.
    """
    try:
        differing = [p for p, text in files.items() if _read(folder / p) != text]
        return sorted([*differing, *_left_over(folder, files)])
    except OSError as error:
        raise TemplateError(
            f"{folder}: cannot be read: {error.strerror or error}; make it readable"
            " or give another folder"
        ) from error


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _left_over(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return the templates in `folder` that no longer belong to a system in `files`."""
    found = []
    for path in files:
        system, _, file = path.rpartition("/")
        if not file.startswith("manifest."):
            continue
        infix = file.removeprefix("manifest").removesuffix(".json")
        for existing in sorted((folder / system).glob("*.json")):
            name = f"{system}/{existing.name}"
            same = existing.name.partition(".")[2] == f"{infix}.json".lstrip(".")
            if same and name not in files:
                found.append(name)
    return found
