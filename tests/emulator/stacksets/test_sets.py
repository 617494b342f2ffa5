"""Stack sets themselves: CreateStackSet, DescribeStackSet, ListStackSets, DeleteStackSet.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStackSet.html
"""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.emulator.conftest import NAMED, Aws, template

ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}}


def refused(code: str, match: str = "") -> pytest.RaisesExc[ClientError]:
    return pytest.raises(ClientError, match=rf"\({code}\).*{match}")


def test_a_stack_set_has_a_name_an_id_and_an_arn_in_the_administrators_region(
    aws: Aws,
) -> None:
    """StackSet: StackSetName, StackSetId, StackSetARN."""
    client = aws.client("cloudformation", region="eu-west-2")
    id_ = client.create_stack_set(StackSetName="plain", TemplateBody=template())[
        "StackSetId"
    ]
    name, _, uuid = id_.partition(":")
    assert name == "plain" and len(uuid) == 36
    for key in ("plain", id_):
        found = client.describe_stack_set(StackSetName=key)["StackSet"]
        assert found["StackSetId"] == id_
        assert found["StackSetARN"] == (
            f"arn:aws:cloudformation:eu-west-2:{aws.account}:stackset/{id_}"
        )
        assert found["Status"] == "ACTIVE"


def test_creating_a_stack_set_makes_no_stacks(aws: Aws) -> None:
    """CreateStackSet; user guide, "StackSets concepts": a stack set is a container."""
    aws.cloudformation.create_stack_set(StackSetName="empty", TemplateBody=template())
    assert aws.instances("empty") == {}
    assert aws.cloudformation.describe_stacks()["Stacks"] == []


def test_everything_a_stack_set_was_given_is_described(aws: Aws) -> None:
    """CreateStackSet and DescribeStackSet: all members."""
    body = template({"Role": ROLE}, {"Size": {"Type": "String", "Default": "s"}})
    aws.cloudformation.create_stack_set(
        StackSetName="full",
        Description="what it is for",
        TemplateBody=body,
        Parameters=[{"ParameterKey": "Size", "ParameterValue": "m"}],
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "Project", "Value": "p & <q>"}],
        AdministrationRoleARN=f"arn:aws:iam::{aws.account}:role/admins",
        ExecutionRoleName="executors",
        ManagedExecution={"Active": True},
    )
    found = aws.cloudformation.describe_stack_set(StackSetName="full")["StackSet"]
    assert found["TemplateBody"] == body
    assert found["Parameters"] == [{"ParameterKey": "Size", "ParameterValue": "m"}]
    assert found["Capabilities"] == ["CAPABILITY_IAM"]
    assert found["Tags"] == [{"Key": "Project", "Value": "p & <q>"}]
    assert found["AdministrationRoleARN"].endswith(":role/admins")
    assert found["ExecutionRoleName"] == "executors"
    assert found["ManagedExecution"] == {"Active": True}
    assert found["Description"] == "what it is for"
    assert found["PermissionModel"] == "SELF_MANAGED"


def test_the_default_roles_are_described(aws: Aws) -> None:
    """StackSet: AdministrationRoleARN, ExecutionRoleName."""
    aws.cloudformation.create_stack_set(StackSetName="roles", TemplateBody=template())
    found = aws.cloudformation.describe_stack_set(StackSetName="roles")["StackSet"]
    assert found["AdministrationRoleARN"] == (
        f"arn:aws:iam::{aws.account}:role/AWSCloudFormationStackSetAdministrationRole"
    )
    assert found["ExecutionRoleName"] == "AWSCloudFormationStackSetExecutionRole"


def test_parameters_that_are_not_given_have_their_defaults(aws: Aws) -> None:
    """CreateStackSet, Parameters."""
    aws.cloudformation.create_stack_set(
        StackSetName="defaults",
        TemplateBody=NAMED,
        Parameters=[{"ParameterKey": "Name", "ParameterValue": "n"}],
    )
    found = aws.cloudformation.describe_stack_set(StackSetName="defaults")["StackSet"]
    values = {p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]}
    assert values == {"Name": "n", "Display": "plain"}


