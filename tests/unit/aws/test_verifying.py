"""What `tapgen verify` says of what AWS answers: silence is never taken for good."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tapgen.aws import verifying
from tapgen.errors import RolloutError
from tapgen.model import InstanceStatus, Observed, Reading
from tapgen.model.verified import Found, Verified, worst
from tests import make

NOW = datetime(2026, 1, 2, tzinfo=UTC)
METRIC = {
    "Namespace": "AWS/Backup",
    "MetricName": "NumberOfBackupJobsFailed",
    "Dimensions": [{"Name": "BackupVaultName", "Value": "vault"}],
}
RESOURCES = [
    ("Alarm", "AWS::CloudWatch::Alarm", "failed"),
    ("Check", "AWS::Route53::HealthCheck", "check-1"),
]
TEMPLATE = json.dumps(
    {
        "Conditions": {
            "Never": {"Fn::Equals": ["a", "b"]},
            "Hidden": {"Fn::Equals": [{"Ref": "Secret"}, ""]},
        },
        "Parameters": {"Secret": {"Type": "String", "NoEcho": True}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {
            "Arn": {"Value": "x"},
            "Other": {"Value": "x", "Condition": "Never"},
            "Unsure": {"Value": "x", "Condition": "Hidden"},
        },
    }
)


def alarm(state: str = "OK", missing: str = "notBreaching") -> dict[str, Any]:
    told = {"AlarmName": "failed", "StateValue": state, "StateReason": "one failed"}
    return {**METRIC, **told, "TreatMissingData": missing, "StateUpdatedTimestamp": NOW}


def metric(**dimensions: str) -> dict[str, Any]:
    pairs = [{"Name": k, "Value": v} for k, v in dimensions.items()]
    return {**METRIC, "Dimensions": pairs}


def endpoint(**more: Any) -> dict[str, Any]:
    host = {"FullyQualifiedDomainName": "api.example.com", "ResourcePath": "/health"}
    return {"Type": "HTTPS", **host, **more}


@dataclass
class World:
    """What CloudFormation, CloudWatch and Route 53 answer; an exception is raised."""

    alarms: Any = field(default_factory=lambda: [alarm()])
    metrics: Any = field(default_factory=lambda: [metric(BackupVaultName="vault")])
    check: Any = field(default_factory=endpoint)
    reports: tuple[str, ...] = ("Success: HTTP Status Code 200",) * 3
    local: bool = False

    @property
    def aws(self) -> Any:
        return SimpleNamespace(client=lambda *_: _Client(self), local=self.local)

    def list_stack_resources(self, **_: Any) -> Any:
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": logical_id,
                    "ResourceType": kind,
                    "PhysicalResourceId": name,
                    "ResourceStatus": "CREATE_COMPLETE",
                }
                for logical_id, kind, name in RESOURCES
            ]
        }

    def describe_alarms(self, AlarmNames: list[str], **_: Any) -> Any:
        found = [a for a in self.alarms if a["AlarmName"] in AlarmNames]
        return {"MetricAlarms": found}

    def list_metrics(self, **_: Any) -> Any:
        if isinstance(self.metrics, Exception):
            raise self.metrics
        return {"Metrics": self.metrics}

    def get_health_check(self, HealthCheckId: str) -> Any:
        if HealthCheckId != "check-1" or self.check is None:
            raise refused("NoSuchHealthCheck")
        return {"HealthCheck": {"HealthCheckConfig": self.check}}

    def get_health_check_status(self, **_: Any) -> Any:
        said = [{"StatusReport": {"Status": one}} for one in self.reports]
        return {"HealthCheckObservations": said}


class _Methods(dict[str, str]):
    def __missing__(self, method: str) -> str:
        return method


@dataclass
class _Client:
    world: World

    @property
    def meta(self) -> Any:
        return SimpleNamespace(
            region_name="us-east-1",
            service_model=SimpleNamespace(service_name="some"),
            method_to_api_mapping=_Methods(),
        )

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self.world, method)
        return call


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Some")


def found(world: World, **instance: Any) -> Mapping[str, Found]:
    s = make.stack_set(text=TEMPLATE)
    observed = make.observed(s)
    only = make.instance(**instance)
    observed = Observed(s.name, s.template, {"Secret": "****"}, {make.EAST: only})
    answer = verifying.verify(make.system(s), world.aws, {s.name: observed})
    return {f"{one.kind} {one.name}": one for one in answer}


def verdicts(world: World, **instance: Any) -> dict[str, str]:
    return {what: one.verdict for what, one in found(world, **instance).items()}


def test_what_is_as_it_should_be_holds_and_an_undecided_output_is_not_asked_for() -> (
    None
):
    assert verdicts(World()) == {
        "instance data": "holds",
        "output Arn": "holds",
        "alarm failed": "holds",
        "health check Check": "holds",
    }


SILENT: dict[str, Any] = {"metrics": []}


@pytest.mark.parametrize(
    ("changes", "what", "verdict", "words"),
    [
        ({"alarms": []}, "alarm", "fails", "does not exist"),
        ({"alarms": [alarm("ALARM")]}, "alarm", "fails", "one failed"),
        (
            {"metrics": [metric(BackupVaultName="vault", ResourceType="S3")]},
            *("alarm", "fails", "only with more dimensions: ResourceType"),
        ),
        (SILENT, "alarm", "expected", "notBreaching"),
        ({**SILENT, "alarms": [alarm(missing="ignore")]}, "alarm", "expected", ""),
        (
            {**SILENT, "alarms": [alarm(missing="breaching")]},
            *("alarm", "unknown", "may take 15 minutes"),
        ),
        (
            {"metrics": [metric(BackupVaultName="else")], "alarms": [alarm("OK", "")]},
            *("alarm", "unknown", "vault"),
        ),
        (
            {**SILENT, "alarms": [alarm(missing="breaching")], "local": True},
            *("alarm", "expected", "embedded AWS"),
        ),
        (
            {"metrics": refused("AccessDenied")},
            *("alarm", "unknown", "tapgen bootstrap"),
        ),
        ({"metrics": refused("InternalError")}, "alarm", "unknown", "cannot be read"),
        ({"check": None}, "check", "fails", "does not exist"),
        ({"check": endpoint(Disabled=True)}, "check", "expected", "disabled"),
        ({"reports": ()}, "check", "unknown", "no checker"),
        # An inverted check is unhealthy while its endpoint answers: the answer counts.
        ({"check": endpoint(Inverted=True)}, "check", "holds", "3 of 3"),
        ({"reports": ("Failure: timeout",) * 9}, "check", "fails", "Failure: timeout"),
        (
            {"reports": ("Failure: timeout",) * 4 + ("Success: 200",)},
            *("check", "holds", "1 of 5"),
        ),
        (
            {
                "check": {
                    "Type": "CLOUDWATCH_METRIC",
                    "AlarmIdentifier": {"Name": "gone", "Region": "us-west-2"},
                }
            },
            *("check", "fails", "gone in us-west-2, which does not exist"),
        ),
        (
            {"check": {"Type": "CALCULATED", "ChildHealthChecks": ["check-2"]}},
            *("check", "fails", "check-2"),
        ),
        ({"check": {"Type": "RECOVERY_CONTROL"}}, "check", "unknown", "routing"),
    ],
)
def test_what_is_wrong_unknown_or_silent_is_said(
    changes: dict[str, Any], what: str, verdict: str, words: str
) -> None:
    name = {"alarm": "alarm failed", "check": "health check Check"}[what]

    one = found(World(**changes))[name]

    assert one.verdict == verdict and words in one.words
    rest = verdicts(World(**changes))
    del rest[name]
    assert set(rest.values()) == {"holds"}


def test_an_instance_that_is_not_current_or_unread_and_a_lost_output_are_said() -> None:
    assert verdicts(World(), outputs={})["output Arn"] == "fails"
    outdated = {"status": InstanceStatus.OUTDATED, "reason": "why"}
    assert "why" in found(World(), **outdated)["instance data"].words
    away = found(World(), reading=Reading.AWAY, unread="no answer")
    assert worst(away.values()) is Verified.UNKNOWN and len(away) == 1
    assert away["instance data"].words == "cannot be read: no answer"
    gone = found(World(), reading=Reading.GONE, unread="deleted")
    assert worst(gone.values()) is Verified.FAILS


def test_a_target_without_an_instance_fails_and_nothing_at_all_is_refused() -> None:
    s = make.stack_set(text=TEMPLATE)
    other = make.stack_set("other", text=TEMPLATE)
    observed = {s.name: Observed(s.name, TEMPLATE, {}, {make.EAST: make.instance()})}

    said = verifying.verify(make.system(s, other), World().aws, observed)

    assert [f.part for f in said if f.verdict is Verified.FAILS] == ["other"]
    with pytest.raises(RolloutError, match="is not deployed: there is nothing"):
        verifying.verify(make.system(s), World().aws, {})
