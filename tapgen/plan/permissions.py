"""Resource types for which the execution role would have no permission."""

from __future__ import annotations

from tapgen.model import System
from tapgen.template import evaluate, schemas
from tapgen.template.values import mapping


def missing(system: System) -> tuple[str, ...]:
    """Return a line for each resource type of a system of which neither tapgen nor the
    config knows the permissions: on AWS its stacks fail half-way."""
    parts: dict[str, list[str]] = {}
    for s in system.stack_sets:
        if s.service_managed:
            continue  # AWS Organizations has roles of its own
        resources = mapping(evaluate.whole(s).get("Resources")).values()
        types = {str(mapping(resource).get("Type")) for resource in resources}
        for name in schemas.without_permissions(types - system.granted_types):
            parts.setdefault(name, []).append(s.part)
    return tuple(
        f"{', '.join(parts[name])}: {name} has no permissions in the execution role, as "
        "no schema lists any; give them in the config under permissions: "
        f"{{{name}: [service:Action]}}"
        for name in sorted(parts)
    )