def test_a_no_echo_parameter_is_never_shown(aws: Aws) -> None:
    """User guide, "Parameters", NoEcho: shown as asterisks."""
    secret = {"Secret": {"Type": "String", "NoEcho": True}}
    aws.cloudformation.create_stack_set(
        StackSetName="secret",
        TemplateBody=template(parameters=secret),
        Parameters=[{"ParameterKey": "Secret", "ParameterValue": "hunter2"}],
    )
    found = aws.cloudformation.describe_stack_set(StackSetName="secret")["StackSet"]
    assert found["Parameters"] == [{"ParameterKey": "Secret", "ParameterValue": "****"}]


def test_a_parameter_without_any_value_is_refused(aws: Aws) -> None:
    """CreateStackSet, Parameters: those without a default are required."""
    with refused("ValidationError", r"Parameters: \[Name\] must have values"):
        aws.cloudformation.create_stack_set(StackSetName="x", TemplateBody=NAMED)


def test_a_parameter_that_the_template_lacks_is_refused(aws: Aws) -> None:
    """CreateStackSet, Parameters."""
    with refused("ValidationError", r"Parameters: \[Nope\] do not exist"):
        aws.cloudformation.create_stack_set(
            StackSetName="x",
            TemplateBody=template(),
            Parameters=[{"ParameterKey": "Nope", "ParameterValue": "1"}],
        )


@pytest.mark.parametrize("name", ["1st", "a_b", "a" * 129, "-a", "a b"])
def test_a_name_must_start_with_a_letter_and_have_no_other_characters_than_hyphens(
    aws: Aws, name: str
) -> None:
    """CreateStackSet, StackSetName: pattern and length."""
    with refused("ValidationError", "stackSetName"):
        aws.cloudformation.create_stack_set(StackSetName=name, TemplateBody=template())


def test_a_name_is_taken_once_per_account_and_region(aws: Aws) -> None:
    """CreateStackSet: NameAlreadyExistsException."""
    for region in ("us-east-1", "eu-west-1"):
        client = aws.client("cloudformation", region=region)
        client.create_stack_set(StackSetName="taken", TemplateBody=template())
    with refused("NameAlreadyExistsException") as error:
        aws.cloudformation.create_stack_set(
            StackSetName="taken", TemplateBody=template()
        )
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_the_same_request_with_the_same_token_is_done_once(aws: Aws) -> None:
    """CreateStackSet, ClientRequestToken: CreatedButModifiedException."""
    request = {"StackSetName": "once", "ClientRequestToken": "token"}
    first = aws.cloudformation.create_stack_set(**request, TemplateBody=template())
    again = aws.cloudformation.create_stack_set(**request, TemplateBody=template())
    assert first["StackSetId"] == again["StackSetId"]
    with refused("CreatedButModifiedException"):
        aws.cloudformation.create_stack_set(
            **request, TemplateBody=template(), Description="another"
        )


def test_a_deleted_stack_set_is_listed_as_deleted_and_its_name_is_free(
    aws: Aws,
) -> None:
    """DeleteStackSet; ListStackSets, Status."""
    client = aws.cloudformation
    first = client.create_stack_set(StackSetName="gone", TemplateBody=template())
    client.delete_stack_set(StackSetName="gone")
    with refused("StackSetNotFoundException", "StackSet gone not found"):
        client.describe_stack_set(StackSetName="gone")
    second = client.create_stack_set(StackSetName="gone", TemplateBody=template())

    def listed(**filters: str) -> list[str]:
        found = client.list_stack_sets(**filters)["Summaries"]
        return [s["StackSetId"] for s in found]

    assert listed(Status="ACTIVE") == [second["StackSetId"]]
    assert listed(Status="DELETED") == [first["StackSetId"]]
    assert set(listed()) == {first["StackSetId"], second["StackSetId"]}


