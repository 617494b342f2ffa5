"""Lambda functions from `tapgen/handlers`, with their log group and alarms.

    function = compute.function(
        t,
        "Function",
        name=name("validate", names.THIS_ROLE),
        handler="payments",                     # tapgen/handlers/payments.py
        description="Validates and records payments",
        role_arn=Ref("FunctionRoleArn"),
        key_arn=Ref("KmsKeyArn"),
        retention_days=Ref("LogRetentionDays"),
        environment={"TABLE_NAME": names.sub(name("payments"))},
    )
    compute.alarms(
        t, function=function, alarm_name=name("fn-%s", ROLE), topic_arn=Ref("AlertTopicArn")
    )

The template embeds the source as text, so it needs no artifact. Another template has
the role, with the statements of `write_logs`, `trace` and (in a VPC) `attach_to_vpc`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from awacs import ec2, xray
from awacs.aws import ArnEquals, Statement
from troposphere import (
    Equals,
    GetAtt,
    If,
    Not,
    NoValue,
    Ref,
    Sub,
    Tags,
    Template,
    awslambda,
    encode_to_dict,
)

from tapgen.blocks import explained, frame, monitoring, names, security
from tapgen.frozen import dataclass

RUNTIME = "python3.13"
MOST_RESERVED = 1000
LARGEST_SOURCE = 4 * 2**20
"""Bytes of source that a template may embed (`Code.ZipFile`)."""

_SHARED = re.compile(
    r"^from tapgen\.handlers\.(\w+) import (?:\([^)]*\)|[^(\n]+)$", re.MULTILINE
)
_FUTURE = "from __future__ import annotations\n"

# importlib.resources would import zipfile and more.
_HANDLERS = Path(__file__).parents[1] / "handlers"

LIVE = "live"
CANARY = "canary"


def source(handler: str) -> str:
    """Return the source of `tapgen/handlers/<handler>.py`.

    A function is a single file, so the handlers' modules that it imports stand in it.
    """
    text = _SHARED.sub(
        lambda found: _handler(found[1]).replace(_FUTURE, ""), _handler(handler)
    )
    assert len(text.encode()) <= LARGEST_SOURCE, handler
    return text


def _handler(name: str) -> str:
    return (_HANDLERS / f"{name}.py").read_text(encoding="utf-8")


def log_group_name(function: str) -> str:
    """Return the name of a function's log group."""
    return f"/aws/lambda/{function}"


def write_logs(functions: Sequence[str], regions: Sequence[str]) -> list[Statement]:
    """Allow functions to write logs, by their names and regions.

    Both are text for `Fn::Sub`. The templates contain the log groups with their
    retention, so the role creates none.
    """
    return monitoring.write_logs(
        [
            names.arn("logs", f"log-group:{log_group_name(function)}", region=region)
            for function in functions
            for region in regions
        ]
    )


def trace() -> Statement:
    """Allow sending traces to X-Ray, which has no resources to name.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
    """
    return security.statement(
        "SendTraces", [xray.PutTelemetryRecords, xray.PutTraceSegments], ["*"]
    )


def attach_to_vpc(functions: Sequence[str], regions: Sequence[str]) -> list[Statement]:
    """Allow functions in a VPC, by their names and regions (text for `Fn::Sub`).

    Lambda creates their network interfaces with the role, and requires this on all
    resources when it validates the role. The code itself may not: only its calls carry
    the function they come from.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    """
    manage = [
        ec2.AssignPrivateIpAddresses,
        ec2.CreateNetworkInterface,
        ec2.DeleteNetworkInterface,
        ec2.DescribeNetworkInterfaces,
        ec2.DescribeSubnets,
        ec2.UnassignPrivateIpAddresses,
    ]
    code = ArnEquals(
        {
            "lambda:SourceFunctionArn": [
                names.sub(names.arn("lambda", f"function:{function}", region=region))
                for function in functions
                for region in regions
            ]
        }
    )
    return [
        security.statement("ManageNetworkInterfaces", manage, ["*"]),
        security.statement("NotFromCode", manage, ["*"], code, deny=True),
    ]


def memory(t: Template) -> Ref:
    """Add the parameter for the memory of a function."""
    return frame.parameter(
        t,
        "MemorySize",
        label="Memory (MiB)",
        type="Number",
        description="Memory of the function in MiB; its CPU share grows with it.",
        MinValue=128,
        MaxValue=10240,
    )


