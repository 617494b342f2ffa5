"""The connection of a request: to end it without an answer, or to keep it after one.

ASGI has no message to end it. hypercorn has the connection in a task that starts the
application's tasks.
"""

from __future__ import annotations

import contextvars
from typing import Any

from tapgen.emulator.wire.inner import Message, Receive, Send

UNREAD_LIMIT = 8 * 1024 * 1024  # of a body that nobody wants

_writer: contextvars.ContextVar[Any] = contextvars.ContextVar("tapgen_connection")


def remember() -> None:
    """Store each request's connection for `cut`; a second call changes nothing."""
    from hypercorn.asyncio import run

    if run.TCPServer.__module__ == __name__:
        return

    class Remembering(run.TCPServer):  # type: ignore[misc]
        """A server of one connection."""

        async def run(self) -> None:
            _writer.set(self.writer)
            await super().run()

    run.TCPServer = Remembering


def cut() -> None:
    """End the connection of the current request at once."""
    writer = _writer.get(None)
    if writer is not None:
        writer.transport.abort()


def after_request(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return both so that an answer begins when the whole request has arrived.

    Else hypercorn would end the connection after the answer without saying so, and a
    client that keeps it for its next request would find it closed: some SDK calls would
    fail now and then. Of more than `UNREAD_LIMIT` bytes the end is not awaited; the
    answer says then that the connection ends (RFC 9112, 9.6).
    """
    whole = False

    async def receiving() -> Message:
        nonlocal whole
        message = await receive()
        whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            unread = 0
            while not whole and unread <= UNREAD_LIMIT:
                unread += len((await receiving()).get("body", b""))
            if not whole:
                end = (b"connection", b"close")
                message = {**message, "headers": [*message.get("headers", []), end]}
        await send(message)

    return receiving, sending
