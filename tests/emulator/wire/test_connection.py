"""A connection is kept for the next request, or its end is said."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import ExitStack
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tapgen.emulator.server import lifecycle
from tapgen.emulator.server.proof import CONTROL
from tapgen.emulator.wire.connection import BODY_LIMIT, UNREAD_LIMIT, after_request
from tests.emulator.conftest import PATIENCE, SERVE, Aws, connect
from tests.ports import free_port

AWS = "/"
EVIL = "Origin: http://evil.example\r\n"


def answered(connection: socket.socket, head: str, body: bytes) -> HTTPResponse:
    """Send a request whose body comes after what the server could answer already."""
    length = f"Host: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(f"{head}{length}".encode())
    time.sleep(0.1)
    connection.sendall(body)
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer


@pytest.mark.parametrize(
    "path, header",
    [(AWS, EVIL), (f"{CONTROL}reset", ""), (AWS, "X-Tapgen-Instance: another\r\n")],
)
def test_an_answer_to_an_unread_body_keeps_the_connection(
    server: lifecycle.Server, path: str, header: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\n{header}"
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        first = answered(connection, head, b"{}")
        assert first.status >= 400
        assert not first.will_close
        assert answered(connection, head, b"{}").status == first.status


def test_the_end_of_a_huge_body_is_not_awaited() -> None:
    part = {"type": "http.request", "body": range(UNREAD_LIMIT + 1), "more_body": True}
    sent: list[Any] = []

    async def receive() -> Any:
        return part

    async def send(message: Any) -> None:
        sent.append(message)

    _, answer = after_request(receive, send, most=0)
    asyncio.run(answer({"type": "http.response.start", "status": 413, "headers": []}))
    assert sent[0]["headers"] == [(b"connection", b"close")]


def test_a_request_larger_than_its_service_takes_is_refused(
    server: lifecycle.Server,
) -> None:
    aws = Aws(server.url, "111111111111")
    with pytest.raises(ClientError, match="RequestEntityTooLarge.*16777216 bytes"):
        aws.client("dynamodb").delete_table(TableName="x" * BODY_LIMIT)
    large = b"x" * (BODY_LIMIT + 1)  # S3 takes it
    aws.client("s3").create_bucket(Bucket="large-objects")
    aws.client("s3").put_object(Bucket="large-objects", Key="k", Body=large)


# What clients send that are slow, or have gone.
HEAD = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
WHOLE = f"GET {CONTROL}identity?nonce=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
CROWD = (b"", HEAD, HEAD + b"Content-Length: 100\r\n\r\nabc", WHOLE)
DESCRIPTORS = 400  # of the server; each crowd has 300 connections


def test_a_crowd_of_slow_clients_does_not_stop_the_others(tmp_path: Path) -> None:
    """In `make soak` for two minutes: descriptors and memory stay the same."""
    limited = f'ulimit -n {DESCRIPTORS}; exec "$@"'
    server = lifecycle.start(
        tmp_path, ["bash", "-c", limited, "bash", *SERVE], port=free_port()
    )

    def used() -> tuple[int, int]:
        pages = Path(f"/proc/{server.pid}/statm").read_text().split()[1]
        return len(os.listdir(f"/proc/{server.pid}/fd")), int(pages) * 4096

    def crowd(sent: bytes) -> None:
        with ExitStack() as clients:
            for _ in range(300):
                client = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
                clients.enter_context(client)
                client.sendall(sent)
            # Not over a connection of before, which may have made room.
            connect(server.url, "cloudformation", "111111111111").list_stack_sets()
            assert used()[0] < DESCRIPTORS

    try:
        for sent in CROWD:
            crowd(sent)
        rounds, before = int(os.environ.get("TAPGEN_SOAK", 0)), used()[1]
        for _ in range(rounds):
            for sent in CROWD:
                crowd(sent)
        assert used()[1] < before + 20 * 1024**2
    finally:
        lifecycle.stop(tmp_path)
