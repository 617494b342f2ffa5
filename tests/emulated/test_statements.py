"""Which statements of the execution roles a rollout, an update and a deletion need.

For `make soak`. Every call that the handlers of a shipped system make is recorded; then
each statement is taken away in turn, and must be missed by one of them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ministack.core import iam_evaluator

from tapgen import blueprints, plan
from tapgen.emulator.permissions.decisions import NO, Policies, decide
from tapgen.emulator.server import lifecycle
from tests.emulated.conftest import Cloud
from tests.emulated.live import UNSIGNED, Live
from tests.systems import look

SERVE = [sys.executable, str(Path(__file__).with_name("serve_recording.py"))]
# Needed by what no handler calls, or by handlers in cases that this test does not have.
OTHERS = {
    "CloudformationOfThisSystem": "what StackSets call for the stack",
    "StackSetsOwnBuckets": "templates and state of StackSets",
    "TemplatesByUrl": "templates in the artifact bucket",
    "CodeOfThisSystem": "read by Lambda, as the caller",
    "LanguageExtensions": "CloudFormation expands the template",
    "TemplateParameters": "CloudFormation reads them before it creates anything",
    "SsmOfThisSystem": "CloudFormation reads them before it creates anything",
    "WithoutResourceInIam": "what StackSets call for the stack",
}
ELSEWHERE = {
    "payments_dr": {
        "AcmIdsUnknownInAdvance": "a certificate, with a domain",
        "CeIdsUnknownInAdvance": "a cost category, with that setting",
        "IamOfThisSystem3": "reads a managed policy before it is changed",
        "Wafv2IdsUnknownInAdvance": "a rate rule, with that setting",
        "Wafv2OfThisSystem": "a rate rule, with that setting",
    },
    "serverless_api": {
        "Wafv2IdsUnknownInAdvance": "a rate rule, with that setting",
        "Wafv2OfThisSystem": "a rate rule, with that setting",
    },
    "secure_network": {
        "Route53IdsUnknownInAdvance": "private DNS names of endpoints: EC2 calls Route 53",
    },
}
"""What the shipped file of a system does not have, and its settings allow."""


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[lifecycle.Server]:
    yield lifecycle.start(tmp_path, SERVE)
    lifecycle.stop(tmp_path)


@pytest.mark.skipif("TAPGEN_SOAK" not in os.environ, reason="make soak runs it")
@pytest.mark.parametrize("name", blueprints.NAMES)
def test_no_statement_of_an_execution_role_is_needed_by_nothing(
    recording: lifecycle.Server, name: str
) -> None:
    live = Live(Cloud(recording.url, UNSIGNED), look.shipped(name))
    assert live.rollout().green
    statements = _statements(live)
    tagged = replace(live.system, tags={**live.system.tags, "Changed": "yes"})
    assert replace(live, system=tagged).rollout().green
    resolved = tagged.resolve(UNSIGNED)
    live.cloud.run(plan.destroy(resolved, live.cloud.observe(tagged)))
    lines = {*(recording.folder / "calls.jsonl").read_text().splitlines()}
    calls = [json.loads(line)[1:] for line in lines]

    def refused(statements: list[Any]) -> bool:
        policies = Policies(
            iam_evaluator.parse_policy_document({"Statement": statements})
        )
        return any(decide(policies, *call).value == NO for call in calls)

    assert not refused(statements)
    unneeded = {
        one["Sid"]
        for one in statements
        if one["Effect"] == "Allow"
        and not refused([other for other in statements if other is not one])
    }
    assert unneeded <= {*OTHERS, *ELSEWHERE.get(name, ())}, sorted(unneeded)


def _statements(live: Live) -> list[dict[str, Any]]:
    iam = live.cloud.client("iam")
    prefix = live.system.prefix
    attached = iam.list_attached_role_policies(RoleName=f"tapgen-{prefix}-execution")
    found = []
    for policy in attached["AttachedPolicies"]:
        arn = policy["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId=version)
        found += document["PolicyVersion"]["Document"]["Statement"]
    return found
