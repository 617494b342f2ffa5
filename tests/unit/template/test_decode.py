"""Templates as people write them become CloudFormation's JSON."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tapgen.errors import TemplateError
from tapgen.template import decode

RESOURCES = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n"


def value(written: str) -> Any:
    """What `Outputs.O.Value` is when it is written like this."""
    text = f"{RESOURCES}Outputs:\n  O:\n    Value: {written}\n"
    return decode.template(text, "t.yaml")["Outputs"]["O"]["Value"]


def wrong(text: str) -> str:
    with pytest.raises(TemplateError) as error:
        decode.template(text, "t.yaml")
    return str(error.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("!Ref Topic", {"Ref": "Topic"}),
        ("!Ref 12", {"Ref": "12"}),
        ("!Condition IsEast", {"Condition": "IsEast"}),
        ("!GetAtt Topic.TopicName", {"Fn::GetAtt": ["Topic", "TopicName"]}),
        ("!GetAtt Db.Endpoint.Address", {"Fn::GetAtt": ["Db", "Endpoint.Address"]}),
        ("!GetAtt [Db, Arn]", {"Fn::GetAtt": ["Db", "Arn"]}),
        ("!Sub 'a-${B}'", {"Fn::Sub": "a-${B}"}),
        ("!Sub ['a-${B}', {B: !Ref C}]", {"Fn::Sub": ["a-${B}", {"B": {"Ref": "C"}}]}),
        ("!Join [',', [a, !Ref B]]", {"Fn::Join": [",", ["a", {"Ref": "B"}]]}),
        ("!GetAZs", {"Fn::GetAZs": ""}),
        ("!GetAZs ''", {"Fn::GetAZs": ""}),
        ("!If [A, 1, !Ref B]", {"Fn::If": ["A", 1, {"Ref": "B"}]}),
        ("!Base64 text", {"Fn::Base64": "text"}),
        ("!Transform {Name: X}", {"Fn::Transform": {"Name": "X"}}),
        ("{Fn::Sub: x}", {"Fn::Sub": "x"}),
    ],
)
def test_a_short_form_is_its_long_form(written: str, read: Any) -> None:
    assert value(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("text", "text"),
        ("12", 12),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("-1.5", -1.5),
        ("yes", True),
        ("'yes'", "yes"),
        ("Off", False),
        # YAML 1.1 would make other numbers of these.
        ("012345678901", "012345678901"),
        ("22:22", "22:22"),
        ("17.10", "17.10"),
        ("2010-09-09", "2010-09-09"),
        ("1e400", "1e400"),
    ],
)
def test_a_scalar_is_what_was_meant(written: str, read: Any) -> None:
    found = value(written)

    assert found == read and type(found) is type(read)


def test_blocks_of_text_keep_their_lines() -> None:
    text = f"{RESOURCES}Outputs:\n  O:\n    Value: !Sub |\n      a\n      b\n"

    found = decode.template(text, "t.yaml")

    assert found["Outputs"]["O"]["Value"] == {"Fn::Sub": "a\nb\n"}


def test_anchors_and_merges_are_written_out() -> None:
    found = decode.template(
        "Resources:\n"
        "  A: &a {Type: 'AWS::SNS::Topic', DeletionPolicy: Retain}\n"
        "  B: {<<: *a, DeletionPolicy: Delete}\n"
        "  C: *a\n",
        "t.yaml",
    )

    assert found["Resources"]["B"] == {
        "Type": "AWS::SNS::Topic",
        "DeletionPolicy": "Delete",
    }
    assert found["Resources"]["C"] == found["Resources"]["A"]


def test_json_is_read_as_it_is() -> None:
    body = {"Resources": {"A": {"Type": "X", "Properties": {"B": [1.50, None, "é"]}}}}

    assert decode.template(json.dumps(body), "t.json") == body
    assert decode.template("{Resources: {A: {Type: X}}}", "t") == {
        "Resources": {"A": {"Type": "X"}}
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{RESOURCES}    X: !Reff y\n", "t.yaml:4: !Reff is not a short form"),
        (f"{RESOURCES}    X: !GetAtt y\n", "t.yaml:4: !GetAtt y: give RESOURCE."),
        (f"{RESOURCES}  Other: {{}}\n", "t.yaml:4: Resources.Other has no Type; add"),
        (
            f"{RESOURCES}    X: *y\n",
            "t.yaml:4: the alias *y has no anchor; define &y before it",
        ),
        (f"{RESOURCES}    X: [\n", "t.yaml:5: column 1: "),
        (f"{RESOURCES}    [a]: 1\n", "t.yaml:4: a mapping or a list cannot be a key"),
        (f"{RESOURCES}---\na: 1\n", "t.yaml:4: a second YAML document"),
        ("", "t.yaml:1: not a mapping"),
        ("- a", "t.yaml:1: not a mapping"),
        ("Outputs: {}", "t.yaml: no Resources"),
        (f"{RESOURCES}Outputs: {{A: b}}", "t.yaml:4: Outputs.A has no Value"),
        (f"{RESOURCES}Outputs:", "t.yaml: Outputs has no value, and CloudFormation"),
        (f"{RESOURCES}Conditions: ~", "t.yaml: Conditions has no value"),
        (f"{RESOURCES}Parameters: []", "t.yaml: Parameters is not a mapping"),
        ('{"Resources": {"A": 1,}', "t.yaml:1: column"),
        ('{"Resources": NaN}', "NaN is not a JSON number"),
        ("\tResources: 1", "t.yaml:1: column"),
        ("a: \x07", "not valid YAML"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(text: str, said: str) -> None:
    assert said in wrong(text)


def test_a_short_file_cannot_grow_without_bounds() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert "more than 500,000 values" in wrong("\n".join(lines))
    assert "levels deep" in wrong(f"a: {'[' * 200}{']' * 200}")


def test_a_large_template_is_read_in_well_under_a_second() -> None:
    one = "  T{}:\n    Type: AWS::SNS::Topic\n    Properties: {{TopicName: !Ref N}}\n"
    text = "Resources:\n" + "".join(one.format(n) for n in range(5000))

    started = time.process_time()
    found = decode.template(text, "t.yaml")

    assert len(found["Resources"]) == 5000
    assert time.process_time() - started < 2


SHORT = """\
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: !Sub
        - a-${B}
        - B: !Ref C
      Tags:
        - {Key: a, Value: b}
