"""The connection of a request, to end it without an answer.

ASGI has no message for that. hypercorn has the connection in a task that starts the
application's tasks.
"""

from __future__ import annotations

import contextvars
from typing import Any

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
