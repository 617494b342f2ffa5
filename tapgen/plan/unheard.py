"""Alarms that nobody hears: the topics that they notify have no subscription.

An alarm that changes its state publishes to its topic, and a topic without subscribers
drops what it gets. Whoever subscribed by hand is not known here. Pure.

Source: "Notifying users on alarm changes" in CloudWatch's user guide,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tapgen.model import Output, System, Target
from tapgen.system import checks, representatives
from tapgen.template import evaluate
from tapgen.template.evaluate import Evaluated
from tapgen.template.values import LATER, many, mapping, references

_TOPIC = "AWS::SNS::Topic"
_SUBSCRIPTION = "AWS::SNS::Subscription"
# Type → the properties with the ARNs that it notifies.
_NOTIFYING = {
    "AWS::CloudWatch::Alarm": ("AlarmActions",),
    "AWS::CloudWatch::CompositeAlarm": ("AlarmActions",),
}
# The parameter of shipped templates for an address to notify.
_EMAIL = "AlertEmail"

_Topic = tuple[str, str, Target]
"""Part, logical id and place of a topic."""


def unheard(system: System) -> str | None:
    """Return a line about the topics that alarms of a resolved system notify and that
    have no subscription there; None where each alarm is heard."""
    look = _Look(system)
    alarms: list[tuple[set[_Topic], int]] = []
    heard: set[_Topic] = set()
    for part, target in look.places:
        for name, resource in look.at(part, target).resources.items():
            properties = mapping(resource.get("Properties"))
            kind = resource.get("Type")
            actions = [
                {*look.topics(action, part, target)}
                for key in _NOTIFYING.get(str(kind), ())
                for action in many(properties.get(key))
            ]
            if actions and all(actions):  # another action may reach somebody
                count = len(look.groups[target.account])
                alarms.append((set().union(*actions), count))
            if kind == _SUBSCRIPTION:
                heard |= {*look.topics(properties.get("TopicArn"), part, target)}
            elif kind == _TOPIC and many(properties.get("Subscription")):
                heard.add((part, name, target))
    missed = [(whom, count) for whom, count in alarms if not whom & heard]
    silent: dict[str, set[str]] = {}
    for part, name, target in {topic for whom, _ in missed for topic in whom}:
        silent.setdefault(f"{part}.{name}", set()).add(target.region)
    if not silent:
        return None
    number = sum(count for _, count in missed)
    topics = [f"{name} in {', '.join(sorted(silent[name]))}" for name in sorted(silent)]
    mail = any(_EMAIL in s.parameters for s in system.stack_sets)
    return (
        f"nobody is told of {number} of the alarms: no subscription of "
        f"{'; '.join(topics)}; {'set alert_email, or ' * mail}subscribe somebody"
    )


class _Look:
    """The templates of a system where alarms, topics or subscriptions may be, evaluated
    for one account of those that are alike."""

    def __init__(self, system: System) -> None:
        self.parts = {s.part: s for s in system.stack_sets}
        self.groups = representatives.of(system)
        wanted = (*_NOTIFYING, _TOPIC, _SUBSCRIPTION)
        self.places = [
            (s.part, target)
            for s in system.stack_sets
            if any(kind in s.template for kind in wanted)
            for target in s.targets
            if target.account in self.groups and not target.joins_later
        ]
        self.at = cache(self._at)

    def _at(self, part: str, target: Target) -> Evaluated:
        s = self.parts[part]
        return evaluate.evaluate(s.template, evaluate.given(s.values(target)), target)

    def topics(self, value: Any, part: str, target: Target) -> Iterator[_Topic]:
        """Yield the topics of the system that a value at a target refers to."""
        resources = self.at(part, target).resources
        for name in references(value):
            logical_id = name.partition(".")[0]
            if mapping(resources.get(logical_id)).get("Type") == _TOPIC:
                yield part, logical_id, target
        outputs = {str(v): v for v in self.parts[part].values(target).values()}
        for text in _later(value):
            output = outputs.get(text)
            if isinstance(output, Output) and output.part in self.parts:
                source = self.parts[output.part]
                for place in checks.sources(output, target, source):
                    there = self.at(output.part, place).outputs.get(output.output)
                    yield from self.topics(there, output.part, place)


def _later(node: Any) -> Iterator[str]:
    """Yield the outputs of other stack sets that an evaluated value refers to."""
    if isinstance(node, list):
        for item in node:
            yield from _later(item)
    elif isinstance(node, Mapping):
        if node.keys() == {LATER}:
            yield str(node[LATER])
        else:
            yield from _later([*node.values()])