"""


@pytest.mark.parametrize("form", ["yaml", "json"])
@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), {"yaml": (1, 1), "json": (1, 1)}),
        (("Resources", "Topic"), {"yaml": (2, 3), "json": (3, 3)}),
        (
            ("Resources", "Topic", "Properties", "TopicName", "Fn::Sub", 1, "B", "Ref"),
            {"yaml": (7, 11), "json": (11, 9)},
        ),
        (
            ("Resources", "Topic", "Properties", "Tags", 0, "Value"),
            {"yaml": (9, 20), "json": (19, 7)},
        ),
        (("Resources", "Topic", "DeletionPolicy"), {"yaml": (2, 3), "json": (3, 3)}),
    ],
)
def test_a_path_has_its_place_in_the_text(
    form: str, path: tuple[str | int, ...], place: dict[str, tuple[int, int]]
) -> None:
    text = SHORT
    if form == "json":
        text = json.dumps(decode.template(SHORT, "t.yaml"), indent=1)

    assert decode.places(text, [path]) == [place[form]]


def test_json_that_is_no_yaml_has_no_places() -> None:
    assert decode.places('{\n\t"Resources": {}\n}\t\t: [', [()]) is None


def test_what_a_loop_makes_has_the_place_of_what_is_repeated() -> None:
    text = """\
Resources:
  Fn::ForEach::All:
    - A
    - [one]
    - Fn::ForEach::More:
        - B
        - [two]
        - Topic${A}${B}:
            Properties: {Nope: 1}
      Queue${A}: {Type: AWS::SQS::Queue}
