"""Parameters: unknown names, missing values and AWS's wordings.

ministack accepts parameters that the template does not declare, which hides a typing
error in an override, and reports missing ones one at a time. It compares a list as a
whole with the allowed values, which are those of each item. It reads an AllowedPattern
as Python does; in AWS it is a pattern of Java. Whoever starts the embedded AWS passes in
the function that reads these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import CFN, replace_everywhere
from tapgen.emulator.cloudformation.template_checks import Template

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.engine": {
        "_check_parameter_constraints": ("name", "defn", "ptype", "value"),
        "_constraint_error": ("name", "defn", "reason"),
        "_resolve_parameters": ("template", "provided_params", "previous_params"),
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

Matches = Callable[[str, str], bool | None]
"""Tells whether a pattern of Java matches a whole value; None where it is unknown."""

_matches: list[Matches] = []


def know(matches: Matches) -> None:
    """Compare values with patterns by this function."""
    _matches[:] = [matches]


def apply() -> None:
    """Check parameters against the template, and word errors as AWS does."""

    def resolve(original: Any) -> Any:
        def parameters(
            template: Template,
            provided_params: list[dict[str, Any]],
            previous_params: Mapping[str, Any] | None = None,
        ) -> Any:
            declared: Mapping[str, Any] = template.get("Parameters") or {}
            given = [entry["Key"] for entry in provided_params if "Key" in entry]
            extra = [name for name in given if name not in declared]
            if extra:
                raise ValueError(
                    f"Parameters: [{', '.join(extra)}] do not exist in the template"
                )
            missing = [
                name
                for name, definition in declared.items()
                if name not in given and "Default" not in definition
            ]
            if missing:
                raise ValueError(f"Parameters: [{', '.join(missing)}] must have values")
            _refuse_two_values(provided_params)
            allowed = {
                name: [_text(value) for value in definition["AllowedValues"]]
                for name, definition in declared.items()
                if "List" in str(definition.get("Type"))
                and isinstance(definition.get("AllowedValues"), list)
            }
            unchecked = {
                name: {k: v for k, v in d.items() if k != "AllowedValues"}
                for name, d in declared.items()
                if name in allowed
            }
            without = {**template, "Parameters": {**declared, **unchecked}}
            try:
                found = original(without, provided_params, previous_params)
            except ValueError as error:
                raise _as_aws(error, declared) from None
            for name, values in allowed.items():
                items = [item.strip() for item in str(found[name]["Value"]).split(",")]
                if not {*items} <= {*values}:
                    raise _not_allowed(name, declared[name])
            return found

        return parameters

    replace_everywhere("_check_parameter_constraints", _constraints)
    replace_everywhere("_resolve_parameters", resolve)
    replace_everywhere("_constraint_error", lambda _: _broken)


def _constraints(original: Any) -> Any:
    def check(name: str, defn: Mapping[str, Any], ptype: str, value: str) -> None:
        if _matches and ptype != "Number" and "AllowedPattern" in defn:
            pattern = str(defn["AllowedPattern"])
            listed = ptype in ("CommaDelimitedList", "List<Number>")
            members = [m.strip() for m in value.split(",")] if listed else [value]
            if any(_matches[0](pattern, member) is False for member in members):
                raise _broken(name, defn, f"must match pattern {pattern}")
            defn = {k: v for k, v in defn.items() if k != "AllowedPattern"}
        original(name, defn, ptype, value)

    return check


def _broken(name: str, defn: Mapping[str, Any], reason: str) -> ValueError:
    """AWS answers "Parameter X failed to satisfy constraint: ..." when the template
    describes the constraint."""
    description = defn.get("ConstraintDescription")
    if not description:
        return ValueError(f"Parameter '{name}' {reason}")
    return ValueError(f"Parameter {name} failed to satisfy constraint: {description}")


def _refuse_two_values(given: list[dict[str, Any]]) -> None:
    """Raise ValueError where a value is given beside UsePreviousValue
    (widdix/cfn-create-or-update#15 quotes AWS's refusal)."""
    for entry in given:
        if entry.get("UsePreviousValue") and entry.get("Value"):
            raise ValueError(
                f"Invalid input for parameter key {entry['Key']}. Cannot specify "
                "usePreviousValue as true and non empty value for a parameter"
            )


def _as_aws(error: ValueError, declared: Mapping[str, Any]) -> ValueError:
    number = re.match(r"Parameter '(\w+)' value .* is not a valid Number", str(error))
    if number:
        return ValueError(f"Parameter '{number[1]}' must be a number.")
    return _allowed_values(error, declared)


def _allowed_values(error: ValueError, declared: Mapping[str, Any]) -> ValueError:
    """AWS's wording for a value that is not among the allowed ones."""
    found = re.match(r"Parameter '(\w+)' value .* is not in AllowedValues", str(error))
    if not found:
        return error
    return _not_allowed(found[1], declared[found[1]])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _not_allowed(name: str, definition: Mapping[str, Any]) -> ValueError:
    description = definition.get("ConstraintDescription")
    if description:
        return ValueError(
            f"Parameter {name} failed to satisfy constraint: {description}"
        )
    return ValueError(f"Parameter '{name}' must be one of AllowedValues")
