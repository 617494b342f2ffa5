"""The embedded AWS as a process: started once, found again, stopped, never in doubt."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tapgen.aws import session, stacksets
from tapgen.emulator.server import lifecycle
from tapgen.errors import Unreachable
from tapgen.model import Target
from tests.emulator.conftest import HELD, SERVE, Aws, connect, forked_serve
from tests.ports import free_port

FAILS = [sys.executable, "-c", "import sys; print('no luck'); sys.exit(3)"]
HANGS = ["sh", "-c", "echo yawn; exec sleep 600"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / ".tapgen"
    yield folder
    lifecycle.stop(folder)


def taken_port() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def start(folder: Path) -> lifecycle.Server:
    """Start on a port of its own; with a default port others might interfere."""
    return lifecycle.start(folder, forked_serve(), port=free_port())


def stack_sets(server: lifecycle.Server) -> list[str]:
    client = connect(server.url, "cloudformation", "000000000000")
    return [s["StackSetName"] for s in client.list_stack_sets()["Summaries"]]


def make_stack_set(server: lifecycle.Server, name: str) -> None:
    client = connect(server.url, "cloudformation", "000000000000")
    body = '{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}'
    client.create_stack_set(StackSetName=name, TemplateBody=body)


def wait_for_end(pid: int) -> None:
    assert lifecycle.ended(pid, 60), f"{pid} does not end"


def test_starting_gives_a_server_that_answers(folder: Path) -> None:
    server = lifecycle.start(folder, SERVE, port=free_port())
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server.folder == folder.resolve()
    assert stack_sets(server) == []


def test_starting_twice_gives_the_same_server(folder: Path) -> None:
    first = start(folder)
    make_stack_set(first, "kept")
    again = lifecycle.start(folder, SERVE)
    assert again == first
    assert stack_sets(again) == ["kept"]


def test_starting_at_the_same_time_makes_one_server(folder: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        started = [threads.submit(lifecycle.start, folder, SERVE) for _ in range(4)]
        assert len({s.result() for s in started}) == 1


def test_two_projects_have_two_servers(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    try:
        one, two = (lifecycle.start(folder, SERVE) for folder in folders)
        assert one.port != two.port
        make_stack_set(one, "mine")
        assert stack_sets(one) == ["mine"]
        assert stack_sets(two) == []
    finally:
        for folder in folders:
            lifecycle.stop(folder)


def test_an_explicit_port_is_used(folder: Path) -> None:
    port = free_port()
    assert lifecycle.start(folder, SERVE, port=port).port == port


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do(folder: Path) -> None:
    with closing(taken_port()) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(lifecycle.EmulatorError, match=f"port {port} .*--port"):
            lifecycle.start(folder, SERVE, port=port)
    assert lifecycle.running(folder) is None


def test_another_port_than_that_of_the_running_server_is_an_error(
    folder: Path,
) -> None:
    server = start(folder)
    other = free_port()
    with pytest.raises(lifecycle.EmulatorError, match=f"runs on port {server.port}"):
        lifecycle.start(folder, SERVE, port=other)
    assert lifecycle.start(folder, SERVE, port=server.port) == server


def test_it_listens_on_the_loopback_address_only(folder: Path) -> None:
    server = start(folder)
    listening = Path(f"/proc/{server.pid}/net/tcp").read_text().splitlines()[1:]
    inodes = set()
    for number in os.listdir(f"/proc/{server.pid}/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            inodes.add(os.readlink(f"/proc/{server.pid}/fd/{number}"))
    own = [
        line.split()
        for line in listening
        if f"socket:[{line.split()[9]}]" in inodes and line.split()[3] == "0A"
    ]
    assert [row[1] for row in own] == [f"0100007F:{server.port:04X}"]


def test_stopping_ends_the_process_and_frees_the_port(folder: Path) -> None:
    server = start(folder)
    assert lifecycle.stop(folder) is True
    assert lifecycle.running(folder) is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=60)
    wait_for_end(server.pid)
    assert lifecycle.stop(folder) is False


def test_a_process_that_nobody_asks_for_its_end_has_ended() -> None:
    # As under the first process of a container, which waits for none of its children.
    code = (
        "import subprocess; print(subprocess.Popen(['true']).pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin and parent.stdout
        assert lifecycle.ended(int(parent.stdout.readline()), 60)
        parent.stdin.write(b"\n")


def test_what_never_ran_is_not_running(tmp_path: Path) -> None:
    folder = tmp_path / "never"
    assert lifecycle.running(folder) is None
    assert lifecycle.stop(folder) is False
    for ask in (lifecycle.reset, lifecycle.status):
        with pytest.raises(lifecycle.EmulatorError, match="is not running"):
            ask(folder)
    assert not folder.exists()


def test_a_killed_server_is_recognised_and_started_anew(folder: Path) -> None:
    first = start(folder)
    os.kill(first.pid, signal.SIGKILL)
    wait_for_end(first.pid)
    assert (folder / "local.json").exists()
    assert lifecycle.running(folder) is None
    assert not (folder / "local.json").exists()
    second = lifecycle.start(folder, SERVE)
    assert second.pid != first.pid
    assert stack_sets(second) == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"port": 1}',
        '{"port": "1", "pid": 1, "token": "t"}',
        '{"port": 1, "pid": 123456789012345678901, "token": "t"}',
        '{"port": 1, "pid": 0, "token": "t"}',
        '{"port": 65536, "pid": 1, "token": "t"}',
        '{"port": 1, "pid": 1, "token": "\\ud800"}',
    ],
)
def test_a_spoilt_process_file_is_removed(folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / "local.json").write_text(content)
    assert lifecycle.running(folder) is None
    assert not (folder / "local.json").exists()


def test_a_process_file_of_another_process_is_not_trusted(folder: Path) -> None:
    # The recorded process is alive (ourselves), but nobody listens there.
    folder.mkdir()
    recorded = {"port": free_port(), "pid": os.getpid(), "token": "t"}
    (folder / "local.json").write_text(json.dumps(recorded))
    assert lifecycle.running(folder) is None
    assert not (folder / "local.json").exists()


def test_another_projects_server_on_the_port_is_not_trusted(
    folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    try:
        server = start(other)
        folder.mkdir()
        recorded = {"port": server.port, "pid": server.pid, "token": "stolen"}
        (folder / "local.json").write_text(json.dumps(recorded))
        assert lifecycle.running(folder) is None
        assert lifecycle.stop(folder) is False
        assert lifecycle.running(other) == server
    finally:
        lifecycle.stop(other)


def test_a_start_that_fails_shows_the_log(folder: Path) -> None:
    with pytest.raises(lifecycle.EmulatorError, match="did not start:\nno luck"):
        lifecycle.start(folder, FAILS)
    assert lifecycle.running(folder) is None


def test_a_start_that_takes_too_long_is_given_up(folder: Path) -> None:
    for timeout in (0.3, 3, 30, 300):  # the longer ones for a machine that is busy
        with pytest.raises(lifecycle.EmulatorError) as caught:
            lifecycle.start(folder, HANGS, timeout=timeout)
        if "the log is empty" not in str(caught.value):
            break
    assert f"within {timeout} s:\nyawn" in str(caught.value)
    assert lifecycle.running(folder) is None


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(lifecycle.EmulatorError, match="cannot use"):
        lifecycle.start(tmp_path / "file" / ".tapgen", SERVE)


def test_a_file_in_place_of_the_folder_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / ".tapgen"
    file.write_text("mine")
    for ask in (lifecycle.running, lifecycle.status, lifecycle.reset, lifecycle.faults):
        with pytest.raises(
            lifecycle.EmulatorError, match=r"\.tapgen is a file.*move it"
        ):
            ask(file)
    with pytest.raises(lifecycle.EmulatorError, match="cannot use .*tapgen"):
        lifecycle.start(file, SERVE)
    assert lifecycle.stop(file) is False
    assert file.read_text() == "mine"


def test_a_process_file_that_cannot_be_removed_is_said_so(folder: Path) -> None:
    (folder / "local.json").mkdir(parents=True)
    with pytest.raises(lifecycle.EmulatorError, match="cannot remove .*local.json"):
        lifecycle.running(folder)
    (folder / "local.json").rmdir()


def test_resetting_empties_everything_without_a_restart(folder: Path) -> None:
    server = start(folder)
    make_stack_set(server, "gone")
    s3 = connect(server.url, "s3", "111111111111")
    s3.create_bucket(Bucket="gone-too")
    lifecycle.reset(folder)
    assert lifecycle.running(folder) == server
    assert stack_sets(server) == []
    assert s3.list_buckets()["Buckets"] == []


def test_the_status_says_what_there_is(folder: Path) -> None:
    server = start(folder)
    make_stack_set(server, "one")
    client = connect(server.url, "cloudformation", "111111111111")
    body = '{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}'
    client.create_stack(StackName="plain", TemplateBody=body)
    status: dict[str, Any] = lifecycle.status(folder)
    assert status["url"] == server.url
    assert (status["port"], status["pid"]) == (server.port, server.pid)
    assert status["uptime"] >= 0
    assert 10**7 < status["memory"] < 10**9
    counted = (status["stack_sets"], status["stack_instances"], status["stacks"])
    assert counted == (1, 0, 1)
    assert status["shape_only"] == []


def control(server: lifecycle.Server, method: str, route: str, token: str) -> int:
    headers = {"X-Tapgen-Token": token}
    request = Request(f"{server.url}/_tapgen/{route}", headers=headers, method=method)
    try:
        with urlopen(request) as answer:
            return int(answer.status)
    except HTTPError as error:
        with closing(error):
            return error.code


def test_control_needs_the_token(folder: Path) -> None:
    server = start(folder)
    make_stack_set(server, "kept")
    for method, route in (("POST", "shutdown"), ("POST", "reset"), ("GET", "status")):
        assert control(server, method, route, "guess") == 403
        assert control(server, method, route, "") == 403
    assert control(server, "GET", "nothing", server.token) == 404
    assert control(server, "GET", "status", server.token) == 200
    assert stack_sets(server) == ["kept"]


def test_the_token_is_for_the_owner_only(folder: Path) -> None:
    server = lifecycle.start(folder, SERVE, port=free_port())
    assert stat.S_IMODE((folder / "local.json").stat().st_mode) == 0o600
    command = Path(f"/proc/{server.pid}/cmdline").read_bytes()
    assert server.token.encode() not in command
    assert server.token not in repr(server)


def test_the_server_outlives_the_process_that_started_it(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tapgen.emulator.server import lifecycle; "
        "print(lifecycle.start(Path(sys.argv[1]), sys.argv[2:]).pid)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(folder), *SERVE],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.stderr == ""
    server = lifecycle.running(folder)
    assert server is not None and server.pid == int(done.stdout)
    assert os.getsid(server.pid) == server.pid


def terminate(folder: Path) -> None:
    """Let the server end as `lifecycle.stop` does, but for as long as it takes."""
    server = lifecycle.running(folder)
    assert server
    os.kill(server.pid, signal.SIGTERM)
    wait_for_end(server.pid)


def invoke_function(server: lifecycle.Server) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): return event")
    client = connect(server.url, "lambda", "111111111111")
    client.create_function(
        FunctionName="echo",
        Runtime="python3.11",
        Role="arn:aws:iam::111111111111:role/any",
        Handler="index.handler",
        Code={"ZipFile": packed.getvalue()},
    )
    answer = client.invoke(FunctionName="echo", Payload=b'"hello"')["Payload"]
    with closing(answer):
        assert answer.read() == b'"hello"'


def test_it_writes_nothing_outside_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / ".tapgen"
    server = start(folder)
    try:
        make_stack_set(server, "one")
        s3 = connect(server.url, "s3", "111111111111")
        s3.create_bucket(Bucket="a-bucket")
        s3.put_object(Bucket="a-bucket", Key="k", Body=b"x" * 100_000)
        invoke_function(server)
        assert list((folder / "tmp").iterdir()), "functions are unpacked elsewhere"
        assert os.readlink(f"/proc/{server.pid}/cwd") == str(folder.resolve())
    finally:
        lifecycle.stop(folder)
    assert [path.name for path in tmp_path.iterdir()] == [".tapgen"]
    left = {path.name for path in folder.iterdir()}
    assert left <= {"local.lock", "local.log", "state", "s3"}


def test_stopping_and_resetting_do_not_wait_for_what_runs(folder: Path) -> None:
    server = start(folder)
    aws = Aws(server.url, "111111111111")
    for end in (lifecycle.reset, terminate):
        aws.make_roles(aws.account)
        aws.cloudformation.create_stack_set(StackSetName="held", TemplateBody=HELD)
        aws.cloudformation.create_stack_instances(
            StackSetName="held", Accounts=[aws.account], Regions=["us-east-1"]
        )
        while not aws.cloudformation.describe_stacks()["Stacks"]:
            pass
        end(folder)  # neither waits as long as the stack
    assert "Traceback" not in (folder / "local.log").read_text()


def test_a_client_follows_no_port_to_another_project(tmp_path: Path) -> None:
    """A project's server stops while its client works; another one takes the port."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    port = free_port()
    first = lifecycle.start(mine, SERVE, port=port)
    aws = session.connect_local(
        first.url, "us-east-1", instance=lambda: lifecycle.instance_of(mine)
    )
    sets = stacksets.StackSets(aws, Target("000000000000", "us-east-1"))
    bucket = aws.client("s3")
    try:
        assert sets.names() == []
        session.ask(bucket, "create_bucket", Bucket="mine")
        lifecycle.stop(mine)
        second = lifecycle.start(other, SERVE, port=port)

        definition = stacksets.Definition('{"Resources": {}}', {})
        with pytest.raises(Unreachable, match="no longer answered by the embedded AWS"):
            sets.create("never", definition)
        with pytest.raises(Unreachable, match="OtherListener"):
            session.ask(bucket, "create_bucket", Bucket="never")
        assert stack_sets(second) == []
        s3 = connect(second.url, "s3", "000000000000")
        assert s3.list_buckets()["Buckets"] == []

        # Its own one, started again, is recognized.
        lifecycle.stop(other)
        lifecycle.start(mine, SERVE, port=port)
        assert sets.names() == []
    finally:
        lifecycle.stop(mine)
        lifecycle.stop(other)


def test_a_client_believes_no_other_program_on_the_port(tmp_path: Path) -> None:
    with closing(taken_port()) as listener:
        thread = threading.Thread(target=_answer_once, args=(listener,))
        thread.start()
        aws = session.connect_local(
            f"http://127.0.0.1:{listener.getsockname()[1]}",
            "us-east-1",
            instance=lambda: "ours",
        )
        with pytest.raises(Unreachable, match="no longer answered"):
            session.ask(aws.client("s3", Target("0" * 12, "us-east-1")), "list_buckets")
        thread.join()


def _answer_once(listener: socket.socket) -> None:
    """Say OK to whatever is asked, as many programs do."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
