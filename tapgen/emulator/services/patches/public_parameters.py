"""Public parameters of AWS below /aws/service: images, regions, services.

"Systems Manager provides public parameters" (Systems Manager guide, "Discovering public
parameters"): every account can read them, nobody can write them. ministack has two of
them. The values here have the right form and are the same at every start; an image is
one of its region, and none of AWS's.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

_SSM = "ministack.services.ssm"
_RESPONSES = "ministack.core.responses"
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html
_PAGE = 10
PREFIX = "/aws/service"
"""Where the public parameters are."""

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _SSM: {
        "_PUBLIC_AMI_PARAMETERS": None,
        "_decode_next_token": ("token",),
        "_encode_next_token": ("index",),
        "_get_parameters_by_path": ("data",),
        "_public_parameter": ("name",),
        "json_response": None,
    },
    _RESPONSES: {"get_account_id": (), "get_region": ()},
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Serve the public parameters that are common."""
    ssm: Any = import_module(_SSM)
    original = ssm._public_parameter
    responses: Any = import_module(_RESPONSES)

    def public_parameter(name: Any) -> Any:
        found = original(name)
        if found is not None or not isinstance(name, str):
            return found
        value = value_of(name, responses.get_region())
        if value is None:
            return None
        return {
            "Name": name,
            "Type": "String",
            "Value": value,
            "Version": 1,
            "LastModifiedDate": 1728518400,
            "ARN": f"arn:aws:ssm:{responses.get_region()}::parameter{name}",
        }

    ssm._public_parameter = public_parameter
    by_path = ssm._get_parameters_by_path

    def parameters_by_path(data: Any) -> Any:
        path = str(data.get("Path", "")).rstrip("/")
        if not (path + "/").startswith(f"{PREFIX}/"):
            return by_path(data)
        names = listed(path, bool(data.get("Recursive")))
        token = data.get("NextToken")
        start = ssm._decode_next_token(token) if token else 0
        end = start + min(int(data.get("MaxResults") or _PAGE), _PAGE)
        found: dict[str, Any] = {
            "Parameters": [*map(public_parameter, names[start:end])]
        }
        if end < len(names):
            found["NextToken"] = ssm._encode_next_token(end)
        return ssm.json_response(found)

    parameters_by_path.__signature__ = inspect.signature(by_path)  # type: ignore[attr-defined]
    ssm._get_parameters_by_path = parameters_by_path


def listed(path: str, recursive: bool) -> list[str]:
    """Names below a path that are listed: those in use most, and all regions."""
    regions = f"{PREFIX}/global-infrastructure/regions"
    names = [*_LISTED, *(f"{regions}/{name}" for name in _regions())]
    return sorted(
        name
        for name in names
        if name.startswith(f"{path}/")
        and (recursive or "/" not in name.removeprefix(f"{path}/"))
    )


@cache
def _regions() -> frozenset[str]:
    from botocore.session import Session

    return frozenset(Session().get_available_regions("ec2"))


def value_of(name: str, region: str) -> str | None:
    """Return the value of a public parameter, None where there is no such name."""
    for pattern, make in _FORMS:
        if re.fullmatch(pattern, name):
            return make(name, region)
    return None


def _image(name: str, region: str) -> str:
    digest = hashlib.sha256(f"{region}{name}".encode()).hexdigest()
    return f"ami-0{digest[:16]}"


def _recommended(name: str, region: str) -> str:
    """The JSON of an ECS-optimized image (ECS guide, "Retrieving Amazon ECS metadata")."""
    given = {
        "schema_version": 1,
        "image_name": "ecs-optimized",
        "image_id": _image(f"{name}/image_id", region),
        "os": "Amazon Linux",
        "ecs_runtime_version": "Docker version 25.0.6",
        "ecs_agent_version": "1.89.1",
    }
    return json.dumps(given)


def _text(value: str) -> Callable[[str, str], str]:
    return lambda name, region: value.format(region=region)


def _region(name: str, region: str) -> str | None:
    named = name.rpartition("/")[2]
    return named if named in _regions() else None


_AL = "/aws/service/ami-amazon-linux-latest"
_ECS = "/aws/service/ecs/optimized-ami"
_ECS_OS = (
    r"(amazon-linux-2023|amazon-linux-2|amazon-linux|"
    r"windows_server/\d{4}/english/(full|core))"
)
_VARIANT = r"(/(kernel-[\d.]+|arm64|gpu|inf|neuron|neuron/arm64))*"

