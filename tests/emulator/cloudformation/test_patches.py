"""CloudFormation judges templates as AWS does, and ministack is the one we know."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tapgen.emulator.cloudformation import patches
from tapgen.emulator.cloudformation.template_checks import (
    evaluated,
    path_style,
    refuse_cycles,
    refuse_unresolved,
)
from tapgen.emulator.server import lifecycle
from tapgen.emulator.wire import cbor
from tests.emulator.places import Place, get, new_account, of, served

EAST, WEST = "us-east-1", "us-west-2"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Server]:
    yield from served(tmp_path_factory.mktemp("patches"))


@pytest.fixture
def place(server: lifecycle.Server) -> Place:
    """An account that no other test has, in us-east-1."""
    return Place(server.url, new_account())


TOPIC = {"R": of("SNS::Topic")}


def refused(place: Place, resources: Any, **sections: Any) -> str:
    """Why a template is refused before there is a stack."""
    with pytest.raises(ClientError) as error:
        place.begin("refused", resources, **sections)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    stacks = place.cloudformation.list_stacks()["StackSummaries"]
    assert "refused" not in {stack["StackName"] for stack in stacks}
    return str(error.value.response["Error"]["Message"])


# The pinned ministack


def test_the_installed_ministack_is_the_one_the_patches_know() -> None:
    # Whether they are applied in this process or not.
    assert patches.check() == []


def test_what_has_moved_is_named_with_what_it_takes(
    tmp_path: Path,
) -> None:
    moved = patches.moved(
        "json", {"dumps": ("obj",), "loads_all": None, "JSONDecoder": None}
    )
    assert moved == [
        f"json.dumps takes {_parameters()}, expected ('obj',)",
        "json.loads_all is gone",
    ]
    assert "cannot be imported" in patches.moved("no_such_module", {})[0]


def _parameters() -> tuple[str, ...]:
    return tuple(inspect.signature(json.dumps).parameters)


def test_ministack_is_told_to_stay_on_this_machine_and_in_its_folder(
    tmp_path: Path,
) -> None:
    found = patches.environment(4599, tmp_path)
    assert found["BIND_HOST"] == found["MINISTACK_HOST"] == "127.0.0.1"
    assert found["GATEWAY_PORT"] == "4599"
    assert (found["SFTP_ENABLED"], found["IOT_MTLS_ENABLED"]) == ("0", "0")
    for name in ("STATE_DIR", "S3_DATA_DIR"):
        assert Path(found[name]).is_relative_to(tmp_path)


# Conditions and intrinsics


CONDITIONS: dict[str, Any] = {
    "Mappings": {"Roles": {EAST: {"Role": "primary"}, WEST: {"Role": "dr"}}},
    "Parameters": {
        "Suffix": {"Type": "String", "Default": "prod"},
        "Zones": {"Type": "CommaDelimitedList", "Default": "a,b"},
    },
    "Conditions": {
        "Region": {"Fn::Equals": [{"Ref": "AWS::Region"}, EAST]},
        "Account": {"Fn::Equals": [{"Fn::Sub": "${AWS::AccountId}"}, "1"]},
        "Partition": {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws"]},
        "Suffix": {"Fn::Equals": [{"Ref": "AWS::URLSuffix"}, "amazonaws.com"]},
        "Named": {"Fn::Equals": [{"Ref": "AWS::StackName"}, "conditions"]},
        "Joined": {
            "Fn::Equals": [
                {"Fn::Join": ["-", [{"Ref": "AWS::Region"}, {"Ref": "Suffix"}]]},
                f"{EAST}-prod",
            ]
        },
        "Subbed": {"Fn::Equals": [{"Fn::Sub": "${Suffix}/${AWS::Region}"}, "x"]},
        "Mapped": {
            "Fn::Equals": [
                {"Fn::FindInMap": ["Roles", {"Ref": "AWS::Region"}, "Role"]},
                "primary",
            ]
        },
        "Selected": {"Fn::Equals": [{"Fn::Select": ["1", {"Ref": "Zones"}]}, "b"]},
        "Split": {
            "Fn::Equals": [
                {"Fn::Select": [0, {"Fn::Split": ["-", {"Ref": "AWS::Region"}]}]},
                "us",
            ]
        },
        "Nested": {
            "Fn::And": [
                {"Condition": "Region"},
                {"Fn::Or": [{"Condition": "Account"}, {"Condition": "Mapped"}]},
                {"Fn::Not": [{"Condition": "Subbed"}]},
            ]
        },
        "Chosen": {"Fn::Equals": [{"Fn::If": ["Nested", "yes", "no"]}, "yes"]},
        "Truth": {"Fn::Equals": [True, "true"]},
    },
}
EVERYWHERE = {"Partition", "Suffix", "Named", "Selected", "Split", "Truth"}
HERE = {"Region", "Joined", "Mapped", "Nested", "Chosen"}


def shown() -> dict[str, Any]:
    """One output under each condition."""
    return {
        name: {"Value": "so", "Condition": name} for name in CONDITIONS["Conditions"]
    }


def test_conditions_hold_by_region_account_and_every_function(place: Place) -> None:
    sections = {**CONDITIONS, "Outputs": shown()}
    assert set(place.create("conditions", TOPIC, **sections)) == EVERYWHERE | HERE
    west = place.at(WEST)
    assert set(west.create("conditions", TOPIC, **sections)) == EVERYWHERE


def test_a_condition_decides_over_resources_properties_and_updates(
    place: Place,
) -> None:
    in_dr = {"Fn::Equals": [{"Fn::FindInMap": _role()}, "dr"]}
    sections = {"Mappings": CONDITIONS["Mappings"], "Conditions": {"Dr": in_dr}}
    chosen = {"Fn::If": ["Dr", "dr", {"Ref": "AWS::NoValue"}]}
    resources = {
        "R": of("SNS::Topic", DisplayName=chosen),
        "Only": {**of("SNS::Topic"), "Condition": "Dr"},
    }
    for where, expected in ((place, {"R"}), (place.at(WEST), {"R", "Only"})):
        where.create("by-region", resources, **sections)
        assert set(where.ids("by-region")) == expected
    # The condition turns in an update: the resource goes, or comes.
    sections["Conditions"] = {"Dr": {"Fn::Not": [in_dr]}}
    for where, expected in ((place, {"R", "Only"}), (place.at(WEST), {"R"})):
        where.update("by-region", resources, **sections)
        assert set(where.ids("by-region")) == expected


def _role() -> list[Any]:
    return ["Roles", {"Ref": "AWS::Region"}, "Role"]


def test_a_change_set_knows_conditions_on_the_region(place: Place) -> None:
    place.create("changing", TOPIC)
    resources = {
        **TOPIC,
        "New": {**of("SNS::Topic"), "Condition": "Here"},
        "Not": {**of("SNS::Topic"), "Condition": "There"},
    }
    here = {"Fn::Equals": [{"Ref": "AWS::Region"}, EAST]}
    sections = {"Here": here, "There": {"Fn::Not": [{"Condition": "Here"}]}}
    assert place.changes("changing", resources, Conditions=sections) == {"New": "Add"}
    cloudformation = place.cloudformation
    cloudformation.execute_change_set(StackName="changing", ChangeSetName="c")
    assert place.settled("changing")["StackStatus"] == "UPDATE_COMPLETE"
    assert set(place.ids("changing")) == {"R", "New"}


def test_a_change_set_says_what_replaces_our_kinds(place: Place) -> None:
    first = {"R": of("Config::ConfigRule", ConfigRuleName="a", Source={"Owner": "AWS"})}
    later = {"R": of("Config::ConfigRule", ConfigRuleName="b", Source={"Owner": "AWS"})}
    place.create("replacing", first)
    assert place.changes("replacing", later) == {"R": "True"}


def plain(value: Any, known: Any, mappings: Any) -> Any:
    """Resolves nothing."""
    return value


def test_conditions_in_a_circle_and_undefined_ones_are_errors() -> None:
    circle = {"A": {"Condition": "B"}, "B": {"Fn::Not": [{"Condition": "A"}]}}
    with pytest.raises(ValueError, match=r"between conditions: \[A, B\]"):
        evaluated({"Conditions": circle}, plain)
    with pytest.raises(ValueError, match="Unresolved condition dependency B"):
        evaluated({"Conditions": {"A": {"Condition": "B"}}}, plain)


@given(st.recursive(st.booleans(), lambda e: st.lists(e, min_size=1, max_size=3)))
def test_and_or_and_not_nest_to_any_depth(tree: Any) -> None:
    def expression(node: Any) -> Any:
        if isinstance(node, bool):
            return {"Fn::Equals": ["x", "x" if node else "y"]}
        return {"Fn::Not": [{"Fn::And": [{"Fn::Or": [*map(expression, node)]}]}]}

    def expected(node: Any) -> bool:
        return node if isinstance(node, bool) else not any(map(expected, node))

    found = evaluated({"Conditions": {"C": expression(tree)}}, plain)
    assert found == {"C": expected(tree)}


# Rules


def test_a_rule_that_fails_is_told_in_its_own_words(place: Place) -> None:
    rules = {
        "OnlyWest": {
            "RuleCondition": {"Fn::Equals": [{"Ref": "Where"}, "here"]},
            "Assertions": [
                {
                    "Assert": {"Fn::Equals": [{"Ref": "AWS::Region"}, WEST]},
                    "AssertDescription": "deploy this in us-west-2 only",
                }
            ],
        }
    }
    where = {"Where": {"Type": "String", "Default": "here"}}
    message = refused(place, TOPIC, Rules=rules, Parameters=where)
    assert "OnlyWest" in message and "deploy this in us-west-2 only" in message
    place.at(WEST).create("ruled", TOPIC, Rules=rules, Parameters=where)
    where["Where"]["Default"] = "there"
    place.create("ruled", TOPIC, Rules=rules, Parameters=where)


# Templates that AWS refuses


@pytest.mark.parametrize(
    ("resources", "sections", "message"),
    [
        (
            {"R": of("SNS::Topic", DisplayName={"Ref": "Nope"})},
            {},
            "Template format error: Unresolved resource dependencies [Nope] in the "
            "Resources block of the template",
        ),
        (
            {"R": of("SNS::Topic", DisplayName={"Fn::Sub": "${Nope}-${Nor.Arn}"})},
            {},
            "Template format error: Unresolved resource dependencies [Nope, Nor] in "
            "the Resources block of the template",
        ),
        (
            {"R": {**of("SNS::Topic"), "DependsOn": ["Nope"]}},
            {},
            "Template format error: Unresolved resource dependencies [Nope] in the "
            "Resources block of the template",
        ),
        (
            {"R": of("SNS::Topic", DisplayName={"Fn::GetAtt": ["Nope", "Arn"]})},
            {},
            "Template error: instance of Fn::GetAtt references undefined resource Nope",
        ),
        (
            TOPIC,
            {"Outputs": {"O": {"Value": {"Ref": "Nope"}}}},
            "Template format error: Unresolved resource dependencies [Nope] in the "
            "Outputs block of the template",
        ),
        (
            TOPIC,
            {"Outputs": {"O": {"Value": {"Fn::GetAtt": "Nope.Arn"}}}},
            "Template error: instance of Fn::GetAtt references undefined resource Nope",
        ),
        (
            {"R": {**of("SNS::Topic"), "Condition": "Nope"}},
            {},
            "Template format error: Unresolved condition dependency Nope in the "
            "Resources block of the template",
        ),
        (
            {"R": of("SNS::Topic", DisplayName={"Fn::If": ["Nope", "a", "b"]})},
            {},
            "Template error: unresolved condition dependency Nope in Fn::If",
        ),
        (
            TOPIC,
            {"Conditions": {"C": {"Fn::Equals": [{"Ref": "R"}, "x"]}}},
            "Template format error: Unresolved dependencies [R]. Cannot reference "
            "resources in the Conditions block of the template",
        ),
        (
            {
                "A": {**of("SNS::Topic"), "Condition": "Never"},
                "R": of("SNS::Topic", DisplayName={"Ref": "A"}),
            },
            {"Conditions": {"Never": {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}}},
            "Template format error: Unresolved resource dependencies [A] in the "
            "Resources block of the template",
        ),
        (
            {
                "A": of("SNS::Topic", DisplayName={"Ref": "B"}),
                "B": {**of("SNS::Topic"), "DependsOn": "A"},
                "After": {**of("SNS::Topic"), "DependsOn": "B"},
                "Before": of("SNS::Topic"),
            },
            {},
            "Circular dependency between resources: [A, B]",
        ),
        (
            {"R": of("Nowhere::Thing"), "S": of("SNS::Topics")},
            {},
            "Template format error: Unrecognized resource types: [AWS::Nowhere::Thing, "
            "AWS::SNS::Topics]",
        ),
        (
            {},
            {},
            "Template format error: At least one Resources member must be defined.",
        ),
    ],
)
def test_a_template_that_cannot_work_is_refused_as_aws_does(
    place: Place, resources: Any, sections: Any, message: str
) -> None:
    assert refused(place, resources, **sections) == message


def test_an_update_to_a_template_that_cannot_work_changes_nothing(
    place: Place,
) -> None:
    place.create("stable", TOPIC)
    broken = {"R": of("SNS::Topic", DisplayName={"Ref": "Nope"})}
    with pytest.raises(ClientError, match=r"Unresolved resource dependencies \[Nope\]"):
        place.update("stable", broken)
    with pytest.raises(ClientError, match=r"Unresolved resource dependencies \[Nope\]"):
        place.cloudformation.create_change_set(
            StackName="stable",
            ChangeSetName="c",
            TemplateBody=json.dumps({"Resources": broken}),
        )
    with pytest.raises(ClientError, match=r"Unresolved resource dependencies \[Nope\]"):
        place.cloudformation.validate_template(
            TemplateBody=json.dumps({"Resources": broken})
        )
    assert place.stack("stable")["StackStatus"] == "CREATE_COMPLETE"


def test_the_branch_not_taken_may_name_what_is_not_made(place: Place) -> None:
    never = {"Never": {"Fn::Equals": [{"Ref": "AWS::Region"}, "nowhere"]}}
    resources = {
        "A": {**of("SNS::Topic"), "Condition": "Never"},
        "R": of("SNS::Topic", DisplayName={"Fn::If": ["Never", {"Ref": "A"}, "b"]}),
    }
    outputs = {"A": {"Value": {"Ref": "A"}, "Condition": "Never"}}
    assert place.create("taken", resources, Conditions=never, Outputs=outputs) == {}


def test_parameters_are_held_to_the_template(place: Place) -> None:
    sections = {
        "Parameters": {
            "Size": {"Type": "String", "AllowedValues": ["s", "l"]},
            "Name": {
                "Type": "String",
                "AllowedPattern": "[a-z]+",
                "ConstraintDescription": "must be lower case",
            },
            "Kind": {"Type": "String", "AllowedPattern": "[a-z]+", "Default": "x"},
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
    assert why(Size="s", Name="A") == (
        "Parameter Name failed to satisfy constraint: must be lower case"
    )
    assert why(Size="s", Name="a", Kind="X") == (
        "Parameter 'Kind' must match pattern [a-z]+"
    )


def test_capabilities_are_asked_for(place: Place) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = of("IAM::Role", RoleName="x", AssumeRolePolicyDocument=trust)
    with pytest.raises(ClientError) as error:
        place.cloudformation.create_stack(
            StackName="roles", TemplateBody=json.dumps({"Resources": {"R": role}})
        )
    assert error.value.response["Error"]["Code"] == "InsufficientCapabilitiesException"
    place.create("roles", {"R": role})


resources = st.dictionaries(
    st.sampled_from("ABCDEF"), st.sets(st.sampled_from("ABCDEF")), min_size=1
)


@given(resources)
def test_circles_are_found_wherever_they_are(needs: dict[str, set[str]]) -> None:
    """Compared with following each dependency as far as it goes."""

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        pending = [name]
        while pending:
            for other in needs.get(pending.pop(), set()) & needs.keys():
                if other not in found:
                    found.add(other)
                    pending.append(other)
        return found

    circled = {name for name in needs if name in reached(name) - {name}}
    in_circle = {
        name
        for name in needs
        if any(name in reached(other) and other != name for other in reached(name))
    }
    template = {
        "Resources": {name: {"DependsOn": sorted(d)} for name, d in needs.items()}
    }

    def dependencies(definition: Any, known: set[str]) -> set[str]:
        return set(definition["DependsOn"]) & known

    try:
        refuse_cycles(template, dependencies)
    except ValueError as error:
        named = set(str(error).partition("[")[2].rstrip("]").split(", "))
        assert in_circle <= named
    else:
        assert not in_circle and not circled


def test_a_name_inside_data_is_not_a_reference() -> None:
    body = {"openapi": "3", "Ref": "x", "schema": {"Ref": "R"}}
    template = {"Resources": {"R": {"Type": "T", "Properties": {"Body": body}}}}
    refuse_unresolved(template, {})
    literal = {"Fn::Sub": ["${!Keep}-${Mine}", {"Mine": "x"}]}
    refuse_unresolved({"Resources": {"R": {"Properties": {"P": literal}}}}, {})


# Template bodies


def big(size: int) -> str:
    body: dict[str, Any] = {"Resources": TOPIC, "Metadata": {"Pad": ""}}
    body["Metadata"]["Pad"] = "x" * (size - len(json.dumps(body)))
    assert len(json.dumps(body)) == size
    return json.dumps(body)


@pytest.mark.parametrize(
    "url",
    [
        "https://{bucket}.s3.amazonaws.com/a/net.json",
        "https://{bucket}.s3.us-east-1.amazonaws.com/a/net.json",
        "https://{bucket}.s3-us-east-1.amazonaws.com/a/net.json",
        "https://s3.amazonaws.com/{bucket}/a/net.json",
        "https://s3.us-east-1.amazonaws.com/{bucket}/a/net.json",
    ],
)
def test_a_template_is_found_under_every_form_of_its_address(
    place: Place, url: str
) -> None:
    bucket, s3 = f"templates.{place.account}", place.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a/net.json", Body=big(200_000).encode())
    place.cloudformation.create_stack(
        StackName="large", TemplateURL=url.format(bucket=bucket)
    )
    assert place.settled("large")["StackStatus"] == "CREATE_COMPLETE"


def test_a_template_may_be_51200_bytes_inline_and_a_megabyte_by_address(
    place: Place,
) -> None:
    cloudformation, s3 = place.cloudformation, place.client("s3")
    cloudformation.create_stack(StackName="inline", TemplateBody=big(51_200))
    with pytest.raises(ClientError, match="less than or equal to 51200"):
        cloudformation.create_stack(StackName="over", TemplateBody=big(51_201))
    bucket = f"templates-{place.account}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=big(1_000_001).encode())
    with pytest.raises(ClientError, match="may not exceed 1000000 bytes"):
        cloudformation.create_stack(
            StackName="over", TemplateURL=f"https://{bucket}.s3.amazonaws.com/k"
        )
    with pytest.raises(ClientError, match="not found"):
        cloudformation.create_stack(
            StackName="none", TemplateURL=f"https://{bucket}.s3.amazonaws.com/none"
        )


def test_only_addresses_of_s3_are_rewritten() -> None:
    assert path_style("https://b.c.s3.eu-west-1.amazonaws.com/a%20b") == (
        "https://s3.amazonaws.com/b.c/a b"
    )
    for url in ("http://127.0.0.1:4599/b/k", "https://s3.example.com/b/k"):
        assert path_style(url) == url


# Stack policies of resources


def test_a_failed_stack_rolls_back_what_it_had_made(place: Place) -> None:
    topic = of("SNS::Topic", TopicName="made")
    broken = {
        **of("EC2::NatGateway", SubnetId="s", AllocationId="no"),
        "DependsOn": "T",
    }
    place.failed("broken", {"T": topic, "R": broken})
    assert place.client("sns").list_topics()["Topics"] == []


def test_a_stack_that_was_rolled_back_is_deleted_before_it_is_made_again(
    place: Place,
) -> None:
    place.failed("again", {"R": of("EC2::NatGateway", AllocationId="no")})
    with pytest.raises(ClientError) as error:
        place.begin("again", TOPIC)
    assert error.value.response["Error"]["Code"] == "AlreadyExistsException"
    place.delete("again")
    place.create("again", TOPIC)


def test_rules_in_yaml_may_use_the_short_forms_of_their_functions(
    place: Place,
) -> None:
    body = """\
