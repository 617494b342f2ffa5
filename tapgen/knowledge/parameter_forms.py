"""What a value of a parameter type looks like, where nobody knows the value yet.

Source: "Specify existing resources at runtime with CloudFormation-supplied parameter
types" and "Systems Manager parameter types" (CloudFormation user guide); the forms of
ids are those of the EC2 and Route 53 API references. CloudFormation looks up values of
these types in the account, and refuses what it does not find.
"""

from __future__ import annotations

from collections.abc import Mapping

TEXT = "tapgen-placeholder"
"""A text that is legal in most names."""

_ZEROS = "0" * 17

FORMS: Mapping[str, str] = {
    "Number": "1",
    "AWS::EC2::AvailabilityZone::Name": "us-east-1a",
    "AWS::EC2::Image::Id": f"ami-{_ZEROS}",
    "AWS::EC2::Instance::Id": f"i-{_ZEROS}",
    "AWS::EC2::SecurityGroup::Id": f"sg-{_ZEROS}",
    "AWS::EC2::Subnet::Id": f"subnet-{_ZEROS}",
    "AWS::EC2::Volume::Id": f"vol-{_ZEROS}",
    "AWS::EC2::VPC::Id": f"vpc-{_ZEROS}",
    "AWS::Route53::HostedZone::Id": "Z00000000000000000000",
    "AWS::SSM::Parameter::Name": f"/{TEXT}",
}
"""Parameter type -> a value of its form. Every other type is a text."""

SSM_VALUE = "AWS::SSM::Parameter::Value<"
"""How a type begins whose value is the name of an SSM parameter."""
LIST = "List<"
TEXT_LIST = "CommaDelimitedList"
