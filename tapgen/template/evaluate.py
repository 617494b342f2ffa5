"""Evaluate a template for one target: its parameters, mappings and conditions.

What cannot be known without AWS (a resource's Ref, availability zones, a condition on
one of these) stays symbolic, as the intrinsic function it was written with, with
everything inside it evaluated. So two evaluated templates can be compared: equal
values are equal, whatever they were written like.

Functions and their arguments: CloudFormation user guide, "Intrinsic function
reference" and "Pseudo parameters reference".
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tapgen.model import Observed, Output, StackSet, Target, Value
from tapgen.template import loops

MAX_DEPTH = 100
"""Nesting below which a template is left as written; AWS's own limit is lower."""

LATER = "Tapgen::Later"
"""Key of the dictionary that stands for a value known only once a rollout runs."""

_MEMBERS = ("Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn")
_NO_VALUE = object()
_PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")


@dataclass(frozen=True)
class Unmapped:
    """A look-up in `Mappings` that finds nothing, and where it stands.

    `keys` are those it asks for, the mapping first; `has` what there is instead of the
    one that is missing.
    """

    path: tuple[str | int, ...]
    keys: tuple[str, ...]
    missing: str
    has: tuple[str, ...]

    def __str__(self) -> str:
        shown = self.has[:8] + (("…",) if len(self.has) > 8 else ())
        return (
            f"Fn::FindInMap [{', '.join(self.keys)}] finds nothing: there is no"
            f" {self.missing!r}, only {', '.join(shown) or 'nothing'}; add it to the"
            " mapping, or give a DefaultValue"
        )


