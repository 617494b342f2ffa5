"""Logging of REST APIs: the account setting and its role, log groups, line format.

    role = api_logs.logging_role(t, "ApiLoggingRole", name=name("api-logging"))
    api_logs.account(t, "Account", name=name("api-account", names.THIS_ROLE))

The role and the setting belong in two templates: a region has the setting only once.
"""

from __future__ import annotations

import json
from typing import Any

from troposphere import (
    Template,
    apigateway,
)

from tapgen.blocks import frame, monitoring, names, security

ACCESS_LOG = json.dumps(
    {
        "requestId": "$context.requestId",
        "requestTime": "$context.requestTime",
        "sourceIp": "$context.identity.sourceIp",
        "caller": "$context.identity.caller",
        "httpMethod": "$context.httpMethod",
        "resourcePath": "$context.resourcePath",
        "path": "$context.path",
        "protocol": "$context.protocol",
        "status": "$context.status",
        "responseLength": "$context.responseLength",
        "responseLatency": "$context.responseLatency",
        "integrationLatency": "$context.integrationLatency",
        "integrationError": "$context.integrationErrorMessage",
        "traceId": "$context.xrayTraceId",
        "canary": "$context.isCanaryRequest",
    }
)
"""The format of the access log: one JSON object for each request."""

EXECUTION_LOGS = "API-Gateway-Execution-Logs_"
"""The prefix that API Gateway gives the log groups for its execution errors."""


def log_group_name(api: str) -> str:
    """Return the name of an API's access log group."""
    return f"/aws/apigateway/{api}"


def logging_role(t: Template, title: str, *, name: str) -> Any:
    """Add the role with which API Gateway writes logs; it has AWS's managed policy.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
    """
    return security.service_role(
        t,
        title,
        name=name,
        service="apigateway.amazonaws.com",
        description="Lets API Gateway write its logs",
        managed=["service-role/AmazonAPIGatewayPushToCloudWatchLogs"],
        # API Gateway checks the role without naming an API, so no source condition.
        when=(),
    )


def account(t: Template, title: str, *, name: str) -> Any:
    """Add the account setting that lets API Gateway write logs; a region has only one.

    It takes the role from another part. It is retained when the stack is deleted,
    because other APIs of the region use it, too. The output `SetBy` is `name`: the
    environment whose stack set it.
    """
    role = frame.role_arn(
        t, "ApiLoggingRoleArn", "ARN of the role that API Gateway uses to write logs."
    )
    setting = t.add_resource(
        apigateway.Account(
            title,
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            CloudWatchRoleArn=role,
        )
    )
    frame.output(
        t,
        "SetBy",
        names.sub(name),
        description="The environment whose role this account setting uses",
    )
    return setting


def log_groups(
    t: Template,
    title: str,
    rest_api: Any,
    name: str,
    stage_name: str,
    key_arn: Any,
    retention_days: Any,
) -> tuple[Any, Any]:
    """Add the log groups for requests and for execution errors.

    Without the second one API Gateway creates its own, unencrypted and without expiry.
    """
    access, errors = (
        monitoring.log_group(
            t,
            f"{title}{what}Logs",
            name=group,
            key_arn=key_arn,
            retention_days=retention_days,
        )
        for what, group in (
            ("Access", log_group_name(name)),
            ("Execution", f"{EXECUTION_LOGS}${{{rest_api.title}}}/{stage_name}"),
        )
    )
    return access, errors
