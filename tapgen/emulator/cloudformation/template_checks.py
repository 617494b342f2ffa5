"""What CloudFormation checks of a template before it creates a resource.

Conditions, undefined names, circular dependencies, and addresses of templates. The
functions do not use ministack: what they need of it is passed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Template = Mapping[str, Any]
Parameters = Mapping[str, Mapping[str, Any]]
"""Resolved parameters by name."""
Resolve = Callable[[Any, Mapping[str, bool], Mapping[str, Any]], Any]
"""Resolves intrinsics in a value, given conditions and mappings."""


def evaluated(template: Template, resolve: Resolve) -> dict[str, bool]:
    """Every condition of a template; ValueError where one cannot be evaluated."""
    return _Conditions(template, resolve).all()


class _Conditions(dict[str, bool]):
    """The conditions of a template, each evaluated on first access.

    It is a dict because ministack's resolver reads the conditions of `Fn::If` and
    `Condition` with `get`.
    """

    def __init__(self, template: Template, resolve: Resolve) -> None:
        super().__init__()
        self._definitions: Mapping[str, Any] = template.get("Conditions") or {}
        self._mappings = template.get("Mappings") or {}
        self._resolve = resolve
        self._pending: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._definitions else default

    def __missing__(self, name: str) -> bool:
        if name not in self._definitions:
            raise ValueError(
                f"Template format error: Unresolved condition dependency {name} in "
                "the Conditions block of the template"
            )
        if name in self._pending:
            raise ValueError(
                "Template format error: Circular dependency between conditions: "
                f"[{', '.join(sorted(self._pending))}]"
            )
        self._pending.append(name)
        try:
            self[name] = self._holds(self._definitions[name])
        finally:
            self._pending.remove(name)
        return self[name]

    def _holds(self, expression: Any) -> bool:
        if isinstance(expression, Mapping) and len(expression) == 1:
            match next(iter(expression.items())):
                case "Condition", str(name):
                    return self[name]
                case "Fn::Equals", [left, right]:
                    return bool(self._value(left) == self._value(right))
                case "Fn::And", [*parts]:
                    return all([self._holds(part) for part in parts])
                case "Fn::Or", [*parts]:
                    return any([self._holds(part) for part in parts])
                case "Fn::Not", [part]:
                    return not self._holds(part)
        return bool(self._value(expression) == "true")

    def _value(self, value: Any) -> Any:
        return _text(self._resolve(value, self, self._mappings))

    def all(self) -> dict[str, bool]:
        return {name: self[name] for name in self._definitions}


def _text(value: Any) -> Any:
    """A value as CloudFormation compares it: scalars as strings."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, dict):
        return {key: _text(item) for key, item in value.items()}
    return str(value)


_PSEUDO = frozenset(
    f"AWS::{name}"
    for name in (
        "AccountId",
        "NoValue",
        "NotificationARNs",
        "Partition",
        "Region",
        "StackId",
        "StackName",
        "URLSuffix",
    )
)

Reference = tuple[str, str]
"""What a template refers to and by which function."""


def _references(value: Any, conditions: Mapping[str, bool] | None) -> set[Reference]:
    """What Ref, Fn::GetAtt and Fn::Sub below `value` name.

    With `conditions` only what is in force counts: of `Fn::If` the chosen branch.
    """
    found: set[Reference] = set()
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, Mapping):
            if len(node) == 1:
                function, argument = next(iter(node.items()))
                direct, rest = _reference(function, argument, conditions)
                found |= direct
                pending.extend(rest)
            else:
                pending.extend(node.values())
    return found


def _reference(
    function: str, argument: Any, conditions: Mapping[str, bool] | None
) -> tuple[set[Reference], list[Any]]:
    """What one function names directly, and the values in which to look further."""
    if function == "Ref" and isinstance(argument, str):
        return {(argument, function)}, []
    if function == "Fn::GetAtt":
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        return {(str(parts[0]), function)}, list(parts[1:])
    if function == "Fn::Sub":
        given = argument if isinstance(argument, list) else [argument]
        text = given[0]
        values: Mapping[str, Any] = given[1] if len(given) > 1 else {}
        names = {
            name.strip().partition(".")[0]
            for name in re.findall(r"\$\{([^!}][^}]*)\}", str(text))
            if name.strip() not in values
        }
        return {(name, function) for name in names}, list(values.values())
    if function == "Fn::If" and isinstance(argument, list) and len(argument) == 3:
        name = str(argument[0])
        if conditions is None:
            return {(name, function)}, argument[1:]
        return set(), [argument[1] if conditions.get(name, True) else argument[2]]
    return set(), [argument]


