"""Macros and includes are expanded in AWS's order, or the template is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tapgen.emulator.cloudformation.transforms import (
    Place,
    TransformError,
    calls_macros,
    expand,
    needs_expansion,
)

PLACE = Place("111122223333", "us-east-1", {"How": "so"})


def _expanded(
    template: Mapping[str, Any], answer: Any = None, log: list[Any] | None = None
) -> Any:
    def invoke(name: str, event: Mapping[str, Any]) -> Any:
        if log is not None:
            log.append((name, event["fragment"], event["params"]))
        if callable(answer):
            return answer(name, event)
        return {
            "requestId": event["requestId"],
            "status": "success",
            "fragment": {**event["fragment"], name: {}},
        }

    def rest(part: dict[str, Any]) -> dict[str, Any]:
        if log is not None and part.get("Transform"):
            log.append(part["Transform"])
        return {k: v for k, v in part.items() if k != "Transform"}

    def include(location: Any) -> Mapping[str, Any]:
        return {"Outputs": {"From": {"Value": location}}}

    return expand(template, PLACE, invoke, include, rest)


def test_deepest_macros_come_first_and_then_the_list_in_order() -> None:
    inner = {"Fn::Transform": {"Name": "In", "Parameters": {"P": {"Ref": "How"}}}}
    template = {
        "Transform": ["A", "AWS::Serverless-2016-10-31", {"Name": "B"}],
        "Resources": {"R": {"Fn::Transform": {"Name": "Out"}, "X": {"Y": 1, **inner}}},
    }
    log: list[Any] = []

    found = _expanded(template, log=log)

    names = [one if isinstance(one, list) else one[0] for one in log]
    assert names == ["In", "Out", "A", ["AWS::Serverless-2016-10-31"], "B"]
    assert log[0][1:] == ({"Y": 1}, {"P": "so"})
    assert found["Resources"]["R"] == {"X": {"Y": 1, "In": {}}, "Out": {}}
    assert {"A", "B"} <= set(found)


def test_an_include_at_the_top_is_merged_into_the_sections() -> None:
    include = {"Name": "AWS::Include", "Parameters": {"Location": "s3://b/k"}}
    template = {
        "Transform": include,
        "Resources": {"R": {}},
        "Outputs": {"Own": {"Value": 1}},
    }

    found = _expanded(template)

    assert found["Resources"] == {"R": {}}
    assert found["Outputs"] == {"Own": {"Value": 1}, "From": {"Value": "s3://b/k"}}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda _, e: {"requestId": e["requestId"], "status": "failed"},
            "Transform 111122223333::M failed without an error message.",
        ),
        (
            lambda _, e: {
                **{"requestId": e["requestId"], "status": "failed"},
                "errorMessage": "not today",
            },
            "Transform 111122223333::M failed with: not today.",
        ),
        (
            lambda _, e: None,
            "Received malformed response from transform 111122223333::M",
        ),
        (
            lambda _, e: {"requestId": "another", "status": "success", "fragment": {}},
            "Received malformed response from transform 111122223333::M",
        ),
        (
            lambda _, e: {"requestId": e["requestId"], "fragment": {}},
            "Received malformed response from transform 111122223333::M",
        ),
        (
            lambda _, e: {
                **{"requestId": e["requestId"], "status": "success"},
                "fragment": "text",
            },
            "Received malformed response from transform 111122223333::M",
        ),
    ],
)
def test_a_macro_that_fails_fails_the_template(answer: Any, message: str) -> None:
    with pytest.raises(TransformError) as error:
        _expanded({"Transform": "M", "Resources": {}}, answer)
    assert str(error.value) == message


def test_a_macro_that_is_not_there_is_refused() -> None:
    def absent(name: str, event: Any) -> Any:
        raise LookupError(name)

    with pytest.raises(TransformError, match="No transform named 111122223333::M"):
        _expanded({"Transform": ["M"]}, absent)


def test_a_transform_of_aws_that_is_not_emulated_is_refused() -> None:
    with pytest.raises(TransformError, match="AWS::SecretsManager-2024-09-16 is not"):
        _expanded({"Transform": "AWS::SecretsManager-2024-09-16"})


def test_which_templates_need_it() -> None:
    embedded = {"Resources": {"R": [{"Fn::Transform": {"Name": "M"}}]}}
    included = {"Resources": {"R": {"Fn::Transform": {"Name": "AWS::Include"}}}}

    assert calls_macros(embedded) and needs_expansion(embedded)
    assert not calls_macros(included) and not needs_expansion(included)
    assert not needs_expansion({"Transform": ["AWS::LanguageExtensions"]})
    assert needs_expansion({"Transform": {"Name": "AWS::Include"}})
    assert not calls_macros([]) and not needs_expansion({"Transform": 3})
