"""Parameters are checked against the template."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.emulator.cloudformation.patches.templates import TOPIC
from tests.emulator.places import Place


def test_parameters_are_held_to_the_template(place: Place) -> None:
    sections = {
        "Parameters": {
            "Size": {"Type": "String", "AllowedValues": ["s", "l"]},
            "Sizes": {  # each of them
                "Type": "CommaDelimitedList",
                "AllowedValues": ["s", "l"],
                "Default": "s, l",
            },
            "Name": {
                "Type": "String",
                "AllowedPattern": "[a-z]+",
                "ConstraintDescription": "must be lower case",
            },
            "Kind": {"Type": "String", "AllowedPattern": "[a-z]+", "Default": "x"},
            "Mail": {  # a pattern that Java reads, and Python does not
                "Type": "CommaDelimitedList",
                "AllowedPattern": r"[\w-\+]+@\p{Alpha}+",
                "Default": "a-b@c, d@e",
            },
        }
    }
    body = json.dumps({"Resources": TOPIC, **sections})

    def why(**values: str) -> str:
        given = [{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()]
        with pytest.raises(ClientError) as error:
            place.cloudformation.create_stack(
                StackName="held", TemplateBody=body, Parameters=given
            )
        return str(error.value.response["Error"]["Message"])

    assert why() == "Parameters: [Size, Name] must have values"
    assert why(Size="s", Name="a", Sise="s", Other="x") == (
        "Parameters: [Sise, Other] do not exist in the template"
    )
    assert why(Size="m", Name="a") == "Parameter 'Size' must be one of AllowedValues"
    assert why(Size="s", Name="a", Sizes="s,m") == (
        "Parameter 'Sizes' must be one of AllowedValues"
    )
    assert why(Size="s", Name="A") == (
        "Parameter Name failed to satisfy constraint: must be lower case"
    )
    assert why(Size="s", Name="a", Kind="X") == (
        "Parameter 'Kind' must match pattern [a-z]+"
    )
    assert why(Size="s", Name="a", Mail="a@b, a@1") == (
        r"Parameter 'Mail' must match pattern [\w-\+]+@\p{Alpha}+"
    )
