"""What templates say about themselves: AWS's Metadata Context."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from cfnlint.jsonschema import StandardValidator

from tapgen.model import CONTEXT, ChangeSafety
from tapgen.rules.base import TEMPLATE_REFERENCE, Found, Rule
from tapgen.rules.values import Path, get
from tapgen.rules.view import View
from tapgen.template import schemas
from tapgen.template.values import is_function, mapping

_TEMPLATE, _RESOURCE = "TemplateContext", "ResourceContext"


class WrongContext(Rule):
    id = "W9619"
    shortdesc = "A context does not match AWS's schema"
    description = (
        "CloudFormation stores com.aws.cloudformation.Context and checks nothing in it:"
        " a level that AWS does not have, or a property that the type does not have,"
        " protects nothing. tapgen plan counts an unknown level as review-required."
        " Write it as AWS's schema has it: arch, must, ref and owner in the Metadata of"
        " the template; why, must, mutable, mutability, trust and deps in that of a"
        " resource."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}aws-attribute-metadata.html"
        "#aws-attribute-metadata-context-schema"
    )
    sees_macros = True
    at = f"Resources/Orders/Metadata/{CONTEXT}/mutability/QueueName"
    _queue = """\
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Metadata:
      com.aws.cloudformation.Context:
        why: Orders wait here for the warehouse, which knows the queue by its name.
        mutability: {{QueueName: {level}}}
    Properties:
      QueueName: orders
"""
    bad = _queue.format(level="never")
    good = _queue.format(level="must-never-change")

    def check(self, view: View) -> Iterator[Found]:
        yield from _wrong(view.template, (), _TEMPLATE, "")
        for name, resource in mapping(get(view.template, "Resources")).items():
            kind = str(get(resource, "Type"))
            yield from _wrong(resource, ("Resources", str(name)), _RESOURCE, kind)


def _wrong(node: Any, path: Path, form: str, kind: str) -> Iterator[Found]:
    """Yield what is wrong with the context of a template, or of a resource of a type.
    What functions give is not known."""
    metadata = mapping(get(node, "Metadata"))
    if CONTEXT not in metadata or is_function(metadata[CONTEXT]):
        return
    given, start = metadata[CONTEXT], (*path, "Metadata", CONTEXT)
    for error in _validator(form).iter_errors(given):
        steps = tuple(error.absolute_path)
        if not _is_open(given, steps):
            yield (*start, *steps), _words(error, steps, form)
    levels = mapping(mapping(given).get("mutability"))
    known = schemas.properties(kind)
    for name in levels if known and not is_function(levels) else ():
        if name not in known:
            yield (*start, "mutability", name), (
                f"{kind} has no property {name}, so this protects nothing; give the name"
                " of a property at the top"
            )


def _words(error: Any, steps: Path, form: str) -> str:
    field = ".".join(map(str, steps)) or CONTEXT
    if error.validator == "enum" and steps[0] in ("mutable", "mutability"):
        levels = ", ".join(ChangeSafety)
        return f"{field}: {error.instance!r} is no level of AWS's; give one of {levels}"
    if error.validator == "additionalProperties":
        fields = ", ".join(_schema()["$defs"][form]["properties"])
        where = "a template" if form == _TEMPLATE else "a resource"
        if len(steps) == 1:
            return f"{field} is not in the context of {where}, which has {fields}"
    return f"{field}: {error.message}; write it as AWS's schema has it"


def _is_open(node: Any, steps: Path) -> bool:
    """Whether a function gives what is at a place, or around it."""
    for step in steps:
        if is_function(node):
            return True
        try:
            node = node[step]
        except (LookupError, TypeError):
            return False
    return is_function(node)


@cache
def _schema() -> Mapping[str, Any]:
    text = resources.files("tapgen").joinpath("data/metadata_context.json").read_text()
    found: Mapping[str, Any] = json.loads(text)
    return found


@cache
def _validator(form: str) -> Any:
    return StandardValidator({"$defs": _schema()["$defs"], "$ref": f"#/$defs/{form}"})
