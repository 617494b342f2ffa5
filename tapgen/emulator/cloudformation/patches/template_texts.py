"""Texts of templates, read as CloudFormation reads them.

A body that is indented as a whole is well-formed YAML, and ministack cuts its first line
loose. Scalars in a parameter's Default and AllowedValues are texts, `true` as "true".
Names that are not alphanumeric are refused at the call. All recorded on AWS
(localstack/localstack: api/test_transformers.py, engine/test_conditions.py,
api/test_resources.py, api/test_changesets.py).
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from tapgen.emulator.cloudformation.patches.replacing import CFN, replace_everywhere

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.engine": {"_parse_template": ("template_body",)}
}
"""Private names of ministack used here, as `private_names` describes them."""

_NAMED = {"Resources": "Resource", "Parameters": "Parameter", "Mappings": "Mapping"}


def apply() -> None:
    """Read templates as AWS does."""

    def parsing(original: Any) -> Any:
        def parse(template_body: str) -> Any:
            try:
                template = original(textwrap.dedent(template_body))
            except json.JSONDecodeError as error:
                where = error.lineno, error.colno
            except yaml.MarkedYAMLError as error:
                mark = error.problem_mark
                where = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            else:
                refuse_names(template)
                return _with_texts(template)
            kind = "JSON" if template_body.lstrip().startswith("{") else "YAML"
            line, column = where
            raise ValueError(f"{kind} not well-formed. (line {line}, column {column})")

        return parse

    replace_everywhere("_parse_template", parsing)


def refuse_names(template: Mapping[str, Any]) -> None:
    """Raise ValueError for a name that is not alphanumeric, where no macro may still
    make something else of it."""
    if template.get("Transform"):
        return
    for section, word in _NAMED.items():
        members = template.get(section)
        for name in members if isinstance(members, Mapping) else ():
            alphanumeric = str(name).isascii() and str(name).isalnum()
            if not alphanumeric and not str(name).startswith("Fn::"):
                raise ValueError(f"{word} name {name} is non alphanumeric.")


def _with_texts(template: Any) -> Any:
    parameters = template.get("Parameters")
    for definition in parameters.values() if isinstance(parameters, Mapping) else ():
        if isinstance(definition, dict):
            if "Default" in definition:
                definition["Default"] = _text(definition["Default"])
            allowed = definition.get("AllowedValues")
            if isinstance(allowed, list):
                definition["AllowedValues"] = [_text(value) for value in allowed]
    return template


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
