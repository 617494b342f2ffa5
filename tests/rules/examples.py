"""The rules' examples as files: what the tests lint and the documentation shows.

`python -m tests.rules.examples` writes `fixtures/<ID>/{bad,good}.yaml`, and
`manifest.json` where a rule needs targets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cfnlint.decode.decode import decode_str

from tapgen import rules
from tapgen.model import (
    Output,
    Override,
    RolloutSettings,
    StackSet,
    System,
    Target,
    Value,
)
from tapgen.rules.base import Rule

ACCOUNT = "111122223333"

FIXTURES = Path(__file__).parent / "fixtures"


def files(rule: type[Rule]) -> dict[str, str]:
    """Path below a rule's folder -> text."""
    found = {"bad.yaml": rule.bad, "good.yaml": rule.good}
    if rule.deployment:
        entries = [{"template": name, **rule.deployment} for name in found]
        manifest = {"format": 1, "stack_sets": entries}
        found["manifest.json"] = json.dumps(manifest, indent=2) + "\n"
    return found


def system(text: str, rollout: RolloutSettings = RolloutSettings()) -> System:
    """The system of an example: part -> regions, parameters, overrides, depends_on,
    template."""
    return replace(built("example", "dev", decode_str(text)[0]), rollout=rollout)


def systems(text: str) -> list[System]:
    """The environments of an example: suffix -> part -> as in `system`."""
    return [built("example", *one) for one in decode_str(text)[0].items()]


def built(name: str, suffix: str, parts: Mapping[str, Any]) -> System:
    return System(
        name=name,
        blueprint="custom",
        suffix=suffix,
        regions={"primary": "us-east-1"},
        admin=Target(ACCOUNT, "us-east-1"),
        stack_sets=tuple(
            StackSet(
                name=f"{name}-{suffix}-{part}",
                part=part,
                template=json.dumps(about["template"], indent=2) + "\n",
                role="every",
                targets=tuple(Target(ACCOUNT, region) for region in about["regions"]),
                parameters=_values(about.get("parameters", {})),
                overrides=tuple(
                    Override(_values(o["parameters"]), o.get("region"))
                    for o in about.get("overrides", ())
                ),
                depends_on=tuple(about.get("depends_on", ())),
            )
            for part, about in parts.items()
        ),
    )


def _values(given: Mapping[str, Any]) -> dict[str, Value]:
    return {name: _value(value) for name, value in given.items()}


def _value(value: Any) -> Value:
    if not isinstance(value, Mapping):
        return str(value)
    part, _, output = value["output"].partition(".")
    return Output(part, output, value.get("region", "same"))


def write() -> None:
    for rule in rules.ALL:
        for name, text in files(rule).items():
            path = FIXTURES / rule.id / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    write()
