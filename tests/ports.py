"""Ports for servers of tests."""

from __future__ import annotations

import random
import socket

# Above the default ports of the embedded AWS, below those that Linux gives to outgoing
# connections (32768 on): one of those may take a port that was free a moment ago, and a
# client of a port where nobody listens may be connected to itself.
_PORTS = range(10_000, 32_768)
_chance = random.SystemRandom()  # other processes choose, too


def free_port() -> int:
    """A port that nobody has, on which nobody else will start a server soon."""
    for _ in range(1_000):
        port = _chance.choice(_PORTS)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")
