"""One embedded AWS for the tests here, each test in an account of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.accounts import bootstrap
from tapgen.aws import session, sweep
from tapgen.aws.remembered import Memory
from tapgen.aws.stacksets import StackSets
from tapgen.cli.bootstrap import deployed_types
from tapgen.emulator.server import lifecycle
from tapgen.model import Observed, System, Target
from tapgen.plan import Plan
from tapgen.rollout import Event, Outcome
from tapgen.system import ownership
from tapgen.template import loops
from tests.emulated import forks
from tests.systems.look import LINTED

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def forked() -> Iterator[None]:
    """The process that forks for each command of tapgen ends with the tests."""
    with forks.ending:
        yield


def share_lint_results(project: Path) -> None:
    """Let a new project know what lint found in others, and in `make lint`: half the time
    of a rollout there is linting the same templates again. What lint finds at all, and
    when, is tested in tests/unit/lint."""
    link = project / ".tapgen" / "lint"
    if not link.exists():
        link.parent.mkdir(exist_ok=True)
        LINTED.mkdir(parents=True, exist_ok=True)
        link.symlink_to(LINTED)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Server]:
    folder = tmp_path_factory.mktemp("embedded")
    yield lifecycle.start(folder, forks.module("tapgen", "local", "serve"))
    lifecycle.stop(folder)


@dataclass
class Cloud:
    """An account of the embedded AWS as tapgen works on it."""

    url: str
    account: str
    code: str = ""
    events: list[Event] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)

    @cached_property
    def aws(self) -> session.Aws:
        return session.connect_local(self.url, "us-east-1", self.account)

    @property
    def sets(self) -> StackSets:
        """With what commands of one project remember, as they do."""
        return StackSets(
            self.aws, Target(self.account, "us-east-1"), memory=self.memory
        )

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return self.aws.client(service, Target(self.account, region))

    def bootstrap(self, system: System) -> list[str]:
        """Bootstrap with the permissions for what is deployed, as the command does."""
        resolved = system.resolve(self.account)
        found = ownership.definitions(resolved, self.sets)
        loops_in = [n for n, o in found.items() if loops.TRANSFORM in o.template]
        found |= self.sets.observe(loops_in, outputs=sweep.nowhere)
        return bootstrap.run(
            self.aws, resolved, code=self.code, deployed_types=deployed_types(found)
        )

    def observe(self, system: System) -> dict[str, Observed]:
        return ownership.observe(system.resolve(self.account), self.sets)

    def plan(self, system: System) -> Plan:
        return plan.make(system.resolve(self.account), self.observe(system))

    def run(
        self,
        plan: Plan,
        stopping: Callable[[], bool] = lambda: False,
        supersede: str | None = None,
    ) -> Outcome:
        return rollout.run(
            plan,
            self.sets,
            self.events.append,
            starter=rollout.Starter("tester", supersede=supersede),
            stopping=stopping,
            poll_seconds=(0.02, 0.1),
        )

    def resume(self, system: System, *, back: bool = False) -> Outcome | None:
        prefix, events = system.prefix, self.events.append
        return rollout.resume(
            self.sets, prefix, events, back=back, poll_seconds=(0.02, 0.1)
        )

    def rollout(self, system: System, supersede: str | None = None) -> Outcome:
        """Bootstrap, plan and run."""
        self.bootstrap(system)
        return self.run(self.plan(system), supersede=supersede)

    def statuses(self, system: System) -> set[str]:
        found = self.observe(system)
        return {str(i.status) for o in found.values() for i in o.instances.values()}


@pytest.fixture
def cloud(server: lifecycle.Server) -> Cloud:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return Cloud(server.url, f"{int(worker) + 1:04}{next(_numbers):08}")