def test_deleting_a_stack_set_that_does_not_exist_is_no_error(aws: Aws) -> None:
    """The API reference lists no StackSetNotFoundException for DeleteStackSet; recorded
    on AWS by localstack/localstack, resources/test_stack_sets.py: idempotent."""
    aws.cloudformation.delete_stack_set(StackSetName="nothing")
    with refused("StackSetNotFoundException"):
        aws.cloudformation.describe_stack_set(StackSetName="nothing")


def test_lists_are_paginated(aws: Aws) -> None:
    """ListStackSets: MaxResults, NextToken."""
    client = aws.cloudformation
    for number in range(5):
        client.create_stack_set(StackSetName=f"s{number}", TemplateBody=template())
    paginator = client.get_paginator("list_stack_sets")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["Summaries"]) for page in pages] == [2, 2, 1]
    names = {s["StackSetName"] for page in pages for s in page["Summaries"]}
    assert names == {f"s{n}" for n in range(5)}
    with refused("ValidationError"):
        client.list_stack_sets(NextToken="not a token")


def test_stack_sets_of_one_region_are_not_seen_from_another(aws: Aws) -> None:
    """User guide, "StackSets concepts": a stack set is a Regional resource."""
    aws.cloudformation.create_stack_set(StackSetName="here", TemplateBody=template())
    elsewhere = aws.client("cloudformation", region="us-east-2")
    assert elsewhere.list_stack_sets()["Summaries"] == []
    with refused("StackSetNotFoundException"):
        elsewhere.describe_stack_set(StackSetName="here")


def test_a_template_is_required(aws: Aws) -> None:
    """CreateStackSet: TemplateBody, TemplateURL or StackId."""
    with refused("ValidationError", "Template"):
        aws.cloudformation.create_stack_set(StackSetName="x")


@pytest.mark.parametrize(
    "body",
    ["{", "[]", "just text", "{}", '{"Resources": {}}', "a: [", '{"Resources": []}'],
)
def test_what_is_no_template_is_refused(aws: Aws, body: str) -> None:
    """CreateStackSet, TemplateBody."""
    with refused("ValidationError", "Template"):
        aws.cloudformation.create_stack_set(StackSetName="x", TemplateBody=body)
    assert aws.cloudformation.list_stack_sets()["Summaries"] == []


def test_a_template_of_unknown_resource_types_is_refused(aws: Aws) -> None:
    """ValidateTemplate: ValidationError."""
    body = template({"X": {"Type": "AWS::Nowhere::Thing"}})
    with refused("ValidationError", "AWS::Nowhere::Thing"):
        aws.cloudformation.create_stack_set(StackSetName="x", TemplateBody=body)


def test_a_template_may_be_yaml(aws: Aws) -> None:
    """User guide, "CloudFormation template formats"."""
    body = "Resources:\n  T:\n    Type: AWS::SNS::Topic\n    Properties:\n"
    body += "      DisplayName: !Sub '${AWS::Region}'\n"
    aws.cloudformation.create_stack_set(StackSetName="yaml", TemplateBody=body)
    found = aws.cloudformation.describe_stack_set(StackSetName="yaml")["StackSet"]
    assert found["TemplateBody"] == body


@pytest.mark.parametrize(
    ("properties", "needed"),
    [({}, "CAPABILITY_IAM"), ({"RoleName": "r"}, "CAPABILITY_NAMED_IAM")],
)
def test_iam_resources_need_a_capability(
    aws: Aws, properties: dict[str, str], needed: str
) -> None:
    """CreateStackSet, Capabilities: CAPABILITY_IAM, CAPABILITY_NAMED_IAM."""
    role = {**ROLE, "Properties": {**ROLE["Properties"], **properties}}  # type: ignore
    body = template({"Role": role})
    with refused("InsufficientCapabilitiesException", rf"\[{needed}\]"):
        aws.cloudformation.create_stack_set(StackSetName="x", TemplateBody=body)
    aws.cloudformation.create_stack_set(
        StackSetName="x", TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"]
    )


