"""The embedded AWS against moto on the same stack set, in the same run.

One stack set of 30 resources over 20 regions, and over 5 accounts x 17 regions: created,
updated and deleted through boto3, with the memory that it takes. Each round has a fresh
server of either side, in turn. Of moto only what it does is timed: its `UpdateStackSet`
changes no stack. Its delete forgets everything at once, where ours deletes stack by stack
as CloudFormation does: there is no goal for that.

moto is no dependency: unless this interpreter has it, it is installed into a virtual
environment that is thrown away.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

MOTO = "moto[server]>=5.2,<6"
GOAL_TIMES = 10  # faster than moto
GOAL_MEMORY = 150  # MiB
MEBIBYTE = 1024 * 1024
NAME = "bench"
RESOURCES = 30
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
SERVE = [sys.executable, "-m", "tapgen", "local", "serve"]

# Enabled in every account, and three that an account enables.
DEFAULT_REGIONS = (
    "us-east-1 us-east-2 us-west-1 us-west-2 ap-south-1 ap-northeast-1 ap-northeast-2 "
    "ap-northeast-3 ap-southeast-1 ap-southeast-2 ca-central-1 eu-central-1 eu-west-1 "
    "eu-west-2 eu-west-3 eu-north-1 sa-east-1"
).split()
OPT_IN_REGIONS = ["af-south-1", "ap-east-1", "eu-south-1"]
ADMIN = "123456789012"  # the account of everybody at moto
OTHERS = [f"{number}" * 12 for number in range(2, 6)]


@dataclass(frozen=True)
class Case:
    """Where the stack set goes."""

    name: str
    accounts: Sequence[str]
    regions: Sequence[str]


CASES = (
    Case("1 account x 20 regions", [ADMIN], DEFAULT_REGIONS + OPT_IN_REGIONS),
    Case("5 accounts x 17 regions", [ADMIN, *OTHERS], DEFAULT_REGIONS),
)


@dataclass
class Measured:
    """What one side took for one case, round by round: seconds, and MiB at the end."""

    create: list[float] = field(default_factory=list)
    update: list[float] = field(default_factory=list)
    delete: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """Both sides of one case; no moto where it could not be installed."""

    case: str
    ours: Measured
    moto: Measured | None

    def times(self, step: str) -> float | None:
        """How many times faster than moto a step is: the middle of the rounds."""
        if self.moto is None or not getattr(self.moto, step):
            return None
        pairs = zip(getattr(self.ours, step), getattr(self.moto, step), strict=True)
        return float(median(theirs / ours for ours, theirs in pairs))

    @property
    def met(self) -> bool:
        """Whether the goals are met, as far as they could be measured."""
        times = self.times("create")
        quick = times is None or times >= GOAL_TIMES
        return quick and median(self.ours.memory) < GOAL_MEMORY

    def data(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "case": self.case,
            "ours": vars(self.ours),
            "moto": vars(self.moto) if self.moto else None,
            "times_faster": {s: self.times(s) for s in ("create", "delete")},
            "met": self.met,
        }


def template(value: str) -> str:
    """30 resources as a system has them, of types that both sides make and delete.

    All are named: moto cannot make up names within stack sets. The template has
    `value` in three places.
    """

    def named(kind: str, key: str, **properties: Any) -> tuple[str, dict[str, Any]]:
        name = {"Fn::Sub": f"bench-${{AWS::Region}}-{properties.pop('number', 1)}"}
        return kind, {key: name, **properties}

    allow = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [allow]}
    trusted = {"Service": "lambda.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    owner = {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}
    own = {"Effect": "Allow", "Principal": owner, "Action": "kms:*", "Resource": "*"}
    key = {"AttributeName": "k", "KeyType": "HASH"}
    table = {
        "KeySchema": [key],
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    bucket = {"Fn::Sub": "bench-${AWS::AccountId}-${AWS::Region}"}
    role = {"Version": "2012-10-17", "Statement": [trust]}
    vpc = {"VpcId": {"Ref": "Vpc"}}
    code = {"ZipFile": "def handler(event, context):\n    return event\n"}
    function = {
        "Code": code,
        "Handler": "index.handler",
        "Runtime": "python3.11",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
    }
    made: dict[str, tuple[str, dict[str, Any]]] = {
        "Vpc": ("EC2::VPC", {"CidrBlock": "10.0.0.0/16"}),
        "SubnetA": ("EC2::Subnet", {"CidrBlock": "10.0.0.0/24", **vpc}),
        "SubnetB": ("EC2::Subnet", {"CidrBlock": "10.0.1.0/24", **vpc}),
        "SubnetC": ("EC2::Subnet", {"CidrBlock": "10.0.2.0/24", **vpc}),
        "Gateway": ("EC2::InternetGateway", {}),
        "SubnetD": ("EC2::Subnet", {"CidrBlock": "10.0.3.0/24", **vpc}),
        "Firewall": ("EC2::SecurityGroup", {"GroupDescription": "bench", **vpc}),
        "Bucket": ("S3::Bucket", {"BucketName": bucket}),
        "Key": (
            "KMS::Key",
            {"KeyPolicy": {"Version": "2012-10-17", "Statement": [own]}},
        ),
        "Alias": (
            "KMS::Alias",
            {"AliasName": "alias/bench", "TargetKeyId": {"Ref": "Key"}},
        ),
        "Role": named("IAM::Role", "RoleName", AssumeRolePolicyDocument=role),
        "Policy": named(
            "IAM::Policy",
            "PolicyName",
            PolicyDocument=policy,
            Roles=[{"Ref": "Role"}],
        ),
        "Managed": named(
            "IAM::ManagedPolicy", "ManagedPolicyName", PolicyDocument=policy
        ),
        "Function": named("Lambda::Function", "FunctionName", **function),
        "Rule": named("Events::Rule", "Name", ScheduleExpression="rate(1 day)"),
    }
    for number in range(3):
        parameter = {"Type": "String", "Value": value, "number": number}
        made |= {
            f"Table{number}": named(
                "DynamoDB::Table", "TableName", number=number, **table
            ),
            f"Log{number}": named("Logs::LogGroup", "LogGroupName", number=number),
            f"Topic{number}": named("SNS::Topic", "TopicName", number=number),
            f"Queue{number}": named("SQS::Queue", "QueueName", number=number),
            f"Parameter{number}": named("SSM::Parameter", "Name", **parameter),
        }
    resources = {
        name: {"Type": f"AWS::{type_}", "Properties": properties}
        for name, (type_, properties) in made.items()
    }
    assert len(resources) == RESOURCES
    return json.dumps({"Resources": resources})


def compare(rounds: int, say: Callable[[str], None]) -> list[Comparison]:
    """Measure every case on both sides, in turn."""
    with _moto(say) as moto:
        sides: list[Callable[[Case], Measured]] = [_ours]
        if moto:
            sides.append(lambda case: _theirs(moto, case))
        found = []
        for case in CASES:
            measured: list[list[Measured]] = [[] for _ in sides]
            order = list(enumerate(sides))
            for _ in range(rounds):
                for side, measure in order:
                    measured[side].append(measure(case))
                order.reverse()
            ours, *theirs = [_joined(one) for one in measured]
            found.append(Comparison(case.name, ours, theirs[0] if theirs else None))
        return found


def table(found: Sequence[Comparison], rounds: int) -> str:
    """The comparison as text."""
    lines = [
        f"the embedded AWS, a stack set of 30 resources; {rounds} rounds, each with a "
        "fresh server",
        "",
        f"{'':26}{'':9}{'ours':>9}{'moto':>9}  {'times faster':>12}{'goal':>6}",
    ]
    for one in found:
        for step in ("create", "update", "delete"):
            lines.append(_row(one, step))
        theirs = median(one.moto.memory) if one.moto else None
        ours = median(one.ours.memory)
        lines.append(
            f"{'':26}{'memory':9}{ours:5.0f} MiB{_or_dash(theirs, ' MiB', 0):>9}  "
            f"{'':12}{f'<{GOAL_MEMORY}':>6}  {_verdict(ours < GOAL_MEMORY)}"
        )
    return "\n".join(lines)


def _row(one: Comparison, step: str) -> str:
    ours = median(getattr(one.ours, step))
    theirs = getattr(one.moto, step) if one.moto else []
    times = one.times(step)
    shown = f"{one.case if step == 'create' else '':26}{step:9}{ours:7.2f} s"
    shown += f"{_or_dash(median(theirs) if theirs else None, ' s', 2):>9}  "
    if times is None:
        return shown + f"{'-':>12}"
    if step == "delete":
        return shown + f"{times:12.1f}{'-':>6}"
    return shown + f"{times:12.1f}{GOAL_TIMES:6}  {_verdict(times >= GOAL_TIMES)}"


def _or_dash(number: float | None, unit: str, digits: int) -> str:
    return "-" if number is None else f"{number:.{digits}f}{unit}"


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def _joined(rounds: Sequence[Measured]) -> Measured:
    return Measured(
        *(
            [value for one in rounds for value in getattr(one, step)]
            for step in ("create", "update", "delete", "memory")
        )
    )


# One side, one round


def _ours(case: Case) -> Measured:
    from tapgen.emulator.server import lifecycle

    with tempfile.TemporaryDirectory() as folder:
        server = lifecycle.start(Path(folder), SERVE, port=_free_port(), persist=False)
        try:
            _prepare(server.url, case)
            return _measure(server.url, server.pid, case, updates=True)
        finally:
            lifecycle.stop(Path(folder))


def _theirs(python: str, case: Case) -> Measured:
    port = _free_port()
    command = [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        _listening(port, process)
        return _measure(f"http://127.0.0.1:{port}", process.pid, case, updates=False)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _measure(url: str, pid: int, case: Case, updates: bool) -> Measured:
    client = _client(url, "cloudformation", ADMIN)
    client.list_stack_sets()  # what a first call loads is not about stack sets
    where = {"Accounts": list(case.accounts), "Regions": list(case.regions)}
    at_once = {
        "RegionConcurrencyType": "PARALLEL",
        "MaxConcurrentPercentage": 100,
        "FailureTolerancePercentage": 0,
    }
    measured = Measured()
    with _timed(measured.create):
        client.create_stack_set(
            StackSetName=NAME, TemplateBody=template("1"), Capabilities=CAPABILITIES
        )
        _finish(
            client,
            client.create_stack_instances(
                StackSetName=NAME, OperationPreferences=at_once, **where
            ),
        )
    measured.memory.append(_memory(pid))
    _expect(url, case, 3)
    if updates:
        with _timed(measured.update):
            _finish(
                client,
                client.update_stack_set(
                    StackSetName=NAME,
                    TemplateBody=template("2"),
                    Capabilities=CAPABILITIES,
                    OperationPreferences=at_once,
                ),
            )
        measured.memory[:] = [_memory(pid)]
    with _timed(measured.delete):
        _finish(
            client,
            client.delete_stack_instances(
                StackSetName=NAME,
                OperationPreferences=at_once,
                RetainStacks=False,
                **where,
            ),
        )
    _expect(url, case, 0)
    return measured


def _expect(url: str, case: Case, number: int) -> None:
    """SystemExit unless a stack's resources are there, or not, as they should be."""
    client = _client(url, "sqs", ADMIN, case.regions[-1])
    found = client.list_queues().get("QueueUrls", [])
    if len(found) != number:
        raise SystemExit(f"{url} has {len(found)} queues at the end, not {number}")