def concurrency(t: Template, title: str, what: str) -> If:
    """Add the parameter for the reserved concurrency of a function, which `what` names.

    0 is for none: it is taken from all other functions of the region, of which 100 stay
    unreserved.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    reserved = frame.parameter(
        t,
        title,
        type="Number",
        description=f"Reserved concurrency of the {what}; 0 for none.",
        MinValue=0,
        MaxValue=MOST_RESERVED,
    )
    t.add_condition(f"Has{title}", Not(Equals(reserved, "0")))
    return If(f"Has{title}", reserved, NoValue)


def function(
    t: Template,
    title: str,
    *,
    name: str,
    handler: str,
    description: str,
    role_arn: Any,
    key_arn: Any,
    retention_days: Any,
    environment: Mapping[str, Any],
    memory: Any = 256,
    timeout: int = 10,
    subnet_ids: Any = None,
    security_group_ids: Sequence[Any] = (),
    reserved: Any = None,
    unreserved_by_default: bool = False,
) -> Any:
    """Add a function from one of tapgen's handlers, and its encrypted log group.

    `timeout` is in seconds, `memory` in MiB. With `subnet_ids` (a list, or a parameter
    that is one) it runs in a VPC. `reserved` is how many of it run at once at most
    (`concurrency`); scanners are told of those that have no such number, or only if a
    setting asks for it (`unreserved_by_default`). It logs JSON and traces every call.
    The key encrypts its environment too.
    """
    group = monitoring.log_group(
        t,
        f"{title}Logs",
        name=log_group_name(name),
        key_arn=key_arn,
        retention_days=retention_days,
    )
    optional: dict[str, Any] = {}
    kinds = ["synchronous function"]
    if subnet_ids is not None:
        optional["VpcConfig"] = awslambda.VPCConfig(
            SubnetIds=subnet_ids, SecurityGroupIds=list(security_group_ids)
        )
    else:
        kinds.append("function without a VPC")
    if reserved is not None:
        optional["ReservedConcurrentExecutions"] = reserved
    if reserved is None or unreserved_by_default:
        kinds.append("unreserved function")
    return t.add_resource(
        awslambda.Function(
            title,
            Metadata=explained.metadata(*kinds),
            FunctionName=names.sub(name),
            Description=description,
            Runtime=RUNTIME,
            Architectures=["arm64"],
            Handler="index.handler",
            Code=awslambda.Code(ZipFile=source(handler)),
            Role=role_arn,
            MemorySize=memory,
            Timeout=timeout,
            Environment=awslambda.Environment(Variables=dict(environment)),
            KmsKeyArn=key_arn,
            LoggingConfig=JsonLogging(
                LogFormat="JSON",
                LogGroup=Ref(group),
                ApplicationLogLevel="INFO",
                SystemLogLevel="WARN",
            ),
            TracingConfig=awslambda.TracingConfig(Mode="Active"),
            Tags=Tags(Name=names.sub(name)),
            **optional,
        )
    )


class JsonLogging(awslambda.LoggingConfig):  # type: ignore[misc]
    """Troposphere's class lacks the log format: a type of the same name hides it."""

    props = {**awslambda.LoggingConfig.props, "LogFormat": (str, True)}


# A version does not keep these: their change alone publishes none.
_NOT_OF_A_VERSION = ("FunctionName", "ReservedConcurrentExecutions", "Tags")


@dataclass(frozen=True)
class Release:
    """The aliases of a function: `live` for all requests, `canary` for those of a
    canary."""

    live: Any
    canary: Any


def release(
    t: Template,
    function: Any,
    *,
    settings: Sequence[str] = (),
    stable_version: Any = None,
    has_stable: str = "",
) -> Release:
    """Add a new version of a function with every change, and its aliases.

    `canary` is the newest version. So is `live`, unless the condition `has_stable` is
    true: then it is `stable_version`, the number of an older one. `settings` are the
    parameters that change the function. They are part of the version's description, so
    that a change of them publishes a new version.
    """
    fixed = {k: v for k, v in function.properties.items() if k not in _NOT_OF_A_VERSION}
    text = json.dumps(encode_to_dict(fixed), sort_keys=True)
    code = hashlib.sha256(text.encode()).hexdigest()[:12]
    values = "".join(f", {name} ${{{name}}}" for name in settings)
    title = function.title
    version = t.add_resource(
        awslambda.Version(
            f"{title}Version",
            # Old versions are kept for a rollback, until the function is deleted.
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Retain",
            FunctionName=Ref(function),
            Description=Sub(f"code {code}{values}") if values else f"code {code}",
        )
    )
    newest = GetAtt(version, "Version")
    live = If(has_stable, stable_version, newest) if has_stable else newest
    aliases = [
        t.add_resource(
            awslambda.Alias(
                f"{title}{alias.title()}",
                Name=alias,
                FunctionName=Ref(function),
                FunctionVersion=number,
            )
        )
        for alias, number in ((LIVE, live), (CANARY, newest))
    ]
    return Release(*aliases)


def alarms(
    t: Template,
    *,
    function: Any,
    alarm_name: str,
    topic_arn: Any,
    title: str = "Function",
    refuses: bool = False,
) -> None:
    """Add alarms on errors, duration and throttles of a function of this template.

    `alarm_name` has a `%s` for the metric. One that `refuses` says so by an error, so
    that its errors are no sign of a failure.
    """
    dimensions = {"FunctionName": Ref(function)}
    shared: dict[str, Any] = {
        "namespace": "AWS/Lambda",
        "dimensions": dimensions,
        "period": 60,
        "missing": "notBreaching",
        "topic_arn": topic_arn,
    }
    if not refuses:
        monitoring.alarm(
            t,
            f"{title}ErrorsAlarm",
            name=alarm_name % "errors",
            description="The function fails, three minutes out of five",
            metric="Errors",
            statistic="Sum",
            datapoints=(3, 5),
            comparison=">=",
            threshold=1,
            **shared,
        )
    monitoring.alarm(
        t,
        f"{title}DurationAlarm",
        name=alarm_name % "duration",
        description="The slowest calls of the function take most of its timeout",
        metric="Duration",
        statistic="p99",
        datapoints=(3, 5),
        comparison=">",
        threshold=function.Timeout * 800,  # in milliseconds: four fifths of it
        **shared,
    )
    monitoring.alarm(
        t,
        f"{title}ThrottlesAlarm",
        name=alarm_name % "throttles",
        description="Lambda refuses to run the function: its concurrency is used up",
        metric="Throttles",
        statistic="Sum",
        datapoints=(2, 5),
        comparison=">=",
        threshold=1,
        **shared,
    )