"""
    found = decode.places(
        text,
        [("Resources", "Topiconetwo", "Properties"), ("Resources", "Queueone", "Type")],
    )
    assert found == [(9, 13), (10, 19)]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("Type: {Rain::Module: ./t.yaml}", "3: Resources.A.Type is a mapping; give"),
        ("Type:", "3: Resources.A.Type has no value; give the name of a type"),
        ("Type: ''", "3: Resources.A.Type is empty; give the name of a type"),
        ("{Type: X, Condition: [C]}", "2: Resources.A.Condition is a list; give"),
        ("{Type: X, Properties: }", "2: Resources.A.Properties has no value; give"),
        ("{Type: X, Metadata: [a]}", "2: Resources.A.Metadata is a list; give a mapp"),
        ("{Type: X, DeletionPolicy: 1}", "2: Resources.A.DeletionPolicy is a number;"),
        ("{Type: X, DependsOn: }", "2: Resources.A.DependsOn has no value; give a log"),
        ("{Type: X, DependsOn: [B, {}]}", "2: Resources.A.DependsOn.1 is a mapping; g"),
        (
            "{Type: AWS::Lambda::Function, Properties: {Code: ./src}}",
            "2: Resources.A.Properties.Code is './src', and CloudFormation reads no",
        ),
        (
            "{Type: AWS::Lambda::LayerVersion, Properties: {Content: [a]}}",
            "2: Resources.A.Properties.Content is a list; give S3Bucket and S3Key",
        ),
        (
            "{Type: AWS::Glue::Job, Properties: {Command: {ScriptLocation: a.py}}}",
            "2: Resources.A.Properties.Command.ScriptLocation is 'a.py'",
        ),
    ],
)
def test_a_value_of_a_wrong_kind_is_reported_with_its_line(
    entry: str, said: str
) -> None:
    text = entry if entry.startswith("{") else f"\n    {entry}"

    assert f"t.yaml:{said}" in wrong(f"Resources:\n  A: {text}\n")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("Parameters: {P: {Type: 1}}", "Parameters.P.Type is a number; give a type"),
        ("Parameters: {P: String}", "Parameters.P has no Type"),
        ("Parameters: {P: {Type: String, Default: [a]}}", "P.Default is a list; give"),
        ("Parameters: {P: {Type: X, AllowedValues: a}}", "P.AllowedValues is text; g"),
        ("Parameters: {P: {Type: X, AllowedValues: [~]}}", "AllowedValues.0 has no v"),
        ("Conditions: {C: a}", "Conditions.C is text; give a mapping"),
        ("Mappings: {M: {a: b}}", "Mappings.M.a is text; give a mapping"),
        ("Outputs: {O: {Value: }}", "Outputs.O.Value has no value; give one"),
        ("Outputs: {O: {Value: a, Export: b}}", "Outputs.O.Export is text; give a ma"),
    ],
)
def test_a_section_has_entries_of_its_own_kind(section: str, said: str) -> None:
    found = wrong(f"{RESOURCES}{section}\n")

    assert found.startswith("t.yaml:4: ") and said in found


def test_all_values_of_a_wrong_kind_are_reported_together() -> None:
    text = "Resources:\n  A: {Type: [x]}\n  B: {Type: X, DependsOn: }\n"

    assert [line[:9] for line in wrong(text).splitlines()] == ["t.yaml:2:", "t.yaml:3:"]


def test_functions_and_urls_are_places_of_code() -> None:
    code = "{Code: {'Fn::If': [C, {ZipFile: a}, {S3Bucket: b, S3Key: c}]}}"
    text = f"Resources: {{F: {{Type: 'AWS::Lambda::Function', Properties: {code}}}}}"
    job = "{Command: {ScriptLocation: 's3://bucket/a.py'}}"
    other = f"Resources: {{J: {{Type: 'AWS::Glue::Job', Properties: {job}}}}}"

    assert decode.template(text, "t.yaml") and decode.template(other, "t.yaml")


def test_booleans_of_parameters_are_text() -> None:
    on = "{Type: String, Default: true, AllowedValues: [true, No, 1, 'x']}"
    found = decode.template(f"{RESOURCES}Parameters: {{On: {on}}}\n", "t.yaml")

    assert found["Parameters"]["On"]["Default"] == "true"
    assert found["Parameters"]["On"]["AllowedValues"] == ["true", "false", 1, "x"]


TWICE = """\
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: first
      Tags: [{Key: a, Key: b, Value: c}]
      DisplayName: second
"""


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_of_a_key_given_twice_the_last_counts(form: str) -> None:
    text = TWICE
    if form == "json":  # indented by tabs, with an escaped slash
        text = (
            '{"Resources": {"Topic": {\n"Type": "AWS::SNS::Topic",\n"Properties": {\n'
            '\t"DisplayName": "first\\/",\n\t"Tags": [{"Key": "a", "Key": "b", "Value": '
            '"c"}],\n\t"DisplayName": "second"\n}}}}'
        )
    properties = ("Resources", "Topic", "Properties")
    first, line, last = {"yaml": (5, 6, 7), "json": (4, 5, 6)}[form]

    body = decode.template(text, "t")
    assert body["Resources"]["Topic"]["Properties"] == {
        "DisplayName": "second",
        "Tags": [{"Key": "b", "Value": "c"}],
    }
    assert decode.repeated(text) == [
        ((*properties, "DisplayName"), [first, last]),
        ((*properties, "Tags", 0, "Key"), [line, line]),
    ]
    assert decode.places(text, [(*properties, "DisplayName")]) == [
        (last, 7 if form == "yaml" else 2)
    ]


def test_merges_and_aliases_repeat_no_key() -> None:
    text = f"a: &a {{x: 1}}\nb: {{<<: *a, <<: *a}}\nc: *a\n{RESOURCES}"

    assert decode.repeated(text) == []
