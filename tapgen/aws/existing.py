"""Stacks that exist, whoever made them: found by name, prefix or tag, with all that a stack
set must have to take them over, and the stack sets that they are of already."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from typing import Any

from tapgen.aws.session import HASTY, Aws, ask, pages
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError, Denied
from tapgen.frozen import dataclass
from tapgen.model import Target

_AT_ONCE = 8
_OF_STACK_SET = re.compile(r"StackSet-(.+)-[0-9a-f]{8}-[-0-9a-f]{27}")
_GONE = "DELETE_COMPLETE"
IN_REVIEW = "REVIEW_IN_PROGRESS"
"""A stack that has a change set and nothing else: no template, no resources."""


@dataclass(frozen=True)
class Existing:
    """A stack with its template as it was given, and the values of its parameters: of one
    from Parameter Store its name. `parent` is the stack in which it is nested, `exports` are
    the names of its exports. A stack that is nested or in review has no template here.

    `role` is its service role, `protected` says that it cannot be deleted, `drifted` that
    the last drift detection has found something, `policy` that it has a stack policy; None
    where the caller may not read that.
    """

    name: str
    id: str
    target: Target
    status: str
    template: str
    parameters: Mapping[str, str]
    parent: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    exports: Collection[str] = ()
    role: str = ""
    protected: bool = False
    drifted: bool = False
    policy: bool | None = False

    @property
    def created_by(self) -> str:
        """The stack set whose name this one bears: it has made the stack, and may have let
        it go since."""
        found = _OF_STACK_SET.fullmatch(self.name)
        return found[1] if found else ""


@dataclass(frozen=True)
class Wanted:
    """Which stacks: by names, by how a name begins, and by tags, all of which a stack must
    have. A stack of one of the names counts whatever else is wanted."""

    names: Collection[str] = ()
    prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def names_it(self, name: str, id: str) -> bool:
        """Whether a stack is one of the names."""
        return name in self.names or id in self.names

    def takes(self, stack: Mapping[str, Any]) -> bool:
        """Whether it is one of them."""
        if self.names_it(stack["StackName"], stack["StackId"]):
            return True
        if not self.prefix and not self.tags:
            return False
        tags = {t["Key"]: t["Value"] for t in stack.get("Tags", ())}
        has = all(tags.get(k) == v for k, v in self.tags.items())
        return has and str(stack["StackName"]).startswith(self.prefix)

    def __str__(self) -> str:
        """Return it in words, to follow `stacks`."""
        of_others = [f"whose names begin with {self.prefix}"] * bool(self.prefix)
        of_others += [f"with the tag {k}={v}" for k, v in self.tags.items()]
        named = [f"named {' or '.join(self.names)}"] * bool(self.names)
        return ", or ".join([*named, *[" and ".join(of_others)] * bool(of_others)])


def find(aws: Aws, places: Iterable[Target], wanted: Wanted) -> list[Existing]:
    """Return the stacks that are wanted, by place and name. Raises AwsError, soon, where a
    place does not answer: what is there is not known then."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda place: [*_in(aws, place, wanted)], places)
        return [one for each in found for one in sorted(each, key=lambda e: e.name)]


def _in(aws: Aws, place: Target, wanted: Wanted) -> Iterator[Existing]:
    client = aws.client("cloudformation", place)
    hasty = aws.client("cloudformation", place, HASTY)
    for stack in [*pages(hasty, "describe_stacks", "Stacks")]:
        if stack["StackStatus"] == _GONE or not wanted.takes(stack):
            continue
        whole = not stack.get("ParentId") and stack["StackStatus"] != IN_REVIEW
        yield Existing(
            stack["StackName"],
            stack["StackId"],
            place,
            stack["StackStatus"],
            _template(client, stack["StackId"]) if whole else "",
            {
                p["ParameterKey"]: p.get("ParameterValue", "")
                for p in stack.get("Parameters", ())
            },
            stack.get("ParentId", ""),
            {t["Key"]: t["Value"] for t in stack.get("Tags", ())},
            [o["ExportName"] for o in stack.get("Outputs", ()) if "ExportName" in o],
            stack.get("RoleARN", ""),
            bool(stack.get("EnableTerminationProtection")),
            stack.get("DriftInformation", {}).get("StackDriftStatus") == "DRIFTED",
            _has_policy(client, stack["StackId"]) if whole else False,
        )


def _template(client: Any, stack: str) -> str:
    answer = ask(client, "get_template", StackName=stack, TemplateStage="Original")
    body = answer["TemplateBody"]
    return body if isinstance(body, str) else json.dumps(body, indent=2)


def _has_policy(client: Any, stack: str) -> bool | None:
    try:
        return "StackPolicyBody" in ask(client, "get_stack_policy", StackName=stack)
    except Denied:
        return None


@dataclass(frozen=True)
class Owners:
    """The stack sets that have stacks, by the id of the stack: name, and the account and
    region that administers it. `unread` are the places whose stack sets the caller cannot
    read, in words, with the reason."""

    found: Mapping[str, tuple[str, Target]] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)


def owners(
    aws: Aws, admin: Target, stacks: Iterable[Existing], always: Collection[str]
) -> Owners:
    """Return the stack sets of the caller's account and of the accounts of stacks, in all
    regions that are enabled there, and in those that are `always`. Those of other accounts
    only AWS knows: it refuses to import their stacks."""
    ids = {one.id for one in stacks}
    places = {admin, *(one.target for one in stacks)}
    found: dict[str, tuple[str, Target]] = {}
    unread: dict[str, str] = {}
    for account in sorted({place.account for place in places}):
        try:
            regions = {*always, *_enabled(aws, Target(account, admin.region))}
        except AwsError as error:
            unread[f"regions that were enabled later in {account}"] = error.code
            regions = {*always}
        places |= {Target(account, region) for region in regions}

    def read(place: Target) -> None:
        sets = StackSets(aws, place)
        try:
            for name in sets.names():
                for one in sets.listed(name).values():
                    if one.stack_id in ids:
                        found[one.stack_id] = name, place
        except AwsError as error:
            unread[str(place)] = error.code

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        [*pool.map(read, sorted(places))]
    return Owners(found, dict(sorted(unread.items())))


def taken(aws: Aws, admin: Target, prefix: str) -> dict[str, set[str]]:
    """Return the stack sets whose names begin with a prefix, and the ids of their stacks."""
    sets = StackSets(aws, admin)
    return {
        name: {i.stack_id for i in sets.listed(name).values() if i.stack_id}
        for name in sets.names(prefix)
    }


def _enabled(aws: Aws, place: Target) -> Iterator[str]:
    """Yield the regions that are enabled in an account (EC2 API reference, DescribeRegions:
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html)."""
    client = aws.client("ec2", place, HASTY)
    for region in ask(client, "describe_regions")["Regions"]:
        yield region["RegionName"]