# The pages that name them: EC2 guide, "Reference the latest AMIs using Systems Manager
# public parameters" and "Windows AMI"; ECS guide, "Retrieving Amazon ECS-optimized AMI
# metadata"; EKS guide, "Retrieve recommended AMI IDs"; Bottlerocket's QUICKSTART-ECS.md
# and QUICKSTART-EKS.md; Ubuntu on AWS, "Find Ubuntu images"; Debian wiki,
# Cloud/AmazonEC2Image; FreeBSD's release notes for EC2; Systems Manager guide, "Calling
# AMI, region and service public parameters"; Lambda and FIS guides for their own.
_FORMS: tuple[tuple[str, Callable[[str, str], str | None]], ...] = (
    (rf"{_AL}/al20(22|23)-ami-(minimal-)?kernel-[\w.]+-(x86_64|arm64)", _image),
    (
        rf"{_AL}/amzn2-ami-(minimal-)?(kernel-[\d.]+-)?hvm-(x86_64|arm64)-(gp2|ebs|gp3)",
        _image,
    ),
    (rf"{_AL}/amzn-ami-(minimal-)?(hvm|pv)-x86_64-(gp2|ebs|s3)", _image),
    (r"/aws/service/ami-windows-latest/[\w.-]+", _image),
    (rf"{_ECS}/{_ECS_OS}{_VARIANT}/recommended/image_id", _image),
    (rf"{_ECS}/{_ECS_OS}{_VARIANT}/image_id", _image),
    (rf"{_ECS}/{_ECS_OS}{_VARIANT}/recommended", _recommended),
    (rf"{_ECS}/{_ECS_OS}{_VARIANT}/recommended/ecs_agent_version", _text("1.89.1")),
    (
        r"/aws/service/eks/optimized-ami/1\.\d\d/[\w./-]+/recommended/image_id",
        _image,
    ),
    (r"/aws/service/bottlerocket/aws-[\w.-]+/(x86_64|arm64)/[\w.-]+/image_id", _image),
    (
        r"/aws/service/bottlerocket/aws-[\w.-]+/(x86_64|arm64)/[\w.-]+/image_version",
        _text("1.26.1-943d9a41"),
    ),
    (
        r"/aws/service/canonical/(ubuntu|meta)/(server|server-minimal|eks|pro-server)"
        r"/[\w./-]+/(ami-id|id)",
        _image,
    ),
    (r"/aws/service/canonical/ubuntu/[\w./-]+/ami-id", _image),
    (r"/aws/service/debian/(release|daily)/\w+/latest/(amd64|arm64)", _image),
    (r"/aws/service/freebsd/(amd64|arm64|aarch64)/[\w./-]+", _image),
    (r"/aws/service/suse/[\w./-]+", _image),
    (r"/aws/service/deeplearning/ami/[\w./-]+/ami-id", _image),
    (
        r"/aws/service/aws-for-fluent-bit/[\w.-]+",
        _text("906394416424.dkr.ecr.{region}.amazonaws.com/aws-for-fluent-bit:stable"),
    ),
    (
        r"/aws/service/powertools/python/(x86_64|arm64)/python3\.\d+/[\w.]+",
        _text(
            "arn:aws:lambda:{region}:017000801446:layer:AWSLambdaPowertoolsPythonV3:7"
        ),
    ),
    (
        r"/aws/service/aws-sdk-pandas/[\w.]+/py3\.\d+/(x86_64|arm64)/layer-arn",
        _text("arn:aws:lambda:{region}:336392948345:layer:AWSSDKPandas:18"),
    ),
    (rf"{PREFIX}/global-infrastructure/regions/[a-z0-9-]+", _region),
    (r"/aws/service/marketplace/prod-\w+/[\w.-]+", _image),
)
_LISTED = (
    *(
        f"{_AL}/al2023-ami-{kind}kernel-{kernel}-{machine}"
        for kind in ("", "minimal-")
        for kernel in ("default", "6.1")
        for machine in ("x86_64", "arm64")
    ),
    *(f"{_AL}/amzn2-ami-hvm-{machine}-gp2" for machine in ("x86_64", "arm64")),
    *(
        f"{_ECS}/{system}/{what}"
        for system in ("amazon-linux-2023", "amazon-linux-2")
        for what in ("recommended", "recommended/image_id", "arm64/recommended")
    ),
)
