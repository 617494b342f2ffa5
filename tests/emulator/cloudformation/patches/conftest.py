"""One embedded AWS for the tests of all patches, and an account for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tapgen.emulator.server import lifecycle
from tests.emulator.places import Place, new_account, served


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Server]:
    yield from served(tmp_path_factory.mktemp("patches"))


@pytest.fixture
def place(server: lifecycle.Server) -> Place:
    """An account that no other test has, in us-east-1."""
    return Place(server.url, new_account())