@dataclass(frozen=True)
class Evaluated:
    """A template as one target has it.

    `resources` are those whose condition does not say no, with evaluated attributes;
    `outputs` the evaluated values. `conditions` are True, False, or None for unknown.
    Loops are written out; `problems` tell of those that cannot be, and of assertions in
    `Rules` that do not hold, with their place. `unmapped` are look-ups that certainly
    happen and that the mappings do not answer: the stack fails there.
    """

    resources: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Any]
    conditions: Mapping[str, bool | None]
    problems: tuple[str, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()


def evaluate(
    template: Mapping[str, Any] | str, values: Mapping[str, Any], target: Target
) -> Evaluated:
    """Evaluate a template (its text, or the mapping) for a target.

    `values` are parameter values as strings; a dictionary with the key `LATER` stands
    for one that is not known yet. Defaults are filled in. Text that is no template
    gives an empty result, and whatever is malformed is left as written.
    """
    scope = _Scope(_mapping(_parsed(template)), values, target)
    body = scope.body
    resources = {
        str(logical_id): scope.resource(resource)
        for logical_id, resource in _mapping(body.get("Resources")).items()
        if isinstance(resource, Mapping) and scope.wanted(resource)
    }
    outputs = {
        str(name): scope.resolve(output.get("Value"))
        for name, output in _mapping(body.get("Outputs")).items()
        if isinstance(output, Mapping) and scope.wanted(output)
    }
    conditions = {name: scope.condition(name) for name in scope.conditions}
    problems = (*scope.problems, *scope.broken_rules())
    unmapped = tuple(scope.unmapped(resources, outputs)) if scope.lost else ()
    return Evaluated(resources, outputs, conditions, problems, unmapped)


def given(values: Mapping[str, Value]) -> dict[str, Any]:
    """A target's values as `evaluate` takes them: outputs are known later."""
    return {
        name: {LATER: str(value)} if isinstance(value, Output) else value
        for name, value in values.items()
    }


def no_echo(parameter: Mapping[str, Any]) -> bool:
    """Whether CloudFormation never shows the value of a parameter, as declared."""
    return str(parameter.get("NoEcho", "")).lower() == "true"


def secrets(
    template: Mapping[str, Any] | str, values: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The NoEcho parameters of a template with their values, given or by default; None
    where there is none."""
    declared = _mapping(_mapping(_parsed(template)).get("Parameters"))
    return {
        str(name): values.get(name, _mapping(parameter).get("Default"))
        for name, parameter in declared.items()
        if no_echo(_mapping(parameter))
    }


def written_out(
    template: Mapping[str, Any] | str, values: Mapping[str, Any], target: Target
) -> Mapping[str, Any]:
    """The template as it is written, but for its loops: those are written out as the
    target has them."""
    return _Scope(_mapping(_parsed(template)), values, target).body


def whole(s: StackSet | Observed) -> Mapping[str, Any]:
    """The template of a stack set with everything that its loops make at any target;
    the rest as it is written."""
    body = _mapping(_parsed(s.template))
    if loops.TRANSFORM not in loops.transforms(body):
        return body
    made: dict[str, dict[str, Any]] = {name: {} for name in loops.SECTIONS}
    for target in s.targets if isinstance(s, StackSet) else s.instances:
        here = written_out(body, given(s.values(target)), target)
        for name, section in made.items():
            made[name] = {**_mapping(here.get(name)), **section}
    return {k: made[k] if k in made else section for k, section in body.items()}


def references(node: Any) -> Iterator[str]:
    """Every `resource` (a Ref) and `resource.attribute` (a GetAtt) that an evaluated
    value is made from."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, Mapping):
        if isinstance(node.get("Ref"), str):
            yield node["Ref"]
        elif isinstance(node.get("Fn::GetAtt"), (str, list)):
            found = node["Fn::GetAtt"]
            yield found if isinstance(found, str) else ".".join(map(str, found))
        elif isinstance(node.get("Fn::Sub"), str):
            yield from _PLACEHOLDER.findall(node["Fn::Sub"])
        else:
            for value in node.values():
                yield from references(value)


def partition(region: str) -> str:
    """The partition of a region, by its name (AWS General Reference)."""
    prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso"}
    return next((p for start, p in prefixes.items() if region.startswith(start)), "aws")


@dataclass
class _Scope:
    """One template's names while it is evaluated."""

    body: Mapping[str, Any]
    given: Mapping[str, Any]
    target: Target
    depth: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    known: dict[str, bool | None] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    lost: bool = False  # whether some look-up in the mappings found nothing

    def __post_init__(self) -> None:
        for name, declared in _mapping(self.body.get("Parameters")).items():
            declared = _mapping(declared)
            value = self.given.get(name, declared.get("Default"))
            if value is not None:
                self.parameters[name] = _typed(value, str(declared.get("Type", "")))
        self.body, self.problems = loops.written_out(self.body, self.resolve)
        self.conditions = _mapping(self.body.get("Conditions"))

    # -- values ----------------------------------------------------------------------

    def resource(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """A resource with everything but its type, condition and order evaluated."""
        plain = ("Type", "Condition", "DependsOn", "Metadata")
        return {
            key: value if key in plain else self.resolve(value)
            for key, value in resource.items()
        }

    def wanted(self, part: Mapping[str, Any]) -> bool:
        name = part.get("Condition")
        return not isinstance(name, str) or self.condition(name) is not False

    def resolve(self, node: Any) -> Any:
        """The node's value; what is AWS::NoValue at the top becomes None."""
        value = self._resolve(node)
        return None if value is _NO_VALUE else value

    def _resolve(self, node: Any) -> Any:
        if self.depth >= MAX_DEPTH:
            return node
        self.depth += 1
        try:
            if isinstance(node, list):
                items = [self._resolve(item) for item in node]
                return [item for item in items if item is not _NO_VALUE]
            if not isinstance(node, Mapping):
                return node
            if len(node) == 1:
                ((name, argument),) = node.items()
                function = _FUNCTIONS.get(str(name))
                if function:
                    return function(self, argument)
            made = {key: self._resolve(value) for key, value in node.items()}
            return {k: v for k, v in made.items() if v is not _NO_VALUE}
        finally:
            self.depth -= 1

    def pseudo(self, name: str) -> Any:
        region = self.target.region
        known = {
            "AWS::Region": region,
            "AWS::AccountId": None if self.target.of_unit else self.target.account,
            "AWS::Partition": partition(region),
            "AWS::URLSuffix": (
                "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
            ),
            "AWS::NoValue": _NO_VALUE,
        }
        return known.get(name)

    def lookup(self, name: str) -> Any:
        """A parameter's or pseudo parameter's value; None for anything else."""
        return self.parameters.get(name, self.pseudo(name))

    # -- conditions ------------------------------------------------------------------

    def condition(self, name: str) -> bool | None:
        if name not in self.known:
            self.known[name] = None  # what names itself in a circle stays unknown
            self.known[name] = self.truth(self.conditions.get(name))
        return self.known[name]

    def truth(self, node: Any) -> bool | None:
        """Three-valued: None where the outcome hangs on something unknown."""
        if not isinstance(node, Mapping) or len(node) != 1:
            return None
        ((name, argument),) = node.items()
        if name == "Condition" and isinstance(argument, str):
            return self.condition(argument)
        if not isinstance(argument, Sequence) or isinstance(argument, str):
            return None
        if name == "Fn::Equals" and len(argument) == 2:
            return self._equal(*argument)
        if name in _MEMBERS and len(argument) == 2:
            return self._members(name, *argument)
        parts = [self.truth(part) for part in argument]
        if name == "Fn::Not" and len(parts) == 1:
            return None if parts[0] is None else not parts[0]
        if name == "Fn::And":
            return False if False in parts else None if None in parts else True
        if name == "Fn::Or":
            return True if True in parts else None if None in parts else False
        return None

    def _equal(self, left: Any, right: Any) -> bool | None:
        left, right = self._resolve(left), self._resolve(right)
        if same(left, right):
            return True
        return None if is_open(left) or is_open(right) else False

    def _members(self, name: str, left: Any, right: Any) -> bool | None:
        """The functions that only rules have (template reference, "Rules")."""
        left, right = self._resolve(left), self._resolve(right)
        if is_open(left) or is_open(right) or not isinstance(left, list):
            return None
        if name == "Fn::Contains":
            return any(same(item, right) for item in left)
        allowed = right if isinstance(right, list) else [right]
        return all(any(same(item, one) for one in allowed) for item in left)

    def broken_rules(self) -> Iterator[str]:
        """The assertions that certainly do not hold, as their author describes them."""
        for name, rule in _mapping(self.body.get("Rules")).items():
            when = _mapping(rule).get("RuleCondition")
            if when is not None and self.truth(when) is not True:
                continue
            for one in _items(_mapping(rule).get("Assertions")):
                if self.truth(_mapping(one).get("Assert")) is False:
                    said = one.get("AssertDescription", "an assertion does not hold")
                    yield f"Rules.{name}: {said}"

    def unmapped(
        self, resources: Mapping[str, Any], outputs: Mapping[str, Any]
    ) -> Iterator[Unmapped]:
        """The look-ups without an answer in what is made for sure. Of the conditions
        all count: CloudFormation evaluates them before it makes anything."""
        for name, condition in self.conditions.items():
            yield from self._lookups(self.resolve(condition), ("Conditions", str(name)))
        for section, made in (("Resources", resources), ("Outputs", outputs)):
            declared = _mapping(self.body.get(section))
            for name, node in made.items():
                when = _mapping(declared.get(name)).get("Condition")
                if when is None or (
                    isinstance(when, str) and self.condition(when) is True
                ):
                    yield from self._lookups(node, (section, name))

    def _lookups(self, node: Any, path: tuple[str | int, ...]) -> Iterator[Unmapped]:
        if len(path) > MAX_DEPTH:
            return
        if isinstance(node, list):
            for index, item in enumerate(node):
                yield from self._lookups(item, (*path, index))
        elif isinstance(node, Mapping) and "Fn::If" not in node:
            # Of an Fn::If that is still here it is not known which side is taken.
            keys = node.get("Fn::FindInMap")
            if isinstance(keys, list) and len(keys) == 3:
                yield from self._unanswered(keys, path)
            for key, value in node.items():
                if key != "Metadata":
                    yield from self._lookups(value, (*path, str(key)))

    def _unanswered(
        self, keys: list[Any], path: tuple[str | int, ...]
    ) -> Iterator[Unmapped]:
        """The first of three known keys that is not there, in what is known whole."""
        found: Any = self.body.get("Mappings")
        if not all(isinstance(key, str) for key in keys):
            return
        for key in keys:
            if not isinstance(found, Mapping) or any(
                str(k).startswith("Fn::") for k in found
            ):
                return
            if key not in found:
                has = tuple(sorted(map(str, found)))
                yield Unmapped(path, tuple(map(str, keys)), key, has)
                return
            found = found[key]


def same(left: Any, right: Any) -> bool:
    """Whether two evaluated values are equal to CloudFormation, for which `true` and
    `"true"`, 5 and "5" are the same, and text that is put together by `Fn::Sub` and by
    `Fn::Join`."""
    texts = _pieces(left), _pieces(right)
    if texts[0] or texts[1]:
        left, right = texts[0] or [left], texts[1] or [right]
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(
            same(value, right[key]) for key, value in left.items()
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(_scalar(left) == _scalar(right))


def _pieces(node: Any) -> list[Any]:
    """What a text that AWS has to put together consists of: literals, and what only
    AWS knows, in order. Empty for anything else."""
    match node:
        case {"Fn::Sub": str(text), **more} if not more:
            return _merged(_parts(text, {}))
        case {"Fn::Sub": [str(text), Mapping() as local], **more} if not more:
            return _merged(_parts(text, local))
        case {"Fn::Join": [str(between), list(items)], **more} if not more:
            parts = [part for item in items for part in (between, item)]
            return _merged(parts[1:])
    return []


def _parts(text: str, local: Mapping[str, Any]) -> Iterator[Any]:
    """The parts of a text with placeholders, these as the functions they stand for."""
    for number, part in enumerate(_PLACEHOLDER.split(text)):
        if number % 2 == 0:
            yield part.replace("${!", "${")
        elif part in local:
            yield local[part]
        else:
            name, dot, attribute = part.partition(".")
            yield {"Fn::GetAtt": [name, attribute]} if dot else {"Ref": name}


def _merged(parts: Iterable[Any]) -> list[Any]:
    """The parts with texts inside texts opened, and neighbouring literals as one."""
    made: list[Any] = []
    for part in (p for whole in parts for p in _pieces(whole) or [whole]):
        part = _scalar(part)
        if isinstance(part, str) and made and isinstance(made[-1], str):
            made[-1] += part
        elif part != "":
            made.append(part)
    return made


# -- functions -----------------------------------------------------------------------


def _ref(scope: _Scope, name: Any) -> Any:
    if not isinstance(name, str):
        name = scope._resolve(name)  # the language extensions allow it
    found = scope.lookup(name) if isinstance(name, str) else None
    return {"Ref": name} if found is None else found


def _get_att(scope: _Scope, argument: Any) -> Any:
    if isinstance(argument, str):
        argument = argument.split(".", 1)
    return {"Fn::GetAtt": scope._resolve(argument)}


def _sub(scope: _Scope, argument: Any) -> Any:
    text: Any = argument
    local: Mapping[str, Any] = {}
    if isinstance(argument, list) and len(argument) == 2:
        text, local = argument[0], _mapping(argument[1])
    if not isinstance(text, str):
        return {"Fn::Sub": argument}
    own = {key: scope._resolve(value) for key, value in local.items()}
    left: dict[str, Any] = {}

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        value = own[name] if name in own else scope.lookup(name)
        if isinstance(value, Mapping) and "Ref" in value and name in own:
            return f"${{{value['Ref']}}}"
        if value is None or is_open(value) or isinstance(value, list):
            if name in own:
                left[name] = own[name]
            elif value is not None:
                left[name] = value
            return match[0]
        return str(_scalar(value))

    done = _PLACEHOLDER.sub(fill, text)
    if left:
        return {"Fn::Sub": [done, left]}
    if _PLACEHOLDER.search(done):
        return {"Fn::Sub": done}
    return done.replace("${!", "${")


def _join(scope: _Scope, argument: Any) -> Any:
    items = scope._resolve(argument)
    if not (isinstance(items, list) and len(items) == 2 and isinstance(items[1], list)):
        return {"Fn::Join": items}
    delimiter, parts = items
    if any(isinstance(part, (Mapping, list)) for part in parts):
        return {"Fn::Join": items}
    return str(delimiter).join(map(_scalar, parts))


def _select(scope: _Scope, argument: Any) -> Any:
    items = scope._resolve(argument)
    if isinstance(items, list) and len(items) == 2 and isinstance(items[1], list):
        index, choices = items
        if str(index).isdigit() and int(index) < len(choices):
            return choices[int(index)]
    return {"Fn::Select": items}


def _split(scope: _Scope, argument: Any) -> Any:
    items = scope._resolve(argument)
    if isinstance(items, list) and len(items) == 2:
        delimiter, text = items
        if isinstance(text, str) and delimiter:
            return list(text.split(str(delimiter)))
    return {"Fn::Split": items}


def _find_in_map(scope: _Scope, argument: Any) -> Any:
    items = scope._resolve(argument)
    found = scope.body.get("Mappings")
    if isinstance(items, list):
        for key in items[:3]:
            known = isinstance(found, Mapping) and isinstance(key, str)
            found = found.get(key) if known and isinstance(found, Mapping) else None
        if found is not None and len(items) >= 3:
            return found
        match items:
            case [str(), str(), str(), {"DefaultValue": default}]:
                return default
    scope.lost = True
    return {"Fn::FindInMap": items}


def _if(scope: _Scope, argument: Any) -> Any:
    if not (isinstance(argument, list) and len(argument) == 3):
        return {"Fn::If": argument}
    name, yes, no = argument
    outcome = scope.condition(name) if isinstance(name, str) else None
    if outcome is None:
        sides = [scope._resolve(yes), scope._resolve(no)]
        kept = [{"Ref": "AWS::NoValue"} if s is _NO_VALUE else s for s in sides]
        return {"Fn::If": [name, *kept]}
    return scope._resolve(yes if outcome else no)


def _cidr(scope: _Scope, argument: Any) -> Any:
    items = scope._resolve(argument)
    try:
        block, count, bits = items
        network = ipaddress.ip_network(str(block))
        subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
        # CloudFormation makes 256 at most.
        return [str(next(subnets)) for _ in range(min(int(count), 256))]
    except (TypeError, ValueError, StopIteration):
        return {"Fn::Cidr": items}


def _length(scope: _Scope, argument: Any) -> Any:
    items = scope._resolve(argument)
    return len(items) if isinstance(items, list) else {"Fn::Length": items}


def _to_json(scope: _Scope, argument: Any) -> Any:
    value = scope._resolve(argument)
    if is_open(value):
        return {"Fn::ToJsonString": value}
    return json.dumps(value, separators=(",", ":"))


_FUNCTIONS: Mapping[str, Callable[[_Scope, Any], Any]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
    "Fn::If": _if,
    "Fn::Cidr": _cidr,
    "Fn::Length": _length,
    "Fn::ToJsonString": _to_json,
}


def is_open(node: Any) -> bool:
    """Whether a value still holds something that only AWS knows."""
    if isinstance(node, list):
        return any(map(is_open, node))
    if not isinstance(node, Mapping):
        return False
    names = ("Ref", "Condition", LATER)
    if len(node) == 1 and any(k in names or str(k).startswith("Fn::") for k in node):
        return True
    return any(map(is_open, node.values()))


def _typed(value: Any, kind: str) -> Any:
    """A parameter's value; list types are given as one text with commas."""
    lists = kind == "CommaDelimitedList" or kind.startswith(
        ("List<", "AWS::SSM::Parameter::Value<List<")
    )
    if kind.startswith("AWS::SSM::Parameter::Value"):
        return {LATER: f"SSM parameter {value}"}  # CloudFormation looks it up
    if lists and isinstance(value, str):
        return [item.strip() for item in value.split(",")] if value else []
    return value


def _scalar(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


def _parsed(template: Mapping[str, Any] | str) -> Any:
    if not isinstance(template, str):
        return template
    try:
        return json.loads(template)
    except (ValueError, RecursionError):
        return {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