Parameters: {Size: {Type: String, Default: m}}
Rules:
  Sizes:
    Assertions:
      - Assert: !Contains [[s, l], !Ref Size]
        AssertDescription: s or l
Resources: {R: {Type: AWS::SNS::Topic}}
"""
    with pytest.raises(ClientError, match="s or l"):
        place.cloudformation.create_stack(StackName="short", TemplateBody=body)
    large = [{"ParameterKey": "Size", "ParameterValue": "l"}]
    place.cloudformation.create_stack(
        StackName="short", TemplateBody=body, Parameters=large
    )
    assert place.settled("short")["StackStatus"] == "CREATE_COMPLETE"


def test_an_output_of_what_a_resource_lacks_fails_the_stack(place: Place) -> None:
    place.begin("lacking", TOPIC, Outputs=get("R", "Nothing"))
    assert place.settled("lacking")["StackStatus"] == "ROLLBACK_COMPLETE"


# CBOR

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_what_is_written_in_cbor_is_read_back(value: Any) -> None:
    assert cbor.loads(cbor.dumps(value)) == value


@given(st.binary(max_size=40))
def test_what_is_not_cbor_is_an_error_of_one_kind(data: bytes) -> None:
    try:
        cbor.loads(data)
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("data", "value"),
    [
        # Appendix A of RFC 8949.
        ("00", 0),
        ("1818", 24),
        ("1903e8", 1000),
        ("1bffffffffffffffff", 18446744073709551615),
        ("3bffffffffffffffff", -18446744073709551616),
        ("3903e7", -1000),
        ("f93e00", 1.5),
        ("fa47c35000", 100000.0),
        ("fb3ff199999999999a", 1.1),
        ("f97c00", math.inf),
        ("f4", False),
        ("f6", None),
        ("f7", None),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("62c3bc", "\u00fc"),
        ("83010203", [1, 2, 3]),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
        ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
        ("c11a514b67b0", datetime(2013, 3, 21, 20, 4, tzinfo=UTC)),
        ("d74401020304", cbor.CBORTag(23, b"\x01\x02\x03\x04")),
    ],
)
def test_the_examples_of_the_cbor_standard_are_read(data: str, value: Any) -> None:
    assert cbor.loads(bytes.fromhex(data)) == value
