"""GetTemplateSummary as import wizards and pipelines read it.

ministack leaves out Version, Metadata, the identifiers for an import and the constraints
of parameters, and summarises a template without resources (API reference,
GetTemplateSummary; localstack/localstack, api/test_templates.py, recorded on AWS).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

from tapgen.emulator.cloudformation.patches.answers import add, drop_empty, written
from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded, wrap_action
from tapgen.emulator.cloudformation.template_checks import refuse_malformed

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.engine": {"_parse_template": ("template_body",)},
    f"{CFN}.handlers": {"_ACTION_HANDLERS": None, "_resolve_stack": ("stack_name",)},
    f"{CFN}.helpers": {
        "_error": ("code", "message", "status"),
        "_p": ("params", "key", "default"),
        "_resolve_template": ("params",),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

Shape = Callable[[str, str], Mapping[str, Any] | None]

_shapes: list[Shape] = []


def apply() -> None:
    """Complete the summary."""
    wrap_action("GetTemplateSummary", _complete)


def know(shape: Shape) -> None:
    """Take the function that gives the schema of a type in a region."""
    _shapes[:] = [shape]


def _complete(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def summarise(params: Any) -> Any:
        helpers = loaded(f"{CFN}.helpers")
        template = _template(params)
        try:
            if template is not None and not template.get("Transform"):
                refuse_malformed(template)
        except ValueError as error:
            return helpers._error("ValidationError", str(error))
        status, headers, body = handler(params)
        if status != 200 or template is None:
            return status, headers, body
        root = ElementTree.fromstring(body)
        place = root.find("./{*}GetTemplateSummaryResult")
        if place is not None:
            _add(place, template)
        return status, headers, written(root)

    return summarise


def _template(params: Any) -> Any:
    helpers = loaded(f"{CFN}.helpers")
    body = helpers._resolve_template(params)[0]
    if not body:
        name = helpers._p(params, "StackName")
        stack = loaded(f"{CFN}.handlers")._resolve_stack(name) if name else None
        body = (stack or {}).get("_template_body")
    try:
        return loaded(f"{CFN}.engine")._parse_template(body) if body else None
    except ValueError:
        return None  # the handler says what is wrong


def _add(place: ElementTree.Element, template: Mapping[str, Any]) -> None:
    if "AWSTemplateFormatVersion" in template:
        add(place, "Version", template["AWSTemplateFormatVersion"])
    if "Metadata" in template:
        add(place, "Metadata", json.dumps(template["Metadata"], default=str))
    drop_empty(place, ("Description",))
    declared: Mapping[str, Any] = template.get("Parameters") or {}
    for member in place.iterfind("./{*}Parameters/{*}member"):
        definition = declared[member.findtext("./{*}ParameterKey") or ""]
        if "Default" not in definition:
            drop_empty(member, ("DefaultValue",))
        drop_empty(member, ("Description",))
        allowed = definition.get("AllowedValues")
        given = {"AllowedValues": list(map(str, allowed))} if allowed else {}
        add(member, "ParameterConstraints", given)
    summaries = list(_identifiers(template.get("Resources") or {}))
    add(place, "ResourceIdentifierSummaries", summaries)


def _identifiers(resources: Mapping[str, Any]) -> Any:
    by_type: dict[str, list[str]] = {}
    for name, resource in resources.items():
        if isinstance(resource, Mapping):
            by_type.setdefault(str(resource.get("Type", "")), []).append(name)
    for type, names in sorted(by_type.items()):
        schema = _shapes[0](type, "us-east-1") if _shapes else None
        paths = (schema or {}).get("primaryIdentifier", ())
        yield {
            "ResourceType": type,
            "LogicalResourceIds": names,
            "ResourceIdentifiers": [path.rpartition("/")[2] for path in paths],
        }
