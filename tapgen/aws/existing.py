"""Stacks that exist, whoever made them: found by name, prefix or tag, with all that a stack
set must have to take them over."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from typing import Any

from tapgen.aws.session import Aws, ask, pages
from tapgen.frozen import dataclass
from tapgen.model import Target

_AT_ONCE = 8
_OF_STACK_SET = re.compile(r"StackSet-(.+)-[0-9a-f]{8}-[-0-9a-f]{27}")
_GONE = ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")


@dataclass(frozen=True)
class Existing:
    """A stack with its template as it was given, and the values of its parameters. `parent`
    is the stack in which it is nested, `stack_set` the one that its name says it is of.
    """

    name: str
    id: str
    target: Target
    status: str
    template: str
    parameters: Mapping[str, str]
    parent: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def stack_set(self) -> str:
        found = _OF_STACK_SET.fullmatch(self.name)
        return found[1] if found else ""


@dataclass(frozen=True)
class Wanted:
    """Which stacks: by names, by how a name begins, and by tags, all of which a stack must
    have. A stack of one of the names counts whatever else is wanted."""

    names: Collection[str] = ()
    prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def takes(self, stack: Mapping[str, Any]) -> bool:
        """Whether it is one of them."""
        if stack["StackName"] in self.names or stack["StackId"] in self.names:
            return True
        if not self.prefix and not self.tags:
            return False
        tags = {t["Key"]: t["Value"] for t in stack.get("Tags", ())}
        has = all(tags.get(k) == v for k, v in self.tags.items())
        return has and str(stack["StackName"]).startswith(self.prefix)


def find(aws: Aws, places: Iterable[Target], wanted: Wanted) -> list[Existing]:
    """Return the stacks that are wanted, by place and name. Raises AwsError where a place
    does not answer: what is there is not known then."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda place: [*_in(aws, place, wanted)], places)
        return [one for each in found for one in sorted(each, key=lambda e: e.name)]


def _in(aws: Aws, place: Target, wanted: Wanted) -> Iterator[Existing]:
    client = aws.client("cloudformation", place)
    for stack in [*pages(client, "describe_stacks", "Stacks")]:
        if stack["StackStatus"] in _GONE or not wanted.takes(stack):
            continue
        body = ask(
            client,
            "get_template",
            StackName=stack["StackId"],
            TemplateStage="Original",
        )["TemplateBody"]
        yield Existing(
            stack["StackName"],
            stack["StackId"],
            place,
            stack["StackStatus"],
            body if isinstance(body, str) else json.dumps(body, indent=2),
            {
                p["ParameterKey"]: p.get("ParameterValue", "")
                for p in stack.get("Parameters", ())
            },
            stack.get("ParentId", ""),
            {t["Key"]: t["Value"] for t in stack.get("Tags", ())},
        )
