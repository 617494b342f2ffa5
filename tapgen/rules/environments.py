"""Environments and systems of one folder that collide in an account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tapgen.frozen import dataclass
from tapgen.model import SELF, StackSet, System
from tapgen.rules.base import TEMPLATE_REFERENCE, in_properties
from tapgen.rules.system_view import FoundIn, SystemsRule, SystemView
from tapgen.rules.values import Path
from tapgen.rules.view import Place, Resource
from tapgen.system import names
from tapgen.system.names import Name

_BY_ACCOUNT = re.compile(r'AWS::AccountId|"\d{12}"')

_QUEUE = """\
  work:
    regions: [us-east-1]
    parameters: {Suffix: SUFFIX}
    template:
      Parameters:
        Suffix: {Type: String}
      Resources:
        Work:
          Type: AWS::SQS::Queue
          Properties: {QueueName: shop-work}
"""


@dataclass(frozen=True)
class Owner:
    """A resource with its name, and the stack set and place it is in."""

    name: Name
    system: System
    stack_set: StackSet
    resource: Resource
    place: str

    @property
    def deployment(self) -> tuple[str, str]:
        """What tells stack sets apart: those of one name and place are the same."""
        return str(self.system.admin), self.stack_set.name

    def __str__(self) -> str:
        label = self.system.name
        if self.system.environment:
            label += f" -e {self.system.environment}"
        return f"{self.stack_set.part}.{self.resource.id} of {label} in {self.place}"


class SameNameInSeveralSystems(SystemsRule):
    id = "E9599"
    shortdesc = "Two environments or systems create a resource with the same name"
    description = (
        "Names are unique in an account and region; those of IAM, dashboards and"
        " budgets in an account; those of buckets in the world. The second rollout"
        " fails with AlreadyExists. Add ${EnvironmentSuffix}, or another parameter that"
        " differs, to the name. The account `self` counts as one account: if"
        " environments are deployed from different accounts, write the accounts into"
        " the file."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-properties-name.html"
    at = "staging.work: Resources/Work/Properties/QueueName"
    bad = "prod:\n" + _QUEUE.replace("SUFFIX", "prod")
    bad += "staging:\n" + _QUEUE.replace("SUFFIX", "stg")
    good = bad.replace("shop-work", "!Sub 'shop-work-${Suffix}'")

    def check_systems(
        self, its: Sequence[SystemView]
    ) -> Iterator[tuple[System, FoundIn]]:
        first: dict[Name, Owner] = {}
        for owner in (owner for it in its for owner in owners(it)):
            other = first.setdefault(owner.name, owner)
            if other.deployment == owner.deployment or other.system is owner.system:
                continue
            what = (
                f"has the name {owner.name.short!r}, as has {other}; add a parameter"
                " that differs to the name, such as ${EnvironmentSuffix}"
                if owner.name.name
                else f"exists once in {owner.place}, and {other} creates it too; create"
                " it in one system"
            )
            path: Path = ("Resources", owner.resource.id)
            steps = names.path_of(owner.resource.type)
            if steps:
                path = in_properties(owner.resource, *steps)
            said = f"{owner.resource.type} in {owner.place} {what}"
            yield owner.system, (owner.stack_set, path, said)


def owners(it: SystemView) -> Iterator[Owner]:
    """Yield what certainly gets a name that nothing else may have, at each target.

    What an account has only once counts where the account is written in the file.
    """
    for s in it.system.stack_sets:
        by_account = _BY_ACCOUNT.search(s.template)
        seen: dict[str, Place] = {}
        for target in s.targets:
            values = sorted(s.values(target).items(), key=repr)
            key = f"{target if by_account else target.region} {values}"
            if key not in seen:
                seen[key] = it.place(s, target)
            for resource in seen[key].of():
                found = names.of(resource.type, resource.properties, target, s.name)
                known = found and (found.name or target.account != SELF)
                if found and known and resource.certain:
                    yield Owner(found, it.system, s, resource, str(target))