def test_a_transform_needs_auto_expand(aws: Aws) -> None:
    """CreateStackSet, Capabilities: CAPABILITY_AUTO_EXPAND."""
    body = template(Transform="AWS::LanguageExtensions")
    with refused("InsufficientCapabilitiesException", "AUTO_EXPAND"):
        aws.cloudformation.create_stack_set(StackSetName="x", TemplateBody=body)


def big(size: int) -> str:
    body = json.loads(template())
    body["Metadata"] = {"Padding": ""}
    padding = size - len(json.dumps(body))
    return json.dumps({**body, "Metadata": {"Padding": "x" * padding}})


def test_a_template_body_may_have_51200_bytes_and_no_more(aws: Aws) -> None:
    """CreateStackSet, TemplateBody: 51,200 bytes."""
    aws.cloudformation.create_stack_set(StackSetName="fits", TemplateBody=big(51_200))
    with refused("ValidationError", "less than or equal to 51200"):
        aws.cloudformation.create_stack_set(
            StackSetName="large", TemplateBody=big(51_201)
        )


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.amazonaws.com/{bucket}/dir/t.json",
        "https://s3.us-east-1.amazonaws.com/{bucket}/dir/t.json",
        "https://{bucket}.s3.amazonaws.com/dir/t.json",
        "https://{bucket}.s3.us-east-1.amazonaws.com/dir/t.json",
    ],
)
def test_a_template_from_s3_may_be_larger_and_is_deployed(aws: Aws, url: str) -> None:
    """CreateStackSet, TemplateURL: path and virtual-hosted style."""
    bucket = f"templates-{aws.account}"
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="dir/t.json", Body=big(120_000))
    aws.cloudformation.create_stack_set(
        StackSetName="url", TemplateURL=url.format(bucket=bucket)
    )
    found = aws.cloudformation.describe_stack_set(StackSetName="url")["StackSet"]
    assert len(found["TemplateBody"]) == 120_000
    started = aws.cloudformation.create_stack_instances(
        StackSetName="url", Accounts=[aws.account], Regions=["us-east-1"]
    )
    assert aws.finished("url", started)["Status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.amazonaws.com/no-such-bucket-anywhere/key",
        "https://example.com/template.json",
        "nonsense",
    ],
)
def test_a_template_url_that_leads_nowhere_is_refused(aws: Aws, url: str) -> None:
    """CreateStackSet, TemplateURL."""
    with refused("ValidationError"):
        aws.cloudformation.create_stack_set(StackSetName="x", TemplateURL=url)


def test_a_template_from_s3_may_have_one_megabyte_and_no_more(aws: Aws) -> None:
    """CreateStackSet, TemplateURL: 1 MB."""
    bucket = f"huge-{aws.account}"
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="t", Body=big(1_000_001))
    with refused("ValidationError", "1000000 bytes"):
        aws.cloudformation.create_stack_set(
            StackSetName="x", TemplateURL=f"https://s3.amazonaws.com/{bucket}/t"
        )


def test_auto_deployment_is_for_service_managed_stack_sets(aws: Aws) -> None:
    """CreateStackSet, AutoDeployment."""
    with refused("ValidationError", "AutoDeployment"):
        aws.cloudformation.create_stack_set(
            StackSetName="x",
            TemplateBody=template(),
            AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": False},
        )


def test_tag_keys_are_unique_and_not_aws_own(aws: Aws) -> None:
    """CreateStackSet, Tags; user guide, "Resource tag"."""
    for keys in (["a", "a"], ["aws:x"]):
        with refused("ValidationError", "[Tt]ag"):
            aws.cloudformation.create_stack_set(
                StackSetName="x",
                TemplateBody=template(),
                Tags=[{"Key": key, "Value": "1"} for key in keys],
            )