def null_in(template: Template) -> str | None:
    """Return AWS's sentence about the first null of a template; None without one.

    AWS shows `Type` where the template has `Properties` (aws-cloudformation/cfn-lint#38
    and #246: `/Resources/UserPool/Type/LambdaConfig/PreSignUp`); getmoto/moto#4221 has
    the sentence for a section.
    """
    waiting: list[tuple[tuple[str, ...], Any]] = [((), template)]
    while waiting:
        path, node = waiting.pop()
        inner: list[tuple[str, Any]] = []
        # What AWS says of a key that is null is not known; cfn-lint refuses it (E0000).
        if node is None or (isinstance(node, Mapping) and None in node):
            if path[:1] == ("Resources",) and path[2:3] == ("Properties",):
                path = (*path[:2], "Type", *path[3:])
            where = "".join(f"/{step}" for step in path)
            return f"[{where}] 'null' values are not allowed in templates"
        if isinstance(node, Mapping):
            inner = [(str(key), value) for key, value in node.items()]
        elif isinstance(node, list):
            inner = [(str(number), value) for number, value in enumerate(node)]
        waiting += [((*path, step), value) for step, value in reversed(inner)]
    return None


_SECTIONS = frozenset(
    "AWSTemplateFormatVersion Conditions Description Globals Hooks Mappings Metadata "
    "Outputs Parameters Resources Rules Transform".split()
)
_ATTRIBUTES = frozenset(
    "Condition CreationPolicy DeletionPolicy DependsOn Metadata Properties Type "
    "UpdatePolicy UpdateReplacePolicy".split()
)


def refuse_unknown_keys(template: Template) -> None:
    """The errors AWS raises for keys that a template, resource or output cannot have.

    Words: Versent/cfn-check#3, aws/aws-cli#3361, aws-samples/aws-iot-chat-example#1.
    """
    unknown = sorted(str(key) for key in template if key not in _SECTIONS)
    if unknown:
        raise ValueError(
            f"Invalid template property or properties [{', '.join(unknown)}]"
        )
    for definition in (template.get("Resources") or {}).values():
        for key in definition:
            if key not in _ATTRIBUTES:
                raise ValueError(f"Invalid template resource property '{key}'")
    for output in (template.get("Outputs") or {}).values():
        if not isinstance(output, Mapping) or "Value" not in output:
            raise ValueError(
                "Template format error: Every Outputs member must contain a Value object"
            )


def refuse_malformed(template: Template) -> None:
    """The errors AWS raises for a section of resources, or one of them, without shape."""
    resources: Mapping[str, Any] = template.get("Resources") or {}
    if not resources:
        raise ValueError(
            "Template format error: At least one Resources member must be defined."
        )
    for name, definition in resources.items():
        where = f"Template format error: [/Resources/{name}]"
        if not isinstance(definition, Mapping):
            raise ValueError(f"{where} resource definition is malformed")
        if not definition.get("Type"):
            raise ValueError(
                f"{where} Every Resources object must contain a Type member."
            )


def refuse_unresolved(template: Template, conditions: Mapping[str, bool]) -> None:
    """The errors AWS raises for names that a template uses and does not define."""
    resources: Mapping[str, Any] = template.get("Resources") or {}
    known = {*resources, *(template.get("Parameters") or {}), *_PSEUDO}
    outputs: Mapping[str, Any] = template.get("Outputs") or {}
    names = template.get("Conditions") or {}
    for block, members in (("Resources", resources), ("Outputs", outputs)):
        definitions = [m for m in members.values() if isinstance(m, Mapping)]
        for definition in definitions:
            wanted = definition.get("Condition")
            if wanted and wanted not in names:
                raise ValueError(
                    "Template format error: Unresolved condition dependency "
                    f"{wanted} in the {block} block of the template"
                )
        _refuse_names(block, definitions, known, names)
    inactive = {
        name
        for name, definition in resources.items()
        if not conditions.get(definition.get("Condition", ""), True)
    }
    active = {name: r for name, r in resources.items() if name not in inactive}
    shown = [
        output
        for output in outputs.values()
        if isinstance(output, Mapping)
        and conditions.get(output.get("Condition", ""), True)
    ]
    waited = {name for r in active.values() for name in _depends(r)} & inactive
    for block, parts in (("Resources", list(active.values())), ("Outputs", shown)):
        absent = {name for name, _ in _references(parts, conditions)} & inactive
        if block == "Resources":
            absent |= waited
        if absent:
            raise _unresolved(absent, block)


