"""What handlers of the embedded AWS call, against what registry schemas list.

Execution roles are derived from the schemas, and a rehearsal checks the same lists: an
action that a schema misses shows in neither. The handlers written here call the services
for themselves, so they are a second source. Where the two differ is listed, with the
reason; what is new there is looked up in AWS's documentation.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

from tapgen.emulator.permissions import callers
from tapgen.emulator.resources import all_kinds
from tapgen.emulator.resources.calls import call
from tapgen.template import schemas

HERE = "tapgen.emulator."
# What only looks is allowed everywhere, or an addition of the emulation.
READING = ("Batch", "Describe", "Get", "Head", "List")
_DESCRIPTION = "of a rule only AWS's UpdateSecurityGroupRuleDescriptions… is listed"
_RECORDER = (
    "knowledge/indirect_permissions has it: a channel of a running recorder stays"
)
DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "AWS::Config::DeliveryChannel": {
        "config:startconfigurationrecorder": _RECORDER,
        "config:stopconfigurationrecorder": _RECORDER,
    },
    "AWS::EC2::SecurityGroupEgress": {"ec2:modifysecuritygrouprules": _DESCRIPTION},
    "AWS::EC2::SecurityGroupIngress": {"ec2:modifysecuritygrouprules": _DESCRIPTION},
    "AWS::IAM::InstanceProfile": {
        "iam:taginstanceprofile": "AWS's type has no tags",
        "iam:untaginstanceprofile": "AWS's type has no tags",
    },
    "AWS::RDS::DBInstance": {
        "secretsmanager:deletesecret": "Amazon RDS deletes the secret that it manages"
    },
}
"""Type → action that its handlers call here and its schema does not list → why."""


def test_handlers_call_what_schemas_list_or_it_is_known_why() -> None:
    found = {
        kind.type: missing
        for kind in all_kinds()
        if (missing := {*_calls(kind)} - {*_listed(kind.type)})
    }
    assert found == {kind: {*known} for kind, known in DIFFERENCES.items()}


def _listed(type_name: str) -> Iterator[str]:
    for action in schemas.permissions([type_name]):
        yield action.lower()


def _calls(kind: Any) -> Iterator[str]:
    """The actions that change something and that the handlers of a type call."""
    for function in (kind.create, kind.update, kind.delete):
        for service, operation in _operations(_plain(function)) if function else ():
            named = {"elbv2": "elasticloadbalancing"}.get(service, service)
            place = ("111111111111", "us-east-1")
            given = (named, operation, place, "", {}, schemas.is_action)
            for action, _, _ in callers.calls(*given):
                if not action.partition(":")[2].startswith(READING):
                    yield action.lower()


def _plain(function: Any) -> Any:
    while isinstance(function, partial):
        function = function.func
    return inspect.unwrap(function)


@cache
def _operations(function: Callable[..., Any]) -> frozenset[tuple[str, str]]:
    """The service and the operation of each call in a function, and in those of the
    emulator that it names."""
    found: set[tuple[str, str]] = set()
    waiting, seen = [function], set()
    while waiting:
        one = waiting.pop()
        if one in seen or not getattr(one, "__module__", "").startswith(HERE):
            continue
        seen.add(one)
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(one)))):
            if isinstance(node, ast.Name):
                other = _plain(inspect.getclosurevars(one).globals.get(node.id))
                if inspect.isfunction(other) and other is not call:
                    waiting.append(other)
            if isinstance(node, ast.Call) and len(node.args) > 1:
                texts = [a.value for a in node.args[:2] if isinstance(a, ast.Constant)]
                if len(texts) == 2 and getattr(node.func, "id", "") == "call":
                    found.add((str(texts[0]), str(texts[1])))
    return frozenset(found)