def _finish(client: Any, started: Mapping[str, Any]) -> None:
    """Wait for an operation; SystemExit when it fails."""
    while True:
        found = client.describe_stack_set_operation(
            StackSetName=NAME, OperationId=started["OperationId"]
        )["StackSetOperation"]
        if found["Status"] == "SUCCEEDED":
            return
        if found["Status"] not in ("QUEUED", "RUNNING"):
            raise SystemExit(f"{found['Action']} is {found['Status']}: {found}")
        time.sleep(0.02)


def _prepare(url: str, case: Case) -> None:
    """The roles that stack sets need, and regions that are not enabled by default."""
    administration = "AWSCloudFormationStackSetAdministrationRole"
    # Where a region must be enabled, CloudFormation has a name of its own.
    regional = [f"cloudformation.{region}.amazonaws.com" for region in OPT_IN_REGIONS]
    service = ["cloudformation.amazonaws.com", *regional]
    _role(url, ADMIN, administration, {"Service": service})
    admin = {"AWS": f"arn:aws:iam::{ADMIN}:role/{administration}"}
    for account in case.accounts:
        _role(url, account, "AWSCloudFormationStackSetExecutionRole", admin)
        for region in set(case.regions) & set(OPT_IN_REGIONS):
            _client(url, "account", account).enable_region(RegionName=region)


