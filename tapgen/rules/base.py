"""The base classes of rules, and helpers for their examples and messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch

from tapgen.model import SELF
from tapgen.rules import view as views
from tapgen.rules.values import Path
from tapgen.rules.view import Resource, View

Found = tuple[Path, str]
"""A path in a template, as keys from the top down, and the message for it."""

DOCS = "https://docs.aws.amazon.com/"
USER_GUIDE = f"{DOCS}AWSCloudFormation/latest/UserGuide/"
TEMPLATE_REFERENCE = f"{DOCS}AWSCloudFormation/latest/TemplateReference/"


class Rule(CloudFormationLintRule):  # type: ignore[misc]
    """A rule about one template and its targets.

    `shortdesc` is what the rule finds, `description` what happens in AWS and what to
    do, `source_url` the page of AWS that says so. `bad` and `good` are templates in
    YAML: the rule finds something in the first, at `at`, and nothing in the second.
    `deployment` is the manifest entry that both need: targets, parameters, overrides.
    """

    id = ""
    tags = ["tapgen"]
    bad = ""
    good = ""
    at = ""
    deployment: Mapping[str, Any] = {}
    needs_targets = False
    """Whether the rule reports nothing if the targets of a template are not known."""
    replaces: tuple[str, ...] = ()
    """The rules of cfn-lint that `tapgen lint` leaves to this one, where it decides."""
    sees_macros = False
    """Whether the rule also checks templates that a macro may change."""

    def match(self, cfn: Any) -> Iterator[Any]:
        """Yield a match for each finding, once; cfn-lint calls this."""
        view = views.of(cfn)
        seen = set()
        for path, message in self.allowed(view):
            written = views.locate(cfn.template, path)
            key = (tuple(written), message)
            if key not in seen:
                seen.add(key)
                yield RuleMatch(written, message)

    def allowed(self, view: View) -> Iterator[Found]:
        """Yield everything that is wrong with a template that this rule can check."""
        if self.needs_targets and not view.known:
            return
        if not view.opaque or self.sees_macros:
            yield from self.check(view)

    def check(self, view: View) -> Iterator[Found]:
        """Yield everything that is wrong with a template."""
        yield from ()


class ResourceRule(Rule):
    """A rule about single resources of certain types, at each target."""

    types: tuple[str, ...] = ()

    def check(self, view: View) -> Iterator[Found]:
        for place in view.places:
            for resource in place.of(*self.types):
                for path, message in self.check_resource(resource):
                    yield in_properties(resource, *path), message

    def check_resource(self, it: Resource) -> Iterator[Found]:
        """Yield what is wrong with a resource; paths begin at its properties."""
        yield from ()


def in_properties(resource: Resource, *path: str | int) -> Path:
    """Return the path of something below the properties of a resource."""
    return ("Resources", resource.id, "Properties", *path)


def deployed_to(*regions: str, **more: Any) -> dict[str, Any]:
    """Return a manifest entry for an example: one account and these regions."""
    places = [{"account": "111122223333", "region": r} for r in regions]
    return {"targets": places, "parameters": {}, "overrides": [], **more}


def in_one_account(found: list[Resource]) -> Iterator[list[Resource]]:
    """Group the places of a resource by account."""
    accounts: dict[str, list[Resource]] = {}
    for resource in found:
        accounts.setdefault(resource.place.account, []).append(resource)
    yield from accounts.values()


def regions_of(found: list[Resource]) -> str:
    """Return the regions of some places, for a message."""
    return ", ".join(sorted({r.place.region for r in found}))


def places_of(found: list[Resource]) -> str:
    """Return the accounts and regions of some places, for a message."""
    return ", ".join(sorted({str(r.place.target) for r in found}))


def differs(account: str, other: str) -> bool:
    """Return whether two accounts are certainly different."""
    return (
        SELF not in (account, other) and "" not in (account, other) and account != other
    )
