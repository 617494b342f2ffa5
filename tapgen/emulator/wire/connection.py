"""The connections of requests: to end one without an answer, to keep one after an answer,
and to keep a crowd of slow and abandoned ones from taking all descriptors.

ASGI has no message to end a connection. hypercorn has each one in a task that starts the
application's tasks.
"""

from __future__ import annotations

import asyncio
import contextvars
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tapgen.emulator.wire.inner import Message, Receive, Send

BODY_LIMITS: Mapping[str, int] = {"s3": 2**63, "lambda": 100 * 1024**2}
"""Bytes of a request to a service with large ones: objects stay in memory anyway, and the
code of a function has 50 MB, as base64 (gettingstarted-limits.html of Lambda)."""
BODY_LIMIT = 16 * 1024**2
"""Bytes of any other request. Of AWS's own limits DynamoDB has the highest, 16 MB
(BatchWriteItem)."""
UNREAD_LIMIT = 256 * 1024**2
"""Bytes of a body that nobody wants, which are read so that the client sees the answer."""
PATIENCE = 60
"""Seconds until the next part of a body has come."""
FOR_FILES = 256
"""Descriptors that are not for connections: files, and processes of functions."""

_current: contextvars.ContextVar[Any] = contextvars.ContextVar("tapgen_connection")
# Those that wait for their client, the longest first.
_waiting: dict[Any, None] = {}


def remember(most: int | None = None) -> None:
    """Store each request's connection for `cut`; a second call changes nothing.

    Of more than `most` connections, the one that has waited longest for its client is
    ended; without a number, as many as this process may have descriptors for.
    """
    from hypercorn.asyncio import run
    from hypercorn.events import Event, Updated

    if run.TCPServer.__module__ == __name__:
        return
    limit = most or max(_descriptors() - FOR_FILES, _descriptors() // 2)
    connections: set[Any] = set()

    class Remembering(run.TCPServer):  # type: ignore[misc]
        """A server of one connection."""

        async def run(self) -> None:
            _current.set(self)
            if len(connections) >= limit and _waiting:
                end(next(iter(_waiting)))
            connections.add(self)
            _waiting[self] = None
            try:
                await super().run()
            finally:
                connections.discard(self)
                _waiting.pop(self, None)

        async def protocol_send(self, event: Event) -> None:
            if isinstance(event, Updated):
                _waiting.pop(self, None)
                if event.idle:
                    _waiting[self] = None
            await super().protocol_send(event)

        async def _read_data(self) -> None:
            await super()._read_data()
            # Else the descriptor of a client that has gone stays until the keep-alive ends.
            await self.idle_task.stop()

    run.TCPServer = Remembering


def _descriptors() -> int:
    """Allow this process as many descriptors as it may have, and return the number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def end(connection: Any) -> None:
    """End a connection at once."""
    _waiting.pop(connection, None)
    connection.writer.transport.abort()


def cut() -> None:
    """End the connection of the current request at once."""
    connection = _current.get(None)
    if connection is not None:
        end(connection)


def limit(service: str) -> int:
    """How many bytes a request to a service may have."""
    return BODY_LIMITS.get(service, BODY_LIMIT)


def after_request(receive: Receive, send: Send, most: int) -> tuple[Receive, Send]:
    """Return both so that an answer begins when the whole request has arrived.

    Else hypercorn would end the connection after the answer without saying so, and a
    client that keeps it for its next request would find it closed: some SDK calls would
    fail now and then. Of more than `UNREAD_LIMIT` bytes the end is not awaited; the
    answer says then that the connection ends (RFC 9112, 9.6). A connection ends whose
    client is silent within a body, or sends more than `most` bytes to who reads them.
    """
    request = _Request(receive)

    async def reading() -> Message:
        message = await request.next()
        if request.size <= most and message["type"] == "http.request":
            return message
        cut()
        return {"type": "http.disconnect"}

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            while not request.whole and request.size <= UNREAD_LIMIT:
                await request.next()
            if not request.whole:
                end = (b"connection", b"close")
                message = {**message, "headers": [*message.get("headers", []), end]}
        await send(message)

    return reading, sending


@dataclass
class _Request:
    """A request that arrives, and how much of it has arrived."""

    receive: Receive
    whole: bool = False
    size: int = 0

    async def next(self) -> Message:
        if self.whole:
            return await self.receive()
        connection = _current.get(None)
        _waiting[connection] = None
        try:
            async with asyncio.timeout(PATIENCE):
                message = await self.receive()
        except TimeoutError:
            message = {"type": "http.disconnect"}
        finally:
            _waiting.pop(connection, None)
        self.size += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
        self.whole = not more
        return message
