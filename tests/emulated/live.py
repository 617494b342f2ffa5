"""A shipped system, rolled out on the embedded AWS, and its data plane."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tapgen import blueprints
from tapgen.accounts import bootstrap
from tapgen.model import System
from tapgen.operate import dividing, migrating, ringing, running, shifting
from tapgen.rollout import Event, Outcome, Starter
from tests.emulated.conftest import Cloud

UNSIGNED = "000000000000"
"""The account in which APIs answer calls that nobody signed."""


@dataclass(frozen=True)
class Live:
    """A system and the account it is rolled out in."""

    cloud: Cloud
    system: System

    def rollout(self, *, unbounded: bool = False) -> Outcome:
        """Bootstrap as `tapgen bootstrap` does, plan and run. `unbounded` says that roles
        of before have no permissions boundary."""
        blueprint = blueprints.find(self.system.blueprint)
        assert blueprint is not None
        resolved = self.system.resolve(self.cloud.account)
        bootstrap.run(
            self.cloud.aws, resolved, code=blueprint.code, unbounded=unbounded
        )
        return self.cloud.run(self.cloud.plan(self.system))

    def outputs(self, part: str, role: str) -> dict[str, str]:
        """The outputs of a part in the region of a role."""
        region = self.system.regions[role]
        stack_set = self.system.part(part)
        found = self.cloud.sets.observe([stack_set.name])[stack_set.name]
        for target, instance in found.instances.items():
            if target.region == region:
                return dict(instance.outputs or {})
        raise AssertionError(f"{part} is not in {region}")

    def shift(
        self,
        by: str,
        to: str,
        *steps: int,
        role: str = "",
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> Outcome:
        """Shift traffic, promote a canary without steps, or without a side take the last
        shift back."""
        system = self.system.resolve(self.cloud.account)
        sets = self.cloud.sets
        shift = dividing.chosen(system, by, role)
        where = dividing.located(system, sets.aws, shift)
        alarms = ringing.look(sets, system)
        if not to:
            found = shifting.backward(system, sets.aws, where, sets.bucket)
        elif not steps:
            found = shifting.promotion(
                system, sets.aws, where, bake=0.0, ringing=alarms
            )
        else:
            found = shifting.forward(
                system, sets.aws, where, to, steps, 0.0, ringing=alarms
            )
        return running.run(
            shifting.compiled(found, system),
            system,
            sets,
            on_event,
            starter=Starter("tester", dividing.COMMAND, found.facts),
            poll_seconds=(0.02, 0.1),
        )

    def unpersisted(self) -> tuple[str, ...]:
        """What a plan says of traffic that is not as the stacks have it."""
        system = self.system.resolve(self.cloud.account)
        observed = self.cloud.observe(self.system)
        return shifting.unpersisted(system, self.cloud.aws, observed)

    def standing(self) -> migrating.Standing:
        """Where the migration is, with nothing but what is deployed."""
        system = self.system.resolve(self.cloud.account)
        observed = self.cloud.sets.observe(sorted(migrating.parts(system)))
        return migrating.standing(system, self.cloud.aws, observed, _not_in_the_file)

    def client(self, service: str, role: str) -> Any:
        return self.cloud.client(service, self.system.regions[role])

    def ask(
        self,
        role: str,
        method: str,
        path: str,
        content: Any = None,
        part: str = "api",
        signed: bool = False,
        token: str = "",
    ) -> tuple[int, Any]:
        """Status and content of what the API of a region answers.

        Methods with the authorization AWS_IAM answer those who sign only.
        """
        outputs = self.outputs(part, role)
        place = f"restapis/{outputs['ApiId']}/{outputs['StageName']}/_user_request_"
        body = None if content is None else json.dumps(content).encode()
        request = Request(f"{self.cloud.url}/{place}{path}", body, method=method)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", token)
        if signed:
            self._sign(request, self.system.regions[role])
        try:
            with urlopen(request) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)

    def _sign(self, request: Request, region: str) -> None:
        """Sign a request as an SDK does, with keys of the account."""
        unsigned = AWSRequest(request.method, request.full_url, data=request.data)
        keys = Credentials(self.cloud.account, "test")
        SigV4Auth(keys, "execute-api", region).add_auth(unsigned)
        for name, value in unsigned.headers.items():
            request.add_header(name, value)


def _not_in_the_file(path: str) -> Any:
    raise AssertionError(f"{path} shows in what is deployed")
