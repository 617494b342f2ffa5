"""A connection is kept for the next request, or its end is said."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection, HTTPResponse

import pytest

from tapgen.emulator.server import lifecycle
from tapgen.emulator.server.proof import CONTROL
from tapgen.emulator.wire.connection import UNREAD_LIMIT

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
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        first = answered(connection, head, b"{}")
        assert first.status >= 400
        assert not first.will_close
        assert answered(connection, head, b"{}").status == first.status


def test_the_end_of_a_huge_body_is_not_awaited(server: lifecycle.Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = iter([b"x" * (UNREAD_LIMIT + 1), b"x" * 8])
    headers = {"Origin": "http://evil.example", "Content-Length": "100000000"}
    connection.putrequest("POST", AWS)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    for part in body:
        connection.send(part)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("connection")) == (403, "close")
    connection.close()