def _depends(definition: Mapping[str, Any]) -> list[str]:
    depends = definition.get("DependsOn") or []
    return [depends] if isinstance(depends, str) else list(depends)


def _refuse_names(
    block: str,
    definitions: Iterable[Mapping[str, Any]],
    known: set[str],
    conditions: Mapping[str, Any],
) -> None:
    missing: set[str] = set()
    for definition in definitions:
        for name, function in _references(definition, None):
            if function == "Fn::If":
                if name not in conditions:
                    raise ValueError(
                        f"Template error: unresolved condition dependency {name} in "
                        "Fn::If"
                    )
            elif name not in known and function == "Fn::GetAtt":
                raise ValueError(
                    "Template error: instance of Fn::GetAtt references undefined "
                    f"resource {name}"
                )
            elif name not in known:
                missing.add(name)
        missing |= {name for name in _depends(definition) if name not in known}
    if missing:
        raise _unresolved(missing, block)


def _unresolved(names: Iterable[str], block: str) -> ValueError:
    return ValueError(
        "Template format error: Unresolved resource dependencies "
        f"[{', '.join(sorted(names))}] in the {block} block of the template"
    )


def refuse_resources_in_conditions(template: Template) -> None:
    known = {*(template.get("Parameters") or {}), *_PSEUDO}
    named = {
        name
        for name, function in _references(template.get("Conditions") or {}, None)
        if function != "Fn::If" and name not in known
    }
    if named:
        raise ValueError(
            f"Template format error: Unresolved dependencies [{', '.join(sorted(named))}"
            "]. Cannot reference resources in the Conditions block of the template"
        )


def refuse_cycles(
    template: Template, dependencies: Callable[[Any, set[str]], Iterable[str]]
) -> None:
    """The error AWS raises for resources that wait for each other, or for themselves.

    `dependencies` gives the names, of those given, that a resource needs.
    """
    resources: Mapping[str, Any] = template.get("Resources") or {}
    needs = {
        name: set(dependencies(definition, set(resources)))
        for name, definition in resources.items()
    }
    while True:
        free = {name for name, needed in needs.items() if not needed & needs.keys()}
        if not free:
            break
        needs = {name: needed for name, needed in needs.items() if name not in free}
    # What is left also holds resources that merely depend on the circle.
    while True:
        wanted = set().union(*needs.values()) if needs else set()
        needed_by = {name: needed for name, needed in needs.items() if name in wanted}
        if needed_by.keys() == needs.keys():
            break
        needs = needed_by
    if needs:
        raise ValueError(
            f"Circular dependency between resources: [{', '.join(sorted(needs))}]"
        )


_S3_HOST = re.compile(r"^(?:(?P<bucket>.+)\.)?s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com$")


def path_style(url: str) -> str:
    """The path-style form of an S3 URL; other URLs as they are.

    S3 addresses an object as `https://BUCKET.s3.REGION.amazonaws.com/KEY`, also without
    region, or with the bucket as the first part of the path.
    """
    parts = urlsplit(url)
    found = _S3_HOST.match(parts.hostname or "")
    if not found:
        return url
    path = unquote(parts.path).lstrip("/")
    if found["bucket"]:
        path = f"{found['bucket']}/{path}"
    return f"https://s3.amazonaws.com/{path}"


def signer_of(url: str) -> tuple[str, str] | None:
    """The account and region that signed a link to an S3 object; None for another URL,
    and for credentials without an account in them."""
    credential = parse_qs(urlsplit(url).query).get("X-Amz-Credential", [""])[0]
    key, _, region, *_ = [*credential.split("/"), "", ""]
    return (key, region) if re.fullmatch("[0-9]{12}", key) else None
