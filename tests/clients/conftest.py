"""Real clients, each in an environment of its own, and an embedded AWS for them.

They are installed into `.tapgen/clients/` by their tests. A client that cannot be had,
as without a network, is skipped with the reason; any other trouble fails its test.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tapgen.emulator.server import lifecycle
from tests.emulator import serve_schemas
from tests.emulator.conftest import connect
from tests.ports import free_port

CLIENTS = Path(__file__).parents[2] / ".tapgen" / "clients"
SERVE = [sys.executable, str(Path(serve_schemas.__file__))]
PATIENCE = 600  # seconds of one command

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.clients)


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("clients")
    yield lifecycle.start(folder, SERVE, port=free_port()).url
    lifecycle.stop(folder)


@dataclass(frozen=True)
class Shell:
    """Where commands of a client run: an account of its own, and a folder."""

    url: str
    account: str
    folder: Path

    def client(self, service: str) -> Any:
        return connect(self.url, service, self.account)

    def run(self, *command: str | Path, more: Mapping[str, str] | None = None) -> str:
        """What a command prints, to both of its outputs; it must succeed."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env={**self.environment, **(more or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CONFIG_FILE": str(self.folder / "config.ini"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(self.folder),
            "NO_COLOR": "1",
        }

    def outputs(self, stack: str) -> dict[str, str]:
        cloudformation = self.client("cloudformation")
        [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        return {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}

    def stacks(self) -> set[str]:
        """The names of the stacks that are not deleted."""
        paginator = self.client("cloudformation").get_paginator("describe_stacks")
        return {s["StackName"] for page in paginator.paginate() for s in page["Stacks"]}


@pytest.fixture
def shell(url: str, tmp_path: Path) -> Shell:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return Shell(url, f"7{int(worker):03}{next(_numbers):08}", tmp_path)


Install = Callable[..., Path]


@pytest.fixture(scope="session")
def python_package() -> Install:
    """Give the folder of commands of an environment with one package, `NAME==VERSION`."""

    def install(package: str) -> Path:
        def make(folder: Path) -> None:
            _done(sys.executable, "-m", "venv", folder)
            pip = (folder / "bin" / "python", "-m", "pip")
            _done(*pip, "install", "--disable-pip-version-check", package)

        return _made(package, make) / "bin"

    return install


@pytest.fixture(scope="session")
def node_packages() -> Install:
    """Give the folder with the `node_modules` of packages, each `NAME@VERSION`."""

    def install(*packages: str) -> Path:
        if not shutil.which("npm"):
            pytest.skip("there is no npm to install " + ", ".join(packages))

        def make(folder: Path) -> None:
            folder.mkdir()
            npm = ("npm", "install", "--prefix", folder, "--no-audit", "--no-fund")
            _done(*npm, *packages)

        return _made("+".join(packages).replace("/", "+"), make)

    return install


# What npm and pip say of a registry that does not answer, or has no such version.
_NOT_TO_BE_HAD = re.compile(
    r"E(404|AI_AGAIN|CONNREFUSED|CONNRESET|NETUNREACH|NOTFOUND|TARGET|TIMEDOUT)\\b|"
    "No matching distribution|NewConnectionError|ReadTimeout|SSLError|timed out"
)


def _made(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of a client, made once; skips the test if the client cannot be had."""
    folder = CLIENTS / name
    ready = folder / ".ready"
    if ready.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    CLIENTS.mkdir(parents=True, exist_ok=True)
    try:
        make(folder)
    except (OSError, subprocess.SubprocessError) as error:
        said = f"{error}\n{getattr(error, 'stdout', None) or ''}"
        if not (found := _NOT_TO_BE_HAD.search(said)):
            pytest.fail(f"{name} does not install:\n{said}")
        [line] = [one for one in said.splitlines() if found[0] in one][:1]
        pytest.skip(f"{name} cannot be had: {line.strip()}")
    ready.touch()
    return folder


def _done(*command: str | Path) -> None:
    arguments: Sequence[str] = [str(part) for part in command]
    subprocess.run(
        arguments,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
