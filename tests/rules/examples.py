"""The rules' examples as files: what the tests lint and the documentation shows.

`python -m tests.rules.examples` writes `fixtures/<ID>/{bad,good}.yaml`, and
`manifest.json` where a rule needs targets.
"""

from __future__ import annotations

import json
from pathlib import Path

from tapgen import rules
from tapgen.rules.base import Rule

FIXTURES = Path(__file__).parent / "fixtures"


def files(rule: type[Rule]) -> dict[str, str]:
    """Path below a rule's folder -> text."""
    found = {"bad.yaml": rule.bad, "good.yaml": rule.good}
    if rule.goes:
        entries = [{"template": name, **rule.goes} for name in found]
        manifest = {"format": 1, "stack_sets": entries}
        found["manifest.json"] = json.dumps(manifest, indent=2) + "\n"
    return found


def write() -> None:
    for rule in rules.ALL:
        for name, text in files(rule).items():
            path = FIXTURES / rule.id / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    write()
