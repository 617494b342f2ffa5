"""Each rule finds its mistake in every spelling of a value, and never where there is none.

A spelling is a literal of a property behind a function that comes to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tapgen.rules.base import Rule, deployed_to
from tapgen.rules.view import View
from tapgen.template import decode
from tests.rules.test_rules import ONE_TEMPLATE, every_rule

Path = tuple[str | int, ...]
Spelling = Callable[[dict[str, Any], str], Any]
ELSEWHERE = {"Version", "Type", "Fn::Transform"}  # no values of properties


def _if(body: dict[str, Any], text: str) -> Any:
    conditions = body.setdefault("Conditions", {})
    conditions["SpelledTrue"] = {"Fn::Equals": ["a", "a"]}
    return {"Fn::If": ["SpelledTrue", text, "of-the-other-side"]}


def _sub(body: dict[str, Any], text: str) -> Any:
    return {"Fn::Sub": text.replace("${", "${!")}


def _join(body: dict[str, Any], text: str) -> Any:
    return {"Fn::Join": ["", [text[: len(text) // 2], text[len(text) // 2 :]]]}


def _ref(body: dict[str, Any], text: str) -> Any:
    parameters = body.setdefault("Parameters", {})
    parameters["Spelled"] = {"Type": "String", "Default": text}
    return {"Ref": "Spelled"}


def _mapping(body: dict[str, Any], text: str) -> Any:
    body.setdefault("Mappings", {})["Spelled"] = {"one": {"value": text}}
    return {"Fn::FindInMap": ["Spelled", "one", "value"]}


def _select(body: dict[str, Any], text: str) -> Any:
    return {"Fn::Select": [1, ["another", text]]}


SPELLINGS: tuple[Spelling, ...] = (_if, _sub, _join, _ref, _mapping, _select)


def entries(rule: type[Rule]) -> tuple[Mapping[str, Any], ...]:
    """The targets of the example; a parameter's default counts only where they are known."""
    return (dict(rule.deployment or deployed_to("us-east-1")),)


def findings(rule: type[Rule], body: Mapping[str, Any]) -> list[str]:
    """The parts of a template in which a rule finds something."""
    found = rule().check(View(body, entries(rule)))
    return sorted({"/".join(map(str, path[:2])) for path, _ in found})


def literals(node: Any, path: Path = ()) -> Iterator[Path]:
    """The places of texts in the properties of resources, outside of functions."""
    if isinstance(node, dict):
        if not any(str(key).startswith("Fn::") or key == "Ref" for key in node):
            for key, value in node.items():
                if key not in ELSEWHERE:
                    yield from literals(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from literals(value, (*path, number))
    elif isinstance(node, str) and len(node) > 1:
        yield path


def properties(body: Mapping[str, Any]) -> Iterator[Path]:
    for name, resource in body["Resources"].items():
        start = ("Resources", name, "Properties")
        yield from literals(resource.get("Properties"), start)


def spelled(text: str, place: Path, spelling: Spelling) -> dict[str, Any]:
    """The template with the text at a place in another spelling."""
    body: Any = decode.template(text, "example")
    node = body
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = spelling(body, node[place[-1]])
    return dict(body)


@every_rule
@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda s: s.__name__.strip("_"))
def test_a_rule_finds_every_spelling(rule: type[Rule], spelling: Spelling) -> None:
    for text, what in ((rule.bad, "bad"), (rule.good, "good")):
        body = decode.template(text, what)
        expected = findings(rule, body)
        assert bool(expected) is (what == "bad")
        for place in properties(body):
            found = findings(rule, spelled(text, place, spelling))
            assert found == expected, (what, place)


def test_methods_under_a_condition_are_found() -> None:
    rule = next(r for r in ONE_TEMPLATE if r.id == "E9554")
    for condition in (["a", "a"], [{"Ref": "Size"}, "large"]):
        body: Any = decode.template(rule.bad, "bad")
        body["Conditions"] = {"C": {"Fn::Equals": condition}}
        body["Parameters"] = {"Size": {"Type": "String", "Default": "large"}}
        for resource in body["Resources"].values():
            if resource["Type"] == "AWS::ApiGateway::Method":
                resource["Condition"] = "C"
        assert findings(rule, body) == ["Resources/Deployment"]
        assert [*rule().check(View(body, ()))]
