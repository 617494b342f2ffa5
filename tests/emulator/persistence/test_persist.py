"""Saved state survives a stop, and a kill at any moment."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import signal
import sqlite3
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tapgen.emulator.persistence import persist
from tapgen.emulator.server import lifecycle
from tapgen.emulator.state import records
from tapgen.emulator.state.tracked import Tracked, recording
from tests.emulator.conftest import (
    HELD,
    NAMED,
    Aws,
    connect,
    forked_serve,
    template,
    topic,
)
from tests.emulator.server.test_lifecycle import wait_for_end
from tests.ports import free_port

ACCOUNT = "111111111111"


class Project:
    """A folder whose embedded AWS keeps its state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = self.start()

    def start(self) -> lifecycle.Server:
        self.server = lifecycle.start(
            self.folder, forked_serve(), port=free_port(), persist=True
        )
        return self.server

    def killed(self) -> None:
        """Kill it and start it again."""
        os.kill(self.server.pid, signal.SIGKILL)
        wait_for_end(self.server.pid)
        self.start()

    def stopped(self) -> None:
        """Stop it and start it again."""
        lifecycle.stop(self.folder)
        self.start()

    @property
    def aws(self) -> Aws:
        return Aws(self.server.url, ACCOUNT)

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return connect(self.server.url, service, ACCOUNT, region)

    @property
    def log(self) -> str:
        return (self.folder / "local.log").read_text()


@contextmanager
def looked_after(folder: Path) -> Iterator[Project]:
    """A project that is stopped in the end; its log must not tell of anything."""
    project = Project(folder)
    try:
        yield project
    finally:
        log = project.log
        lifecycle.stop(project.folder)
    assert "Traceback" not in log and "is not saved" not in log, log


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with looked_after(tmp_path / ".tapgen") as project:
        yield project


Again = Callable[[Project], None]
BOTH = pytest.mark.parametrize(
    "again", [Project.killed, Project.stopped], ids=["killed", "stopped"]
)


def deploy(aws: Aws, name: str, regions: list[str], **more: Any) -> dict[str, Any]:
    started = aws.cloudformation.create_stack_instances(
        StackSetName=name, Accounts=[aws.account], Regions=regions, **more
    )
    return aws.finished(name, started)


@BOTH
def test_a_stack_set_its_instances_and_stacks_are_there(
    project: Project, again: Again
) -> None:
    aws = project.aws
    aws.make_roles(ACCOUNT)
    client = aws.cloudformation
    parameters = [{"ParameterKey": "Name", "ParameterValue": "kept"}]
    client.create_stack_set(
        StackSetName="net", TemplateBody=NAMED, Parameters=parameters
    )
    done = deploy(aws, "net", ["us-east-1", "eu-west-1"], OperationId="first")
    before = client.describe_stack_set(StackSetName="net")["StackSet"]
    instances = aws.instances("net")

    again(project)

    aws = project.aws
    client = aws.cloudformation
    assert client.describe_stack_set(StackSetName="net")["StackSet"] == before
    assert aws.instances("net") == instances
    assert aws.finished("net", "first") == done
    for instance in instances.values():
        outputs = {
            o["OutputKey"]: o["OutputValue"] for o in aws.stack(instance)["Outputs"]
        }
        assert outputs["Topic"].endswith(":kept")
        region = instance["Region"]
        topics = project.client("sns", region).list_topics()["Topics"]
        assert [t["TopicArn"] for t in topics] == [outputs["Topic"]]
    # And it goes on: the same id is known, the next operation is done.
    with pytest.raises(ClientError, match="OperationIdAlreadyExists"):
        deploy(aws, "net", ["us-west-2"], OperationId="first")
    assert deploy(aws, "net", ["us-west-2"])["Status"] == "SUCCEEDED"
    started = client.update_stack_set(
        StackSetName="net", UsePreviousTemplate=True, Parameters=parameters
    )
    assert aws.finished("net", started)["Status"] == "SUCCEEDED"
    everywhere = ["us-east-1", "eu-west-1", "us-west-2"]
    started = client.delete_stack_instances(
        StackSetName="net", Accounts=[ACCOUNT], Regions=everywhere, RetainStacks=False
    )
    assert aws.finished("net", started)["Status"] == "SUCCEEDED"
    client.delete_stack_set(StackSetName="net")
    assert project.client("sns", "eu-west-1").list_topics()["Topics"] == []

    again(project)

    client = project.client("cloudformation")
    listed = client.list_stack_sets()["Summaries"]
    assert [(s["StackSetName"], s["Status"]) for s in listed] == [("net", "DELETED")]


