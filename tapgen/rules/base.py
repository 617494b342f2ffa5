"""What all rules share: how they are documented, what they look at, what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch

from tapgen.model import SELF
from tapgen.rules import view as views
from tapgen.rules.values import Path
from tapgen.rules.view import Resource, View

Found = tuple[Path, str]
"""A place, as keys from the top down, and what is wrong there."""

DOCS = "https://docs.aws.amazon.com/"
USER_GUIDE = f"{DOCS}AWSCloudFormation/latest/UserGuide/"
TEMPLATE_REFERENCE = f"{DOCS}AWSCloudFormation/latest/TemplateReference/"


class Rule(CloudFormationLintRule):  # type: ignore[misc]
    """A rule about one template and where it goes.

    `description` says what breaks, `source_url` where AWS says so. `bad` and `good`
    are templates in YAML: the rule finds something in the first, at `at`, and nothing
    in the second. `goes` is the entry of a manifest that both need.
    """

    id = ""
    tags = ["tapgen"]
    bad = ""
    good = ""
    at = ""
    goes: Mapping[str, Any] = {}
    needs_targets = False
    """Whether the rule says nothing where it is not known where a template goes."""
    sees_macros = False
    """Whether the rule also speaks of templates that a macro may change."""

    def match(self, cfn: Any) -> Iterator[Any]:
        """What cfn-lint calls."""
        view = views.of(cfn)
        if self.needs_targets and not view.known:
            return
        if view.opaque and not self.sees_macros:
            return
        seen = set()
        for path, message in self.check(view):
            written = views.locate(cfn.template, path)
            key = (tuple(written), message)
            if key not in seen:
                seen.add(key)
                yield RuleMatch(written, message)

    def check(self, view: View) -> Iterator[Found]:
        """Everything wrong with a template."""
        yield from ()


class ResourceRule(Rule):
    """A rule about single resources of some types, place by place."""

    types: tuple[str, ...] = ()

    def check(self, view: View) -> Iterator[Found]:
        for place in view.places:
            for resource in place.of(*self.types):
                for path, message in self.look(resource):
                    yield in_properties(resource, *path), message

    def look(self, it: Resource) -> Iterator[Found]:
        """What is wrong with a resource; places are below its properties."""
        yield from ()


def in_properties(resource: Resource, *path: str | int) -> Path:
    """The path of something below a resource's properties."""
    return ("Resources", resource.id, "Properties", *path)


def goes_to(*regions: str, **more: Any) -> dict[str, Any]:
    """An entry of a manifest, for examples: one account and these regions."""
    places = [{"account": "111122223333", "region": r} for r in regions]
    return {"targets": places, "parameters": {}, "overrides": [], **more}


def in_one_account(found: list[Resource]) -> Iterator[list[Resource]]:
    """The places of a resource, account by account."""
    accounts: dict[str, list[Resource]] = {}
    for resource in found:
        accounts.setdefault(resource.place.account, []).append(resource)
    yield from accounts.values()


def regions_of(found: list[Resource]) -> str:
    """The regions of some places, for a message."""
    return ", ".join(sorted({r.place.region for r in found}))


def places_of(found: list[Resource]) -> str:
    """Accounts and regions of some places, for a message."""
    return ", ".join(sorted({str(r.place.target) for r in found}))


def differs(account: str, other: str) -> bool:
    """Whether two accounts are certainly not the same one."""
    return (
        SELF not in (account, other) and "" not in (account, other) and account != other
    )