def _role(url: str, account: str, name: str, principal: Mapping[str, Any]) -> None:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    iam = _client(url, "iam", account)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    allowed = {"Version": "2012-10-17", "Statement": [everything]}
    iam.put_role_policy(
        RoleName=name, PolicyName="Everything", PolicyDocument=json.dumps(allowed)
    )


def _client(url: str, service: str, account: str, region: str = "us-east-1") -> Any:
    import boto3

    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="any",
    )


@contextmanager
def _timed(spent: list[float]) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    spent.append(time.perf_counter() - begun)


def _memory(pid: int) -> float:
    """Resident memory in MiB, as ps tells it where there is no /proc."""
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    return int(subprocess.check_output(command, text=True)) / 1024


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise SystemExit("moto's server does not start")


@contextmanager
def _moto(say: Callable[[str], None]) -> Iterator[str | None]:
    """A Python that has moto's server; None, having said why, when there is none."""
    if find_spec("moto") and find_spec("flask"):
        yield sys.executable
        return
    with tempfile.TemporaryDirectory() as folder:
        say("installing moto into a virtual environment that is thrown away …")
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet"]
        pip.append("--disable-pip-version-check")
        done = subprocess.run([*pip, MOTO], capture_output=True, text=True)
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1:] or ["pip failed"]
            say(f"moto cannot be installed, so nothing is compared: {why[0]}")
            yield None
        else:
            yield python
