"""What API Gateway logs, and the account setting with its role."""

from __future__ import annotations

import json

from troposphere import Template

from tapgen.blocks import api_logs
from tests.unit.blocks.test_api import resources


def test_accesses_and_errors_are_logged_and_payloads_never() -> None:
    found = resources(after=["Account"])
    stage = found["ApiStage"]
    (settings,) = stage["Properties"]["MethodSettings"]
    assert settings["DataTraceEnabled"] is False
    assert settings["LoggingLevel"] == "ERROR"
    assert stage["DependsOn"] == ["ApiExecutionLogs", "Account"]
    line = json.loads(stage["Properties"]["AccessLogSetting"]["Format"])
    assert line["requestId"] == "$context.requestId"
    group = found["ApiExecutionLogs"]["Properties"]["LogGroupName"]
    assert group == {"Fn::Sub": "API-Gateway-Execution-Logs_${Api}/prod"}


def test_the_account_setting_stays_and_its_role_is_for_api_gateway() -> None:
    t = Template()
    api_logs.logging_role(t, "Role", name="x-logging")
    api_logs.account(t, "Account", name="x-account")
    body = t.to_dict()
    found = body["Resources"]
    role = found["Account"]["Properties"]["CloudWatchRoleArn"]
    assert role == {"Ref": "ApiLoggingRoleArn"} and role["Ref"] in body["Parameters"]
    assert body["Outputs"]["SetBy"]["Value"] == "x-account"
    assert found["Account"]["DeletionPolicy"] == "Retain"
    (trust,) = found["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "apigateway.amazonaws.com"}
