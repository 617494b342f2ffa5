"""Digests of the committed templates: what deployed stacks are made from.

    python -m tests.systems.deployed

records them in `deployed.json`; `test_compatibility.py` says what they are for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapgen.template import schemas
from tests.systems import look

RECORD = Path(__file__).with_suffix(".json")
ADVICE = {
    "identity": (
        "resources of deployed stacks would be replaced, created or deleted; undo it, or"
        " describe it in CHANGELOG.md and run python -m tests.systems.deployed"
    ),
    "content": (
        "deployed stacks would get more than other texts; if that is the aim, describe"
        " it in CHANGELOG.md and run python -m tests.systems.deployed"
    ),
}
# Texts for people, in the sections where CloudFormation ignores a change of them.
_TEXTS = frozenset({"Description", "ConstraintDescription"})
_FORM = "AWS::CloudFormation::Interface"
_IDENTITY = ("Type", "Condition", "DeletionPolicy", "UpdateReplacePolicy")

Digests = dict[str, str]


def current() -> dict[str, Digests]:
    """File below `templates_out/` → the digests of the template in it."""
    folder = look.ROOT / "templates_out"
    return {
        path.relative_to(folder).as_posix(): digests(json.loads(path.read_text()))
        for path in sorted(folder.glob("*/*.json"))
        if not path.name.startswith("manifest")
    }


def recorded() -> dict[str, Digests]:
    """The digests in `deployed.json`, by file."""
    loaded: dict[str, Digests] = json.loads(RECORD.read_text())
    return loaded


def digests(template: Mapping[str, Any]) -> Digests:
    """Return the digests `identity` and `content` of a template."""
    resources = template["Resources"]
    return {
        "identity": _digest({k: _identity(r) for k, r in resources.items()}),
        "content": _digest(_without_texts(template)),
    }


def _identity(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What cannot change without replacing, creating or deleting the resource."""
    paths = {
        *schemas.create_only(resource["Type"]),
        *schemas.conditional_create_only(resource["Type"]),
    }
    fixed = {path.partition("/")[0] for path in paths}
    properties = resource.get("Properties", {})
    return {
        **{key: resource[key] for key in _IDENTITY if key in resource},
        "Properties": {k: v for k, v in properties.items() if k in fixed},
    }


def _without_texts(template: Mapping[str, Any]) -> dict[str, Any]:
    found = {k: v for k, v in template.items() if k != "Description"}
    for section in ("Parameters", "Outputs"):
        found[section] = {
            name: {k: v for k, v in entry.items() if k not in _TEXTS}
            for name, entry in template.get(section, {}).items()
        }
    metadata = template.get("Metadata", {})
    found["Metadata"] = {k: v for k, v in metadata.items() if k != _FORM}
    return found


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def record() -> None:
    """Write the current digests to `deployed.json`, a line for each template."""
    lines = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in current().items()]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    record()
