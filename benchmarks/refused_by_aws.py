"""Why AWS itself refuses a template: what tapgen says → AWS's own sentence, and where it
stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_GUIDE = "https://docs.aws.amazon.com"
_ISSUES = "https://github.com"


@dataclass(frozen=True)
class Sentence:
    """What AWS says or writes, and its address; `pattern` matches what tapgen says."""

    pattern: str
    words: str
    source: str


TABLE = (
    # A stack of a stack set is StackSet-NAME-UUID: with capitals, and 52 characters or
    # more. Templates that put AWS::StackName into names are for stacks with short names.
    Sentence(
        r"E9(503|596) error: '[^']*StackSet-.*AWS::S3::Bucket",
        "Bucket names can consist only of lowercase letters, numbers, periods (.), and "
        "hyphens (-).",
        f"{_GUIDE}/AmazonS3/latest/userguide/bucketnamingrules.html",
    ),
    Sentence(
        r"E9(503|596) error: '[^']*StackSet-.*AWS::IAM::Role",
        "Length Constraints: Minimum length of 1. Maximum length of 64.",
        f"{_GUIDE}/IAM/latest/APIReference/API_CreateRole.html",
    ),
    Sentence(
        r"E9(503|596) error: '[^']*StackSet-.*(AWS::Lambda::Function|a-zA-Z0-9_-\]\{1,64\})",
        "If you specify only the function name, it is limited to 64 characters in length.",
        f"{_GUIDE}/lambda/latest/api/API_CreateFunction.html",
    ),
    Sentence(
        r"E9503 error: '[^']*StackSet-.* allows \d+",
        "maxLength, in the schema with which AWS registers the type",
        f"{_GUIDE}/cloudformation-cli/latest/userguide/resource-type-schema.html",
    ),
    Sentence(
        r"Cannot find version 5\.7\.mysql_aurora\.2\.08",
        "has announced the end-of-life date for Aurora Serverless v1: March 31st, 2025",
        f"{_GUIDE}/AmazonRDS/latest/AuroraUserGuide/aurora-serverless.relnotes.html",
    ),
    Sentence(
        "requires the serverless transform|used without the serverless transform",
        "The declaration Transform: AWS::Serverless-2016-10-31 is required for AWS SAM "
        "template files.",
        f"{_GUIDE}/serverless-application-model/latest/developerguide/"
        "sam-specification-template-anatomy.html",
    ),
    Sentence(
        "E3001 error: Additional properties are not|Invalid template resource property",
        "Invalid template resource property",
        f"{_ISSUES}/aws/aws-cli/issues/3361",
    ),
    Sentence(
        "E25(31|33) error: Runtime '.*' was deprecated",
        "The runtime parameter of … is no longer supported for creating or updating AWS "
        "Lambda functions.",
        f"{_ISSUES}/pgarbe/cdk-ecr-sync/issues/715",
    ),
    Sentence(
        "'null' values are not allowed|has no value; give|E10.. error: None is not one",
        "'null' values are not allowed in templates",
        f"{_ISSUES}/aws-cloudformation/cfn-lint/issues/38",
    ),
    Sentence(
        r"E3045 error: A bucket with 'AccessControl'",
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        f"{_ISSUES}/aws-cloudformation/cloudformation-coverage-roadmap/issues/1606",
    ),
    Sentence(
        r"E3012 error: \[.*\] is not of type 'string'",
        "Value of property … must be of type String",
        f"{_ISSUES}/aws/aws-cli/issues/2255",
    ),
    Sentence(
        r"Resource with id \[\w+\] is invalid\. Only one of",
        "Only one of 'InlineCode' or 'CodeUri' can be set.",
        f"{_ISSUES}/aws/serverless-application-model, samtranslator/model/sam_resources.py",
    ),
    Sentence(
        "E1152 error: '.*' is not a 'AWS::EC2::Image.Id'",
        "The specified AMI ID is malformed.",
        f"{_GUIDE}/AWSEC2/latest/APIReference/errors-overview.html",
    ),
    Sentence(
        "E9554 error: may be created before",
        "If you create an AWS::ApiGateway::RestApi resource and its methods in the same "
        "template as your deployment, the deployment must depend on the RestApi's methods.",
        f"{_GUIDE}/AWSCloudFormation/latest/TemplateReference/"
        "aws-resource-apigateway-deployment.html",
    ),
    Sentence(
        "has no such parameter; it has",
        "Parameters: […] do not exist in the template",
        f"{_ISSUES}/deep-security/cloudformation/issues/29",
    ),
    Sentence(
        "Transform .*: only AWS can expand it|only AWS can expand Fn::Transform",
        "No transform named … found.",
        f"{_ISSUES}/aws-cloudformation/aws-cloudformation-templates/pull/363",
    ),
    Sentence(
        r"E1029 error: .*x-amazon-apigateway-integration",
        "Errors found during import: Unable to put integration …: Invalid ARN specified "
        "in the request",
        f"{_ISSUES}/aws/serverless-application-model/issues/79",
    ),
    Sentence(
        r"E3030 error: '[A-Z0-9_]+' is not one of .*'provided.al2023'",
        "Valid Values: nodejs | … | provided.al2023",
        f"{_GUIDE}/lambda/latest/api/API_CreateFunction.html",
    ),
)


def problems(said: str) -> list[str]:
    """What a command says is wrong, one line for each error."""
    found = []
    for line in said.splitlines():
        plain = line.strip()
        if re.match(r"E\d{4} error: |error: stacksets/|TRACEBACK", plain):
            found.append(plain)
        elif plain.endswith(": deployed"):
            continue
        elif "✗ failed  " in plain or re.match(r"\S+ in \d{12}/\S+: ", plain):
            found.append(plain.partition("✗ failed  ")[2] or plain)
    return list(dict.fromkeys(found)) or [said.strip()[-300:]]


def explained(errors: Sequence[str]) -> Iterator[Sentence | None]:
    """AWS's sentence for each error; None where there is none."""
    for error in errors:
        matching = (one for one in TABLE if re.search(one.pattern, error))
        yield next(matching, None)
