"""A template's parameters, conditions and rules at one target.

Pseudo parameters: CloudFormation user guide, "Pseudo parameters reference".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tapgen.knowledge.regions import PARTITION_OF
from tapgen.model import Target
from tapgen.template import loops, nested
from tapgen.template.functions import FUNCTIONS, NO_VALUE
from tapgen.template.values import (
    FOUND,
    LATER,
    MAX_DEPTH,
    equal,
    is_open,
    mapping,
    marked,
    scalar,
    unmarked,
)

_MEMBERS = ("Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn")


def partition(region: str) -> str:
    """Return the partition of a region."""
    return PARTITION_OF.get(region, "aws")


@dataclass
class Scope:
    """The names of one template while it is evaluated; loops in `body` are expanded.

    `prefix` is before the logical ids of a nested stack's template.
    """

    body: Mapping[str, Any]
    given: Mapping[str, Any]
    target: Target
    stack_name: str | None = None
    depth: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    known: dict[str, bool | None] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    lost: bool = False  # whether a look-up in the mappings found nothing
    marks: frozenset[str] = frozenset()  # the names whose values are marked
    prefix: str = ""
    inner: dict[str, Scope | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, declared in mapping(self.body.get("Parameters")).items():
            declared = mapping(declared)
            value = self.given.get(name, declared.get("Default"))
            if value is not None:
                self.parameters[name] = _typed(value, str(declared.get("Type", "")))
        self.body, self.problems = loops.written_out(self.body, self.decided)
        self.conditions = mapping(self.body.get("Conditions"))

    # -- values ----------------------------------------------------------------------

    def resource(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluate a resource, all but its type, condition and order."""
        names = ("Condition", "DependsOn")
        return {
            key: (
                value
                if key == "Type"
                else self.named(value) if key in names else self.resolve(value)
            )
            for key, value in nested.without(resource).items()
        }

    def named(self, names: Any) -> Any:
        """Return a name of this template, or a list of them, as known from outside."""
        if isinstance(names, list):
            return [*map(self.named, names)]
        return f"{self.prefix}{names}" if isinstance(names, str) else names

    def wanted(self, part: Mapping[str, Any]) -> bool:
        """Whether the condition of a resource or output is not false."""
        name = part.get("Condition")
        return not isinstance(name, str) or self.condition(name) is not False

    def resolve(self, node: Any) -> Any:
        """Evaluate a node; AWS::NoValue at the top becomes None."""
        value = self.value(node)
        return None if value is NO_VALUE else value

    def decided(self, node: Any) -> Any:
        """Evaluate a node that something is compared to, or looked up by: no text in it
        has marks."""
        found = self.resolve(node)
        return unmarked(found) if self.marks else found

    def value(self, node: Any) -> Any:
        """Evaluate a node; `NO_VALUE` for AWS::NoValue."""
        if isinstance(node, str) or self.depth >= MAX_DEPTH:
            return node
        self.depth += 1
        try:
            if isinstance(node, list):
                items = [self.value(item) for item in node]
                return [item for item in items if item is not NO_VALUE]
            if not isinstance(node, Mapping):
                return node
            if len(node) == 1:
                ((name, argument),) = node.items()
                function = FUNCTIONS.get(str(name))
                if function:
                    return function(self, argument)
            values = {key: self.value(inner) for key, inner in node.items()}
            return {k: v for k, v in values.items() if v is not NO_VALUE}
        finally:
            self.depth -= 1

    def pseudo(self, name: str) -> Any:
        """Return a pseudo parameter's value; None where only AWS has it."""
        region, account = self.target.region, self.target.account
        known = {
            "AWS::Region": region,
            "AWS::AccountId": account if account.isdigit() else None,
            "AWS::Partition": partition(region),
            "AWS::URLSuffix": (
                "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
            ),
            "AWS::StackName": self.stack_name,
            "AWS::NoValue": NO_VALUE,
        }
        return known.get(name)

    def lookup(self, name: str) -> Any:
        """Return a parameter's or pseudo parameter's value; None for anything else."""
        found = self.parameters.get(name)
        if name not in self.parameters and name.startswith("AWS::"):
            found = self.pseudo(name)
        if found is None:
            return self._of_resource(name)
        return marked(found) if name in self.marks and isinstance(found, str) else found

    def _of_resource(self, name: str) -> Any:
        """Return the Ref of a resource in a nested stack, or the attribute of one as
        `Fn::Sub` names it, where it is not as written."""
        logical_id, dot, attribute = name.partition(".")
        if dot:
            found = self.attribute(logical_id, attribute)
            written = {"Fn::GetAtt": [logical_id, attribute]}
            return None if found == written else found
        known = self.prefix and name in mapping(self.body.get("Resources"))
        return {"Ref": self.named(name)} if known else None

    def attribute(self, logical_id: Any, attribute: Any) -> Any:
        """Return an attribute of a resource: for an output of a nested stack what it
        comes to."""
        output = str(attribute).removeprefix("Outputs.")
        there = self.stack(logical_id) if output != attribute else None
        if there:
            outputs = mapping(there.body.get("Outputs"))
            found = mapping(outputs.get(output))
            if "Value" in found and there.wanted(found):
                return there.resolve(found["Value"])
        return {"Fn::GetAtt": [self.named(logical_id), attribute]}

    def stack(self, logical_id: Any) -> Scope | None:
        """Return the scope of a nested stack; None where its template is not known, or
        while its parameters are evaluated."""
        resource = mapping(mapping(self.body.get("Resources")).get(logical_id))
        template = nested.template_of(resource)
        if template is None:
            return None
        if logical_id not in self.inner:
            self.inner[logical_id] = None
            given = self.resolve(mapping(resource.get("Properties")).get("Parameters"))
            self.inner[logical_id] = Scope(
                template,
                {k: v for k, v in mapping(given).items() if v is not None},
                self.target,
                marks=frozenset(m for m in self.marks if m.startswith("AWS::")),
                prefix=f"{self.prefix}{logical_id}{nested.SEPARATOR}",
            )
        return self.inner[logical_id]

    # -- conditions ------------------------------------------------------------------

    def condition(self, name: str) -> bool | None:
        """Return the outcome of a condition; None where it is unknown."""
        if name not in self.known:
            self.known[name] = None  # a condition that refers to itself stays unknown
            self.known[name] = self.truth(self.conditions.get(name))
        return self.known[name]

    def spelled_out(self, name: str) -> Any:
        """Return a condition evaluated as far as it can be, with others in place of their
        names; None for one that refers to itself."""
        return self._spelled_out(self.conditions.get(name), (name,))

    def _spelled_out(self, node: Any, around: tuple[str, ...]) -> Any:
        match node:
            case {"Condition": str(name), **more} if not more:
                known = self.condition(name)
                if known is not None or name in around:
                    return known
                return self._spelled_out(self.conditions.get(name), (*around, name))
            case {"Fn::Equals": items, **more} if not more:
                return {"Fn::Equals": self.value(items)}
        if isinstance(node, Mapping):
            return {k: self._spelled_out(v, around) for k, v in node.items()}
        if isinstance(node, list):
            return [self._spelled_out(item, around) for item in node]
        return node

    def truth(self, node: Any) -> bool | None:
        """Evaluate a condition function; None where its outcome is unknown."""
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
        left, right = self.decided(left), self.decided(right)
        if left is None or right is None:
            return None  # AWS takes neither null nor AWS::NoValue here
        if equal(left, right):
            return True
        return None if is_open(left) or is_open(right) else False

    def _members(self, name: str, left: Any, right: Any) -> bool | None:
        """Evaluate the functions that only rules have (template reference, "Rules")."""
        left, right = self.decided(left), self.decided(right)
        if is_open(left) or is_open(right) or not isinstance(left, list):
            return None
        if name == "Fn::Contains":
            return any(equal(item, right) for item in left)
        allowed = right if isinstance(right, list) else [right]
        return all(any(equal(item, one) for one in allowed) for item in left)

    def broken_rules(self) -> Iterator[str]:
        """Yield the assertions that certainly fail, in their author's words."""
        for name, rule in mapping(self.body.get("Rules")).items():
            when = mapping(rule).get("RuleCondition")
            if when is not None and self.truth(when) is not True:
                continue
            for one in _items(mapping(rule).get("Assertions")):
                if self.truth(mapping(one).get("Assert")) is False:
                    reason = one.get("AssertDescription", "an assertion fails")
                    yield f"Rules.{name}: {reason}"


def _is_later(value: Any) -> bool:
    return isinstance(value, Mapping) and LATER in value


def _typed(value: Any, kind: str) -> Any:
    """Return a parameter's value; list types are given as one text with commas."""
    lists = kind == "CommaDelimitedList" or kind.startswith(
        (
            "List<",
            "AWS::SSM::Parameter::Value<List<",
            "AWS::SSM::Parameter::Value<CommaDelimitedList>",
        )
    )
    if isinstance(value, Mapping) and FOUND in value:
        value = value[FOUND]
    elif kind.startswith("AWS::SSM::Parameter::Value") and not _is_later(value):
        return {LATER: f"SSM parameter {value}"}  # CloudFormation looks it up
    text = scalar(value)
    if lists and isinstance(text, str):
        return [item.strip() for item in text.split(",")] if text else []
    return text if isinstance(value, bool) else value


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