@BOTH
def test_what_services_hold_is_there(project: Project, again: Again) -> None:
    kinds = [kind(project) for kind in KINDS]
    for check in kinds:
        check()  # else a failure below would not be about keeping
    again(project)
    for check in kinds:
        check()


def objects(project: Project) -> Callable[[], None]:
    client = project.client("s3")
    client.create_bucket(Bucket="kept")
    client.put_bucket_versioning(
        Bucket="kept", VersioningConfiguration={"Status": "Enabled"}
    )
    for body in (b"old", b"\x00\xff" * 100_000):
        client.put_object(Bucket="kept", Key="a/b", Body=body, Metadata={"m": "1"})
    client.put_object(Bucket="kept", Key="gone", Body=b"")
    client.delete_object(Bucket="kept", Key="gone")

    def check() -> None:
        client = project.client("s3")
        found = client.get_object(Bucket="kept", Key="a/b")
        with closing(found["Body"]) as body:
            assert body.read() == b"\x00\xff" * 100_000
        assert found["Metadata"] == {"m": "1"}
        versions = client.list_object_versions(Bucket="kept", Prefix="a/")["Versions"]
        assert [v["Size"] for v in versions] == [200_000, 3]
        listed = client.list_objects_v2(Bucket="kept")["Contents"]
        assert [o["Key"] for o in listed] == ["a/b"]

    return check


