"""The connection of a request, so that it can be cut.

ASGI has no word for ending a connection without an answer; hypercorn's server keeps
the connection in a task that the application's tasks descend from.
"""

from __future__ import annotations

import contextvars
from typing import Any

_writer: contextvars.ContextVar[Any] = contextvars.ContextVar("tapgen_connection")


def remember() -> None:
    """Have hypercorn tell each request's connection; doing it again changes nothing."""
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
    """End the connection of the current request at once, as it is."""
    writer = _writer.get(None)
    if writer is not None:
        writer.transport.abort()
