"""The values in a config file that are about roles and what they may do."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from tapgen.config.problems import shown

# IAM's set of characters for names and paths.
_ROLE_NAME = r"([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]{1,64}"
ROLE = rf"^(arn:aws[a-z-]*:iam::[0-9]{{12}}:role/)?{_ROLE_NAME}$"
SERVICE = r"^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?$"
ACTION = r"^[a-z0-9-]+:[A-Za-z0-9?*]+$"


def _role(value: str) -> str:
    if re.search(r"[*?]", value):
        raise ValueError(
            f"{shown(value)} contains a wildcard; list each role by its name or ARN"
        )
    if not re.fullmatch(ROLE.strip("^$"), value):
        raise ValueError(
            f"{shown(value)} is not a role; give the name of a role, with its path if "
            "any, or its ARN"
        )
    return value


def _service(value: str) -> str:
    if not re.fullmatch(SERVICE.strip("^$"), value):
        raise ValueError(
            f"{shown(value)} is not a service principal; give one such as "
            "lambda.amazonaws.com"
        )
    return value


def _action(value: str) -> str:
    if not re.fullmatch(ACTION.strip("^$"), value) or value.endswith(":*"):
        raise ValueError(
            f"{shown(value)} is not an action of IAM; give one such as s3:GetObject"
        )
    return value


Role = Annotated[
    str,
    AfterValidator(_role),
    WithJsonSchema({"type": "string", "pattern": ROLE}),
]
Service = Annotated[
    str,
    AfterValidator(_service),
    WithJsonSchema({"type": "string", "pattern": SERVICE}),
]
IamAction = Annotated[
    str,
    AfterValidator(_action),
    WithJsonSchema({"type": "string", "pattern": ACTION}),
]