def items(project: Project) -> Callable[[], None]:
    client = project.client("dynamodb")
    client.create_table(
        TableName="kept",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.put_item(TableName="kept", Item={"k": {"S": "1"}, "n": {"N": "42"}})
    update = {"TableName": "kept", "Key": {"k": {"S": "1"}}}
    client.update_item(
        **update,
        UpdateExpression="SET n = n + :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )

    def check() -> None:
        client = project.client("dynamodb")
        assert client.get_item(**update)["Item"]["n"] == {"N": "43"}
        client.put_item(TableName="kept", Item={"k": {"S": "new"}})
        client.delete_item(TableName="kept", Key={"k": {"S": "new"}})

    return check


def keys(project: Project) -> Callable[[], None]:
    client = project.client("kms")
    key = client.create_key()["KeyMetadata"]["KeyId"]
    client.create_alias(AliasName="alias/kept", TargetKeyId=key)
    secret = client.encrypt(KeyId="alias/kept", Plaintext=b"secret")["CiphertextBlob"]

    def check() -> None:
        client = project.client("kms")
        assert client.decrypt(CiphertextBlob=secret)["Plaintext"] == b"secret"
        assert client.describe_key(KeyId="alias/kept")["KeyMetadata"]["KeyId"] == key

    return check


def roles(project: Project) -> Callable[[], None]:
    aws = project.aws
    aws.make_role(ACCOUNT, "kept", {"AWS": "*"})
    sts = project.client("sts")
    arn = f"arn:aws:iam::{ACCOUNT}:role/kept"
    created = sts.assume_role(RoleArn=arn, RoleSessionName="night")["Credentials"]

    def check() -> None:
        iam = project.client("iam")
        assert iam.get_role(RoleName="kept")["Role"]["Arn"] == arn
        session = connect(project.server.url, "sts", created["AccessKeyId"])
        identity = session.get_caller_identity()
        assert identity["Arn"].endswith("assumed-role/kept/night")

    return check


def messages(project: Project) -> Callable[[], None]:
    client = project.client("sqs")
    url = client.create_queue(QueueName="kept")["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="hello")

    def check() -> None:
        client = project.client("sqs")
        url = client.get_queue_url(QueueName="kept")["QueueUrl"]
        found = client.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
        assert [m["Body"] for m in found] == ["hello"]

    return check


def topics(project: Project) -> Callable[[], None]:
    client = project.client("sns")
    arn = client.create_topic(Name="kept")["TopicArn"]
    queue = project.client("sqs").create_queue(QueueName="told")["QueueUrl"]
    queue_arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:told"
    client.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)

    def check() -> None:
        project.client("sns").publish(TopicArn=arn, Message="news")
        sqs = project.client("sqs")
        url = sqs.get_queue_url(QueueName="told")["QueueUrl"]
        found = sqs.receive_message(QueueUrl=url)["Messages"]
        assert "news" in found[0]["Body"]

    del queue
    return check


def secrets(project: Project) -> Callable[[], None]:
    client = project.client("secretsmanager")
    client.create_secret(Name="kept", SecretString="first")
    client.put_secret_value(SecretId="kept", SecretString="second")

    def check() -> None:
        client = project.client("secretsmanager")
        assert client.get_secret_value(SecretId="kept")["SecretString"] == "second"

    return check


def parameters(project: Project) -> Callable[[], None]:
    client = project.client("ssm", "eu-west-1")
    for value in ("1", "2"):
        client.put_parameter(Name="/kept", Value=value, Type="String", Overwrite=True)

    def check() -> None:
        client = project.client("ssm", "eu-west-1")
        history = client.get_parameter_history(Name="/kept")["Parameters"]
        assert [p["Value"] for p in history] == ["1", "2"]

    return check


def networks(project: Project) -> Callable[[], None]:
    client = project.client("ec2")
    vpc = client.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    known = {v["VpcId"] for v in client.describe_vpcs()["Vpcs"]}

    def check() -> None:
        client = project.client("ec2")
        found = client.describe_vpcs()["Vpcs"]
        assert {v["VpcId"] for v in found} == known
        assert vpc in known

    return check


def functions(project: Project) -> Callable[[], None]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): return event")
    project.client("lambda").create_function(
        FunctionName="kept",
        Runtime="python3.11",
        Role=f"arn:aws:iam::{ACCOUNT}:role/any",
        Handler="index.handler",
        Code={"ZipFile": packed.getvalue()},
    )

    def check() -> None:
        client = project.client("lambda")
        answer = client.invoke(FunctionName="kept", Payload=b'"hello"')["Payload"]
        with closing(answer):
            assert answer.read() == b'"hello"'

    return check


def logs(project: Project) -> Callable[[], None]:
    client = project.client("logs")
    client.create_log_group(logGroupName="/kept")
    client.create_log_stream(logGroupName="/kept", logStreamName="s")
    event = {"timestamp": int(time.time() * 1000), "message": "line"}
    where = {"logGroupName": "/kept", "logStreamName": "s"}
    client.put_log_events(**where, logEvents=[event])

    def check() -> None:
        found = project.client("logs").get_log_events(**where)["events"]
        assert [e["message"] for e in found] == ["line"]

    return check


def zones(project: Project) -> Callable[[], None]:
    client = project.client("route53")
    zone = client.create_hosted_zone(Name="kept.example", CallerReference="1")
    id_ = zone["HostedZone"]["Id"]

    def check() -> None:
        found = project.client("route53").get_hosted_zone(Id=id_)["HostedZone"]
        assert found["Name"] == "kept.example."

    return check


def databases(project: Project) -> Callable[[], None]:
    client = project.client("rds")
    client.create_db_instance(
        DBInstanceIdentifier="kept",
        Engine="mysql",
        DBInstanceClass="db.t3.micro",
        MasterUsername="admin",
        MasterUserPassword="password1",
        AllocatedStorage=20,
    )

    def check() -> None:
        found = project.client("rds").describe_db_instances()["DBInstances"]
        assert [d["DBInstanceIdentifier"] for d in found] == ["kept"]

    return check


def alarms(project: Project) -> Callable[[], None]:
    project.client("cloudwatch").put_metric_alarm(
        AlarmName="kept",
        Namespace="N",
        MetricName="M",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
    )

    def check() -> None:
        found = project.client("cloudwatch").describe_alarms()["MetricAlarms"]
        assert [a["AlarmName"] for a in found] == ["kept"]

    return check


def shapes(project: Project) -> Callable[[], None]:
    """A resource that nobody makes, in a stack of the user's own."""
    client = project.client("cloudformation")
    body = template({"R": {"Type": "AWS::Chatbot::SlackChannelConfiguration"}})
    client.create_stack(StackName="shape", TemplateBody=body)
    stack = client.describe_stacks(StackName="shape")["Stacks"][0]["StackId"]

    def check() -> None:
        client = project.client("cloudformation")
        found = client.describe_stacks(StackName=stack)["Stacks"][0]
        assert found["StackStatus"] == "CREATE_COMPLETE"
        assert [s["stack"] for s in lifecycle.status(project.folder)["shape_only"]] == [
            "shape"
        ]

    return check


KINDS = (
    objects,
    items,
    keys,
    roles,
    messages,
    topics,
    secrets,
    parameters,
    networks,
    functions,
    logs,
    zones,
    databases,
    alarms,
    shapes,
)


def test_whatever_was_answered_outlasts_a_kill_in_the_middle_of_work(
    project: Project,
) -> None:
    project.client("s3").create_bucket(Bucket="busy")
    project.client("dynamodb").create_table(
        TableName="busy",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    answered: dict[str, list[str]] = {"s3": [], "dynamodb": [], "ssm": []}
    enough = threading.Event()

    def write(service: str) -> None:
        client = project.client(service)
        with suppress(BotoCoreError, ClientError):
            for number in range(10**6):
                name = f"n{number}"
                if service == "s3":
                    client.put_object(Bucket="busy", Key=name, Body=name.encode())
                elif service == "ssm":
                    client.put_parameter(Name=name, Value=name, Type="String")
                else:
                    client.put_item(TableName="busy", Item={"k": {"S": name}})
                answered[service].append(name)
                if all(len(names) > 20 for names in answered.values()):
                    enough.set()

    writers = [threading.Thread(target=write, args=[name]) for name in answered]
    for writer in writers:
        writer.start()
    assert enough.wait(60)
    project.killed()
    for writer in writers:
        writer.join()

    pages = project.client("s3").get_paginator("list_objects_v2")
    found = {o["Key"] for p in pages.paginate(Bucket="busy") for o in p["Contents"]}
    assert set(answered["s3"]) <= found
    pages = project.client("dynamodb").get_paginator("scan")
    items = {i["k"]["S"] for p in pages.paginate(TableName="busy") for i in p["Items"]}
    assert set(answered["dynamodb"]) <= items
    for name in answered["ssm"]:
        found = project.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        assert found == name
        break
    pages = project.client("ssm").get_paginator("describe_parameters")
    names = {p["Name"] for page in pages.paginate() for p in page["Parameters"]}
    assert set(answered["ssm"]) <= names


def test_an_operation_interrupted_by_a_kill_has_failed_and_can_be_repeated(
    project: Project,
) -> None:
    aws = project.aws
    aws.make_roles(ACCOUNT)
    aws.cloudformation.create_stack_set(StackSetName="held", TemplateBody=HELD)
    operation = aws.cloudformation.create_stack_instances(
        StackSetName="held", Accounts=[ACCOUNT], Regions=["us-east-1", "us-west-2"]
    )
    while not aws.cloudformation.describe_stacks()["Stacks"]:
        time.sleep(0.01)

    project.killed()

    aws = project.aws
    ended = aws.finished("held", operation)
    assert ended["Status"] == "FAILED"
    assert "The embedded AWS stopped" in ended["StatusReason"]
    results = aws.results("held", operation)
    assert results[ACCOUNT, "us-east-1"]["Status"] == "FAILED"
    assert results[ACCOUNT, "us-west-2"]["Status"] == "CANCELLED"
    assert {s for s, _ in aws.states("held").values()} == {"OUTDATED"}
    # The half of a stack is removed, as after any create that failed.
    deadline = time.monotonic() + 60
    while aws.cloudformation.describe_stacks()["Stacks"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    plain = template({"Topic": topic()})
    started = aws.cloudformation.update_stack_set(
        StackSetName="held", TemplateBody=plain
    )
    assert aws.finished("held", started)["Status"] == "SUCCEEDED"
    assert {s for s, _ in aws.states("held").values()} == {"CURRENT"}


def test_a_stack_whose_work_was_cut_short_can_be_worked_on(project: Project) -> None:
    client = project.client("cloudformation")
    client.create_stack(StackName="making", TemplateBody=HELD)
    client.create_stack(StackName="changing", TemplateBody=template())
    held = json.loads(HELD)["Resources"]
    client.update_stack(StackName="changing", TemplateBody=template(held))

    project.killed()

    client = project.client("cloudformation")
    found = {s["StackName"]: s for s in client.describe_stacks()["Stacks"]}
    assert found["making"]["StackStatus"] == "CREATE_FAILED"
    assert "The embedded AWS stopped" in found["making"]["StackStatusReason"]
    assert found["changing"]["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    client.delete_stack(StackName="making")
    client.update_stack(StackName="changing", TemplateBody=template({"T": topic()}))
    deadline = time.monotonic() + 60
    while True:
        found = {s["StackName"]: s for s in client.describe_stacks()["Stacks"]}
        if {n: s["StackStatus"] for n, s in found.items()} == {
            "changing": "UPDATE_COMPLETE"
        }:
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def test_background_work_is_saved_without_any_request(project: Project) -> None:
    client = project.client("cloudformation")
    slow = {"effect": "delay", "seconds": 0.5, "match": {"logical_id": "Topic"}}
    lifecycle.add_faults(project.folder, slow)
    # Outputs are known when the stack is complete, a moment after its resources.
    said = {"Value": {"Fn::Join": [" ", ["the", "stack", "is", "complete"]]}}
    body = template(Outputs={"Said": said})
    client.create_stack(StackName="slow", TemplateBody=body)
    folder = project.folder / "state"
    deadline = time.monotonic() + 60
    while not any(b"the stack is complete" in f.read_bytes() for f in folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    lifecycle.faults(project.folder)  # is answered once the file is written to its end
    project.killed()

    client = project.client("cloudformation")
    (stack,) = client.describe_stacks(StackName="slow")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"


def test_a_reset_empties_the_saved_state_too(project: Project) -> None:
    project.client("s3").create_bucket(Bucket="secret-name")
    project.client("cloudformation").create_stack_set(
        StackSetName="gone", TemplateBody=template()
    )

    lifecycle.reset(project.folder)
    project.killed()

    assert project.client("s3").list_buckets()["Buckets"] == []
    listed = project.client("cloudformation").list_stack_sets()["Summaries"]
    assert listed == []
    for path in (project.folder / "state").iterdir():
        assert b"secret-name" not in path.read_bytes()
    project.client("s3").create_bucket(Bucket="new")
    project.killed()
    buckets = project.client("s3").list_buckets()["Buckets"]
    assert [b["Name"] for b in buckets] == ["new"]


def test_faults_are_not_saved(project: Project) -> None:
    lifecycle.add_faults(project.folder, {"effect": "unavailable"})
    project.stopped()
    assert lifecycle.faults(project.folder) == []


def test_without_persistence_nothing_is_saved(tmp_path: Path) -> None:
    folder = tmp_path / ".tapgen"
    for _ in range(2):
        server = lifecycle.start(
            folder, forked_serve(), port=free_port(), persist=False
        )
        try:
            client = connect(server.url, "s3", ACCOUNT)
            assert client.list_buckets()["Buckets"] == []
            client.create_bucket(Bucket="bbb")
            assert not lifecycle.has_state(folder)
            with pytest.raises(lifecycle.EmulatorError, match="runs without --persist"):
                lifecycle.start(folder, forked_serve(), persist=True)
        finally:
            lifecycle.stop(folder)


def test_the_environment_can_ask_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ("0", "", "no"):
        monkeypatch.setenv(lifecycle.PERSIST_VARIABLE, value)
        assert not lifecycle.wants_persistence()
    monkeypatch.setenv(lifecycle.PERSIST_VARIABLE, "1")
    folder = tmp_path / ".tapgen"
    server = lifecycle.start(folder, forked_serve(), port=free_port())
    try:
        assert server.persist
        assert lifecycle.status(folder)["persistent"]
        assert lifecycle.has_state(folder)
    finally:
        lifecycle.stop(folder)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project that has stopped, with a bucket in its state."""
    with looked_after(tmp_path_factory.mktemp("stored") / ".tapgen") as project:
        project.client("s3").create_bucket(Bucket="bbb")
    return project.folder


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    return shutil.copytree(stored, tmp_path / ".tapgen")


def test_a_project_keeps_its_state_wherever_its_folder_is(folder: Path) -> None:
    for path in (folder / "state").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path  # for the owner only
    with looked_after(folder) as project:
        (bucket,) = project.client("s3").list_buckets()["Buckets"]
        assert bucket["Name"] == "bbb"


def start_anew(folder: Path) -> str:
    """How a start fails."""
    with pytest.raises(lifecycle.EmulatorError) as caught:
        lifecycle.start(folder, forked_serve(), port=free_port(), persist=True)
    return str(caught.value)


MOVED = b"ctapgen.emulator.model\nStackSet\n."


@pytest.mark.parametrize("name", ["tapgen", "ministack", "format"])
def test_state_of_another_version_is_refused_until_it_is_emptied(
    folder: Path, name: str
) -> None:
    state = folder / "state"
    path = state / persist.FILE
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE about SET value = '0.0' WHERE name = ?", [name])
        # Records of an earlier version name modules that have moved: they are not read.
        file.execute("UPDATE entries SET value = ?", [MOVED])

    message = start_anew(folder)

    assert f"the state in {state} was saved by another version (tapgen" in message
    assert "cannot be used" not in message
    assert f"{name} 0.0" in message
    assert "delete it with tapgen local reset" in message
    assert "Traceback" not in message
    assert lifecycle.has_state(folder)
    assert lifecycle.forget(folder)
    assert not lifecycle.has_state(folder)
    assert not lifecycle.forget(folder)


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch /nowhere/at/all",)


@pytest.mark.parametrize("spoil", ["file", "record", "code"])
def test_spoilt_state_is_refused_with_what_to_do(folder: Path, spoil: str) -> None:
    path = folder / "state" / persist.FILE
    if spoil == "file":
        path.write_bytes(b"no database" * 1000)
    else:
        bad = pickle.dumps(Evil()) if spoil == "code" else b"\x80\x05junk"
        with closing(sqlite3.connect(path)) as file, file:
            file.execute("UPDATE entries SET value = ?", [bad])

    message = start_anew(folder)

    assert "cannot be used" in message
    assert "delete it with tapgen local reset" in message
    assert "Traceback" not in message


# Records and stores


def test_records_are_data_and_nothing_else() -> None:
    given = {"a": [1, 2.5, b"x", None, True], ("t", 1): {"s"}}
    assert records.load(records.dump(given)) == given
    for bad in (pickle.dumps(Evil()), pickle.dumps(os.system), b"", b"junk"):
        with pytest.raises(records.RecordError):
            records.load(bad)
    with pytest.raises(records.RecordError):
        records.dump({"open": sys.stdout})


def test_every_private_name_that_is_saved_exists() -> None:
    assert persist.check() == []


def test_a_tracked_dictionary_marks_what_it_gives_out() -> None:
    tracked = Tracked({"a": [1], "b": [2], "c": [3]})
    assert tracked.dirty == {"a", "b", "c"}
    tracked.dirty.clear()
    tracked["a"].append(1)
    assert tracked.get("x") is None and "b" in tracked and len(tracked) == 3
    assert list(tracked) == ["a", "b", "c"]
    assert tracked.dirty == {"a"}
    tracked.pop("b")
    tracked.setdefault("d", [4])
    assert tracked.dirty == {"a", "b", "d"}
    tracked.dirty.clear()
    with recording() as seen:
        thread = threading.Thread(target=lambda: tracked.get("a"))
        tracked["c"] = [5]
        thread.start()
        thread.join()
    assert seen == {(tracked, "c")}  # threads must be given the context
    assert [v for v in tracked.values()] == [[1, 1], [5], [4]]
    assert tracked.dirty == {"a", "c", "d"}
    tracked.clear()
    assert tracked.dirty == {"a", "c", "d"} and not tracked
