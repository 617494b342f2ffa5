"""What the handlers behind REST APIs share: answers, and which errors are the caller's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

# How DynamoDB says that it is the request that is wrong.
_WRONG_REQUEST = ("ValidationException", "SerializationException")


def refuses_request(error: Exception) -> bool:
    """Whether the request is wrong, so that another try would be, too."""
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"] in _WRONG_REQUEST
    return isinstance(error, ParamValidationError)


def kind(error: Exception) -> str:
    """What went wrong, without its text, which may quote the request."""
    if isinstance(error, ClientError):
        return f"{error.operation_name}: {error.response['Error']['Code']}"
    return type(error).__name__


def answer(
    code: int,
    content: Mapping[str, Any],
    plain: Callable[[Any], Any] | None = None,
) -> dict[str, Any]:
    """A response in the form API Gateway takes from a function.

    `plain` returns what JSON has for a value that JSON does not know.
    """
    return {
        "statusCode": code,
        "headers": {
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
        # Harmless also where somebody takes it for a page.
        "body": json.dumps(content, default=plain).replace("<", "\\u003c"),
    }


def not_json(text: str) -> Any:
    """Refuses NaN and Infinity, which Python reads and JSON does not know."""
    raise ValueError(f"{text} is not JSON")
